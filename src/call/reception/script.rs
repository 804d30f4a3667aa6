//! What is asked of a caller, and when the answer is complete. Pure: it is told what was said, heard and pressed, and says what
//! to do next.
//!
//! ```text
//!  screen     ask ─▶ listen ─┬─ he spoke ───────────────────────▶ done
//!                    ▲       └─ nothing: ask again, once ──▶ listen ─▶ done
//!  challenge  tell two digits ─▶ wait ─┬─ both right ───────────▶ passed
//!                    ▲                 ├─ wrong: other digits ─┐
//!                    └─────────────────┴─ none in time ────────┴─ three times ─▶ failed
//! ```

use std::time::{Duration, Instant};

use crate::call::limits::{CHALLENGE_TRIES, KEY_PATIENCE, LISTEN_MAX, LISTEN_PATIENCE, LISTEN_PAUSE};
use crate::media::{Digit, Listening};
use crate::screening::Challenge;

/// What is done next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Act {
    /// Recordings, one after the other.
    Say(Vec<String>),
    Listen(Listening),
    Nothing,
    Done(Outcome),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Outcome {
    Screened { speech: Duration },
    Challenged(Challenge),
}

pub(crate) struct Script {
    kind: Kind,
    /// Over all questions.
    end: Instant,
    /// When a key that has not come counts as missing.
    patience: Option<Instant>,
}

enum Kind {
    Screen { is_second: bool },
    Challenge(Digits),
}

struct Digits {
    wanted: [u8; 2],
    first: Option<u8>,
    tries: u8,
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cue {
    Said,
    Heard(Duration),
    Pressed(Digit),
    /// Time has passed.
    Due,
}

impl Script {
    /// `end`: until when all our questions may take.
    pub(crate) fn screen(end: Instant) -> (Script, Act) {
        let script = Script::new(Kind::Screen { is_second: false }, end);
        (script, Act::Say(vec!["screen".into()]))
    }

    /// `dice` chooses the digits; `end` as above.
    pub(crate) fn challenge(dice: u64, end: Instant) -> (Script, Act) {
        let digits = Digits {
            wanted: two_digits(dice),
            first: None,
            tries: 0,
        };
        let act = digits.say("challenge");
        (Script::new(Kind::Challenge(digits), end), act)
    }

    fn new(kind: Kind, end: Instant) -> Script {
        Script {
            kind,
            end,
            patience: None,
        }
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.patience.map_or(self.end, |patience| patience.min(self.end))
    }

    /// Keys are asked for.
    pub(crate) fn is_challenge(&self) -> bool {
        matches!(self.kind, Kind::Challenge(_))
    }

    /// One cue, and what follows from it. `dice` is for digits that may be needed.
    pub(crate) fn handle(&mut self, cue: Cue, dice: u64, now: Instant) -> Act {
        if now >= self.end {
            return Act::Done(self.given_up());
        }
        match (&mut self.kind, cue) {
            (Kind::Screen { .. }, Cue::Said) => Act::Listen(Listening {
                patience: LISTEN_PATIENCE,
                pause: LISTEN_PAUSE,
                at_most: LISTEN_MAX,
            }),
            (
                Kind::Screen {
                    is_second: is_second @ false,
                },
                Cue::Heard(Duration::ZERO),
            ) => {
                *is_second = true;
                Act::Say(vec!["screen-again".into()])
            }
            (Kind::Screen { .. }, Cue::Heard(speech)) => Act::Done(Outcome::Screened { speech }),
            (Kind::Challenge(_), Cue::Said) => {
                self.patience = Some(now + KEY_PATIENCE);
                Act::Nothing
            }
            (Kind::Challenge(digits), Cue::Pressed(digit)) => {
                let Some(number) = digit.number() else {
                    return Act::Nothing;
                };
                let Some(first) = digits.first.take() else {
                    digits.first = Some(number);
                    if let Some(patience) = &mut self.patience {
                        *patience = now + KEY_PATIENCE;
                    }
                    return Act::Nothing;
                };
                if [first, number] == digits.wanted {
                    return Act::Done(Outcome::Challenged(Challenge::Passed));
                }
                digits.wanted = two_digits(dice);
                self.once_more()
            }
            (Kind::Challenge(_), Cue::Due) if self.patience.is_some_and(|patience| patience <= now) => {
                self.once_more()
            }
            _ => Act::Nothing,
        }
    }

    /// The same question again, or the end of it.
    fn once_more(&mut self) -> Act {
        self.patience = None;
        let Kind::Challenge(digits) = &mut self.kind else {
            return Act::Nothing;
        };
        digits.tries += 1;
        digits.first = None;
        match digits.tries >= CHALLENGE_TRIES {
            true => Act::Done(Outcome::Challenged(Challenge::Failed)),
            false => digits.say("challenge-again"),
        }
    }

    /// What it comes to when it cannot go on.
    pub(crate) fn given_up(&self) -> Outcome {
        match self.kind {
            Kind::Screen { .. } => Outcome::Screened {
                speech: Duration::ZERO,
            },
            Kind::Challenge(_) => Outcome::Challenged(Challenge::Failed),
        }
    }
}

impl Digits {
    fn say(&self, question: &str) -> Act {
        let digits = self.wanted.iter().map(|digit| format!("digit-{digit}"));
        Act::Say(std::iter::once(question.to_string()).chain(digits).collect())
    }
}

fn two_digits(dice: u64) -> [u8; 2] {
    [(dice % 10) as u8, (dice / 10 % 10) as u8]
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
mod tests {
    use super::*;
    use crate::call::limits::QUESTIONS_MAX;

    fn say(names: &[&str]) -> Act {
        Act::Say(names.iter().map(|name| name.to_string()).collect())
    }

    fn key(number: u8) -> Cue {
        Cue::Pressed(Digit::of_event(number).unwrap())
    }

    const TRIED: Act = Act::Done(Outcome::Challenged(Challenge::Failed));

    #[test]
    fn who_answers_is_asked_once() {
        let now = Instant::now();
        let (mut script, act) = Script::screen(now + QUESTIONS_MAX);
        assert_eq!(act, say(&["screen"]));
        assert!(matches!(script.handle(Cue::Said, 0, now), Act::Listen(_)));
        let speech = Duration::from_secs(3);
        let done = script.handle(Cue::Heard(speech), 0, now);
        assert_eq!(done, Act::Done(Outcome::Screened { speech }));
    }

    #[test]
    fn who_says_nothing_is_asked_twice() {
        let now = Instant::now();
        let (mut script, _) = Script::screen(now + QUESTIONS_MAX);
        script.handle(Cue::Said, 0, now);
        assert_eq!(
            script.handle(Cue::Heard(Duration::ZERO), 0, now),
            say(&["screen-again"])
        );
        assert!(matches!(script.handle(Cue::Said, 0, now), Act::Listen(_)));
        let speech = Duration::ZERO;
        let done = script.handle(Cue::Heard(speech), 0, now);
        assert_eq!(done, Act::Done(Outcome::Screened { speech }));
    }

    #[test]
    fn the_right_keys_pass_even_while_we_speak_and_other_keys_do_not_count() {
        let now = Instant::now();
        let (mut script, act) = Script::challenge(74, now + QUESTIONS_MAX);
        assert_eq!(act, say(&["challenge", "digit-4", "digit-7"]));
        for cue in [key(4), key(11), key(10)] {
            assert_eq!(script.handle(cue, 0, now), Act::Nothing);
        }
        let done = script.handle(key(7), 0, now);
        assert_eq!(done, Act::Done(Outcome::Challenged(Challenge::Passed)));
    }

    #[test]
    fn wrong_keys_get_other_digits_and_three_times_is_enough() {
        let now = Instant::now();
        let (mut script, _) = Script::challenge(74, now + QUESTIONS_MAX);
        for dice in [11, 22] {
            script.handle(Cue::Said, 0, now);
            script.handle(key(4), 0, now);
            let digit = format!("digit-{}", dice % 10);
            assert_eq!(
                script.handle(key(8), dice, now),
                say(&["challenge-again", &digit, &digit])
            );
        }
        script.handle(key(2), 0, now);
        assert_eq!(script.handle(key(3), 33, now), TRIED);
    }

    #[test]
    fn who_presses_nothing_hears_the_same_digits_again() {
        let mut now = Instant::now();
        let (mut script, _) = Script::challenge(74, now + QUESTIONS_MAX);
        for _ in 0..2 {
            assert_eq!(
                script.handle(Cue::Due, 0, now),
                Act::Nothing,
                "not before we have said it"
            );
            script.handle(Cue::Said, 0, now);
            assert_eq!(script.deadline(), now + KEY_PATIENCE);
            now += KEY_PATIENCE;
            assert_eq!(
                script.handle(Cue::Due, 99, now),
                say(&["challenge-again", "digit-4", "digit-7"])
            );
        }
        script.handle(Cue::Said, 0, now);
        script.handle(key(4), 0, now + KEY_PATIENCE / 2);
        now += KEY_PATIENCE;
        assert_eq!(
            script.handle(Cue::Due, 0, now),
            Act::Nothing,
            "a key gives him time"
        );
        now += KEY_PATIENCE / 2;
        assert_eq!(script.handle(Cue::Due, 0, now), TRIED);
    }

    #[test]
    fn nothing_goes_on_for_ever() {
        let now = Instant::now();
        let (mut script, _) = Script::screen(now + QUESTIONS_MAX);
        assert_eq!(script.deadline(), now + QUESTIONS_MAX);
        let done = script.handle(Cue::Due, 0, now + QUESTIONS_MAX);
        let speech = Duration::ZERO;
        assert_eq!(done, Act::Done(Outcome::Screened { speech }));
        let (mut script, _) = Script::challenge(1, now + QUESTIONS_MAX);
        assert_eq!(script.handle(Cue::Said, 0, now + QUESTIONS_MAX), TRIED);
    }
}
