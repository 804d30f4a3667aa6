//! What happens, one thing after the other, and what the shards want done about it, as `runtime::shard` does it.

use super::*;

impl City {
    pub(super) fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Arrive {
                shard,
                flow,
                octets,
                cause,
                was_handed_over,
                hops,
            } => self.arrive(shard, flow, octets, cause, was_handed_over, hops),
            Happening::Between(shard, Between::Moved(sip_call_id, to, is_over)) => {
                let moved = Input::Moved {
                    sip_call_id,
                    shard: to,
                    is_over,
                };
                self.tell(shard, moved, None);
            }
            Happening::Between(shard, Between::LegAsked(asked)) => {
                self.tell(shard, Input::LegAsked(asked), None);
            }
            Happening::Between(shard, Between::LegHanded(asker, handed)) => {
                self.tell(shard, Input::LegHanded { asker, handed }, None);
            }
            Happening::Reach(leg, message, connection) => {
                if connection.is_some_and(|number| self.connections.is_broken(number)) {
                    return;
                }
                self.legs[leg as usize].receive(&message);
                self.grant(leg);
            }
            Happening::Ring(flow, invite) => self.ring(flow, invite),
            Happening::Wake(leg, wake) => {
                self.legs[leg as usize].wake(wake);
                self.grant(leg);
            }
            Happening::Call(leg) => {
                let identity = self.identity_of(leg);
                self.legs[leg as usize].call(identity);
                self.grant(leg);
            }
            Happening::Known(shard, call) => {
                let history = HistoryFacts {
                    is_available: true,
                    ..HistoryFacts::default()
                };
                let is_reused = Some(self.chance.one_in(50));
                self.tell(
                    shard,
                    Input::Known {
                        call,
                        history,
                        is_reused,
                    },
                    None,
                );
            }
            Happening::Fetched(shard, url) => self.fetched(shard, url),
            Happening::Scored(shard, call, window) => self.scored(shard, call, window),
            Happening::Silence(shard, call) => self.silence(shard, call),
            Happening::Broken(shard, flow, fault, at) => {
                let at = self.instant(at);
                self.tell(shard, Input::TransportError { flow, fault, at }, None);
            }
            Happening::Cut => self.cut(),
            Happening::Closed(number) => self.closed(number),
            Happening::Stranger => {
                let (from, octets) = strangers::say(&mut self.chance);
                self.datagram(from, octets, None);
            }
            Happening::HangUp => {
                let at = self.chance.below(RECENT as u64) as usize;
                let Some(call) = self.recent.get(at).copied() else {
                    return;
                };
                self.ledger.console(call);
                let shard = (call.0 >> 120) as u16;
                self.tell(shard, Input::HangUp { call }, None);
            }
            Happening::Drain => {
                self.is_draining = true;
                for shard in 0..self.shards.len() as u16 {
                    self.tell(shard, Input::Drain, None);
                }
            }
            Happening::SetPolicy => {
                let lineup = Arc::new(Lineup::of(Arc::new(policy(&mut self.chance))));
                for shard in 0..self.shards.len() as u16 {
                    self.tell(shard, Input::SetPolicies(lineup.clone()), None);
                }
            }
        }
    }

    pub(super) fn tick(&mut self, shard: usize) {
        let ticked = &mut self.shards[shard].ticked;
        *ticked = if ticked.0 == self.now_us {
            (ticked.0, ticked.1 + 1)
        } else {
            (self.now_us, 1)
        };
        assert!(
            ticked.1 < TICKS_MAX,
            "shard {shard} asks for the same instant again and again"
        );
        self.tell(shard as u16, Input::Tick, None);
    }

    /// One mutation and everything that follows from it, as `runtime::shard` does.
    pub(super) fn tell(&mut self, at: u16, input: Input<'_>, cause: Option<u32>) {
        let now = self.now();
        self.shards[at as usize].engine.handle(input, now);
        self.drain(at, cause);
        while let Some(pending) = self.pending.pop_front() {
            let input = match pending {
                Pending::Opened(call, a, b) => Input::MediaOpened { call, a, b },
                Pending::Refused(call) => Input::MediaRefused { call },
                Pending::Closed(call) => Input::MediaClosed {
                    call,
                    statistics: Statistics::default(),
                },
            };
            self.shards[at as usize].engine.handle(input, now);
            self.drain(at, cause);
        }
        self.ledger.check_bounds(&self.shards[at as usize].engine);
    }

    pub(super) fn drain(&mut self, at: u16, cause: Option<u32>) {
        let mut outputs = 0;
        loop {
            outputs += 1;
            assert!(outputs < OUTPUTS_MAX, "one input makes no end of outputs");
            match self.shards[at as usize].engine.poll_output() {
                Output::Timeout(deadline) => {
                    let base = self.base;
                    self.shards[at as usize].deadline = deadline.map(|deadline| {
                        let nanos = deadline.saturating_duration_since(base).as_nanos();
                        nanos.div_ceil(1000) as u64
                    });
                    return;
                }
                output => self.carry_out(at, output, cause),
            }
        }
    }

    pub(super) fn carry_out(&mut self, shard: u16, output: Output, cause: Option<u32>) {
        match output {
            Output::Transmit { flow, octets } => self.transmit(shard, flow, octets),
            Output::OpenMedia { call } => {
                if self.chance.per_mille(self.helpers.portless) {
                    self.ledger.media_refused(call);
                    return self.pending.push_back(Pending::Refused(call));
                }
                let ports = [self.free_ports.pop_front(), self.free_ports.pop_front()];
                let [Some(a), Some(b)] = ports else {
                    panic!("the day uses more ports than there are");
                };
                let media = Media {
                    a,
                    b,
                    windows: 0,
                    is_tapped: false,
                };
                let was_open = self.media.insert(call, media).is_some();
                assert!(!was_open, "media opened twice: {call}");
                self.after(SILENCE, Happening::Silence(shard, call));
                self.pending.push_back(Pending::Opened(call, a, b));
            }
            Output::DescribeMedia { call, .. } => {
                assert!(
                    self.media.contains_key(&call),
                    "media described before it is open: {call}"
                );
            }
            Output::Tap { call, on } => {
                if let Some(media) = self.media.get_mut(&call) {
                    media.is_tapped = on;
                    if on && media.windows == 0 {
                        media.windows = 1;
                        self.after(SECOND, Happening::Scored(shard, call, 1));
                    }
                }
            }
            Output::CloseMedia { call } => {
                // A call that found no port closes nothing.
                let media = self
                    .media
                    .remove(&call)
                    .unwrap_or_else(|| panic!("closed twice: {call}"));
                self.free_ports.extend([media.a, media.b]);
                self.pending.push_back(Pending::Closed(call));
            }
            Output::Fetch { url } => {
                if let Some((after, _)) = self.helpers.fetch {
                    self.after(after, Happening::Fetched(shard, url));
                }
            }
            Output::Look { call, .. } => {
                if let Some(after) = self.helpers.store {
                    self.after(after, Happening::Known(shard, call));
                }
            }
            Output::Moved {
                owner,
                sip_call_id,
                shard,
                is_over,
            } => {
                let moved = Between::Moved(sip_call_id, shard, is_over);
                self.after(HAND_OVER, Happening::Between(owner, moved));
            }
            Output::AskForLeg { shard, asked } => {
                self.after(HAND_OVER, Happening::Between(shard, Between::LegAsked(asked)));
            }
            Output::HandLeg { asker, handed } => {
                let shard = (asker.call.0 >> 120) as u16;
                let handed = Between::LegHanded(asker, handed);
                self.after(HAND_OVER, Happening::Between(shard, handed));
            }
            Output::Changed(record) if self.ledger.record(&record, cause, &self.legs) => {
                self.recent.push_back(record.id);
                if self.recent.len() > RECENT {
                    self.recent.pop_front();
                }
            }
            _ => {}
        }
    }
}
