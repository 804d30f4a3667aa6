//! Offers and answers (RFC 8866, RFC 3264): what a party says about its audio, and the same words with our address
//! in them for the other party.
//!
//! The room does not know SIP, calls or ports: it is handed a body and gives back a body. It removes what
//! cannot be anchored and lets the two parties agree on the rest; where they share no codec it says what else can be offered. It imports no other room.

mod anchor;
mod crypto;
mod dtls;
mod fax;
pub mod limits;
mod parse;
mod suites;
mod transport;
mod widen;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;

pub use crypto::{Crypto, Encryption, MASTER_OCTETS_MAX, MasterKey, Protection, Suite};
pub use dtls::{Dtls, Fingerprint, FingerprintHash, Keying, Setup};
pub use suites::Suites;
pub use transport::{Profile, Transport};

use crate::g711::Law;

/// What audio is coded with: the two laws of G.711, and G.722. One octet is 125 us in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Codec {
    /// mu-law, static payload type 0.
    Pcmu,
    /// A-law, static payload type 8.
    Pcma,
    /// 16 kHz, static payload type 9; its RTP clock says 8000 all the same (RFC 3551 §4.5.2).
    G722,
}

impl Codec {
    /// How its samples are written; `None` where an octet is no sample.
    pub fn law(self) -> Option<Law> {
        match self {
            Codec::Pcmu => Some(Law::Mu),
            Codec::Pcma => Some(Law::A),
            Codec::G722 => None,
        }
    }

    /// The name in `rtpmap`, in facts and in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Codec::Pcmu => "PCMU",
            Codec::Pcma => "PCMA",
            Codec::G722 => "G722",
        }
    }
}

/// Which way audio flows, as the author of the description sees it (RFC 8866 §6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    SendRecv,
    /// The author only sends: it has put the other party on hold.
    SendOnly,
    RecvOnly,
    Inactive,
}

impl Direction {
    /// The attribute's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }

    /// Whether the author wants to hear anything.
    pub fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }

    /// The same direction for an author that wants nothing sent to it.
    fn without_receiving(self) -> Direction {
        match self {
            Direction::SendRecv | Direction::SendOnly => Direction::SendOnly,
            Direction::RecvOnly | Direction::Inactive => Direction::Inactive,
        }
    }
}

/// A parsed session description; every line is kept, known or not, in its order.
///
/// Bounded by [`limits`]. Prints only its shape: addresses and keys in it are nobody's business in a log.
#[derive(Clone)]
pub struct Session {
    text: Vec<u8>,
    lines: Vec<Line>,
    /// For each `m=` line the lines of its section, the `m=` line first.
    media: Vec<Range<usize>>,
    audio: Option<Audio>,
    /// Only where there is no `audio`.
    fax: Option<Box<fax::Fax>>,
}

/// One line: its letter and where its value lies in the text.
#[derive(Clone, Copy)]
struct Line {
    kind: u8,
    start: usize,
    end: usize,
}

/// The audio line we anchor: RTP, plain or with keys we understand, with a port that is not 0.
#[derive(Clone)]
struct Audio {
    /// Its place in `Session::media`.
    section: usize,
    profile: Profile,
    /// The handshake that it wants, or would take.
    dtls: Option<Dtls>,
    /// The keys in it that can be taken, in the author's order.
    crypto: Vec<Crypto>,
    /// `a=rtcp-mux`.
    rtcp_mux: bool,
    address: SocketAddr,
    stated: Option<Direction>,
    codecs: Vec<(u8, Codec)>,
    telephone_event: Option<u8>,
    comfort_noise: Option<u8>,
    ptime_ms: Option<u16>,
}

/// Where a description stops making sense, and what was expected there.
///
/// Line 0 means the body as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("SDP line {line}: expected {expected}")]
pub struct SdpError {
    pub line: usize,
    pub expected: &'static str,
}

/// No audio line with a codec of ours is left that we can carry, so there is nothing to anchor (SIP 488).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no audio codec in common (PCMU, PCMA or G722 over RTP/AVP or RTP/SAVP)")]
pub struct NothingInCommon;

impl Session {
    /// Reads a description.
    ///
    /// Lenient where telephones are careless (bare LF, missing `s=` or `t=`, unknown attributes), strict where a guess
    /// could send audio to the wrong place: `v=0` first, an `o=` line, whole `m=` lines, and for the audio line a
    /// unicast IP address. Names in `c=` are refused: resolving one is work an offer must not be able to order.
    ///
    /// # Errors
    ///
    /// [`SdpError`] names the line (from 1) and what was expected there.
    pub fn parse(body: &[u8]) -> Result<Session, SdpError> {
        parse::session(body)
    }

    /// Where the audio of this party should be sent, or the fax ([`Session::is_fax`]): `c=` and `m=`.
    ///
    /// `None` when there is no usable audio line: refused (port 0), missing, or neither `RTP/AVP` nor an encrypted [`Profile`]
    /// with a key, or a certificate's fingerprint, that we can take. The address may
    /// be `0.0.0.0` or `::`, the old way of putting the other party on hold: nothing may be sent there
    /// (RFC 3264 §8.4), which [`Session::direction`] says too.
    pub fn audio_address(&self) -> Option<SocketAddr> {
        let fax = self.fax.as_ref().map(|fax| fax.address);
        fax.or(self.audio.as_ref().map(|audio| audio.address))
    }

    /// The direction of the audio: of its own section, or else of the session, or else `sendrecv`.
    ///
    /// An unspecified address takes the receiving half away. Without a usable audio line: `Inactive`. A fax goes both ways.
    pub fn direction(&self) -> Direction {
        if self.is_fax() {
            return Direction::SendRecv;
        }
        let Some(audio) = &self.audio else {
            return Direction::Inactive;
        };
        let stated = audio.stated.unwrap_or(Direction::SendRecv);
        if audio.address.ip().is_unspecified() {
            stated.without_receiving()
        } else {
            stated
        }
    }

    /// Codecs that we know, in the order of preference of the `m=` line, with payload types.
    pub fn codecs(&self) -> Vec<(u8, Codec)> {
        self.audio
            .as_ref()
            .map_or_else(Vec::new, |audio| audio.codecs.clone())
    }

    /// telephone-event payload type at 8000 Hz, when offered (RFC 4733).
    pub fn telephone_event(&self) -> Option<u8> {
        self.audio.as_ref().and_then(|audio| audio.telephone_event)
    }

    /// Comfort noise payload type at 8000 Hz, when it is taken (RFC 3389): 13, or one of the author's.
    pub fn comfort_noise(&self) -> Option<u8> {
        self.audio.as_ref().and_then(|audio| audio.comfort_noise)
    }

    /// The packet length the author would like to receive, in milliseconds.
    pub fn ptime_ms(&self) -> Option<u16> {
        self.audio.as_ref().and_then(|audio| audio.ptime_ms)
    }

    /// Whether nothing of the audio line may be plain.
    pub fn is_savp(&self) -> bool {
        self.profile().is_encrypted()
    }

    /// The keys on the audio line that can be taken, in the author's order; at most [`limits::CRYPTO_MAX`].
    pub fn crypto(&self) -> &[Crypto] {
        self.audio.as_ref().map_or(&[], |audio| &audio.crypto)
    }

    /// The same offer with the audio line that suits `wanted` best, where it has several: the first that has keys, or the
    /// first plain one. An offer that has no such line stays as it is.
    pub fn preferring(mut self, wanted: Encryption, suites: Suites) -> Session {
        if let Some(audio) = parse::audio_preferring(&self, wanted, suites) {
            self.audio = Some(audio);
        }
        self
    }

    /// How many `m=` lines there are. An answer has as many as its offer (RFC 3264 §6).
    pub fn media_lines(&self) -> usize {
        self.media.len()
    }

    /// This description as it goes to the *other* leg.
    ///
    /// Our address and port stand in `c=`, `m=` and `o=`, and `transport` says whether the audio is encrypted on that leg, and
    /// on how many ports: each leg has keys of its own, or none. What we cannot anchor is removed: other media lines stay as
    /// refused lines (port 0, so the count matches, RFC 3264 §6), transport attributes (ICE, keys, fingerprints, RTCP,
    /// SSRC, bundling, capability negotiation) go, and so do payload types that are not a [`Codec`], telephone-event or comfort
    /// noise.
    /// Payload type numbers, `fmtp`, `ptime` and direction pass through, so both parties talk to each other's codec
    /// choice directly. A hold by unspecified address becomes one by direction, since our own address is real.
    ///
    /// `session_id` stays the same for a whole call leg, `version` grows by one whenever the text changes
    /// (RFC 3264 §8).
    ///
    /// # Errors
    ///
    /// [`NothingInCommon`] when no codec is left over a transport that we carry, and it is no fax either (SIP 488).
    pub fn anchored(
        &self,
        ours: IpAddr,
        port: u16,
        session_id: u64,
        version: u64,
        transport: &Transport,
    ) -> Result<Vec<u8>, NothingInCommon> {
        anchor::anchored(self, ours, port, session_id, version, transport)
    }

    /// The same description by an author that is not held: for asking a new party into a call whose old one held it.
    pub fn resumed(&self) -> Session {
        let mut session = self.clone();
        if let Some(audio) = &mut session.audio {
            audio.stated = Some(Direction::SendRecv);
        }
        session
    }

    /// The same description with only what `other` understands too, by the same payload types (RFC 3264 §6.1): the
    /// answer of a party that was described by `other` before.
    pub fn narrowed(&self, other: &Session) -> Session {
        let mut session = self.clone();
        if let Some(audio) = &mut session.audio {
            let theirs = other.codecs();
            audio.codecs.retain(|codec| theirs.contains(codec));
            audio.telephone_event = audio
                .telephone_event
                .filter(|event| other.telephone_event() == Some(*event));
            audio.comfort_noise = audio
                .comfort_noise
                .filter(|noise| other.comfort_noise() == Some(*noise));
        }
        session
    }

    /// The same description with one codec only, `wanted` where it is offered, else the first of G.711, which every phone
    /// speaks, else the first: for whoever has to speak to its author before a second party has chosen. Without comfort noise:
    /// whoever listens whether somebody speaks would rather hear the line.
    pub fn with_one_codec(&self, wanted: Option<(u8, Codec)>) -> Session {
        let mut session = self.clone();
        if let Some(audio) = &mut session.audio {
            let kept = wanted.filter(|wanted| audio.codecs.contains(wanted));
            let everywhere = audio.codecs.iter().find(|(_, codec)| codec.law().is_some());
            let kept = kept.or(everywhere.or(audio.codecs.first()).copied());
            audio.codecs.retain(|codec| Some(*codec) == kept);
            audio.comfort_noise = None;
        }
        session
    }

    /// The same description as an answer to `offer`, with comfort noise only as that has it (RFC 3264 §6.1).
    pub fn with_noise_of(&self, offer: &Session) -> Session {
        let mut session = self.clone();
        if let Some(audio) = &mut session.audio {
            audio.comfort_noise = audio
                .comfort_noise
                .filter(|noise| offer.comfort_noise() == Some(*noise));
        }
        session
    }

    /// The same description said back as an answer: what it sends is received, what it receives is sent (RFC 3264 §6.1).
    pub fn answering(&self) -> Session {
        let direction = match self.direction() {
            Direction::SendOnly => Direction::RecvOnly,
            Direction::RecvOnly => Direction::SendOnly,
            both => both,
        };
        self.directed(direction)
    }

    /// The same description, with audio that flows so. An unspecified address still takes the receiving half away.
    pub fn directed(&self, direction: Direction) -> Session {
        let mut session = self.clone();
        if let Some(audio) = &mut session.audio {
            audio.stated = Some(direction);
        }
        session
    }

    fn value(&self, line: Line) -> &[u8] {
        &self.text[line.start..line.end]
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Session")
            .field("lines", &self.lines.len())
            .field("media", &self.media.len())
            .field("codecs", &self.codecs())
            .field("direction", &self.direction())
            .finish_non_exhaustive()
    }
}

/// Body of the fuzz target: whatever parses can be anchored or refused, and what is anchored parses again and says
/// the same about the audio.
///
/// # Panics
///
/// When that does not hold, which is what the fuzzer looks for.
pub fn fuzz_sdp(body: &[u8]) {
    let Ok(offer) = Session::parse(body) else { return };
    // At the very edge of the bounds our own o=, s=, c=, t= and direction may not fit any more.
    if offer.lines.len() + 16 > limits::LINES_MAX || body.len() + 2048 > limits::OCTETS_MAX {
        return;
    }
    let plain = Transport::default();
    let same = Transport {
        protection: Protection {
            profile: offer.profile(),
            crypto: offer.crypto().to_vec(),
            dtls: offer.dtls().cloned(),
        },
        rtcp_mux: offer.rtcp_mux(),
    };
    for (ours, transport) in [
        (IpAddr::V4(Ipv4Addr::LOCALHOST), &plain),
        (IpAddr::V6(Ipv6Addr::LOCALHOST), &same),
    ] {
        let Ok(text) = offer.anchored(ours, 20_000, 1, 2, transport) else {
            assert!(
                offer.codecs().is_empty() && !offer.is_fax(),
                "a description with a codec of ours was not anchored"
            );
            continue;
        };
        let again = Session::parse(&text).expect("what we write can be read");
        assert_eq!(again.audio_address(), Some(SocketAddr::new(ours, 20_000)));
        assert_eq!(again.is_fax(), offer.is_fax());
        if !offer.is_fax() {
            assert_eq!(again.profile(), transport.protection.profile);
            assert_eq!(again.dtls(), transport.protection.dtls.as_ref());
            assert_eq!(again.crypto(), transport.protection.crypto);
            assert_eq!(again.rtcp_mux(), transport.rtcp_mux);
        }
        assert_eq!(again.direction(), offer.direction());
        assert_eq!(again.codecs(), offer.codecs());
        assert_eq!(again.telephone_event(), offer.telephone_event());
        assert_eq!(again.comfort_noise(), offer.comfort_noise());
        assert_eq!(again.ptime_ms(), offer.ptime_ms());
        assert_eq!(again.media_lines(), offer.media_lines());
        let wide = offer.widened();
        let text_of_wide = wide
            .anchored(ours, 20_000, 1, 2, transport)
            .expect("it has a codec");
        let again_wide = Session::parse(&text_of_wide).expect("what we write can be read");
        assert_eq!(again_wide.codecs(), wide.codecs());
        // And written once more it is the same text.
        assert_eq!(again.anchored(ours, 20_000, 1, 2, transport), Ok(text));
    }
}
