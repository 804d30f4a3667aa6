//! A verification report for people: the answer first, then everything that led to it.

use std::fmt::Write as _;
use std::time::Duration;

use stir_shaken_verify::{Attestation, CheckResult, FetchFailure, HeaderReport, Report, Signer, Standing};

/// One certificate that was fetched for the verification.
pub(super) struct Fetch {
    pub(super) url: String,
    /// Octets, or why not.
    pub(super) result: Result<usize, FetchFailure>,
    pub(super) took: Duration,
}

/// Standing, signer, diversions and rich call data as far as they were proven, each fetch, each header with each check,
/// and what the caller's side would be told.
pub(super) fn table(report: &Report, fetches: &[Fetch], reasons: &[String]) -> String {
    let mut out = Table::default();
    out.line("standing", standing_in_words(report));
    if let Some(attestation) = report.attestation {
        out.line("attestation", attestation_in_words(attestation));
    }
    out.line("verstat", &report.verstat);
    if let Some(signer) = &report.signer {
        out.line("signer", &signer_in_words(signer));
        out.line("fingerprint", &signer.fingerprint);
    }
    if let Some(age) = report.iat_age_seconds {
        out.line("age", &format!("{age} s from signing to arrival"));
    }
    if let Some(origid) = &report.origid {
        out.line("origid", origid);
    }
    if let Some(place) = report.asserted {
        out.line("speaks of", &format!("P-Asserted-Identity {}", place + 1));
    }
    about_diversion(report, &mut out);
    if report.has_forged_beside() {
        out.line("beside", "something forged, which does not decide the standing");
    }
    about_rich_call_data(report, &mut out);
    if let Some(priority) = &report.priority {
        let emergency = if priority.is_emergency {
            ", an emergency"
        } else {
            ""
        };
        out.line(
            "priority",
            &format!("{}{emergency}", priority.namespaces.join(" ")),
        );
    }
    for fetch in fetches {
        let took = fetch.took.as_millis();
        let what = match &fetch.result {
            Ok(octets) => format!("{octets} octets"),
            Err(failure) => failure.to_string(),
        };
        out.line("fetched", &format!("{}: {what}, {took} ms", fetch.url));
    }
    for (place, header) in report.headers.iter().enumerate() {
        about_header(&format!("header {}", place + 1), header, &mut out);
        for (depth, nested) in header.nested.iter().enumerate() {
            about_header(&format!("  inside {}", depth + 1), nested, &mut out);
        }
    }
    for reason in reasons {
        out.line("would answer", &format!("Reason: {reason}"));
    }
    out.0
}

#[derive(Default)]
struct Table(String);

impl Table {
    /// What others wrote reaches the terminal without its control characters.
    fn line(&mut self, name: &str, text: &str) {
        let text: String = text.chars().filter(|character| !character.is_control()).collect();
        // Writing into a String cannot fail.
        let _ok = writeln!(self.0, "{name:<14}{text}");
    }
}

fn about_diversion(report: &Report, out: &mut Table) {
    if report.is_diverted {
        out.line("diverted", "yes, and every step is proven");
    }
    for hop in &report.hops {
        let signer = hop.signer.as_ref().map(signer_in_words);
        let signer = signer.unwrap_or_else(|| "signer unknown".into());
        let history = hop.history_index.as_ref();
        let history = history.map(|index| format!(", History-Info entry {index}"));
        out.line(
            &format!("hop {}", hop.number_index + 1),
            &format!("{signer}{}", history.unwrap_or_default()),
        );
    }
}

fn about_rich_call_data(report: &Report, out: &mut Table) {
    let Some(rcd) = &report.rcd else { return };
    let card = rcd.card.as_ref().map(ToString::to_string);
    for (name, value) in [
        ("name", &rcd.name),
        ("shown number", &rcd.alternate_number),
        ("call reason", &rcd.reason),
        ("icon", &rcd.icon),
        ("card", &rcd.card_url),
        ("card", &card),
    ] {
        if let Some(value) = value {
            out.line(name, value);
        }
    }
    let is_checked = if rcd.is_integrity_checked {
        "every resource is the one the signer saw"
    } else {
        "resources named above were not hashed by the signer"
    };
    out.line("integrity", is_checked);
}

fn about_header(name: &str, header: &HeaderReport, out: &mut Table) {
    let code = header.code.map(|code| format!(" ({code})")).unwrap_or_default();
    let ppt = header.ppt.as_deref().unwrap_or("-");
    out.line(name, &format!("{ppt}{code}: {}", header.reason));
    for check in &header.checks {
        out.line(
            "",
            &format!("{:<12} {}", result_in_words(check.result), check.name),
        );
    }
}

fn signer_in_words(signer: &Signer) -> String {
    let spc = signer.spc.as_ref().map(|spc| format!(", provider code {spc}"));
    format!("{}{}", signer.subject, spc.unwrap_or_default())
}

fn standing_in_words(report: &Report) -> &'static str {
    match report.standing {
        Standing::Verified if report.is_diverted => "verified, diverted on the way",
        Standing::Verified => "verified",
        Standing::Failed if report.is_forged() => "failed: forged",
        Standing::Failed => "failed: unproven",
        Standing::DivertedUnverified => "diverted, unverified: no complete chain of diversions leads here",
        Standing::Unchecked => "unchecked: could not be judged now",
        Standing::None => "none: no Identity header that says who calls",
    }
}

fn attestation_in_words(attestation: Attestation) -> &'static str {
    match attestation {
        Attestation::Full => "A: the signer knows the caller and the caller's right to the number",
        Attestation::Partial => "B: the signer knows the caller, not the right to the number",
        Attestation::Gateway => "C: the signer only passed the call on",
    }
}

fn result_in_words(result: CheckResult) -> &'static str {
    match result {
        CheckResult::Passed => "passed",
        CheckResult::Failed => "FAILED",
        CheckResult::Skipped => "-",
        CheckResult::Unavailable => "unavailable",
    }
}

#[cfg(test)]
mod tests {
    use stir_shaken_verify::{Check, Hop, Outcome, Priority, RichCallData};

    use super::*;

    fn full() -> Report {
        let signer = |subject: &str| Signer {
            subject: subject.into(),
            spc: Some("709J".into()),
            fingerprint: "ab".repeat(32),
        };
        let mut report = Report::none();
        report.standing = Standing::Verified;
        report.attestation = Some(Attestation::Full);
        report.verstat = "TN-Validation-Passed".into();
        report.signer = Some(signer("CN=Carrier"));
        report.iat_age_seconds = Some(3);
        report.origid = Some("123e\u{1b}[31m4567".into());
        report.is_diverted = true;
        report.hops = vec![Hop {
            signer: Some(signer("CN=Forwarder")),
            number_index: 0,
            history_index: Some("1.1".into()),
        }];
        report.rcd = Some(RichCallData {
            name: Some("Example Shop".into()),
            reason: Some("About your order".into()),
            ..RichCallData::default()
        });
        report.priority = Some(Priority {
            namespaces: vec!["esnet.1".into()],
            is_emergency: true,
            digest: "00".repeat(32),
        });
        let check = |name: &'static str, result| Check {
            name: name.into(),
            result,
        };
        report.headers = vec![HeaderReport {
            ppt: Some("shaken".into()),
            outcome: Outcome::Invalid,
            code: Some(438),
            reason: "the signature does not match".into(),
            checks: vec![
                check("header", CheckResult::Passed),
                check("signature", CheckResult::Failed),
            ],
            ppi: None,
            nested: Vec::new(),
        }];
        report
    }

    #[test]
    fn everything_that_was_found_stands_in_the_table() {
        let fetches = [
            Fetch {
                url: "https://cert.example.org/sp.pem".into(),
                result: Ok(1843),
                took: Duration::from_millis(35),
            },
            Fetch {
                url: "https://gone.example.org/sp.pem".into(),
                result: Err(FetchFailure::Timeout),
                took: Duration::from_millis(2000),
            },
        ];
        let text = table(
            &full(),
            &fetches,
            &["STIR;cause=438;text=\"Invalid Identity Header\"".into()],
        );
        for line in [
            "standing      verified, diverted on the way\n",
            "attestation   A: the signer knows",
            "signer        CN=Carrier, provider code 709J\n",
            "age           3 s from signing to arrival\n",
            "hop 1         CN=Forwarder, provider code 709J, History-Info entry 1.1\n",
            "name          Example Shop\n",
            "call reason   About your order\n",
            "integrity     resources named above were not hashed",
            "priority      esnet.1, an emergency\n",
            "fetched       https://cert.example.org/sp.pem: 1843 octets, 35 ms\n",
            "fetched       https://gone.example.org/sp.pem: time-out, 2000 ms\n",
            "header 1      shaken (438): the signature does not match\n",
            "              FAILED       signature\n",
            "would answer  Reason: STIR;cause=438;text=\"Invalid Identity Header\"\n",
        ] {
            assert!(text.contains(line), "{line}\nis not in\n{text}");
        }
    }

    #[test]
    fn what_others_wrote_cannot_steer_the_terminal() {
        let text = table(&full(), &[], &[]);
        assert!(
            text.contains("123e[31m4567") && !text.contains('\u{1b}'),
            "{text}"
        );
    }

    #[test]
    fn an_unsigned_call_reads_as_none() {
        let text = table(&Report::none(), &[], &[]);
        assert!(
            text.contains("none: no Identity header") && text.contains("No-TN-Validation"),
            "{text}"
        );
    }
}
