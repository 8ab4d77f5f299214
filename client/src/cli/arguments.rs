//! The arguments of `tally`. Their help texts are in the catalogue, section `help`.

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use std::path::PathBuf;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "tally",
    version,
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
pub struct Arguments {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

impl Arguments {
    /// Returns the command without texts.
    pub fn root() -> clap::Command {
        Self::command()
    }
}

// Options of every command.
#[derive(Debug, Args)]
pub(super) struct Global {
    #[arg(long, global = true, value_name = "en|zh")]
    pub(super) lang: Option<String>,
    #[arg(long, global = true)]
    pub(super) json: bool,
    #[arg(long = "as", global = true, value_name = "FILE")]
    pub(super) settings: Option<PathBuf>,
    #[arg(long, global = true, value_name = "URL")]
    pub(super) node: Option<String>,
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) key: Option<PathBuf>,
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) passphrase_file: Option<PathBuf>,
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) trust: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Inbox(InboxArguments),
    Due(DueArguments),
    Show(CaseArguments),
    Trail(CaseArguments),
    Read(ReadArguments),
    List(ListArguments),
    Draft(DraftCommand),
    Submit(SubmitArguments),
    Form(FormArguments),
    Members(MembersArguments),
    Proof(ProofArguments),
    Log(LogCommand),
    VerifyFork(ForkArguments),
    Watch(WatchArguments),
    Wait(WaitArguments),
    Roster(RosterCommand),
    Governance(GovernanceCommand),
    Epoch(EpochCommand),
    Key(KeyCommand),
    Federation(FederationCommand),
    Play(PlayArguments),
}

#[derive(Debug, Args)]
pub(super) struct PlayArguments {
    pub(super) file: PathBuf,
    #[arg(long, value_name = "DIR")]
    pub(super) to: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct InboxArguments {
    pub(super) post: Option<String>,
    #[arg(long, value_name = "DEPARTMENT")]
    pub(super) department: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct DueArguments {
    pub(super) case: Option<String>,
    #[arg(long, value_name = "DEPARTMENT")]
    pub(super) department: Option<String>,
    #[arg(long)]
    pub(super) overdue: bool,
    #[arg(long)]
    pub(super) explain: bool,
}

#[derive(Debug, Args)]
pub(super) struct CaseArguments {
    pub(super) case: String,
}

#[derive(Debug, Args)]
pub(super) struct ReadArguments {
    #[arg(value_name = "CASE|EVENT")]
    pub(super) what: String,
    #[arg(long, value_name = "DIR")]
    pub(super) save: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    #[arg(value_parser = ["requests", "tasks", "findings", "catalogue", "matters", "cases"])]
    pub(super) what: String,
    #[arg(long, value_name = "DEPARTMENT")]
    pub(super) department: Option<String>,
    #[arg(long)]
    pub(super) stage: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct SubmitArguments {
    #[arg(required = true)]
    pub(super) note: Vec<PathBuf>,
    #[arg(long, value_name = "REASON")]
    pub(super) allow_personal: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct MembersArguments {
    pub(super) department: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ProofArguments {
    pub(super) event: String,
    #[arg(long, value_name = "DIR")]
    pub(super) to: Option<PathBuf>,
    #[arg(long, value_name = "DIR", conflicts_with = "to")]
    pub(super) from: Option<PathBuf>,
    #[arg(long, value_name = "DIR", requires = "from")]
    pub(super) registrar: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct LogCommand {
    #[command(subcommand)]
    pub(super) command: LogSub,
}

#[derive(Debug, Subcommand)]
pub(super) enum LogSub {
    Export(LogExport),
    Verify(LogVerify),
}

#[derive(Debug, Args)]
pub(super) struct LogExport {
    #[arg(long)]
    pub(super) origin: String,
    #[arg(long, value_name = "DIR")]
    pub(super) to: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct LogVerify {
    pub(super) folder: PathBuf,
    #[arg(long, value_name = "DIR")]
    pub(super) registrar: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ForkArguments {
    pub(super) file: PathBuf,
    #[arg(long, value_name = "DIR")]
    pub(super) registrar: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct WatchArguments {
    #[arg(long, value_name = "NUMBER")]
    pub(super) count: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct WaitArguments {
    pub(super) event: String,
    #[arg(long, value_parser = ["recorded", "replicated"], default_value = "recorded")]
    pub(super) until: String,
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) hosts: Option<u16>,
    #[arg(long, value_name = "URL")]
    pub(super) at: Vec<String>,
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(super) timeout: u64,
}

#[derive(Debug, Args)]
pub(super) struct RosterCommand {
    #[command(subcommand)]
    pub(super) command: RosterSub,
}

#[derive(Debug, Subcommand)]
pub(super) enum RosterSub {
    Show(MembersArguments),
    Add(Box<DraftNew>),
}

#[derive(Debug, Args)]
pub(super) struct GovernanceCommand {
    #[command(subcommand)]
    pub(super) command: GovernanceSub,
}

#[derive(Debug, Subcommand)]
pub(super) enum GovernanceSub {
    Admit(GovernanceAdmit),
    Give(GovernanceRight),
    Take(GovernanceRight),
    Ruleset(GovernanceRuleset),
    Sign(GovernanceSign),
}

#[derive(Debug, Args)]
pub(super) struct GovernanceAdmit {
    pub(super) plan: PathBuf,
    #[arg(long, value_name = "DIR")]
    pub(super) to: PathBuf,
    #[arg(long, value_name = "FILE")]
    pub(super) save: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct GovernanceRight {
    pub(super) right: String,
    #[arg(long, value_name = "DEPARTMENT")]
    pub(super) department: String,
    #[arg(long, value_name = "FILE")]
    pub(super) save: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct GovernanceRuleset {
    pub(super) ruleset: u32,
    #[arg(long, value_name = "FILE")]
    pub(super) save: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct GovernanceSign {
    pub(super) note: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct EpochCommand {
    #[command(subcommand)]
    pub(super) command: EpochSub,
}

#[derive(Debug, Subcommand)]
pub(super) enum EpochSub {
    Open(EpochOpen),
    Draft(EpochDraft),
    Sign(EpochSign),
}

#[derive(Debug, Args)]
pub(super) struct EpochOpen {
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: String,
    #[arg(long, value_name = "KEY")]
    pub(super) log_key: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct EpochDraft {
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: String,
    #[arg(long, value_name = "DEPARTMENT")]
    pub(super) department: String,
    #[arg(long, value_name = "EPOCH")]
    pub(super) after: Option<u32>,
    #[arg(long, value_name = "COUNT", requires = "root")]
    pub(super) size: Option<u64>,
    #[arg(long, value_name = "HASH", requires = "size")]
    pub(super) root: Option<String>,
    #[arg(long, conflicts_with = "size")]
    pub(super) rest_is_lost: bool,
    #[arg(long, value_name = "KEY")]
    pub(super) log_key: Option<String>,
    #[arg(long, value_name = "FILE")]
    pub(super) save: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct EpochSign {
    pub(super) note: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct FormArguments {
    pub(super) kind: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct DraftCommand {
    #[command(subcommand)]
    pub(super) command: DraftSub,
}

#[derive(Debug, Subcommand)]
pub(super) enum DraftSub {
    New(Box<DraftNew>),
    Edit(DraftFile),
    Show(DraftFile),
    List,
    Send(DraftSend),
    Return(DraftReturn),
    Approve(DraftApprove),
    Withdraw(DraftFile),
}

#[derive(Debug, Args)]
pub(super) struct DraftSend {
    #[arg(required = true)]
    pub(super) draft: Vec<PathBuf>,
    #[arg(long)]
    pub(super) comment: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct DraftReturn {
    pub(super) draft: String,
    #[arg(long)]
    pub(super) comment: String,
}

#[derive(Debug, Args)]
pub(super) struct DraftApprove {
    pub(super) draft: Vec<String>,
    #[arg(long)]
    pub(super) select: bool,
    #[arg(long)]
    pub(super) yes: bool,
}

#[derive(Debug, Args)]
pub(super) struct DraftFile {
    pub(super) draft: String,
}

#[derive(Debug, Args)]
pub(super) struct DraftNew {
    pub(super) kind: Option<String>,
    #[arg(long, value_name = "FILE")]
    pub(super) form: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    pub(super) save: Option<PathBuf>,
    #[arg(long)]
    pub(super) send: bool,
    #[command(flatten)]
    pub(super) fields: Fields,
}

// What fills a form by flags.
#[derive(Debug, Args, Default)]
pub(super) struct Fields {
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) field: Vec<String>,
    #[arg(long)]
    pub(super) case: Option<String>,
    #[arg(long)]
    pub(super) post: Option<String>,
    #[arg(long, value_name = "POST")]
    pub(super) approver: Option<String>,
    #[arg(long, value_name = "DEPARTMENT")]
    pub(super) to: Vec<String>,
    #[arg(long, value_name = "DEPARTMENT")]
    pub(super) audience: Vec<String>,
    #[arg(long, value_name = "DATE")]
    pub(super) effective: Option<String>,
    #[arg(long, value_name = "NUMBER")]
    pub(super) doc_no: Option<String>,
    #[arg(long, value_name = "ACT:ARTICLE")]
    pub(super) legal_basis: Vec<String>,
    #[arg(long, value_name = "own|paper|import")]
    pub(super) source: Option<String>,
    #[arg(long, value_name = "SYSTEM:NUMBER")]
    pub(super) external_ref: Option<String>,
    #[arg(long, value_name = "EVENT")]
    pub(super) mandate: Option<String>,
    #[arg(long, value_name = "EVENT")]
    pub(super) corrects: Option<String>,
    #[arg(long, value_name = "FILE")]
    pub(super) attach: Vec<String>,
    #[arg(long, value_name = "FIELD")]
    pub(super) detach: Vec<String>,
    #[arg(long, value_name = "REASON")]
    pub(super) allow_personal: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct KeyCommand {
    #[command(subcommand)]
    pub(super) command: KeySub,
}

#[derive(Debug, Subcommand)]
pub(super) enum KeySub {
    New(KeyNew),
    Show(KeyShow),
}

#[derive(Debug, Args)]
pub(super) struct KeyNew {
    #[arg(long, value_name = "DIR")]
    pub(super) to: PathBuf,
    #[arg(long)]
    pub(super) department: String,
    #[arg(long)]
    pub(super) officer: String,
}

#[derive(Debug, Args)]
pub(super) struct KeyShow {
    #[arg(required = true)]
    pub(super) file: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct FederationCommand {
    #[command(subcommand)]
    pub(super) command: FederationSub,
}

#[derive(Debug, Subcommand)]
pub(super) enum FederationSub {
    Create(FederationCreate),
}

#[derive(Debug, Args)]
pub(super) struct FederationCreate {
    pub(super) plan: PathBuf,
    #[arg(long, value_name = "DIR")]
    pub(super) to: PathBuf,
}
