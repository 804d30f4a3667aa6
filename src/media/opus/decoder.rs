//! Octets to samples: opus-pure at 48 kHz mono, a third of it, and a fence around it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use opus_pure::OpusDecoder;

use super::half::Third;
use super::packet;
use super::{SAMPLES_MAX, SAMPLES_PER_MS};

/// One stream's decoder: 190 kB, which it takes when it is made. A packet that arrives costs no allocation; one that is made up
/// for takes some scratch memory of the codec's and gives it back.
///
/// The codec is asked for 48 kHz, since at 16 kHz it lets what stands above 8 kHz fold back (docs/adr/0009-opus.md).
pub struct Decoder {
    /// `None`: it could not be made, or did not survive its packets. Nothing is heard then.
    codec: Option<Box<OpusDecoder>>,
    whole: Box<[i16; 3 * SAMPLES_MAX]>,
    third: Third,
    panics: u8,
}

/// A codec that panics more often than this is asked nothing more in this call.
const PANICS_MAX: u8 = 3;

/// A packet of so few octets has no frame of more than one, and says nothing: its sender pauses, or lost it (RFC 6716 §3.2.1).
const NOTHING_OCTETS_MAX: usize = 2;

/// So many quarters of a millisecond in the lengths that the codec can make up for: tens of milliseconds, 5 and 2.5. What is less
/// than that is left over.
pub(super) fn pieces(quarters: usize) -> impl Iterator<Item = usize> {
    let five = quarters % 40;
    [quarters - five, five / 20 * 20, five % 20 / 10 * 10]
        .into_iter()
        .filter(|piece| *piece > 0)
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder::new()
    }
}

impl Decoder {
    /// Takes its memory.
    pub fn new() -> Decoder {
        let mut codec = OpusDecoder::new(48_000, 1).ok().map(Box::new);
        let mut whole = Box::new([0; 3 * SAMPLES_MAX]);
        if let Some(codec) = &mut codec {
            // Its buffers grow to what they need most; now, rather than with a packet. Speech, both, music, and each again, since
            // from one to the other takes a buffer too; and the longest loss.
            for first in [11 << 3, 15 << 3, 31 << 3, 11 << 3] {
                let _ = codec.decode_s16(&[first, 0x55, 0x55], whole.len(), &mut *whole);
                let _ = codec.decode_s16(&[], 960, &mut *whole);
            }
            let _ = codec.decode_s16(&[], whole.len(), &mut *whole);
            let _ = codec.reset_state();
        }
        Decoder {
            codec,
            whole,
            third: Third::default(),
            panics: 0,
        }
    }

    /// A new stream begins: nothing of the one before it is carried over.
    pub fn restart(&mut self) {
        self.third = Third::default();
        if let Some(codec) = &mut self.codec {
            let _ = codec.reset_state();
        }
    }

    /// How many samples of 16 kHz this packet is, at the start of `samples`. `None`: it is no packet (see
    /// [`packet::quarters`]), or the codec has broken down over it.
    pub fn decode(&mut self, payload: &[u8], samples: &mut [i16; SAMPLES_MAX]) -> Option<usize> {
        let quarters = usize::from(packet::quarters(payload).ok()?);
        if payload.len() <= NOTHING_OCTETS_MAX {
            return self.make_up(quarters, samples);
        }
        self.run(payload, quarters * SAMPLES_PER_MS / 4, samples)
    }

    /// So many milliseconds that were lost, as the codec makes up for them; 120 at most. Gives their samples: up to 2.4 ms fewer
    /// than were lost, since no frame is shorter than 2.5 ms.
    pub fn conceal(&mut self, milliseconds: usize, samples: &mut [i16; SAMPLES_MAX]) -> Option<usize> {
        self.make_up(milliseconds.min(120) * 4, samples)
    }

    fn make_up(&mut self, quarters: usize, samples: &mut [i16; SAMPLES_MAX]) -> Option<usize> {
        let mut made = 0;
        for piece in pieces(quarters) {
            made += self.run(&[], piece * SAMPLES_PER_MS / 4, &mut samples[made..])?;
        }
        Some(made)
    }

    /// How often it broke down.
    pub(super) fn panics(&self) -> u8 {
        self.panics
    }

    fn run(&mut self, payload: &[u8], wanted: usize, samples: &mut [i16]) -> Option<usize> {
        self.codec_run(payload, 3 * wanted)?;
        for (sample, three) in samples[..wanted].iter_mut().zip(self.whole.as_chunks::<3>().0) {
            *sample = self.third.third(*three);
        }
        Some(wanted)
    }

    /// So many samples of 48 kHz in `whole`, and not one more or less.
    pub(super) fn codec_run(&mut self, payload: &[u8], wanted: usize) -> Option<()> {
        let (codec, whole) = (self.codec.as_mut()?, &mut *self.whole);
        // Its tables and arithmetic are somebody else's, and the octets a stranger's: a panic in there costs this packet.
        let result = catch_unwind(AssertUnwindSafe(|| codec.decode_s16(payload, wanted, whole)));
        match result {
            Ok(decoded) => decoded.ok().filter(|count| *count == wanted).map(|_| ()),
            Err(_) => {
                self.panics += 1;
                if self.panics > PANICS_MAX {
                    self.codec = None;
                } else {
                    self.restart();
                }
                None
            }
        }
    }
}
