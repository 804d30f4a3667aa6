//! What `ringward check` says of a configuration before it is in force.

use std::time::Duration;

use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("ringward-check-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A self-signed authority, valid 2020-01-01 to 2030-01-01.
fn authority() -> String {
    let mut parameters = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    parameters
        .distinguished_name
        .push(rcgen::DnType::CommonName, "Test authority");
    parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(2030, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    parameters.self_signed(&key).unwrap().pem()
}

fn year(year: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs((year - 1970) * 31_556_952 + 86_400)
}

fn messages(findings: &[Finding], severity: Severity) -> Vec<&str> {
    findings
        .iter()
        .filter(|f| f.severity == severity)
        .map(|f| f.message.as_str())
        .collect()
}

fn anchors(text: &str, now: SystemTime) -> Vec<Finding> {
    let folder = Folder::new(&format!("anchors-{}", text.len()));
    let path = folder.write("anchors.pem", text);
    let mut findings = Vec::new();
    check_anchors(&path, now, &mut findings);
    findings
}

#[test]
fn trust_anchors_are_parsed_and_their_dates_looked_at() {
    let pem = authority();
    let two = format!("# ours\n{pem}\n{pem}");
    assert_eq!(
        messages(&anchors(&two, year(2025)), Severity::Ok),
        ["2 trust anchors"]
    );
    let expired = anchors(&pem, year(2031));
    assert!(
        messages(&expired, Severity::Warning)[0].contains("CN=Test authority expired on Jan  1"),
        "{expired:?}"
    );
    let early = anchors(&pem, year(2019));
    assert!(
        messages(&early, Severity::Warning)[0].contains("is not valid before"),
        "{early:?}"
    );
    let late = anchors(&pem, year(2030) - Duration::from_secs(10 * 86_400));
    assert!(
        messages(&late, Severity::Warning)[0].contains("expires on"),
        "{late:?}"
    );
}

#[test]
fn what_is_no_trust_anchor_is_a_fault_with_its_line() {
    assert_eq!(
        messages(&anchors("hello\n", year(2025)), Severity::Fault),
        ["no certificate in it; expected PEM"]
    );
    let key = "\n-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let found = anchors(key, year(2025));
    assert!(
        messages(&found, Severity::Fault)[0].starts_with("a private key among trust anchors"),
        "{found:?}"
    );
    assert_eq!(found[0].line, Some(2));
    let rubbish = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(
        messages(&anchors(rubbish, year(2025)), Severity::Fault),
        ["a certificate that does not parse"]
    );
    let cut = "-----BEGIN CERTIFICATE-----\n!!!!\n";
    assert!(!messages(&anchors(cut, year(2025)), Severity::Fault).is_empty());
}

#[test]
fn what_the_verifier_would_not_take_is_a_fault_before_serve_finds_it() {
    let folder = Folder::new("leaf");
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(Vec::<String>::new())
        .unwrap()
        .self_signed(&key)
        .unwrap();
    folder.write("leaf.pem", &leaf.pem());
    let path = folder.write("ringward.toml", "[identity]\nanchors = ['leaf.pem']\n");
    let found = check(Some(&path), year(2025));
    let faults = messages(&found, Severity::Fault);
    assert!(
        faults.len() == 1 && faults[0].starts_with("certificate 1"),
        "{found:#?}"
    );
}

#[test]
fn what_serve_runs_without_a_file_has_no_fault() {
    let found = check(None, year(2025));
    assert_eq!(messages(&found, Severity::Fault), [""; 0]);
    let sound = messages(&found, Severity::Ok);
    assert!(
        sound.iter().any(|message| message.starts_with("model default@")),
        "{found:#?}"
    );
    assert!(
        messages(&found, Severity::Warning)[0].starts_with("no trust anchors"),
        "{found:#?}"
    );
    assert!(summary(0).contains("observe.toml"));
}

#[test]
fn everything_is_checked_in_one_go_even_beside_faults() {
    let folder = Folder::new("all");
    folder.write("anchors.pem", &authority());
    let text = "[identity]\nanchors = ['anchors.pem']\n[voice]\nmodel = 'off'\n[sip]\nlissten = []\n[api]\nlisten = '0.0.0.0:8080'\n";
    let path = folder.write("ringward.toml", text);
    let found = check(Some(&path), year(2025));
    assert_eq!(
        messages(&found, Severity::Fault),
        ["unknown key \"lissten\" in [sip]"]
    );
    let sound = messages(&found, Severity::Ok);
    assert!(
        sound[0].starts_with("policy default@") && sound[1] == "1 trust anchor",
        "{found:#?}"
    );
    let warnings = messages(&found, Severity::Warning);
    assert_eq!(warnings.len(), 3, "{found:#?}");
    assert!(
        warnings[0].contains("not checked")
            && warnings[1].starts_with("no revocation list")
            && warnings[2].contains("without [api.tls]"),
        "{found:#?}"
    );
    let line = found[0].to_string();
    assert!(
        line.ends_with("ringward.toml:6:1: unknown key \"lissten\" in [sip] (did you mean listen?)"),
        "{line}"
    );
}
