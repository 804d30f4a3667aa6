//! Handshake messages out of fragments that come in any order, twice, or not at all (RFC 6347 §4.2.2, §4.2.3).

use super::wire::{Reader, Write};
use crate::media::limits::{DTLS_AHEAD_MAX, DTLS_HELD_OCTETS_MAX, DTLS_MESSAGE_OCTETS_MAX, DTLS_PIECES_MAX};

/// What stands before each message, and before each fragment of one.
pub(super) const HEADER_OCTETS: usize = 12;

/// A fragment, or a whole message.
#[derive(Clone, Copy)]
pub(super) struct Fragment<'a> {
    pub(super) kind: u8,
    /// Octets of the whole message.
    len: usize,
    pub(super) sequence: u16,
    offset: usize,
    octets: &'a [u8],
}

impl<'a> Fragment<'a> {
    /// Reads the next one of a record; `None` where it makes no sense.
    pub(super) fn read(reader: &mut Reader<'a>) -> Option<Fragment<'a>> {
        let kind = reader.u8()?;
        let len = reader.u24()?;
        let sequence = reader.u16()?;
        let offset = reader.u24()?;
        let octets = reader.vector(3)?.0;
        let is_inside = offset.checked_add(octets.len())? <= len;
        (is_inside && len <= DTLS_MESSAGE_OCTETS_MAX).then_some(Fragment {
            kind,
            len,
            sequence,
            offset,
            octets,
        })
    }

    /// The body, where it came in one piece.
    pub(super) fn whole(&self) -> Option<&'a [u8]> {
        (self.octets.len() == self.len).then_some(self.octets)
    }
}

/// A message with its header, unfragmented: as it is sent, and as both sides hash it (RFC 6347 §4.2.6).
pub(super) fn message(kind: u8, sequence: u16, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_OCTETS + body.len());
    out.push(kind);
    out.number(body.len() as u64, 3);
    out.u16(sequence);
    out.number(0, 3);
    out.vector(3, |out| out.extend_from_slice(body));
    out
}

/// What has come of the messages that are next.
#[derive(Default)]
pub(super) struct Assembly {
    next: u16,
    held: Vec<Partial>,
}

struct Partial {
    kind: u8,
    sequence: u16,
    /// Its fragments came encrypted, and so from whom the keys are with.
    is_authentic: bool,
    octets: Vec<u8>,
    /// Which of them are there: from, to; in order, none touching another.
    pieces: Vec<(usize, usize)>,
}

impl Assembly {
    /// Whether the message was handed out before: its author repeats itself.
    pub(super) fn is_past(&self, fragment: &Fragment<'_>) -> bool {
        fragment.sequence < self.next
    }

    /// Keeps a fragment of a message that is still to come. `is_authentic`: it came encrypted.
    ///
    /// Nothing that anybody may have written holds a place for good: of two messages under one number the later is kept, unless the
    /// earlier is authentic and it is not; and where there is no room, what is furthest ahead gives way.
    pub(super) fn insert(&mut self, fragment: &Fragment<'_>, is_authentic: bool) {
        let ahead = fragment.sequence.wrapping_sub(self.next);
        if self.is_past(fragment) || ahead >= DTLS_AHEAD_MAX {
            return;
        }
        let place = self
            .held
            .iter()
            .position(|partial| partial.sequence == fragment.sequence);
        if let Some(place) = place {
            let known = &mut self.held[place];
            if known.is_authentic == is_authentic && known.is_of(fragment) {
                return known.insert(fragment);
            }
            if known.is_authentic && !is_authentic {
                return;
            }
            self.held.swap_remove(place);
        }
        while self.held_octets() + fragment.len > DTLS_HELD_OCTETS_MAX {
            let held = self.held.iter().enumerate();
            let furthest = held.max_by_key(|(_, partial)| partial.sequence);
            match furthest.map(|(place, partial)| (place, partial.sequence)) {
                Some((place, sequence)) if sequence > fragment.sequence => {
                    self.held.swap_remove(place);
                }
                _ => return,
            }
        }
        let mut partial = Partial {
            kind: fragment.kind,
            sequence: fragment.sequence,
            is_authentic,
            octets: vec![0; fragment.len],
            pieces: Vec::new(),
        };
        partial.insert(fragment);
        self.held.push(partial);
    }

    /// The next message in its order, if all of it is there: kind, number, body.
    pub(super) fn pop(&mut self) -> Option<(u8, u16, Vec<u8>)> {
        let is_next = |partial: &Partial| partial.sequence == self.next && partial.is_whole();
        let place = self.held.iter().position(is_next)?;
        let partial = self.held.swap_remove(place);
        self.next = self.next.checked_add(1)?;
        Some((partial.kind, partial.sequence, partial.octets))
    }

    /// The message that was handed out last was nobody's: another one under its number is still to come.
    pub(super) fn put_back(&mut self) {
        self.next = self.next.saturating_sub(1);
    }

    fn held_octets(&self) -> usize {
        self.held.iter().map(|partial| partial.octets.len()).sum()
    }
}

impl Partial {
    fn is_whole(&self) -> bool {
        self.octets.is_empty() || self.pieces == [(0, self.octets.len())]
    }

    fn is_of(&self, fragment: &Fragment<'_>) -> bool {
        (fragment.kind, fragment.len) == (self.kind, self.octets.len())
    }

    fn insert(&mut self, fragment: &Fragment<'_>) {
        if fragment.octets.is_empty() {
            return;
        }
        let (mut from, mut to) = (fragment.offset, fragment.offset + fragment.octets.len());
        let touches = |piece: &(usize, usize)| piece.0 <= to && from <= piece.1;
        let (joined, mut apart): (Vec<_>, Vec<_>) = self.pieces.iter().copied().partition(touches);
        if apart.len() >= DTLS_PIECES_MAX {
            return;
        }
        self.octets[from..to].copy_from_slice(fragment.octets);
        for piece in joined {
            from = from.min(piece.0);
            to = to.max(piece.1);
        }
        apart.push((from, to));
        apart.sort_unstable();
        self.pieces = apart;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fragment(sequence: u16, body: &[u8], from: usize, to: usize) -> Vec<u8> {
        let mut out = vec![11];
        out.number(body.len() as u64, 3);
        out.u16(sequence);
        out.number(from as u64, 3);
        out.vector(3, |out| out.extend_from_slice(&body[from..to]));
        out
    }

    fn insert(assembly: &mut Assembly, octets: &[u8]) {
        let fragment = Fragment::read(&mut Reader(octets)).unwrap();
        assembly.insert(&fragment, false);
    }

    #[test]
    fn messages_come_out_in_order_however_they_came() {
        let mut assembly = Assembly::default();
        let (first, second) = (b"the first".as_slice(), b"and the second".as_slice());
        insert(&mut assembly, &fragment(1, second, 3, second.len()));
        insert(&mut assembly, &fragment(1, second, 0, 5));
        insert(&mut assembly, &fragment(0, first, 4, first.len()));
        assert!(assembly.pop().is_none());
        insert(&mut assembly, &fragment(0, first, 0, 4));
        insert(&mut assembly, &message(12, 2, b""));
        let bodies: Vec<Vec<u8>> = std::iter::from_fn(|| assembly.pop())
            .map(|(_, _, body)| body)
            .collect();
        assert_eq!(bodies, [first, second, b""]);
        // Once more is nothing new.
        insert(&mut assembly, &fragment(0, first, 0, first.len()));
        assert!(assembly.pop().is_none() && assembly.held.is_empty());
    }

    #[test]
    fn nothing_is_kept_without_bound() {
        let mut assembly = Assembly::default();
        let long = vec![1; DTLS_MESSAGE_OCTETS_MAX];
        for sequence in 0..100 {
            insert(&mut assembly, &fragment(sequence, &long, 0, 1));
        }
        let held = assembly.held_octets();
        assert!(held <= DTLS_HELD_OCTETS_MAX, "{held}");
        let octets = |len: usize| {
            let mut header = vec![11];
            header.number(len as u64, 3);
            header.extend([0; 8]);
            header
        };
        assert!(Fragment::read(&mut Reader(&octets(DTLS_MESSAGE_OCTETS_MAX + 1))).is_none());
        for at in 0..1000 {
            insert(&mut assembly, &fragment(0, &long, at * 8, at * 8 + 1));
        }
        assert!(assembly.held[0].pieces.len() <= DTLS_PIECES_MAX);
    }

    #[test]
    fn nobody_holds_a_place_with_a_fragment() {
        // Of another kind or length than the message that comes under its number.
        let body = b"as it was said";
        for len in [13, 15] {
            let mut assembly = Assembly::default();
            insert(&mut assembly, &fragment(0, &[9; 15][..len], 0, 1));
            insert(&mut assembly, &fragment(0, body, 0, body.len()));
            assert_eq!(assembly.pop().unwrap().2, body, "{len}");
        }
        // All the room, further ahead than what is next.
        let mut assembly = Assembly::default();
        let long = vec![1; DTLS_MESSAGE_OCTETS_MAX];
        for sequence in [6, 7] {
            insert(&mut assembly, &fragment(sequence, &long, 0, 1));
        }
        for sequence in [1, 0] {
            insert(&mut assembly, &fragment(sequence, body, 0, body.len()));
        }
        assert_eq!(std::iter::from_fn(|| assembly.pop()).count(), 2);
        // What came encrypted stands against what did not, whichever is first.
        for is_first in [true, false] {
            let mut assembly = Assembly::default();
            for is_authentic in [is_first, !is_first] {
                let body: &[u8] = if is_authentic { body } else { b"anybody's words" };
                let octets = message(20, 0, body);
                assembly.insert(&Fragment::read(&mut Reader(&octets)).unwrap(), is_authentic);
            }
            assert_eq!(assembly.pop().unwrap().2, body);
        }
        // A message that was nobody's: another may come under its number.
        insert(&mut assembly, &message(1, 2, b"nothing"));
        assert!(assembly.pop().is_some());
        assembly.put_back();
        insert(&mut assembly, &message(1, 2, body));
        assert_eq!(assembly.pop().unwrap().2, body);
    }

    proptest! {
        #[test]
        fn a_message_is_whole_when_each_of_its_octets_has_come(
            cuts in proptest::collection::vec((0usize..40, 1usize..20), 1..60)
        ) {
            let body: Vec<u8> = (0..40).collect();
            let mut assembly = Assembly::default();
            let mut there = [false; 40];
            for (from, len) in cuts {
                let to = (from + len).min(40);
                insert(&mut assembly, &fragment(0, &body, from, to));
                there[from..to].fill(true);
                let popped = assembly.pop();
                prop_assert_eq!(popped.is_some(), there.iter().all(|there| *there));
                if let Some((_, _, whole)) = popped {
                    prop_assert_eq!(whole, body);
                    break;
                }
            }
        }
    }
}
