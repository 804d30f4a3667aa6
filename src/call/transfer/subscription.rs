//! What whoever asked for a transfer is told of it: the subscription that a REFER makes (RFC 3515 §2.4.4), NOTIFY by NOTIFY.

use std::time::Instant;

use crate::call::desk::Desk;
use crate::call::index::Name;
use crate::call::leg::Leg;
use crate::call::limits::TRANSFER_MAX;
use crate::call::refusal;
use crate::sip::{ClientTxn, Method, SIPFRAG, fragment};

/// One REFER's subscription. Sends one NOTIFY at a time, because two on their way may change places; what happens
/// meanwhile is told by the next one, only the newest of it.
#[derive(Debug)]
pub(super) struct Subscription {
    /// Of a second and later REFER in the dialog: its CSeq number (RFC 3515 §2.4.6).
    id: Option<u32>,
    in_flight: Option<ClientTxn>,
    waiting: Option<u16>,
    told: u16,
    /// When it ends by itself: what is left of it stands in each NOTIFY (RFC 6665 §4.1.3).
    until: Instant,
    /// The last word is on its way, or the peer wants none.
    is_over: bool,
}

impl Subscription {
    pub(super) fn new(id: Option<u32>, now: Instant) -> Subscription {
        Subscription {
            id,
            until: now + TRANSFER_MAX,
            in_flight: None,
            waiting: None,
            told: 0,
            is_over: false,
        }
    }

    /// The call that was asked for has come this far; from 200 on it is the last word. A final status replaces what
    /// was not said yet, and nothing replaces it.
    pub(super) fn tell(&mut self, status: u16, leg: &mut Leg, desk: &mut Desk) {
        let is_news = status != self.told && self.waiting.is_none_or(|waiting| waiting < 200);
        if self.is_over || !is_news {
            return;
        }
        self.waiting = Some(status);
        self.send(leg, desk);
    }

    pub(super) fn owns(&self, txn: ClientTxn) -> bool {
        self.in_flight == Some(txn)
    }

    /// The peer answered a NOTIFY, or never did (`status` 408 or 503).
    pub(super) fn on_answer(&mut self, status: u16, leg: &mut Leg, desk: &mut Desk) {
        if let Some(txn) = self.in_flight.take() {
            desk.index.remove(&Name::Client(txn));
        }
        if (200..300).contains(&status) {
            self.send(leg, desk);
        } else {
            // It does not want to know (RFC 6665 §4.2.2).
            self.is_over = true;
            self.waiting = None;
        }
    }

    /// Nothing more will be said, and what was said has been answered.
    pub(super) fn is_done(&self) -> bool {
        self.is_over && self.in_flight.is_none()
    }

    fn send(&mut self, leg: &mut Leg, desk: &mut Desk) {
        if self.in_flight.is_some() || self.is_over {
            return;
        }
        let Some(status) = self.waiting.take() else {
            return;
        };
        self.told = status;
        self.is_over = status >= 200;
        let event = match self.id {
            Some(id) => format!("refer;id={id}"),
            None => "refer".to_string(),
        };
        let state = if self.is_over {
            "terminated;reason=noresource".to_string()
        } else {
            let left = self.until.saturating_duration_since(desk.now().instant);
            format!("active;expires={}", left.as_secs())
        };
        let notify = leg
            .dialog
            .request(Method::Notify)
            .header("Event", event)
            .header("Subscription-State", state)
            .with_body(SIPFRAG, fragment(status, refusal::phrase(status)));
        self.in_flight = Some(leg.send(notify, desk));
    }
}
