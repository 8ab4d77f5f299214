//! Output: results on stdout as tables for people or JSON for programs; progress, warnings, hints and errors on stderr.

use super::error::Failure;
use super::session::Connection;
use crate::texts::{Language, Texts};
use comfy_table::{Attribute, Cell, ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write};
use std::time::Duration;
use tally_ledger::authority::Registry;

/// Where output goes, and in which form.
pub struct Output {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    /// The texts.
    pub texts: Texts,
    /// Whether results are JSON.
    pub json: bool,
    /// How far local time is ahead of UTC.
    pub offset_minutes: i32,
    names: NamesById,
    terminal: Terminal,
}

/// What the genesis names by ids and codes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct NamesById {
    departments: BTreeMap<String, String>,
    /// Grounds of refusal and violations of the profiles.
    codes: BTreeMap<String, String>,
}

/// For whom something is shown: in which language, in which zone, with which names for departments and codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reader<'a> {
    /// The texts.
    pub texts: Texts,
    /// How far local time is ahead of UTC.
    pub offset_minutes: i32,
    names: &'a NamesById,
}

impl<'a> Reader<'a> {
    /// Returns the name of a department; its id where the name is not known.
    pub fn department(&self, id: &'a str) -> &'a str {
        self.names.departments.get(id).map_or(id, String::as_str)
    }

    /// Returns name and id of a department, as commands take it.
    pub fn department_with_id(&self, id: &str) -> String {
        with_id(&self.names.departments, id)
    }

    /// Returns name and code of a ground of refusal or a violation.
    pub fn code_with_name(&self, code: &str) -> String {
        with_id(&self.names.codes, code)
    }
}

fn with_id(names: &BTreeMap<String, String>, id: &str) -> String {
    match names.get(id) {
        Some(name) if name != id => format!("{name} ({id})"),
        _ => id.to_owned(),
    }
}

/// What the streams are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terminal {
    /// Whether a person reads stdout.
    pub out: bool,
    /// Whether a person reads stderr.
    pub err: bool,
    /// Whether a person types.
    pub input: bool,
    /// Whether colours were declined (`NO_COLOR`).
    pub plain: bool,
}

impl Terminal {
    /// Asks the operating system.
    pub fn detect() -> Self {
        Self {
            out: io::stdout().is_terminal(),
            err: io::stderr().is_terminal(),
            input: io::stdin().is_terminal(),
            plain: std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()),
        }
    }
}

impl Output {
    /// Writes to the standard streams.
    pub fn standard(texts: Texts, json: bool) -> Self {
        Self::new(
            texts,
            json,
            Terminal::detect(),
            Box::new(io::stdout()),
            Box::new(io::stderr()),
        )
    }

    /// Writes to given streams.
    pub fn new(
        texts: Texts,
        json: bool,
        terminal: Terminal,
        out: Box<dyn Write>,
        err: Box<dyn Write>,
    ) -> Self {
        Self {
            out,
            err,
            texts,
            json,
            offset_minutes: 0,
            names: NamesById::default(),
            terminal,
        }
    }

    /// Returns for whom is shown.
    pub fn reader(&self) -> Reader<'_> {
        Reader {
            texts: self.texts,
            offset_minutes: self.offset_minutes,
            names: &self.names,
        }
    }

    /// Takes zone and names from the federation.
    pub fn know(&mut self, connection: &Connection) {
        self.offset_minutes = connection.offset_minutes();
        self.know_names(connection.trust.registry());
    }

    /// Takes from a registry how departments and codes are named.
    pub fn know_names(&mut self, registry: &Registry) {
        let chosen = |en: &str, zh: &str| match self.texts.language {
            Language::En => en.to_owned(),
            Language::Zh => zh.to_owned(),
        };
        let departments = registry.departments(registry.newest().version);
        let mut names = NamesById::default();
        for record in departments {
            if let Some(profile) = registry.profile_of(&record.id) {
                for (code, ground) in &profile.refusals {
                    names
                        .codes
                        .insert(code.clone(), chosen(&ground.names.en, &ground.names.zh));
                }
                for (code, violation) in &profile.violations {
                    names
                        .codes
                        .insert(code.clone(), chosen(&violation.names.en, &violation.names.zh));
                }
            }
            let name = chosen(&record.name_en, &record.name_zh);
            names.departments.insert(record.id.to_string(), name);
        }
        self.names = names;
    }

    /// Says whether questions can be asked.
    pub fn can_ask(&self) -> bool {
        self.terminal.input && self.terminal.err && !self.json
    }

    /// Writes a line of the result; nothing with `--json`.
    pub fn line(&mut self, text: &str) {
        if !self.json {
            self.raw(text);
            self.raw("\n");
        }
    }

    /// Writes a result verbatim, in either form.
    pub fn raw(&mut self, text: &str) {
        if let Err(error) = self
            .out
            .write_all(text.as_bytes())
            .and_then(|()| self.out.flush())
        {
            self.gone(&error);
        }
    }

    /// Writes the JSON result; nothing without `--json`.
    pub fn value(&mut self, value: &Value) {
        if self.json {
            let text = format!("{value:#}\n");
            self.raw(&text);
        }
    }

    /// Writes a table whose first row are column names; nothing with `--json`.
    pub fn table(&mut self, columns: &[&str], rows: Vec<Vec<String>>) {
        if self.json {
            return;
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        let bold = self.terminal.out && !self.terminal.plain;
        table.set_header(columns.iter().map(|name| {
            let cell = Cell::new(name);
            if bold {
                cell.add_attribute(Attribute::Bold)
            } else {
                cell
            }
        }));
        if self.terminal.out {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        } else {
            table.force_no_tty();
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        table.add_rows(rows);
        let text: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
        self.line(&text.join("\n"));
    }

    /// Writes a hint on stderr.
    pub fn hint(&mut self, text: &str) {
        self.side(&format!("{}{text}", self.texts.say("ui.hint")));
    }

    /// Writes a warning on stderr.
    pub fn warning(&mut self, text: &str) {
        self.side(&format!("{}{text}", self.texts.say("ui.warning")));
    }

    /// Writes a failure on stderr, as JSON with `--json`.
    pub fn failure(&mut self, failure: &Failure) {
        let message = failure.message(self.texts);
        let hint = failure.hint_text(self.texts);
        if self.json {
            let mut error = json!({
                "family": failure.family.as_str(),
                "code": failure.code(),
                "message": message,
            });
            if let (Some(hint), Some(members)) = (hint, error.as_object_mut()) {
                members.insert("hint".to_owned(), Value::String(hint));
            }
            self.side(&json!({ "error": error }).to_string());
            return;
        }
        self.side(&format!("{}{message}", self.texts.say("ui.error")));
        if let Some(hint) = hint {
            self.hint(&hint);
        }
    }

    /// Writes a line on stderr.
    pub fn side(&mut self, text: &str) {
        if let Err(error) = writeln!(self.err, "{text}") {
            self.gone(&error);
        }
    }

    /// Shows that something long runs, where a person watches.
    pub fn progress(&self, text: &str) -> Option<ProgressBar> {
        if !self.terminal.err || self.json {
            return None;
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {pos}") {
            bar.set_style(style);
        }
        bar.set_message(text.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        Some(bar)
    }

    /// A reader that went away, such as `head`, ends the output quietly; the work itself goes on.
    fn gone(&mut self, _error: &io::Error) {
        self.out = Box::new(io::sink());
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::texts::Language;
    use std::sync::{Arc, Mutex};

    /// A stream that keeps what was written.
    #[derive(Clone, Default)]
    pub(crate) struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Kept {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    pub(crate) fn output(language: Language, json: bool) -> (Output, Kept, Kept) {
        let (out, err) = (Kept::default(), Kept::default());
        let output = Output::new(
            Texts::new(language),
            json,
            Terminal::default(),
            Box::new(out.clone()),
            Box::new(err.clone()),
        );
        (output, out, err)
    }

    #[test]
    fn columns_of_chinese_text_line_up() {
        let (mut output, out, _) = output(Language::Zh, false);
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        output.table(
            &["案件", "应办单位", "到期"],
            vec![
                row(["housing/req-2026-0001", "民政局", "2026-03-02"]),
                row(["tax/fnd-2026-0012", "住房和城乡建设局", "2026-03-11"]),
            ],
        );
        insta::assert_snapshot!("table_zh", out.text());
    }

    #[test]
    fn a_failure_has_a_hint_and_in_json_a_family() {
        let failure = || {
            Failure::invalid("error.key-mode")
                .with("path", "k.key")
                .with("mode", "644")
                .hint("hint.key-mode")
        };
        let (mut people, _, err) = output(Language::En, false);
        people.failure(&failure());
        insta::assert_snapshot!("failure_en", err.text());
        let (mut chinese, _, err) = output(Language::Zh, false);
        chinese.failure(&failure());
        insta::assert_snapshot!("failure_zh", err.text());
        let (mut program, out, err) = output(Language::En, true);
        program.failure(&failure());
        insta::assert_snapshot!("failure_json", err.text());
        assert_eq!(out.text(), "");
    }
}
