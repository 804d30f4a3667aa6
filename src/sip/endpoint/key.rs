//! What makes two messages belong to one transaction or dialog.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use crate::sip::message::Message;
use crate::sip::method::Method;
use crate::sip::via::Via;

/// RFC 3261 §17.2.3: branch, sent-by and method (of an ACK: INVITE).
///
/// A branch without the magic cookie, or none, is from an RFC 2543 client: then Request-URI, From
/// tag, Call-ID, CSeq number and the whole top Via stand for it.
pub(super) fn server(request: &Message, via_line: &str, via: &Via<'_>, method: &Method) -> Arc<str> {
    let method = method.as_str();
    let key = match via.unique_branch() {
        Some(branch) => {
            let mut key = String::with_capacity(branch.len() + via.host.len() + method.len() + 8);
            key.push_str(branch);
            key.push('\n');
            key.extend(via.host.chars().map(|c| c.to_ascii_lowercase()));
            key.push(':');
            key.push_str(&via.port.unwrap_or(5060).to_string());
            key.push('\n');
            key.push_str(method);
            key
        }
        None => format!(
            "{}\n{}\n{}\n{}\n{via_line}\n{method}",
            request.request_uri().unwrap_or_default(),
            request.call_id(),
            request.sender_tag().unwrap_or_default(),
            request.cseq_number(),
        ),
    };
    key.into()
}

/// RFC 3261 §8.2.2.2: the same request come by two ways has these in common, but another branch.
/// Only requests outside a dialog (no To tag) can be merged.
pub(super) fn merged(request: &Message) -> Option<Arc<str>> {
    if request.to_tag().is_some() {
        return None;
    }
    let from_tag = request.sender_tag()?;
    let (number, method) = (request.cseq_number(), request.method_ref());
    Some(format!("{}\n{from_tag}\n{number} {method}", request.call_id()).into())
}

/// The same for an INVITE that is only spoken of.
pub(super) fn new_invite(call_id: &str, from_tag: &str, cseq_number: u32) -> Arc<str> {
    format!("{call_id}\n{from_tag}\n{cseq_number} INVITE").into()
}

/// What an ACK to a 2xx acknowledges.
pub(super) fn acknowledged(ack: &Message) -> Arc<str> {
    let (remote, local) = (
        ack.sender_tag().unwrap_or_default(),
        ack.to_tag().unwrap_or_default(),
    );
    dialog(ack.call_id(), &remote, &local, ack.cseq_number())
}

/// RFC 3261 §13.3.1.4: the ACK to a 2xx is known by its dialog and CSeq number.
pub(super) fn dialog(call_id: &str, remote_tag: &str, local_tag: &str, cseq_number: u32) -> Arc<str> {
    format!("{call_id}\n{remote_tag}\n{local_tag}\n{cseq_number}").into()
}

/// Transactions by our own numbers. These count up and nobody outside chooses them: no secret is needed to spread them.
pub(super) type ByNumber<T> = HashMap<u64, T, BuildHasherDefault<Spread>>;

/// One multiplication by 2^64 divided by the golden ratio (Knuth, volume 3, §6.4).
#[derive(Default)]
pub(super) struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.write_u64(self.0 ^ u64::from(*octet));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
