//! Who may read: the token, the sessions made from it, and wrong tries counted per address.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::{constant_time, digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use serde::{Deserialize, Serialize};

use super::limits::{
    FAILURE_ADDRESSES, FAILURE_WINDOW, FAILURES_MAX, REFUSALS_WRITTEN_MAX, SESSION_LASTS, SESSIONS_MAX,
    TOKENS_MAX,
};
use super::roles::Role;
use crate::policy::book::{BY_FILE, BY_GATEWAY};
use crate::redact::Redacted;
use crate::store::{Store, StoreError};

const TOKEN_SETTING: &str = "api_token_sha256";
const SESSIONS_SETTING: &str = "api_sessions";
const TOKENS_SETTING: &str = "api_tokens";

/// The name of the token that was made at the first start. It is an administrator's and does not expire.
pub(crate) const FIRST: &str = "first";

/// Names that stand for something else in the audit and in the book of policies.
const RESERVED: [&str; 3] = [FIRST, BY_FILE, BY_GATEWAY];

/// SHA-256 of a 256-bit random secret: nothing slower is needed against guessing.
type Fingerprint = [u8; 32];

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
    store.set_setting(TOKEN_SETTING, &hexadecimal(&fingerprint(&token)))?;
    Ok(Some(token))
}

/// Who a request comes from, and how it showed that.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SignedIn {
    /// The token's name.
    pub who: Arc<str>,
    pub roles: Arc<[Role]>,
    /// By the cookie of this session; None = by the token itself.
    session: Option<Fingerprint>,
}

impl SignedIn {
    pub fn is_by_session(&self) -> bool {
        self.session.is_some()
    }
}

/// A token beside the first one. Its secret is known to whom it was given; kept is its fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Token {
    pub name: String,
    sha256: String,
    pub roles: Vec<Role>,
    /// Unix ms.
    pub made_ms: u64,
    pub made_by: String,
    /// Unix ms; None = never.
    pub expires_ms: Option<u64>,
}

/// Why a token was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoToken {
    NameTaken,
    Full,
    NoRandomness,
}

/// Sessions and failures are memory; sessions are also written to the store, so that a restart signs nobody out.
pub(crate) struct Access {
    token: Option<Fingerprint>,
    books: Mutex<Books>,
    /// Held while the books are written: of two writers the later one writes what is so.
    keeping: Mutex<()>,
}

/// What somebody was refused for. Counted apart, so that wrong credentials cannot hide the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefusalKind {
    Credential = 0,
    Role = 1,
}

/// Refusals that were written into the audit lately.
#[derive(Default)]
struct Refusals {
    since_ms: u64,
    written: u32,
    left_out: u32,
}

/// Until when, and by which token it was opened: what that token may, and as long as there is that token.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Open {
    ends_ms: u64,
    token: String,
}

/// As earlier gateways kept it: the end alone, and there was one token only.
#[derive(Deserialize)]
#[serde(untagged)]
enum KeptSession {
    Ends(u64),
    Open(Open),
}

impl From<KeptSession> for Open {
    fn from(kept: KeptSession) -> Open {
        match kept {
            KeptSession::Open(open) => open,
            KeptSession::Ends(ends_ms) => Open {
                ends_ms,
                token: FIRST.into(),
            },
        }
    }
}

struct Books {
    /// By fingerprint of the session's secret.
    sessions: BTreeMap<Fingerprint, Open>,
    tokens: Vec<Token>,
    /// Address to its first failure (Unix ms) in the window, and how many since.
    failures: BTreeMap<IpAddr, (u64, u32)>,
    /// By [`RefusalKind`].
    refusals: [Refusals; 2],
}

impl Access {
    /// Reads the token's fingerprint and the open sessions. Blocks.
    pub fn load(store: &dyn Store) -> Result<Access, StoreError> {
        let token = store
            .setting(TOKEN_SETTING)?
            .and_then(|text| from_hexadecimal(&text));
        let sessions = store
            .setting(SESSIONS_SETTING)?
            .and_then(|text| serde_json::from_str::<BTreeMap<String, KeptSession>>(&text).ok())
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(text, kept)| Some((from_hexadecimal(&text)?, kept.into())))
            .collect();
        let tokens = store.setting(TOKENS_SETTING)?;
        let tokens = tokens.and_then(|text| {
            let tokens = serde_json::from_str(&text);
            // Whoever holds one of them is locked out, which is the safe side; the first token still opens.
            tokens
                .inspect_err(|error| tracing::error!(%error, "the API tokens in the store cannot be read; make them again"))
                .ok()
        });
        let tokens = tokens.unwrap_or_default();
        Ok(Access {
            token,
            books: Mutex::new(Books {
                sessions,
                tokens,
                failures: BTreeMap::new(),
                refusals: Default::default(),
            }),
            keeping: Mutex::new(()),
        })
    }

    /// Whose token this is. Compares in constant time.
    pub fn token(&self, presented: &str, now_ms: u64) -> Option<SignedIn> {
        let presented = fingerprint(presented);
        let is_it = |token: &Fingerprint| constant_time::verify_slices_are_equal(token, &presented).is_ok();
        let name = match self.token.filter(is_it) {
            Some(_) => FIRST.to_string(),
            None => {
                let books = self.lock();
                let known = books
                    .tokens
                    .iter()
                    .find(|token| from_hexadecimal(&token.sha256).is_some_and(|known| is_it(&known)));
                known?.name.clone()
            }
        };
        Some(SignedIn {
            roles: self.roles(&name, now_ms)?,
            who: name.into(),
            session: None,
        })
    }

    /// What the token of this name may; None = there is none, or it has expired.
    fn roles(&self, name: &str, now_ms: u64) -> Option<Arc<[Role]>> {
        if name == FIRST {
            return self.token.map(|_| Arc::from([Role::Admin]));
        }
        let books = self.lock();
        let token = books.tokens.iter().find(|token| token.name == name)?;
        let is_fresh = token.expires_ms.is_none_or(|expires| now_ms < expires);
        is_fresh.then(|| token.roles.clone().into())
    }

    /// All tokens but the first, in the order they were made.
    pub fn tokens(&self) -> Vec<Token> {
        self.lock().tokens.clone()
    }

    /// Makes a token; its secret is given once.
    pub fn make_token(
        &self,
        name: &str,
        roles: Vec<Role>,
        expires_ms: Option<u64>,
        by: &str,
        now_ms: u64,
    ) -> Result<Redacted<String>, NoToken> {
        let secret = secret("rw_").ok_or(NoToken::NoRandomness)?;
        let tokens = &mut self.lock().tokens;
        if RESERVED.contains(&name) || tokens.iter().any(|token| token.name == name) {
            return Err(NoToken::NameTaken);
        }
        if tokens.len() >= TOKENS_MAX {
            return Err(NoToken::Full);
        }
        tokens.push(Token {
            name: name.into(),
            sha256: hexadecimal(&fingerprint(&secret)),
            roles,
            made_ms: now_ms,
            made_by: by.into(),
            expires_ms,
        });
        Ok(Redacted::new(secret))
    }

    /// Takes a token back, and with it every session it opened. False = there is none of this name.
    pub fn revoke_token(&self, name: &str) -> bool {
        let mut books = self.lock();
        let before = books.tokens.len();
        books.tokens.retain(|token| token.name != name);
        let is_gone = books.tokens.len() < before;
        if is_gone {
            books.sessions.retain(|_, open| open.token != name);
        }
        is_gone
    }

    /// The session this cookie value opens, if it has not ended.
    ///
    /// A map look-up by fingerprint: what its timing tells is about a hash, not about the secret.
    pub fn session(&self, presented: &str, now_ms: u64) -> Option<SignedIn> {
        self.signed_in(fingerprint(presented), now_ms)
    }

    /// False once a session has ended or was left: a stream asks this now and then.
    pub fn still_holds(&self, signed_in: &SignedIn, now_ms: u64) -> bool {
        match signed_in.session {
            None => self.roles(&signed_in.who, now_ms).is_some(),
            Some(session) => self.signed_in(session, now_ms).is_some(),
        }
    }

    /// Opens a session for who is signed in by a token: its secret for the cookie, and when it ends (Unix ms). None = no
    /// randomness.
    pub fn open_session(&self, signed_in: &SignedIn, now_ms: u64) -> Option<(Redacted<String>, u64)> {
        let secret = secret("")?;
        let ends_ms = now_ms + SESSION_LASTS.as_millis() as u64;
        let sessions = &mut self.lock().sessions;
        sessions.retain(|_, open| open.ends_ms > now_ms);
        while sessions.len() >= SESSIONS_MAX {
            let Some(first) = sessions
                .iter()
                .min_by_key(|(_, open)| open.ends_ms)
                .map(|(key, _)| *key)
            else {
                break;
            };
            sessions.remove(&first);
        }
        let open = Open {
            ends_ms,
            token: signed_in.who.to_string(),
        };
        sessions.insert(fingerprint(&secret), open);
        Some((Redacted::new(secret), ends_ms))
    }

    /// Ends the session that somebody is signed in by; nothing where it was by the token itself.
    pub fn close_session(&self, signed_in: &SignedIn) {
        if let Some(session) = signed_in.session {
            self.lock().sessions.remove(&session);
        }
    }

    /// Writes the open sessions (fingerprints only). Blocks.
    pub fn keep(&self, store: &dyn Store) -> Result<(), StoreError> {
        let _turn = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        let sessions: BTreeMap<String, Open> = self
            .lock()
            .sessions
            .iter()
            .map(|(session, open)| (hexadecimal(session), open.clone()))
            .collect();
        let text = serde_json::to_string(&sessions).unwrap_or_default();
        store.set_setting(SESSIONS_SETTING, &text)
    }

    /// Writes the tokens (fingerprints only). Blocks.
    pub fn keep_tokens(&self, store: &dyn Store) -> Result<(), StoreError> {
        let _turn = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        let text = serde_json::to_string(&self.tokens()).unwrap_or_default();
        store.set_setting(TOKENS_SETTING, &text)
    }

    /// Counts a wrong credential. `Err` is the seconds until this address is listened to again.
    pub fn fail(&self, from: IpAddr, now_ms: u64) -> Result<(), u64> {
        let from = network(from);
        let window_ms = FAILURE_WINDOW.as_millis() as u64;
        let failures = &mut self.lock().failures;
        let is_over = |since: u64| now_ms.saturating_sub(since) >= window_ms;
        if failures.len() >= FAILURE_ADDRESSES && !failures.contains_key(&from) {
            failures.retain(|_, (since, _)| !is_over(*since));
            if failures.len() >= FAILURE_ADDRESSES
                && let Some(oldest) = failures
                    .iter()
                    .min_by_key(|(_, seen)| **seen)
                    .map(|(key, _)| *key)
            {
                failures.remove(&oldest);
            }
        }
        let (since, count) = failures.entry(from).or_insert((now_ms, 0));
        if is_over(*since) {
            (*since, *count) = (now_ms, 0);
        }
        *count = count.saturating_add(1);
        if *count > FAILURES_MAX {
            return Err((window_ms - now_ms.saturating_sub(*since)).div_ceil(1_000));
        }
        Ok(())
    }

    /// Whether a refusal is written into the audit: some, with how many before it were not.
    pub fn note_refusal(&self, kind: RefusalKind, now_ms: u64) -> Option<u32> {
        let refusals = &mut self.lock().refusals[kind as usize];
        if refusals.since_ms.abs_diff(now_ms) >= FAILURE_WINDOW.as_millis() as u64 {
            (refusals.since_ms, refusals.written) = (now_ms, 0);
        }
        if refusals.written >= REFUSALS_WRITTEN_MAX {
            refusals.left_out = refusals.left_out.saturating_add(1);
            return None;
        }
        refusals.written += 1;
        Some(std::mem::take(&mut refusals.left_out))
    }

    fn signed_in(&self, session: Fingerprint, now_ms: u64) -> Option<SignedIn> {
        let open = self.lock().sessions.get(&session).cloned();
        let open = open.filter(|open| open.ends_ms > now_ms)?;
        Some(SignedIn {
            roles: self.roles(&open.token, now_ms)?,
            who: open.token.into(),
            session: Some(session),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        // A panic elsewhere left whole values only.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One IPv6 customer has a whole /64 of addresses.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(six) => match six.to_ipv4_mapped() {
            Some(four) => IpAddr::V4(four),
            None => IpAddr::V6((u128::from(six) & !u128::from(u64::MAX)).into()),
        },
        four => four,
    }
}

/// The one place beside `runtime` that takes randomness from the system: it must be its best, and never a seed.
fn secret(prefix: &str) -> Option<String> {
    let mut octets = [0u8; 32];
    rand::fill(&mut octets).ok()?;
    Some(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(octets)))
}

fn fingerprint(secret: &str) -> Fingerprint {
    let mut octets = [0; 32];
    octets.copy_from_slice(digest::digest(&digest::SHA256, secret.as_bytes()).as_ref());
    octets
}

fn hexadecimal(octets: &Fingerprint) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn from_hexadecimal(text: &str) -> Option<Fingerprint> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut octets = [0; 32];
    for (place, octet) in octets.iter_mut().enumerate() {
        *octet = u8::from_str_radix(&text[place * 2..place * 2 + 2], 16).ok()?;
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nobody() -> Access {
        Access {
            token: None,
            books: Mutex::new(Books {
                sessions: BTreeMap::new(),
                tokens: Vec::new(),
                failures: BTreeMap::new(),
                refusals: Default::default(),
            }),
            keeping: Mutex::new(()),
        }
    }

    #[test]
    fn without_a_token_no_text_is_the_token() {
        assert!(nobody().token("", 0).is_none());
    }

    #[test]
    fn refusals_are_written_down_so_often_and_each_kind_by_itself() {
        let access = nobody();
        let note = |kind, now_ms| access.note_refusal(kind, now_ms);
        for _ in 0..REFUSALS_WRITTEN_MAX {
            assert_eq!(note(RefusalKind::Credential, 100_000), Some(0));
        }
        assert_eq!(note(RefusalKind::Credential, 100_001), None);
        assert_eq!(note(RefusalKind::Credential, 159_999), None);
        assert_eq!(note(RefusalKind::Role, 159_999), Some(0));
        assert_eq!(note(RefusalKind::Credential, 160_000), Some(2));
        assert_eq!(note(RefusalKind::Credential, 160_001), Some(0));
    }

    /// Somebody signed in by a token that `access` knows.
    fn ann(access: &Access) -> SignedIn {
        let secret = access
            .make_token("ann", vec![Role::Analyst], None, FIRST, 0)
            .unwrap();
        access.token(secret.reveal(), 0).unwrap()
    }

    #[test]
    fn a_token_has_its_name_its_roles_and_its_end() {
        let access = nobody();
        let roles = vec![Role::PolicyAuthor];
        let secret = access
            .make_token("bob", roles.clone(), Some(5_000), FIRST, 1_000)
            .unwrap();
        let bob = access.token(secret.reveal(), 4_999).unwrap();
        assert_eq!((&*bob.who, &*bob.roles), ("bob", &roles[..]));
        assert!(access.token(secret.reveal(), 5_000).is_none());
        assert_eq!(
            access.make_token("bob", Vec::new(), None, FIRST, 0).unwrap_err(),
            NoToken::NameTaken
        );
        assert_eq!(
            access.make_token(FIRST, Vec::new(), None, FIRST, 0).unwrap_err(),
            NoToken::NameTaken
        );
        for reserved in [BY_FILE, BY_GATEWAY] {
            let made = access.make_token(reserved, Vec::new(), None, FIRST, 0);
            assert_eq!(made.unwrap_err(), NoToken::NameTaken);
        }
        let (session, _) = access.open_session(&bob, 1_000).unwrap();
        assert_eq!(access.session(session.reveal(), 2_000).unwrap().who, bob.who);
        assert!(
            access.session(session.reveal(), 5_000).is_none(),
            "no longer than its token"
        );
        assert!(access.revoke_token("bob") && !access.revoke_token("bob"));
        assert!(access.session(session.reveal(), 2_000).is_none());
        let kept = serde_json::to_string(&access.tokens()).unwrap();
        assert!(!kept.contains(&secret.reveal()[3..]));
    }

    #[test]
    fn sessions_of_earlier_gateways_are_the_first_tokens() {
        let kept: BTreeMap<String, KeptSession> =
            serde_json::from_str("{\"a\":5,\"b\":{\"ends_ms\":6,\"token\":\"ann\"}}").unwrap();
        let open: Vec<(u64, String)> = kept
            .into_values()
            .map(|kept| {
                let open = Open::from(kept);
                (open.ends_ms, open.token)
            })
            .collect();
        assert_eq!(open, [(5, FIRST.to_string()), (6, "ann".to_string())]);
    }

    #[test]
    fn a_session_ends_after_its_shift_or_when_it_is_left() {
        let access = nobody();
        let (secret, ends) = access.open_session(&ann(&access), 1_000).unwrap();
        let signed_in = access.session(secret.reveal(), ends - 1).unwrap();
        assert!(access.session(secret.reveal(), ends).is_none());
        assert!(access.session("another", 1_000).is_none());
        assert!(access.still_holds(&signed_in, 1_000));
        access.close_session(&signed_in);
        assert!(!access.still_holds(&signed_in, 1_000));
    }

    #[test]
    fn sessions_are_bounded_and_the_oldest_goes() {
        let access = nobody();
        let ann = ann(&access);
        let (first, _) = access.open_session(&ann, 0).unwrap();
        for at in 1..=SESSIONS_MAX as u64 {
            access.open_session(&ann, at).unwrap();
        }
        assert!(access.session(first.reveal(), 500).is_none());
        assert_eq!(access.lock().sessions.len(), SESSIONS_MAX);
    }

    #[test]
    fn wrong_tries_are_counted_per_address_and_forgiven_after_a_minute() {
        let access = nobody();
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        for _ in 0..FAILURES_MAX {
            assert_eq!(access.fail(one, 5_000), Ok(()));
        }
        assert_eq!(access.fail(one, 15_000), Err(50));
        assert_eq!(access.fail("192.0.2.2".parse().unwrap(), 15_000), Ok(()));
        assert_eq!(access.fail(one, 65_000), Ok(()));
    }

    #[test]
    fn an_ipv6_customer_counts_as_one_address_and_the_book_is_bounded() {
        let access = nobody();
        for last in 0..FAILURES_MAX {
            let address = format!("2001:db8::{last:x}").parse().unwrap();
            access.fail(address, 0).unwrap();
        }
        assert!(access.fail("2001:db8::ffff".parse().unwrap(), 0).is_err());
        for number in 0..FAILURE_ADDRESSES as u32 + 10 {
            access
                .fail(IpAddr::V4((0x0a00_0000 + number).into()), 1 + u64::from(number))
                .unwrap();
        }
        assert_eq!(access.lock().failures.len(), FAILURE_ADDRESSES);
    }
}
