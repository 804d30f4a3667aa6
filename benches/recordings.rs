//! Finding the same recording again: how long a question takes among 87,500 recordings in an index with
//! room for 100,000 (seven eighths are filled), how often it is answered, and how often wrongly.
//!
//! ```text
//! cargo bench --bench recordings -- FOLDER            # a folder with manifest.csv (columns path, label, source)
//! cargo bench --bench recordings -- FOLDER 20000      # room for another number of recordings
//! ```
//!
//! Half of the folder's sources are cut into recordings of 15 s, which are kept; the rest of the index is filled with the
//! same landmarks moved in frequency, a third of them left out, so that hashes are spread as those of speech are. Asked are 5 s from anywhere in
//! each kept recording (as it is, with 5 % of the packets lost, through AMR, through AMR and loss), and every 5 s of the
//! other half of the sources, which was never kept. What a question finds of the moved ones cannot be the same recording; what the
//! other half finds of speech may be: collections quote each other. Needs ffmpeg, and sox with AMR for two of the rows.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads clocks")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on says where")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringward::media::limits::CONCEALED_SAMPLES_MAX;
use ringward::recordings::limits::{HITS_CLEAR, SPEEDS};
use ringward::recordings::{HASH_BITS, Hearing, Index, Landmark, Plan};

const RECORDINGS: usize = 100_000;
const SECOND: usize = 8000;
const WHOLE: usize = 15 * SECOND;
const ASKED: usize = 5 * SECOND;
/// A packet of 20 ms.
const PACKET: usize = 160;

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"))
        .collect();
    let Some(folder) = arguments.first().map(PathBuf::from) else {
        println!("recordings: no folder of speech given (see benches/recordings.rs)");
        return;
    };
    let count = arguments
        .get(1)
        .map_or(RECORDINGS, |number| number.parse().unwrap());
    let work = std::env::temp_dir().join(format!("recordings-bench-{}", std::process::id()));
    std::fs::create_dir_all(&work).unwrap();
    let (kept, others) = halves(&folder);
    let kept = speech(&folder, &kept, &work, "kept");
    let others = speech(&folder, &others, &work, "others");
    let kept: Vec<&[i16]> = kept.chunks_exact(WHOLE).collect();
    let plan = Arc::new(Plan::default());

    let start = Instant::now();
    let mut index = Index::new(count);
    let own: Vec<Vec<Landmark>> = kept.iter().map(|samples| landmarks(&plan, samples)).collect();
    for (number, marks) in own.iter().enumerate() {
        index.keep(marks, number as u32, 1);
    }
    let mut random = Random(7);
    let mut number = own.len();
    while number < count - count / 8 {
        let of = &own[random.below(own.len())];
        index.keep(&moved(of, &mut random), number as u32, 1);
        number += 1;
    }
    println!(
        "{} recordings ({} of speech, the rest moved from them), {} MB, built in {:.0} s",
        index.len(),
        own.len(),
        index.octets() / 1_000_000,
        start.elapsed().as_secs_f64()
    );

    // With room for a question that is played faster.
    let from: Vec<usize> = kept
        .iter()
        .map(|_| random.below(WHOLE - ASKED - ASKED / 50))
        .collect();
    let cut = |speed: f64| -> Vec<i16> {
        let questions = kept.iter().zip(&from);
        let questions = questions.map(|(samples, from)| at_speed(&samples[*from..], speed, ASKED));
        questions.flatten().collect()
    };
    let asked = cut(1.0);
    let coded = through_amr(&asked, &work);
    let mut rows = vec![("as it is", asked.clone()), ("5 % lost", with_loss(&asked))];
    if let Some(coded) = coded {
        rows.push(("AMR 7.4", coded.clone()));
        rows.push(("AMR 7.4, 5 % lost", with_loss(&coded)));
    }
    for (name, speed) in [
        ("200 ppm faster", 1.0002),
        ("0.5 % faster", 1.005),
        ("0.75 % slower", 0.9925),
        ("1 % faster", 1.01),
        ("1 % slower", 0.99),
    ] {
        rows.push((name, cut(speed)));
    }
    let (mut times, mut impossible) = (Vec::new(), 0);
    for (name, samples) in &rows {
        let (mut right, mut wrong) = (0, 0);
        for (number, question) in samples.chunks(ASKED).take(kept.len()).enumerate() {
            let marks = landmarks(&plan, question);
            let before = Instant::now();
            let found = index.find(&marks);
            times.push(before.elapsed());
            impossible += usize::from(found.is_some_and(|found| found.of as usize >= own.len()));
            match found {
                Some(found) if found.of == number as u32 => right += 1,
                Some(_) => wrong += 1,
                None => {}
            }
        }
        println!(
            "{name:20} found {:.1} % of {}, another one in {wrong}",
            f64::from(right) * 100.0 / kept.len() as f64,
            kept.len()
        );
    }
    tolerant(&plan, &mut index, &rows, &others, own.len());
    let (mut questions, mut of_speech) = (0, 0);
    for question in others.chunks_exact(ASKED) {
        let marks = landmarks(&plan, question);
        let before = Instant::now();
        let found = index.find(&marks);
        times.push(before.elapsed());
        impossible += usize::from(found.is_some_and(|found| found.of as usize >= own.len()));
        of_speech += usize::from(found.is_some_and(|found| (found.of as usize) < own.len()));
        questions += 1;
    }
    println!("never kept           {of_speech} of {questions} find one of speech");
    println!(
        "{impossible} of {} questions find one that cannot be theirs",
        times.len()
    );
    times.sort_unstable();
    let at = |part: f64| ms(times[((times.len() - 1) as f64 * part) as usize]);
    println!(
        "a question: {:.2} ms median, {:.2} ms p99, {:.2} ms at most ({} asked)",
        at(0.5),
        at(0.99),
        at(1.0),
        times.len()
    );
    std::fs::remove_dir_all(&work).unwrap();
}

/// The same questions asked at several speeds where its own does not find it clearly, as the gateway asks: what it finds, finds wrongly and costs.
fn tolerant(plan: &Arc<Plan>, index: &mut Index<u32>, rows: &[(&str, Vec<i16>)], others: &[i16], own: usize) {
    let mut times = Vec::new();
    let mut ask = |question: &[i16]| {
        let before = Instant::now();
        let mut hearing = Hearing::new(plan);
        hearing.push(question);
        let own = index.find(&hearing.question(1.0));
        let is_clear = own.is_some_and(|own| own.hits >= HITS_CLEAR);
        let others: &[f32] = if is_clear { &[] } else { &SPEEDS };
        let found = others
            .iter()
            .filter_map(|speed| index.find(&hearing.question(*speed)));
        let best = found.chain(own).max_by_key(|found| found.hits);
        times.push(before.elapsed());
        best.map(|best| best.of as usize)
    };
    println!("asked at {SPEEDS:?} of its speed too, where it is not found clearly:");
    for (name, samples) in rows {
        let answers: Vec<Option<usize>> = samples.chunks(ASKED).map(&mut ask).collect();
        let right = answers
            .iter()
            .enumerate()
            .filter(|(number, of)| **of == Some(*number));
        let right = right.count();
        let wrong = answers.iter().flatten().count() - right;
        let share = right as f64 * 100.0 / answers.len() as f64;
        println!(
            "{name:20} found {share:.1} % of {}, another one in {wrong}",
            answers.len()
        );
    }
    let answers: Vec<Option<usize>> = others.chunks_exact(ASKED).map(&mut ask).collect();
    let of_speech = answers.iter().flatten().filter(|of| **of < own).count();
    let impossible = answers.iter().flatten().count() - of_speech;
    println!(
        "never kept           {of_speech} of {} find one of speech, {impossible} one that cannot be theirs",
        answers.len()
    );
    times.sort_unstable();
    let at = |part: f64| ms(times[((times.len() - 1) as f64 * part) as usize]);
    println!(
        "hearing and asking: {:.2} ms median, {:.2} ms p99",
        at(0.5),
        at(0.99)
    );
}

/// So many samples of this, played so much faster: cubic between the samples (Catmull-Rom). What is past its end is silence.
fn at_speed(of: &[i16], speed: f64, count: usize) -> Vec<i16> {
    if speed == 1.0 {
        return of[..count].to_vec();
    }
    let sample = |at: isize| {
        let at = usize::try_from(at).ok();
        f64::from(at.and_then(|at| of.get(at)).copied().unwrap_or(0))
    };
    let moved = (0..count).map(|n| {
        let place = n as f64 * speed;
        let (at, t) = (place as isize, place.fract());
        let [a, b, c, d] = [-1, 0, 1, 2].map(|off| sample(at + off));
        let curve =
            b + 0.5 * t * (c - a + t * (2.0 * a - 5.0 * b + 4.0 * c - d + t * (3.0 * (b - c) + d - a)));
        curve.clamp(-32_768.0, 32_767.0) as i16
    });
    moved.collect()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Files of every second source, and of the others.
fn halves(folder: &Path) -> (Vec<String>, Vec<String>) {
    let table = std::fs::read_to_string(folder.join("manifest.csv")).unwrap();
    let mut sources: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for line in table.lines().skip(1) {
        let mut words = line.split(',');
        if let (Some(path), Some(_), Some(source)) = (words.next(), words.next(), words.next()) {
            sources.entry(source).or_default().push(path.to_string());
        }
    }
    let (mut one, mut other) = (Vec::new(), Vec::new());
    for (number, files) in sources.into_values().enumerate() {
        if number % 2 == 0 {
            one.extend(files);
        } else {
            other.extend(files);
        }
    }
    (one, other)
}

/// All of these files, one behind the other, at 8 kHz.
fn speech(folder: &Path, files: &[String], work: &Path, name: &str) -> Vec<i16> {
    let list = work.join(format!("{name}.txt"));
    let lines: Vec<String> = files
        .iter()
        .map(|file| format!("file '{}'", folder.join(file).display()))
        .collect();
    std::fs::write(&list, lines.join("\n")).unwrap();
    let raw = work.join(format!("{name}.raw"));
    assert!(
        ffmpeg(&[
            "-f",
            "concat",
            "-safe",
            "0",
            "-i",
            &text(&list),
            "-f",
            "s16le",
            "-ar",
            "8000",
            "-ac",
            "1",
            &text(&raw)
        ]),
        "ffmpeg reads the speech"
    );
    samples(&raw)
}

/// The same after one encoding at 7.4 kbit/s; `None` where sox cannot do it.
fn through_amr(speech: &[i16], work: &Path) -> Option<Vec<i16>> {
    let [raw, coded, heard] = ["asked.raw", "asked.amr-nb", "heard.raw"].map(|name| text(&work.join(name)));
    let octets: Vec<u8> = speech.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    std::fs::write(&raw, octets).unwrap();
    let plain = ["-t", "raw", "-r", "8000", "-c", "1", "-e", "signed", "-b", "16"];
    let is_coded = sox(&[&plain[..], &[&raw, "-C", "4", &coded]].concat())
        && sox(&[&[coded.as_str()], &plain[..], &[&heard]].concat());
    is_coded.then(|| samples(Path::new(&heard)))
}

fn sox(arguments: &[&str]) -> bool {
    let run = Command::new("sox").arg("-V1").args(arguments).status();
    run.is_ok_and(|status| status.success())
}

fn ffmpeg(arguments: &[&str]) -> bool {
    let run = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-nostdin", "-y"])
        .args(arguments)
        .status();
    run.is_ok_and(|status| status.success())
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn samples(raw: &Path) -> Vec<i16> {
    let octets = std::fs::read(raw).unwrap();
    let pairs = octets.chunks_exact(2);
    pairs.map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

/// One packet in twenty is lost, and concealed as a call's ear does it: the one before again, fading.
fn with_loss(speech: &[i16]) -> Vec<i16> {
    let mut random = Random(11);
    let mut out = speech.to_vec();
    let fading = (CONCEALED_SAMPLES_MAX as i32 - PACKET as i32..=CONCEALED_SAMPLES_MAX as i32).rev();
    for at in (PACKET..out.len()).step_by(PACKET) {
        if random.below(20) == 0 {
            for (n, left) in (at..out.len().min(at + PACKET)).zip(fading.clone()) {
                out[n] = (i32::from(speech[n - PACKET]) * left / CONCEALED_SAMPLES_MAX as i32) as i16;
            }
        }
    }
    out
}

fn landmarks(plan: &Arc<Plan>, samples: &[i16]) -> Vec<Landmark> {
    let mut hearing = Hearing::new(plan);
    hearing.push(samples);
    hearing.finish()
}

/// A recording with nothing in common with this one, but made of the same kinds of pairs: its first peaks are moved to another frequency.
fn moved(of: &[Landmark], random: &mut Random) -> Vec<Landmark> {
    const BIN_SHIFT: u32 = HASH_BITS - 8;
    // Further than what is played at another speed lies from its own.
    let by = 6 + random.below(175) as u32;
    let mut marks = Vec::with_capacity(of.len());
    for mark in of {
        if random.below(3) > 0 {
            let bin = ((mark.hash >> BIN_SHIFT) + by) % 198;
            let rest = mark.hash & ((1 << BIN_SHIFT) - 1);
            marks.push(Landmark {
                hash: bin << BIN_SHIFT | rest,
                at: mark.at,
            });
        }
    }
    marks
}

/// xorshift: the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) % end as u64) as usize
    }
}
