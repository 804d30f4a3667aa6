//! A REFER of the person answering: may it be, and what follows (RFC 3515 §2.4.2, RFC 4488, RFC 7647).

use std::sync::Arc;

use super::calling::Calling;
use super::destination::{Destination, TransferRules};
use super::errand::Errand;
use super::subscription::Subscription;
use super::{Entry, Phase, Transfer};
use crate::call::case::Case;
use crate::call::desk::Desk;
use crate::call::facts;
use crate::call::limits::{FETCH_MAX, TRANSFER_MAX, TRANSFERS_MAX};
use crate::call::record::{TransferKind, TransferOutcome};
use crate::call::refusal::{self, LOCKED_DOWN, Refusal};
use crate::call::stage::Stage;
use crate::call::talking::Talking;
use crate::call::tolls::Payer;
use crate::call::{Counter, dialling};
use crate::queue::{self, DEVICE, Overflow};
use crate::sip::{Message, ReferFault, ReferTo, Replaces, Response, ServerTxn, Uri};

/// Extensions a REFER may insist on: no subscription (RFC 4488), and naming a dialog in a REFER outside it (RFC 4538),
/// which inside one says nothing new.
const KNOWN: &[&str] = &["norefersub", "tdialog"];

/// What a REFER wants, allowed.
enum Wish {
    Ring(Destination),
    /// A phone by its own address, which has to know the dialog or else refuse.
    RingFor(String, Replaces),
    Fetch(Replaces),
}

impl Talking {
    pub(super) fn on_refer(
        mut self: Box<Self>,
        txn: ServerTxn,
        request: &Message,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Stage {
        if let Err(status) = self.b.dialog.on_request(request) {
            desk.refuse(txn, request, &Refusal::Status(status));
            return Stage::Talking(self);
        }
        let asked = ReferTo::of(request);
        let kind = match &asked {
            Ok(ReferTo {
                replaces: Some(_), ..
            }) => TransferKind::Attended,
            _ => TransferKind::Blind,
        };
        let to = asked.as_ref().map(|to| shown(&to.uri, desk)).unwrap_or_default();
        let checked = self.check_refer(request, asked, case, desk);
        let checked = checked.and_then(|wish| self.pay(&wish.0, case, desk).map(|()| wish));
        let (wish, replaces) = match checked {
            Ok(wish) => wish,
            Err(refusal) => {
                desk.count(Counter::TransferRefused);
                desk.refuse(txn, request, &refusal);
                let at_ms = case.at_ms(desk);
                let entry = case.record.add_transfer(at_ms, to, kind);
                case.record
                    .end_transfer(entry, TransferOutcome::Refused, refusal.status());
                case.changed(desk);
                return Stage::Talking(self);
            }
        };

        let is_silent = request
            .header("Refer-Sub")
            .is_some_and(|value| value.trim().to_ascii_lowercase().starts_with("false"));
        let mut accepted =
            Response::new(request, 202, refusal::phrase(202)).header("Contact", &self.b.hop.contact);
        if is_silent {
            accepted = accepted.header("Refer-Sub", "false");
        }
        self.b.dialog.accept(request);
        desk.respond(txn, accepted);
        self.transfers.count += 1;
        let id = (self.transfers.count > 1).then(|| request.cseq().0);
        let now = desk.now().instant;
        let mut subscription = (!is_silent).then(|| Subscription::new(id, now));
        if let Some(subscription) = &mut subscription {
            subscription.tell(100, &mut self.b, desk);
        }
        let at_ms = case.at_ms(desk);
        let entry = Entry {
            transfer: case.record.add_transfer(at_ms, to, kind),
            order: None,
        };
        case.changed(desk);
        self.transfers.current = Some(Box::new(Transfer {
            phase: Phase::Fetching,
            subscription,
            is_transferor_gone: false,
            deadline: desk.now().instant + TRANSFER_MAX,
            entry,
        }));
        self.set_out(wish, replaces, case, desk)
    }

    /// What goes outside is paid for by the phone that sends it there, and by its queue: one call of this hour, over when nobody comes.
    /// What is fetched from another call brings along what that one pays ([`Talking::hand_over`]).
    fn pay(&self, wish: &Wish, case: &mut Case, desk: &Desk) -> Result<(), Refusal> {
        let Wish::Ring(Destination::Outside(outside)) = wish else {
            return Ok(());
        };
        let device = case
            .phone
            .as_ref()
            .and_then(|taker| taker.target.strip_prefix(DEVICE));
        let person = device.map_or_else(|| dialling::person_at(&self.b.hop.flow, desk), str::to_string);
        let payer = Payer {
            person: Some(&person),
            queue: case.record.queue.as_deref(),
        };
        let toll = dialling::toll(outside, &payer, desk).map_err(Refusal::Transfer)?;
        case.tolls_of_transfer.extend(toll);
        Ok(())
    }

    /// Other phones ring already, or are being joined.
    pub(crate) fn is_moving(&self) -> bool {
        self.transfers.current.is_some() || self.transfers.asking.is_some()
    }

    /// Whether [`Talking::move_to`] would do anything.
    pub(crate) fn is_able_to_move(&self, queue: &str, case: &Case, desk: &Desk) -> bool {
        !self.is_moving()
            && self.is_acknowledged
            && self.late.is_none()
            && !case.is_fax
            && self.transfers.count < TRANSFERS_MAX
            && rung(queue, case, desk).is_some()
    }

    /// Nobody has the call: whoever had it has hung up, and the next one has not answered.
    pub(crate) fn is_caller_alone(&self) -> bool {
        let current = self.transfers.current.as_ref();
        current.is_some_and(|current| current.is_transferor_gone)
    }

    /// A person who watches the call, or policy, ordered it to another queue: its phones ring, and the phone that has the call is let go
    /// when one of them answers. `order`: its place in the record. False: not now, or no such queue.
    pub(crate) fn move_to(
        mut self: Box<Self>,
        queue: &str,
        order: usize,
        case: &mut Case,
        desk: &mut Desk,
    ) -> (Stage, bool) {
        let rung = rung(queue, case, desk);
        let (true, Some(rung)) = (self.is_able_to_move(queue, case, desk), rung) else {
            return (Stage::Talking(self), false);
        };
        self.transfers.count += 1;
        let at_ms = case.at_ms(desk);
        let transfer = case
            .record
            .add_transfer(at_ms, queue.to_string(), TransferKind::Ordered);
        let entry = Entry {
            transfer,
            order: Some(order),
        };
        self.transfers.current = Some(Box::new(Transfer {
            phase: Phase::Fetching,
            subscription: None,
            is_transferor_gone: false,
            deadline: desk.now().instant + TRANSFER_MAX,
            entry,
        }));
        let begun = Calling::begin((rung, queue.to_string()), Vec::new(), None, case, desk);
        let Some((calling, progress)) = begun else {
            return (self.transfer_failed(404, case, desk), true);
        };
        if let Some(current) = &mut self.transfers.current {
            current.phase = Phase::Calling(calling);
        }
        (self.on_progress(progress, case, desk), true)
    }

    fn set_out(
        mut self: Box<Self>,
        wish: Wish,
        replaces: Option<Replaces>,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Stage {
        let mut extra: Vec<(&'static str, String)> = Vec::new();
        let destination = match wish {
            Wish::Fetch(replaces) => {
                let asker = desk.call;
                desk.errands.push_back(Errand {
                    asker,
                    transfer: self.transfers.count,
                    replaces,
                });
                if let Some(current) = &mut self.transfers.current {
                    current.deadline = desk.now().instant + FETCH_MAX;
                }
                return Stage::Talking(self);
            }
            Wish::Ring(destination) => destination,
            Wish::RingFor(uri, replaces) => {
                extra.push(("Replaces", replaces.value()));
                extra.push(("Require", "replaces".to_string()));
                Destination::Phone(uri)
            }
        };
        if let Some(replaces) = replaces {
            extra.push(("Replaces", replaces.value()));
        }
        if let Some(name) = case.record.answered_by.as_deref().filter(|name| is_plain(name)) {
            extra.push(("Referred-By", format!("<sip:{name}@{}>", self.b.hop.sent_by)));
        }
        let ring = desk
            .queues
            .iter()
            .find(|queue| Some(&queue.name) == case.record.queue.as_ref())
            .map_or(crate::call::limits::TRANSFER_RING, |queue| queue.ring);
        let queues = destination.queues(ring, desk);
        let outside = match destination {
            Destination::Outside(outside) => Some(outside),
            _ => None,
        };
        let begun = Calling::begin(queues, extra, outside, case, desk);
        let Some((calling, progress)) = begun else {
            return self.transfer_failed(404, case, desk);
        };
        if let Some(current) = &mut self.transfers.current {
            current.phase = Phase::Calling(calling);
        }
        self.on_progress(progress, case, desk)
    }

    /// What it wants, and the dialog that a phone known to us is told to give up for it.
    fn check_refer(
        &self,
        request: &Message,
        asked: Result<ReferTo, ReferFault>,
        case: &Case,
        desk: &Desk,
    ) -> Result<(Wish, Option<Replaces>), Refusal> {
        let mut unknown = crate::call::crossing::required(request);
        unknown.retain(|option| !KNOWN.iter().any(|known| option.eq_ignore_ascii_case(known)));
        if !unknown.is_empty() {
            return Err(Refusal::UnknownOptions(unknown));
        }
        if desk.is_locked_down {
            return Err(Refusal::Transfer(LOCKED_DOWN));
        }
        if case.record.drill {
            return Err(Refusal::Transfer("this call stays where it is"));
        }
        let is_first_exchange_open = !self.is_acknowledged || self.late.is_some();
        if self.transfers.current.is_some() || self.transfers.asking.is_some() || is_first_exchange_open {
            return Err(Refusal::Pending);
        }
        if case.is_fax {
            return Err(Refusal::Transfer("a fax is being sent"));
        }
        if self.transfers.count >= TRANSFERS_MAX {
            return Err(Refusal::Transfer("this call was transferred too often"));
        }
        let to = asked.map_err(|fault| match fault {
            ReferFault::Malformed => Refusal::BadRequest,
            ReferFault::Scheme => Refusal::Status(416),
            ReferFault::Method => Refusal::Transfer("only calls can be transferred"),
        })?;
        let rules = rules(case, desk);
        if rules.reach == super::Reach::Off {
            return Err(Refusal::Transfer("this queue does not transfer calls"));
        }
        let Some(replaces) = to.replaces else {
            let destination = Destination::of(&to.uri, &rules, self.b.hop.flow, desk);
            return Ok((Wish::Ring(destination.map_err(Refusal::Transfer)?), None));
        };
        if is_ours(&to.uri, desk) {
            return Ok((Wish::Fetch(replaces), None));
        }
        match Destination::of(&to.uri, &rules, self.b.hop.flow, desk) {
            Ok(destination) => Ok((Wish::Ring(destination), Some(replaces))),
            Err(denied) => {
                // The Contact of a phone rarely names what it is called in a queue.
                let is_phone = to
                    .uri
                    .socket_addr()
                    .is_some_and(|address| desk.admission.is_phone(address));
                match is_phone {
                    true => Ok((Wish::RingFor(to.uri.to_string(), replaces), None)),
                    false => Err(Refusal::Transfer(denied)),
                }
            }
        }
    }
}

/// A queue as an order rings it: without the phone that has the call, and without another queue after it, because whoever
/// ordered it wants it there or not at all. `None`: there is no such queue, it has the call already, or nobody else is in it.
fn rung(queue: &str, case: &Case, desk: &Desk) -> Option<Arc<[queue::Config]>> {
    if case.record.queue.as_deref() == Some(queue) {
        return None;
    }
    let mut rung = desk.queues.iter().find(|known| known.name == queue)?.clone();
    rung.overflow = Overflow::Reject;
    let mut attempts = case.record.attempts.iter().rev();
    let answered = attempts.find(|attempt| attempt.status == 200);
    let name = case.record.answered_by.as_deref();
    // Not another phone's, which has taken the call over since.
    let has_call = answered.filter(|answered| name.is_some_and(|name| answered.target.contains(name)));
    rung.targets
        .retain(|target| has_call.is_none_or(|phone| phone.target != *target));
    (!rung.targets.is_empty()).then(|| Arc::from([rung]))
}

/// The rules of the queue whose phone has the call.
fn rules(case: &Case, desk: &Desk) -> TransferRules {
    let queue = case.record.queue.as_deref().unwrap_or_default();
    desk.config.transfer_rules.get(queue).cloned().unwrap_or_default()
}

/// The URI leads to us: a call through this gateway is meant.
pub(super) fn is_ours(uri: &Uri, desk: &Desk) -> bool {
    let Some(host) = uri.host() else { return false };
    let written = match uri.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_string(),
    };
    desk.config.listeners.iter().any(|listener| {
        listener.advertised == written
            || (uri.port().is_none() && listener.advertised == format!("{written}:5060"))
            || uri.socket_addr() == Some(listener.bound)
    })
}

/// For the record: the number, or what stood in its place.
fn shown(uri: &Uri, desk: &Desk) -> String {
    let (number, _) = facts::dialled(uri.as_str(), &desk.own_numbers);
    match number.is_empty() {
        true => uri.host().unwrap_or_default().chars().take(64).collect(),
        false => number,
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || b"-_.+".contains(&octet))
}
