//! Training calls: a caller of our own, of whom it is known beforehand where it calls from, and what its call is to look like.
//!
//! Such a call takes the way of every other: policy, queue, banner, phones, media. Known of it are only these things: it is
//! admitted as a call of the trunk it is said to come over, it has the proof of its number that was ordered instead of one
//! that was verified, it rings nothing but queues that are willing (`drills = true`), it leads to no number outside, and its
//! record says what it was. Limits, floods, the store's memory of callers and reputations know nothing of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::call_id::CallId;
use crate::identity::{Attestation, Check, CheckResult, HeaderReport, Outcome, Report, Standing};
use crate::queue;
use crate::screening::NumberLight;
use crate::sip::{Flow, Message, Transport};

use super::case::Case;
use super::desk::Desk;

/// What one of them is to look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drill {
    /// Its Call-ID, which nobody else knows: another call from the same address is none of ours.
    pub sip_call_id: String,
    /// The trunk it is said to come over.
    pub trunk: String,
    /// The queue it is for, whatever number it dials.
    pub queue: String,
    /// What is proven of its number.
    pub number: NumberLight,
}

/// The training calls that go on, by the address they are made from. One for the process.
#[derive(Clone, Default)]
pub struct Drills(Arc<Inner>);

/// By the address it is made from: what it is to look like, and as which call it was taken.
type Known = BTreeMap<SocketAddr, (Drill, Option<CallId>)>;

#[derive(Default)]
struct Inner {
    /// Asked of every message: while there is none nothing more is looked at.
    count: AtomicUsize,
    /// Held for moments.
    known: Mutex<Known>,
}

impl Drills {
    /// A call that is about to be made from this address.
    pub fn expect(&self, from: SocketAddr, drill: Drill) {
        let mut known = self.known();
        known.insert(from, (drill, None));
        self.0.count.store(known.len(), Ordering::Release);
    }

    /// Nothing more of it comes. As which call it was taken; None = it never was.
    pub fn forget(&self, from: SocketAddr) -> Option<CallId> {
        let mut known = self.known();
        let (_, call) = known.remove(&from)?;
        self.0.count.store(known.len(), Ordering::Release);
        call
    }

    /// As which call it was taken.
    pub fn call(&self, from: SocketAddr) -> Option<CallId> {
        self.known().get(&from)?.1
    }

    /// Whether one that is expected was taken as this call.
    pub fn is_one(&self, call: CallId) -> bool {
        self.known().values().any(|(_, taken)| *taken == Some(call))
    }

    /// The trunk that whoever sends from there is said to come over.
    pub(crate) fn trunk(&self, flow: &Flow) -> Option<String> {
        let known = self.known_at(flow)?;
        known.get(&flow.remote).map(|(drill, _)| drill.trunk.clone())
    }

    /// What this INVITE is to look like; None = it is no training call.
    pub(crate) fn of(&self, flow: &Flow, invite: &Message) -> Option<Drill> {
        let known = self.known_at(flow)?;
        let (drill, _) = known.get(&flow.remote)?;
        (drill.sip_call_id == invite.call_id()).then(|| drill.clone())
    }

    /// It is this call.
    pub(crate) fn taken_as(&self, flow: &Flow, call: CallId) {
        if let Some((_, taken)) = self.known().get_mut(&flow.remote) {
            taken.get_or_insert(call);
        }
    }

    fn known_at(&self, flow: &Flow) -> Option<MutexGuard<'_, Known>> {
        let is_possible = flow.transport == Transport::Udp && self.0.count.load(Ordering::Acquire) > 0;
        is_possible.then(|| self.known())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drill {
    /// What verification would have said of it.
    pub(crate) fn report(&self) -> Report {
        match self.number {
            NumberLight::Unproven => Report::none(),
            NumberLight::Genuine => Report {
                standing: Standing::Verified,
                attestation: Some(Attestation::Full),
                verstat: "TN-Validation-Passed".into(),
                ..Report::none()
            },
            NumberLight::Forged => Report {
                standing: Standing::Failed,
                verstat: "TN-Validation-Failed".into(),
                headers: vec![HeaderReport {
                    ppt: Some("shaken".into()),
                    outcome: Outcome::Invalid,
                    code: Some(438),
                    reason: "the signature does not match".into(),
                    checks: vec![Check {
                        name: "signature".into(),
                        result: CheckResult::Failed,
                    }],
                    ppi: None,
                    nested: Vec::new(),
                }],
                ..Report::none()
            },
        }
    }
}

impl Case {
    /// The queues it may ring: a training call those that are willing, every other call all.
    pub(crate) fn queues(&self, desk: &Desk) -> Arc<[queue::Config]> {
        if !self.record.drill {
            return desk.queues.clone();
        }
        let willing = desk.queues.iter().filter(|queue| queue.service.drills);
        willing.cloned().collect()
    }

    /// Whether it may ring this one.
    pub(crate) fn may_ring(&self, queue: &str, desk: &Desk) -> bool {
        let mut queues = desk.queues.iter();
        !self.record.drill || queues.any(|known| known.name == queue && known.service.drills)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(remote: &str) -> Flow {
        Flow::udp("127.0.0.1:5060".parse().unwrap(), remote.parse().unwrap())
    }

    fn drill(number: NumberLight) -> Drill {
        Drill {
            sip_call_id: "secret@127.0.0.1".into(),
            trunk: "carrier".into(),
            queue: "desk".into(),
            number,
        }
    }

    fn invite(call_id: &str) -> Message {
        let text = format!(
            "INVITE sip:+12125550100@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:4000;branch=z9hG4bK1\r\n\
             From: <sip:+14045550123@carrier.example>;tag=1\r\nTo: <sip:+12125550100@127.0.0.1>\r\n\
             Call-ID: {call_id}\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContact: <sip:a@127.0.0.1:4000>\r\n\
             Content-Length: 0\r\n\r\n"
        );
        Message::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn only_the_call_that_is_expected_from_its_address_over_udp_is_one() {
        let drills = Drills::default();
        let here = "127.0.0.1:4000".parse().unwrap();
        let ours = invite("secret@127.0.0.1");
        assert_eq!(
            drills.of(&flow("127.0.0.1:4000"), &ours),
            None,
            "none is expected"
        );
        drills.expect(here, drill(NumberLight::Unproven));
        assert!(drills.of(&flow("127.0.0.1:4000"), &ours).is_some());
        assert_eq!(drills.of(&flow("127.0.0.1:4001"), &ours), None, "another address");
        assert_eq!(
            drills.of(&flow("127.0.0.1:4000"), &invite("guess@127.0.0.1")),
            None,
            "another call"
        );
        let over_tcp = Flow {
            transport: Transport::Tcp,
            ..flow("127.0.0.1:4000")
        };
        assert_eq!(drills.trunk(&over_tcp), None);
        assert_eq!(drills.trunk(&flow("127.0.0.1:4000")).as_deref(), Some("carrier"));
        drills.taken_as(&flow("127.0.0.1:4000"), CallId(7));
        drills.taken_as(&flow("127.0.0.1:4000"), CallId(8));
        assert_eq!(drills.call(here), Some(CallId(7)), "the first");
        assert_eq!(drills.forget(here), Some(CallId(7)));
        assert_eq!(drills.trunk(&flow("127.0.0.1:4000")), None);
    }

    #[test]
    fn the_report_shows_the_light_that_was_ordered() {
        let report = |number| drill(number).report();
        assert!(report(NumberLight::Forged).is_forged());
        assert_eq!(report(NumberLight::Genuine).attestation, Some(Attestation::Full));
        assert_eq!(report(NumberLight::Unproven), Report::none());
        for number in [NumberLight::Forged, NumberLight::Genuine, NumberLight::Unproven] {
            assert_eq!(
                report(number).passport_digest,
                None,
                "nothing that could be used twice"
            );
        }
    }
}
