//! What a carrier that we trust to verify says of a call (`verifier = "trusted"`), in whatever dialect it writes verstat.
//!
//! It is the carrier's word and is shown as such: it gives no letter and no genuine number, and counts only where our own
//! verification has nothing to say. Of every other peer the same parameters are read by nobody.

use crate::screening::Upstream;
use crate::sip::{Message, NameAddr};

/// The carrier's verstat, on P-Asserted-Identity or on From where there is none (TS 24.229 §7.2A.20).
///
/// Of several asserted identities the first speaks, as it does for the number that is shown. Two words that disagree are
/// no word.
pub(crate) fn verstat(invite: &Message) -> Upstream {
    let asserted = invite.header_values("P-Asserted-Identity");
    let uri = match asserted.first() {
        Some(value) => match NameAddr::parse(value) {
            Ok(identity) => identity.uri,
            Err(_) => return Upstream::Unverified,
        },
        None => invite.from().uri,
    };
    // In the user part, as TS 24.229 has it, or behind the host; `user_param` looks in both, in this order.
    match (uri.user_param("verstat"), uri.param("verstat")) {
        (Some(inside), Some(outside)) if meaning(&inside) != meaning(&outside) => Upstream::Unverified,
        (Some(word), _) => meaning(&word),
        (None, _) => Upstream::Unverified,
    }
}

/// 3GPP's words and the grades that Telnyx and Twilio put behind them. A number is passed when its carrier vouches for
/// it, so B and C are no passes.
fn meaning(word: &str) -> Upstream {
    match word {
        "TN-Validation-Passed"
        | "TN-Validation-Passed-A"
        | "TN-Validation-Passed-A-Diverted"
        | "TN-Validation-Passed-A-Passthrough" => Upstream::Passed,
        "TN-Validation-Failed"
        | "TN-Validation-Failed-A"
        | "TN-Validation-Failed-B"
        | "TN-Validation-Failed-C" => Upstream::Failed,
        _ => Upstream::Unverified,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: &str, asserted: &[&str], expected: Upstream) {
        let lines: String = asserted
            .iter()
            .map(|value| format!("P-Asserted-Identity: {value}\r\n"))
            .collect();
        let text = format!(
            "INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: {from};tag=1\r\nTo: <sip:b@h>\r\n\
             Call-ID: x\r\nCSeq: 1 INVITE\r\n{lines}Content-Length: 0\r\n\r\n"
        );
        let invite = Message::parse(text.as_bytes()).unwrap();
        assert_eq!(verstat(&invite), expected, "{text}");
    }

    use Upstream::{Failed, Passed, Unverified};

    #[test]
    fn v_06_the_carriers_word_is_read_in_either_place_and_dialect() {
        let plain = "<sip:+14045550123@h>";
        check(
            plain,
            &["<sip:+14045550123@h;verstat=TN-Validation-Passed>"],
            Passed,
        );
        check(
            plain,
            &["<sip:+14045550123;verstat=TN-Validation-Passed@h;user=phone>"],
            Passed,
        );
        check(
            plain,
            &["<tel:+14045550123;verstat=TN-Validation-Passed>"],
            Passed,
        );
        check(
            plain,
            &["<sip:+14045550123@h;verstat=TN-Validation-Passed-A-Diverted>"],
            Passed,
        );
        check(
            plain,
            &["<sip:+14045550123@h;verstat=TN-Validation-Passed-B>"],
            Unverified,
        );
        check(
            plain,
            &["<sip:+14045550123@h;verstat=TN-Validation-Failed>"],
            Failed,
        );
        check(
            plain,
            &["<sip:+14045550123@h;verstat=No-TN-Validation>"],
            Unverified,
        );
        check(plain, &["<sip:+14045550123@h;verstat=yes>"], Unverified);
        check(plain, &["<sip:+14045550123@h>"], Unverified);
        check(plain, &[], Unverified);
    }

    #[test]
    fn from_speaks_only_where_nothing_is_asserted_and_two_words_must_agree() {
        let marked = "<sip:+14045550123;verstat=TN-Validation-Passed@h>";
        check(marked, &[], Passed);
        check(marked, &["<sip:+14045550123@h>"], Unverified);
        check(
            "<sip:+14045550123@h>;verstat=TN-Validation-Passed",
            &[],
            Unverified,
        );
        let passed = "<sip:+14045550123@h;verstat=TN-Validation-Passed>";
        check(marked, &["<sip:+14045550199@h>", passed], Unverified);
        let twice = "<sip:+14045550123;verstat=TN-Validation-Passed@h;verstat=TN-Validation-Failed>";
        check(marked, &[twice], Unverified);
    }
}
