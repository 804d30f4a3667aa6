//! Makes `docs/verifier-matrix.md`: hostile and good calls, and what Ringward, Kamailio with secsipid, and secsipidx say
//! to each. Everything runs on loopback; the keys are made for the run.
//!
//! ```text
//! cargo run --example verifier_matrix                                # the table on standard output
//! cargo run --example verifier_matrix -- --out docs/verifier-matrix.md --date 2026-11-22
//! cargo run --example verifier_matrix -- --only ringward             # fast, needs nothing installed
//! cargo run --example verifier_matrix -- --case div-with-a-gap       # one call
//! ```

#![allow(clippy::disallowed_methods, reason = "calls are signed now")]

#[allow(dead_code, reason = "the tests use the rest")]
mod matrix;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;

use matrix::authority::World;
use matrix::cases::{self, Group};
use matrix::host::Hosts;
use matrix::peers::is_installed;
use matrix::peers::kamailio::Kamailio;
use matrix::peers::ringward::Ringward;
use matrix::peers::secsipidx::Secsipidx;
use matrix::table::{self, Column};
use matrix::{Answer, Stage, write_files};

#[derive(Default)]
struct Args {
    out: Option<String>,
    date: Option<String>,
    case: Option<String>,
    is_ringward_only: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let Some(args) = arguments()? else {
        println!("usage: verifier_matrix [--out FILE] [--date DAY] [--case NAME] [--only ringward]");
        return Ok(ExitCode::SUCCESS);
    };
    let folder = std::env::temp_dir().join(format!("ringward-matrix-{}", std::process::id()));
    let now = seconds()?;
    let world = World::new(now);
    let hosts = Hosts::start(now)?;
    write_files(&folder, &world, &hosts)?;

    let mut groups = cases::all();
    if let Some(name) = &args.case {
        for group in &mut groups {
            group.cases.retain(|case| case.name == name);
        }
        groups.retain(|group| !group.cases.is_empty());
        anyhow::ensure!(!groups.is_empty(), "no case is called {name:?}");
    }
    let answers = run(&groups, &world, &hosts, &folder, args.is_ringward_only);
    std::fs::remove_dir_all(&folder).context("the files of the run")?;
    let (columns, wrong) = answers?;

    let document = table::document(&groups, &columns, args.date.as_deref());
    match &args.out {
        Some(file) => std::fs::write(file, document).with_context(|| file.clone())?,
        None => print!("{document}"),
    }
    for line in &wrong {
        eprintln!("not as it must be: {line}");
    }
    Ok(ExitCode::from(u8::from(!wrong.is_empty())))
}

/// Asks every verifier about every call; gives the columns, and where Ringward is not as it must be.
fn run(
    groups: &[Group],
    world: &World,
    hosts: &Hosts,
    folder: &std::path::Path,
    is_ringward_only: bool,
) -> anyhow::Result<(Vec<Column>, Vec<String>)> {
    let has = |programs: &[&str]| !is_ringward_only && programs.iter().all(|program| is_installed(program));
    let ringward = Ringward::new(folder.to_path_buf(), hosts)?;
    let mut kamailio = has(&["kamailio"]).then(|| Kamailio::new(folder.to_path_buf()));
    let secsipidx = has(&["secsipidx"]).then(|| Secsipidx::new(folder.to_path_buf()));
    let column = |title: String| Column {
        title,
        answers: BTreeMap::new(),
    };
    let mut ours = column(Ringward::version());
    let mut theirs = column(format!("{} + secsipid", Kamailio::version()));
    let mut tools = column(Secsipidx::version());
    let mut wrong = Vec::new();
    for case in groups.iter().flat_map(|group| &group.cases) {
        let stage = Stage {
            world,
            hosts,
            now: seconds()?,
        };
        let mut scene = (case.build)(&stage);
        scene.invite.call_id = case.name.to_string();
        let judged = ringward.judge(&scene, stage.now)?;
        if !judged.is_as_it_must(case.must) {
            let report = serde_json::to_string(&judged.report)?;
            wrong.push(format!(
                "{}: {} expected, got {report}",
                case.name,
                case.must.words()
            ));
        }
        ours.answers.insert(case.name, judged.answer());
        if let Some(kamailio) = &mut kamailio {
            let answer = if case.name == "private-name" && !hosts.has_localhost {
                Answer::NotShown("localhost:8443 was taken")
            } else if case.must.is_about_name() {
                Answer::NotShown("does not read rich call data")
            } else {
                kamailio.ask(&scene)?
            };
            theirs.answers.insert(case.name, answer);
        }
        if let Some(secsipidx) = &secsipidx {
            tools.answers.insert(case.name, secsipidx.ask(case, &scene)?);
        }
        eprintln!("{:<34} {:?}", case.name, ours.answers[case.name]);
    }
    let columns = [Some(ours), kamailio.map(|_| theirs), secsipidx.map(|_| tools)];
    Ok((columns.into_iter().flatten().collect(), wrong))
}

fn arguments() -> anyhow::Result<Option<Args>> {
    let mut args = Args::default();
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let mut value = || given.next().with_context(|| format!("{name} needs a value"));
        match name.as_str() {
            "--out" => args.out = Some(value()?),
            "--date" => args.date = Some(value()?),
            "--case" => args.case = Some(value()?),
            "--only" => {
                let verifier = value()?;
                anyhow::ensure!(
                    verifier == "ringward",
                    "--only ringward is all there is, not {verifier:?}"
                );
                args.is_ringward_only = true;
            }
            "--help" | "-h" => return Ok(None),
            other => anyhow::bail!("unknown argument {other:?} (see --help)"),
        }
    }
    Ok(Some(args))
}

fn seconds() -> anyhow::Result<i64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(i64::try_from(since.as_secs())?)
}
