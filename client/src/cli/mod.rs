//! The command `tally`: arguments in, tables or JSON out, an exit code. No rule of any case is decided here.

pub mod arguments;
pub mod draft;
pub mod drafts;
pub mod error;
pub mod federation;
pub mod governance;
pub mod help;
pub mod key;
pub mod log;
pub mod members;
pub mod output;
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
        dispatch(&parsed.command, &session, &mut output)
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
        Command::List(arguments) => views::list(arguments, session, output),
        Command::Draft(arguments) => draft::run(arguments, session, output),
        Command::Submit(arguments) => submit::run(arguments, session, output),
        Command::Form(arguments) => draft::form(arguments, output),
        Command::Members(arguments) => members::run(arguments, session, output),
        Command::Proof(arguments) => log::proof(arguments, session, output),
        Command::Log(arguments) => log::run(arguments, session, output),
        Command::Watch(arguments) => watch::watch(arguments, session, output),
        Command::Wait(arguments) => watch::wait(arguments, session, output),
        Command::Roster(arguments) => members::roster_command(arguments, session, output),
        Command::Governance(arguments) => governance::run(arguments, session, output),
        Command::Key(arguments) => key::run(arguments, session, output),
        Command::Federation(arguments) => federation::run(arguments, session, output),
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
