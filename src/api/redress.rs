//! `/redress/{reference}`: the signed card that a 608 refers to, for whoever was refused (RFC 8688).
//!
//! Open to everybody: it holds nothing but the contact that the operator gives for that. Only references that this
//! gateway handed out are answered, so nobody gets a card signed for a time of his choice.

use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::error::Problem;
use super::state::Shared;

pub(crate) async fn card(State(shared): State<Shared>, Path(reference): Path<String>) -> Response {
    match (shared.gateway.redress)(&reference) {
        Some(jws) => (
            [(header::CONTENT_TYPE, HeaderValue::from_static("application/jose"))],
            jws,
        )
            .into_response(),
        None => Problem::NotFound.into_response(),
    }
}
