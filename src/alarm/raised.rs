//! One thing that is unusual: what is known of it, whether it is the same as before, and its words.

use serde::{Deserialize, Serialize};

use super::baseline::Usual;
use super::rules::{Rule, Severity, Watch};
use crate::call_id::CallId;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum State {
    Open,
    /// Somebody has taken it.
    Acknowledged {
        by: String,
        at_ms: u64,
        note: String,
    },
    Over {
        at_ms: u64,
    },
}

/// One thing that is unusual, however often it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// From 1.
    pub number: u64,
    /// The rule's name, and what it watches.
    pub rule: String,
    pub watch: Watch,
    /// Of one rule, what tells its alarms from each other: a calling code, the name of a campaign, a rule of the policy.
    pub about: String,
    pub severity: Severity,
    pub owner: Option<String>,
    /// What is unusual, and what would be usual, in words.
    pub words: String,
    pub raised_ms: u64,
    pub last_ms: u64,
    /// The highest count it was seen with.
    pub count: u64,
    /// The first calls that it is about.
    pub calls: Vec<CallId>,
    /// When people were told; None = the quiet hours are waited for.
    pub told_ms: Option<u64>,
    pub state: State,
}

/// In place of the calling code: those that are not counted one by one.
pub(super) const OTHER: &str = "other";

/// What an alarm is about that stands for all that are more than may last.
pub(super) const OTHERS: &str = "others";

/// Whether what is found by the rule now may still be part of this alarm. What was not told yet is.
pub(super) fn lasts(alarm: &Alarm, rule: &Rule, now_ms: u64) -> bool {
    let is_fresh = now_ms.saturating_sub(alarm.last_ms) < rule.again.as_millis() as u64;
    alarm.rule == rule.id
        && !matches!(alarm.state, State::Over { .. })
        && (alarm.told_ms.is_none() || is_fresh)
}

/// What is unusual, and what would be usual.
pub(super) fn words(watch: Watch, about: &str, count: u64, usual: Option<Usual>, limit: f64) -> String {
    let what = match watch {
        Watch::Volume => "calls came in this hour".to_string(),
        Watch::Country if about == OTHER => {
            "calls from further countries than are counted one by one came in this hour".to_string()
        }
        Watch::Country => format!("calls with the calling code +{about} came in this hour"),
        Watch::Unsigned => "calls of this hour had no signature that verified".to_string(),
        Watch::Refused => "calls of this hour were refused".to_string(),
        Watch::Synthetic => "calls of this hour sounded synthetic".to_string(),
        Watch::SignIns => "wrong passwords, codes or tokens were shown in this hour".to_string(),
        Watch::Outside => "calls went to numbers outside in this hour".to_string(),
        Watch::Campaign => "calls are alike".to_string(),
        Watch::RuleErrors => {
            format!(
                "calls of this hour met the rule {about:?} of the policy, which could not be evaluated and counted as not matched"
            )
        }
    };
    match usual {
        Some(usual) => format!(
            "{count} {what}; usual {} are about {:.0}, an alarm begins at {:.0}",
            if watch.is_share() {
                "of so many calls at this hour of the week"
            } else {
                "at this hour of the week"
            },
            usual.mean,
            limit.ceil()
        ),
        None => format!("{count} {what}; an alarm begins at {:.0}", limit.ceil()),
    }
}
