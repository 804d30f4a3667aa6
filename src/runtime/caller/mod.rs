//! Somebody of our own who calls in over a trunk: INVITE, real audio, BYE or CANCEL, on sockets of its own.
//!
//! The demo has many of them; a training call is one. Knows the gateway as any caller does: by its SIP address.

pub mod clip;
pub mod limits;
pub mod line;
pub mod sound;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use self::clip::Clip;
use self::line::Line;
use self::sound::{Heard, Sound};
use crate::runtime::clock;
use crate::sdp;
use crate::sip::{ClientTxn, Dialog, Message, Method, Request, Response, ServerTxn, SipEvent};

/// CSeq number of the INVITE; in-dialog requests count on from it.
const FIRST_CSEQ: u32 = 1;
const POLL: Duration = Duration::from_millis(20);

/// What to say and do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The gateway's SIP address.
    pub gateway: SocketAddr,
    /// From header without its tag, e.g. `"Anna" <sip:+14045550123@carrier.example>`.
    pub from: String,
    /// P-Asserted-Identity.
    pub asserted: Option<String>,
    /// Privacy (RFC 3323), e.g. `id`.
    pub privacy: Option<&'static str>,
    /// The dialled number, with `+`.
    pub called: String,
    /// Identity headers, as they stand.
    pub identity: Vec<String>,
    /// Further headers, name and value.
    pub more: Vec<(&'static str, String)>,
    /// Its Call-ID; None = a fresh one.
    pub sip_call_id: Option<String>,
    /// Where its audio comes from; the system chooses the port.
    pub media: IpAddr,
    /// What the caller says.
    pub clip: Clip,
    /// Again and again; else once, and silence follows.
    pub is_looped: bool,
    /// Hangs up after talking this long.
    pub talks: Duration,
    /// Gives up (CANCEL) after it has rung this long.
    pub gives_up: Option<Duration>,
    /// A call that has not ended by itself after this long is left, and that is told as a problem.
    pub lasts_at_most: Duration,
}

/// How it went, from the caller's end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// 180 or 183 came.
    pub rang: bool,
    /// Milliseconds from INVITE to the first 180 or 183.
    pub rang_after_ms: Option<u64>,
    /// Final status of the INVITE; None = none came.
    pub status: Option<u16>,
    /// The other side hung up.
    pub was_hung_up: bool,
    pub heard: Heard,
    /// Plain words when the exchange itself went wrong.
    pub problem: Option<String>,
}

/// Flags shared with whoever started the call.
#[derive(Clone, Copy)]
pub struct Signals<'a> {
    /// Raised from outside: end by BYE or CANCEL.
    pub stop: &'a AtomicBool,
    /// Raised by the call when somebody has answered.
    pub answered: &'a AtomicBool,
}

/// Makes one call and returns when it is over.
///
/// # Errors
///
/// Only when a socket or thread cannot be had or breaks; a refused call is no error.
pub fn call(plan: &Plan, signals: Signals<'_>) -> io::Result<Told> {
    let line = Line::open(plan.gateway.ip(), "Ringward-Caller")?;
    call_on(line, plan, signals)
}

/// The same on a line that is open already.
///
/// # Errors
///
/// As [`call`].
pub fn call_on(mut line: Line, plan: &Plan, signals: Signals<'_>) -> io::Result<Told> {
    let socket = sound::open(plan.media)?;
    let media = socket.local_addr()?;
    let contact = line.contact("trunk");
    let invite = invite(plan, &mut line, media);
    let txn = line.request(invite.clone(), plan.gateway);
    let caller = Caller {
        plan,
        signals,
        line,
        invite,
        txn,
        contact,
        media,
        socket: Some(socket),
        began: clock::now().instant,
        gives_up_at: None,
        is_cancelled: false,
        talk: None,
        told: Told::default(),
    };
    caller.run()
}

struct Caller<'a> {
    plan: &'a Plan,
    signals: Signals<'a>,
    line: Line,
    invite: Request,
    txn: ClientTxn,
    contact: String,
    media: SocketAddr,
    socket: Option<std::net::UdpSocket>,
    began: Instant,
    gives_up_at: Option<Instant>,
    is_cancelled: bool,
    talk: Option<Talk>,
    told: Told,
}

/// What exists only after the answer.
struct Talk {
    dialog: Dialog,
    sound: Option<Sound>,
    until: Instant,
    bye: Option<ClientTxn>,
}

/// What an event means for the loop.
enum Next {
    GoOn,
    Over,
}

impl Caller<'_> {
    fn run(mut self) -> io::Result<Told> {
        loop {
            if let Some(event) = self.line.poll(POLL)?
                && let Next::Over = self.on_event(event)?
            {
                break;
            }
            self.on_time();
            if clock::now().instant > self.began + self.plan.lasts_at_most {
                self.told.problem = Some(format!("not over after {} s", self.plan.lasts_at_most.as_secs()));
                break;
            }
        }
        if let Some(sound) = self.talk.and_then(|talk| talk.sound) {
            self.told.heard = sound.stop();
        }
        Ok(self.told)
    }

    fn on_event(&mut self, event: SipEvent) -> io::Result<Next> {
        match event {
            SipEvent::Response { txn, response } if txn == self.txn => self.on_invite_response(&response),
            SipEvent::Response { txn, response } if self.is_bye(txn) => {
                Ok(if response.status().is_some_and(|status| status >= 200) {
                    Next::Over
                } else {
                    Next::GoOn
                })
            }
            SipEvent::TimedOut { txn } if txn == self.txn || self.is_bye(txn) => {
                Ok(self.failed("no answer to a request"))
            }
            SipEvent::TransportFailed { .. } => Ok(self.failed("the gateway cannot be reached")),
            SipEvent::Request { txn, request, .. } => Ok(self.on_request(txn, &request)),
            _ => Ok(Next::GoOn),
        }
    }

    fn on_invite_response(&mut self, response: &Message) -> io::Result<Next> {
        let status = response.status().unwrap_or(0);
        match status {
            ..=179 | 200.. => {}
            _ => self.on_ringing(),
        }
        if status < 200 {
            return Ok(Next::GoOn);
        }
        self.told.status.get_or_insert(status);
        if status >= 300 {
            return Ok(Next::Over);
        }
        self.on_answer(response)
    }

    fn on_ringing(&mut self) {
        if !self.told.rang {
            let now = clock::now().instant;
            self.told.rang = true;
            self.told.rang_after_ms = Some((now - self.began).as_millis() as u64);
            self.gives_up_at = self.plan.gives_up.map(|after| now + after);
        }
    }

    fn on_answer(&mut self, response: &Message) -> io::Result<Next> {
        let Ok(mut dialog) = Dialog::as_client(&self.invite, response, &self.contact) else {
            return Ok(self.failed("the answer makes no dialog"));
        };
        self.line
            .acknowledge(self.txn, &dialog, FIRST_CSEQ, self.plan.gateway);
        if self.talk.is_some() {
            // A second answer from a fork: thank and hang up (RFC 3261 §13.2.2.4).
            self.line.bye(&mut dialog, self.plan.gateway);
            return Ok(Next::GoOn);
        }
        let now = clock::now().instant;
        let audio = sdp::Session::parse(response.body())
            .ok()
            .and_then(|session| session.audio_address());
        let mut talk = Talk {
            dialog,
            sound: None,
            until: now + self.plan.talks,
            bye: None,
        };
        match (audio, self.socket.take()) {
            (Some(audio), Some(socket)) if !self.is_cancelled => {
                talk.sound = Some(Sound::start(
                    socket,
                    audio,
                    self.plan.clip.clone(),
                    self.plan.is_looped,
                )?);
            }
            // The answer overtook our CANCEL: hang up at once.
            (Some(_), _) => talk.until = now,
            (None, _) => {
                self.told.problem = Some("the answer names no audio address".to_owned());
                talk.until = now;
            }
        }
        self.talk = Some(talk);
        self.signals.answered.store(true, Ordering::Relaxed);
        Ok(Next::GoOn)
    }

    fn on_request(&mut self, txn: ServerTxn, request: &Message) -> Next {
        let Some(talk) = self.talk.as_mut().filter(|talk| talk.dialog.owns(request)) else {
            self.line.respond(
                txn,
                Response::new(request, 481, "Call/Transaction Does Not Exist"),
            );
            return Next::GoOn;
        };
        if let Err(status) = talk.dialog.on_request(request) {
            self.line
                .respond(txn, Response::new(request, status, "Out of Order"));
            return Next::GoOn;
        }
        talk.dialog.accept(request);
        let mut response = Response::new(request, 200, "OK").header("Contact", &self.contact);
        let offer = sdp::Session::parse(request.body())
            .ok()
            .and_then(|session| session.audio_address());
        match request.method() {
            Method::Bye => {
                self.line.respond(txn, response);
                self.told.was_hung_up = true;
                return Next::Over;
            }
            Method::Invite | Method::Update => {
                if let (Some(sound), Some(audio)) = (&talk.sound, offer) {
                    sound.aim(audio);
                }
                if request.method() == Method::Invite || offer.is_some() {
                    response = response.with_body("application/sdp", sound::description(self.media));
                }
            }
            Method::Options | Method::Info => {}
            _ => response = Response::new(request, 501, "Not Implemented"),
        }
        self.line.respond(txn, response);
        Next::GoOn
    }

    fn on_time(&mut self) {
        let is_stopped = self.signals.stop.load(Ordering::Relaxed);
        let now = clock::now().instant;
        match &mut self.talk {
            Some(talk) if talk.bye.is_none() && (is_stopped || now >= talk.until) => {
                if let Some(sound) = talk.sound.take() {
                    self.told.heard = sound.stop();
                }
                talk.bye = Some(self.line.bye(&mut talk.dialog, self.plan.gateway));
            }
            None if !self.is_cancelled && (is_stopped || self.gives_up_at.is_some_and(|at| now >= at)) => {
                self.is_cancelled = true;
                self.line.cancel(self.txn);
            }
            _ => {}
        }
    }

    fn is_bye(&self, txn: ClientTxn) -> bool {
        self.talk.as_ref().is_some_and(|talk| talk.bye == Some(txn))
    }

    fn failed(&mut self, problem: &str) -> Next {
        self.told.problem = Some(problem.to_owned());
        Next::Over
    }
}

fn invite(plan: &Plan, line: &mut Line, media: SocketAddr) -> Request {
    let (call, tag) = (line.token(), line.token());
    let call = match &plan.sip_call_id {
        Some(given) => given.clone(),
        None => format!("{call}@{}", plan.gateway.ip()),
    };
    let uri = format!("sip:{}@{};user=phone", plan.called, plan.gateway);
    let mut invite = Request::new(Method::Invite, &*uri)
        .header("From", format!("{};tag={tag}", plan.from))
        .header("To", format!("<{uri}>"))
        .header("Call-ID", call)
        .header("CSeq", format!("{FIRST_CSEQ} INVITE"))
        .header("Contact", line.contact("trunk"))
        .header("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO");
    if let Some(asserted) = &plan.asserted {
        invite = invite.header("P-Asserted-Identity", asserted);
    }
    if let Some(privacy) = plan.privacy {
        invite = invite.header("Privacy", privacy);
    }
    for identity in &plan.identity {
        invite = invite.header("Identity", identity);
    }
    for (name, value) in &plan.more {
        invite = invite.header(name, value);
    }
    invite.with_body("application/sdp", sound::description(media))
}
