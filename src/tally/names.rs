//! Along what calls are counted, and which line a call belongs to.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use utoipa::ToSchema;

use super::limits::NAME_CHARS_MAX;
use crate::call::CallRecord;
use crate::call::record::Direction;
use crate::identity::{Attestation, Standing};
use crate::store::ending_name;

/// What the lines of a table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// `2026-11-30T09`: when the call arrived.
    Hour,
    /// `2026-11-30`.
    Day,
    /// `00` to `23`, whatever the day.
    HourOfDay,
    Label,
    Ending,
    /// How well the number is proven: `A`, `B`, `C`, `verified` (signed without a letter), `failed`, `diverted`, `unchecked` or
    /// `none`.
    Attestation,
    /// The last light that was shown: `person`, `unsure`, `synthetic`, `pending`.
    Voice,
    Queue,
    /// The phone.
    AnsweredBy,
    /// The provider code of who signed, whether it was believed or not.
    Signer,
    Trunk,
    Direction,
}

impl By {
    pub const ALL: &'static [By] = &[
        By::Hour,
        By::Day,
        By::HourOfDay,
        By::Label,
        By::Ending,
        By::Attestation,
        By::Voice,
        By::Queue,
        By::AnsweredBy,
        By::Signer,
        By::Trunk,
        By::Direction,
    ];

    /// As written in requests: `answered_by`.
    pub fn word(self) -> &'static str {
        match self {
            By::Hour => "hour",
            By::Day => "day",
            By::HourOfDay => "hour_of_day",
            By::Label => "label",
            By::Ending => "ending",
            By::Attestation => "attestation",
            By::Voice => "voice",
            By::Queue => "queue",
            By::AnsweredBy => "answered_by",
            By::Signer => "signer",
            By::Trunk => "trunk",
            By::Direction => "direction",
        }
    }

    /// By its word; None = there is none of this name.
    pub fn named(word: &str) -> Option<By> {
        By::ALL.iter().copied().find(|by| by.word() == word)
    }

    /// The line that a call belongs to; empty = it has none of this (a call without a queue).
    pub fn name(self, record: &CallRecord, zone_minutes: i32) -> String {
        let name = match self {
            By::Hour => time(record.started_ms, zone_minutes, "%Y-%m-%dT%H"),
            By::Day => time(record.started_ms, zone_minutes, "%Y-%m-%d"),
            By::HourOfDay => time(record.started_ms, zone_minutes, "%H"),
            By::Label => word(record.banner.as_ref().map(|banner| banner.label.name())),
            By::Ending => word(record.outcome.as_ref().map(|outcome| ending_name(outcome.ending))),
            By::Attestation => attestation(record).into(),
            By::Voice => word(record.banner.as_ref().map(|banner| banner.voice.name())),
            By::Queue => record.queue.clone().unwrap_or_default(),
            By::AnsweredBy => record.answered_by.clone().unwrap_or_default(),
            By::Signer => record.facts.identity.spc.clone().unwrap_or_default(),
            By::Trunk => record.trunk.clone(),
            By::Direction => match record.direction {
                Direction::Inbound => "inbound",
                Direction::Outbound => "outbound",
            }
            .into(),
        };
        match name.char_indices().nth(NAME_CHARS_MAX) {
            Some((end, _)) => name[..end].to_string(),
            None => name,
        }
    }
}

/// Empty where there is no such time.
fn time(unix_ms: u64, zone_minutes: i32, form: &str) -> String {
    let local = i64::try_from(unix_ms)
        .ok()
        .and_then(|ms| ms.checked_add(i64::from(zone_minutes) * 60_000))
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let mut text = String::new();
    if let Some(local) = local {
        // A form that we wrote ourselves is always well formed.
        let _ = write!(text, "{}", local.to_zoned(TimeZone::UTC).strftime(form));
    }
    text
}

fn attestation(record: &CallRecord) -> &'static str {
    let identity = &record.facts.identity;
    match (identity.standing, identity.attestation) {
        (Standing::Verified, Some(Attestation::Full)) => "A",
        (Standing::Verified, Some(Attestation::Partial)) => "B",
        (Standing::Verified, Some(Attestation::Gateway)) => "C",
        (Standing::Verified, None) => "verified",
        (Standing::Failed, _) => "failed",
        (Standing::DivertedUnverified, _) => "diverted",
        (Standing::Unchecked, _) => "unchecked",
        (Standing::None, _) => "none",
    }
}

fn word(name: Option<&'static str>) -> String {
    name.unwrap_or_default().into()
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::counts::tests::ended_call;
    use super::*;
    use crate::banner::Banner;
    use crate::screening::{Label, NumberLight, VoiceLight};

    pub(in crate::tally) fn banner(label: Label) -> Banner {
        Banner {
            number: NumberLight::Unproven,
            voice: VoiceLight::Unsure,
            label,
            number_text: String::new(),
            voice_text: String::new(),
            name_text: None,
            call_reason: None,
            reasons: Vec::new(),
            say: String::new(),
            prefix: String::new(),
        }
    }

    #[test]
    fn words_are_what_serde_prints() {
        for by in By::ALL {
            assert_eq!(serde_json::to_value(by).unwrap(), by.word());
            assert_eq!(By::named(by.word()), Some(*by));
        }
        assert_eq!(By::named("moon"), None);
    }

    #[test]
    fn hours_and_days_are_those_of_the_place() {
        // 2026-09-21 14:13:20 UTC.
        let record = ended_call(0);
        assert_eq!(By::Hour.name(&record, 0), "2026-09-21T14");
        assert_eq!(By::Day.name(&record, 600), "2026-09-22");
        assert_eq!(By::HourOfDay.name(&record, -15 * 60), "23");
        assert_eq!(By::Day.name(&record, -15 * 60), "2026-09-20");
    }

    #[test]
    fn a_time_that_no_calendar_has_is_no_line_of_its_own() {
        let mut record = ended_call(0);
        record.started_ms = u64::MAX;
        assert_eq!(By::Day.name(&record, 0), "");
        record.started_ms = i64::MAX as u64;
        assert_eq!(By::Hour.name(&record, 60), "");
    }

    #[test]
    fn a_call_belongs_to_its_label_light_and_attestation() {
        let mut record = ended_call(0);
        assert_eq!(By::Label.name(&record, 0), "");
        assert_eq!(By::Attestation.name(&record, 0), "none");
        record.banner = Some(banner(Label::Campaign));
        record.facts.identity.standing = Standing::Verified;
        record.facts.identity.attestation = Some(Attestation::Partial);
        assert_eq!(By::Label.name(&record, 0), "campaign");
        assert_eq!(By::Voice.name(&record, 0), "unsure");
        assert_eq!(By::Attestation.name(&record, 0), "B");
        record.facts.identity.standing = Standing::Failed;
        assert_eq!(
            By::Attestation.name(&record, 0),
            "failed",
            "a letter that is not believed is none"
        );
        assert_eq!(By::Ending.name(&record, 0), "completed");
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let mut record = ended_call(0);
        record.answered_by = Some("é".repeat(300));
        assert_eq!(By::AnsweredBy.name(&record, 0), "é".repeat(NAME_CHARS_MAX));
    }
}
