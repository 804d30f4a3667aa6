//! What people do with more than one phone: they ask a colleague and join him with the caller, or take a call over.

use super::*;

/// Phones that somebody who takes a call over may sit at.
const OTHERS: [usize; 3] = [0, 2, 4];

impl City {
    /// The person at this phone calls a colleague.
    pub(super) fn consult(&mut self, leg: u32, number: &'static str) {
        let (address, transport) = {
            let leg = &self.legs[leg as usize];
            (leg.address, leg.transport)
        };
        let mut plan = plan::colleague(&mut self.chance, number, None);
        plan.transport = transport;
        let id = self.add_colleague(address, plan);
        self.legs[leg as usize].consultation = Some(id);
    }

    pub(super) fn join(&mut self, leg: u32) {
        let consultation = self.legs[leg as usize].consultation;
        let Some((other, replaces)) =
            consultation.and_then(|other| Some((other, self.legs[other as usize].replaces()?)))
        else {
            return;
        };
        // From here on two calls are one, and whose phone is whose is not told any more.
        let roots = [self.legs[leg as usize].root(), Some(other)];
        for root in roots.into_iter().flatten() {
            self.ledger.loosen(root);
        }
        self.legs[leg as usize].join(&replaces);
        self.grant(leg);
    }

    pub(super) fn pick_up(&mut self, leg: u32) {
        let Some(replaces) = self.legs[leg as usize].replaces() else {
            return;
        };
        if let Some(root) = self.legs[leg as usize].root() {
            self.ledger.loosen(root);
        }
        let (phone, _) = PHONES[self.chance.pick(&OTHERS)];
        let plan = plan::colleague(&mut self.chance, plan::DESK, Some(replaces));
        self.add_colleague(phone.parse().unwrap(), plan);
    }

    fn add_colleague(&mut self, address: SocketAddr, plan: CallerPlan) -> u32 {
        let id = self.legs.len() as u32;
        let leg = Leg::caller(id, address, GATEWAY, &number(id), plan);
        self.legs.push(leg);
        self.after(0, Happening::Call(id));
        id
    }
}
