//! The stages of a call. Each owns what exists only then; a transition consumes it and returns the next.
//!
//! ```text
//!             facts in, or budget (800 ms)          first 2xx of a phone
//!  INVITE ─▶ Gathering ───────────────▶ Hunting ───────────────────▶ Talking
//!               │      └─▶ Reception ──────── first 2xx ────────────▶    │
//!               │          we answer, ask and listen; then phones ring   │
//!               │ refused, CANCEL          │ nobody, CANCEL, 3 min      │ BYE, silence, no ACK, 12 h
//!               ▼                          ▼                            ▼
//!             Ending ◀─────────────────────┴────────────────────────────┘
//!               │ media figures in (at most 5 s), BYEs answered (at most 70 s)
//!               ▼
//!              Over: forgotten
//! ```
//!
//! A call that nobody's INVITE began, a call back, begins in a stage of its own (`call_back.rs`) and goes on in Reception.

use std::time::Instant;

use crate::identity::Report;
use crate::media::dtls::Fault;
use crate::media::{Side, Statistics, Talk};
use crate::route::Target;
use crate::screening::{HistoryFacts, RecordingFacts};
use crate::sdp::Suite;
use crate::sip::{ClientTxn, Flow, Message, Method, Replaces, ServerTxn, TransportFault};
use crate::voice::Opinion;

use super::call_back::Fetching;
use super::case::Case;
use super::desk::Desk;
use super::ending::Ending;
use super::gathering::Gathering;
use super::hunting::Hunting;
use super::index::Name;
use super::late_fact::LateFact;
use super::leg::Hop;
use super::orders::{self, Order};
use super::reception::Reception;
use super::refusal::Refusal;
use super::reliable;
use super::talking::Talking;
use super::transfer::Handed;

/// What can happen to a call.
pub(crate) enum Event {
    /// The call exists and verification has been asked.
    Begun,
    Reported(Box<Report>),
    Known {
        history: HistoryFacts,
        is_reused: Option<bool>,
    },
    Reused,
    Scored(Box<Opinion>),
    ScoringOverloaded,
    SecondShed,
    Repeated(Box<RecordingFacts>),
    HeardBy(String),
    MediaOpened {
        a: u16,
        b: u16,
    },
    MediaRefused,
    MediaSilent,
    /// A handshake for the keys of a leg is over.
    MediaSecured {
        side: Side,
        secured: Result<Suite, Fault>,
    },
    Talk(Talk),
    MediaClosed(Box<Statistics>),
    /// Where this target is, is known by now, or that nobody knows.
    Located {
        target: Target,
    },
    /// The stage's own deadline has passed.
    Due,
    HangUp,
    Order(Box<Order>),
    Request {
        txn: ServerTxn,
        request: Message,
    },
    Cancelled {
        txn: ServerTxn,
        reason: Option<String>,
    },
    Ack {
        txn: ServerTxn,
        ack: Message,
    },
    AckMissing {
        txn: ServerTxn,
    },
    /// A PRACK acknowledged a reliable response of ours; it is still to be answered.
    Pracked {
        txn: ServerTxn,
        prack: Message,
    },
    /// A reliable response of ours to the caller was never acknowledged.
    PrackMissing,
    Response {
        txn: ClientTxn,
        response: Message,
    },
    /// A request of ours in this dialog was sent again with credentials, under this number: the next one is higher.
    Renumbered {
        sip_call_id: String,
        cseq: u32,
    },
    /// A phone's INVITE that wants to take the place of a dialog of this call.
    Replace {
        txn: ServerTxn,
        request: Message,
        flow: Flow,
    },
    /// Another call wants this one's far leg.
    HandOver {
        replaces: Replaces,
        /// That call is on another shard.
        is_far: bool,
    },
    /// What became of this call's wish for another's leg: of its transfer with this number, which it may have given up.
    HandedOver {
        transfer: usize,
        handed: Option<Handed>,
    },
    /// The connection that an INVITE of ours went by is gone; it may have arrived, and be answered by another.
    Lost {
        txn: ClientTxn,
        fault: TransportFault,
    },
    /// No response: 408 timed out, 503 could not be sent.
    Failed {
        txn: ClientTxn,
        status: u16,
        /// Why it could not be sent.
        fault: Option<TransportFault>,
    },
}

impl Event {
    /// A fact that came after the decision, or the event itself.
    pub(crate) fn into_late_fact(self) -> Result<LateFact, Event> {
        match self {
            Event::Reported(report) => Ok(LateFact::Report(report)),
            Event::Known { history, is_reused } => Ok(LateFact::Known { history, is_reused }),
            Event::Reused => Ok(LateFact::Reused),
            Event::Scored(opinion) => Ok(LateFact::Opinion(opinion)),
            Event::ScoringOverloaded => Ok(LateFact::Overloaded),
            Event::SecondShed => Ok(LateFact::SecondShed),
            Event::Repeated(recording) => Ok(LateFact::Repeated(recording)),
            Event::HeardBy(model) => Ok(LateFact::HeardBy(model)),
            other => Err(other),
        }
    }
}

pub(crate) enum Stage {
    Gathering(Gathering),
    Reception(Box<Reception>),
    Hunting(Box<Hunting>),
    CallBack(Box<Fetching>),
    Talking(Box<Talking>),
    Ending(Box<Ending>),
    Over,
}

impl Stage {
    pub(crate) fn handle(self, event: Event, case: &mut Case, desk: &mut Desk) -> Stage {
        let event = match event {
            Event::Request { txn, request } if request.method() == Method::Prack => {
                match reliable::on_prack(txn, request, case, desk) {
                    Some(event) => event,
                    None => return self,
                }
            }
            Event::Order(order) => {
                let stage = orders::carry_out(self, *order, case, desk);
                return orders::by_policy(stage, case, desk);
            }
            Event::MediaSecured { side, secured } => {
                case.secured(side, secured, desk);
                return self;
            }
            // Only a call that talks can be taken over; the phone must hear something all the same.
            Event::Replace { txn, request, .. } if !matches!(self, Stage::Talking(_)) => {
                desk.refuse(txn, &request, &Refusal::NoDialog);
                return self;
            }
            // The phone repeats its 1xx when a PRACK has not come: nobody waits for the answer.
            Event::Response { txn, response } if response.method() == Method::Prack => {
                if response.status().is_some_and(|status| status >= 200) {
                    desk.index.remove(&Name::Client(txn));
                }
                return self;
            }
            event => event,
        };
        let stage = match self {
            Stage::Gathering(stage) => stage.handle(event, case, desk),
            Stage::Reception(stage) => stage.handle(event, case, desk),
            Stage::Hunting(stage) => stage.handle(event, case, desk),
            Stage::CallBack(stage) => stage.handle(event, case, desk),
            Stage::Talking(stage) => stage.step(event, case, desk),
            Stage::Ending(stage) => stage.handle(event, case, desk),
            Stage::Over => Stage::Over,
        };
        orders::by_policy(stage, case, desk)
    }

    /// The search for a person that is under way.
    pub(crate) fn search(&self) -> Option<&Hunting> {
        match self {
            Stage::Hunting(stage) => Some(stage),
            Stage::CallBack(stage) => stage.search(),
            Stage::Reception(stage) => stage.search(),
            Stage::Talking(stage) => stage.transfers.search(),
            Stage::Gathering(_) | Stage::Ending(_) | Stage::Over => None,
        }
    }

    /// Where its legs are reached.
    pub(crate) fn hops(&self) -> Box<dyn Iterator<Item = &Hop> + '_> {
        match self {
            Stage::Hunting(stage) => Box::new(stage.legs.iter().map(|leg| &leg.hop)),
            Stage::Talking(stage) => Box::new([&stage.a.hop, &stage.b.hop].into_iter()),
            Stage::Reception(stage) => Box::new(stage.hops()),
            Stage::CallBack(stage) => Box::new(stage.hops()),
            Stage::Gathering(_) | Stage::Ending(_) | Stage::Over => Box::new(std::iter::empty()),
        }
    }

    /// When this stage wants [`Event::Due`].
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self {
            Stage::Gathering(stage) => Some(stage.deadline),
            Stage::Reception(stage) => stage.deadline(),
            Stage::Hunting(stage) => Some(stage.deadline()),
            Stage::CallBack(stage) => stage.deadline(),
            Stage::Talking(stage) => Some(stage.deadline()),
            Stage::Ending(stage) => Some(stage.deadline()),
            Stage::Over => None,
        }
    }
}
