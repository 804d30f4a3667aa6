//! Telephone numbers as a trunk writes them, and the one form that queues, history and verification know (E.164 with `+`).
//!
//! Per number, in this order: `strip` and `add`; a number with `+`; the international prefix; the national prefix; what
//! the plan of the trunk's country makes of it. What comes out as no number stays as it was written.

use stir_shaken_verify::NumberRules;

use crate::identity::Shown;
use crate::sip::{Message, NameAddr, Uri};

use super::TrunkConfig;

/// `country`, `national_prefix`, `international_prefix`, `called` and `calling` of a `[[trunk]]`. What is not said is as
/// in `[identity] country`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NumberPlan {
    /// ISO 3166 alpha-2.
    pub country: Option<String>,
    /// Stands before a national number: `0`, `1`, `06`. Empty = nothing does.
    pub national_prefix: Option<String>,
    /// Stands before a country code: `00`, `011`.
    pub international_prefix: Option<String>,
    pub called: Rules,
    pub calling: Rules,
}

/// What is taken off the beginning of a number, and what is put there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// The first that fits is taken off, once.
    pub strip: Vec<String>,
    /// Put before what is left; with `strip` only where something was taken off.
    pub add: String,
}

impl Rules {
    fn apply(&self, number: &str) -> String {
        if self.strip.is_empty() {
            return format!("{}{number}", self.add);
        }
        let rest = self
            .strip
            .iter()
            .find_map(|prefix| number.strip_prefix(prefix.as_str()));
        rest.map_or_else(|| number.to_string(), |rest| format!("{}{rest}", self.add))
    }
}

/// How the numbers of one trunk are read.
#[derive(Clone, Debug)]
pub(crate) struct Numbers {
    rules: Option<NumberRules>,
    plan: NumberPlan,
    /// The trunk says something of its own: what verification compares is told in our form.
    is_own: bool,
    /// Our user at its registrar: calls to it are for somebody whom other headers name.
    account: Option<String>,
    /// The business's own number.
    number: Option<String>,
}

/// Which of a trunk's rules a number goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Party {
    Calling,
    Called,
}

impl Numbers {
    /// `country`: for a trunk that names none.
    pub(crate) fn of(trunk: &TrunkConfig, country: &str) -> Numbers {
        Numbers {
            rules: NumberRules::new(trunk.numbers.country.as_deref().unwrap_or(country)).ok(),
            is_own: trunk.numbers != NumberPlan::default(),
            plan: trunk.numbers.clone(),
            account: trunk.register.as_ref().map(|register| register.user.clone()),
            number: trunk.number.clone(),
        }
    }

    /// E.164 with `+`, by the same rules that verification compares `orig` and `dest` with.
    pub(crate) fn canonical(&self, uri: &str, party: Party) -> Option<String> {
        let rules = self.rules?;
        let plain = |number: stir_shaken_verify::TelephoneNumber| number.e164();
        if !self.is_own {
            return rules.from_uri(uri).ok().map(plain);
        }
        let parsed = Uri::parse(uri).ok()?;
        let written = parsed.user()?;
        let digits: String = written.chars().filter(|c| !"-.() ".contains(*c)).collect();
        let parties = match party {
            Party::Calling => &self.plan.calling,
            Party::Called => &self.plan.called,
        };
        let number = parties.apply(&digits);
        if number.starts_with('+') {
            return rules.canonical(&number).ok().map(plain);
        }
        // The context says more than the habits of the trunk (RFC 3966 §5.1.5).
        if let Some(context) = parsed
            .user_param("phone-context")
            .filter(|context| context.starts_with('+'))
        {
            return rules
                .canonical(&format!("{number};phone-context={context}"))
                .ok()
                .map(plain);
        }
        let behind = |prefix: &Option<String>| {
            let prefix = prefix.as_deref().filter(|prefix| !prefix.is_empty())?;
            number.strip_prefix(prefix)
        };
        if let Some(rest) = behind(&self.plan.international_prefix) {
            return rules.canonical(&format!("+{rest}")).ok().map(plain);
        }
        if let Some(rest) = behind(&self.plan.national_prefix) {
            let code = rules.country().calling_code;
            return rules.canonical(&format!("+{code}{rest}")).ok().map(plain);
        }
        rules.canonical(&number).ok().map(plain)
    }

    /// Of the country whose plan these numbers follow.
    pub(crate) fn calling_code(&self) -> Option<&'static str> {
        self.rules.map(|rules| rules.country().calling_code)
    }

    /// The URI of whoever was dialled: the Request-URI, but for a call to our own account at a registrar. Then the
    /// carrier says it elsewhere: P-Called-Party-ID (RFC 7315 §4.2), else To; and when these are the account as well it
    /// is the number we have there.
    pub(crate) fn dialled(&self, invite: &Message) -> String {
        let requested = invite.request_uri().unwrap_or_default();
        let is_account = |uri: &Uri| {
            uri.user()
                .is_some_and(|user| Some(&*user) == self.account.as_deref())
        };
        if !Uri::parse(requested).is_ok_and(|uri| is_account(&uri)) {
            return requested.to_string();
        }
        let called = invite.header("P-Called-Party-ID");
        let called = called.and_then(|value| NameAddr::parse(&value).ok());
        let named = called.into_iter().chain([invite.to()]).find(|named| {
            !is_account(&named.uri) && self.canonical(named.uri.as_str(), Party::Called).is_some()
        });
        match (named, &self.number) {
            (Some(named), _) => named.uri.as_str().to_string(),
            (None, Some(number)) => format!("tel:{number}"),
            (None, None) => requested.to_string(),
        }
    }

    /// What the message shows of both parties, in the form that claims have. `None` = as it is written.
    pub(crate) fn shown(&self, invite: &Message) -> Option<Shown> {
        if !self.is_own && self.account.is_none() {
            return None;
        }
        let asserted = invite.header_values("P-Asserted-Identity");
        let calling = |uri: &str| self.rewritten(uri, Party::Calling);
        Some(Shown {
            asserted: asserted
                .iter()
                .map(|value| {
                    NameAddr::parse(value).map_or(String::new(), |address| calling(address.uri.as_str()))
                })
                .collect(),
            from: calling(invite.from_address().uri()),
            to: self.rewritten(invite.to_address().uri(), Party::Called),
            request_uri: self.rewritten(&self.dialled(invite), Party::Called),
        })
    }

    /// The same URI with its number in our form; what is no number stays as it is.
    fn rewritten(&self, uri: &str, party: Party) -> String {
        let (Some(number), Ok(parsed)) = (self.canonical(uri, party), Uri::parse(uri)) else {
            return uri.to_string();
        };
        let host = match (parsed.host(), parsed.port()) {
            (None, _) => return format!("tel:{number}"),
            (Some(host), None) => host.to_string(),
            (Some(host), Some(port)) => format!("{host}:{port}"),
        };
        format!("{}:{number}@{host}", parsed.scheme())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(plan: NumberPlan) -> Numbers {
        let trunk = TrunkConfig {
            numbers: plan,
            ..TrunkConfig::default()
        };
        Numbers::of(&trunk, "US")
    }

    fn plan(country: &str) -> NumberPlan {
        NumberPlan {
            country: Some(country.into()),
            ..NumberPlan::default()
        }
    }

    fn check(numbers: &Numbers, cases: &[(&str, Option<&str>)]) {
        for (written, expected) in cases {
            assert_eq!(
                numbers.canonical(written, Party::Called).as_deref(),
                *expected,
                "{written}"
            );
        }
    }

    #[test]
    fn a_british_trunk() {
        let uk = numbers(plan("GB"));
        check(
            &uk,
            &[
                ("sip:02079460000@x", Some("+442079460000")),
                ("sip:+442079460000@x;user=phone", Some("+442079460000")),
                ("sip:00442079460000@x", Some("+442079460000")),
                ("sip:0012125550100@x", Some("+12125550100")),
                ("sip:442079460000@x", Some("+442079460000")),
                ("sip:020-7946-0000@x;user=phone", Some("+442079460000")),
                ("tel:7946-0000;phone-context=+44", None),
                ("tel:2125550100;phone-context=+1", Some("+12125550100")),
                (
                    "sip:02079460000;phone-context=+44@x;user=phone",
                    Some("+442079460000"),
                ),
                ("sip:999@x", None),
                ("sip:desk@x", None),
            ],
        );
    }

    #[test]
    fn an_american_trunk() {
        let us = numbers(plan("US"));
        check(
            &us,
            &[
                ("sip:2125550100@x", Some("+12125550100")),
                ("sip:12125550100@x", Some("+12125550100")),
                ("sip:+12125550100@x", Some("+12125550100")),
                ("sip:011442079460000@x", Some("+442079460000")),
                ("sip:(212)%20555-0100@x", Some("+12125550100")),
                ("sip:911@x", None),
            ],
        );
    }

    #[test]
    fn a_german_trunk_with_every_habit_of_its_own() {
        let de = numbers(NumberPlan {
            national_prefix: Some("0".into()),
            international_prefix: Some("00".into()),
            called: Rules {
                strip: vec!["9".into()],
                add: String::new(),
            },
            calling: Rules {
                strip: vec!["*31#".into()],
                add: String::new(),
            },
            ..plan("DE")
        });
        check(
            &de,
            &[
                ("sip:0301234567@x", Some("+49301234567")),
                ("sip:0049301234567@x", Some("+49301234567")),
                ("sip:+49301234567@x", Some("+49301234567")),
                ("sip:90301234567@x", Some("+49301234567")),
                ("sip:9+49301234567@x", Some("+49301234567")),
                ("sip:0044207946000@x", Some("+44207946000")),
            ],
        );
        let caller = de.canonical("sip:*31%230301234567@x", Party::Calling);
        assert_eq!(caller.as_deref(), Some("+49301234567"));
        assert_eq!(de.canonical("sip:*31%230301234567@x", Party::Called), None);
    }

    #[test]
    fn what_is_put_before_a_number_needs_something_taken_off_unless_nothing_is() {
        let always = Rules {
            strip: Vec::new(),
            add: "+4420".into(),
        };
        assert_eq!(always.apply("79460000"), "+442079460000");
        let replaced = Rules {
            strip: vec!["0049".into(), "00".into()],
            add: "+49".into(),
        };
        assert_eq!(replaced.apply("004930"), "+4930");
        assert_eq!(replaced.apply("030"), "030");
        let short = numbers(NumberPlan {
            called: always,
            ..plan("GB")
        });
        check(&short, &[("sip:79460000@x", Some("+442079460000"))]);
    }

    #[test]
    fn a_trunk_that_says_nothing_reads_numbers_as_verification_does() {
        let plain = numbers(NumberPlan::default());
        check(
            &plain,
            &[("sip:2125550100@x", Some("+12125550100")), ("sip:020@x", None)],
        );
    }

    fn invite(request_uri: &str, to: &str, more: &str) -> Message {
        let text = format!(
            "INVITE {request_uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\nFrom: <sip:02079460001@c>;tag=1\r\n\
             To: <{to}>\r\nCall-ID: 1@x\r\nCSeq: 1 INVITE\r\nContact: <sip:192.0.2.9>\r\n{more}Content-Length: 0\r\n\r\n"
        );
        Message::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_call_to_our_account_is_for_whom_the_carrier_names_elsewhere() {
        let trunk = TrunkConfig {
            numbers: plan("GB"),
            number: Some("+442079460000".into()),
            register: Some(crate::registration::Config {
                trunk: "t".into(),
                host: "c".into(),
                transport: crate::sip::Transport::Udp,
                addresses: Vec::new(),
                user: "business".into(),
                expires: std::time::Duration::from_secs(600),
            }),
            ..TrunkConfig::default()
        };
        let numbers = Numbers::of(&trunk, "US");
        for (request_uri, to, more, expected) in [
            ("sip:business@gw", "sip:02079460002@c", "", "sip:02079460002@c"),
            (
                "sip:business@gw",
                "sip:02079460002@c",
                "P-Called-Party-ID: <sip:02079460003@c>\r\n",
                "sip:02079460003@c",
            ),
            ("sip:business@gw", "sip:business@c", "", "tel:+442079460000"),
            (
                "sip:02079460004@gw",
                "sip:02079460002@c",
                "",
                "sip:02079460004@gw",
            ),
        ] {
            assert_eq!(numbers.dialled(&invite(request_uri, to, more)), expected);
        }
        let shown = numbers
            .shown(&invite("sip:business@gw:5080", "sip:02079460002@c", ""))
            .unwrap();
        assert_eq!(shown.from, "sip:+442079460001@c");
        assert_eq!(shown.to, "sip:+442079460002@c");
        assert_eq!(shown.request_uri, "sip:+442079460002@c");
    }
}
