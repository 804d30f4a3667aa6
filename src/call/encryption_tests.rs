//! What is offered and answered on one leg, for each setting and each answer.

use super::*;

const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

fn security(wanted: Encryption) -> Security {
    Security::new(wanted, Suites::default(), || [7; 32])
}

fn said(profile: &str, lines: &[&str]) -> Session {
    let mut text =
        format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 {profile} 0\r\n");
    for line in lines {
        text.push_str(&format!("a=crypto:{line} inline:{KEY}\r\n"));
    }
    Session::parse(text.as_bytes()).unwrap()
}

fn plain() -> Session {
    said("RTP/AVP", &[])
}

const TWO: &[&str] = &["5 AES_CM_128_HMAC_SHA1_32", "9 AES_CM_128_HMAC_SHA1_80"];

#[test]
fn an_offer_is_taken_or_refused_as_the_policy_says() {
    for (wanted, offer, is_taken) in [
        (Encryption::Off, plain(), true),
        (Encryption::Off, said("RTP/AVP", TWO), true),
        (Encryption::Off, said("RTP/SAVP", TWO), false),
        (Encryption::Preferred, plain(), true),
        (Encryption::Preferred, said("RTP/AVP", TWO), true),
        (Encryption::Preferred, said("RTP/SAVP", TWO), true),
        (Encryption::Required, plain(), false),
        (Encryption::Required, said("RTP/AVP", TWO), true),
        (Encryption::Required, said("RTP/SAVP", TWO), true),
    ] {
        assert_eq!(security(wanted).heed(offer).is_ok(), is_taken, "{wanted:?}");
    }
}

#[test]
fn an_answer_has_the_offers_words_and_our_key() {
    let mut leg = security(Encryption::Preferred);
    for (profile, is_savp) in [("RTP/SAVP", true), ("RTP/AVP", false)] {
        let protection = leg.answer(&said(profile, TWO)).unwrap();
        assert_eq!(protection.profile.is_encrypted(), is_savp);
        let [line] = protection.crypto.as_slice() else {
            panic!()
        };
        assert_eq!((line.tag, line.key.suite()), (5, Suite::AesCm128HmacSha1_32));
        let keys = leg.keys().unwrap();
        assert_eq!(keys.outbound, line.key);
        assert_eq!(keys.inbound.key(), b"YS___semctl () {");
    }
    assert_eq!(leg.answer(&plain()).unwrap(), Protection::default());
    assert!(leg.keys().is_none());
    assert!(
        security(Encryption::Off)
            .answer(&said("RTP/AVP", TWO))
            .unwrap()
            .crypto
            .is_empty()
    );
    assert!(security(Encryption::Required).answer(&plain()).is_err());
}

#[test]
fn an_offer_of_ours_says_what_the_policy_wants() {
    assert_eq!(security(Encryption::Off).offer(), Protection::default());
    for (wanted, is_savp) in [(Encryption::Preferred, false), (Encryption::Required, true)] {
        let offer = security(wanted).offer();
        assert_eq!(offer.profile.is_encrypted(), is_savp);
        let suites: Vec<Suite> = offer.crypto.iter().map(|crypto| crypto.key.suite()).collect();
        assert_eq!(suites, Suite::ALL);
        let other = Security::new(wanted, Suites::default(), || [8; 32]).offer();
        assert!(
            offer
                .crypto
                .iter()
                .zip(other.crypto)
                .all(|(ours, other)| ours.key != other.key)
        );
    }
}

#[test]
fn the_answer_chooses_one_of_our_lines_or_none() {
    let choice = "3 AES_CM_128_HMAC_SHA1_80";
    for (wanted, answer, is_agreed) in [
        (Encryption::Off, plain(), Some(false)),
        (Encryption::Off, said("RTP/AVP", &[choice]), Some(false)),
        (Encryption::Off, said("RTP/SAVP", &[choice]), None),
        (Encryption::Preferred, plain(), Some(false)),
        (Encryption::Preferred, said("RTP/AVP", &[choice]), Some(true)),
        (Encryption::Preferred, said("RTP/SAVP", &[choice]), Some(true)),
        (
            Encryption::Preferred,
            said("RTP/AVP", &["1 AES_CM_128_HMAC_SHA1_80"]),
            None,
        ),
        (Encryption::Required, plain(), None),
        (Encryption::Required, said("RTP/SAVP", &[choice]), Some(true)),
    ] {
        let mut leg = security(wanted);
        leg.offer();
        let taken = leg.take_answer(&answer).is_ok().then(|| leg.keys().is_some());
        assert_eq!(taken, is_agreed, "{wanted:?} {answer:?}");
    }
}

#[test]
fn what_is_agreed_is_offered_first_from_then_on() {
    let mut leg = security(Encryption::Preferred);
    leg.answer(&said("RTP/SAVP", TWO)).unwrap();
    let before = leg.keys().unwrap().clone();
    let offer = leg.offer();
    assert_eq!(offer.profile, Profile::Savp);
    assert_eq!(offer.crypto[0].key, before.outbound);
    // The same key of theirs under our first tag: nothing changes.
    leg.take_answer(&said("RTP/SAVP", &["1 AES_CM_128_HMAC_SHA1_32"]))
        .unwrap();
    assert_eq!(leg.keys(), Some(&before));
}

#[test]
fn only_suites_that_are_listed_are_offered_and_taken() {
    let only =
        |wanted, listed: &[Suite]| Security::new(wanted, Suites::of(listed.iter().copied()), || [7; 32]);
    let listed = [Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm];
    let offer = only(Encryption::Required, &listed).offer();
    assert!(offer.crypto.iter().map(|crypto| crypto.key.suite()).eq(listed));
    // The second line is the first that may be taken.
    let mut leg = only(Encryption::Preferred, &listed);
    let answer = leg.answer(&leg.heed(said("RTP/SAVP", TWO)).unwrap()).unwrap();
    assert_eq!((answer.crypto.len(), answer.crypto[0].tag), (1, 9));
    for (wanted, profile, is_taken) in [
        (Encryption::Preferred, "RTP/AVP", true),
        (Encryption::Preferred, "RTP/SAVP", false),
        (Encryption::Required, "RTP/AVP", false),
        (Encryption::Required, "RTP/SAVP", false),
    ] {
        let mut leg = only(wanted, &[Suite::AeadAes256Gcm]);
        let heeded = leg.heed(said(profile, TWO));
        assert_eq!(heeded.is_ok(), is_taken, "{wanted:?} {profile}");
        // Plain then, without a key.
        assert!(heeded.is_err() || leg.answer(&heeded.unwrap()).unwrap().crypto.is_empty());
        // An offer that came late is looked at with the same eyes; the leg says so when it answers.
        leg.foresee(&said(profile, TWO));
        assert!(leg.keys().is_none());
    }
}

#[test]
fn another_line_is_taken_where_the_first_has_none_of_the_suites() {
    let gcm = "1 AEAD_AES_128_GCM inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==";
    let offer = |second: &str| {
        let head = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.1\r\n";
        let text = format!(
            "{head}m=audio 4000 RTP/SAVP 0\r\na=crypto:{}inline:{KEY}\r\n{second}",
            "1 AES_CM_128_HMAC_SHA1_80 "
        );
        Session::parse(text.as_bytes()).unwrap()
    };
    let secure = format!("m=audio 4002 RTP/SAVP 0\r\na=crypto:{gcm}\r\n");
    let plain = "m=audio 4004 RTP/AVP 0\r\n";
    let port = |wanted, offer| {
        let leg = Security::new(wanted, Suites::of([Suite::AeadAes128Gcm]), || [7; 32]);
        leg.heed(offer)
            .ok()
            .and_then(|offer| Some(offer.audio_address()?.port()))
    };
    for (wanted, second, expected) in [
        (Encryption::Required, secure.as_str(), Some(4002)),
        (Encryption::Preferred, &secure, Some(4002)),
        (Encryption::Required, plain, None),
        (Encryption::Preferred, plain, Some(4004)),
    ] {
        assert_eq!(port(wanted, offer(second)), expected, "{wanted:?} {second}");
    }
}

#[test]
fn a_leg_that_moves_to_another_call_gets_other_keys() {
    let mut leg = security(Encryption::Required);
    let before = leg.offer();
    leg.renew(|| [8; 32]);
    assert_ne!(leg.offer().crypto[0].key, before.crypto[0].key);
    let mut leg = security(Encryption::Off);
    leg.renew(|| [8; 32]);
    assert_eq!(leg.offer(), Protection::default());
}

#[test]
fn nothing_of_a_secret_is_printed() {
    let mut leg = security(Encryption::Required);
    leg.answer(&said("RTP/SAVP", TWO)).unwrap();
    let text = format!("{leg:?}");
    assert!(!text.contains("7, 7") && !text.contains("89, 83"), "{text}");
}
