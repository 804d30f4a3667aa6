//! Whether the caller's side says the same once more, sound for sound: a recording that is played in a loop.
//!
//! Every 80 ms of speech leave a print of 16 bits, each the sign of how the difference of two neighbouring bands has changed
//! (Haitsma and Kalker, "A highly robust audio fingerprinting system", ISMIR 2002). For every distance up to 48 s a count
//! rises while prints so far apart agree and falls while they do not. A person who says a sentence again says it
//! differently; music that repeats itself and is taken for speech is a loop to this ear.

use super::cue_ear::seconds;
use super::limits::BINS;

/// Frames of one block: 80 ms.
const BLOCK_FRAMES: u32 = 5;
/// Speech frames that make a block one of speech.
const SPOKEN_MIN: u32 = 2;
/// Blocks of one window (0.32 s): long against a loop that does not begin with a block.
const WINDOW: usize = 4;
/// Two windows stand in a print, the one behind the other.
const HELD: usize = 2 * WINDOW;
const BANDS: usize = 17;
/// Prints that are remembered, and one more than the longest loop has: 48 s in 1.8 kB. A longer loop is not noticed.
const MEMORY: usize = 600;
/// The shortest loop: 2.48 s. Words and rings come again sooner.
const SHORTEST: usize = 31;
/// Prints of one sound differ in a few bits, prints of others in eight: the count is in half bits, and rises below 5.5.
const PAR: i16 = 11;
/// So many half bits are a loop (75 bits). On dev, clips of one speaker in a row reach 37 bits; of clips said twice one in
/// twenty stays under 159, with noise of 20 dB under 99 (docs/hearing.md).
const LOOPED: u8 = 150;
/// What it takes at least to count so far.
const SURE_SECONDS: f32 = (LOOPED as usize / PAR as usize + 1) as f32 * 0.08;

pub(super) struct Repetition {
    /// Frames of the block under way, how many of them are speech, and their power in each band.
    frames: u32,
    spoken: u32,
    block: [f32; BANDS],
    /// The last blocks, each at its number modulo their count.
    recent: [[f32; BANDS]; HELD],
    blocks: usize,
    /// Of each block at its number modulo the memory; 0: no speech.
    prints: [u16; MEMORY],
    /// By distance in blocks.
    counts: [u8; MEMORY],
    /// Blocks that were heard before, since it is known.
    repeated: u32,
}

impl Repetition {
    pub(super) fn new() -> Repetition {
        Repetition {
            frames: 0,
            spoken: 0,
            block: [0.0; BANDS],
            recent: [[0.0; BANDS]; HELD],
            blocks: 0,
            prints: [0; MEMORY],
            counts: [0; MEMORY],
            repeated: 0,
        }
    }

    /// Seconds that were heard before, at least, when this frame ends a block that was.
    pub(super) fn hear(&mut self, power: &[f64; BINS], is_speech: bool) -> Option<f32> {
        for (band, sum) in self.block.iter_mut().enumerate() {
            let bins = &power[band * BINS / BANDS..(band + 1) * BINS / BANDS];
            *sum += bins.iter().sum::<f64>() as f32;
        }
        self.frames += 1;
        self.spoken += u32::from(is_speech);
        if self.frames < BLOCK_FRAMES {
            return None;
        }
        let is_speech = self.spoken >= SPOKEN_MIN;
        self.recent[self.blocks % HELD] = std::mem::replace(&mut self.block, [0.0; BANDS]);
        self.frames = 0;
        self.spoken = 0;
        self.blocks = self.blocks.wrapping_add(1);
        let print = match is_speech && self.blocks >= HELD {
            true => self.print(),
            false => 0,
        };
        let now = self.blocks % MEMORY;
        self.prints[now] = print;
        if print == 0 || !self.compare(print, now) {
            return None;
        }
        self.repeated = self.repeated.saturating_add(1);
        Some(SURE_SECONDS + seconds(self.repeated * BLOCK_FRAMES))
    }

    /// Of the last two windows; never 0.
    fn print(&self) -> u16 {
        let newest = self.blocks + HELD - 1;
        let window = |band: usize, ago: usize| {
            let blocks = (0..WINDOW).map(|block| self.recent[(newest - ago - block) % HELD][band]);
            (blocks.sum::<f32>() + 1e-5).ln()
        };
        let mut print = 0;
        let change = |band: usize| window(band, 0) - window(band, WINDOW);
        let mut last = change(0);
        for band in 1..BANDS {
            let this = change(band);
            print = print << 1 | u16::from(last > this);
            last = this;
        }
        print.max(1)
    }

    /// Counts at every distance; whether the sound is that of a loop.
    fn compare(&mut self, print: u16, now: usize) -> bool {
        let mut most = 0;
        // Prints of before the beginning are 0 and count for nothing.
        for distance in SHORTEST..MEMORY {
            let before = self.prints[(now + MEMORY - distance) % MEMORY];
            if before == 0 {
                continue;
            }
            let differing = (before ^ print).count_ones() as i16;
            let count = &mut self.counts[distance];
            *count = (i16::from(*count) + PAR - 2 * differing).clamp(0, 255) as u8;
            most = most.max(*count);
        }
        most >= LOOPED
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::activity::Activity;
    use super::super::front::{Buffers, Front, Plan};
    use super::*;
    use crate::g711::Law;

    /// Seconds that were heard before, in audio through mu-law.
    fn repeated(samples: &[i16]) -> f32 {
        let samples: Vec<i16> = samples
            .iter()
            .map(|sample| Law::Mu.decode(Law::Mu.encode(*sample)))
            .collect();
        let (mut activity, mut ear, mut most) = (Activity::new(), Repetition::new(), 0.0_f32);
        let mut buffers = Buffers::new(&Arc::new(Plan::new()));
        Front::new().push(&mut buffers, &samples, |power| {
            let is_speech = activity.hear(power);
            most = most.max(ear.hear(power, is_speech).unwrap_or(0.0));
        });
        most
    }

    /// A clip of the demo: 44 octets of head, then mu-law.
    fn clip(octets: &[u8]) -> Vec<i16> {
        let at = octets.windows(4).position(|four| four == b"data").expect("data") + 8;
        octets[at..].iter().map(|octet| Law::Mu.decode(*octet)).collect()
    }

    fn allison() -> Vec<i16> {
        clip(include_bytes!("../../models/demo/human-allison.wav"))
    }

    /// Once more after so many samples of silence, so many times in all.
    fn looped(samples: &[i16], pause: usize, times: usize) -> Vec<i16> {
        let mut all = Vec::new();
        for _ in 0..times {
            all.extend_from_slice(samples);
            all.extend(std::iter::repeat_n(0, pause));
        }
        all
    }

    #[test]
    fn a_message_that_begins_again_is_a_loop_wherever_it_begins() {
        let once = allison();
        assert_eq!(repeated(&once), 0.0);
        for pause in [1, 4_321, 7_777, 16_000] {
            let twice = repeated(&looped(&once, pause, 2));
            assert!(twice > 2.0, "{pause}: {twice}");
            assert!(repeated(&looped(&once, pause, 3)) > twice, "{pause}");
        }
    }

    #[test]
    fn a_loop_is_heard_at_another_level_and_over_steady_noise() {
        let once = allison();
        let mut louder = looped(&once, 5_000, 1);
        louder.extend(once.iter().map(|sample| sample / 2));
        assert!(repeated(&louder) > 2.0);
        let mut state = 1_u32;
        let noisy: Vec<i16> = looped(&once, 5_000, 2)
            .into_iter()
            .map(|sample| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                sample.saturating_add((state >> 16) as i16 / 200)
            })
            .collect();
        assert!(repeated(&noisy) > 1.0);
    }

    #[test]
    fn voices_one_after_the_other_are_no_loop() {
        let mut all = allison();
        for other in [
            &include_bytes!("../../models/demo/human-librivox.wav")[..],
            include_bytes!("../../models/demo/synthetic-hibari.wav"),
            include_bytes!("../../models/demo/synthetic-flite-rms.wav"),
        ] {
            all.extend(clip(other));
        }
        assert_eq!(repeated(&all), 0.0);
    }

    #[test]
    fn a_call_without_end_holds_no_more_memory_than_a_short_one() {
        assert!(size_of::<Repetition>() <= 2600, "{}", size_of::<Repetition>());
    }
}
