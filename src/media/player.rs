//! Our own voice on a leg: 20 ms of audio per packet, one stream from the first word to the last (RFC 3550, RFC 3551).
//!
//! ```text
//!   say ──► words ──► silence ──► say ──► words ──► hush: one fading packet, then the other party is heard again
//! ```
//!
//! Between two sayings silence is sent, so that the stream has no hole: one SSRC, sequence numbers and timestamps that
//! only go up. When the other party speaks again it is with its own SSRC and a marked first packet, as after any change
//! of source.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::clip::{Clip, Words};
use super::g722::NarrowEncoder;
use super::limits::{CATCH_UP_FRAMES, CLIPS_MAX, GIVE_WAY};
use super::rtp::{self, HEADER_OCTETS};
use crate::g711::Law;
use crate::sdp::Codec;

/// Audio of one packet.
pub const FRAME: Duration = Duration::from_millis(20);

/// Samples, and octets, of one packet.
pub const FRAME_SAMPLES: usize = 160;

pub(crate) struct Player {
    clips: Vec<Arc<Clip>>,
    is_looped: bool,
    gives_way: bool,
    /// Until then the other party is heard, to which these words give way.
    quiet_until: Option<Instant>,
    /// Where in the clips the next frame begins.
    clip: usize,
    octet: usize,
    /// Of the words that are being said; `None` = silence.
    turn: Option<u32>,
    due: Instant,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    is_marked: bool,
    /// For a leg that speaks G.722.
    g722: NarrowEncoder,
}

/// What one look at the player gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A packet of this many octets stands in the buffer.
    Packet(usize),
    /// Its time has passed without anybody to send it to.
    Passed,
    NotYet,
}

impl Player {
    /// A stream that begins at `due`. `seed` makes its SSRC and first numbers (RFC 3550 §5.1).
    pub(crate) fn new(seed: u64, due: Instant) -> Player {
        Player {
            clips: Vec::new(),
            is_looped: false,
            gives_way: false,
            quiet_until: None,
            clip: 0,
            octet: 0,
            turn: None,
            due,
            ssrc: (seed >> 32) as u32,
            // The upper half is left alone: with SRTP a number that soon wraps is one more thing to get wrong.
            sequence: (seed >> 16) as u16 & 0x7fff,
            timestamp: seed as u32,
            is_marked: true,
            g722: NarrowEncoder::default(),
        }
    }

    /// Says this instead of what is being said.
    pub(crate) fn say(&mut self, words: Words, turn: u32) {
        self.clips = words.clips;
        self.clips.truncate(CLIPS_MAX);
        self.is_looped =
            words.is_looped && self.clips.iter().any(|clip| !clip.octets(Codec::Pcmu).is_empty());
        (self.clip, self.octet) = (0, 0);
        self.turn = Some(turn);
        self.gives_way = words.gives_way;
        // Whoever has been put on hold hears the other's own music from its first note, if there is any.
        self.quiet_until = words.gives_way.then(|| self.due + GIVE_WAY);
    }

    /// The other party speaks. Whether it is the first that is heard of it after words of ours that give way.
    pub(crate) fn give_way(&mut self, now: Instant) -> bool {
        if !self.gives_way {
            return false;
        }
        let was_quiet = !self.is_spoken_over(now);
        self.quiet_until = Some(now + GIVE_WAY);
        was_quiet
    }

    /// The other party is heard now, to which these words give way.
    pub(crate) fn is_spoken_over(&self, now: Instant) -> bool {
        self.quiet_until.is_some_and(|until| now < until)
    }

    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// Words that have an end are being said.
    pub(crate) fn is_saying(&self) -> bool {
        self.turn.is_some() && !self.is_looped
    }

    /// The turn that has just ended, once.
    pub(crate) fn take_ended(&mut self) -> Option<u32> {
        let is_over = !self.is_looped && self.clip >= self.clips.len();
        self.turn.take_if(|_| is_over)
    }

    /// The next packet, if it is due, at the start of `buffer`. Without a `voice` (payload type and codec) the time goes by
    /// all the same.
    pub(crate) fn frame(&mut self, now: Instant, voice: Option<(u8, Codec)>, buffer: &mut [u8]) -> Frame {
        self.frame_fading(now, voice, false, buffer)
    }

    fn frame_fading(
        &mut self,
        now: Instant,
        voice: Option<(u8, Codec)>,
        is_fading: bool,
        buffer: &mut [u8],
    ) -> Frame {
        if now < self.due {
            return Frame::NotYet;
        }
        let late = now.duration_since(self.due).as_micros() / FRAME.as_micros();
        if late > u128::from(CATCH_UP_FRAMES) {
            // The thread was held up: what was missed is not sent in a burst, and what was being said goes on where it was.
            let missed = u32::try_from(late).unwrap_or(u32::MAX);
            self.due += FRAME * missed;
            self.timestamp = self
                .timestamp
                .wrapping_add(missed.wrapping_mul(FRAME_SAMPLES as u32));
            self.is_marked = true;
        }
        self.due += FRAME;
        let room = buffer.get_mut(..HEADER_OCTETS + FRAME_SAMPLES);
        let is_spoken_over = self.is_spoken_over(now);
        let voice = voice.filter(|_| !is_spoken_over);
        let (Some((payload_type, codec)), Some(packet)) = (voice, room) else {
            if !is_spoken_over {
                self.step(Codec::Pcmu, Law::Mu, &mut [0; FRAME_SAMPLES]);
            }
            // What was not sent has no number: it would be counted as lost. The time goes by all the same.
            self.timestamp = self.timestamp.wrapping_add(FRAME_SAMPLES as u32);
            self.is_marked = true;
            return Frame::Passed;
        };
        let (header, audio) = packet.split_at_mut(HEADER_OCTETS);
        header.copy_from_slice(&rtp::header(
            payload_type,
            self.sequence,
            self.timestamp,
            self.ssrc,
            self.is_marked,
        ));
        self.is_marked = false;
        let law = codec.law().unwrap_or(Law::Mu);
        self.step(codec, law, audio);
        if is_fading {
            for (left, octet) in (0..FRAME_SAMPLES as i32).rev().zip(audio.iter_mut()) {
                let level = i32::from(law.decode(*octet)) * left / FRAME_SAMPLES as i32;
                *octet = law.encode(level as i16);
            }
        }
        if codec.law().is_none() {
            for octet in audio.iter_mut() {
                *octet = self.g722.encode(law.decode(*octet));
            }
        }
        self.count();
        Frame::Packet(packet.len())
    }

    /// The last packet of the stream, whatever the time: what would have come next, faded to silence, so that a tone that
    /// is cut off does not click. `None` when nothing is being said.
    pub(crate) fn last_frame(&mut self, voice: Option<(u8, Codec)>, buffer: &mut [u8]) -> Option<usize> {
        self.turn?;
        voice?;
        let due = self.due.checked_sub(FRAME)?;
        self.due = due;
        match self.frame_fading(due, voice, true, buffer) {
            Frame::Packet(len) => Some(len),
            Frame::Passed | Frame::NotYet => None,
        }
    }

    fn count(&mut self) {
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(FRAME_SAMPLES as u32);
    }

    /// Fills one frame from the clips, in this law; what they leave open is silence.
    fn step(&mut self, codec: Codec, law: Law, audio: &mut [u8]) {
        let mut filled = 0;
        while filled < audio.len() {
            let Some(clip) = self.clips.get(self.clip) else {
                if self.is_looped {
                    self.clip = 0;
                    continue;
                }
                break;
            };
            let rest = clip.octets(codec).get(self.octet..).unwrap_or_default();
            let taken = rest.len().min(audio.len() - filled);
            audio[filled..filled + taken].copy_from_slice(&rest[..taken]);
            filled += taken;
            self.octet += taken;
            if taken == rest.len() {
                self.clip += 1;
                self.octet = 0;
            }
        }
        audio[filled..].fill(law.encode(0));
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
mod tests {
    use super::*;
    use crate::media::rtp::Packet;

    const VOICE: Option<(u8, Codec)> = Some((0, Codec::Pcmu));
    const SEED: u64 = 0x1111_2222_7fff_ff00;

    fn clip(from: usize, len: usize) -> Arc<Clip> {
        let octets: Vec<u8> = (from..from + len).map(|n| (n % 251) as u8).collect();
        Arc::new(Clip::of_octets(crate::g711::Law::Mu, &octets))
    }

    struct Bench {
        player: Player,
        now: Instant,
        heard: Vec<u8>,
        headers: Vec<(u16, u32, u32, bool)>,
        ended: Vec<(usize, u32)>,
    }

    impl Bench {
        fn new() -> Bench {
            let now = Instant::now();
            Bench {
                player: Player::new(SEED, now),
                now,
                heard: Vec::new(),
                headers: Vec::new(),
                ended: Vec::new(),
            }
        }

        fn take(&mut self) {
            let mut buffer = [0; 256];
            while let Frame::Packet(len) = self.player.frame(self.now, VOICE, &mut buffer) {
                let packet = Packet::parse(&buffer[..len]).unwrap();
                self.headers.push((
                    packet.sequence(),
                    packet.timestamp(),
                    packet.ssrc(),
                    packet.is_marked(),
                ));
                self.heard.extend_from_slice(packet.payload());
                if let Some(turn) = self.player.take_ended() {
                    self.ended.push((self.headers.len(), turn));
                }
            }
        }

        fn run(&mut self, frames: usize) {
            for _ in 0..frames {
                self.take();
                self.now += FRAME;
            }
        }
    }

    #[test]
    fn clips_are_said_one_after_the_other_octet_for_octet_and_silence_follows() {
        let mut bench = Bench::new();
        bench
            .player
            .say(Words::once(vec![clip(0, 250), clip(250, 400)]), 7);
        bench.run(10);
        let expected: Vec<u8> = (0..650).map(|n| (n % 251) as u8).collect();
        assert_eq!(bench.heard[..650], expected);
        assert!(bench.heard[650..].iter().all(|octet| *octet == 0xff));
        assert_eq!((bench.heard.len(), bench.ended), (1600, vec![(5, 7)]));
        let (first, timestamp, ssrc, is_marked) = bench.headers[0];
        assert!(is_marked && bench.headers[1..].iter().all(|header| !header.3));
        for (n, header) in bench.headers.iter().enumerate() {
            let expected = (
                first.wrapping_add(n as u16),
                timestamp.wrapping_add(160 * n as u32),
                ssrc,
            );
            assert_eq!((header.0, header.1, header.2), expected);
        }
    }

    #[test]
    fn music_begins_again_without_a_seam_until_something_else_is_said() {
        let mut bench = Bench::new();
        bench.player.say(Words::looped(clip(0, 251)), 1);
        bench.run(20);
        let expected: Vec<u8> = (0..3200).map(|n| (n % 251) as u8).collect();
        assert_eq!((&bench.heard, bench.ended.is_empty()), (&expected, true));
        assert!(!bench.player.is_saying());
        bench.player.say(Words::once(vec![clip(9, 10)]), 2);
        assert!(bench.player.is_saying());
        bench.run(1);
        assert_eq!((bench.heard[3200], bench.ended), (9, vec![(21, 2)]));
    }

    #[test]
    fn words_of_nothing_end_at_once_and_never_go_round() {
        let mut bench = Bench::new();
        bench.player.say(Words::looped(clip(0, 0)), 3);
        bench.run(1);
        assert_eq!(bench.ended, [(1, 3)]);
        bench.player.say(Words::once(Vec::new()), 4);
        bench.run(1);
        assert_eq!(bench.ended, [(1, 3), (2, 4)]);
    }

    #[test]
    fn a_short_delay_is_caught_up_and_a_long_one_is_passed_over_in_time_alone() {
        let mut bench = Bench::new();
        bench.player.say(Words::once(vec![clip(0, 8000)]), 1);
        bench.run(5);
        bench.now += FRAME * 2;
        bench.run(1);
        assert_eq!(bench.headers.len(), 8, "two more than the one that was due");
        bench.now += FRAME * 50;
        bench.run(2);
        assert_eq!(bench.headers.len(), 10);
        let (before, after) = (bench.headers[7], bench.headers[8]);
        assert_eq!(after.0, before.0.wrapping_add(1));
        assert_eq!(after.1.wrapping_sub(before.1), 160 * 51);
        assert!(after.3, "the first after a gap is marked");
        let expected: Vec<u8> = (0..1600).map(|n| (n % 251) as u8).collect();
        assert_eq!(bench.heard, expected, "no word is lost");
    }

    #[test]
    fn the_last_packet_fades_and_silence_has_none() {
        let mut bench = Bench::new();
        bench
            .player
            .say(Words::looped(Arc::new(Clip::of_samples(&[8000; 160]))), 1);
        bench.run(3);
        let mut buffer = [0; 256];
        let len = bench.player.last_frame(VOICE, &mut buffer).unwrap();
        let packet = Packet::parse(&buffer[..len]).unwrap();
        assert_eq!(packet.sequence(), bench.headers[2].0.wrapping_add(1));
        let levels: Vec<i16> = packet
            .payload()
            .iter()
            .map(|octet| Law::Mu.decode(*octet))
            .collect();
        assert!(levels.windows(2).all(|pair| pair[1] <= pair[0]), "{levels:?}");
        assert!(levels[0] > 7000 && levels[159] == 0);
        let mut silent = Player::new(SEED, bench.now);
        assert_eq!(silent.last_frame(VOICE, &mut buffer), None);
    }

    #[test]
    fn a_leg_of_g722_hears_the_same_words() {
        let said: Vec<i16> = (0..8000)
            .map(|n| ((n as f32 * 0.2).sin() * 6000.0) as i16)
            .collect();
        let mut player = Player::new(SEED, Instant::now());
        let mut now = player.due();
        player.say(Words::once(vec![Arc::new(Clip::of_samples(&said))]), 1);
        let mut decoder = crate::media::g722::NarrowDecoder::default();
        let (mut heard, mut buffer) = (Vec::new(), [0; 256]);
        let mut hear = |packet: &[u8]| {
            let packet = Packet::parse(packet).unwrap();
            assert_eq!((packet.payload_type(), packet.payload().len()), (9, 160));
            heard.extend(packet.payload().iter().map(|octet| decoder.decode(*octet)));
        };
        for _ in 0..40 {
            let Frame::Packet(len) = player.frame(now, Some((9, Codec::G722)), &mut buffer) else {
                panic!("it is due")
            };
            hear(&buffer[..len]);
            now += FRAME;
        }
        let len = player.last_frame(Some((9, Codec::G722)), &mut buffer).unwrap();
        hear(&buffer[..len]);
        let off = |from: usize, to: usize| {
            let pairs = said[from..to].iter().zip(&heard[from..to]);
            pairs
                .map(|(one, other)| (i32::from(*one) - i32::from(*other)).abs())
                .max()
        };
        assert!(off(800, 6400) < Some(400), "{:?}", off(800, 6400));
        assert!(heard[6540..].iter().all(|level| level.abs() < 1200), "it fades");
    }

    #[test]
    fn without_anybody_to_send_to_the_words_go_by() {
        let mut bench = Bench::new();
        bench.player.say(Words::once(vec![clip(0, 320)]), 5);
        let mut buffer = [0; 256];
        assert_eq!(bench.player.frame(bench.now, None, &mut buffer), Frame::Passed);
        assert_eq!(bench.player.frame(bench.now, None, &mut buffer), Frame::NotYet);
        bench.now += FRAME;
        assert_eq!(bench.player.frame(bench.now, None, &mut buffer), Frame::Passed);
        assert_eq!(bench.player.take_ended(), Some(5));
        bench.now += FRAME;
        bench.take();
        let (sequence, timestamp, _, is_marked) = bench.headers[0];
        assert_eq!(
            (sequence, is_marked),
            (0x7fff, true),
            "nothing was lost on the way"
        );
        assert_eq!(timestamp, 0x7fff_ff00 + 320);
    }
}
