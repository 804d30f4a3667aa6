//! REGISTERs of phones: judged at the door, carried out by the registrar, answered; and the phones that came of them.
//!
//! Only shard 0 has the registrar, and REGISTERs come to it whatever their Call-ID says. Every shard has the table of what
//! is registered ([`Bound`]): by it a queue rings `device:NAME`, and by it a registered phone is known when it speaks.

use std::sync::Arc;

use crate::flood::Strike;
use crate::queue::{DEVICE, PERSON, Roster};
use crate::registrar::{self, Bound, Device, Judged, News, Registrar, Why};
use crate::sip::{EndpointInput, Flow, Message, Response, ServerTxn};

use super::admission::Source;
use super::engine::{Call, Engine};
use super::limits::LOCKDOWN_RETRY;
use super::redirect::Place;
use super::stage::Event;
use super::{Counter, Output, refusal};

/// What a shard has of registered phones.
#[derive(Default)]
pub(crate) struct Registrants {
    /// Shard 0 alone, and only with `[registrar]`.
    registrar: Option<Registrar>,
    pub(crate) bound: Arc<Bound>,
    /// Who sits at which device.
    pub(crate) roster: Arc<Roster>,
    /// The REGISTER that is being handled: its device, Call-ID and CSeq.
    proven: Option<(String, String, u32)>,
}

impl Registrants {
    /// Where to ring this target; None = it is no device.
    pub(crate) fn places(&self, target: &str) -> Option<Vec<Place>> {
        let places = self.bound.places(target.strip_prefix(DEVICE)?).iter();
        Some(places.filter_map(Place::of_device).collect())
    }

    /// Whether this target is a device that is not registered, or a person who is at none that is.
    pub(crate) fn is_away(&self, target: &str) -> bool {
        if target.starts_with(PERSON) {
            let devices = self.roster.devices_of(target).unwrap_or_default();
            return devices.iter().all(|device| self.is_away(device));
        }
        let device = target.strip_prefix(DEVICE);
        device.is_some_and(|device| self.bound.places(device).is_empty())
    }

    /// Who sits at this phone now.
    pub(crate) fn person_at(&self, target: &str) -> Option<String> {
        self.roster.person_at(target).map(|name| name.to_string())
    }

    /// Who sits at the registered phone that speaks this way.
    pub(crate) fn person_speaking(&self, flow: &Flow) -> Option<String> {
        let device = self.bound.device_at(flow)?;
        self.person_at(&format!("{DEVICE}{device}"))
    }

    pub(crate) fn deadline(&self) -> Option<std::time::Instant> {
        self.registrar.as_ref().and_then(Registrar::deadline)
    }

    pub(crate) fn close(&mut self) {
        self.proven = None;
    }
}

impl Engine {
    /// With `[registrar]`: phones may register.
    #[must_use]
    pub fn with_registrar(mut self, config: registrar::Config) -> Engine {
        self.desk.admission.welcome(config.from.clone());
        if self.desk.config.shard == 0 {
            let seed = self.desk.random.octets();
            self.desk.registrants.registrar = Some(Registrar::new(config, &seed));
        }
        self
    }

    /// True = this is a REGISTER that the registrar has taken, or dropped.
    pub(super) fn on_register_octets(&mut self, flow: Flow, octets: &[u8]) -> bool {
        let desk = &self.desk;
        let is_for_us = octets.trim_ascii_start().starts_with(b"REGISTER ")
            && desk.registrants.registrar.is_some()
            && desk.admission.may_register(&flow);
        if !is_for_us {
            return false;
        }
        let is_phone = matches!(self.desk.admission.source_of(&flow), Source::Phone);
        if !is_phone && self.is_scan(&flow, octets) {
            return true;
        }
        let desk = &mut self.desk;
        let Ok(message) = Message::parse(octets) else {
            desk.count(Counter::Malformed);
            return true;
        };
        let now = desk.now();
        if !desk.endpoint.has(&message) {
            let Some(registrar) = &mut desk.registrants.registrar else {
                return true;
            };
            match registrar.judge(&message, &flow, now) {
                Judged::Passed(device) => {
                    desk.count(Counter::Proven);
                    desk.proved(&flow);
                    let named = (device, message.call_id().to_string(), message.cseq().0);
                    desk.registrants.proven = Some(named);
                }
                Judged::Asked {
                    challenges,
                    was_wrong,
                    is_guess,
                } => {
                    match (is_guess, was_wrong) {
                        (true, _) => desk.strike(&flow, Strike::WrongPassword),
                        (false, true) => desk.strike(&flow, Strike::Unproven),
                        (false, false) => {}
                    }
                    desk.count(match was_wrong {
                        true => Counter::ProofWrong,
                        false => Counter::Challenged,
                    });
                    let mut response = Response::new(&message, 401, refusal::phrase(401));
                    for challenge in challenges {
                        response = response.header("WWW-Authenticate", challenge);
                    }
                    desk.endpoint.respond_stateless(flow, &message, response);
                    self.tell_registrations();
                    return true;
                }
                Judged::Ignored => {
                    desk.count(Counter::StrangerIgnored);
                    return true;
                }
            }
        }
        desk.endpoint
            .handle(EndpointInput::Received { flow, octets }, now);
        true
    }

    /// A REGISTER that came through the transaction layer. False = it was proved by nobody.
    pub(super) fn on_register(&mut self, txn: ServerTxn, request: &Message, flow: Flow) -> bool {
        let desk = &mut self.desk;
        let now = desk.now();
        let Some((device, sip_call_id, cseq)) = desk.registrants.proven.take() else {
            return false;
        };
        let Some(registrar) = &mut desk.registrants.registrar else {
            return false;
        };
        if sip_call_id != request.call_id() || cseq != request.cseq().0 {
            return false;
        }
        let (status, header) = match registrar.register(&device, request, flow, now) {
            Ok(registered) => {
                let contacts = registered.contacts.iter();
                let contacts = contacts.map(|(uri, left)| format!("<{uri}>;expires={left}"));
                (200, contacts.map(|value| ("Contact", value)).collect())
            }
            Err(Why::Bad) => (400, Vec::new()),
            Err(Why::NotItsOwn) => (403, Vec::new()),
            Err(Why::TooBrief(least)) => (423, vec![("Min-Expires", least.as_secs().to_string())]),
            Err(Why::Overtaken) => (500, Vec::new()),
            Err(Why::LockedDown) => (503, vec![("Retry-After", LOCKDOWN_RETRY.as_secs().to_string())]),
        };
        let mut response = Response::new(request, status, refusal::phrase(status));
        for (name, value) in header {
            response = response.header(name, value);
        }
        let tag = desk.endpoint.token();
        desk.respond(txn, response.to_tag(&tag));
        self.tell_registrations();
        true
    }

    pub(super) fn set_lockdown(&mut self, since: Option<u64>) {
        self.desk.is_locked_down = since.is_some();
        if let Some(registrar) = &mut self.desk.registrants.registrar {
            registrar.set_lockdown(since);
        }
    }

    pub(super) fn set_devices(&mut self, devices: Arc<[Device]>) {
        if let Some(registrar) = &mut self.desk.registrants.registrar {
            registrar.set_devices(devices);
        }
        self.tell_registrations();
    }

    pub(super) fn set_bound(&mut self, bound: Arc<Bound>) {
        self.desk.admission.know(bound.clone());
        self.desk.registrants.bound = bound;
        self.desk.is_floor_news = true;
    }

    /// Other people sit elsewhere, or take no calls: it counts at once, also for what rings.
    pub(super) fn set_roster(&mut self, roster: Arc<Roster>) {
        self.desk.usage.know(&roster);
        self.desk.registrants.roster = roster;
        self.desk.is_floor_news = true;
        let rings = |(key, call): (usize, &Call)| (!call.case.rings.is_empty()).then_some(key);
        let ringing: Vec<usize> = self.calls.iter().filter_map(rings).collect();
        for call in ringing {
            self.dispatch(call, Event::Due);
        }
    }

    pub(super) fn on_registrant_lost(&mut self, flow: &Flow) {
        if let Some(registrar) = &mut self.desk.registrants.registrar {
            registrar.lost(flow);
        }
        self.tell_registrations();
    }

    pub(super) fn tick_registrations(&mut self) {
        let now = self.desk.now().instant;
        if let Some(registrar) = &mut self.desk.registrants.registrar {
            registrar.tick(now);
        }
        self.tell_registrations();
    }

    fn tell_registrations(&mut self) {
        while let Some(news) = self
            .desk
            .registrants
            .registrar
            .as_mut()
            .and_then(Registrar::poll_news)
        {
            if let News::Bound(bound) = &news {
                self.set_bound(bound.clone());
            }
            self.desk.say(Output::Registrar(news));
        }
    }
}
