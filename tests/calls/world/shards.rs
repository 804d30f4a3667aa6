//! The shards: what each is told, by the world and by each other, and what becomes of what it says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ringward::call::limits::PASSED_ON_MAX;
use ringward::call::{Asker, Counter, Engine, Handed, Input, LegAsked, Output};
use ringward::call_id::CallId;
use ringward::media::Talk;
use ringward::route::State;
use ringward::sip::{Flow, Transport};

use super::World;
use super::clock::Happening;

/// How long the store remembers a token: twice 60 s of freshness and the margin of `runtime::lookup`.
const TOKEN_WINDOW_MS: u64 = 180_000;

/// What shards tell each other.
pub(super) enum Between {
    /// A datagram that this shard received or was told, with how often it was sent on.
    Sip(Flow, Vec<u8>, u8),
    Moved(String, u16, bool),
    LegAsked(LegAsked),
    Used(ringward::queue::Used),
    Stands(ringward::queue::Standing),
    LegHanded(Asker, Option<Box<Handed>>),
}

impl World {
    pub(super) fn shard(&mut self, shard: u16) -> &mut Engine {
        match shard {
            0 => &mut self.engine,
            shard => &mut self.others[usize::from(shard) - 1],
        }
    }

    /// A world with one engine has all calls there, whichever shard it was told to be.
    fn shard_of_call(&self, call: CallId) -> u16 {
        match self.others.len() {
            0 => 0,
            _ => (call.0 >> 120) as u16,
        }
    }

    /// What one shard tells another, as `runtime::shard` does: at once, but after what is being done.
    fn tell_between(&mut self, shard: u16, between: Between) {
        self.schedule(Duration::ZERO, Happening::Told(shard, between));
    }

    pub(super) fn told(&mut self, shard: u16, between: Between) {
        match between {
            Between::Sip(flow, octets, hops) => {
                let now = self.now();
                let elsewhere = match hops {
                    ..PASSED_ON_MAX => self.shard(shard).passes_on(&flow, &octets, now),
                    _ => None,
                };
                match elsewhere {
                    Some(other) => {
                        self.passed_on += 1;
                        self.note(format!("shard {shard} passes on to {other}"));
                        self.tell_between(other, Between::Sip(flow, octets, hops + 1));
                    }
                    None => {
                        let octets = &octets;
                        self.tell_shard(shard, Input::Sip { flow, octets });
                    }
                }
            }
            Between::Moved(sip_call_id, holder, is_over) => {
                let shard_told = shard;
                let shard = holder;
                self.tell_shard(
                    shard_told,
                    Input::Moved {
                        sip_call_id,
                        shard,
                        is_over,
                    },
                );
            }
            Between::Used(used) => self.tell_shard(shard, Input::Used(used)),
            Between::Stands(standing) => self.tell_shard(shard, Input::Stands(standing)),
            Between::LegAsked(asked) => self.tell_shard(shard, Input::LegAsked(asked)),
            Between::LegHanded(asker, handed) => self.tell_shard(shard, Input::LegHanded { asker, handed }),
        }
    }

    /// To the shard of the call it is about, or to the first.
    pub fn tell(&mut self, input: Input<'_>) {
        let shard = match &input {
            Input::MediaOpened { call, .. }
            | Input::MediaRefused { call }
            | Input::MediaClosed { call, .. }
            | Input::MediaSilent { call }
            | Input::MediaSecured { call, .. }
            | Input::Talk { call, .. }
            | Input::Known { call, .. }
            | Input::Reused { call }
            | Input::Scored { call, .. }
            | Input::ScoringOverloaded { call }
            | Input::Order { call, .. }
            | Input::Repeated { call, .. }
            | Input::HangUp { call } => self.shard_of_call(*call),
            _ => 0,
        };
        self.tell_shard(shard, input);
    }

    pub fn tell_shard(&mut self, shard: u16, input: Input<'_>) {
        let now = self.now();
        self.shard(shard).handle(input, now);
        loop {
            match self.shard(shard).poll_output() {
                Output::Timeout(_) => return,
                Output::Used(used) => {
                    let shards = self.others.len() as u16 + 1;
                    for other in (0..shards).filter(|other| *other != shard) {
                        self.tell_between(other, Between::Used(used.clone()));
                    }
                }
                Output::Stands(standing) => {
                    let shards = self.others.len() as u16 + 1;
                    for other in (0..shards).filter(|other| *other != shard) {
                        self.tell_between(other, Between::Stands(standing.clone()));
                    }
                }
                output => self.carry_out(output),
            }
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Transmit { flow, octets } => {
                let method = String::from_utf8_lossy(&octets)
                    .split(' ')
                    .next()
                    .unwrap_or_default()
                    .to_string();
                self.asked_of.push((flow.remote, flow.connection, method));
                let is_refused =
                    flow.transport == Transport::Tcp && flow.connection.is_none() && self.refuses_tcp;
                if is_refused || self.refuses_connections.contains(&flow.remote) {
                    return self.schedule(Duration::from_millis(1), Happening::Broken(flow));
                }
                self.sent.push((flow.remote, octets.clone()));
                // An open connection leads to its peer, whatever the address.
                let port = match flow.connection {
                    Some(listening) if self.ephemeral > 0 => listening as u16,
                    _ => flow.remote.port(),
                };
                self.send(flow.local, SocketAddr::new(flow.remote.ip(), port), octets);
            }
            Output::Resolve { target } => {
                self.note(format!("where is {target}"));
                self.asked_where.push(target.to_string());
                self.schedule(self.zone_delay, Happening::Resolved(target));
            }
            Output::Standing(change) => {
                self.note(format!("{} {:?}", change.candidate, change.state));
                self.standings.push(match change.state {
                    State::Up => format!("{} up", change.candidate),
                    State::Down { cause, .. } => format!("{} {}", change.candidate, cause.name()),
                });
            }
            Output::OpenMedia { call } => {
                self.media.entry(call).or_default().opened += 1;
                self.schedule(Duration::ZERO, Happening::Opened(call));
            }
            Output::DescribeMedia {
                call,
                side,
                audio,
                signalled,
                keys,
                dtls,
                rtcp_mux,
                is_fax,
                ..
            } => {
                let media = self.media.entry(call).or_default();
                media.described.push((side, audio));
                media.keys.push((side, keys.map(|keys| *keys)));
                media.handshakes.push((side, dtls.map(|terms| *terms)));
                media.signalled[side as usize] = signalled;
                media.muxed[side as usize] = rtcp_mux;
                media.fax[side as usize] = is_fax;
            }
            Output::Say {
                call,
                side,
                words,
                turn,
                is_greeting,
                ..
            } => {
                self.says(call, side, &words, turn, is_greeting);
            }
            Output::Hush { call, side } => {
                let at = self.now;
                self.media.entry(call).or_default().hushed.push((at, side));
            }
            Output::Listen { .. } if self.is_mute => {}
            Output::Listen { call, listening } => {
                let (after, speech) = match self.helpers.caller_says {
                    Some(speech) => (speech + listening.pause, speech),
                    None => (listening.patience, Duration::ZERO),
                };
                self.schedule(
                    after.min(listening.at_most),
                    Happening::Talk(call, Talk::Heard { speech }),
                );
            }
            Output::Attend { .. } => {}
            Output::Tap { call, on } => {
                let media = self.media.entry(call).or_default();
                media.is_tapped = on;
                if on && media.windows == 0 {
                    media.windows = 1;
                    self.schedule(Duration::from_secs(1), Happening::Scored(call, 0));
                }
            }
            Output::CloseMedia { call } => {
                self.media.entry(call).or_default().closed += 1;
                self.schedule(Duration::ZERO, Happening::Closed(call));
            }
            Output::Fetch { url } => {
                self.note(format!("fetch {url}"));
                self.fetches.push(url.clone());
                if let Some((after, _)) = &self.helpers.fetch {
                    self.schedule(*after, Happening::Fetched(url));
                }
            }
            Output::Look {
                call,
                passport_digest,
                ..
            } => {
                let now_ms = self.now().unix_ms();
                let is_reused = passport_digest.is_some_and(|digest| {
                    let seen = self.store.token_seen(&digest, call, now_ms, TOKEN_WINDOW_MS);
                    seen.expect("the store answers")
                });
                if let Some((after, _)) = &self.helpers.store {
                    self.schedule(*after, Happening::Known(call, is_reused));
                }
            }
            Output::Answered {
                call,
                passport_digest,
                is_question,
            } => {
                let now_ms = self.now().unix_ms();
                let was_used = self
                    .store
                    .token_answered(&passport_digest, call, now_ms, TOKEN_WINDOW_MS)
                    .expect("the store answers");
                if let (true, Some((after, _))) = (was_used && is_question, &self.helpers.store) {
                    self.schedule(*after, Happening::Reused(call));
                }
            }
            Output::Changed(record) => {
                let label = record.banner.as_ref().map(|banner| banner.label);
                self.note(format!(
                    "record {:?} {:?} {label:?}",
                    record.state, record.revision
                ));
                self.decides_again(&record);
                let of_call = self.records.entry(record.id).or_default();
                of_call.push(Arc::unwrap_or_clone(record));
            }
            Output::CallBack { refused, .. } => self.call_backs.push(refused),
            Output::Registration(state) => {
                self.note(format!("registration {state:?}"));
                self.registrations.push(*state);
            }
            Output::Count(counter) => {
                let name = match counter {
                    Counter::UnknownSource => "unknown source",
                    Counter::Malformed => "malformed",
                    Counter::InviteReceived => "invite",
                    Counter::CallAnswered => "answered",
                    Counter::CallRefused => "refused",
                    Counter::CallEnded => "ended",
                    Counter::Overloaded(_) => "overloaded",
                    Counter::Challenged => "challenged",
                    Counter::ProofStale => "proof stale",
                    Counter::ProofWrong => "proof wrong",
                    Counter::Proven => "proven",
                    Counter::StrangerIgnored => "stranger ignored",
                    Counter::Scanned => "scanned",
                    Counter::Blocked => "blocked",
                    Counter::Unheard => "unheard",
                    Counter::FailedOver => "failed over",
                    Counter::Redirected => "redirected",
                    Counter::RedirectRefused => "redirect refused",
                    Counter::ProbeAnswered => "probe answered",
                    Counter::ProbeUnanswered => "probe unanswered",
                    Counter::CallTransferred => "transferred",
                    Counter::TransferRefused => "transfer refused",
                };
                *self.counts.entry(name).or_default() += 1;
            }
            Output::Moved {
                owner,
                sip_call_id,
                shard,
                is_over,
            } => self.tell_between(owner, Between::Moved(sip_call_id, shard, is_over)),
            // What cannot be told comes back to the shard that said it.
            Output::AskForLeg { shard, asked } if self.deaf == Some(shard) => {
                let asker = asked.asker();
                let own = self.shard_of_call(asker.call);
                self.tell_between(own, Between::LegHanded(asker, None));
            }
            Output::AskForLeg { shard, asked } => self.tell_between(shard, Between::LegAsked(asked)),
            Output::HandLeg { asker, handed } => {
                let shard = self.shard_of_call(asker.call);
                let to = match self.deaf {
                    // With two shards the other one.
                    Some(deaf) if deaf == shard => 1 - shard,
                    _ => shard,
                };
                self.schedule(
                    self.slow_hand,
                    Happening::Told(to, Between::LegHanded(asker, handed)),
                );
            }
            Output::Timeout(_) | Output::Used(_) | Output::Stands(_) | Output::Registrar(_) => {}
        }
    }
}
