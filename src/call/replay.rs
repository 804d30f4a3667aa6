//! By which key a PASSporT is known when another call brings it again.
//!
//! Never `origid`: it names where a call came from and stays the same from call to call (RFC 8588 §5).

use aws_lc_rs::digest;

use crate::identity::{Report, Standing};
use crate::sip::Message;

/// The replay keys of a verified call; none when there is nothing that could be used twice.
///
/// Header and payload of the SHAKEN PASSporT as received, without the signature: for one message two signatures are
/// valid. A diverted call adds its diversions: who forwards a call signs again, so the same base token may come once
/// directly and once by every diversion of its own (RFC 8946 §4), but never twice by the same.
///
/// A token that failed proves nothing, and remembering it would let a forger spoil the honest one.
pub(crate) fn keys(report: &Report, invite: &Message) -> Vec<String> {
    let base = base_key(report, invite);
    // A priority has a token of its own: beside another SHAKEN token it would be as good as new.
    let priority = report.priority.as_ref().map(|priority| &priority.digest);
    let priority =
        priority.filter(|digest| !digest.is_empty() && Some(*digest) != report.passport_digest.as_ref());
    base.into_iter().chain(priority.cloned()).collect()
}

/// The base token of a diverted call. An answer uses it up as well, so that it cannot be taken out of its diversions and
/// sent to the number it was first meant for; that it was used before says nothing of *this* call.
pub(crate) fn base_of_diverted(report: &Report) -> Option<String> {
    report.passport_digest.clone().filter(|_| report.is_diverted)
}

fn base_key(report: &Report, invite: &Message) -> Option<String> {
    let is_worth_it = matches!(
        report.standing,
        Standing::Verified | Standing::DivertedUnverified | Standing::Unchecked
    );
    let base = report.passport_digest.as_ref().filter(|_| is_worth_it)?;
    if !report.is_diverted {
        return Some(base.clone());
    }
    let mut diversions = diversions(report, invite);
    // In whatever order, and however often, the headers stand.
    diversions.sort_unstable();
    diversions.dedup();
    let mut whole = base.clone();
    for diversion in diversions {
        whole.push('+');
        whole.push_str(&diversion);
    }
    Some(sha256(&whole))
}

/// Digests of the `div` and `div-o` PASSporTs that passed.
fn diversions(report: &Report, invite: &Message) -> Vec<String> {
    let values = invite.header_values("Identity");
    let passed = report.headers.iter().filter(|header| {
        header.code.is_none() && header.ppt.as_deref().is_some_and(|ppt| ppt.starts_with("div"))
    });
    passed
        .filter_map(|header| {
            let signature = header.ppi.as_deref()?.strip_prefix("..")?;
            values.iter().find_map(|value| signed_part(value, signature))
        })
        .map(sha256)
        .collect()
}

/// `header.payload` of the token with this signature.
fn signed_part<'v>(identity: &'v str, signature: &str) -> Option<&'v str> {
    let token = identity.split(';').next()?.trim();
    token.strip_suffix(signature)?.strip_suffix('.')
}

fn sha256(text: &str) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    digest
        .as_ref()
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn invite(identities: &[&str]) -> Message {
        let lines: String = identities
            .iter()
            .map(|value| format!("Identity: {value}\r\n"))
            .collect();
        let text = format!(
            "INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\n\
             Call-ID: x\r\nCSeq: 1 INVITE\r\n{lines}Content-Length: 0\r\n\r\n"
        );
        Message::parse(text.as_bytes()).unwrap()
    }

    fn report(standing: Standing, diversions: &[&str]) -> Report {
        let headers: Vec<_> = diversions
            .iter()
            .map(|signature| {
                json!({"ppt": "div", "outcome": "passed", "code": null, "reason": "", "checks": [],
                                    "ppi": format!("..{signature}")})
            })
            .collect();
        Report {
            standing,
            passport_digest: Some("base".into()),
            origid: Some("123e4567-e89b-12d3-a456-426655440000".into()),
            is_diverted: !diversions.is_empty(),
            headers: serde_json::from_value(headers.into()).unwrap(),
            ..Report::none()
        }
    }

    #[test]
    fn a_direct_call_is_known_by_its_token_and_never_by_origid() {
        let mut one = report(Standing::Verified, &[]);
        assert_eq!(base_key(&one, &invite(&[])).as_deref(), Some("base"));
        one.passport_digest = None;
        assert_eq!(base_key(&one, &invite(&[])), None, "origid alone is no key");
    }

    #[test]
    fn what_failed_is_not_remembered_and_what_is_unchecked_is() {
        for (standing, expected) in [
            (Standing::Verified, true),
            (Standing::DivertedUnverified, true),
            (Standing::Unchecked, true),
            (Standing::Failed, false),
            (Standing::None, false),
        ] {
            assert_eq!(
                base_key(&report(standing, &[]), &invite(&[])).is_some(),
                expected,
                "{standing:?}"
            );
        }
    }

    #[test]
    fn a_base_token_comes_once_by_each_diversion() {
        let verified = |diversions: &[&str]| report(Standing::Verified, diversions);
        let direct = base_key(&verified(&[]), &invite(&[]));
        let desk = base_key(&verified(&["s1"]), &invite(&["h.desk.s1;ppt=div"]));
        let night = base_key(&verified(&["s2"]), &invite(&["h.night.s2;ppt=div"]));
        assert!(direct != desk && desk != night && direct != night);
        // The other valid signature over the same words (n - s) is the same diversion.
        let resigned = base_key(&verified(&["s3"]), &invite(&["h.desk.s3;ppt=div"]));
        assert_eq!(desk, resigned);
        // Neither order nor repetition makes a new one.
        let two = base_key(&verified(&["s1", "s2"]), &invite(&["h.desk.s1", "h.night.s2"]));
        let turned = base_key(
            &verified(&["s2", "s1", "s1"]),
            &invite(&["h.night.s2", "h.desk.s1", "h.desk.s1"]),
        );
        assert_eq!(two, turned);
        assert_eq!(base_of_diverted(&verified(&["s1"])).as_deref(), Some("base"));
        assert_eq!(base_of_diverted(&verified(&[])), None);
    }
}
