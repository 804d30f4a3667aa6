//! A re-INVITE of our own: the other party of a call has changed, or the call has (RFC 3261 §14.1).

use std::time::{Duration, Instant};

use crate::call::case::Case;
use crate::call::desk::Desk;
use crate::call::index::Name;
use crate::call::leg::Leg;
use crate::call::limits::{REFRESH_WAIT, REINVITE_TRIES_MAX};
use crate::call::offer;
use crate::call::ring_again;
use crate::call::transport::Travel;
use crate::media::Side;
use crate::sdp::Session;
use crate::sip::{ClientTxn, Message, Method, Request};

/// One exchange of descriptions that we began. The leg it goes to stays with its owner.
pub(super) struct Reinvite {
    /// What is offered: the other party's own words.
    session: Session,
    txn: Option<(ClientTxn, Request)>,
    /// How the packets of the leg travelled before it was offered.
    before: Option<Travel>,
    again: Option<Instant>,
    tries: u32,
}

/// What came of it.
pub(super) enum Outcome {
    Pending,
    Accepted(Box<Session>),
    /// It goes on as it was.
    Refused(u16),
}

impl Reinvite {
    /// Offers `session` on our port towards `leg`.
    pub(super) fn begin(session: Session, leg: &mut Leg, case: &Case, desk: &mut Desk) -> Reinvite {
        let mut reinvite = Reinvite {
            session,
            txn: None,
            before: None,
            again: None,
            tries: 0,
        };
        reinvite.send_when_free(leg, case, desk);
        reinvite
    }

    pub(super) fn owns(&self, txn: ClientTxn) -> bool {
        self.txn.as_ref().is_some_and(|(ours, _)| *ours == txn)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.again
    }

    /// Tries again what met a request of the peer's own.
    pub(super) fn on_due(&mut self, leg: &mut Leg, case: &Case, desk: &mut Desk) {
        if self.again.is_some_and(|again| again <= desk.now().instant) {
            self.again = None;
            self.send_when_free(leg, case, desk);
        }
    }

    /// One exchange at a time: a session refresh of ours that is on its way comes first.
    fn send_when_free(&mut self, leg: &mut Leg, case: &Case, desk: &mut Desk) {
        match leg.terms.refresh {
            Some(_) => self.again = Some(desk.now().instant + REFRESH_WAIT),
            None => self.send(leg, case, desk),
        }
    }

    pub(super) fn on_response(&mut self, response: &Message, leg: &mut Leg, desk: &mut Desk) -> Outcome {
        let status = response.status().unwrap_or_default();
        if status < 200 {
            return Outcome::Pending;
        }
        let Some((txn, sent)) = self.txn.take() else {
            return Outcome::Pending;
        };
        desk.index.remove(&Name::Client(txn));
        if (200..300).contains(&status) {
            leg.dialog.on_response(response);
            leg.acknowledge(txn, response.cseq().0, None, desk);
            leg.terms.on_agreed(response, desk);
            leg.terms.said = sent.body;
            leg.terms.heard = response.body().to_vec();
            return match offer::read(response) {
                Ok(Some(session)) if leg.origin.travel.take_answer(&session).is_ok() => {
                    Outcome::Accepted(Box::new(session))
                }
                _ => Outcome::Refused(488),
            };
        }
        self.restore(leg);
        if status == 491 && self.tries < REINVITE_TRIES_MAX {
            self.again = Some(desk.now().instant + pause(leg.side, desk));
            return Outcome::Pending;
        }
        if status == 422 && self.tries < REINVITE_TRIES_MAX && leg.terms.lengthen(response) {
            self.again = Some(desk.now().instant);
            return Outcome::Pending;
        }
        if status == 488 && ring_again::may_be_codecs(response) && leg.origin.widen() {
            self.again = Some(desk.now().instant);
            return Outcome::Pending;
        }
        Outcome::Refused(status)
    }

    pub(super) fn on_failed(&mut self, status: u16, leg: &mut Leg, desk: &mut Desk) -> Outcome {
        self.restore(leg);
        if let Some((txn, _)) = self.txn.take() {
            desk.index.remove(&Name::Client(txn));
        }
        Outcome::Refused(status)
    }

    /// What we offered has come to nothing: what the leg agreed to before holds.
    fn restore(&mut self, leg: &mut Leg) {
        if let Some(before) = self.before.take() {
            leg.origin.travel = before;
        }
    }

    /// The call ends, or this party leaves it, before it has answered.
    pub(super) fn abandon(self, leg: &Leg, desk: &mut Desk) {
        if let Some((txn, sent)) = self.txn {
            desk.index.remove(&Name::Client(txn));
            let now = desk.now();
            desk.note_cancel(&sent);
            desk.endpoint.cancel(txn, None, now);
            desk.strays.adopt(txn, sent, leg.hop.clone());
        }
    }

    fn send(&mut self, leg: &mut Leg, case: &Case, desk: &mut Desk) {
        self.tries += 1;
        let Some(port) = case.port(leg.side) else { return };
        self.before = Some(leg.origin.travel.clone());
        let body = leg.origin.offer(&self.session, desk.config.media_address, port);
        let mut request = leg.dialog.request(Method::Invite).header("Allow", leg.allow());
        request = leg.terms.ask(request, desk);
        if let Ok(body) = body {
            request = request.with_body("application/sdp", body);
        }
        let txn = leg.send(request.clone(), desk);
        self.txn = Some((txn, request));
    }
}

/// RFC 3261 §14.1: whoever made the Call-ID waits 2.1 to 4 seconds, the other one at most 2. Leg B's is ours.
fn pause(side: Side, desk: &mut Desk) -> Duration {
    let dice = desk.random.u64();
    Duration::from_millis(match side {
        Side::A => dice % 2000,
        Side::B => 2100 + dice % 1900,
    })
}
