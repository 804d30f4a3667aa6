//! SIP as text, read and written by hand: the simulated peers share no line with the gateway's own parser.

use std::fmt::Write;

/// A message as a peer reads it.
#[derive(Clone, Debug)]
pub struct Message {
    pub start: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Message {
    pub fn read(octets: &[u8]) -> Message {
        let text = String::from_utf8(octets.to_vec()).expect("the gateway writes UTF-8");
        let (head, body) = text
            .split_once("\r\n\r\n")
            .expect("a blank line ends the headers");
        let mut lines = head.split("\r\n");
        let start = lines.next().expect("a start line").to_string();
        let headers = lines
            .map(|line| {
                line.split_once(':')
                    .unwrap_or_else(|| panic!("a header without colon: {line}"))
            })
            .map(|(name, value)| (name.trim().to_string(), value.trim().to_string()))
            .collect();
        let message = Message {
            start,
            headers,
            body: body.to_string(),
        };
        let length: usize = message
            .header("Content-Length")
            .map_or(0, |v| v.parse().expect("a number"));
        assert_eq!(length, body.len(), "Content-Length tells the truth: {text}");
        message
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }

    pub fn must(&self, name: &str) -> &str {
        self.header(name)
            .unwrap_or_else(|| panic!("no {name} in {}", self.start))
    }

    pub fn status(&self) -> Option<u16> {
        self.start.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// The method of a request, or of the CSeq of a response.
    pub fn method(&self) -> &str {
        if self.status().is_some() {
            self.must("CSeq")
                .split_whitespace()
                .nth(1)
                .expect("a method in CSeq")
        } else {
            self.start.split(' ').next().expect("a method")
        }
    }

    pub fn request_uri(&self) -> &str {
        self.start.split(' ').nth(1).expect("a Request-URI")
    }

    pub fn cseq(&self) -> u32 {
        self.must("CSeq")
            .split_whitespace()
            .next()
            .expect("a number")
            .parse()
            .expect("a CSeq number")
    }

    pub fn branch(&self) -> String {
        param(self.must("Via"), "branch").expect("a branch").to_string()
    }

    pub fn tag(&self, name: &str) -> Option<&str> {
        param(self.must(name), "tag")
    }

    /// False for what echoes a request of ours that was garbled on its way: no peer could match it.
    pub fn is_sound(&self) -> bool {
        let cseq = self.header("CSeq").unwrap_or_default();
        let mut words = cseq.split_whitespace();
        words.next().is_some_and(|number| number.parse::<u32>().is_ok())
            && words.next().is_some()
            && self
                .header("Via")
                .is_some_and(|via| param(via, "branch").is_some())
            && ["From", "To", "Call-ID"]
                .iter()
                .all(|name| self.header(name).is_some())
    }

    /// The URI between the angle brackets of Contact.
    pub fn contact(&self) -> Option<&str> {
        let contact = self.header("Contact")?;
        contact.split_once('<')?.1.split_once('>').map(|(uri, _)| uri)
    }

    pub fn has_sdp(&self) -> bool {
        self.header("Content-Type")
            .is_some_and(|kind| kind == "application/sdp")
    }

    /// `a=sendonly` and its like; `sendrecv` when none is there.
    pub fn direction(&self) -> &str {
        ["sendonly", "recvonly", "inactive"]
            .into_iter()
            .find(|direction| self.body.contains(&format!("a={direction}\r\n")))
            .unwrap_or("sendrecv")
    }

    /// Address and port of the audio.
    pub fn audio(&self) -> Option<String> {
        let host = self.body.split("c=IN IP4 ").nth(1)?.split("\r\n").next()?;
        let port = self.body.split("m=audio ").nth(1)?.split(' ').next()?;
        Some(format!("{host}:{port}"))
    }
}

/// A `;name=value` parameter outside the angle brackets.
fn param<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let outside = value.rsplit_once('>').map_or(value, |(_, rest)| rest);
    outside
        .split(';')
        .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
}

/// Prints a message.
pub fn write(start: &str, headers: &[(&str, String)], body: Option<(&str, &str)>) -> Vec<u8> {
    let mut text = format!("{start}\r\n");
    for (name, value) in headers {
        write!(text, "{name}: {value}\r\n").expect("writing to a string");
    }
    match body {
        Some((kind, body)) => {
            write!(
                text,
                "Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        }
        None => write!(text, "Content-Length: 0\r\n\r\n"),
    }
    .expect("writing to a string");
    text.into_bytes()
}

/// A plain telephone's description.
pub fn sdp(address: std::net::SocketAddr, version: u32, direction: &str) -> String {
    let (ip, port) = (address.ip(), address.port() + 1000);
    format!(
        "v=0\r\no=- 7 {version} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 8 101\r\n\
         a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\na={direction}\r\n"
    )
}
