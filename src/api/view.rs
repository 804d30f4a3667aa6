//! Records as the API shows them: a form of its own, so that a change inside does not change the API.
//!
//! A signed-in reader sees numbers in full; logs never do.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::limits::EVIDENCE_WINDOWS;
use crate::banner::{Banner, clean_display_name};
use crate::call::CallRecord;
use crate::call::record::{Decided, Direction, Shadow, State, Transfer, TransferKind, TransferOutcome};
use crate::policy::{Policy, RuleLine, WhatIf};
use crate::redact::Redacted;
use crate::screening::{Facts, Label, NumberLight, Stage, Tag, VoiceLight};
use crate::store::{ending_name, label_name};
use crate::voice::{Cue, Stages};

/// One call, in short.
#[derive(Serialize, ToSchema)]
#[schema(as = Call)]
pub(crate) struct CallView {
    /// 32 hexadecimal digits.
    #[schema(example = "5eed0000000000000000000000c0ffee")]
    pub id: String,
    /// Counts up with every change; the highest one wins.
    pub revision: u32,
    /// `screening`, `ringing`, `talking` or `ended`.
    #[schema(example = "talking")]
    pub state: &'static str,
    /// When its INVITE arrived, Unix ms.
    pub started_ms: u64,
    /// `phones` for a call that a phone of ours began.
    pub trunk: String,
    /// `inbound`, or `outbound`: a phone of ours called.
    #[schema(example = "inbound")]
    pub direction: &'static str,
    /// Canonical number; null = hidden or not a number.
    #[schema(example = "+12125550147")]
    pub caller: Option<String>,
    /// The name the caller claims, cleaned.
    pub caller_name: Option<String>,
    /// The name that is signed together with a proven number, cleaned; null without one.
    pub signed_name: Option<String>,
    /// A signed icon may be asked for at `/api/v1/calls/{id}/icon` while the call lasts.
    pub has_icon: bool,
    pub called: String,
    pub queue: Option<String>,
    /// What the person answering is told; null before the first decision.
    pub banner: Option<BannerView>,
    /// The opinion on the voice so far; null while nothing was heard.
    pub voice: Option<VoiceView>,
    /// Second by second, the latest 120 (all of them in `why`).
    pub evidence: Vec<Evidence>,
    /// The phone that answered, or that has the call now.
    pub answered_by: Option<String>,
    /// Where the person answering sent the call, in order (at most 16).
    pub transfers: Vec<TransferView>,
    pub timings: TimingsView,
    /// How it ended; null while it lasts.
    pub outcome: Option<OutcomeView>,
    /// What the person said about it.
    pub report: Option<ReportView>,
}

/// The call went, or was to go, to another phone.
#[derive(Serialize, ToSchema)]
#[schema(as = Transfer)]
pub(crate) struct TransferView {
    /// Milliseconds since the INVITE arrived.
    pub at_ms: u64,
    /// The phone that had the call.
    #[schema(example = "desk")]
    pub by: String,
    /// The number or name it was to go to; of a take-over, who took it.
    #[schema(example = "+12125550147")]
    pub to: String,
    /// `blind`, `attended` or `taken_over`.
    #[schema(example = "blind")]
    pub kind: &'static str,
    /// `pending`, `completed`, `refused` (not allowed), `failed` (nobody answered there) or `abandoned`.
    #[schema(example = "completed")]
    pub outcome: &'static str,
    /// Final SIP status of the new call or of the refusal; 0 while pending.
    pub status: u16,
}

impl TransferView {
    fn of(transfer: &Transfer) -> TransferView {
        TransferView {
            at_ms: transfer.at_ms,
            by: transfer.by.clone(),
            to: transfer.to.reveal().clone(),
            kind: match transfer.kind {
                TransferKind::Blind => "blind",
                TransferKind::Attended => "attended",
                TransferKind::TakenOver => "taken_over",
            },
            outcome: match transfer.outcome {
                TransferOutcome::Pending => "pending",
                TransferOutcome::Completed => "completed",
                TransferOutcome::Refused => "refused",
                TransferOutcome::Failed => "failed",
                TransferOutcome::Abandoned => "abandoned",
            },
            status: transfer.status,
        }
    }
}

/// Two lights that never merge, and why.
#[derive(Serialize, ToSchema)]
#[schema(as = Banner)]
pub(crate) struct BannerView {
    /// `genuine`, `unproven` or `forged`.
    #[schema(example = "genuine")]
    pub number: &'static str,
    /// `person` (no sign of synthesis), `unsure`, `synthetic` or `pending`.
    #[schema(example = "person")]
    pub voice: &'static str,
    /// `genuine`, `known`, `unproven`, `suspect`, `forged`, `synthetic`, `campaign` or `emergency`.
    #[schema(example = "genuine")]
    pub label: &'static str,
    pub number_text: String,
    pub voice_text: String,
    /// The name that is signed together with a proven number, in words; null without one.
    pub name_text: Option<String>,
    /// Why the caller says to call, in his own words; null when nothing of it is signed.
    pub call_reason: Option<String>,
    /// Up to three, worst first.
    pub reasons: Vec<String>,
    /// What to say or do.
    pub say: String,
    /// What phones show before the name.
    #[schema(example = "NUMBER OK")]
    pub prefix: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Voice)]
pub(crate) struct VoiceView {
    /// Natural-log likelihood ratio over all speech so far; positive = person.
    pub llr: f32,
    /// Seconds of audio, and of net speech in it.
    pub seconds: f32,
    pub speech_seconds: f32,
    /// What it rests on: `first` (the model that hears every call) or `both` (a second, larger one was asked too).
    #[schema(example = "first")]
    pub stages: &'static str,
    /// Habits of machines that were heard; none of them says that it is one.
    pub cues: Vec<CueView>,
}

/// Something that recordings and machines do more often than people.
#[derive(Serialize, ToSchema)]
#[schema(as = Cue)]
pub(crate) struct CueView {
    /// `speech_at_once`, `monologue`, `beep` or `key_tones`.
    #[schema(example = "speech_at_once")]
    pub cue: &'static str,
    /// Seconds from the start of the audio, when it was first heard.
    pub at: f32,
}

/// One scored second.
#[derive(Serialize, ToSchema)]
pub(crate) struct Evidence {
    /// Seconds from the start of the audio to the end of the window.
    pub at: f32,
    /// Of this window alone; positive = person.
    pub llr: f32,
}

/// Milliseconds since the INVITE arrived; null = has not happened.
#[derive(Serialize, ToSchema)]
#[schema(as = Timings)]
pub(crate) struct TimingsView {
    pub identity_ms: Option<u64>,
    pub decided_ms: Option<u64>,
    pub ringing_ms: Option<u64>,
    pub answered_ms: Option<u64>,
    pub ended_ms: Option<u64>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Outcome)]
pub(crate) struct OutcomeView {
    /// `completed`, `cancelled`, `no_answer`, `refused` or `failed`.
    #[schema(example = "completed")]
    pub ending: &'static str,
    /// Final SIP status towards the caller; 0 = not known.
    #[schema(example = 200)]
    pub status: u16,
    /// `caller`, `called` or `us`.
    pub by: String,
    pub note: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = PersonReport)]
pub(crate) struct ReportView {
    /// `good`, `unsure` or `scam`.
    #[schema(example = "scam")]
    pub verdict: String,
    pub note: Option<String>,
    pub at_ms: u64,
}

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

#[derive(Serialize, ToSchema)]
#[schema(as = Attempt)]
pub(crate) struct AttemptView {
    pub target: String,
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

impl CallView {
    pub fn of(record: &CallRecord) -> CallView {
        let first = record.windows.len().saturating_sub(EVIDENCE_WINDOWS);
        CallView {
            id: record.id.to_string(),
            revision: record.revision,
            state: state_name(record.state),
            started_ms: record.started_ms,
            trunk: record.trunk.clone(),
            direction: match record.direction {
                Direction::Inbound => "inbound",
                Direction::Outbound => "outbound",
            },
            caller: shown(&record.caller),
            caller_name: record
                .caller_name
                .as_ref()
                .map(|name| clean_display_name(name.reveal()).0),
            signed_name: record
                .facts
                .proven_name()
                .map(|name| clean_display_name(name).0)
                .filter(|name| !name.is_empty()),
            has_icon: super::icon::is_shown(record),
            called: record.called.reveal().clone(),
            queue: record.queue.clone(),
            banner: record.banner.as_ref().map(BannerView::of),
            voice: record.opinion.as_ref().map(|opinion| VoiceView {
                llr: opinion.llr,
                seconds: opinion.seconds,
                speech_seconds: opinion.speech_seconds,
                stages: match opinion.stages {
                    Stages::First => "first",
                    Stages::Both => "both",
                },
                cues: Cue::ALL
                    .into_iter()
                    .filter_map(|cue| {
                        let at = opinion.cues.at(cue)?;
                        Some(CueView { cue: cue.name(), at })
                    })
                    .collect(),
            }),
            evidence: evidence(&record.windows[first..]),
            answered_by: record.answered_by.clone(),
            transfers: record.transfers.iter().map(TransferView::of).collect(),
            timings: TimingsView {
                identity_ms: record.timings.identity_ms,
                decided_ms: record.timings.decided_ms,
                ringing_ms: record.timings.ringing_ms,
                answered_ms: record.timings.answered_ms,
                ended_ms: record.timings.ended_ms,
            },
            outcome: record.outcome.as_ref().map(|outcome| OutcomeView {
                ending: ending_name(outcome.ending),
                status: outcome.status,
                by: outcome.by.clone(),
                note: outcome.note.clone(),
            }),
            report: record.report.as_ref().map(|report| ReportView {
                verdict: report.verdict.clone(),
                note: report.note.clone(),
                at_ms: report.at_ms,
            }),
        }
    }
}

impl BannerView {
    pub fn of(banner: &Banner) -> BannerView {
        BannerView {
            number: number_name(banner.number),
            voice: voice_name(banner.voice),
            label: label_name(banner.label),
            number_text: banner.number_text.clone(),
            voice_text: banner.voice_text.clone(),
            name_text: banner.name_text.clone(),
            call_reason: banner.call_reason.clone(),
            reasons: banner.reasons.clone(),
            say: banner.say.clone(),
            prefix: banner.prefix.clone(),
        }
    }
}

/// From the name and hash of a policy to the policy.
pub(crate) type PolicyOf<'p> = dyn Fn(&str) -> Option<Arc<Policy>> + 'p;

impl Why {
    pub fn of(record: &CallRecord, policy_of: &PolicyOf<'_>) -> Why {
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
                    at_ms: since_arrival(record, attempt.at_ms),
                    status: attempt.status,
                    why: attempt.why.clone(),
                    tries: attempt.tries.clone(),
                })
                .collect(),
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
            label: label_name(decision.verdict.label),
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

pub(super) fn number_name(light: NumberLight) -> &'static str {
    match light {
        NumberLight::Genuine => "genuine",
        NumberLight::Unproven => "unproven",
        NumberLight::Forged => "forged",
    }
}

pub(super) fn voice_name(light: VoiceLight) -> &'static str {
    match light {
        VoiceLight::Person => "person",
        VoiceLight::Unsure => "unsure",
        VoiceLight::Synthetic => "synthetic",
        VoiceLight::Pending => "pending",
    }
}

pub(super) fn label_of(name: &str) -> Option<Label> {
    serde_json::from_value(Value::String(name.into())).ok()
}

fn state_name(state: State) -> &'static str {
    match state {
        State::Screening => "screening",
        State::Ringing => "ringing",
        State::Talking => "talking",
        State::Ended => "ended",
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

fn shown(value: &Option<Redacted<String>>) -> Option<String> {
    value.as_ref().map(|value| value.reveal().clone())
}

fn evidence(windows: &[crate::voice::Window]) -> Vec<Evidence> {
    windows
        .iter()
        .map(|window| Evidence {
            at: window.at,
            llr: window.llr,
        })
        .collect()
}

/// Our own plain data always has a JSON form; were it not so, null says "not known".
fn json<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}
