//! What is asked and told about policies, as JSON.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::whole::whole;
use crate::policy::book::{Proposal, Revision};
use crate::policy::{Difference, Fault, Regression, Trial};
use crate::runtime::policies::ShadowCounts;

/// A policy text, and why it is saved.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SaveBody {
    /// The policy file, as TOML.
    pub text: String,
    /// At most 500 characters; kept for good.
    pub reason: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TextBody {
    /// The policy file, as TOML.
    pub text: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallsBody {
    /// Calls as they are written down in `.call` files (policies/README.md).
    pub calls: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActivateBody {
    /// Of the callers, 1 to 100; 100 when absent. A caller stays in or out while a share lasts.
    pub percent: Option<u8>,
    /// At most 500 characters; kept for good.
    pub reason: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReasonBody {
    /// At most 500 characters; kept for good.
    pub reason: String,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ChangesQuery {
    /// Number of the revision to compare with; the live one when absent.
    #[serde(default, deserialize_with = "whole")]
    pub from: Option<u64>,
}

/// Which policies judge, and which could.
#[derive(Serialize, ToSchema)]
pub(crate) struct PolicyBook {
    /// Number of the revision that judges every call that is in no roll-out; null = the configuration's own policy,
    /// which the book could not take.
    pub live: Option<u64>,
    /// What judges now, by name and hash.
    #[schema(example = "default@9c1e02d4")]
    pub policy: String,
    /// A revision that judges a share of the callers.
    pub rollout: Option<Rollout>,
    /// A revision that is asked about every call and decides none, and what it would have done.
    pub shadow: Option<ShadowView>,
    /// A revision that waits for a second person.
    pub proposal: Option<ProposalView>,
    /// Newest first.
    pub revisions: Vec<RevisionView>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Rollout {
    pub number: u64,
    pub percent: u8,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Shadow)]
pub(crate) struct ShadowView {
    pub number: u64,
    /// Calls that ended since it watches.
    pub calls: u64,
    /// It would have done something else.
    pub otherwise: u64,
    pub newly_refused: u64,
    pub newly_allowed: u64,
    pub relabelled: u64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Proposal)]
pub(crate) struct ProposalView {
    pub number: u64,
    pub percent: u8,
    pub by: String,
    pub reason: String,
    pub at_ms: u64,
}

/// A policy text as it was saved. It never changes.
#[derive(Serialize, ToSchema)]
#[schema(as = PolicyRevision)]
pub(crate) struct RevisionView {
    pub number: u64,
    /// Name and content hash, as in records.
    #[schema(example = "office@9c1e02d4")]
    pub revision: String,
    pub by: String,
    pub reason: String,
    pub at_ms: u64,
    /// Only where one revision is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What is to be said of a text that loads.
#[derive(Serialize, ToSchema)]
pub(crate) struct Validated {
    #[schema(example = "office@9c1e02d4")]
    pub revision: String,
    pub rules: usize,
    /// What loads and will not do what people expect.
    #[schema(value_type = Vec<Object>)]
    pub warnings: Vec<Fault>,
    /// Where it treats a worse call milder.
    #[schema(value_type = Vec<Object>)]
    pub regressions: Vec<Regression>,
    /// What differs from the live policy in meaning.
    #[schema(value_type = Vec<Object>)]
    pub changes: Vec<Difference>,
    /// Rules that would refuse calls that the live policy does not: somebody else has to agree with them.
    pub new_refusals: Vec<String>,
}

/// What differs between two revisions in meaning.
#[derive(Serialize, ToSchema)]
pub(crate) struct Changes {
    #[schema(value_type = Vec<Object>)]
    pub changes: Vec<Difference>,
    pub new_refusals: Vec<String>,
}

/// What became of the written-down calls.
#[derive(Serialize, ToSchema)]
pub(crate) struct Trials {
    pub calls: usize,
    pub failed: usize,
    /// One for each call, in order.
    #[schema(value_type = Vec<Object>)]
    pub trials: Vec<Trial>,
}

/// What became of a wish.
#[derive(Serialize, ToSchema)]
pub(crate) struct Standing {
    /// `live`: every call is judged so from its next decision on. `proposed`: somebody else has to agree.
    #[schema(example = "live")]
    pub state: &'static str,
}

impl ShadowView {
    pub fn of(number: u64, counts: &ShadowCounts) -> ShadowView {
        ShadowView {
            number,
            calls: counts.calls,
            otherwise: counts.otherwise,
            newly_refused: counts.newly_refused,
            newly_allowed: counts.newly_allowed,
            relabelled: counts.relabelled,
        }
    }
}

impl ProposalView {
    pub fn of(proposal: &Proposal) -> ProposalView {
        ProposalView {
            number: proposal.number,
            percent: proposal.percent,
            by: proposal.by.clone(),
            reason: proposal.reason.clone(),
            at_ms: proposal.at_ms,
        }
    }
}

impl RevisionView {
    pub fn of(revision: &Revision, is_whole: bool) -> RevisionView {
        RevisionView {
            number: revision.number,
            revision: revision.revision.clone(),
            by: revision.by.clone(),
            reason: revision.reason.clone(),
            at_ms: revision.at_ms,
            text: is_whole.then(|| revision.text.to_string()),
        }
    }
}
