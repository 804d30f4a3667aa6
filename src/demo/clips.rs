//! Which voice speaks in which scenario.

use super::clip::{Clip, ClipError};
use super::scenario::Speaker;

/// Recordings of people.
const PERSONS: &[(&str, &[u8])] = &[("person", include_bytes!("clips/person.wav"))];
/// Voices that a machine made.
const SYNTHETICS: &[(&str, &[u8])] = &[("synthetic", include_bytes!("clips/synthetic.wav"))];

/// The clip for the `round`th time such a voice speaks: they take turns.
///
/// # Errors
///
/// [`ClipError`] when the embedded file is no mu-law WAV; the tests see to it that this cannot ship.
pub fn voice(speaker: Speaker, round: usize) -> Result<Clip, ClipError> {
    let files = match speaker {
        Speaker::Person => PERSONS,
        Speaker::Synthetic => SYNTHETICS,
    };
    let (name, file) = files[round % files.len()];
    Clip::parse(name, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_clip_is_readable_and_long_enough_to_be_judged() {
        for (name, file) in PERSONS.iter().chain(SYNTHETICS) {
            let clip = Clip::parse(name, file).unwrap();
            assert!(clip.seconds() >= 3.0, "{name}: {} s", clip.seconds());
        }
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
