//! What a fuzz target runs over header values, and an ordinary test over damaged ones.

use super::authorization::Authorization;
use super::challenge::{Ask, Challenge};
use super::credentials::{Credentials, Secret};
use super::limits::FIELD_OCTETS_MAX;

/// Reads `octets` as challenges and as an answer, and checks what must hold for any input. Panics when something does
/// not hold.
pub fn fuzz_digest(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    // What we write besides, or escape, may make a value longer than is read.
    let is_readable = |printed: &str| printed.len() <= FIELD_OCTETS_MAX;
    let credentials = Credentials {
        user: "user".into(),
        password: Secret::new("password"),
        realm: None,
    };
    let ask = Ask {
        method: "INVITE",
        uri: "sip:a@b",
        body: octets,
    };
    let challenges = Challenge::read_all([&*text]);
    for challenge in &challenges {
        let printed = challenge.to_string();
        if is_readable(&printed) {
            assert_eq!(
                Challenge::read_all([printed.as_str()]),
                std::slice::from_ref(challenge)
            );
        }
        let answer = challenge.answer(&credentials, &ask, 1, "cnonce");
        let printed = answer.to_string();
        if is_readable(&printed) {
            assert_eq!(Authorization::parse(&printed), Ok(answer));
        }
    }
    if let Some(chosen) = Challenge::strongest(challenges.clone(), &credentials) {
        assert!(challenges.contains(&chosen));
        assert_eq!(chosen.realm, challenges[0].realm);
    }
    if let Ok(answer) = Authorization::parse(&text) {
        let printed = answer.to_string();
        if is_readable(&printed) {
            assert_eq!(Authorization::parse(&printed), Ok(answer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CORPUS: &[&str] = &[
        "Digest realm=\"a\", nonce=\"b\", algorithm=SHA-256, qop=\"auth,auth-int\", opaque=\"c\", stale=true",
        "Digest realm=\"a\",nonce=\"b\", Digest realm=\"a\",nonce=\"b\",algorithm=SHA-512-256,qop=auth",
        "Digest username=\"u \\\" \\\\\", realm=\"a\", nonce=\"b\", uri=\"sip:x\", qop=auth-int, nc=0000000a, \
         cnonce=\"c\", response=\"0123456789abcdef0123456789abcdef\", algorithm=MD5-sess, opaque=\"\"",
        "Digest username=u, realm=r, nonce=n, uri=sip:x@y;z=1, response=00",
        "Basic Zm9vOmJhcg==",
    ];

    #[test]
    fn the_corpus_and_its_damaged_copies_break_nothing() {
        for sample in CORPUS {
            fuzz_digest(sample.as_bytes());
            for at in 0..sample.len() {
                fuzz_digest(&sample.as_bytes()[..at]);
                for octet in [b'"', b'\\', b',', b'=', b' ', 0, 0xff] {
                    let mut damaged = sample.as_bytes().to_vec();
                    damaged[at] = octet;
                    fuzz_digest(&damaged);
                    damaged.insert(at, octet);
                    fuzz_digest(&damaged);
                }
            }
        }
    }
}
