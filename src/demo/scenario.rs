//! Who calls in the demo, and what the gateway promises the person at the phone about each of them.
//!
//! A table; nothing here runs. Numbers are from the range reserved for fiction (555-0100 to 555-0199).

use std::time::Duration;

use crate::call::record::Ending;
use crate::screening::{NumberLight, VoiceLight};

/// How the call is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    None,
    /// By the carrier, attestation A.
    Full,
    /// By the carrier, attestation B: it knows the customer, not their right to the number.
    Partial,
    /// A valid token, for a calling number that is not the one shown.
    OfAnotherNumber,
    /// A valid token with one character of its signature exchanged.
    Altered,
    /// A valid token, ten minutes old.
    Stale,
    /// Signed A by somebody whose authority the gateway does not know.
    ByStranger,
    /// Signed A, but the host of its certificate never answers.
    HostSilent,
    /// Signed A; while they talk, a second call comes with the very same token. That one is what the scenario is about.
    Replayed,
}

/// What is played into the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    Person,
    Synthetic,
}

/// Which number is dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Desk {
    /// Rings all phones; somebody answers.
    Front,
    /// Rings a phone that nobody picks up.
    Night,
}

/// What must be true afterwards. The promise for a voice is a set: a model may always say that it is unsure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    pub number: NumberLight,
    pub voice: &'static [VoiceLight],
    pub ending: Ending,
    /// Final SIP status towards the caller.
    pub status: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Stable name, for `--json`.
    pub name: &'static str,
    /// In plain words.
    pub title: &'static str,
    /// Display name the caller sends.
    pub caller_name: &'static str,
    /// Area code of the number shown.
    pub area: u16,
    pub signature: Signature,
    /// Anonymous From and `Privacy: id`; only the trunk is told the number.
    pub is_hidden: bool,
    /// Writes our own marks into its name and our own headers into its INVITE.
    pub imitates: bool,
    pub speaker: Speaker,
    pub talks: Duration,
    pub gives_up: Option<Duration>,
    pub dials: Desk,
    pub promise: Promise,
}

impl Scenario {
    /// How many calls one run of it makes.
    pub fn calls(&self) -> usize {
        if self.signature == Signature::Replayed {
            2
        } else {
            1
        }
    }

    /// The number shown the `round`th time this scenario is played. A hundred different ones, so that repeated runs
    /// are not taken for a flood from one number.
    pub fn number(&self, round: usize) -> String {
        format!("+1{}55501{:02}", self.area, round % 100)
    }
}

/// A person who had time to speak.
const PERSON: &[VoiceLight] = &[VoiceLight::Person, VoiceLight::Unsure];
/// A person who may have hung up before enough was heard.
const PERSON_BRIEFLY: &[VoiceLight] = &[VoiceLight::Person, VoiceLight::Unsure, VoiceLight::Pending];
const SYNTHETIC: &[VoiceLight] = &[VoiceLight::Synthetic, VoiceLight::Unsure];
/// Nobody answered, so nobody was heard.
const UNHEARD: &[VoiceLight] = &[VoiceLight::Pending];

const LONG: Duration = Duration::from_secs(14);
const SHORT: Duration = Duration::from_secs(5);

const fn talked(number: NumberLight, voice: &'static [VoiceLight]) -> Promise {
    Promise {
        number,
        voice,
        ending: Ending::Completed,
        status: 200,
    }
}

/// What most callers have in common: a person who dials the front desk and talks briefly.
const PLAIN: Scenario = Scenario {
    name: "",
    title: "",
    caller_name: "",
    area: 404,
    signature: Signature::None,
    is_hidden: false,
    imitates: false,
    speaker: Speaker::Person,
    talks: SHORT,
    gives_up: None,
    dials: Desk::Front,
    promise: talked(NumberLight::Unproven, PERSON_BRIEFLY),
};

/// Every scenario, in the order a run plays them.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "signed-person",
        title: "signed by its carrier, a person speaks",
        caller_name: "Anna Lindqvist",
        area: 404,
        signature: Signature::Full,
        talks: LONG,
        promise: talked(NumberLight::Genuine, PERSON),
        ..PLAIN
    },
    Scenario {
        name: "signed-synthetic",
        title: "signed by its carrier, but the voice is made",
        caller_name: "Grandson Tim",
        area: 305,
        signature: Signature::Full,
        speaker: Speaker::Synthetic,
        talks: LONG,
        promise: talked(NumberLight::Genuine, SYNTHETIC),
        ..PLAIN
    },
    Scenario {
        name: "unsigned-person",
        title: "not signed, a person speaks",
        caller_name: "Harbour Dental",
        area: 617,
        talks: LONG,
        promise: talked(NumberLight::Unproven, PERSON),
        ..PLAIN
    },
    Scenario {
        name: "unsigned-synthetic",
        title: "not signed, and the voice is made",
        caller_name: "Delivery Desk",
        area: 469,
        speaker: Speaker::Synthetic,
        talks: LONG,
        promise: talked(NumberLight::Unproven, SYNTHETIC),
        ..PLAIN
    },
    Scenario {
        name: "someone-elses-number",
        title: "shows a number it did not sign for",
        caller_name: "Your Bank",
        area: 312,
        signature: Signature::OfAnotherNumber,
        promise: talked(NumberLight::Forged, PERSON_BRIEFLY),
        ..PLAIN
    },
    Scenario {
        name: "forged-and-synthetic",
        title: "shows a number it did not sign for, with a made voice",
        caller_name: "Account Security",
        area: 929,
        signature: Signature::OfAnotherNumber,
        speaker: Speaker::Synthetic,
        talks: LONG,
        promise: talked(NumberLight::Forged, SYNTHETIC),
        ..PLAIN
    },
    Scenario {
        name: "token-used-twice",
        title: "a signature copied from another call",
        caller_name: "City Hall",
        area: 415,
        signature: Signature::Replayed,
        ..PLAIN
    },
    Scenario {
        name: "hidden-caller",
        title: "hides its number",
        caller_name: "",
        area: 503,
        is_hidden: true,
        ..PLAIN
    },
    Scenario {
        name: "gives-up",
        title: "hangs up while it rings",
        caller_name: "Parcel Service",
        area: 702,
        signature: Signature::Full,
        gives_up: Some(Duration::from_millis(1500)),
        dials: Desk::Night,
        promise: Promise {
            number: NumberLight::Genuine,
            voice: UNHEARD,
            ending: Ending::Cancelled,
            status: 487,
        },
        ..PLAIN
    },
    Scenario {
        name: "nobody-answers",
        title: "rings where nobody answers",
        caller_name: "Night Caller",
        area: 206,
        signature: Signature::Full,
        dials: Desk::Night,
        promise: Promise {
            number: NumberLight::Genuine,
            voice: UNHEARD,
            ending: Ending::NoAnswer,
            status: 480,
        },
        ..PLAIN
    },
    Scenario {
        name: "altered-signature",
        title: "its signature was tampered with",
        caller_name: "Tax Office",
        area: 202,
        signature: Signature::Altered,
        promise: talked(NumberLight::Forged, PERSON_BRIEFLY),
        ..PLAIN
    },
    Scenario {
        name: "stale-signature",
        title: "signed ten minutes ago",
        caller_name: "Book Club",
        area: 720,
        signature: Signature::Stale,
        ..PLAIN
    },
    Scenario {
        name: "unknown-authority",
        title: "signed by an authority nobody knows",
        caller_name: "Lucky Prize",
        area: 786,
        signature: Signature::ByStranger,
        ..PLAIN
    },
    Scenario {
        name: "certificate-host-down",
        title: "its certificate could not be fetched in time",
        caller_name: "Green Grocer",
        area: 802,
        signature: Signature::HostSilent,
        ..PLAIN
    },
    Scenario {
        name: "imitated-banner",
        title: "not signed, and writes a false banner into its name",
        caller_name: "NUMBER OK Verified Bank",
        area: 213,
        imitates: true,
        ..PLAIN
    },
    Scenario {
        name: "partly-attested",
        title: "its carrier vouches for the customer, not the number",
        caller_name: "Call Centre",
        area: 512,
        signature: Signature::Partial,
        ..PLAIN
    },
];

/// What the first of two calls with one token is promised: it is the honest one.
pub const REPLAYED_FIRST: Promise = talked(NumberLight::Genuine, PERSON_BRIEFLY);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_scenario_has_a_name_and_a_number_of_its_own() {
        let names: BTreeSet<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        let areas: BTreeSet<_> = SCENARIOS.iter().map(|scenario| scenario.area).collect();
        assert_eq!((names.len(), areas.len()), (SCENARIOS.len(), SCENARIOS.len()));
        assert!(SCENARIOS.iter().all(|scenario| !scenario.title.is_empty()));
        assert_eq!(SCENARIOS[0].number(7), "+14045550107");
        assert_eq!(SCENARIOS[0].number(107), "+14045550107");
    }

    #[test]
    fn no_promise_asks_more_of_the_model_than_it_may_refuse() {
        for scenario in SCENARIOS {
            let voice = scenario.promise.voice;
            if scenario.promise.ending == Ending::Completed {
                assert!(voice.contains(&VoiceLight::Unsure), "{}", scenario.name);
            } else {
                assert_eq!(voice, UNHEARD, "{}", scenario.name);
            }
            let wrong = if scenario.speaker == Speaker::Person {
                VoiceLight::Synthetic
            } else {
                VoiceLight::Person
            };
            assert!(!voice.contains(&wrong), "{}", scenario.name);
        }
    }

    #[test]
    fn only_an_untampered_full_attestation_is_promised_as_genuine() {
        for scenario in SCENARIOS {
            let expected = match scenario.signature {
                Signature::Full => NumberLight::Genuine,
                Signature::OfAnotherNumber | Signature::Altered => NumberLight::Forged,
                _ => NumberLight::Unproven,
            };
            assert_eq!(scenario.promise.number, expected, "{}", scenario.name);
        }
    }

    #[test]
    fn the_callers_the_issue_asks_for_are_there() {
        let has = |wanted: fn(&Scenario) -> bool| assert!(SCENARIOS.iter().any(wanted));
        has(|s| s.signature == Signature::Full && s.speaker == Speaker::Person && s.talks == LONG);
        has(|s| s.signature == Signature::Full && s.speaker == Speaker::Synthetic);
        has(|s| s.signature == Signature::None && !s.is_hidden);
        has(|s| s.signature == Signature::OfAnotherNumber);
        has(|s| s.signature == Signature::Replayed);
        has(|s| s.is_hidden);
        has(|s| s.gives_up.is_some() && s.promise.ending == Ending::Cancelled);
        has(|s| s.promise.ending == Ending::NoAnswer);
    }
}
