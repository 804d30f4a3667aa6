//! How the caller's side behaves towards a greeting of ours: whether it talks on over it, and whether it reacts to it.
//!
//! Whoever plays the greeting says when it began and when it ended, on the clock of the caller's audio. Nobody who
//! says so: nothing is found. What comes back of our own greeting as an echo sounds like talking over it; networks
//! take echoes out, bad lines do not.

use super::cue_ear::{frames_of, seconds};
use super::cues::{Cue, Cues};

/// A prompt of ours that the caller hears (a greeting, a question) began or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompt {
    Began,
    Ended,
}

/// Beginnings and ends that may wait for their moment. Past it the oldest counts at once: a prompt is longer than the
/// second that a hop takes.
const EDGES_MAX: usize = 4;

pub(super) struct Greeting {
    /// What is to come, and at which frame; the next first.
    edges: [(Prompt, u32); EDGES_MAX],
    waiting: usize,
    is_playing: bool,
    /// Speech frames over the prompt that is played.
    over: u32,
    /// The frame at which it ended, while nobody has reacted.
    ended: Option<u32>,
    /// Speech that goes on without a pause: when it began, and its speech frames.
    spurt: Option<(u32, u32)>,
    quiet: u32,
}

impl Greeting {
    pub(super) fn new() -> Greeting {
        Greeting {
            edges: [(Prompt::Ended, 0); EDGES_MAX],
            waiting: 0,
            is_playing: false,
            over: 0,
            ended: None,
            spurt: None,
            quiet: 0,
        }
    }

    /// A prompt begins or ends with this frame of the caller's audio, heard already or not.
    pub(super) fn expect(&mut self, prompt: Prompt, frame: u32) {
        if self.waiting == EDGES_MAX {
            self.take_next();
        }
        self.edges[self.waiting] = (prompt, frame);
        self.waiting += 1;
    }

    /// Frame number `frame` of the caller's audio.
    pub(super) fn hear(&mut self, frame: u32, is_speech: bool, heard: &mut Cues) {
        while self.waiting > 0 && self.edges[0].1 <= frame {
            self.take_next();
        }
        if is_speech {
            self.quiet = 0;
            let (_, spoken) = self.spurt.get_or_insert((frame, 0));
            *spoken += 1;
        } else {
            self.quiet = self.quiet.saturating_add(1);
            if self.quiet >= frames_of(BREATH_SECONDS) {
                self.spurt = None;
            }
        }
        if self.is_playing && is_speech {
            self.over += 1;
            if self.over >= frames_of(OVER_SECONDS) {
                heard.note(Cue::OverGreeting, seconds(frame), seconds(self.over));
            }
        }
        let Some(ended) = self.ended else { return };
        let is_reaction = self.spurt.is_some_and(|(began, spoken)| {
            began + frames_of(EARLY_SECONDS) >= ended && spoken >= frames_of(WORD_SECONDS)
        });
        let waited = seconds(frame.saturating_sub(ended));
        if is_reaction {
            self.ended = None;
        } else if waited >= REACTION_SECONDS {
            heard.note(Cue::NoReaction, seconds(frame), waited);
        }
    }

    fn take_next(&mut self) {
        let (prompt, frame) = self.edges[0];
        self.edges.rotate_left(1);
        self.waiting -= 1;
        match prompt {
            Prompt::Began => {
                self.is_playing = true;
                self.over = 0;
                self.ended = None;
            }
            Prompt::Ended if self.is_playing => {
                self.is_playing = false;
                self.ended = Some(frame);
            }
            Prompt::Ended => {}
        }
    }
}

/// Speech over a greeting that is more than a "hello?" into it.
const OVER_SECONDS: f32 = 1.5;
/// A greeting is answered within so long.
const REACTION_SECONDS: f32 = 5.0;
/// A reaction may come so much before the end of what it reacts to.
const EARLY_SECONDS: f32 = 0.5;
/// So much speech is a word.
const WORD_SECONDS: f32 = 0.2;
/// A pause after which speech begins anew.
const BREATH_SECONDS: f32 = 0.3;

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found when a greeting is played from 1 s to 5 s, and the caller's side speaks in these seconds.
    fn found(speaks: &[(f32, f32)], until: f32) -> Cues {
        let (mut greeting, mut cues) = (Greeting::new(), Cues::default());
        greeting.expect(Prompt::Began, frames_of(1.0));
        greeting.expect(Prompt::Ended, frames_of(5.0));
        for frame in 0..frames_of(until) {
            let now = seconds(frame);
            let is_speech = speaks.iter().any(|(from, to)| (*from..*to).contains(&now));
            greeting.hear(frame, is_speech, &mut cues);
        }
        cues
    }

    #[test]
    fn who_hears_the_greeting_out_and_answers_gives_no_sign() {
        assert!(found(&[(0.5, 1.4), (5.4, 6.5)], 30.0).is_empty());
        assert!(
            found(&[(4.7, 6.0)], 30.0).is_empty(),
            "an answer that begins a little early"
        );
    }

    #[test]
    fn a_recording_talks_over_the_greeting_and_does_not_react() {
        let cues = found(&[(0.2, 40.0)], 30.0);
        let over = cues.over_greeting.expect("over the greeting");
        assert!((2.4..2.6).contains(&over.at), "{over:?}");
        assert!((3.9..4.1).contains(&over.amount), "{over:?}");
        let deaf = cues.no_reaction.expect("no reaction");
        assert!((9.9..10.2).contains(&deaf.at) && deaf.amount > 20.0, "{deaf:?}");
    }

    #[test]
    fn silence_after_the_greeting_is_no_reaction_and_a_late_word_ends_the_wait() {
        assert!(found(&[], 9.9).is_empty());
        let cues = found(&[(12.0, 14.0)], 60.0);
        assert_eq!(cues.over_greeting, None);
        let amount = cues.no_reaction.expect("no reaction").amount;
        assert!((7.0..7.5).contains(&amount), "{amount}");
        assert!(
            found(&[(6.0, 6.1)], 30.0).no_reaction.is_some(),
            "a click is no word"
        );
    }

    #[test]
    fn without_a_greeting_nothing_is_found() {
        let (mut greeting, mut cues) = (Greeting::new(), Cues::default());
        greeting.expect(Prompt::Ended, 0);
        for frame in 0..frames_of(60.0) {
            greeting.hear(frame, frame % 100 < 90, &mut cues);
        }
        assert!(cues.is_empty());
    }

    #[test]
    fn more_beginnings_and_ends_than_may_wait_count_in_their_order() {
        let (mut greeting, mut cues) = (Greeting::new(), Cues::default());
        for n in 0..10 {
            greeting.expect(Prompt::Began, frames_of(n as f32 * 2.0));
            greeting.expect(Prompt::Ended, frames_of(n as f32 * 2.0 + 1.0));
        }
        for frame in 0..frames_of(40.0) {
            greeting.hear(frame, false, &mut cues);
        }
        assert_eq!((greeting.waiting, greeting.is_playing), (0, false));
        let at = cues.no_reaction.expect("after the last").at;
        assert!((23.9..24.2).contains(&at), "{at}");
    }
}
