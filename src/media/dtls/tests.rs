//! Both sides against each other over a network that loses, repeats and reorders, and against whatever else may come.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::media::limits::{
    DTLS_OUTBOX_MAX, DTLS_RESTARTS_MAX, DTLS_RESTARTS_RESERVED, DTLS_RETRANSMIT_MIN, DTLS_TIME_MAX,
};
use crate::sdp::{FingerprintHash, Suite};

/// Two identities, ours and the other side's: making one takes longer than a handshake.
fn identities() -> &'static [Arc<Identity>; 2] {
    static BOTH: OnceLock<[Arc<Identity>; 2]> = OnceLock::new();
    BOTH.get_or_init(|| [(); 2].map(|()| Arc::new(Identity::new().unwrap())))
}

fn terms(role: Role, other: &Identity) -> Terms {
    Terms {
        role,
        fingerprints: vec![other.fingerprint().clone()],
        suites: Suites::default(),
    }
}

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Arrives,
    IsLost,
    ComesTwice,
    /// Behind the next one that goes the same way.
    IsLate,
    /// Its last octet is another.
    IsBroken,
}

use Fate::{Arrives, ComesTwice, IsBroken, IsLate, IsLost};

struct Net {
    now: Instant,
    began: Instant,
    /// The client, the server.
    sides: [Association; 2],
    secured: [Vec<Outcome>; 2],
    /// Towards each of them.
    late: [Vec<Vec<u8>>; 2],
    sent: usize,
}

impl Net {
    fn new() -> Net {
        let [client, server] = identities();
        let terms = [terms(Role::Client, server), terms(Role::Server, client)];
        Net::with([&terms[0], &terms[1]])
    }

    fn with(terms: [&Terms; 2]) -> Net {
        let [client, server] = identities();
        Net::between(terms, [client, server])
    }

    fn between(terms: [&Terms; 2], [client, server]: [&Arc<Identity>; 2]) -> Net {
        #[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
        let now = Instant::now();
        Net {
            now,
            began: now,
            sides: [
                Association::new(terms[0], client, now),
                Association::new(terms[1], server, now),
            ],
            secured: [Vec::new(), Vec::new()],
            late: [Vec::new(), Vec::new()],
            sent: 0,
        }
    }

    fn hand(&mut self, to: usize, datagram: &[u8]) {
        self.sides[to].handle(datagram, self.now);
        self.secured[to].extend(self.sides[to].poll_secured());
    }

    /// What both have to say, and its fate; false when neither had.
    fn exchange(&mut self, fate: &mut impl FnMut() -> Fate) -> bool {
        let mut has_said = false;
        for from in [0, 1] {
            let to = 1 - from;
            while let Some(mut datagram) = self.sides[from].poll_transmit() {
                has_said = true;
                self.sent += 1;
                match fate() {
                    IsLost => continue,
                    IsLate => {
                        self.late[to].push(datagram);
                        continue;
                    }
                    IsBroken => *datagram.last_mut().unwrap() ^= 1,
                    ComesTwice => self.hand(to, &datagram.clone()),
                    Arrives => {}
                }
                self.hand(to, &datagram);
                for late in std::mem::take(&mut self.late[to]) {
                    self.hand(to, &late);
                }
            }
        }
        has_said
    }

    /// Until nobody has anything to say or to wait for.
    fn run(&mut self, mut fate: impl FnMut() -> Fate) {
        for _ in 0..1000 {
            while self.exchange(&mut fate) {}
            let next = self.sides.iter().filter_map(Association::poll_timeout).min();
            let Some(next) = next else { return };
            self.now = self.now.max(next);
            for side in [0, 1] {
                self.sides[side].handle_timeout(self.now);
                self.secured[side].extend(self.sides[side].poll_secured());
            }
        }
        panic!("it never ends");
    }

    fn keys(&self) -> Option<[Keys; 2]> {
        match [&self.secured[0][..], &self.secured[1][..]] {
            [[.., Outcome::Keys(client)], [.., Outcome::Keys(server)]] => {
                Some([client.clone(), server.clone()])
            }
            _ => None,
        }
    }

    fn check_keys(&self) {
        let [client, server] = self.keys().expect("keys");
        assert_eq!(
            (client.inbound, client.outbound),
            (server.outbound, server.inbound)
        );
        assert!(self.sides.iter().all(Association::is_over));
    }

    fn elapsed(&self) -> Duration {
        self.now - self.began
    }
}

#[test]
fn both_have_the_same_keys_after_four_flights_and_no_time() {
    let mut net = Net::new();
    net.run(|| Arrives);
    net.check_keys();
    assert_eq!((net.sent, net.elapsed()), (4, Duration::ZERO));
    assert_eq!(net.keys().unwrap()[0].suite(), Suite::AeadAes256Gcm);
    let mut again = Net::new();
    again.run(|| Arrives);
    assert_ne!(again.keys(), net.keys(), "each handshake has keys of its own");
}

#[test]
fn the_servers_first_suite_that_the_client_offers_is_taken() {
    let [client, server] = identities();
    for (offered, taken, expected) in [
        (
            &[Suite::AesCm128HmacSha1_80][..],
            &Suite::ALL[..],
            Some(Suite::AesCm128HmacSha1_80),
        ),
        (
            &Suite::ALL,
            &[Suite::AeadAes128Gcm, Suite::AeadAes256Gcm],
            Some(Suite::AeadAes128Gcm),
        ),
        (
            &[Suite::AesCm128HmacSha1_32],
            &[Suite::AesCm128HmacSha1_32],
            Some(Suite::AesCm128HmacSha1_32),
        ),
        (&[Suite::AesCm128HmacSha1_80], &[Suite::AeadAes128Gcm], None),
    ] {
        let with = |role, other: &Identity, suites: &[Suite]| Terms {
            suites: Suites::of(suites.iter().copied()),
            ..terms(role, other)
        };
        let (client, server) = (
            with(Role::Client, server, offered),
            with(Role::Server, client, taken),
        );
        let mut net = Net::with([&client, &server]);
        net.run(|| Arrives);
        assert_eq!(net.keys().map(|keys| keys[0].suite()), expected);
        if expected.is_none() {
            let failed = Outcome::Failed(Fault::NothingInCommon);
            assert!(net.secured[1].contains(&failed), "{:?}", net.secured);
        }
    }
}

#[test]
fn a_certificate_that_the_description_does_not_speak_of_gives_no_keys() {
    let [client, server] = identities();
    let wrong = Terms {
        fingerprints: vec![Fingerprint::new(FingerprintHash::Sha256, &[7; 32]).unwrap()],
        ..terms(Role::Server, client)
    };
    let mut net = Net::with([&terms(Role::Client, server), &wrong]);
    net.run(|| Arrives);
    assert!(net.keys().is_none());
    assert_eq!(net.secured[1][0], Outcome::Failed(Fault::Fingerprint));
    let wrong = Terms {
        role: Role::Client,
        ..wrong
    };
    let mut net = Net::with([&wrong, &terms(Role::Server, client)]);
    net.run(|| Arrives);
    assert!(net.keys().is_none());
    assert_eq!(net.secured[0], [Outcome::Failed(Fault::Fingerprint)]);
}

#[test]
fn a_flight_that_is_lost_goes_out_again_and_again_until_the_time_is_up() {
    for lost in 0..4 {
        let mut count = 0;
        let mut net = Net::new();
        net.run(|| {
            count += 1;
            if count == lost + 1 { IsLost } else { Arrives }
        });
        net.check_keys();
        assert_eq!(net.elapsed(), DTLS_RETRANSMIT_MIN, "datagram {lost}");
    }
    let mut net = Net::new();
    net.run(|| IsLost);
    assert_eq!(net.elapsed(), DTLS_TIME_MAX);
    // After 0, 0.4, 1.2, 2.8, 6 and 9.2 s.
    assert_eq!(net.sent, 6);
    let stalled = [Outcome::Failed(Fault::Stalled)];
    assert_eq!(
        [&net.secured[0][..], &net.secured[1][..]],
        [&stalled[..], &stalled[..]]
    );
    assert!(net.sides.iter().all(|side| side.poll_timeout().is_none()));
}

#[test]
fn a_stranger_who_is_first_does_not_keep_the_party_out() {
    let [client, server] = identities();
    let mut net = Net::new();
    let stranger = Arc::new(Identity::new().unwrap());
    let now = net.now;
    let mut thief = Association::new(&terms(Role::Client, server), &stranger, now);
    // Whole, as far as it gets: its certificate is another.
    for _ in 0..3 {
        while let Some(datagram) = thief.poll_transmit() {
            net.hand(1, &datagram);
        }
        while let Some(datagram) = net.sides[1].poll_transmit() {
            thief.handle(&datagram, now);
        }
    }
    assert!(
        net.secured[1].is_empty(),
        "whoever it was need not have been the party"
    );
    // And one that stays in the middle.
    let mut thief = Association::new(&terms(Role::Client, server), &stranger, now);
    net.hand(1, &thief.poll_transmit().unwrap());
    net.sides[1].poll_transmit().unwrap();
    net.run(|| Arrives);
    net.check_keys();
    // With keys nobody begins anew without a new description.
    let mut late = Association::new(&terms(Role::Client, server), client, now);
    net.hand(1, &late.poll_transmit().unwrap());
    assert!(net.sides[1].poll_transmit().is_none() && net.sides[1].is_over());
}

#[test]
fn hellos_without_end_cost_a_bounded_number_of_signatures() {
    let [client, server] = identities();
    let mut net = Net::new();
    let mut answers = 0;
    for _ in 0..50 {
        let mut stranger = Association::new(&terms(Role::Client, server), client, net.now);
        net.hand(1, &stranger.poll_transmit().unwrap());
        while net.sides[1].poll_transmit().is_some() {
            answers += 1;
        }
    }
    assert_eq!(answers, usize::from(DTLS_RESTARTS_MAX) + 1);
    // From where the party is said to be some more are heard: nobody else has used those up.
    let mut answers = 0;
    for _ in 0..50 {
        let mut party = Association::new(&terms(Role::Client, server), client, net.now);
        net.sides[1].handle_from(&party.poll_transmit().unwrap(), true, net.now);
        while net.sides[1].poll_transmit().is_some() {
            answers += 1;
        }
    }
    assert_eq!(answers, usize::from(DTLS_RESTARTS_RESERVED));
}

/// One record in clear with one message, or the first octets of it.
fn plain(kind: u8, sequence: u16, body: &[u8], of: usize) -> Vec<u8> {
    let mut message = assembly::message(kind, sequence, body);
    message[1..4].copy_from_slice(&(of as u32).to_be_bytes()[1..]);
    let mut record = Vec::new();
    record::write_plain(&mut record, record::HANDSHAKE, 77, &message);
    record
}

#[test]
fn what_anybody_can_write_stops_neither_side() {
    let whole = |kind, sequence, body: &[u8]| plain(kind, sequence, body, body.len());
    let cookie = [0xfe, 0xfd, 4, 1, 2, 3, 4];
    let far = |sequence| plain(kind::CERTIFICATE, sequence, &[0], 8192);
    for (to, junk) in [
        // Nine hellos of no octet in one datagram; a hello of another version, and one of nothing that we know.
        (1, whole(kind::CLIENT_HELLO, 0, &[]).repeat(9)),
        (1, whole(kind::CLIENT_HELLO, 0, &[0xfe, 0xff]).repeat(20)),
        // One octet of a message that is another under that number.
        (1, plain(kind::CERTIFICATE, 0, &[0], 100)),
        (1, plain(kind::CLIENT_HELLO, 1, &[0], 100)),
        (1, plain(kind::CERTIFICATE_VERIFY, 4, &[0], 12)),
        (0, plain(kind::CERTIFICATE, 0, &[0], 100)),
        (0, plain(kind::CERTIFICATE, 5, &[0], 12)),
        // All the room there is for what is ahead.
        (1, [far(6), far(7)].concat()),
        (0, [far(6), far(7)].concat()),
        // Messages that do not belong there.
        (1, whole(kind::CERTIFICATE_VERIFY, 1, &[])),
        (1, whole(kind::CERTIFICATE, 1, &[0, 0, 0])),
        (0, whole(kind::SERVER_HELLO, 0, &[0xfe, 0xff])),
        (0, whole(kind::SERVER_HELLO_DONE, 0, &[])),
        (0, whole(kind::CERTIFICATE, 0, &[0; 9])),
        (0, whole(kind::CERTIFICATE, 5, &[0; 12])),
        (0, whole(kind::SERVER_HELLO_DONE, 5, &[])),
        (0, whole(kind::HELLO_VERIFY_REQUEST, 0, &cookie)),
    ] {
        for at in 0..5 {
            let mut net = Net::new();
            for step in 0..5 {
                if step == at {
                    net.hand(to, &junk);
                }
                let said = [0, 1].into_iter().find_map(|from| {
                    let datagram = net.sides[from].poll_transmit()?;
                    Some((1 - from, datagram))
                });
                if let Some((to, datagram)) = said {
                    net.hand(to, &datagram);
                }
            }
            net.run(|| Arrives);
            assert!(net.keys().is_some(), "{to} {at} {junk:02x?}: {:?}", net.secured);
            net.check_keys();
        }
    }
}

#[test]
fn a_client_that_a_stranger_answered_first_still_hears_the_party() {
    let [client, server] = identities();
    let stranger = Arc::new(Identity::new().unwrap());
    let mut net = Net::new();
    let hello = net.sides[0].poll_transmit().unwrap();
    let mut thief = Association::new(&terms(Role::Server, client), &stranger, net.now);
    thief.handle(&hello, net.now);
    let flight: Vec<Vec<u8>> = std::iter::from_fn(|| thief.poll_transmit()).collect();
    for datagram in &flight {
        net.hand(0, datagram);
    }
    net.hand(1, &hello);
    net.run(|| Arrives);
    net.check_keys();
    // Without end it is a bounded number of hellos, and no keys.
    let mut net = Net::between(
        [&terms(Role::Client, server), &terms(Role::Server, client)],
        [client, &stranger],
    );
    net.run(|| Arrives);
    assert!(net.keys().is_none() && net.sent < 60, "{}", net.sent);
}

#[test]
fn the_right_certificate_without_its_key_gives_no_keys() {
    let [client, server] = identities();
    let terms = [terms(Role::Client, server), terms(Role::Server, client)];
    for thief in [0, 1] {
        let shown = [client, server][thief];
        let without = Arc::new(Identity::new().unwrap().showing(shown));
        let mut sides = [client, server];
        sides[thief] = &without;
        let mut net = Net::between([&terms[0], &terms[1]], sides);
        net.run(|| Arrives);
        assert!(net.keys().is_none());
        assert_eq!(net.secured[1 - thief], [Outcome::Failed(Fault::Unproven)]);
        assert!(net.sides[1 - thief].is_failed());
    }
    // Nor does a client that leaves its certificate out.
    let mut net = Net::new();
    let hello = net.sides[0].poll_transmit().unwrap();
    net.hand(1, &hello);
    net.hand(1, &plain(kind::CLIENT_KEY_EXCHANGE, 1, &[1, 4], 2));
    net.run(|| IsLost);
    assert_eq!(net.secured[1], [Outcome::Failed(Fault::NoCertificate)]);
}

#[test]
fn the_same_said_again_without_end_is_answered_a_bounded_number_of_times() {
    let mut net = Net::new();
    let hello = net.sides[0].poll_transmit().unwrap();
    let mut answers = 0;
    for _ in 0..200 {
        net.hand(1, &hello);
        while net.sides[1].poll_transmit().is_some() {
            answers += 1;
        }
    }
    assert!((2..=17).contains(&answers), "{answers}");
    // Nobody fetches: nothing piles up.
    let mut net = Net::new();
    for _ in 0..200 {
        net.hand(1, &hello);
    }
    let waiting = std::iter::from_fn(|| net.sides[1].poll_transmit()).count();
    assert!(waiting <= DTLS_OUTBOX_MAX, "{waiting}");
}

#[test]
fn octets_that_look_like_a_handshake_stop_nothing() {
    // Ten thousand, while both sides talk: records of every kind and epoch, cut anywhere.
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let mut finished = 0;
    for _ in 0..100 {
        let mut net = Net::new();
        for round in 0..100 {
            let len = (next() % 400) as usize;
            let mut octets: Vec<u8> = (0..len).map(|_| next() as u8).collect();
            let header = [20 + (next() % 4) as u8, 0xfe, 0xfd, 0, (next() % 2) as u8];
            for (octet, value) in octets.iter_mut().zip(header) {
                *octet = value;
            }
            if let Some(length) = octets.get_mut(11..13) {
                length.copy_from_slice(&(len.saturating_sub(13) as u16).to_be_bytes());
            }
            if next() % 2 == 0
                && let Some(first) = octets.get_mut(13)
            {
                *first = [1, 2, 3, 11, 12, 13, 14, 15, 16, 20][(next() % 10) as usize];
            }
            net.hand(round % 2, &octets);
            if round % 25 == 24 {
                net.exchange(&mut || Arrives);
            }
        }
        net.run(|| Arrives);
        finished += usize::from(net.keys().is_some());
    }
    assert_eq!(finished, 100);
}

#[test]
fn who_is_told_apart_by_the_first_octet() {
    let of = |first: u8| is_dtls(&[first, 0]);
    assert!(!of(0) && !of(19) && of(20) && of(22) && of(63) && !of(64) && !of(128) && !is_dtls(&[]));
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => Just(Arrives),
        2 => Just(IsLost),
        1 => Just(ComesTwice),
        1 => Just(IsLate),
        1 => Just(IsBroken),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn keys_come_whatever_becomes_of_the_first_datagrams(fates in proptest::collection::vec(fate(), 0..10)) {
        let mut fates = fates.into_iter();
        let mut net = Net::new();
        net.run(|| fates.next().unwrap_or(Arrives));
        // The same on both sides, or on neither: ten that are lost may be all that there was time for.
        match net.keys() {
            Some(_) => net.check_keys(),
            None => prop_assert!(net.elapsed() >= DTLS_TIME_MAX),
        }
    }

    #[test]
    fn any_octets_at_any_point_are_borne(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        fuzz_dtls(&octets, Net::new().now);
    }

    #[test]
    fn a_changed_octet_of_the_handshake_never_gives_differing_keys(place in 0usize..3000, bit in 0u8..8, which in 0usize..4) {
        let mut net = Net::new();
        let mut count = 0;
        for _ in 0..6 {
            for from in [0, 1] {
                while let Some(mut datagram) = net.sides[from].poll_transmit() {
                    if count == which {
                        let len = datagram.len();
                        datagram[place % len] ^= 1 << bit;
                    }
                    count += 1;
                    net.hand(1 - from, &datagram);
                }
            }
        }
        net.run(|| Arrives);
        if net.keys().is_some() {
            net.check_keys();
        }
    }
}
