//! SIP messages out of TCP segments: in order, each octet once, bounded.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use super::replay_packets::Segment;
use crate::sip::{Frame, StreamFramer};

/// Directions of connections followed at a time. Past it the one that began first is forgotten.
const STREAMS_MAX: usize = 4096;
/// Octets of one direction that wait for a segment before them. Past it the stream is given up.
const WAITING_OCTETS_MAX: usize = 256 * 1024;

/// Every direction of every connection.
#[derive(Default)]
pub(super) struct Streams {
    streams: BTreeMap<(SocketAddr, SocketAddr), Stream>,
    order: VecDeque<(SocketAddr, SocketAddr)>,
    /// Streams in which segments were missing, or that were no SIP after all.
    pub given_up: u64,
}

struct Stream {
    next: u32,
    /// Segments ahead of `next`, by how far.
    waiting: BTreeMap<u32, Vec<u8>>,
    framer: StreamFramer,
    is_given_up: bool,
}

impl Streams {
    /// The whole messages that this segment completes.
    pub(super) fn push(&mut self, from: SocketAddr, to: SocketAddr, segment: &Segment<'_>) -> Vec<Vec<u8>> {
        let way = (from, to);
        if segment.is_start {
            self.begin(way, segment.sequence.wrapping_add(1));
        } else if !self.streams.contains_key(&way) && looks_like_sip(segment.octets) {
            // The capture began within the connection: the first message we can see is where we join.
            self.begin(way, segment.sequence);
        }
        let Some(stream) = self.streams.get_mut(&way) else {
            return Vec::new();
        };
        let was_given_up = stream.is_given_up;
        let messages = stream.push(segment);
        self.given_up += u64::from(stream.is_given_up && !was_given_up);
        if segment.is_end {
            self.streams.remove(&way);
        }
        messages
    }

    fn begin(&mut self, way: (SocketAddr, SocketAddr), next: u32) {
        let stream = Stream {
            next,
            waiting: BTreeMap::new(),
            framer: StreamFramer::new(),
            is_given_up: false,
        };
        if self.streams.insert(way, stream).is_none() {
            self.order.push_back(way);
        }
        while self.order.len() > STREAMS_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.streams.remove(&oldest);
            }
        }
    }
}

impl Stream {
    fn push(&mut self, segment: &Segment<'_>) -> Vec<Vec<u8>> {
        if self.is_given_up || segment.octets.is_empty() {
            return Vec::new();
        }
        let start = if segment.is_start {
            segment.sequence.wrapping_add(1)
        } else {
            segment.sequence
        };
        let ahead = start.wrapping_sub(self.next);
        if ahead > u32::MAX / 2 {
            // Begins before what was read: sent again, perhaps with more at its end.
            let known = self.next.wrapping_sub(start) as usize;
            if let Some(news) = segment.octets.get(known..).filter(|news| !news.is_empty()) {
                self.take(news);
            }
        } else if ahead == 0 {
            self.take(segment.octets);
        } else {
            let waiting: usize = self.waiting.values().map(Vec::len).sum();
            if waiting + segment.octets.len() > WAITING_OCTETS_MAX {
                self.give_up();
                return Vec::new();
            }
            self.waiting.insert(start, segment.octets.to_vec());
        }
        self.take_what_waited();
        self.messages()
    }

    fn take(&mut self, octets: &[u8]) {
        self.framer.push(octets);
        self.next = self.next.wrapping_add(octets.len() as u32);
    }

    fn take_what_waited(&mut self) {
        loop {
            let ready = self
                .waiting
                .keys()
                .copied()
                .find(|start| start.wrapping_sub(self.next) > u32::MAX / 2 || *start == self.next);
            let Some(start) = ready else {
                return;
            };
            if let Some(octets) = self.waiting.remove(&start) {
                let known = self.next.wrapping_sub(start) as usize;
                if let Some(news) = octets.get(known..) {
                    self.take(news);
                }
            }
        }
    }

    fn messages(&mut self) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        loop {
            match self.framer.poll_frame() {
                Ok(Some(Frame::Message(message))) => messages.push(message),
                Ok(Some(_)) => {}
                Ok(None) => return messages,
                Err(_) => {
                    self.give_up();
                    return messages;
                }
            }
        }
    }

    fn give_up(&mut self) {
        self.is_given_up = true;
        self.waiting.clear();
        self.framer = StreamFramer::new();
    }
}

/// The first line of octets is a SIP start line.
pub(super) fn looks_like_sip(octets: &[u8]) -> bool {
    let line = octets
        .split(|octet| *octet == b'\r' || *octet == b'\n')
        .find(|line| !line.is_empty());
    let Some(line) = line.filter(|line| line.len() <= 8192) else {
        return false;
    };
    line.starts_with(b"SIP/2.0 ") || line.ends_with(b" SIP/2.0")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = "OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 4\r\n\r\nbody";

    fn ends() -> (SocketAddr, SocketAddr) {
        (
            "192.0.2.1:5060".parse().unwrap(),
            "192.0.2.2:5060".parse().unwrap(),
        )
    }

    /// Pushes pieces of three messages in this order; gives how many came out whole.
    fn check(first: u32, has_start: bool, pieces: &[(usize, usize)]) -> usize {
        let text = MESSAGE.repeat(3);
        let ((from, to), mut streams) = (ends(), Streams::default());
        if has_start {
            let segment = Segment {
                sequence: first.wrapping_sub(1),
                is_start: true,
                is_end: false,
                octets: b"",
            };
            streams.push(from, to, &segment);
        }
        let mut whole = 0;
        for (start, end) in pieces {
            let segment = Segment {
                sequence: first.wrapping_add(*start as u32),
                is_start: false,
                is_end: false,
                octets: &text.as_bytes()[*start..(*end).min(text.len())],
            };
            whole += streams
                .push(from, to, &segment)
                .into_iter()
                .filter(|message| message == MESSAGE.as_bytes())
                .count();
        }
        whole
    }

    #[test]
    fn segments_in_any_order_twice_and_overlapping_give_each_message_once() {
        let all = MESSAGE.len() * 3;
        assert_eq!(check(1000, true, &[(0, all)]), 3);
        assert_eq!(check(1000, true, &[(0, 10), (30, all), (10, 30)]), 3);
        assert_eq!(check(1000, true, &[(0, 10), (0, 10), (5, 40), (20, all)]), 3);
        assert_eq!(check(1000, false, &[(0, 30), (30, all)]), 3);
    }

    #[test]
    fn sequence_numbers_go_round() {
        let all = MESSAGE.len() * 3;
        assert_eq!(check(u32::MAX - 20, true, &[(0, 10), (40, all), (10, 40)]), 3);
    }

    #[test]
    fn a_hole_that_never_closes_costs_a_bounded_amount() {
        let ((from, to), mut streams) = (ends(), Streams::default());
        let start = |sequence, is_start, octets| Segment {
            sequence,
            is_start,
            is_end: false,
            octets,
        };
        streams.push(from, to, &start(0, true, b""));
        let block = [b'x'; 1000];
        for n in 0..2000 {
            streams.push(from, to, &start(5000 + n * 1000, false, &block));
        }
        assert_eq!(streams.given_up, 1);
        assert!(streams.streams.values().all(|stream| stream.waiting.is_empty()));
    }
}
