//! What we do about it: facts + policy → decision. A pure function; looks nothing up.
//!
//! Knows no call, no queue but its name, no clock and no store: what a decision needs is in
//! [`Facts`], so that any decision can be replayed and any policy tried on old calls.

mod check;
mod condition;
mod decide;
mod explain;
pub mod limits;
mod load;
mod load_action;
mod profile;
mod reference;
mod schema;
mod wording;

use serde::{Deserialize, Serialize};

pub use crate::document::Fault;
pub use explain::{Explanation, RuleLine, RuleResult};
pub use profile::Profile;
pub use reference::reference;
pub use wording::{Prefixes, Say, Wording};

use crate::screening::{Facts, Stage, Tag, Verdict, Weights};

/// `[policy]`
#[derive(Clone, Debug)]
pub struct Config {
    /// None = the embedded default policy.
    pub file: Option<std::path::PathBuf>,
}

/// What to do with the call. (Screen, challenge and whisper come with the talking-to-the-caller component; a policy that
/// names them today fails to load and says so.)
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Action {
    Deliver,
    /// Deliver with the label on the phone's display.
    Label,
    /// To another queue (security desk).
    Divert {
        queue: String,
    },
    /// With this status (400-699), or as the profile says.
    Refuse {
        status: u16,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        profile: Option<Profile>,
    },
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
}

/// A loaded, checked policy. Immutable; `Send + Sync`.
#[derive(Debug)]
pub struct Policy {
    name: String,
    revision: String,
    weights: Weights,
    /// Sum in tenths from which a call is suspect.
    suspect_at: i32,
    rules: Vec<Rule>,
    wording: Wording,
    /// Findings that a second opinion on the voice is worth asking for, the most important first.
    second_opinion: Vec<Tag>,
}

impl Policy {
    /// Parses and checks; all faults at once. `name` is the file's name, for the faults; `queues` are the configured
    /// queue names (for `divert`).
    pub fn load(name: &str, text: &str, queues: &[String]) -> Result<Policy, Vec<Fault>> {
        load::load(name, text, Some(queues), None)
    }

    /// Like [`Policy::load`] beside a whole configuration: a rule that refuses in a way for which `[refusal]` lacks
    /// something does not load. `refusals` says for each profile what it lacks, in words; `None` = nothing.
    pub fn load_beside(
        name: &str,
        text: &str,
        queues: &[String],
        refusals: &dyn Fn(Profile) -> Option<String>,
    ) -> Result<Policy, Vec<Fault>> {
        load::load(name, text, Some(queues), Some(refusals))
    }

    /// Like [`Policy::load`] where no configuration is at hand: every queue name is taken.
    pub fn load_without_queues(name: &str, text: &str) -> Result<Policy, Vec<Fault>> {
        load::load(name, text, None, None)
    }

    /// `policies/default.toml` as embedded in the binary.
    pub fn embedded() -> Policy {
        Policy::load("policies/default.toml", DEFAULT, &[]).expect("a test loads the embedded policy")
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Name and the first 8 hexadecimal digits of the file's SHA-256: `default@9c1e02d4`.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// Which place a call with this verdict has among those that want a second opinion on the voice: that of its most
    /// important finding in `[second_opinion] order`, 0 first. `None`: it wants none.
    pub fn second_opinion(&self, verdict: &Verdict) -> Option<u8> {
        let place = self.second_opinion.iter().position(|tag| verdict.has(*tag))?;
        u8::try_from(place).ok()
    }

    /// Wording for banners (used by `banner`).
    pub fn wording(&self) -> &Wording {
        &self.wording
    }

    pub fn rule_count(&self) -> usize {
        self.rules.len()
    }

    /// Always completes; the same facts always give the same decision.
    pub fn decide(&self, facts: &Facts) -> Decision {
        self.run(facts, |_, _, _| ())
    }
}

/// Labels everything, refuses nothing.
const DEFAULT: &str = include_str!("../../policies/default.toml");

/// For the first week: writes everything down, changes nothing on any phone.
pub const OBSERVE: &str = include_str!("../../policies/observe.toml");
