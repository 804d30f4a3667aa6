//! A report in one line, so that what is expected can stand beside it as text.

use stir_shaken_verify::{CheckResult, HeaderReport, Outcome, Report, Standing};

/// Standing, letter, diversions, signed name, signed emergency: `verified A diverted 2 hops`, `verified A named Shop`.
pub(super) fn briefly(report: &Report) -> String {
    let mut text = word(report.standing);
    // Printed whatever the standing is: a letter without `verified` is what no trial expects.
    if let Some(attestation) = report.attestation {
        text += &format!(" {}", word(attestation));
    }
    if report.is_diverted {
        text += " diverted";
    }
    match report.hops.len() {
        0 => {}
        1 => text += " 1 hop",
        hops => text += &format!(" {hops} hops"),
    }
    if let Some(name) = report.rcd.as_ref().and_then(|rcd| rcd.name.as_ref()) {
        text += &format!(" named {name}");
    }
    if report
        .priority
        .as_ref()
        .is_some_and(|priority| priority.is_emergency)
    {
        text += " emergency";
    }
    text
}

/// The same, then what each header that did not pass failed with: outcome, code, and the checks that said so.
///
/// `verified A`; `failed: invalid 438 at signature`.
pub(super) fn describe(report: &Report) -> String {
    let mut text = briefly(report);
    let faults: Vec<String> = report
        .headers
        .iter()
        .filter(|header| header.outcome != Outcome::Passed)
        .map(fault)
        .collect();
    if !faults.is_empty() && report.standing != Standing::None {
        text += &format!(": {}", faults.join(", "));
    }
    text
}

fn fault(header: &HeaderReport) -> String {
    let mut text = word(header.outcome);
    if let Some(code) = header.code {
        text += &format!(" {code}");
    }
    let names: Vec<&str> = header
        .checks
        .iter()
        .filter(|check| matches!(check.result, CheckResult::Failed | CheckResult::Unavailable))
        .map(|check| &*check.name)
        .collect();
    if names.is_empty() {
        return text;
    }
    text + " at " + &names.join("+")
}

/// The word that stands in the JSON report.
fn word(value: impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "?".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_without_headers_is_one_word() {
        assert_eq!(describe(&Report::none()), "none");
    }

    #[test]
    fn a_letter_without_verified_is_shown() {
        let mut report = Report::none();
        report.standing = Standing::Failed;
        report.attestation = Some(stir_shaken_verify::Attestation::Full);
        assert_eq!(describe(&report), "failed A");
    }
}
