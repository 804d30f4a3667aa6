//! Addresses that are not heard for a while, because somebody there guesses or scans.
//!
//! ```text
//!   strikes in a minute  ── 32 ──► blocked 5 min ── again ──► 10 min ── again ──► 20 min … one hour
//!   a wrong password     4           a day without a strike, and the next block is the first again
//!   a question unproven  1 (connections alone)
//!   a scanner's name     8 (connections alone)
//! ```
//!
//! **Only what an address cannot have been lent counts**: a password answered over a nonce that was given to that very
//! address, or octets on a connection that it opened. A datagram's sender is whatever its writer wrote, so no datagram
//! by itself ever leads here: nobody can have somebody else's address blocked. Addresses from which somebody proved
//! himself within a day are never blocked, nor those that the configuration names. By hand
//! (somebody here) neither can be blocked: calls for help come from there too.

use std::collections::HashMap;
use std::fmt::Write;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::feed::{Feed, is_narrow};
use super::limits::{
    BLOCK_FIRST, BLOCK_FORGOTTEN, BLOCK_MOST, BLOCKS_BY_HAND_MAX, BLOCKS_KNOWN_MAX, PROVEN_KEPT, STRIKES_MAX,
    STRIKES_WINDOW,
};
use crate::cidr::{Cidr, neighbourhood};

/// What somebody at an address did, with as much certainty that it was from there as [the module](self) asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strike {
    /// A wrong password, over a nonce that was given to this address.
    WrongPassword,
    /// A request on a connection of its own that proves nothing.
    Unproven,
    /// On such a connection, the name of a scanner.
    Scanner,
}

/// The table of the process. Asking it costs one load while nobody is blocked.
pub struct Blocks {
    /// Never blocked: trunks, phones and carriers of the configuration, and what `[scans] never` names.
    never: Vec<Cidr>,
    /// Where our own phones register from: nobody there is on a list that others keep.
    phones: Vec<Cidr>,
    is_on: bool,
    blocked: AtomicUsize,
    /// Somebody is on the list that others keep.
    is_fed: AtomicBool,
    fed: RwLock<Fed>,
    known: Mutex<HashMap<IpAddr, Known>>,
}

/// The list that others keep, and until when it counts.
#[derive(Default)]
struct Fed {
    feed: Arc<Feed>,
    until: Option<Instant>,
    /// Counts lists up.
    number: u64,
}

/// An address, or an IPv6 network of 64 bits, that is blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    pub address: IpAddr,
    /// How much longer.
    pub left: Duration,
    /// How often it was blocked for what was done there.
    pub times: u32,
    pub is_by_hand: bool,
}

/// Who is not heard at some moment, and nothing that is locked.
pub struct Listing {
    blocks: Vec<Block>,
    feed: Arc<Feed>,
    /// How much longer that list counts, if it does.
    left: Option<Duration>,
    /// Where somebody proved himself within a day.
    proven: Vec<IpAddr>,
}

/// Why an address is not blocked by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotBlocked {
    #[error("the configuration names this address: a trunk, a phone, or `[scans] never`")]
    Known,
    #[error(
        "somebody there proved who he is within the last day: a phone's calls for help would not be heard either; give its device another secret, or take it away"
    )]
    Proven,
    #[error(
        "{} addresses are blocked by hand: lift one, or block ranges with a packet filter",
        BLOCKS_BY_HAND_MAX
    )]
    Full,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    strikes: u32,
    since: Instant,
    last: Instant,
    until: Option<Instant>,
    times: u32,
    proven: Option<Instant>,
    /// The block that there is, somebody here ordered.
    is_by_hand: bool,
}

impl Blocks {
    /// `is_on` false: nobody is ever blocked.
    pub fn new(never: Vec<Cidr>, is_on: bool) -> Blocks {
        Blocks {
            never,
            phones: Vec::new(),
            is_on,
            blocked: AtomicUsize::new(0),
            is_fed: AtomicBool::new(false),
            fed: RwLock::default(),
            known: Mutex::default(),
        }
    }

    /// Phones register from these networks: whoever is there is on no list that others keep. A network that is wider than an entry of such
    /// a list may be is anybody's, and says nothing.
    #[must_use]
    pub fn with_phones(mut self, from: &[Cidr]) -> Blocks {
        let is_theirs = |range: &&Cidr| is_narrow(range) || range.is_private();
        self.phones = from.iter().filter(is_theirs).copied().collect();
        self
    }

    /// Named by the configuration: never blocked, whatever is done there.
    pub fn is_exempt(&self, address: IpAddr) -> bool {
        self.never.iter().any(|range| range.contains(address))
    }

    /// Somebody there has proven who he is within a day.
    pub fn is_proven(&self, address: IpAddr, now: Instant) -> bool {
        let known = self.known();
        known
            .get(&neighbourhood(address))
            .is_some_and(|known| known.is_proven(now))
    }

    pub fn is_blocked(&self, address: IpAddr, now: Instant) -> bool {
        if self.is_fed.load(Ordering::Relaxed) && self.is_on_list(address, now) {
            return true;
        }
        if self.blocked.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let known = self.known();
        let until = known.get(&neighbourhood(address)).and_then(|known| known.until);
        until.is_some_and(|until| now < until)
    }

    /// On the list that others keep, and nobody there proved himself within a day. Whom the configuration names is on none.
    fn is_on_list(&self, address: IpAddr, now: Instant) -> bool {
        let is_on_list = {
            let fed = self.fed.read().unwrap_or_else(PoisonError::into_inner);
            fed.until.is_some_and(|until| now < until) && fed.feed.contains(address)
        };
        is_on_list && !self.is_proven(address, now)
    }

    /// The list that others keep, in place of the one before: who has left it is heard again. It counts until then.
    pub fn feed(&self, feed: Feed, until: Instant) {
        let feed = Arc::new(feed.without(self.never.iter().chain(&self.phones).copied()));
        let mut fed = self.fed.write().unwrap_or_else(PoisonError::into_inner);
        self.is_fed.store(!feed.is_empty(), Ordering::Relaxed);
        *fed = Fed {
            feed,
            until: Some(until),
            number: fed.number + 1,
        };
    }

    /// The list that was read last counts until then, also if it had run out, because whoever keeps it says that it is the same still. False: none
    /// was read, or it counts for longer already.
    pub fn feed_lasts(&self, until: Instant) -> bool {
        let mut fed = self.fed.write().unwrap_or_else(PoisonError::into_inner);
        let had = fed.until.is_some_and(|before| before <= until);
        if had {
            fed.until = Some(until);
            fed.number += 1;
        }
        had
    }

    /// Which list it is that counts now, if any: another one has another number.
    pub fn feed_number(&self, now: Instant) -> Option<u64> {
        let fed = self.fed.read().unwrap_or_else(PoisonError::into_inner);
        fed.until.filter(|until| now < *until).map(|_| fed.number)
    }

    /// For how long this strike has the address blocked; None = it does not, or it is blocked already.
    pub fn strike(&self, address: IpAddr, strike: Strike, now: Instant) -> Option<Duration> {
        if !self.is_on || self.is_exempt(address) {
            return None;
        }
        let mut table = self.known();
        let known = place(&mut table, neighbourhood(address), now);
        if known.is_proven(now) || known.until.is_some_and(|until| now < until) {
            return None;
        }
        let last_seen = known.until.unwrap_or(known.last).max(known.last);
        if now.saturating_duration_since(last_seen) >= BLOCK_FORGOTTEN {
            known.times = 0;
        }
        if now.saturating_duration_since(known.since) >= STRIKES_WINDOW {
            known.strikes = 0;
            known.since = now;
        }
        known.last = now;
        known.strikes += strike.weight();
        if known.strikes < STRIKES_MAX {
            return None;
        }
        let lasts = BLOCK_FIRST
            .saturating_mul(1 << known.times.min(16))
            .min(BLOCK_MOST);
        known.strikes = 0;
        known.times += 1;
        (known.until, known.is_by_hand) = (Some(now + lasts), false);
        self.count(&table, now);
        Some(lasts)
    }

    /// Somebody here has it blocked, whatever was done there, unless somebody there proved himself; also where nobody is blocked for that. A
    /// block by hand that there is gets this term.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn block(&self, address: IpAddr, lasts: Duration, now: Instant) -> Result<(), NotBlocked> {
        if self.is_exempt(address) {
            return Err(NotBlocked::Known);
        }
        let (mut table, place_of) = (self.known(), neighbourhood(address));
        let is_kept = |known: &Known| known.is_proven(now) && !known.is_held(now);
        if table.get(&place_of).is_some_and(is_kept) {
            return Err(NotBlocked::Proven);
        }
        let others = table
            .iter()
            .filter(|(other, known)| **other != place_of && known.is_held(now));
        if others.count() >= BLOCKS_BY_HAND_MAX {
            return Err(NotBlocked::Full);
        }
        let known = place(&mut table, place_of, now);
        (known.until, known.is_by_hand, known.last) = (Some(now + lasts), true, now);
        self.count(&table, now);
        Ok(())
    }

    /// Somebody there has proven who he is: the address is not blocked for what others behind it do, for a day.
    pub fn proved(&self, address: IpAddr, now: Instant) {
        let mut table = self.known();
        let known = place(&mut table, neighbourhood(address), now);
        (known.proven, known.last) = (Some(now), now);
        if !known.is_held(now) && known.until.take().is_some() {
            self.count(&table, now);
        }
    }

    /// Somebody here says that it is to be heard, and as good as new. False: it was not blocked.
    pub fn lift(&self, address: IpAddr, now: Instant) -> bool {
        let mut table = self.known();
        let Some(known) = table.get_mut(&neighbourhood(address)) else {
            return false;
        };
        let was_blocked = known.until.take().is_some_and(|until| now < until);
        (known.strikes, known.times, known.is_by_hand) = (0, 0, false);
        self.count(&table, now);
        was_blocked
    }

    /// Who is blocked now, by address.
    pub fn list(&self, now: Instant) -> Vec<Block> {
        let table = self.known();
        self.count(&table, now);
        let mut blocks: Vec<Block> = table
            .iter()
            .filter_map(|(address, known)| {
                let left = known.until?.checked_duration_since(now)?;
                (!left.is_zero()).then_some(Block {
                    address: *address,
                    left,
                    times: known.times,
                    is_by_hand: known.is_by_hand,
                })
            })
            .collect();
        blocks.sort_by_key(|block| block.address);
        blocks
    }

    /// The same, with the list that others keep, to be written down. Takes moments, however long that list is: nobody who is asked meanwhile
    /// whether somebody is blocked waits for the writing.
    pub fn listing(&self, now: Instant) -> Listing {
        let (feed, until) = {
            let fed = self.fed.read().unwrap_or_else(PoisonError::into_inner);
            (fed.feed.clone(), fed.until)
        };
        let left = until.and_then(|until| until.checked_duration_since(now));
        let proven = {
            let known = self.known();
            let proven = known.iter().filter(|(_, known)| known.is_proven(now));
            proven.map(|(address, _)| *address).collect()
        };
        Listing {
            blocks: self.list(now),
            feed,
            left: left.filter(|left| !left.is_zero()),
            proven,
        }
    }

    fn count(&self, table: &HashMap<IpAddr, Known>, now: Instant) {
        let blocked = table
            .values()
            .filter(|known| known.until.is_some_and(|until| now < until));
        self.blocked.store(blocked.count(), Ordering::Relaxed);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<IpAddr, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listing {
    /// As a file for `nft -f`: four sets whose elements leave by themselves, emptied and filled in one step. Of a long list it takes a while.
    pub fn nftables(&self) -> String {
        let mut text = String::from(
            "# Addresses that Ringward does not hear now. Load with: nft -f FILE\n\
             # and drop them where you like: ip saddr @blocked4 drop; ip6 saddr @blocked6 drop\n\
             # those of [scans.feed]: ip saddr @listed4 drop; ip6 saddr @listed6 drop\n\
             table inet ringward {\n\
             \tset blocked4 { type ipv4_addr; flags timeout; }\n\
             \tset blocked6 { type ipv6_addr; flags interval, timeout; }\n\
             }\n\
             flush set inet ringward blocked4\n\
             flush set inet ringward blocked6\n",
        );
        for block in &self.blocks {
            let (set, prefix) = match block.address {
                IpAddr::V4(_) => ("blocked4", ""),
                IpAddr::V6(_) => ("blocked6", "/64"),
            };
            let seconds = block.left.as_secs().max(1);
            // Writing into a String cannot fail.
            let _ = writeln!(
                text,
                "add element inet ringward {set} {{ {}{prefix} timeout {seconds}s }}",
                block.address
            );
        }
        self.write_feed(&mut text);
        text
    }

    /// Two more sets for the list that others keep; they stand there empty without one, so that rules about them load.
    fn write_feed(&self, text: &mut String) {
        let proven = self.proven.iter().filter_map(|address| match address {
            IpAddr::V4(_) => Some(Cidr::from(*address)),
            IpAddr::V6(_) => format!("{address}/64").parse().ok(),
        });
        let feed = Feed::clone(&self.feed).without(proven);
        for (set, kind, is_v4) in [("listed4", "ipv4_addr", true), ("listed6", "ipv6_addr", false)] {
            // Writing into a String cannot fail.
            let _ = writeln!(
                text,
                "add set inet ringward {set} {{ type {kind}; flags interval, timeout; }}"
            );
            let _ = writeln!(text, "flush set inet ringward {set}");
            let Some(left) = self.left else { continue };
            let seconds = left.as_secs().max(1);
            for element in feed.elements(is_v4) {
                let _ = writeln!(
                    text,
                    "add element inet ringward {set} {{ {element} timeout {seconds}s }}"
                );
            }
        }
    }
}

impl Strike {
    fn weight(self) -> u32 {
        match self {
            Strike::WrongPassword => 4,
            Strike::Unproven => 1,
            Strike::Scanner => STRIKES_MAX / 4,
        }
    }
}

impl Known {
    /// Blocked by hand.
    fn is_held(&self, now: Instant) -> bool {
        self.is_by_hand && self.until.is_some_and(|until| now < until)
    }

    fn is_proven(&self, now: Instant) -> bool {
        self.proven
            .is_some_and(|proven| now.saturating_duration_since(proven) < PROVEN_KEPT)
    }
}

/// What is known of an address; when the table is full, whoever was heard of longest ago makes room, but none that is blocked by hand.
fn place(table: &mut HashMap<IpAddr, Known>, address: IpAddr, now: Instant) -> &mut Known {
    if table.len() >= BLOCKS_KNOWN_MAX && !table.contains_key(&address) {
        let others = table.iter().filter(|(_, known)| !known.is_held(now));
        let oldest = others.min_by_key(|(_, known)| known.last);
        if let Some(oldest) = oldest.map(|(address, _)| *address) {
            table.remove(&oldest);
        }
    }
    table.entry(address).or_insert(Known {
        strikes: 0,
        since: now,
        last: now,
        until: None,
        times: 0,
        proven: None,
        is_by_hand: false,
    })
}

#[cfg(test)]
#[path = "blocks_tests.rs"]
mod tests;
