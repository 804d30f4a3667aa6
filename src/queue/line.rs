//! Who waits in which queue, and in which order: the calls of all shards, as one of them knows it. Pure.
//!
//! Within a queue the better class comes first, and of equals who came first. Whoever stands before somebody chooses a phone
//! before him.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Needed;
use super::limits::{PICKY_WOKEN_MAX, STAND_BELIEVED, STANDS_MAX, TARGETS_MAX};

/// Where a call stands: class (the smallest first), since when, and its own number, so that no two stand in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub class: u8,
    pub since: Instant,
    pub call: u128,
}

/// A call that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stand {
    pub queue: Arc<str>,
    pub place: Place,
    /// It would take a phone that becomes free: none rings for it now.
    pub is_choosing: bool,
    /// Phones that did not take it a moment ago, and those of people who lack what it needs: it would take none of these. At most
    /// [`LEFT_ALONE_MAX`](super::limits::LEFT_ALONE_MAX).
    pub left_alone: Vec<String>,
    /// What it insists on.
    pub needs: Vec<Needed>,
}

/// The calls that choose before another one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ahead {
    /// How many would take any phone.
    pub any: usize,
    /// What the others leave alone, in their order; at most [`TARGETS_MAX`] of them.
    pub picky: Vec<Vec<String>>,
}

/// What one shard tells the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    Here {
        stand: Stand,
        at: Instant,
    },
    /// It stands there no more; how long it took, where somebody answered.
    Gone {
        stand: Stand,
        took: Option<Duration>,
    },
}

#[derive(Clone, Debug)]
struct Seen {
    is_choosing: bool,
    left_alone: Vec<String>,
    needs: Vec<Needed>,
    /// When another shard said so last; None = a call of our own.
    heard: Option<Instant>,
}

/// The lines of all queues.
#[derive(Debug, Default)]
pub struct Line {
    queues: BTreeMap<Arc<str>, BTreeMap<Place, Seen>>,
    /// How long callers waited lately until somebody answered, by queue: an average in which the last ones count most.
    waits: BTreeMap<Arc<str>, Duration>,
}

impl Line {
    /// A call of our own stands here.
    pub fn put(&mut self, stand: &Stand) {
        let seen = Seen {
            is_choosing: stand.is_choosing,
            left_alone: stand.left_alone.clone(),
            needs: stand.needs.clone(),
            heard: None,
        };
        self.queue(&stand.queue).insert(stand.place, seen);
    }

    /// A call of our own stands there no more.
    pub fn leave(&mut self, stand: &Stand, took: Option<Duration>) {
        self.remove(stand);
        if let Some(took) = took {
            let known = self.waits.entry(stand.queue.clone()).or_insert(took);
            *known = (*known * 3 + took) / 4;
        }
    }

    /// What another shard says.
    pub fn take(&mut self, standing: &Standing) {
        match standing {
            Standing::Here { stand, at } => {
                // When it is full no further ones are known; those that are have to be believed for as long as they are told of.
                if self.len() < STANDS_MAX || self.has(stand) {
                    let seen = Seen {
                        is_choosing: stand.is_choosing,
                        left_alone: stand.left_alone.clone(),
                        needs: stand.needs.clone(),
                        heard: Some(*at),
                    };
                    self.queue(&stand.queue).insert(stand.place, seen);
                }
            }
            Standing::Gone { stand, took } => self.leave(stand, *took),
        }
    }

    fn has(&self, stand: &Stand) -> bool {
        let places = self.queues.get(&stand.queue);
        places.is_some_and(|places| places.contains_key(&stand.place))
    }

    /// Forgets the calls of other shards that nothing was heard of for too long.
    pub fn tick(&mut self, now: Instant) {
        let is_there = |seen: &Seen| {
            let age = seen.heard.map(|heard| now.saturating_duration_since(heard));
            age.is_none_or(|age| age < STAND_BELIEVED)
        };
        for places in self.queues.values_mut() {
            places.retain(|_, seen| is_there(seen));
        }
        self.queues.retain(|_, places| !places.is_empty());
    }

    /// Who chooses before this place.
    pub fn ahead(&self, queue: &str, place: Place) -> Ahead {
        let mut ahead = Ahead::default();
        let before = self.queues.get(queue).map(|places| places.range(..place));
        let choosing = before.into_iter().flatten().filter(|(_, seen)| seen.is_choosing);
        for (_, seen) in choosing {
            if seen.left_alone.is_empty() {
                ahead.any += 1;
            } else if ahead.picky.len() < TARGETS_MAX {
                ahead.picky.push(seen.left_alone.clone());
            }
        }
        ahead
    }

    /// Which one it is in the line, counted from 1.
    pub fn position(&self, queue: &str, place: Place) -> usize {
        let places = self.queues.get(queue);
        places.map_or(1, |places| places.range(..place).count() + 1)
    }

    /// How long callers of this queue waited lately, wherever they stood; None = none was answered yet.
    pub fn estimate(&self, queue: &str) -> Option<Duration> {
        self.waits.get(queue).copied()
    }

    /// Calls of our own that a phone which is free now may be for, in their order: no more of a queue than it has phones.
    pub fn next(&self) -> Vec<u128> {
        let mut calls = Vec::new();
        for places in self.queues.values() {
            let (mut choosing, mut picky) = (0, 0);
            for (place, seen) in places {
                if seen.heard.is_none() {
                    calls.push(place.call);
                }
                // Who waits for somebody who can do what it needs is in nobody's way.
                match seen.needs.is_empty() {
                    true => choosing += usize::from(seen.is_choosing),
                    false => picky += 1,
                }
                if choosing >= TARGETS_MAX || picky >= PICKY_WOKEN_MAX {
                    break;
                }
            }
        }
        calls
    }

    /// Every queue in which somebody waits, and the places in their order.
    pub fn all(&self) -> impl Iterator<Item = (&str, Vec<Place>)> {
        let queues = self.queues.iter();
        queues.map(|(queue, places)| (&**queue, places.keys().copied().collect()))
    }

    /// What those who wait in this queue insist on, and how many of them do.
    pub fn needs(&self, queue: &str) -> BTreeMap<Needed, usize> {
        let mut needs = BTreeMap::new();
        for seen in self.queues.get(queue).into_iter().flat_map(BTreeMap::values) {
            for need in &seen.needs {
                *needs.entry(need.clone()).or_default() += 1;
            }
        }
        needs
    }

    pub fn len(&self) -> usize {
        self.queues.values().map(BTreeMap::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    fn queue(&mut self, queue: &Arc<str>) -> &mut BTreeMap<Place, Seen> {
        self.queues.entry(queue.clone()).or_default()
    }

    fn remove(&mut self, stand: &Stand) {
        if let Some(places) = self.queues.get_mut(&stand.queue) {
            places.remove(&stand.place);
            if places.is_empty() {
                self.queues.remove(&stand.queue);
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
mod tests {
    use super::*;

    fn stand(class: u8, since: Instant, call: u128, is_choosing: bool) -> Stand {
        Stand {
            queue: "desk".into(),
            place: Place { class, since, call },
            is_choosing,
            left_alone: Vec::new(),
            needs: Vec::new(),
        }
    }

    #[test]
    fn a_full_line_takes_no_more_and_goes_on_believing_those_it_has() {
        let (mut line, start) = (Line::default(), Instant::now());
        let here = |call: usize, at: Instant| Standing::Here {
            stand: stand(2, start, call as u128, true),
            at,
        };
        for call in 0..=STANDS_MAX {
            line.take(&here(call, start));
        }
        assert_eq!(line.len(), STANDS_MAX);
        let later = start + STAND_BELIEVED / 2;
        line.take(&here(0, later));
        line.take(&here(STANDS_MAX, later));
        line.tick(start + STAND_BELIEVED);
        assert_eq!(line.len(), 1, "the one that was told of again");
    }

    #[test]
    fn the_better_class_stands_first_and_of_equals_who_came_first() {
        let (mut line, start) = (Line::default(), Instant::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let all = [
            stand(2, at(0), 1, true),
            stand(1, at(5), 2, true),
            stand(2, at(1), 3, false),
            stand(2, at(2), 4, true),
        ];
        all.iter().for_each(|stand| line.put(stand));
        let position = |line: &Line, n: usize| line.position("desk", all[n].place);
        assert_eq!([0, 1, 2, 3].map(|n| position(&line, n)), [2, 1, 3, 4]);
        assert_eq!(
            [0, 1, 2, 3].map(|n| line.ahead("desk", all[n].place).any),
            [1, 0, 2, 2]
        );
        assert_eq!(line.next(), [2, 1, 3, 4]);
        line.leave(&all[1], Some(Duration::from_secs(8)));
        line.leave(&all[0], Some(Duration::from_secs(16)));
        assert_eq!(position(&line, 3), 2);
        assert_eq!(line.estimate("desk"), Some(Duration::from_secs(10)));
        assert_eq!(line.estimate("night"), None);
        line.leave(&all[2], None);
        line.leave(&all[3], None);
        assert!(line.is_empty());
    }

    #[test]
    fn a_call_of_another_shard_that_is_heard_of_no_more_is_in_nobodys_way() {
        let (mut line, start) = (Line::default(), Instant::now());
        let (first, own) = (stand(0, start, 1, true), stand(1, start, 2, true));
        line.take(&Standing::Here {
            stand: first,
            at: start,
        });
        line.put(&own);
        assert_eq!(line.ahead("desk", own.place).any, 1);
        assert_eq!(line.next(), [2], "the others are looked after by their shard");
        line.tick(start + STAND_BELIEVED);
        assert_eq!((line.ahead("desk", own.place).any, line.len()), (0, 1));
    }
}
