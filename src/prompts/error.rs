//! What can be wrong with prompts.

use std::io;
use std::path::PathBuf;

use super::limits::{FILES_MAX, NAME_CHARS_MAX, SECONDS_MAX};
use crate::given_file::{Unreadable, in_words};

/// What is wrong with a folder of prompts, or with one of its files.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error("{}: {}", path.display(), in_words(why))]
    Folder { path: PathBuf, why: io::Error },
    #[error("{}: more than {FILES_MAX} recordings; the last ones are not used", path.display())]
    TooMany { path: PathBuf },
    #[error("{}: the name of a prompt is made of at most {NAME_CHARS_MAX} small letters, digits and hyphens", path.display())]
    Name { path: PathBuf },
    #[error("{}: {why}", path.display())]
    File { path: PathBuf, why: Unreadable },
    #[error("{}: {why}", path.display())]
    Wav { path: PathBuf, why: WavError },
    #[error("{}: there is no such recording; callers will hear the English one", path.display())]
    InEnglish { path: PathBuf },
}

impl Problem {
    /// Something of the business's own is not said because of it; else it is only worth a word.
    pub fn is_fault(&self) -> bool {
        !matches!(self, Problem::InEnglish { .. })
    }
}

/// Why octets are no recording that can be said on a telephone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WavError {
    #[error("octet 0: expected a WAV file (RIFF and WAVE)")]
    NotWav,
    #[error("octet {at}: a part is longer than the file")]
    CutShort { at: usize },
    #[error("it says nothing of its format before its audio (no \"fmt \" part)")]
    NoFormat,
    #[error("it has no audio (no \"data\" part)")]
    NoAudio,
    #[error("it has {channels} channels; expected one")]
    Channels { channels: u16 },
    #[error("it has {rate} samples a second; expected 8000")]
    Rate { rate: u32 },
    #[error("format {format} with {bits} bits; expected PCM with 16 bits, A-law or mu-law")]
    Format { format: u16, bits: u16 },
    #[error("it lasts longer than {SECONDS_MAX} seconds")]
    TooLong,
}
