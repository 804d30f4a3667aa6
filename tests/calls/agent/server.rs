//! What an agent is asked, and how it answers.

use super::*;

impl Agent {
    pub(super) fn on_request(&mut self, message: Message) {
        let method = message.method().to_string();
        let branch = message.branch();
        if method == "ACK" {
            return self.on_ack(message);
        }
        if let Some(answer) = self.answered.get(&(branch.clone(), method.clone())) {
            return self.wishes.push(Wish::Send(answer.clone()));
        }
        let id = message.must("Call-ID").to_string();
        if method != "CANCEL"
            && let Some(door) = &mut self.phone.door
            && let Some((status, challenge)) = door.challenge(&message)
        {
            return self.respond_with(&message, status, &challenge, None);
        }
        if method == "CANCEL" {
            return self.on_cancel(message, branch, id);
        }
        if message.tag("To").is_none() {
            match method.as_str() {
                "INVITE" => self.on_invite(message, id),
                "REGISTER" if self.phone.registrar.is_some() => self.on_register(message),
                "OPTIONS" if matches!(self.phone.answer, Answer::Dead) => {}
                "OPTIONS" => self.respond(&message, self.phone.options, None),
                _ => self.respond(&message, 481, None),
            }
            return;
        }
        let Some(line) = self.lines.get_mut(&id) else {
            return self.respond(&message, 481, None);
        };
        line.received.push(message.clone());
        match method.as_str() {
            "BYE" => {
                line.state = State::Over;
                self.respond(&message, 200, None);
            }
            "INVITE" | "UPDATE" => {
                line.sdp_version += 1;
                let direction = if message.has_sdp() {
                    answer_to(message.direction())
                } else {
                    "sendrecv"
                };
                let version = line.sdp_version;
                let body = self.sdp_to(version, direction, &message.body);
                self.respond(&message, 200, Some(&body));
            }
            "INFO" | "OPTIONS" => self.respond(&message, 200, None),
            "NOTIFY" => {
                let is_won = message.body.starts_with("SIP/2.0 200");
                self.respond(&message, self.phone.to_notify, None);
                if is_won && self.phone.hangs_up_when_told && self.lines[&id].state == State::Talking {
                    self.request(&id, "BYE", &[], None);
                }
            }
            _ => self.respond(&message, 501, None),
        }
    }

    pub(super) fn on_register(&mut self, message: Message) {
        let Some(registrar) = &mut self.phone.registrar else {
            return;
        };
        let contact = message.must("Contact").to_string();
        let asked: u32 = message.must("Expires").parse().expect("seconds");
        registrar.log.push(format!("{contact} {asked}"));
        let (status, extra) = match asked {
            0 => (200, vec![]),
            asked if asked < registrar.least => (423, vec![("Min-Expires", registrar.least.to_string())]),
            asked => {
                let granted = format!("{contact};expires={asked}");
                (
                    200,
                    vec![
                        ("Contact", granted),
                        ("Service-Route", "<sip:edge.carrier.example;lr>".into()),
                    ],
                )
            }
        };
        let status = registrar.refuses.unwrap_or(status);
        if registrar.is_dead {
            return;
        }
        self.respond_with(&message, status, &extra, None);
    }

    pub(super) fn on_invite(&mut self, message: Message, id: String) {
        if matches!(self.phone.answer, Answer::Dead) {
            return;
        }
        let known = self.lines.get(&id);
        if known.is_some_and(|line| line.invite_branch == message.branch() || line.state != State::Over) {
            return; // a retransmission before our first response
        }
        let line = Line {
            state: State::Ringing,
            is_caller: false,
            call_id: id.clone(),
            local: format!("{};tag=p{}", message.must("To"), self.lines.len()),
            remote: message.must("From").to_string(),
            target: message.contact().expect("an INVITE has a Contact").to_string(),
            cseq: 100,
            sdp_version: 1,
            invite_branch: message.branch(),
            invite: message,
            gave_up: false,
            acts: self.phone.acts.clone(),
            received: Vec::new(),
            responses: Vec::new(),
            acks: Vec::new(),
        };
        self.lines.insert(id.clone(), line);
        self.wishes
            .push(Wish::Wake(self.phone.rings_after, Wake::Ring(id.clone())));
        if let Answer::After(after) | Answer::Refuse(_, after) = self.phone.answer {
            self.wishes.push(Wish::Wake(after, Wake::Answer(id)));
        }
    }

    pub(super) fn ring(&mut self, id: &str) {
        let line = &self.lines[id];
        let is_heard = self.phone.has_early_media || !matches!(self.phone.answer, Answer::Refuse(..));
        if line.state == State::Ringing && is_heard {
            let invite = line.invite.clone();
            if self.phone.has_early_media {
                let body = self.sdp_to(1, "sendrecv", &invite.body);
                self.respond(&invite, 183, Some(&body));
            } else {
                self.respond(&invite, 180, None);
            }
        }
    }

    pub(super) fn answer(&mut self, id: &str) {
        let line = self.lines.get_mut(id).expect("a line");
        if line.state != State::Ringing {
            return;
        }
        let invite = line.invite.clone();
        match self.phone.answer {
            Answer::Refuse(status, _) => {
                line.state = State::Over;
                self.respond(&invite, status, None);
            }
            _ => {
                line.state = State::Talking;
                let body = self.sdp_to(1, "sendrecv", &invite.body);
                self.respond(&invite, 200, Some(&body));
                self.schedule(id);
            }
        }
    }

    pub(super) fn on_cancel(&mut self, message: Message, branch: String, id: String) {
        self.respond(&message, 200, None);
        let Some(line) = self
            .lines
            .get_mut(&id)
            .filter(|line| line.invite_branch == branch)
        else {
            return;
        };
        line.received.push(message);
        let crosses = self.phone.ignores_cancel && matches!(self.phone.answer, Answer::After(_));
        if line.state == State::Ringing && !crosses {
            line.state = State::Over;
            let invite = line.invite.clone();
            self.respond(&invite, 487, None);
        }
    }

    pub(super) fn on_ack(&mut self, message: Message) {
        let id = message.must("Call-ID").to_string();
        let cseq = message.cseq();
        for owed in self.owed.values_mut().filter(|owed| owed.line == id) {
            if Message::read(&owed.octets).cseq() == cseq {
                owed.is_acknowledged = true;
            }
        }
        if let Some(line) = self.lines.get_mut(&id) {
            line.acks.push(message);
        }
    }

    pub(super) fn respond(&mut self, request: &Message, status: u16, body: Option<&str>) {
        self.respond_with(request, status, &[], body);
    }

    pub(super) fn respond_with(
        &mut self,
        request: &Message,
        status: u16,
        extra: &[(&'static str, String)],
        body: Option<&str>,
    ) {
        let id = request.must("Call-ID");
        let to = request.must("To").to_string();
        let to = match self.lines.get(id) {
            Some(line) if request.tag("To").is_none() && !line.is_caller => line.local.clone(),
            None if request.tag("To").is_none() && !extra.is_empty() => format!("{to};tag=door"),
            _ => to,
        };
        let mut headers: Vec<(&str, String)> =
            request.all("Via").map(|via| ("Via", via.to_string())).collect();
        headers.extend([
            ("From", request.must("From").to_string()),
            ("To", to),
            ("Call-ID", id.to_string()),
            ("CSeq", request.must("CSeq").to_string()),
        ]);
        let method = request.method().to_string();
        if method == "INVITE" && status < 300 {
            headers.push(("Contact", format!("<sip:phone@{}>", self.address)));
        }
        headers.extend_from_slice(extra);
        if method == "INVITE" && status >= 300 {
            headers.extend(self.phone.headers.clone());
        }
        let body = body.map(|body| ("application/sdp", body));
        let octets = wire::write(&format!("SIP/2.0 {status} Said"), &headers, body);
        self.wishes.push(Wish::Send(octets.clone()));
        let branch = request.branch();
        self.answered
            .insert((branch.clone(), method.clone()), octets.clone());
        if method == "INVITE" && status >= 200 {
            let owed = Owed {
                line: id.to_string(),
                octets,
                interval: T1,
                age: T1,
                is_acknowledged: false,
            };
            self.owed.insert(branch.clone(), owed);
            self.wishes.push(Wish::Wake(T1, Wake::Repeat(branch)));
        }
    }

    pub(super) fn repeat(&mut self, branch: String) {
        let Some(owed) = self.owed.get_mut(&branch).filter(|owed| !owed.is_acknowledged) else {
            return;
        };
        if owed.age >= GIVE_UP {
            // Never acknowledged: the call is over for this phone (RFC 3261 §13.3.1.4).
            if let Some(line) = self.lines.get_mut(&owed.line) {
                line.state = State::Over;
            }
            return;
        }
        self.wishes.push(Wish::Send(owed.octets.clone()));
        owed.interval = (owed.interval * 2).min(T2);
        owed.age += owed.interval;
        self.wishes.push(Wish::Wake(owed.interval, Wake::Repeat(branch)));
    }
}
