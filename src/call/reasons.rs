//! What the caller's side is told of Identity headers that failed (RFC 9410, RFC 8224 §6.2.2).

use stir_shaken_verify::limits::IDENTITY_HEADERS_MAX;

use super::refusal::stir_phrase;
use crate::identity::Report;

/// `[[trunk]] identity_reasons`: in which words a trunk hears of Identity headers that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReasonStyle {
    /// RFC 9410: `STIR;cause=436;text="...";ppi="..."`, one for each header that failed.
    #[default]
    Stir,
    /// For peers from before RFC 9410: one `SIP;cause=436;text="..."`. A message may name a protocol once only
    /// (RFC 3326 §2), so the first failure speaks for all.
    Sip,
    Off,
}

/// Values of Reason for the next response to the caller's side, one for each header that failed, in their order.
///
/// `ppi` is the compact form (RFC 9410 §4 recommends it): it says which token is meant and nothing of what is in it.
/// A caller who asks for privacy (RFC 3323) gets none at all: a response crosses everybody between him and us.
pub(crate) fn of_report(report: &Report, style: ReasonStyle, is_private: bool) -> Vec<String> {
    if is_private || style == ReasonStyle::Off {
        return Vec::new();
    }
    let failed = report
        .headers
        .iter()
        .filter_map(|header| Some((header.code?, header.ppi.as_deref())));
    match style {
        ReasonStyle::Sip => failed
            .take(1)
            .map(|(code, _)| reason("SIP", code, None))
            .collect(),
        _ => failed
            .take(IDENTITY_HEADERS_MAX)
            .map(|(code, ppi)| reason("STIR", code, ppi))
            .collect(),
    }
}

fn reason(protocol: &str, code: u16, ppi: Option<&str>) -> String {
    let ppi = ppi
        .filter(|ppi| is_plain(ppi))
        .map(|ppi| format!(";ppi=\"{ppi}\""))
        .unwrap_or_default();
    format!("{protocol};cause={code};text=\"{}\"{ppi}", stir_phrase(code))
}

/// The verifier made it from a token that came from outside: nothing but base64url and dots may stand in our quotes.
fn is_plain(ppi: &str) -> bool {
    (3..=256).contains(&ppi.len())
        && ppi
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(headers: &[(Option<u16>, Option<&str>)]) -> Report {
        let headers: Vec<_> = headers
            .iter()
            .map(|(code, ppi)| json!({"ppt": "shaken", "outcome": "invalid", "code": code, "reason": "", "checks": [], "ppi": ppi}))
            .collect();
        Report {
            headers: serde_json::from_value(headers.into()).unwrap(),
            ..Report::none()
        }
    }

    #[test]
    fn f_01_the_protocol_is_stir_and_the_codes_are_those_of_rfc_8224() {
        for (code, text) in [
            (403, "Stale Date"),
            (436, "Bad Identity Info"),
            (437, "Unsupported Credential"),
            (438, "Invalid Identity Header"),
        ] {
            let found = of_report(&report(&[(Some(code), None)]), ReasonStyle::Stir, false);
            assert_eq!(found, [format!("STIR;cause={code};text=\"{text}\"")]);
        }
    }

    #[test]
    fn f_02_each_failed_header_has_a_reason_of_its_own_with_its_ppi() {
        let three = report(&[
            (Some(438), Some("..aa")),
            (None, Some("..bb")),
            (Some(436), Some("..cc")),
        ]);
        assert_eq!(
            of_report(&three, ReasonStyle::Stir, false),
            [
                "STIR;cause=438;text=\"Invalid Identity Header\";ppi=\"..aa\"",
                "STIR;cause=436;text=\"Bad Identity Info\";ppi=\"..cc\""
            ]
        );
        let many = report(&[(Some(438), Some("..aa")); 20]);
        assert_eq!(
            of_report(&many, ReasonStyle::Stir, false).len(),
            IDENTITY_HEADERS_MAX
        );
        for odd in ["..a\"b", "..", "..a\r\nb", "..a b"] {
            let found = of_report(&report(&[(Some(438), Some(odd))]), ReasonStyle::Stir, false);
            assert_eq!(
                found,
                ["STIR;cause=438;text=\"Invalid Identity Header\""],
                "{odd:?}"
            );
        }
    }

    #[test]
    fn f_04_who_asks_for_privacy_is_not_told_of_along_the_way() {
        assert!(of_report(&report(&[(Some(438), Some("..aa"))]), ReasonStyle::Stir, true).is_empty());
    }

    #[test]
    fn f_05_older_peers_hear_one_reason_of_the_protocol_sip_or_none() {
        let two = report(&[(Some(437), Some("..aa")), (Some(436), Some("..bb"))]);
        assert_eq!(
            of_report(&two, ReasonStyle::Sip, false),
            ["SIP;cause=437;text=\"Unsupported Credential\""]
        );
        assert!(of_report(&two, ReasonStyle::Off, false).is_empty());
    }
}
