//! One call: two legs, its stages, what crosses between them (B2BUA). Sans-IO.
//!
//! [`Engine`] owns the calls of one shard. It hands octets to the transaction layer, gives each event to the call it
//! belongs to, and says what is to be sent, opened, looked up and shown. The stages do the work: `stage.rs` has the
//! drawing.
//!
//! Knows no socket, clock, store or scorer, and not how a decision is made or a banner is worded.

mod admission;
mod arriving;
mod aside;
mod asked;
mod call_back;
mod case;
mod codecs;
mod correlation;
mod course;
mod crossing;
mod decide;
mod desk;
mod dialling;
mod drill;
mod early;
mod early_talk;
mod encryption;
mod ending;
mod engine;
mod erased;
mod error;
mod exchange;
mod facts;
mod flood;
mod forwarded;
mod from_phone;
mod fuzz;
mod gate;
mod gathering;
mod hearing;
mod hunting;
mod index;
mod late_fact;
mod leg;
pub mod limits;
mod logins;
mod moved;
mod names;
mod numbers;
mod offer;
mod on_hold;
mod options;
mod orders;
mod outbound;
mod overflow;
mod phones;
mod probing;
mod profile;
mod progress;
mod random;
mod ranges;
mod reasons;
mod reception;
pub mod record;
mod redirect;
mod redress;
mod refreshing;
mod refusal;
mod reliable;
mod registering;
mod registrants;
mod replay;
mod ring_again;
mod routes;
mod shard;
mod signals;
mod stage;
mod standing;
mod stray;
mod talking;
mod terms;
mod timers;
mod tolls;
mod transfer;
mod transport;
mod trunk;
mod trying;
mod upstream;
mod voice;

pub use crate::sdp::{Encryption, Fingerprint, Keying, Suite, Suites};
pub use aside::Whisper;
pub use call_back::CallBack;
pub use dialling::{OutboundConfig, may_go_out};
pub use drill::{Drill, Drills};
pub use engine::{Engine, LiveParts};
pub use error::NoCallBack;
pub(crate) use facts::asks_privacy;
pub use flood::Overloaded;
pub use fuzz::fuzz_facts;
pub use moved::{Asker, LegAsked};
pub use names::tls_names;
pub use numbers::{NumberPlan, Rules};
pub use orders::{Order, What};
pub use ranges::Ranges;
pub use reasons::ReasonStyle;
pub(crate) use reasons::of_report as identity_reasons;
pub use record::CallRecord;
pub use redress::{CardSigner, Contact, NotAKey, RefusalConfig, SigningKey};
pub use shard::shard_of;
pub use tolls::{Allowance, Came, Kept, Ledger, LineFault, Money, Price, Tariff, TollConfig, Totals};
pub use transfer::{Handed, Reach, TransferRules};
pub use trunk::{HostCredentials, Peer, Role, TrunkConfig, carriers};

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::call_id::CallId;
use crate::cidr::Cidr;
use crate::identity;
use crate::lists::Lookup;
use crate::media::{Keys, Listening, Side, Statistics, Talk, Words, dtls};
use crate::policy::Lineup;
use crate::prompts::Prompts;
use crate::reputation::Reputations;
use crate::route::{Change, Known, Target};
use crate::screening::{HistoryFacts, RecordingFacts};
use crate::sdp::Codec;
use crate::sip::{Flow, Transport, TransportFault};
use crate::voice::Opinion;

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
    /// What we prove ourselves with where phones, or what stands before them, ask for it.
    pub credentials: Vec<HostCredentials>,
    /// What strangers may prove themselves with.
    pub digest_hashes: Vec<crate::digest::Hash>,
    /// Media address to put in SDP.
    pub media_address: std::net::IpAddr,
    /// Budget of the fact-gathering stage; default 800 ms.
    pub budget: Duration,
    /// How long one address of a target may say nothing at all before the next is tried; default 4 s.
    pub try_for: Duration,
    /// `[api] public_url`
    pub public_url: Option<String>,
    /// How refused callers are answered.
    pub refusal: RefusalConfig,
    /// What phones are told of the verification, and where a queue has marks of its own.
    pub marks: crate::banner::Marks,
    pub queue_marks: std::collections::BTreeMap<String, crate::banner::Marks>,
    /// The session interval we ask for and agree to at most (RFC 4028); None: no session timers.
    pub session_expires: Option<Duration>,
    /// By queue name: where its people may send their calls; a queue that is not listed is as the default.
    pub transfer_rules: std::collections::BTreeMap<String, TransferRules>,
    /// By queue name: whether the legs to its phones are encrypted; a queue that is not listed: they are not.
    pub queue_srtp: std::collections::BTreeMap<String, Encryption>,
    /// By queue name: which kind of keys is offered to its phones; a queue that is not listed: those in descriptions.
    pub queue_srtp_keys: std::collections::BTreeMap<String, Keying>,
    /// Networks of peers whose RTP may come from anywhere, whatever they describe (`[media] behind_nat`).
    pub behind_nat: Vec<Cidr>,
    /// With which suites, in the order in which they are offered.
    pub srtp_suites: Suites,
    /// Of the certificate that the media proves itself with (DTLS-SRTP); `None`: no handshake is offered or taken.
    pub dtls: Option<Fingerprint>,
    /// By queue name: what its people are told before they are connected; a queue that is not listed: nothing.
    pub whispers: std::collections::BTreeMap<String, Whisper>,
    /// Queues whose people put callers on hold without music of ours.
    pub silent_holds: std::collections::BTreeSet<String>,
    /// Which calls may go out.
    pub outbound: OutboundConfig,
    /// For numbers written without a country code.
    pub country: String,
    /// A phone that refuses the caller's codecs (488) is asked again with all that we can translate into.
    pub transcodes: bool,
    /// Opus is taken where it is offered, and offered where a phone refuses everything else.
    pub opus: bool,
    /// One port for RTP and RTCP is offered and accepted on either leg (RFC 5761).
    pub rtcp_mux: bool,
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
    /// Nothing more can be sent or heard this way; what was sent after `at` went another.
    TransportError {
        flow: Flow,
        fault: TransportFault,
        at: Instant,
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
    /// What came of our own words, or of listening.
    Talk {
        call: CallId,
        talk: Talk,
    },
    /// A handshake for the keys of a leg is over: with which suite, or why there are none.
    MediaSecured {
        call: CallId,
        side: Side,
        secured: Result<Suite, dtls::Fault>,
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
    /// Answer to `Answered`: another call was answered with the same PASSporT before.
    Reused {
        call: CallId,
    },
    Scored {
        call: CallId,
        opinion: Opinion,
    },
    /// The scorer could not take a hop.
    ScoringOverloaded {
        call: CallId,
    },
    SetPolicies(Arc<Lineup>),
    /// The recordings as they are from now on.
    SetPrompts(Arc<Prompts>),
    /// The lists as they are from now on.
    SetLists(Arc<Lookup>),
    /// Since when there is a lockdown, Unix ms: phones whose secret was made before register only where they are, none sends a call on, and
    /// nothing leaves over a trunk but calls for help. None = there is none.
    SetLockdown(Option<u64>),
    /// Which devices may register, from now on: for the shard that has the registrar.
    SetDevices(Arc<[crate::registrar::Device]>),
    /// Where devices are registered, as the shard with the registrar says.
    SetBound(Arc<crate::registrar::Bound>),
    /// Who is signed in to which device from now on.
    SetRoster(Arc<crate::queue::Roster>),
    /// What people's reports make of numbers and signers from now on.
    SetReputations(Arc<Reputations>),
    /// Which model hears the caller: its revision.
    HeardBy {
        call: CallId,
        model: String,
    },
    /// The same recording was heard in other calls.
    Repeated {
        call: CallId,
        recording: RecordingFacts,
    },
    /// A second opinion on the voice was wanted and there was no room for it.
    SecondShed {
        call: CallId,
    },
    /// Anchors and revocation lists, in force from now on.
    SetTrust(Box<identity::Trust>),
    /// Where a target is, asked for or not: to every shard.
    Resolved(Box<Known>),
    /// Where a host of `[[credentials]]` is now: to every shard.
    LoginHost {
        host: std::sync::Arc<str>,
        addresses: Vec<std::net::IpAddr>,
    },
    /// What a phone did in a call of another shard.
    Used(crate::queue::Used),
    /// What another shard found out of an address.
    Standing(Change),
    /// Where a call of another shard stands in line.
    Stands(crate::queue::Standing),
    /// From the API: end this call now.
    HangUp {
        call: CallId,
    },
    /// From the API: what a person wants done with this call.
    Order {
        call: CallId,
        order: Order,
    },
    /// From the API: a person calls an organisation back. [`Output::CallBack`] says whether it begins.
    CallBack(Box<CallBack>),
    /// Where a carrier wants calls of ours to pass, as another shard heard it.
    ServiceRoute {
        trunk: String,
        route: Vec<String>,
    },
    /// Stop taking new calls (503); live ones go on. Registrations are taken back.
    Drain,
    /// Another shard has a dialog whose Call-ID names this one, or has no more use for it.
    Moved {
        sip_call_id: String,
        shard: u16,
        is_over: bool,
    },
    /// A call of another shard wants the leg that one of ours has.
    LegAsked(LegAsked),
    /// That leg, for a call of ours; None = there is none, or nobody could be asked.
    LegHanded {
        asker: Asker,
        handed: Option<Box<Handed>>,
    },
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
        /// Where the SIP of the leg comes from: RTP from elsewhere than there and `audio` is a stranger's. `None` = it may come from
        /// anywhere.
        signalled: Option<std::net::IpAddr>,
        codecs: Vec<(u8, Codec)>,
        telephone_event: Option<u8>,
        /// The same at 48 kHz, beside Opus.
        wide_event: Option<u8>,
        comfort_noise: Option<u8>,
        /// No audio: datagrams of a fax (T.38).
        is_fax: bool,
        /// How the leg is encrypted; `None` = plain.
        keys: Option<Box<Keys>>,
        /// It is encrypted with keys that come by this handshake, and until then not let through. Without `keys`.
        dtls: Option<Box<dtls::Terms>>,
        /// RTCP comes and goes on the port of RTP (RFC 5761).
        rtcp_mux: bool,
    },
    /// Start copying the caller's audio to the scorer (on answer, or early media).
    Tap {
        call: CallId,
        on: bool,
    },
    /// Say this to the party on `side`, instead of what is being said there; the other party is not heard there until
    /// `Hush`. `Talk::Said` comes back when it is over, and silence follows.
    Say {
        call: CallId,
        side: Side,
        words: Words,
        turn: u32,
        /// The caller is expected to speak when it is over (`Listen` follows): how he takes it tells of machines.
        is_greeting: bool,
        /// For the SSRC and the first numbers of a stream that begins.
        seed: u64,
    },
    Hush {
        call: CallId,
        side: Side,
    },
    /// Listen until the caller has spoken, or will not: `Talk::Heard`.
    Listen {
        call: CallId,
        listening: Listening,
    },
    /// Which place this call has among those that want a second opinion on the voice, 0 first; `None`: it wants none.
    Attend {
        call: CallId,
        rank: Option<u8>,
    },
    CloseMedia {
        call: CallId,
    },
    Fetch {
        url: String,
    },
    /// Ask the name service where this target is; `Resolved` comes back, also when nobody knows.
    Resolve {
        target: Target,
    },
    /// What a phone did: for the other shards.
    Used(crate::queue::Used),
    /// Where a call stands in line: for the other shards.
    Stands(crate::queue::Standing),
    /// An address of a target went down or came up: for the other shards and for people.
    Standing(Change),
    /// Ask the store about the caller and whether this PASSporT was used by another call.
    Look {
        call: CallId,
        number: Option<String>,
        passport_digest: Option<String>,
    },
    /// Tell the store that a person answered a call with this PASSporT; `Reused` comes back when another call was
    /// answered with it before.
    Answered {
        call: CallId,
        passport_digest: String,
        /// False: only to be remembered; that another call was first is no news.
        is_question: bool,
    },
    /// Something a person could see has changed; the last one of a call has `timings.ended_ms`.
    Changed(Arc<CallRecord>),
    /// A call back begins, or why it does not: one for each [`Input::CallBack`], of the call with this id.
    CallBack {
        id: CallId,
        refused: Option<NoCallBack>,
    },
    /// How a registration stands now.
    Registration(Box<crate::registration::State>),
    /// Where devices are registered now, for the other shards (`SetBound`), and what people should know.
    Registrar(crate::registrar::News),
    Count(Counter),
    /// `Moved` for the shard `owner`: where the messages of this dialog are to be sent on to.
    Moved {
        owner: u16,
        sip_call_id: String,
        shard: u16,
        is_over: bool,
    },
    /// `LegAsked` for this shard. If it cannot be told, `LegHanded` with None comes back here.
    AskForLeg {
        shard: u16,
        asked: LegAsked,
    },
    /// `LegHanded` for the shard of this call (the first octet of its id). If it cannot be told, the same comes back here.
    HandLeg {
        asker: Asker,
        handed: Option<Box<Handed>>,
    },
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
    /// A new call was kept out, and why.
    Overloaded(Overloaded),
    /// A stranger was asked to prove itself.
    Challenged,
    /// A stranger's proof was made with a nonce that is not good any more: it was asked again.
    ProofStale,
    /// A stranger's proof was wrong: it was asked again.
    ProofWrong,
    /// A stranger proved to be a trunk.
    Proven,
    /// A stranger who calls himself a scanner: no answer.
    Scanned,
    /// An address is not heard from now on, for a while.
    Blocked,
    /// A message from such an address.
    Unheard,
    /// A stranger got no answer: too many requests, or too many wrong proofs.
    StrangerIgnored,
    /// The next address of a target was tried.
    FailedOver,
    /// A target sent a call elsewhere (3xx), and it went there.
    Redirected,
    /// And it may not.
    RedirectRefused,
    ProbeAnswered,
    ProbeUnanswered,
    /// A call went to another phone.
    CallTransferred,
    /// A REFER, or an INVITE with Replaces, that may not be.
    TransferRefused,
}
