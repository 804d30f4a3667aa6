//! Dialogs (RFC 3261 §12): who talks to whom, in which order, by which way.

use std::net::SocketAddr;

use super::Transport;
use super::builder::Request;
use super::error::ParseError;
use super::limits;
use super::message::Message;
use super::method::Method;
use super::name_addr::{NameAddr, tag_of};
use super::uri::Uri;

/// One dialog as either side (RFC 3261 §12).
///
/// ```text
///   as_client(1xx with tag) ──► early ──2xx to INVITE──► confirmed
///   as_client(2xx) ─────────────────────────────────────►    │
///   as_server ──► early ──confirm(), or any ACK/request──►   │
/// ```
/// A 2xx that confirms an early dialog brings the final route set (§13.2.2.4). Ending is the owner's.
#[derive(Clone)]
pub struct Dialog {
    call_id: String,
    local_tag: String,
    remote_tag: String,
    /// Whole header values, tags included: From (ours) and To (theirs) of our requests.
    local: String,
    remote: String,
    local_cseq: u32,
    /// None until the peer sent a request.
    remote_cseq: Option<u32>,
    /// Request-URI of our requests, before strict routing.
    target: String,
    /// Route values in the order our requests carry them.
    routes: Vec<String>,
    contact: String,
    is_confirmed: bool,
}

impl Dialog {
    /// From the INVITE we received and the tag we put in To. `contact` is our own Contact for in-dialog requests (`<sip:...>`).
    ///
    /// # Errors
    ///
    /// No readable Contact (400: RFC 3261 §8.1.1.8 demands one; `tel:` is taken and means "by the
    /// flow it came from"), or more than 32 Record-Routes.
    pub fn as_server(invite: &Message, local_tag: &str, contact: &str) -> Result<Dialog, ParseError> {
        let target = invite
            .contact()
            .ok_or_else(|| ParseError::bad("Contact", 0, "one readable address"))?;
        let mut local = invite.raw_to().into_owned();
        let local_tag = match invite.to_tag() {
            Some(tag) => tag.into_owned(),
            None => {
                local.push_str(";tag=");
                local.push_str(local_tag);
                local_tag.to_string()
            }
        };
        let remote = invite.raw_from().into_owned();
        Ok(Dialog {
            call_id: invite.call_id().to_string(),
            local_tag,
            remote_tag: invite.sender_tag().unwrap_or_default().into_owned(),
            local,
            remote,
            local_cseq: 0,
            remote_cseq: Some(invite.cseq_number()),
            target: target.uri.as_str().to_string(),
            routes: record_routes(invite)?,
            contact: contact.to_string(),
            is_confirmed: false,
        })
    }

    /// From the INVITE we sent (as built) and a 1xx with tag or 2xx.
    ///
    /// A response without Contact leaves the Request-URI of the INVITE as the remote target.
    ///
    /// # Errors
    ///
    /// No To tag in the response, or more than 32 Record-Routes.
    pub fn as_client(invite: &Request, response: &Message, contact: &str) -> Result<Dialog, ParseError> {
        // What we sent, not what the peer made of it.
        let local = invite
            .header_value("From")
            .map_or_else(|| response.raw_from().into_owned(), str::to_string);
        let remote = response.raw_to().into_owned();
        let remote_tag = response
            .to_tag()
            .ok_or_else(|| ParseError::silent("To", 0, "a tag"))?
            .into_owned();
        let mut routes = record_routes(response)?;
        routes.reverse();
        let target = response
            .contact()
            .map_or_else(|| invite.uri.clone(), |address| address.uri.as_str().to_string());
        Ok(Dialog {
            call_id: response.call_id().to_string(),
            local_tag: tag_of(&local).unwrap_or_default().to_string(),
            remote_tag,
            local,
            remote,
            local_cseq: response.cseq_number(),
            remote_cseq: None,
            target,
            routes,
            contact: contact.to_string(),
            is_confirmed: response
                .status()
                .is_some_and(|status| (200..300).contains(&status)),
        })
    }

    /// Next request in the dialog: CSeq counted up, From/To/Call-ID/Route/Contact set, URI = remote target (strict/loose routing by §12.2.1.1).
    ///
    /// Contact is set on requests that may carry a new target (INVITE, UPDATE, ...). For ACK use [`Dialog::ack`].
    pub fn request(&mut self, method: Method) -> Request {
        self.local_cseq += 1;
        let has_contact = method.is_target_refresh();
        let request = self.build(method, self.local_cseq);
        match has_contact {
            true => request.header("Contact", &self.contact),
            false => request,
        }
    }

    /// ACK for the 2xx of the INVITE with this CSeq number.
    pub fn ack(&self, cseq: u32) -> Request {
        self.build(Method::Ack, cseq)
    }

    /// Call-ID and both tags match (`request` coming from the peer).
    pub fn owns(&self, request: &Message) -> bool {
        request.call_id() == self.call_id
            && request.sender_tag().unwrap_or_default() == self.remote_tag
            && request.to_tag().unwrap_or_default() == self.local_tag
    }

    /// Checks CSeq order (Err(500) when it goes back).
    ///
    /// An ACK has the number of its INVITE and is not checked.
    pub fn on_request(&mut self, request: &Message) -> Result<(), u16> {
        self.is_confirmed |= *request.method_ref() == Method::Ack;
        if matches!(request.method_ref(), Method::Ack | Method::Cancel) {
            return Ok(());
        }
        let number = request.cseq_number();
        if self.remote_cseq.is_some_and(|last| number < last) {
            return Err(500);
        }
        self.remote_cseq = Some(number);
        Ok(())
    }

    /// The request is answered 2xx: takes over its remote target (INVITE, UPDATE, REFER). What is refused changes nothing
    /// (RFC 3261 §12.2.2).
    pub fn accept(&mut self, request: &Message) {
        if request.method_ref().is_target_refresh() {
            self.take_target(request);
        }
    }

    /// Takes over the remote target of a 2xx to our INVITE/UPDATE.
    ///
    /// The first 2xx to the INVITE confirms an early dialog and replaces its route set. A response
    /// of another dialog (fork) changes nothing.
    pub fn on_response(&mut self, response: &Message) {
        let is_success = response
            .status()
            .is_some_and(|status| (200..300).contains(&status));
        if !is_success || !response.method_ref().is_target_refresh() || !self.is_mine(response) {
            return;
        }
        if !self.is_confirmed && *response.method_ref() == Method::Invite {
            self.is_confirmed = true;
            // Over the bound: the routes of the early dialog stay, they have worked.
            if let Ok(mut routes) = record_routes(response) {
                routes.reverse();
                self.routes = routes;
            }
        }
        self.take_target(response);
    }

    /// This dialog was early as `early`: requests of both sides count on from there.
    pub fn continue_from(&mut self, early: &Dialog) {
        self.local_cseq = self.local_cseq.max(early.local_cseq);
        self.remote_cseq = self.remote_cseq.max(early.remote_cseq);
    }

    /// The next request counts on from at least this number: others were sent outside of what this dialog knows.
    pub fn count_from(&mut self, cseq: u32) {
        self.local_cseq = self.local_cseq.max(cseq);
    }

    /// We answered the INVITE with a 2xx.
    pub fn confirm(&mut self) {
        self.is_confirmed = true;
    }

    /// Whether a 2xx to the INVITE made it more than an early dialog.
    pub fn is_confirmed(&self) -> bool {
        self.is_confirmed
    }

    /// Where in-dialog requests go: first Route or remote target, when it is an IP literal; None = use the flow of the peer.
    pub fn next_hop(&self) -> Option<(Transport, SocketAddr)> {
        let uri = match self.routes.first() {
            Some(route) => NameAddr::parse(route).ok()?.uri,
            None => Uri::parse(&self.target).ok()?,
        };
        if !uri.is_sip() {
            return None;
        }
        Some((uri.transport(), uri.socket_addr()?))
    }

    pub fn sip_call_id(&self) -> &str {
        &self.call_id
    }

    pub fn local_tag(&self) -> &str {
        &self.local_tag
    }

    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// Empty for a peer of RFC 2543 that sent none.
    pub fn remote_tag(&self) -> &str {
        &self.remote_tag
    }

    /// Where the peer wants in-dialog requests: its last Contact.
    pub fn remote_target(&self) -> &str {
        &self.target
    }

    /// CSeq number of the last request of ours (0 = none yet).
    pub fn local_cseq(&self) -> u32 {
        self.local_cseq
    }

    /// A request of ours in the dialog of this Call-ID went out with this CSeq number, not counted here: sent again with
    /// credentials (RFC 3261 §22.2).
    pub fn renumber(&mut self, sip_call_id: &str, cseq: u32) {
        if self.call_id == sip_call_id {
            self.local_cseq = self.local_cseq.max(cseq);
        }
    }

    fn build(&self, method: Method, cseq: u32) -> Request {
        let cseq = format!("{cseq} {method}");
        let (uri, routes) = self.way();
        let mut request = Request::new(method, uri);
        for route in routes {
            request = request.header("Route", route);
        }
        request
            .header("From", &self.local)
            .header("To", &self.remote)
            .header("Call-ID", &self.call_id)
            .header("CSeq", cseq)
    }

    /// Request-URI and Route values (RFC 3261 §12.2.1.1).
    fn way(&self) -> (String, Vec<String>) {
        let strict = self
            .routes
            .first()
            .and_then(|route| NameAddr::parse(route).ok())
            .filter(|first| first.uri.param("lr").is_none());
        let Some(first) = strict else {
            return (self.target.clone(), self.routes.clone());
        };
        let mut routes = self.routes[1..].to_vec();
        routes.push(format!("<{}>", self.target));
        (first.uri.as_str().to_string(), routes)
    }

    fn take_target(&mut self, message: &Message) {
        if let Some(contact) = message.contact() {
            self.target = contact.uri.as_str().to_string();
        }
    }

    fn is_mine(&self, response: &Message) -> bool {
        response.call_id() == self.call_id
            && response.sender_tag().unwrap_or_default() == self.local_tag
            && response.to_tag().unwrap_or_default() == self.remote_tag
    }
}

impl std::fmt::Debug for Dialog {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = if self.is_confirmed { "confirmed" } else { "early" };
        write!(
            out,
            "Dialog({state}, {} routes, CSeq {})",
            self.routes.len(),
            self.local_cseq
        )
    }
}

/// Record-Route values in the order they stand. Values that cannot be read are left out: a route
/// nobody can follow would only take the others with it.
fn record_routes(message: &Message) -> Result<Vec<String>, ParseError> {
    let routes: Vec<String> = message
        .header_values("Record-Route")
        .into_iter()
        .filter(|value| NameAddr::parse(value).is_ok())
        .map(|value| value.into_owned())
        .collect();
    match routes.len() > limits::ROUTES_MAX {
        true => Err(ParseError::bad("Record-Route", 0, "at most 32 routes")),
        false => Ok(routes),
    }
}
