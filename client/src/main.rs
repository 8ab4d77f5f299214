//! The command `tally`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(tally_client::cli::main())
}
