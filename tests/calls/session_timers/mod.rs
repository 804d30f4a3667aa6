//! Session timers (RFC 4028): each leg by itself, refreshed by either side, with peers played by hand.

mod agreed;
mod ours;
mod theirs;

use ringward::call::record::Ending;

use crate::hand::{CALLER, Talk};
use crate::wire;
use crate::world::{World, one_desk};

const TIMER: (&str, &str) = ("Supported", "timer");
const UPDATE: (&str, &str) = ("Allow", "INVITE, ACK, BYE, CANCEL, UPDATE");

fn world() -> World {
    World::new(one_desk(), 21)
}

fn offer() -> String {
    wire::sdp(CALLER.parse().unwrap(), 1, "sendrecv")
}

/// Nobody speaks in these tests, and nobody is asked to.
fn described(world: &World) -> usize {
    world.media.values().next().unwrap().described.len()
}

fn hang_up(world: &mut World, talk: &mut Talk) {
    world.words(&talk.caller);
    world.words(&talk.phone);
    world.ask(&mut talk.caller, "BYE", &[], None);
    let bye = world.one(&talk.phone, "BYE");
    world.answer(&talk.phone, &bye, 200, &[], None);
    world.run_for(100.0);
    world.check();
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
}
