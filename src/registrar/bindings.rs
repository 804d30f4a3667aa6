//! Where one device can be reached, and for how long (RFC 3261 §10.3 steps 6 to 8).

use std::net::IpAddr;
use std::time::Instant;

use super::bound::Place;
use super::contacts::Wish;
use super::engine::{Registered, Why};
use super::limits::CONTACTS_MAX;
use crate::cidr::neighbourhood;
use crate::sip::Flow;

#[derive(Clone, Default)]
pub(super) struct Bindings {
    all: Vec<Binding>,
}

#[derive(Clone)]
struct Binding {
    place: Place,
    q: u16,
    sip_call_id: String,
    cseq: u32,
    until: Instant,
    refreshed: Instant,
}

impl Bindings {
    /// All of it is done, or nothing.
    ///
    /// # Errors
    ///
    /// A request that was overtaken by a later one of the same Call-ID.
    pub(super) fn carry_out(
        &mut self,
        wish: Wish,
        (sip_call_id, cseq): (&str, u32),
        flow: Flow,
        now: Instant,
    ) -> Result<(), Why> {
        self.expire(now);
        let is_late = |binding: &Binding| binding.sip_call_id == sip_call_id && cseq <= binding.cseq;
        match wish {
            Wish::Ask => {}
            Wish::Clear => {
                if self.all.iter().any(is_late) {
                    return Err(Why::Overtaken);
                }
                self.all.clear();
            }
            Wish::Bind(contacts) => {
                let is_of =
                    |binding: &&Binding| contacts.iter().any(|contact| contact.uri == binding.place.uri);
                if self.all.iter().filter(is_of).any(is_late) {
                    return Err(Why::Overtaken);
                }
                for contact in contacts {
                    self.all.retain(|binding| binding.place.uri != contact.uri);
                    if contact.expires.is_zero() {
                        continue;
                    }
                    self.make_room();
                    self.all.push(Binding {
                        place: Place {
                            uri: contact.uri,
                            flow,
                        },
                        q: contact.q,
                        sip_call_id: sip_call_id.to_string(),
                        cseq,
                        until: now + contact.expires,
                        refreshed: now,
                    });
                }
            }
        }
        Ok(())
    }

    fn make_room(&mut self) {
        if self.all.len() >= CONTACTS_MAX {
            let oldest = self
                .all
                .iter()
                .enumerate()
                .min_by_key(|(_, binding)| binding.refreshed);
            if let Some((oldest, _)) = oldest {
                self.all.remove(oldest);
            }
        }
    }

    pub(super) fn expire(&mut self, now: Instant) {
        self.all.retain(|binding| now < binding.until);
    }

    /// The connection is gone, and with it the way to who came by it.
    pub(super) fn lose(&mut self, connection: u64) {
        self.all
            .retain(|binding| binding.place.flow.connection != Some(connection));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.all.iter().map(|binding| binding.until).min()
    }

    pub(super) fn has(&self, address: IpAddr) -> bool {
        let address = neighbourhood(address);
        self.all
            .iter()
            .any(|binding| neighbourhood(binding.place.flow.remote.ip()) == address)
    }

    /// An address beside this one, if it is registered from several networks or hosts at once.
    pub(super) fn elsewhere(&self, address: IpAddr) -> Option<IpAddr> {
        let here = neighbourhood(address);
        let mut others = self.all.iter().map(|binding| binding.place.flow.remote.ip());
        others.find(|other| neighbourhood(*other) != here)
    }

    /// The highest q first, and of equals the one that was refreshed last.
    pub(super) fn places(&self) -> Vec<Place> {
        let mut all: Vec<&Binding> = self.all.iter().rev().collect();
        all.sort_by_key(|binding| std::cmp::Reverse((binding.q, binding.refreshed)));
        all.into_iter().map(|binding| binding.place.clone()).collect()
    }

    /// What the answer says: each Contact and the whole seconds it has left.
    pub(super) fn registered(&self, now: Instant) -> Registered {
        let contacts = self.all.iter().map(|binding| {
            let left = binding.until.saturating_duration_since(now);
            (binding.place.uri.clone(), left.as_secs())
        });
        Registered {
            contacts: contacts.collect(),
        }
    }
}
