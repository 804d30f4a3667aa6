//! Dialogs that live on another shard than their Call-ID says: a phone took over a call that another shard has
//! (RFC 3891), or a call was handed the leg of one that another shard has (RFC 5589 §7).
//!
//! ```text
//!   message ─► shard by Call-ID ─► is it moved? ─┬─ no, or of a transaction here ─► the engine
//!                                                └─ yes ──────────────────────────► the shard that has the dialog
//! ```
//!
//! Only the shard that a Call-ID names keeps an entry for it, so that nothing is shared and nobody waits. The shard that
//! has the dialog says when it took it in and when it is over.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use crate::call_id::CallId;
use crate::sip::{Dialog, Flow, Message, Replaces, peek_call_id, peek_header};
use crate::time::Now;

use super::Output;
use super::admission::Source;
use super::desk::Desk;
use super::engine::Engine;
use super::index::Name;
use super::limits::{DURATION_MAX, FURTHER_ANSWERS, MOVED_MAX, MOVED_OCTETS_MAX, MOVING_MAX, PASSED_ON_MAX};
use super::shard::shard_of;
use super::stage::{Event, Stage};
use super::transfer::Handed;

/// Where the dialogs are that this shard's Call-IDs name and others have.
#[derive(Default)]
pub(crate) struct Moved {
    entries: HashMap<String, Entry>,
    expiries: BTreeSet<(Instant, String)>,
}

struct Entry {
    shard: u16,
    until: Instant,
}

impl Moved {
    pub(crate) fn shard(&self, sip_call_id: &str) -> Option<u16> {
        self.entries.get(sip_call_id).map(|entry| entry.shard)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn has_room_for(&self, sip_call_id: &str) -> bool {
        sip_call_id.len() <= MOVED_OCTETS_MAX
            && (self.entries.len() < MOVED_MAX || self.entries.contains_key(sip_call_id))
    }

    /// False = no room.
    fn put(&mut self, sip_call_id: &str, shard: u16, until: Instant) -> bool {
        if !self.has_room_for(sip_call_id) {
            return false;
        }
        self.remove(sip_call_id);
        let id = sip_call_id.to_string();
        self.expiries.insert((until, id.clone()));
        self.entries.insert(id, Entry { shard, until });
        true
    }

    /// An INVITE is sent on there, for the first time or again: what that shard has already said to have stays known as long
    /// as it said. False = no room.
    fn send_on(&mut self, sip_call_id: &str, shard: u16, until: Instant) -> bool {
        let said = self.entries.get(sip_call_id).filter(|entry| entry.shard == shard);
        let until = said.map_or(until, |entry| entry.until.max(until));
        self.put(sip_call_id, shard, until)
    }

    fn remove(&mut self, sip_call_id: &str) {
        if let Some(Entry { until, .. }) = self.entries.remove(sip_call_id) {
            self.expiries.remove(&(until, sip_call_id.to_string()));
        }
    }

    /// A dialog that no other shard has said to have, or that is over.
    fn forget_unsettled(&mut self, sip_call_id: &str, now: Instant) {
        let entry = self.entries.get(sip_call_id);
        if entry.is_some_and(|entry| entry.until <= now + MOVING_MAX) {
            self.remove(sip_call_id);
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.expiries.first().map(|(until, _)| *until)
    }

    pub(crate) fn tick(&mut self, now: Now) {
        while let Some((until, sip_call_id)) = self.expiries.pop_first() {
            if until > now.instant {
                self.expiries.insert((until, sip_call_id));
                return;
            }
            self.entries.remove(&sip_call_id);
        }
    }
}

/// The call that wants a leg of another shard, and for which of its transfers: an answer that comes when it wants another
/// one is not for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Its shard gets the answer.
    pub call: CallId,
    pub(super) transfer: usize,
}

/// One shard asks another for a leg that one of its calls has.
#[derive(Debug)]
pub struct LegAsked {
    pub(super) asker: Asker,
    pub(super) replaces: Replaces,
    /// How often it was passed on.
    pub(super) hops: u8,
}

impl LegAsked {
    /// Who wants the leg.
    pub fn asker(&self) -> Asker {
        self.asker
    }
}

impl Engine {
    /// Where a message goes on to that came here because of its Call-ID, while its dialog is on another shard. None = it
    /// is for this one. Counts as nothing received.
    ///
    /// A phone's INVITE that takes over a call of another shard is sent on from here as well.
    pub fn passes_on(&mut self, flow: &Flow, octets: &[u8], now: Now) -> Option<u16> {
        let is_invite = octets.trim_ascii_start().starts_with(b"INVITE ");
        if self.desk.config.shards <= 1 || (self.desk.moved.is_empty() && !is_invite) {
            return None;
        }
        if self.desk.admission.source_of(flow) == Source::Unknown {
            return None;
        }
        let sip_call_id = std::str::from_utf8(peek_call_id(octets)?).ok()?;
        if let Some(shard) = self.desk.moved.shard(sip_call_id) {
            // What still belongs to a transaction here (the INVITE that began the dialog) ends here.
            let message = Message::parse(octets).ok()?;
            if self.desk.endpoint.has(&message) {
                return None;
            }
            let begins_anew = is_invite && message.to_tag().is_none();
            if !begins_anew {
                return Some(shard);
            }
        }
        if !is_invite {
            return None;
        }
        let Some(replaces) = self.replaced_by(flow, octets) else {
            // Another call with a Call-ID that a take-over had which came to nothing.
            self.desk.moved.forget_unsettled(sip_call_id, now.instant);
            return None;
        };
        let shard = self.desk.holder_of(&replaces);
        let is_elsewhere = shard != self.desk.config.shard && !self.is_draining;
        let until = now.instant + MOVING_MAX;
        (is_elsewhere && self.desk.moved.send_on(sip_call_id, shard, until)).then_some(shard)
    }

    /// Whether this is an INVITE by which a phone takes over a call that is there: no new one.
    pub(super) fn is_take_over(&self, flow: &Flow, octets: &[u8]) -> bool {
        self.replaced_by(flow, octets)
            .is_some_and(|replaces| self.desk.index.call(&Name::Tag(replaces.to_tag)).is_some())
    }

    /// The dialog that a phone's INVITE outside any dialog wants to replace.
    fn replaced_by(&self, flow: &Flow, octets: &[u8]) -> Option<Replaces> {
        let is_phone = matches!(self.desk.admission.source_of(flow), Source::Phone)
            && self.desk.admission.is_phone(flow.remote);
        let value = peek_header(octets, "Replaces").filter(|_| is_phone)?;
        Replaces::parse(std::str::from_utf8(value).ok()?)
    }

    /// Another shard has one of our dialogs now, or has no more use for it.
    pub(super) fn on_moved(&mut self, sip_call_id: &str, shard: u16, is_over: bool) {
        let desk = &mut self.desk;
        let now = desk.now().instant;
        if shard == desk.config.shard {
            return desk.moved.remove(sip_call_id);
        }
        if !is_over {
            desk.moved.put(sip_call_id, shard, now + DURATION_MAX);
        } else if desk.moved.shard(sip_call_id) == Some(shard) {
            // Last answers and repeated requests still find their way.
            desk.moved.put(sip_call_id, shard, now + 2 * FURTHER_ANSWERS);
        }
    }

    /// A call of another shard wants a leg of ours.
    pub(super) fn on_leg_asked(&mut self, asked: LegAsked) {
        let LegAsked {
            asker,
            replaces,
            hops,
        } = asked;
        let holder = self.desk.holder_of(&replaces);
        if holder != self.desk.config.shard && hops < PASSED_ON_MAX {
            return self.desk.say(Output::AskForLeg {
                shard: holder,
                asked: LegAsked {
                    asker,
                    replaces,
                    hops: hops + 1,
                },
            });
        }
        let call = self.desk.index.call(&Name::Tag(replaces.to_tag.clone()));
        if let Some(call) = call {
            let is_far = true;
            self.dispatch(call, Event::HandOver { replaces, is_far });
        }
        let handed = self.desk.handed.take();
        if let Some(handed) = &handed {
            let shard = asker_shard(asker.call);
            let now = self.desk.now().instant;
            let sip_call_id = handed.dialog().sip_call_id();
            if self.desk.is_own(sip_call_id) {
                self.desk.moved.put(sip_call_id, shard, now + DURATION_MAX);
            }
        }
        self.desk.say(Output::HandLeg {
            asker,
            handed: handed.map(Box::new),
        });
    }

    /// The leg that a call of ours asked another shard for, or None. A call that is over, or no longer talks, has no use
    /// for it: whoever is at the other end is told.
    pub(super) fn on_leg_handed(&mut self, asker: Asker, handed: Option<Box<Handed>>) {
        let Asker { call, transfer } = asker;
        let key = self.desk.index.call(&Name::Id(call)).filter(|key| {
            let call = self.calls.get(*key);
            call.is_some_and(|call| matches!(call.stage, Stage::Talking(_)))
        });
        match (key, handed) {
            (Some(key), handed) => {
                let handed = handed.map(|handed| *handed);
                self.dispatch(key, Event::HandedOver { transfer, handed });
            }
            (None, Some(handed)) => self.desk.hang_up(*handed),
            (None, None) => {}
        }
    }
}

impl Desk {
    /// The shard that has the dialog a Replaces names, as far as this one knows.
    pub(super) fn holder_of(&self, replaces: &Replaces) -> u16 {
        if self.index.call(&Name::Tag(replaces.to_tag.clone())).is_some() {
            return self.config.shard;
        }
        let owner = shard_of(replaces.call_id.as_bytes(), self.config.shards);
        match self.moved.shard(&replaces.call_id) {
            Some(shard) if owner == self.config.shard => shard,
            _ => owner,
        }
    }

    /// Whether messages with this Call-ID come to this shard.
    pub(super) fn is_own(&self, sip_call_id: &str) -> bool {
        shard_of(sip_call_id.as_bytes(), self.config.shards) == self.config.shard
    }

    /// Whether a dialog may leave this shard, whose messages would then have to be sent on.
    pub(super) fn may_leave(&self, dialog: &Dialog) -> bool {
        let sip_call_id = dialog.sip_call_id();
        !self.is_own(sip_call_id) || self.moved.has_room_for(sip_call_id)
    }

    /// The call at hand has a dialog with this Call-ID from now on, whichever shard that names.
    pub(super) fn take_in(&mut self, sip_call_id: &str) {
        if self.config.shards <= 1 {
            return;
        }
        if self.is_own(sip_call_id) {
            return self.moved.remove(sip_call_id);
        }
        self.name(Name::Guest(sip_call_id.to_string()));
        self.tell_owner(sip_call_id.to_string(), false);
    }

    /// A dialog that was a guest here is over, with its call.
    pub(super) fn tell_owner(&mut self, sip_call_id: String, is_over: bool) {
        let owner = shard_of(sip_call_id.as_bytes(), self.config.shards);
        let shard = self.config.shard;
        self.say(Output::Moved {
            owner,
            sip_call_id,
            shard,
            is_over,
        });
    }

    /// Nobody has use for a leg that was handed here.
    fn hang_up(&mut self, handed: Handed) {
        let mut leg = handed.into_leg(self.now().instant);
        let sip_call_id = leg.dialog.sip_call_id().to_string();
        let flow = leg.flow(self);
        let bye = leg.dialog.request(crate::sip::Method::Bye);
        self.request(bye, flow, &leg.hop);
        if self.is_own(&sip_call_id) {
            self.moved.remove(&sip_call_id);
        } else {
            self.tell_owner(sip_call_id.clone(), false);
            self.tell_owner(sip_call_id, true);
        }
    }
}

/// The first octet of our own name for a call is its shard.
pub(super) fn asker_shard(call: CallId) -> u16 {
    (call.0 >> 120) as u16
}
