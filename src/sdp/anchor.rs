//! A [`Session`] into the octets for the other leg.

use std::net::IpAddr;

use super::parse::{attribute, direction, leading_payload_type, media_line};
use super::{Audio, Dtls, Line, NothingInCommon, Session, Transport};

/// Attributes that describe a transport which ends at us. Names ending in `-` stand for everything that begins so.
///
/// Kept as a list of what goes rather than of what stays, because an unknown attribute of the audio itself
/// (`silenceSupp`, `maxptime`, a vendor's `X-`) is between the two parties.
const TRANSPORT_ATTRIBUTES: &[&str] = &[
    "candidate",
    "remote-candidates",
    "end-of-candidates",
    "ice-",
    "crypto",
    "fingerprint",
    "setup",
    "connection",
    "tls-id",
    "identity",
    "key-mgmt",
    "zrtp-hash",
    "rtcp",
    "rtcp-",
    "ssrc",
    "ssrc-",
    "msid",
    "msid-",
    "mid",
    "group",
    "bundle-only",
    "extmap",
    "extmap-",
    // Capability negotiation could talk the parties into a transport that we have just removed (RFC 5939).
    "acap",
    "tcap",
    "pcfg",
    "acfg",
    "csup",
    "creq",
    // Addresses other than the one in c= (RFC 4570, 6947, 4091).
    "source-filter",
    "altc",
    "alt",
    // Resource reservation on a path that ends here (RFC 3312).
    "curr",
    "des",
    "conf",
];

pub(super) fn anchored(
    session: &Session,
    ours: IpAddr,
    port: u16,
    session_id: u64,
    version: u64,
    transport: &Transport,
) -> Result<Vec<u8>, NothingInCommon> {
    let audio = session.audio.as_ref().filter(|audio| !audio.codecs.is_empty());
    if audio.is_none() && session.fax.is_none() {
        return Err(NothingInCommon);
    }
    let family = if ours.is_ipv4() { "IP4" } else { "IP6" };
    let mut out = Writer(Vec::with_capacity(session.text.len() + 128));
    let head_end = session
        .media
        .first()
        .map_or(session.lines.len(), |first| first.start);
    let head = &session.lines[..head_end];

    // The order of RFC 8866 §5, whatever order the lines came in.
    out.line(b'v', b"0");
    out.line(
        b'o',
        format!("- {session_id} {version} IN {family} {ours}").as_bytes(),
    );
    // s=, i=, u=, e= and p= name the author's software, pages, mail addresses and telephone numbers: its side's matter.
    out.line(b's', b"-");
    out.line(b'c', format!("IN {family} {ours}").as_bytes());
    out.lines(session, head.iter().filter(|line| line.kind == b'b'));
    if !head.iter().any(|line| line.kind == b't') {
        out.line(b't', b"0 0");
    }
    out.lines(session, head.iter().filter(|line| b"trz".contains(&line.kind)));
    // k= is a key for a transport that ends here.
    out.lines(
        session,
        head.iter().filter(|line| !b"vosiuepcbtrzka".contains(&line.kind)),
    );
    out.lines(
        session,
        head.iter()
            .filter(|line| line.kind == b'a' && is_kept(session.value(**line), None)),
    );

    for (section, range) in session.media.iter().enumerate() {
        let value = session.value(session.lines[range.start]);
        // Read once already, at parse time.
        let Ok(line) = media_line(value, range.start + 1) else {
            continue;
        };
        let lines = &session.lines[range.start + 1..range.end];
        if session.fax.as_ref().is_some_and(|fax| fax.section == section) {
            out.line(b'm', format!("image {port} udptl t38").as_bytes());
            let kept = lines.iter().filter(|line| match line.kind {
                b'c' | b'k' => false,
                b'a' => is_kept(session.value(**line), None),
                _ => true,
            });
            out.lines(session, kept);
            continue;
        }
        let Some(audio) = audio.filter(|audio| audio.section == section) else {
            let refused = [line.kind, b"0", line.protocol].into_iter().chain(line.formats);
            out.line(b'm', &refused.collect::<Vec<_>>().join(&b' '));
            continue;
        };
        let protection = &transport.protection;
        let profile = protection.profile.as_str();
        out.line(b'm', audio_line(audio, &line.formats, port, profile).as_bytes());
        let kept = lines.iter().filter(|line| match line.kind {
            b'c' | b'k' => false,
            b'a' => is_kept(session.value(**line), Some(audio)),
            _ => true,
        });
        out.lines(session, kept);
        for (payload_type, codec) in &audio.codecs {
            let is_own = line
                .formats
                .iter()
                .any(|format| leading_payload_type(format).is_some_and(|(own, _)| own == *payload_type));
            if !is_own {
                out.line(
                    b'a',
                    format!("rtpmap:{payload_type} {}/8000", codec.as_str()).as_bytes(),
                );
            }
        }
        for crypto in &protection.crypto {
            out.line(b'a', crypto.write().as_bytes());
        }
        for line in protection.dtls.iter().flat_map(Dtls::write) {
            out.line(b'a', line.as_bytes());
        }
        if transport.rtcp_mux {
            out.line(b'a', b"rtcp-mux");
        }
        if audio.stated.is_some() || audio.address.ip().is_unspecified() {
            out.line(b'a', session.direction().as_str().as_bytes());
        }
    }
    Ok(out.0)
}

struct Writer(Vec<u8>);

impl Writer {
    fn line(&mut self, kind: u8, value: &[u8]) {
        self.0.extend_from_slice(&[kind, b'=']);
        self.0.extend_from_slice(value);
        self.0.extend_from_slice(b"\r\n");
    }

    fn lines<'a>(&mut self, session: &Session, lines: impl Iterator<Item = &'a Line>) {
        for line in lines {
            self.line(line.kind, session.value(*line));
        }
    }
}

/// The `m=` value with only the payload types we keep, in the author's order.
fn audio_line(audio: &Audio, formats: &[&[u8]], port: u16, profile: &str) -> String {
    let mut text = format!("audio {port} {profile}");
    let mut written: Vec<u8> = Vec::new();
    for format in formats {
        let Some((payload_type, _)) = leading_payload_type(format) else {
            continue;
        };
        if is_anchored(audio, payload_type) && !written.contains(&payload_type) {
            written.push(payload_type);
            text.push_str(&format!(" {payload_type}"));
        }
    }
    // What the author did not say itself.
    for (payload_type, _) in &audio.codecs {
        if !written.contains(payload_type) {
            text.push_str(&format!(" {payload_type}"));
        }
    }
    text
}

fn is_anchored(audio: &Audio, payload_type: u8) -> bool {
    let others = [audio.telephone_event, audio.comfort_noise];
    others.contains(&Some(payload_type)) || audio.codecs.iter().any(|(pt, _)| *pt == payload_type)
}

/// Whether an attribute goes through. `audio` is given for the audio section, where payload types matter.
fn is_kept(value: &[u8], audio: Option<&Audio>) -> bool {
    let (name, rest) = attribute(value);
    if direction(name).is_some() {
        return false; // Said once, by us, at the end of the audio section.
    }
    let is_transport = TRANSPORT_ATTRIBUTES.iter().any(|known| {
        let known = known.as_bytes();
        match known.strip_suffix(b"-") {
            Some(_) => name.len() > known.len() && name[..known.len()].eq_ignore_ascii_case(known),
            None => name.eq_ignore_ascii_case(known),
        }
    });
    if is_transport {
        return false;
    }
    let names_payload_type = name.eq_ignore_ascii_case(b"rtpmap") || name.eq_ignore_ascii_case(b"fmtp");
    match audio {
        Some(audio) if names_payload_type => {
            leading_payload_type(rest).is_some_and(|(pt, _)| is_anchored(audio, pt))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::super::{Crypto, Direction, MasterKey, Protection, Suite, fuzz_sdp};
    use super::*;

    const OURS: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));

    fn anchored(text: &str) -> Result<String, NothingInCommon> {
        let session = Session::parse(text.as_bytes()).expect("a description");
        let octets = session.anchored(OURS, 20_002, 77, 3, &Transport::default())?;
        Ok(String::from_utf8(octets).expect("text"))
    }

    #[test]
    fn a_browser_like_offer_keeps_only_what_can_be_anchored() {
        let offer = "v=0\r\no=bob 99 5 IN IP4 10.0.0.9\r\ns=talk\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=ice-lite\r\n\
            a=tool:phone 1\r\nk=clear:secret\r\nm=audio 4000 RTP/AVP 111 0 9 8 101 110\r\nc=IN IP4 10.0.0.9\r\n\
            b=AS:80\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1\r\na=rtpmap:0 PCMU/8000\r\n\
            a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=rtpmap:110 telephone-event/48000\r\n\
            a=candidate:1 1 UDP 1 10.0.0.9 4000 typ host\r\na=ice-ufrag:x\r\na=crypto:1 AES inline:k\r\n\
            a=fingerprint:sha-256 AA\r\na=setup:actpass\r\na=rtcp:4001\r\na=rtcp-mux\r\na=rtcp-fb:111 nack\r\n\
            a=ssrc:1 cname:x\r\na=mid:0\r\na=ptime:20\r\na=silenceSupp:off - - - -\r\na=sendonly\r\n\
            m=video 4002 RTP/AVP 96 97\r\nc=IN IP4 10.0.0.9\r\na=rtpmap:96 VP8/90000\r\n";
        let expected = "v=0\r\no=- 77 3 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
            a=tool:phone 1\r\nm=audio 20002 RTP/AVP 0 9 8 101\r\nb=AS:80\r\na=rtpmap:0 PCMU/8000\r\n\
            a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=silenceSupp:off - - - -\r\n\
            a=sendonly\r\nm=video 0 RTP/AVP 96 97\r\n";
        assert_eq!(anchored(offer).as_deref(), Ok(expected));
    }

    #[test]
    fn comfort_noise_crosses_by_its_number_or_by_its_name() {
        for (formats, map, expected) in [
            ("0 13 101", "", "0 13"),
            ("13 0", "a=rtpmap:13 CN/8000\n", "13 0"),
            ("0 98", "a=rtpmap:98 CN/8000\n", "0 98"),
            // Of another clock rate it belongs to another codec.
            ("0 98", "a=rtpmap:98 CN/16000\n", "0"),
        ] {
            let text = anchored(&format!(
                "v=0\no=- 1 1 IN IP4 10.0.0.9\nc=IN IP4 10.0.0.9\nm=audio 4000 RTP/AVP {formats}\n{map}"
            ));
            let line = format!("m=audio 20002 RTP/AVP {expected}\r\n");
            assert!(
                text.as_ref().is_ok_and(|text| text.contains(&line)),
                "{formats}: {text:?}"
            );
        }
    }

    #[test]
    fn a_hold_by_address_becomes_a_hold_by_direction() {
        let offer = "v=0\no=- 1 1 IN IP4 10.0.0.9\nc=IN IP4 0.0.0.0\nm=audio 4000 RTP/AVP 0\n";
        let text = anchored(offer).unwrap();
        assert!(
            text.contains("c=IN IP4 198.51.100.7\r\n") && text.ends_with("a=sendonly\r\n"),
            "{text}"
        );
    }

    #[test]
    fn a_session_direction_moves_to_the_audio() {
        let offer = "v=0\no=- 1 1 IN IP4 10.0.0.9\nc=IN IP4 10.0.0.9\na=inactive\nm=audio 4000 RTP/AVP 0\n";
        let text = anchored(offer).unwrap();
        assert_eq!(text.matches("a=inactive").count(), 1);
        assert_eq!(
            Session::parse(text.as_bytes()).unwrap().direction(),
            Direction::Inactive
        );
    }

    #[test]
    fn an_ipv6_address_of_ours_is_written_as_such() {
        let offer = "v=0\no=- 1 1 IN IP4 10.0.0.9\nc=IN IP4 10.0.0.9\nm=audio 4000 RTP/AVP 0\n";
        let session = Session::parse(offer.as_bytes()).unwrap();
        let text = session
            .anchored(IpAddr::V6(Ipv6Addr::LOCALHOST), 4, 1, 1, &Transport::default())
            .unwrap();
        assert!(String::from_utf8(text).unwrap().contains("c=IN IP6 ::1\r\n"));
    }

    #[test]
    fn nothing_in_common_is_said_plainly() {
        let head = "v=0\no=- 1 1 IN IP4 10.0.0.9\nc=IN IP4 10.0.0.9\n";
        for media in [
            "",
            "m=audio 4000 RTP/AVP 3 18\n",
            "m=audio 4000 RTP/AVP 101\na=rtpmap:101 telephone-event/8000\n",
            "m=audio 0 RTP/AVP 0\n",
            "m=audio 4000 RTP/SAVP 0\n",
            "m=image 4000 tcp t38\n",
        ] {
            assert_eq!(
                anchored(&format!("{head}{media}")),
                Err(NothingInCommon),
                "{media}"
            );
        }
    }

    #[test]
    fn refused_lines_keep_the_count_and_the_order() {
        let offer = "v=0\no=- 1 1 IN IP4 10.0.0.9\nc=IN IP4 10.0.0.9\nm=image 5 udptl t38\nm=audio 4000 RTP/SAVP 0\n\
            m=audio 4002 RTP/AVP 0\nm=audio 4004 RTP/AVP 8\n";
        let text = anchored(offer).unwrap();
        let media: Vec<&str> = text.lines().filter(|line| line.starts_with("m=")).collect();
        assert_eq!(
            media,
            [
                "m=image 0 udptl t38",
                "m=audio 0 RTP/SAVP 0",
                "m=audio 20002 RTP/AVP 0",
                "m=audio 0 RTP/AVP 8"
            ]
        );
    }

    #[test]
    fn keys_of_one_leg_do_not_cross_and_those_of_the_other_are_written() {
        let offer = "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\nc=IN IP4 10.0.0.9\r\nm=audio 4000 RTP/SAVP 0\r\n\
            a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20\r\na=sendrecv\r\n";
        let plain = anchored(offer).unwrap();
        assert!(
            plain.contains("m=audio 20002 RTP/AVP 0\r\n") && !plain.contains("crypto"),
            "{plain}"
        );
        let protection = Protection {
            profile: super::super::Profile::Savp,
            dtls: None,
            crypto: vec![Crypto {
                tag: 4,
                key: MasterKey::new(Suite::AeadAes128Gcm, &[0; 28]).unwrap(),
            }],
        };
        let transport = Transport {
            protection,
            ..Transport::default()
        };
        let session = Session::parse(offer.as_bytes()).unwrap();
        let text = session.anchored(OURS, 20_002, 77, 3, &transport).unwrap();
        let text = String::from_utf8(text).unwrap();
        let media = "m=audio 20002 RTP/SAVP 0\r\n\
            a=crypto:4 AEAD_AES_128_GCM inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\r\na=sendrecv\r\n";
        assert!(text.ends_with(media), "{text}");
    }

    #[test]
    fn a_debug_print_shows_no_address() {
        let session =
            Session::parse(b"v=0\no=- 1 1 IN IP4 10.0.0.9\nc=IN IP4 10.0.0.9\nm=audio 4000 RTP/AVP 0\n")
                .unwrap();
        assert!(!format!("{session:?}").contains("10.0.0.9"));
    }

    fn some_line() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("c=IN IP4 192.0.2.1".to_string()),
            Just("c=IN IP4 0.0.0.0".to_string()),
            Just("c=IN IP6 ::1".to_string()),
            Just("a=sendonly".to_string()),
            Just("a=recvonly".to_string()),
            Just("a=rtcp-mux".to_string()),
            Just("t=0 0".to_string()),
            Just("m=audio 4000 RTP/AVP 0 8 101".to_string()),
            Just("m=audio 4000 RTP/AVP 96 0 0".to_string()),
            Just("m=audio 0 RTP/AVP 0".to_string()),
            Just("m=audio 4000 RTP/SAVP 0 8".to_string()),
            Just(format!(
                "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{}",
                "A".repeat(40)
            )),
            Just(format!("a=crypto:2 AEAD_AES_256_GCM inline:{}=", "A".repeat(59))),
            Just(format!(
                "a=crypto:2 AEAD_AES_256_GCM inline:{}|2^31|1:1",
                "A".repeat(60)
            )),
            Just("m=video 4000 RTP/AVP 96".to_string()),
            Just("m=image 4000 udptl t38".to_string()),
            Just("a=T38FaxVersion:0".to_string()),
            Just("m=audio 4000 RTP/AVP 13 0 98".to_string()),
            (0u8..=130, 0usize..5).prop_map(|(pt, name)| {
                let known = [
                    "PCMU/8000",
                    "PCMA/8000/1",
                    "telephone-event/8000",
                    "opus/48000/2",
                    "CN/8000",
                ];
                let name = known[name];
                format!("a=rtpmap:{pt} {name}")
            }),
            (0u16..400).prop_map(|ms| format!("a=ptime:{ms}")),
            "[a-z]=[ -~]{0,20}",
        ]
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..600)) {
            fuzz_sdp(&body);
        }

        #[test]
        fn a_description_that_was_printed_is_read_as_it_was(lines in proptest::collection::vec(some_line(), 0..24)) {
            let text = format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n{}\r\n", lines.join("\r\n"));
            fuzz_sdp(text.as_bytes());
        }
    }
}
