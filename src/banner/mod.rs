//! What the called person sees. Imports screening and policy. Says what is known and why; never "safe".
//!
//! Knows no call, no phone and no SIP message: it gives words and header values, others put them where they belong.

mod clean;
mod compose;
mod leg_b;
mod marks;
mod picture;

use serde::{Deserialize, Serialize};

pub use clean::{NAME_CHARS_MAX, clean_display_name};
pub use compose::{REASONS_MAX, compose};
pub use leg_b::{DISPLAY_NAME_CHARS_MAX, leg_b_headers};
pub use marks::{Dialect, MarkHeader, Marks, Placement, Proof};
pub use picture::{PictureFault, SIDE_READ_MAX, SIDE_SHOWN_MAX, redraw};

use crate::screening::{Label, NumberLight, VoiceLight};

/// Two lights that never merge into one, the reasons, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Banner {
    pub number: NumberLight,
    pub voice: VoiceLight,
    pub label: Label,
    /// One line per light, in plain words, e.g. "Number: proven by its carrier" / "Voice: no sign of synthesis".
    pub number_text: String,
    pub voice_text: String,
    /// The name that is signed together with a proven number, in words; None without one (RFC 9795 `nam`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_text: Option<String>,
    /// Why the caller says to call (RFC 9795 `crn`), in his own words, between quotation marks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_reason: Option<String>,
    /// Up to three reasons, worst first.
    pub reasons: Vec<String>,
    /// One suggested line to say or do.
    pub say: String,
    /// Display-name prefix, ASCII, at most 12 characters; empty when nothing should be added.
    pub prefix: String,
}

/// What goes on leg B.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegBHeaders {
    /// Prefix + cleaned caller name or number, ASCII-safe, to be quoted by the SIP printer. At most 40 characters.
    pub display_name: String,
    /// Value for the `verstat` parameter; None = there is none.
    pub verstat: Option<&'static str>,
    /// More headers with the attestation, for those who read no verstat.
    pub marks: Vec<(&'static str, String)>,
    /// `number=...; voice=...; label=...; call=<id>`
    pub ringward_trust: String,
    /// `<url>;purpose=card`, when a public URL is configured; and the signed name and call reason as RFC 9796 carries them.
    pub call_info: Option<String>,
    pub alert_info: Option<String>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::call_id::CallId;
    use crate::policy::Policy;
    use crate::redact::Redacted;
    use crate::screening::{Facts, Stage, VoiceState, sample};

    const CALL: CallId = CallId(0x9c1e_02d4_0000_0000_0000_0000_0000_00ff);

    /// A banner as the person reads it, and the phone's line.
    fn shown(facts: &Facts) -> String {
        let policy = Policy::embedded();
        let decision = policy.decide(facts);
        let banner = compose(facts, &decision, &policy);
        let headers = leg_b_headers(
            &banner,
            facts,
            &Marks::default(),
            Proof::default(),
            CALL,
            Some("https://gw.example/c/1"),
        );
        let mut text = format!("{}\n{}\n", banner.number_text, banner.voice_text);
        for reason in &banner.reasons {
            text += &format!("- {reason}\n");
        }
        text + &format!(
            "> {}\nphone: {}\n{}\n",
            banner.say, headers.display_name, headers.ringward_trust
        )
    }

    fn signed(change: impl FnOnce(&mut Facts)) -> Facts {
        let mut facts = sample::signed();
        facts.caller.name = Some(Redacted::new("Acme Dental".into()));
        change(&mut facts);
        facts
    }

    #[test]
    fn a_proven_number_with_a_voice_without_sign_of_synthesis() {
        insta::assert_snapshot!(shown(&signed(|f| {
            f.stage = Stage::Live;
            f.voice.state = VoiceState::BonaFide;
        })), @r"
            Number: proven by its carrier
            Voice: no sign of synthesis
            - This number calls for the first time.
            > The number is the caller's own. Who is speaking is still yours to find out.
            phone: NUMBER OK Acme Dental
            number=genuine; voice=person; label=genuine; call=9c1e02d40000000000000000000000ff
            ");
    }

    #[test]
    fn an_unsigned_call_before_anything_was_heard() {
        insta::assert_snapshot!(shown(&signed(|f| f.identity = Default::default())), @r"
            Number: not proven, the call is not signed
            Voice: not heard yet
            - Nothing proves the number: the call is not signed.
            - This number calls for the first time.
            > Ask who is calling. For anything that matters, call back on a number you already have.
            phone: UNPROVEN Acme Dental
            number=unproven; voice=pending; label=unproven; call=9c1e02d40000000000000000000000ff
            ");
    }

    #[test]
    fn a_forged_number() {
        insta::assert_snapshot!(shown(&signed(|f| {
            f.identity.standing = crate::identity::Standing::Failed;
            f.identity.attestation = None;
            f.identity.is_forged = true;
            f.caller.name = Some(Redacted::new("✓ VERIFIED Your Bank [V]".into()));
            f.caller.name_imitates_label = true;
        })), @r"
            Number: forged, the proof given for it is false
            Voice: not heard yet
            - The proof given for the number is false.
            - The caller's own name imitates a trust mark.
            - This number calls for the first time.
            > This is not the number it shows. Give nothing away; hang up and call the real number.
            phone: FORGED Your Bank
            number=forged; voice=pending; label=forged; call=9c1e02d40000000000000000000000ff
            ");
    }

    #[test]
    fn a_proven_number_with_a_voice_that_is_likely_synthetic() {
        insta::assert_snapshot!(shown(&signed(|f| {
            f.stage = Stage::Live;
            f.voice.state = VoiceState::Spoof;
        })), @r"
            Number: proven by its carrier
            Voice: likely synthetic
            - The voice is likely synthetic.
            - This number calls for the first time.
            > Ask something only the real person knows. Agree to nothing on this call.
            phone: SYNTHETIC? Acme Dental
            number=genuine; voice=synthetic; label=synthetic; call=9c1e02d40000000000000000000000ff
            ");
    }

    #[test]
    fn a_proof_that_was_used_before() {
        insta::assert_snapshot!(shown(&signed(|f| f.identity.is_reused = Some(true))), @r"
            Number: not proven, its proof was used before
            Voice: not heard yet
            - The proof of the number was already used by another call.
            - This number calls for the first time.
            > Give nothing away. Ask for a name and call back on a number you already have.
            phone: UNPROVEN Acme Dental
            number=unproven; voice=pending; label=suspect; call=9c1e02d40000000000000000000000ff
            ");
    }

    #[test]
    fn a_number_that_was_reported() {
        insta::assert_snapshot!(shown(&signed(|f| {
            f.history.reported_scam = 2;
            f.history.calls_before = 9;
            f.history.calls_last_minute = 8;
        })), @r"
            Number: proven by its carrier
            Voice: not heard yet
            - Somebody here reported this number as a scam.
            - This number calls unusually often.
            > This number was reported as a scam. Give nothing away and hang up.
            phone: KNOWN SCAM Acme Dental
            number=genuine; voice=pending; label=suspect; call=9c1e02d40000000000000000000000ff
            ");
    }

    #[test]
    fn a_hidden_caller() {
        insta::assert_snapshot!(shown(&signed(|f| {
            f.identity = Default::default();
            f.caller.number = None;
            f.caller.is_hidden = true;
            f.voice.state = VoiceState::Off;
        })), @r"
            Number: not shown
            Voice: not checked
            - The caller withholds the number.
            - Nothing proves the number: the call is not signed.
            > Ask who is calling. For anything that matters, call back on a number you already have.
            phone: UNPROVEN Number withheld
            number=unproven; voice=pending; label=unproven; call=9c1e02d40000000000000000000000ff
            ");
    }

    #[test]
    fn an_emergency_that_nobody_proved() {
        insta::assert_snapshot!(shown(&signed(|f| {
            f.identity = Default::default();
            f.signalling.claims_emergency = true;
        })), @r"
            Number: not proven, the call is not signed
            Voice: not heard yet
            - Nothing proves the number: the call is not signed.
            - The call claims to be an emergency; nothing proves it.
            - This number calls for the first time.
            > It may be an emergency: answer at once. Nothing proves the number.
            phone: UNPROVEN Acme Dental
            number=unproven; voice=pending; label=unproven; call=9c1e02d40000000000000000000000ff
            ");
    }

    #[test]
    fn a_known_caller_while_the_scorer_has_no_room() {
        insta::assert_snapshot!(shown(&signed(|f| {
            f.history.calls_before = 12;
            f.history.answered_before = 11;
            f.voice.state = VoiceState::Overloaded;
        })), @r"
            Number: proven by its carrier
            Voice: could not be checked
            - The caller's carrier proves that the number is the caller's own.
            - This number has called before and was answered.
            > You know this number. Ask for the name if anything unusual is wanted.
            phone: NUMBER OK Acme Dental
            number=genuine; voice=unsure; label=known; call=9c1e02d40000000000000000000000ff
            ");
    }

    #[test]
    fn a_call_delivered_as_it_came_gets_no_prefix() {
        let policy = crate::policy::shipped("observe").unwrap().policy();
        let facts = signed(|f| f.identity.is_forged = true);
        let banner = compose(&facts, &policy.decide(&facts), &policy);
        assert_eq!(banner.prefix, "");
        let headers = leg_b_headers(&banner, &facts, &Marks::default(), Proof::default(), CALL, None);
        assert_eq!(
            (headers.display_name.as_str(), headers.call_info),
            ("Acme Dental", None)
        );
    }

    #[test]
    fn a_suspect_call_from_a_genuine_number_is_not_praised() {
        let facts = signed(|f| {
            f.caller.name_imitates_label = true;
            f.caller.is_malformed = true;
        });
        let policy = Policy::embedded();
        let banner = compose(&facts, &policy.decide(&facts), &policy);
        assert_eq!((banner.label, banner.prefix.as_str()), (Label::Suspect, ""));
    }

    #[test]
    fn r_07_the_signed_name_is_shown_as_such_and_the_other_one_flagged() {
        let named = |change: fn(&mut Facts)| {
            signed(|f| {
                f.caller.name = Some(Redacted::new("Your Bank".into()));
                f.identity.name = Some(Redacted::new("Acme Dental".into()));
                f.identity.call_reason = Some(Redacted::new("Your \"appointment\"".into()));
                change(f);
            })
        };
        let policy = Policy::embedded();
        let look = |facts: &Facts| {
            let banner = compose(facts, &policy.decide(facts), &policy);
            let name =
                leg_b_headers(&banner, facts, &Marks::default(), Proof::default(), CALL, None).display_name;
            (banner, name)
        };
        let (banner, name) = look(&named(|_| {}));
        assert_eq!(name, "NUMBER OK Acme Dental");
        assert_eq!(
            banner.name_text.as_deref(),
            Some("Name: Acme Dental, signed with the number")
        );
        assert_eq!(
            banner.call_reason.as_deref(),
            Some("The caller gives as reason: “Your \"appointment\"”")
        );
        assert!(
            banner.reasons[0].starts_with("The caller shows another name"),
            "{:?}",
            banner.reasons
        );
        // Not proven: the signed name is worth no more than the other one, and is not shown.
        let not_proven: [fn(&mut Facts); 3] = [
            |f| f.identity.is_reused = Some(true),
            |f| f.identity.attestation = Some(crate::identity::Attestation::Partial),
            |f| f.identity.is_forged = true,
        ];
        for change in not_proven {
            let (banner, name) = look(&named(change));
            assert_eq!((banner.name_text, banner.call_reason), (None, None));
            assert!(name.ends_with("Your Bank"), "{name}");
        }
    }

    #[test]
    fn r_06_phones_get_signed_data_in_call_info() {
        let info = |change: fn(&mut Facts), url: Option<&str>| {
            let facts = signed(change);
            let policy = Policy::embedded();
            let banner = compose(&facts, &policy.decide(&facts), &policy);
            leg_b_headers(&banner, &facts, &Marks::default(), Proof::default(), CALL, url).call_info
        };
        let name: fn(&mut Facts) = |f| f.identity.name = Some(Redacted::new("Çelik & Co".into()));
        assert_eq!(
            info(name, Some("https://gw.example/card/1")).unwrap(),
            "<https://gw.example/card/1>;purpose=card, <data:application/json,%5B%22vcard%22%2C%5B%5B%22version%22%2C%7B%7D%2C%22text%22%2C%224.0%22%5D%2C%5B%22fn%22%2C%7B%7D%2C%22text%22%2C%22%C3%87elik%20%26%20Co%22%5D%5D%5D>;purpose=jcard;verified=\"true\""
        );
        let reason: fn(&mut Facts) =
            |f| f.identity.call_reason = Some(Redacted::new("Your \"order\" é\\".into()));
        assert_eq!(
            info(reason, None).unwrap(),
            "<data:>;purpose=jcard;call-reason=\"Your order e\";verified=\"true\""
        );
        let reused: fn(&mut Facts) = |f| {
            f.identity.name = Some(Redacted::new("Acme".into()));
            f.identity.is_reused = Some(true);
        };
        assert_eq!(info(reused, None), None);
        assert_eq!(info(|_| {}, None), None);
    }

    #[test]
    fn names_reach_the_phone_in_plain_ascii() {
        let name = |name: &str| {
            let facts = signed(|f| f.caller.name = Some(Redacted::new(name.into())));
            let policy = Policy::embedded();
            let banner = compose(&facts, &policy.decide(&facts), &policy);
            leg_b_headers(&banner, &facts, &Marks::default(), Proof::default(), CALL, None).display_name
        };
        assert_eq!(name("José Núñez"), "NUMBER OK Jose Nunez");
        assert_eq!(name("\"Bob\" <sip:x@y>\r\nVia: z"), "NUMBER OK Bob sip:x@yVia: z");
        assert_eq!(name("山田"), "NUMBER OK +14045550123");
        assert_eq!(name("[V]"), "NUMBER OK +14045550123");
        assert_eq!(name(&"x".repeat(99)).len(), DISPLAY_NAME_CHARS_MAX);
    }

    proptest! {
        #[test]
        fn nothing_from_outside_breaks_out_of_a_header(
            facts in sample::facts(), name in any::<String>(), origid in any::<String>(), url in any::<String>(),
        ) {
            let mut facts = facts;
            facts.caller.name = Some(Redacted::new(name));
            let policy = Policy::embedded();
            let banner = compose(&facts, &policy.decide(&facts), &policy);
            let proof = Proof { origid: Some(&origid), is_diverted: true };
            let marks = Marks { headers: vec![MarkHeader::AttestationInfo], ..Marks::default() };
            let headers = leg_b_headers(&banner, &facts, &marks, proof, CALL, Some(&format!("https://x/{url}")));
            let marked = headers.marks.iter().map(|(_, value)| value.as_str());
            for value in [headers.display_name.as_str(), &headers.ringward_trust].into_iter().chain(marked) {
                prop_assert!(value.chars().all(|c| c == ' ' || c.is_ascii_graphic() && !"\"\\<>".contains(c)), "{}", value);
            }
            if let Some(info) = headers.call_info {
                prop_assert!(info.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) && !info.contains('\\'), "{}", info);
                // Our card and the signed data: as many brackets and quotation marks as we wrote ourselves.
                let is_rich = info.contains(";purpose=jcard");
                let has_reason = info.contains(";call-reason=");
                let brackets = usize::from(is_rich) * 2 + usize::from(info.contains(";purpose=card")) * 2;
                prop_assert_eq!(info.matches(['<', '>']).count(), brackets, "{}", info);
                let quotes = usize::from(is_rich) * 2 + usize::from(has_reason) * 2;
                prop_assert_eq!(info.matches('"').count(), quotes, "{}", info);
            }
            prop_assert!(headers.display_name.len() <= DISPLAY_NAME_CHARS_MAX);
            prop_assert!(!headers.display_name.is_empty());
            prop_assert!(banner.prefix.len() <= 12 && banner.reasons.len() <= REASONS_MAX);
        }

        #[test]
        fn a_banner_never_promises_anything(facts in sample::facts()) {
            let policy = Policy::embedded();
            let banner = compose(&facts, &policy.decide(&facts), &policy);
            let mut words = format!("{} {} {} {}", banner.number_text, banner.voice_text, banner.say, banner.prefix);
            banner.reasons.iter().for_each(|reason| words += reason);
            let words = words.to_ascii_lowercase();
            prop_assert!(!words.contains("safe") && !words.contains("human"), "{}", words);
            prop_assert_eq!(banner.prefix == "NUMBER OK", banner.number == NumberLight::Genuine
                && facts.history.reported_scam == 0 // an emergency trunk's label says nothing of that
                && !matches!(banner.label, Label::Suspect | Label::Synthetic));
        }
    }
}
