//! Kamailio with its `secsipid` module: a real process on loopback that answers each INVITE by what the module says.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::Context as _;

use super::{command, printed, secsipidx};
use crate::matrix::authority::Lists;
use crate::matrix::{Answer, Repeat, Scene, list_file};

/// One running Kamailio, ended when dropped.
pub struct Process {
    child: Child,
    /// Where it listens (UDP, loopback).
    pub port: u16,
}

impl Process {
    /// Starts Kamailio with these lines of configuration behind the ones that every run needs; waits until it answers.
    /// `lines` must leave OPTIONS alone.
    pub fn start(folder: &Path, name: &str, lines: &str) -> anyhow::Result<Process> {
        let port = UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port();
        let file = folder.join(format!("{name}.cfg"));
        std::fs::write(
            &file,
            format!("{}{lines}", COMMON.replace("PORT", &port.to_string())),
        )?;
        let log = std::fs::File::create(folder.join(format!("{name}.log")))?;
        let child = command("kamailio", &folder.join("web.pem"))
            .args(["-DD", "-E", "-m", "32", "-M", "8"])
            .arg("-Y")
            .arg(folder)
            .arg("-f")
            .arg(&file)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("kamailio")?;
        let process = Process { child, port };
        for _ in 0..50 {
            let message = format!(
                "OPTIONS sip:127.0.0.1:{port} SIP/2.0\r\nVia: SIP/2.0/UDP VIA;branch=z9hG4bKready;rport\r\nMax-Forwards: 70\r\n\
                 From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: ready\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
            );
            if process
                .exchange(|via| message.replace("VIA", via), Duration::from_millis(200))?
                .is_some()
            {
                return Ok(process);
            }
        }
        let log = std::fs::read_to_string(folder.join(format!("{name}.log"))).unwrap_or_default();
        anyhow::bail!("kamailio does not answer:\n{log}")
    }

    /// Sends what `message` makes of our own address; the first answer, or none within `patience`.
    pub fn exchange(
        &self,
        message: impl Fn(&str) -> String,
        patience: Duration,
    ) -> anyhow::Result<Option<String>> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(patience))?;
        let via = socket.local_addr()?.to_string();
        socket.send_to(message(&via).as_bytes(), ("127.0.0.1", self.port))?;
        let mut octets = vec![0; 65_536];
        match socket.recv_from(&mut octets) {
            Ok((count, _)) => Ok(Some(String::from_utf8_lossy(&octets[..count]).into_owned())),
            // A refused datagram and silence are the same here: it is not there.
            Err(_) => Ok(None),
        }
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().map_or(true, |status| status.is_some())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGTERM lets the main process end its workers; a killed one would leave them behind.
        let _ = std::process::Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        for _ in 0..50 {
            if self.has_ended() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The verifier: one process for each revocation list that cases ask for.
pub struct Kamailio {
    folder: PathBuf,
    processes: BTreeMap<Lists, Process>,
}

impl Kamailio {
    pub fn new(folder: PathBuf) -> Kamailio {
        Kamailio {
            folder,
            processes: BTreeMap::new(),
        }
    }

    pub fn version() -> String {
        let said = printed("kamailio", &["-v"]);
        let word = said
            .split_whitespace()
            .find(|word| word.starts_with(|first: char| first.is_ascii_digit()));
        format!("Kamailio {}", word.unwrap_or_default())
    }

    pub fn ask(&mut self, scene: &Scene) -> anyhow::Result<Answer> {
        if !self.processes.contains_key(&scene.lists) {
            let process = Process::start(&self.folder, list_file(scene.lists), &self.lines(scene.lists))?;
            self.processes.insert(scene.lists, process);
        }
        let Some(process) = self.processes.get_mut(&scene.lists) else {
            anyhow::bail!("no kamailio");
        };
        let patience = Duration::from_secs(8);
        if scene.repeat != Repeat::No {
            process.exchange(|via| scene.invite.text(via), patience)?;
        }
        let mut invite = scene.invite.clone();
        if scene.repeat != Repeat::No {
            invite.call_id.push_str("-again");
        }
        let answer = process.exchange(|via| invite.text(via), patience)?;
        let Some(answer) = answer else {
            let has_ended = process.has_ended();
            self.processes.remove(&scene.lists);
            let words = if has_ended {
                "the process ends"
            } else {
                "no answer"
            };
            return Ok(Answer::Broken(words.into()));
        };
        let line = answer.lines().next().unwrap_or_default();
        let mut words = line.splitn(3, ' ').skip(1);
        Ok(match (words.next(), words.next()) {
            (Some("200"), _) => Answer::Accepts(String::new()),
            (Some("438"), Some(code)) => Answer::Refuses(code.into()),
            (Some(status), _) => Answer::Refuses(format!("SIP {status}")),
            _ => Answer::Broken("an answer that is no SIP".into()),
        })
    }

    /// Verifies by the certificate that the header names; as strict as the module goes.
    fn lines(&self, lists: Lists) -> String {
        let path = |name: &str| self.folder.join(name).display().to_string();
        format!(
            "modparam(\"secsipid\", \"expire\", 60)\n\
             modparam(\"secsipid\", \"timeout\", 2)\n\
             modparam(\"secsipid\", \"libopt\", \"CertVerify={}\")\n\
             modparam(\"secsipid\", \"libopt\", \"CertCAFile={}\")\n\
             modparam(\"secsipid\", \"libopt\", \"CertCRLFile={}\")\n\
             request_route {{\n\
               if (is_method(\"OPTIONS\")) {{ sl_send_reply(\"200\", \"ready\"); exit; }}\n\
               if (!is_method(\"INVITE\")) {{ exit; }}\n\
               if (secsipid_check_identity(\"\")) {{ sl_send_reply(\"200\", \"verified\"); exit; }}\n\
               $var(code) = $retcode;\n\
               sl_send_reply(\"438\", \"$var(code)\");\n\
             }}\n",
            secsipidx::CERT_VERIFY,
            path("anchors.pem"),
            path(list_file(lists)),
        )
    }
}

const COMMON: &str = "#!KAMAILIO\n\
    debug=0\nlog_stderror=yes\nchildren=1\ndisable_tcp=yes\nauto_aliases=no\nlisten=udp:127.0.0.1:PORT\n\
    loadmodule \"sl.so\"\nloadmodule \"pv.so\"\nloadmodule \"textops.so\"\nloadmodule \"siputils.so\"\n\
    loadmodule \"secsipid.so\"\n";
