//! Dialogs from both sides.

use super::*;

fn message(text: &str) -> Message {
    let octets = text.replace('\n', "\r\n");
    Message::parse(octets.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn invite(extra: &str) -> Message {
    message(&format!(
        "INVITE sip:us@192.0.2.9 SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\n{extra}\
         From: \"A\" <sip:a@h>;tag=peer\nTo: <sip:us@h>\nCall-ID: c\nCSeq: 10 INVITE\n\n"
    ))
}

fn in_dialog(method: &str, cseq: u32, extra: &str) -> Message {
    message(&format!(
        "{method} sip:us@192.0.2.9 SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK{cseq}\n{extra}\
         From: <sip:a@h>;tag=peer\nTo: <sip:us@h>;tag=ours\nCall-ID: c\nCSeq: {cseq} {method}\n\n"
    ))
}

fn response(status: u16, method: &str, to_tag: &str, extra: &str) -> Message {
    message(&format!(
        "SIP/2.0 {status} X\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\n{extra}\
         From: <sip:us@h>;tag=ours\nTo: <sip:b@h>{to_tag}\nCall-ID: c\nCSeq: 5 {method}\n\n"
    ))
}

fn sent_invite() -> Request {
    Request::new(Method::Invite, "sip:b@192.0.2.20")
        .header("From", "<sip:us@h>;tag=ours")
        .header("To", "<sip:b@h>")
        .header("Call-ID", "c")
        .header("CSeq", "5 INVITE")
}

fn values<'a>(request: &'a Request, name: &str) -> Vec<&'a str> {
    let named = request.headers.iter().filter(|(found, _)| found == name);
    named.map(|(_, value)| value.as_str()).collect()
}

const CONTACT: &str = "Contact: <sip:a@192.0.2.1:5070>\n";
const OURS: &str = "<sip:gw@192.0.2.9>";

#[test]
fn the_called_side_answers_by_the_record_route_in_its_order() {
    let routes = "Record-Route: <sip:192.0.2.2;lr>, <sip:p1.example;lr>\nRecord-Route: <sip:p0.example;lr>\n";
    let mut dialog = Dialog::as_server(&invite(&format!("{routes}{CONTACT}")), "ours", OURS).unwrap();
    let bye = dialog.request(Method::Bye);
    assert_eq!(bye.uri, "sip:a@192.0.2.1:5070");
    assert_eq!(
        values(&bye, "Route"),
        ["<sip:192.0.2.2;lr>", "<sip:p1.example;lr>", "<sip:p0.example;lr>"]
    );
    assert_eq!(values(&bye, "From"), ["<sip:us@h>;tag=ours"]);
    assert_eq!(values(&bye, "To"), ["\"A\" <sip:a@h>;tag=peer"]);
    assert_eq!(values(&bye, "CSeq"), ["1 BYE"]);
    assert_eq!(values(&bye, "Contact"), [""; 0]);
    assert_eq!(
        dialog.next_hop(),
        Some((Transport::Udp, "192.0.2.2:5060".parse().unwrap()))
    );
    let update = dialog.request(Method::Update);
    assert_eq!(values(&update, "CSeq"), ["2 UPDATE"]);
    assert_eq!(values(&update, "Contact"), [OURS]);
}

#[test]
fn the_calling_side_reverses_the_record_route() {
    let extra =
        "Record-Route: <sip:p2.example;lr>, <sip:192.0.2.3;lr;transport=tcp>\nContact: <sip:b@192.0.2.30>\n";
    let answer = response(200, "INVITE", ";tag=peer", extra);
    let mut dialog = Dialog::as_client(&sent_invite(), &answer, OURS).unwrap();
    assert!(dialog.is_confirmed());
    assert_eq!(
        (dialog.sip_call_id(), dialog.local_tag(), dialog.remote_tag()),
        ("c", "ours", "peer")
    );
    let info = dialog.request(Method::Info);
    assert_eq!(
        values(&info, "Route"),
        ["<sip:192.0.2.3;lr;transport=tcp>", "<sip:p2.example;lr>"]
    );
    assert_eq!(values(&info, "CSeq"), ["6 INFO"]);
    assert_eq!(
        dialog.next_hop(),
        Some((Transport::Tcp, "192.0.2.3:5060".parse().unwrap()))
    );
    let ack = dialog.ack(5);
    assert_eq!(
        (values(&ack, "CSeq"), values(&ack, "Route").len()),
        (vec!["5 ACK"], 2)
    );
    assert_eq!(dialog.local_cseq(), 6, "an ACK does not count");
}

#[test]
fn a_strict_router_gets_the_request_uri_and_the_target_goes_last() {
    let routes = "Record-Route: <sip:strict.example>, <sip:p1.example;lr>\n";
    let mut dialog = Dialog::as_server(&invite(&format!("{routes}{CONTACT}")), "ours", OURS).unwrap();
    let bye = dialog.request(Method::Bye);
    assert_eq!(bye.uri, "sip:strict.example");
    assert_eq!(
        values(&bye, "Route"),
        ["<sip:p1.example;lr>", "<sip:a@192.0.2.1:5070>"]
    );
}

#[test]
fn requests_out_of_order_are_500_and_an_ack_is_not_counted() {
    let mut dialog = Dialog::as_server(&invite(CONTACT), "ours", OURS).unwrap();
    assert_eq!(dialog.on_request(&in_dialog("ACK", 10, "")), Ok(()));
    assert!(dialog.is_confirmed());
    assert_eq!(dialog.on_request(&in_dialog("INFO", 12, "")), Ok(()));
    assert_eq!(dialog.on_request(&in_dialog("INFO", 11, "")), Err(500));
    assert_eq!(dialog.on_request(&in_dialog("ACK", 10, "")), Ok(()));
    assert_eq!(dialog.on_request(&in_dialog("BYE", 13, "")), Ok(()));
}

#[test]
fn a_re_invite_or_update_moves_the_remote_target_and_info_does_not() {
    let mut dialog = Dialog::as_server(&invite(CONTACT), "ours", OURS).unwrap();
    let mut take = |request: &Message| {
        dialog.on_request(request).unwrap();
        let before = dialog.remote_target().to_string();
        dialog.accept(request);
        (before, dialog.remote_target().to_string())
    };
    let moved = |before: &str, after: &str| (before.to_string(), after.to_string());
    let (first, second) = ("sip:a@192.0.2.1:5070", "sip:a@192.0.2.77");
    assert_eq!(
        take(&in_dialog("INFO", 11, "Contact: <sip:x@192.0.2.66>\n")),
        moved(first, first)
    );
    assert_eq!(
        take(&in_dialog("INVITE", 12, "Contact: <sip:a@192.0.2.77>\n")),
        moved(first, second),
        "not before it is accepted"
    );
    assert_eq!(take(&in_dialog("UPDATE", 13, "")), moved(second, second));
    assert_eq!(
        dialog.next_hop(),
        Some((Transport::Udp, "192.0.2.77:5060".parse().unwrap()))
    );
    dialog
        .on_request(&in_dialog("UPDATE", 9, "Contact: <sip:late@192.0.2.88>\n"))
        .unwrap_err();
    assert_eq!(
        dialog.remote_target(),
        "sip:a@192.0.2.77",
        "a late request moves nothing"
    );
}

#[test]
fn an_early_dialog_takes_its_final_routes_from_the_2xx() {
    let early = response(
        183,
        "INVITE",
        ";tag=peer",
        "Record-Route: <sip:early.example;lr>\n",
    );
    let mut dialog = Dialog::as_client(&sent_invite(), &early, OURS).unwrap();
    assert!(!dialog.is_confirmed());
    assert_eq!(
        dialog.remote_target(),
        "sip:b@192.0.2.20",
        "no Contact: the Request-URI of the INVITE"
    );
    dialog.on_response(&response(
        200,
        "INVITE",
        ";tag=fork",
        "Contact: <sip:other@192.0.2.66>\n",
    ));
    assert!(!dialog.is_confirmed(), "the 2xx of another fork");
    let extra = "Record-Route: <sip:final.example;lr>\nContact: <sip:b@192.0.2.30>\n";
    dialog.on_response(&response(200, "INVITE", ";tag=peer", extra));
    assert!(dialog.is_confirmed());
    let extra = "Record-Route: <sip:never.example;lr>\nContact: <sip:b@192.0.2.31>\n";
    dialog.on_response(&response(200, "UPDATE", ";tag=peer", extra));
    let bye = dialog.request(Method::Bye);
    assert_eq!(bye.uri, "sip:b@192.0.2.31");
    assert_eq!(
        values(&bye, "Route"),
        ["<sip:final.example;lr>"],
        "later responses leave the routes"
    );
}

#[test]
fn a_dialog_owns_what_has_its_call_id_and_both_tags() {
    let dialog = Dialog::as_server(&invite(CONTACT), "ours", OURS).unwrap();
    assert!(dialog.owns(&in_dialog("BYE", 11, "")));
    assert!(!dialog.owns(&invite(CONTACT)));
    let stranger = "BYE sip:x SIP/2.0\nVia: SIP/2.0/UDP h\nFrom: <sip:a@h>;tag=evil\nTo: <sip:us@h>;tag=ours\nCall-ID: c\nCSeq: 11 BYE\n\n";
    assert!(!dialog.owns(&message(stranger)));
}

#[test]
fn a_tel_contact_makes_a_dialog_that_uses_the_flow_of_the_peer() {
    let mut dialog = Dialog::as_server(&invite("Contact: <tel:+14045550123>\n"), "ours", OURS).unwrap();
    assert_eq!(dialog.request(Method::Bye).uri, "tel:+14045550123");
    assert_eq!(dialog.next_hop(), None);
    let named = Dialog::as_server(&invite("Contact: <sip:a@phone.example>\n"), "ours", OURS).unwrap();
    assert_eq!(named.next_hop(), None);
}

#[test]
fn no_contact_no_tag_and_too_many_routes_make_no_dialog() {
    assert_eq!(
        Dialog::as_server(&invite(""), "ours", OURS).unwrap_err().status,
        Some(400)
    );
    let untagged = response(180, "INVITE", "", "");
    assert_eq!(
        Dialog::as_client(&sent_invite(), &untagged, OURS)
            .unwrap_err()
            .header,
        "To"
    );
    let many = format!(
        "{CONTACT}{}",
        "Record-Route: <sip:p;lr>\n".repeat(limits::ROUTES_MAX + 1)
    );
    assert_eq!(
        Dialog::as_server(&invite(&many), "ours", OURS)
            .unwrap_err()
            .header,
        "Record-Route"
    );
}
