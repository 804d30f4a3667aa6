//! Which PASSporT was brought by which calls, and which of them was answered: a bounded map in memory, written behind
//! to the engine.
//!
//! Pure: time comes in with the question. One map per process behind one lock, so that all shards
//! get one truth; what the disk holds only serves a restart.
//!
//! A carrier that gets no answer over one route tries the next with the same token in a new call, so a second call is
//! not a replay by itself. One PASSporT speaks for one conversation: the first call that is answered has used it up.
//! A call is named by our own id, not by its SIP Call-ID: a recorded INVITE sent again word for word repeats that too.

use std::collections::{BTreeMap, BTreeSet};

use super::limits::{TOKEN_CALLS_MAX, TOKEN_TEXT_MAX, TOKENS_MAX};
use crate::call_id::CallId;

/// One remembered digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// Calls that brought it, first to last; at most [`TOKEN_CALLS_MAX`].
    pub calls: Vec<CallId>,
    /// The first of them that a person answered.
    pub answered_by: Option<CallId>,
    /// When it was brought or answered last, Unix ms.
    pub last_ms: u64,
    /// Forgotten from then on, Unix ms.
    pub keep_until_ms: u64,
}

impl Token {
    fn fresh(now_ms: u64) -> Token {
        Token {
            calls: Vec::new(),
            answered_by: None,
            last_ms: now_ms,
            keep_until_ms: now_ms,
        }
    }

    /// Somebody else has used it up.
    fn is_used_beside(&self, call: CallId) -> bool {
        self.answered_by.is_some_and(|other| other != call)
    }
}

/// What a call does with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// It came with the call.
    Brought,
    /// A person answered the call.
    Answered,
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

    /// Answers [`super::Store::token_seen`] and [`super::Store::token_answered`], and gives the row to write behind.
    ///
    /// The two may come in either order for one call: two threads ask. A clock that went back counts as "just now":
    /// rather a false reuse than a missed one.
    pub fn used(
        &mut self,
        how: Use,
        digest: &str,
        call: CallId,
        now_ms: u64,
        window_ms: u64,
    ) -> (bool, String, Token) {
        self.forget_expired(now_ms);
        let digest = cut(digest);
        let known = self.by_digest.get(&digest);
        let keep_until_ms = now_ms
            .saturating_add(window_ms)
            .max(known.map_or(0, |token| token.keep_until_ms));
        let mut token = known
            .filter(|token| now_ms.saturating_sub(token.last_ms) < window_ms)
            .cloned()
            .unwrap_or_else(|| Token::fresh(now_ms));
        let has_room = token.calls.len() < TOKEN_CALLS_MAX;
        let is_known = token.calls.contains(&call);
        if !is_known && has_room {
            token.calls.push(call);
        }
        let is_reused = token.is_used_beside(call) || !(is_known || has_room);
        if how == Use::Answered && token.answered_by.is_none() {
            token.answered_by = Some(call);
        }
        token.last_ms = token.last_ms.max(now_ms);
        token.keep_until_ms = keep_until_ms;
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

/// As much of a digest as is kept.
pub(super) fn cut(text: &str) -> String {
    let mut end = text.len().min(TOKEN_TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_string()
}

#[cfg(test)]
mod tests {
    use super::Use::{Answered, Brought};
    use super::*;

    const A: CallId = CallId(0xa);
    const B: CallId = CallId(0xb);
    const C: CallId = CallId(0xc);

    /// Digest, call, what it does and when; with what is answered.
    fn check(asked: &[(&str, CallId, Use, u64, bool)]) {
        let mut tokens = Tokens::new();
        for (at, (digest, call, how, now_ms, expected)) in asked.iter().enumerate() {
            let (is_reused, ..) = tokens.used(*how, digest, *call, *now_ms, 60_000);
            assert_eq!(is_reused, *expected, "step {at} of {asked:?}");
        }
    }

    #[test]
    fn a_token_of_an_answered_call_is_reused_by_every_other_call_inside_the_window() {
        let answered = [("d", A, Brought, 0, false), ("d", A, Answered, 5, false)];
        let then = |step| [&answered[..], &[step]].concat();
        check(&then(("d", A, Brought, 6, false)));
        check(&then(("d", B, Brought, 60_004, true)));
        check(&then(("d", B, Brought, 60_005, false)));
        check(&then(("e", B, Brought, 6, false)));
    }

    #[test]
    fn route_advance_is_no_reuse_while_nobody_has_answered() {
        check(&[
            ("d", A, Brought, 0, false),
            ("d", B, Brought, 4_000, false),
            ("d", C, Brought, 8_000, false),
            ("d", C, Answered, 12_000, false),
            ("d", A, Brought, 12_001, true),
        ]);
    }

    #[test]
    fn of_two_calls_that_are_answered_the_second_is_the_reuse() {
        check(&[
            ("d", A, Brought, 0, false),
            ("d", B, Brought, 1, false),
            ("d", B, Answered, 2, false),
            ("d", A, Answered, 3, true),
            ("d", B, Answered, 4, false),
        ]);
    }

    #[test]
    fn one_token_serves_a_bounded_number_of_attempts() {
        let mut tokens = Tokens::new();
        let calls = 0..TOKEN_CALLS_MAX as u128 + 2;
        let answers: Vec<bool> = calls
            .clone()
            .map(|call| tokens.used(Brought, "d", CallId(call), 0, 60_000).0)
            .collect();
        let reused = answers.iter().filter(|is_reused| **is_reused).count();
        assert_eq!(reused, 2, "{answers:?}");
        assert!(answers[TOKEN_CALLS_MAX..].iter().all(|is_reused| *is_reused));
        let (.., token) = tokens.used(Brought, "d", CallId(0), 1, 60_000);
        assert_eq!(token.calls.len(), TOKEN_CALLS_MAX);
    }

    #[test]
    fn the_questions_of_one_call_may_come_in_either_order() {
        check(&[
            ("d", A, Answered, 0, false),
            ("d", A, Brought, 1, false),
            ("d", B, Answered, 2, true),
            ("d", B, Brought, 3, true),
        ]);
    }

    #[test]
    fn the_first_answered_call_keeps_the_token_while_strangers_replay_it() {
        check(&[
            ("d", A, Answered, 0, false),
            ("d", B, Answered, 50_000, true),
            ("d", C, Answered, 100_000, true),
            ("d", A, Brought, 100_001, false),
        ]);
    }

    #[test]
    fn a_clock_that_goes_back_counts_as_now() {
        check(&[("d", A, Answered, 100_000, false), ("d", B, Brought, 10, true)]);
    }

    #[test]
    fn a_full_table_forgets_what_would_expire_first_and_counts_it() {
        let mut tokens = Tokens::with_capacity(2);
        tokens.used(Answered, "old", A, 0, 60_000);
        tokens.used(Answered, "new", B, 1, 60_000);
        tokens.used(Answered, "newer", C, 2, 60_000);
        assert_eq!(tokens.forgotten(), 1);
        let stranger = CallId(9);
        assert!(!tokens.used(Brought, "old", stranger, 3, 60_000).0);
        assert!(tokens.used(Brought, "newer", stranger, 3, 60_000).0);
    }

    #[test]
    fn an_endless_digest_is_cut_at_a_character() {
        let mut tokens = Tokens::new();
        let long = "é".repeat(1_000);
        let (_, digest, _) = tokens.used(Brought, &long, A, 0, 1);
        assert_eq!(digest.len(), TOKEN_TEXT_MAX);
    }
}
