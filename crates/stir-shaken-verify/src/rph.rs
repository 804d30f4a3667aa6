//! Signed priority (RFC 8443, RFC 9027): calls that must get through, and the proof that they are such calls.
//!
//! An unsigned Resource-Priority is a header anybody can write. What is verified here is the one thing that lets a call
//! pass every gate of whoever uses this crate, so it is judged strictly: the header must claim nothing that is not signed.

use serde_json::{Map, Value};

use crate::limits::PRIORITY_VALUES_MAX;
use crate::report::Priority;

/// Why a priority is not verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PriorityFault {
    #[error("neither rph nor sph is there")]
    Missing,
    #[error("rph is not an object with an array of namespaces under auth")]
    Malformed,
    #[error("sph is not psap-callback")]
    NotACallback,
    #[error("the message claims a priority that is not signed")]
    Differs,
    #[error("the message does not claim the priority that is signed")]
    Unclaimed,
}

/// Compares the claims `rph` (RFC 8443 §4.1) and `sph` (RFC 9027 §5) with the headers Resource-Priority and Priority.
///
/// Every value of Resource-Priority must be signed, and at least one must be there when `rph` is; more may be signed than
/// the message uses (a network may lower a call's priority on the way, never raise it). `sph` needs
/// `Priority: psap-callback`. Names are compared without letter case (RFC 4412 §3.1, RFC 7090 §5).
///
/// # Errors
///
/// The first fault. The call is then one without priority; RFC 8443 §4.2 asks no more than that.
pub(crate) fn check(
    payload: &Map<String, Value>,
    resource_priority: &[impl AsRef<str>],
    priority: Option<&str>,
) -> Result<Priority, PriorityFault> {
    let signed = payload.get("rph").map(namespaces).transpose()?;
    let is_callback_signed = match payload.get("sph") {
        None => false,
        Some(Value::String(value)) if value.eq_ignore_ascii_case(CALLBACK) => true,
        Some(_) => return Err(PriorityFault::NotACallback),
    };
    if signed.is_none() && !is_callback_signed {
        return Err(PriorityFault::Missing);
    }
    if resource_priority.len() > PRIORITY_VALUES_MAX {
        return Err(PriorityFault::Differs);
    }
    let shown: Vec<String> = resource_priority
        .iter()
        .map(|value| value.as_ref().trim().to_ascii_lowercase())
        .collect();
    let signed_values = signed.as_deref().unwrap_or_default();
    if !shown.iter().all(|value| signed_values.contains(value)) {
        return Err(PriorityFault::Differs);
    }
    if signed.is_some() && shown.is_empty() {
        return Err(PriorityFault::Unclaimed);
    }
    let is_callback_shown = priority.is_some_and(|value| value.trim().eq_ignore_ascii_case(CALLBACK));
    match (is_callback_signed, is_callback_shown) {
        (true, false) => return Err(PriorityFault::Unclaimed),
        (false, true) => return Err(PriorityFault::Differs),
        _ => {}
    }
    let is_emergency = is_callback_signed || shown.iter().any(|value| value.starts_with("esnet."));
    let mut namespaces = shown;
    namespaces.sort_unstable();
    namespaces.dedup();
    Ok(Priority {
        namespaces,
        is_emergency,
        digest: String::new(),
    })
}

/// RFC 7090 §5.
const CALLBACK: &str = "psap-callback";

/// The values of `auth`, in lower case. Other members may come to be registered; they give no priority.
fn namespaces(claim: &Value) -> Result<Vec<String>, PriorityFault> {
    // By name and never by place, which would take an array for an object.
    let auth = claim.as_object().and_then(|members| members.get("auth"));
    let auth = auth.and_then(Value::as_array).ok_or(PriorityFault::Malformed)?;
    if auth.is_empty() || auth.len() > PRIORITY_VALUES_MAX {
        return Err(PriorityFault::Malformed);
    }
    let values = auth.iter().map(|value| {
        let value = value.as_str().filter(|value| is_r_value(value));
        value.map(str::to_ascii_lowercase).ok_or(PriorityFault::Malformed)
    });
    values.collect()
}

/// `namespace.priority`, both tokens without a dot (RFC 4412 §3.1).
fn is_r_value(value: &str) -> bool {
    let is_token = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || b"-!%*_+`'~".contains(&octet))
    };
    value.len() <= 64
        && value
            .split_once('.')
            .is_some_and(|(namespace, priority)| is_token(namespace) && is_token(priority))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check_json(
        payload: Value,
        resource: &[&str],
        priority: Option<&str>,
    ) -> Result<Priority, PriorityFault> {
        check(payload.as_object().unwrap(), resource, priority)
    }

    fn verified(namespaces: &[&str], is_emergency: bool) -> Result<Priority, PriorityFault> {
        Ok(Priority {
            namespaces: namespaces.iter().map(|value| value.to_string()).collect(),
            is_emergency,
            digest: String::new(),
        })
    }

    #[test]
    fn rph_every_value_of_the_header_must_be_signed() {
        let ets = || json!({"rph": {"auth": ["ets.0", "wps.0"]}});
        assert_eq!(
            check_json(ets(), &["ets.0", "wps.0"], None),
            verified(&["ets.0", "wps.0"], false)
        );
        assert_eq!(
            check_json(ets(), &["WPS.0", "wps.0"], None),
            verified(&["wps.0"], false)
        );
        assert_eq!(check_json(ets(), &["ets.1"], None), Err(PriorityFault::Differs));
        assert_eq!(
            check_json(ets(), &["ets.0", "esnet.1"], None),
            Err(PriorityFault::Differs)
        );
        assert_eq!(check_json(ets(), &[], None), Err(PriorityFault::Unclaimed));
        let many = vec!["ets.0"; PRIORITY_VALUES_MAX + 1];
        assert_eq!(check_json(ets(), &many[1..], None), verified(&["ets.0"], false));
        assert_eq!(check_json(ets(), &many, None), Err(PriorityFault::Differs));
    }

    #[test]
    fn rph_the_emergency_namespace_and_the_callback_are_emergencies() {
        let esnet = json!({"rph": {"auth": ["esnet.1"]}});
        assert_eq!(
            check_json(esnet, &["esnet.1"], None),
            verified(&["esnet.1"], true)
        );
        // RFC 9027 §5: a call-back has both.
        let callback = || json!({"rph": {"auth": ["esnet.0"]}, "sph": "psap-callback"});
        assert_eq!(
            check_json(callback(), &["esnet.0"], Some("PSAP-Callback ")),
            verified(&["esnet.0"], true)
        );
        assert_eq!(
            check_json(callback(), &["esnet.0"], None),
            Err(PriorityFault::Unclaimed)
        );
        assert_eq!(
            check_json(callback(), &["esnet.0"], Some("emergency")),
            Err(PriorityFault::Unclaimed)
        );
        assert_eq!(
            check_json(json!({"sph": "psap-callback"}), &[], Some("psap-callback")),
            verified(&[], true)
        );
        // The header says more than is signed.
        let esnet = json!({"rph": {"auth": ["esnet.0"]}});
        assert_eq!(
            check_json(esnet, &["esnet.0"], Some("psap-callback")),
            Err(PriorityFault::Differs)
        );
        let sph = json!({"sph": "psap-callback"});
        assert_eq!(
            check_json(sph, &["esnet.0"], Some("psap-callback")),
            Err(PriorityFault::Differs)
        );
    }

    #[test]
    fn rph_claims_of_another_form_prove_nothing() {
        use PriorityFault::*;
        let many: Vec<_> = (0..=PRIORITY_VALUES_MAX).map(|n| format!("ets.{n}")).collect();
        for (payload, fault) in [
            (json!({}), Missing),
            (json!({"rph": null}), Malformed),
            (json!({"rph": "ets.0"}), Malformed),
            (json!({"rph": {}}), Malformed),
            (json!({"rph": [["ets.0"]]}), Malformed),
            (json!({"rph": {"auth": "ets.0"}}), Malformed),
            (json!({"rph": {"auth": []}}), Malformed),
            (json!({"rph": {"auth": ["ets"]}}), Malformed),
            (json!({"rph": {"auth": ["ets."]}}), Malformed),
            (json!({"rph": {"auth": [".0"]}}), Malformed),
            (json!({"rph": {"auth": ["e.t.0"]}}), Malformed),
            (json!({"rph": {"auth": ["ets.0", 1]}}), Malformed),
            (json!({"rph": {"auth": many}}), Malformed),
            (json!({"sph": "emergency"}), NotACallback),
            (json!({"sph": ["psap-callback"]}), NotACallback),
        ] {
            let text = payload.to_string();
            assert_eq!(
                check_json(payload, &["ets.0"], Some("psap-callback")),
                Err(fault),
                "{text}"
            );
        }
    }
}
