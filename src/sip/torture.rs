//! Highlights of RFC 4475, retyped with its section numbers, and the corpus for `fuzz_message`.

use super::*;

include!("../../tests/torture/corpus.rs");

/// Every message of RFC 4475 and RFC 5118, as octets.
pub(super) fn samples() -> Vec<Vec<u8>> {
    [
        include_str!("../../tests/torture/rfc4475.txt"),
        include_str!("../../tests/torture/rfc5118.txt"),
    ]
    .into_iter()
    .flat_map(corpus)
    .map(|sample| sample.octets)
    .collect()
}

/// Line ends become CRLF; `\#XX` becomes that octet.
fn octets(text: &str) -> Vec<u8> {
    let crlf = text.replace('\n', "\r\n");
    let mut out = Vec::new();
    let mut rest = crlf.as_str();
    while let Some((before, after)) = rest.split_once("\\#") {
        out.extend_from_slice(before.as_bytes());
        out.push(u8::from_str_radix(&after[..2], 16).unwrap());
        rest = &after[2..];
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

fn parse(text: &str) -> Message {
    Message::parse(&octets(text)).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// RFC 4475 §3.1.1.1 (wsinv).
const SHORT_TORTUROUS: &str = r#"INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0
TO :
 sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n
from   : "J Rosenberg \\\""       <sip:jdrosen@example.com>
  ;
  tag = 98asjd8
MaX-fOrWaRdS: 0068
Call-ID: wsinv.ndaksdj@192.0.2.1
Content-Length   : 150
cseq: 0009
  INVITE
Via  : SIP  /   2.0
 /UDP
    192.0.2.2;branch=390skdjuw
s :
NewFangledHeader:   newfangled value
 continued newfangled value
UnknownHeaderWithUnusualValue: ;;,,;;,;
Content-Type: application/sdp
Route:
 <sip:services.example.com;lr;unknownwith=value;unknown-no-value>
v:  SIP  / 2.0  / TCP     spindle.example.com   ;
  branch  =   z9hG4bK9ikj8  ,
 SIP  /    2.0   / UDP  192.168.255.111   ; branch=
 z9hG4bK30239
m:"Quoted string \"\"" <sip:jdrosen@example.com> ; newparam =
      newvalue ;
  secondparam ; q = 0.33

v=0
o=mhandley 29739 7272939 IN IP4 192.0.2.3
s=-
c=IN IP4 192.0.2.4
t=0 0
m=audio 49217 RTP/AVP 0 12
m=video 3227 RTP/AVP 31
a=rtpmap:31 LPC
"#;

#[test]
fn rfc_4475_3_1_1_1_a_short_tortuous_invite() {
    let message = parse(SHORT_TORTUROUS);
    assert_eq!(message.to().tag(), Some("1918181833n"));
    assert_eq!(message.from().tag(), Some("98asjd8"));
    assert_eq!(message.from().display.as_deref(), Some("J Rosenberg \\\""));
    assert_eq!(message.cseq(), (9, Method::Invite));
    assert_eq!(message.call_id(), "wsinv.ndaksdj@192.0.2.1");
    assert_eq!(message.header("subject").as_deref(), Some(""));
    assert_eq!(
        message.header("NEWFANGLEDHEADER").as_deref(),
        Some("newfangled value continued newfangled value")
    );
    assert_eq!(message.header_values("Via").len(), 3);
    let contact = message.contact().unwrap();
    assert_eq!(contact.display.as_deref(), Some("Quoted string \"\""));
    assert_eq!(
        (contact.param("newparam"), contact.param("q")),
        (Some("newvalue"), Some("0.33"))
    );
    assert_eq!(message.body().len(), 150);
}

/// RFC 4475 §3.1.1.2 (intmeth), with the control characters of its quoted pairs.
const INT_METHOD: &str = r#"!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0
Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~
To: "BEL:\\#07 NUL:\\#00 DEL:\\#7F" <sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com>
From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%="\#D1\#80\#D0\#B0";tag=_token~1'+`*%!-.
Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\/"][?}{
CSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~
Max-Forwards: 255
extensionHeader-!.%*+_`'~:\#EF\#BB\#BF\#E5\#A4\#A7\#E5\#81\#9C\#E9\#9B\#BB
Content-Length: 0

"#;

#[test]
fn rfc_4475_3_1_1_2_wide_range_of_valid_characters() {
    let message = parse(INT_METHOD);
    assert_eq!(
        message.method().as_str(),
        "!interesting-Method0123456789_*+`.%indeed'~"
    );
    assert_eq!(message.call_id(), "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{");
    assert_eq!(
        message.from().display.as_deref(),
        Some("token1~` token2'+_ token3*%!.-")
    );
    assert_eq!(message.from().tag(), Some("_token~1'+`*%!-."));
    assert_eq!(message.to().display.as_deref(), Some("BEL: NUL: DEL:"));
    assert_eq!(
        message.header("extensionHeader-!.%*+_`'~").as_deref(),
        Some("\u{feff}大停電")
    );
}

/// RFC 4475 §3.1.1.3 and 3.1.1.4 (esc01, escnull), shortened.
const ESCAPED_NULLS: &str = "REGISTER sip:sips%3Auser%40example.com@example.net SIP/2.0
To: sip:null-%00-null@example.com
From: sip:null-%00-null@example.com;tag=839923423
Max-Forwards: 70
Call-ID: escnull.39203ndfvkjdasfkq3w4otrq0adsfdfnavd
CSeq: 14398234 REGISTER
Via: SIP/2.0/UDP host5.example.com;branch=z9hG4bKkdjuw
Contact: <sip:%00@host5.example.com>
Contact: <sip:%00%00@host5.example.com>
L:0

";

#[test]
fn rfc_4475_3_1_1_4_escaped_nulls_are_data_and_cannot_leave_through_a_header() {
    let message = parse(ESCAPED_NULLS);
    let to = message.to();
    assert_eq!(to.uri.user().as_deref(), Some("null-\0-null"));
    let header = Request::new(Method::Options, "sip:x").header("X", to.uri.user().unwrap());
    assert_eq!(header.header_value("X"), Some("null--null"));
    assert_eq!(message.header_lines("Contact").len(), 2);
}

/// RFC 4475 §3.1.2.1 (badinv01).
const BAD_VIA: &str = "INVITE sip:user@example.com SIP/2.0
To: sip:j.user@example.com
From: sip:caller@example.net;tag=134161461246
Max-Forwards: 7
Call-ID: badinv01.0ha0isndaksdjasdf3234nas
CSeq: 8 INVITE
Via: SIP/2.0/UDP 192.0.2.15;;,;,,
Contact: \"Joe\" <sip:joe@example.org>;;;;
Content-Length: 0

";

#[test]
fn rfc_4475_3_1_2_1_extraneous_separators_are_400() {
    let error = Message::parse(&octets(BAD_VIA)).unwrap_err();
    assert_eq!((error.header, error.status), ("Via", Some(400)));
}

/// RFC 4475 §3.4.1 (inv2543): no branch, no tags.
const NO_BRANCH: &str = "INVITE sip:UserB@example.com SIP/2.0
Via: SIP/2.0/UDP iftgw.example.com
From: <sip:+13035551111@ift.client.example.net;user=phone>
Record-Route: <sip:UserB@example.com;maddr=ss1.example.com>
To: sip:+16505552222@ss1.example.net;user=phone
Call-ID: inv2543.1717@ift.client.example.com
CSeq: 56 INVITE
Content-Type: application/sdp

v=0
o=mhandley 29739 7272939 IN IP4 192.0.2.5
s=-
c=IN IP4 192.0.2.5
t=0 0
m=audio 49217 RTP/AVP 0
";

#[test]
fn rfc_4475_3_4_1_an_rfc_2543_invite_is_accepted() {
    let message = parse(NO_BRANCH);
    assert_eq!(message.from().tag(), None);
    assert_eq!(message.to().uri.as_str(), "sip:+16505552222@ss1.example.net");
    assert_eq!(message.to().param("user"), Some("phone"));
    assert!(message.body().starts_with(b"v=0"));
}

/// RFC 4475 §3.1.1.12 (unreason).
const RESPONSE: &str = "SIP/2.0 200 = 2**3 * 5**2 \u{43d}\u{43e} \u{441}\u{442}\u{43e}
Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923
Call-ID: unreason.1234ksdfak3j2erwedfsASdf
CSeq: 35 INVITE
From: sip:user@example.com;tag=11141343
To: sip:user@example.edu;tag=2229
Content-Length: 0
Contact: <sip:user@host198.example.com>

";

#[test]
fn rfc_4475_3_1_1_12_an_unusual_reason_phrase() {
    let message = parse(RESPONSE);
    assert_eq!(message.status(), Some(200));
    assert_eq!(message.reason_phrase(), Some("= 2**3 * 5**2 но сто"));
}

/// RFC 4475 §3.3.2 and 3.3.3 (unkscm, novelsc).
const OTHER_SCHEME: &str = "OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0
To: <nobodyKnowsThisScheme:totallyopaquecontent>
From: <sip:caller@example.net>;tag=384
Max-Forwards: 3
Call-ID: unkscm.nasdfasser0q239nwsdfasdkl34
CSeq: 3923423 OPTIONS
Via: SIP/2.0/TCP host9.example.com;branch=z9hG4bKkdjuw39234
Content-Length: 0

";

#[test]
fn rfc_4475_3_3_2_an_unknown_scheme_is_for_the_owner_to_refuse() {
    let message = parse(OTHER_SCHEME);
    assert_eq!(message.request_uri(), Some("soap.beep://192.0.2.103:3002"));
    assert_eq!(message.to().uri.scheme(), "nobodyKnowsThisScheme");
}

/// RFC 4475 §3.1.1.9 (dblreq): a second request after the body.
const UNKNOWN_TO: &str = "REGISTER sip:example.com SIP/2.0
To: sip:j.user@example.com
From: sip:j.user@example.com;tag=43251j3j324
Max-Forwards: 8
I: dblreq.0ha0isndaksdj99sdfafnl3lk233412
Contact: sip:j.user@host.example.com
CSeq: 8 REGISTER
Via: SIP/2.0/UDP 192.0.2.125;branch=z9hG4bKkdjuw23492
Content-Length: 0


INVITE sip:joe@example.com SIP/2.0
t: sip:joe@example.com

";

#[test]
fn rfc_4475_3_1_1_9_octets_after_the_message_are_ignored() {
    let message = parse(UNKNOWN_TO);
    assert_eq!(message.body(), b"");
    assert!(message.octets().ends_with(b"Content-Length: 0\r\n\r\n"));
}

#[test]
fn rfc_4475_3_1_2_what_must_be_refused_is_refused() {
    let good = "OPTIONS sip:user@example.com SIP/2.0
To: sip:j.user@example.com
From: sip:caller@example.net;tag=93942939o2
Max-Forwards: 70
Call-ID: c
CSeq: 8 OPTIONS
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKk
Content-Length: 0

";
    parse(good);
    let cases = [
        ("scalar02: CSeq", "CSeq: 8 ", "CSeq: 36893488147419103232 ", 400),
        (
            "scalar02: Max-Forwards",
            "Max-Forwards: 70",
            "Max-Forwards: 300",
            400,
        ),
        (
            "quotbal",
            "To: sip:j.user@example.com",
            "To: \"Mr. J. User <sip:j.user@example.com>",
            400,
        ),
        (
            "ltgtruri",
            "sip:user@example.com SIP",
            "<sip:user@example.com> SIP",
            400,
        ),
        (
            "lwsruri",
            "sip:user@example.com SIP",
            "sip:user@example.com; lr SIP",
            400,
        ),
        ("lwsstart", "OPTIONS sip", "OPTIONS  sip", 400),
        ("trws", "SIP/2.0\nTo", "SIP/2.0  \nTo", 400),
        (
            "badaspec",
            "To: sip:j.user@example.com",
            "To: \"Watson, Thomas\" < sip:t.watson@example.org >",
            400,
        ),
        ("badvers", "SIP/2.0\nTo", "SIP/7.0\nTo", 505),
        ("mismatch01", "8 OPTIONS", "8 INVITE", 400),
        ("mismatch02", "OPTIONS sip", "NEWMETHOD sip", 400),
        ("insuf", "Call-ID: c\n", "", 400),
        ("ncl", "Content-Length: 0", "Content-Length: -999", 400),
        ("clerr", "Content-Length: 0", "Content-Length: 9999", 400),
        (
            "mcl01",
            "Content-Length: 0",
            "Content-Length: 0\nContent-Length: 1",
            400,
        ),
        ("multi01", "Call-ID: c", "Call-ID: c\nCall-ID: d", 400),
    ];
    for (name, from, to, status) in cases {
        assert!(good.contains(from), "{name}");
        let error = Message::parse(&octets(&good.replacen(from, to, 1))).expect_err(name);
        assert_eq!(error.status, Some(status), "{name}: {error}");
    }
}

#[test]
fn every_message_of_both_documents_stands_once_and_breaks_nothing() {
    let texts = [
        include_str!("../../tests/torture/rfc4475.txt"),
        include_str!("../../tests/torture/rfc5118.txt"),
    ];
    let samples: Vec<Sample> = texts.into_iter().flat_map(corpus).collect();
    let names: std::collections::BTreeSet<_> = samples.iter().map(|sample| sample.name).collect();
    assert_eq!((samples.len(), names.len()), (61, 61));
    for sample in &samples {
        assert!(sample.section.starts_with(['3', '4']), "{}", sample.section);
        fuzz_message(&sample.octets);
    }
}
