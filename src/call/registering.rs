//! REGISTERs of ours on their way: sent through this shard's transactions, their answers handed back.

use std::collections::HashMap;
use std::time::Instant;

use crate::registration::{self, Register, Registrations, Ticket};
use crate::route::Target;
use crate::sip::{ClientTxn, Flow, Message, Transport, Uri};

use super::desk::Desk;
use super::engine::Engine;
use super::leg::Hop;
use super::{Output, Role, carriers};

pub(crate) struct Registering {
    pub(super) lines: Registrations,
    under_way: HashMap<ClientTxn, UnderWay>,
}

struct UnderWay {
    ticket: Ticket,
    /// The URI it registers.
    contact: String,
}

impl Registering {
    pub(super) fn new(lines: Registrations) -> Registering {
        Registering {
            lines,
            under_way: HashMap::new(),
        }
    }

    pub(super) fn owns(&self, txn: ClientTxn) -> bool {
        self.under_way.contains_key(&txn)
    }
}

impl Engine {
    /// The final response to a REGISTER of ours. (A challenge that could be answered does not come here.)
    pub(super) fn on_registered(&mut self, txn: ClientTxn, response: &Message) {
        if response.status().is_none_or(|status| status < 200) {
            return;
        }
        let Some(UnderWay { ticket, contact }) = self.registering.under_way.remove(&txn) else {
            return;
        };
        let input = registration::Input::Answered {
            ticket,
            response,
            contact: &contact,
        };
        let now = self.desk.now();
        self.registering.lines.handle(input, now);
    }

    pub(super) fn on_register_failed(&mut self, txn: ClientTxn, status: u16) {
        if let Some(UnderWay { ticket, .. }) = self.registering.under_way.remove(&txn) {
            let now = self.desk.now();
            self.registering
                .lines
                .handle(registration::Input::Failed { ticket, status }, now);
        }
    }

    /// Carries out what the registrations want; when they want to be looked at again, and whether there was anything.
    pub(super) fn pump_registrations(&mut self) -> (Option<Instant>, bool) {
        let mut was_busy = false;
        loop {
            match self.registering.lines.poll_output() {
                registration::Output::Register(register) => self.send_register(*register),
                registration::Output::Changed(state) => {
                    self.desk.set_service_route(&state.trunk, &state.service_route);
                    self.desk.say(Output::Registration(state));
                }
                registration::Output::Timeout(at) => return (at, was_busy),
            }
            was_busy = true;
        }
    }

    /// News of where a carrier's registrar is.
    pub(super) fn locate_registrars(&mut self, target: &Target) {
        let now = self.desk.now();
        let Desk {
            routes,
            random,
            config,
            ..
        } = &mut self.desk;
        for (known, trunk, role) in carriers(&config.trunks) {
            if role == Role::Registrar && known == *target {
                let servers = routes.known(target, |below| random.u64() % below);
                let servers = servers.into_iter().map(|way| (way.transport, way.address));
                let input = registration::Input::Located {
                    trunk: &config.trunks[trunk].name,
                    servers: servers.collect(),
                };
                self.registering.lines.handle(input, now);
            }
        }
    }

    fn send_register(&mut self, register: Register) {
        let Register {
            ticket,
            trunk,
            user,
            request,
            transport,
            remote,
        } = register;
        let desk = &mut self.desk;
        let Ok(listener) = desk.listener_towards(transport, remote) else {
            let now = desk.now();
            let input = registration::Input::Failed { ticket, status: 503 };
            return self.registering.lines.handle(input, now);
        };
        let flow = Flow {
            transport,
            local: listener.bound,
            remote,
            connection: None,
            peer: Uri::parse(&request.uri).ok().and_then(|uri| desk.peer_name(&uri)),
        };
        let suffix = match transport {
            Transport::Udp => String::new(),
            other => format!(";transport={other}"),
        };
        let contact = format!("sip:{user}@{}{suffix}", listener.advertised);
        let mut trunks = desk.config.trunks.iter();
        let login = trunks
            .find(|known| known.name == trunk)
            .and_then(|known| desk.logins.of_trunk(known));
        let hop = Hop::new(flow, listener, false).with_login(login);
        let request = request.header("Contact", format!("<{contact}>"));
        let txn = desk.request(request, flow, &hop);
        self.registering
            .under_way
            .insert(txn, UnderWay { ticket, contact });
    }
}
