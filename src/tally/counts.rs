//! What is counted of calls.

use serde::Serialize;
use utoipa::ToSchema;

use crate::call::CallRecord;
use crate::call::record::{Ending, State};
use crate::screening::Label;

/// Counts of calls. Every one of them adds up: a mean is a sum divided by the calls it is of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Counts {
    pub calls: u64,
    /// A person took the call. Every call that is over is one of answered, missed, refused and failed.
    pub answered: u64,
    /// The caller gave up, or nobody answered; also where we had asked him for his name first.
    pub missed: u64,
    /// By policy, before or after we had asked him something.
    pub refused: u64,
    /// Nobody was reached because something went wrong: no queue, no port, no codec, no media.
    pub failed: u64,
    /// Milliseconds that the answered ones waited until they were answered, by a person or by us.
    pub wait_ms: u64,
    /// Milliseconds that the answered ones lasted after it.
    pub talk_ms: u64,
    /// The banner warned: suspect, forged, synthetic or a campaign.
    pub warned: u64,
    pub said_good: u64,
    pub said_unsure: u64,
    pub said_scam: u64,
    /// The banner warned, and the person who took the call said that it was good.
    pub false_alarms: u64,
    /// The banner did not warn, and the person who took the call said that it was a scam.
    pub unwarned_scams: u64,
}

impl Counts {
    /// Of one call. A call that has not ended counts as a call and nothing else.
    pub fn of(record: &CallRecord) -> Counts {
        let mut counts = Counts {
            calls: 1,
            ..Counts::default()
        };
        if record.state != State::Ended {
            return counts;
        }
        let one = |is_so: bool| u64::from(is_so);
        let ending = record.outcome.as_ref().map(|outcome| outcome.ending);
        let answered_ms = record.timings.answered_ms;
        // We may have answered him ourselves, to ask who he is: then nobody took the call all the same.
        counts.missed = one(matches!(ending, Some(Ending::Cancelled | Ending::NoAnswer)));
        counts.refused = one(ending == Some(Ending::Refused));
        let is_taken = counts.missed + counts.refused == 0 && answered_ms.is_some();
        counts.answered = one(is_taken);
        counts.failed = one(counts.missed + counts.refused == 0 && !is_taken);
        if let Some(answered_ms) = answered_ms.filter(|_| is_taken) {
            counts.wait_ms = answered_ms;
            counts.talk_ms = record
                .timings
                .ended_ms
                .unwrap_or(answered_ms)
                .saturating_sub(answered_ms);
        }
        let is_warned = record
            .banner
            .as_ref()
            .is_some_and(|banner| is_warning(banner.label));
        counts.warned = one(is_warned);
        let said = record.report.as_ref().map(|report| report.verdict.as_str());
        counts.said_good = one(said == Some("good"));
        counts.said_unsure = one(said == Some("unsure"));
        counts.said_scam = one(said == Some("scam"));
        counts.false_alarms = one(is_warned && said == Some("good"));
        counts.unwarned_scams = one(!is_warned && said == Some("scam"));
        counts
    }

    pub fn add(&mut self, other: &Counts) {
        let add = |of: &mut u64, more: u64| *of = of.saturating_add(more);
        add(&mut self.calls, other.calls);
        add(&mut self.answered, other.answered);
        add(&mut self.missed, other.missed);
        add(&mut self.refused, other.refused);
        add(&mut self.failed, other.failed);
        add(&mut self.wait_ms, other.wait_ms);
        add(&mut self.talk_ms, other.talk_ms);
        add(&mut self.warned, other.warned);
        add(&mut self.said_good, other.said_good);
        add(&mut self.said_unsure, other.said_unsure);
        add(&mut self.said_scam, other.said_scam);
        add(&mut self.false_alarms, other.false_alarms);
        add(&mut self.unwarned_scams, other.unwarned_scams);
    }
}

fn is_warning(label: Label) -> bool {
    match label {
        Label::Suspect | Label::Forged | Label::Synthetic | Label::Campaign => true,
        Label::Genuine | Label::Known | Label::Unproven | Label::Emergency => false,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::call::record::{Outcome, PersonReport};
    use crate::call_id::CallId;
    use crate::screening::sample;

    /// A call that was answered after two seconds and lasted a minute.
    pub(in crate::tally) fn ended_call(number: u64) -> CallRecord {
        let mut facts = sample::unsigned();
        facts.arrived_ms = 1_790_000_000_000 + number;
        let mut record = CallRecord::arriving(CallId(number.into()), &facts, Some("desk"), None);
        record.state = State::Ended;
        record.timings.answered_ms = Some(2_000);
        record.timings.ended_ms = Some(62_000);
        record.outcome = Some(Outcome {
            ending: Ending::Completed,
            status: 200,
            by: "caller".into(),
            note: None,
        });
        record
    }

    fn end(record: &mut CallRecord, ending: Ending) {
        record.outcome.as_mut().unwrap().ending = ending;
    }

    fn say(record: &mut CallRecord, verdict: &str) {
        record.report = Some(PersonReport {
            verdict: verdict.into(),
            note: None,
            at_ms: 0,
        });
    }

    #[test]
    fn an_answered_call_waited_and_talked() {
        let counts = Counts::of(&ended_call(1));
        let expected = Counts {
            calls: 1,
            answered: 1,
            wait_ms: 2_000,
            talk_ms: 60_000,
            ..Counts::default()
        };
        assert_eq!(counts, expected);
    }

    #[test]
    fn a_call_that_nobody_took_is_missed_and_one_that_policy_refused_is_not() {
        let mut record = ended_call(1);
        record.timings.answered_ms = None;
        for (ending, expected) in [
            (Ending::Cancelled, [1, 0, 0]),
            (Ending::NoAnswer, [1, 0, 0]),
            (Ending::Refused, [0, 1, 0]),
            (Ending::Failed, [0, 0, 1]),
        ] {
            end(&mut record, ending);
            let counts = Counts::of(&record);
            assert_eq!([counts.missed, counts.refused, counts.failed], expected);
            assert_eq!((counts.answered, counts.wait_ms, counts.talk_ms), (0, 0, 0));
        }
    }

    #[test]
    fn a_call_that_we_answered_to_ask_and_nobody_took_is_not_answered() {
        let mut record = ended_call(1);
        for (ending, expected) in [
            (Ending::Cancelled, [0, 1, 0, 0]),
            (Ending::NoAnswer, [0, 1, 0, 0]),
            (Ending::Refused, [0, 0, 1, 0]),
            // It broke off while they talked.
            (Ending::Failed, [1, 0, 0, 0]),
        ] {
            end(&mut record, ending);
            let counts = Counts::of(&record);
            assert_eq!(
                [counts.answered, counts.missed, counts.refused, counts.failed],
                expected
            );
            assert_eq!(
                (counts.wait_ms > 0, counts.talk_ms > 0),
                (expected[0] == 1, expected[0] == 1)
            );
        }
    }

    #[test]
    fn a_call_whose_end_was_never_written_talked_for_no_time() {
        let mut record = ended_call(1);
        record.timings.ended_ms = None;
        assert_eq!(Counts::of(&record).talk_ms, 0);
        record.timings.ended_ms = Some(1);
        assert_eq!(Counts::of(&record).talk_ms, 0, "the clock went back");
    }

    #[test]
    fn a_live_call_counts_as_a_call_alone() {
        let mut record = ended_call(1);
        record.state = State::Talking;
        let expected = Counts {
            calls: 1,
            ..Counts::default()
        };
        assert_eq!(Counts::of(&record), expected);
    }

    #[test]
    fn what_people_said_is_held_against_what_they_were_shown() {
        let mut record = ended_call(1);
        say(&mut record, "scam");
        let counts = Counts::of(&record);
        assert_eq!(
            (counts.said_scam, counts.unwarned_scams, counts.false_alarms),
            (1, 1, 0)
        );
        say(&mut record, "good");
        let counts = Counts::of(&record);
        assert_eq!(
            (counts.said_good, counts.unwarned_scams, counts.false_alarms),
            (1, 0, 0)
        );
        record.banner = Some(crate::tally::names::tests::banner(Label::Synthetic));
        let counts = Counts::of(&record);
        assert_eq!((counts.warned, counts.false_alarms), (1, 1));
        say(&mut record, "scam");
        let counts = Counts::of(&record);
        assert_eq!(
            (counts.warned, counts.false_alarms, counts.unwarned_scams),
            (1, 0, 0)
        );
    }
}
