//! Octets into a [`Session`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;

use super::dtls::Said;
use super::fax;
use super::limits::{CRYPTO_MAX, FORMATS_MAX, LINE_OCTETS_MAX, LINES_MAX, MEDIA_MAX, OCTETS_MAX};
use super::{Audio, Codec, Crypto, Direction, Encryption, Line, Profile, SdpError, Session, Suites};

/// The parts of an `m=` line (RFC 8866 §5.14).
pub(super) struct MediaLine<'a> {
    pub kind: &'a [u8],
    pub port: u16,
    pub protocol: &'a [u8],
    pub formats: Vec<&'a [u8]>,
}

impl MediaLine<'_> {
    /// Audio over RTP that is not refused: what we can anchor, if it is plain or has a key.
    fn is_usable(&self) -> bool {
        self.kind.eq_ignore_ascii_case(b"audio") && Profile::of(self.protocol).is_some() && self.port != 0
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
        fax: None,
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
    if session.audio.as_ref().is_none_or(|audio| audio.codecs.is_empty()) {
        session.fax = fax::select(&session, head)?.map(Box::new);
    }
    if session.is_fax() {
        session.audio = None;
    }
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
pub(super) fn audio_preferring(session: &Session, wanted: Encryption, suites: Suites) -> Option<Audio> {
    let head = session.media.first().map_or(0, |first| first.start);
    let usable = (0..session.media.len()).filter_map(|section| {
        let range = &session.media[section];
        let line = media_line(session.value(session.lines[range.start]), range.start + 1).ok()?;
        let audio = line
            .is_usable()
            .then(|| read_audio(session, head, section, &line).ok())??;
        (audio.is_carried() && !audio.codecs.is_empty()).then_some(audio)
    });
    let usable: Vec<Audio> = usable.collect();
    let is_taken =
        |audio: &Audio| audio.dtls.is_some() || audio.crypto.iter().any(|line| suites.has(line.key.suite()));
    let is_plain = |audio: &Audio| !audio.profile.is_encrypted();
    let place = match wanted {
        Encryption::Off => usable.iter().position(is_plain),
        Encryption::Required => usable.iter().position(is_taken),
        Encryption::Preferred => usable
            .iter()
            .position(is_taken)
            .or(usable.iter().position(is_plain)),
    };
    usable.into_iter().nth(place?)
}

impl Audio {
    /// Plain, or with a key that we can take.
    fn is_carried(&self) -> bool {
        !self.profile.is_encrypted() || !self.crypto.is_empty() || self.dtls.is_some()
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
    maps[13] = Some(Encoding::ComfortNoise);
    let mut stated = None;
    let mut ptime_ms = None;
    let mut crypto = Vec::new();
    let mut rtcp_mux = false;
    let mut dtls = Said::default();
    let mut dtls_before = Said::default();
    for index in (0..head).chain(range.clone()) {
        let line = session.lines[index];
        if line.kind != b'a' {
            continue;
        }
        let (name, value) = attribute(session.value(line));
        if let Some(direction) = direction(name) {
            stated = Some(direction);
        } else if index < head {
            dtls_before.read(name, value);
        } else if dtls.read(name, value) {
            continue;
        } else if name.eq_ignore_ascii_case(b"rtpmap") {
            if let Some((pt, encoding)) = leading_payload_type(value) {
                maps[usize::from(pt)] = Some(Encoding::read(encoding));
            }
        } else if name.eq_ignore_ascii_case(b"ptime") {
            ptime_ms = number_of(value.trim_ascii()).filter(|ms| *ms != 0);
        } else if name.eq_ignore_ascii_case(b"rtcp-mux") {
            rtcp_mux = true;
        } else if name.eq_ignore_ascii_case(b"crypto") && crypto.len() < CRYPTO_MAX {
            crypto.extend(Crypto::parse(value));
        }
    }
    let profile = Profile::of(line.protocol).unwrap_or_default();
    if profile.is_tls() {
        // Keys in the description are another profile's.
        crypto.clear();
    }
    let encoding_of = |pt: u8| maps[usize::from(pt)];
    Ok(Audio {
        section,
        profile,
        dtls: dtls.under(&dtls_before),
        crypto,
        rtcp_mux,
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
        comfort_noise: payload_types
            .iter()
            .copied()
            .find(|pt| encoding_of(*pt) == Some(Encoding::ComfortNoise)),
        ptime_ms,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Voice(Codec),
    TelephoneEvent,
    ComfortNoise,
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
        } else if name.eq_ignore_ascii_case(b"CN") {
            Encoding::ComfortNoise
        } else {
            Encoding::Other
        }
    }
}

/// The address in force for a section: its own `c=` line, or else the session's (RFC 8866 §5.7).
pub(super) fn connection(session: &Session, head: usize, section: &Range<usize>) -> Result<IpAddr, SdpError> {
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
#[path = "parse_tests.rs"]
mod tests;
