//! Records as text: what both engines keep, and read again.

use std::borrow::Cow;

use super::seal::{self, Part};
use crate::call::CallRecord;
use crate::call::record::{Ending, Outcome, State};

/// As JSON, without figures that JSON has no word for.
pub(super) fn of_record(record: &CallRecord) -> String {
    // Our own plain data always has a JSON form.
    serde_json::to_string(&*with_finite_figures(record)).unwrap_or_default()
}

/// Why a kept call cannot be read back.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("its key does not open it")]
    Shut,
    #[error(transparent)]
    NoRecord(#[from] serde_json::Error),
}

/// A record and what the person said about it, which is kept beside it.
pub(super) fn record(record: &str, report: Option<&str>) -> Result<CallRecord, Unreadable> {
    let mut record: CallRecord = serde_json::from_str(record)?;
    if let Some(report) = report {
        record.report = Some(serde_json::from_str(report)?);
    }
    Ok(record)
}

/// A sealed text opened again.
pub(super) fn opened(part: Part, call: &str, key: &[u8], octets: Vec<u8>) -> Result<String, Unreadable> {
    seal::unseal(part, call, key, octets).ok_or(Unreadable::Shut)
}

/// A call that an earlier process had saved while it lasted, ended in words that say so.
pub(super) fn interrupted(mut record: CallRecord) -> CallRecord {
    record.state = State::Ended;
    record.revision = record.revision.saturating_add(1);
    record.outcome.get_or_insert(Outcome {
        ending: Ending::Failed,
        status: 0,
        by: "us".into(),
        note: Some("the gateway stopped during this call; how it ended is not known".into()),
    });
    record
}

/// JSON has no infinity: a figure that is none would be written as null and could not be read back.
fn with_finite_figures(record: &CallRecord) -> Cow<'_, CallRecord> {
    let is_finite = record
        .windows
        .iter()
        .chain(&record.second_windows)
        .all(|window| window.llr.is_finite() && window.at.is_finite())
        && record.facts.voice.llr.is_finite()
        && record.facts.voice.speech_seconds.is_finite()
        && record.opinion.as_ref().is_none_or(|opinion| {
            opinion.llr.is_finite()
                && opinion.seconds.is_finite()
                && opinion.speech_seconds.is_finite()
                && [opinion.window, opinion.second]
                    .iter()
                    .flatten()
                    .all(|window| window.llr.is_finite() && window.at.is_finite())
        })
        && record.media.is_none_or(|media| {
            media.from_caller.jitter_ms.is_finite() && media.from_called.jitter_ms.is_finite()
        });
    if is_finite {
        return Cow::Borrowed(record);
    }
    let mut record = record.clone();
    record
        .windows
        .retain(|window| window.llr.is_finite() && window.at.is_finite());
    record
        .second_windows
        .retain(|window| window.llr.is_finite() && window.at.is_finite());
    record.opinion = None;
    for figure in [
        &mut record.facts.voice.llr,
        &mut record.facts.voice.speech_seconds,
    ] {
        if !figure.is_finite() {
            *figure = 0.0;
        }
    }
    if let Some(media) = &mut record.media {
        for side in [&mut media.from_caller, &mut media.from_called] {
            if !side.jitter_ms.is_finite() {
                side.jitter_ms = 0.0;
            }
        }
    }
    Cow::Owned(record)
}
