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

    proptest::proptest! {
        /// Fields in any order with any text in quotes: what is read prints and reads the same.
        #[test]
        fn any_fields_print_and_read_the_same(
            fields in proptest::collection::vec(
                (
                    "realm|nonce|opaque|qop|algorithm|stale|username|uri|response|cnonce|nc|domain|x",
                    "\"([ !#-\\[\\]-~]|\\\\[\"\\\\]){0,16}\"|[A-Za-z0-9./-]{1,16}",
                ),
                0..10,
            ),
        ) {
            let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
            fuzz_digest(format!("Digest {}", fields.join(", ")).as_bytes());
        }

        #[test]
        fn answers_print_and_read_the_same(
            user in "[ -~]{0,16}", realm in "[ -~]{0,16}", nonce in "[ -~]{1,24}", is_sha in proptest::bool::ANY,
        ) {
            let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
            let algorithm = if is_sha { "SHA-256" } else { "MD5" };
            let text = format!(
                "Digest realm=\"{}\", nonce=\"{}\", qop=\"auth\", algorithm={algorithm}",
                quoted(&realm), quoted(&nonce)
            );
            let challenges = Challenge::read_all([text.as_str()]);
            proptest::prop_assert_eq!(challenges.len(), 1);
            let credentials = Credentials { user, password: Secret::new("password"), realm: None };
            let ask = Ask { method: "INVITE", uri: "sip:a@b", body: b"" };
            let answer = challenges[0].answer(&credentials, &ask, 1, "cnonce");
            proptest::prop_assert_eq!(Authorization::parse(&answer.to_string()), Ok(answer));
        }
    }

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
