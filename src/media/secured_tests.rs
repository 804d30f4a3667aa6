//! Encrypted legs: what is heard, sent and latched, on either side and on both.
#![expect(clippy::disallowed_methods, reason = "any instant will do as the start")]

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use super::rtcp::tests::receiver_report;
use super::srtp::Secured;
use super::*;
use crate::sdp::{Codec, MasterKey, Suite};
use crate::time::Now;

const CALLER: &str = "192.0.2.1:4000";
const CALLED: &str = "192.0.2.2:5000";
const NATED: &str = "198.51.100.9:61000";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn key(suite: Suite, fill: u8) -> MasterKey {
    MasterKey::new(suite, &vec![fill; suite.key_octets() + suite.salt_octets()]).unwrap()
}

/// A party with its own end of the leg; `None` = it speaks plain RTP.
struct Party {
    address: &'static str,
    secured: Option<Secured>,
    sequence: u16,
    ssrc: u32,
}

impl Party {
    fn keys(suite: Suite, fill: u8) -> Keys {
        Keys {
            inbound: key(suite, fill),
            outbound: key(suite, fill + 1),
        }
    }

    fn packet(&mut self, loudness: u8) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        let timestamp = u32::from(self.sequence).wrapping_mul(160);
        let mut packet = rtp::header(0, self.sequence, timestamp, self.ssrc, false).to_vec();
        packet.extend_from_slice(&[loudness; 160]);
        self.close(packet, Secured::protect_rtp)
    }

    fn report(&mut self, about: u32) -> Vec<u8> {
        self.close(receiver_report(self.ssrc, about, 3), Secured::protect_rtcp)
    }

    fn close(
        &mut self,
        mut packet: Vec<u8>,
        protect: fn(&mut Secured, &mut [u8], usize) -> Result<usize, srtp::Refused>,
    ) -> Vec<u8> {
        let Some(secured) = &mut self.secured else {
            return packet;
        };
        let len = packet.len();
        packet.resize(len + srtp::OVERHEAD_OCTETS_MAX, 0);
        let len = protect(secured, &mut packet, len).unwrap();
        packet.truncate(len);
        packet
    }

    fn open(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut buffer = packet.to_vec();
        let len = match &mut self.secured {
            Some(secured) => secured.unprotect_rtp(&mut buffer, packet.len()).unwrap(),
            None => packet.len(),
        };
        buffer[..len].to_vec()
    }

    fn open_report(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut buffer = packet.to_vec();
        let len = match &mut self.secured {
            Some(secured) => secured.unprotect_rtcp(&mut buffer, packet.len()).unwrap(),
            None => packet.len(),
        };
        buffer[..len].to_vec()
    }
}

struct Bench {
    session: Session,
    now: Now,
    caller: Party,
    called: Party,
}

impl Bench {
    fn new(caller: Option<Suite>, called: Option<Suite>) -> Bench {
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
        let mut session = Session::new(&config, now);
        let mut party = |side, address: &'static str, suite: Option<Suite>, fill: u8| {
            let keys = suite.map(|suite| Party::keys(suite, fill));
            session.secure(side, keys.as_ref());
            session.described(side, at(address), &[(0, Codec::Pcmu)], None, now);
            let theirs = keys.map(|keys| Keys {
                inbound: keys.outbound,
                outbound: keys.inbound,
            });
            Party {
                address,
                secured: theirs.map(|keys| Secured::new(&keys)),
                sequence: 65_500,
                ssrc: u32::from(fill),
            }
        };
        let caller = party(Side::A, CALLER, caller, 10);
        let called = party(Side::B, CALLED, called, 20);
        session.tap(true);
        Bench {
            session,
            now,
            caller,
            called,
        }
    }

    /// Shows the session a packet; what it would send, or why not.
    fn show(&mut self, side: Side, source: &str, packet: &[u8]) -> Result<(SocketAddr, Vec<u8>), DropReason> {
        self.now = self.now.after(Duration::from_millis(20));
        let mut buffer = [0; 2048];
        buffer[..packet.len()].copy_from_slice(packet);
        match self
            .session
            .rtp_within(side, at(source), &mut buffer, packet.len(), self.now)
        {
            Verdict::Forward { to, len, .. } => Ok((to, buffer[..len].to_vec())),
            Verdict::Drop(reason) => Err(reason),
            Verdict::Taken => panic!("a handshake"),
        }
    }

    fn show_rtcp(&mut self, side: Side, source: &str, packet: &[u8]) -> Result<Vec<u8>, DropReason> {
        let mut buffer = [0; 2048];
        buffer[..packet.len()].copy_from_slice(packet);
        match self
            .session
            .rtcp_within(side, at(source), &mut buffer, packet.len(), self.now)
        {
            Verdict::Forward { len, .. } => Ok(buffer[..len].to_vec()),
            Verdict::Drop(reason) => Err(reason),
            Verdict::Taken => panic!("a handshake"),
        }
    }
}

/// Every way a leg can be.
fn ways() -> impl Iterator<Item = Option<Suite>> {
    Suite::ALL.into_iter().map(Some).chain([None])
}

#[test]
fn whatever_the_legs_are_each_hears_what_the_other_said() {
    for caller in ways() {
        for called in ways() {
            let mut bench = Bench::new(caller, called);
            let mut hop = None;
            for n in 0..100u8 {
                let packet = bench.caller.packet(n);
                let (to, sent) = bench.show(Side::A, CALLER, &packet).unwrap();
                assert_eq!(to, at(CALLED));
                assert_eq!(
                    sent[12..][..160] == [n; 160],
                    called.is_none(),
                    "{caller:?} {called:?}"
                );
                assert_eq!(bench.called.open(&sent)[12..], [n; 160], "{caller:?} {called:?}");
                let packet = bench.called.packet(n);
                let (_, sent) = bench.show(Side::B, CALLED, &packet).unwrap();
                assert_eq!(bench.caller.open(&sent)[12..], [n; 160], "{caller:?} {called:?}");
                hop = hop.or(bench.session.poll_hop());
            }
            // The scorer hears what was said: the first second, of 50 packets.
            let hop = hop.unwrap();
            let expected: Vec<i16> = (0..50u8)
                .flat_map(|n| [crate::g711::Law::Mu.decode(n); 160])
                .collect();
            assert_eq!(hop[..], expected, "{caller:?} {called:?}");
        }
    }
}

#[test]
fn reports_cross_from_one_key_to_the_other() {
    for caller in ways() {
        for called in ways() {
            let mut bench = Bench::new(caller, called);
            let packet = bench.caller.packet(0);
            bench.show(Side::A, CALLER, &packet).unwrap();
            let report = bench.called.report(bench.caller.ssrc);
            let sent = bench.show_rtcp(Side::B, "192.0.2.2:5001", &report).unwrap();
            assert_eq!(bench.session.reported_by(Side::B).unwrap().cumulative_lost, 3);
            assert_eq!(
                bench.caller.open_report(&sent),
                receiver_report(bench.called.ssrc, bench.caller.ssrc, 3)
            );
        }
    }
}

#[test]
fn reports_on_the_one_port_are_told_from_audio_before_they_are_opened() {
    for suite in ways() {
        let mut bench = Bench::new(suite, suite);
        bench.session.mux(Side::B, true);
        let packet = bench.caller.packet(0);
        bench.show(Side::A, CALLER, &packet).unwrap();
        let report = bench.called.report(bench.caller.ssrc);
        let (to, sent) = bench.show(Side::B, CALLED, &report).unwrap();
        assert_eq!(to, at("192.0.2.1:4001"), "{suite:?}");
        assert_eq!(bench.session.reported_by(Side::B).unwrap().cumulative_lost, 3);
        assert_eq!(
            bench.caller.open_report(&sent),
            receiver_report(bench.called.ssrc, bench.caller.ssrc, 3)
        );
    }
}

#[test]
fn what_no_key_authenticates_moves_nothing() {
    for suite in Suite::ALL {
        let mut bench = Bench::new(None, Some(suite));
        // Plain RTP, forged RTP and a packet with one changed bit, from a place that a party behind NAT could have.
        let mut stranger = Party {
            address: NATED,
            secured: None,
            sequence: 1,
            ssrc: 5,
        };
        let plain = stranger.packet(1);
        let mut changed = bench.called.packet(1);
        changed[40] ^= 1;
        for packet in [&plain, &changed] {
            assert_eq!(
                bench.show(Side::B, stranger.address, packet),
                Err(DropReason::Unauthenticated)
            );
            assert_eq!(
                bench.show_rtcp(Side::B, CALLED, packet),
                Err(DropReason::Unauthenticated)
            );
        }
        assert_eq!(bench.session.statistics().from_called.unauthenticated, 4);
        assert_eq!(bench.session.statistics().from_called.packets, 0);
        let packet = bench.caller.packet(1);
        let (to, _) = bench.show(Side::A, CALLER, &packet).unwrap();
        assert_eq!(to, at(CALLED), "still to the described address");
        let packet = bench.called.packet(1);
        assert!(bench.show(Side::B, NATED, &packet).is_ok());
        let packet = bench.caller.packet(1);
        let (to, _) = bench.show(Side::A, CALLER, &packet).unwrap();
        assert_eq!(to, at(NATED), "whoever has the key is the party");
    }
}

#[test]
fn a_forged_packet_is_no_life() {
    let mut bench = Bench::new(Some(Suite::AeadAes128Gcm), None);
    let before = bench.session.deadline();
    let forged = [rtp::header(0, 1, 160, 9, false).as_slice(), &[0; 176]].concat();
    assert_eq!(
        bench.show(Side::A, CALLER, &forged),
        Err(DropReason::Unauthenticated)
    );
    assert_eq!(bench.session.deadline(), before);
}

#[test]
fn a_packet_is_heard_once() {
    let mut bench = Bench::new(Some(Suite::AesCm128HmacSha1_80), None);
    let packet = bench.caller.packet(1);
    assert!(bench.show(Side::A, CALLER, &packet).is_ok());
    assert_eq!(bench.show(Side::A, CALLER, &packet), Err(DropReason::Replayed));
}

/// A network that repeats packets of a plain party must not make us use a number of the other leg's key twice.
#[test]
fn a_repeated_plain_packet_is_not_encrypted_again() {
    let mut bench = Bench::new(None, Some(Suite::AeadAes256Gcm));
    let packet = bench.caller.packet(1);
    assert!(bench.show(Side::A, CALLER, &packet).is_ok());
    assert_eq!(bench.show(Side::A, CALLER, &packet), Err(DropReason::Replayed));
}

#[test]
fn a_leg_may_become_encrypted_and_plain_again() {
    let mut bench = Bench::new(None, None);
    let packet = bench.caller.packet(1);
    assert!(bench.show(Side::A, CALLER, &packet).is_ok());
    let keys = Party::keys(Suite::AesCm128HmacSha1_32, 10);
    bench.session.secure(Side::A, Some(&keys));
    assert_eq!(
        bench.show(Side::A, CALLER, &packet),
        Err(DropReason::Unauthenticated)
    );
    bench.caller.secured = Some(Secured::new(&Keys {
        inbound: keys.outbound.clone(),
        outbound: keys.inbound.clone(),
    }));
    let packet = bench.caller.packet(1);
    assert!(bench.show(Side::A, CALLER, &packet).is_ok());
    bench.session.secure(Side::A, None);
    bench.caller.secured = None;
    let packet = bench.caller.packet(1);
    assert!(bench.show(Side::A, CALLER, &packet).is_ok());
}
