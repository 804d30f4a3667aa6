//! Between two parties that share no codec: one's words in the codec of the other.
//!
//! One octet is 125 us in every [`Codec`] of ours, and all of them count RTP time so (RFC 3551 §4.5.2). So a packet keeps its
//! length, its number and its timestamp, and telephone-events, reports and losses beside it mean to the other party what
//! they meant before. Of G.722 the lower sub-band is read and written, which is the telephone band at 8 kHz: its quadrature
//! mirror filter is the half-band filter between the two rates, and the other party runs it.

use super::g722::{NarrowDecoder, NarrowEncoder};
use crate::g711::Law;
use crate::sdp::Codec;

/// One direction. G.711 needs no memory; what G.722 remembers of the signal is kept here.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Transcoder {
    decoder: NarrowDecoder,
    encoder: NarrowEncoder,
}

impl Transcoder {
    /// Rewrites `audio` in place. A packet that comes late, or again, changes nothing for those after it: the signal that
    /// is remembered goes on from the newest.
    pub(super) fn transcode(&mut self, from: Codec, to: Codec, audio: &mut [u8], is_new: bool) {
        let mut state = *self;
        for octet in audio {
            let sample = match from.law() {
                Some(law) => law.decode(*octet),
                None => state.decoder.decode(*octet),
            };
            *octet = match to.law() {
                Some(law) => law.encode(sample),
                None => state.encoder.encode(sample),
            };
        }
        if is_new {
            *self = state;
        }
    }

    /// Silence in this codec, behind what went before.
    pub(super) fn hush(&mut self, to: Codec, audio: &mut [u8], is_new: bool) {
        audio.fill(Law::Mu.encode(0));
        self.transcode(Codec::Pcmu, to, audio, is_new);
    }
}

#[cfg(test)]
mod tests {
    use super::super::g722::{Decoder, Encoder};
    use super::*;

    const PACKET: usize = 160;

    /// Two seconds at 8 kHz that rise and fall like speech.
    fn voice() -> Vec<i16> {
        let tone = |n: f64, hertz: f64| f64::sin(n * hertz * std::f64::consts::TAU / 8000.0);
        (0..16_000)
            .map(f64::from)
            .map(|n| {
                let loudness = 0.35 + 0.65 * tone(n, 3.0).abs();
                (loudness * (tone(n, 220.0) * 6000.0 + tone(n, 1_130.0) * 3000.0 + tone(n, 2_600.0) * 1200.0))
                    as i16
            })
            .collect()
    }

    fn transcoded(octets: &[u8], from: Codec, to: Codec) -> Vec<u8> {
        let mut transcoder = Transcoder::default();
        let mut octets = octets.to_vec();
        for packet in octets.chunks_mut(PACKET) {
            transcoder.transcode(from, to, packet, true);
        }
        octets
    }

    /// Signal to noise in dB of `heard` behind `said` by `lag` samples, level matched, past the first 100 ms.
    fn quality(said: &[i16], heard: &[i16], lag: usize) -> f64 {
        let pairs = || {
            let said = said.iter().map(|sample| f64::from(*sample));
            said.zip(heard[lag..].iter().map(|sample| f64::from(*sample)))
                .skip(800)
        };
        let (cross, square) = pairs().fold((0.0, 1e-9), |(cross, square), (said, heard)| {
            (cross + said * heard, square + said * said)
        });
        let gain = cross / square;
        assert!((0.95..1.05).contains(&gain), "the level stays: {gain}");
        let noise: f64 = pairs().map(|(said, heard)| (heard - gain * said).powi(2)).sum();
        10.0 * f64::log10(gain * gain * square / (noise + 1e-9))
    }

    #[test]
    fn one_law_becomes_the_other_with_little_noise() {
        for (from, to) in [(Codec::Pcmu, Codec::Pcma), (Codec::Pcma, Codec::Pcmu)] {
            let (mu, other) = (from.law().unwrap(), to.law().unwrap());
            let said: Vec<u8> = voice().into_iter().map(|sample| mu.encode(sample)).collect();
            let linear: Vec<i16> = said.iter().map(|octet| mu.decode(*octet)).collect();
            let heard: Vec<i16> = transcoded(&said, from, to)
                .iter()
                .map(|octet| other.decode(*octet))
                .collect();
            let quality = quality(&linear, &heard, 0);
            assert!(quality > 30.0, "{from:?} to {to:?}: {quality} dB");
        }
    }

    /// What is said at a time in samples of 16 kHz, within the telephone band.
    fn signal(time: f64) -> f64 {
        let tone = |hertz: f64| f64::sin(time * hertz * std::f64::consts::TAU / 16_000.0);
        (tone(300.0) * 6000.0 + tone(1_700.0) * 3000.0) * (0.6 + 0.4 * tone(2.0))
    }

    /// The lag, in halves of a sample of 16 kHz, at which `heard` (its sample `n` at time `n * step`) is most like the signal.
    fn lag(heard: &[i16], step: f64, part: std::ops::Range<usize>) -> i32 {
        let likeness = |half: i32| -> f64 {
            part.clone()
                .map(|n| f64::from(heard[n]) * signal(n as f64 * step - f64::from(half) / 2.0))
                .sum()
        };
        (0..60)
            .max_by(|one, other| likeness(*one).total_cmp(&likeness(*other)))
            .unwrap()
    }

    /// One lag from beginning to end, the level as it was, and little noise.
    fn check_heard(heard: &[i16], step: f64) {
        let whole = lag(heard, step, 2_000..14_000);
        for start in [2_000, 5_000, 8_000, 11_000] {
            let part = lag(heard, step, start..start + 3_000);
            assert!(
                (part - whole).abs() <= 1,
                "a lag of {part} halves at {start}, {whole} over all"
            );
        }
        let said: Vec<i16> = (0..14_000)
            .map(|n| signal(f64::from(n) * step - f64::from(whole) / 2.0) as i16)
            .collect();
        let quality = quality(&said, heard, 0);
        assert!(quality > 25.0, "{quality} dB at a lag of {whole} halves");
    }

    fn narrow() -> impl Iterator<Item = i16> {
        (0..16_000).map(|n| signal(f64::from(n) * 2.0) as i16)
    }

    #[test]
    fn a_narrow_caller_is_heard_by_a_wide_phone_with_one_lag_throughout() {
        for (from, law) in [(Codec::Pcmu, Law::Mu), (Codec::Pcma, Law::A)] {
            let said: Vec<u8> = narrow().map(|sample| law.encode(sample)).collect();
            let mut decoder = Decoder::default();
            let octets = transcoded(&said, from, Codec::G722);
            let heard: Vec<i16> = octets.iter().flat_map(|octet| decoder.decode(*octet)).collect();
            assert_eq!(heard.len(), 32_000);
            check_heard(&heard, 1.0);
        }
    }

    #[test]
    fn a_wide_phone_is_heard_by_a_narrow_caller_with_one_lag_throughout() {
        let mut encoder = Encoder::default();
        let octets: Vec<u8> = (0..16_000)
            .map(|n| encoder.encode([0.0, 1.0].map(|odd| signal(f64::from(n) * 2.0 + odd) as i16)))
            .collect();
        for (to, law) in [(Codec::Pcmu, Law::Mu), (Codec::Pcma, Law::A)] {
            let heard = transcoded(&octets, Codec::G722, to);
            let heard: Vec<i16> = heard.iter().map(|octet| law.decode(*octet)).collect();
            check_heard(&heard, 2.0);
        }
    }

    #[test]
    fn a_packet_that_comes_again_changes_nothing_for_the_next() {
        let octets: Vec<u8> = voice().into_iter().map(|sample| Law::Mu.encode(sample)).collect();
        let expected = transcoded(&octets, Codec::Pcmu, Codec::G722);
        let mut transcoder = Transcoder::default();
        for (said, expected) in octets.chunks(PACKET).zip(expected.chunks(PACKET)) {
            for (is_new, is_checked) in [(false, false), (true, true)] {
                let mut packet = said.to_vec();
                transcoder.transcode(Codec::Pcmu, Codec::G722, &mut packet, is_new);
                assert!(!is_checked || packet == expected);
            }
        }
    }
}
