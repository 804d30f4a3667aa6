//! `/api/v1`, `/openapi.json`, `/healthz`, `/readyz`, `/metrics`, and the console's files.
// DOOR

use std::net::SocketAddr;
use std::sync::Arc;

use crate::call_id::CallId;
use crate::store::{Live, Store};

/// `[api]`
#[derive(Clone, Debug)]
pub struct Config {
    pub listen: SocketAddr,
    pub public_url: Option<String>,
}

/// What the API needs of the running gateway; built by `app`.
pub struct Gateway {
    pub store: Arc<dyn Store>,
    pub live: Arc<Live>,
    /// Ends a live call. False = no such call.
    pub hang_up: Box<dyn Fn(CallId) -> bool + Send + Sync>,
    /// Facts for `/status`: versions, revisions, shards, since when, what is off or failing.
    pub status: Box<dyn Fn() -> serde_json::Value + Send + Sync>,
    /// Prometheus text.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
}

/// Serves until `stop` resolves. The bearer token is made at first start, printed once, kept hashed in the store
/// (`app` calls `first_token`).
pub async fn serve(
    listener: tokio::net::TcpListener,
    gateway: Arc<Gateway>,
    stop: impl std::future::Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let _ = (listener, gateway, stop);
    todo!()
}

/// Makes the first API token if the store has none: Some(token) is shown to the operator once.
pub fn first_token(store: &dyn Store) -> Result<Option<String>, crate::store::StoreError> {
    let _ = store;
    todo!()
}
