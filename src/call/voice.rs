//! What a call says with its own voice, by the names of recordings.

use std::time::Duration;

use crate::media::{Listening, Side, Words};

use super::Output;
use super::case::Case;
use super::desk::Desk;

/// Recordings after which the caller is to speak.
const GREETINGS: [&str; 2] = ["screen", "screen-again"];

impl Case {
    /// Says these recordings to a side, one after the other, instead of what is being said there; the other party is not
    /// heard there until [`Case::hush`]. The turn, for [`crate::media::Talk::Said`].
    ///
    /// `None`: one of them does not exist. Nothing is said then, and the call has a finding for it.
    pub(crate) fn say(&mut self, side: Side, names: &[&str], desk: &mut Desk) -> Option<u32> {
        let clips: Option<Vec<_>> = names.iter().map(|name| desk.prompts.clip(name)).collect();
        let Some(clips) = clips.filter(|clips| !clips.is_empty()) else {
            self.facts.talk.is_prompt_missing = true;
            return None;
        };
        Some(self.speak(side, names, Words::once(clips), desk))
    }

    /// The same again and again: music, or the ringing tone. Without the recording it is silence.
    pub(crate) fn play(&mut self, side: Side, name: &str, desk: &mut Desk) {
        match desk.prompts.clip(name) {
            Some(clip) => {
                self.speak(side, &[name], Words::looped(clip), desk);
            }
            None => self.facts.talk.is_prompt_missing = true,
        }
    }

    /// The same for as long as the other party sends nothing itself.
    pub(crate) fn play_behind(&mut self, side: Side, name: &str, desk: &mut Desk) {
        if let Some(clip) = desk.prompts.clip(name) {
            self.speak(side, &[name], Words::behind(clip), desk);
        }
    }

    fn speak(&mut self, side: Side, names: &[&str], words: Words, desk: &mut Desk) -> u32 {
        self.turn += 1;
        let said: Vec<&str> = names
            .iter()
            .copied()
            .filter(|name| !name.starts_with("digit-"))
            .collect();
        let at_ms = self.at_ms(desk);
        self.record.begin_spoken(side, &said.join(" "), at_ms);
        let seed = desk.random.u64();
        desk.say(Output::Say {
            call: self.id,
            side,
            words,
            turn: self.turn,
            is_greeting: side == Side::A && names.iter().any(|name| GREETINGS.contains(name)),
            seed,
        });
        self.turn
    }

    /// The other party is heard again on this side.
    pub(crate) fn hush(&mut self, side: Side, desk: &mut Desk) {
        let at_ms = self.at_ms(desk);
        self.record.end_spoken(side, at_ms);
        desk.say(Output::Hush { call: self.id, side });
    }

    /// Words to this side are over, and for so long the caller spoke over them.
    pub(crate) fn has_said(&mut self, side: Side, over: Duration, desk: &Desk) {
        self.facts.talk.over_seconds += seconds(over);
        let at_ms = self.at_ms(desk);
        self.record.end_spoken(side, at_ms);
    }

    pub(crate) fn listen(&mut self, listening: Listening, desk: &mut Desk) {
        desk.say(Output::Listen {
            call: self.id,
            listening,
        });
    }
}

/// In whole milliseconds, so that a record reads back as it was written.
pub(crate) fn seconds(time: Duration) -> f64 {
    time.as_millis() as f64 / 1000.0
}
