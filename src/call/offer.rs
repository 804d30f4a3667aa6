//! Session descriptions on their way from one leg to the other: read, anchored on our own address, counted.

use std::net::IpAddr;

use crate::call_id::CallId;
use crate::media::Side;
use crate::sdp::{Session, Transport};
use crate::sip::Message;

use super::encryption::Wanted;
use super::random::Randomness;
use super::refusal::Refusal;
use super::transport::{Agreed, Travel};
use super::{Config, Output};

/// Where our descriptions towards one leg come from: its `o=` line (RFC 8866 §5.2), one id for the call and a version that
/// counts up, and how its packets travel.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    session_id: u64,
    version: u64,
    /// What the other leg says may be said here in other codecs.
    transcodes: bool,
    /// Opus is taken and offered.
    opus: bool,
    /// The leg shares no codec with the other one: it is offered all that we can translate into.
    is_wide: bool,
    pub(crate) travel: Travel,
}

impl Origin {
    /// The id is shortened to 62 bits: some peers read it as a signed number.
    pub(crate) fn new(wanted: impl Into<Wanted>, config: &Config, random: &mut Randomness) -> Origin {
        Origin {
            session_id: random.u64() >> 2,
            version: 0,
            transcodes: config.transcodes,
            opus: config.opus,
            is_wide: false,
            travel: Travel::new(
                wanted,
                (config.srtp_suites, config.dtls.clone()),
                config.rtcp_mux,
                random,
            ),
        }
    }

    /// Where its SIP comes from: so RTP from anywhere else is a stranger's, unless the configuration has it behind NAT.
    pub(crate) fn signalled_from(&mut self, peer: IpAddr, config: &Config) {
        let is_anywhere = config.behind_nat.iter().any(|range| range.contains(peer));
        self.travel.signalled = (!is_anywhere).then_some(peer);
    }

    /// Whether this leg is to be encrypted, where that is known only now. Before anything was said on it.
    pub(crate) fn want(&mut self, wanted: Wanted, random: &mut Randomness) {
        self.travel.want(wanted, random);
    }

    /// From now on more is offered to this leg than the other one said. False where that is the case already, or nothing is
    /// to be translated.
    pub(crate) fn widen(&mut self) -> bool {
        let is_change = self.transcodes && !self.is_wide;
        self.is_wide |= self.transcodes;
        is_change
    }

    pub(crate) fn is_wide(&self) -> bool {
        self.is_wide
    }

    /// The other leg's words as an offer to this one: our address, `port`, a version not used before.
    ///
    /// # Errors
    ///
    /// 488 when no codec is left that we can carry.
    pub(crate) fn offer(&mut self, session: &Session, ours: IpAddr, port: u16) -> Result<Vec<u8>, Refusal> {
        if self.is_wide {
            let wide = session.widened(self.opus);
            let transport = self.travel.offer(&wide)?;
            return self.write(&wide, ours, port, &transport);
        }
        let transport = self.travel.offer(session)?;
        self.write(session, ours, port, &transport)
    }

    /// The other leg's words as our answer to what this leg offered.
    ///
    /// # Errors
    ///
    /// As [`Origin::offer`], and where the offer is not encrypted as it should be.
    pub(crate) fn answer(
        &mut self,
        session: &Session,
        offer: &Session,
        ours: IpAddr,
        port: u16,
    ) -> Result<Vec<u8>, Refusal> {
        let translated = self.transcodes.then(|| session.translated(offer)).flatten();
        let words = translated.as_ref().unwrap_or(session).with_noise_of(offer);
        let transport = self.travel.answer(offer, &words)?;
        // A phone that only names more than it was offered shares something: nothing wider is ever asked for.
        self.is_wide |= translated.is_some()
            && !session
                .codecs()
                .iter()
                .any(|codec| offer.codecs().contains(codec));
        self.write(&words, ours, port, &transport)
    }

    /// What this leg, which made an offer, shares with a party that is described already, as its answer. Where they share
    /// nothing it is a codec of the leg's own, to be translated.
    pub(crate) fn meet(&mut self, offer: &Session, other: &Session) -> Session {
        let shared = offer.narrowed(other);
        if !self.transcodes || !shared.codecs().is_empty() {
            return shared.answering();
        }
        self.is_wide = true;
        offer.translating(other).answering()
    }

    /// The other leg's words: our answer to `offer`, or an offer of ours when this leg has made none.
    ///
    /// # Errors
    ///
    /// As those two.
    pub(crate) fn reply(
        &mut self,
        session: &Session,
        offer: Option<&Session>,
        ours: IpAddr,
        port: u16,
    ) -> Result<Vec<u8>, Refusal> {
        match offer {
            Some(offer) => self.answer(session, offer, ours, port),
            None => {
                // Whoever answers it cannot be asked again, and every trunk has G.711.
                if !session.is_fax() && session.codecs().iter().all(|(_, codec)| codec.law().is_none()) {
                    self.widen();
                }
                self.offer(session, ours, port)
            }
        }
    }

    /// How wide an offer to this leg would be.
    pub(crate) fn widened(&self, session: &Session) -> Session {
        session.widened(self.opus)
    }

    /// What of an offer of this leg is taken.
    ///
    /// # Errors
    ///
    /// 488 when no codec is left.
    fn taken(&self, offer: Session) -> Result<Session, Refusal> {
        if self.opus || offer.is_fax() {
            return Ok(offer);
        }
        let offer = offer.without_opus();
        match offer.codecs().is_empty() {
            true => Err(Refusal::NotAcceptable(NOTHING_IN_COMMON)),
            false => Ok(offer),
        }
    }

    fn write(
        &mut self,
        session: &Session,
        ours: IpAddr,
        port: u16,
        transport: &Transport,
    ) -> Result<Vec<u8>, Refusal> {
        self.version += 1;
        session
            .anchored(ours, port, self.session_id, self.version, transport)
            .map_err(|_| Refusal::NotAcceptable(NOTHING_IN_COMMON))
    }
}

const NOTHING_IN_COMMON: &str = "no audio codec in common (PCMU, PCMA, G722, opus)";

/// The description in a message; `None` when it has no body (a late offer, or nothing to say).
///
/// # Errors
///
/// 415 for another kind of body, 488 for a description that cannot be read or has no audio to carry.
pub(crate) fn read(message: &Message) -> Result<Option<Session>, Refusal> {
    if message.body().is_empty() {
        return Ok(None);
    }
    let body = message.description().ok_or(Refusal::NotSdp)?;
    let session = Session::parse(body).map_err(|fault| Refusal::NotAcceptable(fault.expected))?;
    if session.codecs().is_empty() {
        return Err(Refusal::NotAcceptable(NOTHING_IN_COMMON));
    }
    Ok(Some(session))
}

/// The offer in a message of the leg that `origin` is of: the line of it that suits.
///
/// # Errors
///
/// As [`read`], and 488 where it is not encrypted as it should be.
pub(crate) fn read_offer(message: &Message, origin: &Origin) -> Result<Option<Session>, Refusal> {
    let heed = |offer| origin.travel.heed(offer).and_then(|offer| origin.taken(offer));
    read(message)?.map(heed).transpose()
}

/// As [`read`], where it may be a fax instead of audio (T.38).
///
/// # Errors
///
/// As [`read`].
pub(crate) fn read_talking(message: &Message) -> Result<Option<Session>, Refusal> {
    match message.description().and_then(session) {
        Some(fax) if fax.is_fax() => Ok(Some(fax)),
        _ => read(message),
    }
}

/// The answer to `offer` in a message: fax where that was one (T.38), else audio. `None` where it has no description, or audio in
/// the place of a fax.
///
/// # Errors
///
/// As [`read`].
pub(crate) fn read_answer(message: &Message, offer: &Session) -> Result<Option<Session>, Refusal> {
    match offer.is_fax() {
        true => Ok(read_talking(message)?.filter(Session::is_fax)),
        false => read(message),
    }
}

/// As [`read_offer`], where it may be a fax: the first of a call, or of two who talk.
///
/// # Errors
///
/// As [`read_offer`].
pub(crate) fn read_talking_offer(message: &Message, origin: &Origin) -> Result<Option<Session>, Refusal> {
    let offer = read_talking(message)?;
    let heed = |offer| origin.travel.heed(offer).and_then(|offer| origin.taken(offer));
    offer.map(heed).transpose()
}

/// Whether this would have the two go over to fax.
pub(crate) fn is_fax(message: &Message) -> bool {
    let described = message.description().and_then(session);
    described.is_some_and(|session| session.is_fax())
}

/// What we offer of ourselves to a caller who left that to us, before any phone has been asked.
pub(crate) fn own() -> Option<Session> {
    Session::parse(OWN).ok()
}

const OWN: &[u8] =
    b"v=0\r\no=- 0 0 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0 8 101\r\n\
    a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n\
    a=ptime:20\r\na=sendrecv\r\n";

/// A description we have read before.
pub(crate) fn session(octets: &[u8]) -> Option<Session> {
    Session::parse(octets).ok()
}

/// Tells the media what the party on `side` said, and how the packets of the leg travel. Nothing when it gave no address to send
/// to.
pub(crate) fn describe(call: CallId, side: Side, session: &Session, agreed: Agreed) -> Option<Output> {
    // Keys say whose a packet is.
    let is_plain = agreed.keys.is_none() && agreed.dtls.is_none();
    Some(Output::DescribeMedia {
        call,
        side,
        signalled: agreed.signalled.filter(|_| is_plain),
        keys: agreed.keys,
        dtls: agreed.dtls,
        rtcp_mux: agreed.rtcp_mux,
        audio: session.audio_address()?,
        codecs: session.codecs(),
        telephone_event: session.telephone_event(),
        wide_event: session.wide_event(),
        comfort_noise: session.comfort_noise(),
        is_fax: session.is_fax(),
    })
}
