//! Session timers (RFC 4028): what a leg asks for, what was agreed, and who refreshes.

use super::*;

/// What the gateway may take beyond the end of a session: its BYE is repeated for as long as one is.
const GRACE: u64 = 40 * SECOND;

impl Timer {
    /// Session-Expires of a request of ours.
    pub(super) fn wanted(self) -> String {
        let refresher = if self.is_refresher { "uac" } else { "uas" };
        format!("{};refresher={refresher}", self.interval)
    }
}

impl Leg {
    /// Session-Expires of a 2xx to this request; None: no session timer.
    pub(super) fn agreed(&self, request: &Message) -> Option<String> {
        if !matches!(request.method(), "INVITE" | "UPDATE") {
            return None;
        }
        let asked = request.header("Session-Expires");
        let number = |value: &str| value.split(';').next()?.trim().parse::<u64>().ok();
        let (ours, theirs) = (self.timer(), asked.and_then(number));
        let interval = match (ours, theirs) {
            (Some(timer), Some(theirs)) => timer.interval.min(theirs),
            (Some(timer), None) => timer.interval,
            // They want one, we know nothing of it: they refresh (RFC 4028 §9).
            (None, _) => return None,
        };
        let is_known = request.all("Supported").any(|tags| tags.contains("timer"));
        let refresher = match asked.and_then(|value| value.split_once("refresher=")) {
            Some((_, refresher)) => &refresher[..3],
            None if !is_known || ours.is_some_and(|timer| timer.is_refresher) => "uas",
            None => "uac",
        };
        Some(format!("{interval};refresher={refresher}"))
    }

    /// A 2xx went by, to a request of ours or to one of theirs: who refreshes what from now on.
    pub(super) fn agree_on(&mut self, answer: &Message, is_ours: bool) {
        self.agreements += 1;
        let Some((interval, refresher)) = answer
            .header("Session-Expires")
            .and_then(|value| value.split_once(";refresher="))
        else {
            return;
        };
        let Ok(interval) = interval.parse::<u64>() else {
            return;
        };
        let is_refresher = (refresher == "uac") == is_ours;
        let agreement = self.agreements;
        if is_refresher && self.timer().is_some_and(|timer| !timer.forgets) {
            let after = interval * SECOND / 2;
            self.wishes.push(Wish::Wake(after, Wake::Refresh(agreement)));
        } else if !is_refresher {
            let after = interval * SECOND + GRACE;
            self.wishes.push(Wish::Wake(after, Wake::Expire(agreement)));
        }
    }

    pub(super) fn refresh(&mut self, agreement: u32) {
        if agreement != self.agreements || self.state != State::Talking {
            return;
        }
        if self.has_open_offer() || self.pending.is_some() {
            return self.wishes.push(Wish::Wake(SECOND, Wake::Refresh(agreement)));
        }
        // It will be looked at again when nothing came of it.
        self.wishes.push(Wish::Wake(5 * SECOND, Wake::Refresh(agreement)));
        if self.timer().is_some_and(|timer| timer.by_invite) {
            let body = self.sdp("sendrecv");
            self.request("INVITE", &[], Some(body), None);
        } else {
            self.request("UPDATE", &[], None, None);
        }
    }

    pub(super) fn expire(&mut self, agreement: u32) {
        self.was_forgotten |= agreement == self.agreements && self.state == State::Talking;
    }
}
