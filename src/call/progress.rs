//! What the caller hears of phones that ring: 180, the early media of one of them, and in the 200 what he heard early.

use crate::media::Side;
use crate::queue::Attempt;
use crate::sdp::Session;
use crate::sip::{ClientTxn, Message};

use super::case::Case;
use super::desk::Desk;
use super::hunting::Hunting;
use super::refusal::Refusal;

/// An answer that went out in a 183 has to be the same in the 200 of that dialog (RFC 3261 §13.2.1).
pub(super) struct Early {
    pub(super) attempt: Attempt,
    /// As the phone wrote it.
    body: Vec<u8>,
    /// As the caller got it.
    pub(super) sent: Vec<u8>,
    /// It was an offer, and the caller's PRACK had the answer: the 200 says nothing more of it.
    pub(super) is_answered: bool,
}

impl Hunting {
    /// 180 once; a 183 with a description when only one phone rings, so that the caller hears one and not many.
    pub(super) fn on_provisional(
        &mut self,
        txn: ClientTxn,
        status: u16,
        response: &Message,
        case: &mut Case,
        desk: &mut Desk,
    ) {
        let is_only_one = self.hunt.ringing() == 1;
        let Some(leg) = self.leg(txn) else {
            return;
        };
        if !leg.on_provisional(response, case, desk) {
            return;
        }
        // An offer (the caller's INVITE had none) only where its answer can come back in time.
        let is_usable = case.offer.is_some() || leg.owed.is_some();
        if let (Some(session), true) = (leg.hear(response, case), is_usable) {
            let attempt = leg.attempt;
            leg.early = Some(session.clone());
            if is_only_one && self.early.as_ref().is_none_or(|early| early.attempt != attempt) {
                return self.early_media(attempt, status, response.body(), &session, case, desk);
            }
        }
        if !matches!(status, 180 | 183) || self.is_ringing || self.early.is_some() {
            return;
        }
        // A 183 without a description says as much as a 180, and only the 180 makes a phone ring.
        self.is_ringing = true;
        self.progress(180, None, case, desk);
    }

    fn early_media(
        &mut self,
        attempt: Attempt,
        status: u16,
        body: &[u8],
        session: &Session,
        case: &mut Case,
        desk: &mut Desk,
    ) {
        let Some(port) = case.port(Side::A) else { return };
        if self.early.is_some() {
            case.new_tag(desk);
        }
        let ours = desk.config.media_address;
        let Ok(sent) = case.origin.reply(session, case.offer.as_ref(), ours, port) else {
            return;
        };
        if let Some(offer) = case.offer.clone() {
            case.describe_caller(&offer, desk);
        }
        let leg = self.legs.iter().find(|leg| leg.attempt == attempt);
        let agreed = leg.map(|leg| leg.origin.travel.agreed()).unwrap_or_default();
        case.describe(Side::B, session, agreed, desk);
        self.early = Some(Early {
            attempt,
            body: body.to_vec(),
            sent: sent.clone(),
            is_answered: false,
        });
        self.is_ringing |= status == 180;
        self.progress(if status == 180 { 180 } else { 183 }, Some(sent), case, desk);
    }

    fn progress(&mut self, status: u16, body: Option<Vec<u8>>, case: &mut Case, desk: &mut Desk) {
        case.respond(case.dialog_response(status, body), desk);
        if case.record.timings.ringing_ms.is_none() {
            case.record.timings.ringing_ms = Some(case.at_ms(desk));
            case.changed(desk);
        }
    }

    /// The caller's side of an answer: what went out early when the phone repeats itself, else anchored anew.
    pub(super) fn answer_for_caller(
        &self,
        attempt: Attempt,
        body: &[u8],
        session: &Session,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Result<Vec<u8>, Refusal> {
        let port = case.port(Side::A).ok_or(Refusal::Busy)?;
        if session.audio_address().is_none() {
            return Err(Refusal::NotAcceptable("the audio was refused"));
        }
        if let Some(early) = &self.early {
            if early.attempt == attempt && (body.is_empty() || body == early.body || early.is_answered) {
                return Ok(early.sent.clone());
            }
            case.new_tag(desk);
        }
        let ours = desk.config.media_address;
        case.origin.reply(session, case.offer.as_ref(), ours, port)
    }
}
