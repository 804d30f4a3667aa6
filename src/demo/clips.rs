//! Which voice speaks in which call. Where the clips come from and under which licence is written beside them, in
//! `models/demo/`; none of them was used to train the model.

use std::sync::Arc;

use super::clip::{Clip, ClipError};
use super::scenario::Speaker;

/// Recordings of people.
const PERSONS: &[(&str, &[u8])] = &[
    (
        "human-allison",
        include_bytes!("../../models/demo/human-allison.wav"),
    ),
    (
        "human-librivox",
        include_bytes!("../../models/demo/human-librivox.wav"),
    ),
];
/// Voices that a machine made.
const SYNTHETICS: &[(&str, &[u8])] = &[
    (
        "synthetic-espeak",
        include_bytes!("../../models/demo/synthetic-espeak.wav"),
    ),
    (
        "synthetic-flite-rms",
        include_bytes!("../../models/demo/synthetic-flite-rms.wav"),
    ),
    (
        "synthetic-hibari",
        include_bytes!("../../models/demo/synthetic-hibari.wav"),
    ),
];

/// Place in `SYNTHETICS` of the voice that the embedded model tells most clearly.
const CLEAREST: usize = 1;

/// The clip for the call with this running number: voices take turns.
///
/// # Errors
///
/// [`ClipError`] when the embedded file is no mu-law WAV; the tests see to it that this cannot ship.
pub fn voice(speaker: Speaker, call: usize) -> Result<Clip, ClipError> {
    let files = match speaker {
        Speaker::Person => PERSONS,
        Speaker::Synthetic => SYNTHETICS,
    };
    let (name, file) = files[call % files.len()];
    Clip::parse(name, file)
}

/// A made voice as mu-law octets at 8 kHz, the one the embedded model recognises most clearly: what tests play into a
/// call to see the voice light change.
pub fn synthetic_clip() -> Arc<[u8]> {
    voice(Speaker::Synthetic, CLEAREST).map_or_else(|_| Arc::from([]), |clip| clip.octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::run::Programme;

    #[test]
    fn every_embedded_clip_is_readable_and_long_enough_to_be_judged() {
        for (name, file) in PERSONS.iter().chain(SYNTHETICS) {
            let clip = Clip::parse(name, file).unwrap();
            assert!(clip.seconds() >= 3.0, "{name}: {} s", clip.seconds());
        }
    }

    #[test]
    fn one_round_of_the_demo_lets_every_made_voice_speak() {
        let mut programme = Programme::in_order(Programme::calls_of_one_round());
        let spoken: std::collections::BTreeSet<_> = std::iter::from_fn(|| programme.next(1))
            .filter(|turn| turn.scenario.speaker == Speaker::Synthetic)
            .map(|turn| voice(Speaker::Synthetic, turn.call).unwrap().name)
            .collect();
        assert_eq!(spoken.len(), SYNTHETICS.len());
    }

    #[test]
    fn the_clip_for_tests_is_one_of_the_made_voices() {
        assert!(synthetic_clip().len() > 8000 * 3);
    }

    #[test]
    fn no_clip_is_both_a_person_and_a_machine() {
        for (name, person) in PERSONS {
            assert!(
                SYNTHETICS.iter().all(|(_, synthetic)| synthetic != person),
                "{name}"
            );
        }
    }
}
