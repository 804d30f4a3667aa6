//! `/api/v1/devices`: phones that may register, and their secrets, each shown once.

use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::SignedIn;
use super::error::{Problem, ProblemBody};
use super::state::Shared;
use crate::accounts::{By, Devices, NoDevice};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewDevice {
    /// What the phone registers as: a small letter, then up to 47 of a-z, 0-9, `-`, `_` and `.`.
    #[schema(example = "desk-1")]
    name: String,
    /// Keep what MD5 needs as well, for phones that know nothing else.
    #[serde(default)]
    md5: bool,
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSecret {
    /// Keep what MD5 needs as well, for phones that know nothing else.
    #[serde(default)]
    md5: bool,
}

/// A device without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = Device)]
pub(crate) struct DeviceView {
    name: String,
    /// When its secret was made, Unix ms.
    made_ms: u64,
    has_md5: bool,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct DeviceList {
    /// In the order of their names.
    devices: Vec<DeviceView>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct MadeDevice {
    name: String,
    /// The phone's password. Shown this once; only a hash of it is kept.
    secret: String,
}

/// Phones that may register. Who is registered stands in the status.
#[utoipa::path(
    get, path = "/api/v1/devices", tag = "access",
    responses(
        (status = 200, description = "Without their secrets", body = DeviceList),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn list(State(shared): State<Shared>) -> Result<Json<DeviceList>, Problem> {
    let devices = act(&shared, |devices| Ok(devices.all()?)).await?;
    let devices = devices.iter().map(|device| DeviceView {
        name: device.name.clone(),
        made_ms: device.made_ms,
        has_md5: device.has_md5(),
    });
    Ok(Json(DeviceList {
        devices: devices.collect(),
    }))
}

/// Make a device. Its phone may register within a few seconds.
#[utoipa::path(
    post, path = "/api/v1/devices", tag = "access", request_body = NewDevice,
    responses(
        (status = 201, description = "Made; its secret is shown this once", body = MadeDevice),
        (status = 400, description = "Not a name", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 409, description = "The name is taken, or there are too many devices", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn make(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    body: Result<Json<NewDevice>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(body) = body.map_err(super::calls::bad_body)?;
    let (name, at_ms) = (body.name.clone(), shared.now().unix_ms());
    let made = act_while(&shared, signed_in, at_ms, move |devices, by| {
        devices.add(&name, body.md5, by)
    });
    let secret = made.await?.reveal().clone();
    let made = MadeDevice {
        name: body.name,
        secret,
    };
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

/// Give a device another secret. The old one opens nothing any more, and its phone is not registered.
#[utoipa::path(
    post, path = "/api/v1/devices/{name}/rotate", tag = "access", request_body = NewSecret,
    params(("name" = String, Path, description = "The device's name")),
    responses(
        (status = 200, description = "Its secret, shown this once", body = MadeDevice),
        (status = 400, description = "Not what a secret is made by", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 404, description = "No such device", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn rotate(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    name: Result<Path<String>, PathRejection>,
    body: Result<Json<NewSecret>, JsonRejection>,
) -> Result<Json<MadeDevice>, Problem> {
    let Path(name) = name.map_err(|_| Problem::NoSuchDevice)?;
    let Json(body) = body.map_err(super::calls::bad_body)?;
    let (of, at_ms) = (name.clone(), shared.now().unix_ms());
    let made = act_while(&shared, signed_in, at_ms, move |devices, by| {
        devices.rotate(&of, body.md5, by)
    });
    let secret = made.await?.reveal().clone();
    Ok(Json(MadeDevice { name, secret }))
}

/// Take a device away. Its phone is not registered any more.
#[utoipa::path(
    delete, path = "/api/v1/devices/{name}", tag = "access",
    params(("name" = String, Path, description = "The device's name")),
    responses(
        (status = 204, description = "It may not register any more"),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 404, description = "No such device", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn remove(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    name: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let Path(name) = name.map_err(|_| Problem::NoSuchDevice)?;
    let at_ms = shared.now().unix_ms();
    let removed = act(&shared, move |devices| {
        let who = &signed_in.who;
        devices.remove(&name, By { who, at_ms })
    });
    removed.await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The same if whoever asks is still signed in: a secret that is made after a lockdown began lets a phone register.
async fn act_while<T: Send + 'static>(
    shared: &Shared,
    signed_in: SignedIn,
    at_ms: u64,
    work: impl FnOnce(&Devices, By<'_>) -> Result<T, NoDevice> + Send + 'static,
) -> Result<T, Problem> {
    let inner = shared.clone();
    let done = shared.work(move || {
        let gateway = &inner.gateway;
        let devices = Devices::new(gateway.store.clone(), gateway.audit.clone());
        let by = By {
            who: &signed_in.who,
            at_ms,
        };
        let access = &inner.access;
        access.while_it_holds(gateway.store.as_ref(), &signed_in, at_ms, || work(&devices, by))
    });
    done.await?.map_err(refused)
}

/// On a thread that may wait.
async fn act<T: Send + 'static>(
    shared: &Shared,
    work: impl FnOnce(&Devices) -> Result<T, NoDevice> + Send + 'static,
) -> Result<T, Problem> {
    let inner = shared.clone();
    let done = shared.work(move || {
        let gateway = &inner.gateway;
        let devices = Devices::new(gateway.store.clone(), gateway.audit.clone());
        Ok(work(&devices))
    });
    done.await?.map_err(refused)
}

fn refused(why: NoDevice) -> Problem {
    let words = why.to_string();
    match why {
        NoDevice::NotAName => Problem::BadRequest(words),
        NoDevice::NoSuchDevice => Problem::NoSuchDevice,
        NoDevice::NameTaken | NoDevice::Full | NoDevice::Raced => Problem::Conflict(words),
        NoDevice::NoRandomness => Problem::Broken,
        NoDevice::Store(error) => Problem::from(error),
    }
}
