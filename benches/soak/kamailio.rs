//! Kamailio beside us: a stateful relay with one worker.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::matrix;
use crate::signed::Signed;
use crate::support::{self, Peer};

/// `PORT`, `PHONE`, `MODULES` and `VERIFY` are filled in.
const RELAY: &str = include_str!("relay.cfg");
const VERIFY: &str = r#"
  if (is_method("INVITE") && !secsipid_check_identity("")) { sl_send_reply("438", "Invalid Identity"); exit; }
"#;

pub struct Kamailio {
    peer: Peer,
    pub port: u16,
}

impl Kamailio {
    /// With one worker, relaying statefully to `phone`; verifying by its module when calls are signed.
    pub fn start(folder: &Path, phone: u16, signed: Option<&Signed>) -> Kamailio {
        let port = support::free_port();
        let file: PathBuf = folder.join("relay.cfg");
        let text = RELAY
            .replace("PORT", &port.to_string())
            .replace("PHONE", &phone.to_string())
            .replace("MODULES\n", &signed.map(Signed::module).unwrap_or_default())
            .replace("VERIFY\n", if signed.is_some() { VERIFY } else { "" });
        std::fs::write(&file, text).unwrap();
        let log = std::fs::File::create(folder.join("kamailio.log")).unwrap();
        let mut command = matrix::peers::command("kamailio", &folder.join("web.pem"));
        command
            .args(["-DD", "-E", "-m", "512", "-M", "32", "-Y"])
            .arg(folder)
            .arg("-f")
            .arg(&file)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let peer = Peer::start(&mut command);
        std::thread::sleep(Duration::from_secs(2));
        Kamailio { peer, port }
    }

    /// Of the main process and all its workers.
    pub fn cpu_seconds(&self) -> f64 {
        let main = self.peer.0.id();
        let children =
            std::fs::read_to_string(format!("/proc/{main}/task/{main}/children")).unwrap_or_default();
        let ticks: u64 = children
            .split_whitespace()
            .filter_map(|child| child.parse::<u32>().ok())
            .chain([main])
            .map(ticks_of)
            .sum();
        ticks as f64 / 100.0
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        self.peer.end();
    }
}

fn ticks_of(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    support::ticks(&stat).unwrap_or_default()
}
