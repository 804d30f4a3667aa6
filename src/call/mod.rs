//! One call: two legs, its stages, what crosses between them (B2BUA). Sans-IO.
// DOOR

pub mod record;

pub use record::CallRecord;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::call_id::CallId;
use crate::identity;
use crate::media::{Side, Statistics};
use crate::policy::Policy;
use crate::screening::HistoryFacts;
use crate::sdp::Codec;
use crate::sip::{Flow, Transport};
use crate::time::Now;
use crate::voice::Opinion;

/// `[[trunk]]`: who may call in.
#[derive(Clone, Debug)]
pub struct TrunkConfig {
    pub name: String,
    /// CIDR ranges.
    pub from: Vec<String>,
    pub is_emergency_trusted: bool,
}

/// An address we listen on and what we call it towards others.
#[derive(Clone, Debug)]
pub struct Listener {
    pub transport: Transport,
    pub bound: std::net::SocketAddr,
    /// `host:port` for Via and Contact.
    pub advertised: String,
}

pub struct Config {
    pub listeners: Vec<Listener>,
    pub trunks: Vec<TrunkConfig>,
    pub queues: Vec<crate::queue::Config>,
    /// Media address to put in SDP.
    pub media_address: std::net::IpAddr,
    /// Budget of the fact-gathering stage; default 800 ms.
    pub budget: Duration,
    /// `[api] public_url`
    pub public_url: Option<String>,
    /// For numbers written without a country code.
    pub country: String,
    pub is_voice_on: bool,
    /// Model revision for the records.
    pub model: Option<String>,
    /// This shard and how many there are: leg-B Call-IDs encode the shard.
    pub shard: u16,
    pub shards: u16,
}

pub enum Input<'a> {
    Sip {
        flow: Flow,
        octets: &'a [u8],
    },
    TransportError {
        flow: Flow,
    },
    /// Answer to `OpenMedia`: the two even RTP ports (leg A's side, leg B's side).
    MediaOpened {
        call: CallId,
        a: u16,
        b: u16,
    },
    /// No port left: 503.
    MediaRefused {
        call: CallId,
    },
    /// Neither party sent audio for `[media] silence`.
    MediaSilent {
        call: CallId,
    },
    /// Answer to `CloseMedia`.
    MediaClosed {
        call: CallId,
        statistics: Statistics,
    },
    Fetched(identity::Fetched),
    /// Answer to `Look`; late answers become facts for live policy.
    Known {
        call: CallId,
        history: HistoryFacts,
        is_reused: Option<bool>,
    },
    Scored {
        call: CallId,
        opinion: Opinion,
    },
    /// The scorer could not take a hop.
    ScoringOverloaded {
        call: CallId,
    },
    SetPolicy(Arc<Policy>),
    /// From the API: end this call now.
    HangUp {
        call: CallId,
    },
    /// Stop taking new calls (503); live ones go on.
    Drain,
    Tick,
}

pub enum Output {
    Transmit {
        flow: Flow,
        octets: Vec<u8>,
    },
    OpenMedia {
        call: CallId,
    },
    DescribeMedia {
        call: CallId,
        side: Side,
        audio: std::net::SocketAddr,
        codecs: Vec<(u8, Codec)>,
        telephone_event: Option<u8>,
    },
    /// Start copying the caller's audio to the scorer (on answer, or early media).
    Tap {
        call: CallId,
        on: bool,
    },
    CloseMedia {
        call: CallId,
    },
    Fetch {
        url: String,
    },
    /// Ask the store about the caller and whether this PASSporT was seen in another call.
    Look {
        call: CallId,
        number: Option<String>,
        passport_digest: Option<String>,
        sip_call_id: String,
    },
    /// Something a person could see has changed; the last one of a call has `timings.ended_ms`.
    Changed(Box<CallRecord>),
    Count(Counter),
    Timeout(Option<Instant>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counter {
    UnknownSource,
    Malformed,
    InviteReceived,
    CallAnswered,
    CallRefused,
    CallEnded,
}

/// All calls of one shard.
pub struct Engine {}

impl Engine {
    pub fn new(config: Config, identity: identity::Engine, policy: Arc<Policy>, seed: [u8; 32]) -> Engine {
        let _ = (config, identity, policy, seed);
        todo!()
    }
    pub fn handle(&mut self, input: Input<'_>, now: Now) {
        let _ = (input, now);
        todo!()
    }
    pub fn poll_output(&mut self) -> Output {
        todo!()
    }
    pub fn live_calls(&self) -> usize {
        todo!()
    }
}

/// Which shard owns a message: our own leg-B Call-IDs name it, others are hashed.
pub fn shard_of(sip_call_id: &[u8], shards: u16) -> u16 {
    let _ = (sip_call_id, shards);
    todo!()
}
