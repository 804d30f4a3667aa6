//! Answers that leave nothing behind.

use std::net::SocketAddr;

use super::Endpoint;
use crate::sip::builder::Response;
use crate::sip::error::ParseError;
use crate::sip::header_name::HeaderName;
use crate::sip::message::Message;
use crate::sip::method::Method;
use crate::sip::via::{self, Via};
use crate::sip::{Flow, Transport, limits, print};

impl Endpoint {
    /// Answers a request that has no transaction. ACK is never answered.
    pub(super) fn refuse(&mut self, flow: Flow, request: &Message, status: u16, reason: &str) {
        let mut response = Response::new(request, status, reason);
        if status == 503 {
            response = response.header("Retry-After", "5");
        }
        self.refuse_with(flow, request, response);
    }

    /// The same with whatever response.
    pub(super) fn refuse_with(&mut self, flow: Flow, request: &Message, response: Response) {
        if *request.method_ref() == Method::Ack {
            return;
        }
        let via_line = request.via_line().into_owned();
        self.send_stateless(flow, response, &via_line);
    }

    /// Answers what could not be parsed, as far as its Via can be read. Never a response, never an ACK.
    pub(super) fn refuse_malformed(&mut self, flow: Flow, octets: &[u8], error: &ParseError) {
        let Some(status) = error.status else {
            return;
        };
        if octets.trim_ascii_start().starts_with(b"ACK ") {
            return;
        }
        let mut headers = Vec::new();
        for (name, value) in lenient_headers(octets) {
            let is_repeated = |name: &str| headers.iter().any(|(found, _): &(String, String)| found == name);
            let copied = match HeaderName::of(name) {
                HeaderName::Via => "Via",
                HeaderName::From => "From",
                HeaderName::To => "To",
                HeaderName::CallId => "Call-ID",
                HeaderName::CSeq => "CSeq",
                _ => continue,
            };
            if copied == "Via" || !is_repeated(copied) {
                headers.push((copied.to_string(), value));
            }
        }
        let Some(via_line) = headers
            .iter()
            .find(|(name, _)| name == "Via")
            .map(|(_, v)| v.clone())
        else {
            return;
        };
        let response = Response {
            status,
            reason: reason_phrase(status, error),
            headers,
            body: Vec::new(),
        };
        self.send_stateless(flow, response, &via_line);
    }

    fn send_stateless(&mut self, flow: Flow, response: Response, via_line: &str) {
        let tag = self.random.derived(via_line.as_bytes());
        let top_via = via::amend(via_line, flow.remote);
        // A challenge goes to strangers, who need not know what asks them.
        let product = if response.status == 401 { "" } else { &self.product };
        let octets = print::response(&response.to_tag(&tag), Some(&top_via), product);
        if octets.len() <= limits::STATELESS_RESPONSE_OCTETS_MAX {
            self.transmit(reply_flow(flow, via_line), octets);
        }
    }
}

/// Where answers to a request go (RFC 3261 §18.2.2): on UDP to the source address; else back over the
/// connection, and when that has been closed meanwhile, over a new one to the source address at the port in
/// sent-by, because nobody listens on the port that the peer's system chose for the old one. An unreadable
/// Via leaves the source address and port.
pub(super) fn reply_flow(flow: Flow, via_line: &str) -> Flow {
    let Ok(via) = Via::parse(via_line) else {
        return flow;
    };
    let remote = match flow.transport {
        Transport::Udp => via.udp_destination(flow.remote),
        transport => SocketAddr::new(flow.remote.ip(), via.port.unwrap_or(transport.default_port())),
    };
    Flow { remote, ..flow }
}

/// Every header line that has a name and a colon, up to the empty line or the end, unfolded.
fn lenient_headers(octets: &[u8]) -> impl Iterator<Item = (&[u8], String)> {
    let octets = &octets[..octets.len().min(limits::MESSAGE_OCTETS_MAX)];
    let mut at = octets.len() - octets.trim_ascii_start().len();
    at = line_end(octets, at) + 1;
    let mut left = limits::HEADERS_MAX;
    std::iter::from_fn(move || {
        while at < octets.len() && left > 0 {
            left -= 1;
            let start = at;
            let mut end = line_end(octets, at);
            while matches!(octets.get(end + 1), Some(b' ' | b'\t')) {
                end = line_end(octets, end + 1);
            }
            at = end + 1;
            let line = &octets[start..end];
            if line.trim_ascii().is_empty() {
                return None;
            }
            if let Some(colon) = line.iter().position(|&b| b == b':') {
                // CR and LF go when the answer is printed.
                let value = String::from_utf8_lossy(line[colon + 1..].trim_ascii()).into_owned();
                return Some((line[..colon].trim_ascii(), value));
            }
        }
        None
    })
}

fn line_end(octets: &[u8], from: usize) -> usize {
    octets
        .get(from..)
        .and_then(|rest| rest.iter().position(|&b| b == b'\n'))
        .map_or(octets.len(), |at| from + at)
}

/// Says which header is at fault, as RFC 3261 §21.4.1 asks; our own words only.
fn reason_phrase(status: u16, error: &ParseError) -> String {
    match status {
        414 => "Request-URI Too Long".to_string(),
        505 => "Version Not Supported".to_string(),
        513 => "Message Too Large".to_string(),
        _ => format!("Bad Request ({}: expected {})", error.header, error.expected),
    }
}
