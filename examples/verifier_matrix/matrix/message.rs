//! The signed call of a case: a token with every claim under control, and the INVITE that carries it.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::KeyPair;
use serde_json::{Value, json};

/// Who calls and who is called, in every ordinary case.
pub const CALLER: &str = "14045550123";
pub const CALLED: &str = "12125550100";
/// A third party: another caller, another called person.
pub const OTHER: &str = "13125550177";

/// A PASSporT to be: change what should be different, then sign it.
#[derive(Clone)]
pub struct Token {
    pub header: Value,
    pub payload: Value,
    /// Exactly this text instead of the JSON of `header`.
    pub header_text: Option<String>,
    /// Exactly this text instead of the JSON of `payload`.
    pub payload_text: Option<String>,
    /// Everything behind the token, from the first semicolon on.
    pub parameters: String,
}

impl Token {
    /// A SHAKEN PASSporT (RFC 8588) as it should be.
    pub fn new(x5u: &str, iat: i64) -> Token {
        Token {
            header: json!({"alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": x5u}),
            payload: json!({
                "attest": "A",
                "dest": {"tn": [CALLED]},
                "iat": iat,
                "orig": {"tn": CALLER},
                "origid": "123e4567-e89b-12d3-a456-426655440000",
            }),
            header_text: None,
            payload_text: None,
            parameters: format!(";info=<{x5u}>;alg=ES256;ppt=shaken"),
        }
    }

    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Token {
        self.payload[name] = value.into();
        self
    }

    pub fn without_claim(mut self, name: &str) -> Token {
        if let Some(claims) = self.payload.as_object_mut() {
            claims.remove(name);
        }
        self
    }

    pub fn member(mut self, name: &str, value: impl Into<Value>) -> Token {
        self.header[name] = value.into();
        self
    }

    pub fn without_member(mut self, name: &str) -> Token {
        if let Some(members) = self.header.as_object_mut() {
            members.remove(name);
        }
        self
    }

    pub fn parameters(mut self, parameters: impl Into<String>) -> Token {
        self.parameters = parameters.into();
        self
    }

    /// Writes the payload by hand, from the text of the right one.
    pub fn payload_by_hand(mut self, change: impl FnOnce(String) -> String) -> Token {
        self.payload_text = Some(change(self.payload.to_string()));
        self
    }

    /// The Identity header value, signed with a P-256 key.
    pub fn signed(&self, key: &KeyPair) -> String {
        self.sealed(|octets| raw_signature(key, octets))
    }

    /// The Identity header value with whatever `seal` makes of the octets to be signed.
    pub fn sealed(&self, seal: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
        let part = |text: &Option<String>, value: &Value| {
            URL_SAFE_NO_PAD.encode(text.clone().unwrap_or_else(|| value.to_string()))
        };
        let signed = format!(
            "{}.{}",
            part(&self.header_text, &self.header),
            part(&self.payload_text, &self.payload)
        );
        let signature = URL_SAFE_NO_PAD.encode(seal(signed.as_bytes()));
        format!("{signed}.{signature}{}", self.parameters)
    }

    /// The compact form (RFC 8225 §7): nothing but the signature.
    pub fn compact(&self, key: &KeyPair) -> String {
        let full = self.signed(key);
        let token = full.split(';').next().unwrap_or_default();
        let signature = token.rsplit('.').next().unwrap_or_default();
        format!("..{signature}{}", self.parameters)
    }
}

/// r and s, 32 octets each (RFC 7518 §3.4).
pub fn raw_signature(key: &KeyPair, octets: &[u8]) -> Vec<u8> {
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.serialized_der());
    let signature = pair
        .ok()
        .and_then(|pair| pair.sign(&SystemRandom::new(), octets).ok());
    signature.expect("a P-256 key signs").as_ref().to_vec()
}

/// The other signature of the same message: n - s in place of s.
pub fn mirrored(mut signature: Vec<u8>) -> Vec<u8> {
    let mut borrow = 0;
    for (octet, order) in signature[32..].iter_mut().zip(P256_ORDER).rev() {
        let difference = i16::from(order) - i16::from(*octet) - borrow;
        borrow = i16::from(difference < 0);
        *octet = difference.rem_euclid(256) as u8;
    }
    signature
}

/// The number of points of P-256 (FIPS 186-4 D.1.2.3), big-endian.
pub const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// One character of the signature exchanged: what a tamperer on the way leaves behind.
pub fn altered(identity: &str) -> String {
    let end = identity.find(';').unwrap_or(identity.len());
    let at = identity[..end].rfind('.').map_or(0, |dot| dot + 3);
    let with = if identity[at..].starts_with('A') { "B" } else { "A" };
    let mut altered = identity.to_string();
    altered.replace_range(at..at + 1, with);
    altered
}

/// An INVITE to be. The lines stand as they will on the wire.
#[derive(Clone)]
pub struct Invite {
    pub request_uri: String,
    pub from: String,
    pub to: String,
    /// Values of P-Asserted-Identity.
    pub asserted: Vec<String>,
    /// Whole header lines, `Identity: ...` among them.
    pub lines: Vec<String>,
    pub call_id: String,
    pub body: Option<String>,
}

impl Invite {
    /// From `CALLER` to `CALLED`, with one Identity header.
    pub fn new(identity: &str) -> Invite {
        Invite {
            request_uri: format!("sip:+{CALLED}@192.0.2.1;user=phone"),
            from: format!("\"Caller\" <sip:+{CALLER}@carrier.example.com;user=phone>;tag=1"),
            to: format!("<sip:+{CALLED}@example.com;user=phone>"),
            asserted: Vec::new(),
            lines: vec![format!("Identity: {identity}")],
            call_id: String::new(),
            body: None,
        }
    }

    pub fn with_from(mut self, uri: &str) -> Invite {
        self.from = format!("<{uri}>;tag=1");
        self
    }

    pub fn with_to(mut self, uri: &str) -> Invite {
        self.to = format!("<{uri}>");
        self
    }

    pub fn with_asserted(mut self, value: &str) -> Invite {
        self.asserted.push(value.to_string());
        self
    }

    pub fn with_line(mut self, line: String) -> Invite {
        self.lines.push(line);
        self
    }

    /// A session description with this fingerprint attribute (RFC 8122), or with none.
    pub fn with_body(mut self, fingerprint: Option<&str>) -> Invite {
        let attribute = fingerprint
            .map(|value| format!("a=fingerprint:{value}\r\n"))
            .unwrap_or_default();
        self.body = Some(format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
             {attribute}m=audio 40000 RTP/AVP 0\r\n"
        ));
        self
    }

    /// The value of the first Identity line, for a tool that sees nothing else.
    pub fn identity(&self) -> Option<&str> {
        let value = |line: &'_ String| line.split_once(':').map(|(name, _)| name.len() + 1);
        let line = self.lines.iter().find(|line| {
            let name = line.split(':').next().unwrap_or_default().trim();
            name.eq_ignore_ascii_case("identity") || name.eq_ignore_ascii_case("y")
        })?;
        value(line).map(|start| line[start..].trim())
    }

    /// The message as it goes over UDP from `via` (`host:port`).
    pub fn text(&self, via: &str) -> String {
        let mut text = format!(
            "INVITE {} SIP/2.0\r\nVia: SIP/2.0/UDP {via};branch=z9hG4bK{};rport\r\nMax-Forwards: 70\r\n\
             From: {}\r\nTo: {}\r\nCall-ID: {}@carrier.example.com\r\nCSeq: 1 INVITE\r\nContact: <sip:{via}>\r\n",
            self.request_uri, self.call_id, self.from, self.to, self.call_id
        );
        for value in &self.asserted {
            text.push_str(&format!("P-Asserted-Identity: {value}\r\n"));
        }
        for line in &self.lines {
            text.push_str(line);
            text.push_str("\r\n");
        }
        let body = self.body.as_deref().unwrap_or_default();
        if self.body.is_some() {
            text.push_str("Content-Type: application/sdp\r\n");
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        text
    }
}

/// A Date header line (RFC 3261 §20.17) for a Unix second.
pub fn date_line(second: i64) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let days = second.div_euclid(86_400);
    let (year, month, day) = super::der::date(days);
    let of_day = second.rem_euclid(86_400);
    format!(
        "Date: {}, {day:02} {} {year} {:02}:{:02}:{:02} GMT",
        DAYS[usize::try_from(days.rem_euclid(7)).unwrap_or_default()],
        MONTHS[usize::try_from(month - 1).unwrap_or_default()],
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    )
}
