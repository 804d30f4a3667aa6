//! What stays of a call when what it says of people is erased: when, through what, how long, and what it was taken for.

use super::record::{CallRecord, Ladder, Outcome, PersonReport, State};
use crate::banner::Banner;
use crate::identity::Report;
use crate::redact::Redacted;
use crate::screening::{
    CalledFacts, CallerFacts, Facts, HistoryFacts, IdentityFacts, RecordingFacts, SignallingFacts, Stage,
    TalkFacts, VoiceFacts,
};

impl CallRecord {
    /// The same call without anything that names or describes a person: what is not named here does not stay.
    ///
    /// No number, name, signer, address, evidence of a voice, or word that anybody wrote; no facts and no decisions, so it
    /// cannot be decided again.
    #[must_use]
    pub fn erased(&self, at_ms: u64) -> CallRecord {
        CallRecord {
            id: self.id,
            revision: self.revision.saturating_add(1),
            state: State::Ended,
            started_ms: self.started_ms,
            trunk: self.trunk.clone(),
            direction: self.direction,
            caller: None,
            caller_name: None,
            called: Redacted::new(String::new()),
            queue: self.queue.clone(),
            identity: Report::none(),
            facts: self.bare_facts(),
            decisions: Vec::new(),
            shadow: None,
            banner: self.banner.as_ref().map(|banner| Banner {
                number: banner.number,
                voice: banner.voice,
                label: banner.label,
                number_text: String::new(),
                voice_text: String::new(),
                name_text: None,
                call_reason: None,
                reasons: Vec::new(),
                say: String::new(),
                prefix: banner.prefix.clone(),
            }),
            banners: Vec::new(),
            opinion: None,
            windows: Vec::new(),
            second_windows: Vec::new(),
            model: self.model.clone(),
            attempts: Vec::new(),
            answered_by: None,
            person: None,
            call_back: None,
            srtp: self.srtp,
            codecs: self.codecs,
            transfers: Vec::new(),
            spoken: Vec::new(),
            orders: Vec::new(),
            ladder: Ladder::default(),
            timings: self.timings,
            outcome: self.outcome.as_ref().map(|outcome| Outcome {
                note: None,
                ..outcome.clone()
            }),
            refused_with: self.refused_with,
            drill: self.drill,
            media: self.media,
            report: self.report.as_ref().map(|report| PersonReport {
                verdict: report.verdict.clone(),
                note: None,
                at_ms: report.at_ms,
            }),
            erased_ms: Some(at_ms),
        }
    }

    fn bare_facts(&self) -> Facts {
        Facts {
            stage: Stage::Arrive,
            trunk: self.trunk.clone(),
            arrived_ms: self.started_ms,
            caller: CallerFacts::default(),
            called: CalledFacts::default(),
            identity: IdentityFacts::default(),
            voice: VoiceFacts::default(),
            history: HistoryFacts::default(),
            signalling: SignallingFacts::default(),
            lists: Vec::new(),
            reputation: Vec::new(),
            talk: TalkFacts::default(),
            recording: RecordingFacts::default(),
            flood: Default::default(),
            relabelled: None,
        }
    }
}
