//! Requests and responses of ours to octets.

use super::builder::{Request, Response, has_control, value_of, without_line_ends};
use super::header_name::is_same;
use super::method::{Method, is_token};

/// The octets of a request with this top Via value.
///
/// Adds Max-Forwards (70), CSeq (1) and User-Agent if absent, and Content-Length always.
pub(crate) fn request(request: &Request, via: &str, product: &str) -> Vec<u8> {
    let mut out = String::with_capacity(octets_of(&request.headers) + request.uri.len() + request.body.len());
    let method = match &request.method {
        Method::Other(name) if name.is_empty() || !name.bytes().all(is_token) => "UNKNOWN",
        method => method.as_str(),
    };
    out.push_str(method);
    out.push(' ');
    // A URI with white space would make a different request line. What is none in ASCII stays: a URI that was read is
    // written as it was, or it might be none any more.
    match request.uri.bytes().all(|b| b.is_ascii_graphic()) {
        true => out.push_str(&request.uri),
        false => out.extend(
            request
                .uri
                .chars()
                .filter(|c| !c.is_ascii_whitespace() && !c.is_ascii_control()),
        ),
    }
    out.push_str(" SIP/2.0\r\n");
    line(&mut out, "Via", via);
    if value_of(&request.headers, "Max-Forwards").is_none() {
        line(&mut out, "Max-Forwards", "70");
    }
    for (name, value) in &request.headers {
        if !is_same(name, "Via") && !is_same(name, "Content-Length") {
            line(&mut out, name, value);
        }
    }
    if value_of(&request.headers, "CSeq").is_none() {
        line(&mut out, "CSeq", &format!("1 {method}"));
    }
    if !product.is_empty() && value_of(&request.headers, "User-Agent").is_none() {
        line(&mut out, "User-Agent", product);
    }
    finish(out, &request.body)
}

/// The octets of a response; `top_via` (a whole line's value) stands for its first Via line.
pub(crate) fn response(response: &Response, top_via: Option<&str>, product: &str) -> Vec<u8> {
    let mut out = String::with_capacity(octets_of(&response.headers) + response.body.len());
    out.push_str("SIP/2.0 ");
    out.push_str(&response.status.to_string());
    out.push(' ');
    out.push_str(&without_line_ends(&response.reason));
    out.push_str("\r\n");
    let mut top_via = top_via;
    for (name, value) in &response.headers {
        if is_same(name, "Via") {
            line(&mut out, "Via", top_via.take().unwrap_or(value));
        } else if !is_same(name, "Content-Length") {
            line(&mut out, name, value);
        }
    }
    if !product.is_empty() && value_of(&response.headers, "Server").is_none() {
        line(&mut out, "Server", product);
    }
    finish(out, &response.body)
}

/// About as many as the header lines will have, with the first line and what is added.
fn octets_of(headers: &[(String, String)]) -> usize {
    let lines = headers.iter().map(|(name, value)| name.len() + value.len() + 4);
    lines.sum::<usize>() + 256
}

/// The fields of the builders are public: what did not come through `header()` is cleaned here.
fn line(out: &mut String, name: &str, value: &str) {
    if name.is_empty() || !name.bytes().all(is_token) {
        return;
    }
    out.push_str(name);
    out.push_str(": ");
    match has_control(value) {
        true => out.push_str(&without_line_ends(value)),
        false => out.push_str(value),
    }
    out.push_str("\r\n");
}

fn finish(mut out: String, body: &[u8]) -> Vec<u8> {
    line(&mut out, "Content-Length", &body.len().to_string());
    out.push_str("\r\n");
    let mut octets = out.into_bytes();
    octets.extend_from_slice(body);
    octets
}
