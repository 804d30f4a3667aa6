//! What is said to a party that speaks Opus and shares no other codec: by the other party, or by us.

use super::encoder::Encoder;
use super::half::Doubler;
use super::{SAMPLES_MAX, UNITS};
use crate::media::g722;
use crate::sdp::Codec;

/// One direction of one call.
pub(in crate::media) struct Speaker {
    encoder: Encoder,
    doubler: Doubler,
    g722: g722::Decoder,
    samples: [i16; SAMPLES_MAX],
}

impl Speaker {
    pub(in crate::media) fn new() -> Speaker {
        Speaker {
            encoder: Encoder::new(),
            doubler: Doubler::default(),
            g722: g722::Decoder::default(),
            samples: [0; SAMPLES_MAX],
        }
    }

    /// A new stream begins.
    pub(in crate::media) fn restart(&mut self) {
        self.doubler = Doubler::default();
        self.g722 = g722::Decoder::default();
    }

    /// A packet as long as these octets of another codec in which nothing is said (frames of no octets, RFC 6716 §3.2.1), in their
    /// place. Whoever hears it makes up for it; what is said before and behind it knows nothing of it. Gives its length. `None`:
    /// as [`Speaker::write`].
    pub(in crate::media) fn write_nothing(audio: &mut [u8]) -> Option<usize> {
        let (first, frames) = match audio.len() {
            20 => (20 << 3, None),
            40 => (21 << 3, None),
            len if len % 80 == 0 && (1..=12).contains(&(len / 80)) => (8 << 3 | 3, Some((len / 80) as u8)),
            _ => return None,
        };
        *audio.first_mut()? = first;
        if let Some(frames) = frames {
            *audio.get_mut(1)? = frames;
        }
        Some(1 + usize::from(frames.is_some()))
    }

    /// These octets of another codec as one Opus packet in their place, never longer than they. Gives its length. `None`: there
    /// is no Opus packet of that length (5, or a multiple of 10 up to 120 ms).
    pub(in crate::media) fn write(&mut self, from: Codec, audio: &mut [u8]) -> Option<usize> {
        let count = audio.len() * 2;
        let samples = self.samples.get_mut(..count)?;
        for (pair, octet) in samples.as_chunks_mut::<2>().0.iter_mut().zip(audio.iter()) {
            *pair = match from.law() {
                Some(law) => self.doubler.double(law.decode(*octet)),
                None => self.g722.decode(*octet),
            };
        }
        self.encoder.encode(&self.samples[..count], audio)
    }
}

/// A timestamp of a telephone's codec on the clock of Opus. 2^32 times six is nothing but a wrap.
pub(in crate::media) fn widened(timestamp: u32) -> u32 {
    timestamp.wrapping_mul(UNITS)
}
