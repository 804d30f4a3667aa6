//! What leaves the machine: nothing that the configuration does not name. The kernel counts, over the whole life of the program.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::support::alone::Alone;
use crate::support::folder;

/// How often something wanted to leave while a gateway started, was ready, and ended.
fn left(alone: &Alone) -> u64 {
    let folder = folder("egress");
    let file = folder.join("ringward.toml");
    // Everything else as it is without a file.
    let text = "[sip]\nlisten = [\"udp:127.0.0.1:0\"]\n[api]\nlisten = \"127.0.0.1:0\"\n";
    std::fs::write(&file, text).expect("written");
    let mut child = alone
        .command(env!("CARGO_BIN_EXE_ringward"))
        .args(["serve", "--config", &file.display().to_string()])
        .current_dir(&folder)
        .env("RUST_LOG", "info")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let (tell, told) = channel();
    let stderr = child.stderr.take().expect("piped");
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let _ = tell.send(line);
        }
    });
    let mut said = Vec::new();
    while !said.iter().any(|line: &String| line.contains("Token    ")) {
        match told.recv_timeout(Duration::from_secs(90)) {
            Ok(line) => said.push(line),
            Err(_) => {
                alone.end();
                panic!("the gateway is not ready: {said:#?}");
            }
        }
    }
    alone.end();
    let status = crate::support::wait_for("the gateway to end", Duration::from_secs(60), || {
        child.try_wait().ok().flatten()
    });
    assert!(status.success(), "{status}: {said:#?}");
    alone.left()
}

#[test]
fn a_gateway_that_nobody_told_anything_of_tells_nobody_anything() {
    let Some(alone) = Alone::new() else { return };
    assert_eq!(left(&alone), 0);
}
