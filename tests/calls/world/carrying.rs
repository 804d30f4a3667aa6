//! What the gateway wants done, and what the network and the helpers do about it.

use super::*;

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
        self.tell(Input::Resolved(Box::new(Known {
            target,
            located,
            until,
            is_failed: false,
        })));
    }

    /// The same for a host, unasked: what the background look-up tells every shard.
    pub fn locate(&mut self, uri: &str) {
        let uri = ringward::sip::Uri::parse(uri).unwrap();
        self.resolve(Target::of(&uri).unwrap());
    }

    pub(super) fn score(&mut self, call: CallId, at: usize) {
        let is_tapped = self.media.get(&call).is_some_and(|media| media.is_tapped);
        if !is_tapped {
            return;
        }
        if self.helpers.is_scorer_overloaded {
            return self.tell(Input::ScoringOverloaded { call });
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
        };
        self.tell(Input::Scored { call, opinion });
        self.schedule(Duration::from_secs(1), Happening::Scored(call, at + 1));
    }

    pub fn tell(&mut self, input: Input<'_>) {
        let now = self.now();
        self.engine.handle(input, now);
        loop {
            match self.engine.poll_output() {
                Output::Timeout(_) => return,
                output => self.carry_out(output),
            }
        }
    }

    pub(super) fn carry_out(&mut self, output: Output) {
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
                call, side, audio, ..
            } => {
                self.media.entry(call).or_default().described.push((side, audio));
            }
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
                let of_call = self.records.entry(record.id).or_default();
                of_call.push(Arc::unwrap_or_clone(record));
            }
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
            Output::Timeout(_) => {}
        }
    }

    pub(super) fn grant(&mut self, address: SocketAddr) {
        let Some(agent) = self.agents.get_mut(&address) else {
            return;
        };
        for wish in agent.wishes() {
            match wish {
                Wish::Send(octets) => self.send(address, GATEWAY.parse().unwrap(), octets),
                Wish::Wake(after, wake) => self.schedule(after, Happening::Wake { agent: address, wake }),
            }
        }
    }

    /// The network.
    pub fn send(&mut self, from: SocketAddr, to: SocketAddr, mut octets: Vec<u8>) {
        if let (Some(dress), true) = (self.dress, to == gateway_address()) {
            let mut text = String::from_utf8(octets).expect("peers write text");
            let end = text.find("\r\n\r\n").expect("a blank line ends the headers");
            let lines = dress(from, &mut self.random);
            text.insert_str(
                end,
                &lines.iter().map(|line| format!("\r\n{line}")).collect::<String>(),
            );
            octets = text.into_bytes();
        }
        let start = String::from_utf8_lossy(&octets)
            .split("\r\n")
            .next()
            .unwrap_or_default()
            .to_string();
        let text = String::from_utf8_lossy(&octets).into_owned();
        let header = |name: &str| {
            text.split("\r\n")
                .find_map(|line| line.strip_prefix(name))
                .unwrap_or_default()
        };
        let (cseq, call_id) = (header("CSeq: "), header("Call-ID: "));
        // `CALL_IDS=1` makes one call of a busy day findable.
        let call_id = if self.has_call_ids {
            format!(" {call_id}")
        } else {
            String::new()
        };
        self.note(format!("{from} > {to} {start} [{cseq}]{call_id}"));
        if let Some(drop) = self
            .drops
            .iter_mut()
            .find(|(prefix, left)| *left > 0 && start.starts_with(prefix.as_str()))
        {
            drop.1 -= 1;
            return self.note("  lost on purpose".into());
        }
        if self.network.lost > 0 && self.dice(1000) < self.network.lost {
            return self.note("  lost".into());
        }
        if self.network.garbled > 0 && to == gateway_address() && self.dice(1000) < self.network.garbled {
            let at = self.dice(octets.len() as u64) as usize;
            octets[at] = b' ' + self.dice(95) as u8;
            self.note(format!("  garbled at {at}"));
        }
        let (least, most) = self.network.delay_ms;
        let copies = if self.network.repeated > 0 && self.dice(1000) < self.network.repeated {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let delay = least
                + if most > least {
                    self.dice(most - least + 1)
                } else {
                    0
                };
            let happening = Happening::Arrive {
                to,
                from,
                octets: octets.clone(),
            };
            self.schedule(Duration::from_millis(delay), happening);
        }
    }
}
