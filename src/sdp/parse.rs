//! Octets into a [`Session`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;

use super::limits::{CRYPTO_MAX, FORMATS_MAX, LINE_OCTETS_MAX, LINES_MAX, MEDIA_MAX, OCTETS_MAX};
use super::{Audio, Codec, Crypto, Direction, Encryption, Line, SdpError, Session};

/// The parts of an `m=` line (RFC 8866 §5.14).
pub(super) struct MediaLine<'a> {
    pub kind: &'a [u8],
    pub port: u16,
    pub protocol: &'a [u8],
    pub formats: Vec<&'a [u8]>,
}

impl MediaLine<'_> {
    /// Audio over RTP that is not refused: what we can anchor, if it is `RTP/SAVP` with a key in it.
    fn is_usable(&self) -> bool {
        self.kind.eq_ignore_ascii_case(b"audio")
            && (self.protocol.eq_ignore_ascii_case(b"RTP/AVP") || self.is_savp())
            && self.port != 0
    }

    fn is_savp(&self) -> bool {
        self.protocol.eq_ignore_ascii_case(b"RTP/SAVP")
    }
}

pub(super) fn session(body: &[u8]) -> Result<Session, SdpError> {
    if body.len() > OCTETS_MAX {
        return fault(0, "at most 16 KiB");
    }
    let lines = split(body)?;
    let mut session = Session {
        text: body.to_vec(),
        lines,
        media: Vec::new(),
        audio: None,
    };
    match session.lines.first() {
        Some(line) if line.kind == b'v' && session.value(*line) == b"0" => {}
        _ => return fault(1, "v=0"),
    }
    session.media = sections(&session)?;
    let head = session
        .media
        .first()
        .map_or(session.lines.len(), |first| first.start);
    if !session.lines[..head].iter().any(|line| line.kind == b'o') {
        return fault(0, "an o= line before the media");
    }
    session.audio = select_audio(&session, head)?;
    Ok(session)
}

/// Reads an `m=` value. `number` is the line's number, for the error.
pub(super) fn media_line(value: &[u8], number: usize) -> Result<MediaLine<'_>, SdpError> {
    let mut words = value.split(|o| *o == b' ').filter(|word| !word.is_empty());
    let (Some(kind), Some(port), Some(protocol)) = (words.next(), words.next(), words.next()) else {
        return fault(number, "m=<media> <port> <protocol> <format> ...");
    };
    // "49170/2" asks for two consecutive ports; one is all a call needs.
    let port = port.split(|o| *o == b'/').next().unwrap_or_default();
    let Some(port) = number_of::<u16>(port) else {
        return fault(number, "a port from 0 to 65535");
    };
    let formats: Vec<&[u8]> = words.by_ref().take(FORMATS_MAX).collect();
    if formats.is_empty() {
        return fault(number, "at least one format");
    }
    if words.next().is_some() {
        return fault(number, "at most 64 formats");
    }
    Ok(MediaLine {
        kind,
        port,
        protocol,
        formats,
    })
}

/// The payload type an attribute value begins with (`rtpmap:`, `fmtp:`), and what follows the space.
pub(super) fn leading_payload_type(value: &[u8]) -> Option<(u8, &[u8])> {
    let end = value.iter().position(|o| *o == b' ').unwrap_or(value.len());
    let payload_type = number_of::<u8>(&value[..end]).filter(|pt| *pt < 128)?;
    Some((payload_type, value[end..].trim_ascii_start()))
}

/// Splits `name:value` or a bare `name`.
pub(super) fn attribute(value: &[u8]) -> (&[u8], &[u8]) {
    match value.iter().position(|o| *o == b':') {
        Some(colon) => (&value[..colon], &value[colon + 1..]),
        None => (value, b""),
    }
}

pub(super) fn direction(name: &[u8]) -> Option<Direction> {
    [
        Direction::SendRecv,
        Direction::SendOnly,
        Direction::RecvOnly,
        Direction::Inactive,
    ]
    .into_iter()
    .find(|direction| name.eq_ignore_ascii_case(direction.as_str().as_bytes()))
}

pub(super) fn number_of<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    // from_str alone would let a sign through.
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn split(body: &[u8]) -> Result<Vec<Line>, SdpError> {
    let mut lines = Vec::new();
    let body_end = body.trim_ascii_end().len();
    let mut start = 0;
    while start < body_end {
        let number = lines.len() + 1;
        if number > LINES_MAX {
            return fault(number, "at most 512 lines");
        }
        let next = body[start..]
            .iter()
            .position(|o| *o == b'\n')
            .map_or(body.len(), |at| start + at);
        let mut end = next;
        while end > start && body[end - 1] == b'\r' {
            end -= 1;
        }
        let line = &body[start..end];
        if line.len() > LINE_OCTETS_MAX {
            return fault(number, "at most 2048 octets");
        }
        if line.iter().any(|o| matches!(o, 0 | b'\r')) {
            return fault(number, "no NUL or bare CR");
        }
        match line {
            [kind, b'=', ..] if kind.is_ascii_lowercase() => lines.push(Line {
                kind: *kind,
                start: start + 2,
                end,
            }),
            _ => return fault(number, "a lower-case letter and ="),
        }
        start = next + 1;
    }
    Ok(lines)
}

fn sections(session: &Session) -> Result<Vec<Range<usize>>, SdpError> {
    let mut media: Vec<Range<usize>> = Vec::new();
    for (index, line) in session.lines.iter().enumerate() {
        if line.kind == b'm' {
            if media.len() == MEDIA_MAX {
                return fault(index + 1, "at most 16 media lines");
            }
            media_line(session.value(*line), index + 1)?;
            media.push(index..index + 1);
        } else if let Some(section) = media.last_mut() {
            section.end = index + 1;
        }
    }
    Ok(media)
}

/// The audio line that suits `wanted` best; see [`Session::preferring`].
pub(super) fn audio_preferring(session: &Session, wanted: Encryption) -> Option<Audio> {
    let head = session.media.first().map_or(0, |first| first.start);
    let mut usable = (0..session.media.len()).filter_map(|section| {
        let range = &session.media[section];
        let line = media_line(session.value(session.lines[range.start]), range.start + 1).ok()?;
        let audio = line
            .is_usable()
            .then(|| read_audio(session, head, section, &line).ok())??;
        (audio.is_carried() && !audio.codecs.is_empty()).then_some(audio)
    });
    match wanted {
        Encryption::Off => usable.find(|audio| !audio.is_savp),
        Encryption::Preferred | Encryption::Required => usable.find(|audio| !audio.crypto.is_empty()),
    }
}

impl Audio {
    /// Plain, or with a key that we can take.
    fn is_carried(&self) -> bool {
        !self.is_savp || !self.crypto.is_empty()
    }
}

/// The first usable audio line with a codec of ours, or else the first usable one, so that its address is still checked.
fn select_audio(session: &Session, head: usize) -> Result<Option<Audio>, SdpError> {
    let mut fallback = None;
    for (section, range) in session.media.iter().enumerate() {
        let line = media_line(session.value(session.lines[range.start]), range.start + 1)?;
        if !line.is_usable() {
            continue;
        }
        let audio = read_audio(session, head, section, &line)?;
        if !audio.is_carried() {
            continue;
        }
        if !audio.codecs.is_empty() {
            return Ok(Some(audio));
        }
        fallback = fallback.or(Some(audio));
    }
    Ok(fallback)
}

fn read_audio(
    session: &Session,
    head: usize,
    section: usize,
    line: &MediaLine<'_>,
) -> Result<Audio, SdpError> {
    let range = session.media[section].clone();
    let number = range.start + 1;
    let mut payload_types = Vec::with_capacity(line.formats.len());
    for format in &line.formats {
        match number_of::<u8>(format).filter(|pt| *pt < 128) {
            Some(pt) if payload_types.contains(&pt) => {}
            Some(pt) => payload_types.push(pt),
            None => return fault(number, "payload types from 0 to 127"),
        }
    }
    let mut maps: [Option<Encoding>; 128] = [None; 128];
    maps[0] = Some(Encoding::Voice(Codec::Pcmu));
    maps[8] = Some(Encoding::Voice(Codec::Pcma));
    maps[9] = Some(Encoding::Voice(Codec::G722));
    let mut stated = None;
    let mut ptime_ms = None;
    let mut crypto = Vec::new();
    for index in (0..head).chain(range.clone()) {
        let line = session.lines[index];
        if line.kind != b'a' {
            continue;
        }
        let (name, value) = attribute(session.value(line));
        if let Some(direction) = direction(name) {
            stated = Some(direction);
        } else if index < head {
            continue;
        } else if name.eq_ignore_ascii_case(b"rtpmap") {
            if let Some((pt, encoding)) = leading_payload_type(value) {
                maps[usize::from(pt)] = Some(Encoding::read(encoding));
            }
        } else if name.eq_ignore_ascii_case(b"ptime") {
            ptime_ms = number_of(value.trim_ascii()).filter(|ms| *ms != 0);
        } else if name.eq_ignore_ascii_case(b"crypto") && crypto.len() < CRYPTO_MAX {
            crypto.extend(Crypto::parse(value));
        }
    }
    let encoding_of = |pt: u8| maps[usize::from(pt)];
    Ok(Audio {
        section,
        is_savp: line.is_savp(),
        crypto,
        address: SocketAddr::new(connection(session, head, &range)?, line.port),
        stated,
        codecs: payload_types
            .iter()
            .filter_map(|pt| match encoding_of(*pt) {
                Some(Encoding::Voice(codec)) => Some((*pt, codec)),
                _ => None,
            })
            .collect(),
        telephone_event: payload_types
            .iter()
            .copied()
            .find(|pt| encoding_of(*pt) == Some(Encoding::TelephoneEvent)),
        ptime_ms,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Voice(Codec),
    TelephoneEvent,
    Other,
}

impl Encoding {
    /// Reads `PCMU/8000` or `PCMU/8000/1`. Anything else, another clock rate included, is `Other`.
    fn read(text: &[u8]) -> Encoding {
        let mut parts = text.trim_ascii().split(|o| *o == b'/');
        let name = parts.next().unwrap_or_default();
        let is_8k_mono = parts.next() == Some(b"8000") && matches!(parts.next(), None | Some(b"1"));
        if !is_8k_mono {
            Encoding::Other
        } else if name.eq_ignore_ascii_case(b"PCMU") {
            Encoding::Voice(Codec::Pcmu)
        } else if name.eq_ignore_ascii_case(b"PCMA") {
            Encoding::Voice(Codec::Pcma)
        } else if name.eq_ignore_ascii_case(b"G722") {
            Encoding::Voice(Codec::G722)
        } else if name.eq_ignore_ascii_case(b"telephone-event") {
            Encoding::TelephoneEvent
        } else {
            Encoding::Other
        }
    }
}

/// The address in force for a section: its own `c=` line, or else the session's (RFC 8866 §5.7).
fn connection(session: &Session, head: usize, section: &Range<usize>) -> Result<IpAddr, SdpError> {
    let index = section
        .clone()
        .chain(0..head)
        .find(|index| session.lines[*index].kind == b'c');
    let Some(index) = index else {
        return fault(section.start + 1, "a c= line for the audio");
    };
    let expected = SdpError {
        line: index + 1,
        expected: "IN IP4 or IN IP6 and an address (names are not resolved)",
    };
    let text = std::str::from_utf8(session.value(session.lines[index])).map_err(|_| expected.clone())?;
    let mut words = text.split_ascii_whitespace();
    let (network, family, address) = (words.next(), words.next(), words.next().unwrap_or_default());
    if !network.is_some_and(|network| network.eq_ignore_ascii_case("IN")) {
        return Err(expected);
    }
    let address = match family {
        Some(family) if family.eq_ignore_ascii_case("IP4") => {
            // A multicast address carries "/ttl"; it is refused below by what it is, not by how it is written.
            let address = address.split('/').next().unwrap_or_default();
            IpAddr::V4(address.parse::<Ipv4Addr>().map_err(|_| expected)?)
        }
        Some(family) if family.eq_ignore_ascii_case("IP6") => {
            let address = address.split('/').next().unwrap_or_default();
            IpAddr::V6(address.parse::<Ipv6Addr>().map_err(|_| expected)?)
        }
        _ => return Err(expected),
    };
    let is_broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
    if address.is_multicast() || is_broadcast {
        return fault(index + 1, "a unicast address");
    }
    Ok(address)
}

fn fault<T>(line: usize, expected: &'static str) -> Result<T, SdpError> {
    Err(SdpError { line, expected })
}

#[cfg(test)]
mod tests {
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
        assert_eq!(parsed(&text).codecs(), [(97, Codec::Pcma)]);
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
        let port = |text: &str, wanted| parsed(text).preferring(wanted).audio_address().unwrap().port();
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
        let both = [(0, Codec::Pcmu), (8, Codec::Pcma)];
        for (text, address, codecs, event) in [
            (sipp, "127.0.0.1:6000", &both[..1], None),
            (baresip, "10.0.0.5:12814", &both[..], Some(101)),
            (softphone, "[2001:db8::7]:7076", &both[..], Some(98)),
        ] {
            let offer = parsed(text);
            assert_eq!(offer.audio_address(), Some(address.parse().unwrap()));
            assert_eq!(
                (offer.codecs().as_slice(), offer.telephone_event()),
                (codecs, event)
            );
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
}
