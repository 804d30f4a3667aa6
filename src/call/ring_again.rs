//! A phone that refuses our words, and not the call, is asked once more in others: for a longer session interval (422), or
//! with nothing plain, or with more codecs (488).

use crate::sip::{EarlyDialogs, Message};

use super::desk::Desk;
use super::index::Name;
use super::leg::Ringing;
use super::limits::INTERVAL_RETRIES_MAX;
use super::{offer, terms};

impl Ringing {
    /// False: the response counts as any refusal.
    pub(crate) fn ring_again(&mut self, response: &Message, desk: &mut Desk) -> bool {
        let is_changed = match response.status() {
            Some(422) => self.is_longer(response),
            Some(488) if may_be_codecs(response) => self.is_otherwise(),
            _ => false,
        };
        if !is_changed {
            return false;
        }
        let cseq = response.cseq().0 + 1;
        self.invite.headers.retain(|(name, _)| name != "CSeq");
        self.invite = self.invite.clone().header("CSeq", format!("{cseq} INVITE"));
        desk.index.remove(&Name::Client(self.txn));
        self.txn = desk.request(self.invite.clone(), self.hop.flow, &self.hop);
        desk.name(Name::Client(self.txn));
        self.patience = Some(desk.now().instant + desk.config.try_for);
        true
    }

    /// RFC 4028 §7.3.
    fn is_longer(&mut self, response: &Message) -> bool {
        if self.retries >= INTERVAL_RETRIES_MAX || !terms::offer_longer(&mut self.invite, response) {
            return false;
        }
        self.retries += 1;
        true
    }

    /// What was offered is not understood (RFC 3261 §21.4.26). Where keys by handshake stood beside plain audio: the same again with
    /// nothing plain. Else it was the caller's codecs: the same again, with what we can translate into behind them.
    fn is_otherwise(&mut self) -> bool {
        // A phone that has spoken before had understood them.
        if self.early.is_some() || self.owed.is_some() {
            return false;
        }
        let Some(said) = offer::session(&self.invite.body) else {
            return false;
        };
        // A fax has neither codecs nor keys.
        let Some(at) = said.audio_address().filter(|_| !said.is_fax()) else {
            return false;
        };
        let may_widen = self.origin.widened(&said).codecs() != said.codecs();
        let is_other = self.origin.travel.insist() || (may_widen && self.origin.widen());
        if !is_other {
            return false;
        }
        let Ok(body) = self.origin.offer(&said, at.ip(), at.port()) else {
            return false;
        };
        self.invite.body = body;
        self.early_dialogs = EarlyDialogs::default();
        self.spoken = None;
        true
    }
}

/// Whether a 488 may be about codecs: it says nothing more (RFC 3261 §20.43), or not only that something else is amiss.
pub(super) fn may_be_codecs(response: &Message) -> bool {
    let lines = response.header_lines("Warning");
    let mut codes = lines
        .iter()
        .filter_map(|line| line.split_whitespace().next())
        .filter_map(|code| code.parse::<u16>().ok())
        .peekable();
    codes.peek().is_none() || codes.any(|code| !NOT_CODECS.contains(&code))
}

/// Network and transport, addresses, bandwidth, multicast: no codec more helps.
const NOT_CODECS: [u16; 7] = [300, 301, 302, 303, 330, 331, 370];
