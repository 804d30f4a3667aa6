//! What recordings and machines do that people seldom do, as it is told: which habit, when, and how strongly. Cues, none of
//! them a verdict: a hurried person speaks at once too, and a wanted reminder call beeps.

use serde::{Deserialize, Serialize};

/// A habit of machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cue {
    /// Speech within 300 ms of the start of the caller's audio, which is heard from the answer on.
    SpeechAtOnce,
    /// Twenty seconds of speech without a pause of one second.
    Monologue,
    /// One steady tone of a fifth of a second to three seconds, as answering machines make.
    Beep,
    /// Two or more key tones (ITU-T Q.23) in the audio itself.
    KeyTones,
    /// The same audio again, one loop later.
    Loop,
    /// Speech that goes on while a greeting of ours is played.
    OverGreeting,
    /// Nothing begins to be said after a greeting of ours.
    NoReaction,
}

impl Cue {
    pub const ALL: [Cue; 7] = [
        Cue::SpeechAtOnce,
        Cue::Monologue,
        Cue::Beep,
        Cue::KeyTones,
        Cue::Loop,
        Cue::OverGreeting,
        Cue::NoReaction,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Cue::SpeechAtOnce => "speech_at_once",
            Cue::Monologue => "monologue",
            Cue::Beep => "beep",
            Cue::KeyTones => "key_tones",
            Cue::Loop => "loop",
            Cue::OverGreeting => "over_greeting",
            Cue::NoReaction => "no_reaction",
        }
    }

    /// What its [`Sign::amount`] counts, in words that follow a number.
    pub fn amount_of(self) -> &'static str {
        match self {
            Cue::SpeechAtOnce => "s of speech in the first two",
            Cue::Monologue => "s of speech without a pause",
            Cue::Beep => "s of one tone",
            Cue::KeyTones => "keys",
            Cue::Loop => "s that were heard before",
            Cue::OverGreeting => "s of speech over the greeting",
            Cue::NoReaction => "s without a reaction",
        }
    }
}

/// When a cue was first heard, and how strong it has been.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct Sign {
    /// Seconds from the start of the audio.
    pub at: f32,
    /// The most so far: seconds, or a number of keys ([`Cue::amount_of`]). 0 in records of before it was kept.
    pub amount: f32,
}

/// A sign as records have it: since it has an amount, and before.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    At(f32),
    Whole { at: f32, amount: f32 },
}

impl From<Written> for Sign {
    fn from(written: Written) -> Sign {
        match written {
            Written::At(at) => Sign { at, amount: 0.0 },
            Written::Whole { at, amount } => Sign { at, amount },
        }
    }
}

/// The cues heard so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cues {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speech_at_once: Option<Sign>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monologue: Option<Sign>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beep: Option<Sign>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_tones: Option<Sign>,
    #[serde(rename = "loop", skip_serializing_if = "Option::is_none")]
    pub looped: Option<Sign>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over_greeting: Option<Sign>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_reaction: Option<Sign>,
}

impl Cues {
    /// When this cue was first heard and how strong it has been; `None`: not heard.
    pub fn sign(&self, cue: Cue) -> Option<Sign> {
        match cue {
            Cue::SpeechAtOnce => self.speech_at_once,
            Cue::Monologue => self.monologue,
            Cue::Beep => self.beep,
            Cue::KeyTones => self.key_tones,
            Cue::Loop => self.looped,
            Cue::OverGreeting => self.over_greeting,
            Cue::NoReaction => self.no_reaction,
        }
    }

    pub fn is_empty(&self) -> bool {
        Cue::ALL.iter().all(|cue| self.sign(*cue).is_none())
    }

    /// Heard at `at` seconds, so strongly.
    pub(super) fn note(&mut self, cue: Cue, at: f32, amount: f32) {
        let sign = match cue {
            Cue::SpeechAtOnce => &mut self.speech_at_once,
            Cue::Monologue => &mut self.monologue,
            Cue::Beep => &mut self.beep,
            Cue::KeyTones => &mut self.key_tones,
            Cue::Loop => &mut self.looped,
            Cue::OverGreeting => &mut self.over_greeting,
            Cue::NoReaction => &mut self.no_reaction,
        };
        let sign = sign.get_or_insert(Sign { at, amount });
        sign.amount = sign.amount.max(amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_read_back_and_records_of_before_still_are() {
        let mut cues = Cues::default();
        for (n, cue) in Cue::ALL.into_iter().enumerate() {
            cues.note(cue, n as f32, 2.0);
            cues.note(cue, 99.0, 1.0);
            let expected = Sign {
                at: n as f32,
                amount: 2.0,
            };
            assert_eq!(cues.sign(cue), Some(expected));
            assert_eq!(serde_json::to_value(cue).expect("JSON"), cue.name());
        }
        let text = serde_json::to_string(&cues).expect("JSON");
        assert_eq!(serde_json::from_str::<Cues>(&text).expect("JSON"), cues);
        for cue in Cue::ALL {
            assert!(text.contains(&format!("\"{}\":{{\"at\":", cue.name())), "{text}");
        }
        let before: Cues = serde_json::from_str(r#"{"beep":1.5,"key_tones":3}"#).expect("JSON");
        assert_eq!(before.beep, Some(Sign { at: 1.5, amount: 0.0 }));
        assert_eq!(before.key_tones, Some(Sign { at: 3.0, amount: 0.0 }));
    }
}
