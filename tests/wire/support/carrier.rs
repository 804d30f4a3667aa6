//! Kamailio as a carrier or a PBX: whatever its lines say, on a free port of loopback.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Peer;

pub struct Kamailio {
    peer: Peer,
    pub port: u16,
    log: std::path::PathBuf,
}

impl Kamailio {
    /// `lines`: modules and routes behind the ones that every run needs. `PORT` in them is the port it listens on.
    pub fn start(folder: &Path, name: &str, lines: &str) -> Kamailio {
        let port = super::free_port();
        let file = folder.join(format!("{name}.cfg"));
        let text = format!("{COMMON}{lines}").replace("PORT", &port.to_string());
        std::fs::write(&file, text).expect("Kamailio's configuration");
        let log = folder.join(format!("{name}.log"));
        let output = std::fs::File::create(&log).expect("Kamailio's log");
        let mut command = Command::new("kamailio");
        command
            .args(["-DD", "-E", "-m", "32", "-M", "8", "-Y"])
            .arg(folder)
            .arg("-f")
            .arg(&file)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output);
        let kamailio = Kamailio {
            peer: Peer::start(&mut command),
            port,
            log,
        };
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket
            .set_read_timeout(Some(Duration::from_millis(200)))
            .expect("a time-out");
        let via = socket.local_addr().expect("an address");
        let options = format!(
            "OPTIONS sip:127.0.0.1:{port} SIP/2.0\r\nVia: SIP/2.0/UDP {via};branch=z9hG4bKready;rport\r\nMax-Forwards: 70\r\n\
             From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: ready\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        );
        for _ in 0..75 {
            let _ = socket.send_to(options.as_bytes(), ("127.0.0.1", port));
            if socket.recv(&mut [0; 4096]).is_ok() {
                return kamailio;
            }
        }
        panic!("Kamailio does not answer:\n{}", kamailio.log());
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        self.peer.end();
        if std::thread::panicking() {
            eprintln!("--- Kamailio\n{}", self.log());
        }
    }
}

const COMMON: &str = r#"#!KAMAILIO
debug=0
log_stderror=yes
children=1
disable_tcp=yes
auto_aliases=no
listen=udp:127.0.0.1:PORT
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "xlog.so"
loadmodule "auth.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
modparam("auth", "qop", "auth")
modparam("auth", "nonce_count", 1)
"#;
