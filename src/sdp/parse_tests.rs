//! Descriptions as telephones write them, and what is said of those that make no sense.

use super::*;

const PLAIN: &str = "v=0\r\no=alice 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
    m=audio 49170 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\n";

fn with(from: &str, to: &str) -> String {
    assert!(PLAIN.contains(from));
    PLAIN.replace(from, to)
}

fn parsed(text: &str) -> Session {
    Session::parse(text.as_bytes()).expect("a description")
}

fn check_fault(text: &str, line: usize, expected: &str) {
    let fault = Session::parse(text.as_bytes()).expect_err("a fault");
    assert_eq!((fault.line, fault.expected), (line, expected));
}

#[test]
fn a_plain_offer_says_where_and_how() {
    let offer = parsed(PLAIN);
    assert_eq!(offer.audio_address(), Some("192.0.2.1:49170".parse().unwrap()));
    assert_eq!(offer.codecs(), [(8, Codec::Pcma), (0, Codec::Pcmu)]);
    assert_eq!(offer.telephone_event(), Some(101));
    assert_eq!(offer.ptime_ms(), Some(20));
    assert_eq!(offer.direction(), Direction::SendRecv);
}

#[test]
fn bare_line_feeds_and_blank_lines_at_the_end_are_read() {
    let text = PLAIN.replace("\r\n", "\n") + "\n\r\n";
    assert_eq!(parsed(&text).codecs().len(), 2);
}

#[test]
fn a_media_address_wins_over_the_session_address() {
    let text = with("a=ptime:20", "c=IN IP6 2001:db8::5\r\na=ptime:20");
    assert_eq!(
        parsed(&text).audio_address(),
        Some("[2001:db8::5]:49170".parse().unwrap())
    );
}

#[test]
fn a_media_direction_wins_over_the_session_direction() {
    let session = with("t=0 0", "t=0 0\r\na=sendonly");
    assert_eq!(parsed(&session).direction(), Direction::SendOnly);
    let both = session + "a=inactive\r\n";
    assert_eq!(parsed(&both).direction(), Direction::Inactive);
}

#[test]
fn an_unspecified_address_is_a_hold() {
    let text = with("c=IN IP4 192.0.2.1", "c=IN IP4 0.0.0.0");
    assert_eq!(parsed(&text).direction(), Direction::SendOnly);
    assert!(
        parsed(&text)
            .audio_address()
            .is_some_and(|a| a.ip().is_unspecified())
    );
    let both = text + "a=recvonly\r\n";
    assert_eq!(parsed(&both).direction(), Direction::Inactive);
}

#[test]
fn dynamic_payload_types_are_read_from_rtpmap() {
    let text = with("8 0 101", "98 97 96 0 101")
        + "a=rtpmap:98 opus/48000/2\r\na=rtpmap:97 pcma/8000/1\r\n\
        a=rtpmap:96 PCMU/16000\r\na=rtpmap:0 L16/8000\r\n";
    assert_eq!(parsed(&text).codecs(), [(98, Codec::Opus), (97, Codec::Pcma)]);
}

#[test]
fn telephone_events_at_another_rate_are_not_ours() {
    let text = with("telephone-event/8000", "telephone-event/48000");
    assert_eq!(parsed(&text).telephone_event(), None);
}

#[test]
fn refused_encrypted_or_missing_audio_has_no_address() {
    for text in [
        with("49170", "0"),
        with("RTP/AVP", "RTP/SAVP"),
        with("RTP/AVP", "UDP/TLS/RTP/SAVPF"),
        with("m=audio", "m=video"),
    ] {
        assert_eq!(parsed(&text).audio_address(), None, "{text}");
        assert_eq!(parsed(&text).direction(), Direction::Inactive);
    }
}

const LINE: &str = "AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

#[test]
fn an_encrypted_line_has_its_keys() {
    let text = with("RTP/AVP", "RTP/SAVP")
        + &format!(
            "a=crypto:1 F8_128_HMAC_SHA1_80 inline:x\r\na=crypto:2 {LINE}|2^20\r\na=crypto:3 {LINE}|1:9\r\n"
        );
    let offer = parsed(&text);
    assert_eq!(offer.audio_address(), Some("192.0.2.1:49170".parse().unwrap()));
    assert!(offer.is_savp());
    let tags: Vec<u32> = offer.crypto().iter().map(|crypto| crypto.tag).collect();
    assert_eq!(tags, [2]);
    let many = with("RTP/AVP", "RTP/SAVP") + &format!("a=crypto:1 {LINE}\r\n").repeat(CRYPTO_MAX + 5);
    assert_eq!(parsed(&many).crypto().len(), CRYPTO_MAX);
}

#[test]
fn a_key_for_the_session_or_for_another_line_is_not_this_lines() {
    let text = with("t=0 0", &format!("t=0 0\r\na=crypto:1 {LINE}"))
        + &format!("m=video 5000 RTP/SAVP 96\r\na=crypto:2 {LINE}\r\n");
    assert!(parsed(&text).crypto().is_empty());
}

#[test]
fn of_several_lines_the_one_that_suits_is_taken() {
    let head = "v=0\no=- 1 1 IN IP4 192.0.2.1\nc=IN IP4 192.0.2.1\n";
    let plain = "m=audio 4000 RTP/AVP 0\n";
    let secure = format!("m=audio 4002 RTP/SAVP 0\na=crypto:1 {LINE}\n");
    let port = |text: &str, wanted| {
        parsed(text)
            .preferring(wanted, Suites::default())
            .audio_address()
            .unwrap()
            .port()
    };
    for text in [format!("{head}{plain}{secure}"), format!("{head}{secure}{plain}")] {
        assert_eq!(port(&text, Encryption::Off), 4000);
        assert_eq!(port(&text, Encryption::Preferred), 4002);
        assert_eq!(port(&text, Encryption::Required), 4002);
    }
    for wanted in [Encryption::Off, Encryption::Preferred, Encryption::Required] {
        assert_eq!(port(&format!("{head}{plain}"), wanted), 4000);
        assert_eq!(port(&format!("{head}{secure}"), wanted), 4002);
    }
}

#[test]
fn g722_is_known_by_its_number_and_by_its_name() {
    let head = "v=0\no=- 1 1 IN IP4 192.0.2.1\nc=IN IP4 192.0.2.1\n";
    let offer = parsed(&format!(
        "{head}m=audio 4000 RTP/AVP 9 97 0 98\na=rtpmap:97 g722/8000\na=rtpmap:98 G722/16000\n"
    ));
    let both = [(9, Codec::G722), (97, Codec::G722), (0, Codec::Pcmu)];
    assert_eq!(offer.codecs(), both);
    // Whoever speaks before a phone has chosen takes what every phone has.
    assert_eq!(offer.with_one_codec(None).codecs(), [(0, Codec::Pcmu)]);
    assert_eq!(offer.with_one_codec(Some(both[1])).codecs(), [both[1]]);
}

#[test]
fn the_first_plain_audio_line_with_g711_is_taken() {
    let text = "v=0\no=- 1 1 IN IP4 192.0.2.1\nc=IN IP4 192.0.2.1\nm=audio 4000 RTP/SAVP 0\n\
        m=audio 4002 RTP/AVP 3\nm=audio 4004/2 RTP/AVP 0\nm=video 4006 RTP/AVP 96\n";
    let offer = parsed(text);
    assert_eq!(offer.audio_address(), Some("192.0.2.1:4004".parse().unwrap()));
    assert_eq!(offer.media_lines(), 4);
}

#[test]
fn offers_as_real_telephones_write_them_are_read() {
    let sipp = "v=0\r\no=user1 53655765 2353687637 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
        m=audio 6000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";
    let baresip = "v=0\r\no=- 3907 1121 IN IP4 10.0.0.5\r\ns=-\r\nc=IN IP4 10.0.0.5\r\nt=0 0\r\na=tool:baresip 1.0.0\r\n\
        m=audio 12814 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
        a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=rtcp:12815\r\na=sendrecv\r\na=label:1\r\n\
        a=rtcp-rsize\r\na=ssrc:1 cname:sip:a@b\r\na=ptime:20\r\n";
    let softphone = "v=0\r\no=bob 3 1 IN IP6 2001:db8::7\r\ns=Talk\r\nc=IN IP6 2001:db8::7\r\nt=0 0\r\n\
        a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup\r\nm=audio 7076 RTP/AVP 96 97 0 8 18 101 98\r\n\
        a=rtpmap:96 opus/48000/2\r\na=rtpmap:97 speex/16000\r\na=fmtp:18 annexb=yes\r\n\
        a=rtpmap:101 telephone-event/48000\r\na=rtpmap:98 telephone-event/8000\r\nm=video 9078 RTP/AVP 99\r\n\
        a=rtpmap:99 VP8/90000\r\na=rtcp-fb:* nack pli\r\n";
    let all = [(96, Codec::Opus), (0, Codec::Pcmu), (8, Codec::Pcma)];
    for (text, address, codecs, event) in [
        (sipp, "127.0.0.1:6000", &all[1..2], None),
        (baresip, "10.0.0.5:12814", &all[1..], Some(101)),
        (softphone, "[2001:db8::7]:7076", &all[..], Some(98)),
    ] {
        let offer = parsed(text);
        assert_eq!(offer.audio_address(), Some(address.parse().unwrap()));
        assert_eq!(
            (offer.codecs().as_slice(), offer.telephone_event()),
            (codecs, event)
        );
        assert_eq!(offer.wide_event(), text.contains("opus").then_some(101));
    }
}

#[test]
fn faults_name_the_line_and_the_expectation() {
    check_fault("", 1, "v=0");
    check_fault(&with("v=0", "v=1"), 1, "v=0");
    check_fault(
        &with("o=alice 1 1 IN IP4 192.0.2.1\r\n", ""),
        0,
        "an o= line before the media",
    );
    check_fault(&with("s=-", "subject"), 3, "a lower-case letter and =");
    check_fault(&with("s=-", "s=a\0b"), 3, "no NUL or bare CR");
    check_fault(&with("s=-", "s=a\rb"), 3, "no NUL or bare CR");
    check_fault(&with("49170", "70000"), 6, "a port from 0 to 65535");
    check_fault(&with("49170", "+5"), 6, "a port from 0 to 65535");
    check_fault(&with(" 8 0 101", ""), 6, "at least one format");
    check_fault(&with("8 0 101", "8 200"), 6, "payload types from 0 to 127");
    check_fault(
        &with("m=audio 49170 RTP/AVP 8 0 101", "m=audio 5"),
        6,
        "m=<media> <port> <protocol> <format> ...",
    );
    check_fault(&with("c=IN IP4 192.0.2.1\r\n", ""), 5, "a c= line for the audio");
    check_fault(
        &with("c=IN IP4 192.0.2.1", "c=IN IP4 239.1.1.1/127"),
        4,
        "a unicast address",
    );
    let name = "IN IP4 or IN IP6 and an address (names are not resolved)";
    check_fault(&with("c=IN IP4 192.0.2.1", "c=IN IP4 phone.example"), 4, name);
    check_fault(&with("c=IN IP4 192.0.2.1", "c=IN IP4"), 4, name);
    check_fault(&with("c=IN IP4 192.0.2.1", "c=ATM NSAP 47"), 4, name);
}

#[test]
fn an_address_that_is_not_used_may_be_strange() {
    let text = format!("{PLAIN}m=video 5000 RTP/AVP 96\r\nc=IN IP4 camera.example\r\n");
    assert!(parsed(&text).audio_address().is_some());
}

#[test]
fn every_bound_is_kept() {
    check_fault(&"a".repeat(OCTETS_MAX + 1), 0, "at most 16 KiB");
    check_fault(
        &with("s=-", &format!("s={}", "x".repeat(LINE_OCTETS_MAX))),
        3,
        "at most 2048 octets",
    );
    check_fault(
        &(PLAIN.to_string() + &"a=x\n".repeat(LINES_MAX)),
        LINES_MAX + 1,
        "at most 512 lines",
    );
    let media = PLAIN.to_string() + &"m=video 0 RTP/AVP 96\r\n".repeat(MEDIA_MAX);
    check_fault(&media, 9 + MEDIA_MAX, "at most 16 media lines");
    check_fault(
        &with("8 0 101", &"0 ".repeat(FORMATS_MAX + 1)),
        6,
        "at most 64 formats",
    );
}
