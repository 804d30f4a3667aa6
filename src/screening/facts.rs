//! Everything a decision may look at. What is not in here, policy cannot see; so any decision can be replayed.

use serde::{Deserialize, Serialize};

use super::lists::{List, Listed};
use super::reputation::{Reputable, Reputed};
use super::verdict::{Label, names};
use crate::identity::{Attestation, Standing};
use crate::redact::Redacted;
use crate::voice::Cues;

/// When policy is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Before anything rings.
    Arrive,
    /// The caller was heard before a person answered (early media, screening).
    Heard,
    /// While they talk.
    Live,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    pub stage: Stage,
    /// Name of the trunk it came from.
    pub trunk: String,
    /// Whole milliseconds since the Unix epoch, at INVITE arrival.
    pub arrived_ms: u64,
    pub caller: CallerFacts,
    pub called: CalledFacts,
    pub identity: IdentityFacts,
    pub voice: VoiceFacts,
    pub history: HistoryFacts,
    pub signalling: SignallingFacts,
    /// Entries of the lists kept here that the number or the name shown meets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<Listed>,
    /// What people's reports make of the number, when it is proven, and of who signed for it; those of whom nobody has
    /// said anything are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reputation: Vec<Reputed>,
    /// What came of our own words with the caller.
    #[serde(default, skip_serializing_if = "TalkFacts::is_nothing")]
    pub talk: TalkFacts,
    /// The same recording in other calls.
    #[serde(default, skip_serializing_if = "RecordingFacts::is_nothing")]
    pub recording: RecordingFacts,
    /// Whether it came in a flood, and with too many of its own.
    #[serde(default, skip_serializing_if = "FloodFacts::is_nothing")]
    pub flood: FloodFacts,
    /// What a person here said this very call is, while it lasted. It can make a label worse, never milder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relabelled: Option<Label>,
}

/// How many calls there were when it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FloodFacts {
    /// Far more calls came, or rang, than usually do.
    #[serde(default)]
    pub is_on: bool,
    /// More calls show this number, unproven, than one number is allowed (`[limits] number_...`).
    #[serde(default)]
    pub is_over_limit: bool,
}

impl FloodFacts {
    fn is_nothing(&self) -> bool {
        *self == FloodFacts::default()
    }
}

/// The start of the caller's audio was heard before, sound for sound: a recording. It says nothing of whether a machine or a
/// person speaks in it, nor whether it is wanted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RecordingFacts {
    /// `recording-12`; empty without one.
    pub name: String,
    /// Different numbers it came from, and calls it came in, this one included.
    pub callers: u32,
    pub calls: u32,
    /// Whole milliseconds since the Unix epoch.
    pub first_seen_ms: u64,
    pub last_seen_ms: u64,
}

impl RecordingFacts {
    fn is_nothing(&self) -> bool {
        self.name.is_empty()
    }

    /// From so many callers that it is nobody's own.
    pub fn is_campaign(&self) -> bool {
        self.callers >= 3
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CallerFacts {
    /// Canonical E.164 with `+`; None = hidden or not a telephone number.
    pub number: Option<Redacted<String>>,
    /// Display name as received, cleaned of control characters, at most 64 characters.
    pub name: Option<Redacted<String>>,
    /// Anonymous From, or Privacy: id/user.
    pub is_hidden: bool,
    /// A number was given that cannot be one (letters, length).
    pub is_malformed: bool,
    /// The caller's own display name imitated a trust mark ("VERIFIED", a check mark, one of our prefixes).
    pub name_imitates_label: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CalledFacts {
    pub number: Redacted<String>,
    pub queue: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IdentityFacts {
    pub standing: Standing,
    pub attestation: Option<Attestation>,
    /// Bad signature, malformed PASSporT (438), `orig` differs, or a certificate without authority over the number.
    pub is_forged: bool,
    pub is_stale: bool,
    /// 437: a credential we cannot trust.
    pub is_untrusted: bool,
    /// The same PASSporT was used by another call inside the window. None = the store could not tell.
    pub is_reused: Option<bool>,
    /// Service provider code of the signer.
    pub spc: Option<String>,
    /// Diversions that a complete chain of signatures proves (RFC 8946); 0 = not diverted, or not proven. More than 0
    /// only when `standing` is verified.
    #[serde(default)]
    pub hops: u8,
    /// A forged PASSporT came with the call and does not decide its standing: beside a good one, or a forged diversion.
    #[serde(default)]
    pub has_forged_beside: bool,
    /// The caller's name as signed with the number (RFC 9795 `nam`), cleaned. None unless `standing` is verified.
    #[serde(default)]
    pub name: Option<Redacted<String>>,
    /// Why the caller calls, in his own words, signed with the number (RFC 9795 `crn`), cleaned.
    #[serde(default)]
    pub call_reason: Option<Redacted<String>>,
    /// A verified `rph` or `sph` PASSporT: the call must get through (RFC 8443, RFC 9027).
    #[serde(default)]
    pub has_priority: bool,
    /// That priority is an emergency's: namespace `esnet`, or a call-back to somebody who called for help.
    #[serde(default)]
    pub is_emergency: bool,
    /// What a carrier says that is trusted to verify (`verifier = "trusted"`); None = the trunk is not such a one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Upstream>,
}

impl Default for IdentityFacts {
    fn default() -> Self {
        IdentityFacts {
            standing: Standing::None,
            attestation: None,
            is_forged: false,
            is_stale: false,
            is_untrusted: false,
            is_reused: Some(false),
            spc: None,
            hops: 0,
            has_forged_beside: false,
            name: None,
            call_reason: None,
            has_priority: false,
            is_emergency: false,
            upstream: None,
        }
    }
}

impl Facts {
    /// The entry of this list that the call meets; of several the first.
    pub fn listed(&self, list: List) -> Option<&Listed> {
        self.lists.iter().find(|listed| listed.list == list)
    }

    /// What is known of the reputation of one of those whom the call concerns.
    pub fn reputed(&self, of: Reputable) -> Option<&Reputed> {
        self.reputation.iter().find(|reputed| reputed.of == of)
    }

    /// The worst reputation among those who signed for the call.
    pub fn worst_signer(&self) -> Option<&Reputed> {
        let signers = self
            .reputation
            .iter()
            .filter(|reputed| reputed.of != Reputable::Number);
        signers.max_by(|one, other| one.bad.total_cmp(&other.bad))
    }

    /// The signature proves that the number shown is the caller's own: full attestation, nothing against it, a number
    /// that is shown, and the knowledge that the PASSporT was not used before.
    pub fn is_number_proven(&self) -> bool {
        let identity = &self.identity;
        identity.standing == Standing::Verified
            && identity.attestation == Some(Attestation::Full)
            && !identity.is_forged
            && !identity.is_stale
            && !identity.is_untrusted
            && identity.is_reused == Some(false)
            && self.caller.number.is_some()
    }

    /// The name that is signed together with a number that is proven; a name beside an unproven number proves nothing.
    pub fn proven_name(&self) -> Option<&str> {
        let name = self
            .identity
            .name
            .as_ref()
            .filter(|_| self.is_number_proven() && !self.caller.is_hidden);
        name.map(|name| name.reveal().as_str())
    }

    /// The call has a priority that somebody proved, or comes from a trunk whose word counts: nothing may refuse it,
    /// send it elsewhere or let it wait. A priority that was copied from another call has none.
    pub fn bypasses_every_gate(&self) -> bool {
        self.signalling.is_emergency_trunk
            || (self.identity.has_priority && self.identity.is_reused != Some(true))
    }

    /// [`bypasses_every_gate`](Self::bypasses_every_gate), and what is proven is an emergency.
    pub fn is_proven_emergency(&self) -> bool {
        self.signalling.is_emergency_trunk
            || (self.identity.is_emergency && self.identity.is_reused != Some(true))
    }
}

/// A carrier's own word about the number. Never ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Upstream {
    /// It verified the number.
    Passed,
    /// It found the proof of the number false.
    Failed,
    /// It says nothing of the number.
    Unverified,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoiceState {
    /// No model configured.
    Off,
    /// Nothing heard yet.
    #[default]
    Pending,
    BonaFide,
    Spoof,
    Unsure,
    /// The scorer had no room for this call's audio, or died.
    Overloaded,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VoiceFacts {
    pub state: VoiceState,
    /// Natural log; positive = person. 0 while pending.
    pub llr: f64,
    pub speech_seconds: f64,
    /// Whether a second, larger model was asked.
    #[serde(default)]
    pub second: SecondOpinion,
    /// Habits of machines, with the seconds at which they were first heard.
    #[serde(default, skip_serializing_if = "Cues::is_empty")]
    pub cues: Cues,
}

/// What came of our own words with the caller, before or while a person has the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TalkFacts {
    /// He was asked for name and reason before anybody was rung.
    #[serde(default)]
    pub is_screened: bool,
    /// Seconds of speech he answered with.
    #[serde(default)]
    pub speech_seconds: f64,
    /// Seconds in which he spoke over our words.
    #[serde(default)]
    pub over_seconds: f64,
    #[serde(default)]
    pub challenge: Challenge,
    /// Something that was to be said could not be: there is no recording of it.
    #[serde(default)]
    pub is_prompt_missing: bool,
}

impl TalkFacts {
    /// Nothing was said.
    pub fn is_nothing(&self) -> bool {
        *self == TalkFacts::default()
    }
}

/// What became of the digits the caller was asked to press.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Challenge {
    /// He was not asked.
    #[default]
    None,
    Passed,
    /// Three times wrong, or not at all.
    Failed,
    /// He could not be asked: his telephone sends no keys (RFC 4733), or a recording is missing.
    Unable,
}

/// What became of the second opinion on a voice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecondOpinion {
    /// Not asked for, or not there yet.
    #[default]
    None,
    /// `llr` rests on both stages.
    Given,
    /// Asked for when there was no room; nothing came so far.
    Overloaded,
}

/// What the store knows of the calling number (empty for hidden callers).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HistoryFacts {
    /// False = the store did not answer inside the budget.
    pub is_available: bool,
    pub calls_before: u64,
    pub answered_before: u64,
    pub calls_last_minute: u64,
    pub calls_last_hour: u64,
    pub reported_good: u64,
    pub reported_scam: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SignallingFacts {
    /// Diversion or History-Info present.
    pub is_diverted: bool,
    /// Resource-Priority or psap-callback, signed or not; whether it is signed stands in `identity`.
    pub claims_emergency: bool,
    /// The trunk has `emergency = "trusted"`.
    pub is_emergency_trunk: bool,
    /// From and P-Asserted-Identity name different numbers.
    pub from_differs_from_asserted: bool,
    /// How it was forwarded, as far as Diversion and History-Info say. Nobody has proven it.
    #[serde(default)]
    pub forwarding: ForwardingFacts,
    /// What the caller speaks, or likes best to: `PCMU`, `PCMA`, `G722` or `opus`; empty while he has not said it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub codec: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ForwardingFacts {
    /// How often; 255 stands for more.
    pub count: u8,
    /// Who forwarded it last, canonical; None = hidden, or no number.
    pub by: Option<Redacted<String>>,
    /// Whom the caller dialled, canonical; None = hidden, or no number.
    pub dialled: Option<Redacted<String>>,
    /// Why it was forwarded last; None = it was not.
    pub reason: Option<ForwardingReason>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForwardingReason {
    Unconditional,
    Busy,
    NoAnswer,
    /// By hand, while it rang.
    Deflection,
    /// The phone was off, or could not be reached.
    Unavailable,
    /// Nothing was said, or something else.
    Other,
}

names!(Stage { Arrive "arrive" Heard "heard" Live "live" });
names!(ForwardingReason {
    Unconditional "unconditional" Busy "busy" NoAnswer "no_answer" Deflection "deflection" Unavailable "unavailable"
    Other "other"
});
names!(Upstream { Passed "passed" Failed "failed" Unverified "unverified" });
names!(Challenge { None "none" Passed "passed" Failed "failed" Unable "unable" });
names!(SecondOpinion { None "none" Given "given" Overloaded "overloaded" });
names!(VoiceState {
    Off "off" Pending "pending" BonaFide "bona_fide" Spoof "spoof" Unsure "unsure" Overloaded "overloaded"
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_serde_prints() {
        for stage in Stage::ALL {
            assert_eq!(serde_json::to_value(stage).unwrap(), stage.name());
        }
        for upstream in Upstream::ALL {
            assert_eq!(serde_json::to_value(upstream).unwrap(), upstream.name());
        }
        for challenge in Challenge::ALL {
            assert_eq!(serde_json::to_value(challenge).unwrap(), challenge.name());
        }
        for second in SecondOpinion::ALL {
            assert_eq!(serde_json::to_value(second).unwrap(), second.name());
        }
        for state in VoiceState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
    }
}
