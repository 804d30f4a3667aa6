//! A leg asks: its INVITE, its requests in the dialog, their repetition, what it makes of the answers.

use super::*;

impl Leg {
    /// The INVITE of a caller.
    pub fn call(&mut self, identity: Option<String>) {
        let Plan::Caller(plan) = &self.plan else {
            return;
        };
        let (gives_up, crashes, second_way) = (plan.gives_up, plan.crashes, plan.second_way);
        let (has_offer, is_hidden) = (plan.has_offer, plan.is_hidden);
        let mut more = Vec::new();
        if is_hidden {
            more.push(("Privacy", "id".to_string()));
        }
        if let Some(identity) = identity {
            more.push(("Identity", identity));
        }
        if plan.is_reliable {
            more.push(("Supported", "100rel".to_string()));
        }
        if let Some(replaces) = &plan.replaces {
            more.push(("Replaces", replaces.clone()));
        }
        let body = has_offer.then(|| self.sdp("sendrecv"));
        self.request("INVITE", &more, body, None);
        let wakes = [
            (gives_up, Wake::GiveUp),
            (crashes, Wake::Crash),
            (second_way, Wake::SecondWay),
        ];
        for (after, wake) in wakes {
            if let Some(after) = after {
                self.wishes.push(Wish::Wake(after, wake));
            }
        }
    }

    /// The request of ours that a response answers.
    pub fn asked_by(&self, response: &Message) -> Option<usize> {
        let number = number_of(&response.branch())?;
        let method = response.method();
        self.asked
            .iter()
            .position(|asked| asked.branch == number && asked.method == method)
    }

    pub(super) fn send(&mut self, at: usize) {
        let asked = &mut self.asked[at];
        self.wishes
            .push(Wish::Send(asked.octets.clone(), Mark::Asked(at)));
        self.wishes.push(Wish::Wake(asked.interval, Wake::Retransmit(at)));
    }

    pub(super) fn retransmit(&mut self, at: usize) {
        let asked = &mut self.asked[at];
        if asked.is_done {
            return;
        }
        asked.age += asked.interval;
        if asked.age >= PATIENCE {
            asked.is_done = true;
            let is_first = asked.method == "INVITE" && asked.cseq == 1;
            let is_last = asked.method == "BYE" && self.state == State::Leaving;
            if is_last || (asked.method == "BYE" || is_first) && !self.is_asking() {
                self.state = State::Over;
            }
            return;
        }
        asked.interval *= 2;
        if asked.method != "INVITE" {
            asked.interval = asked.interval.min(T2);
        }
        if self.transport.is_reliable() {
            // Nothing is sent twice over a connection; it is only waited for.
            let interval = asked.interval;
            return self.wishes.push(Wish::Wake(interval, Wake::Retransmit(at)));
        }
        self.send(at);
    }

    /// The answer to its INVITE was on the connection that broke, and a refusal is not said twice over one: 503 to itself
    /// (RFC 3261 §8.1.3.1).
    pub(super) fn stop_calling(&mut self) {
        if !self.is_caller() || !matches!(self.state, State::Calling | State::Ringing) {
            return;
        }
        self.state = State::Over;
        for asked in &mut self.asked {
            (asked.is_done, asked.age) = (true, PATIENCE);
        }
    }

    /// A first INVITE of ours still has no final answer.
    pub(super) fn is_asking(&self) -> bool {
        self.asked
            .iter()
            .any(|asked| asked.method == "INVITE" && asked.cseq == 1 && !asked.is_done_for_good())
    }

    pub(super) fn on_response(&mut self, status: u16, message: &Message) {
        let Some(at) = self.asked_by(message) else {
            return;
        };
        let asked = &mut self.asked[at];
        if asked.method != "INVITE" {
            if status < 200 {
                return;
            }
            let (method, act) = (asked.method, asked.act);
            let is_new = asked.finals.is_empty();
            asked.is_done = true;
            asked.finals.push((status, String::new()));
            match (method, status) {
                // A BYE in the early dialog: the INVITE still has its own answer to come.
                ("BYE", _) if self.state != State::Leaving && self.is_asking() => {}
                ("BYE", _) => self.state = State::Over,
                ("UPDATE" | "INFO", 481) => self.state = State::Over,
                ("UPDATE", 491) if is_new => self.try_again(act),
                ("UPDATE", 200..=299) if is_new => self.agree_on(message, true),
                _ => {}
            }
            return;
        }
        asked.is_done = true;
        match status {
            0..=199 => {
                if self.state == State::Calling {
                    self.state = State::Ringing;
                }
                if self.state == State::Ringing {
                    if let Some(tag) = message.tag("To") {
                        self.remote = format!("<{}>;tag={tag}", self.first_target());
                    }
                    if let Some(contact) = message.contact() {
                        self.target = contact.to_string();
                    }
                    self.acknowledge_reliable(at, message);
                }
            }
            200..=299 => self.on_success(at, message),
            _ => self.on_failure(at, status, message),
        }
    }

    pub(super) fn first_target(&self) -> String {
        match &self.plan {
            Plan::Caller(plan) => format!("sip:{}@{}", plan.called, self.gateway),
            Plan::Phone(_) => self.target.clone(),
        }
    }

    pub(super) fn on_success(&mut self, at: usize, message: &Message) {
        let tag = message.tag("To").unwrap_or_default().to_string();
        let asked = &mut self.asked[at];
        let is_first = self.cseq == 1 && asked.cseq == 1;
        if !asked
            .finals
            .contains(&(message.status().unwrap_or_default(), tag.clone()))
        {
            asked
                .finals
                .push((message.status().unwrap_or_default(), tag.clone()));
        }
        if let Plan::Caller(plan) = &self.plan
            && plan.never_acknowledges
            && asked.cseq == 1
        {
            // It heard the answer and hangs there: what it is sent decides how this ends. Unless it had hung up before it
            // heard the answer, in the early dialog (RFC 3261 §15), and was told so: then nothing more is sent to it.
            let is_hung_up =
                (self.asked.iter()).any(|asked| asked.method == "BYE" && !asked.finals.is_empty());
            if is_hung_up {
                self.state = State::Over;
            } else if self.state != State::Over {
                self.state = State::Talking;
                self.remote = message.must("To").to_string();
            }
            return;
        }
        if let Some((_, ack)) = asked.acks.iter().find(|(known, _)| *known == tag) {
            let ack = ack.clone();
            let mark = if asked.cseq == 1 { Mark::Ack } else { Mark::Nothing };
            return self.wishes.push(Wish::Send(ack, mark));
        }
        let (cseq, has_offer) = (asked.cseq, asked.has_offer);
        let is_answer = matches!(self.state, State::Calling | State::Ringing);
        if is_answer || is_first {
            self.remote = message.must("To").to_string();
        }
        if let Some(contact) = message.contact() {
            self.target = contact.to_string();
        }
        if is_answer {
            self.state = State::Talking;
        }
        let body = (!has_offer && message.has_sdp()).then(|| self.sdp(answer_to(message.direction())));
        let headers = self.headers("ACK", cseq, &[]);
        let ack = wire::write(
            &format!("ACK {} SIP/2.0", self.target),
            &headers,
            body.as_deref().map(|body| ("application/sdp", body)),
        );
        self.asked[at].acks.push((tag, ack.clone()));
        let mark = if cseq == 1 { Mark::Ack } else { Mark::Nothing };
        self.wishes.push(Wish::Send(ack, mark));
        if is_answer {
            self.begin_to_talk();
        }
        self.agree_on(message, true);
    }

    pub(super) fn on_failure(&mut self, at: usize, status: u16, message: &Message) {
        let asked = &mut self.asked[at];
        let is_new = !asked.finals.iter().any(|(known, _)| *known == status);
        if is_new {
            asked.finals.push((status, String::new()));
        }
        let (branch, cseq, act) = (asked.branch, asked.cseq, asked.act);
        let uri = asked.uri();
        let headers = [
            ("Via", self.via(branch)),
            ("Max-Forwards", "70".to_string()),
            ("From", message.must("From").to_string()),
            ("To", message.must("To").to_string()),
            ("Call-ID", self.call_id.clone()),
            ("CSeq", format!("{cseq} ACK")),
        ];
        let ack = wire::write(&format!("ACK {uri} SIP/2.0"), &headers, None);
        self.wishes.push(Wish::Send(ack, Mark::Nothing));
        let is_first = matches!(self.state, State::Calling | State::Ringing);
        if is_first && !self.is_asking() {
            self.state = State::Over;
        }
        if !is_first && is_new {
            match status {
                481 if self.state == State::Talking => self.state = State::Over,
                491 => self.try_again(act),
                _ => {}
            }
        }
    }

    /// Both asked at once: each waits for another time (RFC 3261 §14.1).
    pub(super) fn try_again(&mut self, act: Option<usize>) {
        if let Some(act) = act
            && self.retries < RETRIES
        {
            self.retries += 1;
            let after = if self.is_caller() { 2500 * MILLI } else { SECOND };
            self.wishes.push(Wish::Wake(after, Wake::Act(act)));
        }
    }

    pub(super) fn give_up(&mut self) {
        match self.state {
            // No CANCEL before a provisional response (RFC 3261 §9.1).
            State::Calling => self.wishes.push(Wish::Wake(100 * MILLI, Wake::GiveUp)),
            State::Ringing => {
                self.has_given_up = true;
                let with_bye = matches!(&self.plan, Plan::Caller(plan) if plan.with_bye);
                if with_bye && self.remote.contains(";tag=") {
                    // BYE in the early dialog: the INVITE still hears 487.
                    self.request("BYE", &[], None, None);
                } else {
                    self.cancel();
                }
            }
            _ => {}
        }
    }

    pub(super) fn cancel(&mut self) {
        let open: Vec<usize> = (0..self.asked.len())
            .filter(|at| self.asked[*at].method == "INVITE" && self.asked[*at].finals.is_empty())
            .collect();
        for at in open {
            let (branch, uri) = (self.asked[at].branch, self.asked[at].uri());
            let to = format!("<{}>", self.first_target());
            let headers = [
                ("Via", self.via(branch)),
                ("Max-Forwards", "70".to_string()),
                ("From", self.local.clone()),
                ("To", to),
                ("Call-ID", self.call_id.clone()),
                ("CSeq", format!("{} CANCEL", self.asked[at].cseq)),
            ];
            let octets = wire::write(&format!("CANCEL {uri} SIP/2.0"), &headers, None);
            let cseq = self.asked[at].cseq;
            self.start("CANCEL", branch, cseq, octets, false, None);
        }
    }

    /// The same INVITE by another way: another branch, everything else the same.
    pub(super) fn second_way(&mut self) {
        if !matches!(self.state, State::Calling | State::Ringing) || self.has_given_up {
            return;
        }
        self.branches += 1;
        let number = self.branches;
        let first = &self.asked[0];
        let (ours, theirs) = (self.via(first.branch), self.via(number));
        let text = String::from_utf8_lossy(&first.octets).replacen(&ours, &theirs, 1);
        let has_offer = first.has_offer;
        self.start("INVITE", number, 1, text.into_bytes(), has_offer, None);
    }

    pub(super) fn has_open_offer(&self) -> bool {
        self.asked.iter().any(|asked| {
            matches!(asked.method, "INVITE" | "UPDATE")
                && asked.cseq > 1
                && asked.finals.is_empty()
                && !asked.is_done_for_good()
        })
    }

    pub(super) fn request(
        &mut self,
        method: &'static str,
        more: &[(&'static str, String)],
        sdp: Option<String>,
        act: Option<usize>,
    ) {
        self.cseq += 1;
        let cseq = self.cseq;
        let headers = self.headers(method, cseq, more);
        let body = sdp.as_deref().map(|sdp| ("application/sdp", sdp));
        let octets = wire::write(&format!("{method} {} SIP/2.0", self.target), &headers, body);
        let branch = self.branches;
        self.start(method, branch, cseq, octets, sdp.is_some(), act);
    }

    pub(super) fn start(
        &mut self,
        method: &'static str,
        branch: usize,
        cseq: u32,
        octets: Vec<u8>,
        has_offer: bool,
        act: Option<usize>,
    ) {
        self.asked.push(Asked {
            branch,
            method,
            cseq,
            octets,
            interval: T1,
            age: 0,
            is_done: false,
            has_offer,
            act,
            acks: Vec::new(),
            finals: Vec::new(),
            reached: None,
            answered: None,
        });
        self.send(self.asked.len() - 1);
    }

    /// With a branch of its own.
    pub(super) fn headers(
        &mut self,
        method: &str,
        cseq: u32,
        more: &[(&'static str, String)],
    ) -> Vec<(&'static str, String)> {
        self.branches += 1;
        let mut headers = vec![
            ("Via", self.via(self.branches)),
            ("Max-Forwards", "70".to_string()),
            ("From", self.local.clone()),
            ("To", self.remote.clone()),
            ("Call-ID", self.call_id.clone()),
            ("CSeq", format!("{cseq} {method}")),
        ];
        if matches!(method, "INVITE" | "UPDATE" | "REFER") {
            headers.push(("Contact", self.contact("peer")));
        }
        if matches!(method, "INVITE" | "UPDATE")
            && let Some(timer) = self.timer()
        {
            headers.push(("Supported", "timer".to_string()));
            headers.push(("Session-Expires", timer.wanted()));
        }
        headers.extend_from_slice(more);
        headers
    }

    pub(super) fn via(&self, number: usize) -> String {
        format!(
            "SIP/2.0/{} {};branch=z9hG4bKsim{:x}x{number};rport",
            self.transport.via_name(),
            self.address,
            self.id
        )
    }

    pub(super) fn contact(&self, user: &str) -> String {
        let transport = match self.transport {
            Transport::Udp => "",
            Transport::Tcp => ";transport=tcp",
            Transport::Tls => ";transport=tls",
        };
        format!("<sip:{user}@{}{transport}>", self.address)
    }
}
