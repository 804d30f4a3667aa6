//! `ringward eval`: how good a model is, on recordings whose truth is known.
//!
//! Every recording goes the way of a live call: mu-law, hops of a second, both stages, the labels of the product.

use std::collections::VecDeque;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::eval_figures::{Figures, Group, Outcome, figures};
use super::eval_manifest::{self, Listed};
use super::score::{NotHeard, on_the_line};
use crate::runtime::clock;
use crate::voice::{Cues, HOP_SAMPLES, Hearing, Label, Listener, Model, Signers};

/// Measure a model on recordings whose truth is known
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  ringward eval --split dev data/manifest.csv\n\n\
    The list is a CSV file with a head: path, label (real or synthetic), source; engine_or_speaker and split if you have\n\
    them. Paths are taken from the list's folder. Recordings are of the kinds that `ringward score` reads.\n\
    Every source and every engine weighs the same. The exit status is 1 when a recording could not be read.")]
pub struct EvalArgs {
    /// The list of recordings
    #[arg(value_name = "MANIFEST")]
    pub list: PathBuf,
    /// Only recordings whose `split` is this
    #[arg(long, value_name = "NAME")]
    pub split: Option<String>,
    /// Where the paths of the list begin, when that is not the list's own folder
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// A model: `default`, a name in models/, or a folder with a manifest and the networks it names
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub model: String,
    /// Without second opinions: the model that hears every call, alone
    #[arg(long)]
    pub first_only: bool,
    /// Threads
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: u16,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `--json`.
#[derive(Debug, Serialize)]
struct Report {
    model: String,
    stages: &'static str,
    #[serde(flatten)]
    figures: Figures,
    unread: Vec<Unread>,
}

#[derive(Debug, Serialize)]
struct Unread {
    file: String,
    error: String,
}

/// Hears every recording of the list and prints what came of it.
pub fn run(args: EvalArgs) -> anyhow::Result<ExitCode> {
    let model = Arc::new(Model::find(&args.model, &Signers::default())?);
    let folder = match &args.data {
        Some(folder) => folder.clone(),
        None => args.list.parent().map(PathBuf::from).unwrap_or_default(),
    };
    let listed = eval_manifest::read(&args.list, &folder, args.split.as_deref())
        .map_err(|error| anyhow::anyhow!("{}: {error}", args.list.display()))?;
    let is_both = model.has_second() && !args.first_only;
    let heard = hear_all(&model, listed, is_both, args.threads)?;
    let mut outcomes = Vec::new();
    let mut unread = Vec::new();
    for (listed, result) in heard {
        match result {
            Ok(outcome) => outcomes.push(outcome),
            Err(problem) => unread.push(Unread {
                file: listed.path.display().to_string(),
                error: problem.to_string(),
            }),
        }
    }
    let report = Report {
        model: model.revision().to_owned(),
        stages: if is_both { "both" } else { "first" },
        figures: figures(&outcomes),
        unread,
    };
    let out = &mut std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        print(&report, out)?;
    }
    Ok(if report.unread.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

type Heard = Vec<(Listed, Result<Outcome, NotHeard>)>;

fn hear_all(model: &Arc<Model>, listed: Vec<Listed>, is_both: bool, threads: u16) -> anyhow::Result<Heard> {
    let all = listed.len();
    let waiting = Mutex::new(listed.into_iter().enumerate().collect::<VecDeque<_>>());
    let done = Mutex::new(Progress::new(all));
    let mut heard: Vec<(usize, Listed, Result<Outcome, NotHeard>)> = std::thread::scope(|scope| {
        let work = || -> anyhow::Result<Vec<_>> {
            let mut hearing = Hearing::new(model)?;
            let mut mine = Vec::new();
            loop {
                let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                let Some((number, listed)) = next else {
                    return Ok(mine);
                };
                let result = hear(model, &mut hearing, &listed, is_both);
                mine.push((number, listed, result));
                done.lock().unwrap_or_else(PoisonError::into_inner).step();
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut heard = Vec::new();
        for worker in workers {
            heard.extend(
                worker
                    .join()
                    .map_err(|_| anyhow::anyhow!("the model panicked"))??,
            );
        }
        anyhow::Ok(heard)
    })?;
    heard.sort_by_key(|(number, ..)| *number);
    Ok(heard
        .into_iter()
        .map(|(_, listed, result)| (listed, result))
        .collect())
}

/// One recording, as a live call would be heard.
fn hear(
    model: &Arc<Model>,
    hearing: &mut Hearing,
    listed: &Listed,
    is_both: bool,
) -> Result<Outcome, NotHeard> {
    let samples = on_the_line(&listed.path)?;
    let mut listener = Listener::new(model)?;
    listener.keep(is_both);
    let mut outcome = Outcome {
        is_real: listed.is_real,
        group: listed.group.clone(),
        llr: None,
        was_spoof: false,
        was_bona_fide: false,
        decided: None,
        cues: Cues::default(),
    };
    let mut is_scored = false;
    for hop in samples.chunks(HOP_SAMPLES) {
        let opinion = hearing.hear(&mut listener, hop);
        is_scored |= opinion.window.is_some();
        outcome.llr = is_scored.then_some(f64::from(opinion.llr));
        outcome.cues = opinion.cues;
        outcome.was_spoof |= opinion.label == Label::Spoof;
        outcome.was_bona_fide |= opinion.label == Label::BonaFide;
        if opinion.label != Label::Unsure {
            let at = (f64::from(opinion.speech_seconds), f64::from(opinion.seconds));
            outcome.decided.get_or_insert(at);
        }
    }
    Ok(outcome)
}

/// A line that says how far it is, on a terminal only.
struct Progress {
    all: usize,
    done: usize,
    start: std::time::Instant,
    told: std::time::Instant,
    is_shown: bool,
}

impl Progress {
    fn new(all: usize) -> Progress {
        let now = clock::now().instant;
        Progress {
            all,
            done: 0,
            start: now,
            told: now,
            is_shown: std::io::stderr().is_terminal(),
        }
    }

    fn step(&mut self) {
        self.done += 1;
        let now = clock::now().instant;
        let is_last = self.done == self.all;
        if !self.is_shown || (now.saturating_duration_since(self.told) < EVERY && !is_last) {
            return;
        }
        self.told = now;
        let so_far = now.saturating_duration_since(self.start).as_secs_f64();
        let left = so_far / self.done as f64 * (self.all - self.done) as f64;
        eprint!("\r{} of {}, about {left:.0} s left   ", self.done, self.all);
        if is_last {
            eprintln!();
        }
    }
}

const EVERY: Duration = Duration::from_millis(500);

fn print(report: &Report, out: &mut impl Write) -> std::io::Result<()> {
    let percent =
        |share: Option<f64>| share.map_or("-".to_owned(), |share| format!("{:.1} %", share * 100.0));
    let plain = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2}"));
    let found = &report.figures;
    writeln!(out, "model {}, stages: {}", report.model, report.stages)?;
    writeln!(
        out,
        "{} real recordings of {} sources, {} synthetic of {} engines; {} with too little speech to be scored\n",
        found.real,
        found.sources.len(),
        found.synthetic,
        found.engines.len(),
        found.unscored
    )?;
    writeln!(out, "EER                              {}", percent(found.eer))?;
    writeln!(
        out,
        "Cllr / minCllr                   {} / {}",
        plain(found.cllr),
        plain(found.min_cllr)
    )?;
    writeln!(
        out,
        "caught at 1 % false alarms       {}\n",
        percent(found.caught_at_1_percent_false_alarms)
    )?;
    let labels = &found.labels;
    writeln!(
        out,
        "{:<12}{:>16}{:>16}{:>10}",
        "", "said synthetic", "no sign", "unsure"
    )?;
    for (kind, spoof, bona_fide, unsure) in [
        (
            "real",
            labels.real_said_spoof,
            labels.real_said_bona_fide,
            labels.real_unsure,
        ),
        (
            "synthetic",
            labels.synthetic_said_spoof,
            labels.synthetic_said_bona_fide,
            labels.synthetic_unsure,
        ),
    ] {
        let [spoof, bona_fide, unsure] = [spoof, bona_fide, unsure].map(|share| percent(Some(share)));
        writeln!(out, "{kind:<12}{spoof:>16}{bona_fide:>16}{unsure:>10}")?;
    }
    writeln!(
        out,
        "\nfirst label: {} recordings, median after {} s of net speech ({} s of audio)\n",
        found.decision.decided,
        plain(found.decision.median_net_speech),
        plain(found.decision.median_audio)
    )?;
    if !found.cues.is_empty() {
        writeln!(out, "{:<20}{:>12}{:>12}", "CUE", "real", "synthetic")?;
        for (cue, share) in &found.cues {
            let [real, synthetic] = [share.real, share.synthetic].map(|share| percent(Some(share)));
            writeln!(out, "{cue:<20}{real:>12}{synthetic:>12}")?;
        }
        writeln!(out)?;
    }
    for (title, groups) in [("SOURCE", &found.sources), ("ENGINE", &found.engines)] {
        writeln!(
            out,
            "{title:<36}{:>6}{:>9}{:>10}{:>16}{:>10}",
            "N", "EER", "MEAN LLR", "said synthetic", "no sign"
        )?;
        for (name, group) in groups {
            line(name, group, out)?;
        }
        writeln!(out)?;
    }
    for unread in &report.unread {
        writeln!(out, "not read: {}: {}", unread.file, unread.error)?;
    }
    Ok(())
}

fn line(name: &str, group: &Group, out: &mut impl Write) -> std::io::Result<()> {
    let name: String = name.chars().take(35).collect();
    let eer = group
        .eer
        .map_or("-".to_owned(), |eer| format!("{:.1} %", eer * 100.0));
    let llr = group.mean_llr.map_or("-".to_owned(), |llr| format!("{llr:+.2}"));
    writeln!(
        out,
        "{name:<36}{:>6}{eer:>9}{llr:>10}{:>14.1} %{:>8.1} %",
        group.recordings,
        group.said_spoof * 100.0,
        group.said_bona_fide * 100.0
    )
}
