//! Chromium, driven through chromedriver's WebDriver interface: no Node, no library.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};

use super::Peer;
use super::gateway::block_on;

/// Keys as WebDriver writes them.
pub const TAB: &str = "\u{e004}";
pub const ENTER: &str = "\u{e007}";
pub const ESCAPE: &str = "\u{e00c}";
pub const DOWN: &str = "\u{e015}";

pub struct Browser {
    _driver: Peer,
    base: String,
}

impl Browser {
    pub fn start(folder: &Path, width: u32, height: u32) -> Browser {
        let port = super::free_port();
        let mut command = Command::new("chromedriver");
        command
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let driver = Peer::start(&mut command);
        super::wait_for("chromedriver", Duration::from_secs(10), || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        let root = format!("http://127.0.0.1:{port}/session");
        let profile = folder.join("profile");
        let arguments = [
            "--headless=new".into(),
            "--no-sandbox".into(),
            "--disable-gpu".into(),
            "--disable-dev-shm-usage".into(),
            "--disable-quic".into(),
            "--no-first-run".into(),
            "--disable-background-networking".into(),
            "--disable-component-update".into(),
            "--disable-sync".into(),
            format!("--window-size={width},{height}"),
            format!("--user-data-dir={}", profile.display()),
        ];
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let session = exchange(reqwest::Method::POST, &root, Some(capabilities));
        let id = session["sessionId"]
            .as_str()
            .unwrap_or_else(|| panic!("{session}"))
            .to_string();
        Browser {
            _driver: driver,
            base: format!("{root}/{id}"),
        }
    }

    pub fn open(&self, url: &str) {
        self.post("url", json!({ "url": url }));
    }

    /// Runs a script that returns a value.
    pub fn eval(&self, script: &str) -> Value {
        self.post("execute/sync", json!({"script": script, "args": []}))
    }

    /// A screen of so many CSS pixels, each so many of the device's: 320 at 4 is a screen of 1280 at 400 %.
    pub fn zoom(&self, width: u32, height: u32, scale: f32) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": scale, "mobile": false});
        self.post(
            "goog/cdp/execute",
            json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics}),
        );
    }

    /// A device with passkeys, in the machine itself, whose person is always there and always shows that it is him (WebAuthn §11).
    pub fn add_authenticator(&self) {
        self.post(
            "webauthn/authenticator",
            json!({
                "protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
                "isUserConsenting": true, "isUserVerified": true,
            }),
        );
    }

    /// `light` or `dark`.
    pub fn prefer(&self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.post(
            "goog/cdp/execute",
            json!({"cmd": "Emulation.setEmulatedMedia", "params": {"features": features}}),
        );
    }

    /// From now on the page is laid out for paper (`print`) or for the screen (empty).
    pub fn lay_out_for(&self, medium: &str) {
        self.post(
            "goog/cdp/execute",
            json!({"cmd": "Emulation.setEmulatedMedia", "params": {"media": medium}}),
        );
    }

    /// The page as it comes out on A4, as PDF (WebDriver §18.1).
    pub fn pdf(&self) -> Vec<u8> {
        let page = json!({"page": {"width": 21.0, "height": 29.7}});
        let pdf = self.post("print", page);
        base64::engine::general_purpose::STANDARD
            .decode(pdf.as_str().expect("a document"))
            .expect("base64")
    }

    /// Presses and lets go of each key in turn, wherever the keyboard is; special keys as WebDriver writes them (WebDriver
    /// §17.4.2), such as [`TAB`].
    pub fn press_keys(&self, keys: &str) {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key.to_string()})))
            .collect();
        self.post(
            "actions",
            json!({"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]}),
        );
    }

    /// The words a person sees.
    pub fn text(&self) -> String {
        self.eval("return document.body.innerText")
            .as_str()
            .unwrap_or_default()
            .to_string()
    }

    pub fn wait_for_text(&self, what: &str, patience: Duration) -> String {
        super::wait_for(&format!("{what:?} on the page"), patience, || {
            let text = self.text();
            text.to_lowercase().contains(&what.to_lowercase()).then_some(text)
        })
    }

    /// Errors and policy violations the page logged.
    pub fn console_errors(&self) -> Vec<String> {
        let log = self.post("se/log", json!({"type": "browser"}));
        let entries = log.as_array().cloned().unwrap_or_default();
        entries
            .iter()
            .filter(|entry| entry["level"] == "SEVERE")
            .map(|entry| entry["message"].to_string())
            .collect()
    }

    pub fn screenshot(&self, path: &Path) {
        let picture = exchange(reqwest::Method::GET, &format!("{}/screenshot", self.base), None);
        let octets = base64::engine::general_purpose::STANDARD
            .decode(picture.as_str().expect("a picture"))
            .expect("base64");
        std::fs::write(path, octets).expect("the screenshot is written");
    }

    fn post(&self, verb: &str, body: Value) -> Value {
        exchange(
            reqwest::Method::POST,
            &format!("{}/{verb}", self.base),
            Some(body),
        )
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends Chromium; the driver ends with its `Peer`.
        let url = self.base.clone();
        let _ = std::panic::catch_unwind(|| exchange(reqwest::Method::DELETE, &url, None));
    }
}

fn exchange(method: reqwest::Method, url: &str, body: Option<Value>) -> Value {
    block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let mut request = client.request(method, url).timeout(Duration::from_secs(60));
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let text = request
            .send()
            .await
            .expect("chromedriver answers")
            .text()
            .await
            .expect("a body");
        let answer: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert!(answer["value"]["error"].is_null(), "{url}: {answer}");
        answer["value"].clone()
    })
}
