//! `tests/scenarios/*.call`: whole calls that need no Rust. One word and its arguments a line; `#` starts a comment.
//!
//! ```text
//! title    what it shows
//! policy   default | observe
//! queue    ring-all | in-order, ring 20s
//! phone    answers after 2s | never answers | is dead | is busy | declines     (one line each)
//! caller   +14045550123 via carrier | hidden
//! name     Ann
//! signs    nothing | A | B | C | another's number | with a stale token | twice
//! certificate never | after 1500ms
//! store    never | after 1500ms | knows 3 scam reports
//! says     window 1 llr -2.1, window 2 llr -2.6
//! scorer   overloaded
//! does     hold at 2s | resume at 4s | update at 2s | bye at 20s | gives up after 3s
//! network  loses 10%
//! expect   tags NO_IDENTITY VOICE_SPOOF_LIKELY | no tags CALLER_HIDDEN
//! expect   decision deliver | label | refuse
//! expect   ringing before 900ms
//! expect   answer 200            final status of the caller's INVITE
//! expect   number unproven | voice synthetic | label suspect                (the last banner)
//! expect   shown "UNPROVEN Ann"  | trust number=unproven; voice=pending     (as the phone got it)
//! expect   ending completed by caller
//! expect   phone 1 asked CANCEL
//! ```

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use ringward::policy::Policy;
use ringward::queue::Strategy;
use serde_json::Value;

use crate::plan::{Act, Answer, CallerPlan, PhonePlan};
use crate::signing::signed_token;
use crate::world::{EPOCH_S, World, queue};

#[test]
fn every_scenario_goes_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "call"));
    files.sort();
    assert!(files.len() >= 6, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        Scenario::read(&name, &text)
            .unwrap_or_else(|fault| panic!("{fault}"))
            .play();
    }
}

#[test]
fn a_line_that_means_nothing_is_named() {
    let fault = Scenario::read("x.call", "title  x\nphone  dances\n")
        .err()
        .unwrap();
    assert_eq!(fault, "x.call:2: `phone dances` is not understood");
}

struct Scenario {
    name: String,
    strategy: Strategy,
    ring: Duration,
    policy: &'static str,
    phones: Vec<PhonePlan>,
    plan: CallerPlan,
    number: String,
    signs: Signs,
    certificate: Option<Option<Duration>>,
    store: Option<Option<Duration>>,
    scam_reports: u64,
    windows: Vec<f32>,
    is_scorer_overloaded: bool,
    lost: u64,
    expectations: Vec<(usize, String)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Signs {
    Nothing,
    Attested(char),
    AnotherNumber,
    Stale,
    Twice,
}

impl Scenario {
    fn read(name: &str, text: &str) -> Result<Scenario, String> {
        let mut scenario = Scenario {
            name: name.to_string(),
            strategy: Strategy::RingAll,
            ring: Duration::from_secs(20),
            policy: "default",
            phones: Vec::new(),
            plan: CallerPlan::new("+14045550123"),
            number: "14045550123".into(),
            signs: Signs::Nothing,
            certificate: None,
            store: None,
            scam_reports: 0,
            windows: Vec::new(),
            is_scorer_overloaded: false,
            lost: 0,
            expectations: Vec::new(),
        };
        for (at, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            let words: Vec<&str> = line.split_whitespace().collect();
            if words.is_empty() {
                continue;
            }
            if words[0] == "expect" {
                scenario.expectations.push((at + 1, words[1..].join(" ")));
            } else if scenario.line(&words).is_none() {
                return Err(format!(
                    "{name}:{}: `{}` is not understood",
                    at + 1,
                    words.join(" ")
                ));
            }
        }
        if scenario.phones.is_empty() {
            scenario.phones.push(PhonePlan::answers_after(2.0));
        }
        if !scenario.plan.acts.iter().any(|(_, act)| matches!(act, Act::Bye)) {
            scenario.plan = scenario.plan.act(15.0, Act::Bye);
        }
        Ok(scenario)
    }

    /// One line but `expect`; `None` = not understood.
    fn line(&mut self, words: &[&str]) -> Option<()> {
        match words {
            ["title", ..] => {}
            ["policy", "default"] => self.policy = include_str!("../../policies/default.toml"),
            ["policy", "observe"] => self.policy = include_str!("../../policies/observe.toml"),
            ["queue", strategy, "ring", time] => {
                self.strategy = match strategy.trim_end_matches(',') {
                    "ring-all" => Strategy::RingAll,
                    "in-order" => Strategy::InOrder,
                    _ => return None,
                };
                self.ring = duration(time)?;
            }
            ["phone", rest @ ..] => {
                let short = Duration::from_millis(30);
                self.phones.push(match rest {
                    ["answers", "after", time] => PhonePlan::answers_after(duration(time)?.as_secs_f64()),
                    ["never", "answers"] => PhonePlan::with(Answer::Never),
                    ["is", "dead"] => PhonePlan::with(Answer::Dead),
                    ["is", "busy"] => PhonePlan::with(Answer::Refuse(486, short)),
                    ["declines"] => PhonePlan::with(Answer::Refuse(603, short)),
                    _ => return None,
                });
            }
            ["caller", "hidden"] => {
                self.plan.from = "\"Anonymous\" <sip:anonymous@anonymous.invalid>".into();
                self.plan.headers.push(("Privacy", "id".into()));
            }
            ["caller", number, "via", "carrier"] => {
                self.number = number.trim_start_matches('+').to_string();
                self.plan.from = format!("<sip:{number}@203.0.113.7;user=phone>");
            }
            ["name", name @ ..] => {
                let name = name.join(" ");
                self.plan.from = format!("\"{name}\" <sip:+{}@203.0.113.7;user=phone>", self.number);
            }
            ["signs", rest @ ..] => {
                self.signs = match rest {
                    ["nothing"] => Signs::Nothing,
                    ["A"] => Signs::Attested('A'),
                    ["B"] => Signs::Attested('B'),
                    ["C"] => Signs::Attested('C'),
                    ["another's", "number"] => Signs::AnotherNumber,
                    ["with", "a", "stale", "token"] => Signs::Stale,
                    ["twice"] => Signs::Twice,
                    _ => return None,
                }
            }
            ["certificate", "never"] => self.certificate = Some(None),
            ["certificate", "after", time] => self.certificate = Some(Some(duration(time)?)),
            ["store", "never"] => self.store = Some(None),
            ["store", "after", time] => self.store = Some(Some(duration(time)?)),
            ["store", "knows", count, "scam", "reports"] => self.scam_reports = count.parse().ok()?,
            ["says", rest @ ..] => {
                for window in rest.join(" ").split(", ") {
                    let [_, at, _, llr] = window.split(' ').collect::<Vec<_>>()[..] else {
                        return None;
                    };
                    if at.parse() != Ok(self.windows.len() + 1) {
                        return None;
                    }
                    self.windows.push(llr.parse().ok()?);
                }
            }
            ["scorer", "overloaded"] => self.is_scorer_overloaded = true,
            ["does", "gives", "up", "after", time] => self.plan.gives_up_after = Some(duration(time)?),
            ["does", act, "at", time] => {
                let act = match *act {
                    "hold" => Act::Hold,
                    "resume" => Act::Resume,
                    "update" => Act::Update,
                    "bye" => Act::Bye,
                    _ => return None,
                };
                self.plan.acts.push((duration(time)?, act));
            }
            ["network", "loses", share] => self.lost = share.strip_suffix('%')?.parse::<u64>().ok()? * 10,
            _ => return None,
        }
        Some(())
    }

    fn play(self) {
        let addresses: Vec<SocketAddr> = (0..self.phones.len())
            .map(|n| format!("10.0.0.{}:5060", n + 5).parse().unwrap())
            .collect();
        let targets: Vec<String> = addresses
            .iter()
            .map(|address| format!("sip:desk@{address}"))
            .collect();
        let mut desk = queue(
            "desk",
            self.strategy,
            &targets.iter().map(String::as_str).collect::<Vec<_>>(),
        );
        desk.ring = self.ring;
        let policy = match self.policy {
            "default" => Policy::embedded(),
            text => Policy::load("scenario", text, &["desk".into()]).unwrap(),
        };
        let mut world = World::with_policy(vec![desk], 11, policy);
        world.network.lost = self.lost;
        world.helpers.windows = self.windows.clone();
        world.helpers.is_scorer_overloaded = self.is_scorer_overloaded;
        match (self.certificate, &mut world.helpers.fetch) {
            (Some(None), fetch) => *fetch = None,
            (Some(Some(time)), Some((after, _))) => *after = time,
            _ => {}
        }
        if let Some((after, history)) = &mut world.helpers.store {
            history.reported_scam = self.scam_reports;
            *after = self.store.flatten().unwrap_or(*after);
        }
        if self.store == Some(None) {
            world.helpers.store = None;
        }
        for (address, plan) in addresses.iter().zip(&self.phones) {
            world.phone(&address.to_string(), plan.clone());
        }
        let token = |orig: &str, attest, iat| signed_token(attest, orig, "12125550100", iat);
        let mut plan = self.plan.clone();
        let header = match self.signs {
            Signs::Nothing => None,
            Signs::Attested(attest) => Some(token(&self.number, attest, EPOCH_S)),
            Signs::AnotherNumber => Some(token("13035550100", 'A', EPOCH_S)),
            Signs::Stale => Some(token(&self.number, 'A', EPOCH_S - 3600)),
            Signs::Twice => Some(token(&self.number, 'A', EPOCH_S)),
        };
        if let Some(header) = header {
            plan.headers.push(("Identity", header));
        }
        let mut caller = world.call(plan.clone());
        if self.signs == Signs::Twice {
            caller = world.call_after(40.0, plan);
        }
        world.run();
        for (at, expectation) in &self.expectations {
            let place = format!("{}:{at}: expected {expectation}", self.name);
            expect(&world, caller, &addresses, expectation, &place);
        }
    }
}

fn expect(world: &World, caller: SocketAddr, phones: &[SocketAddr], expectation: &str, place: &str) {
    let id = world
        .records
        .keys()
        .max_by_key(|id| world.records[*id].last().unwrap().started_ms)
        .unwrap();
    let record = world.records[id].last().unwrap();
    let decision = &record.decisions.last().expect("a decision").decision;
    let banner = record.banner.as_ref().expect("a banner");
    let tags: Vec<String> = decision
        .verdict
        .findings
        .iter()
        .map(|finding| word(&finding.tag))
        .collect();
    let rung = || {
        let lines = phones.iter().flat_map(|phone| world.agents[phone].lines.values());
        &lines
            .last()
            .unwrap_or_else(|| panic!("{place}: no phone rang"))
            .invite
    };
    let words: Vec<&str> = expectation.split(' ').collect();
    match &words[..] {
        ["tags", wanted @ ..] => {
            for tag in wanted {
                assert!(tags.iter().any(|found| found == tag), "{place}, found {tags:?}");
            }
        }
        ["no", "tags", unwanted @ ..] => {
            for tag in unwanted {
                assert!(!tags.iter().any(|found| found == tag), "{place}, found {tags:?}");
            }
        }
        ["decision", wanted] => {
            let found = serde_json::to_value(&record.decisions[0].decision.action).unwrap()["do"].clone();
            assert_eq!(found, Value::from(*wanted), "{place}");
        }
        ["ringing", "before", time] => {
            let limit = duration(time).expect("a time").as_millis() as u64;
            let found = record.timings.ringing_ms;
            assert!(found.is_some_and(|ms| ms < limit), "{place}, found {found:?}");
        }
        ["answer", status] => {
            let found = world
                .heard(caller, "INVITE")
                .into_iter()
                .find(|status| *status >= 200);
            assert_eq!(
                found.map(|status| status.to_string()).as_deref(),
                Some(*status),
                "{place}"
            );
        }
        ["number", light] => assert_eq!(word(&banner.number), *light, "{place}"),
        ["voice", light] => assert_eq!(word(&banner.voice), *light, "{place}"),
        ["label", label] => assert_eq!(word(&banner.label), *label, "{place}"),
        ["shown", name @ ..] => {
            let name = name.join(" ");
            let from = rung().must("From");
            assert!(from.starts_with(&name), "{place}, found {from}");
        }
        ["trust", text @ ..] => {
            let text = text.join(" ");
            let found = rung().must("Ringward-Trust");
            assert!(found.starts_with(&text), "{place}, found {found}");
        }
        ["ending", ending, "by", by] => {
            let outcome = record.outcome.as_ref().unwrap();
            assert_eq!(
                (word(&outcome.ending).as_str(), outcome.by.as_str()),
                (*ending, *by),
                "{place}"
            );
        }
        ["phone", n, "asked", methods @ ..] => {
            let phone = phones[n.parse::<usize>().expect("a number") - 1];
            assert_eq!(world.asked(phone), methods, "{place}");
        }
        _ => panic!("{place}: not understood"),
    }
}

/// An enum as records print it.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).unwrap().as_str().unwrap().to_string()
}

fn duration(text: &str) -> Option<Duration> {
    if let Some(ms) = text.strip_suffix("ms") {
        return ms.parse().ok().map(Duration::from_millis);
    }
    text.strip_suffix('s')?.parse().ok().map(Duration::from_secs)
}
