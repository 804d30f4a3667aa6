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
    }
}

fn uri_of(value: Cow<'_, str>) -> Cow<'_, str> {
    match NameAddr::parse(&value) {
        Ok(address) => address.uri.as_str().to_string().into(),
        // Whoever shows the caller cannot read it either; it keeps its place, and nothing may match it.
        Err(_) => Cow::Borrowed(""),
    }
}
