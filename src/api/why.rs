//! Everything behind one call's banner and fate, as the API shows it: each decision, and the same decision made again.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::view::{BannerView, CallView, Evidence, evidence, number_name, voice_name};
use crate::accounts::CallBackMade;
use crate::call::CallRecord;
use crate::call::record::{Decided, Ladder, Shadow, Signal};
use crate::policy::{Policy, RuleLine, WhatIf};
use crate::screening::{Facts, Stage, Tag};

/// Everything behind one call's banner and fate.
#[derive(Serialize, ToSchema)]
pub(crate) struct Why {
    pub call: CallView,
    /// Each time policy was asked, in order.
    pub decisions: Vec<DecisionView>,
    /// Each banner the person could see.
    pub banners: Vec<BannerAt>,
    /// Every scored second that was kept (at most 600).
    pub evidence: Vec<Evidence>,
    /// The second opinions, each over the four seconds that end `at` (at most 300).
    pub second_opinions: Vec<Evidence>,
    /// What each Identity header was worth, and who signed.
    #[schema(value_type = Object)]
    pub identity: Value,
    /// Everything policy could look at, as it was last.
    #[schema(value_type = Object)]
    pub facts: Value,
    /// Phones that were rung.
    pub attempts: Vec<AttemptView>,
    /// Who asked to call an organisation back for this call, the first one first: of the last few hundred that were made.
    /// Null: the store is away and cannot say.
    pub called_back: Option<Vec<CalledBackView>>,
    /// The SIP messages that passed, in their order (at most 64).
    pub signals: Vec<SignalView>,
    /// What we said ourselves: to whom (`caller`, `called`), which recording, from when and until when.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub spoken: Vec<crate::call::record::Spoken>,
    /// Packets, losses and jitter per side; null when no media flowed.
    #[schema(value_type = Option<Object>)]
    pub media: Value,
    /// Revision of the voice model; null when none was on.
    pub model: Option<String>,
    /// The smallest change to what was known when the call arrived that would have come to something else; null when
    /// there is none, or its policy is not at hand any more.
    #[schema(value_type = Option<Object>)]
    pub smallest_change: Option<WhatIf>,
    /// What the policy that only watches would have done.
    #[schema(value_type = Option<Object>)]
    pub shadow: Option<Shadow>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Decision)]
pub(crate) struct DecisionView {
    /// Milliseconds since the INVITE arrived.
    pub at_ms: u64,
    /// `arrive`, `heard` or `live`.
    pub stage: &'static str,
    /// What was done: `{"do": "label"}` and the like.
    #[schema(value_type = Object)]
    pub action: Value,
    #[schema(example = "unproven")]
    pub number: &'static str,
    #[schema(example = "pending")]
    pub voice: &'static str,
    #[schema(example = "unproven")]
    pub label: &'static str,
    /// What was found, and what the policy makes of it.
    pub findings: Vec<FindingView>,
    /// Sum of the weights in tenths; higher is worse.
    pub tenths: i32,
    /// Rules whose condition was true, in the order of the file.
    pub rules: Vec<RuleView>,
    /// Rules that could not be evaluated (they count as not matched).
    pub errors: Vec<RuleView>,
    /// Name and content hash of the policy.
    #[schema(example = "default@9c1e02d4")]
    pub policy: String,
    /// The decision made again, from the facts and the policy of its time: `same`; `differs` (never so far); `unknown`
    /// when the record is older than this or the policy is not in the book.
    #[schema(example = "same")]
    pub again: &'static str,
    /// Sum in tenths from which such a call is suspect; null when `again` is `unknown`.
    pub suspect_at_tenths: Option<i32>,
    /// Every rule in the order of the file, with how it came out; empty when `again` is `unknown`.
    #[schema(value_type = Vec<Object>)]
    pub asked: Vec<RuleLine>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Finding)]
pub(crate) struct FindingView {
    /// The tag's name.
    #[schema(example = "NO_IDENTITY")]
    pub tag: String,
    /// What it means, in plain words.
    pub meaning: String,
    /// The policy's weight in tenths; positive = worse.
    pub tenths: i32,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Rule)]
pub(crate) struct RuleView {
    pub rule: String,
    pub reason: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct BannerAt {
    /// Milliseconds since the INVITE arrived.
    pub at_ms: u64,
    pub banner: BannerView,
}

/// One SIP message of the call; never what stood in it.
#[derive(Serialize, ToSchema)]
#[schema(as = Signal)]
pub(crate) struct SignalView {
    /// Milliseconds since the INVITE arrived.
    pub at_ms: u64,
    /// At the other end: `caller`, or the address of a phone or trunk.
    #[schema(example = "caller")]
    pub party: String,
    /// The gateway sent it; else it came from there.
    pub is_sent: bool,
    /// `INVITE`, or `200 INVITE` for a response to one.
    #[schema(example = "200 INVITE")]
    pub message: String,
    /// It had a body: a session description, mostly.
    pub has_body: bool,
}

impl SignalView {
    fn of(signal: &Signal, ladder: &Ladder) -> SignalView {
        let place = usize::from(signal.party).checked_sub(1);
        let party = place.map(|place| {
            ladder
                .parties
                .get(place)
                .map(ToString::to_string)
                .unwrap_or_default()
        });
        let method = signal.method.as_str();
        SignalView {
            at_ms: signal.at_ms,
            party: party.unwrap_or_else(|| "caller".into()),
            is_sent: signal.is_sent,
            message: signal
                .status
                .map_or_else(|| method.to_string(), |status| format!("{status} {method}")),
            has_body: signal.has_body,
        }
    }
}

/// Somebody asked to call an organisation back for this call. Whether anybody was reached says the record of the call that was made.
#[derive(Serialize, ToSchema)]
#[schema(as = CalledBack)]
pub(crate) struct CalledBackView {
    /// The call that was made.
    #[schema(example = "5eed0000000000000000000000c0ffee")]
    pub call: String,
    /// The account of who did.
    #[schema(example = "ann")]
    pub by: String,
    /// When, Unix ms.
    pub at_ms: u64,
}

impl CalledBackView {
    fn of(made: &CallBackMade) -> CalledBackView {
        CalledBackView {
            call: made.call.to_string(),
            by: made.by.clone(),
            at_ms: made.at_ms,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Attempt)]
pub(crate) struct AttemptView {
    pub target: String,
    /// The account of who is signed in there; null = nobody, or it is not known.
    #[schema(example = "ann")]
    pub person: Option<String>,
    /// Milliseconds since the INVITE arrived.
    pub at_ms: u64,
    /// Final SIP status; 0 while it rings.
    pub status: u16,
    /// Why it could not be reached, in plain words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Addresses that were tried and did not ring, each with its status, and where the target sent the call to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub tries: Vec<crate::call::record::Try>,
}

/// From the name and hash of a policy to the policy.
pub(crate) type PolicyOf<'p> = dyn Fn(&str) -> Option<Arc<Policy>> + 'p;

impl Why {
    pub fn of(record: &CallRecord, called_back: Option<&[CallBackMade]>, policy_of: &PolicyOf<'_>) -> Why {
        let first = record.decisions.first();
        let smallest_change = first.and_then(|decided| {
            let facts = record.facts_of(0)?;
            policy_of(&decided.decision.policy)?.smallest_change(facts)
        });
        Why {
            call: CallView::of(record),
            decisions: record
                .decisions
                .iter()
                .enumerate()
                .map(|(number, decided)| {
                    DecisionView::of(decided, record.facts_of(number), record, policy_of)
                })
                .collect(),
            banners: record
                .banners
                .iter()
                .map(|change| BannerAt {
                    at_ms: change.at_ms,
                    banner: BannerView::of(&change.banner),
                })
                .collect(),
            evidence: evidence(&record.windows),
            second_opinions: evidence(&record.second_windows),
            identity: json(&record.identity),
            facts: json(&record.facts),
            attempts: record
                .attempts
                .iter()
                .map(|attempt| AttemptView {
                    target: attempt.target.clone(),
                    person: attempt.person.clone(),
                    at_ms: since_arrival(record, attempt.at_ms),
                    status: attempt.status,
                    why: attempt.why.clone(),
                    tries: attempt.tries.clone(),
                })
                .collect(),
            called_back: called_back.map(|made| made.iter().map(CalledBackView::of).collect()),
            signals: record
                .ladder
                .signals
                .iter()
                .map(|signal| SignalView::of(signal, &record.ladder))
                .collect(),
            spoken: record.spoken.clone(),
            media: json(&record.media),
            model: record.model.clone(),
            smallest_change,
            shadow: record.shadow.clone(),
        }
    }
}

impl DecisionView {
    fn of(
        decided: &Decided,
        facts: Option<&Facts>,
        record: &CallRecord,
        policy_of: &PolicyOf<'_>,
    ) -> DecisionView {
        let decision = &decided.decision;
        let again = facts.and_then(|facts| Some(policy_of(&decision.policy)?.explain(facts)));
        let rules = |fired: &[crate::policy::Fired]| {
            fired
                .iter()
                .map(|fired| RuleView {
                    rule: fired.rule.clone(),
                    reason: fired.reason.clone(),
                })
                .collect()
        };
        DecisionView {
            at_ms: since_arrival(record, decided.at_ms),
            stage: match decided.stage {
                Stage::Arrive => "arrive",
                Stage::Heard => "heard",
                Stage::Live => "live",
            },
            action: json(&decision.action),
            number: number_name(decision.verdict.number),
            voice: voice_name(decision.verdict.voice),
            label: decision.verdict.label.name(),
            findings: decision
                .verdict
                .findings
                .iter()
                .map(|finding| FindingView {
                    tag: tag_name(finding.tag),
                    meaning: meaning(finding.tag),
                    tenths: finding.tenths,
                })
                .collect(),
            tenths: decision.verdict.tenths,
            rules: rules(&decision.fired),
            errors: rules(&decision.errors),
            policy: decision.policy.clone(),
            again: match &again {
                None => "unknown",
                Some(explanation) if explanation.decision == *decision => "same",
                Some(_) => "differs",
            },
            suspect_at_tenths: again.as_ref().map(|explanation| explanation.suspect_at_tenths),
            asked: again.map(|explanation| explanation.rules).unwrap_or_default(),
        }
    }
}

/// The one door to the screening room's words for people.
fn meaning(tag: Tag) -> String {
    tag.meaning().into()
}

fn tag_name(tag: Tag) -> String {
    match json(&tag) {
        Value::String(name) => name,
        other => other.to_string(),
    }
}

/// Records may date a step by the clock or from the INVITE: shown is always the latter.
fn since_arrival(record: &CallRecord, at_ms: u64) -> u64 {
    if at_ms >= record.started_ms {
        at_ms - record.started_ms
    } else {
        at_ms
    }
}

/// Our own plain data always has a JSON form; were it not so, null says "not known".
fn json<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}
