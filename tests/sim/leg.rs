//! One peer in one call: a caller's trunk, or a phone that is rung. Speaks SIP text, keeps RFC 3261's timers, and does
//! what its plan says, which is not always what an RFC says.

mod acts;
mod client;
mod reliable;
mod server;
mod timer;

use std::net::SocketAddr;
use std::rc::Rc;

use ringward::sip::Transport;

use crate::plan::{Act, Answer, CallerPlan, MILLI, PhonePlan, Reinvited, SECOND, Timer};
use crate::wire::{self, Message};

const T1: u64 = 500 * MILLI;
const T2: u64 = 4 * SECOND;
pub const PATIENCE: u64 = 32 * SECOND;
/// Glare is tried again this often (RFC 3261 §14.1).
const RETRIES: u8 = 3;

/// What a leg asks its world for.
pub enum Wish {
    Send(Vec<u8>, Mark),
    Wake(u64, Wake),
    /// Another phone behind the same proxy answers too.
    Fork,
    /// The person at this phone calls a colleague, at this number.
    Consult(&'static str),
    /// And joins him with the caller.
    Join,
    /// Somebody else takes this call over.
    PickUp,
}

/// What a message of ours is, for the checkers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Nothing,
    /// The request at this place.
    Asked(usize),
    /// A phone rings.
    Provisional,
    /// A phone's 2xx to the INVITE that rang it.
    Answer,
    /// A caller's ACK to the first 2xx.
    Ack,
}

#[derive(Clone, Copy, Debug)]
pub enum Wake {
    Retransmit(usize),
    Repeat(usize),
    Ring,
    RingLate,
    /// The INVITE that rang it is not meant any more (Expires, RFC 3261 §13.3.1).
    InviteExpires,
    /// Its connection broke, which its own system told it, and nothing came by another for as long as a request is waited for.
    LostConnection,
    Answer,
    Fork,
    Reanswer(u32),
    GiveUp,
    Crash,
    SecondWay,
    Act(usize),
    /// The reliable provisional response again, until its PRACK.
    RepeatReliable,
    /// It is time to refresh the session, or it should have been: of this agreement.
    Refresh(u32),
    Expire(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Calling,
    Ringing,
    Talking,
    /// Our BYE is under way.
    Leaving,
    Over,
}

/// A request of ours.
pub struct Asked {
    pub branch: usize,
    pub method: &'static str,
    pub cseq: u32,
    octets: Vec<u8>,
    interval: u64,
    age: u64,
    is_done: bool,
    has_offer: bool,
    act: Option<usize>,
    /// ACKs we sent, by To tag: again with each repeated 2xx.
    acks: Vec<(String, Vec<u8>)>,
    /// What came: status, and the To tag of a 2xx.
    pub finals: Vec<(u16, String)>,
    /// When it first came to the shard that owns it (µs).
    pub reached: Option<u64>,
    /// The final answer the gateway sent, and when (µs).
    pub answered: Option<(u16, u64)>,
}

/// A final response of ours to an INVITE, until its ACK.
struct Owed {
    cseq: u32,
    status: u16,
    mark: Mark,
    octets: Vec<u8>,
    interval: u64,
    age: u64,
    is_acknowledged: bool,
}

/// What passed between the gateway and this leg.
#[derive(Default)]
pub struct Treated {
    /// A phone was sent our ACK; a caller's reached the shard.
    pub is_acknowledged: bool,
    pub is_cancelled: bool,
    /// A 2xx of this leg reached the shard.
    pub has_answer_reached: bool,
}

pub enum Plan {
    Caller(CallerPlan),
    Phone(PhonePlan),
}

/// Octets of an answer, and what it counts as.
type Said = (Vec<u8>, Mark);

pub struct Leg {
    pub id: u32,
    pub address: SocketAddr,
    pub call_id: String,
    pub plan: Plan,
    pub state: State,
    pub is_crashed: bool,
    /// For a phone's leg: the caller's.
    pub caller: Option<u32>,
    pub asked: Vec<Asked>,
    pub treated: Treated,
    pub has_said_bye: bool,
    pub has_given_up: bool,
    pub transport: Transport,
    /// The gateway could open no connection to it.
    pub was_refused: bool,
    /// The gateway was to refresh the session and did not.
    pub was_forgotten: bool,
    /// The connection that its last message went over.
    pub connection: Option<u64>,
    /// The call it made to ask somebody, while it has its caller.
    pub consultation: Option<u32>,
    gateway: &'static str,
    local: String,
    remote: String,
    target: String,
    cseq: u32,
    sdp_version: u32,
    branches: usize,
    retries: u8,
    invite: Option<Rc<Message>>,
    /// A re-INVITE we have not answered yet.
    pending: Option<Rc<Message>>,
    /// By branch and method; `None` = no answer yet.
    answered: Vec<(String, String, Option<Said>)>,
    owed: Vec<Owed>,
    reliable: Option<reliable::Rung>,
    /// RSeq of the last provisional response that was acknowledged.
    rseq: Option<u32>,
    /// Agreements on a session interval so far.
    agreements: u32,
    wishes: Vec<Wish>,
}

/// The leg a tag or a branch of ours belongs to.
pub fn leg_of(token: &str) -> Option<u32> {
    let hex = token
        .strip_prefix("z9hG4bKsim")
        .or_else(|| token.strip_prefix("sim"))?;
    u32::from_str_radix(hex.split('x').next()?, 16).ok()
}

/// The number of a branch of ours within its leg.
fn number_of(branch: &str) -> Option<usize> {
    branch.rsplit_once('x')?.1.parse().ok()
}

impl Leg {
    pub fn caller(
        id: u32,
        address: SocketAddr,
        gateway: &'static str,
        number: &str,
        plan: CallerPlan,
    ) -> Leg {
        let shown = if plan.is_hidden {
            "\"Anonymous\" <sip:anonymous@anonymous.invalid>".to_string()
        } else {
            format!("<sip:{number}@203.0.113.7;user=phone>")
        };
        let target = format!("sip:{}@{gateway}", plan.called);
        Leg {
            transport: plan.transport,
            local: format!("{shown};tag=sim{id:x}"),
            remote: format!("<{target}>"),
            target,
            call_id: format!("day-{id:x}@{}", address.ip()),
            state: State::Calling,
            cseq: 0,
            ..Leg::new(id, address, gateway, Plan::Caller(plan))
        }
    }

    pub fn phone(
        id: u32,
        address: SocketAddr,
        gateway: &'static str,
        transport: Transport,
        invite: Rc<Message>,
        plan: PhonePlan,
    ) -> Leg {
        Leg {
            transport,
            local: format!("{};tag=sim{id:x}", invite.must("To")),
            remote: invite.must("From").to_string(),
            target: invite.contact().expect("an INVITE has a Contact").to_string(),
            call_id: invite.must("Call-ID").to_string(),
            state: State::Ringing,
            cseq: 100,
            invite: Some(invite),
            ..Leg::new(id, address, gateway, Plan::Phone(plan))
        }
    }

    fn new(id: u32, address: SocketAddr, gateway: &'static str, plan: Plan) -> Leg {
        Leg {
            id,
            address,
            gateway,
            plan,
            call_id: String::new(),
            state: State::Over,
            is_crashed: false,
            caller: None,
            asked: Vec::new(),
            treated: Treated::default(),
            has_said_bye: false,
            has_given_up: false,
            transport: Transport::Udp,
            was_refused: false,
            was_forgotten: false,
            connection: None,
            consultation: None,
            local: String::new(),
            remote: String::new(),
            target: String::new(),
            cseq: 0,
            sdp_version: 1,
            branches: 0,
            retries: 0,
            invite: None,
            pending: None,
            answered: Vec::new(),
            owed: Vec::new(),
            reliable: None,
            rseq: None,
            agreements: 0,
            wishes: Vec::new(),
        }
    }

    /// The phone beside this one, which answers the same INVITE.
    pub fn fork(&self, id: u32) -> Leg {
        let invite = self.invite.clone().expect("a phone was rung");
        let Plan::Phone(mut plan) = self.plan_of_phone() else {
            unreachable!("only phones fork");
        };
        plan.forks.clear();
        plan.acts.clear();
        plan.is_reliable = false;
        plan.crashes = None;
        let mut leg = Leg::phone(id, self.address, self.gateway, self.transport, invite, plan);
        leg.caller = self.caller;
        (leg.connection, leg.was_refused) = (self.connection, self.was_refused);
        leg.answer();
        leg
    }

    fn plan_of_phone(&self) -> Plan {
        match &self.plan {
            Plan::Phone(plan) => Plan::Phone(plan.clone()),
            Plan::Caller(plan) => Plan::Caller(plan.clone()),
        }
    }

    fn timer(&self) -> Option<Timer> {
        match &self.plan {
            Plan::Caller(plan) => plan.timer,
            Plan::Phone(plan) => plan.timer,
        }
    }

    /// Its dialog as Replaces names it for the gateway (RFC 3891 §6.1).
    pub fn replaces(&self) -> Option<String> {
        let tag = |address: &str| Some(address.split_once(";tag=")?.1.to_string());
        let (ours, theirs) = (tag(&self.local)?, tag(&self.remote)?);
        Some(format!("{};to-tag={theirs};from-tag={ours}", self.call_id))
    }

    /// The leg that began its call.
    pub fn root(&self) -> Option<u32> {
        if self.is_caller() {
            Some(self.id)
        } else {
            self.caller
        }
    }

    pub fn is_caller(&self) -> bool {
        matches!(self.plan, Plan::Caller(_))
    }

    pub fn wishes(&mut self) -> Vec<Wish> {
        std::mem::take(&mut self.wishes)
    }

    pub fn wake(&mut self, wake: Wake) {
        if self.is_crashed {
            return;
        }
        match wake {
            Wake::Retransmit(at) => self.retransmit(at),
            Wake::Repeat(at) => self.repeat(at),
            Wake::Ring => self.ring(),
            Wake::RingLate => self.provisional(180, false),
            Wake::InviteExpires => self.stop_ringing(),
            Wake::LostConnection => self.stop_calling(),
            Wake::Answer => self.answer_or_refuse(),
            Wake::Fork => self.wishes.push(Wish::Fork),
            Wake::Reanswer(cseq) => self.reanswer(cseq),
            Wake::GiveUp => self.give_up(),
            Wake::Crash => self.is_crashed = true,
            Wake::SecondWay => self.second_way(),
            Wake::Act(at) => self.act(at),
            Wake::RepeatReliable => self.repeat_reliable(),
            Wake::Refresh(agreement) => self.refresh(agreement),
            Wake::Expire(agreement) => self.expire(agreement),
        }
    }

    pub fn receive(&mut self, message: &Rc<Message>) {
        if self.is_crashed {
            return;
        }
        match message.status() {
            Some(status) => self.on_response(status, message),
            None => self.on_request(message),
        }
    }

    fn sdp(&self, direction: &str) -> String {
        let port = 10_000 + (self.id % 20_000) as u16 * 2;
        wire::sdp(
            SocketAddr::new(self.address.ip(), port),
            self.sdp_version,
            direction,
        )
    }
}

impl Asked {
    /// Answered for good, or given up on.
    pub fn is_done_for_good(&self) -> bool {
        !self.finals.is_empty() || self.age >= PATIENCE
    }

    fn uri(&self) -> String {
        let end = self
            .octets
            .windows(2)
            .position(|pair| pair == b"\r\n")
            .unwrap_or_default();
        let start = String::from_utf8_lossy(&self.octets[..end]);
        start.split(' ').nth(1).unwrap_or_default().to_string()
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
