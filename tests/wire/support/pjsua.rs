//! pjsua2: a phone of another family, scripted from Python.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Peer;

pub struct Pjsua {
    peer: Peer,
    pub port: u16,
    record: PathBuf,
    log: PathBuf,
}

/// What a phone is to do.
pub struct Plan<'a> {
    pub name: &'a str,
    pub says: &'a Path,
    /// Seconds of talk until it hangs up.
    pub talks: u32,
    pub is_tcp: bool,
    /// Whom it calls; `None`: it answers.
    pub dial: Option<&'a str>,
}

/// What it speaks, and no other.
pub struct Speech<'a> {
    /// With its rate, which what it says and hears has: `G722/16000`.
    pub codec: &'a str,
    /// An SRTP suite; empty = plain.
    pub srtp: &'a str,
}

impl Pjsua {
    /// Started and ready; with [`Plan::dial`] it calls at once.
    pub fn start(python: &Path, folder: &Path, plan: &Plan<'_>) -> Pjsua {
        let speech = Speech {
            codec: "PCMU/8000",
            srtp: "",
        };
        Pjsua::start_as(python, folder, plan, &speech)
    }

    /// The same, which speaks so.
    pub fn start_as(python: &Path, folder: &Path, plan: &Plan<'_>, speech: &Speech<'_>) -> Pjsua {
        let port = super::free_port();
        let media = super::free_ports(20);
        let record = folder.join(format!("{}-heard.wav", plan.name));
        let log = folder.join(format!("{}.log", plan.name));
        let output = std::fs::File::create(&log).expect("log");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire/peers/pjsua_phone.py");
        let mut command = Command::new(python);
        command
            .arg(script)
            .args(["--port", &port.to_string(), "--media", &media.to_string()])
            .args(["--seconds", &plan.talks.to_string()])
            .args(["--transport", if plan.is_tcp { "tcp" } else { "udp" }])
            .args(["--dial", plan.dial.unwrap_or_default()])
            .args(["--codec", speech.codec, "--srtp", speech.srtp])
            .arg("--play")
            .arg(plan.says)
            .arg("--record")
            .arg(&record)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("log"))
            .stderr(output);
        let phone = Pjsua {
            peer: Peer::start(&mut command),
            port,
            record,
            log,
        };
        super::wait_for("pjsua2 to be ready", Duration::from_secs(20), || {
            phone.log().contains("ready").then_some(())
        });
        phone
    }

    pub fn log(&self) -> String {
        std::fs::read(&self.log)
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }

    /// Everything it heard, once its call is over.
    pub fn heard(mut self) -> Vec<i16> {
        let status = super::wait_for("the end of the call", Duration::from_secs(60), || {
            self.peer.0.try_wait().ok().flatten()
        });
        assert!(status.success(), "{status}\n{}", self.log());
        super::audio::read_wav(&self.record)
    }
}
