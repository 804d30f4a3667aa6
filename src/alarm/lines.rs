//! An alarm as one line for other systems: CEF (ArcSight Common Event Format, version 0) and OCSF (a detection finding, class 2004).
//! It names calls by their ids, and no number.

use serde_json::{Value, json};

use super::raised::Alarm;
use super::rules::Severity;

const VENDOR: &str = "Ringward";

/// `CEF:0|Vendor|Product|Version|Signature|Name|Severity|Extension`.
pub fn cef(alarm: &Alarm, version: &str) -> String {
    let severity = match alarm.severity {
        Severity::Low => 3,
        Severity::Medium => 5,
        Severity::High => 8,
        Severity::Critical => 10,
    };
    let calls: Vec<String> = alarm.calls.iter().map(ToString::to_string).collect();
    let extension = [
        ("rt", alarm.raised_ms.to_string()),
        ("externalId", alarm.number.to_string()),
        ("cnt", alarm.count.to_string()),
        ("cat", alarm.watch.name().to_string()),
        ("msg", alarm.words.clone()),
        ("cs1Label", "about".to_string()),
        ("cs1", alarm.about.clone()),
        ("cs2Label", "calls".to_string()),
        ("cs2", calls.join(" ")),
        ("cs3Label", "owner".to_string()),
        ("cs3", alarm.owner.clone().unwrap_or_default()),
    ];
    let extension: Vec<String> = extension
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| format!("{key}={}", in_extension(value)))
        .collect();
    let head = [VENDOR, "gateway", version, &alarm.rule, &alarm.rule].map(in_head);
    format!("CEF:0|{}|{severity}|{}", head.join("|"), extension.join(" "))
}

/// OCSF 1.3: a detection finding (category 2, class 2004), created (activity 1).
pub fn ocsf(alarm: &Alarm, version: &str) -> Value {
    let severity = match alarm.severity {
        Severity::Low => 2,
        Severity::Medium => 3,
        Severity::High => 4,
        Severity::Critical => 5,
    };
    let calls: Vec<Value> = alarm
        .calls
        .iter()
        .map(|call| json!({ "name": "call", "type": "Other", "type_id": 99, "value": call.to_string() }))
        .collect();
    json!({
        "metadata": {
            "version": "1.3.0",
            "product": { "vendor_name": VENDOR, "name": "gateway", "version": version },
        },
        "category_uid": 2, "category_name": "Findings",
        "class_uid": 2004, "class_name": "Detection Finding",
        "activity_id": 1, "activity_name": "Create", "type_uid": 200_401,
        "severity_id": severity, "severity": alarm.severity.name(),
        "time": alarm.raised_ms,
        "count": alarm.count,
        "message": alarm.words,
        "finding_info": {
            "uid": alarm.number.to_string(),
            "title": alarm.rule,
            "desc": alarm.words,
            "created_time": alarm.raised_ms,
            "first_seen_time": alarm.raised_ms,
            "last_seen_time": alarm.last_ms,
            "types": [alarm.watch.name()],
        },
        "observables": calls,
        "status_id": 1, "status": "New",
    })
}

/// In the head `|` and `\` are escaped, and a line ends nowhere.
fn in_head(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('|', "\\|");
    text.replace(['\r', '\n'], " ")
}

/// In the extension `=` and `\` are, and line ends are written out.
fn in_extension(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('=', "\\=");
    text.replace("\r\n", "\\n").replace(['\r', '\n'], "\\n")
}

#[cfg(test)]
mod tests {
    use super::super::{State, Watch};
    use super::*;
    use crate::call_id::CallId;

    fn alarm() -> Alarm {
        Alarm {
            number: 7,
            rule: "a|rule".into(),
            watch: Watch::Campaign,
            about: "signer a=b\\c".into(),
            severity: Severity::High,
            owner: None,
            words: "two\nlines".into(),
            raised_ms: 1_000,
            last_ms: 2_000,
            count: 12,
            calls: vec![CallId(1), CallId(2)],
            told_ms: None,
            state: State::Open,
        }
    }

    #[test]
    fn a_line_of_cef_is_one_line_and_nothing_in_it_passes_for_a_field() {
        let line = cef(&alarm(), "1.0");
        assert_eq!(
            line,
            format!(
                "CEF:0|Ringward|gateway|1.0|a\\|rule|a\\|rule|8|rt=1000 externalId=7 cnt=12 cat=campaign msg=two\\nlines \
                 cs1Label=about cs1=signer a\\=b\\\\c cs2Label=calls cs2={} {} cs3Label=owner",
                CallId(1),
                CallId(2)
            )
        );
    }

    #[test]
    fn a_finding_of_ocsf_has_what_its_class_requires() {
        let finding = ocsf(&alarm(), "1.0");
        for key in [
            "activity_id",
            "category_uid",
            "class_uid",
            "type_uid",
            "severity_id",
            "time",
            "metadata",
            "finding_info",
        ] {
            assert!(!finding[key].is_null(), "{key}");
        }
        let sum = finding["class_uid"].as_u64().unwrap() * 100 + finding["activity_id"].as_u64().unwrap();
        assert_eq!(finding["type_uid"], sum);
        assert_eq!(finding["observables"][1]["value"], CallId(2).to_string());
    }
}
