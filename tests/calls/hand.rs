//! A peer played by hand: a test says each message and looks at each that comes. For rules of the standards that no
//! ordinary telephone breaks.

use std::net::SocketAddr;

use crate::wire::{self, Message};
use crate::world::{GATEWAY, World};

pub const PHONE: &str = "10.0.0.5:5060";
pub const CALLER: &str = "203.0.113.7:6000";

/// One dialog as this peer knows it. The world collects what comes for it, as no agent lives at its address.
pub struct Hand {
    pub address: SocketAddr,
    call_id: String,
    local: String,
    remote: String,
    pub target: String,
    pub cseq: u32,
    branches: u32,
    /// The INVITE that made it, sent or received.
    pub invite: Message,
}

impl Hand {
    /// Calls in, with these header lines and this body.
    pub fn calls(world: &mut World, headers: &[(&'static str, &str)], body: Option<&str>) -> Hand {
        Hand::calls_from(world, CALLER, headers, body)
    }

    /// The same from another address.
    pub fn calls_from(
        world: &mut World,
        address: &str,
        headers: &[(&'static str, &str)],
        body: Option<&str>,
    ) -> Hand {
        let address: SocketAddr = address.parse().unwrap();
        let mut hand = Hand {
            address,
            call_id: format!("by-hand-{}", address.port()),
            local: format!("<sip:+14045550123@{}>;tag=mine", address.ip()),
            remote: format!("<sip:+12125550100@{GATEWAY}>"),
            target: format!("sip:+12125550100@{GATEWAY}"),
            cseq: 0,
            branches: 0,
            invite: Message::read(b"NONE sip:none SIP/2.0\r\n\r\n"),
        };
        let octets = hand.request("INVITE", headers, body);
        hand.invite = Message::read(&octets);
        world.say(&hand, octets);
        hand
    }

    /// Takes the INVITE that has come to a phone.
    pub fn is_rung(world: &mut World) -> Hand {
        Hand::is_rung_at(world, PHONE)
    }

    pub fn is_rung_at(world: &mut World, address: &str) -> Hand {
        let address: SocketAddr = address.parse().unwrap();
        world.run_for(1.0);
        let invite = world
            .collected(address)
            .into_iter()
            .find(|message| message.start.starts_with("INVITE"))
            .expect("an INVITE");
        Hand {
            address,
            call_id: invite.must("Call-ID").to_string(),
            local: format!("{};tag=phone", invite.must("To")),
            remote: invite.must("From").to_string(),
            target: invite.contact().expect("a Contact").to_string(),
            cseq: 500,
            branches: 0,
            invite,
        }
    }

    /// The same phone as another fork.
    pub fn with_tag(&self, tag: &str) -> Hand {
        Hand {
            local: format!("{};tag={tag}", self.invite.must("To")),
            remote: self.remote.clone(),
            call_id: self.call_id.clone(),
            target: self.target.clone(),
            invite: self.invite.clone(),
            ..*self
        }
    }

    /// Learns the other side's tag and target from a response.
    pub fn learn(&mut self, response: &Message) {
        self.remote = response.must("To").to_string();
        if let Some(contact) = response.contact() {
            self.target = contact.to_string();
        }
    }

    /// A request, in the dialog as far as it is known. ACK and CANCEL have the number of the last one.
    pub fn request(&mut self, method: &str, headers: &[(&str, &str)], body: Option<&str>) -> Vec<u8> {
        self.branches += 1;
        if !matches!(method, "ACK" | "CANCEL") {
            self.cseq += 1;
        }
        let branch = match method {
            "CANCEL" => self.invite.branch(),
            _ => format!("z9hG4bK-{}-{}", self.address.port(), self.branches),
        };
        let mut lines = vec![
            ("Via", format!("SIP/2.0/UDP {};branch={branch}", self.address)),
            ("From", self.local.clone()),
            ("To", self.remote.clone()),
            ("Call-ID", self.call_id.clone()),
            ("CSeq", format!("{} {method}", self.cseq)),
            ("Contact", format!("<sip:hand@{}>", self.address)),
        ];
        if !headers.iter().any(|(name, _)| *name == "Max-Forwards") {
            lines.push(("Max-Forwards", "70".into()));
        }
        lines.extend(headers.iter().map(|(name, value)| (*name, value.to_string())));
        let body = body.map(|body| ("application/sdp", body));
        wire::write(&format!("{method} {} SIP/2.0", self.target), &lines, body)
    }

    /// A response to any request.
    pub fn response(
        &self,
        request: &Message,
        status: u16,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Vec<u8> {
        let mut lines: Vec<(&str, String)> = request.all("Via").map(|via| ("Via", via.to_string())).collect();
        let to = match request.tag("To") {
            Some(_) => request.must("To").to_string(),
            None => self.local.clone(),
        };
        lines.extend([
            ("From", request.must("From").to_string()),
            ("To", to),
            ("Call-ID", request.must("Call-ID").to_string()),
            ("CSeq", request.must("CSeq").to_string()),
            ("Contact", format!("<sip:hand@{}>", self.address)),
        ]);
        lines.extend(headers.iter().map(|(name, value)| (*name, value.to_string())));
        let body = body.map(|body| ("application/sdp", body));
        wire::write(&format!("SIP/2.0 {status} Said"), &lines, body)
    }

    pub fn sdp(&self, version: u32) -> String {
        wire::sdp(self.address, version, "sendrecv")
    }
}

impl World {
    pub fn say(&mut self, hand: &Hand, octets: Vec<u8>) {
        self.send(hand.address, GATEWAY.parse().unwrap(), octets);
    }

    /// Asks, and gives time for an answer.
    pub fn ask(&mut self, hand: &mut Hand, method: &str, headers: &[(&str, &str)], body: Option<&str>) {
        let octets = hand.request(method, headers, body);
        self.say(hand, octets);
        self.run_for(0.05);
    }

    pub fn answer(
        &mut self,
        hand: &Hand,
        request: &Message,
        status: u16,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) {
        let octets = hand.response(request, status, headers, body);
        self.say(hand, octets);
        self.run_for(0.05);
    }

    /// What has come for this hand since the last look, and its first words: `200 INVITE`, `BYE`.
    /// What came twice within that time is told once.
    pub fn came(&mut self, hand: &Hand) -> Vec<Message> {
        let mut came: Vec<Message> = Vec::new();
        for message in self.collected(hand.address) {
            let is_same = |other: &Message| {
                (&other.start, &other.headers, &other.body)
                    == (&message.start, &message.headers, &message.body)
            };
            if !came.iter().any(is_same) {
                came.push(message);
            }
        }
        came
    }

    /// `from` sends this description in an INVITE inside the call, `to` answers so; what each saw.
    pub fn reinvite(&mut self, from: &mut Hand, to: &Hand, offer: &str, answer: &str) -> (Message, Message) {
        self.ask(from, "INVITE", &[], Some(offer));
        let offered = self.one(to, "INVITE");
        self.answer(to, &offered, 200, &[], Some(answer));
        assert_eq!(self.words(to), ["ACK"]);
        let heard = self.one(from, "200 INVITE");
        self.ask(from, "ACK", &[], None);
        (offered, heard)
    }

    pub fn words(&mut self, hand: &Hand) -> Vec<String> {
        self.came(hand).iter().map(word).collect()
    }

    /// The only message of this word among what has come.
    pub fn one(&mut self, hand: &Hand, wanted: &str) -> Message {
        let came = self.came(hand);
        let words: Vec<String> = came.iter().map(word).collect();
        let mut found = came.into_iter().filter(|message| word(message) == wanted);
        let message = found.next();
        assert!(
            message.is_some() && found.next().is_none(),
            "one {wanted} among {words:?}\n{}",
            self.trace.join("\n")
        );
        message.unwrap()
    }
}

pub fn word(message: &Message) -> String {
    match message.status() {
        Some(status) => format!("{status} {}", message.method()),
        None => message.method().to_string(),
    }
}

/// Both sides of a call that has been answered, with the 200s as they came and went.
pub struct Talk {
    pub caller: Hand,
    pub phone: Hand,
    /// Our 200 to the caller.
    pub answer: Message,
}

/// A call answered at once: `asks` of the caller's INVITE, `says` of the phone's 200.
pub fn talk(world: &mut World, asks: &[(&'static str, &str)], says: &[(&str, &str)]) -> Talk {
    let body = wire::sdp(CALLER.parse().unwrap(), 1, "sendrecv");
    let mut caller = Hand::calls(world, asks, Some(&body));
    let phone = Hand::is_rung(world);
    let invite = phone.invite.clone();
    let sdp = phone.sdp(1);
    world.answer(&phone, &invite, 200, says, Some(&sdp));
    let answer = world.one(&caller, "200 INVITE");
    caller.learn(&answer);
    world.ask(&mut caller, "ACK", &[], None);
    assert_eq!(world.words(&phone), ["ACK"]);
    Talk {
        caller,
        phone,
        answer,
    }
}
