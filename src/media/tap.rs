//! The copy of the caller's audio for scoring: octets in arrival order into hops of linear samples at 8 kHz in time order.
//! Of G.722 and Opus the telephone band is heard, rounded to the levels of G.711: scorers know no other line.
//!
//! The tap waits for a late packet only by count of packets, never by clock, allocates nothing per packet, and gives
//! up audio rather than wait for a scorer.

use super::Hop;
use super::calling_tone::is_calling_tone;
use super::g722::NarrowDecoder;
use super::limits::{
    CALLING_TONES_MAX, CONCEALED_SAMPLES_MAX, GAP_SAMPLES_MAX, HOPS_PER_CALL, PAUSE_SAMPLES_MAX,
    REORDER_OCTETS_MAX, REORDER_PACKETS,
};
use super::opus::{self, Decoder, Halver};
use crate::g711::Law;
use crate::sdp::Codec;

/// Samples of one hop at 8 kHz. Equal to `voice::HOP_SAMPLES`, which this room does not import; the runtime,
/// which sees both, carries hops from here to there.
pub const HOP_SAMPLES: usize = 8000;

/// Samples that are repeated while a gap is concealed: the last 20 ms.
const TAIL_SAMPLES: usize = 160;

/// How far ahead (packets) the tap gives up on each missing one in turn; further it gives up on all at once.
const STEPWISE_MAX: u16 = 64;

/// What the tap did, for the tests and the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TapStatistics {
    /// Hops that were filled; all were handed out but those below.
    pub hops: u64,
    /// Samples made up in gaps.
    pub concealed: u64,
    /// Samples heard with no buffer to put them in, or in a hop nobody fetched.
    pub left_out: u64,
    /// Packets that came after the tap had gone on without them, or twice.
    pub late: u64,
    /// Hops that held nothing but the calling tone of a fax machine, and were handed to nobody.
    pub calling_tones: u64,
}

pub(crate) struct Tap {
    /// The sequence number to be heard next.
    next: Option<u16>,
    /// The timestamp expected with it; none behind a packet without audio, where nothing is to be made up.
    expected: Option<u32>,
    /// Packets ahead of `next`, each at its sequence number modulo the count.
    waiting: [Waiting; REORDER_PACKETS],
    /// The last samples heard, for concealment.
    tail: [i16; TAIL_SAMPLES],
    /// Of a stream of G.722, from its first octet on.
    g722: NarrowDecoder,
    /// Where the caller may speak Opus.
    opus: Option<Box<Wide>>,
    /// The sequence number before `next` never came.
    has_missed: bool,
    current: Option<Hop>,
    filled: usize,
    ready: Option<Hop>,
    /// Hops that were handed out, the one that waits included.
    handed_out: u64,
    /// How many more with a calling tone are not.
    tones_left: u64,
    spare: Vec<Hop>,
    statistics: TapStatistics,
}

/// What Opus says, at 8 kHz.
struct Wide {
    decoder: Decoder,
    halver: Halver,
    samples: [i16; opus::SAMPLES_MAX],
}

struct Waiting {
    is_taken: bool,
    sequence: u16,
    timestamp: u32,
    codec: Codec,
    /// 0 for a packet without audio (telephone-event, comfort noise).
    len: usize,
    octets: [u8; REORDER_OCTETS_MAX],
}

impl Tap {
    pub(crate) fn new() -> Tap {
        let spare = (0..HOPS_PER_CALL)
            .map(|_| vec![0; HOP_SAMPLES].into_boxed_slice())
            .collect();
        Tap {
            next: None,
            expected: None,
            waiting: std::array::from_fn(|_| Waiting {
                is_taken: false,
                sequence: 0,
                timestamp: 0,
                codec: Codec::Pcmu,
                len: 0,
                octets: [0; REORDER_OCTETS_MAX],
            }),
            tail: [0; TAIL_SAMPLES],
            g722: NarrowDecoder::default(),
            opus: None,
            has_missed: false,
            current: None,
            filled: 0,
            ready: None,
            handed_out: 0,
            tones_left: CALLING_TONES_MAX,
            spare,
            statistics: TapStatistics::default(),
        }
    }

    /// The same in a call in which so many hops with a calling tone were left out already.
    pub(crate) fn after(calling_tones: u64) -> Tap {
        Tap {
            tones_left: CALLING_TONES_MAX.saturating_sub(calling_tones),
            ..Tap::new()
        }
    }

    /// The caller may speak Opus from now on: takes the memory of its decoder. Without it such packets are not heard.
    pub(crate) fn hears_opus(&mut self) {
        self.opus.get_or_insert_with(|| {
            Box::new(Wide {
                decoder: Decoder::new(),
                halver: Halver::default(),
                samples: [0; opus::SAMPLES_MAX],
            })
        });
    }

    /// A new stream begins: what waited belongs to the old one. The hop being filled goes on.
    pub(crate) fn restart(&mut self) {
        self.next = None;
        self.has_missed = false;
        self.g722 = NarrowDecoder::default();
        if let Some(wide) = &mut self.opus {
            wide.decoder.restart();
        }
        for waiting in &mut self.waiting {
            waiting.is_taken = false;
        }
    }

    /// One packet; its timestamp in units of 125 us, whatever its codec counts in. `audio` is `None` for a packet that only
    /// takes up a sequence number.
    pub(crate) fn handle_packet(&mut self, sequence: u16, timestamp: u32, audio: Option<(Codec, &[u8])>) {
        let Some(next) = self.next else {
            self.next = Some(sequence);
            self.expected = None;
            self.hear_next(timestamp, audio);
            return;
        };
        let ahead = sequence.wrapping_sub(next);
        if ahead > u16::MAX / 2 {
            self.statistics.late += 1;
            return;
        }
        self.give_up_until_near(sequence, ahead);
        if self.next == Some(sequence) {
            self.hear_next(timestamp, audio);
            self.hear_waiting();
        } else {
            self.keep(sequence, timestamp, audio);
        }
    }

    /// A full hop, in order. Not fetched before the next is full, it is dropped.
    pub(crate) fn poll_hop(&mut self) -> Option<Hop> {
        self.ready.take()
    }

    /// Samples that were handed out so far, those of the hop under way included: where whoever scores them is. What it gets
    /// never to hear does not count.
    pub(crate) fn samples(&self) -> u64 {
        self.handed_out * HOP_SAMPLES as u64 + self.current.as_ref().map_or(0, |_| self.filled as u64)
    }

    pub(crate) fn recycle(&mut self, hop: Hop) {
        if hop.len() == HOP_SAMPLES && self.spare.len() < HOPS_PER_CALL {
            self.spare.push(hop);
        }
    }

    pub(crate) fn statistics(&self) -> TapStatistics {
        self.statistics
    }

    /// Goes on without missing packets until `sequence` is at most `REORDER_PACKETS - 1` ahead.
    fn give_up_until_near(&mut self, sequence: u16, ahead: u16) {
        if ahead < REORDER_PACKETS as u16 {
            return;
        }
        let steps = if ahead > STEPWISE_MAX {
            REORDER_PACKETS as u16
        } else {
            ahead - (REORDER_PACKETS as u16 - 1)
        };
        for _ in 0..steps {
            self.hear_or_skip();
        }
        if ahead > STEPWISE_MAX {
            self.next = Some(sequence);
            self.has_missed = true;
        }
        self.hear_waiting();
    }

    /// Hears what waits for the next sequence number, or passes over it.
    fn hear_or_skip(&mut self) {
        if !self.hear_if_waiting() {
            self.next = self.next.map(|next| next.wrapping_add(1));
            self.has_missed = true;
        }
    }

    fn hear_waiting(&mut self) {
        while self.hear_if_waiting() {}
    }

    fn hear_if_waiting(&mut self) -> bool {
        let Some(next) = self.next else { return false };
        let slot = usize::from(next) % REORDER_PACKETS;
        let waiting = &mut self.waiting[slot];
        if !waiting.is_taken || waiting.sequence != next {
            return false;
        }
        waiting.is_taken = false;
        let (timestamp, codec, len) = (waiting.timestamp, waiting.codec, waiting.len);
        // A copy on the stack, so that the samples can be written while the slot is borrowed by nobody.
        let octets = waiting.octets;
        self.hear_next(timestamp, (len != 0).then_some((codec, &octets[..len])));
        true
    }

    fn keep(&mut self, sequence: u16, timestamp: u32, audio: Option<(Codec, &[u8])>) {
        let waiting = &mut self.waiting[usize::from(sequence) % REORDER_PACKETS];
        if waiting.is_taken {
            self.statistics.late += 1;
            return;
        }
        let (codec, octets) = audio.unwrap_or((Codec::Pcmu, &[]));
        let Some(room) = waiting.octets.get_mut(..octets.len()) else {
            return;
        };
        room.copy_from_slice(octets);
        waiting.is_taken = true;
        waiting.sequence = sequence;
        waiting.timestamp = timestamp;
        waiting.codec = codec;
        waiting.len = octets.len();
    }

    fn hear_next(&mut self, timestamp: u32, audio: Option<(Codec, &[u8])>) {
        self.next = self.next.map(|next| next.wrapping_add(1));
        let has_missed = std::mem::take(&mut self.has_missed);
        let Some((codec, octets)) = audio.filter(|(_, octets)| !octets.is_empty()) else {
            self.expected = None;
            return;
        };
        if codec == Codec::Opus {
            return self.hear_opus(timestamp, octets, has_missed);
        }
        let gap = self
            .expected
            .map_or(0, |expected| timestamp.wrapping_sub(expected));
        if gap != 0 && gap <= GAP_SAMPLES_MAX {
            self.conceal((gap as usize).min(CONCEALED_SAMPLES_MAX));
        }
        self.expected = Some(timestamp.wrapping_add(octets.len() as u32));
        for part in octets.chunks(TAIL_SAMPLES) {
            let mut levels = [0; TAIL_SAMPLES];
            let levels = &mut levels[..part.len()];
            match codec.law() {
                Some(law) => {
                    let table = law.table();
                    for (level, octet) in levels.iter_mut().zip(part) {
                        *level = table[usize::from(*octet)];
                    }
                }
                None => {
                    for (level, octet) in levels.iter_mut().zip(part) {
                        *level = Law::Mu.decode(Law::Mu.encode(self.g722.decode(*octet)));
                    }
                }
            }
            self.write(levels);
            self.remember(levels);
        }
    }

    /// What was lost is made up for by the codec. A pause in which nothing was sent and nothing is missing
    /// (discontinuous transmission, RFC 7587 §3.1.3) is silence.
    fn hear_opus(&mut self, timestamp: u32, octets: &[u8], has_missed: bool) {
        let Some(mut wide) = self.opus.take() else {
            self.expected = None;
            return;
        };
        let gap = self
            .expected
            .map_or(0, |expected| timestamp.wrapping_sub(expected));
        if gap != 0 && gap <= GAP_SAMPLES_MAX {
            match has_missed {
                true => self.conceal_opus(&mut wide, (gap as usize).min(CONCEALED_SAMPLES_MAX)),
                false => self.write(&[0; PAUSE_SAMPLES_MAX][..(gap as usize).min(PAUSE_SAMPLES_MAX)]),
            }
        }
        let heard = wide.decoder.decode(octets, &mut wide.samples);
        self.expected = heard.map(|samples| timestamp.wrapping_add(samples as u32 / 2));
        self.hear_wide(&mut wide, heard.unwrap_or(0));
        self.opus = Some(wide);
    }

    fn conceal_opus(&mut self, wide: &mut Wide, samples: usize) {
        let made_up = wide.decoder.conceal(samples / 8, &mut wide.samples).unwrap_or(0);
        self.statistics.concealed += made_up as u64 / 2;
        self.hear_wide(wide, made_up);
    }

    /// So many samples of 16 kHz, as a telephone line would carry them.
    fn hear_wide(&mut self, wide: &mut Wide, count: usize) {
        for part in wide.samples[..count].chunks(2 * TAIL_SAMPLES) {
            let mut levels = [0; TAIL_SAMPLES];
            let levels = &mut levels[..part.len() / 2];
            for (level, pair) in levels.iter_mut().zip(part.as_chunks::<2>().0) {
                *level = Law::Mu.decode(Law::Mu.encode(wide.halver.halve(*pair)));
            }
            self.write(levels);
            self.remember(levels);
        }
    }

    /// What a gap would be made up from: at most [`TAIL_SAMPLES`].
    fn remember(&mut self, levels: &[i16]) {
        self.tail.copy_within(levels.len().., 0);
        self.tail[TAIL_SAMPLES - levels.len()..].copy_from_slice(levels);
    }

    /// Repeats the tail, fading to silence over the longest gap that is concealed.
    fn conceal(&mut self, samples: usize) {
        self.statistics.concealed += samples as u64;
        let mut levels = [0; CONCEALED_SAMPLES_MAX];
        let levels = &mut levels[..samples];
        for (index, level) in levels.iter_mut().enumerate() {
            let left = (CONCEALED_SAMPLES_MAX - index) as i32;
            *level =
                (i32::from(self.tail[index % TAIL_SAMPLES]) * left / CONCEALED_SAMPLES_MAX as i32) as i16;
        }
        self.write(levels);
        // A second gap right behind this one must not bring the voice back at full level.
        if samples == CONCEALED_SAMPLES_MAX {
            self.tail = [0; TAIL_SAMPLES];
        }
    }

    fn write(&mut self, mut levels: &[i16]) {
        while !levels.is_empty() {
            if self.current.is_none() {
                self.current = self.spare.pop();
                self.filled = 0;
            }
            let Some(hop) = &mut self.current else {
                self.statistics.left_out += levels.len() as u64;
                return;
            };
            let room = &mut hop[self.filled..];
            let (fitting, rest) = levels.split_at(levels.len().min(room.len()));
            room[..fitting.len()].copy_from_slice(fitting);
            self.filled += fitting.len();
            levels = rest;
            if self.filled == HOP_SAMPLES {
                self.finish_hop();
            }
        }
    }

    fn finish_hop(&mut self) {
        self.statistics.hops += 1;
        let full = self.current.take();
        if self.tones_left > 0 && full.as_ref().is_some_and(|hop| is_calling_tone(hop)) {
            self.tones_left -= 1;
            self.statistics.calling_tones += 1;
            return full.into_iter().for_each(|hop| self.recycle(hop));
        }
        self.handed_out += 1;
        if let Some(unfetched) = std::mem::replace(&mut self.ready, full) {
            self.handed_out -= 1;
            self.statistics.left_out += HOP_SAMPLES as u64;
            self.recycle(unfetched);
        }
    }
}

#[cfg(test)]
#[path = "tap_tests.rs"]
mod tests;
