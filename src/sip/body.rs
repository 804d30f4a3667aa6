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

fn part<'a>(body: &'a [u8], content_type: &str) -> Option<&'a [u8]> {
    let (_, boundary) = content_type.split_once("boundary=")?;
    let boundary = boundary.split(';').next()?.trim().trim_matches('"');
    if boundary.is_empty() || boundary.len() > 70 {
        return None;
    }
    let delimiter = format!("--{boundary}");
    let mut starts = find_all(body, delimiter.as_bytes());
    let mut start = starts.next()?;
    for end in starts {
        let section = &body[start + delimiter.len()..end];
        let section = section.strip_prefix(b"\r\n").unwrap_or(section);
        if let Some(blank) = find_all(section, b"\r\n\r\n").next() {
            let head = String::from_utf8_lossy(&section[..blank]).to_ascii_lowercase();
            if head.contains("application/sdp") {
                return Some(&section[blank + 4..]);
            }
        }
        start = end;
    }
    None
}

fn find_all<'a>(haystack: &'a [u8], needle: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    haystack
        .windows(needle.len())
        .enumerate()
        .filter(move |(_, window)| *window == needle)
        .map(|(at, _)| at)
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
}
