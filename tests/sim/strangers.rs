//! What comes beside the calls: probes, leftovers, noise, and people we do not know.

use std::net::SocketAddr;

use crate::chance::Chance;
use crate::wire;

/// Nobody at this address is ever answered.
pub fn unknown() -> SocketAddr {
    SocketAddr::new([198, 51, 100, 66].into(), 5060)
}

/// One datagram, and whom it is from.
pub fn say(chance: &mut Chance) -> (SocketAddr, Vec<u8>) {
    let trunk = SocketAddr::new([203, 0, 113, 99].into(), 5060);
    let phone = SocketAddr::new([10, 0, 0, 5].into(), 5060);
    let number = chance.below(1 << 32);
    let request = |method: &str, from: SocketAddr, to_tag: &str, call_id: &str| {
        let headers = [
            ("Via", format!("SIP/2.0/UDP {from};branch=z9hG4bKprobe{number}")),
            ("Max-Forwards", "70".into()),
            ("From", format!("<sip:probe@{from}>;tag=probe{number}")),
            ("To", format!("<sip:10.0.0.1:5060>{to_tag}")),
            ("Call-ID", call_id.to_string()),
            ("CSeq", format!("7 {method}")),
            ("Contact", format!("<sip:probe@{from}>")),
        ];
        wire::write(
            &format!("{method} sip:+12125550100@10.0.0.1:5060 SIP/2.0"),
            &headers,
            None,
        )
    };
    let call_id = format!("probe-{number}");
    let method = chance.pick(&[
        "OPTIONS", "BYE", "CANCEL", "ACK", "INFO", "REGISTER", "REFER", "TELEPORT",
    ]);
    match chance.below(8) {
        0 => (unknown(), request("INVITE", unknown(), "", &call_id)),
        1 => (trunk, request(method, trunk, "", &call_id)),
        2 => (trunk, request(method, trunk, ";tag=0123456789abcdef", &call_id)),
        // A phone may not call; and this Call-ID looks like one of ours.
        3 => (
            phone,
            request(
                "INVITE",
                phone,
                "",
                &format!("rw{:04x}-probe{number}", chance.below(70_000)),
            ),
        ),
        4 => (trunk, b"\r\n\r\n".to_vec()),
        5 => (
            trunk,
            (0..chance.below(600)).map(|_| chance.below(256) as u8).collect(),
        ),
        6 => {
            let text = format!(
                "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK{number:016x}\r\nFrom: <sip:a@b>;tag=1\r\n\
                 To: <sip:c@d>;tag=2\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\nContact: <sip:c@d>\r\nContent-Length: 0\r\n\r\n"
            );
            (phone, text.into_bytes())
        }
        _ => {
            // An INVITE cut short.
            let mut octets = request("INVITE", trunk, "", &call_id);
            octets.truncate(chance.below(octets.len() as u64) as usize);
            (trunk, octets)
        }
    }
}
