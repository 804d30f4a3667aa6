//! Ringward's column of `docs/verifier-matrix.md`: every hostile call gets the answer that a correct verifier must give.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::matrix::authority::World;
use crate::matrix::host::Hosts;
use crate::matrix::peers::ringward::Ringward;
use crate::matrix::{Stage, cases, write_files};
use crate::support;

/// Rows whose checks are being built.
const PENDING: &[&str] = &["media-key-differs", "media-key-taken-out"];

#[test]
fn every_call_of_the_matrix_gets_the_answer_of_a_correct_verifier() {
    let now = seconds();
    let world = World::new(now);
    let hosts = Hosts::start(now).unwrap();
    let folder = support::folder("verifier-matrix");
    write_files(&folder, &world, &hosts).unwrap();
    let ringward = Ringward::new(folder, &hosts).unwrap();
    let mut wrong = Vec::new();
    for case in cases::all().iter().flat_map(|group| &group.cases) {
        let stage = Stage {
            world: &world,
            hosts: &hosts,
            now: seconds(),
        };
        let mut scene = (case.build)(&stage);
        scene.invite.call_id = case.name.to_string();
        let judged = ringward.judge(&scene, stage.now).unwrap();
        if !judged.is_as_it_must(case.must) && !PENDING.contains(&case.name) {
            wrong.push(format!(
                "{}: must be {}, is {:?}",
                case.name,
                case.must.words(),
                judged.report
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_document_has_every_call_of_the_program_once() {
    let document = include_str!("../../docs/verifier-matrix.md");
    let mut names = BTreeSet::new();
    let mut good = 0;
    for case in cases::all().iter().flat_map(|group| &group.cases) {
        assert!(names.insert(case.name), "{} stands twice", case.name);
        assert_eq!(
            document.matches(&format!("\n| `{}` |", case.name)).count(),
            1,
            "{}: run `cargo run --example verifier_matrix -- --out docs/verifier-matrix.md`",
            case.name
        );
        good += usize::from(case.must.is_good());
    }
    assert!(names.len() - good >= 60, "{} hostile calls", names.len() - good);
}

fn seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}
