//! Two people talk. Requests inside the call cross to the other leg, and either side's BYE ends it.

use std::time::Instant;

use crate::media::Side;
use crate::sip::{ClientTxn, Message, Method, Response, ServerTxn};

use super::aside::Aside;
use super::case::Case;
use super::desk::Desk;
use super::ending::{By, Ending};
use super::exchange::{Exchange, Phase};
use super::index::Name;
use super::leg::{self, Leg};
use super::limits::{DURATION_MAX, EXCHANGES_MAX, INFO_BODY_OCTETS_MAX};
use super::offer;
use super::options;
use super::orders;
use super::record;
use super::refusal::{self, Refusal};
use super::reliable;
use super::stage::{Event, Stage};
use super::terms::Terms;
use super::transfer::Transfers;

pub(crate) struct Talking {
    pub(super) a: Leg,
    pub(super) b: Leg,
    since: Instant,
    /// The caller has been sent our 200; before that it waits for his PRACK (RFC 3262 §5), and he may still hear another
    /// last word instead.
    pub(super) is_answered: bool,
    /// The caller has acknowledged our 200.
    pub(super) is_acknowledged: bool,
    /// The phone's INVITE and its CSeq, while its ACK waits for the caller's answer (late offer).
    pub(super) late: Option<(ClientTxn, u32)>,
    /// Requests on their way across.
    pub(super) exchanges: Vec<Exchange>,
    /// The phone sends the call on, or another one takes it over.
    pub(super) transfers: Transfers,
    /// Words of ours beside the call.
    pub(super) aside: Option<Aside>,
}

/// Why a call that talked ends.
pub(super) struct Over<'a> {
    pub(super) ending: record::Ending,
    pub(super) by: By,
    pub(super) note: Option<&'a str>,
    /// This side sent the BYE: it gets none.
    pub(super) hung_up: Option<Side>,
    /// What a caller hears whose 200 still waits.
    pub(super) status: u16,
}

impl<'a> Over<'a> {
    pub(super) fn failed(note: &'a str) -> Over<'a> {
        Over {
            ending: record::Ending::Failed,
            by: By::Us,
            note: Some(note),
            hung_up: None,
            status: 480,
        }
    }

    /// This side has hung up.
    fn hung_up(side: Side) -> Over<'a> {
        let (by, status) = match side {
            Side::A => (By::Caller, 487),
            Side::B => (By::Called, 480),
        };
        Over {
            ending: record::Ending::Completed,
            by,
            note: None,
            hung_up: Some(side),
            status,
        }
    }

    /// The same for a caller to whom nobody has answered.
    fn unanswered(self) -> Over<'a> {
        let ending = match (self.ending, self.by) {
            (record::Ending::Completed, By::Caller) => record::Ending::Cancelled,
            (record::Ending::Completed, By::Called) => record::Ending::NoAnswer,
            _ => record::Ending::Failed,
        };
        Over {
            ending,
            note: self
                .note
                .or(Some("over before the caller could be told of the answer")),
            ..self
        }
    }
}

impl Talking {
    /// `late`: the phone's INVITE, when its 200 carried the offer. `is_answered`: our 200 has gone to the caller.
    pub(crate) fn begin(
        a: Leg,
        b: Leg,
        late: Option<(ClientTxn, u32)>,
        is_answered: bool,
        desk: &mut Desk,
    ) -> Stage {
        Stage::Talking(Box::new(Talking {
            a,
            b,
            since: desk.now().instant,
            is_answered,
            is_acknowledged: false,
            late,
            exchanges: Vec::new(),
            transfers: Transfers::default(),
            aside: None,
        }))
    }

    pub(crate) fn deadline(&self) -> Instant {
        let end = self.since + DURATION_MAX;
        let exchanges = self.exchanges.iter().filter_map(|exchange| exchange.until);
        let aside = self.aside.as_ref().map(|aside| aside.until);
        [self.timer_deadline(), self.transfers.deadline(), aside]
            .into_iter()
            .flatten()
            .chain(exchanges)
            .fold(end, Instant::min)
    }

    pub(crate) fn handle(mut self: Box<Self>, event: Event, case: &mut Case, desk: &mut Desk) -> Stage {
        let event = match event.into_late_fact() {
            Ok(fact) => {
                case.on_late_fact(fact, desk);
                return Stage::Talking(self);
            }
            Err(event) => event,
        };
        if matches!(event, Event::Due) {
            if let Some(note) = case.is_spent(desk) {
                let over = Over {
                    ending: record::Ending::Completed,
                    ..Over::failed(note)
                };
                return self.end(over, case, desk);
            }
            if case.is_transfer_spent(desk).is_some() {
                return self.transfer_failed(403, case, desk);
            }
            self.hurry_aside(case, desk);
        }
        match event {
            Event::Talk(talk) => self.on_talk(talk, case, desk),
            Event::Ack { txn, ack } if txn == case.invite_txn => return self.on_first_ack(&ack, case, desk),
            Event::Ack { txn, ack } => return self.on_later_ack(txn, &ack, case, desk),
            Event::AckMissing { txn } => {
                // The server transaction is over: BYE may go to both (RFC 3261 §13.3.1.4).
                self.is_acknowledged |= txn == case.invite_txn;
                return self.end(Over::failed("an answer was never acknowledged"), case, desk);
            }
            Event::Request { txn, request } => return self.on_request(txn, request, case, desk),
            Event::Response { txn, response } => return self.on_response(txn, response, case, desk),
            Event::Failed { txn, status, .. } => return self.on_failure(txn, status, case, desk),
            // The 200 waits for a PRACK, and the caller has hung up meanwhile, or never sends it (RFC 3262 §3).
            Event::Cancelled { txn, .. } if txn == case.invite_txn => {
                return self.end(Over::hung_up(Side::A), case, desk);
            }
            Event::PrackMissing => {
                let over = Over {
                    status: 504,
                    ..Over::failed("a reliable response was never acknowledged")
                };
                return self.end(over, case, desk);
            }
            Event::Pracked { txn, prack } => {
                reliable::accept(txn, &prack, case, desk);
                if !self.is_answered && !desk.endpoint.holds_answer(case.invite_txn) {
                    self.is_answered = true;
                    case.answered(desk);
                    case.changed(desk);
                }
            }
            Event::Cancelled { txn, .. } => self.on_cancelled(txn, desk),
            Event::Renumbered { sip_call_id, cseq } => {
                for leg in [&mut self.a, &mut self.b] {
                    leg.dialog.renumber(&sip_call_id, cseq);
                }
            }
            Event::MediaSilent if case.is_silence_odd(desk) => {
                return self.end(Over::failed("no audio from either party"), case, desk);
            }
            Event::HangUp => {
                let note = orders::note_of_end(case);
                let over = Over {
                    ending: record::Ending::Completed,
                    ..Over::failed(&note)
                };
                return self.end(over, case, desk);
            }
            Event::Due if desk.now().instant < self.since + DURATION_MAX => {
                let now = desk.now().instant;
                let is_over = |exchange: &&Exchange| exchange.until.is_some_and(|until| until <= now);
                return match self
                    .exchanges
                    .iter()
                    .find(is_over)
                    .map(|exchange| exchange.client)
                {
                    Some(txn) => self.on_refusal(txn, 408, None, case, desk),
                    None => self.on_timer(case, desk),
                };
            }
            Event::Due => return self.end(Over::failed("longer than a call may last"), case, desk),
            _ => {}
        }
        Stage::Talking(self)
    }

    pub(super) fn leg(&mut self, side: Side) -> &mut Leg {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }

    fn on_first_ack(mut self: Box<Self>, ack: &Message, case: &mut Case, desk: &mut Desk) -> Stage {
        self.is_acknowledged = true;
        let Some((txn, cseq)) = self.late.take() else {
            return Stage::Talking(self);
        };
        let Some(answer) = self.carry_answer(Side::A, ack, case, desk) else {
            self.b.acknowledge(txn, cseq, None, desk);
            return self.end(Over::failed("no usable answer in ACK"), case, desk);
        };
        self.b.acknowledge(txn, cseq, Some(answer), desk);
        Stage::Talking(self)
    }

    fn on_later_ack(
        mut self: Box<Self>,
        txn: ServerTxn,
        ack: &Message,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Stage {
        desk.index.remove(&Name::Server(txn));
        let Some(at) = self.exchanges.iter().position(|exchange| exchange.server == txn) else {
            return Stage::Talking(self);
        };
        let exchange = self.exchanges.swap_remove(at);
        if let Phase::LateAnswer { cseq } = exchange.phase {
            let answer = self.carry_answer(exchange.from, ack, case, desk);
            let is_missing = answer.is_none();
            let other = leg::other(exchange.from);
            self.leg(other).acknowledge(exchange.client, cseq, answer, desk);
            if is_missing {
                return self.end(Over::failed("no usable answer in ACK"), case, desk);
            }
        }
        Stage::Talking(self)
    }

    /// The answer in an ACK from `side`, as the other side gets it.
    fn carry_answer(
        &mut self,
        side: Side,
        ack: &Message,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Option<Vec<u8>> {
        let other = leg::other(side);
        let offered = offer::session(&self.leg(other).terms.heard);
        let session = match &offered {
            Some(offered) => offer::read_answer(ack, offered),
            None => offer::read(ack),
        };
        let session = session.ok().flatten()?;
        let port = case.port(other)?;
        let leg = self.leg(side);
        leg.origin.travel.take_answer(&session).ok()?;
        leg.terms.heard = ack.body().to_vec();
        case.describe(side, &session, leg.origin.travel.agreed(), desk);
        let leg = self.leg(other);
        let offer = offered.and_then(|offer| leg.origin.travel.heed(offer).ok());
        leg.terms.said = leg
            .origin
            .reply(&session, offer.as_ref(), desk.config.media_address, port)
            .ok()?;
        Some(leg.terms.said.clone())
    }

    fn on_request(
        mut self: Box<Self>,
        txn: ServerTxn,
        request: Message,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Stage {
        let side = if self.a.dialog.owns(&request) {
            Side::A
        } else if self.b.dialog.owns(&request) {
            Side::B
        } else {
            desk.refuse(txn, &request, &Refusal::NoDialog);
            return Stage::Talking(self);
        };
        if let Err(status) = self.leg(side).dialog.on_request(&request) {
            desk.refuse(txn, &request, &Refusal::Status(status));
            return Stage::Talking(self);
        }
        match request.method() {
            Method::Bye => {
                desk.respond(txn, Response::new(&request, 200, refusal::phrase(200)));
                return self.end(Over::hung_up(side), case, desk);
            }
            Method::Options => desk.respond(txn, refusal::capabilities(&request, &desk.config)),
            Method::Invite | Method::Update | Method::Info => {
                if let Err(refusal) = self.relay(side, txn, &request, case, desk) {
                    desk.refuse(txn, &request, &refusal);
                }
            }
            method => desk.refuse(txn, &request, &refusal::of_method(&method)),
        }
        Stage::Talking(self)
    }

    /// Takes a request across, or says why not.
    fn relay(
        &mut self,
        side: Side,
        txn: ServerTxn,
        request: &Message,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Result<(), Refusal> {
        let method = request.method();
        let unknown = options::unknown(request, &desk.config);
        if !unknown.is_empty() {
            return Err(Refusal::UnknownOptions(unknown));
        }
        if method == Method::Info && request.body().len() > INFO_BODY_OCTETS_MAX {
            return Err(Refusal::BodyTooLarge);
        }
        if method != Method::Info {
            Terms::check(request, desk)?;
            let is_target_only = method == Method::Update && request.body().is_empty();
            if !is_target_only {
                self.check_glare(side)?;
            }
            if self.leg(side).answer_refresh(txn, request, desk) {
                return Ok(());
            }
        }
        if self.exchanges.len() >= EXCHANGES_MAX {
            return Err(Refusal::NotNow);
        }
        // Somebody is being told or asked something, or is on his way to somebody else.
        if (self.aside.is_some() || self.is_moving()) && offer::is_fax(request) {
            return Err(Refusal::NotNow);
        }
        let port = case.port(leg::other(side)).ok_or(Refusal::NotNow)?;
        let (asking, towards) = match side {
            Side::A => (&self.a, &mut self.b),
            Side::B => (&self.b, &mut self.a),
        };
        let plays = side == Side::B && case.has_hold_music(desk);
        let exchange = Exchange::begin(side, txn, request, asking, towards, (port, plays), desk)?;
        self.exchanges.push(exchange);
        Ok(())
    }

    /// One exchange of descriptions at a time (RFC 3261 §14.2, RFC 3311 §5.2): 491 when ours towards this side is
    /// under way, 500 when its own is.
    fn check_glare(&self, side: Side) -> Result<(), Refusal> {
        if !self.is_acknowledged {
            return Err(if side == Side::B {
                Refusal::Pending
            } else {
                Refusal::NotNow
            });
        }
        let is_asking = |leg: &Leg| {
            leg.terms
                .refresh
                .as_ref()
                .is_some_and(|refresh| refresh.is_invite)
        };
        if is_asking(&self.a) || is_asking(&self.b) {
            return Err(Refusal::Pending);
        }
        match self.exchanges.iter().find(|exchange| exchange.is_about_media()) {
            None if self.transfers.is_exchanging() => Err(Refusal::Pending),
            Some(exchange) if exchange.from == side => Err(Refusal::NotNow),
            Some(_) => Err(Refusal::Pending),
            None => Ok(()),
        }
    }

    fn on_response(
        mut self: Box<Self>,
        txn: ClientTxn,
        response: Message,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Stage {
        let status = response.status().unwrap_or_default();
        if status < 200 {
            return Stage::Talking(self);
        }
        self = match self.on_refreshed(txn, status, Some(&response), case, desk) {
            Ok(stage) => return stage,
            Err(same) => same,
        };
        if status >= 300 {
            return self.on_refusal(txn, status, Some(&response), case, desk);
        }
        let Some(at) = self.exchanges.iter().position(|exchange| exchange.client == txn) else {
            return Stage::Talking(self);
        };
        let mut exchange = self.exchanges.swap_remove(at);
        desk.index.remove(&Name::Client(txn));
        let Talking { a, b, .. } = &mut *self;
        let (asking, answering) = match exchange.from {
            Side::A => (a, b),
            Side::B => (b, a),
        };
        exchange.on_success(&response, asking, answering, case, desk);
        if exchange.phase != Phase::Over {
            self.exchanges.push(exchange);
        } else {
            desk.index.remove(&Name::Server(exchange.server));
        }
        Stage::Talking(self)
    }

    fn on_failure(self: Box<Self>, txn: ClientTxn, status: u16, case: &mut Case, desk: &mut Desk) -> Stage {
        match self.on_refreshed(txn, status, None, case, desk) {
            Ok(stage) => stage,
            Err(same) => same.on_refusal(txn, status, None, case, desk),
        }
    }

    fn on_refusal(
        mut self: Box<Self>,
        txn: ClientTxn,
        status: u16,
        response: Option<&Message>,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Stage {
        let Some(at) = self.exchanges.iter().position(|exchange| exchange.client == txn) else {
            return Stage::Talking(self);
        };
        let exchange = self.exchanges.swap_remove(at);
        desk.index.remove(&Name::Client(txn));
        desk.index.remove(&Name::Server(exchange.server));
        let towards = self.leg(leg::other(exchange.from));
        exchange.refuse(status, response, towards, desk);
        // The other side has no such dialog any more, or is gone (RFC 5057 §5.1).
        if matches!(status, 408 | 481 | 503) && exchange.is_about_media() || status == 481 {
            return self.end(
                Over::failed("the other side no longer knows the call"),
                case,
                desk,
            );
        }
        Stage::Talking(self)
    }

    /// CANCEL of a re-INVITE.
    fn on_cancelled(&mut self, txn: ServerTxn, desk: &mut Desk) {
        if let Some(exchange) = self.exchanges.iter_mut().find(|exchange| exchange.server == txn) {
            exchange.cancelled(desk);
        }
    }

    pub(super) fn end(mut self: Box<Self>, over: Over<'_>, case: &mut Case, desk: &mut Desk) -> Stage {
        let rest = self.end_transfers(case, desk);
        if let Some((txn, cseq)) = self.late.take() {
            self.b.acknowledge(txn, cseq, None, desk);
        }
        for side in [Side::A, Side::B] {
            self.leg(side).drop_refresh(desk);
        }
        for exchange in std::mem::take(&mut self.exchanges) {
            let other = leg::other(exchange.from);
            exchange.abandon(self.leg(other), desk);
        }
        let Talking {
            a,
            b,
            is_answered,
            is_acknowledged,
            ..
        } = *self;
        case.tap(false, desk);
        let (over, status) = match is_answered {
            true => (over, 200),
            false => {
                // Caller, phone and record say the same: nobody answered him.
                case.refuse(&Refusal::Status(over.status), desk);
                case.record.answered_by = None;
                case.record.person = None;
                let status = over.status;
                (over.unanswered(), status)
            }
        };
        let mut ending = Ending::new(over.ending, status, over.by, over.note, case, desk);
        match over.hung_up {
            _ if !is_answered => ending.keep(a),
            Some(Side::A) => ending.keep(a),
            _ if is_acknowledged => ending.hang_up(a, desk),
            _ => ending.hang_up_after_ack(case.invite_txn, a),
        }
        match over.hung_up {
            Some(Side::B) => ending.keep(b),
            _ if rest.is_b_gone => ending.keep(b),
            _ => ending.hang_up(b, desk),
        }
        for leg in rest.hang_up {
            ending.hang_up(leg, desk);
        }
        for (invite, leg) in rest.hang_up_after_ack {
            ending.hang_up_after_ack(invite, leg);
        }
        for leg in rest.keep {
            ending.keep(leg);
        }
        ending.settle(case, desk)
    }
}
