//! Log lines to standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::util::SubscriberInitExt;

use super::TelemetryError;

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people; coloured on a terminal.
    #[default]
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// `RUST_LOG` wins over `default_filter`; an empty one counts as absent.
pub(super) fn init(format: LogFormat, default_filter: &str) -> Result<(), TelemetryError> {
    let asked = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let filter = EnvFilter::builder().parse(if asked.is_empty() { default_filter } else { &asked })?;
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => lines
            .with_ansi(std::io::stderr().is_terminal())
            .finish()
            .try_init(),
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .finish()
            .try_init(),
    }
    .map_err(|_| TelemetryError::LogSet)
}
