//! How a voice sounds that the gateway translated, by PESQ (ITU-T P.862, P.862.2): a person's speech goes packet by packet through the media
//! path of a call whose legs share no codec, coded and decoded by libopus where it is Opus.
//!
//! What is compared with is what the sender's own codec leaves of the voice: what a listener with the same codec would have heard. Between
//! Opus and G.722, which are wide, at 16 kHz (wb); with PCMU or PCMA on one side at 8 kHz (nb).

use std::f64::consts::PI;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use ringward::g711::Law;
use ringward::media::g722;
use ringward::media::{Config, Session, Side, Verdict, rtp};
use ringward::sdp::Codec;
use ringward::time::Now;

use crate::greeted::voice;
use crate::opus_calls::{joined, libopus, octets, packets, samples};
use crate::support::{folder, python};

/// The aim: not heard as worse.
const SCORE_MIN: f64 = 4.0;

/// A codec as a party has it: payload type and rate of its samples here.
#[derive(Clone, Copy)]
struct Of {
    codec: Codec,
    number: u8,
    rate: u32,
}

const PCMU: Of = of(Codec::Pcmu, 0, 8000);
const PCMA: Of = of(Codec::Pcma, 8, 8000);
const G722: Of = of(Codec::G722, 9, 16_000);
const OPUS: Of = of(Codec::Opus, 111, 16_000);

const fn of(codec: Codec, number: u8, rate: u32) -> Of {
    Of { codec, number, rate }
}

/// A person at 16 kHz: prompts that Allison Smith recorded, distributed as G.722.
fn wide_voice() -> Vec<i16> {
    let mut decoder = g722::Decoder::default();
    let octets = include_bytes!("fixtures/human-allison.g722");
    octets.iter().flat_map(|octet| decoder.decode(*octet)).collect()
}

fn narrow_voice() -> Vec<i16> {
    voice().iter().map(|octet| Law::Mu.decode(*octet)).collect()
}

/// Only what is below 4 kHz of samples at 16 kHz: a windowed sine cardinal, 32 samples late.
fn below_4_khz(wide: &[i16], gain: f64) -> Vec<i16> {
    let tap = |n: i32| {
        let (x, window) = (f64::from(n) / 2.0, f64::from(n) / 33.0);
        let ideal = if n == 0 { 1.0 } else { (PI * x).sin() / (PI * x) };
        gain * ideal / 2.0 * (0.5 + 0.5 * (PI * window).cos())
    };
    let taps: Vec<f64> = (-32..=32).map(tap).collect();
    let at = |place: usize| {
        let past = wide[..=place].iter().rev();
        taps.iter()
            .zip(past)
            .map(|(tap, sample)| tap * f64::from(*sample))
            .sum::<f64>()
    };
    (0..wide.len()).map(|place| at(place).round() as i16).collect()
}

/// At twice the rate, with nothing above what the telephone carries.
fn widened(narrow: &[i16]) -> Vec<i16> {
    let between: Vec<i16> = narrow.iter().flat_map(|sample| [*sample, 0]).collect();
    below_4_khz(&between, 2.0)
}

/// At half the rate.
fn narrowed(wide: &[i16]) -> Vec<i16> {
    below_4_khz(wide, 1.0).into_iter().step_by(2).collect()
}

impl Of {
    /// Packets of 20 ms with this voice, which is at this codec's rate. `None`: libopus is not here.
    fn coded(self, said: &[i16]) -> Option<Vec<Vec<u8>>> {
        let by_octet = |octets: Vec<u8>| octets.chunks_exact(160).map(<[u8]>::to_vec).collect();
        Some(match self.codec {
            Codec::Pcmu => by_octet(said.iter().map(|sample| Law::Mu.encode(*sample)).collect()),
            Codec::Pcma => by_octet(said.iter().map(|sample| Law::A.encode(*sample)).collect()),
            Codec::G722 => {
                let mut encoder = g722::Encoder::default();
                let pairs = said.as_chunks::<2>().0;
                by_octet(pairs.iter().map(|pair| encoder.encode(*pair)).collect())
            }
            Codec::Opus => {
                let arguments = ["encode", "16000", "1", "voip", "32000", "20"];
                packets(&libopus(&arguments, &octets(said))?)
            }
        })
    }

    /// What whoever has this codec hears of these packets.
    fn heard(self, packets: &[Vec<u8>]) -> Option<Vec<i16>> {
        let all = packets.iter().flatten();
        Some(match self.codec {
            Codec::Pcmu => all.map(|octet| Law::Mu.decode(*octet)).collect(),
            Codec::Pcma => all.map(|octet| Law::A.decode(*octet)).collect(),
            Codec::G722 => {
                let mut decoder = g722::Decoder::default();
                all.flat_map(|octet| decoder.decode(*octet)).collect()
            }
            Codec::Opus => samples(&libopus(&["decode", "16000"], &joined(packets))?),
        })
    }

    fn ticks(self) -> u32 {
        if self.codec == Codec::Opus { 960 } else { 160 }
    }
}

/// These packets from a caller who has one codec, as they go to a phone that has the other.
fn crossed(packets: &[Vec<u8>], from: Of, to: Of) -> Vec<Vec<u8>> {
    let config = Config {
        address: [127, 0, 0, 1].into(),
        advertise: None,
        ports: 20_000..=20_009,
        silence: Duration::from_secs(60),
        transcodes: true,
        rtcp_mux: true,
    };
    let mut now = Now {
        instant: Instant::now(),
        utc: SystemTime::UNIX_EPOCH,
    };
    let (caller, called) = (([192, 0, 2, 1], 4000).into(), ([192, 0, 2, 2], 5000).into());
    let mut session = Session::new(&config, now);
    session.described(Side::A, caller, &[(from.number, from.codec)], None, now);
    session.described(Side::B, called, &[(to.number, to.codec)], None, now);
    let mut room = [0u8; 1700];
    let sent = packets.iter().enumerate().map(|(n, packet)| {
        now = now.after(Duration::from_millis(20));
        let header = rtp::header(from.number, n as u16, n as u32 * from.ticks(), 7, n == 0);
        room[..12].copy_from_slice(&header);
        room[12..12 + packet.len()].copy_from_slice(packet);
        let verdict = session.rtp_within(Side::A, caller, &mut room, 12 + packet.len(), now);
        let Verdict::Forward { len, .. } = verdict else {
            panic!("packet {n}: {verdict:?}");
        };
        assert_eq!(room[1] & 0x7f, to.number, "packet {n}");
        room[12..len].to_vec()
    });
    sent.collect()
}

fn score(folder: &Path, said: &[i16], heard: &[i16], rate: u32) -> Option<f64> {
    let python = python::with_module("pesq")?;
    let files = [("said", said), ("heard", heard)].map(|(name, samples)| {
        let file = folder.join(name);
        std::fs::write(&file, octets(samples)).expect("a file");
        file
    });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire/peers/pesq_score.py");
    let mode = if rate == 8000 { "nb" } else { "wb" };
    let output = Command::new(python)
        .arg(script)
        .arg(mode)
        .args(files)
        .output()
        .expect("python starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let problem = String::from_utf8_lossy(&output.stderr);
    Some(
        said.trim()
            .parse()
            .unwrap_or_else(|_| panic!("{mode}: {said}{problem}")),
    )
}

/// The score of what is heard by one who has `to` of a person who has `from`.
fn translated(from: Of, to: Of) -> Option<f64> {
    let folder = folder("pesq");
    let is_wide = from.rate == 16_000 && to.rate == 16_000;
    let said = match (is_wide, from.rate) {
        (true, _) => wide_voice(),
        (false, 16_000) => widened(&narrow_voice()),
        _ => narrow_voice(),
    };
    let coded = from.coded(&said)?;
    let once = from.heard(&coded)?;
    let heard = to.heard(&crossed(&coded, from, to))?;
    let at_rate = |samples: Vec<i16>, rate: u32| match !is_wide && rate == 16_000 {
        true => narrowed(&samples),
        false => samples,
    };
    let (once, heard) = (at_rate(once, from.rate), at_rate(heard, to.rate));
    let found = score(&folder, &once, &heard, if is_wide { 16_000 } else { 8000 })?;
    let mode = if is_wide { "wb" } else { "nb" };
    eprintln!(
        "{} to {}: PESQ {found:.2} ({mode})",
        from.codec.as_str(),
        to.codec.as_str()
    );
    Some(found)
}

#[test]
fn what_is_translated_sounds_as_it_did_by_pesq() {
    for (from, to) in [
        (PCMU, PCMA),
        (PCMA, PCMU),
        (PCMU, G722),
        (G722, PCMU),
        (PCMU, OPUS),
        (OPUS, PCMU),
        (PCMA, OPUS),
        (OPUS, PCMA),
        (PCMA, G722),
        (G722, PCMA),
        (G722, OPUS),
        (OPUS, G722),
    ] {
        let Some(found) = translated(from, to) else {
            return;
        };
        assert!(
            found > SCORE_MIN,
            "{} to {}: {found:.2}",
            from.codec.as_str(),
            to.codec.as_str()
        );
    }
}

/// The measure can fail: one packet in ten replaced by silence is heard.
#[test]
fn what_has_holes_scores_lower_by_pesq() {
    let said = narrow_voice();
    let mut holes = said.clone();
    holes
        .chunks_mut(160)
        .skip(9)
        .step_by(10)
        .for_each(|piece| piece.fill(0));
    let Some(found) = score(&folder("pesq-holes"), &said, &holes, 8000) else {
        return;
    };
    eprintln!("every tenth packet silent: PESQ {found:.2} (nb)");
    assert!(found < SCORE_MIN - 0.5, "{found:.2}");
}
