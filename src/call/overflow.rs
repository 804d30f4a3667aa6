//! Nobody of a queue took the call, and the queue says which number outside is to ring (`overflow = "+44…"`).
//!
//! It goes out as the business, under the rules of every call outside, with a Diversion that says whose number was dialled
//! (RFC 5806). What comes back to us goes out no second time: where the carrier dropped the Diversion it is known by the caller
//! that it shows, which is us or the number outside, and by that number's still ringing for the same queue.

use crate::queue::{self, Attempt, OUTSIDE};

use super::case::Case;
use super::desk::Desk;
use super::dialling;
use super::facts;
use super::hunting::Hunting;
use super::limits::{FORWARDINGS_MAX, OWN_BLOCK_DIGITS};
use super::numbers::Party;
use super::record::{TransferKind, TransferOutcome};
use super::refusal::LOCKED_DOWN;
use super::tolls::{Payer, Toll};
use super::transfer::Denied;
use crate::screening::List;

/// What rings instead of a number, and what its INVITE says of how the call came there.
pub(super) struct SentOn {
    /// As records name it: the trunk, never the number.
    pub(super) target: String,
    pub(super) diversion: String,
}

impl Hunting {
    /// What is to ring for this target of a hunt. Ok(None): a phone, as it stands there. Err: a number outside that may not be
    /// called, or not now; the attempt is over, and the record says why.
    pub(super) fn send_on(
        &mut self,
        attempt: Attempt,
        target: &str,
        case: &mut Case,
        desk: &Desk,
    ) -> Result<Option<SentOn>, u16> {
        let Some(number) = target.strip_prefix(OUTSIDE) else {
            return Ok(None);
        };
        let at_ms = case.at_ms(desk);
        let by = self.hunt.queue().to_string();
        let entry = case
            .record
            .add_transfer(at_ms, number.to_string(), TransferKind::Overflow);
        case.record.say_who_sent_on(entry, by);
        match self.way_on(attempt, number, case, desk) {
            Ok(target) => {
                let called = case.facts.called.number.reveal();
                let host = desk.config.listeners.first();
                let host = host.map_or("ringward.invalid", |listener| listener.advertised.as_str());
                let reason = match self.hunt.why_not() {
                    486 => "user-busy",
                    408 => "no-answer",
                    _ => "unavailable",
                };
                let count = case.facts.signalling.forwarding.count.saturating_add(1);
                Ok(Some(SentOn {
                    diversion: format!("<sip:{called}@{host}>;reason={reason};counter={count}"),
                    target,
                }))
            }
            Err(why) => {
                case.record.end_transfer(entry, TransferOutcome::Refused, REFUSED);
                case.record.add_attempt("trunk", None, at_ms);
                case.record.why_not_rung(attempt.0, why);
                Err(REFUSED)
            }
        }
    }

    fn way_on(
        &mut self,
        attempt: Attempt,
        number: &str,
        case: &mut Case,
        desk: &Desk,
    ) -> Result<String, Denied> {
        let rules = &desk.config.outbound;
        if !rules.overflow {
            return Err("queues do not send calls outside");
        }
        if desk.is_locked_down {
            return Err(LOCKED_DOWN);
        }
        if case.record.drill {
            return Err("a training call goes to nobody outside");
        }
        let forwarding = &case.facts.signalling.forwarding;
        let called = &case.facts.called.number;
        let was_ours = [&forwarding.by, &forwarding.dialled]
            .into_iter()
            .flatten()
            .any(|number| number.reveal() == called.reveal());
        if was_ours || forwarding.count >= FORWARDINGS_MAX {
            return Err("this call was sent on from here before");
        }
        if case.shows_us(number, desk) {
            return Err(
                "the caller shows a number of ours, or the one outside: this call may have come back",
            );
        }
        let home = desk.own_numbers.calling_code();
        let way = dialling::outside(number, number, home, &desk.config, false)?;
        let rings = desk.ledger.ring_outside(self.hunt.queue(), number);
        let rings = rings.ok_or("the number rings for another call of this queue already")?;
        let payer = Payer {
            person: None,
            queue: Some(self.hunt.queue()),
        };
        let toll = dialling::toll(&way, &payer, desk)?;
        self.toll_outside = toll.map(|toll| (attempt, toll));
        let target = format!("trunk:{}", way.trunk);
        case.outside = Some(way);
        self.rings_outside = Some(rings);
        Ok(target)
    }

    /// What the number outside costs that rings in this attempt.
    pub(in crate::call) fn take_toll_outside(&mut self, attempt: Attempt) -> Option<Toll> {
        let is_its = |(of, _): &mut (Attempt, Toll)| *of == attempt;
        self.toll_outside.take_if(is_its).map(|(_, toll)| toll)
    }

    /// It rings no more.
    pub(super) fn end_toll_outside(&mut self, attempt: Attempt, desk: &Desk) {
        if let Some(toll) = self.take_toll_outside(attempt) {
            toll.end(desk.now().instant);
        }
    }
}

impl Case {
    /// Whether a caller's number in this INVITE, hidden or not, is one of the business's own, or `outside`: so come back calls that
    /// went out from here, because towards a carrier we are the caller.
    fn shows_us(&self, outside: &str, desk: &Desk) -> bool {
        if self.facts.listed(List::Own).is_some() {
            return true;
        }
        let from = self
            .numbers
            .canonical(self.invite.from_address().uri(), Party::Calling);
        let asserted = (0..ASSERTED_MAX).filter_map(|place| {
            let number = facts::asserted_number(&self.invite, place, &self.numbers)?;
            Some(number.reveal().clone())
        });
        let mut shown = from.into_iter().chain(asserted);
        shown.any(|shown| {
            shown == outside || shown == *self.facts.called.number.reveal() || is_ours(&shown, desk)
        })
    }
}

/// Whether this number, canonical, is what a trunk shows for us, or is written in a queue: itself, or with a beginning that leaves
/// no more than [`OWN_BLOCK_DIGITS`]. A beginning that leaves more (`+1*`) stands for calls, and not for numbers of ours.
fn is_ours(number: &str, desk: &Desk) -> bool {
    let is_shown_for_us = desk.config.trunks.iter().any(|trunk| {
        let user = trunk.credentials.as_ref().map(|credentials| &credentials.user);
        trunk.number.as_ref().or(user).is_some_and(|us| {
            us == number
                || desk
                    .numbers_of(trunk)
                    .canonical(&format!("tel:{us}"), Party::Calling)
                    .is_some_and(|us| us == number)
        })
    });
    let is_written = |pattern: &String| {
        let is_narrow = match pattern.strip_suffix('*') {
            Some(beginning) => number.len() <= beginning.len() + OWN_BLOCK_DIGITS,
            None => true,
        };
        is_narrow && queue::fits(pattern, number)
    };
    is_shown_for_us
        || desk
            .queues
            .iter()
            .any(|queue| queue.numbers.iter().any(is_written))
}

/// P-Asserted-Identity has a sip URI and a tel URI at most (RFC 3325 §9.1).
const ASSERTED_MAX: usize = 2;

/// What a number that may not be called counts as, among what phones say.
const REFUSED: u16 = 403;
