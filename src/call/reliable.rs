//! Reliable provisional responses on both legs (RFC 3262), each leg by itself.
//!
//! Towards the caller a 1xx is reliable when the caller can take it and it carries a description, or when the caller
//! insists. Towards a phone every reliable 1xx gets its PRACK at once; only when it carries an offer (the caller's INVITE
//! had none) does the PRACK wait for the caller's answer, which comes in a PRACK too.

use crate::sip::{Dialog, Message, Provisional, RELIABLE, Request, Response, ServerTxn, names_option};

use super::case::Case;
use super::desk::Desk;
use super::index::Name;
use super::leg::{Ringing, way};
use super::options;
use super::refusal::{self, Refusal};
use super::stage::Event;

/// Whether the caller can take a reliable response.
pub(crate) fn can_take(invite: &Message) -> bool {
    names_option(invite, "Supported", RELIABLE) || insists(invite)
}

/// Whether every 1xx but 100 must be reliable (RFC 3262 §3).
fn insists(invite: &Message) -> bool {
    names_option(invite, "Require", RELIABLE)
}

/// A response to the caller's INVITE, reliable where it has to be.
pub(crate) fn dress(response: Response, invite: &Message) -> Response {
    let is_provisional = (101..200).contains(&response.status);
    let is_wanted = !response.body.is_empty() && can_take(invite);
    match is_provisional && (is_wanted || insists(invite)) {
        true => response.header("Require", RELIABLE),
        false => response,
    }
}

/// A PRACK inside the call. What acknowledges nothing is 481; the rest is the stage's.
pub(crate) fn on_prack(txn: ServerTxn, prack: Message, case: &mut Case, desk: &mut Desk) -> Option<Event> {
    let now = desk.now();
    if desk.endpoint.acknowledges(case.invite_txn, &prack, now) {
        return Some(Event::Pracked { txn, prack });
    }
    desk.refuse(txn, &prack, &Refusal::NoDialog);
    None
}

/// Answers a PRACK and lets go what waited for it.
pub(crate) fn accept(txn: ServerTxn, prack: &Message, case: &Case, desk: &mut Desk) {
    desk.respond(txn, Response::new(prack, 200, refusal::phrase(200)));
    let now = desk.now();
    desk.endpoint.release(case.invite_txn, now);
}

/// A reliable response with a description.
#[derive(Clone, Debug)]
pub(crate) struct Spoken {
    /// Of its dialog.
    pub(crate) tag: String,
    pub(crate) body: Vec<u8>,
    /// Its Allow names UPDATE.
    pub(crate) takes_update: bool,
}

impl Ringing {
    /// A 1xx of this phone came. False: a repetition, or out of order, and not to be looked at.
    pub(crate) fn on_provisional(&mut self, response: &Message, case: &Case, desk: &mut Desk) -> bool {
        let seen = self
            .early_dialogs
            .on_provisional(&self.invite, response, &self.hop.contact);
        match seen {
            Provisional::Plain => {}
            Provisional::Old => return false,
            Provisional::Next(prack) => {
                let tag = response.to().tag().unwrap_or_default().to_string();
                if response.description().is_some() {
                    self.spoken = Some(Spoken {
                        tag: tag.clone(),
                        body: response.body().to_vec(),
                        takes_update: options::allows(response, "UPDATE"),
                    });
                }
                let is_offer =
                    case.offer.is_none() && self.early.is_none() && response.description().is_some();
                if is_offer {
                    self.owed = Some((tag, *prack));
                } else {
                    self.acknowledge_early(&tag, *prack, desk);
                }
            }
        }
        true
    }

    /// Sends the PRACK that waited for the caller's answer.
    pub(crate) fn pay(&mut self, answer: Option<Vec<u8>>, desk: &mut Desk) {
        if let Some((tag, mut prack)) = self.owed.take() {
            if let Some(answer) = answer {
                prack = prack.with_body("application/sdp", answer);
            }
            self.acknowledge_early(&tag, prack, desk);
        }
    }

    /// Nobody waits for the answer to a PRACK: the phone repeats its 1xx when it has not come.
    fn acknowledge_early(&mut self, tag: &str, prack: Request, desk: &mut Desk) {
        let Some(dialog) = self.early_dialogs.with_tag(tag) else {
            return;
        };
        let flow = way(dialog, &self.hop, desk);
        let txn = desk.request(prack, flow, &self.hop);
        if self.hop.login.is_some() {
            // So that a challenge, and the number it cost, is heard of.
            desk.name(Name::Client(txn));
        }
    }

    /// The dialog that a 2xx of this phone makes.
    pub(crate) fn dialog(&self, response: &Message) -> Option<Dialog> {
        self.early_dialogs
            .confirmed(&self.invite, response, &self.hop.contact)
            .ok()
    }
}
