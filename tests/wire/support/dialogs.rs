//! SIPp scenarios put together from steps: reliable responses, session refreshes, holds.

use std::path::Path;

use super::Peer;
use super::sipp;

/// A SIPp phone with a scenario of its own.
pub fn phone(folder: &Path, scenario: &str) -> (Peer, u16) {
    sipp::phone_with(folder, scenario)
}

const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8" ?>
<scenario name="steps">
"#;

/// A scenario of these steps. SIPp wants every variable that is assigned to be referred to, and none that is not.
fn scenario(steps: &[&str]) -> String {
    let steps = steps.concat();
    let assigned: Vec<&str> = ["1", "2", "3"]
        .into_iter()
        .filter(|variable| steps.contains(&format!("assign_to=\"{variable}\"")))
        .collect();
    let references = match assigned.is_empty() {
        true => String::new(),
        false => format!("  <Reference variables=\"{}\"/>\n", assigned.join(",")),
    };
    format!("{HEAD}{steps}{references}</scenario>\n")
}

/// A caller who asks with these header lines, and does this between the answer and his BYE.
pub fn caller(extra: &str, steps: &[&str]) -> String {
    let begin = CALLER_BEGIN.replace("EXTRA\n", extra);
    let answered = r#"  <recv response="100" optional="true"/>
  <recv response="180" optional="true"/>
  <recv response="200" rrs="true"/>
"#;
    scenario(&[&begin, answered, CALLER_ACK, &steps.concat(), CALLER_BYE])
}

/// A caller who acknowledges early media, then the answer.
pub fn reliable_caller() -> String {
    let begin = CALLER_BEGIN.replace("EXTRA\n", "Supported: 100rel\n");
    scenario(&[&begin, CALLER_PRACK, CALLER_ACK, CALLER_BYE])
}

/// A phone that answers with these header lines, and does this until it hears BYE.
pub fn answering_phone(extra: &str, steps: &[&str]) -> String {
    let answer = PHONE_ANSWER.replace("EXTRA\n", extra);
    scenario(&[PHONE_RINGS, &answer, &steps.concat(), PHONE_BYE])
}

/// A phone that sends its caller to this number, is told how the phone there rings and answers, and hears BYE.
pub fn referring_phone(number: &str) -> String {
    let answer = PHONE_ANSWER.replace("EXTRA\n", "");
    let refer = PHONE_REFERS.replace("NUMBER", number);
    let told = [("100", "active"), ("180", "active"), ("200", "terminated")].map(|(status, subscription)| {
        PHONE_IS_TOLD
            .replace("STATUS", status)
            .replace("SUBSCRIPTION", subscription)
    });
    scenario(&[PHONE_RINGS, &answer, &refer, &told.concat(), PHONE_BYE])
}

/// A phone whose REFER is refused with a final status over 299.
pub fn refused_phone(number: &str) -> String {
    let answer = PHONE_ANSWER.replace("EXTRA\n", "");
    let refer = PHONE_REFERS
        .replace("NUMBER", number)
        .replace("<recv response=\"202\"/>", "<recv response=\"403\"/>");
    scenario(&[PHONE_RINGS, &answer, &refer, PHONE_BYE])
}

/// A phone with reliable early media.
pub fn reliable_phone() -> String {
    let answer = PHONE_ANSWER.replace("EXTRA\n", "");
    scenario(&[PHONE_RINGS_RELIABLY, &answer, PHONE_BYE])
}

const CALLER_BEGIN: &str = r#"  <send retrans="500"><![CDATA[
INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:+14045550123@[local_ip]:[local_port]>;tag=[pid]a[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>
Max-Forwards: 70
EXTRA
Content-Type: application/sdp
Content-Length: [len]

v=0
o=user1 53655765 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
]]></send>
"#;

const CALLER_PRACK: &str = r#"  <recv response="100" optional="true"/>
  <recv response="183" rrs="true"><action>
    <ereg regexp="[0-9]+" search_in="hdr" header="RSeq:" check_it="true" assign_to="1"/>
    <ereg regexp="100rel" search_in="hdr" header="Require:" check_it="true" assign_to="2"/>
    <ereg regexp="m=audio" search_in="msg" check_it="true" assign_to="3"/>
  </action></recv>
  <send retrans="500"><![CDATA[
PRACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:+14045550123@[local_ip]:[local_port]>;tag=[pid]a[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
[routes]
Call-ID: [call_id]
CSeq: 2 PRACK
RAck: [$1] 1 INVITE
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="200"><action>
    <ereg regexp="2 PRACK" search_in="hdr" header="CSeq:" check_it="true" assign_to="2"/>
  </action></recv>
  <recv response="200" rrs="true"><action>
    <ereg regexp="1 INVITE" search_in="hdr" header="CSeq:" check_it="true" assign_to="2"/>
  </action></recv>
"#;

const CALLER_ACK: &str = r#"  <send><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:+14045550123@[local_ip]:[local_port]>;tag=[pid]a[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
[routes]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
"#;

const CALLER_BYE: &str = r#"  <pause milliseconds="1500"/>
  <send retrans="500"><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:+14045550123@[local_ip]:[local_port]>;tag=[pid]a[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
[routes]
Call-ID: [call_id]
CSeq: 9 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="200"/>
"#;

/// The caller refreshes, and is told for how long.
pub const CALLER_SENDS_UPDATE: &str = r#"  <pause milliseconds="500"/>
  <send retrans="500"><![CDATA[
UPDATE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:+14045550123@[local_ip]:[local_port]>;tag=[pid]a[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
[routes]
Call-ID: [call_id]
CSeq: 2 UPDATE
Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>
Supported: timer
Session-Expires: 90;refresher=uac
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="200"><action>
    <ereg regexp="90;refresher=uac" search_in="hdr" header="Session-Expires:" check_it="true" assign_to="1"/>
  </action></recv>
"#;

/// The gateway refreshes by UPDATE, within a minute.
pub const IS_ASKED_UPDATE: &str = r#"  <recv request="UPDATE" timeout="60000"><action>
    <ereg regexp="90;refresher=uac" search_in="hdr" header="Session-Expires:" check_it="true" assign_to="1"/>
  </action></recv>
  <send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>
Session-Expires: 90;refresher=uac
Content-Length: 0

]]></send>
"#;

/// The other side holds or resumes: followed in its direction, which is `HERE`.
pub fn is_reinvited(here: &str) -> String {
    REINVITED.replace("HERE", here)
}

/// The gateway refreshes by INVITE, within a minute.
pub const PHONE_IS_ASKED_INVITE: &str = REINVITED_WITH_TIMER;

const REINVITED: &str = r#"  <recv request="INVITE" timeout="20000"/>
  <send retrans="500"><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>
Content-Type: application/sdp
Content-Length: [len]

v=0
o=user1 53655765 2 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
a=HERE
]]></send>
  <recv request="ACK"/>
"#;

const REINVITED_WITH_TIMER: &str = r#"  <recv request="INVITE" timeout="60000"><action>
    <ereg regexp="90;refresher=uac" search_in="hdr" header="Session-Expires:" check_it="true" assign_to="3"/>
  </action></recv>
  <send retrans="500"><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:[local_ip]:[local_port];transport=[transport]>
Session-Expires: 90;refresher=uac
Content-Type: application/sdp
Content-Length: [len]

v=0
o=phone 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
]]></send>
  <recv request="ACK"/>
"#;

const PHONE_RINGS: &str = r#"  <recv request="INVITE" rrs="true"><action>
    <ereg regexp=".*" search_in="hdr" header="Via:" check_it="true" assign_to="1"/>
    <ereg regexp=".*" search_in="hdr" header="From:" check_it="true" assign_to="2"/>
  </action></recv>
  <send><![CDATA[
SIP/2.0 180 Ringing
[last_Via:]
[last_From:]
[last_To:];tag=[pid]p[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:[local_ip]:[local_port];transport=[transport]>
Content-Length: 0

]]></send>
  <pause milliseconds="200"/>
"#;

const PHONE_RINGS_RELIABLY: &str = r#"  <recv request="INVITE" rrs="true"><action>
    <ereg regexp=".*" search_in="hdr" header="Via:" check_it="true" assign_to="1"/>
    <ereg regexp="100rel" search_in="hdr" header="Supported:" check_it="true" assign_to="2"/>
  </action></recv>
  <send retrans="500"><![CDATA[
SIP/2.0 183 Session Progress
[last_Via:]
[last_From:]
[last_To:];tag=[pid]p[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:[local_ip]:[local_port];transport=[transport]>
Require: 100rel
RSeq: 4711
Content-Type: application/sdp
Content-Length: [len]

v=0
o=phone 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
]]></send>
  <recv request="PRACK"><action>
    <ereg regexp="4711 1 INVITE" search_in="hdr" header="RAck:" check_it="true" assign_to="3"/>
  </action></recv>
  <send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
  <pause milliseconds="300"/>
"#;

const PHONE_ANSWER: &str = r#"  <send retrans="500"><![CDATA[
SIP/2.0 200 OK
Via:[$1]
[last_From:]
To: <sip:desk@[local_ip]:[local_port]>;tag=[pid]p[call_number]
[last_Call-ID:]
CSeq: 1 INVITE
Contact: <sip:[local_ip]:[local_port];transport=[transport]>
EXTRA
Content-Type: application/sdp
Content-Length: [len]

v=0
o=phone 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
]]></send>
  <recv request="ACK"/>
"#;

/// The phone refreshes, and is told for how long.
pub const PHONE_SENDS_UPDATE: &str = r#"  <pause milliseconds="500"/>
  <send retrans="500"><![CDATA[
UPDATE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:desk@[local_ip]:[local_port]>;tag=[pid]p[call_number]
To:[$2]
Call-ID: [call_id]
CSeq: 7 UPDATE
Contact: <sip:[local_ip]:[local_port];transport=[transport]>
Supported: timer
Session-Expires: 90;refresher=uac
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="200"><action>
    <ereg regexp="90;refresher=uac" search_in="hdr" header="Session-Expires:" check_it="true" assign_to="3"/>
  </action></recv>
"#;

/// The phone says that nothing flows for now, and is answered so.
pub const PHONE_HOLDS: &str = r#"  <pause milliseconds="500"/>
  <send retrans="500"><![CDATA[
INVITE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:desk@[local_ip]:[local_port]>;tag=[pid]p[call_number]
To:[$2]
Call-ID: [call_id]
CSeq: 7 INVITE
Contact: <sip:[local_ip]:[local_port];transport=[transport]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=phone 1 2 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
a=inactive
]]></send>
  <recv response="100" optional="true"/>
  <recv response="200"><action>
    <ereg regexp="a=inactive" search_in="body" check_it="true" assign_to="3"/>
  </action></recv>
  <send><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:desk@[local_ip]:[local_port]>;tag=[pid]p[call_number]
To:[$2]
Call-ID: [call_id]
CSeq: 7 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
"#;

const PHONE_REFERS: &str = r#"  <pause milliseconds="500"/>
  <send retrans="500"><![CDATA[
REFER [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:desk@[local_ip]:[local_port]>;tag=[pid]p[call_number]
To:[$2]
Call-ID: [call_id]
CSeq: 7 REFER
Contact: <sip:[local_ip]:[local_port];transport=[transport]>
Refer-To: <sip:NUMBER@127.0.0.1>
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="202"/>
"#;

/// One NOTIFY that says this (RFC 3515 §2.4.5).
const PHONE_IS_TOLD: &str = r#"  <recv request="NOTIFY" timeout="20000"><action>
    <ereg regexp="SIP/2.0 STATUS" search_in="body" check_it="true" assign_to="3"/>
    <ereg regexp="SUBSCRIPTION" search_in="hdr" header="Subscription-State:" check_it="true" assign_to="3"/>
  </action></recv>
  <send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
"#;

const PHONE_BYE: &str = r#"  <recv request="BYE" timeout="60000"/>
  <send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
"#;
