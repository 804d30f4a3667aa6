//! How a refused call is answered, by name: the profiles a rule may choose.

use serde::{Deserialize, Serialize};

/// A way to say no to the caller's side. What each needs from `[refusal]` is checked when the policy is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// `then = "refuse"`: what the trunk or `[refusal]` says; 608 without redress when neither says anything.
    Configured,
    /// 603+ "Network Blocked" (ATIS-1000099): 603 with a coded Reason that names who to complain to.
    NetworkBlocked,
    /// 607 Unwanted (RFC 8197): only for a caller whom a person here has reported; any other is answered as configured.
    Unwanted,
    /// 608 Rejected (RFC 8688): refused by a machine, with a signed card that names who to complain to.
    Rejected,
    /// What verification found (RFC 8224 §6.2.2, RFC 5079): 403, 428, 433, 436, 437 or 438; as configured when it found
    /// nothing to object to.
    Stir,
    /// 603 Decline, without any reason.
    Decline,
    /// 480 Temporarily Unavailable: says nothing of a refusal at all.
    Unavailable,
}

impl Profile {
    /// Every profile that can be named in a policy or a configuration.
    pub const NAMED: &'static [Profile] = &[
        Profile::NetworkBlocked,
        Profile::Unwanted,
        Profile::Rejected,
        Profile::Stir,
        Profile::Decline,
        Profile::Unavailable,
    ];

    /// As written: `network-blocked`.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Configured => "configured",
            Profile::NetworkBlocked => "network-blocked",
            Profile::Unwanted => "unwanted",
            Profile::Rejected => "rejected",
            Profile::Stir => "stir",
            Profile::Decline => "decline",
            Profile::Unavailable => "unavailable",
        }
    }

    /// What happens, for the reference.
    pub(super) fn meaning(self) -> &'static str {
        match self {
            Profile::Configured => "As the trunk or `[refusal]` says.",
            Profile::NetworkBlocked => {
                "603 \"Network Blocked\" (603+, ATIS-1000099) with a coded Reason: where the call was blocked and whom to ask."
            }
            Profile::Unwanted => {
                "607 Unwanted (RFC 8197), only for callers whom a person here has reported; any other is answered as `\"refuse\"`."
            }
            Profile::Rejected => {
                "608 Rejected (RFC 8688) with the address of a signed card that says whom to ask."
            }
            Profile::Stir => {
                "What verification found: 403, 428, 433, 436, 437 or 438 (RFC 8224, RFC 5079); as `\"refuse\"` when it found nothing."
            }
            Profile::Decline => "603 Decline, without a reason.",
            Profile::Unavailable => "480 Temporarily Unavailable, as if nobody were there.",
        }
    }

    /// The status in decisions and explanations. The one that was sent stands in the call's outcome.
    pub fn status(self) -> u16 {
        match self {
            Profile::Configured | Profile::Rejected => 608,
            Profile::NetworkBlocked | Profile::Decline => 603,
            Profile::Unwanted => 607,
            Profile::Stir => 438,
            Profile::Unavailable => 480,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_serde_prints() {
        for profile in Profile::NAMED.iter().chain([&Profile::Configured]) {
            assert_eq!(serde_json::to_value(profile).unwrap(), profile.name());
            assert!((400..700).contains(&profile.status()) && profile.meaning().ends_with('.'));
        }
    }
}
