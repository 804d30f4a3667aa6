//! Who may read: the token, the sessions made from it, and wrong tries counted per address.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::{constant_time, digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::limits::{FAILURE_ADDRESSES, FAILURE_WINDOW, FAILURES_MAX, SESSION_LASTS, SESSIONS_MAX};
use crate::redact::Redacted;
use crate::store::{Store, StoreError};

const TOKEN_SETTING: &str = "api_token_sha256";
const SESSIONS_SETTING: &str = "api_sessions";

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

/// How a request showed who it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SignedIn {
    Token,
    Session(Fingerprint),
}

/// Sessions and failures are memory; sessions are also written to the store, so that a restart signs nobody out.
pub(crate) struct Access {
    token: Option<Fingerprint>,
    books: Mutex<Books>,
}

struct Books {
    /// Fingerprint of the session's secret to the Unix ms at which it ends.
    sessions: BTreeMap<Fingerprint, u64>,
    /// Address to its first failure (Unix ms) in the window, and how many since.
    failures: BTreeMap<IpAddr, (u64, u32)>,
}

impl Access {
    /// Reads the token's fingerprint and the open sessions. Blocks.
    pub fn load(store: &dyn Store) -> Result<Access, StoreError> {
        let token = store
            .setting(TOKEN_SETTING)?
            .and_then(|text| from_hexadecimal(&text));
        let sessions = store
            .setting(SESSIONS_SETTING)?
            .and_then(|text| serde_json::from_str::<BTreeMap<String, u64>>(&text).ok())
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(text, ends)| Some((from_hexadecimal(&text)?, ends)))
            .collect();
        Ok(Access {
            token,
            books: Mutex::new(Books {
                sessions,
                failures: BTreeMap::new(),
            }),
        })
    }

    /// Compares in constant time.
    pub fn is_token(&self, presented: &str) -> bool {
        let presented = fingerprint(presented);
        self.token
            .is_some_and(|token| constant_time::verify_slices_are_equal(&token, &presented).is_ok())
    }

    /// The session this cookie value opens, if it has not ended.
    ///
    /// A map look-up by fingerprint: what its timing tells is about a hash, not about the secret.
    pub fn session(&self, presented: &str, now_ms: u64) -> Option<SignedIn> {
        let presented = fingerprint(presented);
        self.is_open(presented, now_ms)
            .then_some(SignedIn::Session(presented))
    }

    /// False once a session has ended or was left: a stream asks this now and then.
    pub fn still_holds(&self, signed_in: SignedIn, now_ms: u64) -> bool {
        match signed_in {
            SignedIn::Token => true,
            SignedIn::Session(session) => self.is_open(session, now_ms),
        }
    }

    /// Opens a session: its secret for the cookie, and when it ends (Unix ms). None = no randomness.
    pub fn open_session(&self, now_ms: u64) -> Option<(Redacted<String>, u64)> {
        let secret = secret("")?;
        let ends_ms = now_ms + SESSION_LASTS.as_millis() as u64;
        let sessions = &mut self.lock().sessions;
        sessions.retain(|_, ends| *ends > now_ms);
        while sessions.len() >= SESSIONS_MAX {
            let Some(first) = sessions
                .iter()
                .min_by_key(|(_, ends)| **ends)
                .map(|(key, _)| *key)
            else {
                break;
            };
            sessions.remove(&first);
        }
        sessions.insert(fingerprint(&secret), ends_ms);
        Some((Redacted::new(secret), ends_ms))
    }

    pub fn close_session(&self, session: Fingerprint) {
        self.lock().sessions.remove(&session);
    }

    /// Writes the open sessions (fingerprints only). Blocks.
    pub fn keep(&self, store: &dyn Store) -> Result<(), StoreError> {
        let sessions: BTreeMap<String, u64> = self
            .lock()
            .sessions
            .iter()
            .map(|(session, ends)| (hexadecimal(session), *ends))
            .collect();
        let text = serde_json::to_string(&sessions).unwrap_or_default();
        store.set_setting(SESSIONS_SETTING, &text)
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

    fn is_open(&self, session: Fingerprint, now_ms: u64) -> bool {
        self.lock()
            .sessions
            .get(&session)
            .is_some_and(|ends| *ends > now_ms)
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
                failures: BTreeMap::new(),
            }),
        }
    }

    #[test]
    fn without_a_token_no_text_is_the_token() {
        assert!(!nobody().is_token(""));
    }

    #[test]
    fn a_session_ends_after_its_shift_or_when_it_is_left() {
        let access = nobody();
        let (secret, ends) = access.open_session(1_000).unwrap();
        let signed_in = access.session(secret.reveal(), ends - 1).unwrap();
        assert!(access.session(secret.reveal(), ends).is_none());
        assert!(access.session("another", 1_000).is_none());
        if let SignedIn::Session(session) = signed_in {
            access.close_session(session);
        }
        assert!(!access.still_holds(signed_in, 1_000));
    }

    #[test]
    fn sessions_are_bounded_and_the_oldest_goes() {
        let access = nobody();
        let (first, _) = access.open_session(0).unwrap();
        for at in 1..=SESSIONS_MAX as u64 {
            access.open_session(at).unwrap();
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
