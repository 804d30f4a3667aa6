//! What we do about it: facts + policy → decision. A pure function; looks nothing up.
// DOOR

use serde::{Deserialize, Serialize};

pub use crate::document::Fault;
use crate::screening::{Facts, Verdict};

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
    /// SIP status 400-699 from the policy's refusal profile, default 608.
    Refuse {
        status: u16,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fired {
    pub rule: String,
    pub reason: String,
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

/// A loaded, checked policy. Immutable; `Send + Sync`.
pub struct Policy {}

impl Policy {
    /// Parses and checks; all faults at once. `queues` are the configured queue names (for `divert`).
    pub fn load(name: &str, text: &str, queues: &[String]) -> Result<Policy, Vec<Fault>> {
        let _ = (name, text, queues);
        todo!()
    }
    /// `policies/default.toml` as embedded in the binary.
    pub fn embedded() -> Policy {
        todo!()
    }
    pub fn revision(&self) -> &str {
        todo!()
    }
    /// Wording for banners (used by `banner`).
    pub fn wording(&self) -> &Wording {
        todo!()
    }
    /// Always completes.
    pub fn decide(&self, facts: &Facts) -> Decision {
        let _ = facts;
        todo!()
    }
}

/// `[banner]` of a policy: display-name prefixes (ASCII, at most 12 characters) and suggested lines.
#[derive(Clone, Debug)]
pub struct Wording {}
