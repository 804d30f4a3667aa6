//! Which numbers outside may be called: by phones, and by transfers (`[outbound]`).
//!
//! Calls that cost money are what a phone that was taken over is used for. So other countries and the number ranges
//! that are known for it are refused unless the configuration names them; help is never refused.

use std::time::Instant;

use super::case::Case;
use super::desk::Desk;
use super::flood;
use super::numbers::Numbers;
use super::ranges::Ranges;
use super::tolls::{Payer, Toll, TollConfig};
use super::{Config, Encryption, Keying, TrunkConfig};
use crate::e164::{Zone, zone_of};
use crate::queue;
use crate::sip::Flow;

/// `[outbound]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundConfig {
    /// Phones may call numbers outside, and each other.
    pub from_phones: bool,
    /// People may call organisations back at the numbers of the directory.
    pub call_back: bool,
    /// Queues may send calls that nobody takes to a number outside.
    pub overflow: bool,
    /// The trunk's name; `None` = the first with `to`.
    pub trunk: Option<String>,
    /// Numbers and beginnings that may be called although they would be refused by default.
    pub allow: Vec<String>,
    /// Numbers and beginnings that may not, whatever `allow` says.
    pub refuse: Vec<String>,
    /// As they are dialled. A phone that may call may call these, whatever else is refused.
    pub emergency: Vec<String>,
    /// Whether the legs of phones are encrypted in calls that phones begin.
    pub srtp: Encryption,
    /// Which kind of keys is offered to them.
    pub srtp_keys: Keying,
    /// How many calls may go out, and when.
    pub tolls: TollConfig,
    /// What lists of the operator's say may not be called, unless `allow` names it.
    pub ranges: Ranges,
}

impl Default for OutboundConfig {
    /// Nothing goes out.
    fn default() -> OutboundConfig {
        OutboundConfig {
            from_phones: false,
            call_back: false,
            overflow: false,
            trunk: None,
            allow: Vec::new(),
            refuse: Vec::new(),
            emergency: ["112", "911", "999", "988", "110", "000"]
                .map(str::to_string)
                .into(),
            srtp: Encryption::Off,
            srtp_keys: Keying::Sdes,
            tolls: TollConfig::default(),
            ranges: Ranges::default(),
        }
    }
}

/// A number outside, and the trunk it is called over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outside {
    pub(crate) trunk: String,
    /// E.164 with `+`, or an emergency number as dialled.
    pub(crate) number: String,
}

/// Ranges with prices of their own: satellite, shared-cost and premium services that belong to no country, and premium
/// ranges of countries whose callers may well be at home.
const PREMIUM: &[&str] = &[
    "+1900*", "+1976*", "+44870*", "+44871*", "+44872*", "+44873*", "+449*", "+49137*", "+49900*", "+3389*",
    "+39899*", "+34803*", "+34806*", "+34807*", "+31900*", "+31906*", "+31909*", "+41900*", "+41901*",
    "+41906*", "+61190*", "+87*", "+88*", "+979*",
];

/// Countries in the +1 plan that cost what other countries cost, by area code.
const FAR_AREAS: &[&str] = &[
    "+1242*", "+1246*", "+1264*", "+1268*", "+1284*", "+1345*", "+1441*", "+1473*", "+1649*", "+1658*",
    "+1664*", "+1721*", "+1758*", "+1767*", "+1784*", "+1809*", "+1829*", "+1849*", "+1868*", "+1869*",
    "+1876*",
];

/// The number that may be called for what was dialled: canonical in `number`, as it stood in `written`.
///
/// `home` is the calling code of the business's own country, without `+`.
///
/// # Errors
///
/// Why not, in words for whoever reads the phone's trace.
pub(crate) fn outside(
    number: &str,
    written: &str,
    home: Option<&str>,
    config: &Config,
    is_phone: bool,
) -> Result<Outside, &'static str> {
    let rules = &config.outbound;
    let named = |name: &str| config.trunks.iter().find(|trunk| trunk.name == name);
    let trunk = match &rules.trunk {
        Some(name) => named(name),
        None => config.trunks.iter().find(|trunk| trunk.to.is_some()),
    };
    let trunk = trunk
        .filter(|trunk| trunk.to.is_some())
        .ok_or("no trunk takes calls of ours")?;
    let outside = |number: &str| Outside {
        trunk: trunk.name.clone(),
        number: number.to_string(),
    };
    if is_phone && rules.emergency.iter().any(|emergency| emergency == written) {
        return Ok(outside(written));
    }
    check(number, home, rules)?;
    Ok(outside(number))
}

/// Whether this number may be called by whoever is no phone that calls for help, as the configuration of a gateway in that country
/// says.
///
/// # Errors
///
/// Why not, in words.
pub fn may_go_out(number: &str, country: &str, rules: &OutboundConfig) -> Result<(), &'static str> {
    let home = Numbers::of(&TrunkConfig::default(), country).calling_code();
    check(number, home, rules)
}

fn check(number: &str, home: Option<&str>, rules: &OutboundConfig) -> Result<(), &'static str> {
    let digits = number.strip_prefix('+').filter(|digits| !digits.is_empty());
    let Some(digits) = digits else {
        return Err("this is no telephone number");
    };
    let fits = |patterns: &[String]| patterns.iter().any(|pattern| queue::fits(pattern, number));
    let is_one_of = |patterns: &[&str]| patterns.iter().any(|pattern| queue::fits(pattern, number));
    if fits(&rules.refuse) {
        return Err("this number may not be called");
    }
    if fits(&rules.allow) {
        return Ok(());
    }
    if rules.ranges.has(number) {
        return Err("this number is in a list of ranges that may not be called");
    }
    match zone_of(number) {
        None => return Err("this is no telephone number"),
        Some((_, Zone::Satellite)) => return Err("satellites may not be called"),
        Some((_, Zone::Network | Zone::Service)) => {
            return Err("networks that belong to no country may not be called");
        }
        Some((_, Zone::Area)) => {}
    }
    if is_one_of(PREMIUM) {
        return Err("premium numbers may not be called");
    }
    let is_at_home = home.is_some_and(|home| digits.starts_with(home)) && !is_one_of(FAR_AREAS);
    match is_at_home {
        true => Ok(()),
        false => Err("other countries may not be called"),
    }
}

/// What such a call may come to: `None` where nothing is counted, and for help, which counts for nothing.
///
/// # Errors
///
/// That it may not go out now, in words for whoever reads the phone's trace.
pub(crate) fn toll(outside: &Outside, payer: &Payer<'_>, desk: &Desk) -> Result<Option<Toll>, &'static str> {
    let rules = &desk.config.outbound;
    if rules.emergency.contains(&outside.number) {
        return Ok(None);
    }
    is_hour_for(outside, desk)?;
    if rules.tolls.is_unlimited() {
        return Ok(None);
    }
    let price = rules.tolls.price_of(&outside.number)?;
    let now = desk.now().instant;
    desk.ledger.begin(&rules.tolls, payer, price, now).map(Some)
}

/// Whether calls to this number go out at this hour.
///
/// # Errors
///
/// That they do not, in words for whoever reads the phone's trace.
pub(crate) fn is_hour_for(outside: &Outside, desk: &Desk) -> Result<(), &'static str> {
    let rules = &desk.config.outbound;
    let mut allowed = rules.allow.iter();
    let is_allowed = allowed.any(|pattern| queue::fits(pattern, &outside.number));
    match is_allowed || rules.tolls.is_open(desk.now().unix_ms()) {
        true => Ok(()),
        false => Err("calls do not go out at this hour"),
    }
}

/// Who calls from there: the device that is registered there, or else the address, which of a PBX is all its phones.
pub(crate) fn person_at(flow: &Flow, desk: &Desk) -> String {
    let mut devices = desk.registrants.bound.all();
    let device = devices.find(|(_, places)| places.iter().any(|place| place.flow == *flow));
    device.map_or_else(|| flow.remote.ip().to_string(), |(name, _)| name.to_string())
}

impl Case {
    /// A number outside has answered, whatever becomes of that: what it costs counts from now on.
    pub(crate) fn outside_answered(&mut self, desk: &Desk) {
        let now = desk.now().instant;
        let tolls = self.tolls.iter_mut().chain(&mut self.tolls_of_transfer);
        tolls.for_each(|toll| toll.answered(now));
    }

    /// Whoever has answered is part of the call: it pays for him from now on.
    pub(crate) fn pay(&mut self, desk: &Desk) {
        self.tolls.append(&mut self.tolls_of_transfer);
        self.outside_answered(desk);
    }

    /// Whoever was paid for is not part of the call any more.
    pub(crate) fn end_tolls(&mut self, desk: &Desk) {
        let now = desk.now().instant;
        self.tolls.drain(..).for_each(|toll| toll.end(now));
    }

    /// When what the call costs is to be looked at.
    pub(crate) fn toll_look(&self) -> Option<Instant> {
        let tolls = self.tolls.iter().chain(&self.tolls_of_transfer);
        tolls.filter_map(Toll::look).min()
    }

    /// Why it is to be cut: it would cost more than it may. A call for help never is.
    pub(crate) fn is_spent(&mut self, desk: &Desk) -> Option<&'static str> {
        let must_go_on = flood::is_urgent(&self.facts);
        any_spent(&mut self.tolls, must_go_on, desk)
    }

    /// The same of a number outside that has answered and is not yet part of the call.
    pub(crate) fn is_transfer_spent(&mut self, desk: &Desk) -> Option<&'static str> {
        let must_go_on = flood::is_urgent(&self.facts);
        any_spent(&mut self.tolls_of_transfer, must_go_on, desk)
    }

    /// What pays for a leg to the outside that is to ring now, but for that of an overflow.
    pub(crate) fn toll_under_way(&self) -> Option<u64> {
        let last = self.tolls_of_transfer.last().or(self.tolls.last());
        last.map(Toll::number)
    }
}

/// Every one is looked at: one that is left out would be due for ever.
fn any_spent(tolls: &mut [Toll], must_go_on: bool, desk: &Desk) -> Option<&'static str> {
    let now = desk.now().instant;
    let config = &desk.config.outbound.tolls;
    let looks = tolls
        .iter_mut()
        .map(|toll| toll.is_spent(config, must_go_on, now));
    looks.fold(None, Option::or)
}
