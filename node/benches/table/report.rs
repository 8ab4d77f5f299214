//! The table: figures of several rounds beside the limits that bound them.

use serde_json::{Value, json};

/// What is aimed at.
#[derive(Clone, Copy)]
pub(crate) enum Aim {
    /// A ratio to the limit that is reached.
    Ratio(f64),
    /// A figure that is not passed.
    AtMost(f64),
}

/// One line.
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) figures: Vec<f64>,
    /// The name of the limit, and what it was in the same rounds.
    pub(crate) limit: Option<(&'static str, Vec<f64>)>,
    pub(crate) aim: Option<Aim>,
}

impl Row {
    pub(crate) fn new(what: impl Into<String>, unit: &'static str, figures: Vec<f64>) -> Self {
        Self {
            what: what.into(),
            unit,
            figures,
            limit: None,
            aim: None,
        }
    }

    pub(crate) fn bounded(mut self, name: &'static str, limits: &[f64]) -> Self {
        self.limit = Some((name, limits.to_vec()));
        self
    }

    pub(crate) fn aims(mut self, aim: Aim) -> Self {
        self.aim = Some(aim);
        self
    }

    fn ratios(&self) -> Vec<f64> {
        let limits = self.limit.iter().flat_map(|(_, limits)| limits);
        self.figures
            .iter()
            .zip(limits)
            .map(|(figure, limit)| figure / limit)
            .collect()
    }

    fn is_reached(&self) -> Option<bool> {
        Some(match self.aim? {
            Aim::Ratio(least) => median(&self.ratios())? >= least,
            Aim::AtMost(most) => median(&self.figures)? <= most,
        })
    }

    fn cells(&self) -> [String; 6] {
        let aim = match self.aim {
            None => String::new(),
            Some(Aim::Ratio(least)) => format!("ratio >= {least}"),
            Some(Aim::AtMost(most)) => format!("<= {most} {}", self.unit),
        };
        let outcome = match self.is_reached() {
            None => String::new(),
            Some(true) => format!("{aim}: reached"),
            Some(false) => format!("{aim}: **missed**"),
        };
        let (name, limits) = match &self.limit {
            Some((name, limits)) => ((*name).to_owned(), spread(limits)),
            None => Default::default(),
        };
        [
            format!("{}, {}", self.what, self.unit),
            spread(&self.figures),
            name,
            limits,
            spread(&self.ratios()),
            outcome,
        ]
    }

    fn json(&self) -> Value {
        let limit = self
            .limit
            .as_ref()
            .map(|(name, limits)| json!({"name": name, "rounds": limits, "median": median(limits)}));
        let ratios = self.ratios();
        json!({
            "what": self.what, "unit": self.unit, "rounds": self.figures, "median": median(&self.figures),
            "limit": limit, "ratios": ratios, "ratio": median(&ratios), "reached": self.is_reached(),
        })
    }
}

/// Adds the rows of a further pass to those of the passes before.
pub(crate) fn join(rows: &mut Vec<Row>, more: Vec<Row>) {
    for row in more {
        let Some(before) = rows.iter_mut().find(|before| before.what == row.what) else {
            rows.push(row);
            continue;
        };
        before.figures.extend(row.figures);
        if let (Some((_, limits)), Some((_, further))) = (&mut before.limit, row.limit) {
            limits.extend(further);
        }
    }
}

/// Returns the middle one, or the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.get(sorted.len() / 2)?;
    let lower = sorted.get(sorted.len().saturating_sub(1) / 2)?;
    Some((upper + lower) / 2.0)
}

/// Prints a number with about three digits that count.
fn number(value: f64) -> String {
    let text = match value.abs() {
        large if large >= 1_000.0 => format!("{:.0}", (value / 10.0).round() * 10.0),
        hundreds if hundreds >= 100.0 => format!("{value:.0}"),
        tens if tens >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    };
    let (whole, rest) = text
        .split_once('.')
        .map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    match rest {
        Some(rest) => format!("{grouped}.{rest}"),
        None => grouped,
    }
}

fn ends(values: &[f64]) -> (f64, f64) {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (least, most)
}

fn spread(values: &[f64]) -> String {
    let Some(middle) = median(values) else {
        return String::new();
    };
    let (least, most) = ends(values);
    if values.len() == 1 {
        number(middle)
    } else {
        format!("{} ({}..{})", number(middle), number(least), number(most))
    }
}

const HEADING: [&str; 6] = ["what", "figure", "bounded by", "limit", "ratio", "aim"];

/// Everything that was measured, with what is to be known of the machine.
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    pub(crate) notes: Vec<String>,
}

impl Report {
    pub(crate) fn json(&self) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(Row::json).collect();
        json!({"rows": rows, "notes": self.notes})
    }

    pub(crate) fn markdown(&self) -> String {
        let mut lines = vec![
            format!("| {} |", HEADING.join(" | ")),
            "|---|---|---|---|---|---|".to_owned(),
        ];
        lines.extend(
            self.rows
                .iter()
                .map(|row| format!("| {} |", row.cells().join(" | "))),
        );
        lines.push(String::new());
        lines.push(self.notes.join(" "));
        lines.join("\n")
    }

    /// Compares each median with the spread of an earlier run, and spread with spread where it lies outside: of the ratio to the
    /// limit where there is one.
    pub(crate) fn against(&self, earlier: &Value) -> String {
        let (mut within, mut overlap, mut apart) = (0, Vec::new(), Vec::new());
        let rows = earlier["rows"].as_array().cloned().unwrap_or_default();
        for row in &self.rows {
            let Some(before) = rows.iter().find(|before| before["what"] == row.what.as_str()) else {
                continue;
            };
            let (name, now) = match row.ratios() {
                ratios if ratios.is_empty() => ("rounds", row.figures.clone()),
                ratios => ("ratios", ratios),
            };
            let list = before[name].as_array().into_iter().flatten();
            let before: Vec<f64> = list.filter_map(Value::as_f64).collect();
            let Some(middle) = median(&now).filter(|_| before.len() > 1) else {
                continue;
            };
            // What is printed has about three digits.
            let slack = middle.abs() * 0.005;
            let (least, most) = ends(&before);
            let (now_least, now_most) = ends(&now);
            let line = || {
                format!(
                    "{} ({name}): {}, before {}",
                    row.what,
                    spread(&now),
                    spread(&before)
                )
            };
            if (least - slack..=most + slack).contains(&middle) {
                within += 1;
            } else if now_least <= most + slack && least <= now_most + slack {
                overlap.push(line());
            } else {
                apart.push(line());
            }
        }
        let all = within + overlap.len() + apart.len();
        let mut lines = vec![format!(
            "{within} of {all} medians lie within the spread of the earlier run; of {} others the spreads overlap, of {} not.",
            overlap.len(),
            apart.len()
        )];
        lines.extend(overlap.into_iter().map(|line| format!("overlap: {line}")));
        lines.extend(apart.into_iter().map(|line| format!("apart: {line}")));
        lines.join("\n")
    }

    pub(crate) fn text(&self) -> String {
        let heading = HEADING.map(str::to_owned);
        let cells: Vec<[String; 6]> = std::iter::once(heading)
            .chain(self.rows.iter().map(Row::cells))
            .collect();
        let width = |column: usize| cells.iter().map(|row| row[column].len()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..6).map(width).collect();
        let mut lines: Vec<String> = Vec::new();
        for row in &cells {
            let padded = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:<width$}"));
            let line = padded.collect::<Vec<_>>().join("  ").replace("**", "");
            lines.push(line.trim_end().to_owned());
        }
        lines.push(String::new());
        lines.extend(self.notes.iter().cloned());
        lines.join("\n")
    }
}
