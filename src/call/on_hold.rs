//! Music for a caller whom the person who answered has put on hold.
//!
//! Many telephones send nothing then. The caller hears `hold` a second after the last that came from there; a telephone, or a
//! PBX, that sends music of its own is heard instead of ours ([`crate::media::Words::behind`]).

use crate::media::Side;
use crate::sdp::{Direction, Session};

use super::case::Case;
use super::desk::Desk;
use super::record;
use super::talking::Talking;

impl Case {
    /// Whether there is music for this caller when he is put on hold.
    pub(super) fn has_hold_music(&self, desk: &Desk) -> bool {
        let queue = self.record.queue.as_deref().unwrap_or_default();
        self.record.direction == record::Direction::Inbound
            && !desk.config.silent_holds.contains(queue)
            && desk.prompts.clip("hold").is_some()
    }

    /// The person has put the caller on hold, and the caller listens.
    fn is_waiting_on_hold(&self) -> bool {
        let direction = |side| self.spoken(side).map(Session::direction);
        !self.is_fax
            && matches!(
                direction(Side::B),
                Some(Direction::SendOnly | Direction::Inactive)
            )
            && direction(Side::A).is_some_and(Direction::receives)
    }
}

impl Talking {
    /// Begins or ends the music, after an exchange of descriptions or words of ours. Whoever hears words of ours, or music because
    /// nobody is there any more, goes on hearing that.
    pub(super) fn mind_hold(&mut self, case: &mut Case, desk: &mut Desk) {
        if self.aside.is_some() || self.is_caller_alone() {
            case.hears_hold_music = false;
            return;
        }
        let is_wanted = case.has_hold_music(desk) && case.is_waiting_on_hold();
        if is_wanted == case.hears_hold_music {
            return;
        }
        case.hears_hold_music = is_wanted;
        match is_wanted {
            true => case.play_behind(Side::A, "hold", desk),
            false => case.hush(Side::A, desk),
        }
    }
}
