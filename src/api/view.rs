//! Records as the API shows them: a form of its own, so that a change inside does not change the API.
//!
//! A signed-in reader sees numbers in full; logs never do.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::limits::EVIDENCE_WINDOWS;
use crate::banner::{Banner, clean_display_name};
use crate::call::record::{
    Direction, LegKeys, OrderOutcome, Ordered, State, Transfer, TransferKind, TransferOutcome,
};
use crate::call::{CallRecord, Suite};
use crate::redact::Redacted;
use crate::screening::{Label, NumberLight, VoiceLight};
use crate::store::ending_name;
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
    /// A published number to call back on, when the call shows an organisation of the directory; null otherwise.
    pub call_back: Option<CallBack>,
    /// The call that this one answers, when somebody called an organisation back; null otherwise.
    pub call_back_of: Option<CallBackOf>,
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
    /// The account of who was signed in there when it answered; null = nobody was.
    #[schema(example = "ann")]
    pub person: Option<String>,
    /// How each leg's audio is encrypted.
    pub srtp: SrtpView,
    /// What each leg's audio is coded with; two of them = it is translated.
    pub codecs: CodecsView,
    /// Where people and queues sent the call, in order (at most 16, and those that were ordered).
    pub transfers: Vec<TransferView>,
    /// What people and policy ordered while it lasted, in order (at most 32).
    pub orders: Vec<OrderView>,
    pub timings: TimingsView,
    /// How it ended; null while it lasts.
    pub outcome: Option<OutcomeView>,
    /// What the person said about it.
    pub report: Option<ReportView>,
    /// It was a training call. While one lasts this says false, as of every call.
    pub drill: bool,
    /// When everything it said of people was erased, Unix ms; null = it was not. Nothing can be decided again then.
    pub erased_ms: Option<u64>,
}

/// Where an organisation can be reached, whoever calls in its name.
#[derive(Serialize, ToSchema)]
pub(crate) struct CallBack {
    /// As the directory has it.
    #[schema(example = "First National Bank")]
    pub organisation: String,
    #[schema(example = "+18005550100")]
    pub number: String,
}

/// Why a call went out.
#[derive(Serialize, ToSchema)]
pub(crate) struct CallBackOf {
    /// The call that is answered.
    #[schema(example = "5eed0000000000000000000000c0ffee")]
    pub call: String,
    /// Whose published number was dialled.
    #[schema(example = "First National Bank")]
    pub organisation: String,
}

impl CallBack {
    fn of(record: &CallRecord) -> Option<CallBack> {
        record.facts.lists.iter().find_map(|listed| {
            Some(CallBack {
                number: listed.call_back.as_ref()?.reveal().clone(),
                organisation: listed.what.reveal().clone(),
            })
        })
    }
}

/// The crypto suite of each leg, now or last; null = plain, or no keys yet. And where its keys come from: `sdes` (the
/// descriptions), `dtls` (a handshake); with `dtls_pending`, `dtls_mismatch` and `dtls_failed` nothing is let through.
#[derive(Serialize, ToSchema)]
#[schema(as = Srtp)]
pub(crate) struct SrtpView {
    #[schema(example = "AES_CM_128_HMAC_SHA1_80")]
    pub caller: Option<&'static str>,
    #[schema(example = "AEAD_AES_256_GCM")]
    pub called: Option<&'static str>,
    #[schema(example = "sdes")]
    pub caller_keys: Option<&'static str>,
    #[schema(example = "dtls")]
    pub called_keys: Option<&'static str>,
}

/// The codec of each leg as agreed, now or last; null = nothing was said there.
#[derive(Serialize, ToSchema)]
#[schema(as = Codecs)]
pub(crate) struct CodecsView {
    #[schema(example = "PCMU")]
    pub caller: Option<&'static str>,
    #[schema(example = "G722")]
    pub called: Option<&'static str>,
}

/// The call went, or was to go, to another phone.
#[derive(Serialize, ToSchema)]
#[schema(as = Transfer)]
pub(crate) struct TransferView {
    /// Milliseconds since the INVITE arrived.
    pub at_ms: u64,
    /// The phone that had the call; where a queue sent it on, that queue.
    #[schema(example = "desk")]
    pub by: String,
    /// The number, name or queue it was to go to; of a take-over, who took it.
    #[schema(example = "+12125550147")]
    pub to: String,
    /// `blind`, `attended`, `taken_over`, `ordered`; `next_queue`: nobody of its queue took it, or that was closed, and it went on to another
    /// one; `overflow`: nobody of its queue took it, and the number outside was rung that the queue names.
    #[schema(example = "blind")]
    pub kind: &'static str,
    /// `pending`, `completed`, `refused` (not allowed), `failed` (nobody answered there) or `abandoned`.
    #[schema(example = "completed")]
    pub outcome: &'static str,
    /// Final SIP status of the new call or of the refusal; 0 while pending, and between queues.
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
                TransferKind::Ordered => "ordered",
                TransferKind::Overflow => "overflow",
                TransferKind::NextQueue => "next_queue",
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

/// Something that was wanted of the call while it lasted.
#[derive(Serialize, ToSchema)]
#[schema(as = Order)]
pub(crate) struct OrderView {
    /// Milliseconds since the INVITE arrived.
    pub at_ms: u64,
    /// The user, or `policy NAME@HASH`.
    #[schema(example = "ann")]
    pub by: String,
    /// `relabel`, `whisper`, `challenge`, `move` or `end`.
    #[schema(example = "move")]
    pub what: String,
    /// The label, or the queue; null where there is neither.
    #[schema(example = "security")]
    pub to: Option<String>,
    /// In the words of who ordered it; of policy: the rule and its reason.
    pub why: Option<String>,
    /// `begun`, `done`, `failed` (nobody answered there, he pressed something else, a recording is missing, the call ended
    /// first) or `not_now` (not at this moment of the call, or no such queue).
    #[schema(example = "done")]
    pub outcome: &'static str,
}

impl OrderView {
    fn of(ordered: &Ordered) -> OrderView {
        OrderView {
            at_ms: ordered.at_ms,
            by: ordered.by.clone(),
            what: ordered.what.clone(),
            to: ordered.to.clone(),
            why: ordered.why.clone(),
            outcome: match ordered.outcome {
                OrderOutcome::Begun => "begun",
                OrderOutcome::Done => "done",
                OrderOutcome::Failed => "failed",
                OrderOutcome::NotNow => "not_now",
            },
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
    /// `speech_at_once`, `monologue`, `beep`, `key_tones`, `loop`, `over_greeting` or `no_reaction`.
    #[schema(example = "speech_at_once")]
    pub cue: &'static str,
    /// Seconds from the start of the audio, when it was first heard.
    pub at: f32,
    /// How strong it has been, at most.
    pub amount: f32,
    /// What the amount counts: words that follow the number.
    #[schema(example = "s of speech in the first two")]
    pub amount_of: &'static str,
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
    /// The two went over to fax (T.38) for the first time; nothing is heard of the caller while it lasts.
    pub fax_ms: Option<u64>,
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
            call_back: CallBack::of(record),
            call_back_of: record.call_back.as_ref().map(|back| CallBackOf {
                call: back.of.to_string(),
                organisation: back.organisation.clone(),
            }),
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
                        let sign = opinion.cues.sign(cue)?;
                        Some(CueView {
                            cue: cue.name(),
                            at: sign.at,
                            amount: sign.amount,
                            amount_of: cue.amount_of(),
                        })
                    })
                    .collect(),
            }),
            evidence: evidence(&record.windows[first..]),
            answered_by: record.answered_by.clone(),
            person: record.person.clone(),
            srtp: SrtpView {
                caller: record.srtp.caller.map(Suite::as_str),
                called: record.srtp.called.map(Suite::as_str),
                caller_keys: record.srtp.caller_keys.map(LegKeys::as_str),
                called_keys: record.srtp.called_keys.map(LegKeys::as_str),
            },
            codecs: CodecsView {
                caller: record.codecs.caller.map(|codec| codec.as_str()),
                called: record.codecs.called.map(|codec| codec.as_str()),
            },
            transfers: record.transfers.iter().map(TransferView::of).collect(),
            orders: record.orders.iter().map(OrderView::of).collect(),
            timings: TimingsView {
                identity_ms: record.timings.identity_ms,
                decided_ms: record.timings.decided_ms,
                ringing_ms: record.timings.ringing_ms,
                answered_ms: record.timings.answered_ms,
                fax_ms: record.timings.fax_ms,
                ended_ms: record.timings.ended_ms,
            },
            outcome: record.outcome.as_ref().map(|outcome| OutcomeView {
                ending: ending_name(outcome.ending),
                status: outcome.status,
                by: outcome.by.clone(),
                note: outcome.note.clone(),
            }),
            erased_ms: record.erased_ms,
            drill: record.drill && record.state == State::Ended,
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
            label: banner.label.name(),
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

fn shown(value: &Option<Redacted<String>>) -> Option<String> {
    value.as_ref().map(|value| value.reveal().clone())
}

pub(super) fn evidence(windows: &[crate::voice::Window]) -> Vec<Evidence> {
    windows
        .iter()
        .map(|window| Evidence {
            at: window.at,
            llr: window.llr,
        })
        .collect()
}
