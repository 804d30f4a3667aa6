//! The session description in a body, alone or among other parts.

use super::Message;

impl Message {
    /// The octets of the body that are `application/sdp`: all of it, or the first such part of a `multipart/mixed` one
    /// (RFC 2046 §5.1.1): trunks wrap descriptions that travel with ISUP or a location. A body without Content-Type can
    /// only be what INVITE bodies are. `None` without a body, and for a body of another kind.
    pub fn description(&self) -> Option<&[u8]> {
        let body = self.body();
        if body.is_empty() {
            return None;
        }
        let content_type = self.content_type().unwrap_or_default();
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        if kind.is_empty() || kind.eq_ignore_ascii_case("application/sdp") {
            Some(body)
        } else if kind.eq_ignore_ascii_case("multipart/mixed") {
            part(body, &content_type)
        } else {
            None
        }
    }
}

/// The first section of a multipart body that says it is a session description.
///
/// A delimiter counts at the start of a line only (RFC 2046 §5.1.1), so that two of them never overlap and each octet
/// is looked at once.
fn part<'a>(body: &'a [u8], content_type: &str) -> Option<&'a [u8]> {
    let (_, boundary) = content_type.split_once("boundary=")?;
    let boundary = boundary.split(';').next()?.trim().trim_matches('"');
    if boundary.is_empty() || boundary.len() > 70 {
        return None;
    }
    let delimiter = format!("--{boundary}");
    let mut section: Option<usize> = None;
    let mut at = 0;
    while at < body.len() {
        let end = line_end(body, at);
        if body[at..end].starts_with(delimiter.as_bytes()) {
            if let Some(found) = section.and_then(|start| description_in(&body[start..at])) {
                return Some(found);
            }
            section = Some(end);
        }
        at = end;
    }
    None
}

/// What stands after the empty line of a section, if its head names `application/sdp`.
fn description_in(section: &[u8]) -> Option<&[u8]> {
    let mut at = 0;
    while at < section.len() {
        let end = line_end(section, at);
        if section[at..end].trim_ascii().is_empty() {
            let head = String::from_utf8_lossy(&section[..at]).to_ascii_lowercase();
            return head.contains("application/sdp").then(|| &section[end..]);
        }
        at = end;
    }
    None
}

/// Offset just after the LF that ends the line at `from`.
fn line_end(octets: &[u8], from: usize) -> usize {
    octets[from..]
        .iter()
        .position(|&b| b == b'\n')
        .map_or(octets.len(), |at| from + at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_is_found_among_other_parts() {
        let body = b"--b1\r\nContent-Type: application/isup\r\n\r\n\x01\x02\r\n--b1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\no=x\r\n--b1--\r\n";
        assert_eq!(
            part(body, "multipart/mixed;boundary=\"b1\""),
            Some(&b"v=0\r\no=x\r\n"[..])
        );
        assert_eq!(part(body, "multipart/mixed;boundary=b2"), None);
        assert_eq!(part(body, "multipart/mixed"), None);
        assert_eq!(part(b"--b1", "multipart/mixed;boundary=b1"), None);
    }

    #[test]
    fn delimiters_that_would_overlap_are_no_delimiters() {
        for (body, boundary) in [
            ("-----", "-"),
            ("--------------------", "---"),
            ("--a--a--a--a", "a--a"),
        ] {
            assert_eq!(
                part(body.as_bytes(), &format!("multipart/mixed;boundary={boundary}")),
                None,
                "{body}"
            );
        }
        let many = "-".repeat(60_000);
        assert_eq!(part(many.as_bytes(), "multipart/mixed;boundary=-"), None);
    }
}
