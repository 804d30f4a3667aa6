//! What an agent asks: its calls, its requests in them, and what it makes of the answers.

use super::*;

impl Agent {
    /// Starts a call; the name of its line is its Call-ID.
    pub fn call(&mut self, plan: CallerPlan) -> String {
        self.never_acknowledges = plan.never_acknowledges;
        self.gives_up_after = plan.gives_up_after;
        self.login = plan.login.clone();
        let call_id = plan
            .call_id
            .clone()
            .unwrap_or_else(|| format!("call-{}-{}", self.address.port(), self.address.ip()));
        let tag = plan
            .tag
            .clone()
            .unwrap_or_else(|| format!("c{}", self.address.port()));
        let target = format!("sip:{}@{}", plan.called, self.gateway);
        let first = plan.dialled_first.as_ref().unwrap_or(&plan.called);
        let to = format!("sip:{first}@{}", self.gateway);
        let branch = self.branch();
        let mut headers = vec![
            (
                "Via",
                format!("SIP/2.0/UDP {};branch={branch};rport", self.address),
            ),
            ("Max-Forwards", plan.max_forwards.to_string()),
            ("From", format!("{};tag={tag}", plan.from)),
            ("To", format!("<{to}>")),
            ("Call-ID", call_id.clone()),
            ("CSeq", "1 INVITE".to_string()),
            ("Contact", format!("<sip:trunk@{}>", self.address)),
        ];
        headers.extend(plan.headers);
        let body = self.sdp(1, "sendrecv");
        let body = match &plan.body {
            Some((kind, body)) => Some((*kind, body.as_str())),
            None => plan.has_offer.then_some(("application/sdp", body.as_str())),
        };
        let octets = wire::write(&format!("INVITE {target} SIP/2.0"), &headers, body);
        let line = Line {
            state: State::Calling,
            is_caller: true,
            call_id: call_id.clone(),
            local: format!("{};tag={tag}", plan.from),
            remote: format!("<{target}>"),
            target,
            cseq: 1,
            sdp_version: 1,
            invite: Message::read(&octets),
            invite_branch: branch.clone(),
            gave_up: false,
            acts: plan.acts,
            received: Vec::new(),
            responses: Vec::new(),
            acks: Vec::new(),
        };
        self.lines.insert(call_id.clone(), line);
        if let Some(after) = plan.gives_up_after {
            self.wishes.push(Wish::Wake(after, Wake::GiveUp(call_id.clone())));
        }
        self.start(branch, &call_id, "INVITE", octets);
        call_id
    }

    pub(super) fn start(&mut self, branch: String, line: &str, method: &str, octets: Vec<u8>) {
        self.wishes.push(Wish::Send(octets.clone()));
        self.wishes.push(Wish::Wake(T1, Wake::Retransmit(branch.clone())));
        let sent = Sent {
            line: line.to_string(),
            method: method.to_string(),
            octets,
            interval: T1,
            age: T1,
            is_done: false,
            acks: BTreeMap::new(),
            finals: Vec::new(),
        };
        self.sent.insert(branch, sent);
    }

    pub(super) fn retransmit(&mut self, branch: String) {
        let Some(sent) = self.sent.get_mut(&branch).filter(|sent| !sent.is_done) else {
            return;
        };
        if sent.age >= GIVE_UP {
            sent.is_done = true;
            if let Some(line) = self
                .lines
                .get_mut(&sent.line)
                .filter(|_| sent.method == "BYE" || sent.finals.is_empty())
            {
                line.state = State::Over;
            }
            return;
        }
        self.wishes.push(Wish::Send(sent.octets.clone()));
        sent.interval *= 2;
        if sent.method != "INVITE" {
            sent.interval = sent.interval.min(T2);
        }
        sent.age += sent.interval;
        self.wishes
            .push(Wish::Wake(sent.interval, Wake::Retransmit(branch)));
    }

    pub(super) fn on_response(&mut self, status: u16, message: Message) {
        let branch = match message.method() {
            "CANCEL" => format!("cancel {}", message.branch()),
            _ => message.branch(),
        };
        // A response to nothing we sent: its Via was garbled on the way.
        let Some(sent) = self.sent.get_mut(&branch) else {
            return;
        };
        let Some(line) = self.lines.get_mut(&sent.line) else {
            return;
        };
        line.responses.push(message.clone());
        if sent.method != "INVITE" {
            if status >= 200 {
                sent.is_done = true;
                sent.finals.push((status, String::new()));
                if sent.method == "BYE" {
                    line.state = State::Over;
                }
                if sent.method == "UPDATE" && status < 300 {
                    line.sdp_version += 1;
                }
            }
            return;
        }
        sent.is_done = true;
        let tag = message.tag("To").unwrap_or_default().to_string();
        match status {
            0..=199 => {
                if line.state == State::Calling {
                    line.state = State::Ringing;
                }
            }
            200..=299 => {
                let is_new = !sent.finals.contains(&(status, tag.clone()));
                if is_new {
                    sent.finals.push((status, tag.clone()));
                }
                if self.never_acknowledges {
                    return;
                }
                if let Some(ack) = sent.acks.get(&tag) {
                    return self.wishes.push(Wish::Send(ack.clone()));
                }
                let is_first = line.state != State::Talking && line.state != State::Over;
                if is_first {
                    line.state = State::Talking;
                }
                line.remote = message.must("To").to_string();
                line.target = message.contact().expect("a 2xx has a Contact").to_string();
                let id = line.call_id.clone();
                self.acknowledge(&branch, &id, &message, tag);
                if is_first {
                    self.schedule(&id);
                    if self.lines[&id].gave_up {
                        // Too late to cancel: the answer crossed (RFC 3261 §15).
                        self.request(&id, "BYE", &[], None);
                    }
                }
            }
            _ => {
                if !sent.finals.contains(&(status, String::new())) {
                    sent.finals.push((status, String::new()));
                }
                if line.state != State::Talking {
                    line.state = State::Over;
                }
                let uri = Message::read(&sent.octets).request_uri().to_string();
                let headers = [
                    (
                        "Via",
                        format!("SIP/2.0/UDP {};branch={branch};rport", self.address),
                    ),
                    ("Max-Forwards", "70".to_string()),
                    ("From", message.must("From").to_string()),
                    ("To", message.must("To").to_string()),
                    ("Call-ID", message.must("Call-ID").to_string()),
                    ("CSeq", format!("{} ACK", message.cseq())),
                ];
                self.wishes.push(Wish::Send(wire::write(
                    &format!("ACK {uri} SIP/2.0"),
                    &headers,
                    None,
                )));
                if status == 401 {
                    self.prove(&branch, &message);
                }
            }
        }
    }

    /// The INVITE once more, with credentials (RFC 3261 §22.2).
    pub(super) fn prove(&mut self, branch: &str, challenge: &Message) {
        let Some(login) = self.login.take() else {
            return;
        };
        let first = Message::read(&self.sent[branch].octets);
        let again = self.branch();
        let uri = first.request_uri().to_string();
        let cseq = first.cseq() + 1;
        let mut headers: Vec<(&str, String)> = Vec::new();
        for (name, value) in &first.headers {
            let value = match name.as_str() {
                "Via" => value.replace(branch, &again),
                "CSeq" => format!("{cseq} INVITE"),
                "Content-Type" | "Content-Length" => continue,
                _ => value.clone(),
            };
            headers.push((name, value));
        }
        headers.push(("Authorization", login.answer(challenge, "INVITE", &uri)));
        let body = (!first.body.is_empty()).then_some(("application/sdp", first.body.as_str()));
        let octets = wire::write(&format!("INVITE {uri} SIP/2.0"), &headers, body);
        let id = first.must("Call-ID").to_string();
        let line = self.lines.get_mut(&id).expect("a line");
        line.state = State::Calling;
        line.cseq = cseq;
        line.invite = Message::read(&octets);
        line.invite_branch.clone_from(&again);
        self.start(again, &id, "INVITE", octets);
    }

    /// ACK to a 2xx, with the answer when ours was the question.
    pub(super) fn acknowledge(&mut self, branch: &str, id: &str, response: &Message, tag: String) {
        let ack_branch = self.branch();
        let line = &self.lines[id];
        let had_offer = Message::read(&self.sent[branch].octets).has_sdp();
        let body = self.sdp_to(line.sdp_version, answer_to(response.direction()), &response.body);
        let body = (!had_offer && response.has_sdp()).then_some(("application/sdp", body.as_str()));
        let headers = [
            (
                "Via",
                format!("SIP/2.0/UDP {};branch={ack_branch};rport", self.address),
            ),
            ("Max-Forwards", "70".to_string()),
            ("From", line.local.clone()),
            ("To", line.remote.clone()),
            ("Call-ID", line.call_id.clone()),
            ("CSeq", format!("{} ACK", response.cseq())),
        ];
        let ack = wire::write(&format!("ACK {} SIP/2.0", line.target), &headers, body);
        self.wishes.push(Wish::Send(ack.clone()));
        if let Some(sent) = self.sent.get_mut(branch) {
            sent.acks.insert(tag, ack);
        }
    }

    pub(super) fn give_up(&mut self, id: &str) {
        let Some(line) = self.lines.get_mut(id) else {
            return;
        };
        if !matches!(line.state, State::Calling | State::Ringing) {
            return;
        }
        if line.state == State::Calling {
            // No CANCEL before a provisional response (RFC 3261 §9.1).
            return self.wishes.push(Wish::Wake(
                Duration::from_millis(100),
                Wake::GiveUp(id.to_string()),
            ));
        }
        line.gave_up = true;
        let branch = line.invite_branch.clone();
        let headers = [
            (
                "Via",
                format!("SIP/2.0/UDP {};branch={branch};rport", self.address),
            ),
            ("Max-Forwards", "70".to_string()),
            ("From", line.local.clone()),
            ("To", line.invite.must("To").to_string()),
            ("Call-ID", line.call_id.clone()),
            ("CSeq", format!("{} CANCEL", line.invite.cseq())),
        ];
        let octets = wire::write(
            &format!("CANCEL {} SIP/2.0", line.invite.request_uri()),
            &headers,
            None,
        );
        // Its responses carry the INVITE's branch: kept under a name of its own.
        self.start(format!("cancel {branch}"), id, "CANCEL", octets);
    }

    pub(super) fn schedule(&mut self, id: &str) {
        for (at, (after, _)) in self.lines[id].acts.iter().enumerate() {
            self.wishes
                .push(Wish::Wake(*after, Wake::Act(id.to_string(), at)));
        }
    }

    pub(super) fn act(&mut self, id: &str, at: usize) {
        let line = &self.lines[id];
        if line.state != State::Talking {
            return;
        }
        let (_, act) = line.acts[at].clone();
        let version = line.sdp_version + 1;
        let sdp = |direction| self.sdp(version, direction);
        match act {
            Act::Bye => self.request(id, "BYE", &[], None),
            Act::Hold => self.request(id, "INVITE", &[], Some(("application/sdp", &sdp("sendonly")))),
            Act::Resume => self.request(id, "INVITE", &[], Some(("application/sdp", &sdp("sendrecv")))),
            Act::Update => self.request(id, "UPDATE", &[], Some(("application/sdp", &sdp("sendrecv")))),
            Act::AskForOffer => self.request(id, "INVITE", &[], None),
            Act::Info(body) => self.request(id, "INFO", &[], Some(("application/dtmf-relay", &body))),
            Act::Reinvite(name, value) => {
                let body = sdp("sendrecv");
                self.request(id, "INVITE", &[(name, value)], Some(("application/sdp", &body)));
            }
            Act::Refer(to, extra) => {
                let mut headers = vec![
                    ("Refer-To", to),
                    ("Contact", format!("<sip:peer@{}>", self.address)),
                ];
                headers.extend(extra);
                self.request(id, "REFER", &headers, None);
            }
            Act::Send(method) => self.request(id, method, &[], None),
        }
    }

    /// A request inside the dialog.
    pub fn request(&mut self, id: &str, method: &str, extra: &[(&str, String)], body: Option<(&str, &str)>) {
        let branch = self.branch();
        let line = self.lines.get_mut(id).expect("a line");
        line.cseq += 1;
        if body.is_some_and(|(kind, _)| kind == "application/sdp") {
            line.sdp_version += 1;
        }
        let mut headers = vec![
            (
                "Via",
                format!("SIP/2.0/UDP {};branch={branch};rport", self.address),
            ),
            ("Max-Forwards", "70".to_string()),
            ("From", line.local.clone()),
            ("To", line.remote.clone()),
            ("Call-ID", line.call_id.clone()),
            ("CSeq", format!("{} {method}", line.cseq)),
        ];
        if matches!(method, "INVITE" | "UPDATE") {
            headers.push(("Contact", format!("<sip:peer@{}>", self.address)));
        }
        headers.extend_from_slice(extra);
        let octets = wire::write(&format!("{method} {} SIP/2.0", line.target), &headers, body);
        let id = id.to_string();
        self.start(branch, &id, method, octets);
    }
}
