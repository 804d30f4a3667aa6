//! A peer: a caller's trunk or a phone. Speaks SIP text, keeps RFC 3261's timers, does what its plan says.

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

    /// Starts a call; the name of its line is its Call-ID.
    pub fn call(&mut self, plan: CallerPlan) -> String {
        self.never_acknowledges = plan.never_acknowledges;
        self.gives_up_after = plan.gives_up_after;
        self.login = plan.login.clone();
        let call_id = plan
            .call_id
            .clone()
            .unwrap_or_else(|| format!("call-{}-{}", self.address.port(), self.address.ip()));
        let tag = plan
            .tag
            .clone()
            .unwrap_or_else(|| format!("c{}", self.address.port()));
        let target = format!("sip:{}@{}", plan.called, self.gateway);
        let first = plan.dialled_first.as_ref().unwrap_or(&plan.called);
        let to = format!("sip:{first}@{}", self.gateway);
        let branch = self.branch();
        let mut headers = vec![
            (
                "Via",
                format!("SIP/2.0/UDP {};branch={branch};rport", self.address),
            ),
            ("Max-Forwards", plan.max_forwards.to_string()),
            ("From", format!("{};tag={tag}", plan.from)),
            ("To", format!("<{to}>")),
            ("Call-ID", call_id.clone()),
            ("CSeq", "1 INVITE".to_string()),
            ("Contact", format!("<sip:trunk@{}>", self.address)),
        ];
        headers.extend(plan.headers);
        let body = self.sdp(1, "sendrecv");
        let body = match &plan.body {
            Some((kind, body)) => Some((*kind, body.as_str())),
            None => plan.has_offer.then_some(("application/sdp", body.as_str())),
        };
        let octets = wire::write(&format!("INVITE {target} SIP/2.0"), &headers, body);
        let line = Line {
            state: State::Calling,
            is_caller: true,
            call_id: call_id.clone(),
            local: format!("{};tag={tag}", plan.from),
            remote: format!("<{target}>"),
            target,
            cseq: 1,
            sdp_version: 1,
            invite: Message::read(&octets),
            invite_branch: branch.clone(),
            gave_up: false,
            acts: plan.acts,
            received: Vec::new(),
            responses: Vec::new(),
            acks: Vec::new(),
        };
        self.lines.insert(call_id.clone(), line);
        if let Some(after) = plan.gives_up_after {
            self.wishes.push(Wish::Wake(after, Wake::GiveUp(call_id.clone())));
        }
        self.start(branch, &call_id, "INVITE", octets);
        call_id
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

    fn start(&mut self, branch: String, line: &str, method: &str, octets: Vec<u8>) {
        self.wishes.push(Wish::Send(octets.clone()));
        self.wishes.push(Wish::Wake(T1, Wake::Retransmit(branch.clone())));
        let sent = Sent {
            line: line.to_string(),
            method: method.to_string(),
            octets,
            interval: T1,
            age: T1,
            is_done: false,
            acks: BTreeMap::new(),
            finals: Vec::new(),
        };
        self.sent.insert(branch, sent);
    }

    fn retransmit(&mut self, branch: String) {
        let Some(sent) = self.sent.get_mut(&branch).filter(|sent| !sent.is_done) else {
            return;
        };
        if sent.age >= GIVE_UP {
            sent.is_done = true;
            if let Some(line) = self
                .lines
                .get_mut(&sent.line)
                .filter(|_| sent.method == "BYE" || sent.finals.is_empty())
            {
                line.state = State::Over;
            }
            return;
        }
        self.wishes.push(Wish::Send(sent.octets.clone()));
        sent.interval *= 2;
        if sent.method != "INVITE" {
            sent.interval = sent.interval.min(T2);
        }
        sent.age += sent.interval;
        self.wishes
            .push(Wish::Wake(sent.interval, Wake::Retransmit(branch)));
    }

    fn on_response(&mut self, status: u16, message: Message) {
        let branch = match message.method() {
            "CANCEL" => format!("cancel {}", message.branch()),
            _ => message.branch(),
        };
        // A response to nothing we sent: its Via was garbled on the way.
        let Some(sent) = self.sent.get_mut(&branch) else {
            return;
        };
        let Some(line) = self.lines.get_mut(&sent.line) else {
            return;
        };
        line.responses.push(message.clone());
        if sent.method != "INVITE" {
            if status >= 200 {
                sent.is_done = true;
                sent.finals.push((status, String::new()));
                if sent.method == "BYE" {
                    line.state = State::Over;
                }
                if sent.method == "UPDATE" && status < 300 {
                    line.sdp_version += 1;
                }
            }
            return;
        }
        sent.is_done = true;
        let tag = message.tag("To").unwrap_or_default().to_string();
        match status {
            0..=199 => {
                if line.state == State::Calling {
                    line.state = State::Ringing;
                }
            }
            200..=299 => {
                let is_new = !sent.finals.contains(&(status, tag.clone()));
                if is_new {
                    sent.finals.push((status, tag.clone()));
                }
                if self.never_acknowledges {
                    return;
                }
                if let Some(ack) = sent.acks.get(&tag) {
                    return self.wishes.push(Wish::Send(ack.clone()));
                }
                let is_first = line.state != State::Talking && line.state != State::Over;
                if is_first {
                    line.state = State::Talking;
                }
                line.remote = message.must("To").to_string();
                line.target = message.contact().expect("a 2xx has a Contact").to_string();
                let id = line.call_id.clone();
                self.acknowledge(&branch, &id, &message, tag);
                if is_first {
                    self.schedule(&id);
                    if self.lines[&id].gave_up {
                        // Too late to cancel: the answer crossed (RFC 3261 §15).
                        self.request(&id, "BYE", &[], None);
                    }
                }
            }
            _ => {
                if !sent.finals.contains(&(status, String::new())) {
                    sent.finals.push((status, String::new()));
                }
                if line.state != State::Talking {
                    line.state = State::Over;
                }
                let uri = Message::read(&sent.octets).request_uri().to_string();
                let headers = [
                    (
                        "Via",
                        format!("SIP/2.0/UDP {};branch={branch};rport", self.address),
                    ),
                    ("Max-Forwards", "70".to_string()),
                    ("From", message.must("From").to_string()),
                    ("To", message.must("To").to_string()),
                    ("Call-ID", message.must("Call-ID").to_string()),
                    ("CSeq", format!("{} ACK", message.cseq())),
                ];
                self.wishes.push(Wish::Send(wire::write(
                    &format!("ACK {uri} SIP/2.0"),
                    &headers,
                    None,
                )));
                if status == 401 {
                    self.prove(&branch, &message);
                }
            }
        }
    }

    /// The INVITE once more, with credentials (RFC 3261 §22.2).
    fn prove(&mut self, branch: &str, challenge: &Message) {
        let Some(login) = self.login.take() else {
            return;
        };
        let first = Message::read(&self.sent[branch].octets);
        let again = self.branch();
        let uri = first.request_uri().to_string();
        let cseq = first.cseq() + 1;
        let mut headers: Vec<(&str, String)> = Vec::new();
        for (name, value) in &first.headers {
            let value = match name.as_str() {
                "Via" => value.replace(branch, &again),
                "CSeq" => format!("{cseq} INVITE"),
                "Content-Type" | "Content-Length" => continue,
                _ => value.clone(),
            };
            headers.push((name, value));
        }
        headers.push(("Authorization", login.answer(challenge, "INVITE", &uri)));
        let body = (!first.body.is_empty()).then_some(("application/sdp", first.body.as_str()));
        let octets = wire::write(&format!("INVITE {uri} SIP/2.0"), &headers, body);
        let id = first.must("Call-ID").to_string();
        let line = self.lines.get_mut(&id).expect("a line");
        line.state = State::Calling;
        line.cseq = cseq;
        line.invite = Message::read(&octets);
        line.invite_branch.clone_from(&again);
        self.start(again, &id, "INVITE", octets);
    }

    /// ACK to a 2xx, with the answer when ours was the question.
    fn acknowledge(&mut self, branch: &str, id: &str, response: &Message, tag: String) {
        let ack_branch = self.branch();
        let line = &self.lines[id];
        let had_offer = Message::read(&self.sent[branch].octets).has_sdp();
        let body = self.sdp(line.sdp_version, answer_to(response.direction()));
        let body = (!had_offer && response.has_sdp()).then_some(("application/sdp", body.as_str()));
        let headers = [
            (
                "Via",
                format!("SIP/2.0/UDP {};branch={ack_branch};rport", self.address),
            ),
            ("Max-Forwards", "70".to_string()),
            ("From", line.local.clone()),
            ("To", line.remote.clone()),
            ("Call-ID", line.call_id.clone()),
            ("CSeq", format!("{} ACK", response.cseq())),
        ];
        let ack = wire::write(&format!("ACK {} SIP/2.0", line.target), &headers, body);
        self.wishes.push(Wish::Send(ack.clone()));
        if let Some(sent) = self.sent.get_mut(branch) {
            sent.acks.insert(tag, ack);
        }
    }

    fn give_up(&mut self, id: &str) {
        let Some(line) = self.lines.get_mut(id) else {
            return;
        };
        if !matches!(line.state, State::Calling | State::Ringing) {
            return;
        }
        if line.state == State::Calling {
            // No CANCEL before a provisional response (RFC 3261 §9.1).
            return self.wishes.push(Wish::Wake(
                Duration::from_millis(100),
                Wake::GiveUp(id.to_string()),
            ));
        }
        line.gave_up = true;
        let branch = line.invite_branch.clone();
        let headers = [
            (
                "Via",
                format!("SIP/2.0/UDP {};branch={branch};rport", self.address),
            ),
            ("Max-Forwards", "70".to_string()),
            ("From", line.local.clone()),
            ("To", line.invite.must("To").to_string()),
            ("Call-ID", line.call_id.clone()),
            ("CSeq", format!("{} CANCEL", line.invite.cseq())),
        ];
        let octets = wire::write(
            &format!("CANCEL {} SIP/2.0", line.invite.request_uri()),
            &headers,
            None,
        );
        // Its responses carry the INVITE's branch: kept under a name of its own.
        self.start(format!("cancel {branch}"), id, "CANCEL", octets);
    }

    fn schedule(&mut self, id: &str) {
        for (at, (after, _)) in self.lines[id].acts.iter().enumerate() {
            self.wishes
                .push(Wish::Wake(*after, Wake::Act(id.to_string(), at)));
        }
    }

    fn act(&mut self, id: &str, at: usize) {
        let line = &self.lines[id];
        if line.state != State::Talking {
            return;
        }
        let (_, act) = line.acts[at].clone();
        let version = line.sdp_version + 1;
        let sdp = |direction| self.sdp(version, direction);
        match act {
            Act::Bye => self.request(id, "BYE", &[], None),
            Act::Hold => self.request(id, "INVITE", &[], Some(("application/sdp", &sdp("sendonly")))),
            Act::Resume => self.request(id, "INVITE", &[], Some(("application/sdp", &sdp("sendrecv")))),
            Act::Update => self.request(id, "UPDATE", &[], Some(("application/sdp", &sdp("sendrecv")))),
            Act::AskForOffer => self.request(id, "INVITE", &[], None),
            Act::Info(body) => self.request(id, "INFO", &[], Some(("application/dtmf-relay", &body))),
            Act::Reinvite(name, value) => {
                let body = sdp("sendrecv");
                self.request(id, "INVITE", &[(name, value)], Some(("application/sdp", &body)));
            }
            Act::Refer(to, extra) => {
                let mut headers = vec![
                    ("Refer-To", to),
                    ("Contact", format!("<sip:peer@{}>", self.address)),
                ];
                headers.extend(extra);
                self.request(id, "REFER", &headers, None);
            }
            Act::Send(method) => self.request(id, method, &[], None),
        }
    }

    /// A request inside the dialog.
    pub fn request(&mut self, id: &str, method: &str, extra: &[(&str, String)], body: Option<(&str, &str)>) {
        let branch = self.branch();
        let line = self.lines.get_mut(id).expect("a line");
        line.cseq += 1;
        if body.is_some_and(|(kind, _)| kind == "application/sdp") {
            line.sdp_version += 1;
        }
        let mut headers = vec![
            (
                "Via",
                format!("SIP/2.0/UDP {};branch={branch};rport", self.address),
            ),
            ("Max-Forwards", "70".to_string()),
            ("From", line.local.clone()),
            ("To", line.remote.clone()),
            ("Call-ID", line.call_id.clone()),
            ("CSeq", format!("{} {method}", line.cseq)),
        ];
        if matches!(method, "INVITE" | "UPDATE") {
            headers.push(("Contact", format!("<sip:peer@{}>", self.address)));
        }
        headers.extend_from_slice(extra);
        let octets = wire::write(&format!("{method} {} SIP/2.0", line.target), &headers, body);
        let id = id.to_string();
        self.start(branch, &id, method, octets);
    }

    // As a server.

    fn on_request(&mut self, message: Message) {
        let method = message.method().to_string();
        let branch = message.branch();
        if method == "ACK" {
            return self.on_ack(message);
        }
        if let Some(answer) = self.answered.get(&(branch.clone(), method.clone())) {
            return self.wishes.push(Wish::Send(answer.clone()));
        }
        let id = message.must("Call-ID").to_string();
        if method != "CANCEL"
            && let Some(door) = &mut self.phone.door
            && let Some((status, challenge)) = door.challenge(&message)
        {
            return self.respond_with(&message, status, &challenge, None);
        }
        if method == "CANCEL" {
            return self.on_cancel(message, branch, id);
        }
        if message.tag("To").is_none() {
            match method.as_str() {
                "INVITE" => self.on_invite(message, id),
                "REGISTER" if self.phone.registrar.is_some() => self.on_register(message),
                "OPTIONS" if matches!(self.phone.answer, Answer::Dead) => {}
                "OPTIONS" => self.respond(&message, self.phone.options, None),
                _ => self.respond(&message, 481, None),
            }
            return;
        }
        let Some(line) = self.lines.get_mut(&id) else {
            return self.respond(&message, 481, None);
        };
        line.received.push(message.clone());
        match method.as_str() {
            "BYE" => {
                line.state = State::Over;
                self.respond(&message, 200, None);
            }
            "INVITE" | "UPDATE" => {
                line.sdp_version += 1;
                let direction = if message.has_sdp() {
                    answer_to(message.direction())
                } else {
                    "sendrecv"
                };
                let version = line.sdp_version;
                let body = self.sdp(version, direction);
                self.respond(&message, 200, Some(&body));
            }
            "INFO" | "OPTIONS" => self.respond(&message, 200, None),
            "NOTIFY" => {
                let is_won = message.body.starts_with("SIP/2.0 200");
                self.respond(&message, self.phone.to_notify, None);
                if is_won && self.phone.hangs_up_when_told && self.lines[&id].state == State::Talking {
                    self.request(&id, "BYE", &[], None);
                }
            }
            _ => self.respond(&message, 501, None),
        }
    }

    fn on_register(&mut self, message: Message) {
        let Some(registrar) = &mut self.phone.registrar else {
            return;
        };
        let contact = message.must("Contact").to_string();
        let asked: u32 = message.must("Expires").parse().expect("seconds");
        registrar.log.push(format!("{contact} {asked}"));
        let (status, extra) = match asked {
            0 => (200, vec![]),
            asked if asked < registrar.least => (423, vec![("Min-Expires", registrar.least.to_string())]),
            asked => {
                let granted = format!("{contact};expires={asked}");
                (
                    200,
                    vec![
                        ("Contact", granted),
                        ("Service-Route", "<sip:edge.carrier.example;lr>".into()),
                    ],
                )
            }
        };
        let status = registrar.refuses.unwrap_or(status);
        if registrar.is_dead {
            return;
        }
        self.respond_with(&message, status, &extra, None);
    }

    fn on_invite(&mut self, message: Message, id: String) {
        if matches!(self.phone.answer, Answer::Dead) {
            return;
        }
        let known = self.lines.get(&id);
        if known.is_some_and(|line| line.invite_branch == message.branch() || line.state != State::Over) {
            return; // a retransmission before our first response
        }
        let line = Line {
            state: State::Ringing,
            is_caller: false,
            call_id: id.clone(),
            local: format!("{};tag=p{}", message.must("To"), self.lines.len()),
            remote: message.must("From").to_string(),
            target: message.contact().expect("an INVITE has a Contact").to_string(),
            cseq: 100,
            sdp_version: 1,
            invite_branch: message.branch(),
            invite: message,
            gave_up: false,
            acts: self.phone.acts.clone(),
            received: Vec::new(),
            responses: Vec::new(),
            acks: Vec::new(),
        };
        self.lines.insert(id.clone(), line);
        self.wishes
            .push(Wish::Wake(self.phone.rings_after, Wake::Ring(id.clone())));
        if let Answer::After(after) | Answer::Refuse(_, after) = self.phone.answer {
            self.wishes.push(Wish::Wake(after, Wake::Answer(id)));
        }
    }

    fn ring(&mut self, id: &str) {
        let line = &self.lines[id];
        if line.state == State::Ringing && !matches!(self.phone.answer, Answer::Refuse(..)) {
            let invite = line.invite.clone();
            if self.phone.has_early_media {
                let body = self.sdp(1, "sendrecv");
                self.respond(&invite, 183, Some(&body));
            } else {
                self.respond(&invite, 180, None);
            }
        }
    }

    fn answer(&mut self, id: &str) {
        let line = self.lines.get_mut(id).expect("a line");
        if line.state != State::Ringing {
            return;
        }
        let invite = line.invite.clone();
        match self.phone.answer {
            Answer::Refuse(status, _) => {
                line.state = State::Over;
                self.respond(&invite, status, None);
            }
            _ => {
                line.state = State::Talking;
                let body = self.sdp(1, "sendrecv");
                self.respond(&invite, 200, Some(&body));
                self.schedule(id);
            }
        }
    }

    fn on_cancel(&mut self, message: Message, branch: String, id: String) {
        self.respond(&message, 200, None);
        let Some(line) = self
            .lines
            .get_mut(&id)
            .filter(|line| line.invite_branch == branch)
        else {
            return;
        };
        line.received.push(message);
        let crosses = self.phone.ignores_cancel && matches!(self.phone.answer, Answer::After(_));
        if line.state == State::Ringing && !crosses {
            line.state = State::Over;
            let invite = line.invite.clone();
            self.respond(&invite, 487, None);
        }
    }

    fn on_ack(&mut self, message: Message) {
        let id = message.must("Call-ID").to_string();
        let cseq = message.cseq();
        for owed in self.owed.values_mut().filter(|owed| owed.line == id) {
            if Message::read(&owed.octets).cseq() == cseq {
                owed.is_acknowledged = true;
            }
        }
        if let Some(line) = self.lines.get_mut(&id) {
            line.acks.push(message);
        }
    }

    fn respond(&mut self, request: &Message, status: u16, body: Option<&str>) {
        self.respond_with(request, status, &[], body);
    }

    fn respond_with(
        &mut self,
        request: &Message,
        status: u16,
        extra: &[(&'static str, String)],
        body: Option<&str>,
    ) {
        let id = request.must("Call-ID");
        let to = request.must("To").to_string();
        let to = match self.lines.get(id) {
            Some(line) if request.tag("To").is_none() && !line.is_caller => line.local.clone(),
            None if request.tag("To").is_none() && !extra.is_empty() => format!("{to};tag=door"),
            _ => to,
        };
        let mut headers: Vec<(&str, String)> =
            request.all("Via").map(|via| ("Via", via.to_string())).collect();
        headers.extend([
            ("From", request.must("From").to_string()),
            ("To", to),
            ("Call-ID", id.to_string()),
            ("CSeq", request.must("CSeq").to_string()),
        ]);
        let method = request.method().to_string();
        if method == "INVITE" && status < 300 {
            headers.push(("Contact", format!("<sip:phone@{}>", self.address)));
        }
        headers.extend_from_slice(extra);
        if method == "INVITE" && status >= 300 {
            headers.extend(self.phone.headers.clone());
        }
        let body = body.map(|body| ("application/sdp", body));
        let octets = wire::write(&format!("SIP/2.0 {status} Said"), &headers, body);
        self.wishes.push(Wish::Send(octets.clone()));
        let branch = request.branch();
        self.answered
            .insert((branch.clone(), method.clone()), octets.clone());
        if method == "INVITE" && status >= 200 {
            let owed = Owed {
                line: id.to_string(),
                octets,
                interval: T1,
                age: T1,
                is_acknowledged: false,
            };
            self.owed.insert(branch.clone(), owed);
            self.wishes.push(Wish::Wake(T1, Wake::Repeat(branch)));
        }
    }

    fn repeat(&mut self, branch: String) {
        let Some(owed) = self.owed.get_mut(&branch).filter(|owed| !owed.is_acknowledged) else {
            return;
        };
        if owed.age >= GIVE_UP {
            // Never acknowledged: the call is over for this phone (RFC 3261 §13.3.1.4).
            if let Some(line) = self.lines.get_mut(&owed.line) {
                line.state = State::Over;
            }
            return;
        }
        self.wishes.push(Wish::Send(owed.octets.clone()));
        owed.interval = (owed.interval * 2).min(T2);
        owed.age += owed.interval;
        self.wishes.push(Wish::Wake(owed.interval, Wake::Repeat(branch)));
    }

    fn sdp(&self, version: u32, direction: &str) -> String {
        wire::sdp(self.address, version, direction).replace("0 8 101", self.phone.formats)
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
