//! Figures out of scores: every source and every engine weighs the same, however many recordings it has.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::voice::{Cue, Cues};

/// What was heard in one recording.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub is_real: bool,
    pub group: String,
    /// At its end; `None` when no window held enough speech.
    pub llr: Option<f64>,
    /// Labels given at any moment.
    pub was_spoof: bool,
    pub was_bona_fide: bool,
    /// Seconds of net speech, and of audio, when the first label was given.
    pub decided: Option<(f64, f64)>,
    /// Habits of machines.
    pub cues: Cues,
}

/// Everything that is told of an evaluation.
#[derive(Debug, Serialize)]
pub struct Figures {
    pub real: usize,
    pub synthetic: usize,
    /// Recordings with too little speech for any score: in no figure but the labels'.
    pub unscored: usize,
    /// Shares, 0 to 1. `None` where a kind has no scored recording.
    pub eer: Option<f64>,
    pub cllr: Option<f64>,
    pub min_cllr: Option<f64>,
    pub caught_at_1_percent_false_alarms: Option<f64>,
    pub labels: Labels,
    pub decision: Decision,
    /// By the cue's name; those that no recording gave are left out.
    pub cues: BTreeMap<&'static str, CueShare>,
    pub sources: BTreeMap<String, Group>,
    pub engines: BTreeMap<String, Group>,
}

/// Shares of recordings by the labels that were given.
#[derive(Debug, Serialize)]
pub struct Labels {
    pub real_said_spoof: f64,
    pub real_said_bona_fide: f64,
    pub real_unsure: f64,
    pub synthetic_said_spoof: f64,
    pub synthetic_said_bona_fide: f64,
    pub synthetic_unsure: f64,
}

/// Shares of recordings that a cue was heard in.
#[derive(Debug, Serialize)]
pub struct CueShare {
    pub real: f64,
    pub synthetic: f64,
}

/// How soon the first label came, of those recordings that got one.
#[derive(Debug, Serialize)]
pub struct Decision {
    pub decided: usize,
    /// Seconds.
    pub median_net_speech: Option<f64>,
    pub median_audio: Option<f64>,
    /// Share of all recordings decided within so many seconds of net speech.
    pub within: BTreeMap<String, f64>,
}

/// One source or engine.
#[derive(Debug, Serialize)]
pub struct Group {
    pub recordings: usize,
    pub unscored: usize,
    /// Against all recordings of the other kind.
    pub eer: Option<f64>,
    pub mean_llr: Option<f64>,
    pub said_spoof: f64,
    pub said_bona_fide: f64,
}

/// A score and how much it weighs.
type Weighed = (f64, f64);

pub fn figures(outcomes: &[Outcome]) -> Figures {
    let of_kind = |is_real: bool| outcomes.iter().filter(move |one| one.is_real == is_real);
    let (real, synthetic) = (weighed(of_kind(true)), weighed(of_kind(false)));
    let groups = |is_real: bool, others: &[Weighed]| -> BTreeMap<String, Group> {
        let mut groups: BTreeMap<String, Vec<&Outcome>> = BTreeMap::new();
        for one in of_kind(is_real) {
            groups.entry(one.group.clone()).or_default().push(one);
        }
        let of = |members: Vec<&Outcome>| group(is_real, &members, others);
        groups
            .into_iter()
            .map(|(name, members)| (name, of(members)))
            .collect()
    };
    Figures {
        real: of_kind(true).count(),
        synthetic: of_kind(false).count(),
        unscored: outcomes.iter().filter(|one| one.llr.is_none()).count(),
        eer: eer(&real, &synthetic),
        cllr: cllr(&real, &synthetic),
        min_cllr: min_cllr(&real, &synthetic),
        caught_at_1_percent_false_alarms: caught(&real, &synthetic, 0.01),
        labels: labels(outcomes),
        decision: decision(outcomes),
        cues: cues(outcomes),
        sources: groups(true, &synthetic),
        engines: groups(false, &real),
    }
}

/// Scores of one kind, each group weighing the same and all of them 1.
fn weighed<'o>(outcomes: impl Iterator<Item = &'o Outcome> + Clone) -> Vec<Weighed> {
    let mut sizes: BTreeMap<&str, f64> = BTreeMap::new();
    for one in outcomes.clone().filter(|one| one.llr.is_some()) {
        *sizes.entry(&one.group).or_default() += 1.0;
    }
    let count = sizes.len() as f64;
    outcomes
        .filter_map(|one| Some((one.llr?, 1.0 / (count * sizes[one.group.as_str()]))))
        .collect()
}

/// The share of recordings for which something holds, each group weighing the same.
fn share(outcomes: &[Outcome], is_real: bool, holds: impl Fn(&Outcome) -> bool) -> f64 {
    let mut groups: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for one in outcomes.iter().filter(|one| one.is_real == is_real) {
        let (held, all) = groups.entry(&one.group).or_default();
        *held += f64::from(u8::from(holds(one)));
        *all += 1.0;
    }
    let sum: f64 = groups.values().map(|(held, all)| held / all).sum();
    sum / groups.len().max(1) as f64
}

fn labels(outcomes: &[Outcome]) -> Labels {
    let unsure = |one: &Outcome| !one.was_spoof && !one.was_bona_fide;
    Labels {
        real_said_spoof: share(outcomes, true, |one| one.was_spoof),
        real_said_bona_fide: share(outcomes, true, |one| one.was_bona_fide),
        real_unsure: share(outcomes, true, unsure),
        synthetic_said_spoof: share(outcomes, false, |one| one.was_spoof),
        synthetic_said_bona_fide: share(outcomes, false, |one| one.was_bona_fide),
        synthetic_unsure: share(outcomes, false, unsure),
    }
}

fn cues(outcomes: &[Outcome]) -> BTreeMap<&'static str, CueShare> {
    let share_of = |cue| CueShare {
        real: share(outcomes, true, |one| one.cues.sign(cue).is_some()),
        synthetic: share(outcomes, false, |one| one.cues.sign(cue).is_some()),
    };
    let all = Cue::ALL.into_iter().map(|cue| (cue.name(), share_of(cue)));
    all.filter(|(_, share)| share.real + share.synthetic > 0.0)
        .collect()
}

fn decision(outcomes: &[Outcome]) -> Decision {
    let decided: Vec<(f64, f64)> = outcomes.iter().filter_map(|one| one.decided).collect();
    let median = |pick: fn(&(f64, f64)) -> f64| {
        let mut all: Vec<f64> = decided.iter().map(pick).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len().checked_sub(1)? / 2).copied()
    };
    let within = |most: f64| {
        let soon = decided.iter().filter(|(net, _)| *net <= most).count();
        soon as f64 / outcomes.len().max(1) as f64
    };
    Decision {
        decided: decided.len(),
        median_net_speech: median(|(net, _)| *net),
        median_audio: median(|(_, audio)| *audio),
        within: [2.0, 4.0, 8.0, 16.0]
            .map(|most| (format!("{most} s"), within(most)))
            .into(),
    }
}

fn group(is_real: bool, members: &[&Outcome], others: &[Weighed]) -> Group {
    let scores: Vec<Weighed> = members.iter().filter_map(|one| Some((one.llr?, 1.0))).collect();
    let own: Vec<Weighed> = scores
        .iter()
        .map(|(llr, _)| (*llr, 1.0 / scores.len() as f64))
        .collect();
    let count = |holds: fn(&Outcome) -> bool| {
        members.iter().filter(|one| holds(one)).count() as f64 / members.len() as f64
    };
    Group {
        recordings: members.len(),
        unscored: members.len() - scores.len(),
        eer: if is_real {
            eer(&own, others)
        } else {
            eer(others, &own)
        },
        mean_llr: (!own.is_empty()).then(|| own.iter().map(|(llr, weight)| llr * weight).sum()),
        said_spoof: count(|one| one.was_spoof),
        said_bona_fide: count(|one| one.was_bona_fide),
    }
}

/// Both kinds in the order of their scores, equal scores together: (score, weight of real, weight of synthetic).
fn steps(real: &[Weighed], synthetic: &[Weighed]) -> Option<Vec<(f64, f64, f64)>> {
    if real.is_empty() || synthetic.is_empty() {
        return None;
    }
    let mut all: Vec<(f64, f64, f64)> = real
        .iter()
        .map(|(score, weight)| (*score, *weight, 0.0))
        .chain(synthetic.iter().map(|(score, weight)| (*score, 0.0, *weight)))
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut merged: Vec<(f64, f64, f64)> = Vec::new();
    for (score, of_real, of_synthetic) in all {
        match merged.last_mut().filter(|last| last.0 == score) {
            Some(last) => {
                last.1 += of_real;
                last.2 += of_synthetic;
            }
            None => merged.push((score, of_real, of_synthetic)),
        }
    }
    Some(merged)
}

/// Where as many real recordings lie below the threshold as synthetic ones above, between two steps in proportion.
pub fn eer(real: &[Weighed], synthetic: &[Weighed]) -> Option<f64> {
    let (mut refused, mut passed) = (0.0, 1.0);
    for (_, of_real, of_synthetic) in steps(real, synthetic)? {
        let (before_refused, before_passed): (f64, f64) = (refused, passed);
        refused += of_real;
        passed -= of_synthetic;
        if refused >= passed {
            let (gap_before, gap_after) = (before_passed - before_refused, refused - passed);
            let way = if gap_before + gap_after > 0.0 {
                gap_before / (gap_before + gap_after)
            } else {
                0.0
            };
            return Some(before_refused + way * (refused - before_refused));
        }
    }
    None
}

/// The share of synthetic recordings below the threshold under which at most `false_alarms` of real ones lie.
fn caught(real: &[Weighed], synthetic: &[Weighed], false_alarms: f64) -> Option<f64> {
    let (mut refused, mut caught) = (0.0, 0.0);
    for (_, of_real, of_synthetic) in steps(real, synthetic)? {
        refused += of_real;
        if refused > false_alarms + 1e-12 {
            break;
        }
        caught += of_synthetic;
    }
    Some(caught)
}

/// The cost of the log-likelihood ratios as they are, in bits: 0 knows all, 1 says nothing.
fn cllr(real: &[Weighed], synthetic: &[Weighed]) -> Option<f64> {
    if real.is_empty() || synthetic.is_empty() {
        return None;
    }
    let cost = |scores: &[Weighed], sign: f64| -> f64 {
        scores
            .iter()
            .map(|(llr, weight)| weight * (1.0 + (-sign * llr).exp()).log2())
            .sum()
    };
    Some((cost(real, 1.0) + cost(synthetic, -1.0)) / 2.0)
}

/// The same after the best calibration that keeps the order of the scores (pool adjacent violators).
fn min_cllr(real: &[Weighed], synthetic: &[Weighed]) -> Option<f64> {
    let mut blocks: Vec<(f64, f64)> = Vec::new();
    for (_, of_real, of_synthetic) in steps(real, synthetic)? {
        let mut block = (of_real, of_synthetic);
        // A block whose share of real is no larger than that of the one before belongs to it.
        while let Some(last) = blocks.last()
            && block.0 * (last.0 + last.1) <= last.0 * (block.0 + block.1)
        {
            block = (block.0 + last.0, block.1 + last.1);
            blocks.pop();
        }
        blocks.push(block);
    }
    let cost = |own: f64, other: f64| {
        if own > 0.0 {
            own * (1.0 + other / own).log2()
        } else {
            0.0
        }
    };
    let sum: f64 = blocks
        .iter()
        .map(|(of_real, of_synthetic)| cost(*of_real, *of_synthetic) + cost(*of_synthetic, *of_real))
        .sum();
    Some(sum / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voice::Sign;

    fn even(scores: &[f64]) -> Vec<Weighed> {
        scores
            .iter()
            .map(|score| (*score, 1.0 / scores.len() as f64))
            .collect()
    }

    #[test]
    fn equal_error_rates_are_those_of_hand_made_cases() {
        let check = |real: &[f64], synthetic: &[f64], expected: f64| {
            let found = eer(&even(real), &even(synthetic)).expect("both kinds");
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        };
        check(&[1.0, 2.0], &[-1.0, -2.0], 0.0);
        check(&[-1.0, -2.0], &[1.0, 2.0], 1.0);
        check(&[0.0, 0.0], &[0.0, 0.0], 0.5);
        check(&[1.0, 2.0, 3.0, -5.0], &[-1.0, -2.0, -3.0, 5.0], 0.25);
        assert_eq!(eer(&even(&[1.0]), &[]), None);
    }

    #[test]
    fn a_score_that_says_nothing_costs_one_bit_and_a_sure_one_none() {
        let nothing = even(&[0.0, 0.0]);
        assert!((cllr(&nothing, &nothing).expect("both") - 1.0).abs() < 1e-12);
        assert!((min_cllr(&nothing, &nothing).expect("both") - 1.0).abs() < 1e-12);
        let (real, synthetic) = (even(&[1.0, 2.0]), even(&[-1.0, -2.0]));
        assert!(min_cllr(&real, &synthetic).expect("both").abs() < 1e-12);
        let wrong = cllr(&synthetic, &real).expect("both");
        assert!(wrong > 1.5, "{wrong}");
    }

    #[test]
    fn the_least_cost_is_never_above_the_cost() {
        let (real, synthetic) = (even(&[0.3, -0.2, 1.7, 2.0]), even(&[-1.0, 0.5, -0.1]));
        let (least, as_is) = (min_cllr(&real, &synthetic), cllr(&real, &synthetic));
        assert!(least.expect("both") <= as_is.expect("both"));
    }

    fn outcome(is_real: bool, group: &str, llr: f64) -> Outcome {
        Outcome {
            is_real,
            group: group.to_owned(),
            llr: Some(llr),
            was_spoof: llr < -2.0,
            was_bona_fide: llr > 2.0,
            decided: (llr.abs() > 2.0).then_some((llr.abs(), 10.0)),
            cues: Cues {
                beep: (llr > 2.0).then_some(Sign { at: 1.0, amount: 0.5 }),
                ..Cues::default()
            },
        }
    }

    #[test]
    fn a_large_source_weighs_no_more_than_a_small_one() {
        let mut outcomes = vec![outcome(true, "small", -3.0), outcome(false, "vits", -2.5)];
        outcomes.extend((0..99).map(|_| outcome(true, "large", 3.0)));
        let found = figures(&outcomes);
        assert!((found.labels.real_said_spoof - 0.5).abs() < 1e-12);
        assert!((found.labels.real_said_bona_fide - 0.5).abs() < 1e-12);
        assert_eq!(found.sources["small"].recordings, 1);
        assert_eq!(found.engines["vits"].said_spoof, 1.0);
        let cues: Vec<_> = found.cues.into_iter().collect();
        assert!(
            matches!(
                cues[..],
                [(
                    "beep",
                    CueShare {
                        real: 0.5,
                        synthetic: 0.0
                    }
                )]
            ),
            "{cues:?}"
        );
        assert_eq!(found.decision.decided, 101);
        assert!((found.decision.median_net_speech.expect("decided") - 3.0).abs() < 1e-12);
    }
}
