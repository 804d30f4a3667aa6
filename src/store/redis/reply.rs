//! What is said to Redis and what it answers: RESP2, as its protocol document has it.

use std::io::{self, BufRead, ErrorKind, Read};

use crate::store::limits::{
    REPLY_DEPTH_MAX, REPLY_LINE_MAX, REPLY_OCTETS_MAX, REPLY_TEXT_MAX, REPLY_VALUES_MAX,
};

/// One answer. Everything that is kept is text; octets that are none are an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Nothing,
    Text(String),
    Number(i64),
    /// Redis did not do it, in its words.
    Refused(String),
    Many(Vec<Reply>),
}

impl Reply {
    /// Reads one; blocks until it is whole.
    ///
    /// # Errors
    ///
    /// The connection's, and `InvalidData` for what is no RESP2 or more than is taken.
    pub fn read(from: &mut impl BufRead) -> io::Result<Reply> {
        read(from, 0, &mut REPLY_OCTETS_MAX.clone())
    }

    /// What was asked for, or Redis's words why not.
    pub fn sound(self) -> Result<Reply, String> {
        match self {
            Reply::Refused(problem) => Err(problem),
            reply => Ok(reply),
        }
    }

    /// The answers of a transaction, every one of them sound.
    ///
    /// # Errors
    ///
    /// Redis's words why one of them, or the whole, was not done.
    pub fn done(self) -> Result<Vec<Reply>, String> {
        match self.sound()? {
            Reply::Many(replies) => replies.into_iter().map(Reply::sound).collect(),
            _ => Err("Redis did not carry the transaction out".into()),
        }
    }

    pub fn text(self) -> Option<String> {
        match self {
            Reply::Text(text) => Some(text),
            Reply::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    pub fn number(&self) -> Option<i64> {
        match self {
            Reply::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// Its parts; of what has none, none.
    pub fn many(self) -> Vec<Reply> {
        match self {
            Reply::Many(replies) => replies,
            _ => Vec::new(),
        }
    }

    /// The texts among its parts.
    pub fn texts(self) -> Vec<String> {
        self.many().into_iter().filter_map(Reply::text).collect()
    }
}

/// Commands that go out together.
#[derive(Default)]
pub(super) struct Commands {
    octets: Vec<u8>,
    count: usize,
}

impl Commands {
    pub fn one(words: &[&str]) -> Commands {
        let mut commands = Commands::default();
        commands.add(words);
        commands
    }

    pub fn add(&mut self, words: &[&str]) {
        self.octets
            .extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            self.octets
                .extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            self.octets.extend_from_slice(word.as_bytes());
            self.octets.extend_from_slice(b"\r\n");
        }
        self.count += 1;
    }

    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// How many answers come back.
    pub fn count(&self) -> usize {
        self.count
    }
}

/// `left`: octets that the whole answer may still have.
fn read(from: &mut impl BufRead, depth: usize, left: &mut usize) -> io::Result<Reply> {
    let line = line(from)?;
    // What is kept of it takes more than what was sent of small ones.
    take(left, line.len().max(size_of::<Reply>()))?;
    let (kind, rest) = line.split_at_checked(1).ok_or_else(|| wrong("an empty line"))?;
    match kind {
        "+" => Ok(Reply::Text(rest.into())),
        "-" => Ok(Reply::Refused(rest.into())),
        ":" => rest.parse().map(Reply::Number).map_err(|_| wrong("no number")),
        "$" => match length(rest, REPLY_TEXT_MAX)? {
            None => Ok(Reply::Nothing),
            Some(length) => {
                take(left, length)?;
                text(from, length)
            }
        },
        "*" => match length(rest, REPLY_VALUES_MAX)? {
            None => Ok(Reply::Nothing),
            Some(_) if depth >= REPLY_DEPTH_MAX => Err(wrong("an answer that is too deep")),
            Some(count) => {
                let replies = (0..count).map(|_| read(from, depth + 1, left));
                replies.collect::<io::Result<_>>().map(Reply::Many)
            }
        },
        _ => Err(wrong("an answer of an unknown kind: is this Redis?")),
    }
}

fn take(left: &mut usize, octets: usize) -> io::Result<()> {
    *left = left
        .checked_sub(octets)
        .ok_or_else(|| wrong("an answer that is too large"))?;
    Ok(())
}

fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    from.by_ref().take(REPLY_LINE_MAX).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Err(io::Error::new(ErrorKind::UnexpectedEof, "Redis hung up"));
    }
    let Some(text) = line.strip_suffix(b"\r\n") else {
        return Err(wrong("a line without an end"));
    };
    String::from_utf8(text.to_vec()).map_err(|_| wrong("a line that is no text"))
}

/// None = there is nothing (-1).
fn length(text: &str, most: usize) -> io::Result<Option<usize>> {
    match text.parse::<i64>() {
        Ok(-1) => Ok(None),
        Ok(length) => match usize::try_from(length) {
            Ok(length) if length <= most => Ok(Some(length)),
            _ => Err(wrong("an answer that is too large")),
        },
        Err(_) => Err(wrong("no length")),
    }
}

fn text(from: &mut impl BufRead, length: usize) -> io::Result<Reply> {
    // Grows with what comes, not with what was promised.
    let mut octets = Vec::new();
    let whole = length as u64 + 2;
    from.by_ref().take(whole).read_to_end(&mut octets)?;
    if octets.len() as u64 != whole || !octets.ends_with(b"\r\n") {
        return Err(wrong("an answer that breaks off"));
    }
    octets.truncate(length);
    String::from_utf8(octets)
        .map(Reply::Text)
        .map_err(|_| wrong("a value that is no text"))
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("Redis answered with {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(octets: &str, expected: Result<Reply, &str>) {
        let read = Reply::read(&mut octets.as_bytes());
        match expected {
            Ok(reply) => assert_eq!(read.unwrap(), reply, "{octets:?}"),
            Err(problem) => {
                let error = read.unwrap_err().to_string();
                assert!(error.contains(problem), "{octets:?}: {error}");
            }
        }
    }

    #[test]
    fn every_kind_of_answer_is_read() {
        check("+OK\r\n", Ok(Reply::Text("OK".into())));
        check("-ERR no\r\n", Ok(Reply::Refused("ERR no".into())));
        check(":-7\r\n", Ok(Reply::Number(-7)));
        check("$-1\r\n", Ok(Reply::Nothing));
        check("*-1\r\n", Ok(Reply::Nothing));
        check("$0\r\n\r\n", Ok(Reply::Text(String::new())));
        check("$4\r\na\r\nb\r\n", Ok(Reply::Text("a\r\nb".into())));
        check(
            "*3\r\n:1\r\n$1\r\nx\r\n*0\r\n",
            Ok(Reply::Many(vec![
                Reply::Number(1),
                Reply::Text("x".into()),
                Reply::Many(Vec::new()),
            ])),
        );
    }

    #[test]
    fn what_is_no_answer_is_a_bounded_error() {
        check("", Err("hung up"));
        check("HTTP/1.1 400 Bad Request\r\n", Err("unknown kind"));
        check("\r\n", Err("empty line"));
        check("$99999999999\r\n", Err("too large"));
        check("*2000000000\r\n", Err("too large"));
        check("$-2\r\n", Err("too large"));
        check("$5\r\nabc", Err("breaks off"));
        check("$3\r\nabcde", Err("breaks off"));
        check(&"*1\r\n".repeat(1_000), Err("too deep"));
        check(&format!("+{}\r\n", "x".repeat(100_000)), Err("without an end"));
        assert!(Reply::read(&mut &b"$2\r\n\xff\xfe\r\n"[..]).is_err());
    }

    #[test]
    fn an_answer_is_bounded_with_everything_in_it() {
        let many = format!("*3\r\n{}", "$10\r\n0123456789\r\n".repeat(3));
        let bounded = |most: usize| read(&mut many.as_bytes(), 0, &mut most.clone());
        let each = size_of::<Reply>();
        assert!(bounded(4 * each + 30).is_ok());
        let error = bounded(4 * each + 29).unwrap_err().to_string();
        assert!(error.contains("too large"), "{error}");
    }

    #[test]
    fn commands_are_counted_and_carry_any_text() {
        let mut commands = Commands::one(&["SET", "a\r\nb", "é"]);
        commands.add(&["PING"]);
        assert_eq!(
            String::from_utf8_lossy(commands.octets()),
            "*3\r\n$3\r\nSET\r\n$4\r\na\r\nb\r\n$2\r\né\r\n*1\r\n$4\r\nPING\r\n"
        );
        assert_eq!(commands.count(), 2);
    }
}
