//! Server side: requests from outside, their answers, CANCEL and ACK.

use std::collections::HashMap;
use std::sync::Arc;

use super::stateless::reply_flow;
use super::{Endpoint, NewCalls, ServerTxn, SipEvent, TimerKeys, forget, key, start_timer, stop_timer};
use crate::sip::builder::Response;
use crate::sip::message::Message;
use crate::sip::method::Method;
use crate::sip::name_addr::tag_of;
use crate::sip::reliable::{Provisionals, RELIABLE, rack};
use crate::sip::transaction::server_invite::InviteServer;
use crate::sip::transaction::server_other::OtherServer;
use crate::sip::transaction::timers::Owner;
use crate::sip::transaction::{Slot, Step, Timer};
use crate::sip::via::{self, Via};
use crate::sip::{Flow, print};
use crate::time::Now;

/// The server transactions and what finds them.
pub(super) struct Servers {
    live: key::ByNumber<Server>,
    /// How many may live, and how many of these only in-dialog requests may take.
    capacity: usize,
    reserved: usize,
    /// By branch, sent-by and method.
    by_key: HashMap<Arc<str>, u64>,
    /// By what a merged request has in common.
    by_merged: HashMap<Arc<str>, u64>,
    /// INVITEs answered 2xx, by what their ACK carries.
    by_dialog: HashMap<Arc<str>, u64>,
}

struct Server {
    machine: Machine,
    /// Where answers go.
    flow: Flow,
    /// The first Via line as answers carry it.
    top_via: String,
    key: Arc<str>,
    merged: Option<Arc<str>>,
    dialog: Option<Arc<str>>,
    /// Of the request, for the key of the ACK.
    call_id: Box<str>,
    from_tag: Box<str>,
    cseq_number: u32,
    /// The To tag of the first response that had one.
    local_tag: Option<String>,
    /// Reliable 1xx, once there was one.
    provisionals: Option<Box<Provisionals>>,
    timers: TimerKeys,
}

enum Machine {
    Invite(InviteServer),
    Other(OtherServer),
}

impl Servers {
    pub(super) fn new(capacity: usize, reserved: usize) -> Servers {
        Servers {
            live: key::ByNumber::default(),
            capacity,
            reserved,
            by_key: HashMap::new(),
            by_merged: HashMap::new(),
            by_dialog: HashMap::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    #[cfg(test)]
    pub(super) fn index_entries(&self) -> usize {
        self.by_key.len() + self.by_merged.len() + self.by_dialog.len()
    }

    fn is_full_for(&self, is_in_dialog: bool) -> bool {
        let reserved = match is_in_dialog {
            true => 0,
            false => self.reserved,
        };
        self.live.len() >= self.capacity - reserved
    }
}

impl Endpoint {
    pub(super) fn handle_request(&mut self, flow: Flow, request: Message, new_calls: NewCalls<'_>, now: Now) {
        let via_line = request.via_line().into_owned();
        let Ok(via) = Via::parse(&via_line) else {
            return;
        };
        let method = request.method_ref();
        if *method == Method::Ack {
            let key = key::server(&request, &via_line, &via, &Method::Invite);
            return self.handle_ack(request, &key, now);
        }
        let key = key::server(&request, &via_line, &via, method);
        if let Some(&id) = self.servers.by_key.get(&key) {
            return self.handle_repeated(id, now);
        }
        if *method == Method::Cancel {
            let invite = key::server(&request, &via_line, &via, &Method::Invite);
            return self.handle_cancel(flow, request, key, &invite, now);
        }
        let merged = key::merged(&request);
        if merged
            .as_ref()
            .is_some_and(|merged| self.servers.by_merged.contains_key(merged))
        {
            self.counts.merged += 1;
            if self.servers.is_full_for(request.to_tag().is_some()) {
                return self.refuse(flow, &request, 482, "Loop Detected");
            }
            // With a transaction: repeated when the first copy is forgotten, it must not become a call after all.
            let id = self.start_server(flow, &request, key, None, now);
            self.send_response(id, Response::new(&request, 482, "Loop Detected"), now);
            return;
        }
        if self.servers.is_full_for(request.to_tag().is_some()) {
            self.counts.overloaded += 1;
            return self.refuse(flow, &request, 503, "Service Unavailable");
        }
        let is_new_call = *request.method_ref() == Method::Invite && request.to_tag().is_none();
        if let Some(response) = is_new_call.then(|| new_calls(&request)).flatten() {
            self.counts.refused += 1;
            return self.refuse_with(flow, &request, response);
        }
        let id = self.start_server(flow, &request, key, merged, now);
        if *request.method_ref() == Method::Invite {
            self.send_response(id, Response::new(&request, 100, "Trying"), now);
        }
        self.tell(SipEvent::Request {
            txn: ServerTxn(id),
            request,
            flow,
        });
    }

    /// Whether a request is a repeated one, or an ACK or CANCEL to one that lives.
    pub(super) fn has_server(&self, request: &Message) -> bool {
        let via_line = request.via_line();
        let Ok(via) = Via::parse(&via_line) else {
            return false;
        };
        let method = request.method_ref();
        let has = |method: &Method| {
            let key = key::server(request, &via_line, &via, method);
            self.servers.by_key.contains_key(&key)
        };
        match method {
            Method::Ack => {
                let dialog = key::acknowledged(request);
                has(&Method::Invite) || self.servers.by_dialog.contains_key(&dialog)
            }
            Method::Cancel => has(&Method::Cancel) || has(&Method::Invite),
            method => has(method),
        }
    }

    /// The owner's answer, or ours, through the machine.
    pub(super) fn send_response(&mut self, id: u64, mut response: Response, now: Now) -> bool {
        if !(100..=699).contains(&response.status) {
            return false;
        }
        let Some(server) = self.servers.live.get_mut(&id) else {
            return false;
        };
        if response.status > 100 {
            let tag = match &server.local_tag {
                Some(tag) => tag.clone(),
                None => self.random.token(),
            };
            response = response.to_tag(&tag);
            if server.local_tag.is_none() {
                server.local_tag = response.header_value("To").and_then(tag_of).map(str::to_string);
            }
        }
        let status = response.status;
        let is_reliable = (101..200).contains(&status)
            && matches!(server.machine, Machine::Invite(_))
            && response.header_value("Require") == Some(RELIABLE);
        if is_reliable && server.provisionals.is_none() {
            let first = self.random.number();
            server.provisionals = Some(Box::new(Provisionals::new(first)));
        }
        if let Some(provisionals) = &mut server.provisionals {
            let may_go = match status {
                ..200 if is_reliable => provisionals.number(response),
                200..300 => provisionals.hold(response),
                300.. => {
                    provisionals.forget_waiting();
                    Some(response)
                }
                _ => Some(response),
            };
            let Some(numbered) = may_go else {
                return true;
            };
            response = numbered;
        }
        let octets = print::response(&response, Some(&server.top_via), &self.product);
        let mut steps = std::mem::take(&mut self.steps);
        let is_sent = match &mut server.machine {
            Machine::Invite(machine) if is_reliable => machine.on_reliable(octets, &mut steps),
            Machine::Invite(machine) => machine.on_response(status, octets, &mut steps),
            Machine::Other(machine) => machine.on_response(status, octets, &mut steps),
        };
        if is_sent && (200..300).contains(&status) && matches!(server.machine, Machine::Invite(_)) {
            let local_tag = response.header_value("To").and_then(tag_of).unwrap_or_default();
            let key = key::dialog(&server.call_id, &server.from_tag, local_tag, server.cseq_number);
            server.dialog = Some(key.clone());
            self.servers.by_dialog.insert(key, id);
        }
        self.carry_out_server(id, steps, now);
        is_sent
    }

    /// The INVITE outside a dialog that a PRACK speaks of.
    pub(super) fn find_pracked(&self, prack: &Message) -> Option<u64> {
        let cseq = rack(prack)?.1;
        let key = key::new_invite(prack.call_id(), &prack.sender_tag()?, cseq);
        self.servers.by_merged.get(&key).copied()
    }

    /// A PRACK for the INVITE of transaction `id`.
    pub(super) fn on_prack(&mut self, id: u64, prack: &Message, now: Now) -> bool {
        let Some(server) = self.servers.live.get_mut(&id) else {
            return false;
        };
        let is_of_dialog =
            prack.call_id() == &*server.call_id && prack.sender_tag().unwrap_or_default() == *server.from_tag;
        let (Machine::Invite(machine), Some(provisionals), true) =
            (&mut server.machine, &mut server.provisionals, is_of_dialog)
        else {
            return false;
        };
        if !provisionals.on_prack(prack, server.cseq_number) {
            return false;
        }
        let mut steps = std::mem::take(&mut self.steps);
        machine.on_prack(&mut steps);
        self.carry_out_server(id, steps, now);
        true
    }

    pub(super) fn has_waiting_answer(&self, id: u64) -> bool {
        let waiting = self
            .servers
            .live
            .get(&id)
            .and_then(|server| server.provisionals.as_ref());
        waiting.is_some_and(|waiting| waiting.holds_answer())
    }

    pub(super) fn release_waiting(&mut self, id: u64, now: Now) {
        let server = self.servers.live.get_mut(&id);
        let waiting = server.and_then(|server| server.provisionals.as_mut());
        for response in waiting.map(|waiting| waiting.released()).unwrap_or_default() {
            self.send_response(id, response, now);
        }
    }

    pub(super) fn on_server_timer(&mut self, id: u64, timer: Timer, now: Now) {
        let Some(server) = self.servers.live.get_mut(&id) else {
            return;
        };
        server.timers[timer.slot() as usize] = None;
        let mut steps = std::mem::take(&mut self.steps);
        match &mut server.machine {
            Machine::Invite(machine) => machine.on_timer(timer, &mut steps),
            Machine::Other(machine) => machine.on_timer(timer, &mut steps),
        }
        self.carry_out_server(id, steps, now);
    }

    fn start_server(
        &mut self,
        flow: Flow,
        request: &Message,
        key: Arc<str>,
        merged: Option<Arc<str>>,
        now: Now,
    ) -> u64 {
        let id = self.next_id();
        let is_reliable = flow.transport.is_reliable();
        let via_line = request.via_line();
        let mut steps = std::mem::take(&mut self.steps);
        let machine = match request.method_ref() {
            Method::Invite => Machine::Invite(InviteServer::new(is_reliable)),
            _ => Machine::Other(OtherServer::new(is_reliable, &mut steps)),
        };
        let server = Server {
            machine,
            flow: reply_flow(flow, &via_line),
            top_via: via::amend(&via_line, flow.remote),
            key: key.clone(),
            merged: merged.clone(),
            dialog: None,
            call_id: request.call_id().into(),
            from_tag: request.sender_tag().unwrap_or_default().into(),
            cseq_number: request.cseq_number(),
            local_tag: request.to_tag().map(|tag| tag.into_owned()),
            provisionals: None,
            timers: TimerKeys::default(),
        };
        self.servers.live.insert(id, server);
        self.servers.by_key.insert(key, id);
        if let Some(merged) = merged {
            self.servers.by_merged.insert(merged, id);
        }
        self.carry_out_server(id, steps, now);
        id
    }

    fn handle_repeated(&mut self, id: u64, now: Now) {
        let Some(server) = self.servers.live.get_mut(&id) else {
            return;
        };
        let mut steps = std::mem::take(&mut self.steps);
        match &mut server.machine {
            Machine::Invite(machine) => machine.on_invite(&mut steps),
            Machine::Other(machine) => machine.on_request(&mut steps),
        }
        self.carry_out_server(id, steps, now);
    }

    /// RFC 3261 §9.2. The CANCEL gets a server transaction of its own, so that its repetition is
    /// answered the same way even when the INVITE has ended meanwhile.
    fn handle_cancel(&mut self, flow: Flow, request: Message, key: Arc<str>, invite: &str, now: Now) {
        let invite_id = self.servers.by_key.get(invite).copied();
        let mut is_cancelled = false;
        let mut local_tag = None;
        if let Some(server) = invite_id.and_then(|id| self.servers.live.get_mut(&id)) {
            local_tag = server.local_tag.clone();
            if let Machine::Invite(machine) = &mut server.machine {
                is_cancelled = machine.on_cancel();
            }
        }
        let (status, reason) = match invite_id {
            Some(_) => (200, "OK"),
            None => (481, "Call/Transaction Does Not Exist"),
        };
        // Full, or a CANCEL for nothing while little room is left: the answer is the same without state.
        if self.servers.is_full_for(invite_id.is_some()) {
            self.refuse(flow, &request, status, reason);
        } else {
            let mut response = Response::new(&request, status, reason);
            if let Some(tag) = local_tag {
                response = response.to_tag(&tag);
            }
            let id = self.start_server(flow, &request, key, None, now);
            self.send_response(id, response, now);
        }
        if let (true, Some(id)) = (is_cancelled, invite_id) {
            self.tell(SipEvent::Cancelled {
                txn: ServerTxn(id),
                reason: request.header("Reason").map(|reason| reason.into_owned()),
            });
        }
    }

    fn handle_ack(&mut self, ack: Message, key: &str, now: Now) {
        // An ACK to a 3xx-6xx carries the branch of its INVITE.
        if let Some(&id) = self.servers.by_key.get(key)
            && let Some(server) = self.servers.live.get_mut(&id)
            && let Machine::Invite(machine) = &mut server.machine
            && server.dialog.is_none()
        {
            let mut steps = std::mem::take(&mut self.steps);
            machine.on_ack(&mut steps);
            return self.carry_out_server(id, steps, now);
        }
        let dialog = key::acknowledged(&ack);
        let Some(&id) = self.servers.by_dialog.get(&dialog) else {
            self.counts.unmatched += 1;
            return;
        };
        let Some(server) = self.servers.live.get_mut(&id) else {
            return;
        };
        let mut steps = std::mem::take(&mut self.steps);
        let is_first = match &mut server.machine {
            Machine::Invite(machine) => machine.on_ack_to_2xx(&mut steps),
            Machine::Other(_) => false,
        };
        self.carry_out_server(id, steps, now);
        if is_first {
            self.tell(SipEvent::Ack {
                txn: ServerTxn(id),
                ack,
            });
        }
    }

    fn carry_out_server(&mut self, id: u64, mut steps: Vec<Step>, now: Now) {
        for step in steps.drain(..) {
            let Some(server) = self.servers.live.get_mut(&id) else {
                break;
            };
            match step {
                Step::Send(octets) => {
                    let flow = server.flow;
                    self.transmit(flow, octets);
                }
                Step::Start(timer, after) => {
                    let owner = Owner::Server(id);
                    start_timer(&mut self.timers, &mut server.timers, owner, (timer, after), now);
                }
                Step::Stop(slot) => stop_timer(&mut self.timers, &mut server.timers, slot),
                Step::AckMissing => self.tell(SipEvent::AckMissing { txn: ServerTxn(id) }),
                Step::PrackMissing => self.tell(SipEvent::PrackMissing { txn: ServerTxn(id) }),
                Step::Finish => self.remove_server(id),
                Step::SendOn(..) | Step::SendCancel(_) | Step::TimedOut => {
                    debug_assert!(false, "a server machine gave a client's step");
                }
            }
        }
        self.steps = steps;
    }

    fn remove_server(&mut self, id: u64) {
        let Some(mut server) = self.servers.live.remove(&id) else {
            return;
        };
        for slot in [Slot::Again, Slot::End] {
            stop_timer(&mut self.timers, &mut server.timers, slot);
        }
        forget(&mut self.servers.by_key, &server.key, id);
        if let Some(merged) = &server.merged {
            forget(&mut self.servers.by_merged, merged, id);
        }
        if let Some(dialog) = &server.dialog {
            forget(&mut self.servers.by_dialog, dialog, id);
        }
    }
}
