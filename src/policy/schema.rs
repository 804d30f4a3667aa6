//! The facts a condition may name: their names, types, meaning, and how each is read.

use super::hours::{Local, WEEKDAYS};
use super::own::Claims;
use crate::screening::{
    Attestation, Challenge, Facts, ForwardingReason, List, Reputable, Standing, Tag, Upstream, Verdict,
};

/// What a condition is asked about: the facts and what they add up to.
pub(super) struct View<'a> {
    facts: &'a Facts,
    verdict: &'a Verdict,
    local: Local,
    claims: Claims,
    /// Bit n = the n-th of [`Tag::ALL`] was found.
    tags: u128,
}

impl<'a> View<'a> {
    pub(super) fn new(facts: &'a Facts, verdict: &'a Verdict, local: Local, claims: Claims) -> View<'a> {
        let tags = verdict
            .findings
            .iter()
            .fold(0, |bits, finding| bits | 1 << finding.tag as u32);
        View {
            facts,
            verdict,
            local,
            claims,
            tags,
        }
    }

    pub(super) fn has(&self, tag: Tag) -> bool {
        self.tags & (1 << tag as u32) != 0
    }

    pub(super) fn tag_count(&self) -> i64 {
        i64::from(self.tags.count_ones())
    }
}

/// A value while a condition is evaluated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Datum<'a> {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(&'a str),
}

/// The type of an expression, as far as our checker tells them apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Type {
    Bool,
    Int,
    Double,
    Text,
    /// A string that is always one of these.
    Word(&'static [&'static str]),
    /// The list of tags.
    Tags,
}

impl Type {
    /// As CEL calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Type::Bool => "bool",
            Type::Int => "int",
            Type::Double => "double",
            Type::Text | Type::Word(_) => "string",
            Type::Tags => "list of tags",
        }
    }
}

/// One name a condition may use.
pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) kind: Type,
    pub(super) meaning: &'static str,
    pub(super) read: Read,
}

pub(super) type Read = for<'a> fn(&View<'a>) -> Datum<'a>;

pub(super) fn fact(name: &str) -> Option<&'static Fact> {
    FACTS.iter().find(|fact| fact.name == name)
}

const STAGES: &[&str] = &["arrive", "heard", "live"];
const FORWARDING_REASONS: &[&str] = &[
    "unconditional",
    "busy",
    "no_answer",
    "deflection",
    "unavailable",
    "other",
    "",
];
const UPSTREAMS: &[&str] = &["passed", "failed", "unverified", ""];
const STANDINGS: &[&str] = &["verified", "failed", "diverted_unverified", "unchecked", "none"];
const ATTESTATIONS: &[&str] = &["A", "B", "C", ""];
const VOICES: &[&str] = &["off", "pending", "bona_fide", "spoof", "unsure", "overloaded"];
const SECOND_OPINIONS: &[&str] = &["none", "given", "overloaded"];
const CODECS: &[&str] = &["PCMU", "PCMA", "G722", "opus", ""];
const CHALLENGES: &[&str] = &["none", "passed", "failed", "unable"];
const NUMBER_LIGHTS: &[&str] = &["genuine", "unproven", "forged"];
const VOICE_LIGHTS: &[&str] = &["person", "unsure", "synthetic", "pending"];
const LABELS: &[&str] = &[
    "genuine",
    "known",
    "unproven",
    "suspect",
    "forged",
    "synthetic",
    "campaign",
    "emergency",
];

macro_rules! facts {
    ($($name:literal $kind:expr, $meaning:literal, |$v:ident| $read:expr;)*) => {
        /// Every name, in the order of the reference.
        pub(super) const FACTS: &[Fact] = &[$(Fact {
            name: $name,
            kind: $kind,
            meaning: $meaning,
            read: {
                fn read<'a>($v: &View<'a>) -> Datum<'a> { $read }
                read
            },
        }),*];
    };
}

facts! {
    "stage" Type::Word(STAGES), "When the policy is asked: before anything rings, after the caller was heard without being connected, or while they talk.",
        |v| Datum::Text(v.facts.stage.name());
    "trunk" Type::Text, "Name of the trunk the call came from.", |v| Datum::Text(&v.facts.trunk);

    "caller.number" Type::Text, "Calling number with `+` and country code; empty when hidden or not a number.",
        |v| Datum::Text(v.facts.caller.number.as_ref().map_or("", |n| n.reveal()));
    "caller.name" Type::Text, "Display name the caller gives himself; empty without one. Anybody can write anything here.",
        |v| Datum::Text(v.facts.caller.name.as_ref().map_or("", |n| n.reveal()));
    "caller.hidden" Type::Bool, "The caller withholds the number.", |v| Datum::Bool(v.facts.caller.is_hidden);
    "caller.malformed" Type::Bool, "A number was given that cannot be one.", |v| Datum::Bool(v.facts.caller.is_malformed);
    "caller.imitates_label" Type::Bool, "The caller's own name imitates a trust mark.",
        |v| Datum::Bool(v.facts.caller.name_imitates_label);

    "time.open" Type::Bool, "The call arrived inside the hours of `[hours] open` and on no holiday.", |v| Datum::Bool(v.local.is_open);
    "time.holiday" Type::Bool, "It arrived on one of `[hours] holidays`.", |v| Datum::Bool(v.local.is_holiday);
    "time.weekday" Type::Word(WEEKDAYS), "Day of the week on which it arrived, in the zone of `[hours]`.", |v| Datum::Text(v.local.weekday);
    "time.hour" Type::Int, "Hour of the day, 0 to 23, in that zone.", |v| Datum::Int(i64::from(v.local.hour));
    "time.minute" Type::Int, "Minute of that hour, 0 to 59.", |v| Datum::Int(i64::from(v.local.minute));

    "own.number" Type::Bool, "The number shown is one of `[own] numbers` or on the list `own`, proven or not; unproven it has the tag OWN_NUMBER_CLAIMED.",
        |v| Datum::Bool(v.claims.is_own_number);
    "own.name" Type::Bool, "The name shown is that of somebody in `[[own.person]]` or on the list `executives`, proven or not; unproven it has the tag OWN_NAME_CLAIMED.",
        |v| Datum::Bool(v.claims.is_own_name);

    "lists.blocked" Type::Bool, "The number shown is on the list `block`, proven or not (tag BLOCKED).",
        |v| Datum::Bool(v.facts.listed(List::Block).is_some());
    "lists.do_not_originate" Type::Bool, "The number shown is on the list `do-not-originate` (tag DO_NOT_ORIGINATE).",
        |v| Datum::Bool(v.facts.listed(List::DoNotOriginate).is_some());
    "lists.allowed" Type::Bool, "The number shown is on the list `allow`, proven or not: anybody can show it. Proven it has the tag ALLOWED.",
        |v| Datum::Bool(v.facts.listed(List::Allow).is_some());
    "lists.reason" Type::Text, "Reason of the entry of `block`, else of `do-not-originate`, else of `allow`; empty without one.",
        |v| Datum::Text(reason(v.facts));
    "lists.organisation" Type::Text, "Organisation of the directory whose published number, else whose name, is shown; empty without one. Shown, not proven.",
        |v| Datum::Text(v.facts.listed(List::Directory).map_or("", |listed| listed.what.reveal()));

    "called.number" Type::Text, "Dialled number with `+` and country code.", |v| Datum::Text(v.facts.called.number.reveal());
    "called.queue" Type::Text, "Queue the dialled number belongs to.", |v| Datum::Text(&v.facts.called.queue);

    "identity.standing" Type::Word(STANDINGS), "What the signatures proved, all together.",
        |v| Datum::Text(standing(v.facts.identity.standing));
    "identity.attestation" Type::Word(ATTESTATIONS), "What the carrier vouches for: the number (A), its customer (B), nothing (C); empty unless verified.",
        |v| Datum::Text(attestation(v.facts.identity.attestation));
    "identity.forged" Type::Bool, "Bad signature, malformed token, another number signed than shown, or a certificate without authority over it.",
        |v| Datum::Bool(v.facts.identity.is_forged);
    "identity.stale" Type::Bool, "Signed too long ago, or in the future.", |v| Datum::Bool(v.facts.identity.is_stale);
    "identity.untrusted" Type::Bool, "Signed with a certificate that we have no reason to trust.", |v| Datum::Bool(v.facts.identity.is_untrusted);
    "identity.reused" Type::Bool, "Another call was answered with the same token shortly before, or too many calls brought it. False also when the store could not tell (tag HISTORY_UNAVAILABLE).",
        |v| Datum::Bool(v.facts.identity.is_reused == Some(true));
    "identity.upstream" Type::Word(UPSTREAMS), "What a carrier says that is trusted to verify (`verifier = \"trusted\"`): it verified the number, found its proof false, or says nothing of it; empty from any other trunk.",
        |v| Datum::Text(v.facts.identity.upstream.map_or("", Upstream::name));
    "identity.spc" Type::Text, "Service provider code of the signer; empty without one.",
        |v| Datum::Text(v.facts.identity.spc.as_deref().unwrap_or(""));
    "identity.hops" Type::Int, "Diversions that a complete chain of signatures proves; 0 when not diverted, or not proven.",
        |v| Datum::Int(i64::from(v.facts.identity.hops));
    "identity.forged_beside" Type::Bool, "A forged token came with the call and does not decide its standing.",
        |v| Datum::Bool(v.facts.identity.has_forged_beside);
    "identity.name" Type::Text, "The caller's name as signed together with a number that is proven; empty otherwise.",
        |v| Datum::Text(v.facts.proven_name().unwrap_or(""));
    "identity.call_reason" Type::Text, "Why he calls, in the caller's own words, signed with the number; empty without. Signed, not checked.",
        |v| Datum::Text(v.facts.identity.call_reason.as_ref().map_or("", |r| r.reveal()));
    "identity.priority" Type::Bool, "A signed priority (`rph`, `sph`) was verified. Bypasses every gate.",
        |v| Datum::Bool(v.facts.identity.has_priority);
    "identity.emergency" Type::Bool, "That priority is an emergency's, or of a call-back to somebody who called for help.",
        |v| Datum::Bool(v.facts.identity.is_emergency);

    "voice.state" Type::Word(VOICES), "What the model says of the voice, or why it says nothing.", |v| Datum::Text(v.facts.voice.state.name());
    "voice.llr" Type::Double, "Evidence for a person (positive) against synthesis (negative), natural logarithm; 0 while pending.",
        |v| Datum::Double(v.facts.voice.llr);
    "voice.speech_seconds" Type::Double, "Seconds of speech the evidence rests on.", |v| Datum::Double(v.facts.voice.speech_seconds);
    "voice.second" Type::Word(SECOND_OPINIONS), "Whether a second, larger model heard the voice too, or had no room.",
        |v| Datum::Text(v.facts.voice.second.name());

    "talk.screened" Type::Bool, "He was asked for name and reason before anybody was rung.", |v| Datum::Bool(v.facts.talk.is_screened);
    "talk.speech_seconds" Type::Double, "Seconds of speech he answered with; 0 when he was not asked, or said nothing.",
        |v| Datum::Double(v.facts.talk.speech_seconds);
    "talk.over_seconds" Type::Double, "Seconds in which he spoke over our own words.", |v| Datum::Double(v.facts.talk.over_seconds);
    "talk.challenge" Type::Word(CHALLENGES), "Whether he pressed the two digits he was told; `unable`: he could not be asked.",
        |v| Datum::Text(Challenge::name(v.facts.talk.challenge));

    "recording.name" Type::Text, "The recording that the caller's audio begins with, when it was heard in another call before; empty otherwise.",
        |v| Datum::Text(&v.facts.recording.name);
    "recording.callers" Type::Int, "From how many different numbers it came, this one included; 0 without one. From 3 on it has the tag REPEATED_RECORDING.",
        |v| Datum::Int(i64::from(v.facts.recording.callers));
    "recording.calls" Type::Int, "In how many calls it came, this one included; 0 without one.",
        |v| Datum::Int(i64::from(v.facts.recording.calls));
    "history.available" Type::Bool, "The store answered in time; without it every count is 0.", |v| Datum::Bool(v.facts.history.is_available);
    "history.calls_before" Type::Int, "Earlier calls from this number.", |v| count(v.facts.history.calls_before);
    "history.answered_before" Type::Int, "Earlier calls from this number that somebody answered.", |v| count(v.facts.history.answered_before);
    "history.calls_last_minute" Type::Int, "Calls from this number in the last minute, without this one.", |v| count(v.facts.history.calls_last_minute);
    "history.calls_last_hour" Type::Int, "Calls from this number in the last hour, without this one.", |v| count(v.facts.history.calls_last_hour);
    "history.reported_good" Type::Int, "How often somebody here reported a call from this number as good.", |v| count(v.facts.history.reported_good);
    "history.reported_scam" Type::Int, "How often somebody here reported a call from this number as a scam.", |v| count(v.facts.history.reported_scam);

    "reputation.number" Type::Double, "The share of bad calls that people's reports let expect of the number, 0 to 1, when it is proven; 0.2 when nobody reported it, or nothing is proven. From 0.5 on it has the tag NUMBER_ILL_REPUTED.",
        |v| Datum::Double(v.facts.reputed(Reputable::Number).map_or(0.2, |reputed| reputed.bad));
    "reputation.number_reports" Type::Int, "Reports on the number, when it is proven.",
        |v| count(v.facts.reputed(Reputable::Number).map_or(0, |reputed| reputed.reports));
    "reputation.signer" Type::Double, "The same of the worst among the signer's provider code, its certificate and its `origid`, when the signature holds; 0.05 when nobody reported any of their calls. Tag SIGNER_ILL_REPUTED.",
        |v| Datum::Double(v.facts.worst_signer().map_or(0.05, |reputed| reputed.bad));
    "reputation.signer_reports" Type::Int, "Reports on calls of that one.",
        |v| count(v.facts.worst_signer().map_or(0, |reputed| reputed.reports));

    "flood.on" Type::Bool, "It came while far more calls came, or rang, than usually do (`[tdos]`).", |v| Datum::Bool(v.facts.flood.is_on);
    "flood.over_limit" Type::Bool, "More calls show its number, unproven, than one number may bring (`[limits] number_...`); tag OVER_LIMIT.",
        |v| Datum::Bool(v.facts.flood.is_over_limit);

    "signalling.diverted" Type::Bool, "The call was forwarded (Diversion or History-Info).", |v| Datum::Bool(v.facts.signalling.is_diverted);
    "signalling.diversions" Type::Int, "How often the call was forwarded, as far as it says; nobody has proven it (`identity.hops`).",
        |v| Datum::Int(i64::from(v.facts.signalling.forwarding.count));
    "signalling.diverted_by" Type::Text, "Who forwarded it last, with `+` and country code; empty when hidden or not a number.",
        |v| Datum::Text(v.facts.signalling.forwarding.by.as_ref().map_or("", |number| number.reveal()));
    "signalling.dialled_first" Type::Text, "The number that the caller dialled before it was forwarded; empty when hidden, or not forwarded.",
        |v| Datum::Text(v.facts.signalling.forwarding.dialled.as_ref().map_or("", |number| number.reveal()));
    "signalling.diversion_reason" Type::Word(FORWARDING_REASONS), "Why it was forwarded last; empty when it was not.",
        |v| Datum::Text(v.facts.signalling.forwarding.reason.map_or("", ForwardingReason::name));
    "signalling.codec" Type::Word(CODECS), "What the caller's audio is coded with, or what he likes best; empty while he has not said it.",
        |v| Datum::Text(&v.facts.signalling.codec);
    "signalling.claims_emergency" Type::Bool, "It claims to be an emergency call; `identity.emergency` says whether that is proven. Never refused.",
        |v| Datum::Bool(v.facts.signalling.claims_emergency);
    "signalling.emergency_trunk" Type::Bool, "It comes from a trunk with `emergency = \"trusted\"`. Bypasses every gate.",
        |v| Datum::Bool(v.facts.signalling.is_emergency_trunk);
    "signalling.from_differs" Type::Bool, "From and P-Asserted-Identity name different numbers.",
        |v| Datum::Bool(v.facts.signalling.from_differs_from_asserted);

    "tags" Type::Tags, "Everything that was found: `'TOKEN_REUSED' in tags`.", |v| Datum::Int(v.tag_count());
    "score" Type::Double, "Sum of the weights of the tags; exact to the tenth.", |v| Datum::Double(f64::from(v.verdict.tenths) / 10.0);
    "label" Type::Word(LABELS), "The label the call gets.", |v| Datum::Text(v.verdict.label.name());
    "number_light" Type::Word(NUMBER_LIGHTS), "Is the number shown the caller's own.", |v| Datum::Text(v.verdict.number.name());
    "voice_light" Type::Word(VOICE_LIGHTS), "Is it a person speaking.", |v| Datum::Text(v.verdict.voice.name());
}

/// Why the number is on a list, the worst one first.
fn reason(facts: &Facts) -> &str {
    let lists = [List::Block, List::DoNotOriginate, List::Allow];
    let mut listed = lists.iter().filter_map(|list| facts.listed(*list));
    listed.next().map_or("", |listed| &listed.reason)
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Verified => "verified",
        Standing::Failed => "failed",
        Standing::DivertedUnverified => "diverted_unverified",
        Standing::Unchecked => "unchecked",
        Standing::None => "none",
    }
}

fn attestation(attestation: Option<Attestation>) -> &'static str {
    match attestation {
        Some(Attestation::Full) => "A",
        Some(Attestation::Partial) => "B",
        Some(Attestation::Gateway) => "C",
        None => "",
    }
}

/// CEL integers are signed; a count past their end stays at the end.
fn count<'a>(count: u64) -> Datum<'a> {
    Datum::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::screening::{
        Label, NumberLight, SecondOpinion, Stage, VoiceLight, VoiceState, Weights, conclude, sample,
    };

    #[test]
    fn words_of_the_schema_are_the_words_of_the_types() {
        let upstreams: Vec<&str> = Upstream::ALL.iter().map(|x| x.name()).chain([""]).collect();
        assert_eq!(UPSTREAMS, upstreams);
        assert_eq!(STAGES, Stage::ALL.iter().map(|x| x.name()).collect::<Vec<_>>());
        assert_eq!(
            VOICES,
            VoiceState::ALL.iter().map(|x| x.name()).collect::<Vec<_>>()
        );
        assert_eq!(
            SECOND_OPINIONS,
            SecondOpinion::ALL.iter().map(|x| x.name()).collect::<Vec<_>>()
        );
        assert_eq!(LABELS, Label::ALL.iter().map(|x| x.name()).collect::<Vec<_>>());
        assert_eq!(
            NUMBER_LIGHTS,
            NumberLight::ALL.iter().map(|x| x.name()).collect::<Vec<_>>()
        );
        assert_eq!(
            VOICE_LIGHTS,
            VoiceLight::ALL.iter().map(|x| x.name()).collect::<Vec<_>>()
        );
    }

    #[test]
    fn every_tag_has_a_bit() {
        assert!(Tag::ALL.len() <= 128);
        assert_eq!(Tag::ALL.last().map(|tag| *tag as usize), Some(Tag::ALL.len() - 1));
    }

    proptest! {
        #[test]
        fn every_fact_reads_as_its_declared_type(facts in sample::facts()) {
            let verdict = conclude(&facts, &Weights::new(), 30, &[]);
            let view = View::new(&facts, &verdict, Local::default(), Claims::default());
            for fact in FACTS {
                let is_as_declared = match (fact.kind, (fact.read)(&view)) {
                    (Type::Bool, Datum::Bool(_)) | (Type::Double, Datum::Double(_)) | (Type::Text, Datum::Text(_)) => true,
                    (Type::Int | Type::Tags, Datum::Int(_)) => true,
                    (Type::Word(words), Datum::Text(word)) => words.contains(&word),
                    _ => false,
                };
                prop_assert!(is_as_declared, "{}", fact.name);
            }
        }
    }
}
