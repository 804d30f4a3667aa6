//! The helpers: history, certificates, the name service and the scorer, and how they answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ringward::call::Input;
use ringward::call_id::CallId;
use ringward::identity::FetchFailure;
use ringward::media::{Clip, Digit, Side, Talk, Words};
use ringward::prompts::Prompts;
use ringward::route::{Known, Located, Server, Service, Target};
use ringward::screening::HistoryFacts;
use ringward::sip::Transport;
use ringward::voice::{Label, Opinion, Window};

use super::clock::Happening;
use super::{Said, World};

/// How the helpers behave.
#[derive(Clone, Debug)]
pub struct Helpers {
    /// The store answers after this long, with this; `None` = never.
    pub store: Option<(Duration, HistoryFacts)>,
    /// The certificate host; `None` = never answers.
    pub fetch: Option<(Duration, Result<Vec<u8>, FetchFailure>)>,
    /// One window a second, from the answer on.
    pub windows: Vec<f32>,
    /// Whole opinions of a real listener, one a second from the answer on, in the place of windows.
    pub opinions: Vec<Opinion>,
    pub is_scorer_overloaded: bool,
    /// How long the caller speaks when he is listened to; None = not at all.
    pub caller_says: Option<Duration>,
    /// What he presses when he is told digits.
    pub presses: Presses,
    pub has_ports: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Presses {
    Right,
    /// Wrong so often, then right.
    Wrong(u32),
    Nothing,
}

impl Default for Helpers {
    fn default() -> Helpers {
        let history = HistoryFacts {
            is_available: true,
            ..HistoryFacts::default()
        };
        Helpers {
            store: Some((Duration::from_millis(2), history)),
            fetch: Some((
                Duration::from_millis(50),
                Ok(crate::signing::signer().chain_pem.clone().into_bytes()),
            )),
            windows: Vec::new(),
            opinions: Vec::new(),
            is_scorer_overloaded: false,
            caller_says: Some(Duration::from_secs(3)),
            presses: Presses::Right,
            has_ports: true,
        }
    }
}

impl World {
    /// The name service's word on a target, from the zone.
    pub fn resolve(&mut self, target: Target) {
        let servers = self.zone.get(target.host()).cloned();
        let servers = servers.or_else(|| Some(vec![target.literal()?.to_string()]));
        let services = servers
            .into_iter()
            .flatten()
            .enumerate()
            .map(|(priority, server)| {
                let (transport, address) = server.split_once(':').unwrap();
                let address: SocketAddr = address.parse().unwrap();
                Service {
                    transport: if transport == "tcp" {
                        Transport::Tcp
                    } else {
                        Transport::Udp
                    },
                    servers: vec![Server {
                        priority: priority as u16,
                        weight: 0,
                        port: address.port(),
                        addresses: vec![address.ip()],
                    }],
                }
            });
        let services: Vec<Service> = services.collect();
        let ttl = Duration::from_secs(60);
        let located = (!services.is_empty()).then(|| Arc::new(Located { services, ttl }));
        let until = self.now().instant + ttl;
        for shard in 0..=self.others.len() as u16 {
            let known = Known {
                target: target.clone(),
                located: located.clone(),
                until,
                is_failed: false,
            };
            self.tell_shard(shard, Input::Resolved(Box::new(known)));
        }
    }

    /// The same for a host, unasked: what the background look-up tells every shard.
    pub fn locate(&mut self, uri: &str) {
        let uri = ringward::sip::Uri::parse(uri).unwrap();
        self.resolve(Target::of(&uri).unwrap());
    }

    /// The gateway says something: it takes its time, and the caller presses what he is told.
    pub(super) fn says(&mut self, call: CallId, side: Side, words: &Words, turn: u32, is_greeting: bool) {
        let prompts = Prompts::embedded();
        let name_of = |clip: &Arc<Clip>| {
            let mut names = prompts.names();
            let found = names.find(|name| prompts.clip(name).is_some_and(|known| Arc::ptr_eq(&known, clip)));
            found.expect("a recording of ours").to_string()
        };
        let names: Vec<String> = words.clips.iter().map(name_of).collect();
        self.note(format!("says {names:?} to {side:?}"));
        let digits = names
            .iter()
            .filter_map(|name| name.strip_prefix("digit-")?.parse::<u8>().ok());
        let digits: Vec<u8> = digits.collect();
        let said = Said {
            at: self.now,
            side,
            names,
            is_looped: words.is_looped,
            gives_way: words.gives_way,
            is_greeting,
        };
        self.media.entry(call).or_default().said.push(said);
        if self.is_mute {
            return;
        }
        if !words.is_looped {
            let over = Duration::ZERO;
            self.schedule(
                words.duration(),
                Happening::Talk(call, Talk::Said { side, turn, over }),
            );
        }
        let wrong = match &mut self.helpers.presses {
            Presses::Nothing => return,
            Presses::Right | Presses::Wrong(0) => 0,
            Presses::Wrong(left) if digits.is_empty() => u8::from(*left == 0),
            Presses::Wrong(left) => {
                *left -= 1;
                1
            }
        };
        for (place, digit) in (1u32..).zip(digits) {
            let digit = Digit::of_event((digit + wrong) % 10).unwrap();
            let after = words.duration() + Duration::from_millis(400) * place;
            self.schedule(after, Happening::Talk(call, Talk::Pressed { digit }));
        }
    }

    pub(super) fn score(&mut self, call: CallId, at: usize) {
        let is_tapped = self.media.get(&call).is_some_and(|media| media.is_tapped);
        if !is_tapped {
            return;
        }
        if self.helpers.is_scorer_overloaded {
            return self.tell(Input::ScoringOverloaded { call });
        }
        if let Some(opinion) = self.helpers.opinions.get(at).cloned() {
            self.tell(Input::Scored { call, opinion });
            self.schedule(Duration::from_secs(1), Happening::Scored(call, at + 1));
            return;
        }
        let Some(llr) = self.helpers.windows.get(at).copied() else {
            return;
        };
        let total: f32 = self.helpers.windows[..=at].iter().sum();
        let seconds = at as f32 + 1.0;
        let label = match total {
            total if total <= -3.0 => Label::Spoof,
            total if total >= 3.0 => Label::BonaFide,
            _ => Label::Unsure,
        };
        let opinion = Opinion {
            llr: total,
            label,
            seconds,
            speech_seconds: seconds,
            window: Some(Window { at: seconds, llr }),
            ..Opinion::nothing_heard()
        };
        self.tell(Input::Scored { call, opinion });
        self.schedule(Duration::from_secs(1), Happening::Scored(call, at + 1));
    }
}
