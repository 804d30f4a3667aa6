//! What we do about it: facts + policy → decision. A pure function; looks nothing up.
//!
//! Knows no call, no queue but its name, no clock and no store: what a decision needs is in
//! [`Facts`], so that any decision can be replayed and any policy tried on old calls.

pub mod book;
mod budget;
mod check;
mod compare;
mod condition;
mod decide;
mod diff;
mod explain;
mod format;
mod hours;
pub mod limits;
mod lineup;
mod load;
mod load_action;
mod monotone;
mod own;
mod plain;
mod profile;
mod reach;
mod reference;
pub mod scenario;
mod schema;
mod scope;
mod shipped;
mod trial;
mod watch;
mod what_if;
mod wording;

use serde::{Deserialize, Serialize};

pub use crate::document::Fault;
pub use budget::Budget;
pub use compare::{Comparison, Counts, Recorded};
pub use diff::{Difference, Kind as DifferenceKind};
pub use explain::{Explanation, RuleLine, RuleResult};
pub use format::format;
pub use hours::Hours;
pub(crate) use hours::read as read_hours;
pub use lineup::Lineup;
pub use load::Beside;
pub use monotone::Regression;
pub use plain::{facts_with, plain_facts};
pub use profile::Profile;
pub use reference::reference;
pub use shipped::{SHIPPED, Shipped, shipped};
pub use trial::Trial;
pub use watch::{Exceeded, Watch};
pub use what_if::WhatIf;
pub use wording::{Prefixes, Say, Wording};

use crate::screening::{Facts, Stage, Tag, Verdict, Weights};

/// `[policy]`
#[derive(Clone, Debug)]
pub struct Config {
    /// None = the embedded default policy.
    pub file: Option<std::path::PathBuf>,
}

/// What to do with the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Action {
    Deliver,
    /// Deliver with the label on the phone's display.
    Label,
    /// Answer it, ask for name and reason, listen; then ask policy again, at the stage `heard`.
    Screen,
    /// Answer it and have the caller press two digits that he hears; then ask policy again, at the stage `heard`. While they
    /// talk, the same in the middle of the call.
    Challenge,
    /// To another queue (security desk); while they talk, as soon as a phone there answers.
    Divert {
        queue: String,
    },
    /// While they talk: tells the person who has the call what it is.
    Whisper,
    /// While they talk: ends the call for both.
    End,
    /// With this status (400-699), or as the profile says.
    Refuse {
        status: u16,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        profile: Option<Profile>,
        /// What the caller is told first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        announce: Option<Announcement>,
    },
}

impl Action {
    /// The caller does not get, or no longer has, whom he called.
    pub fn sends_away(&self) -> bool {
        matches!(self, Action::Refuse { .. } | Action::End)
    }

    /// When it is possible at all: a call that talks is not refused, and nobody is told of one that does not.
    pub(crate) fn stages(&self) -> &'static [Stage] {
        match self {
            Action::Deliver | Action::Label | Action::Challenge | Action::Divert { .. } => Stage::ALL,
            Action::Screen | Action::Refuse { .. } => &[Stage::Arrive, Stage::Heard],
            Action::Whisper | Action::End => &[Stage::Live],
        }
    }
}

/// What a caller is told before he is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// The name of a recording.
    pub prompt: String,
    /// The call is answered for it, and hung up afterwards: whoever calls pays for it, and hears it everywhere. Otherwise
    /// it is early media (183), which some networks cut off, and the refusal follows.
    #[serde(default)]
    pub is_answered: bool,
}

/// A rule whose condition was true, or that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fired {
    pub rule: String,
    /// The rule's own reason; for a failed rule what went wrong.
    pub reason: String,
    /// `mode = "shadow"`: written down, never acted on.
    #[serde(default)]
    pub is_shadow: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub verdict: Verdict,
    pub action: Action,
    /// Rules whose condition was true, in the order of the file.
    pub fired: Vec<Fired>,
    /// Rules that failed at run time (counted as not matched; adds RULE_ERROR).
    pub errors: Vec<Fired>,
    /// Name and content hash: `default@9c1e02d4`.
    pub policy: String,
}

/// Whether a rule acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    Enforce,
    /// Asked and written down, never acted on: how a rule is tried on live calls.
    Shadow,
    /// Checked at load, never asked.
    Off,
}

#[derive(Clone, Debug)]
struct Rule {
    id: String,
    /// The condition as written.
    source: String,
    condition: condition::Node,
    then: Action,
    reason: String,
    mode: Mode,
    stages: Vec<Stage>,
    scope: scope::Scope,
}

/// `[[where]]`: what the findings of some calls weigh.
#[derive(Clone, Debug)]
struct Variant {
    scope: scope::Scope,
    weights: Weights,
    suspect_at: i32,
}

/// A loaded, checked policy. Immutable; `Send + Sync`.
#[derive(Debug)]
pub struct Policy {
    name: String,
    description: String,
    revision: String,
    weights: Weights,
    /// Sum in tenths from which a call is suspect.
    suspect_at: i32,
    /// The first that holds for a call replaces both for it.
    variants: Vec<Variant>,
    hours: Option<hours::Hours>,
    own: own::Own,
    budget: Option<Budget>,
    rules: Vec<Rule>,
    wording: wording::Wordings,
    warnings: Vec<Fault>,
    /// Findings that a second opinion on the voice is worth asking for, the most important first.
    second_opinion: Vec<Tag>,
}

impl Policy {
    /// Parses and checks; all faults at once. `name` is the file's name, for the faults; `queues` are the configured
    /// queue names (for `divert`).
    pub fn load(name: &str, text: &str, queues: &[String]) -> Result<Policy, Vec<Fault>> {
        let beside = Beside {
            queues: Some(queues),
            ..Beside::default()
        };
        load::load(name, text, &beside)
    }

    /// Like [`Policy::load`] beside a whole configuration: what names something that is not there, or needs something
    /// that is off, does not load.
    pub fn load_beside(name: &str, text: &str, beside: &Beside<'_>) -> Result<Policy, Vec<Fault>> {
        load::load(name, text, beside)
    }

    /// Like [`Policy::load`] where no configuration is at hand: every queue name is taken.
    pub fn load_without_queues(name: &str, text: &str) -> Result<Policy, Vec<Fault>> {
        load::load(name, text, &Beside::default())
    }

    /// `policies/default.toml` as embedded in the binary.
    pub fn embedded() -> Policy {
        SHIPPED[0].policy()
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The recordings that callers hear by its rules.
    pub fn announced(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().filter_map(|rule| match &rule.then {
            Action::Refuse {
                announce: Some(announcement),
                ..
            } if rule.mode != Mode::Off => Some(announcement.prompt.as_str()),
            _ => None,
        })
    }

    /// Name and the first 8 hexadecimal digits of the file's SHA-256: `default@9c1e02d4`.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// What the author says it does; at most 200 characters.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Wording for the banners of one queue, in its language.
    pub fn wording(&self, queue: &str) -> &Wording {
        self.wording.of(queue)
    }

    /// How many calls it may refuse; `None` = it does not say.
    pub fn budget(&self) -> Option<Budget> {
        self.budget
    }

    /// What loads and will not do what people expect, in the order of the file.
    pub fn warnings(&self) -> &[Fault] {
        &self.warnings
    }

    /// Whether a rule that is in force can refuse a call.
    pub fn can_refuse(&self) -> bool {
        let refuses = |rule: &Rule| rule.mode == Mode::Enforce && rule.then.sends_away();
        self.rules.iter().any(refuses)
    }

    /// Whether a rule that is in force does something with calls that talk, beyond naming them.
    pub fn acts_live(&self) -> bool {
        let acts = |rule: &Rule| {
            rule.mode == Mode::Enforce
                && rule.stages.contains(&Stage::Live)
                && !matches!(rule.then, Action::Deliver | Action::Label)
        };
        self.rules.iter().any(acts)
    }

    /// The rule that decides with these facts, and its reason, for the record; `None`: none does.
    pub fn decided_by(&self, facts: &Facts) -> Option<String> {
        let mut found = None;
        self.run(facts, |rule, _, decides| {
            if decides {
                found = Some(format!("{}: {}", rule.id, rule.reason));
            }
        });
        found
    }

    /// Which place a call with this verdict has among those that want a second opinion on the voice: that of its most
    /// important finding in `[second_opinion] order`, 0 first. `None`: it wants none.
    pub fn second_opinion(&self, verdict: &Verdict) -> Option<u8> {
        let place = self.second_opinion.iter().position(|tag| verdict.has(*tag))?;
        u8::try_from(place).ok()
    }

    pub fn rule_count(&self) -> usize {
        self.rules.len()
    }

    /// Always completes; the same facts always give the same decision.
    pub fn decide(&self, facts: &Facts) -> Decision {
        self.run(facts, |_, _, _| ())
    }
}
