//! Findings by name. An enum, never a string; each has plain words for people.

use serde::{Deserialize, Serialize};

/// One finding. Printed in records, policies and the API in SCREAMING_SNAKE_CASE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Tag {
    IdentityVerifiedA,
    IdentityVerifiedB,
    IdentityVerifiedC,
    NoIdentity,
    IdentityForged,
    IdentityStale,
    IdentityUntrusted,
    IdentityFailed,
    CertificateUnavailable,
    DivertedUnverified,
    TokenReused,
    CallerHidden,
    NumberMalformed,
    NameImitatesLabel,
    FromDiffersFromAsserted,
    KnownCaller,
    FirstCall,
    ReportedScam,
    ReportedGood,
    HighVelocity,
    HistoryUnavailable,
    Diverted,
    EmergencyClaimed,
    EmergencyTrunk,
    VoiceBonaFide,
    VoiceSpoofLikely,
    VoiceUnsure,
    VoicePending,
    VoiceOff,
    ScoringOverloaded,
    /// A policy rule failed at run time; it counts as not matched.
    RuleError,
}
