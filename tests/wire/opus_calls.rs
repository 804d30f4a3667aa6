//! Opus beside libopus, the reference implementation, and between real phones (baresip, which speaks it by libopus): passed on where
//! both have it, translated where one has not, with SRTP on either side, and heard by the voice model.
//!
//! What is heard is compared as with the other codecs, by signal over noise at one lag ([`is_clear`]): speech that is coded without
//! a filter before it (what libopus calls its application "audio") keeps its waveform. Beside it stands how far the spectrum is
//! from what was said ([`spectral_distance`], in dB over bands of 250 Hz), which says more of how it sounds.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use ringward::media::opus::{Decoder, Encoder, SAMPLES_MAX};
use serde_json::Value;

use crate::greeted::voice;
use crate::support::audio::{compare_voice, spectral_distance, test_voice, write_wav_of};
use crate::support::baresip::Baresip;
use crate::support::gateway::{Gateway, Setup};
use crate::support::{folder, have, one_load_at_a_time, wait_for};
use crate::translated_calls::{AGENT_FROM, CALLER_FROM, is_clear};

/// libopus with these arguments, these octets in and those out. `None`: it is not here.
pub fn libopus(arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire/peers/libopus.py");
    let mut child = Command::new("/usr/bin/python3")
        .arg(script)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python starts");
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_vec();
    // It writes while it reads.
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("it ends");
    let _ = writer.join();
    if output.status.code() == Some(3) {
        // No command has its name: it is missing, and required where peers are.
        assert!(!have(&["libopus.so.0"]));
        return None;
    }
    // What it has to say stands on the standard error.
    assert!(
        output.status.success(),
        "libopus.py {arguments:?}: {}",
        output.status
    );
    Some(output.stdout)
}

pub fn octets(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

pub fn samples(octets: &[u8]) -> Vec<i16> {
    octets
        .as_chunks::<2>()
        .0
        .iter()
        .map(|pair| i16::from_le_bytes(*pair))
        .collect()
}

/// As libopus.py writes them.
pub fn packets(mut octets: &[u8]) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    while let [low, high, rest @ ..] = octets {
        let (packet, after) = rest.split_at(usize::from(u16::from_le_bytes([*low, *high])));
        packets.push(packet.to_vec());
        octets = after;
    }
    packets
}

pub fn joined(packets: &[Vec<u8>]) -> Vec<u8> {
    let with_length = |packet: &Vec<u8>| [&(packet.len() as u16).to_le_bytes()[..], packet].concat();
    packets.iter().flat_map(with_length).collect()
}

/// Decoded by the codec alone, at 48 kHz. An empty packet was lost, and is as long as the one before it.
fn by_the_codec(packets: &[Vec<u8>]) -> Vec<i16> {
    let mut decoder = opus_pure::OpusDecoder::new(48_000, 1).expect("a decoder");
    let (mut room, mut last, mut heard) = ([0; 3 * SAMPLES_MAX], 0, Vec::new());
    for packet in packets {
        let most = if packet.is_empty() { last } else { room.len() };
        last = decoder
            .decode_s16(packet, most, &mut room)
            .expect("libopus makes packets");
        heard.extend_from_slice(&room[..last]);
    }
    heard
}

/// Decoded as it is for whoever scores or translates: at 16 kHz, 15 samples later.
fn decoded(packets: &[Vec<u8>]) -> Vec<i16> {
    let (mut decoder, mut room, mut last, mut heard) = (Decoder::new(), [0; SAMPLES_MAX], 0, Vec::new());
    for packet in packets {
        last = match packet.is_empty() {
            true => decoder.conceal(last / 16, &mut room),
            false => decoder.decode(packet, &mut room),
        }
        .expect("libopus makes packets");
        heard.extend_from_slice(&room[..last]);
    }
    heard.drain(..15);
    heard
}

fn decibels(reference: &[i16], heard: &[i16]) -> f64 {
    assert_eq!(reference.len(), heard.len());
    let (mut signal, mut noise) = (1.0, 1e-3);
    for (a, b) in reference.iter().zip(heard) {
        signal += f64::from(*a).powi(2);
        noise += (f64::from(*a) - f64::from(*b)).powi(2);
    }
    10.0 * f64::log10(signal / noise)
}

/// The voice of a person at this rate, and something above the telephone band with it.
fn person(rate: u32, channels: usize) -> Vec<i16> {
    let narrow = voice();
    let step = rate as usize / 8000;
    let level = |at: usize| i32::from(ringward::g711::Law::Mu.decode(narrow[at]));
    let mut noise = 0x2545_f491_u32;
    (0..(narrow.len() - 1).min(40_000) * step)
        .flat_map(|n| {
            noise ^= noise << 13;
            noise ^= noise >> 17;
            noise ^= noise << 5;
            let (at, part) = (n / step, (n % step) as i32);
            let between = level(at) + (level(at + 1) - level(at)) * part / step as i32;
            let breath = (noise as i32 >> 16) * between.abs().min(3000) / 60_000;
            let sample = (between + breath).clamp(-32_768, 32_767) as i16;
            std::iter::repeat_n(sample, channels)
        })
        .collect()
}

#[test]
fn what_libopus_says_is_heard_as_libopus_hears_it() {
    for (rate, channels, application, bits, milliseconds, more) in [
        ("8000", 1, "voip", "12000", "20", None),
        ("16000", 1, "voip", "16000", "20", None),
        ("16000", 1, "voip", "24000", "60", None),
        ("16000", 1, "voip", "16000", "20", Some("dtx")),
        ("48000", 1, "voip", "28000", "20", None),
        ("48000", 1, "voip", "20000", "10", None),
        ("48000", 2, "audio", "64000", "20", None),
        ("48000", 2, "voip", "32000", "40", None),
        ("48000", 1, "lowdelay", "64000", "5", None),
        ("48000", 1, "audio", "96000", "120", None),
    ] {
        let name = format!("{rate} Hz, {channels}, {application}, {bits} bit/s, {milliseconds} ms {more:?}");
        let said = octets(&person(rate.parse().expect("a rate"), channels));
        let channels = channels.to_string();
        let mut arguments = vec!["encode", rate, &channels, application, bits, milliseconds];
        arguments.extend(more);
        let Some(stream) = libopus(&arguments, &said) else {
            return;
        };
        let mut packets = packets(&stream);
        for lost in [false, true] {
            if lost {
                (0..packets.len())
                    .skip(9)
                    .step_by(10)
                    .for_each(|place| packets[place].clear());
            }
            let reference = libopus(&["decode", "48000"], &joined(&packets)).expect("libopus is here");
            let (reference, codec, ours) = (samples(&reference), by_the_codec(&packets), decoded(&packets));
            let found = decibels(&reference, &codec);
            let third: Vec<i16> = reference
                .iter()
                .skip(2)
                .step_by(3)
                .take(ours.len())
                .copied()
                .collect();
            let heard = decibels(&third, &ours);
            eprintln!(
                "{name}: {} packets, lost {lost}: {found:.1} dB, at 16 kHz {heard:.1} dB",
                packets.len()
            );
            // What is lost each makes up for in its own way, and music hangs on what was before for some packets more.
            let least = match lost {
                false => 90.0,
                true => 8.0,
            };
            assert!(found > least, "{name}, lost {lost}: {found:.1} dB");
            // What has nothing above 8 kHz loses nothing to the filter.
            assert!(lost || rate == "48000" || heard > 30.0, "{name}: {heard:.1} dB");
        }
    }
}

#[test]
fn our_own_opus_is_heard_by_libopus_and_is_as_near_to_what_was_said_as_its_own() {
    let said = test_voice(3.0, 6, 16_000);
    for milliseconds in [20usize, 60] {
        let text = milliseconds.to_string();
        let arguments = ["encode", "16000", "1", "audio", "32000", &text];
        let Some(stream) = libopus(&arguments, &octets(&said)) else {
            return;
        };
        let theirs = packets(&stream);
        let mut encoder = Encoder::new();
        let ours: Vec<Vec<u8>> = said
            .chunks_exact(milliseconds * 16)
            .map(|part| {
                let mut packet = vec![0; milliseconds * 8];
                let len = encoder.encode(part, &mut packet).expect("a packet");
                packet.truncate(len);
                packet
            })
            .collect();
        let heard = |who: &str, packets: &[Vec<u8>]| {
            let heard = samples(&libopus(&["decode", "16000"], &joined(packets)).expect("libopus is here"));
            let found = compare_voice(3.0, &heard, 16_000);
            let distance = spectral_distance(3.0, &heard, 16_000, found.lag);
            let bits = packets.iter().map(|packet| packet.len() * 8).sum::<usize>() / 6;
            eprintln!(
                "{milliseconds} ms, {who}: {:.1} dB, {distance:.2} dB off in the spectrum, {bits} bit/s, {} slips",
                found.snr_db, found.slips
            );
            (found, distance)
        };
        let (ours, theirs) = (heard("ours", &ours), heard("theirs", &theirs));
        assert!(ours.1 < theirs.1 + 0.3, "{:.2} and {:.2} dB", ours.1, theirs.1);
        assert!(ours.0.snr_db > theirs.0.snr_db - 3.0 && ours.0.snr_db > 20.0);
        assert_eq!(ours.0.slips, 0, "one lag from beginning to end");
    }
}

/// A phone: its codec, and how its leg is encrypted.
#[derive(Clone, Copy)]
struct Phone {
    codec: &'static str,
    mediaenc: &'static str,
    srtp: &'static str,
}

const OPUS: Phone = Phone {
    codec: "opus/48000/2",
    mediaenc: "",
    srtp: "off",
};

const PCMU: Phone = Phone {
    codec: "PCMU",
    ..OPUS
};

impl Phone {
    fn encrypted(self) -> Phone {
        Phone {
            mediaenc: ";mediaenc=srtp-mand",
            srtp: "required",
            ..self
        }
    }

    fn is_opus(self) -> bool {
        self.codec.starts_with("opus")
    }

    fn account(self) -> String {
        format!(";audio_codecs={}{}", self.codec, self.mediaenc)
    }

    /// The file of somebody who says the test's voice from this second on, as this phone plays files: Opus in two channels at 48 kHz.
    fn says(self, folder: &Path, who: &str, from: f64) -> PathBuf {
        let file = folder.join(format!("{who}.wav"));
        let (rate, channels) = if self.is_opus() { (48_000, 2) } else { (8000, 1) };
        let mut samples = test_voice(from, 30, rate);
        samples.resize(samples.len() + 60 * rate as usize, 0);
        let samples: Vec<i16> = samples
            .iter()
            .flat_map(|sample| vec![*sample; channels])
            .collect();
        write_wav_of(&file, &samples, rate, channels as u16);
        file
    }

    /// What it heard, and the rate of that.
    fn heard(self, phone: &Baresip) -> (Vec<i16>, u32) {
        match self.is_opus() {
            // Every third of one channel: what is said has nothing above 2.4 kHz.
            true => (phone.heard().into_iter().step_by(6).collect(), 16_000),
            false => (phone.heard(), 8000),
        }
    }
}

/// Two phones talk for six seconds, each hears what the other said, and the record says how it crossed.
fn both_hear_each_other(name: &str, of_caller: Phone, of_agent: Phone) {
    if !have(&["baresip"]) {
        return;
    }
    let _only = one_load_at_a_time();
    let folder = folder(&format!("opus-{name}"));
    let (caller_says, agent_says) = (
        of_caller.says(&folder, "caller", CALLER_FROM),
        of_agent.says(&folder, "agent", AGENT_FROM),
    );
    let agent = Baresip::start_as(&folder, "agent", &agent_says, None, &of_agent.account());
    let gateway = Gateway::start_with_trunk(
        &Setup {
            name: &format!("gateway-opus-{name}"),
            targets: &[format!("sip:agent@127.0.0.1:{}", agent.port)],
            queue: &format!("srtp = \"{}\"", of_agent.srtp),
            more: "[voice]\nmodel = \"off\"",
        },
        &format!("srtp = \"{}\"", of_caller.srtp),
    );
    let dial = format!("sip:+12125550100@{}", gateway.udp);
    let caller = Baresip::start_as(
        &folder,
        "+14045550123",
        &caller_says,
        Some(&dial),
        &of_caller.account(),
    );
    wait_for("six seconds of audio both ways", Duration::from_secs(60), || {
        let is_enough = |of: Phone, phone: &Baresip| {
            let (heard, rate) = of.heard(phone);
            heard.len() > 6 * rate as usize
        };
        (is_enough(of_agent, &agent) && is_enough(of_caller, &caller)).then_some(())
    });
    let live = gateway.get("/api/v1/calls?state=live");
    let id = live["calls"][0]["id"].as_str().expect("a live call").to_string();
    let path = format!("/api/v1/calls/{id}/actions");
    gateway.request("POST", &path, Some("{\"do\":\"hang_up\"}"));
    let record = &gateway.ended_calls(1)[0];
    for (side, phone) in [("caller", of_caller), ("called", of_agent)] {
        let codec = record["codecs"][side].as_str().unwrap_or_default();
        assert!(phone.codec.starts_with(codec) && !codec.is_empty(), "{record}");
        let is_encrypted = record["srtp"][side] != Value::Null;
        assert_eq!(is_encrypted, !phone.mediaenc.is_empty(), "{record}");
    }
    let crosses = of_caller.is_opus() == of_agent.is_opus();
    let media = &gateway.why(record)["media"];
    for side in ["from_caller", "from_called"] {
        let (translated, packets) = (
            media[side]["translated"].as_u64(),
            media[side]["packets"].as_u64(),
        );
        assert!(packets > Some(200), "{media}");
        match crosses {
            true => assert_eq!(translated, Some(0), "{media}"),
            false => assert!(translated > Some(200), "{media}"),
        }
        assert_eq!(media[side]["lost"], 0, "{media}");
        let jitter = media[side]["jitter_ms"].as_f64().expect("a figure");
        assert!(jitter < 100.0, "in milliseconds, whatever the clock: {media}");
    }
    for (who, from, (heard, rate)) in [
        ("agent", CALLER_FROM, of_agent.heard(&agent)),
        ("caller", AGENT_FROM, of_caller.heard(&caller)),
    ] {
        is_clear(&format!("{name}: {who}"), from, &heard, rate, (20.0, 5));
        let lag = compare_voice(from, &heard, rate).lag;
        let distance = spectral_distance(from, &heard, rate, lag);
        eprintln!("{name}: {who}: {distance:.2} dB off in the spectrum");
        assert!(distance < 1.5, "{name}, {who}: {distance:.2} dB");
    }
}

#[test]
fn two_phones_of_opus_hear_each_other_by_their_own_packets() {
    both_hear_each_other("both", OPUS, OPUS.encrypted());
}

#[test]
fn an_encrypted_caller_of_opus_and_a_phone_of_pcmu_hear_each_other() {
    both_hear_each_other("calls", OPUS.encrypted(), PCMU);
}

#[test]
fn a_caller_of_pcmu_and_an_encrypted_phone_of_opus_hear_each_other() {
    both_hear_each_other("called", PCMU, OPUS.encrypted());
}

#[test]
fn the_voice_model_hears_a_caller_of_opus() {
    if !have(&["baresip"]) {
        return;
    }
    let _only = one_load_at_a_time();
    let folder = folder("opus-scored");
    let person: Vec<i16> = person(48_000, 2).repeat(12);
    let file = folder.join("caller.wav");
    write_wav_of(&file, &person, 48_000, 2);
    let agent_says = OPUS.says(&folder, "agent", AGENT_FROM);
    let agent = Baresip::start_as(&folder, "agent", &agent_says, None, &OPUS.account());
    let gateway = Gateway::start(&Setup {
        name: "gateway-opus-scored",
        targets: &[format!("sip:agent@127.0.0.1:{}", agent.port)],
        queue: "",
        more: "",
    });
    let dial = format!("sip:+12125550100@{}", gateway.udp);
    let _caller = Baresip::start_as(&folder, "+14045550123", &file, Some(&dial), &OPUS.account());
    let call = wait_for(
        "eight seconds of speech to be scored",
        Duration::from_secs(90),
        || {
            let live = gateway.get("/api/v1/calls?state=live");
            let id = live["calls"][0]["id"].as_str()?.to_string();
            let call = gateway.get(&format!("/api/v1/calls/{id}"));
            (call["voice"]["seconds"].as_f64()? >= 8.0).then_some(call)
        },
    );
    eprintln!("{}", call["voice"]);
    assert_eq!(
        (&call["codecs"]["caller"], &call["codecs"]["called"]),
        (&"opus".into(), &"opus".into())
    );
    assert!(
        call["voice"]["llr"].as_f64().is_some_and(f64::is_finite),
        "{call}"
    );
    let id = call["id"].as_str().expect("an id");
    gateway.request(
        "POST",
        &format!("/api/v1/calls/{id}/actions"),
        Some("{\"do\":\"hang_up\"}"),
    );
    let record = &gateway.ended_calls(1)[0];
    let why = gateway.why(record);
    let evidence = why["evidence"].as_array().map_or(0, Vec::len);
    assert!(evidence > 0, "{why}");
    assert_eq!(why["facts"]["signalling"]["codec"], "opus", "{why}");
}
