//! Kamailio 5.6 as a stateful relay: a carrier's border controller in front of the gateway, or a PBX behind it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Peer;

/// Where it listens and where everything that is not inside a dialog goes.
pub struct Relay<'a> {
    /// `$du`: the next hop of requests that begin something, such as `sip:127.0.0.1:5061;transport=tls`.
    pub towards: &'a str,
    pub tls: Option<RelayTls<'a>>,
}

/// The same certificate for both sides of it.
pub struct RelayTls<'a> {
    pub certificate: &'a Path,
    pub key: &'a Path,
    pub anchors: &'a Path,
}

pub struct Kamailio {
    peer: Peer,
    folder: PathBuf,
    pub udp: u16,
    pub tcp: u16,
    /// Bound only with [`Relay::tls`].
    pub tls: u16,
}

impl Kamailio {
    /// Relays statefully (`t_relay`) with Record-Route and writes a line for every request and reply to its log.
    pub fn start(folder: &Path, name: &str, relay: &Relay<'_>) -> Kamailio {
        let ports = super::free_ports(4);
        let (udp, tcp, tls) = (ports, ports + 1, ports + 2);
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder).expect("Kamailio's folder");
        let mut config = RELAY
            .replace("UDP_PORT", &udp.to_string())
            .replace("TCP_PORT", &tcp.to_string())
            .replace("TOWARDS", relay.towards);
        let with_tls = match &relay.tls {
            None => String::new(),
            Some(files) => TLS
                .replace("TLS_PORT", &tls.to_string())
                .replace("CERTIFICATE", &files.certificate.display().to_string())
                .replace("KEY", &files.key.display().to_string())
                .replace("ANCHORS", &files.anchors.display().to_string()),
        };
        config = config.replace("#TLS\n", &with_tls);
        let file = folder.join("kamailio.cfg");
        std::fs::write(&file, config).expect("kamailio.cfg");
        let log = std::fs::File::create(folder.join("log")).expect("log");
        let mut command = Command::new("kamailio");
        command
            .args(["-DD", "-E", "-m", "32", "-M", "8", "-Y"])
            .arg(&folder)
            .arg("-f")
            .arg(&file)
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("log"))
            .stderr(log);
        let kamailio = Kamailio {
            peer: Peer::start(&mut command),
            folder,
            udp,
            tcp,
            tls,
        };
        super::wait_for("Kamailio to listen", Duration::from_secs(10), || {
            std::net::TcpStream::connect(("127.0.0.1", kamailio.tcp)).ok()
        });
        // Its workers for UDP start with those for TCP.
        std::thread::sleep(Duration::from_millis(200));
        kamailio
    }

    pub fn log(&self) -> String {
        std::fs::read(self.folder.join("log"))
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        if self.peer.end() {
            return;
        }
        if std::thread::panicking() {
            eprintln!("--- Kamailio\n{}", self.log());
        }
    }
}

const RELAY: &str = r#"
debug=2
log_stderror=yes
memdbg=5
memlog=5
children=1
tcp_children=2
auto_aliases=no
listen=udp:127.0.0.1:UDP_PORT
listen=tcp:127.0.0.1:TCP_PORT
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "xlog.so"
#TLS
modparam("rr", "enable_double_rr", 1)

request_route {
    if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
    xlog("L_WARN", "request $rm from $proto:$si:$sp\n");
    if (is_method("CANCEL")) { if (t_check_trans()) { t_relay(); } exit; }
    if (has_totag()) {
        if (loose_route()) { t_relay(); exit; }
        if (is_method("ACK")) { if (t_check_trans()) { t_relay(); } exit; }
        sl_send_reply("404", "Not here"); exit;
    }
    t_check_trans();
    record_route();
    $du = "TOWARDS";
    t_on_reply("REPLIES");
    if (!t_relay()) { sl_reply_error(); }
    exit;
}

onreply_route[REPLIES] {
    xlog("L_WARN", "reply $rs from $proto:$si:$sp\n");
}
"#;

const TLS: &str = r#"
enable_tls=yes
listen=tls:127.0.0.1:TLS_PORT
loadmodule "tls.so"
modparam("tls", "tls_method", "TLSv1.2+")
modparam("tls", "certificate", "CERTIFICATE")
modparam("tls", "private_key", "KEY")
modparam("tls", "ca_list", "ANCHORS")
modparam("tls", "verify_certificate", 1)
modparam("tls", "require_certificate", 0)
"#;
