//! The one place that adds up: findings, their sum, the two lights and the label.

use super::{
    Facts, Finding, Label, List, NumberLight, Tag, Verdict, VoiceLight, VoiceState, Weights, checks,
};

/// What the facts add up to.
///
/// `suspect_at` is the sum (in tenths) from which a call is called suspect; `extra` are findings that do not come
/// from facts (a rule that failed). A tag without a weight weighs nothing but is still a finding.
///
/// Always completes; the same arguments give the same verdict.
pub fn conclude(facts: &Facts, weights: &Weights, suspect_at: i32, extra: &[Tag]) -> Verdict {
    let mut tags = checks::findings(facts);
    tags.extend_from_slice(extra);
    tags.sort_unstable();
    tags.dedup();

    let findings: Vec<Finding> = tags
        .into_iter()
        .map(|tag| Finding {
            tag,
            tenths: weights.get(&tag).copied().unwrap_or(0),
        })
        .collect();
    // Weights are bounded where they are read, but these may come from anywhere.
    let tenths = findings
        .iter()
        .fold(0i32, |sum, finding| sum.saturating_add(finding.tenths));
    let number = number_light(facts);
    let voice = voice_light(facts.voice.state);
    let found = label(facts, number, voice, tenths >= suspect_at);
    // A person can warn; nobody can vouch against what was found.
    let label = facts
        .relabelled
        .filter(|said| said.severity() > found.severity())
        .unwrap_or(found);
    Verdict {
        findings,
        tenths,
        number,
        voice,
        label,
    }
}

/// Is the number shown the caller's own?
///
/// Genuine needs all of it: full attestation, a number that is shown, and the knowledge that the PASSporT was not
/// used before. Whatever is missing or unknown makes it unproven.
fn number_light(facts: &Facts) -> NumberLight {
    if facts.identity.is_forged {
        NumberLight::Forged
    } else if facts.is_number_proven() {
        NumberLight::Genuine
    } else {
        NumberLight::Unproven
    }
}

/// Off reads as pending on the wire ("not checked" in words); an overloaded scorer means that we cannot say.
fn voice_light(state: VoiceState) -> VoiceLight {
    match state {
        VoiceState::Off | VoiceState::Pending => VoiceLight::Pending,
        VoiceState::BonaFide => VoiceLight::Person,
        VoiceState::Spoof => VoiceLight::Synthetic,
        VoiceState::Unsure | VoiceState::Overloaded => VoiceLight::Unsure,
    }
}

/// The first that holds, most important first. (`campaign` needs the fingerprint of repeated recordings, which no
/// fact carries yet.)
fn label(facts: &Facts, number: NumberLight, voice: VoiceLight, is_over_threshold: bool) -> Label {
    let history = &facts.history;
    // A claim alone (`claims_emergency`) gives no label: anybody can write that header.
    if facts.is_proven_emergency() {
        return Label::Emergency;
    }
    if number == NumberLight::Forged {
        return Label::Forged;
    }
    if voice == VoiceLight::Synthetic {
        return Label::Synthetic;
    }
    let is_unwanted = facts.listed(List::Block).is_some() || facts.listed(List::DoNotOriginate).is_some();
    if is_over_threshold || facts.identity.is_reused == Some(true) || history.reported_scam > 0 || is_unwanted
    {
        return Label::Suspect;
    }
    if number == NumberLight::Unproven {
        // Even with a good history: nothing proves that it is the same caller.
        return Label::Unproven;
    }
    if history.answered_before > 0 || history.reported_good > 0 {
        return Label::Known;
    }
    Label::Genuine
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::identity::{Attestation, Standing};
    use crate::screening::sample;

    fn check(change: impl Fn(&mut Facts), number: NumberLight, voice: VoiceLight, label: Label) {
        let mut facts = sample::signed();
        change(&mut facts);
        let verdict = conclude(&facts, &Weights::new(), 30, &[]);
        assert_eq!(
            (verdict.number, verdict.voice, verdict.label),
            (number, voice, label),
            "{verdict:?}"
        );
    }

    use NumberLight::{Forged, Genuine, Unproven};
    use VoiceLight::{Pending, Person, Synthetic, Unsure};

    #[test]
    fn full_attestation_alone_makes_a_number_genuine() {
        check(|_| (), Genuine, Pending, Label::Genuine);
        check(
            |f| f.identity.attestation = Some(Attestation::Partial),
            Unproven,
            Pending,
            Label::Unproven,
        );
        check(
            |f| f.identity.attestation = Some(Attestation::Gateway),
            Unproven,
            Pending,
            Label::Unproven,
        );
        check(
            |f| f.identity.attestation = None,
            Unproven,
            Pending,
            Label::Unproven,
        );
        for standing in [
            Standing::None,
            Standing::Unchecked,
            Standing::DivertedUnverified,
            Standing::Failed,
        ] {
            check(
                |f| f.identity.standing = standing,
                Unproven,
                Pending,
                Label::Unproven,
            );
        }
    }

    #[test]
    fn stale_untrusted_reused_and_hidden_are_unproven() {
        check(|f| f.identity.is_stale = true, Unproven, Pending, Label::Unproven);
        check(
            |f| f.identity.is_untrusted = true,
            Unproven,
            Pending,
            Label::Unproven,
        );
        check(
            |f| f.identity.is_reused = Some(true),
            Unproven,
            Pending,
            Label::Suspect,
        );
        check(
            |f| f.identity.is_reused = None,
            Unproven,
            Pending,
            Label::Unproven,
        );
        check(|f| f.caller.number = None, Unproven, Pending, Label::Unproven);
    }

    #[test]
    fn forged_outranks_everything_but_a_trusted_emergency_line() {
        let forge = |f: &mut Facts| {
            f.identity.is_forged = true;
            f.voice.state = VoiceState::Spoof;
            f.history.reported_scam = 3;
        };
        check(forge, Forged, Synthetic, Label::Forged);
        let trusted = |f: &mut Facts| {
            forge(f);
            f.signalling.is_emergency_trunk = true;
        };
        check(trusted, Forged, Synthetic, Label::Emergency);
        check(
            |f| f.signalling.claims_emergency = true,
            Genuine,
            Pending,
            Label::Genuine,
        );
    }

    #[test]
    fn a_proven_emergency_is_one_until_its_proof_turns_out_to_be_a_copy() {
        let prove = |f: &mut Facts| {
            f.signalling.claims_emergency = true;
            f.identity.has_priority = true;
            f.identity.is_emergency = true;
        };
        check(prove, Genuine, Pending, Label::Emergency);
        let unknown = |f: &mut Facts| {
            prove(f);
            f.identity.is_reused = None;
        };
        check(unknown, Unproven, Pending, Label::Emergency);
        let copied = |f: &mut Facts| {
            prove(f);
            f.identity.is_reused = Some(true);
        };
        check(copied, Unproven, Pending, Label::Suspect);
        // Priority of another kind passes every gate and is no emergency.
        check(
            |f| f.identity.has_priority = true,
            Genuine,
            Pending,
            Label::Genuine,
        );
    }

    #[test]
    fn the_voice_light_never_promises_what_was_not_heard() {
        check(
            |f| f.voice.state = VoiceState::Off,
            Genuine,
            Pending,
            Label::Genuine,
        );
        check(
            |f| f.voice.state = VoiceState::Overloaded,
            Genuine,
            Unsure,
            Label::Genuine,
        );
        check(
            |f| f.voice.state = VoiceState::Unsure,
            Genuine,
            Unsure,
            Label::Genuine,
        );
        check(
            |f| f.voice.state = VoiceState::BonaFide,
            Genuine,
            Person,
            Label::Genuine,
        );
        check(
            |f| f.voice.state = VoiceState::Spoof,
            Genuine,
            Synthetic,
            Label::Synthetic,
        );
    }

    #[test]
    fn history_makes_known_only_a_number_that_is_proven() {
        check(|f| f.history.answered_before = 2, Genuine, Pending, Label::Known);
        check(|f| f.history.reported_good = 1, Genuine, Pending, Label::Known);
        let unsigned = |f: &mut Facts| {
            f.history.answered_before = 2;
            f.identity = Default::default();
        };
        check(unsigned, Unproven, Pending, Label::Unproven);
        check(|f| f.history.reported_scam = 1, Genuine, Pending, Label::Suspect);
    }

    #[test]
    fn an_entry_of_a_list_makes_nothing_genuine_and_an_unwanted_number_is_suspect() {
        let forged = |f: &mut Facts| {
            f.lists = vec![sample::listed(List::Allow)];
            f.identity.is_forged = true;
        };
        check(forged, Forged, Pending, Label::Forged);
        let unsigned = |f: &mut Facts| {
            f.lists = vec![sample::listed(List::Allow)];
            f.identity = Default::default();
        };
        check(unsigned, Unproven, Pending, Label::Unproven);
        for list in [List::Block, List::DoNotOriginate] {
            check(
                |f| f.lists = vec![sample::listed(list)],
                Genuine,
                Pending,
                Label::Suspect,
            );
        }
    }

    #[test]
    fn a_sum_at_the_threshold_is_suspect_and_one_tenth_below_is_not() {
        let mut facts = sample::signed();
        facts.caller.is_hidden = true;
        let weights = Weights::from([(Tag::CallerHidden, 17), (Tag::VoicePending, 13)]);
        assert_eq!(conclude(&facts, &weights, 30, &[]).label, Label::Suspect);
        assert_eq!(conclude(&facts, &weights, 31, &[]).label, Label::Genuine);
    }

    #[test]
    fn a_number_without_history_is_no_fault_of_the_store() {
        let mut facts = sample::signed();
        facts.caller.number = None;
        facts.history = Default::default();
        let verdict = conclude(&facts, &Weights::new(), 30, &[]);
        assert!(verdict.findings.iter().all(|f| f.tag != Tag::HistoryUnavailable));
    }

    proptest! {
        #[test]
        fn the_sum_is_exact_and_findings_are_in_order(
            facts in sample::facts(), seed in prop::collection::vec(-1000..=1000i32, Tag::ALL.len()),
        ) {
            let weights: Weights = Tag::ALL.iter().copied().zip(seed).collect();
            let verdict = conclude(&facts, &weights, 30, &[]);
            prop_assert_eq!(i64::from(verdict.tenths), verdict.findings.iter().map(|f| i64::from(f.tenths)).sum::<i64>());
            prop_assert!(verdict.findings.windows(2).all(|pair| pair[0].tag < pair[1].tag));
            prop_assert_eq!(&verdict, &conclude(&facts, &weights, 30, &[]));
        }

        #[test]
        fn any_weights_at_all_never_overflow(facts in sample::facts(), weight in prop_oneof![Just(i32::MAX), Just(i32::MIN)]) {
            let weights: Weights = Tag::ALL.iter().map(|tag| (*tag, weight)).collect();
            conclude(&facts, &weights, 30, &[]);
        }

        #[test]
        fn a_worse_fact_never_gives_a_milder_label(facts in sample::facts(), worse in 0..sample::WORSE.len()) {
            let weights = sample::weights();
            let before = conclude(&facts, &weights, 30, &[]);
            let mut changed = facts.clone();
            sample::WORSE[worse].1(&mut changed);
            let after = conclude(&changed, &weights, 30, &[]);
            prop_assert!(
                after.label.severity() >= before.label.severity(),
                "{}: {:?} became {:?}", sample::WORSE[worse].0, before.label, after.label
            );
        }
    }
}
