//! Telling carriers where to find us (REGISTER, RFC 3261 §10), for as long as we want to be found. Sans-IO.
//!
//! Says which REGISTER to send where and when, and is told what came of it. Knows no transaction, no password (whoever
//! sends a request answers its challenge) and no call.

mod engine;
pub mod limits;
mod line;

#[cfg(test)]
mod engine_tests;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub use engine::Registrations;

use crate::sip::{Message, Request, Transport};

/// `[[trunk]] register`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The trunk's name.
    pub trunk: String,
    /// The registrar as configured, `host` or `host:port`: the domain of our address there.
    pub host: String,
    pub transport: Transport,
    /// Its servers, in the order they are tried. None = nothing is sent until [`Input::Located`] says where they are.
    pub addresses: Vec<SocketAddr>,
    /// Who we are there.
    pub user: String,
    /// How long each registration shall last, as we ask for it.
    pub expires: Duration,
}

/// Names one REGISTER. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(pub u64);

pub enum Input<'a> {
    /// The final response to a REGISTER (challenges have been answered before). `contact` is the URI it registered.
    Answered {
        ticket: Ticket,
        response: &'a Message,
        contact: &'a str,
    },
    /// None came, or it could not be sent.
    Failed {
        ticket: Ticket,
        status: u16,
    },
    /// Where the registrar of this trunk is now, in the order to be tried. None = nobody knows: what was known stays.
    Located {
        trunk: &'a str,
        servers: Vec<(Transport, SocketAddr)>,
    },
    Tick,
    /// Takes every registration back, and makes no new one.
    Stop,
}

#[derive(Debug)]
pub enum Output {
    /// Send this; only its Contact is missing.
    Register(Box<Register>),
    Changed(Box<State>),
    Timeout(Option<Instant>),
}

#[derive(Debug)]
pub struct Register {
    pub ticket: Ticket,
    /// The trunk's name.
    pub trunk: String,
    /// Who we are there, as it stands in a URI: the user of our Contact, by which the carrier's calls are known.
    pub user: String,
    pub request: Request,
    pub transport: Transport,
    pub remote: SocketAddr,
}

/// How one registration stands: for people.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct State {
    pub trunk: String,
    /// The carrier sends calls for us here.
    pub is_registered: bool,
    /// Until when, Unix ms, unless it is renewed before.
    pub expires_ms: Option<u64>,
    /// The server that was asked last, or is asked next; None while nobody knows where it is.
    pub server: Option<SocketAddr>,
    /// What went wrong last time, in plain words; `None` = the last try was answered well.
    pub problem: Option<String>,
    /// Nothing more is under way after a stop.
    pub is_over: bool,
    /// Where the carrier wants requests of ours to pass (RFC 3608).
    #[serde(skip)]
    pub service_route: Vec<String>,
}
