//! Which call a message belongs to, for those who watch: the Call-ID of the caller's leg.

use std::net::SocketAddr;

use super::admission::Source;
use super::engine::Engine;
use super::index::Name;

impl Engine {
    /// Whether this is a trunk's address, or a phone's of a queue.
    pub fn is_party(&self, source: SocketAddr) -> bool {
        matches!(
            self.desk.admission.source(source),
            Source::Trunk(_) | Source::Phone
        )
    }

    /// The Call-ID of the caller's leg of the call that a message of ours, or to us, belongs to; `None` when no live call
    /// has one of its tags. For the mirror of signalling; it costs a look at From and To, so only a mirror asks.
    pub fn caller_call_id(&self, octets: &[u8]) -> Option<&str> {
        let head = std::str::from_utf8(octets).ok()?;
        head.split("\r\n")
            .skip(1)
            .take_while(|line| !line.is_empty())
            .filter_map(tag_of_line)
            .find_map(|tag| self.desk.index.call(&Name::Tag(tag.to_string())))
            .and_then(|key| self.calls.get(key))
            .map(|call| call.case.invite.call_id())
    }
}

/// The tag in a From or To line.
fn tag_of_line(line: &str) -> Option<&str> {
    let (name, value) = line.split_once(':')?;
    let is_party = ["from", "to", "f", "t"]
        .iter()
        .any(|party| name.trim().eq_ignore_ascii_case(party));
    let (_, tag) = value.rsplit_once(";tag=").filter(|_| is_party)?;
    Some(tag.split(';').next().unwrap_or(tag).trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_found_in_from_and_to_only() {
        for (line, tag) in [
            ("From: <sip:a@b>;tag=1f", Some("1f")),
            ("t: \"x\" <sip:a@b>;tag=2e;other=1", Some("2e")),
            ("To: <sip:a@b>", None),
            ("Contact: <sip:a@b>;tag=9", None),
            ("no colon", None),
        ] {
            assert_eq!(tag_of_line(line), tag, "{line}");
        }
    }
}
