//! Messages out of a stream (TCP, TLS), RFC 3261 §18.3 and the keep-alive of RFC 5626 §3.5.1.

use super::error::ParseError;
use super::header_name::HeaderName;
use super::index::{decimal, leading_crlf};
use super::limits;

/// Cuts one connection's octets into whole messages.
///
/// Holds at most one incomplete message (65,535 octets) beyond what the last `push` brought. After
/// an error nothing more can be read: the connection is to be closed, since the place where the
/// next message begins is lost.
#[derive(Debug, Default)]
pub struct StreamFramer {
    buffer: Vec<u8>,
    /// First octet not yet given out.
    start: usize,
    /// Octets after `start` already searched for the end of the headers, so that a message
    /// arriving octet by octet is not searched again and again.
    searched: usize,
    /// Octets of the message at `start` once its headers are complete.
    length: Option<usize>,
    /// CRLFs seen between messages, 0 or 1: two make a ping.
    crlfs: u8,
    /// Pings of ours that were not answered yet.
    pongs_due: u8,
    is_broken: bool,
}

/// What a stream brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// One whole message: for [`Message::parse`](super::Message::parse).
    Message(Vec<u8>),
    /// The peer's keep-alive (two CRLFs): answer with one CRLF ([`Frame::PONG`]).
    Ping,
    /// The answer to a ping of ours (one CRLF, after [`StreamFramer::expect_pong`]).
    Pong,
}

impl Frame {
    pub const PING: &'static [u8] = b"\r\n\r\n";
    /// The answer to a ping.
    pub const PONG: &'static [u8] = b"\r\n";
}

impl StreamFramer {
    pub fn new() -> StreamFramer {
        StreamFramer::default()
    }

    /// Takes what was read from the connection, any amount. Call [`StreamFramer::poll_frame`] until None after it.
    pub fn push(&mut self, octets: &[u8]) {
        if self.is_broken {
            return;
        }
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(octets);
    }

    /// We sent [`Frame::PING`]: the next CRLF between messages is its answer.
    pub fn expect_pong(&mut self) {
        self.pongs_due = self.pongs_due.saturating_add(1);
    }

    /// A message has begun and has not ended. True only for octets that [`StreamFramer::poll_frame`] has seen.
    pub fn is_inside_message(&self) -> bool {
        !self.is_broken && self.start < self.buffer.len()
    }

    /// The next whole message or ping; None = more octets are needed.
    ///
    /// # Errors
    ///
    /// No or conflicting Content-Length, or a message over the limits: close the connection. Every
    /// later call gives the same kind of error.
    pub fn poll_frame(&mut self) -> Result<Option<Frame>, ParseError> {
        if self.is_broken {
            return Err(ParseError::silent("stream", 0, "a connection that was closed"));
        }
        let frame = self.cut();
        if frame.is_err() {
            self.is_broken = true;
            self.buffer = Vec::new();
            self.start = 0;
        }
        frame
    }

    fn cut(&mut self) -> Result<Option<Frame>, ParseError> {
        if self.length.is_none() && self.searched == 0 {
            while self.buffer[self.start..].starts_with(b"\r\n") {
                self.start += 2;
                if self.pongs_due > 0 && self.crlfs == 0 {
                    self.pongs_due -= 1;
                    return Ok(Some(Frame::Pong));
                }
                self.crlfs += 1;
                if self.crlfs == 2 {
                    self.crlfs = 0;
                    return Ok(Some(Frame::Ping));
                }
            }
        }
        let waiting = &self.buffer[self.start..];
        if waiting.is_empty() || waiting == b"\r" {
            return Ok(None);
        }
        self.crlfs = 0;
        let length = match self.length {
            Some(length) => length,
            None => {
                let from = self.searched.saturating_sub(3);
                let found = waiting[from..].windows(4).position(|w| w == b"\r\n\r\n");
                super::work::spend(found.unwrap_or(waiting.len() - from));
                let Some(found) = found else {
                    self.searched = waiting.len();
                    return match waiting.len() > limits::MESSAGE_OCTETS_MAX {
                        true => Err(too_large()),
                        false => Ok(None),
                    };
                };
                let head = from + found + 4;
                let body = content_length(&waiting[..head])?;
                if head + body > limits::MESSAGE_OCTETS_MAX {
                    return Err(too_large());
                }
                self.length = Some(head + body);
                head + body
            }
        };
        if waiting.len() < length {
            self.searched = waiting.len();
            return Ok(None);
        }
        let message = waiting[..length].to_vec();
        self.start += length;
        self.length = None;
        self.searched = 0;
        Ok(Some(Frame::Message(message)))
    }
}

fn too_large() -> ParseError {
    ParseError::silent(
        "stream",
        limits::MESSAGE_OCTETS_MAX,
        "a message of at most 65535 octets",
    )
}

/// Reads Content-Length from a header block, more leniently than a parser: a message with a broken
/// header still has an end, and its sender deserves the 400 the parser will give.
fn content_length(head: &[u8]) -> Result<usize, ParseError> {
    debug_assert_eq!(leading_crlf(head), 0);
    let mut length = None;
    let mut at = 0;
    while at < head.len() {
        let mut end = line_end(head, at);
        while matches!(head.get(end + 2), Some(b' ' | b'\t')) {
            end = line_end(head, end + 2);
        }
        let line = &head[at..end];
        if let Some(colon) = line.iter().position(|&b| b == b':')
            && HeaderName::of(line[..colon].trim_ascii()) == HeaderName::ContentLength
        {
            let read = decimal(line[colon + 1..].trim_ascii())
                .filter(|&read| length.is_none_or(|known| known == read))
                .ok_or_else(|| ParseError::silent("Content-Length", at, "one decimal number of octets"))?;
            length = Some(read);
        }
        at = end + 2;
    }
    length.ok_or_else(|| ParseError::silent("Content-Length", head.len(), "the header, on a stream"))
}

fn line_end(head: &[u8], from: usize) -> usize {
    head[from..]
        .windows(2)
        .position(|w| w == b"\r\n")
        .map_or(head.len(), |at| from + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &[u8] = b"OPTIONS sip:x SIP/2.0\r\nl : \r\n 4\r\n\r\nbody";
    const TWO: &[u8] = b"BYE sip:x SIP/2.0\r\nContent-Length: 0\r\n\r\n";

    fn frames(framer: &mut StreamFramer) -> Vec<Frame> {
        std::iter::from_fn(|| framer.poll_frame().unwrap()).collect()
    }

    #[test]
    fn messages_come_out_whole_however_the_stream_was_cut() {
        let stream = [ONE, TWO, b"\r\n\r\n", ONE].concat();
        let whole = [
            Frame::Message(ONE.to_vec()),
            Frame::Message(TWO.to_vec()),
            Frame::Ping,
            Frame::Message(ONE.to_vec()),
        ];
        for size in [1, 2, 3, 7, 30, stream.len()] {
            let mut framer = StreamFramer::new();
            let mut seen = Vec::new();
            for piece in stream.chunks(size) {
                framer.push(piece);
                seen.extend(frames(&mut framer));
            }
            assert_eq!(seen, whole, "in pieces of {size}");
        }
    }

    #[test]
    fn two_crlfs_are_a_ping_and_one_is_nothing() {
        let mut framer = StreamFramer::new();
        framer.push(b"\r\n\r\n\r\n");
        assert_eq!(frames(&mut framer), [Frame::Ping]);
        framer.push(TWO);
        assert_eq!(frames(&mut framer), [Frame::Message(TWO.to_vec())]);
        framer.push(b"\r\n");
        assert_eq!(frames(&mut framer), []);
        framer.push(b"\r\n");
        assert_eq!(frames(&mut framer), [Frame::Ping]);
    }

    #[test]
    fn an_answer_to_our_ping_is_no_half_of_theirs() {
        let mut framer = StreamFramer::new();
        framer.expect_pong();
        framer.push(b"\r\n");
        assert_eq!(frames(&mut framer), [Frame::Pong]);
        framer.push(b"\r\n\r\n");
        assert_eq!(frames(&mut framer), [Frame::Ping]);
        // Both at once: their ping and our answer, in whatever order.
        framer.expect_pong();
        framer.push(b"\r\n\r\n\r\n");
        let mut seen = frames(&mut framer);
        seen.sort_by_key(|frame| *frame == Frame::Pong);
        assert_eq!(seen, [Frame::Ping, Frame::Pong]);
    }

    #[test]
    fn a_message_that_has_begun_is_told_from_silence() {
        let mut framer = StreamFramer::new();
        for (piece, is_inside) in [
            (&TWO[..9], true),
            (&TWO[9..], false),
            (b"\r\n", false),
            (b"B", true),
        ] {
            framer.push(piece);
            frames(&mut framer);
            assert_eq!(framer.is_inside_message(), is_inside, "{piece:?}");
        }
    }

    #[test]
    fn a_stream_without_one_content_length_is_closed() {
        for head in [
            "BYE sip:x SIP/2.0\r\nVia: v\r\n\r\n",
            "BYE sip:x SIP/2.0\r\nContent-Length: 1\r\nl: 2\r\n\r\n",
            "BYE sip:x SIP/2.0\r\nContent-Length: -1\r\n\r\n",
            "BYE sip:x SIP/2.0\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "BYE sip:x SIP/2.0\r\nContent-Length: 65535\r\n\r\n",
        ] {
            let mut framer = StreamFramer::new();
            framer.push(head.as_bytes());
            assert!(framer.poll_frame().is_err(), "{head}");
            framer.push(TWO);
            assert!(framer.poll_frame().is_err(), "{head}");
        }
    }

    #[test]
    fn headers_that_never_end_are_cut_off_at_the_limit() {
        let mut framer = StreamFramer::new();
        let error = (0..100).find_map(|_| {
            framer.push(&[b'x'; 1000]);
            framer.poll_frame().err()
        });
        assert!(error.is_some());
    }
}
