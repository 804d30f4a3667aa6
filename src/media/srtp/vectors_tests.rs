//! The vectors of the RFCs, of libsrtp, and what must hold of every packet.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use proptest::prelude::*;

use super::*;
use crate::media::rtcp::tests::receiver_report;
use crate::media::rtp;
use crate::sdp::Crypto;
use derive::SessionKeys;

pub(super) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|o| !o.is_ascii_whitespace())
        .map(|o| char::from(o).to_digit(16).unwrap() as u8)
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// A leg whose party has our own key, so that what it closes it opens.
fn mirror(suite: Suite, octets: &[u8]) -> Secured {
    let key = MasterKey::new(suite, octets).unwrap();
    Secured::new(&Keys {
        inbound: key.clone(),
        outbound: key,
    })
}

fn some_leg(suite: Suite) -> Secured {
    let octets: Vec<u8> = (0..suite.key_octets() + suite.salt_octets())
        .map(|n| n as u8 ^ 0x5a)
        .collect();
    mirror(suite, &octets)
}

fn closed(leg: &mut Secured, plain: &[u8]) -> Vec<u8> {
    let mut buffer = [0; 2048];
    buffer[..plain.len()].copy_from_slice(plain);
    let len = leg.protect_rtp(&mut buffer, plain.len()).unwrap();
    buffer[..len].to_vec()
}

fn opened(leg: &mut Secured, packet: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut buffer = packet.to_vec();
    let len = leg.unprotect_rtp(&mut buffer, packet.len())?;
    Ok(buffer[..len].to_vec())
}

fn packet(sequence: u16, ssrc: u32) -> Vec<u8> {
    let mut octets = rtp::header(0, sequence, u32::from(sequence) * 160, ssrc, false).to_vec();
    octets.extend((0..160).map(|n| (n as u8).wrapping_mul(sequence as u8)));
    octets
}

/// RFC 3711 B.2: a payload of zeros is the key stream.
#[test]
fn the_key_stream_is_that_of_rfc_3711_b2() {
    let key = derive::counter_mode(&hex("2B7E151628AED2A6ABF7158809CF4F3C"));
    let mut block = [0; 16];
    block[..14].copy_from_slice(&hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD"));
    let mut stream = vec![0; 0xff02 * 16];
    derive::counter_mode_over(&key, block, &mut stream);
    let first =
        "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0";
    assert_eq!(stream[..48], hex(first));
    let last =
        "EC8CDF7398607CB0F2D21675EA9EA1E4 362B7C3C6773516318A077D7FC5073AE 6A2CC3787889374FBEB4C81B17BA6C44";
    assert_eq!(stream[0xfeff * 16..], hex(last));
}

/// The packets of RFC 7714 §16 and §17: session keys are given, so nothing is derived.
fn gcm(octets_of_key: u8, kind: Kind) -> Cipher {
    let suite = if octets_of_key == 32 {
        Suite::AeadAes256Gcm
    } else {
        Suite::AeadAes128Gcm
    };
    let mut master: Vec<u8> = (0..octets_of_key).collect();
    master.extend_from_slice(b"Quid pro quo");
    let master = MasterKey::new(suite, &master).unwrap();
    Cipher::of_session(suite, kind, &SessionKeys::given(&master))
}

const GALLIA: &str =
    "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070
    61727465 73207472 6573";

#[test]
fn rtp_is_that_of_rfc_7714_16() {
    let with_128 =
        "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b
        36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce";
    let with_256 =
        "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f
        1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13";
    for (octets_of_key, expected) in [(16, hex(with_128)), (32, hex(with_256))] {
        let cipher = gcm(octets_of_key, Kind::Rtp);
        let plain = hex(GALLIA);
        let mut buffer = plain.clone();
        buffer.resize(plain.len() + 16, 0);
        let len = cipher
            .seal_rtp(&mut buffer, plain.len(), 12, 0x5501_a0b2, 0xf17b)
            .unwrap();
        assert_eq!((len, &buffer), (expected.len(), &expected));
        let len = cipher.open_rtp(&mut buffer, 12, 0x5501_a0b2, 0xf17b).unwrap();
        assert_eq!(buffer[..len], plain);
    }
}

#[test]
fn rtcp_is_that_of_rfc_7714_17() {
    let plain = hex(
        "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef
        deadbeef deadbeef",
    );
    let with_128 =
        "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda 4ce09b46
        86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4";
    let with_256 =
        "81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50 a2eaa5c1 110555be 8415f658
        c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c b26ac3be 800005d4";
    for (octets_of_key, expected) in [(16, hex(with_128)), (32, hex(with_256))] {
        let cipher = gcm(octets_of_key, Kind::Rtcp);
        let mut buffer = plain.clone();
        buffer.resize(plain.len() + 20, 0);
        let len = cipher
            .seal_rtcp(&mut buffer, plain.len(), 0x4d61_7273, 0x8000_05d4)
            .unwrap();
        assert_eq!((len, &buffer), (expected.len(), &expected));
        let trailer = cipher.index_of(&buffer).unwrap();
        assert_eq!(trailer, 0x8000_05d4);
        let len = cipher.open_rtcp(&mut buffer, 0x4d61_7273, trailer).unwrap();
        assert_eq!(buffer[..len], plain);
    }
}

/// libsrtp's packets (test/srtp_driver.c), from the master key on.
#[test]
fn whole_packets_are_those_of_libsrtp() {
    let plain = hex("800f1234decafbadcafebabe abababababababababababababababab");
    let gcm_salt = "a0a1a2a3a4a5a6a7a8a9aaab";
    for (suite, master, expected) in [
        (
            Suite::AesCm128HmacSha1_80,
            "e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6".to_string(),
            "4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb",
        ),
        (
            Suite::AeadAes128Gcm,
            format!("000102030405060708090a0b0c0d0e0f{gcm_salt}"),
            "c5002ede04cfdd2eb91159e0880aa06e d2976826f796b201df3131a127e8a392",
        ),
        (
            Suite::AeadAes256Gcm,
            format!("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f{gcm_salt}"),
            "0af7f21e8a90bdad7a425c9c31ed4bb1 d90238917e7390a2793500e1681acaea",
        ),
    ] {
        let mut leg = mirror(suite, &hex(&master));
        let packet = closed(&mut leg, &plain);
        assert_eq!(
            packet,
            hex(&format!("800f1234decafbadcafebabe{expected}")),
            "{suite:?}"
        );
        assert_eq!(opened(&mut leg, &packet).unwrap(), plain);
    }
}

#[test]
fn a_short_tag_is_for_rtp_alone() {
    let mut leg = some_leg(Suite::AesCm128HmacSha1_32);
    assert_eq!(closed(&mut leg, &packet(1, 7)).len(), 172 + 4);
    let mut buffer = receiver_report(7, 9, 0);
    let len = buffer.len();
    buffer.resize(len + 20, 0);
    assert_eq!(leg.protect_rtcp(&mut buffer, len), Ok(len + 4 + 10));
}

#[test]
fn what_was_heard_is_not_heard_again() {
    for suite in Suite::ALL {
        let mut leg = some_leg(suite);
        let packets: Vec<_> = (0..300).map(|n| closed(&mut leg, &packet(n, 7))).collect();
        assert!(opened(&mut leg, &packets[200]).is_ok());
        assert_eq!(opened(&mut leg, &packets[200]), Err(Refused::Replayed));
        assert!(opened(&mut leg, &packets[73]).is_ok(), "127 behind");
        assert_eq!(
            opened(&mut leg, &packets[72]),
            Err(Refused::Replayed),
            "128 behind"
        );
    }
}

#[test]
fn a_number_is_sent_once() {
    for suite in Suite::ALL {
        let mut leg = some_leg(suite);
        closed(&mut leg, &packet(5, 7));
        let mut buffer = packet(5, 7);
        buffer.resize(200, 0);
        assert_eq!(leg.protect_rtp(&mut buffer, 172), Err(Refused::Replayed));
        assert_eq!(buffer[..172], packet(5, 7), "and it stays as it was");
    }
}

#[test]
fn the_turn_is_counted_over_the_wrap_of_the_sequence() {
    for suite in Suite::ALL {
        let mut leg = some_leg(suite);
        let order = [65_530u16, 65_534, 1, 65_535, 65_533, 0, 3, 2];
        let mut sent = order;
        sent.sort_by_key(|sequence| sequence.wrapping_sub(60_000));
        let packets: std::collections::HashMap<u16, Vec<u8>> = sent
            .iter()
            .map(|n| (*n, closed(&mut leg, &packet(*n, 7))))
            .collect();
        // 65 531 and 65 532 are lost; the others arrive in this order.
        for sequence in order {
            assert_eq!(
                opened(&mut leg, &packets[&sequence]),
                Ok(packet(sequence, 7)),
                "{suite:?} {sequence}"
            );
        }
        for sequence in order {
            assert_eq!(opened(&mut leg, &packets[&sequence]), Err(Refused::Replayed));
        }
    }
}

#[test]
fn a_stranger_fills_nothing() {
    let mut leg = some_leg(Suite::AeadAes128Gcm);
    for ssrc in 0..10_000 {
        let mut forged = packet(1, ssrc);
        forged.extend_from_slice(&[0; 16]);
        assert_eq!(opened(&mut leg, &forged), Err(Refused::Unauthenticated));
    }
    let packet = closed(&mut leg, &packet(1, 77));
    assert!(opened(&mut leg, &packet).is_ok());
}

#[test]
fn rtcp_that_is_not_encrypted_is_refused() {
    for suite in Suite::ALL {
        let mut leg = some_leg(suite);
        let plain = receiver_report(7, 9, 0);
        let mut buffer = plain.clone();
        buffer.resize(plain.len() + 20, 0);
        // Flag and index are zero.
        let tag = if suite.salt_octets() == 12 { 16 } else { 10 };
        let len = plain.len() + 4 + tag;
        assert_eq!(
            leg.unprotect_rtcp(&mut buffer, len),
            Err(Refused::Unauthenticated),
            "{suite:?}"
        );
    }
}

#[test]
fn rtcp_is_heard_once_and_in_any_order() {
    for suite in Suite::ALL {
        let mut leg = some_leg(suite);
        let plain = receiver_report(7, 9, 0);
        let packets: Vec<Vec<u8>> = (0..3)
            .map(|_| {
                let mut buffer = plain.clone();
                buffer.resize(plain.len() + 20, 0);
                let len = leg.protect_rtcp(&mut buffer, plain.len()).unwrap();
                buffer[..len].to_vec()
            })
            .collect();
        for n in [2, 0, 1] {
            let mut buffer = packets[n].clone();
            let len = leg.unprotect_rtcp(&mut buffer, packets[n].len()).unwrap();
            assert_eq!(buffer[..len], plain);
            let mut again = packets[n].clone();
            assert_eq!(
                leg.unprotect_rtcp(&mut again, packets[n].len()),
                Err(Refused::Replayed)
            );
        }
    }
}

#[test]
fn a_new_key_does_not_cut_off_what_is_on_its_way() {
    for suite in Suite::ALL {
        let octets = suite.key_octets() + suite.salt_octets();
        let key = |fill: u8| MasterKey::new(suite, &vec![fill; octets]).unwrap();
        let keys = |inbound: u8| Keys {
            inbound: key(inbound),
            outbound: key(9),
        };
        let party = |fill: u8| mirror(suite, &vec![fill; octets]);
        let (mut old, mut new) = (party(1), party(2));
        let mut leg = Secured::new(&keys(1));
        let early = [
            closed(&mut old, &packet(65_535, 7)),
            closed(&mut old, &packet(0, 7)),
        ];
        let late = closed(&mut old, &packet(1, 7));
        for packet in &early {
            assert!(opened(&mut leg, packet).is_ok());
        }
        leg.rekey(&keys(2));
        assert!(
            opened(&mut leg, &late).is_ok(),
            "{suite:?}: sent before the change"
        );
        assert!(opened(&mut leg, &early[1]).is_err(), "and still no replay");
        assert!(opened(&mut leg, &closed(&mut new, &packet(2, 7))).is_ok());
        let too_late = closed(&mut old, &packet(3, 7));
        assert_eq!(
            opened(&mut leg, &too_late),
            Err(Refused::Unauthenticated),
            "{suite:?}"
        );
        // The same description again: the counters stay.
        let sent = closed(&mut new, &packet(4, 7));
        assert!(opened(&mut leg, &sent).is_ok());
        leg.rekey(&keys(2));
        assert_eq!(opened(&mut leg, &sent), Err(Refused::Replayed));
    }
}

#[test]
fn a_party_may_count_on_with_a_new_key() {
    let suite = Suite::AeadAes256Gcm;
    let key = |fill: u8| MasterKey::new(suite, &[fill; 44]).unwrap();
    let keys = |inbound: u8| Keys {
        inbound: key(inbound),
        outbound: key(9),
    };
    let (mut old, mut new) = (mirror(suite, &[1; 44]), mirror(suite, &[2; 44]));
    let mut leg = Secured::new(&keys(1));
    for sequence in [65_535, 0, 1] {
        assert!(opened(&mut leg, &closed(&mut old, &packet(sequence, 7))).is_ok());
    }
    leg.rekey(&keys(2));
    new.outbound.streams.insert(7, 65_536 + 1);
    for sequence in [2, 3] {
        assert!(opened(&mut leg, &closed(&mut new, &packet(sequence, 7))).is_ok());
    }
}

#[test]
fn a_key_that_is_named_in_each_packet_opens_those_that_name_it() {
    for suite in Suite::ALL {
        let octets: Vec<u8> = (0..suite.key_octets() + suite.salt_octets())
            .map(|n| n as u8)
            .collect();
        let plain = MasterKey::new(suite, &octets).unwrap();
        let text = BASE64.encode(&octets);
        let line = format!("1 {} inline:{text}|2^31|258:4", suite.as_str());
        let named = Crypto::parse(line.as_bytes()).unwrap().key;
        let keys = |inbound: &MasterKey| Keys {
            inbound: inbound.clone(),
            outbound: plain.clone(),
        };
        let (mut leg, mut party) = (Secured::new(&keys(&named)), Secured::new(&keys(&plain)));
        let is_gcm = matches!(suite, Suite::AeadAes256Gcm | Suite::AeadAes128Gcm);
        for (kind, said, tag) in [
            (
                Kind::Rtp,
                packet(5, 7),
                if suite == Suite::AesCm128HmacSha1_32 {
                    4
                } else {
                    10
                },
            ),
            (Kind::Rtcp, receiver_report(7, 9, 0), 10),
        ] {
            let mut buffer = said.clone();
            buffer.resize(said.len() + OVERHEAD_OCTETS_MAX, 0);
            let len = match kind {
                Kind::Rtp => party.protect_rtp(&mut buffer, said.len()),
                Kind::Rtcp => party.protect_rtcp(&mut buffer, said.len()),
            };
            buffer.truncate(len.unwrap());
            let at = buffer.len() - if is_gcm { 0 } else { tag };
            let mut open = |name: &[u8]| {
                let mut octets = buffer.clone();
                octets.splice(at..at, name.iter().copied());
                let len = octets.len();
                let len = match kind {
                    Kind::Rtp => leg.unprotect_rtp(&mut octets, len),
                    Kind::Rtcp => leg.unprotect_rtcp(&mut octets, len),
                }?;
                Ok(octets[..len].to_vec())
            };
            assert_eq!(open(&[]), Err(Refused::Unauthenticated), "{suite:?} {kind:?}");
            assert_eq!(
                open(&[0, 0, 1, 3]),
                Err(Refused::Unauthenticated),
                "{suite:?} {kind:?}"
            );
            assert_eq!(open(&[0, 0, 1, 2]), Ok(said), "{suite:?} {kind:?}");
            assert_eq!(open(&[0, 0, 1, 2]), Err(Refused::Replayed), "{suite:?} {kind:?}");
        }
        // With the right name where it fits, what is too short is found out behind it.
        for len in 0..40 {
            for (kind, behind) in [
                (Kind::Rtp, leg.inbound.rtp.behind()),
                (Kind::Rtcp, leg.inbound.rtcp.behind()),
            ] {
                let mut open = |mut short: [u8; 40]| match kind {
                    Kind::Rtp => leg.unprotect_rtp(&mut short, len),
                    Kind::Rtcp => leg.unprotect_rtcp(&mut short, len),
                };
                let mut short = [0x80; 40];
                assert!(open(short).is_err());
                let Some(at) = len.checked_sub(behind + 4) else {
                    continue;
                };
                short[at..at + 4].copy_from_slice(&[0, 0, 1, 2]);
                let least = match kind {
                    Kind::Rtp => rtp::HEADER_OCTETS,
                    Kind::Rtcp => RTCP_CLEAR_OCTETS + 10 + INDEX_OCTETS,
                };
                let refused = open(short).expect_err("nobody closed it");
                assert!(
                    refused == Refused::Malformed || len - 4 >= least,
                    "{suite:?} {kind:?} {len}: {refused:?}"
                );
            }
        }
    }
}

#[test]
fn strange_octets_are_refused() {
    let mut state = 1u64;
    for _ in 0..2000 {
        let octets: Vec<u8> = (0..64)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        let mut octets = octets[..(state >> 58) as usize].to_vec();
        if let Some(first) = octets.first_mut() {
            *first = 0x80 | (*first & 0x3f);
        }
        fuzz_srtp(&octets);
    }
}

proptest! {
    #[test]
    fn closing_and_opening_is_the_identity(
        suite in 0usize..4,
        sources in 0u8..3,
        has_extension: bool,
        sequence: u16,
        ssrc: u32,
        payload in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let mut leg = some_leg(Suite::ALL[suite]);
        let mut plain = rtp::header(8, sequence, 1, ssrc, true).to_vec();
        plain[0] |= sources | if has_extension { 0x10 } else { 0 };
        plain.extend(std::iter::repeat_n(9, usize::from(sources) * 4));
        if has_extension {
            plain.extend_from_slice(&[0xbe, 0xde, 0, 1, 1, 2, 3, 4]);
        }
        let clear = plain.len();
        plain.extend_from_slice(&payload);
        let packet = closed(&mut leg, &plain);
        prop_assert_eq!(&packet[..clear], &plain[..clear]);
        prop_assert_eq!(opened(&mut leg, &packet), Ok(plain));
    }

    #[test]
    fn no_bit_can_be_changed(suite in 0usize..4, bit in 0usize..(172 + 4) * 8) {
        let mut leg = some_leg(Suite::ALL[suite]);
        let mut packet = closed(&mut leg, &packet(1000, 7));
        packet[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(opened(&mut leg, &packet).is_err());
    }

    #[test]
    fn no_bit_of_rtcp_can_be_changed(suite in 0usize..4, bit in 0usize..(40 + 14) * 8) {
        let mut leg = some_leg(Suite::ALL[suite]);
        let plain = receiver_report(7, 9, 0);
        let mut buffer = plain.clone();
        buffer.resize(plain.len() + 20, 0);
        let len = leg.protect_rtcp(&mut buffer, plain.len()).unwrap();
        prop_assert_eq!(plain.len(), 40);
        buffer[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(leg.unprotect_rtcp(&mut buffer, len).is_err());
    }
}
