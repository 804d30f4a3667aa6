//! Is the audio that arrived the audio that was sent: constant lag, no gap, and how much noise was added.

use std::path::Path;

use ringward::g711::Law;

/// Speech-like test audio at 8 kHz with no repetition in it (so that a lag is found once): a sum of gliding tones
/// under a syllable-like envelope, different in every second. Deterministic.
pub fn test_speech(seconds: u32) -> Vec<i16> {
    let mut noise = 0x2545_f491_u32;
    (0..seconds * 8000)
        .map(|n| {
            noise ^= noise << 13;
            noise ^= noise >> 17;
            noise ^= noise << 5;
            let t = f64::from(n) / 8000.0;
            let envelope = 0.35 + 0.65 * (t * 4.3 + (t * 0.37).sin() * 2.0).sin().abs();
            let pitch = 120.0 + 30.0 * (t * 0.61).sin() + 11.0 * (t * 1.7).sin();
            let voiced: f64 = (1..=12)
                .map(|k| (std::f64::consts::TAU * pitch * f64::from(k) * t).sin() / f64::from(k))
                .sum();
            let breath = f64::from(noise as i32) / f64::from(i32::MAX) * 0.3;
            ((voiced * 0.6 + breath) * envelope * 6000.0) as i16
        })
        .collect()
}

/// As a telephone line carries them, one octet a sample.
pub fn mu_law(samples: &[i16]) -> Vec<u8> {
    samples.iter().map(|&sample| Law::Mu.encode(sample)).collect()
}

/// The samples after one G.711 mu-law encode and decode: what a perfect telephone line delivers.
pub fn through_mu_law(samples: &[i16]) -> Vec<i16> {
    mu_law(samples)
        .into_iter()
        .map(|octet| Law::Mu.decode(octet))
        .collect()
}

/// Speech-like audio as a function of time: harmonics below 2.4 kHz that glide fast (no period is like the next) under a syllable-like envelope, and no noise, so
/// that it can be said at one rate and looked for at another, and between its samples.
fn voice_at(t: f64) -> f64 {
    let envelope = 0.35 + 0.65 * (t * 4.3 + (t * 0.37).sin() * 2.0).sin().abs();
    let pitch = 120.0 * t - 49.0 * (t * 0.61).cos() - 6.5 * (t * 1.7).cos() - 4.0 * (t * 9.1).cos();
    let voiced: f64 = (1..=12)
        .map(|k| (std::f64::consts::TAU * pitch * f64::from(k)).sin() / f64::from(k))
        .sum();
    voiced * envelope * 4000.0
}

/// From this second on, at so many samples a second.
#[allow(dead_code, reason = "for the wire tests; benches/load.rs shares this module")]
pub fn test_voice(from: f64, seconds: u32, rate: u32) -> Vec<i16> {
    (0..seconds * rate)
        .map(|n| voice_at(from + f64::from(n) / f64::from(rate)) as i16)
        .collect()
}

/// How [`test_voice`] from this second on was heard at `rate`, level matched and to an eighth of a sample. `slips` are
/// half-second pieces that are more than a sample from the first one's lag, or nowhere near it.
#[allow(dead_code, reason = "for the wire tests; benches/load.rs shares this module")]
pub fn compare_voice(from: f64, heard: &[i16], rate: u32) -> Comparison {
    let piece = rate as usize / 2;
    let begun = heard.iter().position(|sample| sample.unsigned_abs() > 200);
    let first = begun.unwrap_or(0) + rate as usize;
    assert!(
        heard.len() > first + 4 * piece,
        "only {} samples were heard",
        heard.len()
    );
    let sent = test_voice(from, 5, rate);
    let place = best_place(&heard[first..first + piece], &sent, 0..sent.len() - piece);
    let whole = first as isize - place as isize;
    let ear = Ear { from, heard, rate };
    let (_, lag) = ear.finest(first, whole);
    let (mut signal, mut noise, mut slips, mut pieces) = (0.0, 1e-9, 0, 0);
    for at in (first..heard.len() - piece).step_by(piece) {
        let (likeness, own) = ear.finest(at, whole);
        slips += usize::from((own - lag).abs() > 1.0 || likeness < 0.9);
        let (of_piece, off) = ear.signal_and_noise(at, lag);
        signal += of_piece;
        noise += off;
        pieces += 1;
    }
    Comparison {
        lag: whole,
        snr_db: 10.0 * (signal / noise).log10(),
        seconds: f64::from(pieces) / 2.0,
        slips,
    }
}

/// Half-second pieces that were heard with no more noise than this, each with a lag of its own: for phones whose jitter buffer
/// stretches and shortens. `lag` is about where to look.
#[allow(dead_code, reason = "for the wire tests; benches/load.rs shares this module")]
pub fn clear_pieces(from: f64, heard: &[i16], rate: u32, lag: isize, decibels: f64) -> usize {
    let (piece, around) = (rate as usize / 2, rate as isize / 4);
    let (sent, ear) = (test_voice(from, 30, rate), Ear { from, heard, rate });
    let is_clear = |at: &usize| {
        let centre = *at as isize - lag;
        let range = (centre - around).max(0) as usize..(centre + around).max(0) as usize;
        let place = best_place(&heard[*at..at + piece], &sent, range);
        let (_, own) = ear.finest(*at, *at as isize - place as isize);
        let (signal, noise) = ear.signal_and_noise(*at, own);
        signal > 1e6 && 10.0 * (signal / noise).log10() > decibels
    };
    (0..heard.len().saturating_sub(piece))
        .step_by(piece)
        .filter(is_clear)
        .count()
}

/// How far the spectrum of what was heard is from that of the [`test_voice`] of this second, in dB: over all pieces of 20 ms that
/// are loud enough to matter, and twelve bands of 250 Hz from 100 Hz on, the mean of how much more or less there is, level
/// matched. What is 30 dB below the loudest band of its piece is not weighed. For codecs that keep how a voice sounds and not its
/// waveform; `lag` is about where it is, in samples.
#[allow(dead_code, reason = "for the wire tests; benches/load.rs shares this module")]
pub fn spectral_distance(from: f64, heard: &[i16], rate: u32, lag: isize) -> f64 {
    let (piece, first) = (rate as usize / 50, rate as usize);
    let ear = Ear { from, heard, rate };
    let (_, lag) = ear.finest(first + lag.max(0) as usize, lag);
    let bands = |samples: &[f64]| -> Vec<f64> {
        let power = |hertz: f64| {
            let turn = std::f64::consts::TAU * hertz / f64::from(rate);
            let (sine, cosine) =
                samples
                    .iter()
                    .enumerate()
                    .fold((0.0, 0.0), |(sine, cosine), (n, sample)| {
                        // A window, so that a harmonic stays in its band.
                        let shape =
                            0.5 - 0.5 * (std::f64::consts::TAU * (n as f64 + 0.5) / piece as f64).cos();
                        let angle = turn * n as f64;
                        (
                            sine + shape * sample * angle.sin(),
                            cosine + shape * sample * angle.cos(),
                        )
                    });
            sine * sine + cosine * cosine
        };
        (0..12)
            .map(|band| {
                (0..5)
                    .map(|step| power(125.0 + 250.0 * f64::from(band) + 50.0 * f64::from(step)))
                    .sum()
            })
            .collect()
    };
    let (mut differences, mut level) = (Vec::new(), Vec::new());
    for at in ((first as isize + lag as isize).max(0) as usize..heard.len() - piece).step_by(piece) {
        let said: Vec<f64> = (at..at + piece)
            .map(|n| voice_at(from + (n as f64 - lag) / f64::from(rate)))
            .collect();
        let got: Vec<f64> = heard[at..at + piece]
            .iter()
            .map(|sample| f64::from(*sample))
            .collect();
        if said.iter().map(|sample| sample * sample).sum::<f64>() < 500.0 * 500.0 * piece as f64 {
            continue;
        }
        let (said, got) = (bands(&said), bands(&got));
        let loudest = said.iter().fold(0.0, |one: f64, other| one.max(*other));
        for (a, b) in said.iter().zip(&got).filter(|(a, _)| **a > loudest / 1000.0) {
            differences.push(10.0 * ((b + 1.0) / (a + 1.0)).log10());
        }
        level.push(10.0 * (got.iter().sum::<f64>() / said.iter().sum::<f64>()).log10());
    }
    assert!(
        level.len() > 50,
        "only {} pieces of 20 ms were heard",
        level.len()
    );
    let whole = level.iter().sum::<f64>() / level.len() as f64;
    differences.iter().map(|off| (off - whole).abs()).sum::<f64>() / differences.len() as f64
}

/// What was heard of a [`test_voice`], half a second at a time.
struct Ear<'a> {
    from: f64,
    heard: &'a [i16],
    rate: u32,
}

impl Ear<'_> {
    /// Sums over every so many samples from `at` on, of what was said `lag` samples before: product and both energies.
    fn sums(&self, at: usize, lag: f64, step: usize) -> (f64, f64, f64) {
        let until = (at + self.rate as usize / 2).min(self.heard.len());
        let pairs = (at..until).step_by(step).map(|n| {
            let said = voice_at(self.from + (n as f64 - lag) / f64::from(self.rate));
            (said, f64::from(self.heard[n]))
        });
        pairs.fold((0.0, 1e-9, 1e-9), |(product, said, got), (a, b)| {
            (product + a * b, said + a * a, got + b * b)
        })
    }

    /// How alike they are at best, 1 at most, and at which lag, at most three samples from `whole`.
    fn finest(&self, at: usize, whole: isize) -> (f64, f64) {
        let likeness = |eighths: i32| {
            let lag = whole as f64 + f64::from(eighths) / 8.0;
            let (product, said, got) = self.sums(at, lag, 7);
            (product / (said * got).sqrt(), lag)
        };
        let best = (-24..=24).map(likeness).max_by(|a, b| a.0.total_cmp(&b.0));
        best.expect("there are some")
    }

    /// Energies of what is the voice in it, at whatever level, and of the rest.
    fn signal_and_noise(&self, at: usize, lag: f64) -> (f64, f64) {
        let (product, said, got) = self.sums(at, lag, 1);
        let signal = product * product / said;
        (signal, (got - signal).max(1e-9))
    }
}

pub fn write_wav(path: &Path, samples: &[i16]) {
    write_wav_at(path, samples, 8000);
}

pub fn write_wav_at(path: &Path, samples: &[i16], rate: u32) {
    write_wav_of(path, samples, rate, 1);
}

/// Of so many channels, whose samples stand side by side.
pub fn write_wav_of(path: &Path, samples: &[i16], rate: u32, channels: u16) {
    let mut octets = Vec::with_capacity(44 + samples.len() * 2);
    let size = (samples.len() * 2) as u32;
    octets.extend_from_slice(b"RIFF");
    octets.extend_from_slice(&(36 + size).to_le_bytes());
    octets.extend_from_slice(b"WAVEfmt ");
    octets.extend_from_slice(&16u32.to_le_bytes());
    for field in [1, channels] {
        octets.extend_from_slice(&field.to_le_bytes());
    }
    octets.extend_from_slice(&rate.to_le_bytes());
    octets.extend_from_slice(&(2 * u32::from(channels) * rate).to_le_bytes());
    for field in [2 * channels, 16] {
        octets.extend_from_slice(&field.to_le_bytes());
    }
    octets.extend_from_slice(b"data");
    octets.extend_from_slice(&size.to_le_bytes());
    octets.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    std::fs::write(path, octets).expect("the WAV file is written");
}

/// The samples of a 16-bit PCM WAV file, whatever chunks stand before `data`; a file still being written has what is
/// there so far.
pub fn read_wav(path: &Path) -> Vec<i16> {
    let octets = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let at = octets
        .windows(4)
        .position(|four| four == b"data")
        .expect("a data chunk")
        + 8;
    octets[at..]
        .chunks_exact(2)
        .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
        .collect()
}

pub struct Comparison {
    /// Samples by which `heard` is late; negative when its recording began after the first samples were sent.
    pub lag: isize,
    /// Decibels of signal over added noise, over all compared samples.
    pub snr_db: f64,
    /// Seconds compared.
    pub seconds: f64,
    /// Half-second pieces whose best lag differs from the whole's: a gap, a slip or a repeat.
    pub slips: usize,
}

/// Compares what was heard with the reference after one encode and decode.
pub fn compare(reference: &[i16], heard: &[i16]) -> Comparison {
    const PIECE: usize = 4000;
    let reference = through_mu_law(reference);
    // A piece heard a second after the sound began is looked for in what was sent.
    let probe = heard
        .iter()
        .position(|sample| sample.unsigned_abs() > 200)
        .unwrap_or(0)
        + 8000;
    assert!(
        heard.len() > probe + 8000,
        "only {} samples were heard",
        heard.len()
    );
    let sent_at = best_place(
        &heard[probe..probe + 8000],
        &reference,
        0..reference.len().min(4 * 8000),
    );
    let lag = probe as isize - sent_at as isize;
    let (sent, got) = if lag < 0 {
        (&reference[lag.unsigned_abs()..], heard)
    } else {
        (&reference[..], &heard[lag as usize..])
    };
    let length = sent.len().min(got.len());
    let (mut signal, mut noise) = (0.0, 1e-9);
    for (&a, &b) in sent[..length].iter().zip(got) {
        signal += f64::from(a).powi(2);
        noise += (f64::from(a) - f64::from(b)).powi(2);
    }
    let slips = (PIECE..length.saturating_sub(PIECE))
        .step_by(PIECE)
        .filter(|&at| best_place(&sent[at..at + PIECE], got, at - 400..at + 400) != at)
        .count();
    Comparison {
        lag,
        snr_db: 10.0 * (signal / noise).log10(),
        seconds: length as f64 / 8000.0,
        slips,
    }
}

/// Half-second pieces that were heard exactly as they were sent, each with a lag of its own: for phones whose jitter buffer
/// stretches and shortens. `lag` is about where to look.
#[allow(dead_code, reason = "for the wire tests; benches/load.rs shares this module")]
pub fn exact_pieces(reference: &[i16], heard: &[i16], lag: isize) -> usize {
    const PIECE: usize = 4000;
    const AROUND: isize = 2000;
    let reference = through_mu_law(reference);
    let is_exact = |at: &usize| {
        let piece = &heard[*at..at + PIECE];
        let centre = *at as isize - lag;
        let from = (centre - AROUND).max(0) as usize;
        let place = best_place(piece, &reference, from..(centre + AROUND).max(0) as usize);
        let Some(sent) = reference.get(place..place + PIECE) else {
            return false;
        };
        let (mut signal, mut noise) = (0.0, 1e-9);
        for (&a, &b) in sent.iter().zip(piece) {
            signal += f64::from(a).powi(2);
            noise += (f64::from(a) - f64::from(b)).powi(2);
        }
        signal > 1e6 && signal / noise > 1e4
    };
    (0..heard.len().saturating_sub(PIECE))
        .step_by(PIECE)
        .filter(is_exact)
        .count()
}

/// Where the piece fits best (largest correlation, normalised by the energy there).
fn best_place(piece: &[i16], whole: &[i16], range: std::ops::Range<usize>) -> usize {
    let mut best = (f64::MIN, range.start);
    for lag in range {
        let Some(there) = whole.get(lag..lag + piece.len()) else {
            break;
        };
        let (mut product, mut energy) = (0.0, 1.0);
        // Every eleventh sample is enough to find the place.
        for (&a, &b) in piece.iter().zip(there).step_by(11) {
            product += f64::from(a) * f64::from(b);
            energy += f64::from(b).powi(2);
        }
        let score = product / energy.sqrt();
        if score > best.0 {
            best = (score, lag);
        }
    }
    best.1
}

#[test]
fn a_voice_is_found_between_the_samples_of_another_rate() {
    let heard: Vec<i16> = std::iter::repeat_n(0, 800)
        .chain((0..32_000).map(|n| (voice_at(3.0 + (f64::from(n) - 0.375) / 8000.0) * 0.9) as i16))
        .collect();
    let clean = compare_voice(3.0, &heard, 8000);
    assert!(clean.slips == 0 && clean.snr_db > 50.0, "{:.1} dB", clean.snr_db);
    let mut gapped = heard;
    gapped.drain(22_000..22_160);
    let found = compare_voice(3.0, &gapped, 8000);
    assert!(found.slips > 0);
    // Softer is not otherwise; deafer above 1 kHz is.
    assert!(spectral_distance(3.0, &gapped[..21_000], 8000, clean.lag) < 0.1);
    let mut low = 0.0;
    let dull: Vec<i16> = gapped[..21_000]
        .iter()
        .map(|sample| {
            low += 0.3 * (f64::from(*sample) - low);
            low as i16
        })
        .collect();
    assert!(spectral_distance(3.0, &dull, 8000, clean.lag) > 3.0);
    // All but the silent one, the one that has the gap, and what is left at the end.
    assert_eq!(clear_pieces(3.0, &gapped, 8000, found.lag, 50.0), 6);
    assert_eq!(clear_pieces(9.0, &gapped, 8000, found.lag, 10.0), 0);
}

#[test]
fn the_comparison_sees_lag_noise_and_a_gap() {
    let sent = test_speech(4);
    let mut heard = vec![0; 1234];
    heard.extend(through_mu_law(&sent));
    let clean = compare(&sent, &heard);
    assert_eq!((clean.lag, clean.slips), (1234, 0));
    assert!(clean.snr_db > 90.0);
    let noisy: Vec<i16> = heard
        .iter()
        .enumerate()
        .map(|(n, s)| s.saturating_add(if n % 2 == 0 { 90 } else { -90 }))
        .collect();
    assert!(compare(&sent, &noisy).snr_db < 40.0);
    let mut gapped = heard.clone();
    gapped.drain(14_000..14_160);
    let gapped = compare(&sent, &gapped);
    assert!(gapped.slips > 0 && gapped.snr_db < 40.0);
    let late = compare(&sent, &heard[3000..]);
    assert_eq!((late.lag, late.slips), (1234 - 3000, 0));
}
