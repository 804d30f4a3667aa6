//! Digest by hand (MD5, qop=auth), for peers on either side: shares no line with the gateway's own.

use md5::{Digest, Md5};

use crate::wire::Message;

/// What a peer proves itself with.
#[derive(Clone, Debug)]
pub struct Login {
    user: String,
    password: String,
}

impl Login {
    pub fn new(user: &str, password: &str) -> Login {
        Login {
            user: user.into(),
            password: password.into(),
        }
    }

    /// The value of Authorization for the MD5 challenge of this response.
    pub fn answer(&self, challenge: &Message, method: &str, uri: &str) -> String {
        let line = challenge
            .all("WWW-Authenticate")
            .find(|line| param(line, "algorithm") == "MD5")
            .expect("MD5 is offered");
        let (realm, nonce) = (param(line, "realm"), param(line, "nonce"));
        let response = self.response(realm, nonce, "00000001", "c0ffee", method, uri);
        format!(
            "Digest username=\"{}\",realm=\"{realm}\",nonce=\"{nonce}\",uri=\"{uri}\",response=\"{response}\",\
             algorithm=MD5,cnonce=\"c0ffee\",qop=auth,nc=00000001",
            self.user
        )
    }

    fn response(
        &self,
        realm: &str,
        nonce: &str,
        count: &str,
        cnonce: &str,
        method: &str,
        uri: &str,
    ) -> String {
        let secret = md5(&format!("{}:{realm}:{}", self.user, self.password));
        let request = md5(&format!("{method}:{uri}"));
        md5(&format!("{secret}:{nonce}:{count}:{cnonce}:auth:{request}"))
    }
}

/// A peer that lets nobody in without a password.
#[derive(Clone, Debug)]
pub struct Door {
    pub status: u16,
    pub realm: &'static str,
    login: Login,
    /// The first right answer is called stale, as after a long pause.
    pub is_stale_once: bool,
    /// Says `stale=true` whatever comes: goes round in circles.
    pub is_broken: bool,
    /// Only INVITE is asked.
    pub only_invite: bool,
    nonce: u32,
    /// What it said to each request, in order: the method, and `asked`, `let in` or `stale`.
    pub log: Vec<String>,
}

impl Door {
    pub fn new(status: u16, user: &str, password: &str) -> Door {
        Door {
            status,
            realm: "carrier.example",
            login: Login::new(user, password),
            is_stale_once: false,
            is_broken: false,
            only_invite: false,
            nonce: 1,
            log: Vec::new(),
        }
    }

    /// What a request hears that is not let in.
    pub fn challenge(&mut self, request: &Message) -> Option<(u16, Vec<(&'static str, String)>)> {
        let method = request.method().to_string();
        if self.only_invite && method != "INVITE" {
            return None;
        }
        let is_right = self.is_right(request);
        let is_stale = self.is_broken || is_right && self.is_stale_once;
        let word = match (is_right, is_stale) {
            (_, true) => "stale",
            (true, false) => "let in",
            (false, false) => "asked",
        };
        self.log.push(format!("{method} {word}"));
        if is_right && !is_stale {
            return None;
        }
        if is_stale {
            self.is_stale_once = false;
        }
        self.nonce += 1;
        let name = if self.status == 401 {
            "WWW-Authenticate"
        } else {
            "Proxy-Authenticate"
        };
        let stale = if is_stale { ",stale=TRUE" } else { "" };
        let line = |algorithm: &str| {
            format!(
                "Digest realm=\"{}\",nonce=\"n{}\",algorithm={algorithm},qop=\"auth\",opaque=\"o\"{stale}",
                self.realm, self.nonce
            )
        };
        // One nobody has heard of first.
        Some((self.status, vec![(name, line("SHA3-512")), (name, line("MD5"))]))
    }

    fn is_right(&self, request: &Message) -> bool {
        let name = if self.status == 401 {
            "Authorization"
        } else {
            "Proxy-Authorization"
        };
        let Some(line) = request.header(name) else {
            return false;
        };
        let (nonce, uri) = (format!("n{}", self.nonce), request.request_uri());
        let expected = self.login.response(
            self.realm,
            &nonce,
            param(line, "nc"),
            param(line, "cnonce"),
            request.method(),
            uri,
        );
        param(line, "response") == expected
            && param(line, "nonce") == nonce
            && param(line, "uri") == uri
            && param(line, "opaque") == "o"
            && param(line, "nc") == "00000001"
    }
}

/// A parameter without its quotes; empty when there is none.
fn param<'a>(line: &'a str, name: &str) -> &'a str {
    let rest = line.strip_prefix("Digest ").unwrap_or(line);
    rest.split(',')
        .filter_map(|part| part.trim().split_once('='))
        .find(|(found, _)| *found == name)
        .map_or("", |(_, value)| value.trim_matches('"'))
}

fn md5(text: &str) -> String {
    Md5::digest(text.as_bytes())
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect()
}
