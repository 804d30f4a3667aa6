//! `/api/v1/reputation`: what people's reports make of numbers and signers, the worst first.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::{Problem, ProblemBody};
use super::limits::REPUTATIONS_LIMIT;
use super::state::Shared;
use crate::reputation::{Prior, Subject};
use crate::screening::{BAD_FROM, Reputable, Reputed};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReputationQuery {
    /// Only of these: `number`, `spc`, `certificate` or `origid`.
    of: Option<String>,
    /// Only of this one: a number (`+` as `%2B`), a provider code, a certificate's subject, or a provider code and an
    /// `origid` with a space between.
    name: Option<String>,
    /// The most that are told, 1 to 500; 100 when absent.
    limit: Option<usize>,
}

/// The worst first.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReputationsView {
    /// From this share on a reputation is bad.
    #[schema(example = 0.5)]
    bad_from: f64,
    reputations: Vec<ReputationView>,
}

/// What is to be expected of the next call.
#[derive(Serialize, ToSchema)]
#[schema(as = Reputation)]
pub(crate) struct ReputationView {
    /// `number`, `spc`, `certificate` or `origid`.
    #[schema(example = "number")]
    of: &'static str,
    name: String,
    /// Reports that count, the newest 500 at most.
    reports: u64,
    /// What the good ones weigh now, and the prior that is added to it.
    good: f64,
    prior_good: f64,
    /// What the scam ones weigh now, and the prior that is added to it.
    scam: f64,
    prior_scam: f64,
    /// The share of bad calls that is to be expected: (`prior_scam` + `scam`) / (all four together).
    bad: f64,
    is_bad: bool,
}

/// What people's reports make of numbers that were proven and of who signed for calls, the worst first.
#[utoipa::path(
    get, path = "/api/v1/reputation", tag = "lists", params(ReputationQuery),
    responses(
        (status = 200, description = "As it is now; empty without any report", body = ReputationsView),
        (status = 400, description = "A filter that cannot be", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
    )
)]
pub(crate) async fn worst(
    State(shared): State<Shared>,
    query: Result<Query<ReputationQuery>, QueryRejection>,
) -> Result<Json<ReputationsView>, Problem> {
    let Query(query) = query.map_err(|rejection| Problem::BadRequest(rejection.body_text()))?;
    let limit = query.limit.unwrap_or(100);
    if !(1..=REPUTATIONS_LIMIT).contains(&limit) {
        return Err(Problem::BadRequest(format!("limit is 1 to {REPUTATIONS_LIMIT}")));
    }
    let of = match &query.of {
        None => None,
        Some(name) => {
            let known = Reputable::ALL.iter().copied().find(|of| of.name() == name);
            let wrong = || Problem::BadRequest("of is number, spc, certificate or origid".into());
            Some(known.ok_or_else(wrong)?)
        }
    };
    let (known, now_ms) = (shared.gateway.reputation.reputations(), shared.now().unix_ms());
    // All of them are looked through: not on a thread that others wait for.
    let found = shared.work(move || {
        let is_wanted = |subject: &Subject| {
            of.is_none_or(|of| of == subject.of)
                && query.name.as_deref().is_none_or(|name| name == subject.name)
        };
        Ok(known.worst(now_ms, limit, is_wanted))
    });
    Ok(Json(ReputationsView {
        bad_from: BAD_FROM,
        reputations: found.await?.into_iter().map(ReputationView::of).collect(),
    }))
}

impl ReputationView {
    fn of((subject, reputed): (Subject, Reputed)) -> ReputationView {
        let prior = Prior::of(reputed.of);
        ReputationView {
            of: subject.of.name(),
            name: subject.name,
            reports: reputed.reports,
            good: reputed.good,
            prior_good: prior.good,
            scam: reputed.scam,
            prior_scam: prior.scam,
            bad: reputed.bad,
            is_bad: reputed.is_bad(),
        }
    }
}
