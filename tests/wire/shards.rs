//! Two calls of one phone, on two shards, become one (RFC 5589 §7) over real sockets. The phones are played by hand: no
//! telephone lets a test choose the Call-ID of its call, and with it the shard.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use ringward::call::shard_of;

use crate::sip_text::{self, Message};
use crate::support::gateway::Gateway;
use crate::support::{folder, free_ports};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A peer on a socket of its own. Requests that it does not wait for are agreed to.
struct Peer {
    socket: UdpSocket,
    address: SocketAddr,
    gateway: SocketAddr,
    branches: u32,
    /// Call-IDs of the dialogs that a BYE has ended. It may come at any time: two shards send from two sockets.
    ended: RefCell<BTreeSet<String>>,
}

/// One dialog of a peer.
struct Dialog {
    call_id: String,
    local: String,
    remote: String,
    target: String,
    cseq: u32,
}

impl Dialog {
    fn of_invite(&mut self, answer: &Message) {
        self.remote = answer.must("To").to_string();
        self.target = answer.contact().expect("a Contact").to_string();
    }
}

impl Peer {
    fn bind(host: &str) -> Peer {
        let socket = UdpSocket::bind((host, 0)).expect("a socket");
        socket
            .set_read_timeout(Some(Duration::from_millis(200)))
            .expect("a timeout");
        let address = socket.local_addr().expect("an address");
        Peer {
            socket,
            address,
            gateway: address,
            branches: 0,
            ended: RefCell::default(),
        }
    }

    /// The next message that is wanted, whatever comes before it.
    fn next(&self, what: &str, wanted: impl Fn(&Message) -> bool) -> Message {
        let until = Instant::now() + PATIENCE;
        let (mut octets, mut seen) = (vec![0; 65_535], Vec::new());
        while Instant::now() < until {
            let Ok((length, _)) = self.socket.recv_from(&mut octets) else {
                continue;
            };
            let message = Message::read(&octets[..length]);
            if wanted(&message) {
                return message;
            }
            if message.status().is_none() && message.method() != "ACK" {
                self.agree(&message);
            }
            seen.push(message.start);
        }
        panic!("no {what} came to {}, but {seen:?}", self.address);
    }

    fn asked(&self, method: &str) -> Message {
        self.next(method, |message| {
            message.status().is_none() && message.method() == method
        })
    }

    /// A final answer to what this dialog asked last.
    fn told(&self, dialog: &Dialog) -> Message {
        self.next("final answer", |message| {
            message.status().is_some_and(|status| status >= 200)
                && (message.must("Call-ID"), message.cseq()) == (&*dialog.call_id, dialog.cseq)
        })
    }

    fn tag(&self) -> String {
        format!("peer{}", self.address.port())
    }

    fn contact(&self) -> String {
        format!("<sip:hand@{}>", self.address)
    }

    fn agree(&self, request: &Message) {
        if request.method() == "BYE" {
            self.ended
                .borrow_mut()
                .insert(request.must("Call-ID").to_string());
        }
        let to = match request.tag("To") {
            Some(_) => request.must("To").to_string(),
            None => format!("{};tag={}", request.must("To"), self.tag()),
        };
        let mut headers: Vec<(&str, String)> =
            request.all("Via").map(|via| ("Via", via.to_string())).collect();
        headers.extend([
            ("From", request.must("From").to_string()),
            ("To", to),
            ("Call-ID", request.must("Call-ID").to_string()),
            ("CSeq", request.must("CSeq").to_string()),
            ("Contact", self.contact()),
        ]);
        let body = sip_text::sdp(self.address, 1, "sendrecv");
        let body = (request.method() == "INVITE").then_some(("application/sdp", body.as_str()));
        self.send(&sip_text::write("SIP/2.0 200 OK", &headers, body));
    }

    fn send(&self, octets: &[u8]) {
        self.socket.send_to(octets, self.gateway).expect("it is sent");
    }

    fn ask(&mut self, dialog: &mut Dialog, method: &str, more: &[(&'static str, String)]) {
        self.branches += 1;
        if method != "ACK" {
            dialog.cseq += 1;
        }
        let via = format!(
            "SIP/2.0/UDP {};branch=z9hG4bK-{}-{};rport",
            self.address,
            self.tag(),
            self.branches
        );
        let mut headers = vec![
            ("Via", via),
            ("Max-Forwards", "70".to_string()),
            ("From", dialog.local.clone()),
            ("To", dialog.remote.clone()),
            ("Call-ID", dialog.call_id.clone()),
            ("CSeq", format!("{} {method}", dialog.cseq)),
            ("Contact", self.contact()),
        ];
        headers.extend_from_slice(more);
        let body = sip_text::sdp(self.address, 1, "sendrecv");
        let body = (method == "INVITE").then_some(("application/sdp", body.as_str()));
        let start = format!("{method} {} SIP/2.0", dialog.target);
        self.send(&sip_text::write(&start, &headers, body));
    }

    /// Calls this number, which `called` answers; the dialogs of both.
    fn call(&mut self, number: &str, call_id: String, called: &Peer) -> (Dialog, Dialog) {
        let target = format!("sip:{number}@{}", self.gateway);
        let mut own = Dialog {
            call_id,
            local: format!("<sip:+14045550123@{}>;tag={}", self.address, self.tag()),
            remote: format!("<{target}>"),
            target,
            cseq: 0,
        };
        self.ask(&mut own, "INVITE", &[]);
        let invite = called.asked("INVITE");
        called.agree(&invite);
        let theirs = Dialog {
            call_id: invite.must("Call-ID").to_string(),
            local: format!("{};tag={}", invite.must("To"), called.tag()),
            remote: invite.must("From").to_string(),
            target: invite.contact().expect("a Contact").to_string(),
            cseq: 100,
        };
        called.asked("ACK");
        let answer = self.told(&own);
        assert_eq!(answer.status(), Some(200), "{}", answer.start);
        own.of_invite(&answer);
        self.ask(&mut own, "ACK", &[]);
        // Its answer says that the ACK, which has none, has come to the shard of the call.
        self.ask(&mut own, "OPTIONS", &[]);
        assert_eq!(self.told(&own).status(), Some(200));
        (own, theirs)
    }
}

/// A Call-ID that this one of two shards owns.
fn call_id(shard: u16) -> String {
    let mut ids = (0..).map(|number| format!("wire-{number}"));
    ids.find(|id| shard_of(id.as_bytes(), 2) == shard)
        .expect("one of many")
}

fn gateway(desk: &Peer, sales: &Peer) -> Gateway {
    let folder = folder("gateway-two-shards");
    let media = free_ports(40);
    let text = format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]\nshards = 2\n\
         [[trunk]]\nname = \"carrier\"\nfrom = [\"127.0.0.2\"]\n[outbound]\nfrom_phones = true\n\
         [[queue]]\nname = \"desk\"\nnumbers = [\"+12125550100\"]\ntargets = [\"sip:desk@{}\"]\n\
         [[queue]]\nname = \"sales\"\nnumbers = [\"101\"]\ntargets = [\"sip:sales@{}\"]\n\
         [media]\naddress = \"127.0.0.1\"\nports = \"{media}-{}\"\n[voice]\nmodel = \"off\"\n\
         [store]\nurl = \"sqlite:{}\"\n[api]\nlisten = \"127.0.0.1:0\"\n",
        desk.address,
        sales.address,
        media + 39,
        folder.join("ringward.db").display(),
    );
    let file = folder.join("ringward.toml");
    std::fs::write(&file, text).expect("the configuration");
    Gateway::run(folder, &["serve", "--config", &file.display().to_string()])
}

#[test]
fn a_phone_joins_two_calls_that_are_on_two_shards() {
    let [mut caller, mut desk, mut sales] = ["127.0.0.2", "127.0.0.1", "127.0.0.1"].map(Peer::bind);
    let gateway = gateway(&desk, &sales);
    for peer in [&mut caller, &mut desk, &mut sales] {
        peer.gateway = gateway.udp;
    }
    let (mut calling, mut answered) = caller.call("+12125550100", call_id(0), &desk);
    let (consulting, _) = desk.call("101", call_id(1), &sales);

    let tag = |address: &str| address.rsplit_once(";tag=").expect("a tag").1.to_string();
    let to = format!(
        "<sip:ringward@{}?Replaces={}%3Bto-tag%3D{}%3Bfrom-tag%3D{}>",
        gateway.udp,
        consulting.call_id,
        tag(&consulting.remote),
        tag(&consulting.local),
    );
    desk.ask(&mut answered, "REFER", &[("Refer-To", to)]);
    assert_eq!(desk.told(&answered).status(), Some(202));
    // Sales is told where to send its audio now, and both calls of the desk end.
    let moved = sales.asked("INVITE");
    assert!(moved.tag("To").is_some(), "inside the dialog");
    sales.agree(&moved);
    sales.asked("ACK");
    while desk.ended.borrow().len() < 2 {
        let bye = desk.asked("BYE");
        desk.agree(&bye);
    }
    // The one leg that is left goes across the shards.
    caller.ask(&mut calling, "BYE", &[]);
    assert_eq!(caller.told(&calling).status(), Some(200));
    let bye = sales.asked("BYE");
    sales.agree(&bye);

    let records = gateway.ended_calls(2);
    let joined = records
        .iter()
        .find(|record| record["direction"] == "inbound")
        .unwrap_or_else(|| panic!("{records:?}"));
    let transfer = &joined["transfers"][0];
    assert_eq!(
        (&transfer["kind"], &transfer["outcome"], &joined["answered_by"]),
        (&"attended".into(), &"completed".into(), &"sales".into()),
        "{joined}"
    );
}
