//! Recordings of every kind that is read, and what is said of others.

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
