//! Octets and samples as another implementation writes them, and the narrow half beside the whole.

use super::*;

/// Three seconds at 16 kHz of whole numbers only: noise in five levels, and a tone that climbs.
fn signal() -> Vec<i16> {
    let (mut state, mut low) = (12_345u32, 0i32);
    (0..48_000i32)
        .map(|n| {
            state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345) & 0x7fff_ffff;
            low = low - (low >> 3) + ((state >> 16) & 0x3ff) as i32 - 512;
            let saw = ((n * (200 + (n >> 5))) & 0xffff) - 32_768;
            let tone = if (n / 8000) % 2 == 1 { saw >> 3 } else { 0 };
            (low * ((n / 4000) % 5) * 2 + tone).clamp(-32_768, 32_767) as i16
        })
        .collect()
}

fn pairs(samples: &[i16]) -> impl Iterator<Item = [i16; 2]> {
    samples.chunks_exact(2).map(|pair| [pair[0], pair[1]])
}

fn hash(octets: impl IntoIterator<Item = u8>) -> u64 {
    octets.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, octet| {
        (hash ^ u64::from(octet)).wrapping_mul(0x100_0000_01b3)
    })
}

/// Both hashes are of what ffmpeg 5.1 makes of the same samples (`-c:a g722`), and of its octets (`-f g722`).
#[test]
fn octets_and_samples_are_those_of_another_implementation_bit_for_bit() {
    let mut encoder = Encoder::default();
    let octets: Vec<u8> = pairs(&signal()).map(|pair| encoder.encode(pair)).collect();
    assert_eq!(hash(octets.iter().copied()), 0x7c0d_b135_93b8_cf90);
    let mut decoder = Decoder::default();
    let samples = octets.iter().flat_map(|octet| decoder.decode(*octet));
    assert_eq!(hash(samples.flat_map(i16::to_le_bytes)), 0x5b18_1741_f82e_336f);
}

/// Signal to noise in dB, past the first 100 ms.
fn quality(said: &[i16], heard: &[i16]) -> f64 {
    let (mut signal, mut noise) = (0.0, 1e-9);
    for (said, heard) in said.iter().zip(heard).skip(800) {
        let (said, heard) = (f64::from(*said), f64::from(*heard));
        signal += said * said;
        noise += (said - heard) * (said - heard);
    }
    10.0 * f64::log10(signal / noise)
}

fn tones() -> Vec<i16> {
    let tone = |n: f64, hertz: f64| f64::sin(n * hertz * std::f64::consts::TAU / 8000.0);
    (0..16_000)
        .map(f64::from)
        .map(|n| (tone(n, 400.0) * 8000.0 + tone(n, 1_900.0) * 3000.0) as i16)
        .collect()
}

#[test]
fn the_telephone_band_comes_back() {
    let (mut encoder, mut decoder) = (NarrowEncoder::default(), NarrowDecoder::default());
    let said = tones();
    let heard: Vec<i16> = said
        .iter()
        .map(|sample| decoder.decode(encoder.encode(*sample)))
        .collect();
    assert!(quality(&said, &heard) > 39.0, "{}", quality(&said, &heard));
}

#[test]
fn a_wide_telephone_hears_the_narrow_band_at_its_level() {
    let (mut encoder, mut decoder) = (NarrowEncoder::default(), Decoder::default());
    let level = |samples: &[i16]| {
        let squares: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
        (squares / samples.len() as f64).sqrt()
    };
    let said = tones();
    let heard: Vec<i16> = said
        .iter()
        .flat_map(|sample| decoder.decode(encoder.encode(*sample)))
        .collect();
    let ratio = level(&heard[1600..]) / level(&said[800..]);
    assert!((0.97..1.03).contains(&ratio), "{ratio}");
}

#[test]
fn after_a_loss_the_narrow_decoder_finds_its_way_back() {
    let said = tones();
    let mut encoder = NarrowEncoder::default();
    let octets: Vec<u8> = said.iter().map(|sample| encoder.encode(*sample)).collect();
    let mut decoder = NarrowDecoder::default();
    // A packet of 20 ms is missing at half a second.
    let heard: Vec<i16> = octets[..4000]
        .iter()
        .chain(&octets[4160..])
        .map(|octet| decoder.decode(*octet))
        .collect();
    assert!(quality(&said[4160 + 800..], &heard[4000 + 800..]) > 40.0);
}

#[test]
fn any_octets_can_be_decoded() {
    let mut state = 1u32;
    let (mut narrow, mut wide) = (NarrowDecoder::default(), Decoder::default());
    for _ in 0..10_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let octet = (state >> 24) as u8;
        // Arithmetic that overflows would panic here.
        wide.decode(octet);
        assert_eq!(narrow.decode(octet) & 1, 0, "half a sample, doubled");
    }
}
