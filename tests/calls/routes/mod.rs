//! Where a call is sent: names, addresses that fail, redirections, and who is known to be down.

mod failing;
mod names;
mod probes;
mod redirects;

use std::time::Duration;

use ringward::call::CallRecord;
use ringward::queue::{self, Strategy};

use crate::plan::{Act, Answer, CallerPlan, PhonePlan};
use crate::world::{World, queue};

const CALLER: &str = "+14045550123";

fn talk(seconds: f64) -> CallerPlan {
    CallerPlan::new(CALLER).act(seconds, Act::Bye)
}

fn refuses(status: u16) -> PhonePlan {
    PhonePlan::with(Answer::Refuse(status, Duration::from_millis(30)))
}

fn dead() -> PhonePlan {
    PhonePlan::with(Answer::Dead)
}

/// One queue that rings a name with these addresses.
fn named(addresses: &[&str]) -> World {
    with_queue(
        queue("desk", Strategy::RingAll, &["sip:desk@pbx.example.com"]),
        addresses,
    )
}

fn with_queue(desk: queue::Config, addresses: &[&str]) -> World {
    let mut world = World::new(vec![desk], 1);
    let servers = addresses.iter().map(|address| format!("udp:{address}")).collect();
    world.zone.insert("pbx.example.com".into(), servers);
    world
}

/// The last record of each call, by arrival.
pub fn in_order(world: &World) -> Vec<&CallRecord> {
    let mut calls: Vec<&CallRecord> = world
        .records
        .values()
        .filter_map(|records| records.last())
        .collect();
    calls.sort_by_key(|call| call.started_ms);
    calls
}

const TWO: [&str; 2] = ["10.0.0.5:5060", "10.0.0.6:5060"];
