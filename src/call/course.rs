//! What is still to be tried for one attempt to ring a target: its addresses one after the other (RFC 3263 §4.3), then
//! where the target said that it can be reached instead (RFC 3261 §8.1.3.4).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::queue::{self, Attempt};
use crate::route::{Candidate, Target};

use super::dialling::Outside;
use super::limits::{EXPIRES_MARGIN, REDIRECTS_MAX, RINGING_MAX};
use super::offer::Origin;
use super::redirect::Place;

/// Two of our requests are one and the same for a proxy when these are: each address of a place gets the same request
/// (RFC 3263 §4.3), and each new place a new CSeq (RFC 3261 §8.1.3.4).
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) tag: String,
    pub(crate) call_id: String,
    pub(crate) cseq: u32,
}

pub(crate) struct Course {
    pub(crate) attempt: Attempt,
    pub(crate) names: Names,
    /// The first place's URI: To stays what it was (RFC 3261 §8.1.3.4).
    pub(crate) to: String,
    /// Our description towards it: the same in every try.
    pub(crate) offer: Option<Vec<u8>>,
    pub(crate) origin: Origin,
    /// Over a trunk, and to no phone of ours.
    pub(crate) outside: Option<Outside>,
    /// What pays for that, as the ledger counts.
    pub(crate) toll: Option<u64>,
    /// How long a phone may ring for it.
    pub(crate) ring: Duration,
    /// Who is being tried.
    pub(crate) place: Place,
    /// Until when it waits for the name service.
    pub(crate) wait_until: Option<Instant>,
    /// Addresses of this place that are left.
    pub(crate) candidates: VecDeque<Candidate>,
    places: VecDeque<Place>,
    /// Every URI that was tried or is to be, as text: none is tried twice.
    seen: Vec<String>,
    redirects: usize,
    /// How the tries so far ended.
    failures: Vec<u16>,
}

impl Course {
    pub(crate) fn new(
        attempt: Attempt,
        place: Place,
        names: Names,
        offer: Option<Vec<u8>>,
        origin: Origin,
        ring: Duration,
    ) -> Course {
        Course {
            attempt,
            names,
            offer,
            origin,
            to: place.uri.clone(),
            outside: None,
            toll: None,
            ring,
            seen: vec![place.key()],
            place,
            wait_until: None,
            candidates: VecDeque::new(),
            places: VecDeque::new(),
            redirects: 0,
            failures: Vec::new(),
        }
    }

    pub(crate) fn target(&self) -> &Target {
        &self.place.target
    }

    /// Adds places in their order, before those that are left from an earlier redirection. How many were new.
    pub(crate) fn redirect(&mut self, places: Vec<Place>) -> usize {
        let mut added = 0;
        for place in places {
            let name = place.key();
            if self.redirects >= REDIRECTS_MAX || self.seen.contains(&name) {
                continue;
            }
            self.redirects += 1;
            self.seen.push(name);
            self.places.insert(added, place);
            added += 1;
        }
        added
    }

    /// Goes on to the next place; false when there is none.
    pub(crate) fn next_place(&mut self) -> bool {
        let Some(place) = self.places.pop_front() else {
            return false;
        };
        self.place = place;
        self.candidates.clear();
        self.names.cseq += 1;
        true
    }

    /// A request of this course had this CSeq number: a challenge makes it count up (RFC 3261 §22.2).
    pub(crate) fn saw(&mut self, cseq: u32) {
        self.names.cseq = self.names.cseq.max(cseq);
    }

    /// A request of this course with this CSeq number was never answered, and the next one may be another: a number that was
    /// counted up while it rang (422, 488) is not gone back behind.
    pub(crate) fn lost(&mut self, cseq: u32) {
        if cseq > self.names.cseq {
            self.names.cseq = cseq + 1;
        }
    }

    pub(crate) fn failed(&mut self, status: u16) {
        self.failures.push(status);
    }

    /// Expires of its INVITEs, whole seconds: a phone that never hears our CANCEL stops by itself (RFC 3261 §13.2.1).
    pub(crate) fn expires(&self) -> u64 {
        let ring = self.ring.min(RINGING_MAX);
        (ring + EXPIRES_MARGIN).as_millis().div_ceil(1000) as u64
    }

    /// What the attempt as a whole came to.
    pub(crate) fn verdict(&self) -> u16 {
        queue::best(&self.failures).unwrap_or(503)
    }
}
