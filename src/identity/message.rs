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
        from: invite.from().uri.as_str().to_string().into(),
        to: invite.to().uri.as_str().to_string().into(),
        request_uri: invite.request_uri().unwrap_or_default().into(),
        date: invite.header("Date"),
        fingerprints: fingerprints(invite),
        resource_priority: invite.header_values("Resource-Priority"),
        priority: invite.header("Priority"),
        display_name: display_name(invite),
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
