//! What arrived, what is missing and how unevenly (RFC 3550 §6.4.1, A.1, A.3, A.8).

use super::limits::{DROPOUT_MAX, MISORDER_MAX};
use super::quality;

/// Per call, kept in the record.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Statistics {
    pub from_caller: SideStatistics,
    pub from_called: SideStatistics,
}

/// What one party sent us.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SideStatistics {
    /// RTP packets accepted from this party, whether or not the other one could be sent them.
    pub packets: u64,
    /// Octets of those packets, RTP headers included.
    pub octets: u64,
    /// Missing by sequence number.
    pub lost: u64,
    /// RFC 3550 §6.4.1, in milliseconds.
    pub jitter_ms: f32,
    /// Refused RTP and RTCP: strangers, malformed, too fast, payload types nobody announced, and on encrypted legs what no
    /// key authenticates and what was seen before.
    pub dropped: u64,
    /// Of those, what no key authenticates.
    #[serde(default)]
    pub unauthenticated: u64,
    /// Packets of this party that the other one says it did not get, on the whole way (RTCP); negative when it got more
    /// than were sent. None: it never said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported_lost: Option<i32>,
    /// How unevenly they came there, by its own word, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported_jitter_ms: Option<f32>,
    /// From us to this party and back, in milliseconds; None where its RTCP does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip_ms: Option<f32>,
    /// How good this party sounded at the other end: the E-model's mean opinion score (ITU-T G.107), 1 to 4.5. None
    /// before a second of audio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mos: Option<f32>,
    /// Keys it pressed (RFC 4733). Which ones is kept nowhere.
    #[serde(default)]
    pub keys_pressed: u64,
    /// Of its packets, those that were put into another codec, because the other party does not know theirs.
    #[serde(default)]
    pub translated: u64,
    /// Seconds of its audio that held the calling tone of a fax machine (ITU-T T.30 §4.2), which nobody scored. Of the caller,
    /// and only while he is listened to.
    #[serde(default)]
    pub calling_tone_seconds: u64,
}

impl SideStatistics {
    /// The score, from what is known: the other party's word on what it lost, or else our own count; half of both round
    /// trips, where they were told, one packet, and a jitter buffer of twice the jitter.
    ///
    /// `far`: the round trip to the other party.
    pub(crate) fn estimate(&self, far: Option<f32>) -> Option<f32> {
        if self.packets < PACKETS_JUDGED_MIN {
            return None;
        }
        let sent = (self.packets + self.lost) as f32;
        let lost = self
            .reported_lost
            .map_or(self.lost as f32, |lost| lost.max(0) as f32);
        let ways = (self.round_trip_ms.unwrap_or(0.0) + far.unwrap_or(0.0)) / 2.0;
        let jitter = self.reported_jitter_ms.unwrap_or(self.jitter_ms);
        Some(quality::mos(lost / sent, ways + PACKET_MS + 2.0 * jitter))
    }
}

/// Fewer say nothing: a second at 20 ms.
const PACKETS_JUDGED_MIN: u64 = 50;

/// What most packets of G.711 hold.
const PACKET_MS: f32 = 20.0;

/// What a packet means for the stream it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The next one, or one ahead of others that may still come.
    Ahead,
    /// Behind the highest so far, for the first time.
    Behind,
    /// Seen before.
    Duplicate,
    /// Another stream, or a jump, that only one packet speaks for. The next in sequence makes it the stream.
    Suspect,
    /// The first packet of a stream that is now the current one.
    Started,
}

impl Arrival {
    /// Whether it moves its stream on: neither late, nor seen before, nor of a stream that is none yet.
    pub(crate) fn is_new(self) -> bool {
        matches!(self, Arrival::Ahead | Arrival::Started)
    }
}

/// One source's stream of sequence numbers.
///
/// A change of SSRC or a large jump counts only when two packets in sequence say so (RFC 3550 A.1): a single forged
/// or stray packet changes nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    ssrc: Option<u32>,
    base: u16,
    highest: u16,
    wraps: u64,
    received: u64,
    /// Bit `n` is set when `highest - n` has arrived.
    recent: u64,
    /// Lost in streams before this one.
    lost_before: u64,
    suspect: Option<(u32, u16)>,
    transit: Option<u32>,
    /// In 16ths of a timestamp unit, as A.8 keeps it.
    jitter: u32,
}

impl Stream {
    pub(crate) fn ssrc(&self) -> Option<u32> {
        self.ssrc
    }

    pub(crate) fn handle_arrival(&mut self, ssrc: u32, sequence: u16) -> Arrival {
        if self.ssrc.is_none() {
            self.start(ssrc, sequence);
            return Arrival::Started;
        }
        let ahead = sequence.wrapping_sub(self.highest);
        let behind = self.highest.wrapping_sub(sequence);
        if self.ssrc != Some(ssrc) || (ahead >= DROPOUT_MAX && behind > MISORDER_MAX) {
            if self.suspect == Some((ssrc, sequence)) {
                self.lost_before = self.lost();
                self.start(ssrc, sequence);
                return Arrival::Started;
            }
            self.suspect = Some((ssrc, sequence.wrapping_add(1)));
            return Arrival::Suspect;
        }
        if ahead == 0 {
            return Arrival::Duplicate;
        }
        if ahead < DROPOUT_MAX {
            self.suspect = None;
            if sequence < self.highest {
                self.wraps += 1;
            }
            self.highest = sequence;
            self.recent = self.recent.checked_shl(u32::from(ahead)).unwrap_or(0) | 1;
            self.received += 1;
            return Arrival::Ahead;
        }
        let bit = 1u64.checked_shl(u32::from(behind)).unwrap_or(0);
        if self.recent & bit != 0 {
            return Arrival::Duplicate;
        }
        self.recent |= bit;
        self.received += 1;
        Arrival::Behind
    }

    /// `arrival` is the local clock in timestamp units, from any origin; both wrap.
    pub(crate) fn handle_transit(&mut self, arrival: u32, timestamp: u32) {
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(last) = self.transit.replace(transit) {
            let change = (transit.wrapping_sub(last) as i32).unsigned_abs();
            // A second is not jitter but a new time line.
            if change <= 8000 {
                self.jitter = self.jitter + change - ((self.jitter + 8) >> 4);
            }
        }
    }

    pub(crate) fn lost(&self) -> u64 {
        if self.ssrc.is_none() {
            return 0;
        }
        let highest = self.wraps * 65_536 + u64::from(self.highest);
        let expected = (highest + 1).saturating_sub(u64::from(self.base));
        self.lost_before + expected.saturating_sub(self.received)
    }

    /// In milliseconds, for a clock of 8 kHz.
    pub(crate) fn jitter_ms(&self) -> f32 {
        self.jitter as f32 / 16.0 / 8.0
    }

    fn start(&mut self, ssrc: u32, sequence: u16) {
        *self = Stream {
            ssrc: Some(ssrc),
            base: sequence,
            highest: sequence,
            received: 1,
            recent: 1,
            lost_before: self.lost_before,
            jitter: self.jitter,
            ..Stream::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(sequences: impl IntoIterator<Item = u16>) -> (Stream, Vec<Arrival>) {
        let mut stream = Stream::default();
        let arrivals = sequences
            .into_iter()
            .map(|sequence| stream.handle_arrival(1, sequence))
            .collect();
        (stream, arrivals)
    }

    #[test]
    fn loss_is_counted_over_a_wrap() {
        let (stream, _) = fed((65_500..=65_535)
            .chain(0..100)
            .filter(|sequence| sequence % 10 != 3));
        assert_eq!(stream.lost(), 4 + 10);
    }

    #[test]
    fn a_late_packet_is_not_lost_and_a_duplicate_does_not_hide_a_loss() {
        let (stream, arrivals) = fed([10, 12, 11, 12, 11, 15, 15]);
        use Arrival::*;
        assert_eq!(
            arrivals,
            [Started, Ahead, Behind, Duplicate, Duplicate, Ahead, Duplicate]
        );
        assert_eq!(stream.lost(), 2);
    }

    #[test]
    fn one_stray_packet_changes_nothing_and_two_in_sequence_start_anew() {
        let (mut stream, arrivals) = fed([10, 11, 40_000, 12]);
        assert_eq!(arrivals[2..], [Arrival::Suspect, Arrival::Ahead]);
        assert_eq!(stream.handle_arrival(2, 500), Arrival::Suspect);
        assert_eq!(stream.handle_arrival(1, 14), Arrival::Ahead);
        assert_eq!(stream.ssrc(), Some(1));
        assert_eq!(stream.handle_arrival(2, 501), Arrival::Suspect);
        assert_eq!(stream.handle_arrival(2, 502), Arrival::Started);
        assert_eq!((stream.ssrc(), stream.lost()), (Some(2), 1));
    }

    #[test]
    fn jitter_settles_at_the_mean_deviation() {
        let mut stream = Stream::default();
        for n in 0..500u32 {
            // Every second packet 10 ms late: each differs from the one before by 80 units.
            stream.handle_transit(n * 160 + (n % 2) * 80, n * 160);
        }
        assert!((stream.jitter_ms() - 10.0).abs() < 0.5, "{}", stream.jitter_ms());
        stream.handle_transit(0, 4_000_000_000);
        assert!(stream.jitter_ms() < 11.0);
    }
}
