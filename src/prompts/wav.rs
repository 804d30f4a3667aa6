//! WAV files: PCM of 16 bits, A-law or mu-law, 8 kHz, mono. Anything else is refused with what it is.

use super::error::WavError;
use super::limits::SECONDS_MAX;
use crate::g711::Law;
use crate::media::Clip;

/// Samples a second on a telephone.
const RATE: u32 = 8000;

/// Format codes of the "fmt " part.
const PCM: u16 = 1;
const A_LAW: u16 = 6;
const MU_LAW: u16 = 7;
/// The format stands in the first two octets of a longer description.
const EXTENSIBLE: u16 = 0xfffe;

#[derive(Clone, Copy)]
enum Samples {
    Linear,
    Law(Law),
}

/// The recording in a WAV file.
///
/// # Errors
///
/// [`WavError`] with the first thing that is not as expected.
pub fn clip(octets: &[u8]) -> Result<Clip, WavError> {
    let mut header = Reader { octets, at: 0 };
    if header.take(4) != Some(b"RIFF") || header.take(4).is_none() || header.take(4) != Some(b"WAVE") {
        return Err(WavError::NotWav);
    }
    let mut format = None;
    while let Some((name, part)) = header.part()? {
        match name {
            b"fmt " => format = Some(read_format(part)?),
            b"data" => {
                let samples = format.ok_or(WavError::NoFormat)?;
                return read_audio(samples, part);
            }
            _ => {}
        }
    }
    Err(WavError::NoAudio)
}

/// Body of the fuzz target: any octets in, no panic out.
pub fn fuzz_wav(octets: &[u8]) {
    if let Ok(clip) = clip(octets) {
        assert!(clip.duration().as_secs() <= SECONDS_MAX as u64);
    }
}

fn read_format(part: &[u8]) -> Result<Samples, WavError> {
    let word = |at: usize| Some(u16::from_le_bytes([*part.get(at)?, *part.get(at + 1)?]));
    let (Some(mut format), Some(channels), Some(low), Some(high), Some(bits)) =
        (word(0), word(2), word(4), word(6), word(14))
    else {
        return Err(WavError::NoFormat);
    };
    if format == EXTENSIBLE {
        format = word(24).unwrap_or(format);
    }
    let rate = u32::from(low) | u32::from(high) << 16;
    if channels != 1 {
        return Err(WavError::Channels { channels });
    }
    if rate != RATE {
        return Err(WavError::Rate { rate });
    }
    match (format, bits) {
        (PCM, 16) => Ok(Samples::Linear),
        (A_LAW, 8) => Ok(Samples::Law(Law::A)),
        (MU_LAW, 8) => Ok(Samples::Law(Law::Mu)),
        _ => Err(WavError::Format { format, bits }),
    }
}

fn read_audio(samples: Samples, part: &[u8]) -> Result<Clip, WavError> {
    let count = match samples {
        Samples::Linear => part.len() / 2,
        Samples::Law(_) => part.len(),
    };
    if count == 0 {
        return Err(WavError::NoAudio);
    }
    if count > SECONDS_MAX * RATE as usize {
        return Err(WavError::TooLong);
    }
    Ok(match samples {
        Samples::Law(law) => Clip::of_octets(law, part),
        Samples::Linear => {
            let samples: Vec<i16> = part
                .chunks_exact(2)
                .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
                .collect();
            Clip::of_samples(&samples)
        }
    })
}

/// The name of a part, and what is in it.
type Part<'a> = (&'a [u8], &'a [u8]);

struct Reader<'a> {
    octets: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(len)?;
        let taken = self.octets.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    /// The next part: its name and what is in it. `None` at the end.
    fn part(&mut self) -> Result<Option<Part<'a>>, WavError> {
        let at = self.at;
        let (Some(name), Some(length)) = (self.take(4), self.take(4)) else {
            return Ok(None);
        };
        let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
        let part = self.take(length).ok_or(WavError::CutShort { at })?;
        // Parts begin at even octets.
        self.at += length % 2;
        Ok(Some((name, part)))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sdp::Codec;

    /// A mono file of 8 kHz.
    pub(in crate::prompts) fn wav(format: u16, bits: u16, audio: &[u8]) -> Vec<u8> {
        file(format, 1, 8000, bits, audio)
    }

    fn file(format: u16, channels: u16, rate: u32, bits: u16, audio: &[u8]) -> Vec<u8> {
        let mut part = Vec::new();
        for word in [format, channels] {
            part.extend_from_slice(&word.to_le_bytes());
        }
        part.extend_from_slice(&rate.to_le_bytes());
        part.extend_from_slice(&(rate * u32::from(bits / 8)).to_le_bytes());
        for word in [bits / 8, bits] {
            part.extend_from_slice(&word.to_le_bytes());
        }
        let mut octets = b"RIFF\0\0\0\0WAVE".to_vec();
        for (name, content) in [(b"fmt ", part.as_slice()), (b"LIST", b"abc"), (b"data", audio)] {
            octets.extend_from_slice(name);
            octets.extend_from_slice(&(content.len() as u32).to_le_bytes());
            octets.extend_from_slice(content);
            if content.len() % 2 == 1 {
                octets.push(0);
            }
        }
        octets
    }

    fn check(octets: &[u8], expected: WavError) {
        assert_eq!(clip(octets).err(), Some(expected));
    }

    #[test]
    fn the_three_kinds_are_read() {
        let samples: Vec<u8> = (0..800i16).flat_map(|n| (n * 20).to_le_bytes()).collect();
        let linear = clip(&wav(1, 16, &samples)).unwrap();
        assert_eq!(linear.duration(), Duration::from_millis(100));
        assert_eq!(linear.octets(Codec::Pcmu)[400], crate::g711::Law::Mu.encode(8000));
        let octets: Vec<u8> = (0..=255).collect();
        assert_eq!(clip(&wav(7, 8, &octets)).unwrap().octets(Codec::Pcmu), octets);
        assert_eq!(clip(&wav(6, 8, &octets)).unwrap().octets(Codec::Pcma), octets);
    }

    #[test]
    fn what_is_not_for_a_telephone_says_what_it_is() {
        check(b"OggS", WavError::NotWav);
        check(b"", WavError::NotWav);
        check(&file(1, 2, 8000, 16, &[0; 4]), WavError::Channels { channels: 2 });
        check(&file(1, 1, 44_100, 16, &[0; 4]), WavError::Rate { rate: 44_100 });
        check(&wav(1, 8, &[0; 4]), WavError::Format { format: 1, bits: 8 });
        check(&wav(3, 32, &[0; 4]), WavError::Format { format: 3, bits: 32 });
        check(&wav(7, 8, &[]), WavError::NoAudio);
        check(&wav(7, 8, &vec![0; SECONDS_MAX * 8000 + 1]), WavError::TooLong);
        check(b"RIFF\0\0\0\0WAVEdata\x01\0\0\0a", WavError::NoFormat);
        check(b"RIFF\0\0\0\0WAVE", WavError::NoAudio);
    }

    #[test]
    fn a_file_that_was_cut_off_is_refused_wherever_that_was() {
        let whole = wav(7, 8, &[9; 100]);
        for len in 0..whole.len() {
            assert!(clip(&whole[..len]).is_err(), "{len}");
        }
        check(&whole[..whole.len() - 1], WavError::CutShort { at: 48 });
    }

    proptest::proptest! {
        #[test]
        fn nothing_in_a_file_makes_it_panic(octets in proptest::collection::vec(0u8..=255, 0..200), at in 0usize..60) {
            fuzz_wav(&octets);
            let mut file = wav(7, 8, &[9; 30]);
            for (place, octet) in file.iter_mut().skip(at).zip(&octets) {
                *place = *octet;
            }
            fuzz_wav(&file);
        }
    }
}
