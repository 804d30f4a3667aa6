//! INVITE with Replaces from a phone: it takes over the call that another phone has (RFC 3891 §3).

use super::calling::{self, Answered};
use super::{Entry, Phase, Transfer};
use crate::call::case::Case;
use crate::call::desk::Desk;
use crate::call::engine::Engine;
use crate::call::index::Name;
use crate::call::leg::{Hop, Leg};
use crate::call::limits::TRANSFER_MAX;
use crate::call::offer::{self, Origin};
use crate::call::record::TransferKind;
use crate::call::refusal::{self, LOCKED_DOWN, Refusal};
use crate::call::stage::{Event, Stage};
use crate::call::talking::Talking;
use crate::call::terms::Terms;
use crate::call::{Counter, options};
use crate::media::Side;
use crate::sip::{Dialog, Flow, Message, Replaces, Response, ServerTxn};

impl Engine {
    /// An INVITE from a phone that names a dialog: to the call that has it, or 481 (RFC 3891 §3).
    pub(crate) fn on_replacing(&mut self, txn: ServerTxn, invite: Message, flow: Flow) {
        let call = match one_replaces(&invite) {
            Err(refusal) => Err(refusal),
            Ok(replaces) => {
                let call = self.desk.index.call(&Name::Tag(replaces.to_tag));
                call.ok_or(Refusal::NoDialog)
            }
        };
        match call {
            Ok(call) => self.dispatch(
                call,
                Event::Replace {
                    txn,
                    request: invite,
                    flow,
                },
            ),
            Err(refusal) => {
                self.desk.count(Counter::TransferRefused);
                self.desk.refuse(txn, &invite, &refusal);
            }
        }
    }
}

/// The Replaces of a request: one, and readable.
fn one_replaces(invite: &Message) -> Result<Replaces, Refusal> {
    let lines = invite.header_lines("Replaces");
    let [line] = lines.as_slice() else {
        return Err(Refusal::BadRequest);
    };
    Replaces::parse(line).ok_or(Refusal::BadRequest)
}

impl Talking {
    pub(super) fn on_replace(
        mut self: Box<Self>,
        txn: ServerTxn,
        invite: Message,
        flow: Flow,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Stage {
        match self.check_replace(&invite, case, desk) {
            Ok(()) => {}
            Err(refusal) => {
                desk.count(Counter::TransferRefused);
                desk.refuse(txn, &invite, &refusal);
                return Stage::Talking(self);
            }
        }
        if let Err(refusal) = self.take_over(txn, &invite, flow, case, desk) {
            desk.count(Counter::TransferRefused);
            desk.refuse(txn, &invite, &refusal);
        }
        Stage::Talking(self)
    }

    fn check_replace(&self, invite: &Message, case: &Case, desk: &Desk) -> Result<(), Refusal> {
        let mut unknown = options::unknown(invite, &desk.config);
        unknown.retain(|option| !option.eq_ignore_ascii_case("replaces"));
        if !unknown.is_empty() {
            return Err(Refusal::UnknownOptions(unknown));
        }
        let replaces = one_replaces(invite)?;
        let dialog = &self.b.dialog;
        let is_phones = dialog.sip_call_id() == replaces.call_id
            && dialog.local_tag() == replaces.to_tag
            && dialog.remote_tag() == replaces.from_tag;
        // The caller's own dialog is no phone's to take.
        if !is_phones {
            return Err(Refusal::NoDialog);
        }
        if replaces.is_early_only {
            return Err(Refusal::Status(486));
        }
        if desk.is_locked_down {
            return Err(Refusal::Transfer(LOCKED_DOWN));
        }
        let rules = desk
            .config
            .transfer_rules
            .get(case.record.queue.as_deref().unwrap_or_default());
        if rules.is_some_and(|rules| rules.reach == super::Reach::Off) {
            return Err(Refusal::Transfer("this queue does not transfer calls"));
        }
        let is_busy = case.is_fax
            || self.transfers.current.is_some()
            || self.transfers.asking.is_some()
            || !self.is_acknowledged
            || self.late.is_some();
        if is_busy {
            return Err(Refusal::Pending);
        }
        Ok(())
    }

    /// Answers the phone with the caller's description, as far as both go together.
    fn take_over(
        &mut self,
        txn: ServerTxn,
        invite: &Message,
        flow: Flow,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Result<(), Refusal> {
        Terms::check(invite, desk)?;
        let queue = case.record.queue.as_deref().unwrap_or_default();
        let mut origin = Origin::new(case.srtp_of(queue, desk), &desk.config, &mut desk.random);
        origin.signalled_from(flow.remote.ip(), &desk.config);
        let offered = offer::read_offer(invite, &origin)?
            .ok_or(Refusal::NotAcceptable("an offer is needed to take a call over"))?;
        let caller = calling::asking(case).ok_or(Refusal::NotNow)?;
        let port = case.port(Side::B).ok_or(Refusal::NotNow)?;
        let met = origin.meet(&offered, &caller);
        let answer = origin.answer(&met, &offered, desk.config.media_address, port)?;
        let listener = desk.listener_of(&flow).ok_or(Refusal::NotNow)?;
        let hop = Hop::new(flow, listener, false);
        let tag = desk.endpoint.token();
        let dialog = Dialog::as_server(invite, &tag, &hop.contact).map_err(|_| Refusal::BadRequest)?;
        let name = invite.from().uri.user().map_or_else(
            || flow.remote.ip().to_string(),
            |user| user.chars().take(64).collect(),
        );
        desk.name(Name::Tag(tag.clone()));
        desk.take_in(invite.call_id());
        desk.name(Name::Server(txn));
        let response = Response::new(invite, 200, refusal::phrase(200))
            .header("Contact", &hop.contact)
            .header("Allow", refusal::ALLOW_PHONE)
            .to_tag(&tag)
            .with_body("application/sdp", answer.clone());
        let mut terms = Terms::new(invite, answer);
        let response = terms.tell(invite, response, desk);
        desk.respond(txn, response);
        let at_ms = case.at_ms(desk);
        let transfer = case
            .record
            .add_transfer(at_ms, name.clone(), TransferKind::TakenOver);
        let entry = Entry {
            transfer,
            order: None,
        };
        case.changed(desk);
        let answered = Answered {
            leg: Leg {
                side: Side::B,
                dialog,
                hop,
                origin,
                is_outside: false,
                terms,
            },
            session: offered,
            name,
            person: desk.registrants.person_speaking(&flow),
            queue: None,
        };
        // The phone that takes over is none that the queues ring, as far as is known.
        case.talks_no_more(desk);
        self.transfers.count += 1;
        self.transfers.current = Some(Box::new(Transfer {
            phase: Phase::Taking(Box::new(answered), txn),
            subscription: None,
            is_transferor_gone: false,
            deadline: desk.now().instant + TRANSFER_MAX,
            entry,
        }));
        Ok(())
    }

    fn is_taking(&self, txn: ServerTxn) -> bool {
        let current = self.transfers.current.as_ref();
        current.is_some_and(|current| matches!(&current.phase, Phase::Taking(_, taking) if *taking == txn))
    }

    /// The ACK of the phone that takes over never came, and its transaction is over: BYE may go (RFC 3261 §15). False: it
    /// was not that transaction.
    pub(super) fn give_up_taking(&mut self, txn: ServerTxn, desk: &mut Desk) -> bool {
        let is_taking = self.is_taking(txn);
        if is_taking {
            self.taken(txn, desk);
        }
        is_taking
    }

    /// The transaction of the INVITE that takes over is through.
    fn taken(&mut self, txn: ServerTxn, desk: &mut Desk) {
        desk.index.remove(&Name::Server(txn));
        if let Some(current) = &mut self.transfers.current
            && let Phase::Taking(mut answered, _) = std::mem::replace(&mut current.phase, Phase::Fetching)
        {
            answered.leg.dialog.confirm();
            current.phase = Phase::Answered(answered);
        }
    }

    /// The phone that takes over has its answer: it may be part of the call now.
    pub(super) fn take_ack(
        mut self: Box<Self>,
        txn: ServerTxn,
        ack: Message,
        _case: &mut Case,
        desk: &mut Desk,
    ) -> Result<Stage, (Box<Talking>, Event)> {
        if !self.is_taking(txn) {
            return Err((self, Event::Ack { txn, ack }));
        }
        self.taken(txn, desk);
        Ok(Stage::Talking(self))
    }
}
