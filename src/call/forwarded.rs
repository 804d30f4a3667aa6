//! How a call was forwarded before it came here: Diversion (RFC 5806) and History-Info (RFC 7044), as facts.
//!
//! Anybody can write either header; a diversion that is proven stands in the verification. Whoever asks not to be shown is
//! counted and not named.

use crate::redact::Redacted;
use crate::screening::{ForwardingFacts, ForwardingReason as Reason};
use crate::sip::{Message, NameAddr, decode};

use super::limits::DIVERSIONS_MAX;
use super::numbers::{Numbers, Party};

/// What the INVITE says of it. Where both headers do, History-Info names the parties: it has the whole way.
pub(crate) fn of(invite: &Message, numbers: &Numbers) -> ForwardingFacts {
    let (diversion, history) = (diversions(invite, numbers), history(invite, numbers));
    let count = diversion.count.max(history.count);
    let named = if history.count > 0 { history } else { diversion };
    ForwardingFacts { count, ..named }
}

/// The newest diversion stands first (RFC 5806 §5.1).
fn diversions(invite: &Message, numbers: &Numbers) -> ForwardingFacts {
    let mut found = ForwardingFacts::default();
    let values = invite.header_values("Diversion");
    for (place, value) in values.iter().take(DIVERSIONS_MAX).enumerate() {
        let Ok(by) = NameAddr::parse(value) else { continue };
        let counter = by
            .param("counter")
            .and_then(|counter| counter.trim().parse().ok());
        found.count = found.count.saturating_add(counter.unwrap_or(1).max(1));
        let privacy = by.param("privacy").map(|privacy| privacy.trim_matches('"'));
        let is_private = privacy.is_some_and(|privacy| !privacy.eq_ignore_ascii_case("off"));
        let number = number(&by, numbers).filter(|_| !is_private);
        if place == 0 {
            let reason = by.param("reason").map(|reason| reason.trim_matches('"'));
            found.reason = Some(reason.map_or(Reason::Other, of_word));
            found.by.clone_from(&number);
        }
        found.dialled = number;
    }
    found
}

/// One entry of History-Info (RFC 7044 §5).
struct Entry {
    whom: NameAddr,
    number: Option<Redacted<String>>,
    index: String,
    is_private: bool,
    /// Why the call left this target, when it was tried.
    left: Option<u16>,
}

fn history(invite: &Message, numbers: &Numbers) -> ForwardingFacts {
    let is_all_private = invite.header_lines("Privacy").iter().any(|line| {
        line.split([';', ',']).any(|word| {
            ["history", "session", "header"]
                .iter()
                .any(|ask| word.trim().eq_ignore_ascii_case(ask))
        })
    });
    let values = invite.header_values("History-Info");
    let entries = values.iter().take(DIVERSIONS_MAX).filter_map(|value| {
        let whom = NameAddr::parse(value).ok()?;
        let (mut is_private, mut left) = (is_all_private, None);
        for pair in whom.uri.headers().split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match decode(name).to_ascii_lowercase().as_str() {
                "privacy" => is_private |= !decode(value).trim().eq_ignore_ascii_case("none"),
                "reason" => left = cause(&decode(value)).or(left),
                _ => {}
            }
        }
        Some(Entry {
            number: number(&whom, numbers),
            index: whom.param("index").unwrap_or_default().to_string(),
            is_private,
            left,
            whom,
        })
    });
    let entries: Vec<Entry> = entries.collect();
    let shown = |entry: &Entry| entry.number.clone().filter(|_| !entry.is_private);
    let mut found = ForwardingFacts::default();
    for (place, entry) in entries.iter().enumerate().skip(1) {
        let before = &entries[place - 1];
        // `mp` names the entry that this target was made from; `rc` and `np` say that the user is the same.
        let mapped = entry.whom.param("mp");
        let from = mapped.and_then(|index| entries[..place].iter().find(|other| other.index == index.trim()));
        let from = from.unwrap_or(before);
        let sent_on = entry.whom.uri.param("cause").and_then(|cause| cause.parse().ok());
        let is_same =
            ["rc", "np"].iter().any(|name| entry.whom.param(name).is_some()) || is_same_user(from, entry);
        if mapped.is_none() && sent_on.is_none() && is_same {
            continue;
        }
        found.count = found.count.saturating_add(1);
        found.reason = Some(sent_on.or(from.left).map_or(Reason::Other, of_cause));
        found.by = shown(from);
        if found.count == 1 {
            found.dialled.clone_from(&found.by);
        }
    }
    found
}

fn is_same_user(one: &Entry, other: &Entry) -> bool {
    match (&one.number, &other.number) {
        (Some(one), Some(other)) => one == other,
        _ => {
            let (one, other) = (&one.whom.uri, &other.whom.uri);
            one.user() == other.user() && one.host() == other.host()
        }
    }
}

fn number(whom: &NameAddr, numbers: &Numbers) -> Option<Redacted<String>> {
    numbers
        .canonical(whom.uri.without_headers(), Party::Called)
        .map(Redacted::new)
}

/// `SIP;cause=302;text="..."` (RFC 3326), without the URI's escapes.
fn cause(reason: &str) -> Option<u16> {
    let mut params = reason.split(';').map(str::trim);
    let is_sip = params.next()?.eq_ignore_ascii_case("SIP");
    let cause = params.find_map(|param| param.strip_prefix("cause="));
    cause.filter(|_| is_sip)?.trim().parse().ok()
}

/// RFC 4458 §2, and what 3xx to 6xx say by themselves.
fn of_cause(cause: u16) -> Reason {
    match cause {
        302 | 301 => Reason::Unconditional,
        486 | 600 => Reason::Busy,
        408 => Reason::NoAnswer,
        480 | 487 => Reason::Deflection,
        404 | 503 | 410 | 502 | 504 => Reason::Unavailable,
        _ => Reason::Other,
    }
}

/// RFC 5806 §4.
fn of_word(reason: &str) -> Reason {
    match reason.to_ascii_lowercase().as_str() {
        "unconditional" | "follow-me" | "time-of-day" | "away" => Reason::Unconditional,
        "user-busy" | "do-not-disturb" => Reason::Busy,
        "no-answer" => Reason::NoAnswer,
        "deflection" => Reason::Deflection,
        "unavailable" | "out-of-service" => Reason::Unavailable,
        _ => Reason::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{NumberPlan, TrunkConfig};

    fn of_lines(lines: &str) -> ForwardingFacts {
        let text = format!(
            "INVITE sip:+12125550100@gw SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
             To: <sip:b@h>\r\nCall-ID: x\r\nCSeq: 7 INVITE\r\n{lines}\r\n"
        );
        let trunk = TrunkConfig {
            numbers: NumberPlan {
                country: Some("GB".into()),
                national_prefix: Some("0".into()),
                ..NumberPlan::default()
            },
            ..TrunkConfig::default()
        };
        of(
            &Message::parse(text.as_bytes()).unwrap(),
            &Numbers::of(&trunk, "US"),
        )
    }

    /// Count, who forwarded it last, whom the caller dialled, why.
    fn check(lines: &str, count: u8, by: &str, dialled: &str, reason: Option<Reason>) {
        let found = of_lines(lines);
        let text =
            |number: &Option<Redacted<String>>| number.as_ref().map_or(String::new(), |n| n.reveal().clone());
        assert_eq!(
            (
                found.count,
                text(&found.by).as_str(),
                text(&found.dialled).as_str(),
                found.reason
            ),
            (count, by, dialled, reason),
            "{lines}"
        );
    }

    #[test]
    fn diversions_are_counted_and_the_newest_stands_first() {
        check("", 0, "", "", None);
        check(
            "Diversion: <sip:+442079460111@h>;reason=user-busy;counter=2\r\nDiversion: <tel:+442079460122>;reason=no-answer\r\n",
            3,
            "+442079460111",
            "+442079460122",
            Some(Reason::Busy),
        );
        // As this trunk writes numbers.
        check(
            "Diversion: <sip:02079460111@h>\r\n",
            1,
            "+442079460111",
            "+442079460111",
            Some(Reason::Other),
        );
        check("Diversion: nonsense\r\n", 0, "", "", None);
    }

    #[test]
    fn whoever_asks_not_to_be_shown_is_counted_and_not_named() {
        let number = "<sip:+442079460111@h>";
        check(
            &format!("Diversion: {number};privacy=full;reason=away\r\n"),
            1,
            "",
            "",
            Some(Reason::Unconditional),
        );
        let first = "<sip:+442079460111@h?Privacy=history>;index=1";
        let here = "<sip:+12125550100@gw;cause=486>;index=1.1;mp=1";
        check(
            &format!("History-Info: {first}, {here}\r\n"),
            1,
            "",
            "",
            Some(Reason::Busy),
        );
        let plain = first.replace("?Privacy=history", "");
        for privacy in ["Privacy: history\r\n", "Privacy: id;session\r\n"] {
            check(
                &format!("History-Info: {plain}, {here}\r\n{privacy}"),
                1,
                "",
                "",
                Some(Reason::Busy),
            );
        }
    }

    #[test]
    fn a_history_tells_diversions_from_mere_steps_on_the_way() {
        let one = "History-Info: <sip:+12125550100@h>;index=1\r\n";
        check(one, 0, "", "", None);
        // The same user at another host, said so or not.
        check(
            &format!("{one}History-Info: <sip:+12125550100@gw>;index=1.1\r\n"),
            0,
            "",
            "",
            None,
        );
        check(
            &format!("{one}History-Info: <sip:desk@10.0.0.1>;index=1.1;rc=1\r\n"),
            0,
            "",
            "",
            None,
        );
        // Another user: by its tag, by its cause, or because it is one.
        for new in [
            "<sip:+442079460111@h>;index=1.1;mp=1",
            "<sip:+442079460111@h>;index=1.1",
        ] {
            check(
                &format!("{one}History-Info: {new}\r\n"),
                1,
                "+12125550100",
                "+12125550100",
                Some(Reason::Other),
            );
        }
        check(
            "History-Info: <sip:+442079460111@h?Reason=SIP%3Bcause%3D408>;index=1, <sip:+442079460122@h>;index=1.2;mp=1,\
             <sip:+12125550100@gw;cause=302>;index=1.3;mp=1.2\r\nDiversion: <sip:x@y>\r\n",
            2,
            "+442079460122",
            "+442079460111",
            Some(Reason::Unconditional),
        );
    }

    #[test]
    fn a_fork_that_failed_is_not_who_sent_the_call_on() {
        check(
            "History-Info: <sip:+442079460111@h>;index=1, <sip:+442079460122@h;cause=486>;index=1.1;mp=1, \
             <sip:+12125550100@gw;cause=408>;index=1.2;mp=1\r\n",
            2,
            "+442079460111",
            "+442079460111",
            Some(Reason::NoAnswer),
        );
    }

    #[test]
    fn a_history_without_end_is_read_to_a_bound() {
        let many: String = (0..200)
            .map(|n| format!("History-Info: <sip:+4420794{n:05}@h;cause=302>;index=1.{n};mp=1\r\n"))
            .collect();
        let found = of_lines(&many);
        assert_eq!(usize::from(found.count), DIVERSIONS_MAX - 1);
        let many: String = (0..200)
            .map(|_| "Diversion: <sip:+442079460111@h>;counter=255\r\n")
            .collect();
        assert_eq!(of_lines(&many).count, u8::MAX);
    }
}
