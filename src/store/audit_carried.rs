//! How entries of older gateways stand. Their hash is over texts that may be erased, and then nothing in them holds their time and kind: an
//! entry of the chain says it for all of them, before.

use aws_lc_rs::digest;

use super::audit::JOURNAL;
use super::audit_entry::{Kept, Shape};
use super::{Store, StoreError, hexadecimal};

/// There is this setting once a gateway has said it of its chain.
pub(super) const SAID: &str = "audit_carried";

/// The entries of older gateways, in their order: how many, the last of them, and a digest of what stays of each.
pub(super) struct Carried {
    count: u64,
    last: u64,
    context: digest::Context,
}

impl Carried {
    pub fn none() -> Carried {
        Carried {
            count: 0,
            last: 0,
            context: digest::Context::new(&digest::SHA256),
        }
    }

    /// Those at the head of this gateway's chain. Blocks, as long as there are.
    pub fn read(store: &dyn Store) -> Result<Carried, StoreError> {
        let (mut carried, mut last) = (Carried::none(), 0);
        loop {
            let rows = store.journal(JOURNAL, last)?;
            let Some((end, _)) = rows.last() else {
                return Ok(carried);
            };
            last = *end;
            for entry in rows.iter().filter_map(|(_, text)| Kept::read(text)) {
                // None of them comes behind one of this form.
                if entry.shape() == Some(Shape::Sealed) {
                    return Ok(carried);
                }
                carried.add(&entry);
            }
        }
    }

    /// The next entry of the chain; one of another form changes nothing.
    pub fn add(&mut self, entry: &Kept) {
        if entry.shape() != Some(Shape::Legacy) {
            return;
        }
        (self.count, self.last) = (self.count + 1, entry.number);
        for number in [entry.number, entry.at_ms] {
            self.context.update(&number.to_be_bytes());
        }
        for text in [&entry.what, &entry.before, &entry.hash] {
            self.context.update(&(text.len() as u64).to_be_bytes());
            self.context.update(text.as_bytes());
        }
    }

    /// What is said of them; None = there are none.
    pub fn note(&self) -> Option<String> {
        let digest = self.context.clone().finish();
        let (count, last) = (self.count, self.last);
        (count > 0).then(|| format!("{count} entries up to {last}: {}", hexadecimal(digest.as_ref())))
    }
}
