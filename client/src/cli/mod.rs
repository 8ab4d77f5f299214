//! The command `tally`: arguments in, tables or JSON out, an exit code. No rule of any case is decided here.

mod act;
pub mod arguments;
mod degree;
pub mod draft;
pub mod drafts;
pub mod epoch;
pub mod error;
pub mod federation;
pub mod governance;
mod guide;
pub mod help;
pub mod key;
pub mod log;
pub mod members;
pub mod output;
pub mod play;
mod read;
mod refer;
pub mod session;
pub mod submit;
pub mod views;
pub mod watch;

use arguments::{Arguments, Command};
use clap::FromArgMatches as _;
use error::Failure;
use output::{Output, Terminal};
use session::Session;
use std::ffi::OsString;
use std::io::Write;

use crate::texts::{Language, Texts};

/// Where a command runs: its variables and streams.
pub struct Surroundings<'a> {
    /// Looks up an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// What the streams are.
    pub terminal: Terminal,
    /// Results.
    pub out: Box<dyn Write>,
    /// Everything else.
    pub err: Box<dyn Write>,
}

/// Runs the command of this process; returns its exit code.
pub fn main() -> u8 {
    let variable = |name: &str| std::env::var(name).ok();
    run(
        std::env::args_os().collect(),
        Surroundings {
            variable: &variable,
            terminal: Terminal::detect(),
            out: Box::new(std::io::stdout()),
            err: Box::new(std::io::stderr()),
        },
    )
}

/// Runs a command; returns its exit code.
pub fn run(arguments: Vec<OsString>, around: Surroundings<'_>) -> u8 {
    let texts = Texts::new(Language::choose(
        language_flag(&arguments).as_deref(),
        around.variable,
    ));
    let command = help::localise(Arguments::root(), texts);
    let mut output = Output::new(texts, false, around.terminal, around.out, around.err);
    let parsed = command
        .try_get_matches_from(arguments)
        .and_then(|matches| Arguments::from_arg_matches(&matches));
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return help::told(&error, &mut output),
    };
    output.json = parsed.global.json;
    let outcome = Session::open(&parsed.global, around.variable).and_then(|session| {
        if parsed.global.lang.is_none()
            && (around.variable)("TALLY_LANG").is_none()
            && let Some(language) = session.settings.language.as_deref().and_then(Language::parse)
        {
            output.texts = Texts::new(language);
        }
        let own = || session.key_holder().map(|holder| holder.department.to_string());
        dispatch(&parsed.command, &session, &mut output).map_err(|failure| failure.read_in(own()))
    });
    match outcome {
        Ok(()) => 0,
        Err(failure) => {
            output.failure(&failure);
            failure.family.exit_code()
        }
    }
}

fn dispatch(command: &Command, session: &Session, output: &mut Output) -> Result<(), Failure> {
    match command {
        Command::Inbox(arguments) => views::inbox(arguments, session, output),
        Command::Due(arguments) => views::due(arguments, session, output),
        Command::Show(arguments) => views::show(arguments, session, output),
        Command::Trail(arguments) => views::trail(arguments, session, output),
        Command::Read(arguments) => read::run(arguments, session, output),
        Command::List(arguments) => views::list(arguments, session, output),
        Command::Draft(arguments) => draft::run(arguments, session, output),
        Command::Submit(arguments) => submit::run(arguments, session, output),
        Command::Form(arguments) => draft::form(arguments, output),
        Command::Members(arguments) => members::run(arguments, session, output),
        Command::Proof(arguments) => log::proof(arguments, session, output),
        Command::Log(arguments) => log::run(arguments, session, output),
        Command::VerifyFork(arguments) => log::fork(arguments, session, output),
        Command::Watch(arguments) => watch::watch(arguments, session, output),
        Command::Wait(arguments) => watch::wait(arguments, session, output),
        Command::Roster(arguments) => members::roster_command(arguments, session, output),
        Command::Governance(arguments) => governance::run(arguments, session, output),
        Command::Epoch(arguments) => epoch::run(arguments, session, output),
        Command::Key(arguments) => key::run(arguments, session, output),
        Command::Federation(arguments) => federation::run(arguments, session, output),
        Command::Play(arguments) => play::run(arguments, session, output),
    }
}

/// Finds `--lang` before the arguments are parsed: help and usage errors are in that language too.
fn language_flag(arguments: &[OsString]) -> Option<String> {
    let mut rest = arguments.iter().filter_map(|argument| argument.to_str());
    while let Some(argument) = rest.next() {
        if argument == "--lang" {
            return rest.next().map(str::to_owned);
        }
        if let Some(value) = argument.strip_prefix("--lang=") {
            return Some(value.to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::tests::Kept;
    use crate::fixture::{founding, log_with, officer_key, request};
    use crate::keystore::Passphrase;
    use std::fs;
    use std::io::Read as _;
    use std::net::TcpListener;
    use std::path::Path;
    use tally_ledger::crypto::event_id;
    use tally_ledger::export::ExportReader as _;

    /// What a command left behind.
    struct Done {
        code: u8,
        out: String,
        err: String,
    }

    /// Runs a command away from this machine's settings; `%` in arguments stands for the folder.
    fn tally(folder: &Path, line: &str) -> Done {
        let folder_text = folder.to_str().unwrap();
        let arguments = std::iter::once("tally")
            .chain(line.split(' '))
            .map(|word| OsString::from(word.replace('%', folder_text)))
            .collect();
        let (out, err) = (Kept::default(), Kept::default());
        let variable = |name: &str| (name == "TALLY_PASSPHRASE").then(|| "river stone".to_owned());
        let code = run(
            arguments,
            Surroundings {
                variable: &variable,
                terminal: Terminal::default(),
                out: Box::new(out.clone()),
                err: Box::new(err.clone()),
            },
        );
        let told = |kept: Kept| kept.text().replace(folder_text, "%");
        Done {
            code,
            out: told(out),
            err: told(err),
        }
    }

    fn trial() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let word = Passphrase::new("river stone".to_owned());
        founding().write(&folder.path().join("trial"), &word).unwrap();
        folder
    }

    #[test]
    fn a_federation_is_created_from_the_example() {
        let folder = tempfile::tempdir().unwrap();
        let plan = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/trial-federation.toml");
        let line = format!("--lang zh federation create {plan} --to %/trial");
        let done = tally(folder.path(), &line);
        assert_eq!(done.code, 0, "{}", done.err);
        assert!(done.out.contains("%/trial/keys"), "{}", done.out);
        let again = tally(folder.path(), &line);
        assert_eq!(again.code, 2);
        let keys = tally(folder.path(), "--json key show %/trial/keys/civil-c-01.key");
        let json: serde_json::Value = serde_json::from_str(&keys.out).unwrap();
        assert_eq!(json["keys"][0]["sealed"], true);
    }

    #[test]
    fn an_officer_makes_a_key_that_no_option_of_all_commands_stands_in_the_way_of() {
        let folder = trial();
        let line = "--trust %/trial/genesis.note key new --to %/keys --department civil --officer c-09";
        let done = tally(folder.path(), line);
        assert_eq!(done.code, 0, "{}", done.err);
        assert!(done.out.contains("civil/c-09"), "{}", done.out);
    }

    #[test]
    fn no_option_of_a_command_takes_the_name_of_one_of_all_commands() {
        fn walk(command: &clap::Command, shared: &[clap::Id]) {
            for sub in command.get_subcommands() {
                for arg in sub.get_arguments().filter(|arg| !arg.is_global_set()) {
                    assert!(
                        !shared.contains(arg.get_id()),
                        "{} of {}",
                        arg.get_id(),
                        sub.get_name()
                    );
                }
                walk(sub, shared);
            }
        }
        let root = Arguments::root();
        let shared: Vec<clap::Id> = root.get_arguments().map(|arg| arg.get_id().clone()).collect();
        walk(&root, &shared);
    }

    #[test]
    fn a_draft_is_filled_in_by_flags_and_read_in_chinese() {
        let folder = trial();
        let done = tally(
            folder.path(),
            "--as %/trial/officers/civil-c-01.toml draft new request.refused --case housing/req-2026-0001 --save %/d.toml \
             --field items=1-2 --field ground=LAW_PROHIBITS",
        );
        assert_eq!(done.code, 0, "{}", done.err);
        insta::assert_snapshot!("draft_new_err", done.err);
        let shown = tally(folder.path(), "--lang zh draft show %/d.toml");
        insta::assert_snapshot!("draft_show_zh", shown.out);
    }

    #[test]
    fn what_cannot_be_used_ends_with_2_and_names_the_nearest_word() {
        let folder = trial();
        for (line, name) in [
            ("draf", "usage_command"),
            ("draft new request.grant", "usage_kind"),
            ("--lang zh due --overdu", "usage_option_zh"),
            ("draft new request.refused --field reson=x", "usage_field"),
            ("proof", "usage_missing"),
        ] {
            let done = tally(folder.path(), line);
            assert_eq!((done.code, done.out.as_str()), (2, ""), "{line}");
            insta::assert_snapshot!(name, done.err);
        }
    }

    #[test]
    fn a_node_out_of_reach_ends_with_3() {
        let folder = trial();
        let done = tally(
            folder.path(),
            "--as %/trial/officers/civil-c-01.toml --node http://127.0.0.1:9 inbox",
        );
        assert_eq!(done.code, 3, "{}", done.err);
        assert!(done.err.contains("http://127.0.0.1:9"), "{}", done.err);
    }

    /// Writes the log of the housing bureau, with one request, as an export.
    fn export(folder: &Path) -> String {
        let founding = founding();
        let note = request(&founding, &officer_key(&founding, "housing", "h-02"));
        let log = log_with(&note, &founding);
        for path in log.paths().unwrap() {
            let file = folder.join("export").join(&path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, log.read(&path, usize::MAX).unwrap()).unwrap();
        }
        let event = event_id(&note.text).to_string();
        let index = log.entries.len() - 1;
        fs::create_dir_all(folder.join("proof")).unwrap();
        fs::write(folder.join(format!("proof/{event}.entry")), &log.entries[index]).unwrap();
        fs::write(
            folder.join(format!("proof/{event}.tlog-proof")),
            log.proof(index as u64),
        )
        .unwrap();
        event
    }

    #[test]
    fn an_export_is_verified_without_a_node_and_one_changed_bit_ends_with_70() {
        let folder = trial();
        export(folder.path());
        let line = "--trust %/trial/genesis.note log verify %/export";
        let done = tally(folder.path(), line);
        assert_eq!(done.code, 0, "{}", done.err);
        assert!(
            done.out.contains("/housing/1 holds with 7 entries"),
            "{}",
            done.out
        );
        let path = folder.path().join("export/tile/entries/000.p/7");
        let mut bytes = fs::read(&path).unwrap();
        let place = bytes.len() / 2;
        bytes[place] ^= 1;
        fs::write(&path, bytes).unwrap();
        let done = tally(folder.path(), line);
        assert_eq!(done.code, 70, "{}", done.err);
    }

    #[test]
    fn a_proof_is_verified_from_its_files_alone() {
        let folder = trial();
        let event = export(folder.path());
        let trust = "--trust %/trial/genesis.note";
        let done = tally(
            folder.path(),
            &format!("{trust} --json proof {event} --from %/proof"),
        );
        assert_eq!(done.code, 0, "{}", done.err);
        let json: serde_json::Value = serde_json::from_str(&done.out).unwrap();
        assert_eq!(
            (json["verified"].as_bool(), json["index"].as_u64()),
            (Some(true), Some(6))
        );
        let other = "0".repeat(64);
        let done = tally(folder.path(), &format!("{trust} proof {other} --from %/proof"));
        assert_eq!(done.code, 2);
    }

    /// Answers one request with fixed bytes, as a node in that state would.
    fn answer_once(status: &str, body: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let text = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0u8; 4096];
            let _read = stream.read(&mut request).unwrap();
            stream.write_all(text.as_bytes()).unwrap();
        });
        url
    }

    #[test]
    fn a_refusal_of_a_node_is_told_with_its_article_and_what_is_possible_instead() {
        let folder = trial();
        let body = r#"{"family":"refused","code":"stage","what":"request.granted does not follow from stage agreed",
            "article":"order-809 20","possible":[{"kind":"request.delivered","by":["civil"],"items":[1]}]}"#;
        for (language, name) in [("en", "refusal_en"), ("zh", "refusal_zh")] {
            let url = answer_once("422 Unprocessable Entity", body);
            let line = format!("--lang {language} --trust %/trial/genesis.note --node {url} members");
            let done = tally(folder.path(), &line);
            assert_eq!(done.code, 1, "{}", done.err);
            insta::assert_snapshot!(name, done.err);
        }
    }

    #[test]
    fn a_node_that_starts_is_unavailable_and_one_that_talks_nonsense_is_not_believed() {
        let folder = trial();
        let body = r#"{"family":"unavailable","code":"starting","what":"the node starts","possible":[]}"#;
        for (status, body, code) in [
            ("503 Service Unavailable", body, 3),
            ("200 OK", "{\"data\":", 70),
            ("502 Bad Gateway", "<html>", 70),
        ] {
            let url = answer_once(status, body);
            let done = tally(
                folder.path(),
                &format!("--trust %/trial/genesis.note --node {url} members"),
            );
            assert_eq!(done.code, code, "{}", done.err);
        }
    }
}
