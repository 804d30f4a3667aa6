//! Before anybody has answered: giving up, and what a caller may send inside its early dialog.

use crate::sip::{Message, Method, Response, ServerTxn};

use super::case::Case;
use super::desk::Desk;
use super::ending::{By, Ending};
use super::index::Name;
use super::leg::Ringing;
use super::record;
use super::refusal::{self, Refusal};
use super::stage::Stage;

/// Cancels phones that ring. Whatever they still say is answered by the strays.
pub(crate) fn abandon(legs: Vec<Ringing>, reason: Option<&str>, case: &mut Case, desk: &mut Desk) {
    for leg in legs {
        case.record.end_attempt(leg.attempt.0, 487);
        desk.index.remove(&Name::Client(leg.txn));
        let now = desk.now();
        desk.note_cancel(&leg.invite);
        desk.endpoint.cancel(leg.txn, reason, now);
        desk.strays.abandon(leg, reason);
    }
}

/// The caller gave up before anybody answered.
pub(crate) fn gave_up(legs: Vec<Ringing>, reason: Option<&str>, case: &mut Case, desk: &mut Desk) -> Stage {
    abandon(legs, reason, case, desk);
    case.refuse(&Refusal::Cancelled, desk);
    Ending::begin(record::Ending::Cancelled, 487, By::Caller, None, case, desk)
}

/// A request inside the caller's early dialog. Only BYE means something before the answer (RFC 3261 §15).
pub(crate) fn request(
    txn: ServerTxn,
    request: Message,
    stage: impl Into<Stage>,
    case: &mut Case,
    desk: &mut Desk,
) -> Stage {
    if is_callers_bye(&request, case) {
        desk.respond(txn, Response::new(&request, 200, refusal::phrase(200)));
        return gave_up(Vec::new(), None, case, desk);
    }
    refuse(txn, &request, desk);
    stage.into()
}

pub(crate) fn is_callers_bye(request: &Message, case: &Case) -> bool {
    request.method() == Method::Bye
        && request.call_id() == case.invite.call_id()
        && request.from_address().tag() == case.invite.from_address().tag()
}

pub(crate) fn refuse(txn: ServerTxn, request: &Message, desk: &mut Desk) {
    match request.method() {
        Method::Options => desk.respond(txn, refusal::capabilities(request, &desk.config)),
        Method::Bye => desk.refuse(txn, request, &Refusal::NoDialog),
        Method::Invite | Method::Update | Method::Info => desk.refuse(txn, request, &Refusal::NotNow),
        method => desk.refuse(txn, request, &refusal::of_method(&method)),
    }
}
