//! What the engine asks for, carried out: nothing of it waits.

use std::io;

use super::{Reply, Shard};
use crate::call::Output;
use crate::call_id::CallId;
use crate::capture::hep::Way;
use crate::runtime::between::Untold;
use crate::runtime::inbox::ToShard;
use crate::runtime::limits::UNTOLD;
use crate::runtime::lookup::Question;
use crate::runtime::{between, clock, count};
use crate::sip::{Flow, Transport, TransportFault};
use crate::time::Now;
use crate::voice::Prompt;

impl Shard {
    /// A greeting of ours begins or is over, on the clock of the caller's audio. Nobody listens: nobody is told.
    fn tell_of_prompt(&mut self, call: CallId, prompt: Prompt) {
        let at_sample = self.parts.media.tapped_samples(call);
        if let (Some(scoring), Some(at_sample)) = (&self.parts.doors.scoring, at_sample) {
            scoring.prompt(call, prompt, at_sample);
        }
    }

    pub(super) fn carry_out(&mut self, output: Output, now: Now) {
        let doors = &self.parts.doors;
        match output {
            Output::Transmit { flow, octets } => self.transmit(flow, octets),
            Output::OpenMedia { call } => {
                let ports = self.parts.media.open(call, self.parts.poll.registry(), now);
                self.pending.push_back(Reply::Opened(call, ports));
            }
            Output::DescribeMedia {
                call,
                side,
                audio,
                signalled,
                codecs,
                telephone_event,
                wide_event,
                comfort_noise,
                keys,
                dtls,
                rtcp_mux,
                is_fax,
            } => {
                let media = &mut self.parts.media;
                if dtls.is_none() {
                    media.secure(call, side, keys.as_deref());
                }
                media.mux(call, side, rtcp_mux);
                media.fax(call, side, is_fax);
                media.handshake(call, side, dtls.as_deref(), now);
                media.signalled(call, side, signalled);
                media.describe(call, side, audio, &codecs, telephone_event, now);
                media.hears_noise(call, side, comfort_noise);
                media.hears_wide_events(call, side, wide_event);
                media.greet(call);
            }
            Output::Tap { call, on } => {
                self.parts.media.tap(call, on);
                if let (false, Some(scoring)) = (on, &doors.scoring) {
                    scoring.end(call);
                }
            }
            Output::Say {
                call,
                side,
                words,
                turn,
                is_greeting,
                seed,
            } => {
                self.parts.media.say(call, side, words, turn, seed, now);
                if is_greeting {
                    self.tell_of_prompt(call, Prompt::Began);
                }
            }
            Output::Hush { call, side } => self.parts.media.hush(call, side),
            Output::Listen { call, listening } => {
                self.parts.media.listen(call, listening, now);
                self.tell_of_prompt(call, Prompt::Ended);
            }
            Output::Attend { call, rank } => {
                if let Some(scoring) = &doors.scoring {
                    scoring.attend(call, rank);
                }
            }
            Output::CloseMedia { call } => {
                let statistics = self.parts.media.close(call, now);
                if let Some(scoring) = &doors.scoring {
                    scoring.end(call);
                }
                self.pending.push_back(Reply::Closed(call, statistics));
            }
            Output::Fetch { url } => {
                let (fetcher, mailbox) = (
                    doors.fetcher.clone(),
                    doors.mailboxes.shard(self.parts.index).cloned(),
                );
                doors.tokio.spawn(async move {
                    let fetched = fetcher.fetch(url).await;
                    if let Some(mailbox) = mailbox {
                        mailbox.send(ToShard::Fetched(fetched));
                    }
                });
            }
            Output::Resolve { target } => doors.dns.resolve(target, self.parts.index),
            Output::Used(used) => {
                doors.floor.note_used(&used);
                doors
                    .mailboxes
                    .tell_others(self.parts.index, || ToShard::Used(used.clone()));
            }
            Output::Stands(standing) => {
                doors.floor.note_standing(&standing);
                doors
                    .mailboxes
                    .tell_others(self.parts.index, || ToShard::Stands(standing.clone()));
            }
            Output::Standing(change) => {
                doors
                    .standings
                    .changed(change, self.parts.index, &doors.mailboxes);
            }
            Output::Look {
                call,
                number,
                passport_digest,
            } => {
                let at_once = match passport_digest {
                    // Whether a token was used is asked and written down in one.
                    Some(_) => None,
                    None => doors.lookups.at_once(call, number.as_deref()),
                };
                if let Some(history) = at_once {
                    self.pending.push_back(Reply::Known(call, history));
                } else if !doors.lookups.ask(Question::Caller {
                    call,
                    number,
                    passport_digest,
                }) {
                    count::full("lookups");
                }
            }
            Output::Answered {
                call,
                passport_digest,
                is_question,
            } => {
                if !doors.lookups.ask(Question::Answered {
                    call,
                    passport_digest,
                    is_question,
                }) {
                    count::full("lookups");
                }
            }
            Output::Changed(record) => self.record(record),
            Output::CallBack { refused, .. } => {
                if let Some(answer) = self.call_back.take() {
                    answer.say(refused);
                }
            }
            Output::Registration(state) => {
                doors.registrations.note(&state);
                let (trunk, route) = (state.trunk, state.service_route);
                doors.mailboxes.broadcast(|| ToShard::ServiceRoute {
                    trunk: trunk.clone(),
                    route: route.clone(),
                });
            }
            Output::Registrar(news) => {
                doors
                    .phones
                    .note(news, self.parts.index, &doors.mailboxes, &doors.tokio);
            }
            Output::Count(counter) => {
                doors.strangers.note(counter);
                count::call(counter);
            }
            between @ (Output::Moved { .. } | Output::AskForLeg { .. } | Output::HandLeg { .. }) => {
                match between::tell(between, !self.untold.is_empty(), &doors.mailboxes) {
                    Some(Untold::Leg(asker, handed)) => self.pending.push_back(Reply::Handed(asker, handed)),
                    Some(Untold::Moved(moved)) if self.untold.len() < UNTOLD => self.untold.push_back(moved),
                    Some(Untold::Moved(_)) => count::full("untold"),
                    None => {}
                }
            }
            Output::Timeout(_) => {}
        }
    }

    fn transmit(&mut self, flow: Flow, octets: Vec<u8>) {
        self.traffic.sent(flow.transport);
        if self.parts.mirror.is_some() {
            self.mirror(flow, Way::Out, &octets, clock::now());
        }
        if flow.transport != Transport::Udp {
            self.parts.doors.streams.send(flow, octets, self.parts.index);
            return;
        }
        let place = self.locals.iter().position(|local| *local == flow.local);
        let socket = place.and_then(|place| self.parts.sockets.get(place));
        let Some(socket) = socket else {
            self.pending
                .push_back(Reply::Broken(flow, TransportFault::NoListener));
            return;
        };
        match socket.send_to(&octets, flow.remote) {
            Ok(_) => {}
            // A full socket buffer is a lost datagram: the transaction sends it again.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => count::full("sip_socket"),
            Err(error) => {
                tracing::debug!(%error, "a SIP datagram could not be sent");
                self.pending
                    .push_back(Reply::Broken(flow, TransportFault::from(&error)));
            }
        }
    }
}
