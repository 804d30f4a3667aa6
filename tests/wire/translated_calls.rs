//! baresip calls baresip through the gateway where the two share no codec: each hears the other in its own, with SRTP on one
//! side or the other, and the record says what was done.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::support::audio::{clear_pieces, compare_voice, test_voice, write_wav_at};
use crate::support::baresip::Baresip;
use crate::support::gateway::{Gateway, Setup};
use crate::support::{folder, have, one_load_at_a_time, wait_for};

/// A phone: its codec, its rate, how it encrypts, and what the gateway is told of its leg.
#[derive(Clone, Copy)]
struct Phone {
    /// As its account names it.
    codec: &'static str,
    rate: u32,
    mediaenc: &'static str,
    srtp: &'static str,
}

/// What each says begins at its own second, so that nobody can hear himself.
pub const CALLER_FROM: f64 = 3.0;
pub const AGENT_FROM: f64 = 70.0;

/// At least so many decibels of signal over noise, and the same lag from beginning to end, for both.
fn both_hear_each_other(name: &str, of_caller: Phone, of_agent: Phone, decibels: f64) {
    if !have(&["baresip"]) {
        return;
    }
    let _only = one_load_at_a_time();
    let folder = folder(&format!("translated-{name}"));
    let account = |phone: Phone| match phone.mediaenc {
        "" => format!(";audio_codecs={}", phone.codec),
        encryption => format!(";audio_codecs={};mediaenc={encryption}", phone.codec),
    };
    let (caller_says, agent_says) = (
        says(&folder, "caller", CALLER_FROM, of_caller.rate),
        says(&folder, "agent", AGENT_FROM, of_agent.rate),
    );
    let agent = Baresip::start_as(&folder, "agent", &agent_says, None, &account(of_agent));
    let setup = Setup {
        name: &format!("gateway-translated-{name}"),
        targets: &[format!("sip:agent@127.0.0.1:{}", agent.port)],
        queue: &format!("srtp = \"{}\"", of_agent.srtp),
        more: "[voice]\nmodel = \"off\"",
    };
    let gateway = Gateway::start_with_trunk(&setup, &format!("srtp = \"{}\"", of_caller.srtp));
    let dial = format!("sip:+12125550100@{}", gateway.udp);
    let account = account(of_caller);
    let caller = Baresip::start_as(&folder, "+14045550123", &caller_says, Some(&dial), &account);
    wait_for("five seconds of audio both ways", Duration::from_secs(60), || {
        let enough = |phone: &Baresip, rate: u32| phone.heard().len() > 5 * rate as usize;
        (enough(&agent, of_agent.rate) && enough(&caller, of_caller.rate)).then_some(())
    });
    let live = gateway.get("/api/v1/calls?state=live");
    let id = live["calls"][0]["id"].as_str().expect("a live call").to_string();
    let call = gateway.get(&format!("/api/v1/calls/{id}"));
    for (side, phone) in [("caller", of_caller), ("called", of_agent)] {
        let codec = call["codecs"][side].as_str().unwrap_or_default();
        assert!(phone.codec.starts_with(codec) && !codec.is_empty(), "{call}");
        assert_eq!(
            call["srtp"][side] != Value::Null,
            !phone.mediaenc.is_empty(),
            "{call}"
        );
    }
    gateway.request(
        "POST",
        &format!("/api/v1/calls/{id}/actions"),
        Some("{\"do\":\"hang_up\"}"),
    );
    let record = &gateway.ended_calls(1)[0];
    for side in ["from_caller", "from_called"] {
        let media = &gateway.why(record)["media"][side];
        let translated = media["translated"].as_u64();
        assert!(
            translated > Some(100) && media["packets"].as_u64() >= translated,
            "{media}"
        );
    }
    for (who, from, heard, rate) in [
        ("agent", CALLER_FROM, agent.heard(), of_agent.rate),
        ("caller", AGENT_FROM, caller.heard(), of_caller.rate),
    ] {
        is_clear(&format!("{name}: {who}"), from, &heard, rate, (decibels, 5));
    }
}

/// Who was to hear [`test_voice`] from this second on heard it with at least so many decibels of signal over noise, and one lag
/// from beginning to end; or at least `pieces` half seconds of it, where his phone stretches and shortens.
pub fn is_clear(who: &str, from: f64, heard: &[i16], rate: u32, (decibels, pieces): (f64, usize)) {
    let found = compare_voice(from, heard, rate);
    eprintln!(
        "{who} heard {:.1} s, lag {}, {:.1} dB, {} slips",
        found.seconds, found.lag, found.snr_db, found.slips
    );
    if found.slips == 0 && found.seconds > 2.0 && found.snr_db > decibels {
        return;
    }
    // A machine that is too busy for real time makes a phone slip; in between it hears what was said.
    let clear = clear_pieces(from, heard, rate, found.lag, decibels);
    assert!(
        clear >= pieces,
        "{who}: {:.1} dB over {:.1} s, {} slips, {clear} pieces clear",
        found.snr_db,
        found.seconds,
        found.slips
    );
}

/// The file of somebody who says [`test_voice`] from this second on for half a minute, and is quiet for longer than any wait here:
/// phones hang up at the end of their file.
pub fn says(folder: &Path, who: &str, from: f64, rate: u32) -> PathBuf {
    let file = folder.join(format!("{who}.wav"));
    let silence = std::iter::repeat_n(0, 60 * rate as usize);
    let samples: Vec<i16> = test_voice(from, 30, rate).into_iter().chain(silence).collect();
    write_wav_at(&file, &samples, rate);
    file
}

const PLAIN: Phone = Phone {
    codec: "PCMU",
    rate: 8000,
    mediaenc: "",
    srtp: "off",
};

#[test]
fn a_plain_caller_of_pcmu_and_an_srtp_phone_of_g722_hear_each_other() {
    let phone = Phone {
        codec: "G722/16000/1",
        rate: 16_000,
        mediaenc: "srtp",
        srtp: "preferred",
    };
    both_hear_each_other("wide", PLAIN, phone, 20.0);
}

#[test]
fn an_srtp_caller_of_pcma_and_a_plain_phone_of_pcmu_hear_each_other() {
    let caller = Phone {
        codec: "PCMA",
        mediaenc: "srtp-mand",
        srtp: "required",
        ..PLAIN
    };
    both_hear_each_other("laws", caller, PLAIN, 30.0);
}
