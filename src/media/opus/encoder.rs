//! Samples to octets: opus-pure at 16 kHz mono, as speech.

use std::panic::{AssertUnwindSafe, catch_unwind};

use opus_pure::{Application, Bandwidth, OpusEncoder, Signal};

use super::SAMPLES_PER_MS;

/// What the codec is asked for. Its variable rate for speech comes out at less than half of it: some 24 kbit/s, more than the 16
/// to 20 that RFC 6716 §2.1.1 recommends for wideband speech. libopus comes to that when it is asked for 32.
const BITS_PER_SECOND: i32 = 56_000;

/// Of 10. Above 6 the codec looks for music first, which costs half as much again.
const COMPLEXITY: i32 = 5;

/// Octets of each frame of a packet that is joined out of several: with their lengths they are never more than the audio in another
/// codec was.
const FRAME_OCTETS: usize = 72;

/// One stream's encoder: 140 kB, which it takes when it is made. A packet costs some small allocations of the codec's own, three for each 20 ms,
/// which it gives back (docs/adr/0009-opus.md).
pub struct Encoder {
    codec: Option<Box<OpusEncoder>>,
}

impl Default for Encoder {
    fn default() -> Encoder {
        Encoder::new()
    }
}

impl Encoder {
    /// Takes its memory.
    pub fn new() -> Encoder {
        // As `Voip` it would take the lowest tones out of what a telephone carries, and shift those above them.
        let mut codec = OpusEncoder::new(16_000, 1, Application::Audio).ok().map(Box::new);
        if let Some(codec) = &mut codec {
            codec.bitrate_bps = BITS_PER_SECOND;
            codec.complexity = COMPLEXITY;
            codec.signal_type = Some(Signal::Voice);
            // Frames of one kind throughout: those of a packet share its first octet.
            codec.force_bandwidth = Some(Bandwidth::Wideband);
        }
        Encoder { codec }
    }

    /// These samples of 16 kHz as one packet at the start of `packet`, whose length is all that it may have. Gives its octets.
    /// `None`: no packet is so long (2.5, 5, or a multiple of 10 up to 120 ms).
    pub fn encode(&mut self, samples: &[i16], packet: &mut [u8]) -> Option<usize> {
        let frame = 10 * SAMPLES_PER_MS;
        match samples.len() {
            // 2.5, 5, 10, 20, 40, 60, 80, 100, 120 ms.
            40 | 80 | 160 | 320 | 640 | 960 | 1280 | 1600 | 1920 => self.run(samples, packet),
            len if len.is_multiple_of(frame) && len / frame <= 12 && len != 0 => self.join(samples, packet),
            _ => None,
        }
    }

    /// 30, 50, 70, 90, 110 ms: frames of 10 ms in one packet (code 3 with lengths, RFC 6716 §3.2.5).
    fn join(&mut self, samples: &[i16], packet: &mut [u8]) -> Option<usize> {
        let frames = samples.len() / (10 * SAMPLES_PER_MS);
        let mut at = 1 + frames;
        for (place, part) in samples.chunks_exact(10 * SAMPLES_PER_MS).enumerate() {
            let mut own = [0; FRAME_OCTETS];
            let len = self.run(part, &mut own)?;
            let (first, frame) = (own[0], own.get(1..len)?);
            if place > 0 && *packet.first()? != first | 3 {
                return None;
            }
            // Each of them alone (code 0), and all of one kind: one first octet speaks for all.
            if first & 3 != 0 {
                return None;
            }
            *packet.get_mut(0)? = first | 3;
            packet.get_mut(at..at + frame.len())?.copy_from_slice(frame);
            at += frame.len();
            if place + 1 < frames {
                // Under 252, so one octet.
                *packet.get_mut(2 + place)? = frame.len() as u8;
            }
        }
        *packet.get_mut(1)? = 0x80 | frames as u8;
        Some(at)
    }

    fn run(&mut self, samples: &[i16], packet: &mut [u8]) -> Option<usize> {
        let codec = self.codec.as_mut()?;
        let result = catch_unwind(AssertUnwindSafe(|| {
            codec.encode_s16(samples, samples.len(), packet)
        }));
        match result {
            Ok(encoded) => encoded.ok().filter(|len| *len > 0),
            Err(_) => {
                self.codec = None;
                None
            }
        }
    }
}
