//! People who signed in from elsewhere and whose accounts were taken away: where the provider's word makes accounts, it makes none for
//! them. Kept is a hash of who they are there.

use super::limits::LEFT_MAX;
use super::outside::Outside;
use super::secret::{fingerprint, hexadecimal};
use super::user::User;
use crate::store::{Store, StoreError, Write};

/// Changes only together with the accounts, so that of two gateways that change it one comes second and looks again.
const SETTING: &str = "users_left";

/// What is to be written when this account goes; None = nobody is known to have signed in to it from elsewhere. Blocks.
pub(super) fn note(store: &dyn Store, user: &User) -> Result<Option<Write>, StoreError> {
    let Some(mark) = user.outside.as_ref().and_then(mark_of) else {
        return Ok(None);
    };
    let mut left = kept(store)?;
    left.retain(|known| *known != mark);
    left.push(mark);
    let over = left.len().saturating_sub(LEFT_MAX);
    left.drain(..over);
    Ok(Some(Write::Setting {
        name: SETTING.into(),
        value: left.join(" "),
    }))
}

/// Whether an account of this person was taken away here. Blocks.
pub(super) fn has_left(store: &dyn Store, issuer: &str, subject: &str) -> Result<bool, StoreError> {
    Ok(kept(store)?.contains(&mark(issuer, subject)))
}

fn kept(store: &dyn Store) -> Result<Vec<String>, StoreError> {
    let text = store.setting(SETTING)?.unwrap_or_default();
    Ok(text.split_whitespace().map(String::from).collect())
}

fn mark_of(outside: &Outside) -> Option<String> {
    let subject = outside.subject.as_ref()?;
    Some(mark(&outside.issuer, subject))
}

/// An issuer is a URL and holds no space.
fn mark(issuer: &str, subject: &str) -> String {
    let mut whole = hexadecimal(&fingerprint(&format!("{issuer} {subject}")));
    // 160 bits: nobody finds a second one.
    whole.truncate(40);
    whole
}
