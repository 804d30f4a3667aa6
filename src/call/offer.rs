//! Session descriptions on their way from one leg to the other: read, anchored on our own address, counted.

use std::net::IpAddr;

use crate::call_id::CallId;
use crate::media::Side;
use crate::sdp::Session;
use crate::sip::Message;

use super::Output;
use super::refusal::Refusal;

/// Our `o=` line towards one leg (RFC 8866 §5.2): one id for the call, a version that counts up.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    session_id: u64,
    version: u64,
}

impl Origin {
    /// `session_id` is shortened to 62 bits: some peers read it as a signed number.
    pub(crate) fn new(session_id: u64) -> Origin {
        Origin {
            session_id: session_id >> 2,
            version: 0,
        }
    }

    /// This description as the other leg gets it: our address, `port`, a version not used before.
    ///
    /// # Errors
    ///
    /// 488 when no codec is left that we can carry.
    pub(crate) fn anchored(
        &mut self,
        session: &Session,
        ours: IpAddr,
        port: u16,
    ) -> Result<Vec<u8>, Refusal> {
        self.version += 1;
        session
            .anchored(ours, port, self.session_id, self.version)
            .map_err(|_| Refusal::NotAcceptable("no audio codec in common (PCMU, PCMA)"))
    }
}

/// The description in a message; `None` when it has no body (a late offer, or nothing to say).
///
/// # Errors
///
/// 415 for another kind of body, 488 for a description that cannot be read or has no audio to carry.
pub(crate) fn read(message: &Message) -> Result<Option<Session>, Refusal> {
    if message.body().is_empty() {
        return Ok(None);
    }
    let kind = message.content_type().unwrap_or_default();
    let body = match media_type(&kind) {
        "application/sdp" => message.body(),
        "multipart/mixed" => part(message.body(), &kind).ok_or(Refusal::NotSdp)?,
        _ => return Err(Refusal::NotSdp),
    };
    let session = Session::parse(body).map_err(|fault| Refusal::NotAcceptable(fault.expected))?;
    if session.codecs().is_empty() {
        return Err(Refusal::NotAcceptable("no audio codec in common (PCMU, PCMA)"));
    }
    Ok(Some(session))
}

/// Tells the media what the party on `side` said. Nothing when it gave no address to send to.
pub(crate) fn describe(call: CallId, side: Side, session: &Session) -> Option<Output> {
    Some(Output::DescribeMedia {
        call,
        side,
        audio: session.audio_address()?,
        codecs: session.codecs(),
        telephone_event: session.telephone_event(),
    })
}

fn media_type(content_type: &str) -> &'static str {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    // A body without a type can only be what INVITE bodies are.
    if kind.is_empty() || kind.eq_ignore_ascii_case("application/sdp") {
        "application/sdp"
    } else if kind.eq_ignore_ascii_case("multipart/mixed") {
        "multipart/mixed"
    } else {
        "other"
    }
}

/// The first `application/sdp` part of a multipart body (RFC 2046 §5.1.1): trunks wrap descriptions that travel
/// with ISUP or a location.
fn part<'a>(body: &'a [u8], content_type: &str) -> Option<&'a [u8]> {
    let (_, boundary) = content_type.split_once("boundary=")?;
    let boundary = boundary.split(';').next()?.trim().trim_matches('"');
    if boundary.is_empty() || boundary.len() > 70 {
        return None;
    }
    let delimiter = format!("--{boundary}");
    let mut starts = find_all(body, delimiter.as_bytes());
    let mut start = starts.next()?;
    for end in starts {
        let section = &body[start + delimiter.len()..end];
        let section = section.strip_prefix(b"\r\n").unwrap_or(section);
        if let Some(blank) = find_all(section, b"\r\n\r\n").next() {
            let head = String::from_utf8_lossy(&section[..blank]).to_ascii_lowercase();
            if head.contains("application/sdp") {
                return Some(&section[blank + 4..]);
            }
        }
        start = end;
    }
    None
}

fn find_all<'a>(haystack: &'a [u8], needle: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    haystack
        .windows(needle.len())
        .enumerate()
        .filter(move |(_, window)| *window == needle)
        .map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_is_found_among_other_parts() {
        let body = b"--b1\r\nContent-Type: application/isup\r\n\r\n\x01\x02\r\n--b1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\no=x\r\n--b1--\r\n";
        assert_eq!(
            part(body, "multipart/mixed;boundary=\"b1\""),
            Some(&b"v=0\r\no=x\r\n"[..])
        );
        assert_eq!(part(body, "multipart/mixed;boundary=b2"), None);
        assert_eq!(part(body, "multipart/mixed"), None);
        assert_eq!(part(b"--b1", "multipart/mixed;boundary=b1"), None);
    }
}
