//! Keys by handshake on one leg: who offers what, who begins, and what stays as it is.

use super::*;
use crate::sdp::FingerprintHash;

const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

fn ours() -> Fingerprint {
    Fingerprint::new(FingerprintHash::Sha256, &[0xaa; 32]).unwrap()
}

fn leg(encryption: Encryption, keying: Keying) -> Security {
    let wanted = Wanted { encryption, keying };
    Security::new(wanted, Suites::default(), || [7; 32]).with_dtls(Some(ours()))
}

/// A party's description: its profile, who begins, its fingerprint's octet, and whether keys stand beside that.
fn said(profile: &str, setup: &str, octet: u8, has_crypto: bool) -> Session {
    let hex = vec![format!("{octet:02X}"); 32].join(":");
    let mut text =
        format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 {profile} 0\r\n");
    if octet != 0 {
        text.push_str(&format!("a=fingerprint:sha-256 {hex}\r\n"));
    }
    if !setup.is_empty() {
        text.push_str(&format!("a=setup:{setup}\r\n"));
    }
    if has_crypto {
        text.push_str(&format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n"));
    }
    Session::parse(text.as_bytes()).unwrap()
}

const TLS: &str = "UDP/TLS/RTP/SAVP";

#[test]
fn an_offered_handshake_is_answered_in_its_profile_and_the_party_begins_if_it_may() {
    for encryption in [Encryption::Preferred, Encryption::Required] {
        for profile in ["RTP/AVP", "RTP/SAVP", TLS, "UDP/TLS/RTP/SAVPF"] {
            for (setup, expected, role) in [
                ("actpass", Setup::Passive, Role::Server),
                ("active", Setup::Passive, Role::Server),
                ("", Setup::Passive, Role::Server),
                ("passive", Setup::Active, Role::Client),
            ] {
                let mut leg = leg(encryption, Keying::Sdes);
                let offer = leg.heed(said(profile, setup, 1, false)).unwrap();
                let answer = leg.answer(&offer).unwrap();
                assert_eq!(answer.profile.as_str(), profile);
                let dtls = answer.dtls.unwrap();
                assert_eq!(
                    (dtls.setup, &dtls.fingerprints[..]),
                    (Some(expected), &[ours()][..])
                );
                let terms = leg.terms().unwrap();
                assert_eq!(terms.role, role, "{setup}");
                assert_eq!(terms.fingerprints, offer.dtls().unwrap().fingerprints);
                assert!(leg.keys().is_none() && answer.crypto.is_empty());
            }
        }
    }
}

#[test]
fn what_is_off_or_cannot_be_is_refused() {
    let offer = || said(TLS, "actpass", 1, false);
    assert!(leg(Encryption::Off, Keying::Dtls).heed(offer()).is_err());
    // A gateway without a certificate.
    let mut bare = Security::new(Encryption::Required, Suites::default(), || [7; 32]);
    assert!(bare.heed(offer()).is_err());
    assert!(bare.offer().dtls.is_none());
    // A hash that is none, a handshake that is not wanted now.
    for offer in [said(TLS, "actpass", 0, false), said(TLS, "holdconn", 1, false)] {
        assert!(offer.dtls().is_none());
        assert!(leg(Encryption::Required, Keying::Dtls).heed(offer).is_err());
    }
}

#[test]
fn where_both_kinds_are_offered_the_configuration_chooses_and_then_it_stays() {
    for (keying, is_dtls) in [(Keying::Sdes, false), (Keying::Dtls, true)] {
        let mut leg = leg(Encryption::Preferred, keying);
        let offer = said("RTP/AVP", "actpass", 1, true);
        let answer = leg.answer(&offer).unwrap();
        assert_eq!(
            (answer.dtls.is_some(), answer.crypto.is_empty()),
            (is_dtls, is_dtls)
        );
        let only = match is_dtls {
            true => said("RTP/AVP", "", 0, true),
            false => said(TLS, "actpass", 1, false),
        };
        // The other kind alone: the leg goes over to it, and keeps to that.
        leg.answer(&only).unwrap();
        assert_eq!(leg.terms().is_some(), !is_dtls);
        assert_eq!(leg.answer(&offer).unwrap().dtls.is_some(), !is_dtls);
        assert_eq!(leg.offer().dtls.is_some(), !is_dtls);
    }
}

#[test]
fn an_offer_of_ours_leaves_it_open_who_begins() {
    for (encryption, profile) in [(Encryption::Preferred, "RTP/AVP"), (Encryption::Required, TLS)] {
        for (setup, role) in [
            ("active", Role::Server),
            ("passive", Role::Client),
            ("actpass", Role::Client),
            ("", Role::Client),
        ] {
            let mut leg = leg(encryption, Keying::Dtls);
            let offer = leg.offer();
            assert_eq!(offer.profile.as_str(), profile);
            assert!(offer.crypto.is_empty());
            let dtls = offer.dtls.unwrap();
            assert_eq!(
                (dtls.setup, dtls.fingerprints),
                (Some(Setup::Actpass), vec![ours()])
            );
            leg.take_answer(&said(profile, setup, 2, false)).unwrap();
            assert_eq!(leg.terms().unwrap().role, role);
        }
    }
    let mut preferred = leg(Encryption::Preferred, Keying::Dtls);
    preferred.offer();
    preferred.take_answer(&said("RTP/AVP", "", 0, false)).unwrap();
    assert!(preferred.terms().is_none() && preferred.keys().is_none());
    for answer in [said("RTP/AVP", "", 0, false), said("RTP/SAVP", "", 0, true)] {
        let mut required = leg(Encryption::Required, Keying::Dtls);
        required.offer();
        assert!(required.take_answer(&answer).is_err());
    }
    // Nobody asked for it.
    let mut sdes = leg(Encryption::Required, Keying::Sdes);
    sdes.offer();
    assert!(sdes.take_answer(&said(TLS, "active", 2, false)).is_err());
}

#[test]
fn who_began_goes_on_as_it_was_and_another_certificate_is_another_handshake() {
    let mut leg = leg(Encryption::Required, Keying::Dtls);
    leg.offer();
    leg.take_answer(&said(TLS, "passive", 1, false)).unwrap();
    let before = leg.terms().cloned();
    // Its own re-INVITE leaves it open, and so does ours.
    let answer = leg.answer(&said(TLS, "actpass", 1, false)).unwrap();
    assert_eq!(answer.dtls.unwrap().setup, Some(Setup::Active));
    assert_eq!(leg.terms(), before.as_ref());
    let offer = leg.offer();
    assert_eq!(
        (offer.profile, offer.dtls.unwrap().setup),
        (Profile::TlsSavp, Some(Setup::Actpass))
    );
    leg.take_answer(&said(TLS, "passive", 1, false)).unwrap();
    assert_eq!(leg.terms(), before.as_ref());
    leg.answer(&said(TLS, "actpass", 2, false)).unwrap();
    assert_eq!(leg.terms().unwrap().role, Role::Server);
    assert_ne!(leg.terms(), before.as_ref());
}
