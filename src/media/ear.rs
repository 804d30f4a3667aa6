//! Listens for whether the caller speaks while we talk with him: how long, over our own words, and when he has done.
//!
//! By level against a floor that follows the line's noise. It does not tell a person from a machine, nor speech from a
//! barking dog: it only decides when we go on.

use std::time::{Duration, Instant};

use super::g722::NarrowDecoder;
use super::limits::SPEECH_MIN;
use crate::sdp::Codec;

/// How long we listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listening {
    /// How long he may say nothing at all before we go on.
    pub patience: Duration,
    /// How long he must have been quiet after he has spoken.
    pub pause: Duration,
    /// The whole time, however much he says.
    pub at_most: Duration,
}

#[derive(Debug)]
pub(crate) struct Ear {
    /// Mean level of the line while nobody speaks.
    floor: u32,
    /// Of what we hear now; `None` = we are not listening.
    listening: Option<(Listening, Instant)>,
    speech: Duration,
    /// When speech was last heard since we began to listen.
    last_speech: Option<Instant>,
    /// Speech while we were speaking.
    over: Duration,
    g722: NarrowDecoder,
}

impl Ear {
    pub(crate) fn new() -> Ear {
        Ear {
            floor: FLOOR_AT_FIRST,
            listening: None,
            speech: Duration::ZERO,
            last_speech: None,
            over: Duration::ZERO,
            g722: NarrowDecoder::default(),
        }
    }

    /// What he says from now on counts.
    pub(crate) fn listen(&mut self, listening: Listening, now: Instant) {
        self.listening = Some((listening, now));
        self.speech = Duration::ZERO;
        self.last_speech = None;
    }

    /// Audio of his. `is_saying`: words of ours are on their way to him.
    pub(crate) fn handle(&mut self, codec: Codec, audio: &[u8], is_saying: bool, now: Instant) {
        let Some(count) = u32::try_from(audio.len()).ok().filter(|count| *count > 0) else {
            return;
        };
        let sum: u32 = match codec.law() {
            Some(law) => audio.iter().map(|octet| size(law.decode(*octet))).sum(),
            None => audio.iter().map(|octet| size(self.g722.decode(*octet))).sum(),
        };
        let length = Duration::from_micros(u64::from(count) * 125);
        self.weigh(sum / count, length, is_saying, now);
    }

    /// Audio of his at 16 kHz.
    pub(crate) fn handle_wide(&mut self, samples: &[i16], is_saying: bool, now: Instant) {
        let Some(count) = u32::try_from(samples.len()).ok().filter(|count| *count > 0) else {
            return;
        };
        let sum: u32 = samples.iter().map(|sample| size(*sample)).sum();
        let length = Duration::from_nanos(u64::from(count) * 62_500);
        self.weigh(sum / count, length, is_saying, now);
    }

    /// So much audio of this mean level.
    fn weigh(&mut self, level: u32, length: Duration, is_saying: bool, now: Instant) {
        // Down at once, up slowly: about one second of noise raises it by half.
        self.floor = level
            .min(self.floor + self.floor / 128 + 1)
            .clamp(FLOOR_MIN, FLOOR_MAX);
        if level < (self.floor * 3).max(SPEECH_LEVEL_MIN) {
            return;
        }
        if is_saying {
            self.over += length;
        } else if self.listening.is_some() {
            self.speech += length;
            self.last_speech = Some(now);
        }
    }

    /// Speech over our words since the last time this was asked.
    pub(crate) fn take_over(&mut self) -> Duration {
        std::mem::take(&mut self.over)
    }

    /// How long he spoke, once, when we have listened enough.
    pub(crate) fn poll_heard(&mut self, now: Instant) -> Option<Duration> {
        let (listening, since) = self.listening?;
        let has_spoken = self.speech >= SPEECH_MIN;
        let is_over = match self.last_speech {
            Some(last) if has_spoken => now.saturating_duration_since(last) >= listening.pause,
            _ => now.saturating_duration_since(since) >= listening.patience,
        };
        if !is_over && now.saturating_duration_since(since) < listening.at_most {
            return None;
        }
        self.listening = None;
        Some(if has_spoken { self.speech } else { Duration::ZERO })
    }
}

fn size(level: i16) -> u32 {
    u32::from(level.unsigned_abs())
}

/// Mean levels, of 32768.
const FLOOR_AT_FIRST: u32 = 60;
const FLOOR_MIN: u32 = 8;
/// A line that is louder than this all the time is not silent.
const FLOOR_MAX: u32 = 1500;
/// About -46 dBov: quieter than anybody who speaks into a telephone.
const SPEECH_LEVEL_MIN: u32 = 160;

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
mod tests {
    use super::*;
    use crate::g711::Law;

    const LISTENING: Listening = Listening {
        patience: Duration::from_secs(2),
        pause: Duration::from_millis(1200),
        at_most: Duration::from_secs(10),
    };

    struct Bench {
        ear: Ear,
        now: Instant,
        start: Instant,
    }

    impl Bench {
        fn new() -> Bench {
            let start = Instant::now();
            let mut ear = Ear::new();
            ear.listen(LISTENING, start);
            Bench {
                ear,
                now: start,
                start,
            }
        }

        /// So many milliseconds at this level; when we would have gone on, and with how much speech, in ms.
        fn hears(&mut self, level: i16, ms: u64) -> Option<(u64, u64)> {
            let octet = Law::Mu.encode(level);
            for _ in 0..ms / 20 {
                self.ear.handle(Codec::Pcmu, &[octet; 160], false, self.now);
                self.now += Duration::from_millis(20);
                if let Some(speech) = self.ear.poll_heard(self.now) {
                    let at = (self.now - self.start).as_millis() as u64;
                    return Some((at, speech.as_millis() as u64));
                }
            }
            None
        }
    }

    #[test]
    fn who_says_nothing_is_waited_for_as_long_as_the_patience() {
        assert_eq!(Bench::new().hears(20, 5000), Some((2000, 0)));
        assert_eq!(Bench::new().hears(0, 5000), Some((2000, 0)));
    }

    #[test]
    fn who_has_spoken_and_pauses_is_done() {
        let mut bench = Bench::new();
        assert_eq!(bench.hears(20, 800), None);
        assert_eq!(bench.hears(2000, 3000), None);
        assert_eq!(bench.hears(20, 5000), Some((4980, 3000)));
        assert_eq!(bench.hears(2000, 3000), None, "it is said once");
    }

    #[test]
    fn a_breath_between_two_words_is_no_end() {
        let mut bench = Bench::new();
        for _ in 0..3 {
            assert_eq!(bench.hears(2000, 600), None);
            assert_eq!(bench.hears(20, 700), None);
        }
        assert_eq!(bench.hears(20, 2000).map(|(_, speech)| speech), Some(1800));
    }

    #[test]
    fn who_never_stops_is_not_listened_to_for_ever() {
        let mut bench = Bench::new();
        let mut heard = None;
        while heard.is_none() {
            heard = bench.hears(3000, 400).or_else(|| bench.hears(30, 100));
        }
        assert_eq!(heard.map(|(at, _)| at), Some(10_000));
    }

    #[test]
    fn a_click_is_no_word() {
        let mut bench = Bench::new();
        bench.hears(9000, 60);
        assert_eq!(bench.hears(10, 5000), Some((2000, 0)));
    }

    #[test]
    fn steady_noise_becomes_the_floor() {
        let mut bench = Bench::new();
        bench.ear.listen(
            Listening {
                patience: Duration::from_secs(60),
                at_most: Duration::from_secs(60),
                ..LISTENING
            },
            bench.now,
        );
        bench.hears(400, 12_000);
        let before = bench.ear.speech;
        bench.hears(400, 10_000);
        assert_eq!(bench.ear.speech, before, "it is no speech any more");
    }

    #[test]
    fn speech_over_our_words_is_counted_apart() {
        let mut bench = Bench::new();
        let octet = Law::A.encode(2500);
        for _ in 0..25 {
            bench.ear.handle(Codec::Pcma, &[octet; 160], true, bench.now);
        }
        assert_eq!(bench.ear.take_over(), Duration::from_millis(500));
        assert_eq!(
            (bench.ear.take_over(), bench.ear.speech),
            (Duration::ZERO, Duration::ZERO)
        );
    }
}
