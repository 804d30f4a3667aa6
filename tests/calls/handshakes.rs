//! Keys that come by handshake (DTLS-SRTP): what each leg is told, what the media is told, and what the record says.

use ringward::call::record::{CallRecord, LegKeys};
use ringward::call::{Encryption, Fingerprint, Input, Keying, Suite};
use ringward::media::Side;
use ringward::media::dtls::{Fault, Identity, Role, Terms};
use ringward::policy::Policy;

use crate::hand::{CALLER, Hand, PHONE};
use crate::wire::{self, Message};
use crate::world::{World, one_desk};

use Encryption::{Off, Preferred, Required};

const TLS: &str = "UDP/TLS/RTP/SAVP";

fn ours() -> Fingerprint {
    static OURS: std::sync::OnceLock<Fingerprint> = std::sync::OnceLock::new();
    OURS.get_or_init(|| Identity::new().unwrap().fingerprint().clone())
        .clone()
}

fn world(trunk: (Encryption, Keying), queue: (Encryption, Keying)) -> World {
    World::with_config(one_desk(), 51, Policy::embedded(), |config| {
        config.dtls = Some(ours());
        (config.trunks[0].srtp, config.trunks[0].srtp_keys) = trunk;
        config.queue_srtp.insert("desk".into(), queue.0);
        config.queue_srtp_keys.insert("desk".into(), queue.1);
    })
}

/// A telephone's description over this profile, with a fingerprint of this octet; 0: without.
fn described(address: &str, profile: &str, setup: &str, octet: u8) -> String {
    let text = wire::sdp(address.parse().unwrap(), 1, "sendrecv").replace("RTP/AVP", profile);
    if octet == 0 {
        return text;
    }
    let hex = vec![format!("{octet:02X}"); 32].join(":");
    format!("{text}a=setup:{setup}\r\na=fingerprint:SHA-256 {hex}\r\n")
}

/// Profile, who begins, and whether it is our certificate.
fn said(message: &Message) -> (String, Option<String>, bool) {
    let value = |name: &str| {
        let mut lines = message.body.lines();
        let found = lines.find_map(|line| line.strip_prefix(name));
        found.map(str::to_string)
    };
    let profile = value("m=audio ").and_then(|line| line.split(' ').nth(1).map(str::to_string));
    let ours = format!("{:?}", ours()).replace("...", "");
    let (name, beginning) = ours.split_once(' ').unwrap();
    let fingerprint = value("a=fingerprint:").map(|text| text.replace(':', ""));
    let is_ours = fingerprint.is_some_and(|text| text.starts_with(&format!("{name} {beginning}")));
    (profile.unwrap(), value("a=setup:"), is_ours)
}

fn handshake(world: &World, side: Side) -> Option<Terms> {
    let media = world.media.values().next().expect("media");
    let mut told = media.handshakes.iter().rev();
    let (_, terms) = told.find(|(of, _)| *of == side).expect("a description");
    terms.clone()
}

fn record(world: &World) -> &CallRecord {
    world.records.values().next().unwrap().last().unwrap()
}

/// A call from this offer, answered by the phone with these words: also the INVITE and the answer as they were heard.
fn call(mut world: World, offer: &str, answer: &str) -> (World, Hand, Hand, [Message; 2]) {
    let mut caller = Hand::calls(&mut world, &[], Some(offer));
    let phone = Hand::is_rung(&mut world);
    let offered = phone.invite.clone();
    world.answer(&phone, &offered, 200, &[], Some(answer));
    let answered = world.one(&caller, "200 INVITE");
    caller.learn(&answered);
    world.ask(&mut caller, "ACK", &[], None);
    assert_eq!(world.words(&phone), ["ACK"]);
    (world, caller, phone, [offered, answered])
}

#[test]
fn a_plain_caller_reaches_a_phone_that_shakes_hands() {
    for (wanted, profile) in [(Preferred, "RTP/AVP"), (Required, TLS)] {
        for (setup, role) in [("active", Role::Server), ("passive", Role::Client)] {
            let world = world((Off, Keying::Sdes), (wanted, Keying::Dtls));
            let answer = described(PHONE, profile, setup, 7);
            let (mut world, _, _, [offered, answered]) =
                call(world, &described(CALLER, "RTP/AVP", "", 0), &answer);
            assert_eq!(said(&offered), (profile.into(), Some("actpass".into()), true));
            assert!(!offered.body.contains("a=crypto") && offered.body.contains("a=rtcp-mux"));
            assert_eq!(said(&answered), ("RTP/AVP".into(), None, false));
            let terms = handshake(&world, Side::B).expect("a handshake");
            assert_eq!((terms.role, terms.fingerprints.len()), (role, 1));
            assert_eq!(handshake(&world, Side::A), None);
            let srtp = record(&world).srtp;
            assert_eq!(
                (srtp.called, srtp.called_keys),
                (None, Some(LegKeys::DtlsPending))
            );
            assert_eq!((srtp.caller, srtp.caller_keys), (None, None));
            let call = *world.media.keys().next().unwrap();
            for (secured, suite, keys) in [
                (Err(Fault::Fingerprint), None, LegKeys::DtlsMismatch),
                (Err(Fault::Stalled), None, LegKeys::DtlsFailed),
                (
                    Ok(Suite::AeadAes128Gcm),
                    Some(Suite::AeadAes128Gcm),
                    LegKeys::Dtls,
                ),
            ] {
                let side = Side::B;
                world.tell(Input::MediaSecured { call, side, secured });
                let srtp = record(&world).srtp;
                assert_eq!((srtp.called, srtp.called_keys), (suite, Some(keys)));
            }
            assert!(!offered.body.contains("a=setup:active"));
        }
    }
}

#[test]
fn a_caller_who_shakes_hands_reaches_a_phone_with_keys_in_its_description() {
    for profile in [TLS, "UDP/TLS/RTP/SAVPF"] {
        let world = world((Preferred, Keying::Sdes), (Off, Keying::Sdes));
        let offer = described(CALLER, profile, "actpass", 9);
        let (world, _, _, [offered, answered]) = call(world, &offer, &described(PHONE, "RTP/AVP", "", 0));
        assert_eq!(said(&offered), ("RTP/AVP".into(), None, false));
        assert_eq!(said(&answered), (profile.into(), Some("passive".into()), true));
        assert_eq!(handshake(&world, Side::A).unwrap().role, Role::Server);
        assert_eq!(record(&world).srtp.caller_keys, Some(LegKeys::DtlsPending));
    }
    // Where it is off nobody is rung.
    let mut world = world((Off, Keying::Dtls), (Off, Keying::Dtls));
    let caller = Hand::calls(&mut world, &[], Some(&described(CALLER, TLS, "actpass", 9)));
    world.run_for(1.0);
    world.one(&caller, "488 INVITE");
    assert!(world.collected(PHONE.parse().unwrap()).is_empty());
}

#[test]
fn a_phone_that_answers_an_offered_handshake_plainly_is_plain_or_refused() {
    let answer = described(PHONE, "RTP/AVP", "", 0);
    let offer = described(CALLER, "RTP/AVP", "", 0);
    let preferred = world((Off, Keying::Sdes), (Preferred, Keying::Dtls));
    let (world_of, _, _, _) = call(preferred, &offer, &answer);
    assert_eq!(handshake(&world_of, Side::B), None);
    let mut world = world((Off, Keying::Sdes), (Required, Keying::Dtls));
    let caller = Hand::calls(&mut world, &[], Some(&offer));
    let phone = Hand::is_rung(&mut world);
    let invite = phone.invite.clone();
    world.answer(&phone, &invite, 200, &[], Some(&answer));
    assert_eq!(world.words(&phone), ["ACK", "BYE"]);
    world.run_for(30.0);
    assert!(world.words(&caller).iter().all(|word| !word.starts_with("200")));
}

#[test]
fn a_re_invite_keeps_the_handshake_and_another_certificate_brings_another() {
    let both = (Required, Keying::Dtls);
    let answer = described(PHONE, TLS, "passive", 7);
    let (mut world, mut caller, mut phone, _) =
        call(world(both, both), &described(CALLER, TLS, "actpass", 9), &answer);
    let id = *world.media.keys().next().unwrap();
    for side in [Side::A, Side::B] {
        let secured = Ok(Suite::AeadAes256Gcm);
        world.tell(Input::MediaSecured {
            call: id,
            side,
            secured,
        });
    }
    let before = [Side::A, Side::B].map(|side| handshake(&world, side));
    let kept = record(&world).srtp;
    assert_eq!(
        (kept.caller_keys, kept.called_keys),
        (Some(LegKeys::Dtls), Some(LegKeys::Dtls))
    );
    // The caller says the same again, and another direction.
    let again = described(CALLER, TLS, "actpass", 9)
        .replace("o=- 7 1", "o=- 7 2")
        .replace("a=sendrecv", "a=sendonly");
    world.ask(&mut caller, "INVITE", &[], Some(&again));
    let asked = world.one(&phone, "INVITE");
    assert_eq!(said(&asked), (TLS.into(), Some("actpass".into()), true));
    world.answer(
        &phone,
        &asked,
        200,
        &[],
        Some(&answer.replace("a=sendrecv", "a=recvonly")),
    );
    let heard = world.one(&caller, "200 INVITE");
    assert_eq!(said(&heard), (TLS.into(), Some("passive".into()), true));
    world.ask(&mut caller, "ACK", &[], None);
    world.words(&phone);
    assert_eq!([Side::A, Side::B].map(|side| handshake(&world, side)), before);
    assert_eq!(record(&world).srtp, kept);
    // The phone has another certificate now, and leaves open who begins.
    let other = described(PHONE, TLS, "actpass", 8).replace("o=- 7 1", "o=- 7 2");
    world.ask(&mut phone, "INVITE", &[], Some(&other));
    let asked = world.one(&caller, "INVITE");
    let answer = described(CALLER, TLS, "active", 9).replace("o=- 7 1", "o=- 7 3");
    world.answer(&caller, &asked, 200, &[], Some(&answer));
    world.run_for(0.5);
    let after = [Side::A, Side::B].map(|side| handshake(&world, side));
    assert_eq!(after[0], before[0]);
    assert_ne!(after[1], before[1]);
    assert_eq!(after[1].as_ref().unwrap().role, Role::Server);
    let (call, side, secured) = (id, Side::B, Err(Fault::Fingerprint));
    world.tell(Input::MediaSecured { call, side, secured });
    let srtp = record(&world).srtp;
    assert_eq!(
        (srtp.caller_keys, srtp.called_keys),
        (Some(LegKeys::Dtls), Some(LegKeys::DtlsMismatch))
    );
    assert_eq!(srtp.called, None);
}

#[test]
fn a_caller_without_an_offer_is_offered_a_handshake_in_the_answer() {
    let both = (Required, Keying::Dtls);
    let mut world = world(both, both);
    let mut caller = Hand::calls(&mut world, &[], None);
    let phone = Hand::is_rung(&mut world);
    let invite = phone.invite.clone();
    world.answer(
        &phone,
        &invite,
        200,
        &[],
        Some(&described(PHONE, TLS, "actpass", 7)),
    );
    // The phone may begin at once.
    assert_eq!(handshake(&world, Side::B).unwrap().role, Role::Server);
    let answered = world.one(&caller, "200 INVITE");
    assert_eq!(said(&answered), (TLS.into(), Some("actpass".into()), true));
    caller.learn(&answered);
    let answer = described(CALLER, TLS, "active", 9);
    world.ask(&mut caller, "ACK", &[], Some(&answer));
    assert_eq!(handshake(&world, Side::A).unwrap().role, Role::Server);
    let ack = world.one(&phone, "ACK");
    assert_eq!(said(&ack), (TLS.into(), Some("passive".into()), true));
}

#[test]
fn a_phone_that_refuses_a_handshake_beside_plain_audio_is_asked_once_more_without_that() {
    for refuses_again in [false, true] {
        let mut world = world((Off, Keying::Sdes), (Preferred, Keying::Dtls));
        Hand::calls(&mut world, &[], Some(&described(CALLER, "RTP/AVP", "", 0)));
        let phone = Hand::is_rung(&mut world);
        let invite = phone.invite.clone();
        assert_eq!(said(&invite), ("RTP/AVP".into(), Some("actpass".into()), true));
        world.answer(&phone, &invite, 488, &[], None);
        let again = world.one(&phone, "INVITE");
        assert_eq!(said(&again), (TLS.into(), Some("actpass".into()), true));
        if refuses_again {
            world.answer(&phone, &again, 488, &[], None);
            // Then it was the codecs.
            let wide = world.one(&phone, "INVITE");
            assert_eq!(said(&wide), ("RTP/AVP".into(), Some("actpass".into()), true));
            assert!(wide.body.contains("G722/8000") && !again.body.contains("G722/8000"));
            world.answer(&phone, &wide, 488, &[], None);
            assert_eq!(world.words(&phone), ["ACK"]);
        } else {
            world.answer(
                &phone,
                &again,
                200,
                &[],
                Some(&described(PHONE, TLS, "active", 7)),
            );
            assert_eq!(handshake(&world, Side::B).unwrap().role, Role::Server);
        }
    }
}

#[test]
fn a_handshake_that_ends_with_the_call_is_no_second_last_word() {
    let world = world((Off, Keying::Sdes), (Required, Keying::Dtls));
    let answer = described(PHONE, TLS, "active", 7);
    let (mut world, mut caller, phone, _) = call(world, &described(CALLER, "RTP/AVP", "", 0), &answer);
    let call = *world.media.keys().next().unwrap();
    world.ask(&mut caller, "BYE", &[], None);
    // Which it does not answer yet.
    assert_eq!(world.words(&phone), ["BYE"]);
    let last_words = |world: &World| {
        let versions = world.records.values().next().unwrap().iter();
        versions
            .filter(|record| record.timings.ended_ms.is_some())
            .count()
    };
    assert_eq!(last_words(&world), 1);
    let (side, secured) = (Side::B, Ok(Suite::AeadAes128Gcm));
    world.tell(Input::MediaSecured { call, side, secured });
    world.run_for(40.0);
    assert_eq!(last_words(&world), 1);
}

#[test]
fn another_role_with_the_same_certificate_leaves_the_keys_that_there_are() {
    let world = world((Off, Keying::Sdes), (Required, Keying::Dtls));
    let answer = described(PHONE, TLS, "active", 7);
    let (mut world, caller, mut phone, _) = call(world, &described(CALLER, "RTP/AVP", "", 0), &answer);
    let call = *world.media.keys().next().unwrap();
    let (side, secured) = (Side::B, Ok(Suite::AeadAes128Gcm));
    world.tell(Input::MediaSecured { call, side, secured });
    let kept = record(&world).srtp;
    assert_eq!(kept.called_keys, Some(LegKeys::Dtls));
    let offer = described(PHONE, TLS, "passive", 7).replace("o=- 7 1", "o=- 7 2");
    world.reinvite(&mut phone, &caller, &offer, &caller.sdp(2));
    assert_eq!(handshake(&world, Side::B).unwrap().role, Role::Client);
    assert_eq!(record(&world).srtp, kept);
    // With another certificate they are gone.
    let offer = described(PHONE, TLS, "passive", 8).replace("o=- 7 1", "o=- 7 3");
    world.reinvite(&mut phone, &caller, &offer, &caller.sdp(3));
    assert_eq!(record(&world).srtp.called_keys, Some(LegKeys::DtlsPending));
}
