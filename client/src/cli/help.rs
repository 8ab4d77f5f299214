//! Help and usage errors in the language of the officer.
//!
//! Walks the command tree and takes every text from the catalogue, section `help`: `<command path>` for a command,
//! `<command path> --<option>` and `<command path> <ARGUMENT>` for what it takes, `tally --<option>` for the options of all.

use super::error::Failure;
use super::output::Output;
use crate::texts::{Texts, catalogue};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};

/// Puts the texts of a language into a command and all its subcommands.
pub fn localise(root: Command, texts: Texts) -> Command {
    let version = Arg::new("version")
        .long("version")
        .short('V')
        .action(ArgAction::Version);
    localise_at("tally", root.disable_version_flag(true).arg(version), texts).max_term_width(110)
}

fn localise_at(path: &str, command: Command, texts: Texts) -> Command {
    let help = Arg::new("help")
        .long("help")
        .short('h')
        .action(ArgAction::HelpShort)
        .global(false);
    let template = format!(
        "{{about}}\n\n{}\n  {{usage}}\n\n{{all-args}}{{after-help}}",
        texts.say("ui.usage")
    );
    let arguments = texts.say("ui.arguments");
    let options = texts.say("ui.options");
    let shared = texts.say("ui.options-of-all");
    let mut command = command
        .disable_help_flag(true)
        .arg(help)
        .about(text(path, texts))
        .help_template(template)
        .subcommand_help_heading(texts.say("ui.commands"))
        .subcommand_value_name(texts.say("ui.command"))
        .mut_args(|arg| {
            let key = key_of(path, &arg);
            let heading = if arg.is_positional() {
                arguments
            } else if arg.is_global_set() || matches!(arg.get_id().as_str(), "help" | "version") {
                shared
            } else {
                options
            };
            let takes_values = arg.get_action().takes_values();
            let arg = arg.help(text(&key, texts)).help_heading(heading);
            if takes_values {
                arg.hide_possible_values(true).hide_default_value(true)
            } else {
                arg
            }
        });
    let after = format!("{path} .after");
    if catalogue().contains_key(&format!("help.{after}")) {
        command = command.after_help(text(&after, texts));
    }
    let names: Vec<String> = command
        .get_subcommands()
        .map(|sub| sub.get_name().to_owned())
        .collect();
    for name in names {
        let path = format!("{path} {name}");
        command = command.mut_subcommand(name, |sub| localise_at(&path, sub, texts));
    }
    command
}

/// Returns the key of an argument; `--help` and the options that filter and fill forms have one text wherever they stand.
fn key_of(path: &str, arg: &Arg) -> String {
    match arg.get_long() {
        Some("help") => "tally --help".to_owned(),
        Some(long) => {
            let own = format!("{path} --{long}");
            if catalogue().contains_key(&format!("help.{own}")) {
                own
            } else {
                format!("--{long}")
            }
        }
        None => format!("{path} {}", arg.get_id().as_str().to_uppercase()),
    }
}

fn text(key: &str, texts: Texts) -> String {
    texts.find(&format!("help.{key}")).unwrap_or(key).to_owned()
}

/// Puts into a page what the argument parser writes in English only.
fn page(rendered: &str, texts: Texts) -> String {
    rendered.replace("[OPTIONS]", texts.say("ui.options-word"))
}

/// Shows help or a usage error; returns the exit code.
pub fn told(error: &clap::Error, output: &mut Output) -> u8 {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let page = page(&error.render().to_string(), output.texts);
            output.raw(&page);
            return 0;
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let page = page(&error.render().to_string(), output.texts);
            output.side(page.trim_end());
            return 2;
        }
        _ => {}
    }
    let get = |kind: ContextKind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(list)) => list.join(", "),
        Some(ContextValue::StyledStr(text)) => text.to_string(),
        _ => String::new(),
    };
    let failure = match error.kind() {
        ErrorKind::UnknownArgument => Failure::invalid("error.usage-unknown")
            .with("got", get(ContextKind::InvalidArg))
            .hint("hint.help"),
        ErrorKind::InvalidSubcommand => Failure::invalid("error.usage-command")
            .with("got", get(ContextKind::InvalidSubcommand))
            .hint("hint.help"),
        ErrorKind::MissingRequiredArgument => Failure::invalid("error.usage-missing")
            .with("names", get(ContextKind::InvalidArg))
            .hint("hint.help"),
        ErrorKind::MissingSubcommand => Failure::invalid("error.usage-no-command").hint("hint.help"),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::NoEquals => {
            Failure::invalid("error.usage-value")
                .with("got", get(ContextKind::InvalidValue))
                .with("name", get(ContextKind::InvalidArg))
                .hint("hint.help")
        }
        _ => {
            let all = error.render().to_string();
            let first = all
                .lines()
                .next()
                .unwrap_or_default()
                .trim_start_matches("error: ")
                .to_owned();
            Failure::invalid("error.usage").detail(first).hint("hint.help")
        }
    };
    let near = [
        ContextKind::SuggestedArg,
        ContextKind::SuggestedSubcommand,
        ContextKind::SuggestedValue,
    ]
    .into_iter()
    .map(get)
    .find(|text| !text.is_empty());
    output.failure(&failure);
    if let Some(near) = near {
        let text = output.texts.fill("hint.nearest", &[("nearest", &near)]);
        output.hint(&text);
    }
    failure.family.exit_code()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::arguments::Arguments;
    use crate::texts::Language;
    use std::collections::BTreeSet;

    fn keys(path: &str, command: &Command, out: &mut BTreeSet<String>) {
        out.insert(path.to_owned());
        for arg in command.get_arguments() {
            out.insert(key_of(path, arg));
        }
        let after = format!("{path} .after");
        if catalogue().contains_key(&format!("help.{after}")) {
            out.insert(after);
        }
        for sub in command.get_subcommands() {
            keys(&format!("{path} {}", sub.get_name()), sub, out);
        }
    }

    #[test]
    fn every_command_and_argument_has_its_help_and_no_help_is_left_over() {
        let root = localise(Arguments::root(), Texts::new(Language::En));
        let mut wanted = BTreeSet::new();
        keys("tally", &root, &mut wanted);
        let known: BTreeSet<String> = catalogue()
            .keys()
            .filter_map(|key| key.strip_prefix("help.").map(str::to_owned))
            .collect();
        let missing: Vec<_> = wanted.difference(&known).collect();
        assert!(missing.is_empty(), "no help for {missing:#?}");
        let unused: Vec<_> = known.difference(&wanted).collect();
        assert!(unused.is_empty(), "help for nothing: {unused:#?}");
    }

    #[test]
    fn the_arguments_are_sound() {
        localise(Arguments::root(), Texts::new(Language::Zh)).debug_assert();
    }

    fn pages(command: &mut Command, texts: Texts, out: &mut String) {
        let names: Vec<String> = command
            .get_subcommands()
            .map(|sub| sub.get_name().to_owned())
            .collect();
        out.push_str(&page(&command.render_help().to_string(), texts));
        out.push_str("\n----\n");
        for name in names {
            if let Some(sub) = command.find_subcommand_mut(&name) {
                pages(sub, texts, out);
            }
        }
    }

    #[test]
    fn help_is_in_both_languages() {
        for language in [Language::En, Language::Zh] {
            let mut root = localise(Arguments::root(), Texts::new(language)).term_width(110);
            root.build();
            let mut all = String::new();
            pages(&mut root, Texts::new(language), &mut all);
            insta::assert_snapshot!(format!("help_{}", language.tag()), all);
        }
    }
}
