//! The `ringward` binary: parses the command line and leaves the rest to the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ringward::cli::run().unwrap_or_else(|error| {
        eprintln!("ringward: {error:#}");
        ExitCode::from(2)
    })
}
