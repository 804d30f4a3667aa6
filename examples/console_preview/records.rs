//! Made-up calls that look like real ones: for the preview, and for the tests of the store and the API.

#![allow(dead_code, reason = "each of the three users needs another part")]

use std::borrow::Cow;

use ringward::banner::Banner;
use ringward::call::record::{
    Attempt, BannerChange, Decided, Ending, Ladder, LegCodecs, LegSuites, Outcome, Signal, SignalMethod,
    State, Timings,
};
use ringward::call::{CallRecord, Suite};
use ringward::call_id::CallId;
use ringward::identity::{Attestation, Report, Standing};
use ringward::media::{SideStatistics, Statistics};
use ringward::policy::{Action, Decision, Fired};
use ringward::redact::Redacted;
use ringward::screening::{
    CalledFacts, CallerFacts, Facts, Finding, HistoryFacts, IdentityFacts, Label, SignallingFacts, Stage,
    Tag, Verdict, VoiceFacts, VoiceLight, VoiceState,
};
use ringward::voice::{Label as VoiceLabel, Opinion, Window};
use stir_shaken_verify::{Check, CheckResult, HeaderReport, Outcome as HeaderOutcome, Signer};
#[path = "kinds.rs"]
mod kinds;

pub use kinds::*;

/// The call `number_in_day` of this kind as it stands `elapsed_ms` after its INVITE.
/// It rings at 120 ms, is answered at 4 s, and ends at `length_ms`.
pub fn call(kind: &Kind, number_in_day: u64, started_ms: u64, elapsed_ms: u64, length_ms: u64) -> CallRecord {
    let id =
        CallId(0x5eed_0000_0000_0000_0000_0000_0000_0000_u128 | (u128::from(number_in_day) * 0x9e37_79b9));
    let is_answered = kind.ending == Ending::Completed;
    let has_ended = elapsed_ms >= length_ms;
    let talked_ms = if is_answered {
        elapsed_ms.min(length_ms).saturating_sub(4_000)
    } else {
        0
    };
    let state = match () {
        () if has_ended => State::Ended,
        () if talked_ms > 0 => State::Talking,
        () if elapsed_ms >= 120 => State::Ringing,
        () => State::Screening,
    };
    let windows = evidence(kind.drift, number_in_day, talked_ms);
    let opinion = opinion(&windows, talked_ms);
    let voice = match opinion.as_ref().map(|o| o.label) {
        None => VoiceLight::Pending,
        Some(VoiceLabel::BonaFide) => VoiceLight::Person,
        Some(VoiceLabel::Spoof) => VoiceLight::Synthetic,
        Some(VoiceLabel::Unsure) => VoiceLight::Unsure,
    };
    let banner = banner(kind, voice);
    let facts = facts(kind, started_ms, &opinion);
    let decision = decision(kind, &banner);
    let mut banners = vec![BannerChange {
        at_ms: 95,
        banner: self::banner(kind, VoiceLight::Pending),
    }];
    if voice != VoiceLight::Pending {
        banners.push(BannerChange {
            at_ms: 9_000,
            banner: banner.clone(),
        });
    }
    let mut decisions = vec![Decided {
        at_ms: 90,
        stage: Stage::Arrive,
        decision: decision.clone(),
        facts: (voice != VoiceLight::Pending).then(|| Box::new(facts.clone())),
    }];
    if voice != VoiceLight::Pending {
        decisions.push(Decided {
            at_ms: 9_000,
            stage: Stage::Live,
            decision,
            facts: None,
        });
    }
    CallRecord {
        id,
        revision: (elapsed_ms / 500) as u32 + 1,
        state,
        started_ms,
        trunk: "carrier".into(),
        direction: ringward::call::record::Direction::Inbound,
        caller: kind.number.map(|number| Redacted::new(number.into())),
        caller_name: kind.name.map(|name| Redacted::new(name.into())),
        called: Redacted::new("+12125550100".into()),
        queue: Some(kind.queue.into()),
        identity: identity(kind),
        facts,
        decisions,
        shadow: None,
        banner: Some(banner),
        banners,
        opinion,
        windows,
        second_windows: Vec::new(),
        model: Some("default@1f3a9c02".into()),
        attempts: vec![Attempt {
            target: format!("sip:{}@10.0.0.5", kind.phone),
            person: None,
            at_ms: 110,
            why: None,
            tries: Vec::new(),
            status: match (is_answered && talked_ms > 0, has_ended) {
                (true, _) => 200,
                (false, false) => 0,
                (false, true) if kind.ending == Ending::Cancelled => 487,
                (false, true) => 408,
            },
        }],
        transfers: Vec::new(),
        spoken: Vec::new(),
        orders: Vec::new(),
        refused_with: None,
        ladder: ladder(is_answered && elapsed_ms > 4_000, has_ended.then_some(length_ms)),
        answered_by: (is_answered && talked_ms > 0).then(|| kind.phone.into()),
        person: None,
        call_back: None,
        srtp: LegSuites {
            caller: None,
            called: (is_answered && talked_ms > 0).then_some(Suite::AesCm128HmacSha1_80),
            ..LegSuites::default()
        },
        codecs: LegCodecs::default(),
        timings: Timings {
            identity_ms: Some(41),
            decided_ms: Some(90),
            ringing_ms: (elapsed_ms >= 120).then_some(120),
            answered_ms: (is_answered && elapsed_ms > 4_000).then_some(4_000),
            fax_ms: None,
            ended_ms: has_ended.then_some(length_ms),
        },
        outcome: has_ended.then(|| Outcome {
            ending: kind.ending,
            status: match kind.ending {
                Ending::Completed => 200,
                Ending::Cancelled => 487,
                _ => 480,
            },
            by: if kind.ending == Ending::NoAnswer {
                "us".into()
            } else {
                "caller".into()
            },
            note: (kind.ending == Ending::NoAnswer).then(|| "nobody answered in 20 s".into()),
        }),
        media: (has_ended && is_answered).then(|| Statistics {
            from_caller: SideStatistics {
                packets: talked_ms / 20,
                octets: talked_ms * 8,
                lost: 3,
                jitter_ms: 2.4,
                ..SideStatistics::default()
            },
            from_called: SideStatistics {
                packets: talked_ms / 20,
                octets: talked_ms * 8,
                lost: 0,
                jitter_ms: 0.8,
                ..SideStatistics::default()
            },
        }),
        report: None,
        drill: false,
        erased_ms: None,
    }
}

/// A finished call, answered or not as its kind says.
pub fn ended(kind: &Kind, number_in_day: u64, started_ms: u64) -> CallRecord {
    let length_ms = 20_000 + (number_in_day * 7_919) % 90_000;
    call(kind, number_in_day, started_ms, length_ms, length_ms)
}

fn evidence(drift: f32, seed: u64, talked_ms: u64) -> Vec<Window> {
    let mut noise = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (1..=(talked_ms / 1_000).min(600))
        .map(|second| {
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let wobble = ((noise >> 40) as f32 / (1u64 << 24) as f32 - 0.5) * 2.2;
            Window {
                at: second as f32,
                llr: drift * 1.6 + wobble,
            }
        })
        .collect()
}

fn opinion(windows: &[Window], talked_ms: u64) -> Option<Opinion> {
    let last = windows.last()?;
    let llr = windows
        .iter()
        .map(|window| window.llr * 0.6)
        .sum::<f32>()
        .clamp(-9.0, 9.0);
    let label = match llr {
        _ if windows.len() < 4 => VoiceLabel::Unsure,
        llr if llr > 1.5 => VoiceLabel::BonaFide,
        llr if llr < -1.5 => VoiceLabel::Spoof,
        _ => VoiceLabel::Unsure,
    };
    let seconds = talked_ms as f32 / 1_000.0;
    Some(Opinion {
        llr,
        label,
        seconds,
        speech_seconds: seconds * 0.7,
        window: Some(*last),
        ..Opinion::nothing_heard()
    })
}

fn banner(kind: &Kind, voice: VoiceLight) -> Banner {
    Banner {
        number: kind.light,
        voice,
        label: kind.label,
        number_text: kind.number_text.into(),
        voice_text: match voice {
            VoiceLight::Person => "Voice: no sign of synthesis",
            VoiceLight::Unsure => "Voice: unsure",
            VoiceLight::Synthetic => "Voice: likely synthetic",
            VoiceLight::Pending => "Voice: listening…",
        }
        .into(),
        name_text: None,
        call_reason: None,
        reasons: kind.reasons.iter().map(|&reason| reason.into()).collect(),
        say: kind.say.into(),
        prefix: kind.prefix.into(),
    }
}

fn facts(kind: &Kind, started_ms: u64, opinion: &Option<Opinion>) -> Facts {
    let has = |tag| kind.tags.iter().any(|(of, _)| *of == tag);
    Facts {
        stage: if opinion.is_some() {
            Stage::Live
        } else {
            Stage::Arrive
        },
        trunk: "carrier".into(),
        arrived_ms: started_ms,
        caller: CallerFacts {
            number: kind.number.map(|number| Redacted::new(number.into())),
            name: kind.name.map(|name| Redacted::new(name.into())),
            is_hidden: kind.number.is_none(),
            ..CallerFacts::default()
        },
        called: CalledFacts {
            number: Redacted::new("+12125550100".into()),
            queue: kind.queue.into(),
        },
        identity: IdentityFacts {
            standing: identity(kind).standing,
            attestation: identity(kind).attestation,
            is_forged: has(Tag::IdentityForged),
            is_reused: Some(has(Tag::TokenReused)),
            ..IdentityFacts::default()
        },
        voice: match opinion {
            None => VoiceFacts::default(),
            Some(opinion) => VoiceFacts {
                state: match opinion.label {
                    VoiceLabel::BonaFide => VoiceState::BonaFide,
                    VoiceLabel::Spoof => VoiceState::Spoof,
                    VoiceLabel::Unsure => VoiceState::Unsure,
                },
                llr: f64::from(opinion.llr),
                speech_seconds: f64::from(opinion.speech_seconds),
                ..VoiceFacts::default()
            },
        },
        history: HistoryFacts {
            is_available: true,
            calls_before: if has(Tag::KnownCaller) { 14 } else { 0 },
            answered_before: if has(Tag::KnownCaller) { 13 } else { 0 },
            ..HistoryFacts::default()
        },
        signalling: SignallingFacts::default(),
        lists: Vec::new(),
        reputation: Vec::new(),
        talk: Default::default(),
        recording: Default::default(),
        flood: Default::default(),
        relabelled: None,
    }
}

fn decision(kind: &Kind, banner: &Banner) -> Decision {
    let heard = match banner.voice {
        VoiceLight::Person => (Tag::VoiceBonaFide, -10),
        VoiceLight::Synthetic => (Tag::VoiceSpoofLikely, 40),
        VoiceLight::Unsure => (Tag::VoiceUnsure, 2),
        VoiceLight::Pending => (Tag::VoicePending, 0),
    };
    let findings: Vec<_> = kind
        .tags
        .iter()
        .copied()
        .chain([heard])
        .map(|(tag, tenths)| Finding { tag, tenths })
        .collect();
    let fired = match kind.label {
        Label::Forged => vec![Fired {
            rule: "forged-number".into(),
            reason: "the number is not the caller's own".into(),
            is_shadow: false,
        }],
        Label::Synthetic => vec![Fired {
            rule: "synthetic-voice".into(),
            reason: "the voice is likely synthetic".into(),
            is_shadow: false,
        }],
        Label::Genuine | Label::Known => Vec::new(),
        _ => vec![Fired {
            rule: "unproven-number".into(),
            reason: "nobody has proven the number".into(),
            is_shadow: false,
        }],
    };
    Decision {
        verdict: Verdict {
            tenths: findings.iter().map(|finding| finding.tenths).sum(),
            findings,
            number: banner.number,
            voice: banner.voice,
            label: banner.label,
        },
        action: Action::Label,
        fired,
        errors: Vec::new(),
        policy: "default@9c1e02d4".into(),
    }
}

fn identity(kind: &Kind) -> Report {
    let has = |tag| kind.tags.iter().any(|(of, _)| *of == tag);
    let (standing, attestation, outcome, verstat) = match () {
        () if has(Tag::NoIdentity) => return Report::none(),
        () if has(Tag::IdentityForged) => (
            Standing::Failed,
            None,
            HeaderOutcome::OrigMismatch,
            "TN-Validation-Failed",
        ),
        () if has(Tag::IdentityVerifiedB) => (
            Standing::Verified,
            Some(Attestation::Partial),
            HeaderOutcome::Passed,
            "TN-Validation-Passed-B",
        ),
        () => (
            Standing::Verified,
            Some(Attestation::Full),
            HeaderOutcome::Passed,
            "TN-Validation-Passed",
        ),
    };
    let is_forged = outcome == HeaderOutcome::OrigMismatch;
    let check = |name, result| Check {
        name: Cow::Borrowed(name),
        result,
    };
    Report {
        standing,
        attestation,
        headers: vec![HeaderReport {
            ppt: Some("shaken".into()),
            outcome,
            code: is_forged.then_some(438),
            reason: if is_forged {
                "signed for another calling number"
            } else {
                "every check passed"
            }
            .into(),
            checks: vec![
                check("x5u", CheckResult::Passed),
                check("chain", CheckResult::Passed),
                check("signature", CheckResult::Passed),
                check("iat", CheckResult::Passed),
                check(
                    "orig",
                    if is_forged {
                        CheckResult::Failed
                    } else {
                        CheckResult::Passed
                    },
                ),
                check(
                    "dest",
                    if is_forged {
                        CheckResult::Skipped
                    } else {
                        CheckResult::Passed
                    },
                ),
            ],
            ppi: None,
            nested: Vec::new(),
        }],
        verstat: verstat.into(),
        signer: Some(Signer {
            subject: "CN=SHAKEN 708J, O=Example Carrier".into(),
            spc: Some("708J".into()),
            fingerprint: "9f2c4e1b7a60d3358c1e5f7a2b9d4c6e8f0a1b2c3d4e5f60718293a4b5c6d7e8".into(),
        }),
        passport_digest: Some("4be1".repeat(16)),
        origid: Some("123e4567-e89b-12d3-a456-426655440000".into()),
        iat_age_seconds: Some(1),
        ..Report::none()
    }
}

/// What passed between us, the caller and a phone; `ended_ms`: when the caller hung up.
fn ladder(is_answered: bool, ended_ms: Option<u64>) -> Ladder {
    use SignalMethod::{Ack, Bye, Invite};
    let mut all = vec![
        (0, 0, false, Invite, None),
        (92, 1, true, Invite, None),
        (120, 1, false, Invite, Some(180)),
        (120, 0, true, Invite, Some(180)),
    ];
    if is_answered {
        all.extend([
            (4_000, 1, false, Invite, Some(200)),
            (4_000, 1, true, Ack, None),
            (4_000, 0, true, Invite, Some(200)),
            (4_021, 0, false, Ack, None),
        ]);
    }
    if let Some(at_ms) = ended_ms.filter(|_| is_answered) {
        all.extend([
            (at_ms, 0, false, Bye, None),
            (at_ms, 0, true, Bye, Some(200)),
            (at_ms, 1, true, Bye, None),
        ]);
    }
    let signals = all
        .into_iter()
        .map(|(at_ms, party, is_sent, method, status)| Signal {
            at_ms,
            party,
            is_sent,
            method,
            status,
            has_body: method == Invite && status != Some(180),
        });
    Ladder {
        parties: vec![([10, 0, 0, 5], 5060).into()],
        signals: signals.collect(),
    }
}
