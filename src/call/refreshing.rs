//! Session refreshes while two people talk (RFC 4028): ours when they are due, and the peer's, which end here.
//!
//! A refresh touches neither the media nor the other leg.

use std::time::{Duration, Instant};

use crate::media::Side;
use crate::sip::{ClientTxn, Due, Message, Method, Response, ServerTxn};

use super::case::Case;
use super::desk::Desk;
use super::index::Name;
use super::leg;
use super::limits::REFRESH_RETRY;
use super::offer;
use super::refusal;
use super::stage::Stage;
use super::talking::{Over, Talking};
use super::terms::Refresh;

impl Talking {
    /// The earlier of both legs' timers.
    pub(super) fn timer_deadline(&self) -> Option<Instant> {
        [&self.a, &self.b]
            .into_iter()
            .filter_map(|leg| Some(leg.terms.timer.as_ref()?.deadline()))
            .min()
    }

    /// A session timer is due.
    pub(super) fn on_timer(mut self: Box<Self>, case: &mut Case, desk: &mut Desk) -> Stage {
        let now = desk.now().instant;
        for side in [Side::A, Side::B] {
            let due = self
                .leg(side)
                .terms
                .timer
                .as_mut()
                .and_then(|timer| timer.poll(now));
            match due {
                Some(Due::Expired) => {
                    return self.end(Over::failed("the session timer ran out"), case, desk);
                }
                Some(Due::Refresh) => self.refresh(side, desk),
                None => {}
            }
        }
        Stage::Talking(self)
    }

    /// Asks `side` whether it is still there: by UPDATE, or by an INVITE that says again what we said last.
    fn refresh(&mut self, side: Side, desk: &mut Desk) {
        let is_busy = !self.is_acknowledged
            || self.late.is_some()
            || self.transfers.is_exchanging()
            || self.exchanges.iter().any(|exchange| exchange.is_about_media());
        let leg = self.leg(side);
        if is_busy || leg.terms.refresh.is_some() {
            return leg.retry_refresh(REFRESH_RETRY, desk);
        }
        let is_invite = !leg.terms.takes_update;
        let method = if is_invite { Method::Invite } else { Method::Update };
        let mut request = leg.dialog.request(method).header("Allow", leg.allow());
        request = leg.terms.ask(request, desk);
        if is_invite {
            request = request.with_body("application/sdp", leg.terms.said.clone());
        }
        let txn = leg.send(request.clone(), desk);
        leg.terms.refresh = Some(Refresh {
            txn,
            sent: request,
            is_invite,
        });
    }

    /// A final answer to a refresh of ours (`response` is None when there was none). `Err`: not a refresh.
    pub(super) fn on_refreshed(
        mut self: Box<Self>,
        txn: ClientTxn,
        status: u16,
        response: Option<&Message>,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Result<Stage, Box<Self>> {
        let is_of = |leg: &leg::Leg| {
            leg.terms
                .refresh
                .as_ref()
                .is_some_and(|refresh| refresh.txn == txn)
        };
        let side = match (is_of(&self.a), is_of(&self.b)) {
            (true, _) => Side::A,
            (_, true) => Side::B,
            _ => return Err(self),
        };
        desk.index.remove(&Name::Client(txn));
        let leg = self.leg(side);
        let Some(refresh) = leg.terms.refresh.take() else {
            return Err(self);
        };
        match (status, response) {
            (200..300, Some(response)) => {
                leg.dialog.on_response(response);
                if refresh.is_invite {
                    leg.acknowledge(txn, response.cseq().0, None, desk);
                }
                leg.terms.on_agreed(response, desk);
                self.take_answer(side, response, case, desk);
            }
            // The other side has no such dialog any more, or is gone (RFC 4028 §10, RFC 5057 §5.1).
            (408 | 481 | 503, _) => {
                let over = Over::failed("the other side no longer knows the call");
                return Ok(self.end(over, case, desk));
            }
            (405 | 501, _) if !refresh.is_invite => {
                leg.terms.takes_update = false;
                leg.retry_refresh(Duration::ZERO, desk);
            }
            (422, Some(response)) if leg.terms.lengthen(response) => {
                leg.retry_refresh(Duration::ZERO, desk);
            }
            // RFC 3261 §14.1: who chose the Call-ID waits longer, so that the two do not meet again.
            (491, _) => {
                let random = desk.random.u64();
                let wait = match side {
                    Side::A => random % 201 * 10,
                    Side::B => 2100 + random % 191 * 10,
                };
                leg.retry_refresh(Duration::from_millis(wait), desk);
            }
            _ => leg.retry_refresh(REFRESH_RETRY, desk),
        }
        Ok(Stage::Talking(self))
    }

    /// The answer to a refresh by INVITE. A side that moved is followed; one that says the same again is left alone.
    fn take_answer(&mut self, side: Side, response: &Message, case: &mut Case, desk: &mut Desk) {
        let leg = self.leg(side);
        if response.body().is_empty() || response.body() == leg.terms.heard {
            return;
        }
        let before = offer::session(&leg.terms.heard);
        let Ok(Some(session)) = offer::read(response) else {
            return;
        };
        leg.terms.heard = response.body().to_vec();
        let security = &mut leg.origin.security;
        let keys = security.keys().cloned();
        if security.take_answer(&session).is_err() {
            return;
        }
        let is_elsewhere = before.is_none_or(|before| before.audio_address() != session.audio_address());
        if is_elsewhere || keys.as_ref() != security.keys() {
            case.describe(side, &session, security.keys(), desk);
        }
    }

    /// A request of `side` that only refreshes: an UPDATE without a description, or the description it sent last. True:
    /// answered here.
    pub(super) fn answer_refresh(
        &mut self,
        side: Side,
        txn: ServerTxn,
        request: &Message,
        desk: &mut Desk,
    ) -> bool {
        let is_invite = request.method() == Method::Invite;
        let is_refresh = match request.method() {
            Method::Update if request.body().is_empty() => true,
            Method::Invite | Method::Update => self.leg(side).terms.is_repetition(request),
            _ => false,
        };
        if !is_refresh {
            return false;
        }
        let leg = self.leg(side);
        let mut answer = Response::new(request, 200, refusal::phrase(200))
            .header("Contact", &leg.hop.contact)
            .header("Allow", leg.allow());
        answer = leg.terms.tell(request, answer, desk);
        leg.dialog.accept(request);
        if !request.body().is_empty() {
            answer = answer.with_body("application/sdp", leg.terms.said.clone());
        }
        if is_invite {
            // So that a missing ACK is heard of.
            desk.name(Name::Server(txn));
        }
        desk.respond(txn, answer);
        true
    }
}

impl leg::Leg {
    fn retry_refresh(&mut self, after: Duration, desk: &Desk) {
        let at = desk.now().instant + after;
        if let Some(timer) = &mut self.terms.timer {
            timer.retry(at);
        }
    }

    /// The call ends while a refresh is under way.
    pub(crate) fn drop_refresh(&mut self, desk: &mut Desk) {
        let Some(refresh) = self.terms.refresh.take() else {
            return;
        };
        desk.index.remove(&Name::Client(refresh.txn));
        if refresh.is_invite {
            let now = desk.now();
            desk.endpoint.cancel(refresh.txn, None, now);
            desk.strays.adopt(refresh.txn, refresh.sent, self.hop.clone());
        }
    }
}
