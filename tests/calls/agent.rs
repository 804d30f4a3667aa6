//! A peer: a caller's trunk or a phone. Speaks SIP text, keeps RFC 3261's timers, does what its plan says.

mod client;
mod server;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::door::Login;
use crate::plan::{Act, Answer, CallerPlan, PhonePlan};
use crate::wire::{self, Message};

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
const GIVE_UP: Duration = Duration::from_secs(32);

/// What an agent asks its world for.
pub enum Wish {
    Send(Vec<u8>),
    Wake(Duration, Wake),
}

#[derive(Clone, Debug)]
pub enum Wake {
    /// A request of ours, by branch.
    Retransmit(String),
    /// A final response of ours to INVITE, by branch.
    Repeat(String),
    Ring(String),
    Answer(String),
    GiveUp(String),
    Act(String, usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Calling,
    Ringing,
    Talking,
    Over,
}

/// One call as this peer knows it.
#[derive(Debug)]
pub struct Line {
    pub state: State,
    is_caller: bool,
    call_id: String,
    local: String,
    remote: String,
    target: String,
    cseq: u32,
    sdp_version: u32,
    /// The INVITE that made it (for a phone: as received).
    pub invite: Message,
    invite_branch: String,
    gave_up: bool,
    acts: Vec<(Duration, Act)>,
    /// Requests received inside the call, with their bodies' direction or text.
    pub received: Vec<Message>,
    /// Responses received, retransmissions included.
    pub responses: Vec<Message>,
    pub acks: Vec<Message>,
}

impl Line {
    /// Call-ID, our tag and the gateway's.
    pub fn dialog(&self) -> (String, String, String) {
        let tag = |value: &str| value.rsplit_once(";tag=").expect("a tag").1.to_string();
        (self.call_id.clone(), tag(&self.local), tag(&self.remote))
    }
}

/// A request of ours.
struct Sent {
    line: String,
    method: String,
    octets: Vec<u8>,
    interval: Duration,
    age: Duration,
    is_done: bool,
    /// What we answered to a final response, by To tag: sent again with it.
    acks: BTreeMap<String, Vec<u8>>,
    finals: Vec<(u16, String)>,
}

/// A final response of ours to an INVITE, until its ACK.
struct Owed {
    line: String,
    octets: Vec<u8>,
    interval: Duration,
    age: Duration,
    is_acknowledged: bool,
}

pub struct Agent {
    pub address: SocketAddr,
    gateway: SocketAddr,
    pub phone: PhonePlan,
    pub lines: BTreeMap<String, Line>,
    sent: BTreeMap<String, Sent>,
    owed: BTreeMap<String, Owed>,
    /// Responses by branch and method: a retransmitted request gets the same.
    answered: BTreeMap<(String, String), Vec<u8>>,
    counter: u64,
    never_acknowledges: bool,
    gives_up_after: Option<Duration>,
    login: Option<Login>,
    wishes: Vec<Wish>,
}

impl Agent {
    pub fn new(address: SocketAddr, gateway: SocketAddr, phone: PhonePlan) -> Agent {
        Agent {
            address,
            gateway,
            phone,
            lines: BTreeMap::new(),
            sent: BTreeMap::new(),
            owed: BTreeMap::new(),
            answered: BTreeMap::new(),
            counter: 0,
            never_acknowledges: false,
            gives_up_after: None,
            login: None,
            wishes: Vec::new(),
        }
    }

    pub fn wishes(&mut self) -> Vec<Wish> {
        std::mem::take(&mut self.wishes)
    }

    pub fn receive(&mut self, octets: &[u8]) {
        let message = Message::read(octets);
        if !message.is_sound() {
            return;
        }
        match message.status() {
            Some(status) => self.on_response(status, message),
            None => self.on_request(message),
        }
    }

    pub fn wake(&mut self, wake: Wake) {
        match wake {
            Wake::Retransmit(branch) => self.retransmit(branch),
            Wake::Repeat(branch) => self.repeat(branch),
            Wake::Ring(line) => self.ring(&line),
            Wake::Answer(line) => self.answer(&line),
            Wake::GiveUp(line) => self.give_up(&line),
            Wake::Act(line, at) => self.act(&line, at),
        }
    }

    /// Distinct final responses to each INVITE this peer sent: branch, and what came.
    pub fn finals(&self) -> impl Iterator<Item = (&str, &[(u16, String)])> {
        self.sent
            .values()
            .filter(|sent| sent.method == "INVITE")
            .map(|sent| (sent.line.as_str(), sent.finals.as_slice()))
    }

    // As a client.

    // As a server.

    fn sdp(&self, version: u32, direction: &str) -> String {
        self.sdp_to(version, direction, "")
    }

    /// The answer to this offer; an offer where there is none.
    fn sdp_to(&self, version: u32, direction: &str, offer: &str) -> String {
        let text = wire::sdp(self.address, version, direction).replace("0 8 101", self.phone.formats);
        match self.phone.is_srtp {
            true => crate::encryption::secured(&text, self.address, offer),
            false => text,
        }
    }

    fn branch(&mut self) -> String {
        self.counter += 1;
        format!("z9hG4bK-{}-{}", self.address.port(), self.counter)
    }
}

fn answer_to(direction: &str) -> &'static str {
    match direction {
        "sendonly" => "recvonly",
        "recvonly" => "sendonly",
        "inactive" => "inactive",
        _ => "sendrecv",
    }
}
