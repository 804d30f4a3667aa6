//! One record per call: the live view while it lasts, the kept record after.

use serde::{Deserialize, Serialize};

use crate::banner::Banner;
use crate::call_id::CallId;
use crate::identity::Report;
use crate::media::Statistics;
use crate::policy::Decision;
use crate::redact::Redacted;
use crate::screening::{Facts, Stage};
use crate::voice::{Opinion, Window};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Screening,
    Ringing,
    Talking,
    Ended,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    pub id: CallId,
    /// Counts up with every change; the highest one wins.
    pub revision: u32,
    pub state: State,
    /// Whole milliseconds since the Unix epoch at INVITE arrival.
    pub started_ms: u64,
    pub trunk: String,
    /// Canonical number; None = hidden or not a number.
    pub caller: Option<Redacted<String>>,
    pub caller_name: Option<Redacted<String>>,
    pub called: Redacted<String>,
    pub queue: Option<String>,
    pub identity: Report,
    pub facts: Facts,
    /// One per stage that was asked (arrive, live, ...), in order. At most 32 kept.
    pub decisions: Vec<Decided>,
    pub banner: Option<Banner>,
    /// Each banner the person could see, with its time. At most 32 kept.
    pub banners: Vec<BannerChange>,
    /// The latest opinion and the windows behind it (at most 600 kept).
    pub opinion: Option<Opinion>,
    pub windows: Vec<Window>,
    pub model: Option<String>,
    pub attempts: Vec<Attempt>,
    /// Target URI's user or address of the phone that answered.
    pub answered_by: Option<String>,
    pub timings: Timings,
    pub outcome: Option<Outcome>,
    pub media: Option<Statistics>,
    /// What the person said about it afterwards.
    pub report: Option<PersonReport>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    pub at_ms: u64,
    pub stage: Stage,
    pub decision: Decision,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BannerChange {
    /// Milliseconds since INVITE arrival.
    pub at_ms: u64,
    pub banner: Banner,
}

/// One phone that was rung.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    pub target: String,
    pub at_ms: u64,
    /// Final SIP status, 0 while ringing, 408 for no answer, 487 for cancelled by us.
    pub status: u16,
}

/// Milliseconds since INVITE arrival.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timings {
    pub identity_ms: Option<u64>,
    pub decided_ms: Option<u64>,
    pub ringing_ms: Option<u64>,
    pub answered_ms: Option<u64>,
    pub ended_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Answered and hung up by a party.
    Completed,
    /// The caller gave up while it rang.
    Cancelled,
    NoAnswer,
    /// By policy.
    Refused,
    /// No queue, no port, no codec, transport failed, media silent.
    Failed,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub ending: Ending,
    /// Final status towards the caller (200 when answered).
    pub status: u16,
    /// `caller`, `called` or `us`.
    pub by: String,
    /// Plain words when something failed.
    pub note: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PersonReport {
    /// `good`, `unsure` or `scam`.
    pub verdict: String,
    pub note: Option<String>,
    pub at_ms: u64,
}
