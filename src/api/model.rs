//! `/api/v1/model`: which model hears callers, and how often it is wrong.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::ProblemBody;
use super::state::Shared;
use crate::runtime::models::{Ended, TrialStanding};
use crate::voice::Card;

/// The models of this gateway.
#[derive(Serialize, ToSchema)]
pub(crate) struct ModelView {
    /// The one that hears calls; null = none does (`[voice] model = "off"`).
    model: Option<Described>,
    /// Another one that hears a share of the calls, to be compared with it.
    #[schema(value_type = Option<Object>)]
    trial: Option<TrialStanding>,
    /// How the last trial ended.
    #[schema(value_type = Option<Object>)]
    last_trial: Option<Ended>,
}

/// A model in its maker's figures.
#[derive(Serialize, ToSchema)]
pub(crate) struct Described {
    /// Name and hash, as in records.
    #[schema(example = "default@1f3a9c02")]
    revision: String,
    /// A larger one is asked for a second opinion where policy wants it.
    has_second_opinion: bool,
    /// What its maker measured on speech that it was not trained on, by kind of line: shares of 1, and how much it was
    /// trained on.
    #[schema(value_type = Option<Object>)]
    card: Option<Card>,
    /// Why there are no figures.
    card_problem: Option<String>,
}

/// Which model hears callers, and how often it is wrong.
#[utoipa::path(
    get, path = "/api/v1/model", tag = "gateway",
    responses(
        (status = 200, description = "The model, with the figures of its maker", body = ModelView),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
    )
)]
pub(crate) async fn show(State(shared): State<Shared>) -> Json<ModelView> {
    let Some(models) = &shared.gateway.models else {
        return Json(ModelView {
            model: None,
            trial: None,
            last_trial: None,
        });
    };
    let (model, standing) = (models.current(), models.standing());
    let card = model.card();
    Json(ModelView {
        model: Some(Described {
            revision: model.revision().to_string(),
            has_second_opinion: model.has_second(),
            card: card.ok().cloned(),
            card_problem: card.err().map(str::to_string),
        }),
        trial: standing.trial,
        last_trial: standing.last_trial,
    })
}
