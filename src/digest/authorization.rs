//! The answer to a challenge: the value of Authorization and Proxy-Authorization (RFC 7616 §3.4).

use std::fmt;

use super::algorithm::{Algorithm, Hash, Qop};
use super::error::HeaderFault;
use super::field::{self, quoted};

/// Prints (`Display`) as the header's value; `Debug` leaves out user and response.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorization {
    pub user: String,
    pub realm: String,
    pub nonce: String,
    /// The URI that the answer was computed over.
    pub uri: String,
    /// Hexadecimal digits.
    pub response: String,
    pub algorithm: Algorithm,
    /// `None` = as RFC 2069 had it: no count, no nonce of the client's.
    pub qop: Option<Qop>,
    /// Empty without qop.
    pub cnonce: String,
    /// How often this nonce has been used, this time included; 0 without qop.
    pub count: u32,
    pub opaque: Option<String>,
}

impl Authorization {
    /// # Errors
    ///
    /// Another scheme, several answers in one value, anything missing or unreadable, and a hidden user name.
    pub fn parse(text: &str) -> Result<Authorization, HeaderFault> {
        let fields = field::read(text)?;
        let [field] = fields.as_slice() else {
            return Err(HeaderFault::Scheme);
        };
        if !field.is_digest() {
            return Err(HeaderFault::Scheme);
        }
        let is_hashed = field
            .get("userhash")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if is_hashed || field.get("username*").is_some() {
            return Err(HeaderFault::HiddenUser);
        }
        let algorithm = match field.get("algorithm") {
            None => Algorithm::plain(Hash::Md5),
            Some(name) => Algorithm::parse(name).ok_or(HeaderFault::Algorithm)?,
        };
        let qop = match field.get("qop") {
            None => None,
            Some(name) => Some(Qop::parse(name).ok_or(HeaderFault::Unreadable("qop"))?),
        };
        let (cnonce, count) = match qop {
            None => (String::new(), 0),
            Some(_) => (field.must("cnonce")?.to_string(), count(field.must("nc")?)?),
        };
        Ok(Authorization {
            user: field.must("username")?.to_string(),
            realm: field.must("realm")?.to_string(),
            nonce: field.must("nonce")?.to_string(),
            uri: field.must("uri")?.to_string(),
            response: field.must("response")?.to_string(),
            algorithm,
            qop,
            cnonce,
            count,
            opaque: field.get("opaque").map(str::to_string),
        })
    }
}

/// Eight hexadecimal digits, from 1 on (RFC 7616 §3.4).
fn count(text: &str) -> Result<u32, HeaderFault> {
    let is_sound = text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit());
    u32::from_str_radix(text, 16)
        .ok()
        .filter(|count| is_sound && *count > 0)
        .ok_or(HeaderFault::Unreadable("nc"))
}

impl fmt::Display for Authorization {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "Digest username={}, realm={}, nonce={}, uri={}, response={}, algorithm={}",
            quoted(&self.user),
            quoted(&self.realm),
            quoted(&self.nonce),
            quoted(&self.uri),
            quoted(&self.response),
            self.algorithm.name(),
        )?;
        if let Some(qop) = self.qop {
            write!(
                out,
                ", qop={}, nc={:08x}, cnonce={}",
                qop.name(),
                self.count,
                quoted(&self.cnonce)
            )?;
        }
        match &self.opaque {
            Some(opaque) => write!(out, ", opaque={}", quoted(opaque)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "Authorization({}, {:?}, count {})",
            self.algorithm.name(),
            self.qop,
            self.count
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "Digest username=\"bob\", realm=\"biloxi.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", \
                         uri=\"sip:bob@biloxi.com\", qop=auth, nc=00000001, cnonce=\"0a4f113b\", \
                         response=\"6629fae49393a05397450978507c4ef1\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";

    #[test]
    fn the_example_of_rfc_3261_is_read_whole() {
        let read = Authorization::parse(WHOLE).unwrap();
        assert_eq!(
            (read.user.as_str(), read.count, read.qop),
            ("bob", 1, Some(Qop::Auth))
        );
        assert_eq!(read.algorithm.name(), "MD5");
        assert_eq!(Authorization::parse(&read.to_string()).unwrap(), read);
        assert!(!format!("{read:?}").contains("bob"));
    }

    #[test]
    fn what_cannot_be_judged_says_why() {
        let without = |name: &str| {
            let kept: Vec<_> = WHOLE
                .split(", ")
                .filter(|part| !part.contains(&format!("{name}=")))
                .collect();
            kept.join(", ")
        };
        for (text, expected) in [
            ("Basic Zm9vOmJhcg".to_string(), HeaderFault::Scheme),
            (format!("{WHOLE}, {WHOLE}"), HeaderFault::Scheme),
            (format!("{WHOLE}, userhash=true"), HeaderFault::HiddenUser),
            (format!("{WHOLE}, username*=UTF-8''bob"), HeaderFault::HiddenUser),
            (format!("{WHOLE}, algorithm=SHA-512"), HeaderFault::Algorithm),
            (format!("{WHOLE}, nc=00000002"), HeaderFault::Repeated),
            (WHOLE.replace("00000001", "1"), HeaderFault::Unreadable("nc")),
            (
                WHOLE.replace("00000001", "+0000001"),
                HeaderFault::Unreadable("nc"),
            ),
            (
                WHOLE.replace("00000001", "00000000"),
                HeaderFault::Unreadable("nc"),
            ),
            (
                WHOLE.replace("qop=auth", "qop=auth-conf"),
                HeaderFault::Unreadable("qop"),
            ),
            (without("cnonce"), HeaderFault::Missing("cnonce")),
            (without("realm"), HeaderFault::Missing("realm")),
            (without("uri"), HeaderFault::Missing("uri")),
        ] {
            assert_eq!(Authorization::parse(&text), Err(expected), "{text}");
        }
    }

    #[test]
    fn a_user_name_cannot_leave_its_quotes() {
        let mut read = Authorization::parse(WHOLE).unwrap();
        read.user = "a\", realm=\"b\\".into();
        assert_eq!(Authorization::parse(&read.to_string()).unwrap(), read);
    }
}
