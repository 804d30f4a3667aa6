//! One request inside the call on its way to the other leg and its answer on the way back.

use std::time::Instant;

use crate::media::Side;
use crate::sdp::{Direction, Session};
use crate::sip::{ClientTxn, Message, Method, Request, Response, ServerTxn};

use super::case::Case;
use super::crossing;
use super::desk::Desk;
use super::index::Name;
use super::leg::Leg;
use super::limits::EXCHANGE_PATIENCE;
use super::offer;
use super::refusal::{self, Refusal};
use super::transport::Travel;

pub(crate) struct Exchange {
    /// Who asked.
    pub(crate) from: Side,
    pub(crate) server: ServerTxn,
    pub(crate) client: ClientTxn,
    pub(crate) phase: Phase,
    /// By when the other side has to answer; None = it is an INVITE, which may ring for as long as its timers let it.
    pub(crate) until: Option<Instant>,
    /// As it came.
    request: Message,
    /// As we sent it on.
    sent: Request,
    /// The description in the request.
    offer: Option<Session>,
    /// How the packets of the other leg travelled before it was offered: what holds where it does not agree.
    before: Option<Travel>,
    /// A CANCEL of ours has gone to the other side.
    is_cancelled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The other side has not answered.
    Asked,
    /// A re-INVITE was answered; its ACK is on the way.
    Answered,
    /// The other side's 200 was an offer: the answer comes in the ACK, and goes on in ours to this CSeq.
    LateAnswer {
        cseq: u32,
    },
    Over,
}

impl Exchange {
    /// Sends the request of `asking` on to `towards`, where our media port is `port`. `plays`: who is told that nothing flows hears
    /// music of ours.
    pub(crate) fn begin(
        from: Side,
        server: ServerTxn,
        request: &Message,
        asking: &Leg,
        towards: &mut Leg,
        (port, plays): (u16, bool),
        desk: &mut Desk,
    ) -> Result<Exchange, Refusal> {
        let method = request.method();
        let hops = crossing::hops_left(request).ok_or(Refusal::TooManyHops)?;
        let mut before = None;
        let mut offer = None;
        let mut body = None;
        if method == Method::Info {
            if !request.body().is_empty() {
                let kind = request
                    .content_type()
                    .map_or_else(|| "application/octet-stream".into(), |k| k.into_owned());
                body = Some((kind, request.body().to_vec()));
            }
        } else {
            // An UPDATE brings none: before a phone has answered nobody has a fax to send.
            offer = match method {
                Method::Invite => offer::read_talking_offer(request, &asking.origin)?,
                _ => offer::read_offer(request, &asking.origin)?,
            };
            if let Some(offer) = &offer {
                let travel = towards.origin.travel.clone();
                let words = match (plays, offer.direction()) {
                    (true, Direction::Inactive) => &offer.directed(Direction::SendOnly),
                    _ => offer,
                };
                let sdp = match towards.origin.offer(words, desk.config.media_address, port) {
                    Ok(sdp) => sdp,
                    Err(refusal) => {
                        towards.origin.travel = travel;
                        return Err(refusal);
                    }
                };
                before = Some(travel);
                body = Some(("application/sdp".to_string(), sdp));
            }
        }
        let mut sent = towards
            .dialog
            .request(method.clone())
            .header("Max-Forwards", hops.to_string());
        sent = match method {
            Method::Info => crossing::info(request, sent),
            _ => towards.terms.ask(sent.header("Allow", towards.allow()), desk),
        };
        if let Some((kind, body)) = body {
            sent = sent.with_body(&kind, body);
        }
        let client = towards.send(sent.clone(), desk);
        let is_invite = method == Method::Invite;
        if is_invite {
            desk.name(Name::Server(server));
        }
        let until = desk.now().instant + EXCHANGE_PATIENCE;
        Ok(Exchange {
            from,
            server,
            client,
            phase: Phase::Asked,
            until: (!is_invite).then_some(until),
            request: request.clone(),
            sent,
            offer,
            before,
            is_cancelled: false,
        })
    }

    /// It may change what flows: no other such exchange beside it.
    pub(crate) fn is_about_media(&self) -> bool {
        self.request.method() != Method::Info
    }

    /// The other side said yes.
    pub(crate) fn on_success(
        &mut self,
        response: &Message,
        asking: &mut Leg,
        answering: &mut Leg,
        case: &mut Case,
        desk: &mut Desk,
    ) {
        answering.dialog.on_response(response);
        if self.request.method() == Method::Info {
            self.phase = Phase::Over;
            let answer = Response::new(&self.request, 200, refusal::phrase(200));
            return desk.respond(self.server, crossing::response(response, answer));
        }
        let is_invite = self.request.method() == Method::Invite;
        let cseq = response.cseq().0;
        let is_late = is_invite && self.offer.is_none();
        if is_invite && !is_late {
            answering.acknowledge(self.client, cseq, None, desk);
        }
        let carried = self.carry_back(response, asking, answering, case, desk);
        let (session, body) = match carried {
            Ok(carried) => carried,
            Err(refusal) => {
                // The other side changed nothing we could carry: what flows goes on as it was.
                if is_late {
                    answering.acknowledge(self.client, cseq, None, desk);
                }
                self.restore(answering);
                self.phase = Phase::Over;
                return desk.respond(self.server, refusal.answer(&self.request));
            }
        };
        if let Some(offer) = &self.offer {
            case.describe(asking.side, offer, asking.origin.travel.agreed(), desk);
        }
        answering.terms.on_agreed(response, desk);
        answering.terms.heard = response.body().to_vec();
        asking.terms.said = body.clone();
        if !is_late {
            asking.terms.heard = self.request.body().to_vec();
            answering.terms.said = self.sent.body.clone();
        }
        case.describe(answering.side, &session, answering.origin.travel.agreed(), desk);
        case.fax(session.is_fax(), desk);
        let directions = [
            self.offer.as_ref().map(Session::direction),
            Some(session.direction()),
        ];
        case.hold(
            directions
                .into_iter()
                .flatten()
                .any(|direction| direction != Direction::SendRecv),
            desk,
        );
        self.phase = match (is_invite, is_late) {
            (true, true) => Phase::LateAnswer { cseq },
            (true, false) => Phase::Answered,
            (false, _) => Phase::Over,
        };
        let answer = Response::new(&self.request, 200, refusal::phrase(200))
            .header("Contact", &asking.hop.contact)
            .header("Allow", asking.allow())
            .with_body("application/sdp", body);
        let answer = asking.terms.tell(&self.request, answer, desk);
        asking.dialog.accept(&self.request);
        desk.respond(self.server, crossing::response(response, answer));
    }

    /// The description in the response, and as `asking` gets it: the answer to its offer, or an offer where it made none.
    fn carry_back(
        &self,
        response: &Message,
        asking: &mut Leg,
        answering: &mut Leg,
        case: &Case,
        desk: &Desk,
    ) -> Result<(Session, Vec<u8>), Refusal> {
        let session = match &self.offer {
            Some(offer) => offer::read_answer(response, offer)?,
            None => offer::read_talking_offer(response, &answering.origin)?,
        };
        let (Some(session), Some(port)) = (session, case.port(asking.side)) else {
            return Err(Refusal::NotAcceptable("an answer without a description"));
        };
        // Nothing is agreed before both sides can be told.
        let mut theirs = answering.origin.travel.clone();
        match self.offer {
            Some(_) => theirs.take_answer(&session)?,
            None => theirs.foresee(&session),
        }
        let ours = desk.config.media_address;
        let before = asking.origin.travel.clone();
        // Where nothing was to flow nothing does, whatever the other side was told (RFC 3264 §6.1).
        let offered = self.offer.as_ref().map(Session::direction);
        let words = match (offered, session.direction()) {
            (Some(Direction::Inactive), _) => &session.directed(Direction::Inactive),
            // A phone that holds him and says so again: he hears music of ours.
            (Some(offered), Direction::Inactive)
                if asking.side == Side::A && offered.receives() && case.has_hold_music(desk) =>
            {
                &session.directed(Direction::SendOnly)
            }
            _ => &session,
        };
        match asking.origin.reply(words, self.offer.as_ref(), ours, port) {
            Ok(body) => {
                answering.origin.travel = theirs;
                Ok((session, body))
            }
            Err(refusal) => {
                asking.origin.travel = before;
                Err(refusal)
            }
        }
    }

    /// What we offered to this leg has come to nothing: what it agreed to before holds, and so do the words of then.
    fn restore(&self, towards: &mut Leg) {
        if let Some(before) = &self.before {
            towards.origin.travel = before.clone();
        }
    }

    /// The other side said no, or nothing (408): the same word goes back, except what only concerns us and it. Who asked with
    /// anything but INVITE hears 504 instead of 408, which nobody may say there (RFC 4320 §4.2; RFC 3311 §5.2 has 504 for
    /// what cannot be answered promptly).
    pub(crate) fn refuse(&self, status: u16, response: Option<&Message>, towards: &mut Leg, desk: &mut Desk) {
        self.restore(towards);
        let status = match status {
            300..=399 | 401 | 407 | 422 => 500,
            408 if self.request.method() != Method::Invite => 504,
            status => status,
        };
        let answer = Response::new(&self.request, status, refusal::phrase(status));
        let answer = match response {
            Some(response) => crossing::response(response, answer),
            None => answer,
        };
        desk.respond(self.server, answer);
    }

    /// Whoever asked took it back: the other side decides how it ends, and that answer goes back.
    pub(crate) fn cancelled(&mut self, desk: &mut Desk) {
        desk.note_cancelled(&self.request);
        self.cancel(desk);
    }

    fn cancel(&mut self, desk: &mut Desk) {
        if !std::mem::replace(&mut self.is_cancelled, true) {
            desk.note_cancel(&self.sent);
        }
        desk.endpoint.cancel(self.client, None, desk.now());
    }

    /// The call ends while this is under way.
    pub(crate) fn abandon(mut self, towards: &Leg, desk: &mut Desk) {
        let is_invite = self.request.method() == Method::Invite;
        match self.phase {
            Phase::Asked => {
                let refusal = if is_invite {
                    Refusal::Cancelled
                } else {
                    Refusal::NoDialog
                };
                desk.respond(self.server, refusal.answer(&self.request));
                desk.index.remove(&Name::Client(self.client));
                if is_invite {
                    self.cancel(desk);
                    desk.strays.adopt(self.client, self.sent, towards.hop.clone());
                }
            }
            Phase::LateAnswer { cseq } => towards.acknowledge(self.client, cseq, None, desk),
            Phase::Answered | Phase::Over => {}
        }
    }
}
