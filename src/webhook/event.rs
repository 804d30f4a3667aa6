//! What can be told: entries of the audit and calls that ended, each of one kind.

use serde::Serialize;
use serde_json::Value;

use super::limits::DATA_MAX;
use crate::call::CallRecord;
use crate::call::record::{Direction, Ending};
use crate::policy::Action;
use crate::screening::Label;
use crate::store::AuditEntry;

/// Kinds of what is told. A receiver chooses among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A call ended that was shown as forged, synthetic or part of a campaign, or that policy refused.
    CallAlert,
    /// Any other call ended.
    CallEnded,
    /// Something is unusual (docs/alarms.md).
    Alarm,
    /// A person said what a call was.
    CallReport,
    /// A policy was saved, proposed, made live, taken back.
    Policy,
    List,
    /// A person's account.
    Account,
    /// An API token.
    Token,
    /// Somebody signed in.
    SignIn,
    /// Somebody was refused: a wrong credential, a role he lacks.
    Refused,
    /// Anything else that was asked for and done.
    Request,
    /// Sent because somebody asked for it.
    Test,
    /// Counts of a day or week, told to the receiver that `[[report]]` names.
    Report,
}

impl Kind {
    /// All that can be chosen; a test and a report are told whatever was chosen.
    pub const ALL: [Kind; 11] = [
        Kind::CallAlert,
        Kind::CallEnded,
        Kind::Alarm,
        Kind::CallReport,
        Kind::Policy,
        Kind::List,
        Kind::Account,
        Kind::Token,
        Kind::SignIn,
        Kind::Refused,
        Kind::Request,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Kind::CallAlert => "call.alert",
            Kind::CallEnded => "call.ended",
            Kind::Alarm => "alarm",
            Kind::CallReport => "call.report",
            Kind::Policy => "audit.policy",
            Kind::List => "audit.list",
            Kind::Account => "audit.account",
            Kind::Token => "audit.token",
            Kind::SignIn => "audit.sign-in",
            Kind::Refused => "audit.refused",
            Kind::Request => "audit.request",
            Kind::Test => "test",
            Kind::Report => "report",
        }
    }

    /// Which kinds a word means: one by its name, `call.*`, `audit.*` or `*`.
    pub fn meant_by(word: &str) -> Vec<Kind> {
        let is_meant = |kind: &Kind| match word.strip_suffix('*') {
            Some(beginning) => kind.name().starts_with(beginning),
            None => kind.name() == word,
        };
        Kind::ALL.into_iter().filter(is_meant).collect()
    }

    /// The kind of an entry of the audit. What is changed over the API is written twice, as the request and as what it did;
    /// both are told.
    pub fn of(entry: &AuditEntry) -> Kind {
        // Of requests and sign-ins the note is an answer; what is done to policies, lists and accounts has a person's words there.
        let is_no = ["401", "403", "429"].iter().any(|no| entry.note.starts_with(no));
        let what = entry.what.as_str();
        let is_of = |area: &str| what.strip_prefix(area).is_some_and(|rest| rest.starts_with(' '));
        if is_of("policy") {
            Kind::Policy
        } else if is_of("list") {
            Kind::List
        } else if is_of("account") {
            Kind::Account
        } else if is_no {
            Kind::Refused
        } else if what == "sign in" {
            Kind::SignIn
        } else if what.contains(" /api/v1/tokens") {
            Kind::Token
        } else if what == "POST /api/v1/calls/{id}/report" && !entry.note.ends_with(OF_A_DRILL) {
            Kind::CallReport
        } else {
            Kind::Request
        }
    }
}

/// How the note ends of an entry about what was said of a training call.
pub const OF_A_DRILL: &str = "of a training call";

/// Something that is told: what it is, when it was, and what is to be said of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub kind: Kind,
    /// The same for every receiver and every try.
    pub id: String,
    /// Unix ms.
    pub at_ms: u64,
    pub data: Value,
}

/// A call, as it is told: no whole number leaves the machine this way. `/api/v1/calls/{id}` has everything.
#[derive(Serialize)]
struct Call<'a> {
    id: String,
    started_ms: u64,
    ended_ms: Option<u64>,
    direction: Direction,
    /// The last two digits.
    caller: Option<String>,
    called: String,
    trunk: &'a str,
    queue: Option<&'a str>,
    label: Option<Label>,
    policy: Option<&'a str>,
    action: Option<&'a Action>,
    ending: Option<Ending>,
    status: Option<u16>,
    was_answered: bool,
}

impl Event {
    /// `node`: which of several gateways on one store, each with an audit of its own; empty = the only one.
    pub fn of_entry(entry: &AuditEntry, node: &str) -> Event {
        let before = if node.is_empty() { "" } else { "-" };
        Event {
            kind: Kind::of(entry),
            // Of two entries with one number, where the store went back in between, each is told.
            id: format!(
                "audit{before}{node}-{}-{}",
                entry.number,
                entry.hash.get(..8).unwrap_or_default()
            ),
            at_ms: entry.at_ms,
            data: bounded(serde_json::to_value(entry).unwrap_or_default()),
        }
    }

    /// Of a call that has ended.
    pub fn of_call(record: &CallRecord) -> Event {
        let decision = record.decisions.last().map(|decided| &decided.decision);
        let label = record.banner.as_ref().map(|banner| banner.label);
        let is_bad = matches!(label, Some(Label::Forged | Label::Synthetic | Label::Campaign));
        let ending = record.outcome.as_ref().map(|outcome| outcome.ending);
        let ended_ms = record.timings.ended_ms.map(|after| record.started_ms + after);
        let call = Call {
            id: record.id.to_string(),
            started_ms: record.started_ms,
            ended_ms,
            direction: record.direction,
            caller: record.caller.as_ref().map(ToString::to_string),
            called: record.called.to_string(),
            trunk: &record.trunk,
            queue: record.queue.as_deref(),
            label,
            policy: decision.map(|decision| decision.policy.as_str()),
            action: decision.map(|decision| &decision.action),
            ending,
            status: record.outcome.as_ref().map(|outcome| outcome.status),
            was_answered: record.timings.answered_ms.is_some(),
        };
        Event {
            kind: match is_bad || ending == Some(Ending::Refused) {
                true => Kind::CallAlert,
                false => Kind::CallEnded,
            },
            id: format!("call-{}", record.id),
            at_ms: ended_ms.unwrap_or(record.started_ms),
            data: bounded(serde_json::to_value(call).unwrap_or_default()),
        }
    }

    /// Of an alarm; `data` names no number.
    pub fn of_alarm(number: u64, at_ms: u64, node: &str, data: Value) -> Event {
        let before = if node.is_empty() { "" } else { "-" };
        Event {
            kind: Kind::Alarm,
            id: format!("alarm{before}{node}-{number}-{at_ms}"),
            at_ms,
            data: bounded(data),
        }
    }

    /// Counts of the days of a report that was due on that day, at `at_ms`.
    pub fn of_report(name: &str, on: &str, at_ms: u64, data: Value) -> Event {
        Event {
            kind: Kind::Report,
            id: format!("report-{name}-{on}"),
            at_ms,
            data: bounded(data),
        }
    }

    /// Somebody wants to see whether messages arrive. `number` tells one test from another.
    pub fn test(number: u64, by: &str, at_ms: u64) -> Event {
        Event {
            kind: Kind::Test,
            id: format!("test-{at_ms}-{number}"),
            at_ms,
            data: serde_json::json!({ "by": by }),
        }
    }
}

fn bounded(data: Value) -> Value {
    if data.to_string().len() <= DATA_MAX {
        return data;
    }
    serde_json::json!({ "is_left_out": true })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(what: &str, note: &str) -> AuditEntry {
        AuditEntry {
            number: 7,
            at_ms: 1_790_000_000_000,
            by: "ann".into(),
            what: what.into(),
            about: String::new(),
            note: note.into(),
            before: "0".repeat(64),
            hash: "1".repeat(64),
            ..AuditEntry::default()
        }
    }

    #[test]
    fn every_entry_of_the_audit_has_its_kind() {
        for (what, note, kind) in [
            ("sign in", "from 192.0.2.1", "audit.sign-in"),
            (
                "sign in",
                "401; 3 more before it are not written down",
                "audit.refused",
            ),
            ("POST /api/v1/users", "403", "audit.refused"),
            ("policy activate", "better", "audit.policy"),
            ("policy activate", "403 cleanup", "audit.policy"),
            ("list import", "", "audit.list"),
            ("account second factor", "", "audit.account"),
            ("POST /api/v1/tokens", "201", "audit.token"),
            ("DELETE /api/v1/tokens/{name}", "204", "audit.token"),
            ("POST /api/v1/calls/{id}/report", "200", "call.report"),
            (
                "POST /api/v1/calls/{id}/report",
                "200 of a training call",
                "audit.request",
            ),
            ("POST /api/v1/policies", "201", "audit.request"),
            ("policyless", "", "audit.request"),
        ] {
            assert_eq!(Kind::of(&entry(what, note)).name(), kind, "{what} {note}");
        }
    }

    #[test]
    fn a_word_means_a_kind_or_all_that_begin_so() {
        assert_eq!(Kind::meant_by("call.alert"), [Kind::CallAlert]);
        assert_eq!(Kind::meant_by("call.*").len(), 3);
        assert_eq!(Kind::meant_by("audit.*").len(), 7);
        assert_eq!(Kind::meant_by("*").len(), 11);
        for nothing in ["", "call", "call.alerts", "x*", "test"] {
            assert!(Kind::meant_by(nothing).is_empty(), "{nothing}");
        }
    }

    fn hashed(octet: &str) -> Event {
        let hash = octet.repeat(32);
        Event::of_entry(
            &AuditEntry {
                hash,
                ..entry("list add", "")
            },
            "",
        )
    }

    #[test]
    fn what_is_too_long_is_left_out() {
        let long = Event::of_entry(&entry("list add", &"x".repeat(DATA_MAX)), "");
        assert_eq!(long.data["is_left_out"], true);
        assert_eq!(long.id, "audit-7-11111111");
        let of_one = Event::of_entry(&entry("list add", ""), "east");
        assert_eq!(of_one.id, "audit-east-7-11111111");
        let (one, other) = (hashed("a5"), hashed("b6"));
        assert_eq!(
            (one.id.as_str(), other.id.as_str()),
            ("audit-7-a5a5a5a5", "audit-7-b6b6b6b6")
        );
    }
}
