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

/// What came of a refresh.
pub(crate) enum Refreshed {
    Agreed,
    /// The other side knows no such call any more.
    Gone,
    /// It is tried again.
    Later,
}

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
        leg.send_refresh(desk);
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
        let side = match (self.a.is_refresh(txn), self.b.is_refresh(txn)) {
            (true, _) => Side::A,
            (_, true) => Side::B,
            _ => return Err(self),
        };
        match self.leg(side).on_refreshed(txn, status, response, desk) {
            Refreshed::Agreed => {
                if let Some(response) = response {
                    self.take_answer(side, response, case, desk);
                }
            }
            Refreshed::Gone => {
                let over = Over::failed("the other side no longer knows the call");
                return Ok(self.end(over, case, desk));
            }
            Refreshed::Later => {}
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
        let Ok(Some(session)) = offer::read_talking(response) else {
            return;
        };
        // Fax is answered with fax, and audio with audio.
        let said = offer::session(&leg.terms.said);
        if said.is_some_and(|said| said.is_fax() != session.is_fax()) {
            return;
        }
        leg.terms.heard = response.body().to_vec();
        let travel = &mut leg.origin.travel;
        let agreed = travel.agreed();
        if travel.take_answer(&session).is_err() {
            return;
        }
        let is_elsewhere = before.is_none_or(|before| before.audio_address() != session.audio_address());
        if is_elsewhere || agreed != travel.agreed() {
            case.describe(side, &session, travel.agreed(), desk);
        }
    }
}

impl leg::Leg {
    /// A request of this side that only refreshes: an UPDATE without a description, or the description it sent last. True:
    /// answered here.
    pub(crate) fn answer_refresh(&mut self, txn: ServerTxn, request: &Message, desk: &mut Desk) -> bool {
        let is_invite = request.method() == Method::Invite;
        let is_refresh = match request.method() {
            Method::Update if request.body().is_empty() => true,
            Method::Invite | Method::Update => self.terms.is_repetition(request),
            _ => false,
        };
        if !is_refresh {
            return false;
        }
        let mut answer = Response::new(request, 200, refusal::phrase(200))
            .header("Contact", &self.hop.contact)
            .header("Allow", self.allow());
        answer = self.terms.tell(request, answer, desk);
        self.dialog.accept(request);
        if !request.body().is_empty() {
            answer = answer.with_body("application/sdp", self.terms.said.clone());
        }
        if is_invite {
            // So that a missing ACK is heard of.
            desk.name(Name::Server(txn));
        }
        desk.respond(txn, answer);
        true
    }

    /// Whether this transaction is a refresh of ours towards this side.
    pub(crate) fn is_refresh(&self, txn: ClientTxn) -> bool {
        self.terms
            .refresh
            .as_ref()
            .is_some_and(|refresh| refresh.txn == txn)
    }

    /// Asks whether this side is still there: by UPDATE, or by an INVITE that says again what we said last.
    pub(crate) fn send_refresh(&mut self, desk: &mut Desk) {
        let is_invite = !self.terms.takes_update;
        let method = if is_invite { Method::Invite } else { Method::Update };
        let mut request = self.dialog.request(method).header("Allow", self.allow());
        request = self.terms.ask(request, desk);
        if is_invite {
            request = request.with_body("application/sdp", self.terms.said.clone());
        }
        let txn = self.send(request.clone(), desk);
        self.terms.refresh = Some(Refresh {
            txn,
            sent: request,
            is_invite,
        });
    }

    /// A final answer to it (`response` is None when there was none).
    pub(crate) fn on_refreshed(
        &mut self,
        txn: ClientTxn,
        status: u16,
        response: Option<&Message>,
        desk: &mut Desk,
    ) -> Refreshed {
        desk.index.remove(&Name::Client(txn));
        let Some(refresh) = self.terms.refresh.take() else {
            return Refreshed::Later;
        };
        match (status, response) {
            (200..300, Some(response)) => {
                self.dialog.on_response(response);
                if refresh.is_invite {
                    self.acknowledge(txn, response.cseq().0, None, desk);
                }
                self.terms.on_agreed(response, desk);
                return Refreshed::Agreed;
            }
            // The other side has no such dialog any more, or is gone (RFC 4028 §10, RFC 5057 §5.1).
            (408 | 481 | 503, _) => return Refreshed::Gone,
            (405 | 501, _) if !refresh.is_invite => {
                self.terms.takes_update = false;
                self.retry_refresh(Duration::ZERO, desk);
            }
            (422, Some(response)) if self.terms.lengthen(response) => {
                self.retry_refresh(Duration::ZERO, desk);
            }
            // RFC 3261 §14.1: who chose the Call-ID waits longer, so that the two do not meet again.
            (491, _) => {
                let random = desk.random.u64();
                let wait = match self.side {
                    Side::A => random % 201 * 10,
                    Side::B => 2100 + random % 191 * 10,
                };
                self.retry_refresh(Duration::from_millis(wait), desk);
            }
            _ => self.retry_refresh(REFRESH_RETRY, desk),
        }
        Refreshed::Later
    }

    pub(crate) fn retry_refresh(&mut self, after: Duration, desk: &Desk) {
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
            desk.note_cancel(&refresh.sent);
            desk.endpoint.cancel(refresh.txn, None, now);
            desk.strays.adopt(refresh.txn, refresh.sent, self.hop.clone());
        }
    }
}
