//! `/api/v1`, `/openapi.json`, `/healthz`, `/readyz`, `/metrics`, and the console's files.
//!
//! Shows what the store and the live registry hold to somebody who is signed in, and carries back what
//! that person says. Knows HTTP; does not know SIP, media, or how a decision is made.

mod access;
mod account;
mod alarms;
mod audit;
mod call_back;
mod calls;
mod campaigns;
mod card;
mod desks;
mod devices;
mod document;
mod drills;
mod erasing;
mod erasures;
mod error;
mod events;
mod exports;
mod flood;
mod guard;
mod icon;
pub mod limits;
mod list_files;
mod list_views;
mod lists;
mod lockdown;
mod model;
mod oidc;
mod pace;
mod passkeys;
mod passwords;
mod people;
mod policies;
mod policy_views;
mod redress;
mod reputation;
mod repeats;
mod replays;
mod reports;
mod roles;
mod router;
mod searches;
mod server;
mod second_person;
mod session;
mod state;
mod status;
mod tokens;
mod told;
mod users;
mod view;
mod webhooks;
mod whole;
mod why;

use std::net::SocketAddr;
use std::sync::Arc;

use crate::call::{CallBack, NoCallBack, Order};
use crate::call_id::CallId;
use crate::identity::ContentDigest;
use crate::runtime::alarms::Alarms;
use crate::runtime::by_hand::ByHand;
use crate::runtime::drills::Drills;
use crate::runtime::floor::Floor;
use crate::runtime::lists::ListKeeper;
use crate::runtime::lockdown::LockdownKeeper;
use crate::runtime::models::Models;
use crate::runtime::policies::Policies;
use crate::runtime::provider::Provider;
use crate::runtime::repeats::Repeats;
use crate::runtime::reputation::ReputationKeeper;
use crate::runtime::stream::Tls;
use crate::runtime::webhooks::Webhooks;
use crate::store::{Audit, Live, Store};
use crate::time::Now;

pub use crate::accounts::{Role, Tries, first_token};
pub use roles::is_allowed;
pub use router::openapi;
pub use second_person::SecondPerson;
pub use told::report_told;
pub(crate) use view::BannerView;
pub(crate) use why::Why;

/// `[api]`
#[derive(Clone, Debug)]
pub struct Config {
    pub listen: SocketAddr,
    pub public_url: Option<String>,
    pub second_person: SecondPerson,
}

/// From a reference that a 608 carried to its signed card.
pub type Redress = dyn Fn(&str) -> Option<String> + Send + Sync;

/// What the API needs of the running gateway; built by `app`.
pub struct Gateway {
    pub store: Arc<dyn Store>,
    pub live: Arc<Live>,
    /// Which policies judge, and what is done with them.
    pub policies: Arc<Policies>,
    /// Which numbers and names stand on which list.
    pub lists: Arc<ListKeeper>,
    /// What people's reports make of numbers and signers.
    pub reputation: Arc<ReputationKeeper>,
    /// What is done by whom.
    pub audit: Arc<Audit>,
    /// What is unusual.
    pub alarms: Arc<Alarms>,
    /// Floods and blocks, as somebody here says.
    pub by_hand: Arc<ByHand>,
    /// Wrong passwords, here and at the other gateways.
    pub tries: Arc<Tries>,
    /// Whether there is a lockdown.
    pub lockdown: Arc<LockdownKeeper>,
    /// Training calls.
    pub drills: Arc<Drills>,
    /// Who is told what is done.
    pub webhooks: Arc<Webhooks>,
    /// Who sits at which phone.
    pub floor: Floor,
    /// Recordings of earlier calls; None = none are remembered.
    pub repeats: Option<Arc<Repeats>>,
    /// Tells a live call what a person wants done with it. False = no such call.
    pub order: Box<dyn Fn(CallId, Order) -> bool + Send + Sync>,
    /// `[outbound] call_back`
    pub calls_back: bool,
    /// Calls an organisation back from a shard of this gateway; `id` of the wish is chosen here. Waits for the shard's answer. Blocks.
    pub call_back: Box<dyn Fn(CallBack) -> Result<CallId, NoCallBack> + Send + Sync>,
    /// A caller's icon as PNG, fetched and drawn again by us; `None` = there is none to be had.
    pub icon: IconService,
    /// Facts for `/status`: versions, revisions, shards, since when, what is off or failing.
    pub status: Box<dyn Fn() -> serde_json::Value + Send + Sync>,
    /// Prometheus text.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// Reads the clock: reports, sessions and failed sign-ins are dated with it.
    pub clock: Box<dyn Fn() -> Now + Send + Sync>,
    /// The signed card for a reference that a 608 carried (RFC 8688); None for any other text.
    pub redress: Box<Redress>,
    /// Which model hears callers; None = none does.
    pub models: Option<Arc<Models>>,
    /// Whom people sign in with instead of a password here; None = with nobody.
    pub provider: Option<Arc<Provider>>,
    /// The certificates of `[api.tls]`; None = plain HTTP.
    pub tls: Option<Arc<Tls>>,
    /// `[api] public_url`: its host is accepted beside loopback names, and `https` makes cookies secure.
    pub public_url: Option<String>,
    /// `[api] second_person`: what takes two people.
    pub second_person: SecondPerson,
    /// How long one answer looks for calls; [`limits::SEARCH_LASTS`].
    pub search_lasts: std::time::Duration,
}

/// Asked with the icon's URL and the digest that was signed for it.
pub type IconService = Box<dyn Fn(String, Option<ContentDigest>) -> IconAnswer + Send + Sync>;

/// Comes from a helper thread; takes a fetch at most.
pub type IconAnswer = std::pin::Pin<Box<dyn Future<Output = Option<Arc<[u8]>>> + Send>>;

/// Serves until `stop` resolves, then finishes open requests for at most [`limits::DRAIN_TIMEOUT`].
///
/// The bearer token is made at first start, printed once, kept hashed in the store (`app` calls
/// [`first_token`] before this). Without one nobody can sign in.
///
/// # Errors
///
/// Only when the listener has no address. A bad peer never ends the service.
pub async fn serve(
    listener: tokio::net::TcpListener,
    gateway: Arc<Gateway>,
    stop: impl std::future::Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    server::run(listener, gateway, stop).await
}

/// Where a call's card is while the call lasts: `PUBLIC_URL/card/ID`.
///
/// The id is the call's own 128 random bits: it cannot be guessed, and the page is gone with the call.
pub fn card_url(public_url: &str, call: CallId) -> String {
    format!("{}/card/{call}", public_url.trim_end_matches('/'))
}
