//! What phones are told of the verification in SIP headers: verstat in the words of several worlds, and the attestation.
//!
//! A letter (A, B, C) says that every check passed and that the token was not used before. Where anything is missing or
//! unknown there is no letter at all, in no dialect and in no header.

use crate::screening::{Attestation, Facts, NumberLight, Standing};

/// `[marks]`, and `marks` of a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    pub verstat: Dialect,
    pub placement: Placement,
    /// Headers beside verstat, each once.
    pub headers: Vec<MarkHeader>,
    /// The caller's Identity and Date go on to the phones as they came. Never those of a hidden caller: a PASSporT names
    /// the number.
    pub passes_identity: bool,
}

/// The words of verstat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// 3GPP TS 24.229 §7.2A.20: `TN-Validation-Passed`, `TN-Validation-Failed`, `No-TN-Validation`. It has no grades,
    /// so only a proven number (A) is passed.
    #[default]
    ThreeGpp,
    /// As Telnyx grades: `TN-Validation-Passed` for A, `-B` and `-C` behind it for the others.
    Telnyx,
    /// As Twilio grades: `TN-Validation-Passed-A`, `-B`, `-C`, with `-Diverted` when a chain of diversions is proven.
    Twilio,
    /// No verstat at all.
    Off,
}

/// Where verstat stands. P-Asserted-Identity carries it; From does when there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// `<sip:+12125550100@host;user=phone;verstat=...>`
    #[default]
    Uri,
    /// `<sip:+12125550100;verstat=...@host;user=phone>`: a parameter of the number, as TS 24.229 defines it.
    User,
    /// In the user part of From and as a parameter of P-Asserted-Identity's URI, as Neustar writes it.
    Both,
}

/// Headers that carry the attestation for those who read no verstat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkHeader {
    /// `Attestation-Info` and `Origination-Id` (3GPP TS 24.229 §7.2.18 and §7.2.19).
    AttestationInfo,
    /// `P-Attestation-Info` and `P-Origination-Id`.
    PAttestationInfo,
    /// `P-Attestation-Indicator` and `P-Origination-Id` (Oracle, Neustar).
    PAttestationIndicator,
    /// `X-Twilio-VerStat` with the word in Twilio's dialect.
    XTwilioVerstat,
}

/// What the verifier's report says beside the facts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Proof<'r> {
    pub origid: Option<&'r str>,
    /// Verified through a complete chain of diversions.
    pub is_diverted: bool,
}

/// Octets of an origid that goes on. It is a UUID; a longer one is left out.
const ORIGID_OCTETS_MAX: usize = 64;

/// The letter that may be shown: every check passed, the number is shown, and the token is known not to be reused.
fn letter(light: NumberLight, facts: &Facts) -> Option<Attestation> {
    let identity = &facts.identity;
    let is_clean = identity.standing == Standing::Verified
        && !identity.is_forged
        && !identity.is_stale
        && !identity.is_untrusted
        && identity.is_reused == Some(false)
        && facts.caller.number.is_some();
    let letter = identity.attestation.filter(|_| is_clean)?;
    match light {
        NumberLight::Genuine => Some(letter),
        // The light knows something that is not in the facts above: then a full attestation is not shown either.
        NumberLight::Unproven => Some(letter).filter(|letter| *letter != Attestation::Full),
        NumberLight::Forged => None,
    }
}

/// The word of verstat; `None` = no parameter.
pub(super) fn verstat(
    dialect: Dialect,
    light: NumberLight,
    facts: &Facts,
    proof: Proof<'_>,
) -> Option<&'static str> {
    use Attestation::{Full, Gateway, Partial};
    if dialect == Dialect::Off {
        return None;
    }
    if light == NumberLight::Forged {
        return Some("TN-Validation-Failed");
    }
    let Some(letter) = letter(light, facts) else {
        return Some(NONE);
    };
    let word = match (dialect, letter, proof.is_diverted) {
        (Dialect::Twilio, Full, false) => "TN-Validation-Passed-A",
        (Dialect::Twilio, Full, true) => "TN-Validation-Passed-A-Diverted",
        (Dialect::Twilio, Partial, false) => "TN-Validation-Passed-B",
        (Dialect::Twilio, Partial, true) => "TN-Validation-Passed-B-Diverted",
        (Dialect::Twilio, Gateway, false) => "TN-Validation-Passed-C",
        (Dialect::Twilio, Gateway, true) => "TN-Validation-Passed-C-Diverted",
        (_, Full, _) => "TN-Validation-Passed",
        (Dialect::Telnyx, Partial, _) => "TN-Validation-Passed-B",
        (Dialect::Telnyx, Gateway, _) => "TN-Validation-Passed-C",
        _ => return Some(NONE),
    };
    Some(word)
}

const NONE: &str = "No-TN-Validation";

/// The headers of this profile, in the order of the configuration, each name once.
pub(super) fn headers(
    marks: &Marks,
    light: NumberLight,
    facts: &Facts,
    proof: Proof<'_>,
) -> Vec<(&'static str, String)> {
    let letter = letter(light, facts).map(|letter| match letter {
        Attestation::Full => "A",
        Attestation::Partial => "B",
        Attestation::Gateway => "C",
    });
    let origid = proof.origid.filter(|origid| letter.is_some() && is_plain(origid));
    let mut headers: Vec<(&'static str, String)> = Vec::new();
    let mut add = |name: &'static str, value: Option<&str>| {
        if let Some(value) = value
            && !headers.iter().any(|(known, _)| *known == name)
        {
            headers.push((name, value.to_string()));
        }
    };
    for header in &marks.headers {
        match header {
            MarkHeader::AttestationInfo => {
                add("Attestation-Info", letter);
                add("Origination-Id", origid);
            }
            MarkHeader::PAttestationInfo => {
                add("P-Attestation-Info", letter);
                add("P-Origination-Id", origid);
            }
            MarkHeader::PAttestationIndicator => {
                add("P-Attestation-Indicator", letter);
                add("P-Origination-Id", origid);
            }
            MarkHeader::XTwilioVerstat => {
                add("X-Twilio-VerStat", verstat(Dialect::Twilio, light, facts, proof));
            }
        }
    }
    headers
}

/// `origid` was written by the signer: only what a UUID is made of, and a little more, goes on.
fn is_plain(origid: &str) -> bool {
    (1..=ORIGID_OCTETS_MAX).contains(&origid.len())
        && origid
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::screening::sample;

    const PROOF: Proof<'_> = Proof {
        origid: Some("123e4567-e89b-12d3-a456-426655440000"),
        is_diverted: false,
    };
    const DIALECTS: [Dialect; 3] = [Dialect::ThreeGpp, Dialect::Telnyx, Dialect::Twilio];

    fn attested(letter: Attestation) -> Facts {
        let mut facts = sample::signed();
        facts.identity.attestation = Some(letter);
        facts
    }

    /// The light as `screening` would give it.
    fn light(facts: &Facts) -> NumberLight {
        crate::policy::Policy::embedded().decide(facts).verdict.number
    }

    fn word(dialect: Dialect, facts: &Facts, is_diverted: bool) -> &'static str {
        let proof = Proof { is_diverted, ..PROOF };
        verstat(dialect, light(facts), facts, proof).unwrap()
    }

    fn check(facts: &Facts, is_diverted: bool, three_gpp: &str, telnyx: &str, twilio: &str) {
        let found = DIALECTS.map(|dialect| word(dialect, facts, is_diverted));
        assert_eq!(found, [three_gpp, telnyx, twilio]);
    }

    #[test]
    fn v_01_v_02_each_dialect_says_it_in_its_own_words() {
        use Attestation::{Full, Gateway, Partial};
        let (passed, failed) = ("TN-Validation-Passed", "TN-Validation-Failed");
        check(&attested(Full), false, passed, passed, "TN-Validation-Passed-A");
        check(
            &attested(Full),
            true,
            passed,
            passed,
            "TN-Validation-Passed-A-Diverted",
        );
        check(
            &attested(Partial),
            false,
            NONE,
            "TN-Validation-Passed-B",
            "TN-Validation-Passed-B",
        );
        check(
            &attested(Partial),
            true,
            NONE,
            "TN-Validation-Passed-B",
            "TN-Validation-Passed-B-Diverted",
        );
        check(
            &attested(Gateway),
            false,
            NONE,
            "TN-Validation-Passed-C",
            "TN-Validation-Passed-C",
        );
        check(
            &attested(Gateway),
            true,
            NONE,
            "TN-Validation-Passed-C",
            "TN-Validation-Passed-C-Diverted",
        );
        check(&sample::unsigned(), false, NONE, NONE, NONE);
        let mut forged = attested(Full);
        forged.identity.is_forged = true;
        check(&forged, false, failed, failed, failed);
        assert_eq!(
            verstat(Dialect::Off, NumberLight::Genuine, &attested(Full), PROOF),
            None
        );
    }

    /// What may be wrong with a call, by name.
    type Spoiled = (&'static str, fn(&mut Facts));

    #[test]
    fn v_05_no_letter_unless_every_check_passed() {
        let spoil: [Spoiled; 10] = [
            ("forged", |f| f.identity.is_forged = true),
            ("stale", |f| f.identity.is_stale = true),
            ("untrusted", |f| f.identity.is_untrusted = true),
            ("reused", |f| f.identity.is_reused = Some(true)),
            ("reuse unknown", |f| f.identity.is_reused = None),
            ("failed", |f| f.identity.standing = Standing::Failed),
            ("diverted, unverified", |f| {
                f.identity.standing = Standing::DivertedUnverified
            }),
            ("unchecked", |f| f.identity.standing = Standing::Unchecked),
            ("unsigned", |f| f.identity.standing = Standing::None),
            ("hidden", |f| {
                f.caller.number = None;
                f.caller.is_hidden = true;
            }),
        ];
        let every = Marks {
            headers: vec![
                MarkHeader::AttestationInfo,
                MarkHeader::PAttestationInfo,
                MarkHeader::PAttestationIndicator,
                MarkHeader::XTwilioVerstat,
            ],
            ..Marks::default()
        };
        for attestation in [Attestation::Full, Attestation::Partial, Attestation::Gateway] {
            for (what, spoil) in spoil {
                let mut facts = attested(attestation);
                spoil(&mut facts);
                for dialect in DIALECTS {
                    assert!(
                        !word(dialect, &facts, true).contains("Passed"),
                        "{what} {dialect:?}"
                    );
                }
                let headers = headers(&every, light(&facts), &facts, PROOF);
                let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
                assert_eq!(names, ["X-Twilio-VerStat"], "{what}");
                assert!(!headers[0].1.contains("Passed"), "{what}");
            }
        }
    }

    #[test]
    fn v_04_attestation_headers_come_in_each_profile_and_once() {
        let facts = attested(Attestation::Partial);
        let found = |headers_asked: &[MarkHeader], proof| {
            let marks = Marks {
                headers: headers_asked.to_vec(),
                ..Marks::default()
            };
            let found = headers(&marks, light(&facts), &facts, proof);
            found
                .into_iter()
                .map(|(name, value)| format!("{name}: {value}"))
                .collect::<Vec<_>>()
        };
        let origid = "123e4567-e89b-12d3-a456-426655440000";
        let check = |header, expected: [String; 2]| assert_eq!(found(&[header], PROOF), expected);
        check(
            MarkHeader::AttestationInfo,
            ["Attestation-Info: B".into(), format!("Origination-Id: {origid}")],
        );
        check(
            MarkHeader::PAttestationInfo,
            [
                "P-Attestation-Info: B".into(),
                format!("P-Origination-Id: {origid}"),
            ],
        );
        check(
            MarkHeader::PAttestationIndicator,
            [
                "P-Attestation-Indicator: B".into(),
                format!("P-Origination-Id: {origid}"),
            ],
        );
        assert_eq!(
            found(&[MarkHeader::XTwilioVerstat], PROOF),
            ["X-Twilio-VerStat: TN-Validation-Passed-B"]
        );
        let both = [MarkHeader::PAttestationInfo, MarkHeader::PAttestationIndicator];
        assert_eq!(found(&both, PROOF).len(), 3, "P-Origination-Id stands once");
        for odd in ["", "a b", "x\r\nEvil: 1", "\"", &"a".repeat(65)] {
            let proof = Proof {
                origid: Some(odd),
                is_diverted: false,
            };
            assert_eq!(
                found(&[MarkHeader::AttestationInfo], proof),
                ["Attestation-Info: B"],
                "{odd:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn v_05_whatever_is_known_a_letter_means_that_nothing_is_missing(facts in sample::facts(), is_diverted: bool) {
            let identity = &facts.identity;
            let is_whole = identity.standing == Standing::Verified
                && !(identity.is_forged || identity.is_stale || identity.is_untrusted)
                && identity.is_reused == Some(false)
                && facts.caller.number.is_some();
            for dialect in DIALECTS {
                let word = word(dialect, &facts, is_diverted);
                prop_assert!(is_whole || !word.contains("Passed"), "{:?}: {}", dialect, word);
                let is_proven = light(&facts) == NumberLight::Genuine;
                prop_assert!(is_proven || word != "TN-Validation-Passed", "{:?}", dialect);
                prop_assert!(is_proven || !word.starts_with("TN-Validation-Passed-A"), "{:?}", dialect);
            }
        }
    }
}
