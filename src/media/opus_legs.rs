//! Opus on the legs of a call: who needs a decoder or an encoder, whose time is counted how, and how audio and keys cross to a
//! party that counts and speaks otherwise.

use std::ops::Range;

use super::Side;
use super::limits::TRANSLATED_OCTETS_MAX;
use super::opus::packet::PacketError;
use super::opus::{self, Hearer, Speaker, UNITS};
use super::party::{Liked, Party, Payloads};
use super::player::FRAME_SAMPLES;
use super::rtp::{HEADER_OCTETS, PADDING, Packet, renumber, retime};
use super::session::Session;
use super::statistics::Arrival;
use crate::g711::Law;
use crate::sdp::Codec;

impl Session {
    /// By which payload type the party on `side` takes telephone-event at 48 kHz (RFC 7587 has one clock for all of a stream);
    /// `None`: it does not. Said after a description.
    pub fn hears_wide_events(&mut self, side: Side, payload_type: Option<u8>) {
        self.parties(side).0.payloads.wide_event = payload_type.map_or(0, super::party::bit);
    }

    /// Takes the memory of the decoders and encoders that the legs need as they are described now, and gives back what they
    /// need no more. Never on the path of a packet.
    pub(super) fn prepare_opus(&mut self) {
        let (talks, transcodes) = (self.talking.is_some(), self.transcodes);
        for side in [Side::A, Side::B] {
            let (this, other) = self.parties(side);
            let is_opus = matches!(this.voice, Some((_, Codec::Opus)));
            // Whoever has another codec in common with the other one has agreed on that.
            let may_come = is_opus || this.payloads.opus != 0 && other.payloads.opus != 0;
            let is_translated = transcodes && is_opus && other.payloads.opus == 0 && other.voice.is_some();
            match may_come && (is_translated || talks && side == Side::A) {
                true => _ = this.hearer.get_or_insert_with(|| Box::new(Hearer::new())),
                false => this.hearer = None,
            }
            let is_spoken_to = this.player.is_some() || other.payloads.has_more_than(this.payloads);
            match is_opus && is_spoken_to {
                true => _ = this.speaker.get_or_insert_with(|| Box::new(Speaker::new())),
                false => this.speaker = None,
            }
            if let (Side::A, true, Some(tap)) = (side, may_come, &mut self.tap) {
                tap.hears_opus();
            }
        }
    }
}

impl Payloads {
    /// In which of the codecs that it likes, best first, somebody is spoken to by the party that announced these, as its answer
    /// says ([`crate::sdp::Session::translated`]): one that both have under one number, or else under two; or else the first
    /// that is not Opus, or else the first. That too where the other party has not `announced` anything yet.
    pub(super) fn choose(self, liked: &Liked, announced: bool) -> Option<(u8, Codec)> {
        let liked = || liked.iter().flatten().copied();
        if !announced {
            return liked().next();
        }
        let numbers = |codec| match codec {
            Codec::Pcmu => self.pcmu,
            Codec::Pcma => self.pcma,
            Codec::G722 => self.g722,
            Codec::Opus => self.opus,
        };
        liked()
            .find(|(number, codec)| numbers(*codec) & super::party::bit(*number) != 0)
            .or_else(|| liked().find(|(_, codec)| numbers(*codec) != 0))
            .or_else(|| liked().find(|(_, codec)| *codec != Codec::Opus))
            .or_else(|| liked().next())
    }

    /// Whether a number that both announced is a key to either, by different clocks.
    pub(super) fn counts_otherwise(self, payload_type: u8, theirs: Payloads) -> bool {
        let both = self.is_event(payload_type) && theirs.is_event(payload_type);
        both && self.is_wide(payload_type) != theirs.is_wide(payload_type)
    }
}

impl Party {
    /// What it announced, in the order in which it did, and who hears it.
    pub(super) fn announces(&mut self, codecs: &[(u8, Codec)], other: &mut Party) {
        self.liked = Liked::default();
        for (place, codec) in self.liked.iter_mut().zip(codecs) {
            *place = Some(*codec);
        }
        self.voice = other.payloads.choose(&self.liked, other.liked[0].is_some());
        other.voice = self.payloads.choose(&other.liked, self.liked[0].is_some());
    }

    /// Milliseconds of Opus that are decoded or encoded for `other` with this packet of this codec (`None`: no audio).
    ///
    /// # Errors
    ///
    /// It is said to be Opus, and is none.
    pub(super) fn opus_ms(
        &self,
        packet: &Packet<'_>,
        codec: Option<Codec>,
        (other, transcodes): (&Party, bool),
    ) -> Result<u32, PacketError> {
        let number = packet.payload_type();
        let is_encoded = matches!(other.voice, Some((_, Codec::Opus))) && !other.payloads.has(number);
        match codec {
            Some(Codec::Opus) => opus::packet::milliseconds(packet.payload()),
            Some(_) if is_encoded && transcodes => Ok((packet.payload().len() as u32).div_ceil(8)),
            None if is_encoded && !self.payloads.is_event(number) => Ok(FRAME_SAMPLES as u32 / 8),
            _ => Ok(0),
        }
    }

    /// The packet of audio from the other party goes out to this one.
    pub(super) fn hears(&mut self, packet: &mut [u8]) {
        let Some(second) = packet.get_mut(1) else { return };
        self.hears_wide = Some(self.payloads.is_wide(*second & 0x7f));
        if std::mem::take(&mut self.marks_next) {
            // The first of another source than the one before: what a marked packet says (RFC 3551 §4.1).
            *second |= 0x80;
        }
    }

    /// When a packet of it was made, in units of 125 us, whatever its payload counts in.
    pub(super) fn time_of(&mut self, packet: &Packet<'_>, arrival: Arrival, theirs: Payloads) -> u32 {
        let payload_type = packet.payload_type();
        let own = self.payloads.has(payload_type);
        let is_wide = match own {
            true => self.payloads.is_wide(payload_type),
            false => theirs.is_wide(payload_type),
        };
        match is_wide {
            true => self.clock.narrow(packet.timestamp(), arrival != Arrival::Suspect),
            false => packet.timestamp(),
        }
    }

    /// Audio of it in Opus for `other`, who does not speak that, or audio of any codec for `other`, who speaks nothing else.
    /// Gives the packet's new length. `None`: there is no such packet.
    pub(super) fn cross_opus(&mut self, other: &mut Party, said: Said, buffer: &mut [u8]) -> Option<usize> {
        let (number, wanted) = other.voice?;
        let Range { start, end } = said.audio;
        let len = match said.codec {
            Some(Codec::Opus) => {
                let hearer = self.hearer.as_mut()?;
                if said.arrival == Arrival::Started {
                    hearer.restart();
                }
                let room = buffer.get_mut(start..)?;
                let arrived = (said.sequence, said.arrival);
                let len = hearer.write(arrived, end - start, wanted, room)?;
                retime(buffer, said.time);
                len
            }
            codec => {
                let speaker = other.speaker.as_mut()?;
                let (codec, end) = match codec {
                    Some(codec) => (codec, end),
                    // Comfort noise: as long a silence as to anybody who does not take it.
                    None => {
                        buffer
                            .get_mut(start..start + FRAME_SAMPLES)?
                            .fill(Law::Mu.encode(0));
                        (Codec::Pcmu, start + FRAME_SAMPLES)
                    }
                };
                if end - start > TRANSLATED_OCTETS_MAX {
                    return None;
                }
                if said.arrival == Arrival::Started {
                    speaker.restart();
                }
                let audio = buffer.get_mut(start..end)?;
                // What was said before, or belongs to no stream yet, is nothing to the encoder.
                let len = match said.arrival {
                    Arrival::Duplicate | Arrival::Suspect => Speaker::write_nothing(audio)?,
                    _ => speaker.write(codec, audio)?,
                };
                retime(buffer, opus::widened(said.time));
                len
            }
        };
        renumber(buffer, number);
        *buffer.first_mut()? &= !PADDING;
        self.translated += u64::from(said.codec.is_some());
        Some(start + len)
    }

    /// A packet of ours in mu-law as one of Opus, for a party that likes that best.
    pub(super) fn in_opus(&mut self, buffer: &mut [u8], len: usize) -> Option<usize> {
        let time = Packet::parse(buffer.get(..len)?).ok()?.timestamp();
        let audio = buffer.get_mut(HEADER_OCTETS..len)?;
        let octets = self.speaker.as_mut()?.write(Codec::Pcmu, audio)?;
        retime(buffer, opus::widened(time));
        Some(HEADER_OCTETS + octets)
    }
}

/// One packet of audio on its way: its codec (`None`: comfort noise), when it was made in units of 125 us, and where its audio
/// stands.
pub(super) struct Said {
    pub(super) codec: Option<Codec>,
    pub(super) sequence: u16,
    pub(super) arrival: Arrival,
    pub(super) time: u32,
    pub(super) audio: Range<usize>,
}

/// A key of the telephone on its way to a party that knows it by another clock (RFC 4733 §2.3.5).
pub(super) struct Key {
    /// In units of 125 us.
    time: u32,
    is_wide: bool,
    duration: Option<u16>,
    at: usize,
}

impl Key {
    pub(super) fn new(packet: &Packet<'_>, time: u32, is_wide: bool) -> Key {
        let duration = packet.payload().get(2..4);
        Key {
            time,
            is_wide,
            duration: duration.map(|octets| u16::from_be_bytes([octets[0], octets[1]])),
            at: packet.payload_range().start + 2,
        }
    }

    /// Rewrites number, time and duration as `other` has them. One of more than 1.36 s is as long as its field can say at
    /// 48 kHz. Where `other` knows no keys at all the packet stays as it is.
    pub(super) fn cross(self, other: &Party, buffer: &mut [u8]) {
        let payloads = other.payloads;
        let event = if self.is_wide {
            payloads.event
        } else {
            payloads.wide_event
        };
        if event == 0 {
            return;
        }
        renumber(buffer, event.trailing_zeros() as u8);
        let (time, factor) = match self.is_wide {
            true => (self.time, None),
            false => (opus::widened(self.time), Some(UNITS as u16)),
        };
        retime(buffer, time);
        if let (Some(duration), Some(room)) = (self.duration, buffer.get_mut(self.at..self.at + 2)) {
            let duration = match factor {
                Some(factor) => duration.saturating_mul(factor),
                None => duration / UNITS as u16,
            };
            room.copy_from_slice(&duration.to_be_bytes());
        }
    }
}
