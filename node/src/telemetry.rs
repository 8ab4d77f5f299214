//! Log lines of the daemon, on standard error: as text for people or as JSON for programs.

use tracing_subscriber::EnvFilter;

/// Starts logging; `TALLY_LOG` sets the filter. Does nothing when logging was started before.
pub fn start(json: bool) {
    let filter = EnvFilter::try_from_env("TALLY_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,sled=warn,async_nats=error"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let outcome = if json {
        lines.json().try_init()
    } else {
        lines.try_init()
    };
    if outcome.is_err() {
        tracing::debug!("logging was started before");
    }
}
