//! What travels: datagrams to the shard that owns their Call-ID, messages to the leg they are for, lost, late or twice.

use ringward::call::limits::PASSED_ON_MAX;

use super::*;

impl City {
    /// A datagram at the socket of `shard`: to its engine, or to the shard that owns the Call-ID, as `runtime::shard` does.
    pub(super) fn arrive(
        &mut self,
        shard: u16,
        flow: Flow,
        octets: Rc<Vec<u8>>,
        cause: Option<(u32, Mark)>,
        was_handed_over: bool,
        hops: u8,
    ) {
        if flow
            .connection
            .is_some_and(|number| self.connections.is_broken(number))
        {
            return;
        }
        let from = flow.remote;
        let Some(call_id) = peek_call_id(&octets) else {
            return;
        };
        let owner = shard_of(call_id, self.shards.len() as u16);
        if owner != shard && !was_handed_over {
            let now = self.now();
            if self.shards[shard as usize].engine.may_cross(from, now) {
                let happening = Happening::Arrive {
                    shard: owner,
                    flow,
                    octets,
                    cause,
                    was_handed_over: true,
                    hops,
                };
                self.after(HAND_OVER, happening);
            }
            return;
        }
        let owner = if was_handed_over { shard } else { owner };
        let now = self.now();
        let elsewhere = (hops < PASSED_ON_MAX)
            .then(|| self.shards[owner as usize].engine.passes_on(&flow, &octets, now))
            .flatten();
        if let Some(shard) = elsewhere {
            let happening = Happening::Arrive {
                shard,
                flow,
                octets,
                cause,
                was_handed_over: true,
                hops: hops + 1,
            };
            return self.after(HAND_OVER, happening);
        }
        self.trace.write_u64(self.now_us);
        self.trace.write_usize(octets.len());
        trace::note(self.now_us, || {
            format!("{from} > shard {owner} {}", head(&octets))
        });
        if let Some((leg, mark)) = cause {
            self.ledger
                .reached(&mut self.legs[leg as usize], mark, self.now_us);
        }
        let input = Input::Sip {
            flow,
            octets: &octets,
        };
        self.tell(owner, input, cause.map(|(leg, _)| leg));
    }

    /// The gateway sends.
    pub(super) fn transmit(&mut self, shard: u16, flow: Flow, octets: Vec<u8>) {
        let message = Rc::new(Message::read(&octets));
        self.trace.write_u64(self.now_us);
        self.trace.write(message.start.as_bytes());
        self.trace
            .write(message.header("To").unwrap_or_default().as_bytes());
        self.trace
            .write(message.header("Call-ID").unwrap_or_default().as_bytes());
        trace::note(self.now_us, || {
            format!("shard {shard} > {} {}", flow.remote, head(&octets))
        });
        assert!(flow.remote != strangers::unknown(), "a stranger is answered");
        if !message.is_sound() {
            return;
        }
        let is_strict = self.weather.garbled == 0;
        let leg = self.leg_for(&message);
        if is_strict && let Some(leg) = leg {
            let ports = self.ports_of(leg);
            self.ledger
                .sent(&mut self.legs[leg as usize], &message, ports, self.now_us);
        }
        let is_invite =
            message.status().is_none() && message.method() == "INVITE" && message.tag("To").is_none();
        if is_invite {
            self.ledger.rings(&message, self.now_us);
        }
        if flow.transport.is_reliable() {
            let Some((at, flow)) = self.send_over(shard, flow, leg) else {
                return;
            };
            match leg {
                Some(leg) => self.schedule(at, Happening::Reach(leg, message, flow.connection)),
                None if is_invite => self.schedule(at, Happening::Ring(flow, message)),
                None => {}
            }
            return;
        }
        if self.is_lost() {
            return;
        }
        for _ in 0..self.copies() {
            let delay = self.delay();
            let happening = match leg {
                Some(leg) => Happening::Reach(leg, message.clone(), None),
                None if is_invite => Happening::Ring(flow, message.clone()),
                None => continue,
            };
            self.after(delay, happening);
        }
        if self.weather.tells_of_the_dead && self.is_dead(leg) {
            let delay = self.delay();
            self.ledger.unreachable(flow.remote);
            let at = self.now_us + delay;
            self.schedule(
                at,
                Happening::Broken(shard, flow, TransportFault::Unreachable, at),
            );
        }
    }

    /// Whether the host of this leg says that nobody is there.
    pub(super) fn is_dead(&self, leg: Option<u32>) -> bool {
        leg.is_some_and(|leg| match &self.legs[leg as usize].plan {
            Plan::Phone(plan) => plan.answer == Answer::Dead(true),
            Plan::Caller(_) => false,
        })
    }

    /// Whose message it is: by our own tag or branch in it, or by the Call-ID that made the leg.
    pub(super) fn leg_for(&self, message: &Message) -> Option<u32> {
        let leg = match message.status() {
            Some(_) => leg_of(&message.branch()),
            None => match message.tag("To") {
                Some(tag) => leg_of(tag),
                None => self.rung.get(message.must("Call-ID")).copied(),
            },
        };
        leg.filter(|leg| (*leg as usize) < self.legs.len())
    }

    /// The ports of the call that a leg belongs to: towards the caller, towards the phone.
    pub(super) fn ports_of(&self, leg: u32) -> Option<(u16, u16)> {
        let leg = &self.legs[leg as usize];
        let caller = leg.root();
        if caller.is_some_and(|caller| self.ledger.is_loose(caller)) {
            return None;
        }
        let media = self.media.get(&self.ledger.call_of(caller?)?)?;
        Some((media.a, media.b))
    }

    pub(super) fn ring(&mut self, flow: Flow, invite: Rc<Message>) {
        if flow
            .connection
            .is_some_and(|number| self.connections.is_broken(number))
        {
            return;
        }
        let address = flow.remote;
        let call_id = invite.must("Call-ID");
        if let Some(&leg) = self.rung.get(call_id) {
            self.legs[leg as usize].receive(&invite);
            return self.grant(leg);
        }
        if self.phones.get(&address) != Some(&flow.transport) {
            return;
        }
        let plan = plan::phone(&mut self.chance);
        let id = self.legs.len() as u32;
        let mut leg = Leg::phone(id, address, GATEWAY, flow.transport, invite.clone(), plan);
        leg.connection = flow.connection;
        leg.caller = self.ledger.add_phone(&invite, id);
        leg.receive(&invite);
        leg.rung();
        self.legs.push(leg);
        self.rung.insert(call_id.to_string(), id);
        self.grant(id);
    }

    pub(super) fn grant(&mut self, leg: u32) {
        for wish in self.legs[leg as usize].wishes() {
            match wish {
                Wish::Send(octets, mark) => {
                    if self.legs[leg as usize].transport.is_reliable() {
                        self.send_from(leg, octets, mark);
                    } else {
                        let from = self.legs[leg as usize].address;
                        self.datagram(from, octets, Some((leg, mark)));
                    }
                }
                Wish::Wake(after, wake) => self.after(after, Happening::Wake(leg, wake)),
                Wish::Fork => {
                    let id = self.legs.len() as u32;
                    let fork = self.legs[leg as usize].fork(id);
                    self.legs.push(fork);
                    self.grant(id);
                }
                Wish::Consult(number) => self.consult(leg, number),
                Wish::Join => self.join(leg),
                Wish::PickUp => self.pick_up(leg),
            }
        }
    }

    /// A peer sends: to the socket that the system picks for its address.
    pub(super) fn datagram(&mut self, from: SocketAddr, mut octets: Vec<u8>, mut cause: Option<(u32, Mark)>) {
        if self.is_lost() {
            return;
        }
        if self.chance.per_mille(self.weather.garbled) && !octets.is_empty() {
            let at = self.chance.below(octets.len() as u64) as usize;
            octets[at] = b' ' + self.chance.below(95) as u8;
            cause = None;
        }
        let [.., last] = match from.ip() {
            std::net::IpAddr::V4(ip) => ip.octets(),
            std::net::IpAddr::V6(_) => [0; 4],
        };
        let shard = u16::from(last) % self.shards.len() as u16;
        let octets = Rc::new(octets);
        for _ in 0..self.copies() {
            let delay = self.delay();
            let happening = Happening::Arrive {
                shard,
                flow: Flow::udp(GATEWAY.parse().unwrap(), from),
                octets: octets.clone(),
                cause,
                was_handed_over: false,
                hops: 0,
            };
            self.after(delay, happening);
        }
    }

    pub(super) fn is_lost(&mut self) -> bool {
        let is_dark = self
            .weather
            .blackout
            .is_some_and(|(from, until)| (from..until).contains(&self.now_us));
        is_dark || self.chance.per_mille(self.weather.lost)
    }

    pub(super) fn copies(&mut self) -> usize {
        1 + usize::from(self.chance.per_mille(self.weather.repeated))
    }

    pub(super) fn delay(&mut self) -> u64 {
        let (least, most) = self.weather.delay;
        self.chance.between(least, most)
    }
}
