//! What calls to the outside cost is kept in the store, so that a restart, and other gateways on it, go on from there.

use std::sync::{Arc, Mutex, PoisonError};

use super::clock;
use super::limits::SPENT_KEPT_EVERY;
use crate::call::{Kept, Ledger};
use crate::store::{Store, StoreError};

/// The setting of each gateway.
const SPENT: &str = "spent";

/// Keeps it.
pub struct SpendingKeeper {
    store: Arc<dyn Store>,
    ledger: Ledger,
    currency: String,
    /// As it is in the store. Held while it is written: by one at a time.
    written: Mutex<Kept>,
}

impl SpendingKeeper {
    /// Reads what was spent here before, and at other gateways, which count until they are heard. Blocks for milliseconds. What cannot
    /// be understood, and what is in another currency, counts for nothing and is said in the log.
    ///
    /// # Errors
    ///
    /// The store cannot be read: what was spent is not known then, and no call that costs may go out.
    pub fn open(store: Arc<dyn Store>, ledger: Ledger, currency: &str) -> Result<SpendingKeeper, StoreError> {
        let now = clock::now();
        let read = |node: &str, text: Option<String>| {
            let text = text.filter(|text| !text.is_empty())?;
            match serde_json::from_str::<Kept>(&text) {
                Ok(kept) if kept.currency == currency => Some(kept),
                Ok(kept) => {
                    tracing::warn!(
                        node,
                        was = kept.currency,
                        is = currency,
                        "what was spent in another currency counts no more"
                    );
                    None
                }
                Err(error) => {
                    tracing::error!(node, %error, "what was spent cannot be read: it counts no more");
                    None
                }
            }
        };
        let ours = store.neighbours().map(|ways| ways.node().to_string());
        let mine = read("this one", store.setting(SPENT)?).unwrap_or_default();
        ledger.restore(&mine, now);
        for other in store.writers()? {
            if Some(&other) != ours.as_ref()
                && let Some(kept) = read(&other, store.setting_of(&other, SPENT)?)
            {
                ledger.hear_kept(&other, &kept, now);
            }
        }
        Ok(SpendingKeeper {
            store,
            ledger,
            currency: currency.to_string(),
            written: Mutex::new(mine),
        })
    }

    /// Writes it whenever it has changed, for ever.
    pub async fn keep(self: Arc<Self>) {
        let mut has_failed = false;
        loop {
            tokio::time::sleep(SPENT_KEPT_EVERY).await;
            let keeper = self.clone();
            match tokio::task::spawn_blocking(move || keeper.write()).await {
                Ok(Ok(())) => has_failed = false,
                // It is tried again and again, and said once.
                Ok(Err(error)) => {
                    if !std::mem::replace(&mut has_failed, true) {
                        tracing::warn!(%error, "what calls to the outside cost could not be kept");
                    }
                }
                Err(error) => tracing::error!(%error, "keeping what calls to the outside cost ended"),
            }
        }
    }

    /// Writes it, if it is not what was written last. Blocks for milliseconds.
    ///
    /// # Errors
    ///
    /// The store cannot be written.
    pub fn write(&self) -> Result<(), StoreError> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = self.ledger.kept(&self.currency, clock::now());
        if *written == kept || (written.is_empty() && kept.is_empty()) {
            return Ok(());
        }
        // Our own plain data always has a JSON form.
        let text = serde_json::to_string(&kept).unwrap_or_default();
        self.store.set_setting(SPENT, &text)?;
        *written = kept;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Totals;

    fn store() -> Arc<dyn Store> {
        let config = crate::store::Config {
            url: "sqlite::memory:".into(),
        };
        crate::store::open(&config).unwrap()
    }

    fn totals(ledger: &Ledger) -> Totals {
        ledger.totals(clock::now().instant)
    }

    /// Ann spent 0.60 a minute ago.
    fn spent() -> String {
        let ended = clock::now().unix_ms() - 60_000;
        format!(
            r#"{{"currency":"USD","all":[[{ended},600000]],"persons":{{"ann":[[{ended},600000]]}},"queues":{{}}}}"#
        )
    }

    #[test]
    fn what_was_spent_is_written_once_and_read_by_the_next_process() {
        let (store, first) = (store(), Ledger::default());
        let keeper = SpendingKeeper::open(store.clone(), first.clone(), "USD").unwrap();
        keeper.write().unwrap();
        assert_eq!(store.setting(SPENT).unwrap(), None, "nothing was");
        first.restore(&serde_json::from_str(&spent()).unwrap(), clock::now());
        keeper.write().unwrap();
        let text = store.setting(SPENT).unwrap().unwrap();
        store.set_setting(SPENT, "").unwrap();
        keeper.write().unwrap();
        assert_eq!(store.setting(SPENT).unwrap().unwrap(), "", "it has not changed");
        store.set_setting(SPENT, &text).unwrap();
        let next = Ledger::default();
        SpendingKeeper::open(store, next.clone(), "USD").unwrap();
        assert_eq!(totals(&next).persons["ann"].day, 600_000);
        assert_eq!(totals(&next), totals(&first));
    }

    #[test]
    fn another_currency_and_nonsense_count_for_nothing() {
        for (currency, text) in [
            ("EUR", spent()),
            ("USD", "[1".to_string()),
            ("USD", String::new()),
        ] {
            let (store, ledger) = (store(), Ledger::default());
            store.set_setting(SPENT, &text).unwrap();
            SpendingKeeper::open(store, ledger.clone(), currency).unwrap();
            assert_eq!(totals(&ledger), Totals::default(), "{text}");
        }
    }
}
