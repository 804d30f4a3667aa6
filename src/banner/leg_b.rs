//! The banner in SIP headers, for phones of every kind.

use super::marks::{self, Marks, Proof};
use super::{Banner, LegBHeaders, clean_display_name};
use crate::call_id::CallId;
use crate::screening::Facts;
use crate::screening::confusables::{ascii, is_combining};

/// Characters of the whole display name; phones cut it anyway, and the prefix stands first.
pub const DISPLAY_NAME_CHARS_MAX: usize = 40;

/// What goes on leg B for this banner. `card_url`: `[api] public_url` + the unguessable card path, or None.
///
/// Every value is printable ASCII without quotes, backslashes or line ends, whatever the caller sent. verstat never says
/// more than the number light: a token seen in two calls verifies in both, but a phone that knows only verstat must not
/// show the second as passed.
pub fn leg_b_headers(
    banner: &Banner,
    facts: &Facts,
    marks: &Marks,
    proof: Proof<'_>,
    call: CallId,
    card_url: Option<&str>,
) -> LegBHeaders {
    // The carrier's word stands beside our light, never in it, and never in verstat.
    let carrier = facts
        .identity
        .upstream
        .map(|upstream| format!("; carrier={upstream}"))
        .unwrap_or_default();
    LegBHeaders {
        display_name: display_name(banner, facts),
        verstat: marks::verstat(marks.verstat, banner.number, facts, proof),
        marks: marks::headers(marks, banner.number, facts, proof),
        ringward_trust: format!(
            "number={}; voice={}; label={}; call={call}{carrier}",
            banner.number, banner.voice, banner.label
        ),
        call_info: call_info(facts, card_url),
        // No policy asks for a ring tone yet.
        alert_info: None,
    }
}

/// Our own card, and the caller's signed data as RFC 9796 has it: one header value each, in one header field (§4).
///
/// `purpose=jcard` names a jCard of ours with the signed name, written into the URL itself (RFC 9796 §5 allows `data:`);
/// `verified` says that a signature was checked (§7). No URL of the caller's goes to a phone, so there is nothing for
/// `integrity` (§8) to speak of. Only beside a proven number.
fn call_info(facts: &Facts, card_url: Option<&str>) -> Option<String> {
    let card = card_url
        .filter(|url| is_plain_url(url))
        .map(|url| format!("<{url}>;purpose=card"));
    let name = facts.proven_name().map(|name| clean_display_name(name).0);
    let name = name.filter(|name| !name.is_empty());
    let reason = facts.identity.call_reason.as_ref();
    let reason = reason
        .filter(|_| facts.is_number_proven())
        .map(|reason| plain(&clean_display_name(reason.reveal()).0))
        .filter(|reason| !reason.is_empty());
    let signed = (name.is_some() || reason.is_some()).then(|| {
        // `data:` alone is the RFC's way to say that there is a reason and no card (§6).
        let data = name.map(|name| jcard(&name)).unwrap_or_default();
        let reason = reason.map(|reason| format!(";call-reason=\"{reason}\""));
        format!(
            "<data:{data}>;purpose=jcard{};verified=\"true\"",
            reason.unwrap_or_default()
        )
    });
    let values: Vec<String> = [card, signed].into_iter().flatten().collect();
    (!values.is_empty()).then(|| values.join(", "))
}

/// `application/json,` and a jCard (RFC 7095) with nothing but this name, escaped for a URL.
fn jcard(name: &str) -> String {
    let card = serde_json::json!([
        "vcard",
        [["version", {}, "text", "4.0"], ["fn", {}, "text", name]]
    ]);
    let mut url = String::from("application/json,");
    for octet in card.to_string().bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            url.push(char::from(octet));
        } else {
            url.push_str(&format!("%{octet:02X}"));
        }
    }
    url
}

fn display_name(banner: &Banner, facts: &Facts) -> String {
    let caller = &facts.caller;
    // The signed name before the one that anybody may write.
    let own = caller.name.as_ref().filter(|_| !caller.is_hidden);
    let name = [facts.proven_name(), own.map(|name| name.reveal().as_str())]
        .into_iter()
        .flatten()
        .map(shown_name)
        .find(|name| !name.is_empty());
    let who = name
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| match &caller.number {
            Some(number) => plain(number.reveal()),
            None if caller.is_hidden => "Number withheld".into(),
            None => "Unknown number".into(),
        });
    let whole = format!("{} {who}", plain(&banner.prefix));
    whole
        .trim()
        .chars()
        .take(DISPLAY_NAME_CHARS_MAX)
        .collect::<String>()
        .trim_end()
        .to_string()
}

/// Cleaned again after it became ASCII: dropping an accent or a foreign letter must not bring a mark to light.
fn shown_name(name: &str) -> String {
    let (cleaned, _) = clean_display_name(name);
    let (cleaned, _) = clean_display_name(&plain(&cleaned));
    // A name of which a letter or two are left says nothing.
    if cleaned.chars().filter(char::is_ascii_alphanumeric).count() < 2 {
        String::new()
    } else {
        cleaned
    }
}

/// Printable ASCII that needs no escape between quotes (RFC 3261 §25.1 quoted-string).
fn plain(text: &str) -> String {
    let ascii: String = text
        .chars()
        .filter(|c| !is_combining(*c))
        .filter_map(ascii)
        .map(|c| if c.is_ascii_control() { ' ' } else { c })
        .filter(|c| !matches!(c, '"' | '\\' | '<' | '>'))
        .collect();
    ascii.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_plain_url(url: &str) -> bool {
    let is_http = url.starts_with("https://") || url.starts_with("http://");
    is_http
        && url.len() <= 512
        && url
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"<>\"\\".contains(&b))
}
