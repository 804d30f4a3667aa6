//! Who may talk to us: trunks by address range or by the name in their certificate, phones by the address of a queue's target, carriers that take our calls.
//!
//! Everybody else is dropped and counted before anything is parsed or remembered: a scanner learns nothing,
//! not even that something listens.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use crate::cidr::Cidr;
use crate::queue;
use crate::registrar::Bound;
use crate::route::Target;
use crate::sip::{Flow, PeerName, Transport, Uri};

use super::drill::Drills;
use super::limits::{CARRIER_KEPT, PHONES_LEARNED_MAX};
use super::{Role, TrunkConfig, carriers, names, tls_names};

/// Where a message came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source<'a> {
    /// May call in.
    Trunk(&'a TrunkConfig),
    /// Somebody we call, a phone of a queue or a carrier: may answer, and hang up, and ask for OPTIONS.
    Phone,
    /// Nobody known; but a trunk may call from there that proves itself with its password.
    Stranger,
    /// Nobody known; but a phone may register from there (`[registrar] from`).
    Registrant,
    /// Gets no answer.
    Unknown,
}

/// The addresses we know. Built once from the configuration; looking up keeps no state.
pub(crate) struct Admission {
    /// Range and index of its trunk, the narrowest range first.
    ranges: Vec<(Cidr, usize)>,
    /// Trunks that a certificate names, with the ranges it may come from (none = anywhere).
    named: BTreeMap<PeerName, (usize, Vec<Cidr>)>,
    trunks: Vec<TrunkConfig>,
    phones: BTreeSet<IpAddr>,
    /// A trunk with a password may call from anywhere.
    has_strangers: bool,
    /// Servers of carriers that are looked up.
    carriers: Vec<(Target, usize, Role)>,
    /// Addresses of targets that were looked up.
    learned: BTreeMap<IpAddr, Lesson>,
    lessons: u64,
    /// `[registrar] from`
    welcome: Vec<Cidr>,
    /// The phones that have registered.
    bound: Arc<Bound>,
    /// Callers of our own.
    drills: Drills,
}

/// What is known of an address that the name service said.
#[derive(Clone, Copy, Debug)]
struct Lesson {
    /// When it was last heard of (counted, not timed).
    at: u64,
    /// A carrier's, whatever else it may be: nothing is taken from there that only a phone may ask for.
    is_peer: bool,
    /// Calls of this trunk come from there.
    trunk: Option<usize>,
    /// When the name of that trunk's registrar last led there.
    named: Instant,
}

impl Admission {
    /// Ranges that cannot be read match nobody (`config` has already reported them).
    pub(crate) fn new(trunks: &[TrunkConfig], queues: &[queue::Config]) -> Admission {
        let all_names = tls_names(trunks, queues);
        let mut ranges = Vec::new();
        let mut named = BTreeMap::new();
        for (index, trunk) in trunks.iter().enumerate() {
            let own = trunk.from.iter().filter_map(|text| text.parse::<Cidr>().ok());
            match &trunk.tls_name {
                None => ranges.extend(own.map(|range| (range, index))),
                Some(name) => {
                    if let Some(name) = names::place_of(&all_names, name) {
                        named.entry(name).or_insert_with(|| (index, own.collect()));
                    }
                }
            }
            // Where we register is where its calls come from.
            let registrars = trunk.register.iter().flat_map(|register| &register.addresses);
            ranges.extend(registrars.filter_map(|address| {
                let range = address.ip().to_canonical().to_string().parse().ok()?;
                Some((range, index))
            }));
        }
        // Stable: between equally narrow ranges the order of the file decides.
        ranges.sort_by_key(|(range, _)| std::cmp::Reverse(fixed_bits(range)));
        let phones = queues
            .iter()
            .flat_map(|queue| &queue.targets)
            .filter_map(|target| Uri::parse(target).ok()?.socket_addr())
            .chain(
                trunks
                    .iter()
                    .filter_map(|trunk| trunk.to.as_ref())
                    .flat_map(|peer| peer.addresses.clone()),
            )
            .map(|address| address.ip().to_canonical())
            .collect();
        Admission {
            ranges,
            named,
            trunks: trunks.to_vec(),
            phones,
            has_strangers: trunks
                .iter()
                .any(|trunk| trunk.is_challenged && trunk.from.is_empty()),
            carriers: carriers(trunks),
            learned: BTreeMap::new(),
            lessons: 0,
            welcome: Vec::new(),
            bound: Arc::default(),
            drills: Drills::default(),
        }
    }

    /// These training calls are ours.
    pub(crate) fn drill(&mut self, drills: Drills) {
        self.drills = drills;
    }

    /// Phones may register from here.
    pub(crate) fn welcome(&mut self, from: Vec<Cidr>) {
        self.welcome = from;
    }

    /// These have.
    pub(crate) fn know(&mut self, bound: Arc<Bound>) {
        self.bound = bound;
    }

    /// Whether a REGISTER that came this way may be one of a phone: never from where a trunk calls from or is called.
    pub(crate) fn may_register(&self, flow: &Flow) -> bool {
        let ip = flow.remote.ip().to_canonical();
        let is_range = || self.ranges.iter().any(|(range, _)| range.contains(ip));
        self.is_welcome(ip)
            && !is_range()
            && !self.is_peer(ip)
            && !matches!(self.source_of(flow), Source::Trunk(_))
    }

    fn is_welcome(&self, ip: IpAddr) -> bool {
        self.welcome.iter().any(|range| range.contains(ip))
    }

    /// A carrier's address that calls of ours go to.
    fn is_peer(&self, ip: IpAddr) -> bool {
        let mut peers = self.trunks.iter().filter_map(|trunk| trunk.to.as_ref());
        peers.any(|peer| peer.addresses.iter().any(|peer| peer.ip().to_canonical() == ip))
            || self.learned.get(&ip).is_some_and(|lesson| lesson.is_peer)
    }

    /// A target has this address. It stays known after the target has moved: a call may still be up there.
    pub(crate) fn learn(&mut self, target: &Target, address: IpAddr, now: Instant) {
        self.lessons += 1;
        let mut lesson = Lesson {
            at: self.lessons,
            is_peer: false,
            trunk: None,
            named: now,
        };
        for (_, trunk, role) in self.carriers.iter().filter(|(known, ..)| known == target) {
            lesson.is_peer = true;
            // Of several the first in the file.
            if *role == Role::Registrar {
                lesson.trunk.get_or_insert(*trunk);
            }
        }
        let known = self.learned.entry(address.to_canonical()).or_insert(lesson);
        known.at = lesson.at;
        known.is_peer |= lesson.is_peer;
        known.trunk = known.trunk.or(lesson.trunk);
        if lesson.trunk.is_some() {
            known.named = now;
        }
        if self.learned.len() > PHONES_LEARNED_MAX
            && let Some((oldest, _)) = self.learned.iter().min_by_key(|(_, lesson)| lesson.at)
        {
            let oldest = *oldest;
            self.learned.remove(&oldest);
        }
    }

    /// The name service has said where this target is. Where its name has not led for long, somebody else may be by now:
    /// calls of the trunk come from there no more. Those that are up go on.
    pub(crate) fn forget_moved(&mut self, target: &Target, now: Instant) {
        let is_here = |(known, _, role): &&(Target, usize, Role)| known == target && *role == Role::Registrar;
        for (_, trunk, _) in self.carriers.iter().filter(is_here) {
            let lessons = self.learned.values_mut();
            for lesson in lessons.filter(|lesson| lesson.trunk == Some(*trunk)) {
                if now >= lesson.named + CARRIER_KEPT {
                    lesson.trunk = None;
                }
            }
        }
    }

    /// Who sent what came this way: whom the certificate named, else by address.
    pub(crate) fn source_of(&self, flow: &Flow) -> Source<'_> {
        if let Some(name) = self.drills.trunk(flow)
            && let Some(trunk) = self.trunks.iter().find(|trunk| trunk.name == name)
        {
            return Source::Trunk(trunk);
        }
        let named = flow
            .peer
            .filter(|_| flow.transport == Transport::Tls)
            .and_then(|name| self.named.get(&name));
        match named {
            Some((trunk, from))
                if from.is_empty() || from.iter().any(|range| range.contains(flow.remote.ip())) =>
            {
                Source::Trunk(&self.trunks[*trunk])
            }
            _ if self.bound.has(flow) && self.may_be_phone(flow.remote.ip()) => Source::Phone,
            _ => self.source_where(flow.remote, false),
        }
    }

    /// No trunk's address.
    fn may_be_phone(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        !self.ranges.iter().any(|(range, _)| range.contains(ip))
    }

    /// As far as the address says, whichever way it is: who speaks from it is asked of [`Admission::source_of`].
    pub(crate) fn source(&self, address: SocketAddr) -> Source<'_> {
        self.source_where(address, self.bound.has_address(address))
    }

    /// A trunk's range counts before a phone's address: on a loopback demo both are 127.0.0.1.
    fn source_where(&self, address: SocketAddr, is_registered: bool) -> Source<'_> {
        let address = address.ip().to_canonical();
        let learned = self.learned.get(&address);
        let of_range = self.ranges.iter().find(|(range, _)| range.contains(address));
        let trunk = of_range.map(|(_, trunk)| *trunk);
        if let Some(trunk) = trunk.or(learned.and_then(|lesson| lesson.trunk)) {
            let trunk = &self.trunks[trunk];
            return match trunk.is_challenged {
                true => Source::Stranger,
                false => Source::Trunk(trunk),
            };
        }
        if self.phones.contains(&address) || learned.is_some() || is_registered {
            Source::Phone
        } else if self.has_strangers {
            Source::Stranger
        } else if self.is_welcome(address) {
            Source::Registrant
        } else {
            Source::Unknown
        }
    }

    /// A phone's address, and no trunk's: a carrier that calls of ours go to is asked for nothing more.
    pub(crate) fn is_phone(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        !self.is_peer(ip) && self.source(address) == Source::Phone
    }

    /// Whether requests of ours may go there because the peer says so: to those we know by their address.
    pub(crate) fn is_known(&self, address: SocketAddr) -> bool {
        matches!(self.source(address), Source::Trunk(_) | Source::Phone)
    }

    pub(crate) fn trunk(&self, index: usize) -> Option<&TrunkConfig> {
        self.trunks.get(index)
    }

    /// Whether a trunk that proved itself may call from there.
    pub(crate) fn may_come_from(&self, trunk: &TrunkConfig, address: SocketAddr) -> bool {
        let address = address.ip().to_canonical();
        let mut ranges = trunk.from.iter().filter_map(|text| text.parse::<Cidr>().ok());
        trunk.from.is_empty() || ranges.any(|range| range.contains(address))
    }
}

/// Leading bits that are fixed, counted in IPv6 bits: comparable over both families.
fn fixed_bits(range: &Cidr) -> u16 {
    u16::from(range.prefix()) + if range.network().is_ipv4() { 96 } else { 0 }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
mod tests {
    use super::*;

    fn named(name: &str, tls_name: &str, from: &[&str]) -> TrunkConfig {
        TrunkConfig {
            name: name.into(),
            tls_name: Some(tls_name.into()),
            from: from.iter().map(|range| range.to_string()).collect(),
            ..TrunkConfig::default()
        }
    }

    fn trunk(admission: &Admission, transport: Transport, from: &str, peer: Option<u16>) -> Option<String> {
        let flow = Flow {
            transport,
            peer: peer.map(PeerName),
            ..Flow::udp("10.0.0.1:5061".parse().unwrap(), from.parse().unwrap())
        };
        match admission.source_of(&flow) {
            Source::Trunk(trunk) => Some(trunk.name.clone()),
            _ => None,
        }
    }

    #[test]
    fn calls_come_from_where_a_registrars_name_led_for_a_day_after_it_led_elsewhere() {
        let trunk = TrunkConfig {
            name: "carrier".into(),
            register: Some(crate::registration::Config {
                trunk: "carrier".into(),
                host: "carrier.example".into(),
                transport: Transport::Udp,
                addresses: Vec::new(),
                user: "us".into(),
                expires: std::time::Duration::from_secs(600),
            }),
            ..TrunkConfig::default()
        };
        let mut admission = Admission::new(&[trunk], &[]);
        let target = Target::of(&Uri::parse("sip:carrier.example").unwrap()).unwrap();
        let [old, new]: [SocketAddr; 2] =
            ["198.51.100.7:5060", "198.51.100.8:5060"].map(|address| address.parse().unwrap());
        let start = Instant::now();
        admission.learn(&target, old.ip(), start);
        let after = |admission: &mut Admission, later| {
            admission.learn(&target, new.ip(), start + later);
            admission.forget_moved(&target, start + later);
            [old, new].map(|address| matches!(admission.source(address), Source::Trunk(_)))
        };
        assert_eq!(after(&mut admission, CARRIER_KEPT / 2), [true, true]);
        assert_eq!(after(&mut admission, CARRIER_KEPT), [false, true]);
        // A call that is up goes on, and nobody there is a phone of ours.
        assert!(admission.is_known(old) && !admission.is_phone(old));
    }

    #[test]
    fn a_trunk_with_a_name_is_known_by_its_certificate_and_not_by_its_address() {
        let trunks = [
            named("anywhere", "sbc.one.example", &[]),
            named("there", "sbc.two.example", &["203.0.113.0/24"]),
            TrunkConfig {
                name: "by-address".into(),
                from: vec!["198.51.100.7".into()],
                ..TrunkConfig::default()
            },
        ];
        let admission = Admission::new(&trunks, &[]);
        let source = |transport, from, peer| trunk(&admission, transport, from, peer);
        assert_eq!(
            source(Transport::Tls, "192.0.2.9:40000", Some(0)).as_deref(),
            Some("anywhere")
        );
        assert_eq!(
            source(Transport::Tls, "203.0.113.5:40000", Some(1)).as_deref(),
            Some("there")
        );
        assert_eq!(
            source(Transport::Tls, "192.0.2.9:40000", Some(1)),
            None,
            "another address"
        );
        assert_eq!(
            source(Transport::Tls, "203.0.113.5:40000", None),
            None,
            "no certificate"
        );
        assert_eq!(source(Transport::Udp, "203.0.113.5:5060", None), None, "no TLS");
        assert_eq!(
            source(Transport::Udp, "198.51.100.7:5060", None).as_deref(),
            Some("by-address")
        );
    }
}
