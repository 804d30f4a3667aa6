//! Octets to samples: opus-pure, asked for 16 kHz mono, with a fence around it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use opus_pure::OpusDecoder;

use super::packet;
use super::{SAMPLES_MAX, SAMPLES_PER_MS};

/// One stream's decoder: 160 kB, which it takes when it is made. A packet that arrives costs no allocation; one that is made up
/// for takes some scratch memory of the codec's and gives it back.
pub struct Decoder {
    /// `None`: it could not be made, or did not survive its packets. Nothing is heard then.
    codec: Option<Box<OpusDecoder>>,
    panics: u8,
}

/// A codec that panics more often than this is asked nothing more in this call.
const PANICS_MAX: u8 = 3;

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder::new()
    }
}

impl Decoder {
    /// Takes its memory.
    pub fn new() -> Decoder {
        let mut codec = OpusDecoder::new(16_000, 1).ok().map(Box::new);
        if let Some(codec) = &mut codec {
            // The buffer it converts from grows to what it needs most; now, rather than with a packet.
            let _ = codec.decode_s16(&[], SAMPLES_MAX, &mut [0; SAMPLES_MAX]);
            let _ = codec.reset_state();
        }
        Decoder { codec, panics: 0 }
    }

    /// A new stream begins: nothing of the one before it is carried over.
    pub fn restart(&mut self) {
        if let Some(codec) = &mut self.codec {
            let _ = codec.reset_state();
        }
    }

    /// How many samples of 16 kHz this packet is, at the start of `samples`. `None`: it is no packet (see
    /// [`packet::quarters`]), or the codec has broken down over it.
    pub fn decode(&mut self, payload: &[u8], samples: &mut [i16; SAMPLES_MAX]) -> Option<usize> {
        let quarters = packet::quarters(payload).ok()?;
        self.run(payload, usize::from(quarters) * SAMPLES_PER_MS / 4, samples)
    }

    /// So many milliseconds that were lost, as the codec makes up for them; 120 at most. Gives their samples.
    pub fn conceal(&mut self, milliseconds: usize, samples: &mut [i16; SAMPLES_MAX]) -> Option<usize> {
        // It makes up for whole frames of 10 ms best, and for others by cutting one.
        let wanted = (milliseconds * SAMPLES_PER_MS).min(SAMPLES_MAX);
        self.run(&[], wanted, samples)
    }

    /// How often it broke down.
    pub(super) fn panics(&self) -> u8 {
        self.panics
    }

    fn run(&mut self, payload: &[u8], wanted: usize, samples: &mut [i16; SAMPLES_MAX]) -> Option<usize> {
        let codec = self.codec.as_mut()?;
        // Its tables and arithmetic are somebody else's, and the octets a stranger's: a panic in there costs this packet.
        let result = catch_unwind(AssertUnwindSafe(|| codec.decode_s16(payload, wanted, samples)));
        match result {
            Ok(decoded) => decoded.ok().filter(|count| *count == wanted),
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
