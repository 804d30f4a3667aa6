//! Findings by name. An enum, never a string; each has plain words for people.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Declares the enum and its table together, so that a tag cannot be added without its name and its words.
macro_rules! tags {
    ($($(#[$doc:meta])* $tag:ident $name:literal $meaning:literal)*) => {
        /// One finding. Printed in records, policies and the API in SCREAMING_SNAKE_CASE.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Tag {
            $($(#[$doc])* #[serde(rename = $name)] $tag,)*
        }

        impl Tag {
            /// Every tag, in the order findings are listed.
            pub const ALL: &'static [Tag] = &[$(Tag::$tag),*];

            /// As printed: `IDENTITY_FORGED`.
            pub fn name(self) -> &'static str {
                match self { $(Tag::$tag => $name,)* }
            }

            /// What it means to the person answering: one short sentence without jargon, true by itself.
            pub fn meaning(self) -> &'static str {
                match self { $(Tag::$tag => $meaning,)* }
            }
        }
    };
}

tags! {
    IdentityVerifiedA "IDENTITY_VERIFIED_A" "The caller's carrier proves that the number is the caller's own."
    IdentityVerifiedB "IDENTITY_VERIFIED_B" "The caller's carrier knows its customer but cannot prove the number."
    IdentityVerifiedC "IDENTITY_VERIFIED_C" "A gateway passed the call on; nobody proves the number."
    IdentityVerifiedPlain "IDENTITY_VERIFIED_PLAIN" "The number is signed by a carrier that does not say whose it is."
    NoIdentity "NO_IDENTITY" "Nothing proves the number: the call is not signed."
    IdentityForged "IDENTITY_FORGED" "The proof given for the number is false."
    IdentityStale "IDENTITY_STALE" "The proof given for the number is out of date."
    IdentityUntrusted "IDENTITY_UNTRUSTED" "The number is vouched for by somebody we have no reason to trust."
    IdentityFailed "IDENTITY_FAILED" "The proof given for the number could not be accepted."
    IdentityForgedBeside "IDENTITY_FORGED_BESIDE" "A signed statement that came with the call is false."
    CertificateUnavailable "CERTIFICATE_UNAVAILABLE" "The proof of the number could not be checked in time."
    DivertedUnverified "DIVERTED_UNVERIFIED" "The call was forwarded and the proof does not cover the way it took."
    TokenReused "TOKEN_REUSED" "The proof of the number was already used by another call."
    NameSigned "NAME_SIGNED" "The caller's name is signed together with the number."
    NameDiffersFromSigned "NAME_DIFFERS_FROM_SIGNED" "The caller shows another name than the one that is signed."
    CarrierVerified "CARRIER_VERIFIED" "The carrier says it checked the number; it was not checked here."
    CarrierFailed "CARRIER_FAILED" "The carrier says that the proof of the number is false."
    CallerHidden "CALLER_HIDDEN" "The caller withholds the number."
    NumberMalformed "NUMBER_MALFORMED" "The number shown cannot be a telephone number."
    NameImitatesLabel "NAME_IMITATES_LABEL" "The caller's own name imitates a trust mark."
    OwnNumberClaimed "OWN_NUMBER_CLAIMED" "The caller shows a number of this business and nothing proves it."
    OwnNameClaimed "OWN_NAME_CLAIMED" "The caller shows the name of somebody here and nothing proves it."
    FromDiffersFromAsserted "FROM_DIFFERS_FROM_ASSERTED" "The caller shows another number than the network reports."
    KnownCaller "KNOWN_CALLER" "This number has called before and was answered."
    FirstCall "FIRST_CALL" "This number calls for the first time."
    ReportedScam "REPORTED_SCAM" "Somebody here reported this number as a scam."
    ReportedGood "REPORTED_GOOD" "Somebody here reported an earlier call from this number as good."
    Blocked "BLOCKED" "This number was blocked by somebody here."
    DoNotOriginate "DO_NOT_ORIGINATE" "Nobody calls from this number: whoever shows it has borrowed it."
    Allowed "ALLOWED" "Somebody here wrote down that this number is welcome."
    OrganisationNumber "ORGANISATION_NUMBER" "An organisation in the directory publishes this number."
    OrganisationClaimed "ORGANISATION_CLAIMED" "The caller shows an organisation of the directory and nothing proves it."
    NumberIllReputed "NUMBER_ILL_REPUTED" "People here reported several calls of this very caller as scams."
    SignerIllReputed "SIGNER_ILL_REPUTED" "People here reported many calls that this carrier signed as scams."
    HighVelocity "HIGH_VELOCITY" "This number calls unusually often."
    OverLimit "OVER_LIMIT" "More calls show this number at this moment than one number may bring."
    HistoryUnavailable "HISTORY_UNAVAILABLE" "Earlier calls could not be looked up."
    Diverted "DIVERTED" "The call was forwarded from another number."
    EmergencyClaimed "EMERGENCY_CLAIMED" "The call claims to be an emergency; nothing proves it."
    EmergencyVerified "EMERGENCY_VERIFIED" "It is proven that this is an emergency call."
    PriorityVerified "PRIORITY_VERIFIED" "It is proven that this call has priority in the network."
    EmergencyTrunk "EMERGENCY_TRUNK" "The call comes from a trusted emergency line."
    VoiceBonaFide "VOICE_BONA_FIDE" "The voice shows no sign of synthesis so far."
    VoiceSpoofLikely "VOICE_SPOOF_LIKELY" "The voice is likely synthetic."
    VoiceUnsure "VOICE_UNSURE" "Nothing can be said of the voice yet."
    VoicePending "VOICE_PENDING" "The voice was not heard yet."
    VoiceOff "VOICE_OFF" "The voice is not checked."
    ScoringOverloaded "SCORING_OVERLOADED" "The voice could not be checked: the scorer has no room."
    VoiceHeardTwice "VOICE_HEARD_TWICE" "The voice was heard a second time, more closely."
    SecondOpinionOverloaded "SECOND_OPINION_OVERLOADED" "There was no room to hear the voice more closely."
    SpeechAtOnce "SPEECH_AT_ONCE" "The caller's side spoke at the very moment of the answer."
    LongMonologue "LONG_MONOLOGUE" "The caller's side has talked for twenty seconds without a pause."
    CallerBeep "CALLER_BEEP" "A beep came from the caller's side."
    CallerKeyTones "CALLER_KEY_TONES" "Key tones came from the caller's side."
    CallerLoops "CALLER_LOOPS" "The same recording came from the caller's side more than once."
    TalksOverGreeting "TALKS_OVER_GREETING" "The caller's side talked on while our greeting was played."
    NoReaction "NO_REACTION" "The caller's side did not react to our greeting."
    CallerScreened "CALLER_SCREENED" "The caller was asked for name and reason before anybody was rung."
    CallerSilent "CALLER_SILENT" "The caller was asked for name and reason and said nothing."
    ChallengePassed "CHALLENGE_PASSED" "The caller pressed the two digits he was told."
    ChallengeFailed "CHALLENGE_FAILED" "The caller did not press the two digits he was told."
    ChallengeUnable "CHALLENGE_UNABLE" "The caller could not be asked to press digits."
    RepeatedRecording "REPEATED_RECORDING" "The same recording came in calls from several numbers."
    PromptMissing "PROMPT_MISSING" "Something could not be said to the caller: a recording is missing."
    /// A policy rule failed at run time; it counts as not matched.
    RuleError "RULE_ERROR" "A rule of the policy failed and was left out."
}

impl fmt::Display for Tag {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.name())
    }
}

/// The text names no tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a tag")]
pub struct NotATag;

impl FromStr for Tag {
    type Err = NotATag;

    /// Exactly as printed; another letter case is not a tag.
    fn from_str(name: &str) -> Result<Tag, NotATag> {
        Tag::ALL
            .iter()
            .copied()
            .find(|tag| tag.name() == name)
            .ok_or(NotATag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_are_what_serde_prints() {
        for tag in Tag::ALL {
            assert_eq!(tag.name().parse(), Ok(*tag));
            assert_eq!(serde_json::to_value(tag).unwrap(), tag.name());
        }
        assert_eq!("identity_forged".parse::<Tag>(), Err(NotATag));
    }

    #[test]
    fn words_for_people_promise_nothing() {
        for tag in Tag::ALL {
            let words = tag.meaning().to_ascii_lowercase();
            assert!(words.ends_with('.') && words.len() <= 80, "{tag}: {words}");
            for never in ["safe", "human", "spoof", "stir", "certificate", "attest"] {
                assert!(!words.contains(never), "{tag}: {words}");
            }
        }
    }
}
