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
/// A shelf without documents whose revision counts the changes of that setting.
const TOKENS_SHELF: &str = "api_tokens";
const USED_SETTING: &str = "api_tokens_used";

/// How often it is tried to write tokens when other gateways were first.
const TRIES: usize = 20;

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

/// What of tokens is not written down yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    made: Vec<Token>,
    taken_back: Vec<Token>,
}

/// Why a token was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoToken {
    NameTaken,
    Full,
    NoRandomness,
}

/// All tokens. What is asked of them is memory; [`Tokens::keep`] writes what has changed.
#[derive(Debug, Default)]
pub struct Tokens {
    first: Option<Fingerprint>,
    others: Vec<Token>,
    /// The others as they were kept when that was looked at last.
    seen: Vec<Token>,
    /// Of those that were taken back the ones that may still be kept; at most [`TOKENS_MAX`], and the oldest are forgotten.
    taken_back: Vec<Token>,
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
        let others: Vec<Token> = others.unwrap_or_default();
        Ok(Tokens {
            first: first.and_then(|text| from_hexadecimal(&text)),
            seen: others.clone(),
            others,
            taken_back: Vec::new(),
            kept: used.clone(),
            used,
        })
    }

    /// Name and roles of the token that this is; it is used now. Compares in constant time.
    pub fn find(&mut self, presented: &str, now_ms: u64) -> Option<(String, Arc<[Role]>)> {
        let name = self.name_of(presented)?;
        let (name, roles) = (name.to_string(), self.roles(name, now_ms)?);
        match self.used.get_mut(&name) {
            Some(used) => *used = now_ms,
            None => drop(self.used.insert(name.clone(), now_ms)),
        }
        Some((name, roles))
    }

    /// Whether there is this token, expired or not.
    pub fn is_one(&self, presented: &str) -> bool {
        self.name_of(presented).is_some()
    }

    fn name_of(&self, presented: &str) -> Option<&str> {
        let presented = fingerprint(presented);
        let is_it = |token: &Fingerprint| constant_time::verify_slices_are_equal(token, &presented).is_ok();
        if self.first.is_some_and(|first| is_it(&first)) {
            return Some(FIRST);
        }
        let mut others = self.others.iter();
        let known = others.find(|token| from_hexadecimal(&token.sha256).is_some_and(|known| is_it(&known)));
        known.map(|token| token.name.as_str())
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
        self.used.remove(name);
        self.take_back(|token| token.name == name) > 0
    }

    /// Takes back those that were made until then but the one of this name, and not the first one. How many that were.
    pub fn revoke_until(&mut self, until_ms: u64, but: Option<&str>) -> usize {
        self.take_back(|token| token.made_ms <= until_ms && Some(token.name.as_str()) != but)
    }

    fn take_back(&mut self, is_meant: impl Fn(&Token) -> bool) -> usize {
        let (ended, others): (Vec<_>, Vec<_>) = self.others.drain(..).partition(is_meant);
        let count = ended.len();
        self.others = others;
        self.taken_back.extend(ended);
        let too_many = self.taken_back.len().saturating_sub(TOKENS_MAX);
        self.taken_back.drain(..too_many);
        count
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
        self.first().is_some()
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

    /// What was made and taken back here and is not known to be kept.
    pub fn changes(&self) -> Changes {
        let made = self.others.iter().filter(|token| !self.seen.contains(token));
        Changes {
            made: made.cloned().collect(),
            taken_back: self.taken_back.clone(),
        }
    }

    /// Goes by what is kept now that these changes are written down: also by what another gateway on the same store has made and taken back.
    /// Of two tokens of one name the one that was kept first is left.
    pub fn take(&mut self, kept: Vec<Token>, written: &Changes) {
        self.taken_back
            .retain(|token| !written.taken_back.contains(token));
        let mut made = self.changes().made;
        made.retain(|token| !written.made.contains(token));
        let pending = Changes {
            made,
            taken_back: self.taken_back.clone(),
        };
        self.others = pending.laid_over(&kept);
        self.seen = kept;
    }

    /// Writes changes down (fingerprints only), on top of what other gateways on the same store have written meanwhile. Gives what is kept
    /// then, for [`Tokens::take`]; a token whose name another has meanwhile is not among that. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store, and `Busy` when others were always first.
    pub fn keep(changes: &Changes, store: &dyn Store) -> Result<Vec<Token>, StoreError> {
        for _ in 0..TRIES {
            // The revision first: what is read after it is of that revision or newer, and then it is written by nobody.
            let revision = store.shelf(TOKENS_SHELF)?.revision;
            // What cannot be read opens nothing, and goes with the next change.
            let kept = Tokens::kept(store)?.unwrap_or_default();
            let tokens = changes.laid_over(&kept);
            if tokens == kept {
                return Ok(kept);
            }
            let is_first = store.together(vec![
                Write::Reshelve {
                    shelf: TOKENS_SHELF,
                    revision: revision + 1,
                    changes: Vec::new(),
                },
                Write::Setting {
                    name: TOKENS_SETTING.into(),
                    // Our own plain data always has a JSON form.
                    value: serde_json::to_string(&tokens).unwrap_or_default(),
                },
            ])?;
            if is_first {
                return Ok(tokens);
            }
        }
        Err(StoreError::Busy {
            url: "api tokens".into(),
            action: "keeping a token",
        })
    }
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        self.made.is_empty() && self.taken_back.is_empty()
    }

    /// What is so when these are made to what is kept.
    fn laid_over(&self, kept: &[Token]) -> Vec<Token> {
        let mut tokens = kept.to_vec();
        tokens.retain(|token| !self.taken_back.contains(token));
        for made in &self.made {
            if tokens.len() < TOKENS_MAX && tokens.iter().all(|token| token.name != made.name) {
                tokens.push(made.clone());
            }
        }
        tokens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gateways on one store, each of which has read the tokens before the others changed them.
    #[test]
    fn what_is_made_and_taken_back_at_one_gateway_stays_so_whatever_another_writes() {
        let url = "sqlite::memory:".into();
        let store = crate::store::open(&crate::store::Config { url }).unwrap();
        let keep = |tokens: &mut Tokens| {
            let changes = tokens.changes();
            tokens.take(Tokens::keep(&changes, &*store).unwrap(), &changes);
            assert!(tokens.changes().is_empty());
        };
        let make =
            |tokens: &mut Tokens, name| tokens.make(name, vec![Role::Analyst], None, FIRST, 1).unwrap();
        let names = |tokens: &Tokens| {
            tokens
                .all()
                .into_iter()
                .map(|token| token.name)
                .collect::<Vec<_>>()
        };
        let [mut left, mut right] = [(); 2].map(|()| Tokens::load(&*store).unwrap());
        make(&mut left, "a");
        make(&mut right, "b");
        keep(&mut left);
        keep(&mut right);
        assert_eq!(
            (names(&left), names(&right)),
            (vec!["a".into()], vec!["a".into(), "b".into()])
        );
        // The one knows nothing of "b" yet, and the other takes "a" back.
        make(&mut left, "c");
        assert!(right.revoke("a"));
        keep(&mut right);
        keep(&mut left);
        assert_eq!(names(&left), ["b", "c"]);

        // One name at both: who is written first has it.
        let first = make(&mut left, "same");
        let second = make(&mut right, "same");
        keep(&mut left);
        keep(&mut right);
        assert!(right.find(first.reveal(), 1).is_some() && right.find(second.reveal(), 1).is_none());

        // What was made, and taken back because nobody knew whether it was written, is taken back where it was.
        make(&mut left, "lost");
        Tokens::keep(&left.changes(), &*store).unwrap();
        assert!(left.revoke("lost"));
        left.take(Tokens::kept(&*store).unwrap().unwrap(), &Changes::default());
        assert!(!names(&left).contains(&"lost".into()) && !left.changes().is_empty());
        keep(&mut left);
        assert!(!names(&Tokens::load(&*store).unwrap()).contains(&"lost".into()));

        // What is to be written yet is not forgotten by looking at the others.
        make(&mut left, "d");
        left.take(Tokens::kept(&*store).unwrap().unwrap(), &Changes::default());
        keep(&mut left);
        assert!(names(&Tokens::load(&*store).unwrap()).contains(&"d".into()));
        left.revoke_until(1, Some("d"));
        keep(&mut left);
        assert_eq!(names(&Tokens::load(&*store).unwrap()), ["d"]);
    }

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
