//! Client side: requests of ours, their responses, CANCEL and ACK.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::key::ByNumber;
use super::large::{self, Fallback};
use super::{ClientTxn, Endpoint, SipEvent, TimerKeys, forget, start_timer, stop_timer};
use crate::sip::builder::{Request, value_of};
use crate::sip::header_name::is_same;
use crate::sip::message::Message;
use crate::sip::method::Method;
use crate::sip::name_addr::tag_of;
use crate::sip::transaction::client_invite::InviteClient;
use crate::sip::transaction::client_other::OtherClient;
use crate::sip::transaction::timers::Owner;
use crate::sip::transaction::{Failure, Slot, Step, Timer};
use crate::sip::via::{COOKIE, Via};
use crate::sip::{Flow, TransportFault, limits, print};
use crate::time::Now;

/// The client transactions and what finds them.
#[derive(Default)]
pub(super) struct Clients {
    live: ByNumber<Client>,
    /// By branch and method (a CANCEL has the branch of its INVITE).
    by_key: HashMap<Arc<str>, u64>,
    /// By peer, for transport errors: an ICMP storm must not walk the whole table each time.
    by_remote: BTreeSet<(SocketAddr, u64)>,
    /// By TCP connection, for the same: a request may go over a connection that has another peer address than its own
    /// (the peer opened it from a port of the system's choice).
    by_connection: BTreeSet<(u64, u64)>,
    /// A request that was sent once more goes by the name of the first time: the newest transaction by its name, and
    /// the names of these.
    newest: HashMap<u64, u64>,
    names: HashMap<u64, u64>,
}

struct Client {
    machine: Machine,
    flow: Flow,
    /// When it went out: a connection that was given up before carried nothing of it.
    sent: Instant,
    key: Arc<str>,
    /// A CANCEL of our own making: its owner is this endpoint.
    is_shown: bool,
    timers: TimerKeys,
    /// Until something was heard of it: how else it could be sent.
    fallback: Option<Box<Fallback>>,
}

enum Machine {
    Invite(InviteClient, Box<SentInvite>),
    Other(OtherClient),
}

/// What ACK and CANCEL repeat of the INVITE (RFC 3261 §17.1.1.3, §9.1).
struct SentInvite {
    uri: String,
    via: String,
    branch: String,
    /// From, Call-ID, Max-Forwards and Route.
    headers: Vec<(String, String)>,
    /// What the ACK to a 2xx repeats besides (RFC 3261 §13.2.2.4).
    credentials: Vec<(String, String)>,
    to: String,
    cseq_number: String,
}

impl Clients {
    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    #[cfg(test)]
    pub(super) fn index_entries(&self) -> usize {
        self.by_key.len()
            + self.by_remote.len()
            + self.by_connection.len()
            + self.newest.len()
            + self.names.len()
    }

    /// What the owner calls this transaction.
    fn name(&self, id: u64) -> ClientTxn {
        ClientTxn(self.names.get(&id).copied().unwrap_or(id))
    }

    /// The transaction that the owner means.
    fn meant(&self, name: u64) -> u64 {
        self.newest.get(&name).copied().unwrap_or(name)
    }
}

impl Endpoint {
    pub(super) fn start_client(
        &mut self,
        mut request: Request,
        flow: Flow,
        sent_by: &str,
        now: Now,
    ) -> ClientTxn {
        let id = self.next_id();
        let txn = ClientTxn(id);
        let (via, branch) = self.fresh_via(flow, sent_by);
        if value_of(&request.headers, "Call-ID").is_none() {
            let call_id = self.random.token();
            request = request.header("Call-ID", call_id);
        }
        let octets = print::request(&request, &via, &self.product);
        if request.method == Method::Ack {
            self.transmit(flow, octets);
            return txn;
        }
        if self.clients.live.len() >= limits::CLIENT_TRANSACTIONS_MAX {
            let fault = TransportFault::Overload;
            self.tell(SipEvent::TransportFailed { txn, fault });
            return txn;
        }
        let is_reliable = flow.transport.is_reliable();
        let key = key(&branch, &request.method);
        let mut steps = std::mem::take(&mut self.steps);
        let machine = match request.method {
            Method::Invite => Machine::Invite(
                InviteClient::new(octets, is_reliable, &mut steps),
                Box::new(SentInvite::new(request, via, branch.clone())),
            ),
            _ => Machine::Other(OtherClient::new(octets, is_reliable, &mut steps)),
        };
        self.insert_client(id, machine, flow, key, true, now);
        self.carry_out_client(id, steps, now);
        txn
    }

    pub(super) fn repeat_client(
        &mut self,
        name: u64,
        request: Request,
        flow: Flow,
        sent_by: &str,
        now: Now,
    ) -> bool {
        if self.clients.live.len() >= limits::CLIENT_TRANSACTIONS_MAX || request.method == Method::Ack {
            return false;
        }
        let id = self.start_client(request, flow, sent_by, now).0;
        self.clients.newest.insert(name, id);
        self.clients.names.insert(id, name);
        true
    }

    pub(super) fn keep_fallback(&mut self, txn: ClientTxn, fallback: Fallback) {
        if let Some(client) = self.clients.live.get_mut(&txn.0) {
            client.fallback = Some(Box::new(fallback));
        }
    }

    pub(super) fn has_client(&self, response: &Message) -> bool {
        self.find_client(response).is_some()
    }

    pub(super) fn cancel_client(&mut self, name: u64, reason: Option<&str>, now: Now) {
        let id = self.clients.meant(name);
        let Some(client) = self.clients.live.get_mut(&id) else {
            return;
        };
        let Machine::Invite(machine, _) = &mut client.machine else {
            return;
        };
        // Nobody wants it any more: should it not get through, it is over.
        client.fallback = None;
        let mut steps = std::mem::take(&mut self.steps);
        machine.on_cancel(reason.map(str::to_string), &mut steps);
        self.carry_out_client(id, steps, now);
    }

    pub(super) fn send_ack(&mut self, name: u64, mut ack: Request, flow: Flow, sent_by: &str) {
        let id = self.clients.meant(name);
        let (via, _) = self.fresh_via(flow, sent_by);
        if let Some(client) = self.clients.live.get(&id)
            && let Machine::Invite(_, sent) = &client.machine
        {
            ack.headers.extend(sent.credentials.iter().cloned());
        }
        let octets = print::request(&ack, &via, &self.product);
        if let Some(client) = self.clients.live.get_mut(&id)
            && let Machine::Invite(machine, _) = &mut client.machine
        {
            let to_tag = ack.header_value("To").and_then(tag_of).unwrap_or_default();
            machine.on_acknowledged(to_tag, flow, octets.clone());
        }
        self.transmit(flow, octets);
    }

    pub(super) fn handle_response(&mut self, response: Message, now: Now) {
        let Some((id, status)) = self.find_client(&response) else {
            self.counts.unmatched += 1;
            return;
        };
        let Some(client) = self.clients.live.get_mut(&id) else {
            return;
        };
        client.fallback = None;
        let mut steps = std::mem::take(&mut self.steps);
        let is_news = match &mut client.machine {
            Machine::Other(machine) => machine.on_response(status, &mut steps),
            Machine::Invite(machine, sent) => {
                let to = response.raw_to();
                let make_ack = || print::request(&sent.ack(&to), &sent.via, &self.product);
                let to_tag = response.to_tag().unwrap_or_default();
                machine.on_response(status, &to_tag, make_ack, &mut steps)
            }
        };
        // Show first: what the steps cause (a held CANCEL) comes after the response that caused it.
        let is_shown = is_news && client.is_shown;
        if is_shown {
            let txn = self.clients.name(id);
            self.tell(SipEvent::Response { txn, response });
        }
        self.carry_out_client(id, steps, now);
    }

    /// RFC 3261 §18.4: the client transactions on that flow fail, but for those that went out after `at`.
    pub(super) fn handle_transport_error(
        &mut self,
        flow: Flow,
        fault: TransportFault,
        at: Instant,
        now: Now,
    ) {
        // One that could not be opened never had a number.
        let was_up = flow.transport.is_reliable() && flow.connection.is_some();
        if let (true, Some(connection)) = (was_up, flow.connection) {
            self.gone.add(connection);
        }
        let (first, last) = ((flow.remote, 0), (flow.remote, u64::MAX));
        let on_connection = flow
            .connection
            .map(|connection| (connection, 0)..=(connection, u64::MAX));
        let ids: BTreeSet<u64> = on_connection
            .into_iter()
            .flat_map(|range| self.clients.by_connection.range(range))
            .map(|&(_, id)| id)
            .chain(self.clients.by_remote.range(first..=last).map(|&(_, id)| id))
            .collect();
        for id in ids {
            let Some(client) = self.clients.live.get_mut(&id) else {
                continue;
            };
            if !self.gone.is_same_way(client.flow, flow) || client.sent > at {
                continue;
            }
            let fallback = client
                .fallback
                .take()
                .filter(|_| !was_up && large::is_unseen(fault));
            let mut steps = std::mem::take(&mut self.steps);
            let failure = match &mut client.machine {
                Machine::Invite(machine, _) => machine.on_transport_error(was_up, &mut steps),
                Machine::Other(machine) => machine.on_transport_error(was_up, &mut steps),
            };
            if failure == Failure::Again {
                if let Some(gone) = client.flow.connection.take() {
                    self.clients.by_connection.remove(&(gone, id));
                }
                client.sent = now.instant;
            }
            let is_shown = client.is_shown;
            let txn = self.clients.name(id);
            self.carry_out_client(id, steps, now);
            if failure == Failure::Lost {
                self.tell(SipEvent::ConnectionLost { txn, fault });
            }
            let is_waiting = failure == Failure::Over;
            let is_sent_otherwise = is_waiting
                && fallback.is_some_and(|fallback| self.fall_back(txn, flow.remote, *fallback, now));
            if is_waiting && is_shown && !is_sent_otherwise {
                self.tell(SipEvent::TransportFailed { txn, fault });
            }
        }
    }

    pub(super) fn on_client_timer(&mut self, id: u64, timer: Timer, now: Now) {
        let Some(client) = self.clients.live.get_mut(&id) else {
            return;
        };
        client.timers[timer.slot() as usize] = None;
        let mut steps = std::mem::take(&mut self.steps);
        match &mut client.machine {
            Machine::Invite(machine, _) => machine.on_timer(timer, &mut steps),
            Machine::Other(machine) => machine.on_timer(timer, &mut steps),
        }
        self.carry_out_client(id, steps, now);
    }

    /// The transaction of a response, by the branch of its top Via and the method of its CSeq (RFC 3261 §17.1.3).
    fn find_client(&self, response: &Message) -> Option<(u64, u16)> {
        let via_line = response.via_line();
        let branch = Via::parse(&via_line).ok()?.unique_branch()?;
        let id = *self.clients.by_key.get(&*key(branch, response.method_ref()))?;
        Some((id, response.status()?))
    }

    /// The newest Via is ours, or of somebody who sent the request on: only those below the first are looked at, and
    /// few of them, as a loop through proxies is short.
    pub(super) fn find_own_invite(&self, request: &Message) -> Option<ClientTxn> {
        let vias = request.header_values("Via");
        vias.iter()
            .skip(1)
            .take(limits::LOOP_VIAS_MAX)
            .filter_map(|line| Via::parse(line).ok())
            .filter_map(|via| {
                self.clients
                    .by_key
                    .get(&*key(via.unique_branch()?, &Method::Invite))
            })
            .next()
            .map(|&id| self.clients.name(id))
    }

    /// RFC 3261 §9.1: the CANCEL is a transaction beside its INVITE, with the same branch.
    fn send_cancel(&mut self, id: u64, reason: Option<String>, now: Now) {
        let Some(client) = self.clients.live.get(&id) else {
            return;
        };
        let Machine::Invite(_, sent) = &client.machine else {
            return;
        };
        let flow = client.flow;
        let mut cancel = sent.repeat(Method::Cancel, &sent.to);
        if let Some(reason) = reason {
            cancel = cancel.header("Reason", reason);
        }
        let key = key(&sent.branch, &Method::Cancel);
        let octets = print::request(&cancel, &sent.via, &self.product);
        // Not bounded by the table: there is one CANCEL at most per INVITE in it.
        let cancel_id = self.next_id();
        let mut steps = Vec::new();
        let machine = OtherClient::new(octets, flow.transport.is_reliable(), &mut steps);
        self.insert_client(cancel_id, Machine::Other(machine), flow, key, false, now);
        self.carry_out_client(cancel_id, steps, now);
    }

    fn insert_client(
        &mut self,
        id: u64,
        machine: Machine,
        flow: Flow,
        key: Arc<str>,
        is_shown: bool,
        now: Now,
    ) {
        self.clients.by_key.insert(key.clone(), id);
        self.clients.by_remote.insert((flow.remote, id));
        if let Some(connection) = flow.connection {
            self.clients.by_connection.insert((connection, id));
        }
        let client = Client {
            machine,
            flow,
            sent: now.instant,
            key,
            is_shown,
            timers: TimerKeys::default(),
            fallback: None,
        };
        self.clients.live.insert(id, client);
    }

    fn carry_out_client(&mut self, id: u64, mut steps: Vec<Step>, now: Now) {
        for step in steps.drain(..) {
            let Some(client) = self.clients.live.get_mut(&id) else {
                break;
            };
            match step {
                Step::Send(octets) => {
                    let flow = client.flow;
                    self.transmit(flow, octets);
                }
                Step::SendOn(flow, octets) => self.transmit(flow, octets),
                Step::Start(timer, after) => {
                    let owner = Owner::Client(id);
                    start_timer(&mut self.timers, &mut client.timers, owner, (timer, after), now);
                }
                Step::Stop(slot) => stop_timer(&mut self.timers, &mut client.timers, slot),
                Step::SendCancel(reason) => self.send_cancel(id, reason, now),
                Step::TimedOut if client.is_shown => {
                    let txn = self.clients.name(id);
                    self.tell(SipEvent::TimedOut { txn });
                }
                Step::TimedOut => {}
                Step::Finish => self.remove_client(id),
                Step::AckMissing | Step::PrackMissing => {
                    debug_assert!(false, "a client machine gave a server's step")
                }
            }
        }
        self.steps = steps;
    }

    fn remove_client(&mut self, id: u64) {
        let Some(mut client) = self.clients.live.remove(&id) else {
            return;
        };
        for slot in [Slot::Again, Slot::End] {
            stop_timer(&mut self.timers, &mut client.timers, slot);
        }
        if let Some(name) = self.clients.names.remove(&id)
            && self.clients.newest.get(&name) == Some(&id)
        {
            self.clients.newest.remove(&name);
        }
        forget(&mut self.clients.by_key, &client.key, id);
        self.clients.by_remote.remove(&(client.flow.remote, id));
        if let Some(connection) = client.flow.connection {
            self.clients.by_connection.remove(&(connection, id));
        }
    }

    /// A Via value with a branch nobody can guess, and that branch.
    fn fresh_via(&mut self, flow: Flow, sent_by: &str) -> (String, String) {
        let branch = [COOKIE, &self.random.token()].concat();
        let transport = flow.transport.via_name();
        let via = ["SIP/2.0/", transport, " ", sent_by, ";branch=", &branch, ";rport"].concat();
        (via, branch)
    }
}

impl SentInvite {
    fn new(invite: Request, via: String, branch: String) -> SentInvite {
        let cseq = invite.header_value("CSeq").unwrap_or("1 INVITE");
        let cseq_number = cseq.split_ascii_whitespace().next().unwrap_or("1").to_string();
        let mut sent = SentInvite {
            uri: invite.uri,
            via,
            branch,
            headers: Vec::with_capacity(4),
            credentials: Vec::new(),
            to: String::new(),
            cseq_number,
        };
        let is_one_of = |name: &str, names: &[&str]| names.iter().any(|known| is_same(known, name));
        for (name, value) in invite.headers {
            if is_one_of(&name, &["From", "Call-ID", "Max-Forwards", "Route"]) {
                sent.headers.push((name, value));
            } else if is_one_of(&name, &["Authorization", "Proxy-Authorization"]) {
                sent.credentials.push((name, value));
            } else if sent.to.is_empty() && is_same(&name, "To") {
                sent.to = value;
            }
        }
        sent
    }

    /// RFC 3261 §17.1.1.3: the To of the response, everything else of the INVITE.
    fn ack(&self, to: &str) -> Request {
        self.repeat(Method::Ack, to)
    }

    fn repeat(&self, method: Method, to: &str) -> Request {
        let cseq = format!("{} {method}", self.cseq_number);
        let mut request = Request::new(method, self.uri.clone());
        request.headers = self.headers.clone();
        request.header("To", to).header("CSeq", cseq)
    }
}

fn key(branch: &str, method: &Method) -> Arc<str> {
    [branch, "\n", method.as_str()].concat().into()
}
