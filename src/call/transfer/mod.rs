//! The person answering sends the call on (REFER, RFC 3515, RFC 5589), or another phone takes it over (Replaces, RFC 3891).
//!
//! ```text
//!            REFER: 202, NOTIFY 100                  phone C answers            exchanges are over
//!  Talking ─────────────────────────▶ Calling ─────────────────────▶ Answered ─────────────────▶ Talking with C
//!     ▲                                 │ nobody: NOTIFY 4xx                   NOTIFY 200, BYE to the old phone
//!     └─────────────────────────────────┘ (the call goes on with the phone that asked, if it is still there)
//!
//!            REFER with Replaces of a call through us:  Fetching ─▶ Moving ─▶ Answered
//!            INVITE with Replaces from a phone:         Taking (until its ACK) ─▶ Answered
//! ```
//!
//! Whoever asked may hang up meanwhile: the caller hears music until somebody answers, or that nobody does.
//! Else the caller's side notices nothing of it but, when the codecs or a hold demand it, one re-INVITE: media is anchored,
//! so the new phone speaks through the same two ports. Whoever comes in over a trunk cannot refer (405).

mod accept;
mod calling;
mod destination;
mod errand;
mod join;
mod reinvite;
mod step;
mod subscription;
mod takeover;

use std::time::Instant;

use crate::call::case::Case;
use crate::call::hunting::Hunting;
use crate::call::leg::Leg;
use crate::call::record::{OrderOutcome, TransferOutcome};
use crate::sip::{ClientTxn, ServerTxn};

pub(in crate::call) use calling::{Answered, Calling, Progress};
use reinvite::Reinvite;
use subscription::Subscription;

pub(crate) use destination::{Denied, Destination, one_of};
pub use destination::{Reach, TransferRules};
pub(crate) use errand::Errand;
pub use errand::Handed;

/// What a call that talks keeps of its transfers.
#[derive(Default)]
pub(crate) struct Transfers {
    current: Option<Box<Transfer>>,
    /// Transfers that came to nothing; the phone that asked has not heard the last of them.
    fading: Vec<Subscription>,
    /// Phones that have handed their call on.
    leaving: Vec<Leaving>,
    /// Our own question to the caller, after somebody else has come in.
    asking: Option<Reinvite>,
    /// Transfers so far.
    count: usize,
}

struct Transfer {
    phase: Phase,
    /// None = nobody wants to be told (RFC 4488), or nobody asked (INVITE with Replaces).
    subscription: Option<Subscription>,
    /// Whoever asked has hung up already.
    is_transferor_gone: bool,
    deadline: Instant,
    entry: Entry,
}

/// Where a transfer stands in the record, and the order that it carries out.
#[derive(Clone, Copy)]
struct Entry {
    transfer: usize,
    order: Option<usize>,
}

impl Entry {
    /// How it ended; the first word stays.
    fn end(self, outcome: TransferOutcome, status: u16, case: &mut Case) {
        case.record.end_transfer(self.transfer, outcome, status);
        if let Some(order) = self.order {
            let is_done = outcome == TransferOutcome::Completed;
            let outcome = if is_done {
                OrderOutcome::Done
            } else {
                OrderOutcome::Failed
            };
            case.record.end_order(order, outcome);
        }
    }
}

#[expect(
    clippy::large_enum_variant,
    reason = "the transfer it is part of has a box of its own"
)]
enum Phase {
    Calling(Calling),
    /// Another call of ours is asked for its leg.
    Fetching,
    /// That leg is told to send its audio here.
    Moving(Box<Answered>, Reinvite),
    /// A phone took the call over by INVITE; its ACK is on the way.
    Taking(Box<Answered>, ServerTxn),
    Answered(Box<Answered>),
    /// Nobody came, and the phone that asked is gone: the caller is told so (in this turn), then the call is over.
    Parting(u32),
}

/// A leg on its way out.
struct Leaving {
    leg: Leg,
    subscription: Option<Subscription>,
    /// When it gets our BYE although it has not answered the NOTIFY; `None` = it got one, or sent one.
    patience: Option<Instant>,
    bye: Option<ClientTxn>,
}

/// What the end of a call finds to be ended.
#[derive(Default)]
pub(crate) struct Rest {
    /// The called side has hung up itself.
    pub(crate) is_b_gone: bool,
    pub(crate) hang_up: Vec<Leg>,
    /// Not before the ACK to our 200 (RFC 3261 §15).
    pub(crate) hang_up_after_ack: Vec<(ServerTxn, Leg)>,
    pub(crate) keep: Vec<Leg>,
}

impl Transfers {
    /// The search for whom a call is being transferred to.
    pub(crate) fn search(&self) -> Option<&Hunting> {
        match &self.current.as_ref()?.phase {
            Phase::Calling(calling) => Some(calling.search()),
            _ => None,
        }
    }

    /// When something here wants to be looked at.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let current = self.current.iter().flat_map(|transfer| {
            let phase = match &transfer.phase {
                Phase::Calling(calling) => calling.deadline(),
                Phase::Moving(_, reinvite) => reinvite.deadline(),
                _ => None,
            };
            [Some(transfer.deadline), phase]
        });
        let leaving = self.leaving.iter().map(|leaving| leaving.patience);
        let asking = self.asking.iter().map(Reinvite::deadline);
        current.chain(leaving).chain(asking).flatten().min()
    }

    /// Descriptions are being exchanged by us: no other exchange beside it (RFC 3261 §14.2).
    pub(crate) fn is_exchanging(&self) -> bool {
        self.asking.is_some()
    }
}
