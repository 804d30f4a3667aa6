//! The named checks of a report: every name there is, and the order they stand in.

use crate::report::CheckResult;

/// One named check. They are reported in this order: what the message alone tells first, then what needs the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    Header,
    Passport,
    Attest,
    Origid,
    Info,
    X5u,
    Iat,
    Date,
    Orig,
    Dest,
    Div,
    Opt,
    RequestUri,
    Diversion,
    Mky,
    Rcd,
    Priority,
    Certificate,
    Chain,
    TnAuthList,
    Dates,
    Revocation,
    Signature,
    Constraints,
    Authority,
}

impl Named {
    /// All of them, in their order.
    const ALL: [Named; 25] = [
        Named::Header,
        Named::Passport,
        Named::Attest,
        Named::Origid,
        Named::Info,
        Named::X5u,
        Named::Iat,
        Named::Date,
        Named::Orig,
        Named::Dest,
        Named::Div,
        Named::Opt,
        Named::RequestUri,
        Named::Diversion,
        Named::Mky,
        Named::Rcd,
        Named::Priority,
        Named::Certificate,
        Named::Chain,
        Named::TnAuthList,
        Named::Dates,
        Named::Revocation,
        Named::Signature,
        Named::Constraints,
        Named::Authority,
    ];

    /// As it stands in a report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Named::Header => "header",
            Named::Passport => "passport",
            Named::Attest => "attest",
            Named::Origid => "origid",
            Named::Info => "info",
            Named::X5u => "x5u",
            Named::Iat => "iat",
            Named::Date => "date",
            Named::Orig => "orig",
            Named::Dest => "dest",
            Named::Div => "div",
            Named::Opt => "opt",
            Named::RequestUri => "request_uri",
            Named::Diversion => "diversion",
            Named::Mky => "mky",
            Named::Rcd => "rcd",
            Named::Priority => "priority",
            Named::Certificate => "certificate",
            Named::Chain => "chain",
            Named::TnAuthList => "tn_auth_list",
            Named::Dates => "dates",
            Named::Revocation => "revocation",
            Named::Signature => "signature",
            Named::Constraints => "constraints",
            Named::Authority => "authority",
        }
    }
}

/// Some of the checks: those that a kind of PASSporT goes through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checks(u32);

impl Checks {
    pub(crate) const fn of(checks: &[Named]) -> Checks {
        let (mut bits, mut place) = (0, 0);
        while place < checks.len() {
            bits |= 1 << checks[place] as u32;
            place += 1;
        }
        Checks(bits)
    }

    pub(crate) const fn and(self, checks: &[Named]) -> Checks {
        Checks(self.0 | Checks::of(checks).0)
    }

    pub(crate) const fn without(self, checks: &[Named]) -> Checks {
        Checks(self.0 & !Checks::of(checks).0)
    }

    /// In the order of reports.
    pub(crate) fn iter(self) -> impl Iterator<Item = Named> {
        Named::ALL
            .into_iter()
            .filter(move |check| self.0 & (1 << *check as u32) != 0)
    }

    pub(crate) fn len(self) -> usize {
        self.0.count_ones() as usize
    }
}

/// What each check came to; what was asked twice came to what it came to last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Results([Option<CheckResult>; Named::ALL.len()]);

impl Results {
    pub(crate) fn set(&mut self, check: Named, result: CheckResult) {
        self.0[check as usize] = Some(result);
    }

    /// `skipped` when it was not asked.
    pub(crate) fn of(&self, check: Named) -> CheckResult {
        self.0[check as usize].unwrap_or(CheckResult::Skipped)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_check_has_its_place_and_a_name_of_its_own() {
        for (place, check) in Named::ALL.into_iter().enumerate() {
            assert_eq!(check as usize, place, "{check:?}");
        }
        let names: BTreeSet<_> = Named::ALL.into_iter().map(Named::name).collect();
        assert_eq!(names.len(), Named::ALL.len());
    }

    #[test]
    fn checks_come_in_the_order_of_reports_whatever_order_they_are_named_in() {
        let checks =
            Checks::of(&[Named::Authority, Named::Iat, Named::Opt]).and(&[Named::Header, Named::Iat]);
        let names: Vec<_> = checks.without(&[Named::Opt]).iter().map(Named::name).collect();
        assert_eq!(names, ["header", "iat", "authority"]);
        assert_eq!(checks.len(), 4);
    }
}
