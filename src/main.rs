//! The `ringward` binary: parses the command line and leaves the rest to the library.

use std::process::ExitCode;

/// Records are made on one thread and let go of on another, all day long: mimalloc (Microsoft, MIT) is made for that,
/// and takes half the time of the system's allocator (docs/adr/0006).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ringward::cli::run().unwrap_or_else(|error| {
        eprintln!("ringward: {error:#}");
        ExitCode::from(2)
    })
}
