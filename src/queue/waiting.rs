//! One call in a queue where one waits: how long, and which of the phones that are free it may ring.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::hunt::Seen;
use super::limits::{LOOK_AGAIN, RING_AGAIN, TARGETS_MAX};
use super::skills::Needs;
use super::{Ahead, Config, Service, Strategy, Wants};

#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) since: Instant,
    /// When it has waited long enough.
    until: Instant,
    /// When it wants to be looked at, if nothing happens before.
    pub(super) look_at: Instant,
    /// Phones that did not take it, and when they may ring for it again.
    left_alone: BTreeMap<String, Instant>,
    /// It would take a phone that becomes free.
    pub(super) is_choosing: bool,
    /// Calls that choose before it.
    pub(super) ahead: Ahead,
    /// What whoever takes it has to be able to do.
    pub(super) needs: Needs,
}

impl Waiting {
    pub(super) fn new(now: Instant, wait: Duration, service: &Service, wants: &Wants) -> Waiting {
        Waiting {
            since: now,
            until: now + wait,
            look_at: now,
            left_alone: BTreeMap::new(),
            is_choosing: true,
            ahead: Ahead::default(),
            needs: Needs::new(service, wants, now),
        }
    }

    /// The phones that it would not take at this moment.
    pub(super) fn left_alone(&self) -> impl Iterator<Item = &str> {
        self.needs
            .unable()
            .chain(self.left_alone.keys().map(String::as_str))
    }

    /// Whether it has waited long enough; if so it chooses no more. Else it is looked at again, at the latest when it has, and when a
    /// phone that it leaves alone, or may not ring yet, may ring for it.
    pub(super) fn is_over(&mut self, now: Instant) -> bool {
        self.left_alone.retain(|_, until| now < *until);
        let is_over = self.until <= now;
        self.look_at = now + LOOK_AGAIN;
        if is_over {
            self.is_choosing = false;
        } else {
            let again = self.left_alone.values().copied();
            let again = again.chain(self.needs.tick(now));
            self.look_at = again.fold(self.look_at.min(self.until), Instant::min);
        }
        is_over
    }

    pub(super) fn leave_alone(&mut self, phone: &str, now: Instant) {
        self.left_alone.insert(phone.to_string(), now + RING_AGAIN);
    }

    /// The phones that it rings now, beside those that ring for it: every free one, or the one whose turn it is; those that
    /// callers before it choose are theirs.
    pub(super) fn choose(
        &mut self,
        config: &Config,
        ringing: &BTreeSet<&str>,
        seen: &dyn Fn(&str) -> Seen,
    ) -> Vec<String> {
        self.needs.sort_out(config, seen);
        let mut free = Vec::new();
        let mut has_any = false;
        for (place, target) in config.targets.iter().take(TARGETS_MAX).enumerate() {
            let known = seen(target);
            if known.is_away {
                continue;
            }
            let Some(level) = self.needs.level(&config.service, target, &known) else {
                continue;
            };
            let is_his = known.devices.is_some();
            let mut phones = known.devices.unwrap_or_else(|| vec![target.clone()]);
            phones.retain(|phone| !ringing.contains(phone.as_str()));
            has_any |= phones.iter().any(|phone| !self.left_alone.contains_key(phone));
            if known.is_taken || known.rest.is_some() {
                continue;
            }
            phones.retain(|phone| {
                let is_free = || {
                    let known = seen(phone);
                    !known.is_away && !known.is_taken && known.rest.is_none()
                };
                !self.left_alone.contains_key(phone) && (!is_his || is_free())
            });
            if !phones.is_empty() {
                free.push((
                    known.phone.rank(config.strategy, level, known.is_down),
                    place,
                    phones,
                ));
            }
        }
        free.sort();
        self.is_choosing = has_any;
        // Of one who is named twice, as a person and by his phone, there is one.
        let mut known = BTreeSet::new();
        for (_, _, phones) in &mut free {
            phones.retain(|phone| known.insert(phone.clone()));
        }
        free.retain(|(_, _, phones)| !phones.is_empty());
        // A phone that a caller before it leaves alone is none of that caller's: it need not wait for it with him.
        for left_alone in &self.ahead.picky {
            let mut others = free.iter();
            let his =
                others.position(|(_, _, phones)| phones.iter().any(|phone| !left_alone.contains(phone)));
            if let Some(his) = his {
                free.remove(his);
            }
        }
        let most = match config.strategy {
            Strategy::RingAll => usize::MAX,
            _ => 1,
        };
        let mine = free.into_iter().skip(self.ahead.any).take(most);
        mine.flat_map(|(_, _, phones)| phones).collect()
    }
}
