//! Where a person may send a call: to the phones and queues of this business, and further only where the configuration says so.
//!
//! A phone that was taken over, or a person who was talked into it, must not be able to send a caller's call to a number
//! that costs money: what is not known here is refused, whatever stands in the Refer-To.

use std::sync::Arc;
use std::time::Duration;

use crate::call::desk::Desk;
use crate::call::dialling::{self, Outside};
use crate::call::facts;
use crate::queue::DEVICE;
use crate::queue::limits::OUTSIDE_RING;
use crate::queue::{self, Overflow, Strategy};
use crate::sip::{Flow, Transport, Uri};

/// What `[[queue]] transfer` lets the people of a queue do with their calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// No transfers.
    Off,
    /// To the phones and queues of this business.
    #[default]
    Inside,
    /// Also to a telephone number over a trunk.
    Trunk,
}

/// `[[queue]] transfer` and `transfer_to`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransferRules {
    pub reach: Reach,
    /// Numbers and beginnings (`2*`) that calls may be sent to besides what the queues name: extensions of the PBX that
    /// the phone belongs to. With [`Reach::Trunk`] also the only numbers outside, when there are any.
    pub to: Vec<String>,
}

/// A place that is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// One phone, by its URI with an address in it.
    Phone(String),
    Queue(String),
    Outside(Outside),
}

/// Why not, in words for whoever reads the phone's trace.
pub(crate) type Denied = &'static str;

impl Destination {
    /// `from`: by which way the asking phone is reached; extensions that only a PBX knows are rung there.
    pub(crate) fn of(
        uri: &Uri,
        rules: &TransferRules,
        from: Flow,
        desk: &Desk,
    ) -> Result<Destination, Denied> {
        if rules.reach == Reach::Off {
            return Err("this queue does not transfer calls");
        }
        let (number, written) = facts::dialled(uri.as_str(), &desk.own_numbers);
        if written.is_empty() {
            return Err("nobody is named in Refer-To");
        }
        if let Some(device) = device(&written, desk) {
            return Ok(Destination::Phone(device));
        }
        if let Some(phone) = phone(uri, &number, &written, &desk.queues) {
            return Ok(Destination::Phone(phone));
        }
        let queue = desk.queues.iter().find(|queue| queue.name == written);
        if let Some(queue) = queue.or_else(|| queue::find_named(&desk.queues, &number, &written)) {
            return Ok(Destination::Queue(queue.name.clone()));
        }
        let is_listed = |text: &str| rules.to.iter().any(|pattern| queue::fits(pattern, text));
        // With a way out a telephone number is one outside, and no extension of the PBX that may dial it.
        let is_outside = rules.reach == Reach::Trunk && number.starts_with('+');
        if !is_outside && is_extension(&written) && is_listed(&written) {
            return Ok(Destination::Phone(beside(&written, uri, from, desk)));
        }
        if !is_outside {
            return Err("no phone or queue here has this number");
        }
        if !rules.to.is_empty() && !is_listed(&number) {
            return Err("calls may not be transferred to this number");
        }
        let home = desk.own_numbers.calling_code();
        dialling::outside(&number, &written, home, &desk.config, false).map(Destination::Outside)
    }

    /// The queue to ring, which for one phone or number is made here. No queue sends outside what a person of ours sent or called
    /// there: he would reach what he may not call, and no phone would pay for it.
    pub(crate) fn queues(&self, ring: Duration, desk: &Desk) -> (Arc<[queue::Config]>, String) {
        match self {
            Destination::Queue(name) => (staying_inside(&desk.queues), name.clone()),
            Destination::Phone(uri) => one(uri.clone(), ring),
            Destination::Outside(outside) => outside.queues(),
        }
    }
}

impl Outside {
    /// As a queue of one. The number itself stays out of it, because targets are kept in records.
    pub(crate) fn queues(&self) -> (Arc<[queue::Config]>, String) {
        one(format!("trunk:{}", self.trunk), OUTSIDE_RING)
    }
}

/// These queues, of which none goes on to a number outside.
fn staying_inside(queues: &Arc<[queue::Config]>) -> Arc<[queue::Config]> {
    let goes_outside = |queue: &queue::Config| matches!(queue.overflow, Overflow::Outside(_));
    if !queues.iter().any(goes_outside) {
        return queues.clone();
    }
    let inside = |queue: &queue::Config| {
        let mut queue = queue.clone();
        if goes_outside(&queue) {
            queue.overflow = Overflow::Reject;
        }
        queue
    };
    queues.iter().map(inside).collect()
}

/// A queue without a name that rings one target.
fn one(target: String, ring: Duration) -> (Arc<[queue::Config]>, String) {
    (one_of(vec![target], ring), String::new())
}

/// The same for several, all at once.
pub(crate) fn one_of(targets: Vec<String>, ring: Duration) -> Arc<[queue::Config]> {
    let one = queue::Config {
        name: String::new(),
        numbers: Vec::new(),
        strategy: Strategy::RingAll,
        targets,
        ring,
        overflow: Overflow::Reject,
        reach: queue::Reach::default(),
        service: crate::queue::Service::default(),
    };
    vec![one].into()
}

/// The device of that name, if a queue rings it or it is registered.
fn device(written: &str, desk: &Desk) -> Option<String> {
    let target = format!("{DEVICE}{written}");
    let mut targets = desk.queues.iter().flat_map(|queue| &queue.targets);
    let is_known = targets.any(|known| *known == target) || !desk.registrants.is_away(&target);
    is_known.then_some(target)
}

/// The phone of that name: the one at the address in the URI before one elsewhere.
fn phone(uri: &Uri, number: &str, written: &str, queues: &[queue::Config]) -> Option<String> {
    let wanted = uri.socket_addr();
    let mut found: Option<&String> = None;
    for target in queues.iter().flat_map(|queue| &queue.targets) {
        let Ok(known) = Uri::parse(target) else { continue };
        let is_same = known
            .user()
            .is_some_and(|user| user == written || (number.starts_with('+') && user == number));
        if !is_same {
            continue;
        }
        if wanted.is_some() && known.socket_addr() == wanted {
            return Some(target.clone());
        }
        found = found.or(Some(target));
    }
    found.cloned()
}

/// An extension on the PBX that the URI names by a known address, or else on the one the asking phone belongs to.
fn beside(user: &str, uri: &Uri, from: Flow, desk: &Desk) -> String {
    let remote = uri
        .socket_addr()
        .filter(|address| desk.admission.is_phone(*address))
        .unwrap_or(from.remote);
    let transport = match from.transport {
        Transport::Udp => "",
        Transport::Tcp => ";transport=tcp",
        Transport::Tls => ";transport=tls",
    };
    format!("sip:{user}@{remote}{transport}")
}

/// Only what means nothing in a URI.
fn is_extension(user: &str) -> bool {
    user.len() <= 32
        && user
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || b"-_.+*".contains(&octet))
}
