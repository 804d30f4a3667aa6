//! `/api/v1/policies`: the book of policies, and what is done with a revision from its first check to its roll-back.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};

use super::access::SignedIn;
use super::error::{Problem, ProblemBody};
use super::limits::REASON_MAX;
use super::policy_views::{
    ActivateBody, CallsBody, Changes, ChangesQuery, PolicyBook, ProposalView, ReasonBody, RevisionView,
    Rollout, SaveBody, ShadowView, Standing, TextBody, Trials, Validated,
};
use super::roles;
use super::state::Shared;
use crate::policy::Trial;
use crate::policy::book::Refused;
use crate::policy::scenario::Scenario;
use crate::runtime::policies::{self, Done};

/// Which policies judge, which could, and how the watching one does.
#[utoipa::path(
    get, path = "/api/v1/policies", tag = "policies",
    responses(
        (status = 200, description = "The book", body = PolicyBook),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
    )
)]
pub(crate) async fn list(State(shared): State<Shared>) -> Json<PolicyBook> {
    let policies = &shared.gateway.policies;
    let (book, counts) = (policies.book(), policies.shadow_counts());
    Json(PolicyBook {
        live: book.live(),
        policy: policies.lineup().live().revision().to_string(),
        rollout: book
            .rollout()
            .map(|(number, percent)| Rollout { number, percent }),
        shadow: book.shadow().map(|number| ShadowView::of(number, &counts)),
        proposal: book.proposal().map(ProposalView::of),
        revisions: book
            .revisions()
            .rev()
            .map(|revision| RevisionView::of(revision, false))
            .collect(),
    })
}

/// One revision, with its text.
#[utoipa::path(
    get, path = "/api/v1/policies/{number}", tag = "policies",
    params(("number" = u64, Path, description = "Number of the revision")),
    responses(
        (status = 200, description = "As it was saved", body = RevisionView),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 404, description = "No such revision", body = ProblemBody),
    )
)]
pub(crate) async fn one(
    State(shared): State<Shared>,
    number: Result<Path<u64>, PathRejection>,
) -> Result<Json<RevisionView>, Problem> {
    let book = shared.gateway.policies.book();
    let revision = book.revision(numbered(number)?).map_err(refused)?;
    Ok(Json(RevisionView::of(revision, true)))
}

/// Save a policy as a new revision. It judges nobody yet.
#[utoipa::path(
    post, path = "/api/v1/policies", tag = "policies", request_body = SaveBody,
    responses(
        (status = 201, description = "Kept on disk", body = RevisionView),
        (status = 400, description = "Not a policy and a reason", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 413, description = "Too long", body = ProblemBody),
        (status = 422, description = "The policy has faults: all of them, with their places", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn save(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    body: Result<Json<SaveBody>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(body) = body.map_err(super::calls::bad_body)?;
    let reason = reason(&body.reason)?;
    let policies = shared.gateway.policies.clone();
    let number = shared
        .work(move || {
            policies
                .save(&body.text, &signed_in.who, &reason)
                .map_err(problem)
        })
        .await?;
    let book = shared.gateway.policies.book();
    let revision = book.revision(number).map_err(refused)?;
    Ok((StatusCode::CREATED, Json(RevisionView::of(revision, false))).into_response())
}

/// Check a policy without keeping it.
#[utoipa::path(
    post, path = "/api/v1/policies/validate", tag = "policies", request_body = TextBody,
    responses(
        (status = 200, description = "It loads; what is to be said of it", body = Validated),
        (status = 400, description = "Not a policy", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 413, description = "Too long", body = ProblemBody),
        (status = 422, description = "The policy has faults: all of them, with their places", body = ProblemBody),
    )
)]
pub(crate) async fn validate(
    State(shared): State<Shared>,
    body: Result<Json<TextBody>, JsonRejection>,
) -> Result<Json<Validated>, Problem> {
    let Json(body) = body.map_err(super::calls::bad_body)?;
    let policies = shared.gateway.policies.clone();
    let validated = shared.work(move || {
        let policy = policies.check(&body.text).map_err(Problem::PolicyFaults)?;
        let live = policies.lineup().live().clone();
        Ok(Validated {
            revision: policy.revision().to_string(),
            rules: policy.rule_count(),
            warnings: policy.warnings().to_vec(),
            regressions: policy.regressions(),
            changes: live.differences(&policy),
            new_refusals: live.new_refusals(&policy),
        })
    });
    Ok(Json(validated.await?))
}

/// What a revision changes.
#[utoipa::path(
    get, path = "/api/v1/policies/{number}/changes", tag = "policies",
    params(("number" = u64, Path, description = "Number of the revision"), ChangesQuery),
    responses(
        (status = 200, description = "What differs in meaning", body = Changes),
        (status = 400, description = "Not a number", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 404, description = "No such revision", body = ProblemBody),
        (status = 422, description = "It does not fit the configuration any more", body = ProblemBody),
    )
)]
pub(crate) async fn changes(
    State(shared): State<Shared>,
    number: Result<Path<u64>, PathRejection>,
    query: Result<Query<ChangesQuery>, QueryRejection>,
) -> Result<Json<Changes>, Problem> {
    let Query(query) = query.map_err(|rejection| Problem::BadRequest(rejection.body_text()))?;
    let number = numbered(number)?;
    let policies = shared.gateway.policies.clone();
    let changes = shared.work(move || {
        let after = policies.numbered(number).map_err(problem)?;
        let before = match query.from {
            Some(from) => policies.numbered(from).map_err(problem)?,
            None => policies.lineup().live().clone(),
        };
        Ok(Changes {
            changes: before.differences(&after),
            new_refusals: before.new_refusals(&after),
        })
    });
    Ok(Json(changes.await?))
}

/// Play written-down calls against a revision.
#[utoipa::path(
    post, path = "/api/v1/policies/{number}/test", tag = "policies", request_body = CallsBody,
    params(("number" = u64, Path, description = "Number of the revision")),
    responses(
        (status = 200, description = "What became of each", body = Trials),
        (status = 400, description = "A line that is not understood", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 404, description = "No such revision", body = ProblemBody),
        (status = 413, description = "Too long", body = ProblemBody),
        (status = 422, description = "It does not fit the configuration any more", body = ProblemBody),
    )
)]
pub(crate) async fn test(
    State(shared): State<Shared>,
    number: Result<Path<u64>, PathRejection>,
    body: Result<Json<CallsBody>, JsonRejection>,
) -> Result<Json<Trials>, Problem> {
    let Json(body) = body.map_err(super::calls::bad_body)?;
    let number = numbered(number)?;
    let policies = shared.gateway.policies.clone();
    let trials = shared.work(move || {
        let policy = policies.numbered(number).map_err(problem)?;
        let calls = Scenario::read_all("calls", &body.calls);
        let calls = calls.map_err(|faults| {
            Problem::BadRequest(faults.into_iter().take(20).collect::<Vec<_>>().join("; "))
        })?;
        let trials: Vec<Trial> = calls.iter().map(|call| policy.try_out(call)).collect();
        Ok(Trials {
            calls: trials.len(),
            failed: trials.iter().filter(|trial| !trial.failures.is_empty()).count(),
            trials,
        })
    });
    Ok(Json(trials.await?))
}

/// Make a revision live, for all callers or a share of them. One that refuses calls which the live policy lets through
/// is proposed first: it is live once somebody else approves. A token is whoever made it, so it is no second person beside him.
#[utoipa::path(
    post, path = "/api/v1/policies/{number}/activate", tag = "policies", request_body = ActivateBody,
    params(("number" = u64, Path, description = "Number of the revision")),
    responses(
        (status = 200, description = "Live on every shard", body = Standing),
        (status = 202, description = "Proposed: somebody else has to approve", body = Standing),
        (status = 400, description = "Not a share and a reason", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 404, description = "No such revision", body = ProblemBody),
        (status = 409, description = "Somebody else changed the book at the same time", body = ProblemBody),
        (status = 422, description = "It does not fit the configuration any more", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn activate(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    number: Result<Path<u64>, PathRejection>,
    body: Result<Json<ActivateBody>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(body) = body.map_err(super::calls::bad_body)?;
    let (number, reason) = (numbered(number)?, reason(&body.reason)?);
    let percent = body.percent.unwrap_or(100);
    let policies = shared.gateway.policies.clone();
    let may_agree = roles::may(
        &signed_in.roles,
        &Method::POST,
        "/api/v1/policies/{number}/approve",
    );
    let done = shared.work(move || {
        policies
            .activate(number, percent, signed_in.hand(), may_agree, &reason)
            .map_err(problem)
    });
    Ok(standing(done.await?))
}

/// Agree with a revision that somebody else proposed. A token is whoever made it.
#[utoipa::path(
    post, path = "/api/v1/policies/{number}/approve", tag = "policies", request_body = ReasonBody,
    params(("number" = u64, Path, description = "Number of the revision")),
    responses(
        (status = 200, description = "Live on every shard", body = Standing),
        (status = 400, description = "Not a reason", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 404, description = "No such revision", body = ProblemBody),
        (status = 409, description = "Nothing is proposed, or you proposed it", body = ProblemBody),
        (status = 422, description = "It does not fit the configuration any more", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn approve(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    number: Result<Path<u64>, PathRejection>,
    body: Result<Json<ReasonBody>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(body) = body.map_err(super::calls::bad_body)?;
    let (number, reason) = (numbered(number)?, reason(&body.reason)?);
    let policies = shared.gateway.policies.clone();
    let done = shared.work(move || {
        policies
            .approve(number, signed_in.hand(), &reason)
            .map_err(problem)
    });
    Ok(standing(done.await?))
}

/// Back to what was live before; a roll-out ends. Nobody else has to agree.
#[utoipa::path(
    post, path = "/api/v1/policies/roll-back", tag = "policies", request_body = ReasonBody,
    responses(
        (status = 200, description = "Live on every shard", body = Standing),
        (status = 400, description = "Not a reason", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 409, description = "No earlier policy was live", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn roll_back(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    body: Result<Json<ReasonBody>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(body) = body.map_err(super::calls::bad_body)?;
    let reason = reason(&body.reason)?;
    let policies = shared.gateway.policies.clone();
    let done = shared.work(move || policies.roll_back(&signed_in.who, &reason).map_err(problem));
    Ok(standing(done.await?))
}

/// Have a revision watch beside the live one: it is asked about every call, decides none, and is counted. Number 0 ends
/// the watching.
#[utoipa::path(
    post, path = "/api/v1/policies/{number}/shadow", tag = "policies", request_body = ReasonBody,
    params(("number" = u64, Path, description = "Number of the revision; 0 = none watches any more")),
    responses(
        (status = 204, description = "It watches from the next call on; its counts begin anew"),
        (status = 400, description = "Not a reason", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 404, description = "No such revision", body = ProblemBody),
        (status = 422, description = "It does not fit the configuration any more", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn shadow(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    number: Result<Path<u64>, PathRejection>,
    body: Result<Json<ReasonBody>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(body) = body.map_err(super::calls::bad_body)?;
    let (number, reason) = (numbered(number)?, reason(&body.reason)?);
    let policies = shared.gateway.policies.clone();
    shared
        .work(move || policies.shadow(number, &signed_in.who, &reason).map_err(problem))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn standing(done: Done) -> Response {
    let (status, state) = match done {
        Done::Live => (StatusCode::OK, "live"),
        Done::Proposed => (StatusCode::ACCEPTED, "proposed"),
    };
    (status, Json(Standing { state })).into_response()
}

pub(super) fn numbered(number: Result<Path<u64>, PathRejection>) -> Result<u64, Problem> {
    // A number that cannot be is one that no revision has.
    number
        .map(|Path(number)| number)
        .map_err(|_| Problem::NoSuchPolicy)
}

pub(super) fn reason(given: &str) -> Result<String, Problem> {
    let reason = given.trim();
    let length = reason.chars().count();
    if length == 0 || length > REASON_MAX {
        return Err(Problem::BadRequest(format!(
            "a reason has 1 to {REASON_MAX} characters"
        )));
    }
    Ok(reason.to_string())
}

fn refused(refused: Refused) -> Problem {
    match refused {
        Refused::NoSuchRevision => Problem::NoSuchPolicy,
        Refused::Share => Problem::BadRequest(refused.to_string()),
        Refused::NothingProposed | Refused::SecondPerson | Refused::NothingBefore | Refused::Full => {
            Problem::Conflict(refused.to_string())
        }
    }
}

pub(super) fn problem(problem: policies::Problem) -> Problem {
    match problem {
        policies::Problem::Refused(why) => refused(why),
        policies::Problem::Faults(faults) => Problem::PolicyFaults(faults),
        policies::Problem::Raced => Problem::Conflict(problem.to_string()),
        policies::Problem::Store(error) => Problem::Store(error),
    }
}
