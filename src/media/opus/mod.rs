//! Opus (RFC 6716, RFC 7587): heard as 16 kHz mono, and spoken to a party that has nothing else in common with the other one.
//!
//! Two parties that both speak Opus send it to each other as it is; nothing here touches it then but [`packet::milliseconds`],
//! which every packet must stand up to, and the copy for scoring. The codec itself is opus-pure (docs/adr/0009-opus.md). Each
//! end of it is made when a leg is described, never on the path of a packet.
//!
//! The room does not know legs, sockets or RTP: it is handed the payload of one packet at a time.

mod clock;
mod decoder;
mod encoder;
mod half;
mod hearer;
pub mod packet;
mod speaker;
#[cfg(test)]
mod tests;

pub use decoder::Decoder;
pub use encoder::Encoder;

pub(super) use clock::Clock;
pub(super) use half::Halver;
pub(super) use hearer::Hearer;
pub(super) use speaker::{Speaker, widened};

/// Units of an Opus timestamp for one of a telephone's codecs: 48 kHz (RFC 7587 §4.1) to 8 kHz.
pub(super) const UNITS: u32 = 6;

/// Samples a millisecond of what is decoded and encoded: 16 kHz.
const SAMPLES_PER_MS: usize = 16;

/// Samples of the longest packet (120 ms, RFC 6716 §2.1.4).
pub const SAMPLES_MAX: usize = 120 * SAMPLES_PER_MS;

/// Body of the fuzz target: whatever the octets are, they are refused or they are as many samples as they say.
///
/// # Panics
///
/// When that does not hold, which is what the fuzzer looks for (and any other panic).
pub fn fuzz_opus(octets: &[u8]) {
    fuzz_stream(octets.chunks(200));
}

/// The packets of one stream. Gives how many were packets. Without the way from 48 kHz to 16, which is arithmetic and slow where
/// nothing is optimised.
fn fuzz_stream<'a>(packets: impl Iterator<Item = &'a [u8]>) -> usize {
    let mut decoder = Decoder::new();
    let mut whole = 0;
    for octets in packets {
        match packet::quarters(octets) {
            Ok(quarters) => {
                let decoded = decoder.codec_run(octets, usize::from(quarters) * 12);
                assert_eq!(decoded, Some(()), "a packet that is whole was not decoded");
                whole += 1;
            }
            Err(_) => {
                assert_eq!(decoder.decode(octets, &mut [0; SAMPLES_MAX]), None);
                // Losses of every length, made up for as for a call.
                for piece in decoder::pieces(octets.first().map_or(80, |first| usize::from(*first) % 61 * 4))
                {
                    let _ = decoder.codec_run(&[], piece * 12);
                }
            }
        }
    }
    assert_eq!(decoder.panics(), 0, "the codec held out");
    whole
}
