//! Handshakes by the ports of the audio: what they say is sent, and what came of them is told once.

use std::time::Instant;

use super::{Call, Counters, MediaIo, Sockets};
use crate::call_id::CallId;
use crate::media::Side;
use crate::media::dtls::{Fault, Terms};
use crate::sdp::Suite;
use crate::time::Now;

impl MediaIo {
    /// The handshake that gives the keys of the party on `side`; see [`Session::handshake`]. Unknown calls are ignored.
    pub fn handshake(&mut self, call: CallId, side: Side, terms: Option<&Terms>, now: Now) {
        let certificate = self.certificate.clone();
        let is_anew = self
            .call_mut(call)
            .is_some_and(|call| call.session.handshake(side, terms.zip(certificate.as_ref()), now));
        if is_anew {
            // What came of the handshake before is not said of this one.
            self.secured
                .retain(|(of, whose, _)| (*of, *whose) != (call, side));
        }
    }

    /// What the handshakes of a call have to say now that it is described.
    pub fn greet(&mut self, call: CallId) {
        let Some(key) = self.index.get(&call).copied() else {
            return;
        };
        let Some(call) = self.calls.get_mut(key) else {
            return;
        };
        let Some(deadline) = call.session.handshake_deadline() else {
            return;
        };
        call.shake_hands(&self.sockets, &mut self.secured, &mut self.counters);
        self.next_handshake = Some(self.next_handshake.map_or(deadline, |next| next.min(deadline)));
        if !self.handshaking.contains(&key) {
            self.handshaking.push(key);
        }
    }

    /// Goes on with handshakes that nobody answered, and tells what came of any of them since it was asked last. Nothing is
    /// allocated while none is over.
    pub fn handshakes(&mut self, now: Now) -> Vec<(CallId, Side, Result<Suite, Fault>)> {
        if self.next_handshake.is_some_and(|at| now.instant >= at) {
            let mut next: Option<Instant> = None;
            let (calls, sockets) = (&mut self.calls, &self.sockets);
            let (secured, counters) = (&mut self.secured, &mut self.counters);
            self.handshaking.retain(|key| {
                let Some(call) = calls.get_mut(*key) else {
                    return false;
                };
                call.session.handle_handshake_timeout(now);
                call.shake_hands(sockets, secured, counters);
                let deadline = call.session.handshake_deadline();
                next = [next, deadline].into_iter().flatten().min();
                deadline.is_some()
            });
            self.next_handshake = next;
        }
        std::mem::take(&mut self.secured)
    }
}

impl Call {
    /// Sends what its handshakes have to say, and notes what came of them.
    pub(super) fn shake_hands(
        &mut self,
        sockets: &Sockets,
        secured: &mut Vec<(CallId, Side, Result<Suite, Fault>)>,
        counters: &mut Counters,
    ) {
        for side in [Side::A, Side::B] {
            let pair = sockets.pair(self.pairs[side as usize]);
            while let Some((component, to, datagram)) = self.session.poll_handshake(side) {
                let sent = pair.map(|pair| pair.sockets[component as usize].send_to(&datagram, to));
                if !matches!(sent, Some(Ok(_))) {
                    counters.unsent += 1;
                }
            }
        }
        while let Some((side, outcome)) = self.session.poll_secured() {
            secured.push((self.id, side, outcome));
        }
    }
}
