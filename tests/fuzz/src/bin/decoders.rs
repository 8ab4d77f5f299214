//! Tries damaged bytes on every decoder. Run it with `scripts/fuzz`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tally_fuzz::run_command(tally_fuzz::DECODERS)
}
