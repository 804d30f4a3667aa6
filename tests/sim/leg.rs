//! One peer in one call: a caller's trunk, or a phone that is rung. Speaks SIP text, keeps RFC 3261's timers, and does
//! what its plan says, which is not always what an RFC says.

use std::net::SocketAddr;
use std::rc::Rc;

use crate::plan::{Act, Answer, CallerPlan, MILLI, PhonePlan, Reinvited, SECOND};
use crate::wire::{self, Message};

const T1: u64 = 500 * MILLI;
const T2: u64 = 4 * SECOND;
const PATIENCE: u64 = 32 * SECOND;
/// Glare is tried again this often (RFC 3261 §14.1).
const RETRIES: u8 = 3;

/// What a leg asks its world for.
pub enum Wish {
    Send(Vec<u8>, Mark),
    Wake(u64, Wake),
    /// Another phone behind the same proxy answers too.
    Fork,
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
    Answer,
    Fork,
    Reanswer(u32),
    GiveUp,
    Crash,
    SecondWay,
    Act(usize),
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
    /// A phone's 18x or answer reached the shard: only then can it be told to stop.
    pub has_spoken: bool,
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
        invite: Rc<Message>,
        plan: PhonePlan,
    ) -> Leg {
        Leg {
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
        plan.crashes = None;
        let mut leg = Leg::phone(id, self.address, self.gateway, invite, plan);
        leg.caller = self.caller;
        leg.answer();
        leg
    }

    fn plan_of_phone(&self) -> Plan {
        match &self.plan {
            Plan::Phone(plan) => Plan::Phone(plan.clone()),
            Plan::Caller(plan) => Plan::Caller(plan.clone()),
        }
    }

    pub fn is_caller(&self) -> bool {
        matches!(self.plan, Plan::Caller(_))
    }

    pub fn wishes(&mut self) -> Vec<Wish> {
        std::mem::take(&mut self.wishes)
    }

    /// The INVITE of a caller.
    pub fn call(&mut self, identity: Option<String>) {
        let Plan::Caller(plan) = &self.plan else {
            return;
        };
        let (gives_up, crashes, second_way) = (plan.gives_up, plan.crashes, plan.second_way);
        let (has_offer, is_hidden) = (plan.has_offer, plan.is_hidden);
        let mut more = Vec::new();
        if is_hidden {
            more.push(("Privacy", "id".to_string()));
        }
        if let Some(identity) = identity {
            more.push(("Identity", identity));
        }
        let body = has_offer.then(|| self.sdp("sendrecv"));
        self.request("INVITE", &more, body, None);
        let wakes = [
            (gives_up, Wake::GiveUp),
            (crashes, Wake::Crash),
            (second_way, Wake::SecondWay),
        ];
        for (after, wake) in wakes {
            if let Some(after) = after {
                self.wishes.push(Wish::Wake(after, wake));
            }
        }
    }

    /// A phone was rung.
    pub fn rung(&mut self) {
        let Plan::Phone(plan) = &self.plan else {
            return;
        };
        let (crashes, rings, answer) = (plan.crashes, plan.rings, plan.answer);
        if let Some(after) = crashes {
            self.wishes.push(Wish::Wake(after, Wake::Crash));
        }
        if let Some(after) = rings {
            self.wishes.push(Wish::Wake(after, Wake::Ring));
        }
        if let Answer::At(after) | Answer::Refuses(_, after) = answer {
            self.wishes.push(Wish::Wake(after, Wake::Answer));
        }
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
            Wake::Answer => self.answer_or_refuse(),
            Wake::Fork => self.wishes.push(Wish::Fork),
            Wake::Reanswer(cseq) => self.reanswer(cseq),
            Wake::GiveUp => self.give_up(),
            Wake::Crash => self.is_crashed = true,
            Wake::SecondWay => self.second_way(),
            Wake::Act(at) => self.act(at),
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

    /// The request of ours that a response answers.
    pub fn asked_by(&self, response: &Message) -> Option<usize> {
        let number = number_of(&response.branch())?;
        let method = response.method();
        self.asked
            .iter()
            .position(|asked| asked.branch == number && asked.method == method)
    }

    // As a client.

    fn send(&mut self, at: usize) {
        let asked = &mut self.asked[at];
        self.wishes
            .push(Wish::Send(asked.octets.clone(), Mark::Asked(at)));
        self.wishes.push(Wish::Wake(asked.interval, Wake::Retransmit(at)));
    }

    fn retransmit(&mut self, at: usize) {
        let asked = &mut self.asked[at];
        if asked.is_done {
            return;
        }
        asked.age += asked.interval;
        if asked.age >= PATIENCE {
            asked.is_done = true;
            let is_first = asked.method == "INVITE" && asked.cseq == 1;
            let is_last = asked.method == "BYE" && self.state == State::Leaving;
            if is_last || (asked.method == "BYE" || is_first) && !self.is_asking() {
                self.state = State::Over;
            }
            return;
        }
        asked.interval *= 2;
        if asked.method != "INVITE" {
            asked.interval = asked.interval.min(T2);
        }
        self.send(at);
    }

    /// A first INVITE of ours still has no final answer.
    fn is_asking(&self) -> bool {
        self.asked
            .iter()
            .any(|asked| asked.method == "INVITE" && asked.cseq == 1 && !asked.is_done_for_good())
    }

    fn on_response(&mut self, status: u16, message: &Message) {
        let Some(at) = self.asked_by(message) else {
            return;
        };
        let asked = &mut self.asked[at];
        if asked.method != "INVITE" {
            if status < 200 {
                return;
            }
            let (method, act) = (asked.method, asked.act);
            let is_new = asked.finals.is_empty();
            asked.is_done = true;
            asked.finals.push((status, String::new()));
            match (method, status) {
                // A BYE in the early dialog: the INVITE still has its own answer to come.
                ("BYE", _) if self.state != State::Leaving && self.is_asking() => {}
                ("BYE", _) => self.state = State::Over,
                ("UPDATE" | "INFO", 481) => self.state = State::Over,
                ("UPDATE", 491) if is_new => self.try_again(act),
                _ => {}
            }
            return;
        }
        asked.is_done = true;
        match status {
            0..=199 => {
                if self.state == State::Calling {
                    self.state = State::Ringing;
                    if let Some(tag) = message.tag("To") {
                        self.remote = format!("<{}>;tag={tag}", self.first_target());
                    }
                    if let Some(contact) = message.contact() {
                        self.target = contact.to_string();
                    }
                }
            }
            200..=299 => self.on_success(at, message),
            _ => self.on_failure(at, status, message),
        }
    }

    fn first_target(&self) -> String {
        match &self.plan {
            Plan::Caller(plan) => format!("sip:{}@{}", plan.called, self.gateway),
            Plan::Phone(_) => self.target.clone(),
        }
    }

    fn on_success(&mut self, at: usize, message: &Message) {
        let tag = message.tag("To").unwrap_or_default().to_string();
        let asked = &mut self.asked[at];
        let is_first = self.cseq == 1 && asked.cseq == 1;
        if !asked
            .finals
            .contains(&(message.status().unwrap_or_default(), tag.clone()))
        {
            asked
                .finals
                .push((message.status().unwrap_or_default(), tag.clone()));
        }
        if let Plan::Caller(plan) = &self.plan
            && plan.never_acknowledges
            && asked.cseq == 1
        {
            // It heard the answer and hangs there: what it is sent decides how this ends.
            if self.state != State::Over {
                self.state = State::Talking;
                self.remote = message.must("To").to_string();
            }
            return;
        }
        if let Some((_, ack)) = asked.acks.iter().find(|(known, _)| *known == tag) {
            let ack = ack.clone();
            let mark = if asked.cseq == 1 { Mark::Ack } else { Mark::Nothing };
            return self.wishes.push(Wish::Send(ack, mark));
        }
        let (cseq, has_offer) = (asked.cseq, asked.has_offer);
        let is_answer = matches!(self.state, State::Calling | State::Ringing);
        if is_answer || is_first {
            self.remote = message.must("To").to_string();
        }
        if let Some(contact) = message.contact() {
            self.target = contact.to_string();
        }
        if is_answer {
            self.state = State::Talking;
        }
        let body = (!has_offer && message.has_sdp()).then(|| self.sdp(answer_to(message.direction())));
        let headers = self.headers("ACK", cseq, &[]);
        let ack = wire::write(
            &format!("ACK {} SIP/2.0", self.target),
            &headers,
            body.as_deref().map(|body| ("application/sdp", body)),
        );
        self.asked[at].acks.push((tag, ack.clone()));
        let mark = if cseq == 1 { Mark::Ack } else { Mark::Nothing };
        self.wishes.push(Wish::Send(ack, mark));
        if is_answer {
            self.begin_to_talk();
        }
    }

    fn begin_to_talk(&mut self) {
        if self.has_given_up {
            // Too late to cancel: the answer crossed (RFC 3261 §15).
            return self.bye();
        }
        let acts = match &self.plan {
            Plan::Caller(plan) => &plan.acts,
            Plan::Phone(plan) => &plan.acts,
        };
        for (at, (after, _)) in acts.iter().enumerate() {
            self.wishes.push(Wish::Wake(*after, Wake::Act(at)));
        }
    }

    fn on_failure(&mut self, at: usize, status: u16, message: &Message) {
        let asked = &mut self.asked[at];
        let is_new = !asked.finals.iter().any(|(known, _)| *known == status);
        if is_new {
            asked.finals.push((status, String::new()));
        }
        let (branch, cseq, act) = (asked.branch, asked.cseq, asked.act);
        let uri = asked.uri();
        let headers = [
            ("Via", self.via(branch)),
            ("Max-Forwards", "70".to_string()),
            ("From", message.must("From").to_string()),
            ("To", message.must("To").to_string()),
            ("Call-ID", self.call_id.clone()),
            ("CSeq", format!("{cseq} ACK")),
        ];
        let ack = wire::write(&format!("ACK {uri} SIP/2.0"), &headers, None);
        self.wishes.push(Wish::Send(ack, Mark::Nothing));
        let is_first = matches!(self.state, State::Calling | State::Ringing);
        if is_first && !self.is_asking() {
            self.state = State::Over;
        }
        if !is_first && is_new {
            match status {
                481 if self.state == State::Talking => self.state = State::Over,
                491 => self.try_again(act),
                _ => {}
            }
        }
    }

    /// Both asked at once: each waits for another time (RFC 3261 §14.1).
    fn try_again(&mut self, act: Option<usize>) {
        if let Some(act) = act
            && self.retries < RETRIES
        {
            self.retries += 1;
            let after = if self.is_caller() { 2500 * MILLI } else { SECOND };
            self.wishes.push(Wish::Wake(after, Wake::Act(act)));
        }
    }

    fn give_up(&mut self) {
        match self.state {
            // No CANCEL before a provisional response (RFC 3261 §9.1).
            State::Calling => self.wishes.push(Wish::Wake(100 * MILLI, Wake::GiveUp)),
            State::Ringing => {
                self.has_given_up = true;
                let with_bye = matches!(&self.plan, Plan::Caller(plan) if plan.with_bye);
                if with_bye && self.remote.contains(";tag=") {
                    // BYE in the early dialog: the INVITE still hears 487.
                    self.request("BYE", &[], None, None);
                } else {
                    self.cancel();
                }
            }
            _ => {}
        }
    }

    fn cancel(&mut self) {
        let open: Vec<usize> = (0..self.asked.len())
            .filter(|at| self.asked[*at].method == "INVITE" && self.asked[*at].finals.is_empty())
            .collect();
        for at in open {
            let (branch, uri) = (self.asked[at].branch, self.asked[at].uri());
            let to = format!("<{}>", self.first_target());
            let headers = [
                ("Via", self.via(branch)),
                ("Max-Forwards", "70".to_string()),
                ("From", self.local.clone()),
                ("To", to),
                ("Call-ID", self.call_id.clone()),
                ("CSeq", format!("{} CANCEL", self.asked[at].cseq)),
            ];
            let octets = wire::write(&format!("CANCEL {uri} SIP/2.0"), &headers, None);
            let cseq = self.asked[at].cseq;
            self.start("CANCEL", branch, cseq, octets, false, None);
        }
    }

    /// The same INVITE by another way: another branch, everything else the same.
    fn second_way(&mut self) {
        if !matches!(self.state, State::Calling | State::Ringing) || self.has_given_up {
            return;
        }
        self.branches += 1;
        let number = self.branches;
        let first = &self.asked[0];
        let (ours, theirs) = (self.via(first.branch), self.via(number));
        let text = String::from_utf8_lossy(&first.octets).replacen(&ours, &theirs, 1);
        let has_offer = first.has_offer;
        self.start("INVITE", number, 1, text.into_bytes(), has_offer, None);
    }

    fn act(&mut self, at: usize) {
        if self.state != State::Talking {
            return;
        }
        let acts = match &self.plan {
            Plan::Caller(plan) => &plan.acts,
            Plan::Phone(plan) => &plan.acts,
        };
        let (_, act) = acts[at];
        let is_busy = self.has_open_offer() || self.pending.is_some();
        let is_offer = matches!(
            act,
            Act::Hold | Act::Resume | Act::Inactive | Act::AskForOffer | Act::Update
        );
        if is_offer && is_busy {
            return; // one exchange at a time (RFC 3261 §14.1)
        }
        let sdp = |leg: &mut Leg, direction| {
            leg.sdp_version += 1;
            Some(leg.sdp(direction))
        };
        match act {
            Act::Bye => self.bye(),
            Act::Hold => {
                let body = sdp(self, "sendonly");
                self.request("INVITE", &[], body, Some(at));
            }
            Act::Resume => {
                let body = sdp(self, "sendrecv");
                self.request("INVITE", &[], body, Some(at));
            }
            Act::Inactive => {
                let body = sdp(self, "inactive");
                self.request("INVITE", &[], body, Some(at));
            }
            Act::AskForOffer => self.request("INVITE", &[], None, Some(at)),
            Act::Update => {
                let body = sdp(self, "sendrecv");
                self.request("UPDATE", &[], body, Some(at));
            }
            Act::UpdateWithoutBody => self.request("UPDATE", &[], None, None),
            Act::Info => self.request("INFO", &[], None, None),
            Act::Options => self.request("OPTIONS", &[], None, None),
            Act::Refer => self.request("REFER", &[], None, None),
            Act::Teleport => self.request("TELEPORT", &[], None, None),
        }
    }

    fn bye(&mut self) {
        self.has_said_bye = true;
        self.state = State::Leaving;
        self.request("BYE", &[], None, None);
    }

    fn has_open_offer(&self) -> bool {
        self.asked.iter().any(|asked| {
            matches!(asked.method, "INVITE" | "UPDATE")
                && asked.cseq > 1
                && asked.finals.is_empty()
                && !asked.is_done_for_good()
        })
    }

    fn request(
        &mut self,
        method: &'static str,
        more: &[(&'static str, String)],
        sdp: Option<String>,
        act: Option<usize>,
    ) {
        self.cseq += 1;
        let cseq = self.cseq;
        let headers = self.headers(method, cseq, more);
        let body = sdp.as_deref().map(|sdp| ("application/sdp", sdp));
        let octets = wire::write(&format!("{method} {} SIP/2.0", self.target), &headers, body);
        let branch = self.branches;
        self.start(method, branch, cseq, octets, sdp.is_some(), act);
    }

    fn start(
        &mut self,
        method: &'static str,
        branch: usize,
        cseq: u32,
        octets: Vec<u8>,
        has_offer: bool,
        act: Option<usize>,
    ) {
        self.asked.push(Asked {
            branch,
            method,
            cseq,
            octets,
            interval: T1,
            age: 0,
            is_done: false,
            has_offer,
            act,
            acks: Vec::new(),
            finals: Vec::new(),
            reached: None,
            answered: None,
        });
        self.send(self.asked.len() - 1);
    }

    /// With a branch of its own.
    fn headers(
        &mut self,
        method: &str,
        cseq: u32,
        more: &[(&'static str, String)],
    ) -> Vec<(&'static str, String)> {
        self.branches += 1;
        let mut headers = vec![
            ("Via", self.via(self.branches)),
            ("Max-Forwards", "70".to_string()),
            ("From", self.local.clone()),
            ("To", self.remote.clone()),
            ("Call-ID", self.call_id.clone()),
            ("CSeq", format!("{cseq} {method}")),
        ];
        if matches!(method, "INVITE" | "UPDATE") {
            headers.push(("Contact", format!("<sip:peer@{}>", self.address)));
        }
        headers.extend_from_slice(more);
        headers
    }

    fn via(&self, number: usize) -> String {
        format!(
            "SIP/2.0/UDP {};branch=z9hG4bKsim{:x}x{number};rport",
            self.address, self.id
        )
    }

    fn sdp(&self, direction: &str) -> String {
        let port = 10_000 + (self.id % 20_000) as u16 * 2;
        wire::sdp(
            SocketAddr::new(self.address.ip(), port),
            self.sdp_version,
            direction,
        )
    }

    // As a server.

    fn on_request(&mut self, message: &Rc<Message>) {
        let method = message.method();
        if method == "ACK" {
            return self.on_ack(message);
        }
        let branch = message.branch();
        let known = self
            .answered
            .iter()
            .find(|(other, of, _)| *other == branch && of == method);
        if let Some((_, _, answer)) = known {
            if let Some((answer, mark)) = answer.clone() {
                self.wishes.push(Wish::Send(answer, mark));
            }
            return;
        }
        self.answered.push((branch, method.to_string(), None));
        if method == "CANCEL" {
            return self.on_cancel(message);
        }
        if message.tag("To").is_none() {
            return; // the INVITE that made this leg
        }
        match method {
            "BYE" => {
                if let Some(pending) = self.pending.take() {
                    self.respond(&pending, 487, None);
                }
                self.respond(message, 200, None);
                self.state = State::Over;
            }
            "INVITE" => self.on_reinvite(message),
            "UPDATE" if self.has_open_offer() || self.pending.is_some() => self.respond(message, 491, None),
            "UPDATE" => self.agree(message),
            "INFO" | "OPTIONS" | "NOTIFY" => self.respond(message, 200, None),
            _ => self.respond(message, 501, None),
        }
    }

    fn on_reinvite(&mut self, message: &Rc<Message>) {
        if self.state == State::Over {
            return self.respond(message, 481, None);
        }
        if self.has_open_offer() {
            return self.respond(message, 491, None);
        }
        if self.pending.is_some() {
            return self.respond(message, 500, None);
        }
        let manner = match &self.plan {
            Plan::Caller(plan) => plan.reinvited,
            Plan::Phone(plan) => plan.reinvited,
        };
        match manner {
            Reinvited::Agrees => self.agree(message),
            Reinvited::Slowly(after) => {
                self.respond(message, 100, None);
                self.pending = Some(message.clone());
                self.wishes
                    .push(Wish::Wake(after, Wake::Reanswer(message.cseq())));
            }
            Reinvited::Refuses(status) => self.respond(message, status, None),
            Reinvited::Silent => {}
        }
    }

    fn agree(&mut self, message: &Message) {
        if message.method() == "UPDATE" && !message.has_sdp() {
            return self.respond(message, 200, None);
        }
        self.sdp_version += 1;
        let direction = if message.has_sdp() {
            answer_to(message.direction())
        } else {
            "sendrecv"
        };
        let body = self.sdp(direction);
        self.respond(message, 200, Some(&body));
    }

    fn reanswer(&mut self, cseq: u32) {
        if self
            .pending
            .as_ref()
            .is_some_and(|pending| pending.cseq() == cseq)
            && let Some(pending) = self.pending.take()
        {
            self.agree(&pending);
        }
    }

    fn ring(&mut self) {
        let Plan::Phone(plan) = &self.plan else {
            return;
        };
        if !matches!(plan.answer, Answer::Refuses(..)) {
            let has_early_media = plan.has_early_media;
            self.provisional(if has_early_media { 183 } else { 180 }, has_early_media);
        }
    }

    fn provisional(&mut self, status: u16, has_body: bool) {
        let is_late = status == 180 && self.state == State::Talking;
        if self.state != State::Ringing && !is_late {
            return;
        }
        let Some(invite) = self.invite.clone() else {
            return;
        };
        let body = has_body.then(|| self.sdp("sendrecv"));
        let octets = self.response(&invite, status, body.as_deref());
        self.wishes.push(Wish::Send(octets.clone(), Mark::Provisional));
        let branch = invite.branch();
        if let Some((_, _, answer)) = self.answered.iter_mut().find(|(other, _, _)| *other == branch)
            && !is_late
        {
            *answer = Some((octets, Mark::Provisional));
        }
    }

    fn answer_or_refuse(&mut self) {
        let Plan::Phone(plan) = &self.plan else {
            return;
        };
        if self.state != State::Ringing {
            return;
        }
        match plan.answer {
            Answer::Refuses(status, _) => {
                self.state = State::Over;
                if let Some(invite) = self.invite.clone() {
                    self.respond(&invite, status, None);
                }
            }
            Answer::At(_) => {
                let (forks, rings_late) = (plan.forks.clone(), plan.rings_late);
                self.answer();
                for after in forks {
                    self.wishes.push(Wish::Wake(after, Wake::Fork));
                }
                if let Some(after) = rings_late {
                    self.wishes.push(Wish::Wake(after, Wake::RingLate));
                }
            }
            Answer::Dead(_) | Answer::Never => {}
        }
    }

    fn answer(&mut self) {
        let Some(invite) = self.invite.clone() else {
            return;
        };
        self.state = State::Talking;
        let sdp = self.sdp("sendrecv");
        let body = match &self.plan {
            Plan::Phone(plan) if plan.is_mute => None,
            Plan::Phone(plan) if plan.is_garbage => Some("v=1\r\nm=audio\r\n"),
            _ => Some(sdp.as_str()),
        };
        self.respond(&invite, 200, body);
        self.begin_to_talk();
    }

    fn on_cancel(&mut self, message: &Message) {
        self.respond(message, 200, None);
        if let Some(pending) = self
            .pending
            .take_if(|pending| pending.branch() == message.branch())
        {
            return self.respond(&pending, 487, None);
        }
        let crosses = matches!(&self.plan, Plan::Phone(plan) if plan.ignores_cancel && matches!(plan.answer, Answer::At(_)));
        let invite = self.invite.clone();
        if let Some(invite) = invite.filter(|invite| invite.branch() == message.branch())
            && self.state == State::Ringing
            && !crosses
        {
            self.state = State::Over;
            self.respond(&invite, 487, None);
        }
    }

    fn on_ack(&mut self, message: &Message) {
        let cseq = message.cseq();
        for owed in self.owed.iter_mut().filter(|owed| owed.cseq == cseq) {
            owed.is_acknowledged = true;
        }
    }

    fn respond(&mut self, request: &Message, status: u16, body: Option<&str>) {
        let octets = self.response(request, status, body);
        let (branch, method) = (request.branch(), request.method());
        let is_answer = method == "INVITE" && request.tag("To").is_none() && (200..300).contains(&status);
        let mark = if is_answer { Mark::Answer } else { Mark::Nothing };
        self.wishes.push(Wish::Send(octets.clone(), mark));
        if method == "INVITE" && status >= 200 {
            self.owed.push(Owed {
                cseq: request.cseq(),
                status,
                mark,
                octets: octets.clone(),
                interval: T1,
                age: 0,
                is_acknowledged: false,
            });
            self.wishes
                .push(Wish::Wake(T1, Wake::Repeat(self.owed.len() - 1)));
        }
        let known = self
            .answered
            .iter_mut()
            .find(|(other, of, _)| *other == branch && of == method);
        match known {
            Some((_, _, answer)) => *answer = Some((octets, mark)),
            None => self
                .answered
                .push((branch, method.to_string(), Some((octets, mark)))),
        }
    }

    fn response(&self, request: &Message, status: u16, body: Option<&str>) -> Vec<u8> {
        let to = match request.tag("To") {
            Some(_) => request.must("To").to_string(),
            None => self.local.clone(),
        };
        let mut headers: Vec<(&str, String)> =
            request.all("Via").map(|via| ("Via", via.to_string())).collect();
        headers.extend([
            ("From", request.must("From").to_string()),
            ("To", to),
            ("Call-ID", self.call_id.clone()),
            ("CSeq", request.must("CSeq").to_string()),
        ]);
        if matches!(request.method(), "INVITE" | "UPDATE") && status < 300 {
            headers.push(("Contact", format!("<sip:phone@{}>", self.address)));
        }
        let body = body.map(|body| ("application/sdp", body));
        wire::write(&format!("SIP/2.0 {status} Said"), &headers, body)
    }

    fn repeat(&mut self, at: usize) {
        let owed = &mut self.owed[at];
        if owed.is_acknowledged {
            return;
        }
        owed.age += owed.interval;
        if owed.age >= PATIENCE {
            // Never acknowledged (RFC 3261 §13.3.1.4).
            if owed.status < 300 && self.state == State::Talking {
                self.bye();
            }
            return;
        }
        owed.interval = (owed.interval * 2).min(T2);
        let (octets, interval) = (owed.octets.clone(), owed.interval);
        self.wishes.push(Wish::Send(octets, owed.mark));
        self.wishes.push(Wish::Wake(interval, Wake::Repeat(at)));
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
