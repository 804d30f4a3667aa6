//! What `ringward check` says of the lists that trust is made of: anchors, the signed trust list, revocation lists.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use stir_shaken_verify::limits::CRL_OCTETS_MAX;
use stir_shaken_verify::{Anchors, Crls, ListAuthority, TrustList, TrustListFault};

use super::check::{Finding, Severity};
use crate::config::limits::FILE_OCTETS_MAX;
use crate::given_file;
use crate::identity::{Config, Source};

/// How long before its end a list is worth a warning.
const LIST_NOTICE_SECONDS: i64 = 24 * 3600;

/// Everything that files can tell; nothing is fetched.
pub(super) fn check(config: &Config, now: SystemTime, findings: &mut Vec<Finding>) {
    let second = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
    let mut anchors = Anchors::new();
    for path in config.anchors.iter().chain(&config.private_anchors) {
        // Faults in these are told by whoever reads them line by line.
        if let Ok(octets) = given_file::read(path, FILE_OCTETS_MAX) {
            let _told = anchors.add_pem(&octets);
        }
    }
    let mut is_everything_at_hand = true;
    match &config.trust_list {
        None => {}
        Some(Source::Url(_)) => {
            is_everything_at_hand = false;
            later(config.trust_list.as_ref(), "trust list", findings);
        }
        Some(Source::File(path)) => match check_trust_list(config, path, second, findings) {
            Some(list) => anchors.extend(list.anchors()),
            None => is_everything_at_hand = false,
        },
    }
    let mut signers = Vec::new();
    for path in &config.crl_signers {
        let Some(octets) = read(path, FILE_OCTETS_MAX, findings) else {
            continue;
        };
        if Crls::new().add_signers_pem(&octets) == 0 {
            fault(path, "no certificate in it; expected PEM", findings);
        }
        signers.push(octets);
    }
    for source in &config.crls {
        match source {
            Source::Url(_) => later(Some(source), "revocation list", findings),
            Source::File(path) => {
                check_crl(path, &signers, &anchors, is_everything_at_hand, second, findings);
            }
        }
    }
    if config.crls.is_empty() && !config.has_no_anchors() {
        let message =
            "no revocation list ([identity] crls): a revoked signer is accepted until its certificate ends";
        findings.push(Finding::new(Severity::Warning, "(identity)", None, message));
    }
}

fn check_trust_list(
    config: &Config,
    path: &Path,
    second: i64,
    findings: &mut Vec<Finding>,
) -> Option<TrustList> {
    let octets = read(path, FILE_OCTETS_MAX, findings)?;
    let mut result = Err(TrustListFault::Signature);
    for file in &config.trust_list_authority {
        let Ok(pem) = given_file::read(file, FILE_OCTETS_MAX) else {
            continue;
        };
        match ListAuthority::from_pem(&pem) {
            Err(problem) => fault(file, &problem.to_string(), findings),
            Ok(authority) => {
                result = TrustList::verify(&octets, &authority, None, second);
                if result.is_ok() {
                    break;
                }
            }
        }
    }
    match result {
        Ok(list) => {
            let count = list.anchors().len();
            let message = format!("trust list of {count} authorities, signed by {}", list.signer());
            findings.push(found(Severity::Ok, path, message));
            for (_place, problem) in list.skipped() {
                findings.push(found(Severity::Warning, path, format!("passed over: {problem}")));
            }
            soon(path, list.expires(), second, findings);
            Some(list)
        }
        // Its signer's certificate has to be fetched: not known here.
        Err(TrustListFault::Signature) if TrustList::signer_url(&octets).is_some() => {
            let message = "signed by a certificate that has to be fetched (x5u): checked when serving";
            findings.push(found(Severity::Warning, path, message));
            None
        }
        Err(TrustListFault::Expired) => {
            // serve starts with it and says so; nothing of it is believed.
            findings.push(found(
                Severity::Warning,
                path,
                "the trust list has expired (exp): it is not used",
            ));
            None
        }
        Err(problem) => {
            fault(path, &problem.to_string(), findings);
            None
        }
    }
}

fn check_crl(
    path: &Path,
    signers: &[Vec<u8>],
    anchors: &Anchors,
    is_everything_at_hand: bool,
    second: i64,
    findings: &mut Vec<Finding>,
) {
    let Some(octets) = read(path, CRL_OCTETS_MAX as u64, findings) else {
        return;
    };
    let mut crls = Crls::new();
    for pem in signers {
        crls.add_signers_pem(pem);
    }
    if let Err(problem) = crls.add(&octets) {
        fault(path, &problem.to_string(), findings);
        return;
    }
    for list in crls.describe(anchors, second) {
        let count = list.revoked;
        let message = format!("revocation list of {}, {count} entries", list.issuer);
        findings.push(found(Severity::Ok, path, message));
        if list.is_unusable {
            let message = "a list that cannot be used (delta, unknown critical extension, or not ES256)";
            fault(path, message, findings);
        } else if list.is_indirect && !list.is_signed && is_everything_at_hand {
            let message =
                "no anchor and no certificate under one has signed it; give its signer in crl_signers";
            fault(path, message, findings);
        }
        if list.this_update > second {
            findings.push(found(
                Severity::Warning,
                path,
                "its thisUpdate is in the future: not used before",
            ));
        }
        match list.next_update {
            None => {
                let message = "it says not when the next one comes (nextUpdate): it counts as out of date";
                findings.push(found(Severity::Warning, path, message));
            }
            until => soon(path, until, second, findings),
        }
    }
}

/// Ended, or about to.
fn soon(path: &Path, until: Option<i64>, second: i64, findings: &mut Vec<Finding>) {
    let Some(until) = until else {
        return;
    };
    if until < second {
        let days = (second - until) / 86_400;
        let message =
            format!("out of date for {days} days: calls read \"unproven\" unless crl_stale is \"accept\"");
        findings.push(found(Severity::Warning, path, message));
    } else if until - second < LIST_NOTICE_SECONDS {
        let hours = (until - second) / 3600;
        findings.push(found(Severity::Warning, path, format!("ends in {hours} hours")));
    }
}

fn later(source: Option<&Source>, what: &str, findings: &mut Vec<Finding>) {
    if let Some(source) = source {
        let message = format!("{what}: fetched and checked when serving, not here");
        findings.push(Finding::new(Severity::Ok, source.to_string(), None, message));
    }
}

/// A list must not bring somebody's key along: whoever can read the file could sign as him.
fn read(path: &Path, octets_max: u64, findings: &mut Vec<Finding>) -> Option<Vec<u8>> {
    match given_file::read(path, octets_max) {
        Ok(octets) => {
            let mark = b"PRIVATE KEY-----";
            if octets.windows(mark.len()).any(|window| window == mark) {
                fault(
                    path,
                    "a private key in it: remove it, and replace that key",
                    findings,
                );
            }
            Some(octets)
        }
        Err(problem) => {
            fault(path, &format!("cannot be read: {problem}"), findings);
            None
        }
    }
}

fn fault(path: &Path, message: &str, findings: &mut Vec<Finding>) {
    findings.push(found(Severity::Fault, path, message));
}

fn found(severity: Severity, path: &Path, message: impl Into<String>) -> Finding {
    Finding::new(severity, path.display().to_string(), None, message)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{
        BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer,
        KeyIdMethod, KeyPair, KeyUsagePurpose, SerialNumber,
    };

    use super::*;

    /// 22 November 2026, 06:30:00 UTC.
    const NOW: u64 = 1_795_329_000;

    struct Folder(std::path::PathBuf);

    impl Folder {
        /// With `anchors.pem` and `list.crl`, which is good from 20 to 24 November 2026.
        fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("ringward-lists-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            let folder = Folder(path);
            let mut params = CertificateParams::default();
            params
                .distinguished_name
                .push(DnType::CommonName, "Test STI root");
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            let key = KeyPair::generate().unwrap();
            folder.write("anchors.pem", &params.self_signed(&key).unwrap().pem());
            let list = CertificateRevocationListParams {
                this_update: rcgen::date_time_ymd(2026, 11, 20),
                next_update: rcgen::date_time_ymd(2026, 11, 24),
                crl_number: SerialNumber::from_slice(&[1]),
                issuing_distribution_point: None,
                revoked_certs: Vec::new(),
                key_identifier_method: KeyIdMethod::Sha256,
            };
            let list = list.signed_by(&Issuer::from_params(&params, &key)).unwrap();
            folder.write("list.crl", &list.pem().unwrap());
            folder
        }

        fn write(&self, name: &str, text: &str) {
            std::fs::write(self.0.join(name), text).unwrap();
        }

        fn check(&self, days: i64, change: impl FnOnce(&mut Config, &Path)) -> Vec<(Severity, String)> {
            let mut config = Config {
                anchors: vec![self.0.join("anchors.pem")],
                crls: vec![Source::File(self.0.join("list.crl"))],
                ..Config::default()
            };
            change(&mut config, &self.0);
            let now = NOW.checked_add_signed(days * 86_400).unwrap();
            let mut findings = Vec::new();
            check(&config, UNIX_EPOCH + Duration::from_secs(now), &mut findings);
            findings
                .into_iter()
                .map(|finding| (finding.severity, finding.message))
                .collect()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn c_07_a_sound_list_is_told_with_its_entries_and_an_old_one_with_its_age() {
        let folder = Folder::new("dates");
        let sound = folder.check(0, |_, _| {});
        assert_eq!(sound.len(), 1, "{sound:?}");
        assert!(
            sound[0].0 == Severity::Ok && sound[0].1.contains("0 entries"),
            "{sound:?}"
        );
        let old = folder.check(5, |_, _| {});
        assert!(
            old[1].0 == Severity::Warning && old[1].1.starts_with("out of date for 3 days"),
            "{old:?}"
        );
        let ending = folder.check(1, |_, _| {});
        assert!(ending[1].1.starts_with("ends in 17 hours"), "{ending:?}");
        let early = folder.check(-5, |_, _| {});
        assert!(early[1].1.contains("in the future"), "{early:?}");
    }

    #[test]
    fn what_is_no_list_and_a_private_key_are_faults() {
        let folder = Folder::new("faults");
        folder.write("page.html", "<html>");
        let wrong = folder.check(0, |config, folder| {
            config.crls = vec![Source::File(folder.join("page.html"))];
        });
        assert_eq!(
            wrong,
            [(
                Severity::Fault,
                "list 1: not an X.509 revocation list".to_string()
            )]
        );
        folder.write(
            "key.pem",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        );
        let key = folder.check(0, |config, folder| {
            config.crl_signers = vec![folder.join("key.pem")]
        });
        assert!(
            key[0].0 == Severity::Fault && key[0].1.starts_with("a private key"),
            "{key:?}"
        );
        let gone = folder.check(0, |config, _| {
            config.crls = vec![Source::File("no/such.crl".into())]
        });
        assert!(gone[0].1.starts_with("cannot be read"), "{gone:?}");
    }

    #[test]
    fn a_trust_list_by_nobody_known_is_a_fault_and_one_by_address_is_left_for_later() {
        let folder = Folder::new("trust");
        folder.write("list.jwt", "eyJhbGciOiJFUzI1NiJ9.e30.AAAA");
        let unknown = folder.check(0, |config, folder| {
            config.trust_list = Some(Source::File(folder.join("list.jwt")));
            config.trust_list_authority = vec![folder.join("anchors.pem")];
        });
        assert!(
            unknown.contains(&(Severity::Fault, TrustListFault::Signature.to_string())),
            "{unknown:?}"
        );
        let later = folder.check(0, |config, _| {
            config.trust_list = Some(Source::Url("https://authority.example.org/list".into()));
        });
        assert!(later[0].1.contains("when serving"), "{later:?}");
        let none = folder.check(0, |config, _| config.crls.clear());
        assert!(none[0].1.starts_with("no revocation list"), "{none:?}");
    }
}
