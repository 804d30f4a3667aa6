//! Which PASSporT was used by which call: a bounded map in memory, written behind to the engine.
//!
//! Pure: time comes in with the question. One map per process behind one lock, so that all shards
//! get one truth; what the disk holds only serves a restart.

use std::collections::{BTreeMap, BTreeSet};

use super::limits::{TOKEN_TEXT_MAX, TOKENS_MAX};

/// One remembered digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// SIP Call-ID of the call that used it first.
    pub owner: String,
    /// When its owner used it last, Unix ms.
    pub owner_ms: u64,
    /// When any other call used it last, Unix ms; 0 = never.
    pub other_ms: u64,
    /// Forgotten from then on, Unix ms.
    pub keep_until_ms: u64,
}

/// Remembers up to `capacity` digests; past that the one that would expire first goes early.
pub(crate) struct Tokens {
    by_digest: BTreeMap<String, Token>,
    by_expiry: BTreeSet<(u64, String)>,
    capacity: usize,
    forgotten: u64,
}

impl Tokens {
    pub fn new() -> Tokens {
        Tokens::with_capacity(TOKENS_MAX)
    }

    pub fn with_capacity(capacity: usize) -> Tokens {
        Tokens {
            by_digest: BTreeMap::new(),
            by_expiry: BTreeSet::new(),
            capacity,
            forgotten: 0,
        }
    }

    /// Puts back what an earlier process wrote. What is too old goes at the first question.
    pub fn restore(&mut self, digest: String, token: Token) {
        self.put(digest, token);
    }

    /// Answers [`super::Store::token_seen`] and gives the row to write behind.
    ///
    /// A clock that went back counts as "just now": rather a false reuse than a missed one.
    pub fn seen(&mut self, digest: &str, call: &str, now_ms: u64, window_ms: u64) -> (bool, String, Token) {
        self.forget_expired(now_ms);
        let digest = cut(digest);
        let call = cut(call);
        let keep_until_ms = now_ms.saturating_add(window_ms);
        let fresh = Token {
            owner: call.clone(),
            owner_ms: now_ms,
            other_ms: 0,
            keep_until_ms,
        };
        let (is_reused, token) = match self.by_digest.get(&digest) {
            None => (false, fresh),
            Some(known) => {
                let last_ms = known.owner_ms.max(known.other_ms);
                let keep_until_ms = keep_until_ms.max(known.keep_until_ms);
                if known.owner == call {
                    (
                        false,
                        Token {
                            owner_ms: now_ms.max(known.owner_ms),
                            keep_until_ms,
                            ..known.clone()
                        },
                    )
                } else if now_ms.saturating_sub(last_ms) < window_ms {
                    (
                        true,
                        Token {
                            other_ms: now_ms.max(known.other_ms),
                            keep_until_ms,
                            ..known.clone()
                        },
                    )
                } else {
                    (
                        false,
                        Token {
                            keep_until_ms,
                            ..fresh
                        },
                    )
                }
            }
        };
        self.put(digest.clone(), token.clone());
        (is_reused, digest, token)
    }

    /// Digests forgotten before their time because the table was full.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    fn put(&mut self, digest: String, token: Token) {
        let expiry = token.keep_until_ms;
        if let Some(before) = self.by_digest.insert(digest.clone(), token) {
            self.by_expiry.remove(&(before.keep_until_ms, digest.clone()));
        }
        self.by_expiry.insert((expiry, digest));
        while self.by_digest.len() > self.capacity {
            let Some((_, first)) = self.by_expiry.pop_first() else {
                break;
            };
            self.by_digest.remove(&first);
            self.forgotten += 1;
        }
    }

    fn forget_expired(&mut self, now_ms: u64) {
        while let Some((expiry, _)) = self.by_expiry.first() {
            if *expiry > now_ms {
                break;
            }
            if let Some((_, digest)) = self.by_expiry.pop_first() {
                self.by_digest.remove(&digest);
            }
        }
    }
}

fn cut(text: &str) -> String {
    let mut end = text.len().min(TOKEN_TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(asked: &[(&str, &str, u64)], expected: &[bool]) {
        let mut tokens = Tokens::new();
        let answers: Vec<bool> = asked
            .iter()
            .map(|(digest, call, at)| tokens.seen(digest, call, *at, 60_000).0)
            .collect();
        assert_eq!(answers, expected, "{asked:?}");
    }

    #[test]
    fn a_token_is_reused_only_by_another_call_inside_the_window() {
        check(&[("d", "a", 0)], &[false]);
        check(&[("d", "a", 0), ("d", "a", 5)], &[false, false]);
        check(&[("d", "a", 0), ("d", "b", 59_999)], &[false, true]);
        check(&[("d", "a", 0), ("d", "b", 60_000)], &[false, false]);
        check(&[("d", "a", 0), ("e", "b", 5)], &[false, false]);
    }

    #[test]
    fn the_owner_stays_the_owner_while_a_stranger_replays() {
        check(
            &[("d", "a", 0), ("d", "b", 10), ("d", "b", 11), ("d", "a", 12)],
            &[false, true, true, false],
        );
    }

    #[test]
    fn a_chain_of_reuses_is_each_time_a_reuse() {
        check(
            &[("d", "a", 0), ("d", "b", 50_000), ("d", "c", 100_000)],
            &[false, true, true],
        );
    }

    #[test]
    fn a_clock_that_goes_back_counts_as_now() {
        check(&[("d", "a", 100_000), ("d", "b", 10)], &[false, true]);
    }

    #[test]
    fn a_full_table_forgets_what_would_expire_first_and_counts_it() {
        let mut tokens = Tokens::with_capacity(2);
        tokens.seen("old", "a", 0, 60_000);
        tokens.seen("new", "b", 1, 60_000);
        tokens.seen("newer", "c", 2, 60_000);
        assert_eq!(tokens.forgotten(), 1);
        assert!(!tokens.seen("old", "x", 3, 60_000).0);
        assert!(tokens.seen("newer", "x", 3, 60_000).0);
    }

    #[test]
    fn an_endless_digest_is_cut_at_a_character() {
        let mut tokens = Tokens::new();
        let long = "é".repeat(1_000);
        let (_, digest, _) = tokens.seen(&long, "a", 0, 1);
        assert_eq!(digest.len(), TOKEN_TEXT_MAX);
    }
}
