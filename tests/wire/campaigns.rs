//! One recording in the calls of several numbers, over real sockets: it is a campaign, also after the gateway was restarted and
//! after it was killed, until somebody says that it is wanted.

use std::path::Path;
use std::time::{Duration, Instant};

use ringward::g711::Law;
use serde_json::{Value, json};

use crate::greeted::voice;
use crate::spoken::{Caller, packet};
use crate::support::gateway::{Gateway, Setup, block_on};
use crate::support::{folder, have, sipp, wait_for};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

const PACKET: Duration = Duration::from_millis(20);
const PACKET_SAMPLES: usize = 160;
const TAG: &str = "REPEATED_RECORDING";

/// Plays the recording in a call from this number until what is known of the call is enough; gives that.
fn play(gateway: &Gateway, number: &'static str, is_enough: impl Fn(&Value) -> bool) -> Value {
    play_octets(gateway, number, &voice(), is_enough)
}

fn play_octets(
    gateway: &Gateway,
    number: &'static str,
    voice: &[u8],
    is_enough: impl Fn(&Value) -> bool,
) -> Value {
    let caller = Caller::new(gateway.udp, format!("campaign-{number}"), number);
    let connected = caller.connect();
    let (begun, mut due, mut sent) = (Instant::now(), Instant::now(), 0_u16);
    let mut last = Value::Null;
    while begun.elapsed() < PATIENCE {
        let at = usize::from(sent) * PACKET_SAMPLES % (voice.len() - PACKET_SAMPLES);
        let octets = packet(
            0,
            sent,
            u32::from(sent) * PACKET_SAMPLES as u32,
            &voice[at..at + PACKET_SAMPLES],
        );
        caller.rtp.send_to(&octets, connected.audio).expect("it is sent");
        sent += 1;
        // Looked at now and then, so that the voice keeps its pace.
        if sent.is_multiple_of(50) {
            let live = gateway.get("/api/v1/calls?state=live");
            let calls = live["calls"].as_array().expect("a list").iter();
            let mut of_it = calls.filter(|call| call["caller"] == number);
            if let Some(call) = of_it.next() {
                last = gateway.why(call);
                if is_enough(&last) {
                    caller.hang_up(&connected);
                    return last;
                }
            }
        }
        due += PACKET;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    panic!("not enough of {number}: {last}");
}

/// Mu-law that is played so much faster: straight lines between its samples.
fn at_speed(octets: &[u8], speed: f64) -> Vec<u8> {
    let level = |at: usize| f64::from(Law::Mu.decode(octets[at]));
    let places = (0..).map(|n| f64::from(n) * speed);
    places
        .take_while(|place| (*place as usize) + 1 < octets.len())
        .map(|place| {
            let (at, part) = (place as usize, place.fract());
            Law::Mu.encode((level(at) * (1.0 - part) + level(at + 1) * part) as i16)
        })
        .collect()
}

/// So many seconds of the caller's audio have been heard.
fn heard(why: &Value, seconds: f64) -> bool {
    why["call"]["voice"]["seconds"]
        .as_f64()
        .is_some_and(|heard| heard >= seconds)
}

/// The recording that the call has in common with others, once it is marked.
fn is_marked(why: &Value) -> bool {
    why.to_string().contains(TAG)
}

/// What the recording is called in the facts of the call.
fn name_in(why: &Value) -> Option<&str> {
    why["facts"]["recording"]["name"].as_str()
}

/// So many calls, and all that is known of recordings.
fn all_is_written(gateway: &Gateway, calls: usize) {
    gateway.ended_calls(calls);
    wait_for("calls and recordings to be on disk", PATIENCE, || {
        let status = gateway.get("/api/v1/status");
        let waiting = [
            &status["store"]["queued"],
            &status["gateway"]["recordings"]["unwritten"],
        ];
        waiting.iter().all(|count| **count == 0).then_some(())
    });
}

fn campaign(gateway: &Gateway) -> Value {
    wait_for("the recordings to be read", PATIENCE, || {
        let (status, body) = gateway.request("GET", "/api/v1/campaigns", None);
        assert!(status == 200 || status == 503, "{body}");
        let page: Value = serde_json::from_str(&body).expect("JSON");
        (status == 200).then(|| page["campaigns"][0].clone())
    })
}

fn allow(gateway: &Gateway, name: &str, is_allowed: bool) {
    let url = format!("http://{}/api/v1/campaigns/{name}", gateway.api);
    let body = json!({ "title": "the clinic", "allowed": is_allowed }).to_string();
    let token = gateway.token.clone();
    let status = block_on(async move {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let ask = client.put(url).bearer_auth(token).header("if-match", "*");
        let ask = ask.header("content-type", "application/json").body(body);
        ask.send().await.expect("the API answers").status().as_u16()
    });
    assert_eq!(status, 200);
}

/// The same gateway once more, on what the one before left.
fn again(gateway: &mut Gateway, signal: &str) {
    gateway.signal(signal);
    gateway.wait_for_exit(PATIENCE);
    let config = gateway.folder.join("ringward.toml").display().to_string();
    let token = gateway.token.clone();
    *gateway = Gateway::run_as(
        gateway.folder.clone(),
        &["serve", "--config", &config],
        Some(&token),
    );
}

#[test]
fn a_recording_from_several_numbers_stays_a_campaign_over_a_restart_and_a_kill_until_it_is_allowed() {
    if !have(&["sipp"]) {
        return;
    }
    let folder = folder("campaigns");
    let (_phone, port, _media) = sipp::echoing_phone(&folder);
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/voice/fixtures/tiny");
    let mut gateway = Gateway::start(&Setup {
        name: "gateway-campaigns",
        targets: &[format!("sip:desk@127.0.0.1:{port}")],
        queue: "",
        more: &format!("[voice]\nmodel = \"{}\"", tiny.display()),
    });
    // Kept once fifteen seconds of it were heard; found again after five.
    play(&gateway, "+14045550121", |why| heard(why, 16.0));
    let second = play(&gateway, "+14045550122", |why| heard(why, 7.0));
    assert!(!is_marked(&second), "{second}");
    // The same one percent faster, which has too few marks where the recording has them.
    let third = play_octets(&gateway, "+14045550123", &at_speed(&voice(), 1.01), is_marked);
    let name = name_in(&third).expect("a name").to_string();
    all_is_written(&gateway, 3);
    let known = campaign(&gateway);
    assert_eq!(
        (&known["name"], &known["state"]),
        (&json!(name), &json!("campaign")),
        "{known}"
    );
    assert_eq!((&known["callers"], &known["calls"]), (&json!(3), &json!(3)));
    let first_seen = known["first_seen_ms"].clone();

    again(&mut gateway, "TERM");
    let fourth = play_octets(&gateway, "+14045550124", &at_speed(&voice(), 0.99), is_marked);
    assert_eq!(name_in(&fourth), Some(name.as_str()), "{fourth}");
    all_is_written(&gateway, 4);

    again(&mut gateway, "KILL");
    play(&gateway, "+14045550125", is_marked);
    let known = campaign(&gateway);
    assert_eq!(
        (
            &known["name"],
            &known["callers"],
            &known["calls"],
            &known["first_seen_ms"]
        ),
        (&json!(name), &json!(5), &json!(5), &first_seen),
        "{known}"
    );
    let whole = gateway.get(&format!("/api/v1/campaigns/{name}"));
    for link in whole["newest"].as_array().expect("its calls") {
        let call = gateway.get(link["href"].as_str().expect("a link"));
        assert!(
            call["caller"]
                .as_str()
                .is_some_and(|number| number.starts_with("+140455501")),
            "{call}"
        );
    }
    assert_eq!(whole["newest"].as_array().map(Vec::len), Some(5));

    allow(&gateway, &name, true);
    let sixth = play(&gateway, "+14045550126", |why| heard(why, 8.0));
    assert!(!is_marked(&sixth), "{sixth}");
    let known = campaign(&gateway);
    assert_eq!((&known["state"], &known["calls"]), (&json!("allowed"), &json!(6)));
    allow(&gateway, &name, false);
    play(&gateway, "+14045550127", is_marked);
    let audit = gateway.get("/api/v1/audit").to_string();
    assert!(
        audit.contains("200 allowed, called the clinic") && audit.contains("200 not allowed"),
        "{audit}"
    );
}
