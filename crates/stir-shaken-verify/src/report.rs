//! What a verification found: one outcome per Identity header, one standing for the call.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::ContentDigest;

/// The whole call, after every Identity header was looked at.
///
/// The best that a PASSporT of the caller proves (`shaken`, or one without `ppt`), and never more. The first that holds:
///
/// | found | standing |
/// | --- | --- |
/// | a PASSporT of the caller that passed everything | [`Verified`](Standing::Verified) |
/// | one that is forged: bad signature, another caller's, no authority | [`Failed`](Standing::Failed) |
/// | one that is good, but addressed to another number and not explained by a complete chain of diversions | [`DivertedUnverified`](Standing::DivertedUnverified) |
/// | one that could not be judged in time | [`Unchecked`](Standing::Unchecked) |
/// | one that failed in another way | [`Failed`](Standing::Failed) |
/// | none, but a diversion that is good, not judged in time, or failed | `DivertedUnverified`, `Unchecked`, `Failed` |
/// | none of all that | [`None`](Standing::None) |
///
/// So a forged PASSporT beside a good one spoils nothing, because anybody on the way could add one, and is told all the
/// same ([`Report::has_forged_beside`]). Beside one that could not be judged it decides: the name of a certificate host
/// that never answers is easily written, and must hide nothing.
///
/// A PASSporT without `ppt` makes a call verified without a letter: somebody with authority over the number signed it,
/// and nobody said whose it is. A letter comes from `shaken` alone (RFC 8588 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// A PASSporT that says who calls passed every check: a SHAKEN one, with its letter, or one without `ppt`, which
    /// has none.
    Verified,
    /// There is one, and it is wrong (see the header's outcome for how).
    Failed,
    /// Valid, but addressed to another number and no complete `div` chain explains it; or diversions and nothing that
    /// says who calls.
    DivertedUnverified,
    /// *We* could not tell in time: dead certificate host, trust list unavailable.
    Unchecked,
    /// No Identity header, or none that says who calls in a way we know.
    None,
}

/// RFC 8588 `attest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Attestation {
    /// A: the signer knows the caller, and the caller's right to the number.
    #[serde(rename = "A")]
    Full,
    /// B: the signer knows the caller, not the right to the number.
    #[serde(rename = "B")]
    Partial,
    /// C: the signer only took the call from somebody else.
    #[serde(rename = "C")]
    Gateway,
}

/// One Identity header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every check passed.
    Passed,
    /// `iat` or Date outside the window: 403.
    Stale,
    /// x5u breaks the rules, differs from `info`, or its host answered with something unusable: 436.
    BadInfo,
    /// The certificate cannot be trusted or used: 437.
    UntrustedCredential,
    /// Malformed, bad signature, missing claims: 438.
    Invalid,
    /// A PASSporT in compact form (RFC 8225 §7) that cannot be made again from this message, or whose signature is over
    /// something else: 438 (RFC 8224 §6.2.2). It never verifies, and is not called forged: whoever rewrites To, Date, the
    /// caller or the media keys on the way leaves the same behind as somebody who signed nothing.
    Unmatched,
    /// Signed for another calling number than the one shown: 438.
    OrigMismatch,
    /// The message shows no calling number (withheld, or no number at all), so `orig` has nothing to be compared
    /// with: 438. Nothing is forged by it, and nothing is proven.
    OrigMissing,
    /// The certificate has no authority over the number: 437.
    NoAuthority,
    /// Signed for another called number: 438 unless a `div` chain explains it.
    DestMismatch,
    /// We could not fetch the certificate in time: 436, standing `unchecked`.
    Unavailable,
    /// A `ppt` or `alg` we do not know: ignored (I-03).
    Unsupported,
}

/// One named check and how it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// e.g. `signature`, `iat`, `orig`, `dest`, `x5u`, `chain`, `tn_auth_list`, `dates`, `info`, `attest`.
    pub name: Cow<'static, str>,
    /// How it went.
    pub result: CheckResult,
}

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckResult {
    /// What it asks for is so.
    Passed,
    /// What it asks for is not so.
    Failed,
    /// An earlier failure made it pointless.
    Skipped,
    /// What it needs did not come: a certificate, a list.
    Unavailable,
}

/// What one Identity header is worth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderReport {
    /// The kind the header says it is, at most 16 characters of it; None: not said.
    pub ppt: Option<String>,
    /// All checks in one word.
    pub outcome: Outcome,
    /// RFC 8224 §6.2.2: 403, 428, 436, 437, 438; None when passed or ignored.
    pub code: Option<u16>,
    /// Plain words, bounded, without any number or token in it.
    pub reason: String,
    /// Every check of its kind in order, skipped ones included.
    pub checks: Vec<Check>,
    /// RFC 9410 §4 `ppi`: this PASSporT in its compact form (`..signature`, RFC 8225 §7), so that the sender can tell
    /// which of several failed. None when the header held no token of three parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ppi: Option<String>,
    /// The PASSporTs inside a `div-o` (RFC 8946 §5), outermost first; each is judged like a header of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nested: Vec<HeaderReport>,
}

impl HeaderReport {
    /// Not merely unproven or unreadable but false: a signature that does not match or speaks of another caller, a
    /// claim that the certificate does not permit, or no authority over the number. Without regard to `nested`.
    pub fn is_forged(&self) -> bool {
        let has_failed = |name: &str| {
            let mut checks = self.checks.iter();
            checks.any(|check| check.name == name && check.result == CheckResult::Failed)
        };
        match self.outcome {
            Outcome::OrigMismatch | Outcome::NoAuthority => true,
            Outcome::Invalid => has_failed("signature") || has_failed("constraints"),
            _ => false,
        }
    }

    /// This one and those inside it.
    fn with_nested(&self) -> impl Iterator<Item = &HeaderReport> {
        std::iter::once(self).chain(&self.nested)
    }

    /// A PASSporT that says who calls; a diversion and what only stands beside do not.
    fn is_of_the_caller(&self) -> bool {
        !matches!(self.ppt.as_deref(), Some("div" | "div-o" | "rcd" | "rph"))
    }
}

/// Who signed: from the end-entity certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signer {
    /// Subject of the certificate, printable and cut at [`crate::limits::SUBJECT_CHARS_MAX`].
    pub subject: String,
    /// Service provider code from the TNAuthList, when it has one.
    pub spc: Option<String>,
    /// SHA-256 of the certificate, hexadecimal.
    pub fingerprint: String,
}

/// One diversion that a complete chain proves (RFC 8946 §5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// Who signed the diversion; None when the certificate was not at hand, which never happens in a proven chain.
    pub signer: Option<Signer>,
    /// Place in the chain, from 0: the first diversion of the call.
    pub number_index: usize,
    /// The `hi` element of the `div` claim: the index of the History-Info entry that tells of this diversion
    /// (RFC 8946 §8, RFC 7044), such as `1.2.1`; None without one, or when it is no index.
    pub history_index: Option<String>,
}

/// Rich call data (RFC 9795) that passed every check; text is cleaned of control characters and bounded.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RichCallData {
    /// `nam`.
    pub name: Option<String>,
    /// `apn`: a number to show instead of `orig`.
    pub alternate_number: Option<String>,
    /// `icn`: URL of an image. Never to be loaded by a console directly.
    pub icon: Option<String>,
    /// `jcl`: URL of a jCard.
    pub card_url: Option<String>,
    /// `jcd`: the jCard itself.
    pub card: Option<serde_json::Value>,
    /// `crn`: why the caller calls.
    pub reason: Option<String>,
    /// What the content behind `icon` must hash to before anybody sees it (`rcdi`); None: the signer gave no digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon_digest: Option<ContentDigest>,
    /// The same for the file behind `card_url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card_digest: Option<ContentDigest>,
    /// The signer hashed everything named here (`rcdi`, RFC 9795 §6): `card` matches, and each URL has its digest.
    pub is_integrity_checked: bool,
}

impl fmt::Debug for RichCallData {
    /// Says what is there, not what it says: names and reasons belong to people.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("RichCallData")
            .field("has_name", &self.name.is_some())
            .field("has_alternate_number", &self.alternate_number.is_some())
            .field("has_icon", &self.icon.is_some())
            .field("has_card", &(self.card.is_some() || self.card_url.is_some()))
            .field("has_reason", &self.reason.is_some())
            .field("is_integrity_checked", &self.is_integrity_checked)
            .finish()
    }
}

/// A verified `rph` or `sph` PASSporT (RFC 8443, RFC 9027).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Priority {
    /// Values of Resource-Priority that are signed, e.g. `esnet.1`.
    pub namespaces: Vec<String>,
    /// An emergency call or the call-back to one: namespace `esnet`, or SIP Priority `psap-callback`.
    pub is_emergency: bool,
    /// SHA-256 over the received `header.payload` of this PASSporT, hexadecimal: a replay key of its own, because the
    /// token may travel without the SHAKEN one it came with.
    #[serde(default)]
    pub digest: String,
}

/// What is known of a call after its verification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// All headers in one word.
    pub standing: Standing,
    /// Only when `standing` is `verified` (V-05: no letter otherwise).
    pub attestation: Option<Attestation>,
    /// One for each Identity header looked at, in their order.
    pub headers: Vec<HeaderReport>,
    /// 3GPP TS 24.229: `TN-Validation-Passed`, `TN-Validation-Passed-B`, `TN-Validation-Passed-C`, `TN-Validation-Failed`, `No-TN-Validation`.
    pub verstat: String,
    /// Who signed the PASSporT that decided the standing; None: no certificate was judged.
    pub signer: Option<Signer>,
    /// SHA-256 over the received `header.payload` of the SHAKEN PASSporT, hexadecimal: the replay key.
    pub passport_digest: Option<String>,
    /// RFC 8588 `origid` of that PASSporT.
    pub origid: Option<String>,
    /// Seconds from `iat` to arrival; negative = from the future.
    pub iat_age_seconds: Option<i64>,
    /// Which P-Asserted-Identity value (from 0) `standing` speaks of; None: From, or nobody. A message may assert two
    /// different numbers: only this one may be shown as verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asserted: Option<usize>,
    /// The diversions that a complete chain proves, first to last (RFC 8946); empty when not diverted or not proven.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hops: Vec<Hop>,
    /// Rich call data that passed every check (RFC 9795), cleaned text only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rcd: Option<RichCallData>,
    /// A verified `rph` or `sph` PASSporT (RFC 8443, RFC 9027).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// `standing` is `verified` through a complete `div` chain: genuine, and dialled somewhere else first.
    #[serde(default)]
    pub is_diverted: bool,
}

impl Report {
    /// No Identity header at all.
    pub fn none() -> Report {
        Report {
            standing: Standing::None,
            attestation: None,
            headers: Vec::new(),
            verstat: "No-TN-Validation".into(),
            signer: None,
            passport_digest: None,
            origid: None,
            iat_age_seconds: None,
            asserted: None,
            hops: Vec::new(),
            rcd: None,
            priority: None,
            is_diverted: false,
        }
    }

    /// The number light's worst case: a header that says who calls is there and it is *wrong*, not merely unproven.
    /// Malformed or badly signed, for another calling number, or without authority over it. A diversion that is wrong
    /// says nothing against the calling number.
    pub fn is_forged(&self) -> bool {
        let is_wrong = |header: &HeaderReport| {
            let is_wrong = matches!(
                header.outcome,
                Outcome::Invalid | Outcome::OrigMismatch | Outcome::NoAuthority
            );
            is_wrong && header.is_of_the_caller()
        };
        self.standing == Standing::Failed && self.all().any(is_wrong)
    }

    /// Something false came with a call whose standing it does not decide: a forged PASSporT of any kind, beside one
    /// that is good or could not be judged, or a forged diversion. It proves nothing against the number (anybody on the
    /// way can add it) and must not stay untold.
    pub fn has_forged_beside(&self) -> bool {
        !self.is_forged() && self.all().any(HeaderReport::is_forged)
    }

    /// No header failed for a graver reason than age.
    pub fn is_stale(&self) -> bool {
        self.standing == Standing::Failed && !self.is_forged() && self.has(Outcome::Stale)
    }

    /// A credential we cannot trust (437), and nothing graver.
    pub fn is_untrusted(&self) -> bool {
        self.standing == Standing::Failed && !self.is_forged() && self.has(Outcome::UntrustedCredential)
    }

    pub(crate) fn verstat_word(&self) -> &'static str {
        match (self.standing, self.attestation) {
            (Standing::Verified, Some(Attestation::Full)) => "TN-Validation-Passed",
            (Standing::Verified, Some(Attestation::Partial)) => "TN-Validation-Passed-B",
            (Standing::Verified, Some(Attestation::Gateway)) => "TN-Validation-Passed-C",
            _ if self.is_forged() => "TN-Validation-Failed",
            _ => "No-TN-Validation",
        }
    }

    /// Every PASSporT that came with the call, those inside others too.
    fn all(&self) -> impl Iterator<Item = &HeaderReport> {
        self.headers.iter().flat_map(HeaderReport::with_nested)
    }

    /// Among the PASSporTs that say who calls; among all when there is none of them.
    fn has(&self, outcome: Outcome) -> bool {
        let is_about_the_caller = self.all().any(HeaderReport::is_of_the_caller);
        self.all()
            .filter(|header| header.is_of_the_caller() == is_about_the_caller)
            .any(|header| header.outcome == outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_before_reads_as_one_of_a_direct_call() {
        let old = r#"{"standing":"verified","attestation":"A","verstat":"TN-Validation-Passed","signer":null,
            "headers":[{"ppt":"shaken","outcome":"passed","code":null,"reason":"every check passed","checks":[]}],
            "passport_digest":null,"origid":null,"iat_age_seconds":1}"#;
        let report: Report = serde_json::from_str(old).unwrap();
        assert!(!report.is_diverted && report.hops.is_empty() && report.rcd.is_none());
        assert!(report.headers[0].nested.is_empty() && report.headers[0].ppi.is_none());
        let again = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&again).unwrap(), report);
    }

    #[test]
    fn a_wrong_diversion_is_told_and_says_nothing_against_the_number() {
        let failed = |ppt: Option<&str>, name: &'static str| HeaderReport {
            ppt: ppt.map(str::to_string),
            outcome: Outcome::Invalid,
            code: Some(438),
            reason: String::new(),
            checks: vec![Check {
                name: name.into(),
                result: CheckResult::Failed,
            }],
            ppi: None,
            nested: Vec::new(),
        };
        for (ppt, name, is_forged, is_beside) in [
            (Some("shaken"), "signature", true, false),
            (None, "signature", true, false),
            (Some("div"), "signature", false, true),
            (Some("div"), "passport", false, false),
            (Some("rph"), "constraints", false, true),
        ] {
            let report = Report {
                standing: Standing::Failed,
                headers: vec![failed(ppt, name)],
                ..Report::none()
            };
            assert_eq!(
                (report.is_forged(), report.has_forged_beside()),
                (is_forged, is_beside),
                "{ppt:?} {name}"
            );
        }
        let mut inside = failed(Some("div-o"), "opt");
        inside.nested = vec![failed(Some("shaken"), "signature")];
        let report = Report {
            standing: Standing::Failed,
            headers: vec![inside],
            ..Report::none()
        };
        assert!(report.is_forged());
    }
}
