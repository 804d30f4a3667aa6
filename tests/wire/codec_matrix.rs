//! Each codec with each SRTP suite at a phone that is called, and each codec plain and with the suites that telephones offer at who
//! calls: always another codec and another key than the other side has, so that every call is translated and encrypted anew.
//! baresip and pjsua2; baresip offers `AES_CM_128_HMAC_SHA1_80` alone, and neither offers GCM. pjsua2 as it is on PyPI has no DTLS.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::support::baresip::Baresip;
use crate::support::gateway::{Gateway, Setup};
use crate::support::pjsua::{Pjsua, Plan, Speech};
use crate::support::{folder, have, one_load_at_a_time, python, wait_for};
use crate::translated_calls::{AGENT_FROM, CALLER_FROM, is_clear, says};

/// As records, baresip and pjsua2 name it, and its rate.
struct Codec {
    name: &'static str,
    of_baresip: &'static str,
    of_pjsua: &'static str,
    rate: u32,
}

const CODECS: [Codec; 3] = [
    Codec {
        name: "PCMU",
        of_baresip: "PCMU",
        of_pjsua: "PCMU/8000",
        rate: 8000,
    },
    Codec {
        name: "PCMA",
        of_baresip: "PCMA",
        of_pjsua: "PCMA/8000",
        rate: 8000,
    },
    Codec {
        name: "G722",
        of_baresip: "G722/16000/1",
        of_pjsua: "G722/16000",
        rate: 16_000,
    },
];

const SHA1_80: &str = "AES_CM_128_HMAC_SHA1_80";
const SHA1_32: &str = "AES_CM_128_HMAC_SHA1_32";

/// Seconds in which pjsua2's jitter buffer throws away, a little at a time, what it had waited for at first.
const SHORTENS: u32 = 5;

/// Who calls.
#[derive(Clone, Copy)]
enum Family {
    Baresip,
    Pjsua,
}

enum Caller {
    Baresip(Baresip),
    Pjsua(Pjsua),
}

impl Caller {
    /// Calls at once; encrypted with this suite, or plain.
    fn start(family: Family, folder: &Path, python: &Path, codec: &Codec, suite: &str, dial: &str) -> Caller {
        let file = says(folder, "caller", CALLER_FROM, codec.rate);
        match family {
            Family::Baresip => {
                let keys = if suite.is_empty() {
                    ""
                } else {
                    ";mediaenc=srtp-mand"
                };
                let account = format!(";audio_codecs={}{keys}", codec.of_baresip);
                Caller::Baresip(Baresip::start_as(
                    folder,
                    "+14045550123",
                    &file,
                    Some(dial),
                    &account,
                ))
            }
            Family::Pjsua => {
                let plan = Plan {
                    name: "caller",
                    says: &file,
                    talks: SHORTENS + 8,
                    is_tcp: false,
                    dial: Some(dial),
                };
                let speech = Speech {
                    codec: codec.of_pjsua,
                    srtp: suite,
                };
                Caller::Pjsua(Pjsua::start_as(python, folder, &plan, &speech))
            }
        }
    }

    /// Whether it has talked for long enough to be judged by. pjsua2 hangs up by itself then.
    fn has_heard(&self, samples: usize) -> bool {
        match self {
            Caller::Baresip(phone) => phone.heard().len() > samples,
            Caller::Pjsua(phone) => phone.log().contains("DISCONNECTED"),
        }
    }

    /// What it heard of a voice from this second on, and from which second on.
    fn heard(self, from: f64, rate: u32) -> (f64, Vec<i16>) {
        match self {
            Caller::Baresip(phone) => (from, phone.heard()),
            Caller::Pjsua(phone) => {
                let heard = phone.heard();
                let settled = heard.get((SHORTENS * rate) as usize..);
                // What was said while it settled may have been shortened by a second.
                (
                    from + f64::from(SHORTENS) - 1.0,
                    settled.unwrap_or_default().to_vec(),
                )
            }
        }
    }
}

/// Three calls at once to phones with this suite, one of each codec, from callers of the next codec with a key of theirs.
/// `by_handshake`: the phones take keys by DTLS only.
fn each_codec(called: &'static str, by_handshake: bool, family: Family, calling: &'static str) {
    let Some(python) = python::with_module("pjsua2") else {
        return;
    };
    if !have(&["baresip"]) {
        return;
    }
    let _only = one_load_at_a_time();
    let folder = folder(&format!("codecs-{called}"));
    let (mediaenc, keys) = match by_handshake {
        true => ("dtls_srtp", "dtls"),
        false => ("srtp-mand", "sdes"),
    };
    let queue = format!("srtp = \"required\"\nsrtp_keys = \"{keys}\"");
    let numbers = ["+12125550100", "+12125550101", "+12125550102"];
    let own = |index: usize| {
        let own = folder.join(CODECS[index].name);
        std::fs::create_dir_all(&own).expect("a folder");
        own
    };
    let agents: Vec<Baresip> = (0..3)
        .map(|index| {
            let codec = &CODECS[index];
            let file = says(&own(index), "agent", AGENT_FROM, codec.rate);
            let account = format!(";audio_codecs={};mediaenc={mediaenc}", codec.of_baresip);
            Baresip::start_as(&own(index), "agent", &file, None, &account)
        })
        .collect();
    let target = |index: usize| format!("sip:agent@127.0.0.1:{}", agents[index].port);
    let others: String = (1..3)
        .map(|index| {
            format!(
                "[[queue]]\nname = \"{}\"\nnumbers = [\"{}\"]\ntargets = [\"{}\"]\n{queue}\n",
                CODECS[index].name,
                numbers[index],
                target(index)
            )
        })
        .collect();
    // The suite that is meant is offered first, and what the caller has is taken besides.
    let suites = match calling {
        "" => format!("[\"{called}\"]"),
        calling => format!("[\"{called}\", \"{calling}\"]"),
    };
    let gateway = Gateway::start_with_media(
        &Setup {
            name: &format!("gateway-codecs-{called}"),
            targets: &[target(0)],
            queue: &queue,
            more: &format!("[voice]\nmodel = \"off\"\n{others}"),
        },
        "srtp = \"preferred\"",
        &format!("srtp_suites = {suites}"),
    );
    let callers: Vec<Caller> = (0..3)
        .map(|index| {
            let codec = &CODECS[(index + 1) % 3];
            let dial = format!("sip:{}@{}", numbers[index], gateway.udp);
            Caller::start(family, &own(index), &python, codec, calling, &dial)
        })
        .collect();
    wait_for("five seconds of audio both ways", Duration::from_secs(60), || {
        let is_enough = |index: usize| {
            let (mine, theirs) = (CODECS[index].rate, CODECS[(index + 1) % 3].rate);
            agents[index].heard().len() > 5 * mine as usize && callers[index].has_heard(5 * theirs as usize)
        };
        (0..3).all(is_enough).then_some(())
    });
    let live = gateway.get("/api/v1/calls?state=live");
    for call in live["calls"].as_array().into_iter().flatten() {
        let path = format!("/api/v1/calls/{}/actions", call["id"].as_str().expect("an id"));
        gateway.request("POST", &path, Some("{\"do\":\"hang_up\"}"));
    }
    let records = gateway.ended_calls(3);
    for (index, caller) in callers.into_iter().enumerate() {
        let (mine, theirs) = (&CODECS[index], &CODECS[(index + 1) % 3]);
        let name = format!("{} {calling} to {} {called}", theirs.name, mine.name);
        let record = records
            .iter()
            .find(|record| record["codecs"]["called"] == mine.name)
            .unwrap_or_else(|| panic!("{name}: {records:?}"));
        assert_eq!(record["codecs"]["caller"], theirs.name, "{record}");
        assert_eq!(record["srtp"]["called"], called, "{record}");
        assert_eq!(record["srtp"]["called_keys"], keys, "{record}");
        let expected = if calling.is_empty() {
            Value::Null
        } else {
            calling.into()
        };
        assert_eq!(record["srtp"]["caller"], expected, "{record}");
        let media = &gateway.why(record)["media"];
        for side in ["from_caller", "from_called"] {
            let of_side = &media[side];
            assert!(of_side["translated"].as_u64() > Some(100), "{name}: {media}");
            assert_eq!(of_side["lost"], 0, "{name}: {media}");
        }
        // What a codec of four bits a sample leaves, and what an 8-bit law adds to another.
        let decibels = if [mine.name, theirs.name].contains(&"G722") {
            20.0
        } else {
            30.0
        };
        let agent = agents[index].heard();
        is_clear(
            &format!("{name}: called"),
            CALLER_FROM,
            &agent,
            mine.rate,
            (decibels, 5),
        );
        let (from, heard) = caller.heard(AGENT_FROM, theirs.rate);
        // pjsua2 shortens whenever its machine is busy; in between it hears what was said.
        let pieces = match family {
            Family::Baresip => 5,
            Family::Pjsua => 2,
        };
        is_clear(
            &format!("{name}: caller"),
            from,
            &heard,
            theirs.rate,
            (decibels, pieces),
        );
    }
}

#[test]
fn gcm_of_256_bits_and_plain_callers() {
    each_codec("AEAD_AES_256_GCM", false, Family::Baresip, "");
}

#[test]
fn gcm_of_128_bits_and_encrypted_callers() {
    each_codec("AEAD_AES_128_GCM", false, Family::Baresip, SHA1_80);
}

#[test]
fn counter_mode_and_callers_with_a_short_tag() {
    each_codec(SHA1_80, false, Family::Pjsua, SHA1_32);
}

#[test]
fn a_short_tag_and_callers_with_counter_mode() {
    each_codec(SHA1_32, false, Family::Pjsua, SHA1_80);
}

#[test]
fn keys_by_handshake_and_callers_with_keys_in_their_description() {
    each_codec("AEAD_AES_128_GCM", true, Family::Baresip, SHA1_80);
}
