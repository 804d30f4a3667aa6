//! A leg is asked: how it rings, answers, agrees, and repeats its answer until its ACK.

use super::*;

impl Leg {
    /// A phone was rung.
    pub fn rung(&mut self) {
        let Plan::Phone(plan) = &self.plan else {
            return;
        };
        let (crashes, rings, answer) = (plan.crashes, plan.rings, plan.answer);
        if let Some(after) = crashes {
            self.wishes.push(Wish::Wake(after, Wake::Crash));
        }
        if let Some(after) = rings {
            self.wishes.push(Wish::Wake(after, Wake::Ring));
        }
        if let Answer::At(after) | Answer::Refuses(_, after) = answer {
            self.wishes.push(Wish::Wake(after, Wake::Answer));
        }
        let expires = (self.invite.as_ref()).and_then(|invite| invite.header("Expires")?.parse::<u64>().ok());
        if let Some(seconds) = expires {
            self.wishes
                .push(Wish::Wake(seconds * SECOND, Wake::InviteExpires));
        }
    }

    /// Nobody has answered, and no CANCEL was heard: 487 all the same (RFC 3261 §13.3.1).
    pub(super) fn stop_ringing(&mut self) {
        let is_there = matches!(&self.plan, Plan::Phone(plan) if !matches!(plan.answer, Answer::Dead(_)));
        if self.state != State::Ringing {
            return;
        }
        self.state = State::Over;
        if let Some(invite) = self.invite.clone().filter(|_| is_there) {
            self.respond(&invite, 487, None);
        }
    }

    pub(super) fn on_request(&mut self, message: &Rc<Message>) {
        let method = message.method();
        if method == "ACK" {
            return self.on_ack(message);
        }
        let branch = message.branch();
        let known = self
            .answered
            .iter()
            .find(|(other, of, _)| *other == branch && of == method);
        if let Some((_, _, answer)) = known {
            if let Some((answer, mark)) = answer.clone() {
                self.wishes.push(Wish::Send(answer, mark));
            }
            return;
        }
        self.answered.push((branch, method.to_string(), None));
        if method == "CANCEL" {
            return self.on_cancel(message);
        }
        if message.tag("To").is_none() {
            return; // the INVITE that made this leg
        }
        match method {
            "BYE" => {
                if let Some(pending) = self.pending.take() {
                    self.respond(&pending, 487, None);
                }
                self.respond(message, 200, None);
                self.state = State::Over;
            }
            "INVITE" => self.on_reinvite(message),
            "UPDATE" if self.has_open_offer() || self.pending.is_some() => self.respond(message, 491, None),
            "UPDATE" => self.agree(message),
            "PRACK" => self.on_prack(message),
            "INFO" | "OPTIONS" | "NOTIFY" => self.respond(message, 200, None),
            _ => self.respond(message, 501, None),
        }
    }

    pub(super) fn on_reinvite(&mut self, message: &Rc<Message>) {
        if self.state == State::Over {
            return self.respond(message, 481, None);
        }
        if self.has_open_offer() {
            return self.respond(message, 491, None);
        }
        if self.pending.is_some() {
            return self.respond(message, 500, None);
        }
        let manner = match &self.plan {
            Plan::Caller(plan) => plan.reinvited,
            Plan::Phone(plan) => plan.reinvited,
        };
        match manner {
            Reinvited::Agrees => self.agree(message),
            Reinvited::Slowly(after) => {
                self.respond(message, 100, None);
                self.pending = Some(message.clone());
                self.wishes
                    .push(Wish::Wake(after, Wake::Reanswer(message.cseq())));
            }
            Reinvited::Refuses(status) => self.respond(message, status, None),
            Reinvited::Silent => {}
        }
    }

    pub(super) fn agree(&mut self, message: &Message) {
        if message.method() == "UPDATE" && !message.has_sdp() {
            return self.respond(message, 200, None);
        }
        self.sdp_version += 1;
        let direction = if message.has_sdp() {
            answer_to(message.direction())
        } else {
            "sendrecv"
        };
        let body = self.sdp(direction);
        self.respond(message, 200, Some(&body));
    }

    pub(super) fn reanswer(&mut self, cseq: u32) {
        if self
            .pending
            .as_ref()
            .is_some_and(|pending| pending.cseq() == cseq)
            && let Some(pending) = self.pending.take()
        {
            self.agree(&pending);
        }
    }

    pub(super) fn ring(&mut self) {
        let Plan::Phone(plan) = &self.plan else {
            return;
        };
        if !matches!(plan.answer, Answer::Refuses(..)) {
            let has_early_media = plan.has_early_media;
            self.provisional(if has_early_media { 183 } else { 180 }, has_early_media);
        }
    }

    pub(super) fn provisional(&mut self, status: u16, has_body: bool) {
        let is_late = status == 180 && self.state == State::Talking;
        if self.state != State::Ringing && !is_late {
            return;
        }
        let Some(invite) = self.invite.clone() else {
            return;
        };
        let body = has_body.then(|| self.sdp("sendrecv"));
        let is_reliable = matches!(&self.plan, Plan::Phone(plan) if plan.is_reliable);
        let more = if !is_late && is_reliable && self.reliable.is_none() {
            self.rung_reliably(&invite)
        } else {
            Vec::new()
        };
        let octets = self.response_with(&invite, status, &more, body.as_deref());
        if let Some(rung) = &mut self.reliable {
            rung.octets.clone_from(&octets);
            rung.has_body = has_body;
        }
        self.wishes.push(Wish::Send(octets.clone(), Mark::Provisional));
        let branch = invite.branch();
        if let Some((_, _, answer)) = self.answered.iter_mut().find(|(other, _, _)| *other == branch)
            && !is_late
        {
            *answer = Some((octets, Mark::Provisional));
        }
    }

    pub(super) fn answer_or_refuse(&mut self) {
        let Plan::Phone(plan) = &self.plan else {
            return;
        };
        if self.state != State::Ringing {
            return;
        }
        let answer = plan.answer;
        if matches!(answer, Answer::At(_)) && self.reliable.as_ref().is_some_and(|rung| !rung.is_acknowledged)
        {
            // First the PRACK: it might be about the description (RFC 3262 §3).
            return self.wishes.push(Wish::Wake(100 * MILLI, Wake::Answer));
        }
        match answer {
            Answer::Refuses(status, _) => {
                self.state = State::Over;
                if let Some(invite) = self.invite.clone() {
                    self.respond(&invite, status, None);
                }
            }
            Answer::At(_) => {
                let Plan::Phone(plan) = &self.plan else {
                    return;
                };
                let (forks, rings_late) = (plan.forks.clone(), plan.rings_late);
                self.answer();
                for after in forks {
                    self.wishes.push(Wish::Wake(after, Wake::Fork));
                }
                if let Some(after) = rings_late {
                    self.wishes.push(Wish::Wake(after, Wake::RingLate));
                }
            }
            Answer::Dead(_) | Answer::Never => {}
        }
    }

    pub(super) fn answer(&mut self) {
        let Some(invite) = self.invite.clone() else {
            return;
        };
        self.state = State::Talking;
        let sdp = self.sdp("sendrecv");
        let body = match &self.plan {
            // The offer went with the ringing, and the answer came with its PRACK.
            Plan::Phone(_) if self.has_offered_reliably(&invite) => None,
            Plan::Phone(plan) if plan.is_mute => None,
            Plan::Phone(plan) if plan.is_garbage => Some("v=1\r\nm=audio\r\n"),
            _ => Some(sdp.as_str()),
        };
        self.respond(&invite, 200, body);
        self.begin_to_talk();
    }

    pub(super) fn on_cancel(&mut self, message: &Message) {
        self.respond(message, 200, None);
        if let Some(pending) = self
            .pending
            .take_if(|pending| pending.branch() == message.branch())
        {
            return self.respond(&pending, 487, None);
        }
        let crosses = matches!(&self.plan, Plan::Phone(plan) if plan.ignores_cancel && matches!(plan.answer, Answer::At(_)));
        let invite = self.invite.clone();
        if let Some(invite) = invite.filter(|invite| invite.branch() == message.branch())
            && self.state == State::Ringing
            && !crosses
        {
            self.state = State::Over;
            self.respond(&invite, 487, None);
        }
    }

    pub(super) fn on_ack(&mut self, message: &Message) {
        let cseq = message.cseq();
        for owed in self.owed.iter_mut().filter(|owed| owed.cseq == cseq) {
            owed.is_acknowledged = true;
        }
    }

    pub(super) fn respond(&mut self, request: &Message, status: u16, body: Option<&str>) {
        let octets = self.response(request, status, body);
        if (200..300).contains(&status) && matches!(request.method(), "INVITE" | "UPDATE") {
            let answer = Message::read(&octets);
            self.agree_on(&answer, false);
        }
        let (branch, method) = (request.branch(), request.method());
        let is_answer = method == "INVITE" && request.tag("To").is_none() && (200..300).contains(&status);
        let mark = if is_answer { Mark::Answer } else { Mark::Nothing };
        self.wishes.push(Wish::Send(octets.clone(), mark));
        if method == "INVITE" && status >= 200 {
            self.owed.push(Owed {
                cseq: request.cseq(),
                status,
                mark,
                octets: octets.clone(),
                interval: T1,
                age: 0,
                is_acknowledged: false,
            });
            self.wishes
                .push(Wish::Wake(T1, Wake::Repeat(self.owed.len() - 1)));
        }
        let known = self
            .answered
            .iter_mut()
            .find(|(other, of, _)| *other == branch && of == method);
        match known {
            Some((_, _, answer)) => *answer = Some((octets, mark)),
            None => self
                .answered
                .push((branch, method.to_string(), Some((octets, mark)))),
        }
    }

    fn response(&self, request: &Message, status: u16, body: Option<&str>) -> Vec<u8> {
        self.response_with(request, status, &[], body)
    }

    fn response_with(
        &self,
        request: &Message,
        status: u16,
        more: &[(&'static str, String)],
        body: Option<&str>,
    ) -> Vec<u8> {
        let to = match request.tag("To") {
            Some(_) => request.must("To").to_string(),
            None => self.local.clone(),
        };
        let mut headers: Vec<(&str, String)> =
            request.all("Via").map(|via| ("Via", via.to_string())).collect();
        headers.extend([
            ("From", request.must("From").to_string()),
            ("To", to),
            ("Call-ID", self.call_id.clone()),
            ("CSeq", request.must("CSeq").to_string()),
        ]);
        if matches!(request.method(), "INVITE" | "UPDATE") && status < 300 {
            headers.push(("Contact", self.contact("phone")));
        }
        if (200..300).contains(&status)
            && let Some(agreed) = self.agreed(request)
        {
            if agreed.ends_with("uac") {
                headers.push(("Require", "timer".to_string()));
            }
            headers.push(("Session-Expires", agreed));
        }
        headers.extend_from_slice(more);
        let body = body.map(|body| ("application/sdp", body));
        wire::write(&format!("SIP/2.0 {status} Said"), &headers, body)
    }

    pub(super) fn repeat(&mut self, at: usize) {
        let owed = &mut self.owed[at];
        if owed.is_acknowledged {
            return;
        }
        owed.age += owed.interval;
        if owed.age >= PATIENCE {
            // Never acknowledged (RFC 3261 §13.3.1.4).
            if owed.status < 300 && self.state == State::Talking {
                self.bye();
            }
            return;
        }
        owed.interval = (owed.interval * 2).min(T2);
        let (octets, interval) = (owed.octets.clone(), owed.interval);
        // Over a connection only the 2xx is repeated (RFC 3261 §17.2.1, §13.3.1.4).
        if !self.transport.is_reliable() || owed.status < 300 {
            self.wishes.push(Wish::Send(octets, owed.mark));
        }
        self.wishes.push(Wish::Wake(interval, Wake::Repeat(at)));
    }
}
