//! The calling tone of a fax machine (ITU-T T.30 §4.2): 1,100 Hz for half a second, every three and a half.
//!
//! It is looked for in each second of the caller's audio that a scorer would get. Anybody can play such a tone: it says which
//! seconds hold no voice, and opens no door.

use std::f32::consts::PI;

/// Samples of one look: 10 ms at 8 kHz, eleven periods of the tone. Short enough for the 38 Hz that a machine may be off.
const FRAME: usize = 80;

const HERTZ: f32 = 1100.0;

/// Of a frame's energy, how much the tone has at least. 38 Hz off it has 0.6; speech has as much in one harmonic for a moment.
const SHARE_MIN: f32 = 0.5;

/// Mean square of a frame, of 32768²: -50 dBov. A tone that arrives weaker than that is not one (T.30 wants -43 dBm).
const POWER_MIN: f32 = 1.0e4;

/// Frames in a row: 200 ms. A tone of half a second that begins in one second and ends in the next has as much in one of them.
const FRAMES_MIN: usize = 20;

/// Whether this second holds the tone.
pub(super) fn has_calling_tone(samples: &[i16]) -> bool {
    let (mut longest, mut run) = (0, 0);
    for frame in samples.chunks_exact(FRAME) {
        run = if is_tone(frame) { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest >= FRAMES_MIN
}

/// One frequency of a frame's spectrum against all of it (Goertzel).
fn is_tone(frame: &[i16]) -> bool {
    let turn = 2.0 * (2.0 * PI * HERTZ / 8000.0).cos();
    let (mut before, mut last, mut energy) = (0.0f32, 0.0f32, 0.0f32);
    for sample in frame {
        let sample = f32::from(*sample);
        energy += sample * sample;
        (before, last) = (last, sample + turn * last - before);
    }
    let power = before * before + last * last - turn * before * last;
    let count = frame.len() as f32;
    energy >= POWER_MIN * count && 2.0 * power >= SHARE_MIN * count * energy
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::g711::Law;

    /// A tone of these milliseconds from this one on in a second of faint noise, through mu-law.
    fn second(hertz: f32, level: f32, from_ms: usize, ms: usize) -> Vec<i16> {
        let mut noise = 0x2545_f491_4f6c_dd1du64;
        (0..8000usize)
            .map(|n| {
                noise ^= noise << 13;
                noise ^= noise >> 7;
                noise ^= noise << 17;
                let hiss = (noise >> 48) as i16 / 1024;
                let is_on = (from_ms * 8..(from_ms + ms) * 8).contains(&n);
                let tone = (n as f32 * hertz * 2.0 * PI / 8000.0).sin() * level;
                let sample = if is_on { tone as i16 + hiss } else { hiss };
                Law::Mu.decode(Law::Mu.encode(sample))
            })
            .collect()
    }

    #[test]
    fn the_tone_is_found_at_every_frequency_level_and_place_it_may_have() {
        for hertz in [1062.0, 1080.0, 1100.0, 1120.0, 1138.0] {
            for level in [400.0, 2_000.0, 20_000.0] {
                for (from_ms, ms) in [(0, 500), (250, 425), (3, 575), (0, 215), (785, 215)] {
                    assert!(
                        has_calling_tone(&second(hertz, level, from_ms, ms)),
                        "{hertz} Hz, {level}, {ms} ms from {from_ms}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_no_such_tone_is_not_taken_for_it() {
        // Dial tone, ring back, the answer of a fax machine and of a modem, a reference tone, digits, busy.
        for hertz in [
            350.0, 425.0, 440.0, 941.0, 1000.0, 1209.0, 1336.0, 1650.0, 1850.0, 2100.0,
        ] {
            assert!(!has_calling_tone(&second(hertz, 8_000.0, 0, 1000)), "{hertz} Hz");
        }
        assert!(!has_calling_tone(&second(1100.0, 8_000.0, 0, 120)), "too short");
        assert!(!has_calling_tone(&second(1100.0, 100.0, 0, 500)), "too faint");
        assert!(!has_calling_tone(&[0; 8000]));
        // With a voice over it: two tones as strong.
        let mixed: Vec<i16> = second(1100.0, 4_000.0, 0, 1000)
            .into_iter()
            .zip(second(440.0, 6_000.0, 0, 1000))
            .map(|(one, other)| one + other)
            .collect();
        assert!(!has_calling_tone(&mixed));
    }
}
