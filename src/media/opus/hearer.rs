//! What a party says in Opus, for us and for a party that does not know it.

use super::packet;
use super::{Decoder, Halver, SAMPLES_MAX, SAMPLES_PER_MS};
use crate::g711::Law;
use crate::media::g722;
use crate::media::statistics::Arrival;
use crate::sdp::Codec;

/// One direction of one call: packets in the order of their arrival, each decoded once, whoever hears it: the other party, the
/// scorer, and we ourselves.
pub(in crate::media) struct Hearer {
    decoder: Decoder,
    /// The last packet that came in its turn.
    last: Option<u16>,
    /// The packet that `samples` and `band` are of.
    said: Option<u16>,
    samples: [i16; SAMPLES_MAX],
    /// The same at 8 kHz.
    band: [i16; SAMPLES_MAX / 2],
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
            last: None,
            said: None,
            samples: [0; SAMPLES_MAX],
            band: [0; SAMPLES_MAX / 2],
            count: 0,
            halver: Halver::default(),
            g722: g722::Encoder::default(),
        }
    }

    /// A new stream begins.
    pub(in crate::media) fn restart(&mut self) {
        self.decoder.restart();
        (self.last, self.said) = (None, None);
    }

    /// What this packet says, at 16 kHz; what it said, where it was asked for just now. A packet that is missing before it is
    /// made up for inside the decoder, so that it finds its way; nobody hears that: the receiver knows of the loss by the
    /// numbers, and makes up for it in its own way.
    ///
    /// Empty: it cannot be decoded, or it came before, or late, or is of a stream that is none yet. A late one that is decoded behind those
    /// after it is no more than noise, and the next one is 9 dB worse for it (docs/adr/0009-opus.md).
    pub(in crate::media) fn hear(&mut self, sequence: u16, arrival: Arrival, payload: &[u8]) -> &[i16] {
        if self.said != Some(sequence) {
            self.said = Some(sequence);
            self.count = match arrival {
                Arrival::Started | Arrival::Ahead => self.decode(sequence, payload),
                Arrival::Duplicate | Arrival::Behind | Arrival::Suspect => 0,
            };
            for (level, pair) in self.band[..self.count / 2]
                .iter_mut()
                .zip(self.samples.as_chunks::<2>().0)
            {
                *level = self.halver.halve(*pair);
            }
        }
        &self.samples[..self.count]
    }

    fn decode(&mut self, sequence: u16, payload: &[u8]) -> usize {
        let missing = self
            .last
            .map_or(0, |last| sequence.wrapping_sub(last).wrapping_sub(1));
        if (1..=TOLD_MAX).contains(&missing) && self.count > 0 {
            let each = (self.count / SAMPLES_PER_MS).clamp(1, 20);
            for _ in 0..missing {
                let _ = self.decoder.conceal(each, &mut self.samples);
            }
        }
        self.last = Some(sequence);
        self.decoder.decode(payload, &mut self.samples).unwrap_or(0)
    }

    /// As [`Hearer::hear`], on a telephone line: an octet of mu-law for each 125 us in `line`. Gives their number.
    pub(in crate::media) fn hear_line(
        &mut self,
        (sequence, arrival): (u16, Arrival),
        payload: &[u8],
        line: &mut [u8; SAMPLES_MAX / 2],
    ) -> usize {
        let count = self.hear(sequence, arrival, payload).len() / 2;
        for (octet, level) in line.iter_mut().zip(&self.band[..count]) {
            *octet = Law::Mu.encode(*level);
        }
        count
    }

    /// What this packet says in the codec of whoever listens, over it: an octet for each 125 us at the start of `room`. Gives
    /// their number. `None`: there is no room, or it cannot be decoded.
    ///
    /// One that was there before, comes late, or is of a stream that is none yet is silence of the same length: it changes nothing for
    /// those after it.
    pub(in crate::media) fn write(
        &mut self,
        (sequence, arrival): (u16, Arrival),
        len: usize,
        to: Codec,
        room: &mut [u8],
    ) -> Option<usize> {
        let payload = room.get(..len)?;
        if !matches!(arrival, Arrival::Started | Arrival::Ahead) {
            let octets = usize::from(packet::quarters(payload).ok()?) * 2;
            let silence = room.get_mut(..octets)?;
            silence.fill(to.law().map_or(SILENT_G722, |law| law.encode(0)));
            return Some(octets);
        }
        let octets = self.hear(sequence, arrival, payload).len() / 2;
        let room = room.get_mut(..octets).filter(|room| !room.is_empty())?;
        match to.law() {
            Some(law) => {
                for (octet, level) in room.iter_mut().zip(&self.band) {
                    *octet = law.encode(*level);
                }
            }
            None => {
                for (octet, pair) in room.iter_mut().zip(self.samples.as_chunks::<2>().0) {
                    *octet = self.g722.encode(*pair);
                }
            }
        }
        Some(octets)
    }
}

/// The smallest step down and none in the upper band: a decoder stays where it is.
const SILENT_G722: u8 = 0xfa;
