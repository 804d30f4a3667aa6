//! Provisional responses that must arrive (RFC 3262), from either side.

use super::*;

/// A reliable provisional response of ours.
pub(super) struct Rung {
    pub(super) rseq: u32,
    pub(super) cseq: u32,
    pub(super) octets: Vec<u8>,
    pub(super) has_body: bool,
    pub(super) is_acknowledged: bool,
    interval: u64,
    age: u64,
}

impl Leg {
    /// Headers of a reliable 18x, when the other side may be asked to acknowledge it.
    pub(super) fn rung_reliably(&mut self, invite: &Message) -> Vec<(&'static str, String)> {
        if !invite.all("Supported").any(|tags| tags.contains("100rel")) {
            return Vec::new();
        }
        let rseq = 1 + self.id % 50_000;
        self.reliable = Some(Rung {
            rseq,
            cseq: invite.cseq(),
            octets: Vec::new(),
            has_body: false,
            is_acknowledged: false,
            interval: T1,
            age: 0,
        });
        self.wishes.push(Wish::Wake(T1, Wake::RepeatReliable));
        vec![("Require", "100rel".into()), ("RSeq", rseq.to_string())]
    }

    /// Again, twice as late each time, over connections as well (RFC 3262 §3).
    pub(super) fn repeat_reliable(&mut self) {
        let Some(rung) = self
            .reliable
            .as_mut()
            .filter(|rung| !rung.is_acknowledged && self.state == State::Ringing)
        else {
            return;
        };
        rung.age += rung.interval;
        if rung.age >= PATIENCE {
            // Nobody acknowledged it (RFC 3262 §3).
            self.state = State::Over;
            if let Some(invite) = self.invite.clone() {
                self.respond(&invite, 504, None);
            }
            return;
        }
        rung.interval *= 2;
        self.wishes
            .push(Wish::Send(rung.octets.clone(), Mark::Provisional));
        self.wishes.push(Wish::Wake(rung.interval, Wake::RepeatReliable));
    }

    pub(super) fn on_prack(&mut self, prack: &Message) {
        let wanted = self
            .reliable
            .as_mut()
            .filter(|rung| prack.must("RAck") == format!("{} {} INVITE", rung.rseq, rung.cseq));
        match wanted {
            Some(rung) => {
                rung.is_acknowledged = true;
                self.respond(prack, 200, None);
            }
            None => self.respond(prack, 481, None),
        }
    }

    pub(super) fn has_offered_reliably(&self, invite: &Message) -> bool {
        let has_offered = self
            .reliable
            .as_ref()
            .is_some_and(|rung| rung.has_body && rung.is_acknowledged);
        has_offered && !invite.has_sdp()
    }

    /// PRACK for a provisional response that wants one: each number once, in order.
    pub(super) fn acknowledge_reliable(&mut self, at: usize, message: &Message) {
        let is_wanted = message.all("Require").any(|tags| tags.contains("100rel"));
        let Some(rseq) = message.header("RSeq").and_then(|rseq| rseq.parse::<u32>().ok()) else {
            assert!(!is_wanted, "leg {:x}: a reliable response without RSeq", self.id);
            return;
        };
        let may_be = matches!(&self.plan, Plan::Caller(plan) if plan.is_reliable);
        assert!(
            may_be && is_wanted,
            "leg {:x} was rung reliably and did not say that it can be",
            self.id
        );
        if self.rseq.is_some_and(|last| rseq != last + 1) {
            return;
        }
        self.rseq = Some(rseq);
        let rack = format!("{rseq} {} INVITE", self.asked[at].cseq);
        let is_answer = !self.asked[at].has_offer && message.has_sdp();
        let body = is_answer.then(|| self.sdp(answer_to(message.direction())));
        // Offer and answer are through: the ACK carries none.
        self.asked[at].has_offer |= is_answer;
        self.request("PRACK", &[("RAck", rack)], body, None);
    }
}
