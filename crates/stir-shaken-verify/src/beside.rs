//! What a token says beyond who calls whom: media keys, rich call data, priority. Asked before the certificate, and worth
//! something only when everything else about the token is right.

use crate::checks::Named;
use crate::findings::Findings;
use crate::kind::{Kind, Role};
use crate::mky;
use crate::number::NumberRules;
use crate::party::Shown;
use crate::passport::Passport;
use crate::rcd;
use crate::report::{Outcome, Priority, RichCallData};
use crate::rph;

/// What was found in the token, if nothing speaks against it.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    /// Of `shaken` and `rcd` (RFC 9795 §9).
    pub(crate) rcd: Option<RichCallData>,
    /// Of `rph` (RFC 8443, RFC 9027).
    pub(crate) priority: Option<Priority>,
}

/// Checks the claims that stand beside `orig` and `dest`.
///
/// Media keys that differ make the token invalid. So does what an `rcd` or `rph` PASSporT is about when it is no good; in
/// a SHAKEN one, bad rich call data is left out and the number is proven all the same (RFC 9795 §6).
pub(crate) fn check(
    shown: &Shown,
    numbers: &NumberRules,
    kind: Kind,
    passport: &Passport,
    findings: &mut Findings,
) -> Beside {
    let mut beside = Beside::default();
    let has = |name: &str| passport.has_claim(name);
    // A diversion may come with another description than the caller's: only who calls signs for the keys of the call.
    // Asked by name first: most tokens have none of these claims, and reading all of them again costs.
    if kind.role() != Role::Link
        && has("mky")
        && let Some(claim) = passport.claim("mky")
    {
        match mky::check(&claim, &shown.fingerprints) {
            Ok(()) => findings.pass(Named::Mky),
            Err(fault) => findings.fail(Named::Mky, Outcome::Invalid, format!("media keys: {fault}")),
        }
    }
    let is_shaken_with = || kind == Kind::Shaken && ["rcd", "rcdi", "crn"].into_iter().any(has);
    if kind == Kind::Rcd || is_shaken_with() {
        match rcd::read(&passport.members(), numbers) {
            Ok(data) => {
                findings.pass(Named::Rcd);
                beside.rcd = Some(data);
            }
            Err(fault) if kind == Kind::Rcd => {
                findings.fail(Named::Rcd, Outcome::Invalid, format!("rich call data: {fault}"));
            }
            Err(fault) => {
                let reason = format!("the number is proven, the rich call data is left out: {fault}");
                findings.leave_out(Named::Rcd, reason);
            }
        }
    }
    if kind == Kind::Priority {
        match rph::check(
            &passport.members(),
            &shown.resource_priority,
            shown.priority.as_deref(),
        ) {
            Ok(priority) => {
                findings.pass(Named::Priority);
                beside.priority = Some(priority);
            }
            Err(fault) => findings.fail(Named::Priority, Outcome::Invalid, format!("priority: {fault}")),
        }
    }
    beside
}
