//! Octets ⇄ requests, transactions, dialogs (RFC 3261, RFC 6026). Sans-IO.
//!
//! Knows nothing of calls, queues, media or policy. Imports no other room.

// DOOR (skeleton: the SIP room fills every body; signatures are what `call/` is written against)

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Instant;

use crate::time::Now;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    Udp,
    Tcp,
}

/// Where a message came from / goes to. For UDP: the listener's local address and the peer.
/// For TCP: `connection` names the connection; None = open one to `remote`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    pub transport: Transport,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub connection: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Options,
    Register,
    Update,
    Info,
    Prack,
    Refer,
    Notify,
    Subscribe,
    Message,
    Publish,
    Other(Box<str>),
}
impl Method {
    pub fn as_str(&self) -> &str {
        todo!()
    }
}

/// A parsed message: the received octets, untouched, and an index over them.
#[derive(Clone, Debug)]
pub struct Message {}
impl Message {
    /// A whole datagram (RFC 3261 §18.3: no Content-Length = body to the end; larger than datagram = error 400; extra octets trimmed; leading CRLFs skipped).
    pub fn parse(octets: &[u8]) -> Result<Message, ParseError> {
        let _ = octets;
        todo!()
    }
    pub fn octets(&self) -> &[u8] {
        todo!()
    }
    pub fn is_request(&self) -> bool {
        todo!()
    }
    /// The request's method; for a response the method of its CSeq.
    pub fn method(&self) -> Method {
        todo!()
    }
    pub fn status(&self) -> Option<u16> {
        todo!()
    }
    pub fn reason_phrase(&self) -> Option<&str> {
        todo!()
    }
    pub fn request_uri(&self) -> Option<&str> {
        todo!()
    }
    /// First value of a header, any letter case, compact or long name, unfolded, trimmed. Invalid UTF-8 is replaced.
    pub fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        let _ = name;
        todo!()
    }
    /// Every header line of that name, in order (not comma-split).
    pub fn header_lines(&self, name: &str) -> Vec<Cow<'_, str>> {
        let _ = name;
        todo!()
    }
    /// Every value, comma-joined lines split respecting quotes and <>.
    pub fn header_values(&self, name: &str) -> Vec<Cow<'_, str>> {
        let _ = name;
        todo!()
    }
    pub fn call_id(&self) -> &str {
        todo!()
    }
    pub fn cseq(&self) -> (u32, Method) {
        todo!()
    }
    pub fn from(&self) -> NameAddr {
        todo!()
    }
    pub fn to(&self) -> NameAddr {
        todo!()
    }
    pub fn contact(&self) -> Option<NameAddr> {
        todo!()
    }
    pub fn content_type(&self) -> Option<Cow<'_, str>> {
        todo!()
    }
    pub fn body(&self) -> &[u8] {
        todo!()
    }
}

/// Names the header, the octet offset and what was expected. `status` is what to answer (400, 505, ...), None = drop silently.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{header}: {expected} at octet {offset}")]
pub struct ParseError {
    pub header: &'static str,
    pub offset: usize,
    pub expected: &'static str,
    pub status: Option<u16>,
}

/// sip:, sips: or tel: URI. Keeps its own text; accessors are slices of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uri {}
impl Uri {
    pub fn parse(text: &str) -> Result<Uri, ParseError> {
        let _ = text;
        todo!()
    }
    pub fn as_str(&self) -> &str {
        todo!()
    }
    pub fn scheme(&self) -> &str {
        todo!()
    }
    /// User part without its parameters and password, percent-decoded; for tel: the subscriber number.
    pub fn user(&self) -> Option<Cow<'_, str>> {
        todo!()
    }
    /// `;name=value` pairs inside the user part (RFC 4904 tgrp, or verstat) and after the host alike are found by name.
    pub fn user_param(&self, name: &str) -> Option<Cow<'_, str>> {
        let _ = name;
        todo!()
    }
    pub fn param(&self, name: &str) -> Option<Cow<'_, str>> {
        let _ = name;
        todo!()
    }
    pub fn host(&self) -> Option<&str> {
        todo!()
    }
    pub fn port(&self) -> Option<u16> {
        todo!()
    }
    /// Host is an IP literal -> address with the port or 5060.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        todo!()
    }
    /// `transport=` parameter: tcp -> Tcp; else Udp.
    pub fn transport(&self) -> Transport {
        todo!()
    }
}

/// From, To, Contact, P-Asserted-Identity, ... : display name, URI, header parameters (tag).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAddr {
    pub display: Option<String>,
    pub uri: Uri,
    pub params: Vec<(String, Option<String>)>,
}
impl NameAddr {
    pub fn parse(text: &str) -> Result<NameAddr, ParseError> {
        let _ = text;
        todo!()
    }
    pub fn tag(&self) -> Option<&str> {
        todo!()
    }
}

/// Builds a request; the endpoint adds Via (branch), Max-Forwards if absent, Content-Length.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    pub uri: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}
impl Request {
    pub fn new(method: Method, uri: impl Into<String>) -> Request {
        Request {
            method,
            uri: uri.into(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }
    /// CR, LF and NUL in a value are removed: nothing from outside can start a new line.
    pub fn header(self, name: &str, value: impl AsRef<str>) -> Request {
        let _ = (name, value.as_ref());
        todo!()
    }
    pub fn with_body(self, content_type: &str, body: Vec<u8>) -> Request {
        let _ = (content_type, body);
        todo!()
    }
}

/// Builds a response to `request`: copies Via, From, To, Call-ID, CSeq and, for dialog-making 1xx/2xx, Record-Route.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}
impl Response {
    pub fn new(request: &Message, status: u16, reason: &str) -> Response {
        let _ = (request, status, reason);
        todo!()
    }
    /// Adds our tag to To when the request had none.
    pub fn to_tag(self, tag: &str) -> Response {
        let _ = tag;
        todo!()
    }
    pub fn header(self, name: &str, value: impl AsRef<str>) -> Response {
        let _ = (name, value.as_ref());
        todo!()
    }
    pub fn with_body(self, content_type: &str, body: Vec<u8>) -> Response {
        let _ = (content_type, body);
        todo!()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServerTxn(pub u64);
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientTxn(pub u64);

/// The transaction layer of one shard: RFC 3261 §17 with RFC 6026. Bounded tables; never two transactions for one key.
pub struct Endpoint {}

pub enum EndpointInput<'a> {
    /// One whole message (a datagram, or one framed TCP message). The caller has already checked that the source is a known one.
    Received { flow: Flow, octets: &'a [u8] },
    /// The transport could not send (ICMP, connection refused or closed): every client transaction on it fails.
    TransportError { flow: Flow },
    /// Time may have passed.
    Tick,
}

pub enum EndpointOutput {
    Transmit {
        flow: Flow,
        octets: Vec<u8>,
    },
    Event(SipEvent),
    /// Drained; call again with Tick at this instant at the latest (None = no timer running).
    Timeout(Option<Instant>),
}

pub enum SipEvent {
    /// A new request with a server transaction of its own (INVITE has been answered 100 by itself, RFC 3261 says within 200 ms; here at once). CANCEL and ACK never show here.
    Request {
        txn: ServerTxn,
        request: Message,
        flow: Flow,
    },
    /// ACK to a 2xx of ours (matched by Call-ID, tags and CSeq; retransmission of the 2xx has stopped).
    Ack {
        txn: ServerTxn,
        ack: Message,
    },
    /// CANCEL matched `txn` while it had no final response; the CANCEL itself has been answered 200. The owner answers the INVITE 487.
    Cancelled {
        txn: ServerTxn,
        reason: Option<String>,
    },
    /// A response. For INVITE every 1xx, the final one, and any further 2xx with another To tag; retransmitted 2xx are re-ACKed inside and not shown.
    Response {
        txn: ClientTxn,
        response: Message,
    },
    /// Timer B, F or (after CANCEL) 64*T1 without an answer.
    TimedOut {
        txn: ClientTxn,
    },
    TransportFailed {
        txn: ClientTxn,
    },
    /// A 2xx of ours was never acknowledged in 64*T1 (RFC 3261 §13.3.1.4): the dialog should be ended with BYE.
    AckMissing {
        txn: ServerTxn,
    },
}

impl Endpoint {
    /// `seed` feeds branch and tag generation (randomness is handed in). `server` is the User-Agent/Server product token.
    pub fn new(seed: [u8; 32], server: &str) -> Endpoint {
        let _ = (seed, server);
        todo!()
    }
    pub fn handle(&mut self, input: EndpointInput<'_>, now: Now) {
        let _ = (input, now);
        todo!()
    }
    pub fn poll_output(&mut self) -> EndpointOutput {
        todo!()
    }
    /// Sends a response through its server transaction; unknown or finished transactions are ignored (false).
    /// 2xx to INVITE is retransmitted until its ACK (T1 doubling to T2).
    pub fn respond(&mut self, txn: ServerTxn, response: Response, now: Now) -> bool {
        let _ = (txn, response, now);
        todo!()
    }
    /// Starts a client transaction. Via gets `sent_by` (our advertised host:port) and a fresh branch, with rport.
    pub fn request(&mut self, request: Request, flow: Flow, sent_by: &str, now: Now) -> ClientTxn {
        let _ = (request, flow, sent_by, now);
        todo!()
    }
    /// CANCEL for an INVITE of ours; held back until a 1xx came (RFC 3261 §9.1). `reason` becomes a Reason header.
    pub fn cancel(&mut self, txn: ClientTxn, reason: Option<&str>, now: Now) {
        let _ = (txn, reason, now);
        todo!()
    }
    /// ACK to a 2xx: sent now and again for each retransmission of that 2xx.
    pub fn acknowledge(&mut self, txn: ClientTxn, ack: Request, flow: Flow, sent_by: &str, now: Now) {
        let _ = (txn, ack, flow, sent_by, now);
        todo!()
    }
    /// A fresh tag / Call-ID part / branch-safe token: 16 hex digits from the seeded generator.
    pub fn token(&mut self) -> String {
        todo!()
    }
    /// How many transactions are alive: for leak tests and metrics.
    pub fn live_transactions(&self) -> usize {
        todo!()
    }
}

/// One dialog as either side (RFC 3261 §12).
#[derive(Clone, Debug)]
pub struct Dialog {}
impl Dialog {
    /// From the INVITE we received and the tag we put in To. `contact` is our own Contact for in-dialog requests (`<sip:...>`).
    pub fn as_server(invite: &Message, local_tag: &str, contact: &str) -> Result<Dialog, ParseError> {
        let _ = (invite, local_tag, contact);
        todo!()
    }
    /// From the INVITE we sent (as built) and a 1xx with tag or 2xx.
    pub fn as_client(invite: &Request, response: &Message, contact: &str) -> Result<Dialog, ParseError> {
        let _ = (invite, response, contact);
        todo!()
    }
    /// Next request in the dialog: CSeq counted up, From/To/Call-ID/Route/Contact set, URI = remote target (strict/loose routing by §12.2.1.1).
    pub fn request(&mut self, method: Method) -> Request {
        let _ = method;
        todo!()
    }
    /// ACK for the 2xx of the INVITE with this CSeq number.
    pub fn ack(&self, cseq: u32) -> Request {
        let _ = cseq;
        todo!()
    }
    /// Call-ID and both tags match (`request` coming from the peer).
    pub fn owns(&self, request: &Message) -> bool {
        let _ = request;
        todo!()
    }
    /// Checks CSeq order (Err(500) when it goes back) and takes over a new remote target from INVITE/UPDATE.
    pub fn on_request(&mut self, request: &Message) -> Result<(), u16> {
        let _ = request;
        todo!()
    }
    /// Takes over the remote target of a 2xx to our INVITE/UPDATE.
    pub fn on_response(&mut self, response: &Message) {
        let _ = response;
        todo!()
    }
    /// Where in-dialog requests go: first Route or remote target, when it is an IP literal; None = use the flow of the peer.
    pub fn next_hop(&self) -> Option<(Transport, SocketAddr)> {
        todo!()
    }
    pub fn sip_call_id(&self) -> &str {
        todo!()
    }
    pub fn local_tag(&self) -> &str {
        todo!()
    }
    pub fn remote_tag(&self) -> &str {
        todo!()
    }
}

/// Finds the Call-ID in raw octets without building a message (what picks the shard). None = not a SIP message worth handing on.
pub fn peek_call_id(octets: &[u8]) -> Option<&[u8]> {
    let _ = octets;
    todo!()
}
