//! INVITEs of ours that no call wants any more, until their transaction is over.
//!
//! A phone that was cancelled may have answered at the same moment (RFC 3261 §9.1), and a proxy behind a phone's
//! address may send a second answer. Each such 2xx is acknowledged and then ended with BYE, so that no phone is left
//! talking to nobody. The call itself need not wait for that.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use crate::sip::{ClientTxn, Dialog, EarlyDialogs, Message, Method, Request};
use crate::time::Now;

use super::desk::Desk;
use super::leg::{self, Hop, Ringing};
use super::limits::{FURTHER_ANSWERS, STRAYS_MAX};

struct Stray {
    invite: Request,
    hop: Hop,
    /// The dialog that has the call: its 2xx is not a stray one.
    winner: Option<String>,
    /// Dialogs that its reliable responses made: requests of ours count on from there.
    early: EarlyDialogs,
    /// Why a phone that answers all the same is hung up (RFC 3326).
    reason: Option<String>,
    /// What pays for a leg to the outside, as the ledger counts.
    toll: Option<u64>,
}

/// What an answer that nobody wants has begun.
struct Unwanted {
    dialog: Dialog,
    /// Where it is reached.
    hop: Hop,
    /// Why it is hung up.
    reason: Option<String>,
    toll: Option<u64>,
}

#[derive(Default)]
pub(crate) struct Strays {
    /// By transaction, which count up: the first is the oldest.
    entries: BTreeMap<u64, Stray>,
    /// When answered ones are let go, in order (all wait equally long).
    expiries: VecDeque<(Instant, u64)>,
}

impl Strays {
    /// Takes over an INVITE that still has no final response.
    pub(crate) fn adopt(&mut self, txn: ClientTxn, invite: Request, hop: Hop) {
        self.adopt_early(txn, invite, hop, EarlyDialogs::default());
    }

    /// The same with what its reliable responses began.
    pub(crate) fn adopt_early(&mut self, txn: ClientTxn, invite: Request, hop: Hop, early: EarlyDialogs) {
        self.insert(
            txn,
            Stray {
                invite,
                hop,
                winner: None,
                early,
                reason: None,
                toll: None,
            },
        );
    }

    /// A leg that the call wants no more. `reason` goes with the BYE, should it be answered yet.
    pub(crate) fn abandon(&mut self, leg: Ringing, reason: Option<&str>) {
        self.insert(
            leg.txn,
            Stray {
                invite: leg.invite,
                hop: leg.hop,
                winner: None,
                early: leg.early_dialogs,
                reason: reason.map(str::to_string),
                toll: leg.toll,
            },
        );
    }

    /// Watches for further answers to an INVITE whose dialog `winner` (its remote tag) has the call.
    pub(crate) fn watch(&mut self, leg: Ringing, winner: &str, now: Now) {
        let txn = leg.txn;
        self.insert(
            txn,
            Stray {
                invite: leg.invite,
                hop: leg.hop,
                winner: Some(winner.to_string()),
                early: leg.early_dialogs,
                reason: None,
                toll: None,
            },
        );
        self.expiries.push_back((now.instant + FURTHER_ANSWERS, txn.0));
    }

    pub(crate) fn owns(&self, txn: ClientTxn) -> bool {
        self.entries.contains_key(&txn.0)
    }

    /// What an answer that nobody wants has begun.
    fn on_response(&mut self, txn: ClientTxn, response: &Message, now: Now) -> Option<Unwanted> {
        let stray = self.entries.get(&txn.0)?;
        match response.status() {
            Some(200..=299) => {}
            Some(300..) => {
                self.remove(txn);
                return None;
            }
            _ => return None,
        }
        if stray
            .winner
            .as_deref()
            .is_some_and(|tag| response.to_address().tag() == Some(tag))
        {
            return None;
        }
        let dialog = stray.early.confirmed(&stray.invite, response, &stray.hop.contact);
        let (hop, reason, toll) = (stray.hop.clone(), stray.reason.clone(), stray.toll);
        if stray.winner.is_none() {
            self.expiries.push_back((now.instant + FURTHER_ANSWERS, txn.0));
        }
        Some(Unwanted {
            dialog: dialog.ok()?,
            hop,
            reason,
            toll,
        })
    }

    /// The transaction ended without an answer.
    pub(crate) fn remove(&mut self, txn: ClientTxn) {
        self.entries.remove(&txn.0);
    }

    pub(crate) fn tick(&mut self, now: Now) {
        while let Some((_, txn)) = self
            .expiries
            .front()
            .filter(|(at, _)| *at <= now.instant)
            .copied()
        {
            self.expiries.pop_front();
            self.entries.remove(&txn);
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.expiries.front().map(|(at, _)| *at)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    fn insert(&mut self, txn: ClientTxn, stray: Stray) {
        if self.entries.len() >= STRAYS_MAX {
            self.entries.pop_first();
        }
        self.entries.insert(txn.0, stray);
    }
}

impl Desk {
    /// A response to an INVITE that no call wants any more. What it began is acknowledged and ended, by its own route; a
    /// challenge to that is answered as any.
    pub(crate) fn on_stray_response(&mut self, txn: ClientTxn, response: &Message) {
        let now = self.now();
        let Some(unwanted) = self.strays.on_response(txn, response, now) else {
            return;
        };
        let Unwanted {
            mut dialog,
            hop,
            reason,
            toll,
        } = unwanted;
        if let Some(toll) = toll {
            self.ledger.answered_after_all(toll, now.instant);
        }
        let (flow, ack) = (leg::way(&dialog, &hop, self), dialog.ack(response.cseq().0));
        self.endpoint.acknowledge(txn, ack, flow, &hop.sent_by, now);
        let mut bye = dialog.request(Method::Bye);
        if let Some(reason) = reason {
            bye = bye.header("Reason", reason);
        }
        self.request(bye, flow, &hop);
    }
}
