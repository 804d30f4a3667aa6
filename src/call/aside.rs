//! While two people have each other: a word to the person who answers before he hears the caller.
//!
//! ```text
//!  a phone answers ─▶ it hears the whisper, the caller the ringing tone (or the music he heard before) ─▶ they hear each other
//! ```

use std::time::Instant;

use crate::media::{Side, Talk};
use crate::screening::Label;

use super::case::Case;
use super::desk::Desk;
use super::limits::WHISPER_MAX;
use super::record::Direction;
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

/// Words that are being said beside the call.
pub(super) struct Aside {
    turn: u32,
    /// By then they are over, whatever the media says.
    pub(super) until: Instant,
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
        if case.record.direction == Direction::Outbound {
            return false;
        }
        case.play(Side::A, "ringing", desk);
        let name = format!("whisper-{}", label.name());
        let Some(turn) = case.say(Side::B, &[&name], desk) else {
            case.hush(Side::A, desk);
            return false;
        };
        self.aside = Some(Aside {
            turn,
            until: desk.now().instant + WHISPER_MAX,
        });
        true
    }

    /// Words of ours are over.
    pub(super) fn on_talk(&mut self, talk: Talk, case: &mut Case, desk: &mut Desk) {
        if let Talk::Said { turn, over, side } = talk
            && self.aside.as_ref().is_some_and(|aside| aside.turn == turn)
        {
            case.has_said(side, over, desk);
            self.end_aside(case, desk);
        }
    }

    /// They should have been.
    pub(super) fn hurry_aside(&mut self, case: &mut Case, desk: &mut Desk) {
        let now = desk.now().instant;
        if self.aside.as_ref().is_some_and(|aside| aside.until <= now) {
            self.end_aside(case, desk);
        }
    }

    fn end_aside(&mut self, case: &mut Case, desk: &mut Desk) {
        self.aside = None;
        for side in [Side::B, Side::A] {
            case.hush(side, desk);
        }
        case.changed(desk);
    }
}
