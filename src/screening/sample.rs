//! Facts for tests: one plain call, any call, and ways to make a call worse.

use proptest::prelude::*;

pub(crate) use super::worse::WORSE;
use super::*;
use crate::identity::{Attestation, Standing};
use crate::redact::Redacted;

/// A first call, signed with full attestation, not heard yet.
pub(crate) fn signed() -> Facts {
    Facts {
        stage: Stage::Arrive,
        trunk: "carrier".into(),
        arrived_ms: 1_700_000_000_000,
        caller: CallerFacts {
            number: Some(Redacted::new("+14045550123".into())),
            ..Default::default()
        },
        called: CalledFacts {
            number: Redacted::new("+12125550100".into()),
            queue: "front-desk".into(),
        },
        identity: IdentityFacts {
            standing: Standing::Verified,
            attestation: Some(Attestation::Full),
            spc: Some("1234".into()),
            ..Default::default()
        },
        voice: VoiceFacts::default(),
        history: HistoryFacts {
            is_available: true,
            ..Default::default()
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

/// A reputation of this kind.
pub(crate) fn reputed(of: Reputable, bad: f64) -> Reputed {
    Reputed {
        of,
        reports: 5,
        good: 1.0,
        scam: 4.0,
        bad,
    }
}

/// A match of this list.
pub(crate) fn listed(list: List) -> Listed {
    Listed {
        list,
        entry: 7,
        what: Redacted::new("+1404555*".into()),
        reason: "threatened the reception".into(),
        is_number: list != List::Executives,
        is_name: list == List::Executives,
        call_back: None,
    }
}

/// The same call without any signature.
pub(crate) fn unsigned() -> Facts {
    Facts {
        identity: IdentityFacts::default(),
        ..signed()
    }
}

/// Weights of about the size a real policy has.
pub(crate) fn weights() -> Weights {
    Weights::from([
        (Tag::IdentityVerifiedA, -10),
        (Tag::NoIdentity, 5),
        (Tag::IdentityForged, 60),
        (Tag::TokenReused, 40),
        (Tag::CallerHidden, 10),
        (Tag::ReportedScam, 50),
        (Tag::HighVelocity, 20),
        (Tag::VoiceSpoofLikely, 40),
    ])
}

/// Any facts at all, sensible together or not.
pub(crate) fn facts() -> impl Strategy<Value = Facts> {
    let identity = (
        prop::sample::select(vec![
            Standing::Verified,
            Standing::Failed,
            Standing::DivertedUnverified,
            Standing::Unchecked,
            Standing::None,
        ]),
        prop::option::of(prop::sample::select(vec![
            Attestation::Full,
            Attestation::Partial,
            Attestation::Gateway,
        ])),
        prop::array::uniform3(prop::bool::weighted(0.2)),
        prop::option::of(prop::bool::weighted(0.2)),
        prop::option::of("[0-9A-Z]{1,4}"),
        prop::option::of(prop::sample::select(Upstream::ALL.to_vec())),
    )
        .prop_map(
            |(standing, attestation, [is_forged, is_stale, is_untrusted], is_reused, spc, upstream)| {
                IdentityFacts {
                    standing,
                    attestation,
                    is_forged,
                    is_stale,
                    is_untrusted,
                    is_reused,
                    spc,
                    upstream,
                    hops: u8::from(
                        standing == Standing::Verified && attestation == Some(Attestation::Partial),
                    ),
                    has_forged_beside: !is_forged && is_stale,
                    ..IdentityFacts::default()
                }
            },
        );
    let rich = (
        prop::option::of(any::<String>().prop_map(Redacted::new)),
        prop::option::of(any::<String>().prop_map(Redacted::new)),
        prop::bool::weighted(0.2),
        any::<bool>(),
    );
    let identity =
        (identity, rich).prop_map(|(identity, (name, call_reason, has_priority, is_emergency))| {
            IdentityFacts {
                name,
                call_reason,
                has_priority,
                is_emergency: has_priority && is_emergency,
                ..identity
            }
        });
    let caller = (
        prop::option::of("\\+[1-9][0-9]{3,14}".prop_map(Redacted::new)),
        prop::option::of(any::<String>().prop_map(Redacted::new)),
        prop::array::uniform3(any::<bool>()),
    )
        .prop_map(
            |(number, name, [is_hidden, is_malformed, name_imitates_label])| CallerFacts {
                number,
                name,
                is_hidden,
                is_malformed,
                name_imitates_label,
            },
        );
    let voice = (
        prop::sample::select(vec![
            VoiceState::Off,
            VoiceState::Pending,
            VoiceState::BonaFide,
            VoiceState::Spoof,
            VoiceState::Unsure,
            VoiceState::Overloaded,
        ]),
        any::<f64>(),
        0.0..600.0f64,
        prop::sample::select(SecondOpinion::ALL),
        proptest::option::of(0.0..60.0f32),
    )
        .prop_map(|(state, llr, speech_seconds, second, beep)| VoiceFacts {
            state,
            llr,
            speech_seconds,
            second,
            cues: crate::voice::Cues {
                beep: beep.map(|at| crate::voice::Sign { at, amount: 1.0 }),
                ..Default::default()
            },
        });
    let count = || prop_oneof![4 => 0..50u64, 1 => any::<u64>()];
    let history = (
        any::<bool>(),
        [count(), count(), count(), count(), count(), count()],
    )
        .prop_map(
            |(
                is_available,
                [
                    calls_before,
                    answered_before,
                    calls_last_minute,
                    calls_last_hour,
                    good,
                    scam,
                ],
            )| {
                HistoryFacts {
                    is_available,
                    calls_before,
                    answered_before,
                    calls_last_minute,
                    calls_last_hour,
                    reported_good: good,
                    reported_scam: scam,
                }
            },
        );
    let signalling = prop::array::uniform4(prop::bool::weighted(0.3)).prop_map(
        |[
            is_diverted,
            claims_emergency,
            is_emergency_trunk,
            from_differs_from_asserted,
        ]| SignallingFacts {
            is_diverted,
            claims_emergency,
            is_emergency_trunk,
            from_differs_from_asserted,
            ..SignallingFacts::default()
        },
    );
    let lists = prop::collection::vec(prop::sample::select(List::ALL.to_vec()).prop_map(listed), 0..3);
    let reputation = (prop::sample::select(Reputable::ALL.to_vec()), 0.0..1.0f64);
    let reputation = prop::collection::vec(reputation.prop_map(|(of, bad)| reputed(of, bad)), 0..3);
    let challenge = prop::sample::select(Challenge::ALL);
    let talk =
        (any::<bool>(), 0.0..60.0f64, challenge).prop_map(|(is_screened, speech_seconds, challenge)| {
            TalkFacts {
                is_screened,
                speech_seconds,
                challenge,
                ..TalkFacts::default()
            }
        });
    let stage = prop::sample::select(vec![Stage::Arrive, Stage::Heard, Stage::Live]);
    let called = ("\\+[1-9][0-9]{3,14}", "[a-z-]{1,12}").prop_map(|(number, queue)| CalledFacts {
        number: Redacted::new(number),
        queue,
    });
    (
        stage,
        any::<String>(),
        any::<u64>(),
        caller,
        called,
        identity,
        voice,
        history,
        (signalling, lists, reputation, talk),
    )
        .prop_map(
            |(
                stage,
                trunk,
                arrived_ms,
                caller,
                called,
                identity,
                voice,
                history,
                (signalling, lists, reputation, talk),
            )| {
                Facts {
                    stage,
                    trunk,
                    arrived_ms,
                    caller,
                    called,
                    identity,
                    voice,
                    history,
                    signalling,
                    lists,
                    reputation,
                    talk,
                    recording: Default::default(),
                    flood: Default::default(),
                    relabelled: None,
                }
            },
        )
}
