//! All registrations, and what they want next.

use std::collections::VecDeque;
use std::time::Instant;

use aws_lc_rs::hmac;

use crate::sip::Request;
use crate::time::Now;

use super::line::{Line, escaped};
use super::{Config, Input, Output, Register, Ticket};

/// All registrations of the gateway: run by one shard.
///
/// After each [`Registrations::handle`] drain [`Registrations::poll_output`] to `Timeout`. The first `Tick` begins.
pub struct Registrations {
    lines: Vec<Line>,
    outputs: VecDeque<Output>,
    tickets: u64,
    is_stopping: bool,
    /// For pauses that differ from those of other gateways.
    key: hmac::Key,
    draws: u64,
}

impl Registrations {
    /// `name` gives the n-th registration its Call-ID and tag, which it keeps for good (RFC 3261 §10.2).
    pub fn new(
        configs: Vec<Config>,
        seed: &[u8; 32],
        mut name: impl FnMut() -> (String, String),
    ) -> Registrations {
        let line = |config: Config| {
            let (call_id, tag) = name();
            Line::new(config, call_id, tag)
        };
        Registrations {
            lines: configs.into_iter().map(line).collect(),
            outputs: VecDeque::new(),
            tickets: 0,
            is_stopping: false,
            key: hmac::Key::new(hmac::HMAC_SHA256, seed),
            draws: 0,
        }
    }

    pub fn handle(&mut self, input: Input<'_>, now: Now) {
        match input {
            Input::Answered {
                ticket,
                response,
                contact,
            } => self.with(ticket, |line, jitter| {
                line.on_answer(response, contact, jitter, now)
            }),
            Input::Failed { ticket, status } => {
                self.with(ticket, |line, jitter| line.on_failure(status, jitter, now));
            }
            Input::Located { trunk, servers } => {
                let is_it = |line: &Line| line.config.trunk == trunk;
                for index in 0..self.lines.len() {
                    if is_it(&self.lines[index]) && self.lines[index].on_located(&servers) {
                        self.changed(index);
                    }
                }
            }
            Input::Tick => {}
            Input::Stop => self.stop(),
        }
        self.look(now.instant);
    }

    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| {
            let next = self.lines.iter().filter_map(Line::deadline).min();
            Output::Timeout(next)
        })
    }

    fn look(&mut self, now: Instant) {
        for index in 0..self.lines.len() {
            if self.lines[index].expire(now) {
                self.changed(index);
            }
            if !self.is_stopping && self.lines[index].is_due(now) {
                let ticket = self.ticket();
                let request = self.lines[index].ask(ticket);
                self.register(index, ticket, request);
            }
        }
    }

    fn stop(&mut self) {
        self.is_stopping = true;
        for index in 0..self.lines.len() {
            let ticket = self.ticket();
            if let Some(request) = self.lines[index].leave(ticket) {
                self.register(index, ticket, request);
            }
            self.changed(index);
        }
    }

    fn with(&mut self, ticket: Ticket, act: impl FnOnce(&mut Line, u64)) {
        let jitter = self.jitter();
        let Some(index) = self.lines.iter().position(|line| line.owns(ticket)) else {
            return;
        };
        act(&mut self.lines[index], jitter);
        self.changed(index);
    }

    fn register(&mut self, index: usize, ticket: Ticket, request: Request) {
        let line = &self.lines[index];
        let Some((transport, remote)) = line.server() else {
            return;
        };
        self.outputs.push_back(Output::Register(Box::new(Register {
            ticket,
            trunk: line.config.trunk.clone(),
            user: escaped(&line.config.user),
            request,
            transport,
            remote,
        })));
    }

    fn changed(&mut self, index: usize) {
        let state = self.lines[index].state();
        self.outputs.push_back(Output::Changed(Box::new(state)));
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    fn jitter(&mut self) -> u64 {
        self.draws += 1;
        let mut octets = [0; 8];
        octets.copy_from_slice(&hmac::sign(&self.key, &self.draws.to_be_bytes()).as_ref()[..8]);
        u64::from_be_bytes(octets)
    }
}
