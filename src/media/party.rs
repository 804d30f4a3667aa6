//! One party of a call: who speaks for it, what it announced, what it sent and what became of that.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::handshakes::{Handshakes, secured};
use super::latch::Latch;
use super::limits::{
    OPUS_MS_BURST, OPUS_MS_PER_SECOND, RTCP_BURST, RTCP_PER_SECOND, RTP_BURST, RTP_PER_SECOND,
};
use super::opus::{Clock, Hearer, Speaker};
use super::player::Player;
use super::rate::Rate;
use super::reports::Reports;
use super::rtp::Packet;
use super::srtp::{Refused, Secured};
use super::statistics::{SideStatistics, Stream};
use super::transcode::Transcoder;
use super::{Component, DropReason, Verdict};
use crate::sdp::Codec;

/// What is known of one side.
pub(super) struct Party {
    pub(super) latch: Latch,
    /// Its packets are encrypted, both ways.
    pub(super) secured: Option<Box<Secured>>,
    /// Its keys come by handshake: nothing of it is plain, also before they are there.
    pub(super) handshakes: Option<Box<Handshakes>>,
    /// It sends a fax, and no RTP.
    pub(super) is_fax: bool,
    /// RTP and RTCP share one port on its leg, both ways (RFC 5761).
    pub(super) is_muxed: bool,
    /// What it likes to hear, best first: payload types and codecs.
    pub(super) liked: Liked,
    /// What it hears where the other party says something that it did not announce, and from us: see [`Payloads::choose`].
    pub(super) voice: Option<(u8, Codec)>,
    /// The last audio of the other party that went to it counts in 48 kHz.
    pub(super) hears_wide: Option<bool>,
    /// Our own voice towards it; while there is one the other party is not heard, unless that gives way.
    pub(super) player: Option<Box<Player>>,
    /// The next audio sent to it is the first of another source.
    pub(super) marks_next: bool,
    pub(super) payloads: Payloads,
    pub(super) rtp_rate: Rate,
    pub(super) rtcp_rate: Rate,
    /// Milliseconds of Opus.
    pub(super) opus_rate: Rate,
    pub(super) stream: Stream,
    pub(super) packets: u64,
    pub(super) octets: u64,
    pub(super) drops: [u64; DropReason::ALL.len()],
    /// What it says about the stream we send it.
    pub(super) reports: Reports,
    pub(super) presses: Presses,
    /// For what it says to a party that does not know its codec.
    pub(super) transcoder: Transcoder,
    /// Packets that went through it.
    pub(super) translated: u64,
    /// What it says in Opus, where somebody must understand that who does not speak it.
    pub(super) hearer: Option<Box<Hearer>>,
    /// For what is said to it in Opus that did not come as such.
    pub(super) speaker: Option<Box<Speaker>>,
    /// Its time line, where it counts in 48 kHz.
    pub(super) clock: Clock,
}

/// As many codecs as a description may name are more than are looked at here.
pub(super) type Liked = [Option<(u8, Codec)>; 8];

/// The payload type of comfort noise (RFC 3389 §4), where no description gives it another.
const COMFORT_NOISE: u8 = 13;

/// Announced payload types, one bit each.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Payloads {
    pub(super) pcmu: u128,
    pub(super) pcma: u128,
    pub(super) g722: u128,
    pub(super) opus: u128,
    /// telephone-event that counts in 8 kHz.
    pub(super) event: u128,
    /// telephone-event that counts in 48 kHz, as Opus does.
    pub(super) wide_event: u128,
    pub(super) noise: u128,
}

impl Payloads {
    pub(super) fn codec(self, payload_type: u8) -> Option<Codec> {
        let bit = bit(payload_type);
        if self.pcmu & bit != 0 {
            Some(Codec::Pcmu)
        } else if self.pcma & bit != 0 {
            Some(Codec::Pcma)
        } else if self.g722 & bit != 0 {
            Some(Codec::G722)
        } else if self.opus & bit != 0 {
            Some(Codec::Opus)
        } else {
            None
        }
    }

    pub(super) fn has(self, payload_type: u8) -> bool {
        let audio = self.pcmu | self.pcma | self.g722 | self.opus;
        (audio | self.event | self.wide_event | self.noise) & bit(payload_type) != 0
    }

    /// Whether it counts in 48 kHz: Opus, and the keys beside it.
    pub(super) fn is_wide(self, payload_type: u8) -> bool {
        (self.opus | self.wide_event) & bit(payload_type) != 0
    }

    pub(super) fn is_event(self, payload_type: u8) -> bool {
        (self.event | self.wide_event) & bit(payload_type) != 0
    }

    /// Whether these have a codec that `theirs` lack.
    pub(super) fn has_more_than(self, theirs: Payloads) -> bool {
        [
            (self.pcmu, theirs.pcmu),
            (self.pcma, theirs.pcma),
            (self.g722, theirs.g722),
            (self.opus, theirs.opus),
        ]
        .iter()
        .any(|(own, other)| *own != 0 && *other == 0)
    }

    /// Whether it is comfort noise to these: by the number they gave it, or by its own where that means nothing else. Some
    /// telephones send it without a word about it.
    pub(super) fn is_noise(self, payload_type: u8) -> bool {
        self.noise & bit(payload_type) != 0 || payload_type == COMFORT_NOISE && !self.has(payload_type)
    }

    /// The number under which these have what `payload_type` means in `theirs`: the lowest, where there are several.
    pub(super) fn number(self, payload_type: u8, theirs: Payloads) -> Option<u8> {
        let ours = match theirs.codec(payload_type) {
            Some(Codec::Pcmu) => self.pcmu,
            Some(Codec::Pcma) => self.pcma,
            Some(Codec::G722) => self.g722,
            Some(Codec::Opus) => self.opus,
            None if theirs.wide_event & bit(payload_type) != 0 => self.wide_event,
            None if theirs.event & bit(payload_type) != 0 => self.event,
            None if theirs.is_noise(payload_type) => self.noise,
            None => 0,
        };
        (ours != 0).then(|| ours.trailing_zeros() as u8)
    }
}

/// Keys pressed during the call (RFC 4733): how many, and never which. A PIN or the number of a card is nobody's business.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Presses {
    count: u64,
    /// All packets of one press have its timestamp, those that repeat its end too. A longer one than its field can say goes on as
    /// the next, unmarked, with the timestamp behind it (RFC 4733 §2.5.1.3).
    last: Option<(u8, u32)>,
}

impl Presses {
    /// The event of a key that has not been counted before.
    pub(super) fn handle(&mut self, packet: &Packet<'_>) -> Option<u8> {
        // Events above 15 are no keys: tones, hook flash.
        let event = packet.payload().first().copied().filter(|event| *event <= 15)?;
        if packet.payload().len() < 4 {
            return None;
        }
        let timestamp = packet.timestamp();
        if let Some((before, last)) = self.last {
            if last == timestamp {
                return None;
            }
            if before == event && !packet.is_marked() && last.wrapping_add(0xffff) == timestamp {
                self.last = Some((event, timestamp));
                return None;
            }
        }
        self.last = Some((event, timestamp));
        self.count += 1;
        Some(event)
    }
}

pub(super) fn bit(payload_type: u8) -> u128 {
    1u128.checked_shl(u32::from(payload_type)).unwrap_or(0)
}

impl Party {
    /// Not described yet.
    pub(super) fn new(now: Instant) -> Party {
        Party {
            latch: Latch::new(now),
            secured: None,
            handshakes: None,
            is_muxed: false,
            is_fax: false,
            liked: Liked::default(),
            voice: None,
            hears_wide: None,
            player: None,
            marks_next: false,
            payloads: Payloads::default(),
            rtp_rate: Rate::new(RTP_PER_SECOND, RTP_BURST, now),
            rtcp_rate: Rate::new(RTCP_PER_SECOND, RTCP_BURST, now),
            opus_rate: Rate::new(OPUS_MS_PER_SECOND, OPUS_MS_BURST, now),
            stream: Stream::default(),
            packets: 0,
            octets: 0,
            drops: [0; DropReason::ALL.len()],
            reports: Reports::default(),
            presses: Presses::default(),
            transcoder: Transcoder::default(),
            translated: 0,
            hearer: None,
            speaker: None,
            clock: Clock::default(),
        }
    }

    /// A packet of this party as it was before it was encrypted; as it is on a plain leg. What is cheap to tell comes
    /// before what is not.
    pub(super) fn open(
        &mut self,
        (buffer, len): (&mut [u8], usize),
        component: Component,
        is_admitted: impl Fn(&Latch) -> bool,
        unprotect: impl Fn(&mut Secured, &mut [u8], usize) -> Result<usize, Refused>,
    ) -> Result<usize, DropReason> {
        let Some(secured) = secured(&mut self.secured, &mut self.handshakes, component)? else {
            return Ok(len);
        };
        if !self.latch.is_described() {
            return Err(DropReason::NotYetKnown);
        }
        if !is_admitted(&self.latch) {
            return Err(DropReason::Stranger);
        }
        unprotect(secured, buffer, len).map_err(DropReason::from)
    }

    /// What goes out on this port is encrypted with; `None`: nothing is.
    ///
    /// # Errors
    ///
    /// [`DropReason::NotYetSecured`] where it is to be, and there is no key yet.
    pub(super) fn outgoing(&mut self, component: Component) -> Result<Option<&mut Secured>, DropReason> {
        secured(&mut self.secured, &mut self.handshakes, component)
    }

    /// Whether what came from this source is taken: the party's own, and not too fast. `opus_ms`: how much of Opus it is. What
    /// is taken is counted.
    pub(super) fn admit(
        &mut self,
        source: SocketAddr,
        octets: usize,
        opus_ms: u32,
        now: Instant,
    ) -> Result<(), DropReason> {
        if !self.latch.accepts(source, now) {
            return Err(DropReason::Stranger);
        }
        if !self.rtp_rate.allows(now) || !self.opus_rate.allows_many(opus_ms, now) {
            return Err(DropReason::TooFast);
        }
        self.packets += 1;
        self.octets += octets as u64;
        Ok(())
    }

    /// Of the timestamps of what is sent to it, in which its reports give jitter.
    fn units_per_ms(&self) -> f32 {
        let is_wide = || matches!(self.voice, Some((_, Codec::Opus)));
        match self.hears_wide.unwrap_or_else(is_wide) {
            true => 48.0,
            false => 8.0,
        }
    }

    pub(super) fn drop(&mut self, reason: DropReason) -> Verdict {
        self.drops[reason as usize] += 1;
        Verdict::Drop(reason)
    }

    /// `other`: the one that hears it, and says how.
    pub(super) fn statistics(&self, other: &Party) -> SideStatistics {
        let heard = &other.reports;
        let refused = [
            DropReason::Malformed,
            DropReason::Stranger,
            DropReason::TooFast,
            DropReason::UnknownPayload,
            DropReason::Unauthenticated,
            DropReason::Replayed,
            DropReason::TooManySources,
        ];
        let reported = heard.last();
        let milliseconds = |time: Duration| time.as_secs_f32() * 1000.0;
        let mut statistics = SideStatistics {
            packets: self.packets,
            octets: self.octets,
            lost: self.stream.lost(),
            jitter_ms: self.stream.jitter_ms(),
            dropped: refused.iter().map(|reason| self.drops[*reason as usize]).sum(),
            unauthenticated: self.drops[DropReason::Unauthenticated as usize],
            reported_lost: reported.map(|report| report.cumulative_lost),
            reported_jitter_ms: reported.map(|report| report.jitter as f32 / other.units_per_ms()),
            round_trip_ms: self.reports.round_trip().map(milliseconds),
            mos: None,
            keys_pressed: self.presses.count,
            translated: self.translated,
            calling_tone_seconds: 0,
        };
        statistics.mos = statistics.estimate(heard.round_trip().map(milliseconds));
        statistics
    }
}

impl From<Refused> for DropReason {
    fn from(refused: Refused) -> DropReason {
        match refused {
            Refused::Malformed => DropReason::Malformed,
            Refused::Unauthenticated => DropReason::Unauthenticated,
            Refused::Replayed | Refused::UsedUp => DropReason::Replayed,
            Refused::TooManySources => DropReason::TooManySources,
        }
    }
}
