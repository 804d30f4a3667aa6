//! The gateway as its users run it: the binary, a configuration file, a folder.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

pub struct Gateway {
    child: Child,
    pub folder: PathBuf,
    pub udp: SocketAddr,
    pub tcp: SocketAddr,
    pub api: SocketAddr,
    pub token: String,
    log: Receiver<String>,
    seen: Vec<String>,
}

/// What a test may change of the configuration.
pub struct Setup<'a> {
    pub name: &'a str,
    pub targets: &'a [String],
    /// Lines for `[[queue]]`, e.g. `ring = "2s"`.
    pub queue: &'a str,
    pub more: &'a str,
}

impl Gateway {
    pub fn start(setup: &Setup<'_>) -> Gateway {
        Gateway::start_with_ports(setup, 200)
    }

    /// With so many media ports; a call takes four.
    pub fn start_with_ports(setup: &Setup<'_>, ports: u16) -> Gateway {
        Gateway::start_all(setup, ports, "", "")
    }

    /// With more lines for `[[trunk]]`.
    #[allow(dead_code, reason = "for the wire tests; benches/load.rs shares this module")]
    pub fn start_with_trunk(setup: &Setup<'_>, trunk: &str) -> Gateway {
        Gateway::start_all(setup, 200, trunk, "")
    }

    /// With more lines for `[[trunk]]` and for `[media]`.
    #[allow(dead_code, reason = "for the wire tests; benches/load.rs shares this module")]
    pub fn start_with_media(setup: &Setup<'_>, trunk: &str, media: &str) -> Gateway {
        Gateway::start_all(setup, 200, trunk, media)
    }

    fn start_all(setup: &Setup<'_>, ports: u16, trunk: &str, of_media: &str) -> Gateway {
        let folder = super::folder(setup.name);
        let media = super::free_ports(ports);
        let targets: Vec<_> = setup.targets.iter().map(|target| format!("{target:?}")).collect();
        let text = format!(
            "[sip]\nlisten = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]\n\
             [[trunk]]\nname = \"carrier\"\nfrom = [\"127.0.0.0/8\"]\n{trunk}\n\
             [[queue]]\nname = \"front-desk\"\nnumbers = [\"*\"]\ntargets = [{}]\n{}\n\
             [media]\naddress = \"127.0.0.1\"\nports = \"{}-{}\"\n{of_media}\n\
             [store]\nurl = \"sqlite:{}\"\n[api]\nlisten = \"127.0.0.1:0\"\n{}\n",
            targets.join(", "),
            setup.queue,
            media,
            media + ports - 1,
            folder.join("ringward.db").display(),
            setup.more,
        );
        let file = folder.join("ringward.toml");
        std::fs::write(&file, text).expect("the configuration is written");
        Gateway::run(folder, &["serve", "--config", &file.display().to_string()])
    }

    pub fn run(folder: PathBuf, arguments: &[&str]) -> Gateway {
        Gateway::run_as(folder, arguments, None)
    }

    /// With a token that its store has already: none is made and shown then.
    pub fn run_as(folder: PathBuf, arguments: &[&str], token: Option<&str>) -> Gateway {
        // Another build's program can be looked at with the same eyes.
        let program = std::env::var_os("RINGWARD_BINARY");
        let mut child = Command::new(program.unwrap_or_else(|| env!("CARGO_BIN_EXE_ringward").into()))
            .args(arguments)
            .current_dir(&folder)
            .env("RUST_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the gateway starts");
        let stderr = child.stderr.take().expect("piped");
        let (tell, log) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        let none: SocketAddr = "127.0.0.1:1".parse().expect("an address");
        let mut gateway = Gateway {
            child,
            folder,
            udp: none,
            tcp: none,
            api: none,
            token: String::new(),
            log,
            seen: Vec::new(),
        };
        gateway.udp = gateway.expect_line("SIP      udp:").parse().expect("UDP address");
        gateway.tcp = gateway.expect_line("SIP      tcp:").parse().expect("TCP address");
        let api = gateway.expect_line("Console  http://");
        gateway.api = api.trim_end_matches('/').parse().expect("API address");
        gateway.token = match token {
            Some(token) => token.into(),
            None => gateway.expect_line("Token    ").trim().to_string(),
        };
        gateway
    }

    /// The rest of the first line that holds `mark`, of those nobody waited for yet.
    pub fn expect_line(&mut self, mark: &str) -> String {
        loop {
            let line = self.log.recv_timeout(Duration::from_secs(90));
            let Ok(line) = line else {
                panic!("the gateway never said {mark:?}:\n{}", self.seen.join("\n"))
            };
            self.seen.push(line.clone());
            if let Some((_, rest)) = line.split_once(mark) {
                return rest.to_string();
            }
        }
    }

    /// Everything it has logged so far.
    pub fn log(&mut self) -> String {
        self.seen.extend(self.log.try_iter());
        self.seen.join("\n")
    }

    pub fn get(&self, path: &str) -> Value {
        let (status, body) = self.request("GET", path, None);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
    }

    /// One HTTP exchange with the token; status and body.
    pub fn request(&self, method: &str, path: &str, body: Option<&str>) -> (u16, String) {
        let url = format!("http://{}{path}", self.api);
        let token = self.token.clone();
        let (method, body) = (method.to_string(), body.map(str::to_string));
        block_on(async move {
            let client = reqwest::Client::builder().no_proxy().build().expect("a client");
            let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
            let mut request = client
                .request(method, url)
                .bearer_auth(token)
                .timeout(Duration::from_secs(5));
            if let Some(body) = body {
                request = request.header("content-type", "application/json").body(body);
            }
            let response = request.send().await.expect("the API answers");
            (response.status().as_u16(), response.text().await.expect("a body"))
        })
    }

    /// The kept records, newest first, once there are at least `count` ended ones.
    pub fn ended_calls(&self, count: usize) -> Vec<Value> {
        super::wait_for("ended calls in the store", Duration::from_secs(5), || {
            let calls = self.get("/api/v1/calls?limit=200");
            let calls = calls["calls"].as_array().cloned().unwrap_or_default();
            let ended: Vec<_> = calls
                .into_iter()
                .filter(|call| call["state"] == "ended")
                .collect();
            (ended.len() >= count).then_some(ended)
        })
    }

    /// Everything known about a call of a list.
    pub fn why(&self, call: &Value) -> Value {
        self.get(&format!(
            "/api/v1/calls/{}/why",
            call["id"].as_str().expect("an id")
        ))
    }

    #[allow(dead_code, reason = "for benches/relay, which shares this module")]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// User and system time the process has used, in seconds.
    #[allow(dead_code, reason = "for benches/load.rs, which shares this module")]
    pub fn cpu_seconds(&self) -> f64 {
        let stat =
            std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("its /proc entry");
        super::ticks(&stat).expect("a name in brackets") as f64 / 100.0
    }

    #[allow(dead_code, reason = "for benches/load.rs, which shares this module")]
    pub fn resident_kib(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("its /proc entry");
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .expect("VmRSS");
        line.split_whitespace()
            .nth(1)
            .and_then(|kib| kib.parse().ok())
            .expect("a number")
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status()
            .expect("kill runs");
        assert!(status.success());
    }

    pub fn wait_for_exit(&mut self, patience: Duration) -> i32 {
        super::wait_for("the gateway to end", patience, || {
            self.child.try_wait().ok().flatten()
        })
        .code()
        .unwrap_or(-1)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- gateway log\n{}", self.log());
        }
    }
}

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}
