//! What attackers send.

use std::net::SocketAddr;

/// A message of an attacker's: methods in turn, a new user each time, and every third one damaged.
#[allow(dead_code, reason = "not every bench that shares this module attacks")]
pub fn assault(number: u64, own: SocketAddr) -> Vec<u8> {
    let method = [
        "INVITE",
        "REGISTER",
        "OPTIONS",
        "SUBSCRIBE",
        "BYE",
        "CANCEL",
        "MESSAGE",
        "REFER",
    ][number as usize % 8];
    let text = format!(
        "{method} sip:{}@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{number:x};rport\r\n\
         From: <sip:{}@127.0.0.1>;tag={number}\r\nTo: <sip:{}@127.0.0.1>\r\nCall-ID: flood-{number}\r\n\
         CSeq: 1 {method}\r\nContact: <sip:x@{own}>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        100 + number % 900,
        100 + number % 900,
        100 + number % 900,
    );
    let mut octets = text.into_bytes();
    let place = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as usize % octets.len();
    match number % 9 {
        0 => octets[place] = (number >> 3) as u8,
        3 => octets.truncate(place),
        6 => octets
            .splice(place..place, std::iter::repeat_n(b'A', 1500))
            .for_each(drop),
        _ => {}
    }
    octets
}
