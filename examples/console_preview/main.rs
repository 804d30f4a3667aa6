//! The console and the API with made-up calls that come and go: no telephone, no network, no file.
//!
//! ```text
//! cargo run --example console_preview            # prints an address with a token in it
//! cargo run --example console_preview -- 8090    # on a port of your choice
//! ```

#![allow(clippy::disallowed_methods, reason = "a preview reads the clock itself")]

mod records;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use ringward::api::{self, Gateway};
use ringward::call::record::PersonReport;
use ringward::call_id::CallId;
use ringward::flood::{Blocks, CallLimits, Shared as FloodCounters, SurgeConfig};
use ringward::lists::Plan;
use ringward::policy::{Policy, SHIPPED};
use ringward::runtime::alarms::Alarms;
use ringward::runtime::by_hand::ByHand;
use ringward::runtime::drills::Drills;
use ringward::runtime::floor::Floor;
use ringward::runtime::inbox::Mailboxes;
use ringward::runtime::lists::ListKeeper;
use ringward::runtime::lockdown::LockdownKeeper;
use ringward::runtime::phones::Phones;
use ringward::runtime::policies::Policies;
use ringward::runtime::reputation::ReputationKeeper;
use ringward::runtime::webhooks::Webhooks;
use ringward::store::{self, Audit, Live, Store};
use ringward::time::Now;
use ringward::webhook::Patience;

const TICK: Duration = Duration::from_millis(500);

fn now() -> Now {
    Now {
        instant: Instant::now(),
        utc: SystemTime::now(),
    }
}

/// Somebody guesses passwords.
fn unusual(store: &Arc<dyn Store>) -> anyhow::Result<Arc<Alarms>> {
    let rules = ringward::alarm::Rules::shipped();
    let alarms = Alarms::open(Arc::clone(store), rules, Some("1"), None, Box::new(|_| ()))?;
    for _ in 0..30 {
        alarms.sign_in_failed();
    }
    let alarms = Arc::new(alarms);
    tokio::spawn(Arc::clone(&alarms).keep());
    Ok(alarms)
}

/// And an address is not heard.
fn blocked() -> ByHand {
    let counters = FloodCounters::new(CallLimits::default(), SurgeConfig::default());
    let hand = ByHand::new(counters, Arc::new(Blocks::new(Vec::new(), true)));
    let hour = Duration::from_secs(3600);
    // One that nobody names cannot fail.
    let _ = hand.block([198, 51, 100, 7].into(), hour, "ann", "guesses extensions", now());
    hand
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let port: u16 = std::env::args().nth(1).map_or(Ok(8080), |port| port.parse())?;
    let store = store::open(&store::Config {
        url: "sqlite::memory:".into(),
    })?;
    let live = Arc::new(Live::new());
    let lengths: Arc<Mutex<BTreeMap<CallId, u64>>> = Arc::default();
    remember_a_month(store.as_ref());
    remember_a_day(store.as_ref());

    let token = api::first_token(store.as_ref())?.unwrap_or_default();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    let address = listener.local_addr()?;
    println!("console  http://{address}/#token={token}");
    println!("token    {token}");

    let audit = Arc::new(Audit::open(Arc::clone(&store))?);
    let policies = Policies::open(
        Arc::clone(&store),
        Arc::clone(&audit),
        Box::new(Policy::load_without_queues),
        &Arc::new(Policy::embedded()),
        SHIPPED[0].text,
        Box::new(|_| ()),
    )?;
    let lists = ListKeeper::open(
        Arc::clone(&store),
        Arc::clone(&audit),
        Plan::of("US"),
        Box::new(|_| ()),
    )?;
    let gateway = Gateway {
        models: Some(Arc::new(ringward::runtime::models::Models::new(
            Arc::new(ringward::voice::Model::embedded().expect("the embedded model")),
            10,
        ))),
        redress: Box::new(|_| None),
        calls_back: false,
        call_back: Box::new(|_| Err(ringward::call::NoCallBack::Off)),
        store: Arc::clone(&store),
        live: Arc::clone(&live),
        policies: Arc::new(policies),
        lists: Arc::new(lists),
        reputation: Arc::new(ReputationKeeper::open(Arc::clone(&store), Box::new(|_| ()))?),
        alarms: unusual(&store)?,
        outgoings: ringward::api::Outgoings::default(),
        by_hand: Arc::new(blocked()),
        drills: Arc::new(Drills::new(
            Arc::clone(&store),
            ringward::call::Drills::default(),
            ringward::runtime::drills::Place {
                sip: None,
                media: std::net::Ipv4Addr::LOCALHOST.into(),
                trunks: Vec::new(),
                queues: Vec::new(),
            },
        )),
        lockdown: Arc::new(LockdownKeeper::open(
            Arc::clone(&store),
            Arc::clone(&audit),
            Box::new(|_| true),
        )?),
        floor: Floor::open(
            Arc::clone(&store),
            Arc::clone(&audit),
            Phones::new(Arc::clone(&audit)),
            Mailboxes::new(Vec::new()),
            Duration::from_secs(12 * 3600),
            &[],
        )?,
        repeats: None,
        audit,
        tries: Arc::default(),
        provider: None,
        webhooks: Webhooks::open(Vec::new(), Patience::default(), Arc::clone(&store))?,
        order: Box::new({
            let (live, lengths) = (Arc::clone(&live), Arc::clone(&lengths));
            move |id, _order| {
                let Some(record) = live.call(id) else { return false };
                let elapsed = now().unix_ms().saturating_sub(record.started_ms);
                lengths
                    .lock()
                    .is_ok_and(|mut lengths| lengths.insert(id, elapsed).is_some())
            }
        }),
        icon: Box::new(|_, _| Box::pin(async { None })),
        status: Box::new(
            || serde_json::json!({ "version": env!("CARGO_PKG_VERSION"), "voice": "default@1f3a9c02" }),
        ),
        metrics: Box::new(|| "# HELP ringward_live_calls Calls going on now.\n".into()),
        clock: Box::new(now),
        tls: None,
        public_url: None,
        second_person: api::SecondPerson::default(),
        search_lasts: api::limits::SEARCH_LASTS,
    };
    tokio::spawn(let_calls_come_and_go(store, live, lengths));
    let stop = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    api::serve(listener, Arc::new(gateway), stop).await?;
    Ok(())
}

/// Counts to look at: busier by day than by night, and a few reports.
fn remember_a_month(store: &dyn Store) {
    let now_ms = now().unix_ms();
    for number in 0..3_000u64 {
        let kind = &records::KINDS[(number * 7 + number / 11) as usize % records::KINDS.len()];
        let (day, in_day) = (1 + number % 30, number / 30);
        let ago_ms = day * 86_400_000 + (in_day * in_day * 3_600) % 50_000_000;
        let mut record = records::ended(kind, 10_000 + number, now_ms - ago_ms);
        let verdict = match number % 23 {
            0 => Some("scam"),
            5 => Some("good"),
            _ => None,
        };
        record.report = verdict.map(|verdict| PersonReport {
            verdict: verdict.into(),
            note: None,
            at_ms: record.started_ms + 90_000,
        });
        store.save(Arc::new(record));
    }
}

/// A history to scroll through: a call every seven minutes up to now.
fn remember_a_day(store: &dyn Store) {
    let now_ms = now().unix_ms();
    for number in 0..60u64 {
        let kind = &records::KINDS[(number * 5 + number / 8) as usize % records::KINDS.len()];
        let mut record = records::ended(kind, 1_000 + number, now_ms - (60 - number) * 420_000);
        if kind.label == ringward::screening::Label::Forged && number % 2 == 0 {
            record.report = Some(PersonReport {
                verdict: "scam".into(),
                note: Some("asked for the payroll password".into()),
                at_ms: record.started_ms + 90_000,
            });
        }
        store.save(Arc::new(record));
    }
}

/// Keeps four calls going: each tick every call has a newer record; one that ends is kept.
async fn let_calls_come_and_go(
    store: Arc<dyn Store>,
    live: Arc<Live>,
    lengths: Arc<Mutex<BTreeMap<CallId, u64>>>,
) {
    let mut going: Vec<(usize, u64, u64)> = Vec::new();
    let mut next = 0u64;
    let mut ticks = tokio::time::interval(TICK);
    loop {
        ticks.tick().await;
        let now_ms = now().unix_ms();
        while going.len() < 4 {
            // The first ones are in the middle of things.
            let head_start = if next < 4 {
                [38_000, 26_000, 14_000, 2_000][next as usize]
            } else {
                0
            };
            let kind = [3, 1, 2, 0, 5, 6, 4, 7][next as usize % 8];
            going.push((kind, next, now_ms - head_start));
            next += 1;
        }
        going.retain(|&(kind, number, started_ms)| {
            let kind = &records::KINDS[kind];
            let usual = 45_000 + (number * 13_577) % 40_000;
            let elapsed = now_ms - started_ms;
            let id = records::call(kind, number, started_ms, 0, usual).id;
            let length = lengths
                .lock()
                .map_or(usual, |mut lengths| *lengths.entry(id).or_insert(usual));
            let record = Arc::new(records::call(kind, number, started_ms, elapsed, length));
            let is_over = elapsed >= length;
            if is_over {
                // Kept first, then told: whoever hears of the end finds the record.
                store.save(Arc::clone(&record));
            }
            live.publish(record);
            !is_over
        });
    }
}
