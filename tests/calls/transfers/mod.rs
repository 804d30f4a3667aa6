//! The person answering sends the call on: the ladders of RFC 5589, and what happens when somebody hangs up meanwhile.

mod blind;
mod meanwhile;
mod permitted;

use std::net::SocketAddr;

use ringward::call::record::{TransferKind, TransferOutcome};
use ringward::media::Side;
use ringward::queue::{self, Strategy};

use crate::plan::{Act, CallerPlan, PhonePlan};
use crate::world::{World, queue};

const CALLER: &str = "+14045550123";
pub const SALES: &str = "sip:101@10.0.0.1:5060";

/// A desk that has the caller's number, sales, which is 101, and somebody at night, who is 102.
pub fn three_queues() -> Vec<queue::Config> {
    let mut desk = queue("desk", Strategy::RingAll, &["sip:desk@10.0.0.5:5060"]);
    desk.numbers = vec!["+12125550100".into()];
    let mut sales = queue("sales", Strategy::RingAll, &["sip:sales@10.0.0.6:5060"]);
    sales.numbers = vec!["101".into(), "+12125550101".into()];
    let mut night = queue("night", Strategy::RingAll, &["sip:night@10.0.0.7:5060"]);
    night.numbers = vec!["102".into()];
    vec![desk, sales, night]
}

pub struct Scene {
    pub world: World,
    pub caller: SocketAddr,
    pub desk: SocketAddr,
    pub sales: SocketAddr,
}

/// The desk answers after a second and does this; sales is like that; the caller hangs up after 40 seconds.
pub fn scene(desk: PhonePlan, sales: PhonePlan) -> Scene {
    scene_with(CallerPlan::new(CALLER).act(40.0, Act::Bye), desk, sales)
}

pub fn scene_with(caller: CallerPlan, desk: PhonePlan, sales: PhonePlan) -> Scene {
    let mut world = World::new(three_queues(), 3);
    let desk = world.phone("10.0.0.5:5060", desk);
    let sales = world.phone("10.0.0.6:5060", sales);
    let caller = world.call(caller);
    Scene {
        world,
        caller,
        desk,
        sales,
    }
}

pub fn refers(uri: &str) -> PhonePlan {
    PhonePlan::answers_after(1.0).act(3.0, Act::refer(uri))
}

impl Scene {
    /// Status lines of the NOTIFYs that this phone got, with the state of the subscription.
    pub fn told(&self, phone: SocketAddr) -> Vec<String> {
        let line = self.world.line(phone);
        let notifies = line
            .received
            .iter()
            .filter(|request| request.method() == "NOTIFY");
        notifies
            .map(|notify| {
                assert_eq!(notify.must("Content-Type"), "message/sipfrag;version=2.0");
                assert!(notify.must("Event").starts_with("refer"));
                assert!(notify.contact().is_some(), "a NOTIFY has a Contact");
                let state = notify.must("Subscription-State");
                let state = state.split(';').next().unwrap();
                format!("{} {state}", &notify.body[8..11])
            })
            .collect()
    }

    pub fn transfer(&self) -> (TransferKind, TransferOutcome, u16) {
        let transfers = &self.world.record().transfers;
        assert_eq!(transfers.len(), 1);
        (transfers[0].kind, transfers[0].outcome, transfers[0].status)
    }

    /// Where audio for the called side goes, in order.
    pub fn heard_at(&self) -> Vec<SocketAddr> {
        let media = self.world.media.values().next().unwrap();
        let mut at: Vec<SocketAddr> = media
            .described
            .iter()
            .filter(|(side, _)| *side == Side::B)
            .map(|(_, audio)| *audio)
            .collect();
        at.dedup();
        at
    }
}
