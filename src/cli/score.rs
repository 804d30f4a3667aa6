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

use crate::g711::Law;
use crate::voice::{Cues, HOP_SAMPLES, Hearing, Label, Listener, Model, Opinion, Signers, Stages, Window};

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
    /// A model: `default`, a name in models/, or a folder with a manifest and the networks it names
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub model: String,
    /// Print one JSON object for each file
    #[arg(long)]
    pub json: bool,
}

/// Scores every file and prints what was heard; a bad file is reported and the rest go on.
pub fn run(args: ScoreArgs) -> anyhow::Result<ExitCode> {
    let model = Arc::new(Model::find(&args.model, &Signers::default())?);
    let is_complete = report(&model, &args.files, args.json, &mut std::io::stdout().lock())?;
    Ok(if is_complete {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Writes one line for each file, in order. False when one of them could not be scored.
pub(super) fn report(
    model: &Arc<Model>,
    files: &[PathBuf],
    json: bool,
    out: &mut impl Write,
) -> std::io::Result<bool> {
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
        /// What they rest on: the first stage, or both.
        stages: Stages,
        windows: Vec<WindowReport>,
        second_opinions: Vec<WindowReport>,
        /// Habits of machines: when each was first heard, and how strong.
        cues: Cues,
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

impl WindowReport {
    fn of(window: Window) -> WindowReport {
        WindowReport {
            at: rounded(window.at),
            llr: rounded(window.llr),
        }
    }
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
pub(super) enum NotHeard {
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
    #[error(transparent)]
    Model(#[from] crate::voice::ModelError),
}

impl From<MediaError> for NotHeard {
    fn from(error: MediaError) -> NotHeard {
        NotHeard::Undecodable(error.to_string().chars().take(200).collect())
    }
}

fn score(model: &Arc<Model>, file: &Path) -> Result<Report, NotHeard> {
    let recording = read(file)?;
    let samples = as_on_the_line(&recording);
    let mut hearing = Hearing::new(model)?;
    let mut listener = Listener::new(model)?;
    listener.keep(true);
    let (mut windows, mut second_opinions) = (Vec::new(), Vec::new());
    let mut last: Option<Opinion> = None;
    for hop in samples.chunks(HOP_SAMPLES) {
        let opinion = hearing.hear(&mut listener, hop);
        windows.extend(opinion.window.map(WindowReport::of));
        second_opinions.extend(opinion.second.map(WindowReport::of));
        last = Some(opinion);
    }
    let Opinion {
        llr,
        label,
        seconds,
        speech_seconds,
        stages,
        cues,
        ..
    } = last.ok_or(NotHeard::Empty)?;
    Ok(Report::Heard {
        file: file.display().to_string(),
        seconds: rounded(seconds),
        speech_seconds: rounded(speech_seconds),
        llr: rounded(llr),
        label,
        stages,
        windows,
        second_opinions,
        cues,
        model: model.revision().to_owned(),
        sample_rate: recording.rate,
        channels: recording.channels,
    })
}

/// To four decimals: what the model can tell, and readable.
fn rounded(value: f32) -> f64 {
    (f64::from(value) * 1e4).round() / 1e4
}

/// What a telephone line would have brought of a recording.
pub(super) fn on_the_line(file: &Path) -> Result<Vec<i16>, NotHeard> {
    Ok(as_on_the_line(&read(file)?))
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
    Law::Mu.decode(Law::Mu.encode(sample))
}

#[cfg(test)]
#[path = "score_tests.rs"]
mod tests;
