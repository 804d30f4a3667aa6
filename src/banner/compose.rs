//! Facts and a decision into words for the person answering.

use super::{Banner, clean_display_name};
use crate::policy::{Action, Decision, Policy, Wording};
use crate::screening::{
    Attestation, Facts, Label, NumberLight, Standing, Tag, Verdict, VoiceLight, VoiceState,
};

/// Reasons shown at most: more are not read while a phone rings.
pub const REASONS_MAX: usize = 3;

/// What the person sees. The same arguments give the same banner.
pub fn compose(facts: &Facts, decision: &Decision, policy: &Policy) -> Banner {
    let verdict = &decision.verdict;
    let wording = policy.wording(&facts.called.queue);
    Banner {
        number: verdict.number,
        voice: verdict.voice,
        label: verdict.label,
        number_text: number_text(facts, verdict).into(),
        voice_text: voice_text(facts.voice.state).into(),
        name_text: name_text(facts),
        call_reason: call_reason(facts),
        reasons: reasons(verdict, wording),
        say: say(verdict, wording).into(),
        prefix: match decision.action {
            Action::Label | Action::Screen | Action::Challenge | Action::Whisper | Action::Divert { .. } => {
                prefix(verdict, wording).into()
            }
            // Delivered as it came; or refused, and no phone rings.
            Action::Deliver | Action::Refuse { .. } | Action::End => String::new(),
        },
    }
}

fn number_text(facts: &Facts, verdict: &Verdict) -> &'static str {
    let identity = &facts.identity;
    match verdict.number {
        NumberLight::Genuine if identity.hops > 0 => "Number: proven by its carrier, the call was forwarded",
        NumberLight::Genuine => "Number: proven by its carrier",
        NumberLight::Forged => "Number: forged, the proof given for it is false",
        NumberLight::Unproven if facts.caller.number.is_none() => "Number: not shown",
        NumberLight::Unproven if identity.is_reused == Some(true) => {
            "Number: not proven, its proof was used before"
        }
        NumberLight::Unproven if identity.is_stale => "Number: not proven, its proof is out of date",
        NumberLight::Unproven if identity.is_untrusted => {
            "Number: not proven, signed by somebody not trusted"
        }
        NumberLight::Unproven if verdict.has(Tag::CarrierVerified) => {
            "Number: checked by the carrier that brought it, not here"
        }
        NumberLight::Unproven if verdict.has(Tag::CarrierFailed) => {
            "Number: not proven, its carrier found the proof false"
        }
        NumberLight::Unproven => match identity.standing {
            Standing::None => "Number: not proven, the call is not signed",
            Standing::Unchecked => "Number: not proven, could not be checked in time",
            Standing::DivertedUnverified => "Number: not proven, the call was forwarded",
            Standing::Failed => "Number: not proven, its proof was not accepted",
            Standing::Verified => match identity.attestation {
                Some(Attestation::Full) => "Number: not proven, earlier use could not be ruled out",
                Some(Attestation::Partial) => "Number: not proven, only the caller's account is known",
                Some(Attestation::Gateway) => "Number: not proven, passed on by a gateway",
                None => "Number: not proven, signed without a word about whose it is",
            },
        },
    }
}

/// Who answers for the name is said with it: nobody checks that it is the name people know the caller by.
fn name_text(facts: &Facts) -> Option<String> {
    let (name, _) = clean_display_name(facts.proven_name()?);
    (!name.is_empty()).then(|| format!("Name: {name}, signed with the number"))
}

/// Shown beside a proven number only: of anybody else it is one sentence more to be taken in by.
fn call_reason(facts: &Facts) -> Option<String> {
    let reason = facts
        .identity
        .call_reason
        .as_ref()
        .filter(|_| facts.is_number_proven())?;
    let (reason, _) = clean_display_name(reason.reveal());
    (!reason.is_empty()).then(|| format!("The caller gives as reason: “{reason}”"))
}

fn voice_text(state: VoiceState) -> &'static str {
    match state {
        VoiceState::Off => "Voice: not checked",
        VoiceState::Pending => "Voice: not heard yet",
        VoiceState::BonaFide => "Voice: no sign of synthesis",
        VoiceState::Spoof => "Voice: likely synthetic",
        VoiceState::Unsure => "Voice: unsure",
        VoiceState::Overloaded => "Voice: could not be checked",
    }
}

/// Worst first. When nothing speaks against the call, what else is known of it.
fn reasons(verdict: &Verdict, wording: &Wording) -> Vec<String> {
    let mut worst: Vec<_> = verdict
        .findings
        .iter()
        .filter(|finding| finding.tenths > 0)
        .collect();
    // Stable: of equal weight, in the order of the tags.
    worst.sort_by_key(|finding| std::cmp::Reverse(finding.tenths));
    if worst.is_empty() {
        worst.extend(
            verdict
                .findings
                .iter()
                .filter(|finding| !is_told_by_a_light(finding.tag)),
        );
    }
    worst
        .iter()
        .take(REASONS_MAX)
        .map(|finding| wording.reason(finding.tag).to_string())
        .collect()
}

/// The lights' own lines say the same in fewer words.
fn is_told_by_a_light(tag: Tag) -> bool {
    matches!(
        tag,
        Tag::VoiceBonaFide
            | Tag::VoiceUnsure
            | Tag::VoicePending
            | Tag::VoiceOff
            | Tag::ScoringOverloaded
            | Tag::VoiceHeardTwice
            | Tag::SecondOpinionOverloaded
            | Tag::EmergencyTrunk
            // The name's own line says it.
            | Tag::NameSigned
    )
}

fn say<'w>(verdict: &Verdict, wording: &'w Wording) -> &'w str {
    let say = &wording.say;
    match verdict.label {
        Label::Emergency => &say.emergency,
        Label::Suspect if verdict.has(Tag::ReportedScam) => &say.scam,
        Label::Suspect if verdict.has(Tag::OwnNameClaimed) || verdict.has(Tag::OwnNumberClaimed) => {
            &say.impostor
        }
        Label::Genuine | Label::Known | Label::Unproven | Label::Suspect
            if verdict.has(Tag::EmergencyClaimed) =>
        {
            &say.emergency_claimed
        }
        label => say.for_label(label),
    }
}

/// The worse of the two lights only; a number that people here reported comes before both.
///
/// A suspect call whose number is genuine gets no prefix: "NUMBER OK" would be true and read as praise.
fn prefix<'w>(verdict: &Verdict, wording: &'w Wording) -> &'w str {
    let prefix = &wording.prefix;
    if verdict.has(Tag::ReportedScam) {
        return &prefix.scam;
    }
    match (verdict.number, verdict.voice) {
        (NumberLight::Forged, _) => &prefix.forged,
        (_, VoiceLight::Synthetic) => &prefix.synthetic,
        (NumberLight::Unproven, _)
            if verdict.has(Tag::CarrierVerified) && verdict.label != Label::Suspect =>
        {
            &prefix.carrier
        }
        (NumberLight::Unproven, _) => &prefix.unproven,
        (NumberLight::Genuine, _) if matches!(verdict.label, Label::Suspect | Label::Campaign) => "",
        (NumberLight::Genuine, _) => &prefix.genuine,
    }
}
