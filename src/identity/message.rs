//! A SIP message as the verifier wants to see it.

use std::borrow::Cow;

use stir_shaken_verify::MessageView;

use crate::sip::{Message, NameAddr};

/// The parts of `invite` that a signature speaks about. URIs without display name and brackets;
/// what cannot be read as an address is left empty, and matches no number.
pub fn view(invite: &Message) -> MessageView<'_> {
    MessageView {
        // Whole lines: the verifier takes them apart itself, and counts an empty one as malformed.
        identity: invite.header_lines("Identity"),
        asserted: invite
            .header_values("P-Asserted-Identity")
            .into_iter()
            .map(uri_of)
            .collect(),
        from: invite.from_address().uri().to_string().into(),
        to: invite.to_address().uri().to_string().into(),
        request_uri: invite.request_uri().unwrap_or_default().into(),
        date: invite.header("Date"),
        fingerprints: fingerprints(invite),
        resource_priority: invite.header_values("Resource-Priority"),
        priority: invite.header("Priority"),
        display_name: display_name(invite),
    }
}

/// Both parties as a trunk's own way of writing numbers means them, in place of how the message has them. URIs without
/// display name and brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// One for each P-Asserted-Identity value, in their order; an empty one matches no number.
    pub asserted: Vec<String>,
    pub from: String,
    pub to: String,
    /// Whoever was dialled.
    pub request_uri: String,
}

/// [`view`], with the parties as they are shown.
pub fn view_shown<'a>(invite: &'a Message, shown: &'a Shown) -> MessageView<'a> {
    MessageView {
        asserted: shown.asserted.iter().map(|uri| uri.as_str().into()).collect(),
        from: shown.from.as_str().into(),
        to: shown.to.as_str().into(),
        request_uri: shown.request_uri.as_str().into(),
        ..view(invite)
    }
}

/// The `a=fingerprint` values of the description that the call is made with (RFC 8122 §5), session level first. A line
/// that is no text is in no claim either.
fn fingerprints(invite: &Message) -> Vec<Cow<'_, str>> {
    let lines = invite
        .description()
        .unwrap_or_default()
        .split(|octet| *octet == b'\n');
    lines
        .filter_map(|line| line.strip_prefix(b"a=fingerprint:"))
        .map(|value| String::from_utf8_lossy(value.trim_ascii()))
        .collect()
}

/// P-Asserted-Identity's display name, the first there is, else From's.
fn display_name(invite: &Message) -> Option<Cow<'_, str>> {
    let asserted = invite.header_values("P-Asserted-Identity");
    let mut names = asserted
        .iter()
        .filter_map(|value| NameAddr::parse(value).ok())
        .chain([invite.from()])
        .filter_map(|address| address.display);
    names.find(|name| !name.trim().is_empty()).map(Cow::Owned)
}

fn uri_of(value: Cow<'_, str>) -> Cow<'_, str> {
    match NameAddr::parse(&value) {
        Ok(address) => address.uri.as_str().to_string().into(),
        // Whoever shows the caller cannot read it either; it keeps its place, and nothing may match it.
        Err(_) => Cow::Borrowed(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invite(lines: &str, body: &str) -> Message {
        let text = format!(
            "INVITE sip:+12125550100@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n\
             From: \"Caller\" <sip:+14045550123@carrier.example.com>;tag=1\r\nTo: <sip:+12125550100@example.com>\r\n\
             Call-ID: 1@x\r\nCSeq: 1 INVITE\r\nContact: <sip:192.0.2.9>\r\n{lines}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Message::parse(text.as_bytes()).unwrap()
    }

    const SDP: &str = "v=0\r\na=fingerprint:sha-256 4A:AD\r\nm=audio 4000 UDP/TLS/RTP/SAVP 0\r\na=fingerprint: sha-1 02:1A \r\na=fingerprints:x\r\n";

    #[test]
    fn i_13_fingerprints_are_those_of_the_description_wherever_it_stands() {
        let alone = invite("Content-Type: application/sdp\r\n", SDP);
        assert_eq!(view(&alone).fingerprints, ["sha-256 4A:AD", "sha-1 02:1A"]);
        let body = format!(
            "--b\r\nContent-Type: text/plain\r\n\r\na=fingerprint:sha-256 FF\r\n--b\r\nContent-Type: application/sdp\r\n\r\n{SDP}\r\n--b--\r\n"
        );
        let wrapped = invite("Content-Type: multipart/mixed;boundary=b\r\n", &body);
        assert_eq!(view(&wrapped).fingerprints, ["sha-256 4A:AD", "sha-1 02:1A"]);
        let other = invite("Content-Type: text/plain\r\n", SDP);
        assert!(view(&other).fingerprints.is_empty());
        assert!(view(&invite("", "")).fingerprints.is_empty());
    }

    #[test]
    fn priorities_and_the_name_are_read_as_they_are_written() {
        let message = invite(
            "Resource-Priority: ets.0, wps.1\r\nResource-Priority: esnet.0\r\nPriority: psap-callback\r\n\
             P-Asserted-Identity: <tel:+14045550123>, \"Acme, Inc.\" <sip:a@b>\r\n",
            "",
        );
        let view = view(&message);
        assert_eq!(view.resource_priority, ["ets.0", "wps.1", "esnet.0"]);
        assert_eq!(view.priority.as_deref(), Some("psap-callback"));
        assert_eq!(view.display_name.as_deref(), Some("Acme, Inc."));
    }
}
