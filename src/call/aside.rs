//! While two people have each other: a word to the person who answers before he hears the caller, or whenever somebody
//! orders it; and the two digits that a caller is asked to press in the middle of a call.
//!
//! ```text
//!  a phone answers ─▶ it hears the whisper, the caller the ringing tone (or the music he heard before) ─▶ they hear each other
//! ```

use std::time::Instant;

use crate::media::{Side, Talk};
use crate::screening::{Challenge, Label};

use super::case::Case;
use super::decide;
use super::desk::Desk;
use super::limits::{QUESTIONS_MAX, WHISPER_MAX};
use super::reception::{Act, Cue, Outcome, Script};
use super::record::{Direction, OrderOutcome};
use super::talking::Talking;

/// What the people of a queue are told before they are connected (`whisper`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Whisper {
    #[default]
    Off,
    /// Only what speaks against the call.
    Warnings,
    /// What the call is, whatever it is.
    All,
}

impl Whisper {
    fn covers(self, label: Label) -> bool {
        match self {
            Whisper::Off => false,
            Whisper::Warnings => matches!(
                label,
                Label::Suspect | Label::Forged | Label::Synthetic | Label::Campaign
            ),
            Whisper::All => true,
        }
    }
}

/// Something that is being said beside the call.
pub(super) struct Aside {
    turn: u32,
    /// By then it is over, whatever the media says.
    pub(super) until: Instant,
    /// Questions to the caller; `None`: words to the person.
    script: Option<Script>,
    /// Who ordered it, as the place of the order in the record.
    order: Option<usize>,
}

impl Aside {
    /// Words to the person who has the call.
    pub(super) fn words(turn: u32, order: Option<usize>, desk: &Desk) -> Aside {
        Aside {
            turn,
            until: desk.now().instant + WHISPER_MAX,
            script: None,
            order,
        }
    }
}

impl Talking {
    /// A phone has just answered: tells its person what the call is, if the queue wants that. False: nothing is said, and
    /// the two may hear each other.
    pub(super) fn whisper(&mut self, case: &mut Case, desk: &mut Desk) -> bool {
        let queue = case.record.queue.as_deref().unwrap_or_default();
        let wanted = desk.config.whispers.get(queue).copied().unwrap_or_default();
        let label = case.record.banner.as_ref().map(|banner| banner.label);
        let Some(label) = label.filter(|label| wanted.covers(*label)) else {
            return false;
        };
        if case.record.direction == Direction::Outbound || case.is_fax {
            return false;
        }
        case.play(Side::A, "ringing", desk);
        let name = format!("whisper-{}", label.name());
        let Some(turn) = case.say(Side::B, &[&name], desk) else {
            case.hush(Side::A, desk);
            return false;
        };
        self.aside = Some(Aside::words(turn, None, desk));
        true
    }

    /// Asks the caller to press two digits; the person who has the call is not heard meanwhile. False: there is no
    /// recording of it.
    pub(super) fn ask(&mut self, order: usize, case: &mut Case, desk: &mut Desk) -> bool {
        let now = desk.now().instant;
        let (script, act) = Script::challenge(desk.random.u64(), now + QUESTIONS_MAX);
        self.aside = Some(Aside {
            turn: 0,
            until: script.deadline(),
            script: Some(script),
            order: Some(order),
        });
        self.act(act, case, desk);
        self.aside.is_some()
    }

    fn act(&mut self, act: Act, case: &mut Case, desk: &mut Desk) {
        let Some(aside) = &mut self.aside else { return };
        match act {
            Act::Say(names) => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                match case.say(Side::A, &names, desk) {
                    Some(turn) => aside.turn = turn,
                    // That is no fault of the caller's.
                    None => self.judged(Challenge::Unable, case, desk),
                }
            }
            Act::Done(Outcome::Challenged(challenge)) => self.judged(challenge, case, desk),
            Act::Nothing | Act::Listen(_) | Act::Done(_) => {}
        }
        if let Some(Aside {
            until,
            script: Some(script),
            ..
        }) = &mut self.aside
        {
            *until = script.deadline();
        }
    }

    /// The caller has pressed what he was told, or not: he is told, and connected again. One who could not be asked hears
    /// no verdict.
    fn judged(&mut self, challenge: Challenge, case: &mut Case, desk: &mut Desk) {
        learn(challenge, case, desk);
        let (words, outcome) = match challenge {
            Challenge::Passed => (Some("challenge-passed"), OrderOutcome::Done),
            Challenge::Failed => (Some("challenge-failed"), OrderOutcome::Failed),
            Challenge::Unable | Challenge::None => (None, OrderOutcome::Failed),
        };
        let Some(aside) = &mut self.aside else { return };
        if let Some(entry) = aside.order.take() {
            case.record.end_order(entry, outcome);
        }
        aside.script = None;
        aside.until = desk.now().instant + WHISPER_MAX;
        let Some(words) = words else {
            return self.end_aside(case, desk);
        };
        match case.say(Side::A, &[words], desk) {
            Some(turn) => aside.turn = turn,
            None => self.end_aside(case, desk),
        }
        case.changed(desk);
    }

    /// Somebody was put on hold while the caller was being asked: he hears nothing of it, or cannot press.
    pub(super) fn excuse_held(&mut self, case: &mut Case, desk: &mut Desk) {
        let is_asked = self.aside.as_ref().is_some_and(|aside| aside.script.is_some());
        if is_asked && case.held_since.is_some() {
            self.judged(Challenge::Unable, case, desk);
        }
    }

    /// The person to whom something was being said is gone. The caller's questions go on, if there are any.
    pub(super) fn drop_words(&mut self, case: &mut Case, desk: &mut Desk) {
        if self.aside.as_ref().is_some_and(|aside| aside.script.is_none()) {
            self.drop_aside(case, desk);
        }
    }

    /// Whatever was being said or asked comes to nothing.
    pub(super) fn drop_aside(&mut self, case: &mut Case, desk: &mut Desk) {
        let Some(aside) = self.aside.take() else { return };
        if let Some(entry) = aside.order {
            case.record.end_order(entry, OrderOutcome::Failed);
        }
        for side in [Side::B, Side::A] {
            case.hush(side, desk);
        }
    }

    /// Words of ours are over, or a key was pressed.
    pub(super) fn on_talk(&mut self, talk: Talk, case: &mut Case, desk: &mut Desk) {
        let Some(aside) = &mut self.aside else { return };
        let cue = match talk {
            Talk::Said { turn, over, side } if turn == aside.turn => {
                case.has_said(side, over, desk);
                Cue::Said
            }
            Talk::Said { .. } | Talk::Heard { .. } => return,
            Talk::Pressed { digit } => Cue::Pressed(digit),
        };
        match (&mut aside.script, cue) {
            (Some(script), cue) => {
                let act = script.handle(cue, desk.random.u64(), desk.now().instant);
                self.act(act, case, desk);
            }
            (None, Cue::Said) => self.end_aside(case, desk),
            (None, _) => {}
        }
    }

    /// They should have been.
    pub(super) fn hurry_aside(&mut self, case: &mut Case, desk: &mut Desk) {
        let now = desk.now().instant;
        let Some(aside) = self.aside.as_mut().filter(|aside| aside.until <= now) else {
            return;
        };
        match &mut aside.script {
            Some(script) => {
                let act = script.handle(Cue::Due, desk.random.u64(), now);
                self.act(act, case, desk);
            }
            None => self.end_aside(case, desk),
        }
    }

    fn end_aside(&mut self, case: &mut Case, desk: &mut Desk) {
        let Some(aside) = self.aside.take() else { return };
        if let Some(entry) = aside.order {
            case.record.end_order(entry, OrderOutcome::Done);
        }
        for side in [Side::B, Side::A] {
            case.hush(side, desk);
        }
        if self.is_caller_alone() {
            case.play(Side::A, "hold", desk);
        }
        case.changed(desk);
    }
}

/// What came of the digits. What speaks against him is not undone by asking him again.
pub(super) fn learn(challenge: Challenge, case: &mut Case, desk: &Desk) {
    let weight = |challenge: Challenge| match challenge {
        Challenge::None => 0,
        Challenge::Unable => 1,
        Challenge::Passed => 2,
        Challenge::Failed => 3,
    };
    if weight(challenge) > weight(case.facts.talk.challenge) {
        case.facts.talk.challenge = challenge;
    }
    let at_ms = case.at_ms(desk);
    decide::again(case, desk, at_ms);
}
