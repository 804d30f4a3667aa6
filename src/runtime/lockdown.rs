//! Keeps the lockdown in the store and has the shards act by it: what another gateway or the command line ordered counts within
//! [`LOOK`], over a restart too.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::accounts::{Lockdown, Lockdowns, NoLockdown};
use crate::store::{Audit, Store, StoreError};

/// How often the store is asked: what the command line did counts after so long.
const LOOK: Duration = Duration::from_secs(2);

/// Has every shard know since when phones are frozen, Unix ms (None = they are not); false = one takes no orders.
pub type Tell = dyn Fn(Option<u64>) -> bool + Send + Sync;

pub struct LockdownKeeper {
    store: Arc<dyn Store>,
    lockdowns: Lockdowns,
    tell: Box<Tell>,
    /// Held while the store is read and the shards are told: of two who look at once the later one says what is so.
    turn: Mutex<()>,
    /// Held for moments.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last: Option<Lockdown>,
    /// A shard took no order: it is told again.
    is_untold: bool,
}

impl LockdownKeeper {
    /// Reads whether there is one. The shards get what is so now with their engines. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn open(
        store: Arc<dyn Store>,
        audit: Arc<Audit>,
        tell: Box<Tell>,
    ) -> Result<LockdownKeeper, StoreError> {
        let last = Lockdowns::read(&*store)?.1;
        if let Some(lockdown) = last.as_ref().filter(|last| last.lasts()) {
            tracing::warn!(
                by = lockdown.by,
                why = lockdown.why,
                "lockdown: it was ordered before this start, and lasts"
            );
        }
        Ok(LockdownKeeper {
            lockdowns: Lockdowns::new(store.clone(), audit),
            store,
            tell,
            turn: Mutex::new(()),
            state: Mutex::new(State {
                last,
                is_untold: false,
            }),
        })
    }

    /// The last one, whether it lasts or not.
    pub fn last(&self) -> Option<Lockdown> {
        self.state().last.clone()
    }

    /// Since when, Unix ms; None = there is none.
    pub fn since(&self) -> Option<u64> {
        self.state().since()
    }

    /// Orders a lockdown or undoes one; the shards know it when this returns, or, where the store is away by then, as soon as it
    /// answers. Blocks.
    ///
    /// # Errors
    ///
    /// [`NoLockdown`]; nothing is changed then, or the store answered too late and it is done all the same.
    pub fn act(
        &self,
        work: impl FnOnce(&Lockdowns) -> Result<Lockdown, NoLockdown>,
    ) -> Result<Lockdown, NoLockdown> {
        let lockdown = work(&self.lockdowns)?;
        if let Err(error) = self.refresh() {
            tracing::error!(%error, "the lockdown was changed, and the store is away since: the calls hear of it when it answers");
        }
        Ok(lockdown)
    }

    /// Looks at what is kept, and tells the shards if that is news. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store: what was known before counts then.
    pub fn refresh(&self) -> Result<(), StoreError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let last = Lockdowns::read(&*self.store)?.1;
        let (before, since, is_untold) = {
            let mut state = self.state();
            let before = state.since();
            state.last = last;
            (before, state.since(), state.is_untold)
        };
        match self.last() {
            Some(lockdown) if since.is_some() && since != before => tracing::warn!(
                by = lockdown.by,
                why = lockdown.why,
                "lockdown: phones register only where they are and send no call on, sessions and tokens end"
            ),
            _ if since != before => tracing::warn!("the lockdown has ended"),
            _ => {}
        }
        metrics::gauge!("ringward_lockdown").set(f64::from(u8::from(since.is_some())));
        if since != before || is_untold {
            let is_told = (self.tell)(since);
            self.state().is_untold = !is_told;
        }
        Ok(())
    }

    /// Looks again and again. For ever.
    pub async fn keep(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK).await;
            let keeper = self.clone();
            match tokio::task::spawn_blocking(move || keeper.refresh()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "whether there is a lockdown could not be read"),
                Err(error) => tracing::error!(%error, "looking after the lockdown ended"),
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one assignment: a panic cannot leave it half-changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn since(&self) -> Option<u64> {
        let lasting = self.last.as_ref().filter(|last| last.lasts());
        lasting.map(|lockdown| lockdown.since_ms)
    }
}
