//! What a leg does by itself while it talks.

use super::*;

impl Leg {
    pub(super) fn begin_to_talk(&mut self) {
        if self.has_given_up {
            // Too late to cancel: the answer crossed (RFC 3261 §15).
            return self.bye();
        }
        let acts = match &self.plan {
            Plan::Caller(plan) => &plan.acts,
            Plan::Phone(plan) => &plan.acts,
        };
        for (at, (after, _)) in acts.iter().enumerate() {
            self.wishes.push(Wish::Wake(*after, Wake::Act(at)));
        }
    }

    pub(super) fn act(&mut self, at: usize) {
        if self.state != State::Talking {
            return;
        }
        let acts = match &self.plan {
            Plan::Caller(plan) => &plan.acts,
            Plan::Phone(plan) => &plan.acts,
        };
        let (_, act) = acts[at];
        let is_busy = self.has_open_offer() || self.pending.is_some();
        let is_offer = matches!(
            act,
            Act::Hold | Act::Resume | Act::Inactive | Act::AskForOffer | Act::Update
        );
        if is_offer && is_busy {
            return; // one exchange at a time (RFC 3261 §14.1)
        }
        let sdp = |leg: &mut Leg, direction| {
            leg.sdp_version += 1;
            Some(leg.sdp(direction))
        };
        match act {
            Act::Bye => self.bye(),
            Act::Hold => {
                let body = sdp(self, "sendonly");
                self.request("INVITE", &[], body, Some(at));
            }
            Act::Resume => {
                let body = sdp(self, "sendrecv");
                self.request("INVITE", &[], body, Some(at));
            }
            Act::Inactive => {
                let body = sdp(self, "inactive");
                self.request("INVITE", &[], body, Some(at));
            }
            Act::AskForOffer => self.request("INVITE", &[], None, Some(at)),
            Act::Update => {
                let body = sdp(self, "sendrecv");
                self.request("UPDATE", &[], body, Some(at));
            }
            Act::UpdateWithoutBody => self.request("UPDATE", &[], None, None),
            Act::Info => self.request("INFO", &[], None, None),
            Act::Options => self.request("OPTIONS", &[], None, None),
            Act::Refer => self.request("REFER", &[], None, None),
            Act::SendTo(number) => {
                let to = format!("<sip:{number}@{}>", self.gateway);
                self.request("REFER", &[("Refer-To", to)], None, None);
            }
            Act::Consult(number) => self.wishes.push(Wish::Consult(number)),
            Act::Join => self.wishes.push(Wish::Join),
            Act::PickUp => self.wishes.push(Wish::PickUp),
            Act::Teleport => self.request("TELEPORT", &[], None, None),
        }
    }

    /// Its caller and the one it asked are to talk to each other (RFC 5589 §7).
    pub fn join(&mut self, consultation: &str) {
        if self.state != State::Talking {
            return;
        }
        let replaces = consultation
            .replace(';', "%3B")
            .replace('=', "%3D")
            .replace('@', "%40");
        let to = format!("<sip:ringward@{}?Replaces={replaces}>", self.gateway);
        self.request("REFER", &[("Refer-To", to)], None, None);
    }

    pub(super) fn bye(&mut self) {
        self.has_said_bye = true;
        self.state = State::Leaving;
        self.request("BYE", &[], None, None);
    }
}
