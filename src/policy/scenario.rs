//! `.call` files: calls that are written down with what is expected of them, a word and its arguments a line.
//!
//! The reader only. Two play what it reads: the tests with whole calls on a virtual clock, and `ringward policy test`
//! with facts alone ([`super::Policy::try_out`]).
//!
//! ```text
//! title    what it shows                (a file may hold several calls; each begins with its title)
//! policy   default | observe | ...
//! queue    ring-all | in-order, ring 20s
//! phone    answers after 2s | never answers | is dead | is busy | declines     (one line each)
//! caller   +14045550123 via carrier | hidden
//! name     Ann
//! to       front-desk                   the queue it is for
//! arrives  2026-12-24T22:30:00+01:00
//! signs    nothing | A | B | C | another's number | with a stale token | twice
//! certificate never | after 1500ms
//! store    never | after 1500ms | knows 3 scam reports
//! says     window 1 llr -2.1, window 2 llr -2.6
//! scorer   overloaded
//! listed   block because spam every Monday         allow, do-not-originate, own, executives, directory: what is shown is on it
//! fact     history.calls_last_minute 20         anything else that is known
//! does     hold at 2s | resume at 4s | update at 2s | bye at 20s | gives up after 3s
//! network  loses 10%
//! expect   tags NO_IDENTITY VOICE_SPOOF_LIKELY | no tags CALLER_HIDDEN
//! expect   decision deliver | label | divert | refuse
//! expect   rule forged-number | rule none       which rule decided at first
//! expect   number unproven | voice synthetic | label suspect          (at last)
//! expect   ringing before 900ms | answer 200 | shown "UNPROVEN Ann" | trust number=unproven | ending completed by caller
//!          | phone 1 asked CANCEL       (of whole calls only)
//! ```

use std::time::Duration;

use serde_json::Value;

use super::limits::{EXPECTATIONS_MAX, SCENARIOS_MAX};
use crate::document::shown;
use crate::screening::List;

/// One call as it was written down.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// File and line of its title.
    pub place: String,
    pub title: String,
    pub policy: Option<String>,
    /// `ring-all` or `in-order`.
    pub is_in_order: bool,
    pub ring: Duration,
    pub phones: Vec<Phone>,
    /// As written, with `+`; `None` = hidden.
    pub caller: Option<String>,
    pub trunk: String,
    pub name: Option<String>,
    pub queue: Option<String>,
    pub arrives_ms: Option<u64>,
    pub signs: Signs,
    pub certificate: Option<Late>,
    pub store: Option<Late>,
    pub scam_reports: u64,
    pub windows: Vec<f32>,
    pub is_scorer_overloaded: bool,
    /// The list that the number or the name shown is on, and the entry's reason.
    pub listed: Vec<(List, String)>,
    pub facts: Vec<(String, Value)>,
    pub acts: Vec<(Duration, Act)>,
    pub gives_up_after: Option<Duration>,
    pub lost_percent: u64,
    /// Line and words.
    pub expectations: Vec<(usize, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phone {
    AnswersAfter(Duration),
    NeverAnswers,
    IsDead,
    IsBusy,
    Declines,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Hold,
    Resume,
    Update,
    Bye,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signs {
    Nothing,
    Attested(char),
    AnotherNumber,
    Stale,
    Twice,
}

/// When an answer comes that a call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    After(Duration),
    Never,
}

impl Scenario {
    fn new(place: String, title: String) -> Scenario {
        Scenario {
            place,
            title,
            policy: None,
            is_in_order: false,
            ring: Duration::from_secs(20),
            phones: Vec::new(),
            caller: Some("+14045550123".into()),
            trunk: "carrier".into(),
            name: None,
            queue: None,
            arrives_ms: None,
            signs: Signs::Nothing,
            certificate: None,
            store: None,
            scam_reports: 0,
            windows: Vec::new(),
            is_scorer_overloaded: false,
            listed: Vec::new(),
            facts: Vec::new(),
            acts: Vec::new(),
            gives_up_after: None,
            lost_percent: 0,
            expectations: Vec::new(),
        }
    }

    /// All calls of a file.
    ///
    /// # Errors
    ///
    /// Every line that is not understood, as `file:line: what`.
    pub fn read_all(file: &str, text: &str) -> Result<Vec<Scenario>, Vec<String>> {
        let mut scenarios: Vec<Scenario> = Vec::new();
        let mut faults = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            let words: Vec<&str> = line.split_whitespace().collect();
            let place = || format!("{file}:{}", at + 1);
            match words[..] {
                [] => {}
                ["title", ..] if scenarios.len() >= SCENARIOS_MAX => {
                    faults.push(format!("{}: more than {SCENARIOS_MAX} calls", place()));
                    break;
                }
                ["title", ref title @ ..] => scenarios.push(Scenario::new(place(), title.join(" "))),
                _ => {
                    let understood = scenarios.last_mut().map(|scenario| scenario.line(at + 1, &words));
                    match understood {
                        None => faults.push(format!("{}: a call begins with its title", place())),
                        Some(None) => {
                            let line = shown(&words.join(" "));
                            faults.push(format!("{}: `{line}` is not understood", place()));
                        }
                        Some(Some(())) => {}
                    }
                }
            }
        }
        if faults.is_empty() {
            Ok(scenarios)
        } else {
            Err(faults)
        }
    }

    /// One line but the title; `None` = not understood.
    fn line(&mut self, at: usize, words: &[&str]) -> Option<()> {
        match words {
            ["expect", rest @ ..] if !rest.is_empty() => {
                if self.expectations.len() >= EXPECTATIONS_MAX {
                    return None;
                }
                self.expectations.push((at, rest.join(" ")));
            }
            ["policy", name] => self.policy = Some((*name).to_string()),
            ["queue", strategy, "ring", time] => {
                self.is_in_order = match strategy.trim_end_matches(',') {
                    "ring-all" => false,
                    "in-order" => true,
                    _ => return None,
                };
                self.ring = duration(time)?;
            }
            ["phone", rest @ ..] => self.phones.push(match rest {
                ["answers", "after", time] => Phone::AnswersAfter(duration(time)?),
                ["never", "answers"] => Phone::NeverAnswers,
                ["is", "dead"] => Phone::IsDead,
                ["is", "busy"] => Phone::IsBusy,
                ["declines"] => Phone::Declines,
                _ => return None,
            }),
            ["caller", "hidden"] => self.caller = None,
            ["caller", number, "via", trunk] => {
                self.caller = Some((*number).to_string());
                self.trunk = (*trunk).to_string();
            }
            ["name", name @ ..] => self.name = Some(name.join(" ")),
            ["to", queue] => self.queue = Some((*queue).to_string()),
            ["arrives", moment] => {
                let moment: jiff::Timestamp = moment.parse().ok()?;
                self.arrives_ms = Some(u64::try_from(moment.as_millisecond()).ok()?);
            }
            ["signs", rest @ ..] => {
                self.signs = match rest {
                    ["nothing"] => Signs::Nothing,
                    ["A"] => Signs::Attested('A'),
                    ["B"] => Signs::Attested('B'),
                    ["C"] => Signs::Attested('C'),
                    ["another's", "number"] => Signs::AnotherNumber,
                    ["with", "a", "stale", "token"] => Signs::Stale,
                    ["twice"] => Signs::Twice,
                    _ => return None,
                }
            }
            ["certificate", rest @ ..] => self.certificate = Some(late(rest)?),
            ["store", "knows", count, "scam", "reports"] => self.scam_reports = count.parse().ok()?,
            ["store", rest @ ..] => self.store = Some(late(rest)?),
            ["says", rest @ ..] => {
                for window in rest.join(" ").split(", ") {
                    let [_, at, _, llr] = window.split(' ').collect::<Vec<_>>()[..] else {
                        return None;
                    };
                    let llr: f32 = llr.parse().ok()?;
                    if at.parse() != Ok(self.windows.len() + 1) || !llr.is_finite() {
                        return None;
                    }
                    self.windows.push(llr);
                }
            }
            ["scorer", "overloaded"] => self.is_scorer_overloaded = true,
            ["listed", list, "because", reason @ ..] if !reason.is_empty() => {
                let list = list.parse().ok()?;
                if self.listed.iter().any(|(known, _)| *known == list) {
                    return None;
                }
                self.listed.push((list, reason.join(" ")));
            }
            ["fact", path, value @ ..] if !value.is_empty() => {
                let value = value.join(" ");
                let value = serde_json::from_str(&value).unwrap_or(Value::String(value));
                self.facts.push(((*path).to_string(), value));
            }
            ["does", "gives", "up", "after", time] => self.gives_up_after = Some(duration(time)?),
            ["does", act, "at", time] => {
                let act = match *act {
                    "hold" => Act::Hold,
                    "resume" => Act::Resume,
                    "update" => Act::Update,
                    "bye" => Act::Bye,
                    _ => return None,
                };
                self.acts.push((duration(time)?, act));
            }
            ["network", "loses", share] => {
                self.lost_percent = share
                    .strip_suffix('%')?
                    .parse()
                    .ok()
                    .filter(|share| *share <= 100)?;
            }
            _ => return None,
        }
        Some(())
    }
}

fn late(words: &[&str]) -> Option<Late> {
    match words {
        ["never"] => Some(Late::Never),
        ["after", time] => duration(time).map(Late::After),
        _ => None,
    }
}

/// `900ms` or `2s`.
pub fn duration(text: &str) -> Option<Duration> {
    if let Some(ms) = text.strip_suffix("ms") {
        return ms.parse().ok().map(Duration::from_millis);
    }
    text.strip_suffix('s')?.parse().ok().map(Duration::from_secs)
}
