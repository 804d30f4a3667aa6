//! Which address is answered by what, and in what order a request passes the guards.

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::Problem;
use super::limits::{BODY_MAX, DRILL_BODY_MAX, IMPORT_BODY_MAX, POLICY_BODY_MAX};
use super::state::Shared;
use super::{
    account, alarms, audit, call_back, calls, campaigns, card, desks, devices, document as whole, drills,
    erasures, events, exports, flood, guard, icon, list_files, lists, lockdown, model, oidc, passkeys,
    people, policies, redress, repeats, replays, reports, reputation, searches, session, status, tokens,
    users, webhooks,
};
use crate::console::{self, Asset};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Ringward",
        description = "Calls as they are screened, kept and explained. Times are Unix milliseconds unless a field says \
                       otherwise. Errors are application/problem+json (RFC 9457). What changes something by cookie needs \
                       the header `X-Ringward: 1`. A POST with an `Idempotency-Key` that is sent again within an hour is done once and \
                       answered as before. Who asks too often is answered 429 with `Retry-After`.",
        license(name = "MIT OR Apache-2.0")
    ),
    tags(
        (name = "session", description = "Signing in, and one's own account"),
        (name = "calls", description = "Calls, live and kept"),
        (name = "desks", description = "Who sits at which phone, and who takes no calls for now"),
        (name = "policies", description = "What is done about calls: revisions, trials, roll-out and roll-back"),
        (name = "lists", description = "Numbers and names that people here wrote down, and what they mean for calls"),
        (name = "campaigns", description = "Recordings that came from several numbers, and which of them are wanted"),
        (name = "access", description = "Who may ask"),
        (name = "drills", description = "Training calls, and how people answered them"),
        (name = "audit", description = "What was done by whom"),
        (name = "webhooks", description = "Who is told what is done here, and what they never took"),
        (name = "live", description = "What changes, as it changes"),
        (name = "gateway", description = "How the gateway is doing"),
    ),
    components(schemas(super::view::CallView)),
    security(("token" = []), ("session" = [])),
    modifiers(&Schemes)
)]
struct Document;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("token", SecurityScheme::Http(token));
        let session = ApiKey::Cookie(ApiKeyValue::new(guard::COOKIE));
        components.add_security_scheme("session", SecurityScheme::ApiKey(session));
    }
}

/// The OpenAPI document as served, indented.
pub fn openapi() -> String {
    let (_, document) = documented();
    // Our own plain data always has a JSON form.
    document.to_pretty_json().unwrap_or_default()
}

/// All routes with their guards.
pub(super) fn routes(shared: Shared) -> Router {
    let ((guarded, open), _) = documented();
    // The last layer is the first a request meets.
    let guarded = guarded
        .route_layer(middleware::from_fn_with_state(
            shared.clone(),
            audit::written_down,
        ))
        .route_layer(middleware::from_fn_with_state(shared.clone(), repeats::once))
        .route_layer(middleware::from_fn_with_state(shared.clone(), guard::signed_in));
    let mut routes = open
        .merge(guarded)
        .route("/openapi.json", get(document))
        .route("/card/{id}", get(card::show))
        .route("/redress/{reference}", get(redress::card))
        .route("/sign-in/oidc", get(oidc::begin))
        .route("/sign-in/oidc/callback", get(oidc::come_back));
    for asset in console::ASSETS {
        routes = routes.route(
            asset.path,
            get(move |headers: HeaderMap| async move { file(asset, &headers) }),
        );
    }
    // The last layer is the first a request meets.
    routes
        .fallback(async || Problem::NotFound)
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(middleware::from_fn(guard::in_time))
        .layer(middleware::from_fn_with_state(
            shared.clone(),
            guard::for_our_host,
        ))
        .layer(middleware::from_fn(guard::with_headers))
        .with_state(shared)
}

/// What needs to be signed in, what does not, and the document of both.
fn documented() -> ((Router<Shared>, Router<Shared>), utoipa::openapi::OpenApi) {
    let (guarded, mut document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(calls::list))
        .routes(routes!(exports::calls))
        .routes(routes!(reports::counted))
        .routes(routes!(people::counted))
        .routes(routes!(calls::one))
        .routes(routes!(calls::why))
        .routes(routes!(calls::report))
        .routes(routes!(calls::act))
        .routes(routes!(call_back::look, call_back::begin))
        .routes(routes!(icon::of_call))
        .routes(routes!(events::stream))
        .routes(routes!(session::look, session::leave))
        .routes(routes!(oidc::show_code))
        .routes(routes!(status::status))
        .routes(routes!(model::show))
        .routes(routes!(status::metrics))
        .routes(routes!(account::look))
        .routes(routes!(account::change_password))
        .routes(routes!(
            account::begin_second_factor,
            account::prove_second_factor
        ))
        .routes(routes!(account::end_session))
        .routes(routes!(passkeys::begin))
        .routes(routes!(passkeys::keep))
        .routes(routes!(passkeys::forget))
        .routes(routes!(searches::list))
        .routes(routes!(searches::keep, searches::forget))
        .routes(routes!(users::list, users::add))
        .routes(routes!(users::one, users::change, users::remove))
        .routes(routes!(users::reset))
        .routes(routes!(users::end_sessions))
        .routes(routes!(users::review))
        .routes(routes!(tokens::list, tokens::make))
        .routes(routes!(tokens::revoke))
        .routes(routes!(devices::list, devices::make))
        .routes(routes!(devices::rotate))
        .routes(routes!(devices::remove))
        .routes(routes!(campaigns::list))
        .routes(routes!(campaigns::one, campaigns::say))
        .routes(routes!(alarms::list))
        .routes(routes!(alarms::take))
        .routes(routes!(flood::look))
        .routes(routes!(flood::set_mode))
        .routes(routes!(flood::block))
        .routes(routes!(flood::lift))
        .routes(routes!(lockdown::look, lockdown::order))
        .routes(routes!(lockdown::undo))
        .routes(routes!(lockdown::confirm))
        .routes(routes!(desks::list))
        .routes(routes!(desks::sign_in, desks::sign_out))
        .routes(routes!(desks::pause, desks::resume))
        .routes(routes!(desks::pause_other, desks::resume_other))
        .routes(routes!(desks::pause_phone, desks::resume_phone))
        .routes(routes!(desks::end_rest))
        .routes(routes!(audit::list))
        .routes(routes!(audit::verify))
        .routes(routes!(exports::audit))
        .routes(routes!(erasures::list, erasures::erase))
        .routes(routes!(erasures::held))
        .routes(routes!(webhooks::list))
        .routes(routes!(webhooks::test))
        .routes(routes!(webhooks::dead, webhooks::forget_all))
        .routes(routes!(webhooks::all_again))
        .routes(routes!(webhooks::again))
        .routes(routes!(webhooks::forget))
        .routes(routes!(drills::one, drills::stop))
        .merge(drill_routes())
        .merge(policy_routes())
        .merge(list_routes())
        .split_for_parts();
    whole::complete(&mut document, true);
    let (open, mut more) = OpenApiRouter::new()
        .routes(routes!(session::sign_in))
        .routes(routes!(passkeys::ask, passkeys::sign_in))
        .routes(routes!(oidc::ways))
        .routes(routes!(account::accept))
        .routes(routes!(status::alive))
        .routes(routes!(status::ready))
        .split_for_parts();
    whole::complete(&mut more, false);
    document.merge(more);
    ((guarded, open), document)
}

/// Their bodies may be longer: they carry policies.
fn policy_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(policies::list, policies::save))
        .routes(routes!(policies::validate))
        .routes(routes!(policies::roll_back))
        .routes(routes!(policies::one))
        .routes(routes!(policies::changes))
        .routes(routes!(policies::test))
        .routes(routes!(policies::activate))
        .routes(routes!(policies::approve))
        .routes(routes!(policies::shadow))
        .routes(routes!(replays::look, replays::cancel))
        .routes(routes!(replays::start))
        .layer(DefaultBodyLimit::max(POLICY_BODY_MAX))
}

/// Orders of training calls carry a recording.
fn drill_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(drills::list, drills::order))
        .layer(DefaultBodyLimit::max(DRILL_BODY_MAX))
}

/// Files of entries may be much longer than anything else.
fn list_routes() -> OpenApiRouter<Shared> {
    let files = OpenApiRouter::new()
        .routes(routes!(list_files::import))
        .layer(DefaultBodyLimit::max(IMPORT_BODY_MAX));
    OpenApiRouter::new()
        .routes(routes!(lists::all))
        .routes(routes!(lists::matching))
        .routes(routes!(lists::page, lists::add))
        .routes(routes!(lists::one, lists::change, lists::remove))
        .routes(routes!(list_files::export))
        .routes(routes!(reputation::worst))
        .merge(files)
}

async fn document(State(shared): State<Shared>) -> Response {
    (
        [(header::CONTENT_TYPE, "application/json")],
        shared.openapi.clone(),
    )
        .into_response()
}

/// A console file: asked for again each time, sent again only when it changed with the binary.
fn file(asset: &'static Asset, asked: &HeaderMap) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(asset.kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::ETAG, asset.etag()),
    ];
    if asked.get(header::IF_NONE_MATCH) == Some(&headers[2].1) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, asset.content).into_response()
}
