//! The manual of the command line, `client/examples/*.md`: every console block is run against a trial and compared with what it shows.
//!
//! A line that begins with `$ ` is given to the shell, and the lines behind it are what it must say. What differs from run to run stands
//! there under a name, which `client/examples/README.md` lists; in a command such a name stands for what it named before.
//! A line `<!-- lost: NODE/FILE -->` stops the nodes, deletes a file of one and starts them again.
//! `TALLY_BLESS=1` writes what the commands say into the files.

use super::trial::{Trial, commands, root};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// The time of every transcript: two working days before the answer is due.
const NOW: &str = "2026-01-15T01:00:00.000Z";

/// The names that a transcript has given so far.
#[derive(Default)]
struct Names {
    /// From what a command said to the name that stands for it.
    known: BTreeMap<String, String>,
    counts: BTreeMap<&'static str, usize>,
}

impl Names {
    fn name(&mut self, prefix: &'static str, value: &str) -> String {
        if let Some(name) = self.known.get(value) {
            return name.clone();
        }
        let count = self.counts.entry(prefix).or_default();
        *count += 1;
        let name = format!("[{prefix}-{count}]");
        self.known.insert(value.to_owned(), name.clone());
        name
    }

    /// Puts names where ids stand.
    fn hide(&mut self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest
                .find(|letter: char| !letter.is_ascii_alphanumeric() && !matches!(letter, '+' | '=' | '-'))
                .unwrap_or(rest.len());
            if end == 0 {
                let letter = rest.chars().next().unwrap();
                out.push(letter);
                rest = &rest[letter.len_utf8()..];
                continue;
            }
            let (word, behind) = rest.split_at(end);
            // A root is base64, in which a slash may stand; no other word is that long.
            let long = rest
                .find(|letter: char| !letter.is_ascii_alphanumeric() && !matches!(letter, '+' | '=' | '/'));
            let long = &rest[..long.unwrap_or(rest.len())];
            if long.len() == 44 && long.ends_with('=') {
                out.push_str("[BASE64]");
                rest = &rest[long.len()..];
                continue;
            }
            let is_hex = word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            match word.len() {
                64 if is_hex => out.push_str(&self.name("EVENT", word)),
                12 if is_hex => {
                    let whole = self
                        .known
                        .keys()
                        .find(|id| id.len() == 64 && id.starts_with(word))
                        .cloned();
                    match whole {
                        Some(whole) => out.push_str(&self.name("EVENT", &whole)),
                        None => out.push_str("[ID]"),
                    }
                }
                8 if is_hex && word.bytes().any(|byte| byte.is_ascii_digit()) => {
                    out.push_str(&self.name("DRAFT", word))
                }
                _ => match word.rsplit_once('-') {
                    Some((name, hash)) if name == "trial" && hash.len() == 16 => out.push_str("[FEDERATION]"),
                    _ => out.push_str(word),
                },
            }
            rest = behind;
        }
        out
    }

    /// Puts back what the names of a command stand for.
    fn show(&self, command: &str) -> String {
        let mut command = command.to_owned();
        for (value, name) in &self.known {
            command = command.replace(name, value);
        }
        command
    }
}

/// Hides positions, which depend on when nodes look around.
fn hide_positions(text: &str) -> String {
    let mut out = String::new();
    let mut has_index = false;
    for line in text.lines() {
        if line.starts_with("recorded ") || line.starts_with("\u{767b}\u{8bb0}\u{65f6}\u{95f4} ") {
            has_index = line.contains("  index ") || line.contains("  \u{5e8f}\u{53f7} ");
        }
        let line = hide_in_line(line, has_index && line.starts_with("20"));
        out.push_str(&line);
        out.push('\n');
    }
    out
}

fn hide_in_line(line: &str, in_table: bool) -> String {
    let digits = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let bare = |word: &str| word.trim_end_matches([',', '\u{ff0c}', ':', '.']).to_owned();
    let words: Vec<&str> = line.split(' ').collect();
    let mut hidden = false;
    let mut out: Vec<String> = Vec::new();
    for (place, word) in words.iter().enumerate() {
        let at = |place: Option<usize>| place.and_then(|place| words.get(place)).map_or("", |word| *word);
        let (before, behind) = (at(place.checked_sub(1)), at(place.checked_add(1)));
        let number = bare(word);
        let is_position = matches!(before, "index" | "entry")
            || behind.starts_with("entries")
            || before.ends_with("\u{65e5}\u{5fd7}\u{7b2c}")
            || behind.starts_with('\u{6761}') && matches!(before, "\u{7b2c}" | "\u{5171}" | "\u{542b}");
        let is_index = in_table && !hidden && before.is_empty() && behind.is_empty();
        let file = number.rsplit_once('/');
        if digits(&number) && (is_position || is_index) {
            hidden |= is_index;
            out.push(word.replacen(&number, "[N]", 1));
        } else if let Some((log, index)) = file.filter(|(log, index)| {
            let letters = log.bytes().all(|byte| byte.is_ascii_lowercase());
            digits(index) && (letters || log.ends_with("000.p"))
        }) {
            out.push(word.replacen(&format!("{log}/{index}"), &format!("{log}/[N]"), 1));
        } else {
            out.push((*word).to_owned());
        }
    }
    out.join(" ")
}

/// Runs the console blocks of a page; returns the page as it should be.
fn played(page: &str, trial: &mut Trial) -> String {
    let mut names = Names::default();
    let mut exports: BTreeMap<String, String> = BTreeMap::new();
    let mut out = String::new();
    let mut inside = false;
    for line in page.lines() {
        if line == "```console" {
            inside = true;
        } else if line == "```" {
            inside = false;
        } else if inside && !line.starts_with("$ ") {
            // What the commands said before is said anew.
            continue;
        }
        out.push_str(line);
        out.push('\n');
        let lost = line
            .strip_prefix("<!-- lost: ")
            .and_then(|rest| rest.strip_suffix(" -->"));
        if let Some((node, file)) = lost.and_then(|lost| lost.split_once('/')) {
            trial.lose(node, file);
        }
        let Some(command) = line.strip_prefix("$ ").filter(|_| inside) else {
            continue;
        };
        if let Some((name, value)) = command
            .strip_prefix("export ")
            .and_then(|rest| rest.split_once('='))
        {
            exports.insert(name.to_owned(), value.to_owned());
            continue;
        }
        let mut shown = names.show(command);
        for node in 0..2 {
            shown = shown.replace(&format!("[NODE-{node}]"), &trial.url(node));
        }
        let said = Command::new("bash")
            .args(["-c", &format!("{{ {shown}\n}} 2>&1")])
            .current_dir(trial.desk())
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", commands().display()))
            .env("TALLY_PASSPHRASE", "trial")
            .envs(&exports)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        trial.settle();
        let mut text = String::from_utf8(said.stdout).unwrap();
        for node in 0..2 {
            text = text.replace(&trial.url(node), &format!("[NODE-{node}]"));
        }
        text = text.replace(trial.desk().to_str().unwrap(), "[DESK]");
        text = text.replace(trial.home().to_str().unwrap(), "[TRIAL]");
        let text = hide_positions(&names.hide(&text));
        let lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
        for line in lines {
            out.push_str(line);
            out.push('\n');
        }
        if !said.status.success() {
            out.push_str(&format!("(exit {})\n", said.status.code().unwrap_or(-1)));
        }
    }
    out
}

fn check(name: &str) {
    let path = root().join("client/examples").join(name);
    let page = fs::read_to_string(&path).unwrap();
    let mut trial = Trial::start();
    let desk = trial.desk();
    std::os::unix::fs::symlink(trial.home().join("officers"), desk.join("officers")).unwrap();
    fs::copy(trial.home().join("genesis.note"), desk.join("genesis.note")).unwrap();
    fs::write(
        desk.join("letter.txt"),
        "Sealed letter of the civil affairs bureau.\n",
    )
    .unwrap();
    let plan = "name = \"trial\"\ntrial = true\nquorum = 1\nregistrar = \"lead\"\n\n[[node]]\nid = \"hall\"\noperator = \"lead\"\n\
                listen = \"127.0.0.1:7399\"\n\n[[department]]\nid = \"lead\"\nname_en = \"Office\"\nname_zh = \"Office\"\nlevel = \"city\"\n\
                area = \"450100\"\nroles = [\"government\"]\nprofile = \"cn-809\"\ncalendar = \"cn-national\"\nnode = \"hall\"\n\
                administrator = \"adm\"\n";
    fs::write(desk.join("plan.toml"), plan).unwrap();
    trial.request();
    trial.set_clock(NOW);
    let now = played(&page, &mut trial);
    if std::env::var_os("TALLY_BLESS").is_some() {
        fs::write(&path, &now).unwrap();
        return;
    }
    if page != now {
        let differs = page.lines().zip(now.lines()).find(|(page, now)| page != now);
        panic!(
            "{} is not what the commands say; TALLY_BLESS=1 rewrites it. First: {differs:#?}\n{now}",
            path.display()
        );
    }
}

#[test]
fn the_officers_page_is_what_happens() {
    check("officer.md");
}

#[test]
fn the_officers_page_in_chinese_is_what_happens() {
    check("officer.zh-CN.md");
}

#[test]
fn the_heads_page_is_what_happens() {
    check("head.md");
}

#[test]
fn the_administrators_page_is_what_happens() {
    check("administrator.md");
}

#[test]
fn the_operators_page_is_what_happens() {
    check("operator.md");
}

#[test]
fn the_auditors_page_is_what_happens() {
    check("auditor.md");
}

#[test]
fn the_page_of_what_is_lost_is_what_happens() {
    check("recovery.md");
}

#[test]
fn every_page_is_checked() {
    let pages = fs::read_dir(root().join("client/examples")).unwrap();
    let source =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/client/transcripts.rs"))
            .unwrap();
    for page in pages {
        let name = page.unwrap().file_name().into_string().unwrap();
        let is_page = name.ends_with(".md") && name != "README.md";
        assert!(
            !is_page || source.contains(&format!("check(\"{name}\")")),
            "{name}"
        );
    }
}
