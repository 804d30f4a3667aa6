//! SIP message, identity report, history and opinion → [`Facts`], the only thing policy may look at.
//!
//! Adds nothing of its own: no weight, no tag, no judgement.

use crate::banner;
use crate::identity::{Report, Standing};
use crate::redact::Redacted;
use crate::screening::{
    CalledFacts, CallerFacts, Facts, HistoryFacts, IdentityFacts, SecondOpinion, SignallingFacts, Stage,
    Upstream, VoiceFacts, VoiceState,
};
use crate::sip::{Message, NameAddr, Uri};
use crate::voice::{Label, Opinion, Stages};

use super::limits::NAME_CHARS_MAX;
use super::numbers::{Numbers, Party};
use super::{TrunkConfig, crossing, forwarded, upstream};

/// What the INVITE itself says, before anybody was asked. `called` is canonical where it can be.
pub(crate) fn of_invite(
    invite: &Message,
    trunk: &TrunkConfig,
    called: &str,
    queue: &str,
    arrived_ms: u64,
    is_voice_on: bool,
    numbers: &Numbers,
) -> Facts {
    let asserted = asserted(invite);
    Facts {
        stage: Stage::Arrive,
        trunk: trunk.name.clone(),
        arrived_ms,
        caller: caller(invite, &asserted, numbers),
        called: CalledFacts {
            number: Redacted::new(called.to_string()),
            queue: queue.to_string(),
        },
        identity: IdentityFacts {
            upstream: trunk.is_verifier_trusted.then(|| upstream::verstat(invite)),
            ..IdentityFacts::default()
        },
        voice: VoiceFacts {
            state: if is_voice_on {
                VoiceState::Pending
            } else {
                VoiceState::Off
            },
            ..VoiceFacts::default()
        },
        history: HistoryFacts::default(),
        signalling: signalling(invite, trunk, &asserted, numbers),
        lists: Vec::new(),
        reputation: Vec::new(),
        talk: Default::default(),
        recording: Default::default(),
        flood: Default::default(),
        relabelled: None,
    }
}

/// The dialled number: canonical with `+` when it is a telephone number, and as it was written.
pub(crate) fn dialled(uri: &str, numbers: &Numbers) -> (String, String) {
    let written = Uri::parse(uri)
        .ok()
        .and_then(|uri| uri.user().map(|user| short(&user)))
        .unwrap_or_default();
    let number = numbers
        .canonical(uri, Party::Called)
        .unwrap_or_else(|| written.clone());
    (number, written)
}

/// What the verification found. A header that failed beside one that passed colours nothing.
pub(crate) fn of_report(
    report: &Report,
    is_reused: Option<bool>,
    upstream: Option<Upstream>,
) -> IdentityFacts {
    // Signed text is a stranger's text all the same: short here whatever the verifier's own bound is.
    let text = |text: &Option<String>| {
        let text = text.as_deref().map(tidy).filter(|text| !text.is_empty());
        text.map(Redacted::new)
    };
    let rcd = report
        .rcd
        .as_ref()
        .filter(|_| report.standing == Standing::Verified);
    IdentityFacts {
        name: rcd.and_then(|rcd| text(&rcd.name)),
        call_reason: rcd.and_then(|rcd| text(&rcd.reason)),
        has_priority: report.priority.is_some(),
        is_emergency: report
            .priority
            .as_ref()
            .is_some_and(|priority| priority.is_emergency),
        standing: report.standing,
        attestation: report.attestation,
        is_forged: report.is_forged(),
        is_stale: report.is_stale(),
        is_untrusted: report.is_untrusted(),
        is_reused,
        spc: report.signer.as_ref().and_then(|signer| signer.spc.clone()),
        hops: u8::try_from(report.hops.len()).unwrap_or(u8::MAX),
        has_forged_beside: report.has_forged_beside(),
        upstream,
    }
}

/// The report that stands in while the certificate has not come (or never will).
pub(crate) fn unchecked() -> Report {
    Report {
        standing: Standing::Unchecked,
        ..Report::none()
    }
}

pub(crate) fn of_opinion(opinion: &Opinion) -> VoiceFacts {
    VoiceFacts {
        state: match opinion.label {
            Label::BonaFide => VoiceState::BonaFide,
            Label::Spoof => VoiceState::Spoof,
            Label::Unsure => VoiceState::Unsure,
        },
        llr: in_millionths(opinion.llr),
        speech_seconds: in_millionths(opinion.speech_seconds),
        second: match opinion.stages {
            Stages::First => SecondOpinion::None,
            Stages::Both => SecondOpinion::Given,
        },
        cues: opinion.cues,
    }
}

/// A figure of a dozen digits is read back from a record exactly as it was; one of seventeen may not be.
fn in_millionths(figure: f32) -> f64 {
    (f64::from(figure) * 1e6).round() / 1e6
}

/// The P-Asserted-Identity values (RFC 3325: at most one sip and one tel), first ones only.
fn asserted(invite: &Message) -> Vec<NameAddr> {
    let values = invite.header_values("P-Asserted-Identity");
    values
        .iter()
        .take(2)
        .filter_map(|value| NameAddr::parse(value).ok())
        .collect()
}

/// The number in this P-Asserted-Identity value (from 0), canonical.
pub(crate) fn asserted_number(invite: &Message, place: usize, numbers: &Numbers) -> Option<Redacted<String>> {
    let values = invite.header_values("P-Asserted-Identity");
    let identity = NameAddr::parse(values.get(place)?).ok()?;
    numbers
        .canonical(identity.uri.as_str(), Party::Calling)
        .map(Redacted::new)
}

fn caller(invite: &Message, asserted: &[NameAddr], numbers: &Numbers) -> CallerFacts {
    let from = invite.from();
    let is_hidden = is_anonymous(&from) || asks_privacy(invite);
    let names = || {
        asserted
            .iter()
            .chain([&from])
            .filter_map(|identity| identity.display.as_deref())
    };
    let name = names()
        .map(tidy)
        .find(|name| !name.is_empty())
        .filter(|_| !is_hidden);
    let shown = if asserted.is_empty() {
        std::slice::from_ref(&from)
    } else {
        asserted
    };
    let number = shown
        .iter()
        .find_map(|identity| numbers.canonical(identity.uri.as_str(), Party::Calling));
    let gave_something = shown
        .iter()
        .any(|identity| identity.uri.user().is_some_and(|user| !user.is_empty()));
    CallerFacts {
        is_malformed: !is_hidden && number.is_none() && gave_something,
        // Any of them: the one that is not shown here may be shown by a phone behind us.
        name_imitates_label: names().any(|name| banner::clean_display_name(&tidy(name)).1),
        number: number.filter(|_| !is_hidden).map(Redacted::new),
        name: name.map(Redacted::new),
        is_hidden,
    }
}

/// RFC 3323 §4.1 and RFC 3325 §7: the caller asked not to be shown, or is not shown already.
fn is_anonymous(from: &NameAddr) -> bool {
    let user_is = |word: &str| {
        from.uri
            .user()
            .is_some_and(|user| user.eq_ignore_ascii_case(word))
    };
    from.uri
        .host()
        .is_some_and(|host| host.eq_ignore_ascii_case("anonymous.invalid"))
        || ["anonymous", "restricted", "unavailable", "unknown"]
            .iter()
            .any(|word| user_is(word))
}

pub(crate) fn asks_privacy(invite: &Message) -> bool {
    invite.header_lines("Privacy").iter().any(|line| {
        line.split([';', ',']).any(|word| {
            ["id", "user", "header"]
                .iter()
                .any(|ask| word.trim().eq_ignore_ascii_case(ask))
        })
    })
}

fn signalling(
    invite: &Message,
    trunk: &TrunkConfig,
    asserted: &[NameAddr],
    numbers: &Numbers,
) -> SignallingFacts {
    let forwarding = forwarded::of(invite, numbers);
    let from = numbers.canonical(invite.from_address().uri(), Party::Calling);
    let other = asserted
        .iter()
        .find_map(|identity| numbers.canonical(identity.uri.as_str(), Party::Calling));
    SignallingFacts {
        is_diverted: invite.header("Diversion").is_some() || forwarding.count > 0,
        forwarding,
        claims_emergency: crossing::is_callback(invite) || invite.header("Resource-Priority").is_some(),
        is_emergency_trunk: trunk.is_emergency_trusted,
        from_differs_from_asserted: matches!((from, other), (Some(from), Some(other)) if from != other),
        codec: String::new(),
    }
}

fn tidy(name: &str) -> String {
    let clean: String = name.chars().filter(|c| !c.is_control()).collect();
    short(clean.trim())
}

fn short(text: &str) -> String {
    text.chars().take(NAME_CHARS_MAX).collect()
}
