//! One call as a line for people or as a JSON object for machines.

use serde::Serialize;

use super::board::Sighting;
use super::judge::{self, Seen, ending_word, number_word, voice_word};
use super::play::Played;
use crate::call::record::Ending;
use crate::screening::{NumberLight, VoiceLight};

/// What `--json` prints per call. Fields may be added; none goes away.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The gateway's name for the call, as in the API; None when it left no record.
    pub call: Option<String>,
    pub scenario: &'static str,
    pub title: String,
    pub promised: Promised,
    pub banner: Option<Shown>,
    /// Number light on the phone.
    pub number: Option<String>,
    /// Voice light when the call ended.
    pub voice: Option<&'static str>,
    pub label: Option<String>,
    pub outcome: Option<&'static str>,
    /// Final SIP status at the caller.
    pub status: Option<u16>,
    /// Natural-log likelihood ratio of a person against a made voice, over all speech; positive = person.
    pub llr: Option<f32>,
    pub speech_seconds: Option<f32>,
    pub rang_after_ms: Option<u64>,
    pub audio: Audio,
    pub verdict: &'static str,
    pub differences: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Promised {
    pub number: &'static str,
    pub voice: Vec<&'static str>,
    pub outcome: &'static str,
    pub status: u16,
}

/// The banner as the phone saw it on the wire, and the words the record has for it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shown {
    pub phone: &'static str,
    pub display: Option<String>,
    pub verstat: Option<String>,
    pub number: String,
    pub voice: String,
    pub label: String,
    pub call_info: Option<String>,
    pub alert_info: Option<String>,
    pub number_text: Option<String>,
    pub voice_text: Option<String>,
    pub reasons: Vec<String>,
    pub say: Option<String>,
}

/// Audio packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Audio {
    pub caller_sent: u64,
    pub caller_heard: u64,
    pub phone_heard: u64,
}

impl Report {
    pub fn of(played: &Played) -> Report {
        let seen = Seen::of(played);
        let differences = judge::differences(&played.promise, &seen);
        let record = played.record.as_deref();
        let banner = record.and_then(|record| record.banner.as_ref());
        let opinion = record.and_then(|record| record.opinion.as_ref());
        let shown = played.sighting.as_ref().map(|sighting| Shown {
            phone: sighting.phone,
            display: sighting.display.clone(),
            verstat: sighting.verstat.clone(),
            number: sighting.trust.number.clone(),
            voice: sighting.trust.voice.clone(),
            label: sighting.trust.label.clone(),
            call_info: sighting.call_info.clone(),
            alert_info: sighting.alert_info.clone(),
            number_text: banner.map(|banner| banner.number_text.clone()),
            voice_text: banner.map(|banner| banner.voice_text.clone()),
            reasons: banner.map_or(Vec::new(), |banner| banner.reasons.clone()),
            say: banner.map(|banner| banner.say.clone()),
        });
        Report {
            call: record.map(|record| record.id.to_string()),
            scenario: played.scenario.name,
            title: if played.is_first_of_two {
                "signed by its carrier; its signature is copied".to_owned()
            } else {
                played.scenario.title.to_owned()
            },
            promised: Promised {
                number: number_word(played.promise.number),
                voice: played
                    .promise
                    .voice
                    .iter()
                    .map(|voice| voice_word(*voice))
                    .collect(),
                outcome: ending_word(played.promise.ending),
                status: played.promise.status,
            },
            banner: shown,
            number: seen.number,
            voice: seen.voice.map(voice_word),
            label: banner.and_then(|banner| {
                serde_json::to_value(banner.label)
                    .ok()?
                    .as_str()
                    .map(str::to_owned)
            }),
            outcome: seen.ending.map(ending_word),
            status: seen.status,
            llr: opinion.map(|opinion| opinion.llr),
            speech_seconds: opinion.map(|opinion| opinion.speech_seconds),
            rang_after_ms: played.told.rang_after_ms,
            audio: Audio {
                caller_sent: played.told.heard.packets_sent,
                caller_heard: seen.heard.0,
                phone_heard: seen.heard.1,
            },
            verdict: if differences.is_empty() { "ok" } else { "differs" },
            differences,
        }
    }

    pub fn is_ok(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Column titles for [`line`].
pub fn heading() -> String {
    format!(
        "{:<52} {:<34} {:<9} {:<21} {}",
        "WHO CALLS", "THE PHONE SHOWS", "NUMBER", "VOICE", "ENDED"
    )
}

/// A call whose first phone begins to ring, in the columns of [`line`].
pub fn ringing(sighting: &Sighting, is_coloured: bool) -> String {
    let number = sighting.trust.number.as_str();
    let line = format!(
        "{:<52} {:<34} {} {}",
        format!("  the phone of {} rings", sighting.phone),
        cut(sighting.display.as_deref().unwrap_or("(nothing)"), 34),
        coloured(
            &format!("{:<9}", cut(number, 9)),
            number_colour(number),
            is_coloured
        ),
        voice_text(&cut(&sighting.trust.voice, 21)),
    );
    line.trim_end().to_owned()
}

/// One call in aligned columns; `is_coloured` only for a terminal.
pub fn line(report: &Report, is_coloured: bool) -> String {
    let display = report
        .banner
        .as_ref()
        .and_then(|banner| banner.display.as_deref())
        .unwrap_or("(nothing)");
    let number = report.number.as_deref().unwrap_or("-");
    let voice = report.voice.unwrap_or("-");
    let mut line = format!(
        "{:<52} {:<34} {} {} {}",
        cut(&report.title, 52),
        cut(display, 34),
        coloured(&format!("{number:<9}"), number_colour(number), is_coloured),
        coloured(
            &format!("{:<21}", voice_text(voice)),
            voice_colour(voice),
            is_coloured
        ),
        report.outcome.map_or("no record", ended_text),
    );
    for difference in &report.differences {
        line.push_str("\n    ");
        line.push_str(&coloured(
            &format!("NOT AS PROMISED: {difference}"),
            "31",
            is_coloured,
        ));
    }
    line
}

fn voice_text(word: &str) -> &str {
    match word {
        "person" => "no sign of synthesis",
        "synthetic" => "likely synthetic",
        "pending" => "not heard",
        other => other,
    }
}

fn ended_text(word: &'static str) -> &'static str {
    let of = |ending| ending_word(ending) == word;
    match word {
        _ if of(Ending::Completed) => "talked, hung up",
        _ if of(Ending::Cancelled) => "gave up",
        _ if of(Ending::NoAnswer) => "nobody answered",
        other => other,
    }
}

fn number_colour(word: &str) -> &'static str {
    match word {
        _ if word == number_word(NumberLight::Genuine) => "32",
        _ if word == number_word(NumberLight::Forged) => "31",
        _ => "33",
    }
}

fn voice_colour(word: &str) -> &'static str {
    match word {
        _ if word == voice_word(VoiceLight::Person) => "32",
        _ if word == voice_word(VoiceLight::Synthetic) => "31",
        _ if word == voice_word(VoiceLight::Unsure) => "33",
        _ => "0",
    }
}

fn coloured(text: &str, colour: &str, is_coloured: bool) -> String {
    if is_coloured {
        format!("\x1b[{colour}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

/// At most `width` characters, with an ellipsis where something was cut. Control characters become `?`: what a
/// display name says must not move the cursor of a terminal.
fn cut(text: &str, width: usize) -> String {
    let plain = |c: char| if c.is_control() { '?' } else { c };
    if text.chars().count() <= width {
        return text.chars().map(plain).collect();
    }
    text.chars()
        .take(width.saturating_sub(1))
        .map(plain)
        .chain(['…'])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::board::Trust;
    use crate::demo::caller::Told;
    use crate::demo::scenario::SCENARIOS;

    fn played() -> Played {
        Played {
            scenario: &SCENARIOS[0],
            promise: SCENARIOS[0].promise,
            is_first_of_two: false,
            number: SCENARIOS[0].number(0),
            told: Told {
                status: Some(200),
                rang_after_ms: Some(12),
                ..Told::default()
            },
            sighting: Some(Sighting {
                phone: "anna",
                trust: Trust {
                    number: "genuine".into(),
                    voice: "pending".into(),
                    label: "genuine".into(),
                    call: crate::call_id::CallId(1),
                },
                display: Some("NUMBER OK Anna\x1b[2J".into()),
                verstat: Some("TN-Validation-Passed".into()),
                call_info: None,
                alert_info: None,
                octets: Vec::new(),
                is_answered: true,
                heard: Some(3),
            }),
            record: None,
        }
    }

    #[test]
    fn the_json_object_has_the_promised_fields() {
        let json = serde_json::to_value(Report::of(&played())).unwrap();
        for field in [
            "call", "scenario", "promised", "banner", "number", "voice", "label", "outcome", "verdict",
        ] {
            assert!(json.get(field).is_some(), "{field}");
        }
        assert_eq!(json["promised"]["voice"], serde_json::json!(["person", "unsure"]));
        assert_eq!(json["number"], "genuine");
        assert_eq!(json["banner"]["phone"], "anna");
        assert_eq!(json["verdict"], "differs");
        assert!(!json["differences"].as_array().unwrap().is_empty());
    }

    #[test]
    fn the_json_object_is_one_line() {
        let text = serde_json::to_string(&Report::of(&played())).unwrap();
        assert!(!text.contains('\n') && !text.contains('\x1b'));
    }

    #[test]
    fn a_line_is_aligned_and_a_caller_cannot_move_the_cursor() {
        let report = Report::of(&played());
        let line = line(&report, false);
        let first = line.lines().next().unwrap();
        assert_eq!(first.find("NUMBER OK"), heading().find("THE PHONE SHOWS"));
        assert_eq!(first.find("genuine"), heading().find("NUMBER"));
        let ringing = ringing(&played().sighting.unwrap(), false);
        assert_eq!(ringing.find("genuine"), heading().find("NUMBER"));
        assert!(ringing.contains("not heard") && !ringing.contains('\x1b'));
        assert!(!line.contains('\x1b') && line.contains("NUMBER OK Anna?[2J"));
        assert!(line.contains("NOT AS PROMISED"));
    }

    #[test]
    fn colour_is_only_for_a_terminal() {
        assert!(super::line(&Report::of(&played()), true).contains("\x1b[32mgenuine  \x1b[0m"));
    }

    #[test]
    fn a_long_text_is_cut_with_an_ellipsis() {
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcd", 4), "abcd");
    }
}
