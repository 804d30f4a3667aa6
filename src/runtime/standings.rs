//! Which addresses of targets are down, for people: what the shards found out, in one place.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde_json::json;

use super::clock;
use super::inbox::{Mailboxes, ToShard};
use crate::route::limits::STANDINGS_MAX;
use crate::route::{Candidate, Cause, Change, State};

/// Clone freely: all clones are one board.
#[derive(Clone, Default)]
pub struct Standings {
    down: Arc<Mutex<Down>>,
}

/// Why, and until when (None: until a probe is answered).
type Down = BTreeMap<Candidate, (Cause, Option<Instant>)>;

impl Standings {
    /// Shard `from` found this out: the others are told, and people.
    pub fn changed(&self, change: Change, from: u16, mailboxes: &Mailboxes) {
        let address = change.candidate;
        match change.state {
            State::Up => tracing::info!(%address, "an address of a target is up again"),
            State::Down { cause, until } => {
                let pause =
                    until.map(|until| until.saturating_duration_since(clock::now().instant).as_secs());
                let cause = cause.name();
                tracing::warn!(%address, cause, seconds = pause, "an address of a target is down");
            }
        }
        {
            let mut down = self.lock();
            match change.state {
                State::Up => {
                    down.remove(&address);
                }
                State::Down { cause, until } if down.len() < STANDINGS_MAX => {
                    down.insert(address, (cause, until));
                }
                State::Down { .. } => {}
            }
        }
        mailboxes.tell_others(from, || ToShard::Standing(change));
    }

    /// For `/api/v1/status`: what is down now, and for how many seconds more (null: until a probe is answered).
    pub fn status(&self) -> serde_json::Value {
        let now = clock::now().instant;
        let mut down = self.lock();
        // An address whose time is over has its turn again: nobody says so.
        down.retain(|_, (_, until)| until.is_none_or(|until| until > now));
        let down = down.iter().map(|(address, (cause, until))| {
            json!({
                "address": address.to_string(),
                "cause": cause.name(),
                "seconds": until.map(|until| until.saturating_duration_since(now).as_secs()),
            })
        });
        down.collect()
    }

    /// Sets the gauge; asked for when somebody looks at the metrics.
    pub fn measure(&self) {
        let now = clock::now().instant;
        let down = self.lock();
        let count = down
            .values()
            .filter(|(_, until)| until.is_none_or(|until| until > now));
        metrics::gauge!("ringward_target_addresses_down").set(count.count() as f64);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Down> {
        // Every change is one insert or remove: a panic cannot leave it half-changed.
        self.down.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
