//! Between the caller and the phone whose early media he hears: UPDATE (RFC 3311) and INFO before anybody has answered.
//!
//! Possible once the first exchange of descriptions is complete on both legs, which before an answer only reliable
//! responses can make it (RFC 3311 §5.1): the phone's description came reliably, and the caller's PRACK has come.

use std::time::Instant;

use crate::media::Side;
use crate::queue::Attempt;
use crate::sip::{ClientTxn, Dialog, Message, Method, Response, ServerTxn};

use super::case::Case;
use super::desk::Desk;
use super::early::abandon;
use super::ending::{By, Ending};
use super::exchange::{Exchange, Phase};
use super::hunting::Hunting;
use super::index::Name;
use super::leg::{self, Leg, Ringing};
use super::offer;
use super::options;
use super::refusal::{self, ALLOW, Refusal};
use super::reliable;
use super::stage::Stage;
use super::terms::Terms;

pub(crate) struct EarlyTalk {
    pub(crate) attempt: Attempt,
    a: Leg,
    b: Leg,
    /// One at a time, whichever side asked.
    exchange: Option<Exchange>,
    /// The descriptions are no longer those of the first exchange.
    pub(crate) is_changed: bool,
}

impl EarlyTalk {
    /// `said`: the phone's description as the caller got it. None when the phone's was not reliable.
    pub(crate) fn begin(leg: &mut Ringing, said: &[u8], case: &Case) -> Option<EarlyTalk> {
        let spoken = leg.spoken.as_ref()?;
        let b = leg.early_dialogs.with_tag(&spoken.tag)?.clone();
        let a = Dialog::as_server(&case.invite, &case.tag, &case.hop.contact).ok()?;
        Some(EarlyTalk {
            attempt: leg.attempt,
            a: Leg {
                side: Side::A,
                dialog: a,
                hop: case.hop.clone(),
                origin: case.origin.clone(),
                is_outside: false,
                terms: Terms::new(&case.invite, said.to_vec()),
            },
            b: Leg {
                side: Side::B,
                dialog: b,
                hop: leg.hop.clone(),
                origin: leg.origin.clone(),
                is_outside: leg.trunk.is_some(),
                terms: Terms {
                    takes_update: spoken.takes_update,
                    said: leg.invite.body.clone(),
                    heard: spoken.body.clone(),
                    ..Terms::default()
                },
            },
            exchange: None,
            is_changed: false,
        })
    }

    /// A request of either side. False: not in one of these two dialogs, or nothing of this.
    pub(crate) fn on_request(
        &mut self,
        txn: ServerTxn,
        request: &Message,
        ringing: &mut Ringing,
        case: &Case,
        desk: &mut Desk,
    ) -> bool {
        if !matches!(request.method(), Method::Update | Method::Info) {
            return false;
        }
        let side = match (self.a.dialog.owns(request), self.b.dialog.owns(request)) {
            (true, _) => Side::A,
            (_, true) => Side::B,
            _ => return false,
        };
        // PRACKs went out in this dialog beside us.
        if let Some(early) = ringing.early_dialogs.with_tag(self.b.dialog.remote_tag()) {
            self.b.dialog.continue_from(early);
        }
        if let Err(refusal) = self.carry(side, txn, request, case, desk) {
            desk.refuse(txn, request, &refusal);
        }
        if let Some(early) = ringing.early_dialogs.with_tag(self.b.dialog.remote_tag()) {
            early.continue_from(&self.b.dialog);
        }
        true
    }

    fn carry(
        &mut self,
        side: Side,
        txn: ServerTxn,
        request: &Message,
        case: &Case,
        desk: &mut Desk,
    ) -> Result<(), Refusal> {
        let (from, to) = match side {
            Side::A => (&mut self.a, &mut self.b),
            Side::B => (&mut self.b, &mut self.a),
        };
        from.dialog.on_request(request).map_err(Refusal::Status)?;
        let unknown = options::unknown(request, &desk.config);
        if !unknown.is_empty() {
            return Err(Refusal::UnknownOptions(unknown));
        }
        let is_update = request.method() == Method::Update;
        if is_update {
            Terms::check(request, desk)?;
        }
        if is_update && request.body().is_empty() {
            // A new target, or a refresh: the other leg has nothing to do with it.
            from.dialog.accept(request);
            let answer = Response::new(request, 200, refusal::phrase(200))
                .header("Contact", &from.hop.contact)
                .header("Allow", ALLOW);
            let answer = from.terms.tell(request, answer, desk);
            desk.respond(txn, answer);
            return Ok(());
        }
        // RFC 3311 §5.2: 500 while its own is under way, 491 while ours towards it is.
        match &self.exchange {
            Some(exchange) if exchange.from == side => return Err(Refusal::NotNow),
            Some(_) => return Err(Refusal::Pending),
            None => {}
        }
        if is_update && !to.terms.takes_update {
            return Err(Refusal::NotNow);
        }
        let port = case.port(to.side).ok_or(Refusal::NotNow)?;
        self.exchange = Some(Exchange::begin(
            side,
            txn,
            request,
            from,
            to,
            (port, false),
            desk,
        )?);
        Ok(())
    }

    /// A response to what was carried across, or 408 and 503 without one. False: to something else.
    pub(crate) fn on_response(
        &mut self,
        txn: ClientTxn,
        status: u16,
        response: Option<&Message>,
        case: &mut Case,
        desk: &mut Desk,
    ) -> bool {
        if self
            .exchange
            .as_ref()
            .is_none_or(|exchange| exchange.client != txn)
        {
            return false;
        }
        if status < 200 {
            return true;
        }
        let Some(mut exchange) = self.exchange.take() else {
            return true;
        };
        desk.index.remove(&Name::Client(txn));
        let (asking, answering) = match exchange.from {
            Side::A => (&mut self.a, &mut self.b),
            Side::B => (&mut self.b, &mut self.a),
        };
        match response.filter(|_| status < 300) {
            Some(response) => {
                exchange.on_success(response, asking, answering, case, desk);
                debug_assert_eq!(exchange.phase, Phase::Over, "no INVITE crosses before the answer");
                if exchange.is_about_media() {
                    self.is_changed = true;
                    case.origin = self.a.origin.clone();
                    let heard = offer::session(&self.a.terms.heard);
                    let heard = heard.and_then(|heard| self.a.origin.travel.heed(heard).ok());
                    case.offer = heard.or(case.offer.take());
                }
            }
            None => exchange.refuse(status, response, answering, desk),
        }
        true
    }

    /// What was carried across has had no answer for too long.
    pub(crate) fn give_up_waiting(&mut self, desk: &mut Desk) {
        let now = desk.now().instant;
        if let Some(exchange) = self
            .exchange
            .take_if(|exchange| exchange.until.is_some_and(|until| until <= now))
        {
            desk.index.remove(&Name::Client(exchange.client));
            let towards = match exchange.from {
                Side::A => &mut self.b,
                Side::B => &mut self.a,
            };
            exchange.refuse(408, None, towards, desk);
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.exchange.as_ref()?.until
    }

    /// A request of ours went out again with credentials.
    pub(crate) fn renumber(&mut self, sip_call_id: &str, cseq: u32) {
        for leg in [&mut self.a, &mut self.b] {
            leg.dialog.renumber(sip_call_id, cseq);
        }
    }

    /// The phone that speaks here is out, or the call is.
    pub(crate) fn abandon(mut self, desk: &mut Desk) {
        if let Some(exchange) = self.exchange.take() {
            let towards = leg::other(exchange.from);
            let leg = if towards == Side::A { &self.a } else { &self.b };
            exchange.abandon(leg, desk);
        }
    }

    /// Somebody answered: what is still under way goes on in the call, if it was this phone, and this fork of it.
    pub(crate) fn answered(self, a: &mut Leg, b: &mut Leg, desk: &mut Desk) -> Option<Exchange> {
        if self.b.dialog.remote_tag() != b.dialog.remote_tag()
            || self.a.dialog.local_tag() != a.dialog.local_tag()
        {
            self.abandon(desk);
            return None;
        }
        a.dialog.continue_from(&self.a.dialog);
        b.dialog.continue_from(&self.b.dialog);
        if self.is_changed {
            (a.origin, b.origin) = (self.a.origin, self.b.origin);
            (a.terms.said, a.terms.heard) = (self.a.terms.said, self.a.terms.heard);
            (b.terms.said, b.terms.heard) = (self.b.terms.said, self.b.terms.heard);
        }
        self.exchange
    }

    /// The phone's description as it is now.
    pub(crate) fn phone_said(&self) -> &[u8] {
        &self.b.terms.heard
    }
}

impl Hunting {
    /// The caller acknowledged a reliable response. With the answer to a phone's early offer: that goes on in our PRACK.
    pub(super) fn on_prack(
        mut self: Box<Self>,
        txn: ServerTxn,
        prack: &Message,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Stage {
        let owing = self.early.as_ref().map(|early| early.attempt);
        let leg = self
            .legs
            .iter_mut()
            .find(|leg| leg.owed.is_some() && Some(leg.attempt) == owing);
        let Some(leg) = leg else {
            if prack.body().is_empty() {
                self.begin_talk(case);
                reliable::accept(txn, prack, case, desk);
            } else {
                // A second offer before the first phone has answered (RFC 3262 §5): nobody could answer it yet.
                let refusal = Refusal::NotAcceptable("no second offer before the call is answered");
                desk.refuse(txn, prack, &refusal);
                let now = desk.now();
                desk.endpoint.release(case.invite_txn, now);
            }
            return Stage::Hunting(self);
        };
        let port = case.port(Side::B).ok_or(Refusal::Busy);
        let answer = offer::read(prack).and_then(|session| {
            let session = session.ok_or(Refusal::NotAcceptable("no answer in PRACK"))?;
            case.origin.travel.take_answer(&session)?;
            let ours = desk.config.media_address;
            let body = leg.origin.reply(&session, leg.early.as_ref(), ours, port?)?;
            Ok((session, body))
        });
        match answer {
            Ok((session, body)) => {
                case.describe_caller(&session, desk);
                case.offer = Some(session);
                leg.pay(Some(body), desk);
                if let Some(early) = &mut self.early {
                    early.is_answered = true;
                }
                self.begin_talk(case);
                reliable::accept(txn, prack, case, desk);
                Stage::Hunting(self)
            }
            Err(refusal) => {
                desk.refuse(txn, prack, &refusal);
                self.stop_waiting(case, desk);
                abandon(self.legs, None, case, desk);
                case.refuse(&refusal, desk);
                Ending::failed(
                    refusal.status(),
                    By::Caller,
                    "no usable answer in PRACK",
                    case,
                    desk,
                )
            }
        }
    }

    /// Both descriptions of the early media are acknowledged.
    fn begin_talk(&mut self, case: &Case) {
        let Some(early) = self.early.as_ref().filter(|_| self.talk.is_none()) else {
            return;
        };
        let leg = self.legs.iter_mut().find(|leg| leg.attempt == early.attempt);
        let talk = leg.and_then(|leg| EarlyTalk::begin(leg, &early.sent, case));
        self.talk = talk.map(Box::new);
    }

    /// A request between the caller and the phone he hears. False: it is not.
    pub(super) fn is_talk(
        &mut self,
        txn: ServerTxn,
        request: &Message,
        case: &Case,
        desk: &mut Desk,
    ) -> bool {
        let Some(talk) = &mut self.talk else { return false };
        let leg = self.legs.iter_mut().find(|leg| leg.attempt == talk.attempt);
        leg.is_some_and(|leg| talk.on_request(txn, request, leg, case, desk))
    }

    /// A response to such a request.
    pub(super) fn is_said_early(
        &mut self,
        txn: ClientTxn,
        status: u16,
        response: Option<&Message>,
        case: &mut Case,
        desk: &mut Desk,
    ) -> bool {
        let Some(talk) = &mut self.talk else { return false };
        let is_its = talk.on_response(txn, status, response, case, desk);
        if is_its && talk.is_changed {
            // What was said first no longer counts: the 200 does not say it again, and the phone is where it is now.
            if let Some(early) = &mut self.early {
                early.is_answered = true;
            }
            let leg = self.legs.iter_mut().find(|leg| leg.attempt == talk.attempt);
            if let (Some(leg), Some(session)) = (leg, offer::session(talk.phone_said())) {
                leg.early = Some(session);
            }
        }
        is_its
    }

    /// The phone he heard is out (None: the call is).
    pub(super) fn end_talk(&mut self, attempt: Option<Attempt>, desk: &mut Desk) {
        let is_its = |talk: &mut Box<EarlyTalk>| attempt.is_none_or(|attempt| talk.attempt == attempt);
        if let Some(talk) = self.talk.take_if(is_its) {
            talk.abandon(desk);
        }
    }
}
