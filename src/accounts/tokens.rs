//! API tokens: for programs, and for the first person at a new gateway.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::constant_time;
use serde::{Deserialize, Serialize};

use super::limits::{TOKENS_MAX, USE_WRITTEN};
use super::secret::{Fingerprint, fingerprint, from_hexadecimal, hexadecimal, secret};
use super::{RESERVED, Role};
use crate::redact::Redacted;
use crate::store::{Store, StoreError, Write};

const TOKEN_SETTING: &str = "api_token_sha256";
/// A shelf without documents whose revision says that the first token was made.
const FIRST_SHELF: &str = "first_token";
const TOKENS_SETTING: &str = "api_tokens";
const USED_SETTING: &str = "api_tokens_used";

/// The name of the token that was made at the first start. It is an administrator's and does not expire.
pub const FIRST: &str = "first";

/// Makes the first API token if the store has none: Some(token) is shown to the operator once.
///
/// The token is 256 random bits behind `rw_`; only its SHA-256 is kept.
///
/// # Errors
///
/// Those of the store, and `Unusable` when the system has no randomness to give.
pub fn first_token(store: &dyn Store) -> Result<Option<String>, StoreError> {
    if store.setting(TOKEN_SETTING)?.is_some() {
        return Ok(None);
    }
    let token = secret("rw_").ok_or_else(|| StoreError::Unusable {
        url: "api token".into(),
        problem: "the system gave no random octets".into(),
    })?;
    // Of two gateways that start at once on one store one is first; the other has no token to show.
    let is_first = store.together(vec![
        Write::Reshelve {
            shelf: FIRST_SHELF,
            revision: 1,
            changes: Vec::new(),
        },
        Write::Setting {
            name: TOKEN_SETTING.into(),
            value: hexadecimal(&fingerprint(&token)),
        },
    ])?;
    Ok(is_first.then_some(token))
}

/// A token beside the first one. Its secret is known to whom it was given; kept is its fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    pub name: String,
    sha256: String,
    pub roles: Vec<Role>,
    /// Unix ms.
    pub made_ms: u64,
    pub made_by: String,
    /// The person behind it, as it was known when it was made: tokens in between may be gone. None = made by an older gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    person: Option<String>,
    /// Unix ms; None = never.
    pub expires_ms: Option<u64>,
}

/// Why a token was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoToken {
    NameTaken,
    Full,
    NoRandomness,
}

/// All tokens. What is asked of them is memory; [`Tokens::keep`] writes them.
#[derive(Debug, Default)]
pub struct Tokens {
    first: Option<Fingerprint>,
    others: Vec<Token>,
    /// When each was used last, Unix ms, and what of that is kept.
    used: BTreeMap<String, u64>,
    kept: BTreeMap<String, u64>,
}

impl Tokens {
    /// Reads their fingerprints. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn load(store: &dyn Store) -> Result<Tokens, StoreError> {
        let first = store.setting(TOKEN_SETTING)?;
        let others = store.setting(TOKENS_SETTING)?.and_then(|text| {
            let tokens = serde_json::from_str(&text);
            // Whoever holds one of them is locked out, which is the safe side; the first token still opens.
            tokens
                .inspect_err(|error| tracing::error!(%error, "the API tokens in the store cannot be read; make them again"))
                .ok()
        });
        let used: BTreeMap<String, u64> = store
            .setting(USED_SETTING)?
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        Ok(Tokens {
            first: first.and_then(|text| from_hexadecimal(&text)),
            others: others.unwrap_or_default(),
            kept: used.clone(),
            used,
        })
    }

    /// Name and roles of the token that this is; it is used now. Compares in constant time.
    pub fn find(&mut self, presented: &str, now_ms: u64) -> Option<(String, Arc<[Role]>)> {
        let presented = fingerprint(presented);
        let is_it = |token: &Fingerprint| constant_time::verify_slices_are_equal(token, &presented).is_ok();
        let name = match self.first.filter(is_it) {
            Some(_) => FIRST,
            None => {
                let known = self
                    .others
                    .iter()
                    .find(|token| from_hexadecimal(&token.sha256).is_some_and(|known| is_it(&known)));
                &known?.name
            }
        };
        let (name, roles) = (name.to_string(), self.roles(name, now_ms)?);
        match self.used.get_mut(&name) {
            Some(used) => *used = now_ms,
            None => drop(self.used.insert(name.clone(), now_ms)),
        }
        Some((name, roles))
    }

    pub fn last_used_ms(&self, name: &str) -> Option<u64> {
        self.used.get(name).copied()
    }

    /// What is to be kept of when tokens were used; None = what is kept is good enough.
    pub fn uses_to_keep(&mut self) -> Option<String> {
        let is_old = |(name, used): (&String, &u64)| {
            let kept = self.kept.get(name).copied().unwrap_or(0);
            used.saturating_sub(kept) >= USE_WRITTEN.as_millis() as u64
        };
        if !self.used.iter().any(is_old) {
            return None;
        }
        self.kept = self.used.clone();
        serde_json::to_string(&self.kept).ok()
    }

    /// Writes what [`Tokens::uses_to_keep`] gave. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn keep_uses(uses: &str, store: &dyn Store) -> Result<(), StoreError> {
        store.set_setting(USED_SETTING, uses)
    }

    /// The person behind a token: whoever made it, or made the token that made it. The first token is nobody's but its own.
    pub fn person(&self, name: &str) -> String {
        let mut person = name;
        // Nobody makes a token before it is there, so this ends; a changed file ends it too.
        for _ in 0..=self.others.len() {
            match self.others.iter().find(|token| token.name == person) {
                Some(token) => match &token.person {
                    Some(known) => return known.clone(),
                    None => person = &token.made_by,
                },
                None => break,
            }
        }
        person.to_string()
    }

    /// What the token of this name may; None = there is none, or it has expired.
    pub fn roles(&self, name: &str, now_ms: u64) -> Option<Arc<[Role]>> {
        if name == FIRST {
            return self.first.map(|_| Arc::from([Role::Admin]));
        }
        let token = self.others.iter().find(|token| token.name == name)?;
        let is_fresh = token.expires_ms.is_none_or(|expires| now_ms < expires);
        is_fresh.then(|| token.roles.clone().into())
    }

    /// All tokens but the first, in the order they were made.
    pub fn all(&self) -> Vec<Token> {
        self.others.clone()
    }

    pub fn has(&self, name: &str) -> bool {
        RESERVED.contains(&name) || self.others.iter().any(|token| token.name == name)
    }

    /// Makes a token; its secret is given once.
    ///
    /// # Errors
    ///
    /// [`NoToken`].
    pub fn make(
        &mut self,
        name: &str,
        roles: Vec<Role>,
        expires_ms: Option<u64>,
        by: &str,
        now_ms: u64,
    ) -> Result<Redacted<String>, NoToken> {
        let secret = secret("rw_").ok_or(NoToken::NoRandomness)?;
        if self.has(name) {
            return Err(NoToken::NameTaken);
        }
        if self.others.len() >= TOKENS_MAX {
            return Err(NoToken::Full);
        }
        let person = Some(self.person(by));
        self.others.push(Token {
            name: name.into(),
            person,
            sha256: hexadecimal(&fingerprint(&secret)),
            roles,
            made_ms: now_ms,
            made_by: by.into(),
            expires_ms,
        });
        Ok(Redacted::new(secret))
    }

    /// Takes a token back. False = there is none of this name.
    pub fn revoke(&mut self, name: &str) -> bool {
        let before = self.others.len();
        self.others.retain(|token| token.name != name);
        self.used.remove(name);
        self.others.len() < before
    }

    /// Takes back those that were made until then but the one of this name, and not the first one. How many that were.
    pub fn revoke_until(&mut self, until_ms: u64, but: Option<&str>) -> usize {
        let before = self.others.len();
        self.others
            .retain(|token| token.made_ms > until_ms || Some(token.name.as_str()) == but);
        before - self.others.len()
    }

    /// Takes the first one back unless that is the one of this name. True = it was there.
    pub fn end_first(&mut self, but: Option<&str>) -> bool {
        but != Some(FIRST) && self.first.take().is_some()
    }

    pub fn first(&self) -> Option<Fingerprint> {
        self.first
    }

    /// Goes by what another gateway on the same store did to it.
    pub fn set_first(&mut self, first: Option<Fingerprint>) {
        self.first = first;
    }

    pub fn has_first(&self) -> bool {
        self.first.is_some()
    }

    /// The first token opens nothing any more, and no start makes another. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn forget_first(store: &dyn Store) -> Result<(), StoreError> {
        store.set_setting(TOKEN_SETTING, "")
    }

    /// The tokens beside the first one as they are kept, for [`Tokens::take`]; None = they cannot be read. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn kept(store: &dyn Store) -> Result<Option<Vec<Token>>, StoreError> {
        match store.setting(TOKENS_SETTING)? {
            None => Ok(Some(Vec::new())),
            Some(text) => Ok(serde_json::from_str(&text).ok()),
        }
    }

    /// Goes by what another gateway on the same store has made, or taken back.
    pub fn take(&mut self, others: Vec<Token>) {
        self.others = others;
    }

    /// Writes tokens (fingerprints only). Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn keep(tokens: &[Token], store: &dyn Store) -> Result<(), StoreError> {
        let text = serde_json::to_string(tokens).unwrap_or_default();
        store.set_setting(TOKENS_SETTING, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_token_no_text_is_the_token() {
        assert!(Tokens::default().find("", 0).is_none());
    }

    #[test]
    fn a_token_has_its_name_its_roles_and_its_end() {
        let mut tokens = Tokens::default();
        let roles = vec![Role::PolicyAuthor];
        let secret = tokens
            .make("bob", roles.clone(), Some(5_000), FIRST, 1_000)
            .unwrap();
        let (name, found) = tokens.find(secret.reveal(), 4_999).unwrap();
        assert_eq!((name.as_str(), &*found), ("bob", &roles[..]));
        assert!(tokens.find(secret.reveal(), 5_000).is_none());
        assert_eq!(tokens.last_used_ms("bob"), Some(4_999));
        assert!(tokens.uses_to_keep().is_none(), "five seconds after 1970");
        for taken in ["bob"].into_iter().chain(RESERVED) {
            let made = tokens.make(taken, Vec::new(), None, FIRST, 0);
            assert_eq!(made.unwrap_err(), NoToken::NameTaken, "{taken}");
        }
        tokens.make("carl", Vec::new(), None, "bob", 0).unwrap();
        tokens.make("dora", Vec::new(), None, "ann", 0).unwrap();
        assert_eq!(
            (tokens.person("carl"), tokens.person("dora")),
            (FIRST.into(), "ann".into())
        );
        assert_eq!(tokens.person(FIRST), FIRST);
        tokens.make("erik", Vec::new(), None, "carl", 0).unwrap();
        assert!(tokens.revoke("carl"));
        assert_eq!(tokens.person("erik"), FIRST, "what stood in between is gone");
        let kept = serde_json::to_string(&tokens.all()).unwrap();
        assert!(!kept.contains(&secret.reveal()[3..]));
        assert!(tokens.revoke("bob") && !tokens.revoke("bob"));
        assert!(tokens.find(secret.reveal(), 1_000).is_none());
    }
}
