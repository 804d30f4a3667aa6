//! Legs whose keys come by handshake, against parties that shake hands, and others.
#![expect(clippy::disallowed_methods, reason = "any instant will do as the start")]

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use super::super::dtls::Role;
use super::super::limits::{DTLS_TIME_MAX, LATCH_WINDOW};
use super::super::rtcp::tests::receiver_report;
use super::super::{Config, rtp};
use super::*;
use crate::sdp::{Codec, Suites};

const CALLER: &str = "192.0.2.1:4000";
const CALLED: &str = "192.0.2.2:5000";
const CALLED_CONTROL: &str = "192.0.2.2:5001";
const STRANGER: &str = "198.51.100.66:6666";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Ours, the party's, and another's.
fn identities() -> &'static [Arc<Identity>; 3] {
    static ALL: OnceLock<[Arc<Identity>; 3]> = OnceLock::new();
    ALL.get_or_init(|| [(); 3].map(|()| Arc::new(Identity::new().unwrap())))
}

fn terms(role: Role, other: &Identity) -> Terms {
    Terms {
        role,
        fingerprints: vec![other.fingerprint().clone()],
        suites: Suites::default(),
    }
}

/// A plain caller, and a called party that shakes hands.
struct Bench {
    session: Session,
    now: Now,
    sequence: u16,
}

impl Bench {
    fn new(role: Role, is_muxed: bool) -> Bench {
        let now = Now {
            instant: Instant::now(),
            utc: SystemTime::UNIX_EPOCH,
        };
        let config = Config {
            address: at(CALLER).ip(),
            advertise: None,
            ports: 20_000..=20_009,
            silence: Duration::from_secs(60),
            transcodes: true,
            rtcp_mux: true,
        };
        let mut bench = Bench {
            session: Session::new(&config, now),
            now,
            sequence: 0,
        };
        bench
            .session
            .described(Side::A, at(CALLER), &[(0, Codec::Pcmu)], None, now);
        bench.describe(CALLED, role, 1, is_muxed);
        bench
    }

    fn describe(&mut self, address: &str, role: Role, identity: usize, is_muxed: bool) {
        let all = identities();
        self.session.mux(Side::B, is_muxed);
        let terms = terms(role, &all[identity]);
        self.session.handshake(Side::B, Some((&terms, &all[0])), self.now);
        self.session
            .described(Side::B, at(address), &[(0, Codec::Pcmu)], None, self.now);
    }

    /// Until no handshake waits for anybody.
    fn wait(&mut self) {
        let began = self.now;
        while let Some(deadline) = self.session.handshake_deadline() {
            self.now = began.after(deadline - began.instant);
            self.session.handle_handshake_timeout(self.now);
        }
    }

    /// What the called party says with these keys.
    fn called_sends(&mut self, secured: &mut Secured) -> Verdict {
        let mut said = self.packet();
        said.resize(172 + 20, 0);
        let len = secured.protect_rtp(&mut said, 172).unwrap();
        self.show(Side::B, CALLED, &said[..len]).0
    }

    fn packet(&mut self) -> Vec<u8> {
        self.sequence += 1;
        let timestamp = u32::from(self.sequence) * 160;
        let mut packet = rtp::header(0, self.sequence, timestamp, 7, false).to_vec();
        packet.extend_from_slice(&[0x55; 160]);
        packet
    }

    fn show(&mut self, side: Side, source: &str, packet: &[u8]) -> (Verdict, Vec<u8>) {
        self.now = self.now.after(Duration::from_millis(5));
        let mut buffer = [0; 2048];
        buffer[..packet.len()].copy_from_slice(packet);
        let verdict = self
            .session
            .rtp_within(side, at(source), &mut buffer, packet.len(), self.now);
        (verdict, buffer.to_vec())
    }

    /// What the caller says, as it goes out to the called party.
    fn caller_sends(&mut self) -> Result<Vec<u8>, DropReason> {
        let packet = self.packet();
        match self.show(Side::A, CALLER, &packet) {
            (Verdict::Forward { len, .. }, buffer) => Ok(buffer[..len].to_vec()),
            (Verdict::Drop(reason), _) => Err(reason),
            (Verdict::Taken, _) => panic!(),
        }
    }

    /// A handshake to its end with the party at this address; what both had to say went by this component.
    fn shake(&mut self, party: &mut Association, source: &str, component: Component) -> Option<Keys> {
        for _ in 0..6 {
            while let Some((by, to, datagram)) = self.session.poll_handshake(Side::B) {
                if (by, to) == (component, at(source)) {
                    party.handle(&datagram, self.now.instant);
                }
            }
            while let Some(datagram) = party.poll_transmit() {
                let mut buffer = datagram.clone();
                let len = buffer.len();
                let verdict = match component {
                    Component::Rtp => {
                        self.session
                            .rtp_within(Side::B, at(source), &mut buffer, len, self.now)
                    }
                    Component::Rtcp => {
                        self.session
                            .rtcp_within(Side::B, at(source), &mut buffer, len, self.now)
                    }
                };
                assert_eq!(verdict, Verdict::Taken);
                assert_eq!(buffer, datagram);
            }
        }
        match party.poll_secured() {
            Some(Outcome::Keys(keys)) => Some(keys),
            _ => None,
        }
    }
}

fn party(role: Role, identity: usize, now: Now) -> Association {
    let all = identities();
    Association::new(&terms(role, &all[0]), &all[identity], now.instant)
}

fn other(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}

#[test]
fn nothing_is_let_through_before_the_keys_are_there_and_all_of_it_after() {
    for role in [Role::Server, Role::Client] {
        let mut bench = Bench::new(role, true);
        assert_eq!(bench.caller_sends(), Err(DropReason::NotYetSecured));
        let plain = bench.packet();
        assert_eq!(
            bench.show(Side::B, CALLED, &plain).0,
            Verdict::Drop(DropReason::NotYetSecured)
        );
        let mut phone = party(other(role), 1, bench.now);
        let keys = bench.shake(&mut phone, CALLED, Component::Rtp).expect("keys");
        assert_eq!(bench.session.poll_secured(), Some((Side::B, Ok(keys.suite()))));
        assert_eq!(bench.session.handshake_deadline(), None);
        let mut secured = Secured::new(&keys);
        let mut sent = bench.caller_sends().unwrap();
        let len = sent.len();
        assert_ne!(sent[12..172], [0x55; 160]);
        assert_eq!(secured.unprotect_rtp(&mut sent, len), Ok(172));
        assert_eq!(sent[12..172], [0x55; 160]);
        let mut said = bench.packet();
        said.resize(172 + 20, 0);
        let len = secured.protect_rtp(&mut said, 172).unwrap();
        let (verdict, heard) = bench.show(Side::B, CALLED, &said[..len]);
        assert!(
            matches!(verdict, Verdict::Forward { len: 172, .. }),
            "{verdict:?}"
        );
        assert_eq!(heard[12..172], [0x55; 160]);
        // Plain words are a stranger's.
        let plain = bench.packet();
        let (verdict, _) = bench.show(Side::B, CALLED, &plain);
        assert_eq!(verdict, Verdict::Drop(DropReason::Unauthenticated));
    }
}

#[test]
fn another_certificate_lets_nothing_through() {
    for role in [Role::Server, Role::Client] {
        let mut bench = Bench::new(role, true);
        let mut phone = party(other(role), 2, bench.now);
        assert_eq!(bench.shake(&mut phone, CALLED, Component::Rtp), None);
        assert_eq!(
            bench.session.poll_secured(),
            None,
            "it need not have been the party"
        );
        bench.wait();
        assert_eq!(
            bench.session.poll_secured(),
            Some((Side::B, Err(Fault::Fingerprint)))
        );
        assert_eq!(bench.caller_sends(), Err(DropReason::NotYetSecured));
    }
}

#[test]
fn nobody_shakes_hands_from_an_address_that_may_not_speak() {
    let mut bench = Bench::new(Role::Server, true);
    bench.now = bench.now.after(LATCH_WINDOW + Duration::from_secs(1));
    let mut thief = party(Role::Client, 1, bench.now);
    let hello = thief.poll_transmit().unwrap();
    for source in [STRANGER, "192.0.2.3:5000"] {
        assert_eq!(
            bench.show(Side::B, source, &hello).0,
            Verdict::Drop(DropReason::Stranger)
        );
        assert!(bench.session.poll_handshake(Side::B).is_none());
    }
    // On a leg without a handshake it is no packet at all.
    assert_eq!(
        bench.show(Side::A, CALLER, &hello).0,
        Verdict::Drop(DropReason::Malformed)
    );
    // Behind NAT, in time: whoever has the certificate is the source from then on.
    let mut bench = Bench::new(Role::Server, true);
    let mut phone = party(Role::Client, 1, bench.now);
    bench.shake(&mut phone, STRANGER, Component::Rtp).expect("keys");
    let packet = bench.packet();
    let (verdict, _) = bench.show(Side::A, CALLER, &packet);
    assert!(
        matches!(verdict, Verdict::Forward { to, .. } if to == at(STRANGER)),
        "{verdict:?}"
    );
}

#[test]
fn what_never_comes_is_given_up_and_told_once() {
    let mut bench = Bench::new(Role::Server, true);
    let began = bench.now;
    while let Some(deadline) = bench.session.handshake_deadline() {
        bench.now = began.after(deadline - began.instant);
        bench.session.handle_handshake_timeout(bench.now);
    }
    assert_eq!(bench.now.instant - began.instant, DTLS_TIME_MAX);
    assert_eq!(bench.session.poll_secured(), Some((Side::B, Err(Fault::Stalled))));
    assert_eq!(bench.session.poll_secured(), None);
    assert_eq!(bench.caller_sends(), Err(DropReason::NotYetSecured));
}

#[test]
fn the_same_description_again_keeps_the_keys_and_another_brings_others() {
    let mut bench = Bench::new(Role::Server, true);
    let mut phone = party(Role::Client, 1, bench.now);
    let keys = bench.shake(&mut phone, CALLED, Component::Rtp).unwrap();
    let _ = bench.session.poll_secured().unwrap().1.unwrap();
    let mut secured = Secured::new(&keys);
    let mut is_open = |bench: &mut Bench| {
        let mut sent = bench.caller_sends().unwrap();
        let len = sent.len();
        secured.unprotect_rtp(&mut sent, len).is_ok()
    };
    // A refresh, and a hold by address.
    bench.describe(CALLED, Role::Server, 1, true);
    assert!(is_open(&mut bench));
    bench.describe("0.0.0.0:5000", Role::Server, 1, true);
    bench.describe(CALLED, Role::Server, 1, true);
    assert!(is_open(&mut bench));
    assert_eq!(bench.session.handshake_deadline(), None);
    // It has moved: a new handshake, and until it is over the old keys.
    bench.describe("192.0.2.9:5000", Role::Server, 1, true);
    assert!(is_open(&mut bench) && bench.session.handshake_deadline().is_some());
    let mut phone = party(Role::Client, 1, bench.now);
    let moved = bench.shake(&mut phone, "192.0.2.9:5000", Component::Rtp).unwrap();
    assert!(moved != keys && !is_open(&mut bench));
    // It is another.
    let _ = bench.session.poll_secured().unwrap().1.unwrap();
    bench.describe("192.0.2.9:5000", Role::Server, 2, true);
    assert_eq!(bench.caller_sends(), Err(DropReason::NotYetSecured));
    let mut phone = party(Role::Client, 2, bench.now);
    let others = bench.shake(&mut phone, "192.0.2.9:5000", Component::Rtp).unwrap();
    assert_ne!(others, moved);
    assert_eq!(bench.session.poll_secured(), Some((Side::B, Ok(others.suite()))));
}

#[test]
fn keys_of_a_certificate_that_the_description_no_longer_speaks_of_let_nothing_through() {
    for (role, comes) in [
        (Role::Server, false),
        (Role::Server, true),
        (Role::Client, false),
        (Role::Client, true),
    ] {
        let mut bench = Bench::new(role, true);
        let mut phone = party(other(role), 1, bench.now);
        let keys = bench.shake(&mut phone, CALLED, Component::Rtp).unwrap();
        let _ = bench.session.poll_secured().unwrap().1.unwrap();
        let mut before = Secured::new(&keys);
        assert!(matches!(bench.called_sends(&mut before), Verdict::Forward { .. }));
        // It is another now; the one before may still speak, and may shake hands once more.
        bench.describe(CALLED, role, 2, true);
        let none = Verdict::Drop(DropReason::NotYetSecured);
        assert_eq!(bench.caller_sends(), Err(DropReason::NotYetSecured));
        assert_eq!(bench.called_sends(&mut before), none);
        if comes {
            let mut phone = party(other(role), 1, bench.now);
            assert_eq!(bench.shake(&mut phone, CALLED, Component::Rtp), None);
            assert_eq!(bench.caller_sends(), Err(DropReason::NotYetSecured));
        }
        bench.wait();
        let fault = if comes { Fault::Fingerprint } else { Fault::Stalled };
        assert_eq!(bench.session.poll_secured(), Some((Side::B, Err(fault))));
        assert_eq!(bench.caller_sends(), Err(DropReason::NotYetSecured));
        assert_eq!(bench.called_sends(&mut before), none);
        // With the right one there are keys, and what was before opens nothing.
        bench.describe(CALLED, role, 2, true);
        let mut phone = party(other(role), 2, bench.now);
        let keys = bench.shake(&mut phone, CALLED, Component::Rtp).expect("keys");
        let refused = Verdict::Drop(DropReason::Unauthenticated);
        assert_eq!(bench.called_sends(&mut before), refused);
        let heard = bench.called_sends(&mut Secured::new(&keys));
        assert!(matches!(heard, Verdict::Forward { .. }), "{heard:?}");
    }
}

#[test]
fn keys_in_descriptions_do_not_outlive_them_where_a_handshake_comes_nor_the_other_way_round() {
    let mut bench = Bench::new(Role::Server, true);
    let mut phone = party(Role::Client, 1, bench.now);
    let shaken = bench.shake(&mut phone, CALLED, Component::Rtp).unwrap();
    let mut phone = party(Role::Client, 1, bench.now);
    let mut another = Bench::new(Role::Server, true);
    let said = another.shake(&mut phone, CALLED, Component::Rtp).unwrap();
    // As the shard does it: keys before the handshake.
    let ours = Keys {
        inbound: said.outbound.clone(),
        outbound: said.inbound.clone(),
    };
    bench.session.secure(Side::B, Some(&ours));
    bench.session.handshake(Side::B, None, bench.now);
    let refused = Verdict::Drop(DropReason::Unauthenticated);
    assert_eq!(bench.called_sends(&mut Secured::new(&shaken)), refused);
    let mut secured = Secured::new(&said);
    let heard = bench.called_sends(&mut secured);
    assert!(matches!(heard, Verdict::Forward { .. }), "{heard:?}");
    bench.describe(CALLED, Role::Server, 1, true);
    let none = Verdict::Drop(DropReason::NotYetSecured);
    assert_eq!(bench.called_sends(&mut secured), none);
}

#[test]
fn what_stalled_begins_again_with_the_same_description() {
    for role in [Role::Server, Role::Client] {
        let mut bench = Bench::new(role, true);
        bench.wait();
        assert_eq!(bench.session.poll_secured(), Some((Side::B, Err(Fault::Stalled))));
        bench.describe(CALLED, role, 1, true);
        assert!(bench.session.handshake_deadline().is_some());
        let mut phone = party(other(role), 1, bench.now);
        let keys = bench.shake(&mut phone, CALLED, Component::Rtp).expect("keys");
        assert_eq!(bench.session.poll_secured(), Some((Side::B, Ok(keys.suite()))));
    }
}

#[test]
fn keys_that_the_same_certificate_has_proven_hold_where_a_phone_needs_no_others() {
    let mut bench = Bench::new(Role::Server, true);
    let mut phone = party(Role::Client, 1, bench.now);
    let keys = bench.shake(&mut phone, CALLED, Component::Rtp).unwrap();
    let _ = bench.session.poll_secured();
    bench.describe("192.0.2.2:5008", Role::Server, 1, true);
    bench.wait();
    assert_eq!(bench.session.poll_secured(), Some((Side::B, Ok(keys.suite()))));
    assert!(bench.caller_sends().is_ok());
}

#[test]
fn nobody_pushes_another_out_of_the_middle_of_a_handshake_but_from_a_better_address() {
    let nearby = "192.0.2.2:9999";
    let mut bench = Bench::new(Role::Server, true);
    let mut phone = party(Role::Client, 1, bench.now);
    let hello = phone.poll_transmit().unwrap();
    assert_eq!(bench.show(Side::B, CALLED, &hello).0, Verdict::Taken);
    for source in [STRANGER, nearby] {
        let hello = party(Role::Client, 2, bench.now).poll_transmit().unwrap();
        let refused = Verdict::Drop(DropReason::Stranger);
        assert_eq!(bench.show(Side::B, source, &hello).0, refused);
    }
    assert!(bench.shake(&mut phone, CALLED, Component::Rtp).is_some());
    // Who is first from elsewhere gives way to the described address at once, and to another in its turn.
    let mut bench = Bench::new(Role::Server, true);
    let show = |bench: &mut Bench, source| {
        let hello = party(Role::Client, 1, bench.now).poll_transmit().unwrap();
        bench.show(Side::B, source, &hello).0
    };
    assert_eq!(show(&mut bench, STRANGER), Verdict::Taken);
    let second = "198.51.100.67:7";
    let refused = Verdict::Drop(DropReason::Stranger);
    assert_eq!(show(&mut bench, second), refused);
    bench.now = bench.now.after(DTLS_TURN);
    assert_eq!(show(&mut bench, second), Verdict::Taken);
    let to = bench.session.poll_handshake(Side::B).map(|(_, to, _)| to);
    assert_eq!(to, Some(at(second)));
    let mut phone = party(Role::Client, 1, bench.now);
    while bench.session.poll_handshake(Side::B).is_some() {}
    assert!(bench.shake(&mut phone, CALLED, Component::Rtp).is_some());
}

#[test]
fn packets_that_look_like_a_handshake_use_up_nothing_of_the_audio() {
    let mut bench = Bench::new(Role::Server, true);
    let mut phone = party(Role::Client, 1, bench.now);
    let keys = bench.shake(&mut phone, CALLED, Component::Rtp).unwrap();
    let mut dropped = 0;
    for _ in 0..2000 {
        let mut junk = [22; 40];
        let verdict = bench
            .session
            .rtp_within(Side::B, at(CALLED), &mut junk, 40, bench.now);
        dropped += u32::from(verdict == Verdict::Drop(DropReason::TooFast));
    }
    assert!(dropped >= 2000 - DTLS_BURST, "{dropped}");
    let heard = bench.called_sends(&mut Secured::new(&keys));
    assert!(matches!(heard, Verdict::Forward { .. }), "{heard:?}");
}

#[test]
fn rtcp_on_a_port_of_its_own_has_keys_of_its_own() {
    let mut bench = Bench::new(Role::Server, false);
    let mut phone = party(Role::Client, 1, bench.now);
    bench.shake(&mut phone, CALLED, Component::Rtp).unwrap();
    let mut report = receiver_report(7, 8, 3);
    let len = report.len();
    let sent = bench
        .session
        .rtcp_within(Side::A, at("192.0.2.1:4001"), &mut report, len, bench.now);
    assert_eq!(sent, Verdict::Drop(DropReason::NotYetSecured));
    let mut phone = party(Role::Client, 1, bench.now);
    let keys = bench.shake(&mut phone, CALLED_CONTROL, Component::Rtcp).unwrap();
    let mut report = receiver_report(7, 8, 3);
    report.resize(len + 64, 0);
    let sent = bench
        .session
        .rtcp_within(Side::A, at("192.0.2.1:4001"), &mut report, len, bench.now);
    let Verdict::Forward { len, component, to } = sent else {
        panic!("{sent:?}")
    };
    assert_eq!((component, to), (Component::Rtcp, at(CALLED_CONTROL)));
    assert!(Secured::new(&keys).unprotect_rtcp(&mut report, len).is_ok());
}

#[test]
fn a_leg_may_go_from_keys_in_descriptions_to_a_handshake_and_back_to_plain() {
    let mut bench = Bench::new(Role::Server, true);
    let mut phone = party(Role::Client, 1, bench.now);
    let keys = bench.shake(&mut phone, CALLED, Component::Rtp).unwrap();
    bench.session.handshake(Side::B, None, bench.now);
    bench.session.secure(Side::B, Some(&keys));
    assert!(bench.caller_sends().is_ok());
    bench.session.secure(Side::B, None);
    let sent = bench.caller_sends().unwrap();
    assert_eq!(sent[12..], [0x55; 160]);
}
