//! What is known: facts, the tags they give, and the verdict they add up to. Pure.
//!
//! Imports identity's report and voice's opinion.
// DOOR

mod facts;
mod tag;
mod verdict;

pub use facts::{
    CalledFacts, CallerFacts, Facts, HistoryFacts, IdentityFacts, SignallingFacts, Stage, VoiceFacts,
    VoiceState,
};
pub use tag::Tag;
pub use verdict::{Finding, Label, NumberLight, Verdict, VoiceLight, Weights};
