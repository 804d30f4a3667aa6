//! What the caller and the phone of a replayed call say to the engine: the captured words, in dialogs that are the
//! engine's own.

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::replay_calls::PHONE;
use crate::sdp::Session;
use crate::sip::{Message, Method};

/// The description in a message.
fn description(message: &Message) -> Option<Vec<u8>> {
    message.description().map(<[u8]>::to_vec)
}

/// Where the sender of a description wants its audio.
pub(super) fn audio_of(message: &Message) -> Option<SocketAddr> {
    let session = Session::parse(&description(message)?).ok()?;
    session.audio_address().filter(|address| address.port() != 0)
}

/// The sender offers keys for its audio (SRTP).
pub(super) fn offers_keys(message: &Message) -> bool {
    let session = description(message).and_then(|description| Session::parse(&description).ok());
    session.is_some_and(|session| !session.crypto().is_empty())
}

/// The description comes in the ACK.
pub(super) fn is_offer_late(invite: &Message) -> bool {
    description(invite).is_none()
}

/// An INVITE that a Ringward sent to a phone: the capture was taken on the gateway, and the call it belongs to is in it.
pub(super) fn is_of_a_gateway(invite: &Message) -> bool {
    let call_id = invite.call_id();
    invite.header("Ringward-Trust").is_some()
        && call_id.starts_with("rw")
        && call_id.as_bytes().get(6) == Some(&b'-')
}

/// Our phone's answer to a request of the engine; `captured` lends its description.
pub(super) fn response(request: &Message, status: u16, captured: Option<&Message>) -> Vec<u8> {
    let mut text = format!("SIP/2.0 {status} Replayed\r\n");
    for via in request.header_lines("Via") {
        line(&mut text, "Via", &via);
    }
    let to = header(request, "To");
    let tag = if request.to().tag().is_none() {
        ";tag=replay"
    } else {
        ""
    };
    line(&mut text, "From", &header(request, "From"));
    line(&mut text, "To", &format!("{to}{tag}"));
    line(&mut text, "Call-ID", request.call_id());
    line(&mut text, "CSeq", &header(request, "CSeq"));
    if request.method() == Method::Invite && status < 300 {
        line(&mut text, "Contact", &format!("<sip:phone@{PHONE}>"));
    }
    finish(text, captured.and_then(description))
}

/// The caller's ACK to the engine's 2xx; `captured` lends its description where the offer was late.
pub(super) fn ack(answer: &Message, branch: u64, captured: Option<&Message>) -> Vec<u8> {
    let text = of_caller(answer, Method::Ack, answer.cseq().0, branch);
    finish(text, captured.and_then(description))
}

/// The caller's ACK to a refusal: of the INVITE's own transaction (RFC 3261 §17.1.1.3).
pub(super) fn ack_of_refusal(invite: &Message, answer: &Message) -> Vec<u8> {
    let mut text = repeated(invite, Method::Ack);
    line(&mut text, "To", &header(answer, "To"));
    finish(text, None)
}

/// CANCEL of the INVITE (RFC 3261 §9.1).
pub(super) fn cancel(invite: &Message) -> Vec<u8> {
    let mut text = repeated(invite, Method::Cancel);
    line(&mut text, "To", &header(invite, "To"));
    finish(text, None)
}

pub(super) fn bye_of_caller(answer: &Message, branch: u64) -> Vec<u8> {
    let text = of_caller(answer, Method::Bye, answer.cseq().0.saturating_add(1000), branch);
    finish(text, None)
}

pub(super) fn bye_of_phone(ring: &Message, branch: u64) -> Vec<u8> {
    let target = ring
        .contact()
        .map(|contact| contact.uri.to_string())
        .unwrap_or_default();
    let mut text = format!("BYE {target} SIP/2.0\r\n");
    line(
        &mut text,
        "Via",
        &format!("SIP/2.0/UDP {PHONE};branch=z9hG4bKreplay{branch}"),
    );
    line(&mut text, "Max-Forwards", "70");
    line(&mut text, "From", &format!("{};tag=replay", header(ring, "To")));
    line(&mut text, "To", &header(ring, "From"));
    line(&mut text, "Call-ID", ring.call_id());
    line(&mut text, "CSeq", "1000 BYE");
    finish(text, None)
}

/// A request of the caller's in the dialog of this answer.
fn of_caller(answer: &Message, method: Method, cseq: u32, branch: u64) -> String {
    let target = answer
        .contact()
        .map(|contact| contact.uri.to_string())
        .unwrap_or_default();
    let mut text = format!("{method} {target} SIP/2.0\r\n");
    line(
        &mut text,
        "Via",
        &format!("SIP/2.0/UDP {PHONE};branch=z9hG4bKreplay{branch}"),
    );
    line(&mut text, "Max-Forwards", "70");
    line(&mut text, "From", &header(answer, "From"));
    line(&mut text, "To", &header(answer, "To"));
    line(&mut text, "Call-ID", answer.call_id());
    line(&mut text, "CSeq", &format!("{cseq} {method}"));
    text
}

/// A request with the branch of the INVITE, all but To.
fn repeated(invite: &Message, method: Method) -> String {
    let target = invite.request_uri().unwrap_or_default();
    let mut text = format!("{method} {target} SIP/2.0\r\n");
    if let Some(via) = invite.header_lines("Via").first() {
        let top = via.split(',').next().unwrap_or_default();
        line(&mut text, "Via", top);
    }
    line(&mut text, "Max-Forwards", "70");
    line(&mut text, "From", &header(invite, "From"));
    line(&mut text, "Call-ID", invite.call_id());
    line(&mut text, "CSeq", &format!("{} {method}", invite.cseq().0));
    text
}

fn header(message: &Message, name: &str) -> String {
    message
        .header(name)
        .map(|value| value.into_owned())
        .unwrap_or_default()
}

fn line(text: &mut String, name: &str, value: &str) {
    // Writing to a string cannot fail.
    let _ = write!(text, "{name}: {value}\r\n");
}

fn finish(mut text: String, description: Option<Vec<u8>>) -> Vec<u8> {
    let body = description.unwrap_or_default();
    if !body.is_empty() {
        line(&mut text, "Content-Type", "application/sdp");
    }
    line(&mut text, "Content-Length", &body.len().to_string());
    text.push_str("\r\n");
    let mut octets = text.into_bytes();
    octets.extend(body);
    octets
}
