//! A refusal by policy: which status the caller's side hears, in which words, with which headers.

use stir_shaken_verify::Outcome;

use super::redress::RefusalConfig;
use super::refusal::{phrase, stir_phrase};
use crate::identity::{Report, Standing};
use crate::policy::Profile;
use crate::screening::Facts;
use crate::sip::Message;

/// What is said to the caller's side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) phrase: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// What an answer may depend on.
pub(crate) struct Circumstances<'a> {
    pub(crate) config: &'a RefusalConfig,
    /// `[[trunk]] refusal`
    pub(crate) trunk: Option<Profile>,
    pub(crate) facts: &'a Facts,
    pub(crate) report: &'a Report,
    pub(crate) invite: &'a Message,
    /// Now, in whole seconds since the Unix epoch.
    pub(crate) unix_seconds: u64,
}

/// Refused by a machine, nothing more known: where nobody said how to refuse.
const PLAIN: u16 = 608;

impl Circumstances<'_> {
    /// The answer to a rule that refuses: `status` alone, or as the profile says.
    pub(crate) fn answer(&self, status: u16, profile: Option<Profile>) -> Answer {
        match profile {
            None => plain(status),
            // A person here did not want an earlier call of this number; no machine may say so (RFC 8197 §1).
            Some(Profile::Unwanted) if self.facts.history.reported_scam > 0 => plain(607),
            Some(Profile::Configured | Profile::Unwanted) => self.as_configured(),
            Some(Profile::Stir) => self.stir().unwrap_or_else(|| self.as_configured()),
            Some(other) => self.settled(other),
        }
    }

    fn as_configured(&self) -> Answer {
        match self.trunk.or(self.config.profile) {
            None | Some(Profile::Configured | Profile::Unwanted) => plain(PLAIN),
            Some(Profile::Stir) => self.stir().unwrap_or_else(|| plain(PLAIN)),
            Some(other) => self.settled(other),
        }
    }

    /// Profiles that depend on the configuration alone.
    fn settled(&self, profile: Profile) -> Answer {
        match profile {
            Profile::NetworkBlocked => match self.config.block_reason() {
                Some(reason) => Answer {
                    status: 603,
                    phrase: "Network Blocked",
                    headers: vec![("Reason", reason)],
                },
                // Without its Reason it is no 603+ (ATIS-1000099 §5).
                None => plain(603),
            },
            Profile::Rejected if self.understands_608() || self.config.without_608 == Profile::Rejected => {
                let card = self.config.card.as_ref();
                let info = card.map(|card| ("Call-Info", card.call_info(self.unix_seconds)));
                Answer {
                    headers: info.into_iter().collect(),
                    ..plain(608)
                }
            }
            Profile::Rejected => match self.config.without_608 {
                Profile::NetworkBlocked => self.settled(Profile::NetworkBlocked),
                other => plain(other.status()),
            },
            other => plain(other.status()),
        }
    }

    /// RFC 8688 §3.3: the caller's side carries a 608's Call-Info to whoever can use it.
    fn understands_608(&self) -> bool {
        let values = self.invite.header_values("Feature-Caps");
        values.iter().any(|value| {
            value
                .split(';')
                .any(|tag| tag.trim().eq_ignore_ascii_case("+sip.608"))
        })
    }

    fn stir(&self) -> Option<Answer> {
        stir_code(self.report, self.facts).map(|code| Answer {
            status: code,
            phrase: stir_phrase(code),
            headers: Vec::new(),
        })
    }
}

/// The status that says what verification found (RFC 8224 §6.2.2, RFC 5079); `None` = it found nothing to object to.
fn stir_code(report: &Report, facts: &Facts) -> Option<u16> {
    let failed = || report.headers.iter().filter(|header| header.code.is_some());
    // Signed or not: without a number there is nothing that a signature could be compared with.
    let is_without_number = facts.caller.is_hidden
        && matches!(report.standing, Standing::None | Standing::Failed)
        && failed().all(|header| header.outcome == Outcome::OrigMissing);
    if is_without_number {
        return Some(433);
    }
    // The SHAKEN header speaks for the call; what stands beside it only when it is all there is.
    let is_shaken = |ppt: Option<&str>| ppt.is_none_or(|ppt| ppt == "shaken");
    let code = failed()
        .find(|header| is_shaken(header.ppt.as_deref()))
        .or_else(|| failed().next())
        .and_then(|header| header.code);
    match report.standing {
        Standing::Verified => None,
        Standing::None => Some(code.unwrap_or(428)),
        Standing::Failed | Standing::DivertedUnverified => Some(code.unwrap_or(438)),
        Standing::Unchecked => Some(code.unwrap_or(436)),
    }
}

fn plain(status: u16) -> Answer {
    Answer {
        status,
        phrase: phrase(status),
        headers: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::call::redress::Contact;
    use crate::screening::sample;

    fn invite(lines: &str) -> Message {
        let text = format!(
            "INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\n\
             Call-ID: x\r\nCSeq: 1 INVITE\r\n{lines}Content-Length: 0\r\n\r\n"
        );
        Message::parse(text.as_bytes()).unwrap()
    }

    fn report(standing: Standing, headers: &[(&str, &str, Option<u16>)]) -> Report {
        let headers: Vec<_> = headers
            .iter()
            .map(|(ppt, outcome, code)| json!({"ppt": ppt, "outcome": outcome, "code": code, "reason": "", "checks": []}))
            .collect();
        Report {
            standing,
            headers: serde_json::from_value(headers.into()).unwrap(),
            ..Report::none()
        }
    }

    struct Bench {
        config: RefusalConfig,
        trunk: Option<Profile>,
        facts: Facts,
        report: Report,
        lines: &'static str,
    }

    impl Bench {
        fn new() -> Bench {
            Bench {
                config: RefusalConfig {
                    contact: Contact {
                        tel: Some("+12125550199".into()),
                        ..Contact::default()
                    },
                    ..RefusalConfig::default()
                },
                trunk: None,
                facts: sample::unsigned(),
                report: Report::none(),
                lines: "",
            }
        }

        fn answer(&self, status: u16, profile: Option<Profile>) -> Answer {
            Circumstances {
                config: &self.config,
                trunk: self.trunk,
                facts: &self.facts,
                report: &self.report,
                invite: &invite(self.lines),
                unix_seconds: 1_795_320_000,
            }
            .answer(status, profile)
        }

        fn status(&self, profile: Profile) -> u16 {
            self.answer(profile.status(), Some(profile)).status
        }
    }

    #[test]
    fn a_status_is_a_status_whatever_the_trunk_says() {
        let mut bench = Bench::new();
        bench.trunk = Some(Profile::NetworkBlocked);
        let answer = bench.answer(480, None);
        assert_eq!((answer.status, answer.phrase), (480, "Temporarily Unavailable"));
        assert!(answer.headers.is_empty());
    }

    #[test]
    fn the_rule_counts_before_the_trunk_and_the_trunk_before_the_configuration() {
        let mut bench = Bench::new();
        assert_eq!(bench.status(Profile::Configured), 608);
        bench.config.profile = Some(Profile::Unavailable);
        assert_eq!(bench.status(Profile::Configured), 480);
        bench.trunk = Some(Profile::NetworkBlocked);
        assert_eq!(
            bench.answer(608, Some(Profile::Configured)).phrase,
            "Network Blocked"
        );
        assert_eq!(bench.answer(603, Some(Profile::Decline)).phrase, "Decline");
    }

    #[test]
    fn a_607_is_for_callers_whom_a_person_has_reported() {
        let mut bench = Bench::new();
        assert_eq!(bench.status(Profile::Unwanted), 608, "a machine says 608");
        bench.trunk = Some(Profile::NetworkBlocked);
        assert_eq!(bench.status(Profile::Unwanted), 603, "or what is configured");
        bench.facts.history.reported_scam = 1;
        assert_eq!(bench.status(Profile::Unwanted), 607);
    }

    #[test]
    fn a_603_plus_without_a_contact_is_a_plain_603() {
        let mut bench = Bench::new();
        let answer = bench.answer(603, Some(Profile::NetworkBlocked));
        assert_eq!((answer.status, answer.phrase), (603, "Network Blocked"));
        assert!(
            answer.headers[0]
                .1
                .starts_with("SIP;cause=603;text=\"v=analytics1;tel=+12125550199\"")
        );
        bench.config.contact = Contact::default();
        assert_eq!(bench.answer(603, Some(Profile::NetworkBlocked)), plain(603));
    }

    #[test]
    fn who_does_not_understand_608_hears_what_the_configuration_says() {
        let mut bench = Bench::new();
        assert_eq!(bench.status(Profile::Rejected), 608);
        bench.config.without_608 = Profile::Decline;
        assert_eq!(bench.answer(608, Some(Profile::Rejected)), plain(603));
        bench.config.without_608 = Profile::NetworkBlocked;
        assert_eq!(
            bench.answer(608, Some(Profile::Rejected)).phrase,
            "Network Blocked"
        );
        for lines in [
            "Feature-Caps: *;+sip.608\r\n",
            "Feature-Caps: *;+sip.pns=\"apns\", *; +SIP.608\r\n",
        ] {
            bench.lines = lines;
            assert_eq!(bench.status(Profile::Rejected), 608, "{lines}");
        }
        bench.lines = "Feature-Caps: *;+sip.6080\r\n";
        assert_eq!(bench.status(Profile::Rejected), 603);
    }

    #[test]
    fn i_14_the_stir_profile_says_what_verification_found() {
        let mut bench = Bench::new();
        let mut check = |report: Report, is_hidden: bool, expected: u16, phrase: &str| {
            bench.report = report;
            bench.facts.caller.is_hidden = is_hidden;
            let answer = bench.answer(438, Some(Profile::Stir));
            assert_eq!((answer.status, answer.phrase), (expected, phrase));
        };
        let failed = |outcome, code| report(Standing::Failed, &[("shaken", outcome, Some(code))]);
        check(Report::none(), false, 428, "Use Identity Header");
        check(Report::none(), true, 433, "Anonymity Disallowed");
        check(failed("stale", 403), false, 403, "Stale Date");
        check(failed("bad_info", 436), false, 436, "Bad Identity Info");
        check(
            failed("untrusted_credential", 437),
            false,
            437,
            "Unsupported Credential",
        );
        check(failed("invalid", 438), false, 438, "Invalid Identity Header");
        check(failed("invalid", 438), true, 438, "Invalid Identity Header");
        check(failed("orig_missing", 438), true, 433, "Anonymity Disallowed");
        check(report(Standing::Unchecked, &[]), false, 436, "Bad Identity Info");
        check(
            report(Standing::DivertedUnverified, &[("shaken", "dest_mismatch", None)]),
            false,
            438,
            "Invalid Identity Header",
        );
        let two = [
            ("div", "stale", Some(403)),
            ("shaken", "untrusted_credential", Some(437)),
        ];
        check(
            report(Standing::Failed, &two),
            false,
            437,
            "Unsupported Credential",
        );
    }

    #[test]
    fn a_verified_call_that_is_refused_is_not_called_badly_signed() {
        let mut bench = Bench::new();
        bench.report = report(Standing::Verified, &[("shaken", "passed", None)]);
        assert_eq!(bench.status(Profile::Stir), 608);
        bench.trunk = Some(Profile::Stir);
        assert_eq!(bench.status(Profile::Configured), 608);
        bench.trunk = Some(Profile::Decline);
        assert_eq!(bench.status(Profile::Stir), 603);
    }
}
