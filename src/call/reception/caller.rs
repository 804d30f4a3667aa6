//! What the caller asks while he has nobody but us: hold, a new address, a refresh, the end.

use crate::media::Side;
use crate::sdp::Direction;
use crate::sip::{ClientTxn, Due, Message, Method, Response, ServerTxn};

use super::{Reception, Step};
use crate::call::case::Case;
use crate::call::desk::Desk;
use crate::call::ending::By;
use crate::call::index::Name;
use crate::call::limits::REFRESH_RETRY;
use crate::call::record;
use crate::call::refreshing::Refreshed;
use crate::call::refusal::{self, Refusal};
use crate::call::stage::Stage;
use crate::call::terms::Terms;
use crate::call::{early, offer, options};

impl Reception {
    pub(super) fn on_request(
        mut self: Box<Self>,
        txn: ServerTxn,
        request: &Message,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Stage {
        let own = self.a.as_ref().map(|a| a.dialog.call_id());
        if matches!(self.step, Step::Calling(_)) && own != Some(request.call_id()) {
            // A phone that rings: its early dialog is one, and there is nobody yet to take it across to.
            early::refuse(txn, request, desk);
            return Stage::Reception(self);
        }
        let Some(a) = self.a.as_mut().filter(|a| a.dialog.owns(request)) else {
            desk.refuse(txn, request, &Refusal::NoDialog);
            return Stage::Reception(self);
        };
        if let Err(status) = a.dialog.on_request(request) {
            desk.refuse(txn, request, &Refusal::Status(status));
            return Stage::Reception(self);
        }
        match request.method() {
            Method::Bye => {
                desk.respond(txn, Response::new(request, 200, refusal::phrase(200)));
                return self.end(
                    record::Ending::Cancelled,
                    By::Caller,
                    Some("the caller hung up before a person had answered"),
                    case,
                    desk,
                );
            }
            Method::Options => desk.respond(txn, refusal::capabilities(request, &desk.config)),
            Method::Invite | Method::Update => {
                if let Err(refusal) = self.renegotiate(txn, request, case, desk) {
                    desk.refuse(txn, request, &refusal);
                }
            }
            Method::Info => desk.refuse(txn, request, &Refusal::NotNow),
            method => desk.refuse(txn, request, &refusal::of_method(&method)),
        }
        Stage::Reception(self)
    }

    /// Answers a description of his with ours: the same codec again where he still has it.
    fn renegotiate(
        &mut self,
        txn: ServerTxn,
        request: &Message,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Result<(), Refusal> {
        let unknown = options::unknown(request, &desk.config);
        if !unknown.is_empty() {
            return Err(Refusal::UnknownOptions(unknown));
        }
        Terms::check(request, desk)?;
        if !self.is_acknowledged {
            return Err(Refusal::NotNow);
        }
        let codec = self.codec();
        let Some(a) = self.a.as_mut() else {
            return Err(Refusal::NoDialog);
        };
        if a.terms.refresh.as_ref().is_some_and(|refresh| refresh.is_invite) {
            return Err(Refusal::Pending);
        }
        if a.answer_refresh(txn, request, desk) {
            return Ok(());
        }
        // To be asked what we would offer is to be asked for a phone that nobody has chosen yet.
        let offer = offer::read_offer(request, &a.origin)?.ok_or(Refusal::NotNow)?;
        let told = offer.with_one_codec(codec);
        let port = case.port(Side::A).ok_or(Refusal::NotNow)?;
        let body = a
            .origin
            .answer(&told.answering(), &offer, desk.config.media_address, port)?;
        case.describe(Side::A, &told, a.origin.travel.agreed(), desk);
        case.hold(told.direction() != Direction::SendRecv, desk);
        case.offer = Some(told.clone());
        a.terms.heard = request.body().to_vec();
        a.terms.said.clone_from(&body);
        a.dialog.accept(request);
        let answer = Response::new(request, 200, refusal::phrase(200))
            .header("Contact", &a.hop.contact)
            .header("Allow", a.allow());
        let answer = a
            .terms
            .tell(request, answer, desk)
            .with_body("application/sdp", body);
        if request.method() == Method::Invite {
            // So that a missing ACK is heard of.
            desk.name(Name::Server(txn));
        }
        desk.respond(txn, answer);
        self.told = Some(told);
        Ok(())
    }

    pub(super) fn on_ack(
        mut self: Box<Self>,
        txn: ServerTxn,
        ack: &Message,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Stage {
        if !self.is_first(txn, case) {
            if txn != case.invite_txn {
                desk.index.remove(&Name::Server(txn));
            }
            return Stage::Reception(self);
        }
        if self.told.is_none() && !self.take_late_answer(ack, case, desk) {
            self.is_acknowledged = true;
            return self.end(
                record::Ending::Failed,
                By::Us,
                Some("no usable answer in ACK"),
                case,
                desk,
            );
        }
        self.acknowledged(case, desk)
    }

    /// The answer to the offer in our 200.
    fn take_late_answer(&mut self, ack: &Message, case: &mut Case, desk: &mut Desk) -> bool {
        let (Ok(Some(session)), Some(a)) = (offer::read(ack), self.a.as_mut()) else {
            return false;
        };
        if a.origin.travel.take_answer(&session).is_err() || session.audio_address().is_none() {
            return false;
        }
        let told = session.with_one_codec(None);
        a.terms.heard = ack.body().to_vec();
        case.describe(Side::A, &told, a.origin.travel.agreed(), desk);
        case.offer = Some(told.clone());
        self.told = Some(told);
        true
    }

    /// The session timer of his leg. `Some`: it ran out.
    pub(super) fn look_at_timer(&mut self, desk: &mut Desk) -> Option<&'static str> {
        let now = desk.now().instant;
        let is_acknowledged = self.is_acknowledged;
        let a = self.a.as_mut()?;
        match a.terms.timer.as_mut()?.poll(now)? {
            Due::Expired => return Some("the session timer ran out"),
            Due::Refresh if !is_acknowledged || a.terms.refresh.is_some() => {
                a.retry_refresh(REFRESH_RETRY, desk);
            }
            Due::Refresh => a.send_refresh(desk),
        }
        None
    }

    pub(super) fn on_refreshed(
        mut self: Box<Self>,
        txn: ClientTxn,
        status: u16,
        response: Option<&Message>,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Stage {
        let refreshed = match &mut self.a {
            Some(a) if status >= 200 => a.on_refreshed(txn, status, response, desk),
            _ => Refreshed::Later,
        };
        match refreshed {
            Refreshed::Gone => self.end(
                record::Ending::Failed,
                By::Us,
                Some("the other side no longer knows the call"),
                case,
                desk,
            ),
            Refreshed::Agreed | Refreshed::Later => Stage::Reception(self),
        }
    }
}
