//! A target answers 3xx: where it may send the call (RFC 3261 §8.1.3.4, §21.3).
//!
//! The list of a queue says who may be rung, and whoever can answer for one of its phones can write a Contact. So a
//! redirection is followed only as [`Redirects`] allows; without a word in the configuration to what the queue rings
//! anyhow, and to names (never numbers) at its hosts. Headers that a Contact carries are dropped.

use crate::queue::{self, Redirects};
use crate::registrar;
use crate::route::Target;
use crate::sip::{Flow, Message, NameAddr, Uri};

use super::limits::{CONTACTS_MAX, TARGET_OCTETS_MAX};
use super::routes::Routes;

/// Somewhere a request can go.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The Request-URI.
    pub(crate) uri: String,
    /// Where it is sent.
    pub(crate) target: Target,
    /// 305: the proxy on the way, as a Route value.
    pub(crate) route: Option<String>,
    /// Who sent the call here, as a Diversion value (RFC 5806).
    pub(crate) diversion: Option<String>,
    /// The way by which a registered phone is reached, whatever its URI says.
    pub(crate) flow: Option<Flow>,
}

impl Place {
    /// A target of the configuration. `None` when nothing can be sent to it.
    pub(crate) fn of(uri: &str) -> Option<Place> {
        Some(Place {
            uri: uri.to_string(),
            target: Target::of(&Uri::parse(uri).ok()?)?,
            route: None,
            diversion: None,
            flow: None,
        })
    }

    /// Where a device has registered.
    pub(crate) fn of_device(place: &registrar::Place) -> Option<Place> {
        Some(Place {
            flow: Some(place.flow),
            ..Place::of(&place.uri)?
        })
    }

    /// What must not come twice in one attempt.
    pub(crate) fn key(&self) -> String {
        match &self.route {
            Some(route) => format!("{} {route}", self.uri),
            None => self.uri.clone(),
        }
    }
}

/// What came of a 3xx.
#[derive(Debug, Default)]
pub(crate) struct Redirection {
    /// Where to go on, in order.
    pub(crate) places: Vec<Place>,
    /// Contacts that the configuration does not let us follow.
    pub(crate) refused: usize,
}

/// The Contacts of a 3xx that may be followed, the one with the highest q first. 380 has none: what it offers instead
/// stands in its body, for people.
pub(crate) fn follow(
    response: &Message,
    from: &Place,
    config: &queue::Config,
    routes: &Routes,
) -> Redirection {
    let status = response.status().unwrap_or_default();
    let mut found = Redirection::default();
    if status == 380 || config.reach.redirects == Redirects::Off {
        found.refused = usize::from(config.reach.redirects == Redirects::Off);
        return found;
    }
    let mut contacts: Vec<(u16, Uri)> = Vec::new();
    for value in response.header_values("Contact").into_iter().take(CONTACTS_MAX) {
        let Ok(contact) = NameAddr::parse(&value) else {
            continue;
        };
        let q = contact.param("q").map_or(1000, thousandths);
        contacts.push((q, contact.uri));
    }
    // Stable: equals stay in their order.
    contacts.sort_by_key(|(q, _)| std::cmp::Reverse(*q));
    for (_, uri) in contacts {
        match place(status, &uri, from, config, routes) {
            Some(place) => found.places.push(place),
            None => found.refused += 1,
        }
    }
    found
}

fn place(status: u16, uri: &Uri, from: &Place, config: &queue::Config, routes: &Routes) -> Option<Place> {
    let text = uri.as_str();
    // What follows "?" are headers for the new request: not from a phone.
    let text = text.split('?').next().unwrap_or(text);
    if text.len() > TARGET_OCTETS_MAX {
        return None;
    }
    let uri = Uri::parse(text).ok()?;
    let target = Target::of(&uri)?;
    let is_proxy = status == 305;
    let is_allowed = match config.reach.redirects {
        Redirects::Off => false,
        Redirects::Any => true,
        // A proxy is only a way: whom the request is for stays what it was.
        Redirects::Targets => is_host_of(&target, config, routes) && (is_proxy || is_no_number(&uri, config)),
    };
    if !is_allowed {
        return None;
    }
    if is_proxy {
        return Some(Place {
            uri: from.uri.clone(),
            target,
            route: Some(format!("<{text};lr>").replace(";lr;lr>", ";lr>")),
            diversion: from.diversion.clone(),
            flow: None,
        });
    }
    let reason = match status {
        301 => "unconditional",
        302 => "deflection",
        _ => "unknown",
    };
    Some(Place {
        uri: text.to_string(),
        target,
        route: None,
        diversion: Some(format!("<{}>;reason={reason};counter=1", from.uri)),
        flow: None,
    })
}

/// The host of one of the queue's targets: the same name, or an address it has.
fn is_host_of(target: &Target, config: &queue::Config, routes: &Routes) -> bool {
    let address = target.literal().map(|literal| literal.address.ip());
    let own = config.targets.iter().filter_map(|own| Place::of(own));
    own.into_iter().any(|own| {
        let has_address = |address| {
            let all = routes.all(&own.target);
            all.iter().any(|candidate| candidate.address.ip() == address)
        };
        own.target.host() == target.host() || address.is_some_and(has_address)
    })
}

/// A user that is rung anyhow, or one that no dial plan could take for a number: it begins with a letter and is made of
/// letters, digits, dots, dashes and underlines, with fewer than four digits.
fn is_no_number(uri: &Uri, config: &queue::Config) -> bool {
    let Some(user) = uri.user() else { return true };
    let is_own = config
        .targets
        .iter()
        .any(|own| Uri::parse(own).is_ok_and(|own| own.user().as_deref() == Some(&*user)));
    let is_name = user.starts_with(|c: char| c.is_ascii_alphabetic())
        && user
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && user.bytes().filter(u8::is_ascii_digit).count() < 4;
    let is_phone = uri
        .param("user")
        .is_some_and(|kind| kind.eq_ignore_ascii_case("phone"));
    is_own || (is_name && !is_phone)
}

/// A q value (RFC 3261 §20.10) in thousandths; what cannot be read is 0.
fn thousandths(q: &str) -> u16 {
    let (whole, fraction) = q.trim().split_once('.').unwrap_or((q.trim(), ""));
    let is_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    match whole {
        "1" if fraction.bytes().all(|b| b == b'0') => 1000,
        "0" | "" if is_digits(fraction) && fraction.len() <= 3 => {
            format!("{fraction:0<3}").parse().unwrap_or(0)
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::queue::{Overflow, Reach, Strategy};

    fn config(redirects: Redirects) -> queue::Config {
        queue::Config {
            name: "desk".into(),
            numbers: vec!["*".into()],
            strategy: Strategy::RingAll,
            targets: ["sip:201@pbx.example.com", "sip:anna@10.0.0.5:5070"]
                .map(str::to_string)
                .to_vec(),
            ring: Duration::from_secs(20),
            overflow: Overflow::Reject,
            service: queue::Service::default(),
            reach: Reach {
                redirects,
                ..Reach::default()
            },
        }
    }

    fn response(status: u16, contacts: &[&str]) -> Message {
        let mut text = format!(
            "SIP/2.0 {status} Elsewhere\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
             To: <sip:c@d>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n"
        );
        for contact in contacts {
            text += &format!("Contact: {contact}\r\n");
        }
        text += "Content-Length: 0\r\n\r\n";
        Message::parse(text.as_bytes()).unwrap()
    }

    fn routes() -> Routes {
        Routes::new(&[], &[], &[])
    }

    fn followed(status: u16, contacts: &[&str], redirects: Redirects) -> (String, usize) {
        let from = Place::of("sip:anna@10.0.0.5:5070").unwrap();
        let found = follow(&response(status, contacts), &from, &config(redirects), &routes());
        let uris: Vec<String> = found.places.iter().map(|place| place.uri.clone()).collect();
        (uris.join(" "), found.refused)
    }

    #[test]
    fn contacts_are_followed_in_the_order_of_q() {
        let contacts = [
            "<sip:low@10.0.0.5>;q=0.1, <sip:first@10.0.0.5>",
            "<sip:half@10.0.0.5>;q=0.55",
            "<sip:also@10.0.0.5>;q=1.0",
            "<sip:odd@10.0.0.5>;q=x",
        ];
        assert_eq!(
            followed(302, &contacts, Redirects::Targets).0,
            "sip:first@10.0.0.5 sip:also@10.0.0.5 sip:half@10.0.0.5 sip:low@10.0.0.5 sip:odd@10.0.0.5"
        );
    }

    #[test]
    fn by_default_a_phone_cannot_send_a_call_to_a_number_or_to_strangers() {
        let allowed = |contact: &str| followed(302, &[contact], Redirects::Targets).1 == 0;
        for contact in [
            "<sip:201@pbx.example.com>",
            "<sip:201@10.0.0.5:5070>",
            "<sip:voicemail@PBX.example.com;transport=tcp>",
            "<sip:desk-2@10.0.0.5>",
            "<sip:pbx.example.com>",
        ] {
            assert!(allowed(contact), "{contact}");
        }
        for contact in [
            "<sip:+19005551234@pbx.example.com>",
            "<sip:9005551234@pbx.example.com;user=phone>",
            "<sip:911@pbx.example.com>",
            "<sip:*72@pbx.example.com>",
            "<sip:%2B19005551234@pbx.example.com>",
            "<sip:a9005551234@pbx.example.com>",
            "<sip:anna@evil.example>",
            "<sip:anna@10.0.0.6>",
            "<tel:+19005551234>",
            "<sip:anna@pbx.example.com;maddr=203.0.113.9>",
            "<sip:premium@pbx.example.com;user=phone>",
        ] {
            assert!(!allowed(contact), "{contact}");
        }
    }

    #[test]
    fn what_is_configured_decides() {
        let contact = ["<sip:+19005551234@elsewhere.example>"];
        assert_eq!(followed(302, &contact, Redirects::Off), (String::new(), 1));
        assert_eq!(followed(302, &contact, Redirects::Targets), (String::new(), 1));
        assert_eq!(
            followed(302, &contact, Redirects::Any),
            ("sip:+19005551234@elsewhere.example".into(), 0)
        );
        assert_eq!(
            followed(302, &["<tel:+19005551234>"], Redirects::Any),
            (String::new(), 1)
        );
    }

    #[test]
    fn headers_in_a_contact_are_dropped() {
        assert_eq!(
            followed(
                302,
                &["<sip:voicemail@pbx.example.com?Replaces=x%40y&P-Asserted-Identity=z>"],
                Redirects::Any
            )
            .0,
            "sip:voicemail@pbx.example.com"
        );
    }

    #[test]
    fn a_proxy_is_only_a_way_and_an_alternative_service_is_for_people() {
        let from = Place::of("sip:anna@10.0.0.5:5070").unwrap();
        let found = follow(
            &response(305, &["<sip:pbx.example.com>"]),
            &from,
            &config(Redirects::Targets),
            &routes(),
        );
        assert_eq!(found.places[0].uri, "sip:anna@10.0.0.5:5070");
        assert_eq!(found.places[0].route.as_deref(), Some("<sip:pbx.example.com;lr>"));
        assert_eq!(found.places[0].target.to_string(), "sip:pbx.example.com");
        assert_eq!(
            followed(380, &["<sip:201@pbx.example.com>"], Redirects::Any),
            (String::new(), 0)
        );
    }

    #[test]
    fn the_new_place_is_told_who_sent_the_call() {
        let from = Place::of("sip:anna@10.0.0.5:5070").unwrap();
        let found = follow(
            &response(302, &["<sip:bob@10.0.0.5>"]),
            &from,
            &config(Redirects::Targets),
            &routes(),
        );
        assert_eq!(
            found.places[0].diversion.as_deref(),
            Some("<sip:anna@10.0.0.5:5070>;reason=deflection;counter=1")
        );
    }
}
