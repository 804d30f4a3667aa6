//! `ringward demo` as a newcomer types it: one command, nothing installed, and every banner as promised.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::alone::Alone;

#[test]
fn a_headless_demo_ends_by_itself_with_every_banner_as_promised() {
    let folder = crate::support::folder("demo");
    // Where the machine gives it one, in a network of its own that no way leads out of.
    let (alone, program) = (Alone::new(), env!("CARGO_BIN_EXE_ringward"));
    let mut command = alone
        .as_ref()
        .map_or_else(|| Command::new(program), |alone| alone.command(program));
    let output = command
        .args(["demo", "--headless", "--json"])
        .current_dir(&folder)
        .stdin(Stdio::null())
        .output()
        .expect("the demo runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let calls: Vec<Value> = String::from_utf8(output.stdout)
        .expect("UTF-8")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for call in &calls {
        assert_eq!(call["verdict"], "ok", "{call:#}\n{told}");
    }
    assert!(output.status.success(), "{}\n{told}", output.status);
    let count = |field: &str, value: &str| calls.iter().filter(|call| call[field] == value).count();
    assert!(
        count("number", "genuine") > 0 && count("number", "unproven") > 0 && count("number", "forged") > 0
    );
    assert!(count("voice", "synthetic") > 0, "{told}");
    assert!(count("outcome", "cancelled") > 0 && count("outcome", "no_answer") > 0);
    if let Some(alone) = alone {
        assert_eq!(
            alone.left(),
            0,
            "something of all this wanted to leave the machine"
        );
    }
    let left: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder")
        .flatten()
        .map(|entry| entry.path())
        .collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}
