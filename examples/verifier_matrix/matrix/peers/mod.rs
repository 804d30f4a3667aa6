//! The verifiers that are asked, each configured as strictly as it can be.

pub mod kamailio;
pub mod ringward;
pub mod secsipidx;

use std::process::Command;

/// Is there a program of this name on the path?
pub fn is_installed(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// What `program arguments` prints, both streams; empty when it cannot be run.
pub fn printed(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(
        |_| String::new(),
        |output| {
            let said = [output.stdout, output.stderr].concat();
            String::from_utf8_lossy(&said).into_owned()
        },
    )
}

/// A child that must end with whoever started it, and that finds our web anchor where Go looks for the system's.
pub fn command(program: &str, web_anchors: &std::path::Path) -> Command {
    let mut command = Command::new(program);
    command.env("SSL_CERT_FILE", web_anchors);
    for proxy in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
        command.env_remove(proxy);
    }
    command
}
