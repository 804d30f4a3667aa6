//! A file that a person named, read up to a limit, with what is wrong with it in words.
//!
//! Knows nothing of what is in the file. The limit holds for pipes and devices as well, which have no length to ask for.

use std::io::{ErrorKind, Read};
use std::path::Path;

/// Why a file was not read. Prints without the file's name: whoever asks knows it.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    #[error("{}", in_words(.0))]
    Io(#[from] std::io::Error),
    #[error("it is larger than {octets_max} octets")]
    TooLarge { octets_max: u64 },
    #[error("octet {octet} is not UTF-8")]
    NotText { octet: usize },
}

/// All octets of `path`; a file of more than `octets_max` is refused, and no more than that is ever held.
///
/// # Errors
///
/// [`Unreadable`], a folder among them.
pub fn read(path: &Path, octets_max: u64) -> Result<Vec<u8>, Unreadable> {
    read_from(std::fs::File::open(path)?, octets_max)
}

/// As [`read`], of a file that must be UTF-8.
///
/// # Errors
///
/// [`Unreadable`].
pub fn read_text(path: &Path, octets_max: u64) -> Result<String, Unreadable> {
    text(read(path, octets_max)?)
}

/// As [`read_text`], from something already open, such as standard input.
///
/// # Errors
///
/// [`Unreadable`].
pub fn read_text_from(source: impl Read, octets_max: u64) -> Result<String, Unreadable> {
    text(read_from(source, octets_max)?)
}

/// An operating system's error as a person would say it.
pub fn in_words(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "there is no such file".into(),
        ErrorKind::IsADirectory => "it is a folder".into(),
        ErrorKind::PermissionDenied => "reading it is not permitted".into(),
        kind => kind.to_string(),
    }
}

/// As [`read`], from something already open, such as standard input.
///
/// # Errors
///
/// [`Unreadable`].
pub fn read_from(source: impl Read, octets_max: u64) -> Result<Vec<u8>, Unreadable> {
    let mut octets = Vec::new();
    source.take(octets_max + 1).read_to_end(&mut octets)?;
    if octets.len() as u64 > octets_max {
        return Err(Unreadable::TooLarge { octets_max });
    }
    Ok(octets)
}

fn text(octets: Vec<u8>) -> Result<String, Unreadable> {
    String::from_utf8(octets).map_err(|error| Unreadable::NotText {
        octet: error.utf8_error().valid_up_to(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(result: Result<String, Unreadable>, expected: &str) {
        let text = result.expect_err("unreadable").to_string();
        assert_eq!(text, expected);
    }

    #[test]
    fn what_cannot_be_read_says_why_in_a_few_words() {
        check(read_text(Path::new("no-such-file"), 10), "there is no such file");
        check(read_text(&std::env::temp_dir(), 10), "it is a folder");
        check(read_text_from(&b"ab\xffc"[..], 10), "octet 2 is not UTF-8");
    }

    #[test]
    fn a_file_at_the_limit_is_read_and_one_past_it_is_refused() {
        assert_eq!(read_text_from(&[b'a'; 10][..], 10).expect("read").len(), 10);
        check(read_text_from(&[b'a'; 11][..], 10), "it is larger than 10 octets");
    }

    #[test]
    fn a_device_without_an_end_is_refused_at_the_limit() {
        check(
            read_text(Path::new("/dev/zero"), 1000),
            "it is larger than 1000 octets",
        );
    }
}
