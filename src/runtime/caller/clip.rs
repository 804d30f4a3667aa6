//! What callers of ours say: short mu-law WAV files.

use std::sync::Arc;

use super::limits::CLIP_OCTETS_MAX;

/// WAVE_FORMAT_MULAW.
const MU_LAW: u16 = 7;

/// Mu-law octets at 8 kHz, one channel: what goes into RTP payload type 0 as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clip {
    pub name: &'static str,
    pub octets: Arc<[u8]>,
}

/// Why a file is not a clip. Offsets are octets from the start of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClipError {
    #[error("not a RIFF WAVE file")]
    NotWave,
    #[error("chunk at octet {offset} is cut off")]
    Truncated { offset: usize },
    #[error("format {format}, {channels} channels, {rate} Hz: expected mu-law (7), one channel, 8000 Hz")]
    Format { format: u16, channels: u16, rate: u32 },
    #[error("no {0} chunk")]
    Missing(&'static str),
    #[error("{octets} octets of audio: at most {CLIP_OCTETS_MAX} are taken, and at least one")]
    Length { octets: usize },
}

impl Clip {
    /// Reads a WAV file of mu-law audio at 8 kHz, one channel. Chunks it does not need are skipped.
    ///
    /// # Errors
    ///
    /// [`ClipError`] says what is wrong and where.
    pub fn parse(name: &'static str, file: &[u8]) -> Result<Clip, ClipError> {
        if file.len() < 12 || &file[..4] != b"RIFF" || &file[8..12] != b"WAVE" {
            return Err(ClipError::NotWave);
        }
        let mut offset = 12;
        let mut has_format = false;
        while let Some(head) = file.get(offset..offset + 8) {
            let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
            let truncated = ClipError::Truncated { offset };
            let end = (offset + 8).checked_add(length).ok_or(truncated)?;
            let body = file.get(offset + 8..end).ok_or(truncated)?;
            match &head[..4] {
                b"fmt " => {
                    check_format(body).ok_or(truncated)??;
                    has_format = true;
                }
                b"data" if !has_format => return Err(ClipError::Missing("fmt")),
                b"data" if body.is_empty() || body.len() > CLIP_OCTETS_MAX => {
                    return Err(ClipError::Length { octets: body.len() });
                }
                b"data" => {
                    return Ok(Clip {
                        name,
                        octets: body.into(),
                    });
                }
                _ => {}
            }
            // Chunks are padded to an even length.
            offset = end + length % 2;
        }
        Err(ClipError::Missing("data"))
    }

    /// Faint hiss, the sound of a phone whose owner listens: comfort noise at about -50 dBm0, the same every time.
    pub fn comfort_noise(seconds: usize) -> Clip {
        let mut state = 0x2545_f491_u32;
        let octets = (0..(seconds * 8000).min(CLIP_OCTETS_MAX))
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                // 0xff and 0x7f are zero in mu-law; counting down from there gets louder.
                let sign = if state & 0x100 == 0 { 0x80 } else { 0x00 };
                sign | (0x7f - (state & 0x07) as u8)
            })
            .collect::<Vec<u8>>();
        Clip {
            name: "comfort noise",
            octets: octets.into(),
        }
    }

    pub fn seconds(&self) -> f32 {
        self.octets.len() as f32 / 8000.0
    }
}

/// None when the chunk is too short to be a format.
fn check_format(body: &[u8]) -> Option<Result<(), ClipError>> {
    let two = |at: usize| Some(u16::from_le_bytes([*body.get(at)?, *body.get(at + 1)?]));
    let (format, channels) = (two(0)?, two(2)?);
    let rate = u32::from(two(4)?) | u32::from(two(6)?) << 16;
    Some(if (format, channels, rate) == (MU_LAW, 1, 8000) {
        Ok(())
    } else {
        Err(ClipError::Format {
            format,
            channels,
            rate,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(format: u16, channels: u16, rate: u32, data: &[u8]) -> Vec<u8> {
        let mut file = b"RIFF\0\0\0\0WAVE".to_vec();
        file.extend(b"fmt \x12\0\0\0");
        file.extend(format.to_le_bytes());
        file.extend(channels.to_le_bytes());
        file.extend(rate.to_le_bytes());
        file.extend([0; 10]);
        file.extend(b"LIST\x03\0\0\0abc\0");
        file.extend(b"data");
        file.extend((data.len() as u32).to_le_bytes());
        file.extend(data);
        file
    }

    #[test]
    fn a_mu_law_file_is_read_past_chunks_it_does_not_need() {
        let clip = Clip::parse("test", &wav(7, 1, 8000, &[1, 2, 3])).unwrap();
        assert_eq!(&*clip.octets, [1, 2, 3]);
    }

    #[test]
    fn a_file_of_another_kind_is_refused_with_its_reason() {
        let check = |file: &[u8], expected| assert_eq!(Clip::parse("test", file), Err(expected));
        check(b"", ClipError::NotWave);
        check(b"RIFF\0\0\0\0AVI ", ClipError::NotWave);
        check(
            &wav(1, 1, 8000, &[0]),
            ClipError::Format {
                format: 1,
                channels: 1,
                rate: 8000,
            },
        );
        check(
            &wav(7, 2, 8000, &[0]),
            ClipError::Format {
                format: 7,
                channels: 2,
                rate: 8000,
            },
        );
        check(
            &wav(7, 1, 16000, &[0]),
            ClipError::Format {
                format: 7,
                channels: 1,
                rate: 16000,
            },
        );
        check(&wav(7, 1, 8000, &[]), ClipError::Length { octets: 0 });
        check(
            &wav(7, 1, 8000, &vec![0; CLIP_OCTETS_MAX + 1]),
            ClipError::Length {
                octets: CLIP_OCTETS_MAX + 1,
            },
        );
        let whole = wav(7, 1, 8000, &[1, 2, 3]);
        check(&whole[..whole.len() - 1], ClipError::Truncated { offset: 50 });
        check(&whole[..50], ClipError::Missing("data"));
        check(b"RIFF\0\0\0\0WAVEdata\x01\0\0\0a", ClipError::Missing("fmt"));
        check(
            b"RIFF\0\0\0\0WAVEfmt \x02\0\0\0aa",
            ClipError::Truncated { offset: 12 },
        );
    }

    #[test]
    fn no_prefix_of_a_file_panics() {
        let whole = wav(7, 1, 8000, &[1, 2, 3]);
        for length in 0..whole.len() {
            assert!(Clip::parse("test", &whole[..length]).is_err());
        }
    }

    #[test]
    fn comfort_noise_is_faint_and_has_the_asked_length() {
        let noise = Clip::comfort_noise(1);
        assert_eq!(noise.octets.len(), 8000);
        assert!(noise.octets.iter().all(|octet| octet & 0x7f >= 0x78));
    }
}
