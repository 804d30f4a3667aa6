//! What comes to a shard: SIP datagrams, media, and what others put into its inbox, each a bounded number a turn.

use std::io;
use std::sync::atomic::Ordering;

use mio::Token;

use super::Shard;
use crate::call::limits::PASSED_ON_MAX;
use crate::call::{Counter, Input};
use crate::call_id::CallId;
use crate::runtime::inbox::ToShard;
use crate::runtime::limits::{INBOX_BATCH, SIP_BATCH};
use crate::runtime::{clock, count};
use crate::sip::{Flow, peek_call_id};

impl Shard {
    pub(super) fn read_sip(&mut self, index: usize) {
        let mut datagram = std::mem::take(&mut self.datagram);
        let mut taken = 0;
        while let (Some(socket), Some(&local)) = (self.parts.sockets.get(index), self.locals.get(index)) {
            if taken == SIP_BATCH {
                self.unread.push(index);
                break;
            }
            taken += 1;
            match socket.recv_from(&mut datagram) {
                Ok((length, remote)) => {
                    let flow = Flow::udp(local, remote);
                    self.deliver(flow, &datagram[..length]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // An ICMP error of an earlier send: the next datagram may be fine.
                Err(error) => tracing::debug!(%error, "a SIP socket reported an error"),
            }
        }
        self.datagram = datagram;
    }

    /// To our own engine, or to the shard that owns the Call-ID.
    fn deliver(&mut self, flow: Flow, octets: &[u8]) {
        if self.parts.engine.is_blocked(&flow, clock::now().instant) {
            return count::call(Counter::Unheard);
        }
        let Some(sip_call_id) = peek_call_id(octets) else {
            count::malformed();
            return;
        };
        let owner = self.parts.doors.mailboxes.owner_of_message(octets, sip_call_id);
        if owner == self.parts.index {
            self.take_sip(flow, octets, 0);
        } else if !self.parts.engine.may_cross(flow.remote, clock::now()) {
            // Before anything is copied: a stranger must not fill the inbox of another shard.
            self.parts.doors.strangers.note(Counter::UnknownSource);
            count::call(Counter::UnknownSource);
        } else if let Some(mailbox) = self.parts.doors.mailboxes.shard(owner) {
            mailbox.send(ToShard::Sip {
                flow,
                octets: octets.into(),
                hops: 0,
            });
        }
    }

    /// A message that its Call-ID brought here: for our engine, unless another shard has the dialog.
    fn take_sip(&mut self, flow: Flow, octets: &[u8], hops: u8) {
        let now = clock::now();
        let elsewhere = match hops {
            ..PASSED_ON_MAX => self.parts.engine.passes_on(&flow, octets, now),
            _ => None,
        };
        match elsewhere.and_then(|shard| self.parts.doors.mailboxes.shard(shard)) {
            Some(mailbox) => {
                let octets = octets.into();
                mailbox.send(ToShard::Sip {
                    flow,
                    octets,
                    hops: hops + 1,
                });
            }
            None => self.step(Input::Sip { flow, octets }, now),
        }
    }

    pub(super) fn read_media(&mut self, token: Token) {
        let scoring = self.parts.doors.scoring.clone();
        let mut refused: Vec<(CallId, crate::media::Hop)> = Vec::new();
        let now = clock::now();
        self.parts
            .media
            .readable(token, now, &mut |call, hop| match &scoring {
                Some(scoring) => {
                    if let Err(hop) = scoring.submit(call, hop) {
                        refused.push((call, hop));
                    }
                }
                None => refused.push((call, hop)),
            });
        for (call, hop) in refused {
            self.parts.media.recycle(call, hop);
            if scoring.is_some() {
                self.step(Input::ScoringOverloaded { call }, now);
            }
        }
    }

    pub(super) fn read_inbox(&mut self) {
        for _ in 0..INBOX_BATCH {
            let Ok(message) = self.parts.inbox.try_recv() else {
                return;
            };
            let now = clock::now();
            match message {
                ToShard::Sip { flow, .. } if self.parts.engine.is_blocked(&flow, now.instant) => {
                    count::call(Counter::Unheard);
                }
                ToShard::Sip { flow, octets, hops } => self.take_sip(flow, &octets, hops),
                ToShard::TransportError { flow, fault, at } => {
                    self.step(Input::TransportError { flow, fault, at }, now);
                }
                ToShard::Fetched(fetched) => self.step(Input::Fetched(fetched), now),
                ToShard::Known {
                    call,
                    history,
                    is_reused,
                } => {
                    self.step(
                        Input::Known {
                            call,
                            history,
                            is_reused,
                        },
                        now,
                    );
                }
                ToShard::Reused { call } => self.step(Input::Reused { call }, now),
                ToShard::Scored { call, opinion, hop } => {
                    if let Some(hop) = hop {
                        self.parts.media.recycle(call, hop);
                    }
                    let opinion = *opinion;
                    self.step(Input::Scored { call, opinion }, now);
                }
                ToShard::NotScored { call, hop } => {
                    self.parts.media.recycle(call, hop);
                    self.step(Input::ScoringOverloaded { call }, now);
                }
                ToShard::HeardBy { call, model } => self.step(Input::HeardBy { call, model }, now),
                ToShard::Repeated { call, recording } => {
                    let recording = *recording;
                    self.step(Input::Repeated { call, recording }, now);
                }
                ToShard::SecondShed { call } => self.step(Input::SecondShed { call }, now),
                ToShard::Resolved(known) => self.step(Input::Resolved(known), now),
                ToShard::SetRoster(roster) => self.step(Input::SetRoster(roster), now),
                ToShard::Stands(standing) => self.step(Input::Stands(standing), now),
                ToShard::Used(used) => self.step(Input::Used(used), now),
                ToShard::Standing(change) => self.step(Input::Standing(change), now),
                ToShard::SetPolicies(lineup) => self.step(Input::SetPolicies(lineup), now),
                ToShard::SetPrompts(prompts) => self.step(Input::SetPrompts(prompts), now),
                ToShard::SetLists(lists) => self.step(Input::SetLists(lists), now),
                ToShard::SetLockdown(since) => self.step(Input::SetLockdown(since), now),
                ToShard::SetDevices(devices) => self.step(Input::SetDevices(devices), now),
                ToShard::SetBound(bound) => self.step(Input::SetBound(bound), now),
                ToShard::SetReputations(known) => self.step(Input::SetReputations(known), now),
                ToShard::Collector(addresses) => {
                    if let Some(mirror) = &mut self.parts.mirror {
                        mirror.send_to(addresses);
                    }
                }
                ToShard::SetTrust { trust, taken } => {
                    self.step(Input::SetTrust(trust), now);
                    // There is room for the word of every shard; whoever waited for it may have given up.
                    let _ = taken.try_send(());
                }
                ToShard::LoginHost { host, addresses } => {
                    self.step(Input::LoginHost { host, addresses }, now);
                }
                ToShard::ServiceRoute { trunk, route } => {
                    self.step(Input::ServiceRoute { trunk, route }, now)
                }
                ToShard::Moved {
                    sip_call_id,
                    shard,
                    is_over,
                } => {
                    self.step(
                        Input::Moved {
                            sip_call_id,
                            shard,
                            is_over,
                        },
                        now,
                    );
                }
                ToShard::IsNeeded { flow, is_needed } => {
                    if self.parts.engine.needs(&flow) {
                        is_needed.store(true, Ordering::Relaxed);
                    }
                }
                ToShard::LegAsked(asked) => self.step(Input::LegAsked(*asked), now),
                ToShard::LegHanded { asker, handed } => self.step(Input::LegHanded { asker, handed }, now),
                ToShard::Order { call, order } => self.step(Input::Order { call, order }, now),
                ToShard::CallBack { wanted, answer } => {
                    if answer.is_wanted() {
                        self.call_back = Some(answer);
                        self.step(Input::CallBack(wanted), now);
                    }
                }
                ToShard::HangUp { call } => self.step(Input::HangUp { call }, now),
                ToShard::Drain => self.step(Input::Drain, now),
                ToShard::Stop => self.is_stopping = true,
            }
        }
    }
}
