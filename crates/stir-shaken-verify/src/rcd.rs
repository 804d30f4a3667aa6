//! Rich call data (RFC 9795): who the caller says to be beyond the number, signed with it.
//!
//! Reads the claims `rcd`, `rcdi` and `crn` of a token that is already known to be good, and gives cleaned text or
//! nothing. What is referenced by URL is never fetched here: its digest goes out with the URL, and whoever fetches it
//! asks [`ContentDigest::matches`] before anybody sees it.

use serde_json::{Map, Value};

use crate::canonical;
use crate::clean;
use crate::digest::ContentDigest;
use crate::limits::{CARD_TEXT_CHARS_MAX, RCD_DIGESTS_MAX, RCD_TEXT_CHARS_MAX, RCD_URL_OCTETS_MAX};
use crate::number::NumberRules;
use crate::report::RichCallData;

/// Why nothing of the rich call data is shown. The token stays as good or bad as it is without it (RFC 9795 §6: content
/// that cannot be verified has no influence on the claims that stand in the token itself).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RcdFault {
    #[error("neither rcd nor crn is there")]
    Missing,
    #[error("rcd is not an object")]
    NotAnObject,
    #[error("nam is missing or no text")]
    Name,
    #[error("apn is no canonical telephone number")]
    AlternateNumber,
    #[error("a URL that is not https, or too long")]
    Url,
    #[error("jcd is no jCard")]
    Card,
    #[error("jcd and jcl together")]
    TwoCards,
    #[error("crn is no text")]
    Reason,
    #[error("rcdi is not an object of digests")]
    Integrity,
    #[error("rcdi names something that is not there")]
    Dangling,
    #[error("rcdi leaves out something that is referenced")]
    Uncovered,
    #[error("a digest differs from what it stands for")]
    Differs,
}

/// Reads the claims of a payload (RFC 9795 §5, §6).
///
/// `nam` must be there, empty when there is no name; `jcd` and `jcl` exclude each other; URLs are `https` only. With
/// `rcdi`, everything that is referenced must have a digest, the digest of `jcd` must match now, and the others travel
/// with their URLs. A member that is not registered is passed over (RFC 9795 §12.4 keeps a registry).
///
/// # Errors
///
/// The first fault. Nothing of the data may be shown then, the call reason neither.
pub(crate) fn read(payload: &Map<String, Value>, numbers: &NumberRules) -> Result<RichCallData, RcdFault> {
    let mut data = RichCallData::default();
    match (payload.get("rcd"), payload.get("rcdi")) {
        (Some(rcd), rcdi) => read_rcd(rcd, rcdi, numbers, &mut data)?,
        (None, Some(_)) => return Err(RcdFault::Dangling),
        (None, None) if payload.contains_key("crn") => {}
        (None, None) => return Err(RcdFault::Missing),
    }
    data.reason = match payload.get("crn") {
        Some(Value::String(reason)) => shown(reason, RCD_TEXT_CHARS_MAX),
        Some(_) => return Err(RcdFault::Reason),
        None => None,
    };
    Ok(data)
}

fn read_rcd(
    rcd: &Value,
    rcdi: Option<&Value>,
    numbers: &NumberRules,
    data: &mut RichCallData,
) -> Result<(), RcdFault> {
    let members = rcd.as_object().ok_or(RcdFault::NotAnObject)?;
    data.name = match members.get("nam") {
        Some(Value::String(name)) => shown(name, RCD_TEXT_CHARS_MAX),
        _ => return Err(RcdFault::Name),
    };
    data.alternate_number = match members.get("apn") {
        None => None,
        Some(Value::String(number)) if number.is_empty() => None,
        Some(Value::String(number)) => {
            let number = numbers
                .from_claim(number)
                .map_err(|_| RcdFault::AlternateNumber)?;
            Some(number.digits().to_string())
        }
        Some(_) => return Err(RcdFault::AlternateNumber),
    };
    data.icon = members.get("icn").map(url).transpose()?;
    data.card_url = members.get("jcl").map(url).transpose()?;
    if members.contains_key("jcd") && data.card_url.is_some() {
        return Err(RcdFault::TwoCards);
    }
    let card = members.get("jcd");
    if card.is_some_and(|card| !is_card(card)) {
        return Err(RcdFault::Card);
    }
    if let Some(rcdi) = rcdi {
        check_integrity(rcd, rcdi, data)?;
        data.is_integrity_checked = true;
    }
    data.card = card.map(shown_card);
    Ok(())
}

/// Cleaned; None when nothing is left to show.
fn shown(text: &str, chars_max: usize) -> Option<String> {
    let text = clean::text(text, chars_max);
    (!text.is_empty()).then_some(text)
}

/// An `https` URL with a host, as written (RFC 9795 §5.1.3, §5.1.5).
fn url(value: &Value) -> Result<String, RcdFault> {
    let text = value.as_str().ok_or(RcdFault::Url)?;
    let is_plain = text.len() <= RCD_URL_OCTETS_MAX && text.bytes().all(|octet| octet.is_ascii_graphic());
    let parsed = url::Url::parse(text).map_err(|_| RcdFault::Url)?;
    let is_fetchable = parsed.scheme() == "https"
        && parsed.has_host()
        && parsed.username().is_empty()
        && parsed.password().is_none();
    if is_plain && is_fetchable {
        Ok(text.to_string())
    } else {
        Err(RcdFault::Url)
    }
}

/// `["vcard", [[name, {parameters}, type, value, ..], ..]]` (RFC 7095 §3).
fn is_card(card: &Value) -> bool {
    let is_property = |property: &Value| {
        property.as_array().is_some_and(|parts| {
            parts.len() >= 4 && parts[0].is_string() && parts[1].is_object() && parts[2].is_string()
        })
    };
    match card.as_array().map(Vec::as_slice) {
        Some([Value::String(kind), Value::Array(properties)]) => {
            kind == "vcard" && properties.iter().all(is_property)
        }
        _ => false,
    }
}

/// The card's texts, cleaned. What it references by URL is left out: none of it was fetched, so none of it was checked
/// (telephone numbers and mail addresses are not fetched by anybody).
fn shown_card(card: &Value) -> Value {
    let properties = card[1].as_array().into_iter().flatten();
    let shown: Vec<Value> = properties
        .filter(|property| property[2] != "uri" || is_contact(&property[3]))
        .map(cleaned)
        .collect();
    Value::from(vec![Value::from("vcard"), Value::from(shown)])
}

fn is_contact(value: &Value) -> bool {
    let starts = |text: &str, scheme: &str| {
        text.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    value
        .as_str()
        .is_some_and(|text| starts(text, "tel:") || starts(text, "mailto:"))
}

/// Depth and number of items are bounded where the token was read.
fn cleaned(value: &Value) -> Value {
    match value {
        Value::String(text) => clean::text(text, CARD_TEXT_CHARS_MAX).into(),
        Value::Array(elements) => elements.iter().map(cleaned).collect(),
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(name, value)| (clean::text(name, RCD_TEXT_CHARS_MAX), cleaned(value)));
            Value::Object(members.collect())
        }
        plain => plain.clone(),
    }
}

/// Every digest of `rcdi` against what its JSON pointer (RFC 6901) names in `rcd` (RFC 9795 §6).
fn check_integrity(rcd: &Value, rcdi: &Value, data: &mut RichCallData) -> Result<(), RcdFault> {
    let digests = rcdi.as_object().ok_or(RcdFault::Integrity)?;
    if digests.is_empty() || digests.len() > RCD_DIGESTS_MAX {
        return Err(RcdFault::Integrity);
    }
    for (pointer, digest) in digests {
        let digest: ContentDigest = digest
            .as_str()
            .and_then(|text| text.parse().ok())
            .ok_or(RcdFault::Integrity)?;
        match pointer.as_str() {
            "/icn" if data.icon.is_some() => data.icon_digest = Some(digest),
            "/jcl" if data.card_url.is_some() => data.card_digest = Some(digest),
            // Inside the file that `jcl` names (RFC 9795 §6.4): checked by whoever fetches that file, if anybody does.
            inside if inside.starts_with("/jcl/") && data.card_url.is_some() => {}
            "/jcd" => {
                let card = rcd.get("jcd").ok_or(RcdFault::Dangling)?;
                if !digest.matches(canonical::text(card).as_bytes()) {
                    return Err(RcdFault::Differs);
                }
            }
            // A URL inside the card: its content is not shown, so it is not fetched (RFC 9795 §6 advises just that).
            inside if inside.starts_with("/jcd/") => {
                let target = rcd.pointer(inside).ok_or(RcdFault::Dangling)?;
                url(target)?;
            }
            // `nam` and `apn` stand in the token itself and have no digest (RFC 9795 §6.1).
            _ => return Err(RcdFault::Dangling),
        }
    }
    let is_covered = |name: &str| rcd.get(name).is_none() || digests.contains_key(&format!("/{name}"));
    let links = rcd.get("jcd").map(links).unwrap_or_default();
    if ["icn", "jcd", "jcl"].into_iter().all(is_covered)
        && links.iter().all(|pointer| digests.contains_key(pointer))
    {
        Ok(())
    } else {
        Err(RcdFault::Uncovered)
    }
}

/// JSON pointers, from the root of `rcd`, to the card's values that are URLs of content.
fn links(card: &Value) -> Vec<String> {
    let properties = card[1].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut pointers = Vec::new();
    for (property, parts) in properties.iter().enumerate() {
        let parts = parts.as_array().map(Vec::as_slice).unwrap_or_default();
        if parts.get(2).is_some_and(|kind| kind == "uri") {
            for (place, value) in parts.iter().enumerate().skip(3) {
                let is_https = value
                    .as_str()
                    .and_then(|text| text.get(..6))
                    .is_some_and(|start| start.eq_ignore_ascii_case("https:"));
                if is_https {
                    pointers.push(format!("/jcd/1/{property}/{place}"));
                }
            }
        }
    }
    pointers
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ICON: &str = "https://media.example.com/logo.png";
    const CARD: &str = "https://media.example.com/card.json";

    fn read_json(payload: &Value) -> Result<RichCallData, RcdFault> {
        read(payload.as_object().unwrap(), &NumberRules::new("US").unwrap())
    }

    fn digest(octets: &[u8]) -> String {
        ContentDigest::sha256(octets).to_string()
    }

    fn card() -> Value {
        json!(["vcard", [
            ["version", {}, "text", "4.0"],
            ["fn", {}, "text", "Q \u{202e}Branch"],
            ["org", {}, "text", "MI6;Q Branch Spy Gadgets"],
            ["logo", {}, "uri", "https://example.com/logos/mi6-256x256.jpg"],
            ["tel", {"type": ["voice"]}, "uri", "tel:+1-202-555-1000"]
        ]])
    }

    #[test]
    fn r_01_every_registered_key_is_read() {
        let data = read_json(&json!({
            "rcd": {"nam": "Q Branch Spy Gadgets", "apn": "12025551000", "icn": ICON, "jcl": CARD, "new": {"x": 1}},
            "crn": "For your ears only",
        }))
        .unwrap();
        assert_eq!(data.name.as_deref(), Some("Q Branch Spy Gadgets"));
        assert_eq!(data.alternate_number.as_deref(), Some("12025551000"));
        assert_eq!(
            (data.icon.as_deref(), data.card_url.as_deref()),
            (Some(ICON), Some(CARD))
        );
        assert_eq!(data.reason.as_deref(), Some("For your ears only"));
        assert!(!data.is_integrity_checked);

        let data = read_json(&json!({"rcd": {"nam": "", "apn": "", "jcd": card()}})).unwrap();
        assert_eq!((data.name, data.alternate_number), (None, None));
        assert!(data.card.is_some());
        // A reason alone is enough for a PASSporT of this kind.
        let data = read_json(&json!({"crn": "Rendezvous"})).unwrap();
        assert_eq!(data.reason.as_deref(), Some("Rendezvous"));
    }

    #[test]
    fn r_01_what_breaks_the_form_shows_nothing() {
        use RcdFault::*;
        for (payload, fault) in [
            (json!({}), Missing),
            (json!({"rcd": "Acme"}), NotAnObject),
            (json!({"rcd": null}), NotAnObject),
            (json!({"rcd": {}}), Name),
            (json!({"rcd": {"nam": ["Acme"]}}), Name),
            (
                json!({"rcd": {"nam": "A", "apn": "+12025551000"}}),
                AlternateNumber,
            ),
            (
                json!({"rcd": {"nam": "A", "apn": 12025551000u64}}),
                AlternateNumber,
            ),
            (json!({"rcd": {"nam": "A", "icn": "http://a.example/x.png"}}), Url),
            (
                json!({"rcd": {"nam": "A", "icn": "data:image/png;base64,AA"}}),
                Url,
            ),
            (
                json!({"rcd": {"nam": "A", "icn": "https://u:p@a.example/x"}}),
                Url,
            ),
            (json!({"rcd": {"nam": "A", "icn": "https://a.example/x y"}}), Url),
            (json!({"rcd": {"nam": "A", "icn": ""}}), Url),
            (json!({"rcd": {"nam": "A", "jcl": "file:///etc/passwd"}}), Url),
            (json!({"rcd": {"nam": "A", "jcd": card(), "jcl": CARD}}), TwoCards),
            (json!({"rcd": {"nam": "A", "jcd": "[]"}}), Card),
            (json!({"rcd": {"nam": "A", "jcd": ["vcard"]}}), Card),
            (
                json!({"rcd": {"nam": "A", "jcd": ["vcard", [["fn", {}, "text"]]]}}),
                Card,
            ),
            (json!({"rcd": {"nam": "A", "jcd": ["card", []]}}), Card),
            (json!({"rcd": {"nam": "A"}, "crn": 7}), Reason),
            (json!({"rcd": {"nam": "A"}, "crn": null}), Reason),
        ] {
            assert_eq!(read_json(&payload), Err(fault), "{payload}");
        }
        let long = |octets: usize| format!("https://a.example/{}", "x".repeat(octets - 18));
        let with_icon = |octets| read_json(&json!({"rcd": {"nam": "A", "icn": long(octets)}}));
        assert!(with_icon(RCD_URL_OCTETS_MAX).is_ok());
        assert_eq!(with_icon(RCD_URL_OCTETS_MAX + 1), Err(Url));
    }

    #[test]
    fn r_02_texts_are_cleaned_and_cut() {
        let data = read_json(&json!({
            "rcd": {"nam": format!("\u{202e}Acme\r\n{}", "x".repeat(99)), "jcd": card()},
            "crn": "Your\u{0}refund\u{2066}",
        }))
        .unwrap();
        assert_eq!(data.name, Some(format!("Acme {}", "x".repeat(59))));
        assert_eq!(data.reason.as_deref(), Some("Your refund"));
        let card = data.card.unwrap();
        assert_eq!(card.pointer("/1/1/3"), Some(&json!("Q Branch")));
        let text = card.to_string();
        assert!(
            text.contains("tel:+1-202-555-1000") && !text.contains("https:"),
            "{text}"
        );
        let data = read_json(&json!({"rcd": {"nam": "\u{200b}"}, "crn": " \n"})).unwrap();
        assert_eq!((data.name, data.reason), (None, None));
    }

    #[test]
    fn r_03_the_digest_of_the_card_must_match_before_anything_is_shown() {
        let logo = "/jcd/1/3/3";
        let good = digest(canonical::text(&card()).as_bytes());
        let with =
            |rcdi: Value| read_json(&json!({"rcd": {"nam": "Q", "jcd": card()}, "rcdi": rcdi, "crn": "x"}));
        let data = with(json!({"/jcd": good, logo: digest(b"pixels")})).unwrap();
        assert!(data.is_integrity_checked && data.name.is_some());
        assert_eq!(
            with(json!({"/jcd": digest(b"another card"), logo: digest(b"pixels")})),
            Err(RcdFault::Differs)
        );
        // Every URL inside needs its own, and each digest something to stand for.
        assert_eq!(with(json!({"/jcd": good})), Err(RcdFault::Uncovered));
        assert_eq!(with(json!({logo: digest(b"pixels")})), Err(RcdFault::Uncovered));
        for dangling in ["/jcd/1/9/3", "/icn", "/jcl", "/nam", "/", "", "jcd", "/jcl/1/2/3"] {
            assert_eq!(
                with(json!({"/jcd": good, logo: digest(b"pixels"), dangling: digest(b"x")})),
                Err(RcdFault::Dangling),
                "{dangling}"
            );
        }
        // A pointer into the card that is no URL.
        assert_eq!(
            with(json!({"/jcd": good, logo: digest(b"pixels"), "/jcd/1/1/3": digest(b"x")})),
            Err(RcdFault::Url)
        );
    }

    #[test]
    fn r_03_what_is_referenced_goes_out_with_its_digest_or_not_at_all() {
        let payload = json!({
            "rcd": {"nam": "Acme", "icn": ICON, "jcl": CARD},
            "rcdi": {"/icn": digest(b"pixels"), "/jcl": digest(b"card"), "/jcl/1/2/3": digest(b"more")},
        });
        let data = read_json(&payload).unwrap();
        assert!(data.icon_digest.as_ref().unwrap().matches(b"pixels"));
        assert!(!data.icon_digest.as_ref().unwrap().matches(b"other pixels"));
        assert!(data.card_digest.as_ref().unwrap().matches(b"card"));
        let uncovered = json!({"rcd": {"nam": "Acme", "icn": ICON}, "rcdi": {"/jcl": digest(b"card")}});
        assert_eq!(read_json(&uncovered), Err(RcdFault::Dangling));
        let uncovered =
            json!({"rcd": {"nam": "Acme", "icn": ICON, "jcl": CARD}, "rcdi": {"/jcl": digest(b"card")}});
        assert_eq!(read_json(&uncovered), Err(RcdFault::Uncovered));
    }

    #[test]
    fn r_03_digests_of_another_form_show_nothing() {
        let with = |rcdi: Value| read_json(&json!({"rcd": {"nam": "Acme", "icn": ICON}, "rcdi": rcdi}));
        for rcdi in [
            json!({}),
            json!([]),
            json!("sha256-x"),
            json!({"/icn": 7}),
            json!({"/icn": ""}),
            json!({"/icn": "sha256"}),
            json!({"/icn": "md5-rL0Y20zC+Fzt72VPzMSk2A"}),
            json!({"/icn": "sha256-AAAA"}),
        ] {
            assert_eq!(with(rcdi.clone()), Err(RcdFault::Integrity), "{rcdi}");
        }
        let many: Map<String, Value> = (0..=RCD_DIGESTS_MAX)
            .map(|place| (format!("/{place}"), digest(b"x").into()))
            .collect();
        assert_eq!(with(Value::Object(many)), Err(RcdFault::Integrity));
        assert_eq!(
            read_json(&json!({"rcdi": {"/icn": digest(b"x")}, "crn": "x"})),
            Err(RcdFault::Dangling)
        );
    }
}
