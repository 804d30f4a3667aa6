//! The call's own part in a conversation: what it says to a party, and what it hears of the caller meanwhile.
//!
//! ```text
//!   say(side, words) ──► a packet every 20 ms ──► Said          hush(side) ──► the other party is heard again
//!   listen ──► audio of the caller ──► Heard                    keys of the caller ──► Pressed
//! ```

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::clip::Words;
use super::ear::{Ear, Listening};
use super::latch::Target;
use super::limits::{TALK_ENDS_MAX, TALK_EVENTS_MAX};
use super::party::Party;
use super::player::{Frame, Player};
use super::rtp::Packet;
use super::session::Session;
use super::srtp::Secured;
use super::{Component, Side};
use crate::sdp::Codec;
use crate::time::Now;

/// A key of a telephone: 0 to 9, 10 for the star, 11 for the hash, 12 to 15 for A to D (RFC 4733 §3.2).
///
/// Prints as a dot: a key is a secret of whoever presses it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digit(u8);

impl Digit {
    /// `None` for events that are no keys.
    pub fn of_event(event: u8) -> Option<Digit> {
        (event <= 15).then_some(Digit(event))
    }

    /// 0 to 9; `None` for the star, the hash and the letters.
    pub fn number(self) -> Option<u8> {
        (self.0 <= 9).then_some(self.0)
    }
}

impl fmt::Debug for Digit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("•")
    }
}

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Talk {
    /// The words of this turn are over.
    Said {
        side: Side,
        turn: u32,
        /// For how long the caller spoke over them.
        over: Duration,
    },
    /// We have listened enough. `speech` is zero for somebody who said nothing.
    Heard { speech: Duration },
    /// The caller pressed a key.
    Pressed { digit: Digit },
}

/// What a session keeps while it talks.
pub(super) struct Talking {
    pub(super) ear: Ear,
    events: VecDeque<Talk>,
}

impl Talking {
    fn new() -> Talking {
        Talking {
            ear: Ear::new(),
            events: VecDeque::with_capacity(TALK_EVENTS_MAX),
        }
    }

    /// Keys leave room for what ends our words and our listening: nothing goes on without those.
    fn note(&mut self, event: Talk) {
        let most = match event {
            Talk::Pressed { .. } => TALK_EVENTS_MAX - TALK_ENDS_MAX,
            Talk::Said { .. } | Talk::Heard { .. } => TALK_EVENTS_MAX,
        };
        if self.events.len() < most {
            self.events.push_back(event);
        }
    }
}

impl Session {
    /// Says this to the party on `side`, from `due` on, instead of what is being said there. The other party is not heard
    /// there until [`Session::hush`]; when the words are over silence follows.
    ///
    /// `seed` is used for the first words of a stream: it makes its SSRC.
    pub fn say(&mut self, side: Side, words: Words, turn: u32, seed: u64, due: Instant) {
        self.talking.get_or_insert_with(|| Box::new(Talking::new()));
        let party = self.parties(side).0;
        party
            .player
            .get_or_insert_with(|| Box::new(Player::new(seed, due)))
            .say(words, turn);
        self.prepare_opus();
    }

    /// The other party is heard on `side` again. The last packet of our stream, when there is one to be sent, stands in
    /// `buffer`; see [`Session::speak`].
    pub fn hush(&mut self, side: Side, buffer: &mut [u8]) -> Option<(SocketAddr, usize)> {
        let sent = self.parties(side).0.fade(buffer);
        if !self.is_speaking() {
            self.talking = None;
        }
        self.prepare_opus();
        sent
    }

    /// What the caller says from now on counts, until [`Talk::Heard`]. Only while something is said to him, were it
    /// silence.
    pub fn listen(&mut self, listening: Listening, now: Now) {
        if let Some(talking) = &mut self.talking {
            talking.ear.listen(listening, now.instant);
        }
    }

    /// The next packet of ours for `side` that is due: it stands in `buffer`, which has room for
    /// [`super::srtp::OVERHEAD_OCTETS_MAX`] octets more than a packet of 20 ms, and goes to this address from the socket
    /// of that side. `None`: nothing is due.
    ///
    /// To a party that is on hold, or not described yet, nothing is sent, and the words go by.
    pub fn speak(&mut self, side: Side, buffer: &mut [u8], now: Now) -> Option<(SocketAddr, usize)> {
        loop {
            let party = self.parties(side).0;
            let listener = party.listener();
            let player = party.player.as_mut()?;
            let frame = player.frame(now.instant, listener.map(|(voice, _)| plain(voice)), buffer);
            let ended = player.take_ended();
            let sent = match (frame, listener) {
                (Frame::NotYet, _) => return None,
                (Frame::Packet(len), Some((_, to))) => party.close(buffer, len).map(|len| (to, len)),
                _ => None,
            };
            if let (Some(turn), Some(talking)) = (ended, &mut self.talking) {
                let over = match side {
                    Side::A => talking.ear.take_over(),
                    Side::B => Duration::ZERO,
                };
                talking.note(Talk::Said { side, turn, over });
            }
            if sent.is_some() {
                return sent;
            }
        }
    }

    /// What has come of the talk since the last time this was asked, one by one.
    pub fn poll_talk(&mut self, now: Now) -> Option<Talk> {
        let talking = self.talking.as_mut()?;
        if let Some(speech) = talking.ear.poll_heard(now.instant) {
            talking.note(Talk::Heard { speech });
        }
        talking.events.pop_front()
    }

    /// We have a voice on some side.
    pub fn is_speaking(&self) -> bool {
        [Side::A, Side::B]
            .iter()
            .any(|side| self.party(*side).player.is_some())
    }

    /// When the next packet of ours is due.
    pub fn next_frame(&self) -> Option<Instant> {
        let due = |side: Side| self.party(side).player.as_ref().map(|player| player.due());
        [due(Side::A), due(Side::B)].into_iter().flatten().min()
    }

    /// Audio or a key of the caller, while we talk.
    pub(super) fn overhear(&mut self, codec: Option<Codec>, packet: &Packet<'_>, now: Now) {
        let is_saying = self.a.player.as_ref().is_some_and(|player| player.is_saying());
        let Some(talking) = &mut self.talking else { return };
        match (codec, &mut self.a.hearer) {
            (Some(Codec::Opus), Some(hearer)) => {
                let samples = hearer.hear(packet.sequence(), packet.payload());
                talking.ear.handle_wide(samples, is_saying, now.instant);
            }
            (Some(Codec::Opus), None) | (None, _) => {}
            (Some(codec), _) => talking
                .ear
                .handle(codec, packet.payload(), is_saying, now.instant),
        }
    }

    pub(super) fn press(&mut self, event: u8) {
        if let (Some(talking), Some(digit)) = (&mut self.talking, Digit::of_event(event)) {
            talking.note(Talk::Pressed { digit });
        }
    }
}

/// Payload type and codec, and an address.
type Listener = ((u8, Codec), SocketAddr);

impl Party {
    /// Words of ours go to this party now, and the other one is not heard.
    pub(super) fn is_spoken_to(&self, now: Instant) -> bool {
        let player = self.player.as_ref();
        player.is_some_and(|player| !player.is_spoken_over(now))
    }

    /// The other party says something to this one, to which words of ours may give way.
    pub(super) fn give_way(&mut self, now: Instant) {
        if let Some(player) = &mut self.player {
            self.marks_next |= player.give_way(now);
        }
    }

    /// With which payload type it is spoken to, and where it listens.
    fn listener(&self) -> Option<Listener> {
        match self.latch.target() {
            Target::At(to) => Some((self.voice?, to)),
            Target::Held | Target::Unknown => None,
        }
    }

    /// Ends our voice towards this party with one last packet.
    fn fade(&mut self, buffer: &mut [u8]) -> Option<(SocketAddr, usize)> {
        let mut player = self.player.take()?;
        self.marks_next = true;
        let (voice, to) = self.listener()?;
        let len = player.last_frame(Some(plain(voice)), buffer)?;
        self.close(buffer, len).map(|len| (to, len))
    }

    /// A packet of ours, as it goes out to this party.
    fn close(&mut self, buffer: &mut [u8], len: usize) -> Option<usize> {
        self.hears_wide = None;
        let len = match self.voice {
            Some((_, Codec::Opus)) => self.in_opus(buffer, len)?,
            _ => len,
        };
        match self.outgoing(Component::Rtp).ok()? {
            Some(secured) => Secured::protect_rtp(secured, buffer, len).ok(),
            None => Some(len),
        }
    }
}

/// In what the player says it: Opus is made of its mu-law, outside of it.
fn plain((payload_type, codec): (u8, Codec)) -> (u8, Codec) {
    match codec {
        Codec::Opus => (payload_type, Codec::Pcmu),
        codec => (payload_type, codec),
    }
}

#[cfg(test)]
#[path = "talk_tests.rs"]
mod tests;
