//! Who was reported, by call; and what the shards look at.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::formula::{Prior, weight};
use super::limits::{FORGOTTEN_AFTER, NAME_OCTETS_MAX, REPORTS_MAX, REPORTS_OF_ONE_MAX};
use crate::call_id::CallId;
use crate::identity::{Report, Standing};
use crate::screening::{Facts, Reputable, Reputed};

/// What a person said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    Good,
    Unsure,
    Scam,
}

/// Somebody who has a reputation: what it is of, and by which name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Subject {
    pub of: Reputable,
    pub name: String,
}

/// One call that a person said something about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// When he said it, Unix ms.
    pub at_ms: u64,
    pub said: Said,
    /// Whom it concerns: nobody, when nothing was proven.
    pub subjects: Vec<Subject>,
}

impl Reported {
    fn concerns(&self, number: &str) -> bool {
        self.subjects
            .iter()
            .any(|subject| subject.of == Reputable::Number && subject.name == number)
    }
}

/// Whom a report on this call concerns: the number when it is proven to be the caller's, the signer when the signature
/// holds. Of a token that was copied from another call the signer knows nothing.
pub fn subjects(facts: &Facts, report: &Report) -> Vec<Subject> {
    let identity = &facts.identity;
    let mut subjects = Vec::new();
    let mut add = |of: Reputable, name: &str| {
        if !name.is_empty() && name.len() <= NAME_OCTETS_MAX {
            let name = name.to_string();
            subjects.push(Subject { of, name });
        }
    };
    if let Some(number) = &facts.caller.number
        && facts.is_number_proven()
        && !facts.caller.is_hidden
    {
        add(Reputable::Number, number.reveal());
    }
    let is_signed = identity.standing == Standing::Verified
        && !identity.is_forged
        && !identity.is_stale
        && !identity.is_untrusted
        && identity.is_reused != Some(true);
    if let Some(signer) = report.signer.as_ref().filter(|_| is_signed) {
        if let Some(spc) = &signer.spc {
            add(Reputable::Spc, spc);
        }
        add(Reputable::Certificate, &signer.subject);
        if let Some(origid) = &report.origid {
            // Unique for its signer only (RFC 8588 §5).
            let signer = signer.spc.as_deref().unwrap_or(&signer.subject);
            add(Reputable::Origid, &format!("{signer} {origid}"));
        }
    }
    subjects
}

/// All reports that count, by call.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    calls: BTreeMap<CallId, Arc<Reported>>,
    /// The same by the time of the report, oldest first.
    order: BTreeSet<(u64, CallId)>,
}

impl Ledger {
    /// What somebody said of a call; the newest word on it counts. Gives the calls that are forgotten for it: too old,
    /// or the oldest of too many.
    pub fn note(&mut self, call: CallId, reported: Reported) -> Vec<CallId> {
        let at_ms = reported.at_ms;
        if let Some(before) = self.calls.insert(call, Arc::new(reported)) {
            self.order.remove(&(before.at_ms, call));
        }
        self.order.insert((at_ms, call));
        let oldest_ms = at_ms.saturating_sub(FORGOTTEN_AFTER.as_millis() as u64);
        let mut gone = Vec::new();
        while let Some((said_ms, call)) = self.order.first().copied()
            && (said_ms < oldest_ms || self.order.len() > REPORTS_MAX)
        {
            self.order.pop_first();
            self.calls.remove(&call);
            gone.push(call);
        }
        gone
    }

    /// How many reports count for this number.
    pub fn reports_on(&self, number: &str) -> u64 {
        self.calls
            .values()
            .filter(|reported| reported.concerns(number))
            .count() as u64
    }

    /// Takes a number out of every report, and the signers' own names for whoever has it (`origid`). Gives what becomes of
    /// each: None = it concerned nobody else, and is gone.
    pub fn forget(&mut self, number: &str) -> Vec<(CallId, Option<Reported>)> {
        let mut changed = Vec::new();
        for (call, reported) in &mut self.calls {
            if reported.concerns(number) {
                let mut left = Reported::clone(reported);
                left.subjects
                    .retain(|subject| !matches!(subject.of, Reputable::Number | Reputable::Origid));
                changed.push((*call, Some(left.clone()).filter(|left| !left.subjects.is_empty())));
                *reported = Arc::new(left);
            }
        }
        for (call, _) in changed.iter().filter(|(_, left)| left.is_none()) {
            if let Some(gone) = self.calls.remove(call) {
                self.order.remove(&(gone.at_ms, *call));
            }
        }
        changed
    }

    pub fn reputations(&self) -> Reputations {
        let mut known: HashMap<Subject, Vec<(u64, CallId, Said)>> = HashMap::new();
        for (call, reported) in &self.calls {
            for subject in &reported.subjects {
                let reports = known.entry(subject.clone()).or_default();
                reports.push((reported.at_ms, *call, reported.said));
            }
        }
        for reports in known.values_mut() {
            reports.sort_unstable_by_key(|(at_ms, call, _)| std::cmp::Reverse((*at_ms, *call)));
            reports.truncate(REPORTS_OF_ONE_MAX);
        }
        Reputations { known }
    }
}

/// What every shard has in its hands. Never changed, only replaced as a whole.
#[derive(Debug, Default)]
pub struct Reputations {
    /// The newest reports first.
    known: HashMap<Subject, Vec<(u64, CallId, Said)>>,
}

impl Reputations {
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// What is to be expected of those whom this call concerns, as it is at that time (Unix ms). Those of whom nobody
    /// said anything are left out; what was said of the call itself does not count for it.
    pub fn of(&self, call: CallId, facts: &Facts, report: &Report, at_ms: u64) -> Vec<Reputed> {
        if self.is_empty() {
            return Vec::new();
        }
        let subjects = subjects(facts, report).into_iter();
        subjects
            .filter_map(|subject| self.reputed(&subject, Some(call), at_ms))
            .collect()
    }

    /// Those with the worst reputation at that time, at most `most`; of equal ones, in the order of their names.
    pub fn worst(
        &self,
        at_ms: u64,
        most: usize,
        is_wanted: impl Fn(&Subject) -> bool,
    ) -> Vec<(Subject, Reputed)> {
        let subjects = self.known.keys().filter(|subject| is_wanted(subject));
        let mut known: Vec<(Subject, Reputed)> = subjects
            .filter_map(|subject| Some((subject.clone(), self.reputed(subject, None, at_ms)?)))
            .collect();
        known.sort_by(|one, other| {
            other
                .1
                .bad
                .total_cmp(&one.1.bad)
                .then_with(|| one.0.cmp(&other.0))
        });
        known.truncate(most);
        known
    }

    /// What was said of `but` does not count.
    fn reputed(&self, subject: &Subject, but: Option<CallId>, at_ms: u64) -> Option<Reputed> {
        let reports = self
            .known
            .get(subject)?
            .iter()
            .filter(|(_, call, _)| Some(*call) != but);
        let (mut count, mut good, mut scam) = (0, 0.0, 0.0);
        for (said_ms, _, said) in reports {
            let weight = weight(at_ms.saturating_sub(*said_ms));
            count += 1;
            match said {
                Said::Good => good += weight,
                Said::Scam => scam += weight,
                Said::Unsure => {}
            }
        }
        (count > 0).then(|| Reputed {
            of: subject.of,
            reports: count,
            good: in_millionths(good),
            scam: in_millionths(scam),
            bad: in_millionths(Prior::of(subject.of).bad(good, scam)),
        })
    }
}

/// A figure of a dozen digits is read back from a record exactly as it was; one of seventeen may not be.
fn in_millionths(figure: f64) -> f64 {
    (figure * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::identity::Attestation;
    use crate::reputation::limits::HALF_LIFE;
    use crate::screening::sample;

    const NOON: u64 = 1_790_000_000_000;

    fn signed_by(spc: &str) -> Report {
        let mut report = Report::none();
        report.standing = Standing::Verified;
        report.signer = Some(stir_shaken_verify::Signer {
            subject: "CN=SHAKEN 1234".into(),
            spc: Some(spc.into()),
            fingerprint: String::new(),
        });
        report.origid = Some("123e4567-e89b-12d3-a456-426655440000".into());
        report
    }

    fn names(facts: &Facts) -> Vec<Reputable> {
        subjects(facts, &signed_by("1234"))
            .into_iter()
            .map(|subject| subject.of)
            .collect()
    }

    #[test]
    fn only_what_is_proven_has_a_reputation() {
        use Reputable::{Certificate, Number, Origid, Spc};
        let with = |change: fn(&mut Facts)| {
            let mut facts = sample::signed();
            change(&mut facts);
            names(&facts)
        };
        assert_eq!(with(|_| ()), [Number, Spc, Certificate, Origid]);
        assert_eq!(with(|f| f.caller.is_hidden = true), [Spc, Certificate, Origid]);
        let partial = with(|f| f.identity.attestation = Some(Attestation::Partial));
        assert_eq!(
            partial,
            [Spc, Certificate, Origid],
            "it vouches for its customer, not for the number"
        );
        let nobody: [fn(&mut Facts); 5] = [
            |f| f.identity = Default::default(),
            |f| f.identity.is_forged = true,
            |f| f.identity.is_stale = true,
            |f| f.identity.is_reused = Some(true),
            |f| f.identity.standing = Standing::Unchecked,
        ];
        for change in nobody {
            assert_eq!(with(change), []);
        }
    }

    fn reported(ledger: &mut Ledger, call: u128, facts: &Facts, said: Said, at_ms: u64) {
        let subjects = subjects(facts, &signed_by("1234"));
        ledger.note(
            CallId(call),
            Reported {
                at_ms,
                said,
                subjects,
            },
        );
    }

    fn number(ledger: &Ledger, at_ms: u64) -> Option<Reputed> {
        let found = ledger
            .reputations()
            .of(CallId(0), &sample::signed(), &signed_by("1234"), at_ms);
        found.into_iter().find(|reputed| reputed.of == Reputable::Number)
    }

    #[test]
    fn reports_on_a_borrowed_number_do_not_harm_its_owner() {
        let mut ledger = Ledger::default();
        for call in 1..=50 {
            reported(&mut ledger, call, &sample::unsigned(), Said::Scam, NOON);
        }
        assert_eq!(number(&ledger, NOON), None);
        for call in 51..=53 {
            reported(&mut ledger, call, &sample::signed(), Said::Scam, NOON);
        }
        let found = number(&ledger, NOON).unwrap();
        assert_eq!(
            (found.reports, found.scam, found.bad, found.is_bad()),
            (3, 3.0, 0.5, true)
        );
        assert!(
            ledger
                .reputations()
                .of(CallId(0), &sample::unsigned(), &signed_by("1234"), NOON)
                .is_empty()
        );
    }

    #[test]
    fn the_newest_word_counts_and_a_calls_own_report_does_not_count_for_it() {
        let mut ledger = Ledger::default();
        reported(&mut ledger, 1, &sample::signed(), Said::Scam, NOON);
        reported(&mut ledger, 1, &sample::signed(), Said::Good, NOON + 1);
        let found = number(&ledger, NOON + 1).unwrap();
        assert_eq!((found.reports, found.good, found.scam), (1, 1.0, 0.0));
        let own = ledger
            .reputations()
            .of(CallId(1), &sample::signed(), &signed_by("1234"), NOON);
        assert_eq!(own, []);
        let other = ledger
            .reputations()
            .of(CallId(2), &sample::signed(), &signed_by("9999"), NOON);
        let of: Vec<Reputable> = other.iter().map(|reputed| reputed.of).collect();
        assert_eq!(
            of,
            [Reputable::Number, Reputable::Certificate],
            "an origid is its signer's"
        );
    }

    #[test]
    fn old_reports_and_too_many_are_forgotten() {
        let mut ledger = Ledger::default();
        let short = |at_ms| Reported {
            at_ms,
            said: Said::Scam,
            subjects: Vec::new(),
        };
        for call in 0..REPORTS_MAX as u128 {
            assert!(ledger.note(CallId(call), short(NOON + call as u64)).is_empty());
        }
        assert_eq!(ledger.note(CallId(u128::MAX), short(NOON + 99_999)), [CallId(0)]);
        let later = NOON + FORGOTTEN_AFTER.as_millis() as u64 + 10;
        assert_eq!(ledger.note(CallId(7), short(later)).len(), 8);
        assert_eq!(ledger.calls.len(), REPORTS_MAX - 8);
    }

    proptest! {
        #[test]
        fn reputations_are_monotone_in_reports_and_fade_to_the_prior(
            reports in prop::collection::vec((prop::sample::select(vec![Said::Good, Said::Unsure, Said::Scam]), 0u64..20_000_000_000), 1..20),
        ) {
            let mut ledger = Ledger::default();
            for (call, (said, age)) in reports.iter().enumerate() {
                reported(&mut ledger, call as u128 + 1, &sample::signed(), *said, NOON - age);
            }
            let before = number(&ledger, NOON).unwrap();
            prop_assert_eq!(before.reports, reports.len() as u64);
            let mut worse = ledger.clone();
            reported(&mut worse, 1_000, &sample::signed(), Said::Scam, NOON);
            prop_assert!(number(&worse, NOON).unwrap().bad > before.bad);
            let mut better = ledger.clone();
            reported(&mut better, 1_000, &sample::signed(), Said::Good, NOON);
            prop_assert!(number(&better, NOON).unwrap().bad < before.bad);
            let much_later = NOON + 100 * HALF_LIFE.as_millis() as u64;
            prop_assert_eq!(number(&ledger, much_later).unwrap().bad, 0.2);
            if reports.len() == 1 {
                prop_assert!(!before.is_bad());
            }
        }
    }

    #[test]
    fn a_number_that_is_forgotten_leaves_what_was_said_of_signers() {
        let subject = |of, name: &str| Subject {
            of,
            name: name.into(),
        };
        let number = "+14045550123";
        let reported = |subjects| Reported {
            at_ms: NOON,
            said: Said::Scam,
            subjects,
        };
        let signed = vec![
            subject(Reputable::Number, number),
            subject(Reputable::Spc, "1234"),
            subject(Reputable::Origid, "1234 x"),
        ];
        let mut ledger = Ledger::default();
        ledger.note(CallId(1), reported(signed));
        ledger.note(CallId(2), reported(vec![subject(Reputable::Number, number)]));
        ledger.note(
            CallId(3),
            reported(vec![subject(Reputable::Number, "+14045550199")]),
        );
        assert_eq!(ledger.reports_on(number), 2);
        let changed = ledger.forget(number);
        let left = reported(vec![subject(Reputable::Spc, "1234")]);
        assert_eq!(changed, [(CallId(1), Some(left)), (CallId(2), None)]);
        assert_eq!(
            (ledger.reports_on(number), ledger.reports_on("+14045550199")),
            (0, 1)
        );
        assert_eq!(ledger.reputations().worst(NOON, 9, |_| true).len(), 2);
        assert_eq!(ledger.forget(number), []);
    }
}
