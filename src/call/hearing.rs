//! Whether there is anything to hear in a call: it is listened to, somebody is on hold, or it is a fax.

use crate::sdp::Session;

use super::Output;
use super::case::Case;
use super::desk::Desk;
use super::limits::HOLD_MAX;
use super::record::Direction;

impl Case {
    /// Notes whether the last exchange of descriptions put somebody on hold (RFC 3264 §8.4).
    pub(crate) fn hold(&mut self, is_held: bool, desk: &Desk) {
        self.held_since = is_held.then(|| self.held_since.unwrap_or(desk.now().instant));
    }

    /// The last exchange of descriptions was about a fax, or about audio. A fax is not heard; who speaks again is.
    pub(crate) fn fax(&mut self, is_fax: bool, desk: &mut Desk) {
        if self.is_fax == is_fax {
            return;
        }
        self.is_fax = is_fax;
        self.tap(!is_fax, desk);
        if is_fax {
            let at_ms = self.at_ms(desk);
            self.record.timings.fax_ms.get_or_insert(at_ms);
        }
        self.changed(desk);
    }

    /// The call was answered with these words: the caller is heard, unless it is a fax.
    pub(crate) fn begin_hearing(&mut self, answer: &Session, desk: &mut Desk) {
        match answer.is_fax() {
            true => self.fax(true, desk),
            false => self.tap(true, desk),
        }
    }

    /// The INVITE offered a fax and no audio: nobody is there to be asked or told anything.
    pub(crate) fn is_fax_offered(&self) -> bool {
        self.offer.as_ref().is_some_and(Session::is_fax)
    }

    /// Whether silence means that nobody is there any more.
    pub(crate) fn is_silence_odd(&self, desk: &Desk) -> bool {
        let held = self
            .held_since
            .map(|since| desk.now().instant.saturating_duration_since(since));
        held.is_none_or(|held| held > HOLD_MAX)
    }

    pub(crate) fn tap(&mut self, on: bool, desk: &mut Desk) {
        // Our own people are not listened to.
        if desk.config.is_voice_on && self.record.direction == Direction::Inbound {
            desk.say(Output::Tap { call: self.id, on });
            self.is_tapped = on;
            self.attended = None;
            self.attend(desk);
        }
    }

    /// Says which place among those that want second opinions policy gives this call, when that has changed.
    pub(super) fn attend(&mut self, desk: &mut Desk) {
        if !self.is_tapped {
            return;
        }
        let decided = self.record.decisions.last();
        let policy = desk.lineup.judge(&self.facts);
        let rank = decided.and_then(|decided| policy.second_opinion(&decided.decision.verdict));
        if rank != self.attended {
            self.attended = rank;
            desk.say(Output::Attend { call: self.id, rank });
        }
    }
}
