//! One decision of a policy of 200 rules, in the mean and at p99, and loading it.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads clocks")]

use std::fmt::Write;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use ringward::policy::Policy;
use ringward::screening::{
    CalledFacts, CallerFacts, Facts, HistoryFacts, IdentityFacts, SignallingFacts, Stage, VoiceFacts,
};

const RULES: usize = 200;
const DECISIONS: usize = 100_000;

/// Conditions of the kinds people write; none decides before the last.
fn policy() -> String {
    let mut text =
        String::from("[policy]\nname = \"bench\"\n[weights]\nNO_IDENTITY = 0.5\nFIRST_CALL = 0.2\n");
    for n in 0..RULES - 1 {
        let when = match n % 5 {
            0 => format!("caller.number.startsWith('+1900{n}') && stage == 'arrive'"),
            1 => format!(
                "identity.standing == 'failed' || history.calls_last_hour > {}",
                40 + n
            ),
            2 => format!("'REPORTED_SCAM' in tags && score >= {n}.5"),
            3 => format!("voice.llr < -{n}.0 && voice.speech_seconds > 3.0 && !caller.hidden"),
            _ => format!("called.queue in ['sales', 'billing', 'q{n}'] && number_light == 'forged'"),
        };
        let _ = write!(
            text,
            "[[rule]]\nid = \"r{n}\"\nwhen = \"{when}\"\nthen = \"label\"\nreason = \"x\"\n"
        );
    }
    text + "[[rule]]\nid = \"last\"\nwhen = \"true\"\nthen = \"label\"\nreason = \"x\"\n"
}

fn facts() -> Facts {
    Facts {
        stage: Stage::Arrive,
        trunk: "carrier".into(),
        arrived_ms: 1_700_000_000_000,
        caller: CallerFacts {
            number: Some("+14045550123".to_string().into()),
            ..Default::default()
        },
        called: CalledFacts {
            number: "+12125550100".to_string().into(),
            queue: "front-desk".into(),
        },
        identity: IdentityFacts::default(),
        voice: VoiceFacts::default(),
        history: HistoryFacts {
            is_available: true,
            ..Default::default()
        },
        signalling: SignallingFacts::default(),
        lists: Vec::new(),
        reputation: Vec::new(),
        talk: Default::default(),
        recording: Default::default(),
        flood: Default::default(),
        relabelled: None,
    }
}

/// Each of many decisions timed for itself, clock included: what a mean hides.
fn one_by_one(policy: &Policy, facts: &Facts) {
    let mut times: Vec<Duration> = (0..DECISIONS)
        .map(|_| {
            let before = Instant::now();
            black_box(policy.decide(black_box(facts)));
            before.elapsed()
        })
        .collect();
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e6;
    println!(
        "policy/decide_200_rules, each of {DECISIONS}: {:.1} us median, {:.1} us p99, {:.1} us p99.9",
        at(0.5),
        at(0.99),
        at(0.999)
    );
}

fn decisions(criterion: &mut Criterion) {
    let (text, facts) = (policy(), facts());
    let policy = Policy::load("bench.toml", &text, &[]).expect("the benchmark's policy is sound");
    criterion.bench_function("policy/decide_200_rules", |bench| {
        bench.iter(|| policy.decide(black_box(&facts)))
    });
    one_by_one(&policy, &facts);
    let default = Policy::embedded();
    criterion.bench_function("policy/decide_default", |bench| {
        bench.iter(|| default.decide(black_box(&facts)))
    });
    criterion.bench_function("policy/load_200_rules", |bench| {
        bench.iter(|| Policy::load("bench.toml", black_box(&text), &[]).map(|policy| policy.rule_count()))
    });
}

criterion_group!(benches, decisions);
criterion_main!(benches);
