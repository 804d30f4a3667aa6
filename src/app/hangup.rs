//! SIGHUP: whoever reads files again is told.

use std::io::IsTerminal as _;
use std::sync::Arc;

use anyhow::Context as _;

/// SIGHUP, as something that each of those who look at files again can wait for. At a terminal it says that the window was
/// closed, and ends the process as ever unless the files of TLS are kept.
pub(super) fn on_hangup<const N: usize>(
    tokio: &tokio::runtime::Runtime,
    is_wanted: bool,
) -> anyhow::Result<[Arc<tokio::sync::Notify>; N]> {
    use tokio::signal::unix::{SignalKind, signal};
    let asked: [Arc<tokio::sync::Notify>; N] = std::array::from_fn(|_| Arc::default());
    if !is_wanted && std::io::stdin().is_terminal() {
        return Ok(asked);
    }
    let _inside = tokio.enter();
    let mut hangup = signal(SignalKind::hangup()).context("SIGHUP")?;
    let tellers = asked.clone();
    tokio.spawn(async move {
        while hangup.recv().await.is_some() {
            tellers.iter().for_each(|teller| teller.notify_one());
        }
    });
    Ok(asked)
}
