//! What can be wrong with a message, and what to answer.

/// Names the header, the octet offset and what was expected. `status` is what to answer (400, 505, ...), None = drop silently.
///
/// The offset counts from the first octet of what was parsed: the start line for a message, the
/// text itself for a [`Uri`](super::Uri) or a [`NameAddr`](super::NameAddr).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{header}: expected {expected} at octet {offset}")]
pub struct ParseError {
    pub header: &'static str,
    pub offset: usize,
    pub expected: &'static str,
    pub status: Option<u16>,
}

impl ParseError {
    /// A fault of the sender: 400 (Bad Request).
    pub(crate) fn bad(header: &'static str, offset: usize, expected: &'static str) -> ParseError {
        ParseError {
            header,
            offset,
            expected,
            status: Some(400),
        }
    }

    /// Not ours to answer: no SIP, or a response.
    pub(crate) fn silent(header: &'static str, offset: usize, expected: &'static str) -> ParseError {
        ParseError {
            header,
            offset,
            expected,
            status: None,
        }
    }

    pub(crate) fn with_status(self, status: u16) -> ParseError {
        ParseError {
            status: Some(status),
            ..self
        }
    }

    /// The same fault seen from the enclosing message: under the header's name, `base` octets on.
    pub(crate) fn inside(self, header: &'static str, base: usize) -> ParseError {
        ParseError {
            header,
            offset: self.offset + base,
            ..self
        }
    }
}
