//! Accepts connections, a bounded number of them, and lets them finish at the end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::access::Access;
use super::guard::Peer;
use super::limits::{ACCOUNTS_LOOKED_AT, CONNECTIONS_MAX, DRAIN_TIMEOUT, HEAD_MAX, HEAD_TIMEOUT};
use super::state::{Hosts, Shared};
use super::{Gateway, router, state};

/// A listener that fails (no descriptors left) is asked again after this pause.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

pub(super) async fn run(
    listener: TcpListener,
    gateway: Arc<Gateway>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (stopping, stopped) = watch::channel(false);
    let hosts = Hosts::new(listener.local_addr()?, gateway.public_url.as_deref());
    let access = {
        let (store, audit) = (Arc::clone(&gateway.store), Arc::clone(&gateway.audit));
        let tries = Arc::clone(&gateway.tries);
        tokio::task::spawn_blocking(move || Access::load(&store, &audit, tries))
            .await
            .map_err(io::Error::other)?
            .map_err(io::Error::other)?
    };
    let tls = gateway.tls.clone();
    let shared = Shared::new(gateway, access, hosts, stopped.clone());
    tokio::spawn(look_at_accounts(shared.clone()));
    let routes = router::routes(shared);
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            (stream, peer, permit) = accept(&listener, &room) => {
                let (routes, stopped, tls) = (routes.clone(), stopped.clone(), tls.clone());
                connections.spawn(async move {
                    // Events are small and wanted now.
                    let _ = stream.set_nodelay(true);
                    match tls {
                        None => converse(stream, peer, routes, stopped).await,
                        Some(tls) => {
                            // With the certificates that are in force now: those that were, for those who came then.
                            let shaken = tokio::time::timeout(HEAD_TIMEOUT, tls.acceptor().accept(stream));
                            match shaken.await {
                                Ok(Ok(stream)) => converse(stream, peer, routes, stopped).await,
                                Ok(Err(error)) => tracing::debug!(peer = %peer.ip(), %error, "no TLS with the API"),
                                Err(_) => tracing::debug!(peer = %peer.ip(), "no TLS with the API in time"),
                            }
                        }
                    }
                    drop(permit);
                });
            }
            Some(ended) = connections.join_next() => report(ended),
        }
    }
    drop(listener);
    let _ = stopping.send(true);
    let drained = tokio::time::timeout(DRAIN_TIMEOUT, async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    });
    if drained.await.is_err() {
        tracing::info!(
            open = connections.len(),
            "closing API connections that did not finish"
        );
    }
    Ok(())
}

/// Until the service stops. A store that is away is asked again the next time.
async fn look_at_accounts(shared: Shared) {
    let mut stopping = shared.stopping.clone();
    let mut due = tokio::time::interval(ACCOUNTS_LOOKED_AT);
    due.reset();
    loop {
        tokio::select! {
            () = state::stopped(&mut stopping) => return,
            _ = due.tick() => {
                shared.repeats.forget_secrets(shared.now().unix_ms());
                let inner = shared.clone();
                if let Err(error) = shared.ask(move |store| inner.access.look_again(store)).await {
                    tracing::warn!(%error, "accounts and sessions could not be looked at");
                }
            }
        }
    }
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<tokio::sync::OwnedSemaphorePermit>) {
    // The semaphore is never closed; were it, connections would be unbounded rather than refused.
    let permit = Arc::clone(room).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, permit),
            Err(error) => {
                tracing::warn!(%error, "the API could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    routes: Router,
    mut stopped: watch::Receiver<bool>,
) {
    let routes = TowerToHyperService::new(routes);
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        routes.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = state::stopped(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(peer = %peer.ip(), %error, "an API connection ended early");
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a handler of the API panicked; its connection was closed");
    }
}
