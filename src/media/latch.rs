//! Which source speaks for a side: symmetric RTP (RFC 4961) that a stranger cannot steal.
//!
//! A side has a *described* address (its SDP) and at most one *source*, the address its packets come from. They
//! differ behind NAT. The rules, in order:
//!
//! 1. Before a side is described nothing is accepted from it.
//! 2. A source has a standing against the description: `Exact` (address and port), `SameAddress` (the described
//!    address, another port), `Signalled` (the address that the side's SIP comes from), `Foreign` (any other), or
//!    `Retired` (it was the source before the described address changed).
//! 3. The first valid packet makes its sender the source. An `Exact`, `SameAddress` or `Signalled` sender may come at
//!    any time; a `Foreign` one only while the window is open, and only where the side may be anywhere: it describes a
//!    private address that is not the one its SIP comes from (so there is a NAT in between), or its SIP comes from where
//!    `[media] behind_nat` says so, or keys prove whose a packet is. Of whom else's RTP nothing is heard, and nothing is
//!    sent there, however long the side itself says nothing.
//! 4. A source is replaced only by a sender of *higher* standing, never by an equal: so a stranger cannot take over
//!    from a party that speaks from the described address, nor from a NATed party that was heard first; and a
//!    stranger who was first is put out by the first packet from the described address.
//! 5. The window is [`LATCH_WINDOW`] long. It opens when either side is described (the
//!    answer is when both begin to send) for a side with no source yet, and for a side whose own described address
//!    changes. Repeating a description opens nothing for a side that has been heard.
//! 6. When the described address changes, the source retires: it may still be heard until a better one comes, but
//!    audio for this side goes to the new address at once. If nothing better came while the window was open, the
//!    old source is the source again (a NATed party whose mapping outlived its re-INVITE).
//! 7. Audio for a side goes to its source (unless retired), or else to the described address.
//! 8. An unspecified address or port 0 is a hold: nothing is sent there; source and description stay as they were.
//!
//! "Valid" means: parses, and has a payload type that a party announced; where the leg is encrypted, its key
//! authenticates the packet as well. What remains open on a plain leg: within the window, a stranger who guesses the
//! port can be first where the real party may be anywhere. Only SRTP closes that.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::limits::LATCH_WINDOW;
use super::{Component, Session, Side};

impl Session {
    /// Where the SIP of `side` comes from, where that says whose RTP is to be believed beside that of the described address; `None`: it
    /// may come from anywhere, because keys prove whose it is, or the side is behind NAT. Said before a description. Until it is said
    /// RTP may come from anywhere. See the [module](self).
    pub fn signalled(&mut self, side: Side, from: Option<IpAddr>) {
        self.parties(side).0.latch.signal(from);
    }
}

/// How a source stands against the description; later is higher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Retired,
    Foreign,
    Signalled,
    SameAddress,
    Exact,
}

/// Where to send to a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Unknown,
    Held,
    At(SocketAddr),
}

#[derive(Clone, Debug)]
pub(crate) struct Latch {
    described: Option<SocketAddr>,
    /// Where this side's SIP comes from, where that says whose RTP it is; None = it may come from anywhere.
    signalled: Option<IpAddr>,
    is_held: bool,
    source: Option<(SocketAddr, Standing)>,
    open_until: Instant,
    /// Where this side's RTCP comes from.
    control: Option<SocketAddr>,
}

impl Latch {
    pub(crate) fn new(now: Instant) -> Latch {
        Latch {
            described: None,
            signalled: None,
            is_held: false,
            source: None,
            open_until: now,
            control: None,
        }
    }

    /// This side's SIP comes from there, and its RTP from nowhere else but where it describes; None = it may come from anywhere. Said
    /// before a description.
    pub(crate) fn signal(&mut self, from: Option<IpAddr>) {
        self.signalled = from;
    }

    /// This side's SDP says `audio`.
    pub(crate) fn describe(&mut self, audio: SocketAddr, now: Instant) {
        self.is_held = audio.ip().is_unspecified() || audio.port() == 0;
        if self.is_held || self.described == Some(audio) {
            self.reopen(now);
            return;
        }
        self.described = Some(audio);
        self.control = None;
        self.open_until = now + LATCH_WINDOW;
        self.source = self
            .source
            .map(|(source, _)| match standing(audio, None, source) {
                Standing::Exact => (source, Standing::Exact),
                _ => (source, Standing::Retired),
            });
    }

    /// Whether [`Latch::describe`] would send the audio somewhere else.
    pub(crate) fn would_move(&self, audio: SocketAddr) -> bool {
        let is_held = audio.ip().is_unspecified() || audio.port() == 0;
        !is_held && self.described.is_some_and(|described| described != audio)
    }

    /// The other side was described: whoever is behind NAT here may begin to send now.
    pub(crate) fn reopen(&mut self, now: Instant) {
        if self.source.is_none() {
            self.open_until = now + LATCH_WINDOW;
        }
    }

    pub(crate) fn is_described(&self) -> bool {
        self.described.is_some()
    }

    /// Whether `source` is the latched one.
    pub(crate) fn is_source(&self, source: SocketAddr) -> bool {
        self.source.is_some_and(|(latched, _)| latched == source)
    }

    /// Whether [`Latch::accepts`] would say yes. Changes nothing: for what is to be asked before a packet has proven itself.
    pub(crate) fn admits(&self, source: SocketAddr, now: Instant) -> bool {
        let Some(described) = self.described else {
            return false;
        };
        let standing = standing(described, self.signalled, source);
        match self.source {
            Some((latched, _)) if latched == source => true,
            Some((_, held)) if standing <= held => false,
            _ => standing != Standing::Foreign || now < self.open_until && self.may_be_anywhere(described),
        }
    }

    /// Whether this side's RTP may come from an address that nobody named.
    fn may_be_anywhere(&self, described: SocketAddr) -> bool {
        self.signalled.is_none_or(|signalled| {
            is_behind_something(described.ip()) && !is_same_ip(described.ip(), signalled)
        })
    }

    /// Whether a valid RTP packet from `source` is this side's. May make it the source.
    pub(crate) fn accepts(&mut self, source: SocketAddr, now: Instant) -> bool {
        let Some(described) = self.described.filter(|_| self.admits(source, now)) else {
            return false;
        };
        let standing = standing(described, self.signalled, source);
        if let Some((latched, held)) = &mut self.source
            && *latched == source
        {
            if *held == Standing::Retired && now >= self.open_until {
                *held = standing;
            }
            return true;
        }
        let is_same_host = self
            .source
            .is_some_and(|(old, _)| is_same_ip(old.ip(), source.ip()));
        if !is_same_host {
            self.control = None;
        }
        self.source = Some((source, standing));
        true
    }

    /// Whether a valid RTCP packet from `source` is this side's: it shares the address of the latched RTP source, or
    /// of the description while nothing is latched. The port is one above, or whatever NAT made of it: first come,
    /// unless the one above speaks. On the port for both it comes from where RTP does, and says nothing of where to send.
    pub(crate) fn accepts_control(&mut self, source: SocketAddr, component: Component) -> bool {
        let is_admitted = self.admits_control(source, component);
        let Some(rtp) = self.spoken_from().filter(|_| is_admitted) else {
            return false;
        };
        if component == Component::Rtp {
            return true;
        }
        if self.control.is_none() || rtp.port().checked_add(1) == Some(source.port()) {
            self.control = Some(source);
        }
        true
    }

    /// Whether [`Latch::accepts_control`] would say yes.
    pub(crate) fn admits_control(&self, source: SocketAddr, component: Component) -> bool {
        match component {
            Component::Rtp if self.source.is_some() => {
                let is_described = |described| standing(described, None, source) == Standing::Exact;
                self.is_source(source) || self.described.is_some_and(is_described)
            }
            _ => self
                .spoken_from()
                .is_some_and(|rtp| is_same_ip(rtp.ip(), source.ip())),
        }
    }

    /// How good an address this is for a packet of a handshake that came on this port: 2 is the described one, 1 another port of it.
    pub(crate) fn rank(&self, source: SocketAddr, component: Component) -> u8 {
        let port = |described: SocketAddr| match component {
            Component::Rtp => Some(described.port()),
            Component::Rtcp => described.port().checked_add(1),
        };
        match self.described {
            Some(described) if is_same_ip(described.ip(), source.ip()) => {
                1 + u8::from(port(described) == Some(source.port()))
            }
            _ => 0,
        }
    }

    /// Where this side's RTCP comes from is to be learnt anew: it has another port now.
    pub(crate) fn forget_control(&mut self) {
        self.control = None;
    }

    /// Where this side's audio comes from, or should.
    fn spoken_from(&self) -> Option<SocketAddr> {
        self.source.map(|(rtp, _)| rtp).or(self.described)
    }

    pub(crate) fn target(&self) -> Target {
        match (self.described, self.source) {
            _ if self.is_held => Target::Held,
            (None, _) => Target::Unknown,
            (Some(_), Some((source, standing))) if standing != Standing::Retired => Target::At(source),
            (Some(described), _) => Target::At(described),
        }
    }

    /// Where RTCP for this side goes: where its own comes from, or one port above the audio.
    pub(crate) fn control_target(&self) -> Target {
        match (self.target(), self.control) {
            (Target::At(_), Some(control)) => Target::At(control),
            (Target::At(rtp), None) => match rtp.port().checked_add(1) {
                Some(port) => Target::At(SocketAddr::new(rtp.ip(), port)),
                None => Target::Unknown,
            },
            (other, _) => other,
        }
    }
}

fn standing(described: SocketAddr, signalled: Option<IpAddr>, source: SocketAddr) -> Standing {
    if !is_same_ip(described.ip(), source.ip()) {
        match signalled.is_some_and(|signalled| is_same_ip(signalled, source.ip())) {
            true => Standing::Signalled,
            false => Standing::Foreign,
        }
    } else if described.port() != source.port() {
        Standing::SameAddress
    } else {
        Standing::Exact
    }
}

/// An address that means something in somebody's own network alone (RFC 1918, RFC 6598, RFC 3927, RFC 4193, RFC 4291): a side that
/// describes it is behind NAT, unless we are in that network. Not our own host: nobody is behind that.
fn is_behind_something(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            address.is_private() || address.is_link_local() || a == 100 && (64..128).contains(&b)
        }
        IpAddr::V6(address) => address.is_unique_local() || address.is_unicast_link_local(),
    }
}

/// A socket for both families reports IPv4 peers as mapped addresses.
fn is_same_ip(a: IpAddr, b: IpAddr) -> bool {
    a.to_canonical() == b.to_canonical()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const DESCRIBED: &str = "192.0.2.1:4000";
    const OTHER_PORT: &str = "192.0.2.1:6000";
    const NATED: &str = "198.51.100.1:7000";
    const THIEF: &str = "203.0.113.66:4000";

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    struct Bench {
        latch: Latch,
        now: Instant,
    }

    impl Bench {
        fn new() -> Bench {
            let now = Instant::now();
            let mut latch = Latch::new(now);
            latch.describe(at(DESCRIBED), now);
            Bench { latch, now }
        }
        fn accepts(&mut self, source: &str) -> bool {
            self.latch.accepts(at(source), self.now)
        }
        fn pass(&mut self, seconds: u64) {
            self.now += Duration::from_secs(seconds);
        }
        fn check_target(&self, expected: &str) {
            assert_eq!(self.latch.target(), Target::At(at(expected)));
        }
    }

    #[test]
    fn nothing_is_accepted_before_a_description() {
        let now = Instant::now();
        let mut latch = Latch::new(now);
        assert!(!latch.accepts(at(DESCRIBED), now) && !latch.accepts_control(at(DESCRIBED), Component::Rtcp));
        assert_eq!(latch.target(), Target::Unknown);
    }

    #[test]
    fn a_party_behind_nat_is_latched_in_the_window() {
        let mut bench = Bench::new();
        bench.check_target(DESCRIBED);
        assert!(bench.accepts(NATED));
        bench.check_target(NATED);
        bench.pass(3600);
        assert!(bench.accepts(NATED));
        assert!(!bench.accepts(THIEF));
    }

    #[test]
    fn a_foreign_source_after_the_window_is_a_stranger() {
        let mut bench = Bench::new();
        bench.pass(5);
        assert!(!bench.accepts(NATED));
        assert!(bench.accepts(OTHER_PORT));
        bench.check_target(OTHER_PORT);
    }

    /// A side that describes this, and whose SIP comes from there.
    fn signalled(described: &str, from: &str) -> Bench {
        let now = Instant::now();
        let mut latch = Latch::new(now);
        latch.signal(Some(from.parse().unwrap()));
        latch.describe(at(described), now);
        Bench { latch, now }
    }

    #[test]
    fn nobody_is_heard_in_the_place_of_a_party_that_says_nothing() {
        // From the first packet on, whatever the address: our own host, one of the Internet, one of a network that we are in as well.
        for (described, from) in [
            (DESCRIBED, "192.0.2.1"),
            (DESCRIBED, "192.0.2.200"),
            ("127.0.0.6:4000", "127.0.0.5"),
            ("10.0.0.5:4000", "10.0.0.5"),
            ("[2001:db8::1]:4000", "2001:db8::1"),
        ] {
            let mut bench = signalled(described, from);
            for thief in [
                THIEF,
                NATED,
                "10.0.0.6:4000",
                "127.0.0.1:4000",
                "[2001:db8::2]:4000",
            ] {
                assert!(!bench.accepts(thief), "{thief} for {described}");
                assert!(!bench.latch.admits_control(at(thief), Component::Rtcp));
            }
            bench.check_target(described);
            // The other side is described: that opens nothing either.
            bench.latch.reopen(bench.now);
            assert!(!bench.accepts(THIEF));
            bench.pass(600);
            assert!(
                bench.accepts(described),
                "the party itself is heard whenever it speaks"
            );
        }
    }

    #[test]
    fn a_party_behind_nat_is_heard_from_where_its_sip_comes_at_any_time() {
        for described in [DESCRIBED, "192.168.1.20:4000"] {
            let mut bench = signalled(described, "198.51.100.1");
            bench.pass(600);
            assert!(bench.accepts(NATED), "{described}");
            bench.check_target(NATED);
            assert!(!bench.accepts(THIEF));
        }
    }

    #[test]
    fn who_describes_a_private_address_may_be_anywhere_for_the_window() {
        for described in [
            "192.168.1.20:4000",
            "100.64.0.9:4000",
            "169.254.3.4:4000",
            "[fd00::5]:4000",
        ] {
            let mut bench = signalled(described, "198.51.100.1");
            assert!(
                bench.accepts("203.0.113.80:9000"),
                "its NAT has several addresses"
            );
            bench.check_target("203.0.113.80:9000");
            // Whoever was first is put out by the address that its SIP comes from.
            assert!(bench.accepts(NATED));
            bench.check_target(NATED);
            let mut late = signalled(described, "198.51.100.1");
            late.pass(5);
            assert!(!late.accepts("203.0.113.80:9000"));
        }
    }

    #[test]
    fn a_thief_cannot_take_over_from_anyone_heard_first() {
        for party in [DESCRIBED, OTHER_PORT, NATED] {
            let mut bench = Bench::new();
            assert!(bench.accepts(party));
            assert!(!bench.accepts(THIEF), "{party}");
            bench.check_target(party);
        }
    }

    #[test]
    fn a_thief_who_was_first_is_put_out_by_the_described_address() {
        let mut bench = Bench::new();
        assert!(bench.accepts(THIEF));
        bench.pass(60);
        assert!(bench.accepts(OTHER_PORT));
        bench.check_target(OTHER_PORT);
        assert!(bench.accepts(DESCRIBED));
        bench.check_target(DESCRIBED);
        assert!(!bench.accepts(THIEF) && !bench.accepts(OTHER_PORT));
    }

    #[test]
    fn the_answer_reopens_the_window_of_a_side_not_heard_yet() {
        let mut bench = Bench::new();
        bench.pass(20);
        bench.latch.reopen(bench.now);
        assert!(bench.accepts(NATED));
    }

    #[test]
    fn repeating_a_description_opens_nothing_for_a_side_that_was_heard() {
        let mut bench = Bench::new();
        assert!(bench.accepts(NATED));
        bench.pass(60);
        bench.latch.describe(at(DESCRIBED), bench.now);
        bench.latch.reopen(bench.now);
        assert!(!bench.accepts(THIEF));
        bench.check_target(NATED);
    }

    #[test]
    fn a_new_address_gets_the_audio_at_once_and_the_old_source_retires() {
        let mut bench = Bench::new();
        assert!(bench.accepts(DESCRIBED));
        bench.latch.describe(at("192.0.2.9:5000"), bench.now);
        bench.check_target("192.0.2.9:5000");
        assert!(bench.accepts(DESCRIBED), "packets in flight are still heard");
        bench.check_target("192.0.2.9:5000");
        assert!(
            bench.accepts("198.51.100.77:1"),
            "the new party may be behind NAT"
        );
        assert!(!bench.accepts(DESCRIBED));
    }

    #[test]
    fn an_old_source_that_nobody_replaces_is_the_source_again() {
        let mut bench = Bench::new();
        assert!(bench.accepts(NATED));
        bench.latch.describe(at("192.0.2.1:4002"), bench.now);
        bench.check_target("192.0.2.1:4002");
        bench.pass(6);
        assert!(bench.accepts(NATED));
        bench.check_target(NATED);
    }

    #[test]
    fn a_hold_sends_nothing_and_forgets_nothing() {
        let mut bench = Bench::new();
        assert!(bench.accepts(NATED));
        bench.latch.describe(at("0.0.0.0:4000"), bench.now);
        assert_eq!(bench.latch.target(), Target::Held);
        assert_eq!(bench.latch.control_target(), Target::Held);
        assert!(bench.accepts(NATED) && !bench.accepts(THIEF));
        bench.latch.describe(at(DESCRIBED), bench.now);
        bench.check_target(NATED);
    }

    #[test]
    fn control_comes_from_the_address_of_the_audio_only() {
        let mut bench = Bench::new();
        assert_eq!(bench.latch.control_target(), Target::At(at("192.0.2.1:4001")));
        assert!(bench.accepts(NATED));
        assert!(!bench.latch.accepts_control(at("192.0.2.1:4001"), Component::Rtcp));
        assert!(
            bench
                .latch
                .accepts_control(at("198.51.100.1:9999"), Component::Rtcp)
        );
        assert_eq!(bench.latch.control_target(), Target::At(at("198.51.100.1:9999")));
        assert!(
            bench
                .latch
                .accepts_control(at("198.51.100.1:7001"), Component::Rtcp)
        );
        assert!(
            bench
                .latch
                .accepts_control(at("198.51.100.1:9999"), Component::Rtcp)
        );
        assert_eq!(bench.latch.control_target(), Target::At(at("198.51.100.1:7001")));
    }

    #[test]
    fn an_ipv4_peer_on_a_socket_for_both_families_is_the_same_peer() {
        let mut bench = Bench::new();
        bench.pass(60);
        assert!(bench.accepts("[::ffff:192.0.2.1]:4000"));
    }

    proptest! {
        #[test]
        fn a_source_is_only_ever_replaced_by_a_better_one(
            packets in proptest::collection::vec((0usize..5, 0u64..4), 1..60)
        ) {
            let senders = [DESCRIBED, OTHER_PORT, NATED, THIEF, "192.0.2.1:9999"];
            let mut bench = Bench::new();
            let mut best: Option<(&str, Standing)> = None;
            for (sender, seconds) in packets {
                bench.pass(seconds);
                let sender = senders[sender];
                let offered = standing(at(DESCRIBED), None, at(sender));
                let is_accepted = bench.accepts(sender);
                match best {
                    Some((known, _)) if known == sender => prop_assert!(is_accepted),
                    Some((_, held)) => prop_assert_eq!(is_accepted, offered > held),
                    None => {}
                }
                if is_accepted {
                    best = Some((sender, offered));
                }
                let expected = best.map_or(DESCRIBED, |(source, _)| source);
                prop_assert_eq!(bench.latch.target(), Target::At(at(expected)));
            }
        }
    }
}
