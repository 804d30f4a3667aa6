//! What a party says in Opus, for us and for a party that does not know it.

use super::packet;
use super::{Decoder, Halver, SAMPLES_MAX, SAMPLES_PER_MS};
use crate::media::g722;
use crate::media::statistics::Arrival;
use crate::sdp::Codec;

/// One direction of one call: packets in the order of their arrival, each decoded once.
pub(in crate::media) struct Hearer {
    decoder: Decoder,
    /// What the packet under this number says.
    sequence: Option<u16>,
    samples: [i16; SAMPLES_MAX],
    count: usize,
    halver: Halver,
    g722: g722::Encoder,
}

/// Missing packets that the decoder is told of before the next one: more than so many is a pause.
const TOLD_MAX: u16 = 3;

impl Hearer {
    pub(in crate::media) fn new() -> Hearer {
        Hearer {
            decoder: Decoder::new(),
            sequence: None,
            samples: [0; SAMPLES_MAX],
            count: 0,
            halver: Halver::default(),
            g722: g722::Encoder::default(),
        }
    }

    /// A new stream begins.
    pub(in crate::media) fn restart(&mut self) {
        self.decoder.restart();
        self.sequence = None;
    }

    /// What this packet says, at 16 kHz; what it said, where it was asked for just now. A packet that is missing before it is
    /// made up for inside the decoder, so that it finds its way; nobody hears that: the receiver knows of the loss by the
    /// numbers, and makes up for it in its own way. Empty: it cannot be decoded.
    pub(in crate::media) fn hear(&mut self, sequence: u16, payload: &[u8]) -> &[i16] {
        if self.sequence != Some(sequence) {
            let missing = self
                .sequence
                .map_or(0, |last| sequence.wrapping_sub(last).wrapping_sub(1));
            if (1..=TOLD_MAX).contains(&missing) && self.count > 0 {
                let each = (self.count / SAMPLES_PER_MS).clamp(1, 20);
                for _ in 0..missing {
                    let _ = self.decoder.conceal(each, &mut self.samples);
                }
            }
            self.sequence = Some(sequence);
            self.count = self.decoder.decode(payload, &mut self.samples).unwrap_or(0);
        }
        &self.samples[..self.count]
    }

    /// What this packet says in the codec of whoever listens, over it: an octet for each 125 us at the start of `room`. Gives
    /// their number. `None`: there is no room, or it cannot be decoded.
    ///
    /// One that was there before, or of a stream that is none yet, is silence of the same length: it changes nothing for those
    /// after it. One that comes late is decoded behind what came before it.
    pub(in crate::media) fn write(
        &mut self,
        (sequence, arrival): (u16, Arrival),
        len: usize,
        to: Codec,
        room: &mut [u8],
    ) -> Option<usize> {
        let payload = room.get(..len)?;
        if matches!(arrival, Arrival::Duplicate | Arrival::Suspect) {
            let octets = usize::from(packet::quarters(payload).ok()?) * 2;
            let silence = room.get_mut(..octets)?;
            silence.fill(to.law().map_or(SILENT_G722, |law| law.encode(0)));
            return Some(octets);
        }
        let octets = match arrival {
            Arrival::Behind => self.decoder.decode(payload, &mut self.samples).unwrap_or(0) / 2,
            _ => self.hear(sequence, payload).len() / 2,
        };
        let room = room.get_mut(..octets).filter(|room| !room.is_empty())?;
        for (octet, pair) in room.iter_mut().zip(self.samples.as_chunks::<2>().0) {
            *octet = match to.law() {
                Some(law) => law.encode(self.halver.halve(*pair)),
                None => self.g722.encode(*pair),
            };
        }
        Some(octets)
    }
}

/// The smallest step down and none in the upper band: a decoder stays where it is.
const SILENT_G722: u8 = 0xfa;
