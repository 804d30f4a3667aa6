//! One call as it is arranged: what is signed, what the message shows, what the certificate host does, who is trusted.

use std::collections::BTreeMap;

use stir_shaken_verify::FetchFailure;

use super::Proof;
use super::describe::{briefly, describe};
use super::scene::{CALLED, CALLER, Scene, URL};
use crate::call_id::CallId;
use crate::identity::{Config, Engine, Fetched, FetchedBody, Output, Trust};
use crate::signing::passport::uuid;
use crate::signing::pki::{PkiError, Provider};
use crate::sip::Message;

/// A call and what must come of it.
pub(super) struct Trial {
    name: &'static str,
    expected: &'static str,
    call: Call,
}

impl Trial {
    pub(super) fn new(name: &'static str, expected: &'static str, call: Call) -> Trial {
        Trial { name, expected, call }
    }

    /// Plays the call.
    ///
    /// # Errors
    ///
    /// When nothing can be signed.
    pub(super) fn prove(self, scene: &Scene) -> Result<Proof, PkiError> {
        Ok(Proof::new(self.name, self.expected, self.call.judged(scene)))
    }
}

/// What the trials change. A fresh one is a good call in every respect.
#[derive(Clone)]
pub(super) struct Call {
    /// Values of the Identity header lines.
    pub(super) identity: Vec<String>,
    /// Header lines before Content-Length, each with its CRLF.
    pub(super) lines: String,
    /// A session description; empty: none.
    pub(super) body: String,
    pub(super) header_name: &'static str,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) target: String,
    /// What the host of each URL brings; any other URL has no host.
    pub(super) served: BTreeMap<String, Result<String, FetchFailure>>,
    /// PEM files of trust anchors.
    pub(super) anchors: Vec<String>,
    /// Revocation lists, DER.
    pub(super) lists: Vec<Vec<u8>>,
    pub(super) config: Config,
    /// Only the standing is told, not what each header failed with.
    pub(super) is_told_briefly: bool,
}

impl Call {
    /// `identity` on the message that the good token belongs to, with the good certificate at hand.
    pub(super) fn new(scene: &Scene, identity: &[&str]) -> Call {
        Call {
            identity: identity.iter().map(|value| value.to_string()).collect(),
            lines: String::new(),
            body: String::new(),
            header_name: "Identity",
            from: format!("sip:+{CALLER}@carrier.example.com;user=phone"),
            to: format!("sip:+{CALLED}@example.com;user=phone"),
            target: format!("sip:+{CALLED}@192.0.2.1;user=phone"),
            served: BTreeMap::from([(URL.to_string(), Ok(scene.carrier.chain_pem.clone()))]),
            anchors: vec![scene.authority.anchor_pem()],
            lists: Vec::new(),
            config: Config::default(),
            is_told_briefly: false,
        }
    }

    /// `change` applied, for building in one expression.
    pub(super) fn with(mut self, change: impl FnOnce(&mut Call)) -> Call {
        change(&mut self);
        self
    }

    /// With this body at [`URL`].
    pub(super) fn served_by(self, body: Result<String, FetchFailure>) -> Call {
        self.with(|call| {
            call.served.insert(URL.into(), body);
        })
    }

    /// The answer of an engine of its own, in one line.
    pub(super) fn judged(self, scene: &Scene) -> String {
        let text = self.message();
        let Ok(message) = Message::parse(text.as_bytes()) else {
            return "the message could not be parsed".into();
        };
        let mut engine = match Engine::new(&self.config, &[]) {
            Ok(engine) => engine,
            Err(error) => return format!("the engine could not be built: {error}"),
        };
        match self.trust() {
            Ok(trust) => engine.replace_trust(trust),
            Err(reason) => return reason,
        }
        engine.begin(CallId(1), &message, scene.now);
        for _ in 0..OUTPUTS_MAX {
            match engine.poll_output() {
                Output::Concluded { report, .. } if self.is_told_briefly => return briefly(&report),
                Output::Concluded { report, .. } => return describe(&report),
                Output::Fetch { url } => {
                    let body = self.served.get(&url).cloned();
                    let body = body.unwrap_or(Err(FetchFailure::Unreachable));
                    let result = body.map(|pem| FetchedBody {
                        pem: pem.into_bytes().into(),
                        max_age: None,
                    });
                    engine.fetched(Fetched { url, result }, scene.now);
                }
                Output::Timeout(_) => return "no conclusion".into(),
            }
        }
        "no end of outputs".into()
    }

    fn trust(&self) -> Result<Trust, String> {
        let mut trust = Trust::default();
        for pem in &self.anchors {
            let added = trust.anchors.add_pem(pem.as_bytes());
            added.map_err(|fault| format!("the anchors could not be read: {fault}"))?;
        }
        for list in &self.lists {
            let added = trust.crls.add(list);
            added.map_err(|fault| format!("the revocation list could not be read: {fault}"))?;
        }
        Ok(trust)
    }

    fn message(&self) -> String {
        let Call { from, to, target, .. } = self;
        let identity: String = self
            .identity
            .iter()
            .map(|value| format!("{}: {value}\r\n", self.header_name))
            .collect();
        format!(
            "INVITE {target} SIP/2.0\r\n\
             Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKselftest\r\n\
             Max-Forwards: 70\r\n\
             From: <{from}>;tag=selftest\r\n\
             To: <{to}>\r\n\
             Call-ID: selftest@192.0.2.9\r\n\
             CSeq: 1 INVITE\r\n\
             Contact: <sip:192.0.2.9>\r\n\
             {identity}{}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{}",
            self.lines,
            self.body.len(),
            self.body
        )
    }
}

/// A token to be, as two texts that may be altered before they are signed.
#[derive(Clone)]
pub(super) struct Token<'p> {
    pub(super) header: String,
    pub(super) payload: String,
    /// What stands behind the token.
    pub(super) parameters: String,
    signer: &'p Provider,
}

impl<'p> Token<'p> {
    /// A good SHAKEN PASSporT with attestation A, made at the moment of the trials (RFC 8588 §4).
    pub(super) fn shaken(signer: &'p Provider, scene: &Scene) -> Token<'p> {
        Token {
            header: format!(r#"{{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"{URL}"}}"#),
            payload: format!(
                r#"{{"attest":"A","dest":{{"tn":["{CALLED}"]}},"iat":{},"orig":{{"tn":"{CALLER}"}},"origid":"{}"}}"#,
                scene.seconds(),
                uuid(1)
            ),
            parameters: format!(";info=<{URL}>;alg=ES256;ppt=shaken"),
            signer,
        }
    }

    /// A diversion from `diverted` to `to` (RFC 8946 §4).
    pub(super) fn div(signer: &'p Provider, scene: &Scene, diverted: &str, to: &str) -> Token<'p> {
        Token {
            header: format!(r#"{{"alg":"ES256","ppt":"div","typ":"passport","x5u":"{URL}"}}"#),
            payload: format!(
                r#"{{"dest":{{"tn":["{to}"]}},"div":{{"tn":"{diverted}"}},"iat":{},"orig":{{"tn":"{CALLER}"}}}}"#,
                scene.seconds()
            ),
            parameters: format!(";info=<{URL}>;alg=ES256;ppt=div"),
            signer,
        }
    }

    /// A PASSporT of another kind about the same call, with these claims at the end.
    pub(super) fn beside(signer: &'p Provider, scene: &Scene, ppt: &str, claims: &str) -> Token<'p> {
        Token {
            header: format!(r#"{{"alg":"ES256","ppt":"{ppt}","typ":"passport","x5u":"{URL}"}}"#),
            payload: format!(
                r#"{{"dest":{{"tn":["{CALLED}"]}},"iat":{},"orig":{{"tn":"{CALLER}"}},{claims}}}"#,
                scene.seconds()
            ),
            parameters: format!(";info=<{URL}>;alg=ES256;ppt={ppt}"),
            signer,
        }
    }

    /// Signed by somebody else.
    pub(super) fn signed_by(mut self, signer: &'p Provider) -> Token<'p> {
        self.signer = signer;
        self
    }

    /// With `from` replaced in the payload.
    pub(super) fn payload(mut self, from: &str, to: &str) -> Token<'p> {
        self.payload = self.payload.replacen(from, to, 1);
        self
    }

    /// With `from` replaced in the token's header.
    pub(super) fn header(mut self, from: &str, to: &str) -> Token<'p> {
        self.header = self.header.replacen(from, to, 1);
        self
    }

    /// With `from` replaced behind the token.
    pub(super) fn parameters(mut self, from: &str, to: &str) -> Token<'p> {
        self.parameters = self.parameters.replacen(from, to, 1);
        self
    }

    /// With another x5u, and `info` to match.
    pub(super) fn at(self, url: &str) -> Token<'p> {
        self.header(URL, url).parameters(URL, url)
    }

    /// The value of an Identity header.
    ///
    /// # Errors
    ///
    /// When the system has no randomness to sign with.
    pub(super) fn signed(&self) -> Result<String, PkiError> {
        let token = self.signer.signer.token(&self.header, &self.payload);
        let token = token.ok_or_else(|| PkiError::Key {
            subject: "the self-test's signer".into(),
        })?;
        Ok(token + &self.parameters)
    }
}

/// Outputs of one engine for one call: at most nine headers with a fetch each, and a conclusion.
const OUTPUTS_MAX: usize = 64;
