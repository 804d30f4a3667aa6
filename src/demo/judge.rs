//! Holds what happened against what the scenario promises. Pure.

use super::board::Sighting;
use super::play::{IMITATED_CARD, Played};
use super::scenario::Promise;
use crate::call::record::Ending;
use crate::screening::{NumberLight, VoiceLight};

/// The lights and facts a promise speaks about, gathered from phone, caller and record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// `number=` on the phone's wire.
    pub number: Option<String>,
    pub verstat: Option<String>,
    /// What the display must begin with by the record's own banner, and what it was.
    pub prefix: String,
    pub display: String,
    /// The voice light when the call ended.
    pub voice: Option<VoiceLight>,
    pub ending: Option<Ending>,
    pub status: Option<u16>,
    /// Audio packets heard by the caller and by the phone.
    pub heard: (u64, u64),
    /// A hidden number was found in what the phone received.
    pub is_number_leaked: bool,
    /// Something of a false banner that the caller wrote reached the phone.
    pub is_imitation_shown: bool,
    /// The exchange itself went wrong.
    pub problem: Option<String>,
}

impl Seen {
    pub fn of(played: &Played) -> Seen {
        let record = played.record.as_deref();
        let sighting = played.sighting.as_ref();
        let banner = record.and_then(|record| record.banner.as_ref());
        let first_banner = record
            .and_then(|record| record.banners.first())
            .map(|change| &change.banner)
            .or(banner);
        Seen {
            number: sighting.map(|sighting| sighting.trust.number.clone()),
            verstat: sighting.and_then(|sighting| sighting.verstat.clone()),
            prefix: first_banner.map_or(String::new(), |banner| banner.prefix.clone()),
            display: sighting
                .and_then(|sighting| sighting.display.clone())
                .unwrap_or_default(),
            voice: banner.map(|banner| banner.voice),
            ending: record
                .and_then(|record| record.outcome.as_ref())
                .map(|outcome| outcome.ending),
            status: played.told.status,
            heard: (
                played.told.heard.packets,
                sighting.and_then(|sighting| sighting.heard).unwrap_or(0),
            ),
            is_number_leaked: played.scenario.is_hidden
                && sighting.is_some_and(|sighting| !sighting.keeps_secret(&played.number)),
            is_imitation_shown: played.scenario.imitates && sighting.is_some_and(shows_imitation),
            problem: played.told.problem.clone(),
        }
    }
}

/// Everything that is not as promised, in plain words; empty when all is.
pub fn differences(promise: &Promise, seen: &Seen) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(problem) = &seen.problem {
        found.push(problem.clone());
    }
    let promised = number_word(promise.number);
    match &seen.number {
        None => found.push("the phone saw no banner".to_owned()),
        Some(number) if number != promised => {
            found.push(format!("number light {number}, promised {promised}"))
        }
        Some(_) => {}
    }
    let verstat = seen.verstat.as_deref().unwrap_or("none");
    let fits = match promise.number {
        NumberLight::Genuine => verstat == "TN-Validation-Passed",
        NumberLight::Forged => verstat == "TN-Validation-Failed",
        // B and C have graded dialects; only the plain pass would say more than the light.
        NumberLight::Unproven => verstat != "TN-Validation-Passed",
    };
    if !fits {
        found.push(format!("verstat {verstat} with a number light {promised}"));
    }
    if !seen.display.starts_with(&seen.prefix) {
        found.push(format!("the display does not begin with {:?}", seen.prefix));
    }
    match seen.voice {
        None => found.push("no record of the banner".to_owned()),
        Some(voice) if !promise.voice.contains(&voice) => {
            let allowed: Vec<_> = promise.voice.iter().map(|voice| voice_word(*voice)).collect();
            found.push(format!(
                "voice light {}, promised {}",
                voice_word(voice),
                allowed.join(" or ")
            ));
        }
        Some(_) => {}
    }
    match seen.ending {
        None => found.push("no record of the end".to_owned()),
        Some(ending) if ending != promise.ending => {
            found.push(format!(
                "ended {}, promised {}",
                ending_word(ending),
                ending_word(promise.ending)
            ));
        }
        Some(_) => {}
    }
    if seen.status != Some(promise.status) {
        let status = seen.status.map_or("none".to_owned(), |status| status.to_string());
        found.push(format!("SIP status {status}, promised {}", promise.status));
    }
    if promise.ending == Ending::Completed && (seen.heard.0 == 0 || seen.heard.1 == 0) {
        found.push(format!(
            "audio: caller heard {} packets, phone {}",
            seen.heard.0, seen.heard.1
        ));
    }
    if seen.is_number_leaked {
        found.push("the phone was told the hidden number".to_owned());
    }
    if seen.is_imitation_shown {
        found.push("the phone shows a banner that the caller wrote".to_owned());
    }
    found
}

/// The caller's card, a second `Ringward-Trust`, or the mark of a genuine number in the display.
fn shows_imitation(sighting: &Sighting) -> bool {
    let text = String::from_utf8_lossy(&sighting.octets).to_lowercase();
    let display = sighting.display.as_deref().unwrap_or_default().to_lowercase();
    text.contains(IMITATED_CARD)
        || text.matches("ringward-trust").count() > 1
        || display.contains("number ok")
}

/// As `Ringward-Trust` and the API spell it.
pub fn number_word(light: NumberLight) -> &'static str {
    match light {
        NumberLight::Genuine => "genuine",
        NumberLight::Unproven => "unproven",
        NumberLight::Forged => "forged",
    }
}

pub fn voice_word(light: VoiceLight) -> &'static str {
    match light {
        VoiceLight::Person => "person",
        VoiceLight::Unsure => "unsure",
        VoiceLight::Synthetic => "synthetic",
        VoiceLight::Pending => "pending",
    }
}

pub fn ending_word(ending: Ending) -> &'static str {
    match ending {
        Ending::Completed => "completed",
        Ending::Cancelled => "cancelled",
        Ending::NoAnswer => "no_answer",
        Ending::Refused => "refused",
        Ending::Failed => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::scenario::SCENARIOS;

    fn kept() -> Seen {
        Seen {
            number: Some("genuine".into()),
            verstat: Some("TN-Validation-Passed".into()),
            prefix: "NUMBER OK".into(),
            display: "NUMBER OK Anna".into(),
            voice: Some(VoiceLight::Person),
            ending: Some(Ending::Completed),
            status: Some(200),
            heard: (10, 10),
            is_number_leaked: false,
            is_imitation_shown: false,
            problem: None,
        }
    }

    fn check(seen: Seen, expected: &[&str]) {
        assert_eq!(differences(&SCENARIOS[0].promise, &seen), expected);
    }

    #[test]
    fn a_kept_promise_has_no_differences() {
        check(kept(), &[]);
        check(
            Seen {
                voice: Some(VoiceLight::Unsure),
                ..kept()
            },
            &[],
        );
    }

    #[test]
    fn each_broken_promise_is_named() {
        check(
            Seen {
                number: Some("forged".into()),
                ..kept()
            },
            &["number light forged, promised genuine"],
        );
        check(
            Seen {
                verstat: None,
                ..kept()
            },
            &["verstat none with a number light genuine"],
        );
        check(
            Seen {
                display: "Anna".into(),
                ..kept()
            },
            &["the display does not begin with \"NUMBER OK\""],
        );
        check(
            Seen {
                voice: Some(VoiceLight::Synthetic),
                ..kept()
            },
            &["voice light synthetic, promised person or unsure"],
        );
        check(
            Seen {
                ending: Some(Ending::Failed),
                ..kept()
            },
            &["ended failed, promised completed"],
        );
        check(
            Seen {
                status: None,
                ..kept()
            },
            &["SIP status none, promised 200"],
        );
        check(
            Seen {
                heard: (10, 0),
                ..kept()
            },
            &["audio: caller heard 10 packets, phone 0"],
        );
        check(
            Seen {
                is_number_leaked: true,
                ..kept()
            },
            &["the phone was told the hidden number"],
        );
    }

    #[test]
    fn a_call_nobody_saw_breaks_every_promise_that_can_be_broken() {
        let found = differences(&SCENARIOS[0].promise, &Seen::default());
        assert_eq!(found.len(), 6, "{found:?}");
    }
}
