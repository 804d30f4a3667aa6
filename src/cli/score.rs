//! `ringward score`: a recording heard as if it were the caller's audio.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler};
use serde::Serialize;
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_PCM_ALAW, CODEC_ID_PCM_MULAW};
use symphonia::core::errors::Error as MediaError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream, ReadOnlySource};
use symphonia::core::meta::MetadataOptions;

use crate::voice::{HOP_SAMPLES, Label, Listener, Model, Opinion, Window};

/// Seconds of one recording that are read; a longer one is refused. At 16 kHz this is 77 MB while it is resampled.
pub const RECORDING_SECONDS_MAX: usize = 20 * 60;

const LINE_RATE: usize = 8000;

/// Score recordings as if they were the caller's audio: how likely is it that the voice is synthetic?
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  ringward score --json models/demo/human-allison.wav recording.flac\n\n\
    WAV (PCM of 8, 16 or 24 bits, mu-law, A-law) and FLAC at 8 or 16 kHz, at most 20 minutes each.\n\
    Of several channels the first is heard. Linear recordings pass through mu-law first, as on a line.\n\
    The exit status is 1 when a file could not be scored."
)]
pub struct ScoreArgs {
    /// Recordings, scored in this order
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// A model: `default`, a name in models/, or a folder with model.onnx and manifest.json
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub model: String,
    /// Print one JSON object for each file
    #[arg(long)]
    pub json: bool,
}

/// Scores every file and prints what was heard; a bad file is reported and the rest go on.
pub fn run(args: ScoreArgs) -> anyhow::Result<ExitCode> {
    let model = Arc::new(Model::find(&args.model)?);
    let is_complete = report(&model, &args.files, args.json, &mut std::io::stdout().lock())?;
    Ok(if is_complete {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Writes one line for each file, in order. False when one of them could not be scored.
fn report(model: &Arc<Model>, files: &[PathBuf], json: bool, out: &mut impl Write) -> std::io::Result<bool> {
    let mut is_complete = true;
    if !json {
        writeln!(
            out,
            "{:>8} {:>8} {:>7}  {:<20} FILE",
            "SECONDS", "SPEECH", "LLR", "VOICE"
        )?;
    }
    for file in files {
        let report = score(model, file).unwrap_or_else(|problem| {
            is_complete = false;
            Report::failed(file, &problem)
        });
        if json {
            writeln!(out, "{}", serde_json::to_string(&report)?)?;
        } else {
            writeln!(out, "{}", report.line())?;
        }
    }
    Ok(is_complete)
}

/// One line of `--json`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Report {
    Heard {
        file: String,
        seconds: f64,
        speech_seconds: f64,
        llr: f64,
        label: Label,
        windows: Vec<WindowReport>,
        model: String,
        sample_rate: u32,
        channels: usize,
    },
    Failed {
        file: String,
        error: String,
    },
}

#[derive(Debug, Serialize)]
struct WindowReport {
    at: f64,
    llr: f64,
}

impl Report {
    fn failed(file: &Path, problem: &NotHeard) -> Report {
        Report::Failed {
            file: file.display().to_string(),
            error: problem.to_string(),
        }
    }

    fn line(&self) -> String {
        match self {
            Report::Heard {
                file,
                seconds,
                speech_seconds,
                llr,
                label,
                channels,
                ..
            } => {
                let voice = match label {
                    Label::BonaFide => "no sign of synthesis",
                    Label::Spoof => "likely synthetic",
                    Label::Unsure => "unsure",
                };
                let note = if *channels > 1 {
                    format!(" (first of {channels} channels)")
                } else {
                    String::new()
                };
                format!("{seconds:>8.1} {speech_seconds:>8.1} {llr:>7.2}  {voice:<20} {file}{note}")
            }
            Report::Failed { file, error } => format!(
                "{:>8} {:>8} {:>7}  {:<20} {file}: {error}",
                "-", "-", "-", "not scored"
            ),
        }
    }
}

/// Why a recording was not scored.
#[derive(Debug, thiserror::Error)]
enum NotHeard {
    #[error("cannot be read: {}", crate::given_file::in_words(.0))]
    Unreadable(#[from] std::io::Error),
    #[error("neither WAV nor FLAC, or damaged: {0}")]
    Undecodable(String),
    #[error("sample rate {0} Hz: want 8000 or 16000")]
    OtherRate(u32),
    #[error("no sample rate is given")]
    NoRate,
    #[error("longer than {} minutes", RECORDING_SECONDS_MAX / 60)]
    TooLong,
    #[error("holds no audio")]
    Empty,
}

impl From<MediaError> for NotHeard {
    fn from(error: MediaError) -> NotHeard {
        NotHeard::Undecodable(error.to_string().chars().take(200).collect())
    }
}

fn score(model: &Arc<Model>, file: &Path) -> Result<Report, NotHeard> {
    let recording = read(file)?;
    let samples = as_on_the_line(&recording);
    let mut listener = Listener::new(model);
    let mut windows = Vec::new();
    let mut last: Option<Opinion> = None;
    for hop in samples.chunks(HOP_SAMPLES) {
        let opinion = listener.hear(hop);
        windows.extend(opinion.window.map(|Window { at, llr }| WindowReport {
            at: rounded(at),
            llr: rounded(llr),
        }));
        last = Some(opinion);
    }
    let Opinion {
        llr,
        label,
        seconds,
        speech_seconds,
        ..
    } = last.ok_or(NotHeard::Empty)?;
    Ok(Report::Heard {
        file: file.display().to_string(),
        seconds: rounded(seconds),
        speech_seconds: rounded(speech_seconds),
        llr: rounded(llr),
        label,
        windows,
        model: model.revision().to_owned(),
        sample_rate: recording.rate,
        channels: recording.channels,
    })
}

/// To four decimals: what the model can tell, and readable.
fn rounded(value: f32) -> f64 {
    (f64::from(value) * 1e4).round() / 1e4
}

/// The first channel of a file, -1 to 1.
struct Recording {
    samples: Vec<f32>,
    rate: u32,
    channels: usize,
    /// It was G.711 already.
    is_companded: bool,
}

fn read(path: &Path) -> Result<Recording, NotHeard> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(NotHeard::Unreadable(std::io::ErrorKind::IsADirectory.into()));
    }
    let mut hint = Hint::new();
    if let Some(extension) = path.extension().and_then(|extension| extension.to_str()) {
        hint.with_extension(extension);
    }
    let stream = MediaSourceStream::new(source(file)?, Default::default());
    let mut format = symphonia::default::get_probe()
        .probe(
            &hint,
            stream,
            FormatOptions::default(),
            MetadataOptions::default(),
        )
        .map_err(|_| NotHeard::Undecodable("it does not begin like one".to_owned()))?;
    let no_audio = || NotHeard::Undecodable("no audio track".to_owned());
    let track = format.default_track(TrackType::Audio).ok_or_else(no_audio)?;
    let parameters = track
        .codec_params
        .as_ref()
        .and_then(|parameters| parameters.audio())
        .ok_or_else(no_audio)?;
    let rate = parameters.sample_rate.ok_or(NotHeard::NoRate)?;
    if rate != 8000 && rate != 16000 {
        return Err(NotHeard::OtherRate(rate));
    }
    let is_companded = [CODEC_ID_PCM_ALAW, CODEC_ID_PCM_MULAW].contains(&parameters.codec);
    let mut decoder =
        symphonia::default::get_codecs().make_audio_decoder(parameters, &AudioDecoderOptions::default())?;
    let track = track.id;
    let (mut samples, mut interleaved, mut channels) = (Vec::new(), Vec::<f32>::new(), 1);
    while let Some(packet) = format.next_packet()? {
        if packet.track_id != track {
            continue;
        }
        let decoded = decoder.decode(&packet)?;
        if decoded.spec().rate() != rate {
            return Err(NotHeard::OtherRate(decoded.spec().rate()));
        }
        channels = decoded.num_planes().max(1);
        interleaved.clear();
        decoded.copy_to_vec_interleaved(&mut interleaved);
        samples.extend(interleaved.iter().step_by(channels).copied());
        if samples.len() > RECORDING_SECONDS_MAX * rate as usize {
            return Err(NotHeard::TooLong);
        }
    }
    if samples.is_empty() {
        return Err(NotHeard::Empty);
    }
    Ok(Recording {
        samples,
        rate,
        channels,
        is_companded,
    })
}

/// The file, with one repair: exchanges write G.711 with a format chunk of 16 octets, the reader wants the 18 of the book.
fn source(mut file: File) -> std::io::Result<Box<dyn MediaSource>> {
    let mut head = Vec::new();
    Read::by_ref(&mut file)
        .take(FORMAT_END as u64)
        .read_to_end(&mut head)?;
    let is_short_g711 = head.len() == FORMAT_END
        && head.starts_with(b"RIFF")
        && head[8..20] == *b"WAVEfmt \x10\0\0\0"
        && (head[20..22] == [6, 0] || head[20..22] == [7, 0]);
    if !is_short_g711 {
        file.rewind()?;
        return Ok(Box::new(file));
    }
    let riff = u32::from_le_bytes([head[4], head[5], head[6], head[7]]).saturating_add(2);
    head[4..8].copy_from_slice(&riff.to_le_bytes());
    head[16] = 18;
    head.extend([0, 0]);
    Ok(Box::new(ReadOnlySource::new(
        std::io::Cursor::new(head).chain(file),
    )))
}

/// Where a format chunk of 16 octets ends, when it comes first.
const FORMAT_END: usize = 36;

/// At 8 kHz and through mu-law, unless it was G.711 at 8 kHz already: what a telephone line would have brought.
fn as_on_the_line(recording: &Recording) -> Vec<i16> {
    let halved;
    let samples = if recording.rate as usize == LINE_RATE {
        &recording.samples
    } else {
        halved = resampled(&recording.samples, recording.rate as usize);
        &halved
    };
    let linear = samples.iter().map(|sample| (sample * 32768.0).round() as i16);
    if recording.is_companded && recording.rate as usize == LINE_RATE {
        linear.collect()
    } else {
        linear.map(through_mu_law).collect()
    }
}

fn resampled(samples: &[f32], rate: usize) -> Vec<f32> {
    const CHUNK: usize = 1024;
    let mut resampler = Fft::<f32>::new(rate, LINE_RATE, CHUNK, 1, FixedSync::Input)
        .expect("both rates are positive and fixed");
    let input = InterleavedSlice::new(samples, 1, samples.len()).expect("one channel of that length");
    resampler
        .process_all(&input, samples.len(), None)
        .expect("the buffers are the resampler's own")
        .take_data()
}

/// One ITU-T G.711 mu-law encode and decode.
fn through_mu_law(sample: i16) -> i16 {
    const BIAS: i32 = 0x84;
    let size = (i32::from(sample).abs()).min(32_635) + BIAS;
    let exponent = (31 - size.leading_zeros() as i32 - 7).clamp(0, 7);
    let mantissa = (size >> (exponent + 3)) & 15;
    let back = (((mantissa << 3) + BIAS) << exponent) - BIAS;
    (if sample < 0 { -back } else { back }) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A WAV file of `data`, under a name of its own.
    fn wav(name: &str, format: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) -> PathBuf {
        let align = channels * bits / 8;
        let mut octets = Vec::new();
        octets.extend(b"RIFF");
        octets.extend((36 + data.len() as u32).to_le_bytes());
        octets.extend(b"WAVEfmt ");
        octets.extend(16_u32.to_le_bytes());
        octets.extend(format.to_le_bytes());
        octets.extend(channels.to_le_bytes());
        octets.extend(rate.to_le_bytes());
        octets.extend((rate * u32::from(align)).to_le_bytes());
        octets.extend(align.to_le_bytes());
        octets.extend(bits.to_le_bytes());
        octets.extend(b"data");
        octets.extend((data.len() as u32).to_le_bytes());
        octets.extend(data);
        let path = std::env::temp_dir().join(format!("ringward-score-{}-{name}.wav", std::process::id()));
        std::fs::write(&path, octets).expect("written");
        path
    }

    fn buzz(rate: usize, seconds: usize) -> Vec<f32> {
        (0..rate * seconds)
            .map(|n| {
                let t = n as f32 / rate as f32;
                let syllable = (t * 4.0 * std::f32::consts::TAU).sin().max(0.0);
                (1..20)
                    .map(|k| (t * 140.0 * k as f32 * std::f32::consts::TAU).sin() / k as f32)
                    .sum::<f32>()
                    * 0.2
                    * syllable
            })
            .collect()
    }

    fn pcm16(samples: &[f32]) -> Vec<u8> {
        samples
            .iter()
            .flat_map(|x| ((x * 32767.0) as i16).to_le_bytes())
            .collect()
    }

    fn heard(path: &Path) -> Report {
        let model = Arc::new(Model::embedded().expect("embedded"));
        let report = score(&model, path).unwrap_or_else(|problem| Report::failed(path, &problem));
        std::fs::remove_file(path).expect("removed");
        report
    }

    fn refused(path: &Path) -> String {
        match heard(path) {
            Report::Failed { error, .. } => error,
            other => panic!("was heard: {other:?}"),
        }
    }

    fn speech_of(report: Report) -> (f64, f64) {
        match report {
            Report::Heard {
                seconds,
                speech_seconds,
                ..
            } => (seconds, speech_seconds),
            Report::Failed { error, .. } => panic!("{error}"),
        }
    }

    #[test]
    fn every_sample_format_is_heard_alike() {
        let samples = buzz(8000, 4);
        let whole: Vec<i16> = samples.iter().map(|x| (x * 32767.0) as i16).collect();
        let pcm8: Vec<u8> = whole.iter().map(|x| ((x >> 8) + 128) as u8).collect();
        let pcm24: Vec<u8> = whole
            .iter()
            .flat_map(|x| (i32::from(*x) << 8).to_le_bytes()[..3].to_vec())
            .collect();
        let (seconds, speech) = speech_of(heard(&wav("pcm16", 1, 1, 8000, 16, &pcm16(&samples))));
        assert_eq!(seconds, 4.0);
        assert!(speech > 2.0, "{speech}");
        for path in [
            wav("pcm8", 1, 1, 8000, 8, &pcm8),
            wav("pcm24", 1, 1, 8000, 24, &pcm24),
        ] {
            let (_, other) = speech_of(heard(&path));
            assert!((other - speech).abs() < 0.3, "{other} {speech}");
        }
    }

    #[test]
    fn sixteen_kilohertz_is_brought_to_eight() {
        let (seconds, speech) = speech_of(heard(&wav("16k", 1, 1, 16_000, 16, &pcm16(&buzz(16_000, 4)))));
        assert!((seconds - 4.0).abs() < 0.01, "{seconds}");
        assert!(speech > 2.0, "{speech}");
    }

    #[test]
    fn companded_files_are_heard() {
        for (name, format) in [("alaw", 6), ("ulaw", 7)] {
            let data: Vec<u8> = (0..16_000_u32).map(|n| (n * 31 % 251) as u8).collect();
            assert_eq!(speech_of(heard(&wav(name, format, 1, 8000, 8, &data))).0, 2.0);
        }
    }

    #[test]
    fn of_two_channels_the_first_is_heard_and_it_is_said() {
        let stereo: Vec<f32> = buzz(8000, 4).into_iter().flat_map(|x| [x, 0.0]).collect();
        match heard(&wav("stereo", 1, 2, 8000, 16, &pcm16(&stereo))) {
            report @ Report::Heard { channels: 2, .. } => {
                assert!(report.line().contains("first of 2 channels"))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn flac_in_stereo_at_sixteen_kilohertz_is_heard() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/fixtures/buzz-16k.flac");
        let model = Arc::new(Model::embedded().expect("embedded"));
        match score(&model, &path).expect("heard") {
            Report::Heard {
                seconds,
                speech_seconds,
                channels,
                sample_rate,
                ..
            } => {
                assert_eq!((channels, sample_rate), (2, 16_000));
                assert!((seconds - 2.0).abs() < 0.01, "{seconds}");
                assert!(speech_seconds > 0.5, "{speech_seconds}");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn another_rate_is_refused_by_name() {
        assert!(refused(&wav("44k", 1, 1, 44_100, 16, &[0; 400])).contains("44100"));
    }

    #[test]
    fn garbage_emptiness_and_truncation_are_refused_briefly() {
        let empty = refused(&wav("empty", 1, 1, 8000, 16, &[]));
        assert!(empty.len() < 300, "{empty}");
        for (name, octets) in [
            ("none", &b""[..]),
            ("text", b"hello, I am not audio"),
            ("riff", b"RIFF\x04\x00\x00\x00WAVE"),
        ] {
            let path = std::env::temp_dir().join(format!("ringward-score-{}-{name}.wav", std::process::id()));
            std::fs::write(&path, octets).expect("written");
            let error = refused(&path);
            assert!(error.len() < 300, "{name}: {error}");
        }
        let missing = Path::new("/nowhere/at/all.wav");
        let model = Arc::new(Model::embedded().expect("embedded"));
        assert!(matches!(score(&model, missing), Err(NotHeard::Unreadable(_))));
    }

    #[test]
    fn silence_is_unsure_and_says_nothing() {
        match heard(&wav("silence", 1, 1, 8000, 16, &[0; 80_000])) {
            Report::Heard {
                llr, label, windows, ..
            } => {
                assert_eq!((llr, label, windows.len()), (0.0, Label::Unsure, 0));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_bad_file_is_an_error_in_its_place_and_not_an_end() {
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/demo");
        let files = [
            demo.join("human-allison.wav"),
            demo.join("ATTRIBUTION.md"),
            demo.join("synthetic-flite-rms.wav"),
        ];
        let model = Arc::new(Model::embedded().expect("embedded"));
        let mut out = Vec::new();
        assert!(!report(&model, &files, true, &mut out).expect("written"));
        let lines: Vec<serde_json::Value> = String::from_utf8(out)
            .expect("text")
            .lines()
            .map(|line| serde_json::from_str(line).expect("one object a line"))
            .collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[1]["error"].is_string());
        assert_eq!(lines[2]["label"], "spoof");
        assert_ne!(lines[0]["label"], "spoof");
    }

    #[test]
    fn the_json_has_the_promised_fields() {
        let report = heard(&wav("json", 1, 1, 8000, 16, &pcm16(&buzz(8000, 4))));
        let value = serde_json::to_value(report).expect("json");
        for field in ["file", "seconds", "speech_seconds", "llr", "label", "windows"] {
            assert!(value.get(field).is_some(), "{field}");
        }
        assert!(value["windows"][0]["at"].is_number());
    }

    #[test]
    fn mu_law_is_idempotent_and_close() {
        for sample in (i16::MIN..=i16::MAX).step_by(37) {
            let once = through_mu_law(sample);
            assert_eq!(through_mu_law(once), once);
            assert!(
                (i32::from(once) - i32::from(sample)).abs() <= 16 + i32::from(sample).abs() / 25,
                "{sample} {once}"
            );
        }
    }
}
