//! What is known: facts, the tags they give, and the verdict they add up to. Pure.
//!
//! Imports identity's report and voice's opinion. Knows no weight but those handed in, no action, no queue and no
//! banner; looks nothing up.

mod checks;
mod conclude;
pub(crate) mod confusables;
mod facts;
mod lists;
mod reputation;
#[cfg(test)]
pub(crate) mod sample;
mod tag;
mod verdict;
mod worse;

// What facts are made of: whoever reads facts finds their types here.
pub use crate::identity::{Attestation, Standing};
pub use checks::{VELOCITY_HOUR, VELOCITY_MINUTE};
pub use conclude::conclude;
pub use facts::{
    CalledFacts, CallerFacts, Challenge, Facts, FloodFacts, ForwardingFacts, ForwardingReason, HistoryFacts,
    IdentityFacts, RecordingFacts, SecondOpinion, SignallingFacts, Stage, TalkFacts, Upstream, VoiceFacts,
    VoiceState,
};
pub use lists::{List, Listed, NotAList};
pub use reputation::{BAD_FROM, Reputable, Reputed};
pub use tag::{NotATag, Tag};
pub use verdict::{Finding, Label, NumberLight, Verdict, VoiceLight, Weights};
pub(crate) use worse::WORSE;
