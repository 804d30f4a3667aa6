//! Every arrow of the four diagrams, by name. No clock: a timer fires when the test says so.

mod invite_client;
mod invite_server;
mod other_client;
mod other_server;

use super::client_invite::{self, InviteClient};
use super::client_other::{self, OtherClient};
use super::server_invite::{self, InviteServer};
use super::server_other::{self, OtherServer};
use super::*;

fn sent(text: &str) -> Step {
    Step::Send(text.as_bytes().to_vec())
}

fn octets(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

/// What a machine wants after `act`.
fn steps(act: impl FnOnce(&mut Vec<Step>)) -> Vec<Step> {
    let mut steps = Vec::new();
    act(&mut steps);
    steps
}

const SECOND: Duration = Duration::from_secs(1);
