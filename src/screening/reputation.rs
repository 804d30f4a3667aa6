//! What people's reports make of the number and of those who signed for it.

use serde::{Deserialize, Serialize};

use super::verdict::names;

/// Whose reputation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reputable {
    /// The caller's, by a number that is proven.
    Number,
    /// The signer's, by its service provider code.
    Spc,
    /// The signer's, by the subject of its certificate.
    Certificate,
    /// That of one customer, gateway or line of the signer (`origid`).
    Origid,
}

names!(Reputable { Number "number" Spc "spc" Certificate "certificate" Origid "origid" });

/// What reports say of one of them. Only what somebody proved has a reputation: whoever borrows a number spoils it for
/// nobody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reputed {
    pub of: Reputable,
    /// Reports so far, good, unsure and scam, however old.
    pub reports: u64,
    /// What the good ones weigh now.
    pub good: f64,
    /// What the scam ones weigh now.
    pub scam: f64,
    /// The share of bad calls that is to be expected, 0 to 1.
    pub bad: f64,
}

/// From this share on a reputation is bad.
pub const BAD_FROM: f64 = 0.5;

impl Reputed {
    pub fn is_bad(&self) -> bool {
        self.bad >= BAD_FROM
    }
}
