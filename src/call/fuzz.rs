//! What a fuzz target runs over the header lines of an INVITE, and an ordinary test over damaged ones.

use crate::sip::Message;

use super::numbers::Numbers;
use super::record::CallRecord;
use super::{TrunkConfig, crossing, facts, limits};

/// Reads `octets` as further header lines of an INVITE from a trunk and makes facts of them, as for a call: Diversion,
/// History-Info, P-Asserted-Identity, Privacy, Resource-Priority, Reason and whatever else is there.
///
/// # Panics
///
/// When something does not hold that must hold for any caller.
pub fn fuzz_facts(octets: &[u8]) {
    let head = "INVITE sip:+12125550100@h SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
                From: \"A\" <sip:+14045550123@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n";
    let text = [head.as_bytes(), octets, b"\r\n\r\n"].concat();
    let Ok(invite) = Message::parse(&text) else {
        return;
    };
    let trunk = TrunkConfig {
        name: "fuzz".into(),
        ..TrunkConfig::default()
    };
    let numbers = Numbers::of(&trunk, "US");
    let (called, _) = facts::dialled(invite.request_uri().unwrap_or_default(), &numbers);
    let facts = facts::of_invite(&invite, &trunk, &called, "desk", 0, true, &numbers);
    if let Some(number) = &facts.caller.number {
        let number = number.reveal();
        assert!(
            number.starts_with('+') && number[1..].bytes().all(|octet| octet.is_ascii_digit()),
            "a caller's number is canonical"
        );
        assert!(!facts.caller.is_hidden, "who is hidden shows no number");
    }
    if let Some(name) = &facts.caller.name {
        let name = name.reveal();
        assert!(name.chars().count() <= limits::NAME_CHARS_MAX && !name.chars().any(char::is_control));
    }
    let id = "00000000000000000000000000000001".parse().expect("an id");
    let record = CallRecord::arriving(id, &facts, None, None);
    assert!(record.timings.ended_ms.is_none());
    let _ = crossing::is_callback(&invite);
}

#[cfg(test)]
mod tests {
    use super::*;

    const CORPUS: &[&str] = &[
        "Diversion: <sip:+12125550199@h>;reason=user-busy;counter=1;privacy=full, <tel:+1>;counter=99999999999",
        "History-Info: <sip:a@h?Reason=SIP%3Bcause%3D302>;index=1, <sip:b@h>;index=1.1;mp=1",
        "P-Asserted-Identity: \"Bank \\\"x\\\"\" <sip:+14045550199@h>, <tel:+1-404-555-0199;verstat=TN-Validation-Passed>",
        "Privacy: id;critical\r\nP-Preferred-Identity: <sip:x@y>",
        "Resource-Priority: esnet.1\r\nPriority: psap-callback",
        "Reason: SIP;cause=200;text=\"Call completed elsewhere\", Q.850;cause=16",
        "Call-Info: <http://x>;purpose=icon\r\nAlert-Info: <urn:alert:x>\r\nIdentity: a.b.c;info=<https://x>;alg=ES256",
        "Accept-Contact: *\r\nReferred-By: <sip:x@y>;cid=\"1@2\"\r\nSession-Expires: 90",
    ];

    #[test]
    fn the_corpus_and_its_damaged_copies_break_nothing() {
        for sample in CORPUS {
            fuzz_facts(sample.as_bytes());
            for at in 0..sample.len() {
                fuzz_facts(&sample.as_bytes()[..at]);
                for octet in [b'"', b'<', b',', b';', b'=', b' ', b'\r', 0, 0xff] {
                    let mut damaged = sample.as_bytes().to_vec();
                    damaged[at] = octet;
                    fuzz_facts(&damaged);
                }
            }
        }
    }
}
