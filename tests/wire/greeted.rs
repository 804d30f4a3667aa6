//! What is heard of callers while we greet them: our screening question goes out and a voice comes in over real sockets, through
//! the tap and the scoring threads of a real gateway, and each caller gets the cues that are his.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::spoken::{Caller, OWN_SSRC, Packet, clip, packet};
use crate::support::gateway::{Gateway, Setup};
use crate::support::{folder, have, sipp, wait_for};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// No caller talks longer, whatever happens.
const CALL_MAX: Duration = Duration::from_secs(280);

const POLICY: &str =
    "[policy]\nname = 'asks'\n[[rule]]\nid = 'ask'\nwhen = \"true\"\nthen = 'screen'\nreason = 'x'\n";

const PACKET: Duration = Duration::from_millis(20);
const PACKET_SAMPLES: usize = 160;
const MU_LAW_SILENCE: u8 = 0xff;

/// How a caller takes our question.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Manner {
    /// Speaks on and on, as a recording does.
    TalksOn,
    /// Never says a word.
    Silent,
    /// Hears us out, and answers for three seconds.
    Answers,
}

const CALLERS: [(Manner, &str); 3] = [
    (Manner::TalksOn, "+14045550121"),
    (Manner::Silent, "+14045550122"),
    (Manner::Answers, "+14045550123"),
];

/// A person on a recording, as a telephone line carries her.
pub(crate) fn voice() -> Vec<u8> {
    let octets = include_bytes!("../../models/demo/human-allison.wav");
    let at = octets
        .windows(4)
        .position(|four| four == b"data")
        .expect("a data chunk");
    octets[at + 8..].to_vec()
}

/// Calls, and sends audio at a caller's pace until it is time to hang up.
fn talk(gateway: std::net::SocketAddr, manner: Manner, number: &'static str, is_over: &AtomicBool) {
    let caller = Caller::new(gateway, format!("greeted-{number}"), number);
    let connected = caller.connect();
    let (voice, question) = (voice(), clip("screen").len());
    let (begun, mut due) = (Instant::now(), Instant::now());
    let (mut heard, mut said, mut sent) = (0, 0, 0_u16);
    while !is_over.load(Ordering::Relaxed) && begun.elapsed() < CALL_MAX {
        let ours = caller.heard.try_iter().map(|octets| Packet::read(&octets));
        heard += ours
            .filter(|packet| packet.ssrc != OWN_SSRC)
            .map(|packet| packet.payload.len())
            .sum::<usize>();
        let speaks = match manner {
            Manner::TalksOn => true,
            Manner::Silent => false,
            Manner::Answers => heard >= question && said < 3 * 8000,
        };
        let audio = if speaks {
            let at = said % (voice.len() - PACKET_SAMPLES);
            said += PACKET_SAMPLES;
            voice[at..at + PACKET_SAMPLES].to_vec()
        } else {
            vec![MU_LAW_SILENCE; PACKET_SAMPLES]
        };
        let octets = packet(0, sent, u32::from(sent) * PACKET_SAMPLES as u32, &audio);
        caller.rtp.send_to(&octets, connected.audio).expect("it is sent");
        sent += 1;
        due += PACKET;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    caller.hang_up(&connected);
}

fn call_of<'a>(calls: &'a [Value], number: &str) -> Option<&'a Value> {
    calls
        .iter()
        .find(|call| call["caller"].to_string().contains(number))
}

/// The cue of this name in a call.
fn cue(call: &Value, name: &str) -> Option<(f64, f64)> {
    let cues = call["voice"]["cues"].as_array()?;
    let found = cues.iter().find(|cue| cue["cue"] == name)?;
    Some((found["at"].as_f64()?, found["amount"].as_f64()?))
}

/// Callers hang up when this goes, however it goes.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn who_talks_over_the_greeting_and_who_does_not_react_to_it_is_heard_and_who_answers_has_no_cue() {
    if !have(&["sipp"]) {
        return;
    }
    let folder = folder("greeted");
    let (_phone, port, _media) = sipp::echoing_phone(&folder);
    let policy = folder.join("asks.toml");
    std::fs::write(&policy, POLICY).expect("the policy");
    // The cues are heard on the same frames whatever the networks are: small ones, since tests run without optimisation.
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/voice/fixtures/tiny");
    let gateway = Gateway::start(&Setup {
        name: "gateway-greeted",
        targets: &[format!("sip:desk@127.0.0.1:{port}")],
        queue: "",
        more: &format!(
            "[voice]\nmodel = \"{}\"\n[policy]\nfile = \"{}\"",
            tiny.display(),
            policy.display()
        ),
    });
    let is_over = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let _over = Ends(&is_over);
        for (manner, number) in CALLERS {
            let (udp, is_over) = (gateway.udp, &is_over);
            scope.spawn(move || talk(udp, manner, number, is_over));
        }
        wait_for("every caller's manner to be heard", PATIENCE, || {
            let live = gateway.get("/api/v1/calls?state=live");
            let calls = live["calls"].as_array()?;
            let of = |manner: Manner| {
                let (_, number) = CALLERS.into_iter().find(|(one, _)| *one == manner)?;
                call_of(calls, number)
            };
            let over = cue(of(Manner::TalksOn)?, "over_greeting")?;
            let deaf = cue(of(Manner::Silent)?, "no_reaction")?;
            // Past the greeting (4.8 s), his answer, and the five seconds that he had for it.
            let is_through = of(Manner::Answers)?["voice"]["seconds"].as_f64()? >= 14.0;
            is_through.then_some((over, deaf))
        })
    });
    let ((over_at, over), (deaf_at, waited)) = seen;
    assert!(
        over_at >= 1.5 && over >= 1.5,
        "{over} s over the greeting at {over_at}"
    );
    // The question takes 4.8 s, and so much he had to react.
    assert!(
        deaf_at > 9.0 && waited >= 5.0,
        "{waited} s without a reaction at {deaf_at}"
    );

    let ended = gateway.ended_calls(CALLERS.len());
    for (manner, number) in CALLERS {
        let call = call_of(&ended, number).expect("its record");
        let why = gateway.why(call).to_string();
        let has = |tag: &str| why.contains(tag);
        assert_eq!(
            has("TALKS_OVER_GREETING"),
            manner == Manner::TalksOn,
            "{manner:?}: {why}"
        );
        assert!(has("CALLER_SCREENED"), "{manner:?}: {why}");
        match manner {
            Manner::TalksOn => {}
            Manner::Silent => assert!(has("NO_REACTION"), "{why}"),
            Manner::Answers => assert!(!has("NO_REACTION"), "{why}"),
        }
    }
}
