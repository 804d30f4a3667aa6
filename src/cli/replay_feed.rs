//! What the engine of a replay is fed, and what it wants done: helpers that answer at once, media without sockets.

use std::net::SocketAddr;
use std::sync::Arc;

use super::super::replay_messages as messages;
use super::{Pending, Player, TOKEN_WINDOW_MS, Told, no_sockets, phone};
use crate::call::{CallRecord, Input, Output};
use crate::identity::{FetchFailure, Fetched, FetchedBody};
use crate::media::{Session, Talk};
use crate::screening::HistoryFacts;
use crate::sip::{Message, Method};

impl Player {
    /// One mutation and all that follows from it.
    pub(super) fn feed(&mut self, input: Input<'_>) {
        let now = self.now();
        self.engine.handle(input, now);
        self.drain();
        self.settle();
    }

    pub(super) fn settle(&mut self) {
        let now = self.now();
        while let Some(pending) = self.pending.pop_front() {
            let input = match pending {
                Pending::Sip(remote, octets) => {
                    self.feed_sip(remote, &octets);
                    continue;
                }
                Pending::Opened(call) => Input::MediaOpened {
                    call,
                    a: 20_000,
                    b: 20_002,
                },
                Pending::Closed(call, statistics) => Input::MediaClosed { call, statistics },
                Pending::Known(call, history, is_reused) => Input::Known {
                    call,
                    history,
                    is_reused: Some(is_reused),
                },
                Pending::Reused(call) => Input::Reused { call },
                Pending::Talk(call, talk) => Input::Talk { call, talk },
                Pending::Fetched(url) => {
                    let pem = self.certificates.get(&url).cloned();
                    let result = pem
                        .map(|pem| FetchedBody { pem, max_age: None })
                        .ok_or(FetchFailure::Unreachable);
                    Input::Fetched(Fetched { url, result })
                }
            };
            self.engine.handle(input, now);
            self.drain();
        }
    }

    fn drain(&mut self) {
        loop {
            match self.engine.poll_output() {
                Output::Timeout(deadline) => {
                    self.deadline = deadline;
                    return;
                }
                output => self.carry_out(output),
            }
        }
    }

    fn carry_out(&mut self, output: Output) {
        let now = self.now();
        match output {
            Output::Transmit { flow, octets } => {
                if let Ok(message) = Message::parse(&octets) {
                    self.sent(flow.remote, message);
                }
            }
            Output::OpenMedia { call } => {
                if let Some(heard) = self.heard(call) {
                    heard.session = Some(Session::new(&no_sockets(), now));
                }
                self.pending.push_back(Pending::Opened(call));
            }
            Output::DescribeMedia {
                call,
                side,
                audio,
                codecs,
                telephone_event,
                wide_event,
                comfort_noise,
                ..
            } => {
                if let Some(session) = self.heard(call).and_then(|heard| heard.session.as_mut()) {
                    session.described(side, audio, &codecs, telephone_event, now);
                    session.hears_noise(side, comfort_noise);
                    session.hears_wide_events(side, wide_event);
                }
            }
            Output::Tap { call, on } => {
                if let Some(session) = self.heard(call).and_then(|heard| heard.session.as_mut()) {
                    session.tap(on);
                }
            }
            // Nobody is there to hear it: it is over at once, and the caller has said what he says in the capture.
            Output::Say {
                call,
                side,
                turn,
                words,
                ..
            } if !words.is_looped => {
                let over = std::time::Duration::ZERO;
                self.pending
                    .push_back(Pending::Talk(call, Talk::Said { side, turn, over }));
            }
            Output::Say { .. } | Output::Hush { .. } => {}
            Output::Listen { call, .. } => {
                let speech = std::time::Duration::ZERO;
                self.pending
                    .push_back(Pending::Talk(call, Talk::Heard { speech }));
            }
            Output::Attend { call, rank } => {
                if let Some(listener) = self.heard(call).and_then(|heard| heard.listener.as_mut()) {
                    listener.keep(rank.is_some());
                }
            }
            Output::CloseMedia { call } => {
                let session = self.heard(call).and_then(|heard| heard.session.take());
                let statistics = session.map(|session| session.statistics()).unwrap_or_default();
                self.pending.push_back(Pending::Closed(call, statistics));
            }
            Output::Fetch { url } => self.pending.push_back(Pending::Fetched(url)),
            Output::Look {
                call,
                number,
                passport_digest,
            } => {
                let now_ms = now.unix_ms();
                let history = number.and_then(|number| self.store.history(&number, now_ms).ok());
                let is_reused = passport_digest.is_some_and(|digest| {
                    let seen = self.store.token_seen(&digest, call, now_ms, TOKEN_WINDOW_MS);
                    seen.unwrap_or(false)
                });
                let unknown = HistoryFacts {
                    is_available: true,
                    ..HistoryFacts::default()
                };
                let known = Pending::Known(call, history.unwrap_or(unknown), is_reused);
                self.pending.push_back(known);
            }
            Output::Answered {
                call,
                passport_digest,
                is_question,
            } => {
                let used = self
                    .store
                    .token_answered(&passport_digest, call, now.unix_ms(), TOKEN_WINDOW_MS);
                if is_question && used.unwrap_or(false) {
                    self.pending.push_back(Pending::Reused(call));
                }
            }
            Output::Changed(record) => self.changed(record),
            _ => {}
        }
    }

    /// What the engine sent, to the caller or to our phone.
    fn sent(&mut self, to: SocketAddr, message: Message) {
        if to != phone() {
            let key = message.call_id().to_string();
            let Some(heard) = self.calls.get_mut(&key) else {
                return;
            };
            match (message.status(), message.method()) {
                (Some(status), Method::Invite) if status >= 200 && heard.answer.is_none() => {
                    heard.answer = Some(message);
                    if status >= 300 {
                        if let Some(answer) = &heard.answer {
                            let ack = messages::ack_of_refusal(&heard.invite, answer);
                            self.pending.push_back(Pending::Sip(heard.source, ack));
                        }
                    } else if !messages::is_offer_late(&heard.invite) {
                        self.branches += 1;
                        heard.has_acknowledged = true;
                        if let Some(answer) = &heard.answer {
                            let ack = messages::ack(answer, self.branches, None);
                            self.pending.push_back(Pending::Sip(heard.source, ack));
                        }
                    }
                }
                (None, method) if method != Method::Ack => {
                    let octets = messages::response(&message, 200, None);
                    self.pending.push_back(Pending::Sip(to, octets));
                }
                _ => {}
            }
            return;
        }
        if message.status().is_some() || message.method() == Method::Ack {
            return;
        }
        if message.method() == Method::Invite && message.to().tag().is_none() {
            let Some(key) = self.current.clone() else {
                return;
            };
            self.rings.insert(message.call_id().to_string(), key.clone());
            if let Some(heard) = self.calls.get_mut(&key) {
                heard.ring.get_or_insert(message);
            }
            return;
        }
        let octets = messages::response(&message, 200, None);
        self.pending.push_back(Pending::Sip(phone(), octets));
        if message.method() == Method::Cancel
            && let Some(key) = self.rings.get(message.call_id())
            && let Some(heard) = self.calls.get_mut(key)
            && !heard.has_final
            && let Some(ring) = &heard.ring
        {
            heard.has_final = true;
            let octets = messages::response(ring, 487, None);
            self.pending.push_back(Pending::Sip(phone(), octets));
        }
    }

    fn changed(&mut self, record: Arc<CallRecord>) {
        if !self.by_id.contains_key(&record.id)
            && let Some(key) = self.current.clone()
            && let Some(heard) = self.calls.get_mut(&key)
        {
            heard.id.get_or_insert(record.id);
            self.by_id.insert(record.id, key);
        }
        if record.timings.ended_ms.is_none() {
            return;
        }
        self.store.save(Arc::clone(&record));
        let Some(key) = self.by_id.remove(&record.id) else {
            return;
        };
        if let Some(heard) = self.forget(&key) {
            self.told.push_back(Told::Call {
                sip_call_id: key,
                source: heard.source,
                record,
                is_cut_short: heard.is_cut_short,
            });
        }
    }
}
