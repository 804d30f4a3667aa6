//! A challenge: the value of WWW-Authenticate and Proxy-Authenticate (RFC 7616 §3.3), and how it is answered.

use std::fmt;

use super::algorithm::{Algorithm, Hash, Qop};
use super::authorization::Authorization;
use super::credentials::Credentials;
use super::field::{self, Field, quoted};
use super::limits::CHALLENGES_MAX;
use super::proof::{Base, Proof};

/// Prints (`Display`) as the header's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    pub realm: String,
    pub nonce: String,
    pub opaque: Option<String>,
    pub algorithm: Algorithm,
    /// The last answer was right but for its nonce: the same credentials may be used with this one.
    pub is_stale: bool,
    /// What the asking side takes; none = as RFC 2069 had it.
    pub qops: Vec<Qop>,
}

/// The request that an answer is for.
pub struct Ask<'a> {
    pub method: &'a str,
    /// The Request-URI.
    pub uri: &'a str,
    pub body: &'a [u8],
}

impl Challenge {
    /// Every challenge in the header lines of a response that can be answered at all: schemes, algorithms and forms of
    /// protection that are not known are left out, and so is a line that cannot be read.
    pub fn read_all<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<Challenge> {
        let mut challenges = Vec::new();
        for line in lines {
            let fields = field::read(line).unwrap_or_default();
            challenges.extend(fields.iter().filter_map(Challenge::of_field));
            if challenges.len() >= CHALLENGES_MAX {
                challenges.truncate(CHALLENGES_MAX);
                break;
            }
        }
        challenges
    }

    /// The one to answer with these credentials: of their realm (of the first realm named, when they are for any), with
    /// the strongest hash function. RFC 8760 §2.4 would take the first that is known; a peer that offers a weak one
    /// first gains nothing by it here.
    pub fn strongest(challenges: Vec<Challenge>, credentials: &Credentials) -> Option<Challenge> {
        let realm = match &credentials.realm {
            Some(realm) => realm.clone(),
            None => challenges.first()?.realm.clone(),
        };
        // The first of equals: `max_by_key` would take the last.
        let fitting = challenges
            .into_iter()
            .rev()
            .filter(|challenge| challenge.realm == realm);
        fitting.max_by_key(|challenge| challenge.algorithm.hash)
    }

    /// The value of Authorization (or Proxy-Authorization). `count` is how often the nonce has been used, this time
    /// included; `cnonce` must be fresh.
    pub fn answer(
        &self,
        credentials: &Credentials,
        ask: &Ask<'_>,
        count: u32,
        cnonce: &str,
    ) -> Authorization {
        let qop = match self.qops.contains(&Qop::Auth) {
            true => Some(Qop::Auth),
            // Only when it is all there is: what sits between rewrites bodies, and the answer with it.
            false => self.qops.first().copied(),
        };
        // Without qop a client nonce has no place, but in the key of a session (RFC 7616 §3.4.2).
        let (cnonce, count) = match qop.is_some() || self.algorithm.is_session {
            true => (cnonce, count),
            false => ("", 0),
        };
        let base = Base::new(
            self.algorithm.hash,
            &credentials.user,
            &self.realm,
            &credentials.password,
        );
        let proof = Proof {
            algorithm: self.algorithm,
            nonce: &self.nonce,
            qop,
            cnonce,
            count,
            method: ask.method,
            uri: ask.uri,
            body: ask.body,
        };
        Authorization {
            user: credentials.user.clone(),
            realm: self.realm.clone(),
            nonce: self.nonce.clone(),
            uri: ask.uri.to_string(),
            response: proof.response(&base),
            algorithm: self.algorithm,
            qop,
            cnonce: cnonce.to_string(),
            count,
            opaque: self.opaque.clone(),
        }
    }

    fn of_field(field: &Field<'_>) -> Option<Challenge> {
        if !field.is_digest() {
            return None;
        }
        let algorithm = match field.get("algorithm") {
            None => Algorithm::plain(Hash::Md5),
            Some(name) => Algorithm::parse(name)?,
        };
        let qops = match field.get("qop") {
            None => Vec::new(),
            Some(names) => {
                let known: Vec<Qop> = names
                    .split(',')
                    .filter_map(|name| Qop::parse(name.trim()))
                    .collect();
                if known.is_empty() {
                    return None;
                }
                known
            }
        };
        if qops.is_empty() && algorithm.is_session {
            // Its key would need a client nonce that the answer has no place for.
            return None;
        }
        Some(Challenge {
            realm: field.get("realm")?.to_string(),
            nonce: field.get("nonce")?.to_string(),
            opaque: field.get("opaque").map(str::to_string),
            algorithm,
            is_stale: field
                .get("stale")
                .is_some_and(|value| value.eq_ignore_ascii_case("true")),
            qops,
        })
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "Digest realm={}, nonce={}, algorithm={}",
            quoted(&self.realm),
            quoted(&self.nonce),
            self.algorithm.name()
        )?;
        if !self.qops.is_empty() {
            let names: Vec<&str> = self.qops.iter().map(|qop| qop.name()).collect();
            write!(out, ", qop={}", quoted(&names.join(",")))?;
        }
        if let Some(opaque) = &self.opaque {
            write!(out, ", opaque={}", quoted(opaque))?;
        }
        match self.is_stale {
            true => write!(out, ", stale=true"),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Secret;

    fn credentials(realm: Option<&str>) -> Credentials {
        Credentials {
            user: "bob".into(),
            password: Secret::new("zanzibar"),
            realm: realm.map(str::to_string),
        }
    }

    fn chosen(lines: &[&str], realm: Option<&str>) -> Option<String> {
        let challenges = Challenge::read_all(lines.iter().copied());
        let challenge = Challenge::strongest(challenges, &credentials(realm))?;
        Some(format!(
            "{} {} {}",
            challenge.realm,
            challenge.algorithm.name(),
            challenge.nonce
        ))
    }

    #[test]
    fn the_strongest_algorithm_is_answered_whatever_comes_first() {
        let lines = [
            "Digest realm=\"a\", nonce=\"1\", algorithm=MD5, qop=\"auth\"",
            "Digest realm=\"a\", nonce=\"2\", algorithm=SHA-512-256, qop=\"auth\"",
            "Digest realm=\"a\", nonce=\"3\", algorithm=SHA-256, qop=\"auth\"",
            "Digest realm=\"a\", nonce=\"4\", algorithm=SHA-512-256, qop=\"auth\"",
            "Digest realm=\"a\", nonce=\"5\", algorithm=SHA-3, qop=\"auth\"",
        ];
        assert_eq!(chosen(&lines, None).as_deref(), Some("a SHA-512-256 2"));
        assert_eq!(chosen(&lines[..1], None).as_deref(), Some("a MD5 1"));
        let joined = format!("{}, {}", lines[0], lines[2]);
        assert_eq!(chosen(&[&joined], None).as_deref(), Some("a SHA-256 3"));
    }

    #[test]
    fn another_realm_is_never_answered() {
        let lines = ["Digest realm=\"evil\", nonce=\"1\", qop=\"auth\""];
        assert_eq!(chosen(&lines, Some("carrier")), None);
        let two = [lines[0], "Digest realm=\"carrier\", nonce=\"2\", qop=\"auth\""];
        assert_eq!(chosen(&two, Some("carrier")).as_deref(), Some("carrier MD5 2"));
    }

    #[test]
    fn what_cannot_be_answered_is_left_out() {
        for line in [
            "Basic realm=\"a\"",
            "Digest realm=\"a\"",
            "Digest nonce=\"a\"",
            "Digest realm=\"a\", nonce=\"1\", qop=\"auth-conf\"",
            "Digest realm=\"a\", nonce=\"1\", algorithm=MD5-sess",
            "Digest realm=\"a\", nonce=\"1",
            "",
        ] {
            assert_eq!(Challenge::read_all([line]), [], "{line}");
        }
    }

    #[test]
    fn a_body_is_only_protected_when_nothing_less_is_taken() {
        let ask = Ask {
            method: "INVITE",
            uri: "sip:a@b",
            body: b"v=0",
        };
        let answer = |qop: &str| {
            let line = format!("Digest realm=\"a\", nonce=\"1\"{qop}");
            let challenge = Challenge::read_all([line.as_str()]).remove(0);
            challenge.answer(&credentials(None), &ask, 1, "c")
        };
        assert_eq!(answer(", qop=\"auth-int,auth\"").qop, Some(Qop::Auth));
        assert_eq!(answer(", qop=\"auth-int\"").qop, Some(Qop::AuthInt));
        let old = answer("");
        assert_eq!((old.qop, old.cnonce.as_str(), old.count), (None, "", 0));
    }

    #[test]
    fn a_challenge_that_is_printed_reads_the_same() {
        let challenge = Challenge {
            realm: "a \"b\" \\".into(),
            nonce: "n".into(),
            opaque: Some("o".into()),
            algorithm: Algorithm::plain(Hash::Sha256),
            is_stale: true,
            qops: vec![Qop::Auth, Qop::AuthInt],
        };
        let text = challenge.to_string();
        assert_eq!(Challenge::read_all([text.as_str()]), [challenge]);
    }
}
