//! `/api/v1/lockdown`: registrations and transfers frozen, sessions and tokens ended, calls going on; and the way back, for two.

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::SignedIn;
use super::error::{Problem, ProblemBody};
use super::flood::reason;
use super::state::Shared;
use crate::accounts::{By, Devices, Lockdown, Lockdowns, NoLockdown};
use crate::policy::book::Hand;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrderBody {
    /// Why, for the audit, which is for good: no numbers and no names of callers. 1 to 200 characters.
    #[schema(example = "stolen laptop")]
    why: String,
    /// Give every device another secret as well: no phone is registered then until it has its new one.
    #[serde(default)]
    rotate_devices: bool,
}

/// Whether there is a lockdown.
#[derive(Serialize, ToSchema)]
#[schema(as = Lockdown)]
pub(crate) struct LockdownView {
    is_locked: bool,
    /// The last one there was; null = there never was one.
    last: Option<LockdownDetail>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = LockdownDetail)]
pub(crate) struct LockdownDetail {
    /// From 1.
    number: u64,
    /// Unix ms.
    since_ms: u64,
    by: String,
    why: String,
    /// Who has asked for its end within the last hour; somebody else has to confirm that. Null = nobody.
    undo_asked_by: Option<String>,
    /// Unix ms.
    undo_asked_ms: Option<u64>,
    /// When it ended, Unix ms; null = it lasts.
    ended_ms: Option<u64>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Ordered {
    lockdown: LockdownView,
    /// Devices with another secret, which is shown this once.
    devices: Vec<RotatedDevice>,
    /// Devices that could not be given one; give it to them one by one.
    devices_left: Vec<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct RotatedDevice {
    name: String,
    secret: String,
}

/// Whether there is a lockdown, and the last one there was.
#[utoipa::path(
    get, path = "/api/v1/lockdown", tag = "gateway",
    responses(
        (status = 200, description = "As it is now", body = LockdownView),
        (status = 401, description = "Not signed in", body = ProblemBody),
    )
)]
pub(crate) async fn look(State(shared): State<Shared>) -> Json<LockdownView> {
    let at_ms = shared.now().unix_ms();
    Json(LockdownView::of(shared.gateway.lockdown.last(), at_ms))
}

/// Order a lockdown: phones register only where they are and send no call on, nothing leaves over a trunk but calls for help, every session
/// and every token ends but the one that this is asked by. Calls that come in go on.
#[utoipa::path(
    post, path = "/api/v1/lockdown", tag = "gateway", request_body = OrderBody,
    responses(
        (status = 200, description = "It is in force here; on other gateways of the store within seconds", body = Ordered),
        (status = 400, description = "No reason, or one with a telephone number in it", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 409, description = "There is a lockdown already", body = ProblemBody),
        (status = 503, description = "The store is away: it may be done all the same; look", body = ProblemBody),
    )
)]
pub(crate) async fn order(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    body: Result<Json<OrderBody>, JsonRejection>,
) -> Result<Json<Ordered>, Problem> {
    let Json(body) = body.map_err(super::calls::bad_body)?;
    // The audit is for good.
    reason(&body.why)?;
    let inner = shared.clone();
    let done = shared.work(move || {
        let gateway = &inner.gateway;
        let at_ms = inner.now().unix_ms();
        let token = (!signed_in.is_account).then_some(&*signed_in.who);
        let order = || {
            let work = |lockdowns: &Lockdowns| lockdowns.order(signed_in.hand(), token, &body.why, at_ms);
            gateway.lockdown.act(work).map_err(Problem::from)
        };
        let lockdown = inner
            .access
            .lock_down(gateway.store.as_ref(), &signed_in, order)?;
        let (devices, devices_left) = match body.rotate_devices {
            true => rotate(&inner, &signed_in.who, at_ms)?,
            false => (Vec::new(), Vec::new()),
        };
        Ok(Ordered {
            lockdown: LockdownView::of(Some(lockdown), at_ms),
            devices,
            devices_left,
        })
    });
    Ok(Json(done.await?))
}

/// Ask for its end. It lasts until another person confirms that.
#[utoipa::path(
    post, path = "/api/v1/lockdown/undo", tag = "gateway",
    responses(
        (status = 200, description = "Asked for; nothing is undone yet", body = LockdownView),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 409, description = "There is none, its end has been asked for already, or you are no person of before it", body = ProblemBody),
        (status = 503, description = "The store is away: it may be done all the same; look", body = ProblemBody),
    )
)]
pub(crate) async fn undo(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
) -> Result<Json<LockdownView>, Problem> {
    act(&shared, signed_in, Lockdowns::ask_to_undo).await
}

/// Confirm what another person has asked for: the lockdown ends. What it ended stays ended: everybody signs in anew, tokens are made anew.
#[utoipa::path(
    post, path = "/api/v1/lockdown/undo/confirm", tag = "gateway",
    responses(
        (status = 200, description = "It has ended", body = LockdownView),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 409, description = "There is none, nobody has asked for its end within the last hour, it was you who did, or you are no person of before it", body = ProblemBody),
        (status = 503, description = "The store is away: it may be done all the same; look", body = ProblemBody),
    )
)]
pub(crate) async fn confirm(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
) -> Result<Json<LockdownView>, Problem> {
    act(&shared, signed_in, Lockdowns::confirm_undo).await
}

/// While there is a lockdown nobody makes himself a second pair of eyes over the API: accounts are made and reset at the machine itself.
///
/// # Errors
///
/// That there is one.
pub(super) fn must_be_open(shared: &Shared) -> Result<(), Problem> {
    match shared.gateway.lockdown.since() {
        None => Ok(()),
        Some(_) => Err(Problem::Conflict(
            "there is a lockdown: accounts are made and reset at the machine itself until it has ended (`ringward user`)"
                .into(),
        )),
    }
}

async fn act(
    shared: &Shared,
    signed_in: SignedIn,
    act: impl FnOnce(&Lockdowns, Hand<'_>, u64) -> Result<Lockdown, NoLockdown> + Send + 'static,
) -> Result<Json<LockdownView>, Problem> {
    let inner = shared.clone();
    let done = shared.work(move || {
        let at_ms = inner.now().unix_ms();
        let lockdown = &inner.gateway.lockdown;
        Ok(lockdown.act(|lockdowns| act(lockdowns, signed_in.hand(), at_ms))?)
    });
    Ok(Json(LockdownView::of(Some(done.await?), shared.now().unix_ms())))
}

/// Another secret for every device: those that have one, and the names of those that do not.
fn rotate(shared: &Shared, who: &str, at_ms: u64) -> Result<(Vec<RotatedDevice>, Vec<String>), Problem> {
    let gateway = &shared.gateway;
    let devices = Devices::new(gateway.store.clone(), gateway.audit.clone());
    let (mut rotated, mut left) = (Vec::new(), Vec::new());
    for (name, secret) in devices.rotate_all(By { who, at_ms })? {
        match secret {
            Ok(secret) => rotated.push(RotatedDevice {
                name,
                secret: secret.reveal().clone(),
            }),
            // The lockdown stands, and so do the secrets that were made: they are shown now or never.
            Err(error) => {
                tracing::error!(device = name, %error, "a device has its old secret still");
                left.push(name);
            }
        }
    }
    Ok((rotated, left))
}

impl LockdownView {
    fn of(last: Option<Lockdown>, at_ms: u64) -> LockdownView {
        let asked = last.as_ref().and_then(|last| last.asked(at_ms)).cloned();
        LockdownView {
            is_locked: last.as_ref().is_some_and(Lockdown::lasts),
            last: last.map(|last| LockdownDetail {
                number: last.number,
                since_ms: last.since_ms,
                by: last.by,
                why: last.why,
                undo_asked_by: asked.as_ref().map(|undo| undo.by.clone()),
                undo_asked_ms: asked.as_ref().map(|undo| undo.at_ms),
                ended_ms: last.ended_ms,
            }),
        }
    }
}

impl From<NoLockdown> for Problem {
    fn from(why: NoLockdown) -> Problem {
        let words = why.to_string();
        match why {
            NoLockdown::NoReason => Problem::BadRequest(words),
            NoLockdown::Store(error) => Problem::from(error),
            _ => Problem::Conflict(words),
        }
    }
}
