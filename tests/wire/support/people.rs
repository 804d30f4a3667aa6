//! People with accounts at a gateway that runs: invited at the machine, with a session of their own.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use super::gateway::{Gateway, block_on};

const PATIENCE: Duration = Duration::from_secs(30);
const PASSWORD: &str = "twelve small owls";

/// Signs in so, and gives the cookie of the session.
fn cookie_for(gateway: &Gateway, path: &str, body: &Value) -> String {
    let (url, body) = (format!("http://{}{path}", gateway.api), body.to_string());
    block_on(async move {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let sent = client
            .post(url)
            .header("content-type", "application/json")
            .body(body);
        let answer = sent.send().await.expect("the API answers");
        assert_eq!(answer.status(), 200);
        let cookie = answer.headers()["set-cookie"].to_str().expect("text").to_string();
        cookie.split(';').next().expect("a cookie").to_string()
    })
}

pub struct Person {
    api: SocketAddr,
    pub name: String,
    cookie: String,
}

impl Person {
    /// Makes an account of this role with the gateway's own command (`config`: its configuration), takes the invitation up, and
    /// signs in.
    pub fn invited(gateway: &Gateway, config: &str, name: &str, role: &str) -> Person {
        let arguments = [
            "user", "add", name, "--person", name, "--role", role, "--config", config,
        ];
        let link = super::ringward(&arguments);
        let (_, code) = link.split_once("#invitation=").expect("an invitation");
        // What the command wrote is known to the gateway within seconds.
        super::wait_for("the account to be known", PATIENCE, || {
            let users = gateway.get("/api/v1/users").to_string();
            users.contains(&format!("\"name\":\"{name}\"")).then_some(())
        });
        let body = serde_json::json!({ "code": code.trim(), "password": PASSWORD });
        Person {
            api: gateway.api,
            name: name.into(),
            cookie: cookie_for(gateway, "/api/v1/invitation", &body),
        }
    }

    /// The same at another gateway on the same store: he signs in with his password.
    pub fn signed_in(gateway: &Gateway, name: &str) -> Person {
        let body = serde_json::json!({ "name": name, "password": PASSWORD });
        Person {
            api: gateway.api,
            name: name.into(),
            cookie: cookie_for(gateway, "/api/v1/session", &body),
        }
    }

    /// One exchange by his session; status and body.
    pub fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, String) {
        let url = format!("http://{}{path}", self.api);
        let (method, cookie) = (method.to_string(), self.cookie.clone());
        block_on(async move {
            let client = reqwest::Client::builder().no_proxy().build().expect("a client");
            let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
            let mut request = client
                .request(method, url)
                .header("cookie", cookie)
                .header("x-ringward", "1");
            if let Some(body) = body {
                request = request
                    .header("content-type", "application/json")
                    .body(body.to_string());
            }
            let response = request.send().await.expect("the API answers");
            (response.status().as_u16(), response.text().await.expect("a body"))
        })
    }

    /// Signs in to a phone.
    pub fn sits_at(&self, device: &str) {
        let (status, body) = self.ask("PUT", &format!("/api/v1/desks/{device}"), None);
        assert_eq!(status, 204, "{} at {device}: {body}", self.name);
    }
}
