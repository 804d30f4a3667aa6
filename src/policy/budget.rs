//! `[budget]` of a policy: how many calls it may refuse before it counts as broken.

use std::time::Duration;

use crate::document::Section;

/// Refusals that are expected. Past it an activated policy is taken back (see `[budget]` in policies/README.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Of a hundred calls.
    pub refusals_percent: u8,
    /// Over which time they are counted.
    pub window: Duration,
    /// Fewer calls than this say nothing.
    pub calls_min: u32,
}

/// `[budget]`; `None` without one.
pub(super) fn read(policy: &Section<'_, '_>) -> Option<Budget> {
    let section = policy.section("budget")?;
    section.only(&["refusals_percent", "window", "calls_min"]);
    if section.value("refusals_percent").is_none() {
        section.fault(section.at.clone(), "[budget] needs \"refusals_percent\"", None);
    }
    let refusals_percent = section.integer("refusals_percent", 0..=99);
    let window = section.duration("window", Duration::from_secs(60)..=Duration::from_secs(24 * 3600));
    let calls_min = section.integer("calls_min", 1..=1_000_000);
    Some(Budget {
        refusals_percent: u8::try_from(refusals_percent?).unwrap_or(99),
        window: window.unwrap_or(Duration::from_secs(600)),
        calls_min: calls_min
            .and_then(|calls| u32::try_from(calls).ok())
            .unwrap_or(50),
    })
}
