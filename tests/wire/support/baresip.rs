//! baresip 1.0: a real phone, headless, that plays one file and records what it hears.

use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Peer;

pub struct Baresip {
    _peer: Peer,
    folder: PathBuf,
    pub port: u16,
    control: Option<u16>,
}

impl Baresip {
    /// Starts a phone on a free port; it answers by itself. `says` must be longer than the call: baresip hangs up at
    /// the end of its file. With `dial` it calls that URI at once.
    pub fn start(folder: &Path, name: &str, says: &Path, dial: Option<&str>) -> Baresip {
        Baresip::start_with(folder, name, says, dial, None, "")
    }

    /// With more parameters of its account, such as `;auth_user=x;auth_pass=y`. With `;audio_codecs=g722` what it says and
    /// hears has 16 kHz.
    #[allow(dead_code, reason = "for the wire tests; benches/load.rs shares this module")]
    pub fn start_as(folder: &Path, name: &str, says: &Path, dial: Option<&str>, more: &str) -> Baresip {
        Baresip::start_account(folder, name, says, dial, None, ("", more, None))
    }

    /// The same, and it would have RTP and RTCP on one port (RFC 5761).
    #[allow(dead_code, reason = "for the wire tests; benches/load.rs shares this module")]
    pub fn start_muxed(folder: &Path, name: &str, says: &Path, dial: Option<&str>, more: &str) -> Baresip {
        Baresip::start_account(folder, name, says, dial, None, ("rtcp_mux yes\n", more, None))
    }

    /// A phone that registers at `registrar` (address, and parameters such as `;transport=tcp`) as `name`.
    #[allow(dead_code, reason = "for the wire tests; benches/load.rs shares this module")]
    pub fn start_registered(
        folder: &Path,
        name: &str,
        says: &Path,
        registrar: impl std::fmt::Display,
        secret: &str,
    ) -> Baresip {
        let account = format!("<sip:{name}@{registrar}>;regint=60;auth_user={name};auth_pass={secret}");
        Baresip::start_account(folder, name, says, None, None, ("", "", Some(&account)))
    }

    /// The same, and it takes commands.
    pub fn start_driven(folder: &Path, name: &str, says: &Path) -> Baresip {
        let control = super::free_port();
        Baresip::start_with(folder, name, says, None, Some(control), "")
    }

    /// The same with TLS on the port above: its certificate with the key in one file, and whom it believes.
    #[allow(dead_code, reason = "for the wire tests; benches/load.rs shares this module")]
    pub fn over_tls(
        folder: &Path,
        name: &str,
        says: &Path,
        dial: Option<&str>,
        both: &Path,
        anchors: &Path,
    ) -> Baresip {
        let lines = format!(
            "sip_certificate {}\nsip_cafile {}\n",
            both.display(),
            anchors.display()
        );
        Baresip::start_with(folder, name, says, dial, None, &lines)
    }

    fn start_with(
        folder: &Path,
        name: &str,
        says: &Path,
        dial: Option<&str>,
        control: Option<u16>,
        lines: &str,
    ) -> Baresip {
        Baresip::start_account(folder, name, says, dial, control, (lines, "", None))
    }

    /// With more lines of its configuration and more of its account.
    fn start_account(
        folder: &Path,
        name: &str,
        says: &Path,
        dial: Option<&str>,
        control: Option<u16>,
        (lines, more, account): (&str, &str, Option<&str>),
    ) -> Baresip {
        let port = super::free_port();
        let folder = folder.join(name);
        let recordings = folder.join("rec");
        std::fs::create_dir_all(&recordings).expect("the phone's folder");
        let media = super::free_ports(42);
        let control = control.unwrap_or_else(super::free_port);
        // It makes a certificate (RSA) at every start.
        let dtls = match more.contains("dtls_srtp") {
            true => "module dtls_srtp.so\n",
            false => "",
        };
        let config = format!(
            "poll_method epoll\nsip_listen 127.0.0.1:{port}\nnet_interface 127.0.0.1\n\
             audio_source aufile,{}\naudio_player aubridge,{name}\naudio_alert aubridge,{name}-alert\n\
             snd_path {}\nmodule_path /usr/lib/baresip/modules\nrtp_ports {media}-{}\n\
             module g711.so\nmodule g722.so\nmodule srtp.so\n{dtls}module aufile.so\nmodule aubridge.so\nmodule sndfile.so\nmodule uuid.so\n\
             module account.so\nmodule menu.so\nmodule ctrl_tcp.so\nctrl_tcp_listen 127.0.0.1:{control}\n{lines}",
            says.display(),
            recordings.display(),
            media + 40,
        );
        let alone = format!("<sip:{name}@127.0.0.1:{port}>;regint=0");
        let account = account.unwrap_or(&alone);
        let codecs = match more.contains("audio_codecs") {
            true => "",
            false => ";audio_codecs=pcmu,pcma",
        };
        let account = format!("{account};answermode=auto{codecs}{more}\n");
        std::fs::write(folder.join("config"), config).expect("config");
        std::fs::write(folder.join("accounts"), account).expect("accounts");
        std::fs::write(folder.join("contacts"), "").expect("contacts");
        let log = std::fs::File::create(folder.join("log")).expect("log");
        let mut command = Command::new("baresip");
        command.arg("-f").arg(&folder).arg("-4");
        if let Some(uri) = dial {
            command.arg("-e").arg(format!("/dial {uri}"));
        }
        // A closed standard input would end it.
        command
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("log"))
            .stderr(log);
        let phone = Baresip {
            _peer: Peer::start(&mut command),
            folder,
            port,
            control: Some(control),
        };
        super::wait_for("baresip to be ready", Duration::from_secs(10), || {
            phone.log().contains("baresip is ready").then_some(())
        });
        phone
    }

    /// A command of its menu, as JSON in a netstring.
    pub fn command(&self, name: &str) {
        self.command_with(name, "");
    }

    /// The same with what it asks for.
    pub fn command_with(&self, name: &str, params: &str) {
        let port = self.control.expect("a phone that takes commands");
        let mut control = TcpStream::connect(("127.0.0.1", port)).expect("the phone listens");
        let json = format!("{{\"command\":\"{name}\",\"params\":\"{params}\",\"token\":\"1\"}}");
        write!(control, "{}:{json},", json.len()).expect("the command is sent");
        // It reads before it closes.
        std::thread::sleep(Duration::from_millis(300));
    }

    pub fn log(&self) -> String {
        std::fs::read(self.folder.join("log"))
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }

    /// What it heard so far.
    pub fn heard(&self) -> Vec<i16> {
        let recordings = std::fs::read_dir(self.folder.join("rec")).expect("recordings");
        let file = recordings
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.to_string_lossy().contains("-dec"));
        file.map(|file| super::audio::read_wav(&file)).unwrap_or_default()
    }
}
