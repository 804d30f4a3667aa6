//! Refer-To, Replaces and the piece of a message that a NOTIFY about a REFER carries (RFC 3515, RFC 3891, RFC 3420).

use super::message::Message;
use super::name_addr::NameAddr;
use super::params::Params;
use super::uri::{Uri, decode};

/// Where a REFER wants the other party to go.
///
/// Of the headers that a URI may carry along (RFC 3261 §19.1.1) only Replaces is read. Everything else is left out:
/// whoever refers must not write headers of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferTo {
    /// Without headers and without `method`.
    pub uri: Uri,
    /// The dialog that the new call takes the place of: an attended transfer (RFC 5589 §7).
    pub replaces: Option<Replaces>,
}

/// Which dialog a new INVITE takes the place of (RFC 3891 §6.1), as the one who receives it knows it:
/// `to_tag` is his own tag, `from_tag` his peer's.
#[derive(Clone, PartialEq, Eq)]
pub struct Replaces {
    pub call_id: String,
    pub to_tag: String,
    pub from_tag: String,
    /// Only while that dialog is not yet confirmed.
    pub is_early_only: bool,
}

/// What is wrong with a Refer-To.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferFault {
    /// Missing, more than one, or not readable (400).
    Malformed,
    /// Not sip: or tel: (416).
    Scheme,
    /// It asks for something else than a call (`method=BYE`).
    Method,
}

impl ReferTo {
    /// The one Refer-To of a REFER (RFC 3515 §2.4.1: exactly one).
    ///
    /// # Errors
    ///
    /// [`ReferFault`]. A Replaces that cannot be read is [`ReferFault::Malformed`]: leaving it out would make another
    /// call than the one that was meant.
    pub fn of(request: &Message) -> Result<ReferTo, ReferFault> {
        let lines = request.header_lines("Refer-To");
        let [line] = lines.as_slice() else {
            return Err(ReferFault::Malformed);
        };
        let address = NameAddr::parse(line).map_err(|_| ReferFault::Malformed)?;
        let written = &address.uri;
        if !written.is_tel() && !written.scheme().eq_ignore_ascii_case("sip") {
            return Err(ReferFault::Scheme);
        }
        if written
            .param("method")
            .is_some_and(|method| !method.eq_ignore_ascii_case("INVITE"))
        {
            return Err(ReferFault::Method);
        }
        let mut replaces = None;
        for pair in written.headers().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !decode(name).eq_ignore_ascii_case("Replaces") {
                continue;
            }
            let read = Replaces::parse(&decode(value)).ok_or(ReferFault::Malformed)?;
            if replaces.replace(read).is_some() {
                return Err(ReferFault::Malformed);
            }
        }
        let uri = Uri::parse(written.without_headers()).map_err(|_| ReferFault::Malformed)?;
        Ok(ReferTo { uri, replaces })
    }
}

impl Replaces {
    /// A header value. `None` without Call-ID or one of the two tags.
    pub fn parse(value: &str) -> Option<Replaces> {
        let (call_id, params) = value.split_at(value.find(';')?);
        let mut replaces = Replaces {
            call_id: call_id.trim().to_string(),
            to_tag: String::new(),
            from_tag: String::new(),
            is_early_only: false,
        };
        for param in Params::new(params) {
            let (name, value) = param.ok()?;
            match name.to_ascii_lowercase().as_str() {
                "to-tag" => replaces.to_tag = value?.to_string(),
                "from-tag" => replaces.from_tag = value?.to_string(),
                "early-only" => replaces.is_early_only = true,
                _ => {}
            }
        }
        let is_plain = |text: &str| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_graphic());
        let is_whole = [&replaces.call_id, &replaces.to_tag, &replaces.from_tag]
            .into_iter()
            .all(|part| is_plain(part));
        is_whole.then_some(replaces)
    }

    /// The value of a Replaces header.
    pub fn value(&self) -> String {
        let early = if self.is_early_only { ";early-only" } else { "" };
        format!(
            "{};to-tag={};from-tag={}{early}",
            self.call_id, self.to_tag, self.from_tag
        )
    }
}

/// Tags are what makes a dialog somebody's own: not for logs.
impl std::fmt::Debug for Replaces {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Replaces({} octets of Call-ID)", self.call_id.len())
    }
}

/// Type of the body of a NOTIFY about a REFER (RFC 3515 §2.4.5).
pub const SIPFRAG: &str = "message/sipfrag;version=2.0";

/// How far the call that was asked for has come, as such a body says it: a status line and nothing else.
pub fn fragment(status: u16, phrase: &str) -> Vec<u8> {
    format!("SIP/2.0 {status} {phrase}\r\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refer(lines: &str) -> Message {
        let text = format!(
            "REFER sip:gw SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nf: <sip:a@h>;tag=1\r\nt: <sip:b@h>;tag=2\r\n\
             i: x\r\nCSeq: 7 REFER\r\n{lines}l: 0\r\n\r\n"
        );
        Message::parse(text.as_bytes()).unwrap()
    }

    fn check(lines: &str, expected: Result<(&str, Option<&str>), ReferFault>) {
        let found = ReferTo::of(&refer(lines));
        let found = found.map(|to| (to.uri.to_string(), to.replaces.map(|replaces| replaces.value())));
        let expected = expected.map(|(uri, replaces)| (uri.to_string(), replaces.map(str::to_string)));
        assert_eq!(found, expected, "{lines}");
    }

    #[test]
    fn a_refer_to_is_read_in_every_spelling() {
        check("Refer-To: <sip:102@gw>\r\n", Ok(("sip:102@gw", None)));
        check(
            "r: \"Sales\" <sip:102@gw;user=phone>;x=y\r\n",
            Ok(("sip:102@gw;user=phone", None)),
        );
        check("r: tel:+12125550100\r\n", Ok(("tel:+12125550100", None)));
        check(
            "r: <sip:102@gw;method=INVITE>\r\n",
            Ok(("sip:102@gw;method=INVITE", None)),
        );
    }

    #[test]
    fn of_the_headers_in_a_refer_to_only_replaces_is_read() {
        check(
            "r: <sip:102@gw?P-Asserted-Identity=%3Csip:bank@x%3E&Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2&Subject=x>\r\n",
            Ok(("sip:102@gw", Some("a@b;to-tag=1;from-tag=2"))),
        );
        check(
            "r: <sip:102@gw?replaces=a%3bfrom-tag%3d2%3bearly-only%3bto-tag%3d1>\r\n",
            Ok(("sip:102@gw", Some("a;to-tag=1;from-tag=2;early-only"))),
        );
    }

    #[test]
    fn what_cannot_be_a_transfer_says_why() {
        check("", Err(ReferFault::Malformed));
        check(
            "r: <sip:1@gw>\r\nRefer-To: <sip:2@gw>\r\n",
            Err(ReferFault::Malformed),
        );
        check("r: <sip:1@gw>, <sip:2@gw>\r\n", Err(ReferFault::Malformed));
        check("r: <sip:1@gw?Replaces=a>\r\n", Err(ReferFault::Malformed));
        check(
            "r: <sip:1@gw?Replaces=a%3Bto-tag%3D1%3Bfrom-tag%3D2&Replaces=b%3Bto-tag%3D1%3Bfrom-tag%3D2>\r\n",
            Err(ReferFault::Malformed),
        );
        check("r: <http://example.com>\r\n", Err(ReferFault::Scheme));
        check("r: <sips:1@gw>\r\n", Err(ReferFault::Scheme));
        check("r: <sip:1@gw;method=BYE>\r\n", Err(ReferFault::Method));
    }

    #[test]
    fn a_replaces_needs_a_call_id_and_both_tags() {
        for value in [
            "",
            "a",
            "a;to-tag=1",
            "a;from-tag=1",
            ";to-tag=1;from-tag=2",
            "a;to-tag;from-tag=2",
        ] {
            assert_eq!(Replaces::parse(value), None, "{value}");
        }
        let replaces = Replaces::parse("425928@bobster.example ;to-tag=7743;from-tag=6472;x=y").unwrap();
        assert_eq!(
            replaces.value(),
            "425928@bobster.example;to-tag=7743;from-tag=6472"
        );
        assert!(!format!("{replaces:?}").contains("7743"));
    }
}
