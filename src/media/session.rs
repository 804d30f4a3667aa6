//! One call's media: two sides, one tap.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::latch::Target;
use super::limits::{OPUS_QUIET_OCTETS_MAX, TRANSLATED_OCTETS_MAX};
use super::opus_legs::{Key, Said};
use super::party::{Party, Payloads, bit};
use super::player::FRAME_SAMPLES;
use super::rtcp::{self, Compound, ReceptionReport};
use super::rtp::{PADDING, Packet, renumber};
use super::srtp::{Keys, Refused, Secured};
use super::statistics::{Arrival, Statistics};
use super::talk::Talking;
use super::tap::{Tap, TapStatistics};
use super::transcode::Transcoder;
use super::{Component, Config, DropReason, Hop, Side, Verdict, dtls};
use crate::sdp::Codec;
use crate::time::Now;

/// One call's media. No lock, no allocation per packet.
///
/// # Example
///
/// ```
/// use std::time::{Duration, Instant, SystemTime};
/// use ringward::media::{Component, Config, Session, Side, Verdict, rtp};
/// use ringward::{sdp::Codec, time::Now};
///
/// let now = Now { instant: Instant::now(), utc: SystemTime::UNIX_EPOCH };
/// let config = Config {
///     address: "127.0.0.1".parse()?, advertise: None, ports: 20_000..=20_009, silence: Duration::from_secs(60),
///     transcodes: true,
///     rtcp_mux: true,
/// };
/// let (caller, called) = ("192.0.2.1:4000".parse()?, "192.0.2.2:5000".parse()?);
/// let mut session = Session::new(&config, now);
/// session.described(Side::A, caller, &[(0, Codec::Pcmu)], None, now);
/// session.described(Side::B, called, &[(0, Codec::Pcmu)], None, now);
/// let mut packet = rtp::header(0, 1, 160, 7, true);
/// let verdict = session.rtp(Side::A, caller, &mut packet, now);
/// assert_eq!(verdict, Verdict::Forward { to: called, len: 12, component: Component::Rtp });
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub struct Session {
    pub(super) a: Party,
    pub(super) b: Party,
    /// We say something to a party, or listen for the caller.
    pub(super) talking: Option<Box<Talking>>,
    pub(super) tap: Option<Box<Tap>>,
    /// What taps before this one did.
    tapped: TapStatistics,
    started: Instant,
    pub(super) last_heard: Instant,
    silence: Duration,
    pub(super) transcodes: bool,
}

impl Session {
    /// A call that nobody has described yet. Its silence begins now.
    pub fn new(config: &Config, now: Now) -> Session {
        Session {
            a: Party::new(now.instant),
            b: Party::new(now.instant),
            talking: None,
            tap: None,
            tapped: TapStatistics::default(),
            started: now.instant,
            last_heard: now.instant,
            silence: config.silence,
            transcodes: config.transcodes,
        }
    }

    /// The party on `side` said (by SDP) where it listens and which codecs/payload types it uses. May be called again
    /// (200 after 183, re-INVITE, UPDATE); what a repetition and a change do to the latch is in [`super::latch`].
    ///
    /// An unspecified address or port 0 puts the other party on hold: nothing is sent to this side until it is
    /// described with a real address again. A description is a sign of life: silence is counted from here.
    pub fn described(
        &mut self,
        side: Side,
        audio: SocketAddr,
        codecs: &[(u8, Codec)],
        telephone_event: Option<u8>,
        now: Now,
    ) {
        let mut payloads = Payloads::default();
        for (payload_type, codec) in codecs {
            match codec {
                Codec::Pcmu => payloads.pcmu |= bit(*payload_type),
                Codec::Pcma => payloads.pcma |= bit(*payload_type),
                Codec::G722 => payloads.g722 |= bit(*payload_type),
                Codec::Opus => payloads.opus |= bit(*payload_type),
            }
        }
        payloads.event = telephone_event.map_or(0, bit);
        let (this, other) = self.parties(side);
        if this.latch.would_move(audio) {
            // To another port another handshake (RFC 8842 §4). Keys that the same certificate has proven hold until it is over.
            if let Some(handshakes) = &mut this.handshakes {
                handshakes.begin(now.instant);
            }
        }
        this.payloads = payloads;
        this.announces(codecs, other);
        this.latch.describe(audio, now.instant);
        other.latch.reopen(now.instant);
        self.last_heard = now.instant;
        self.prepare_opus();
    }

    /// By which payload type the party on `side` takes comfort noise (RFC 3389); `None`: it does not. Said after a description.
    pub fn hears_noise(&mut self, side: Side, payload_type: Option<u8>) {
        self.parties(side).0.payloads.noise = payload_type.map_or(0, bit);
    }

    /// The audio of `side` is encrypted with these keys from now on, or plain (`None`). Said together with a description,
    /// before it.
    ///
    /// Keys that stay the same change nothing; see [`Secured::rekey`] for what new ones do. What a handshake gave before opens nothing
    /// more then.
    pub fn secure(&mut self, side: Side, keys: Option<&Keys>) {
        let this = self.parties(side).0;
        let was_by_handshake = this.handshakes.is_some();
        match (&mut this.secured, keys) {
            (Some(secured), Some(keys)) => {
                secured.rekey(keys);
                if was_by_handshake {
                    secured.forget_before();
                }
            }
            (secured, keys) => *secured = keys.map(|keys| Box::new(Secured::new(keys))),
        }
    }

    /// RTP and RTCP of `side` share one port from now on (RFC 5761), or have two. Said together with a description, before it.
    pub fn mux(&mut self, side: Side, on: bool) {
        let this = self.parties(side).0;
        if this.is_muxed != on {
            this.is_muxed = on;
            this.latch.forget_control();
        }
    }

    /// The party on `side` sends and wants a fax (T.38 over UDPTL) from now on, or audio again. Said together with a
    /// description, before it.
    pub fn fax(&mut self, side: Side, on: bool) {
        self.parties(side).0.is_fax = on;
    }

    /// Starts (on answer) or stops the tap of side A. Starting takes the memory of its hops
    /// ([`super::limits::HOPS_PER_CALL`]), stopping gives it back with what was not yet a full hop.
    pub fn tap(&mut self, on: bool) {
        if on {
            let calling_tones = self.tapped.calling_tones;
            self.tap
                .get_or_insert_with(|| Box::new(Tap::after(calling_tones)));
            self.prepare_opus();
        } else {
            self.tapped = self.tap_statistics();
            self.tap = None;
        }
    }

    /// An RTP packet arrived on the RTP socket of side `from`; the same as [`Session::rtp_within`] for a buffer that is
    /// exactly the packet, which will do where no leg is encrypted.
    pub fn rtp(&mut self, from: Side, source: SocketAddr, packet: &mut [u8], now: Now) -> Verdict {
        self.rtp_within(from, source, packet, packet.len(), now)
    }

    /// An RTP packet arrived on the RTP socket of side `from`: the first `len` octets of `buffer`. What is to be sent on
    /// stands there afterwards, so there must be room for [`super::srtp::OVERHEAD_OCTETS_MAX`] more, and for 960 octets of audio
    /// where Opus is translated: a packet for which there is none is dropped.
    ///
    /// A payload type is good when either party announced it, because each announces what it wants to *receive*
    /// (RFC 3264 §5.1), or when it is comfort noise. That goes on to a party that takes it, and to any other as 20 ms of
    /// silence in its codec, so that no number is missing from the stream. Where they disagree on its codec, the receiver's word counts. What the
    /// receiver has under another number goes on under that one. Audio in a codec that it did not announce goes on in the
    /// one it likes best, in packets of the same length ([`Config::transcodes`]); a packet of more than 100 ms
    /// ([`TRANSLATED_OCTETS_MAX`]) crosses as it is, and is dropped where one of the two speaks Opus.
    ///
    /// What is said to be Opus and is no Opus packet (RFC 6716 §3.4) is malformed, and more of it than time has gone by
    /// ([`super::limits::OPUS_MS_PER_SECOND`]) too fast.
    ///
    /// On an encrypted leg nothing is believed, latched, counted as life or heard that its key does not authenticate. Where
    /// the leg has one port for both, RTCP is told by its second octet (RFC 5761 §4) and goes as in [`Session::rtcp_within`].
    pub fn rtp_within(
        &mut self,
        from: Side,
        source: SocketAddr,
        buffer: &mut [u8],
        len: usize,
        now: Now,
    ) -> Verdict {
        if self.party(from).is_fax {
            return self.fax_datagram(from, source, buffer, len, now);
        }
        if self.party(from).handshakes.is_some() && dtls::is_dtls(buffer.get(..len).unwrap_or_default()) {
            return self.handle_handshake((from, Component::Rtp), source, &buffer[..len], now);
        }
        if self.party(from).is_muxed && rtcp::is_control(buffer.get(..len).unwrap_or_default()) {
            return self.control(from, source, Component::Rtp, buffer, len, now);
        }
        let (octets, transcodes) = (len, self.transcodes);
        let (this, other) = self.parties(from);
        let len = match this.open(
            (buffer, len),
            Component::Rtp,
            |latch| latch.admits(source, now.instant),
            Secured::unprotect_rtp,
        ) {
            Ok(len) => len,
            Err(reason) => return this.drop(reason),
        };
        let Ok(packet) = Packet::parse(buffer.get(..len).unwrap_or_default()) else {
            return this.drop(DropReason::Malformed);
        };
        if !this.latch.is_described() {
            return this.drop(DropReason::NotYetKnown);
        }
        let payload_type = packet.payload_type();
        let is_announced = other.payloads.has(payload_type) || this.payloads.has(payload_type);
        if !is_announced && !this.payloads.is_noise(payload_type) {
            // Judged before latching: a source is latched only by a packet that makes sense in this call.
            let is_known = this.latch.is_source(source);
            return this.drop(if is_known {
                DropReason::UnknownPayload
            } else {
                DropReason::Stranger
            });
        }
        let codec = other
            .payloads
            .codec(payload_type)
            .or(this.payloads.codec(payload_type));
        let Ok(opus_ms) = this.opus_ms(&packet, codec, (other, transcodes)) else {
            return this.drop(DropReason::Malformed);
        };
        if let Err(reason) = this.admit(source, octets, opus_ms, now.instant) {
            return this.drop(reason);
        }
        let arrival = this.stream.handle_arrival(packet.ssrc(), packet.sequence());
        let is_event = this.payloads.is_event(payload_type) || other.payloads.is_event(payload_type);
        let time = this.time_of(&packet, arrival, other.payloads);
        // A late packet of a key before this one is no key of its own.
        let pressed = match is_event && arrival.is_new() {
            true => this.presses.handle(&packet),
            false => None,
        };
        if other.is_fax {
            // It has gone over, and this side has not yet.
            self.last_heard = now.instant;
            return self.parties(from).0.drop(DropReason::UnknownPayload);
        }
        let is_same =
            other.payloads.has(payload_type) && !this.payloads.counts_otherwise(payload_type, other.payloads);
        let target = other.latch.target();
        let is_quiet =
            packet.is_flat() || codec == Some(Codec::Opus) && packet.payload().len() <= OPUS_QUIET_OCTETS_MAX;
        if codec.is_some() && !is_quiet {
            other.give_way(now.instant);
        }
        let is_heard = codec.is_some() && !other.is_spoken_to(now.instant) && matches!(target, Target::At(_));
        self.last_heard = now.instant;
        self.follow(from, arrival, &packet, (codec, time), now);
        if let (Some(event), Side::A) = (pressed, from) {
            self.press(event);
        }
        let len = match is_same {
            true => len,
            false => match self.translate(from, (arrival, time), (payload_type, codec), buffer, len, now) {
                Some(len) => len,
                None => return self.parties(from).0.drop(DropReason::UnknownPayload),
            },
        };
        if is_heard {
            self.parties(from).1.hears(buffer);
        }
        self.send_on(
            from,
            (target, Component::Rtp),
            (buffer, len),
            now,
            Secured::protect_rtp,
        )
    }

    /// An RTCP packet arrived on the RTCP socket of side `from`; as [`Session::rtp`].
    pub fn rtcp(&mut self, from: Side, source: SocketAddr, packet: &mut [u8], now: Now) -> Verdict {
        self.rtcp_within(from, source, packet, packet.len(), now)
    }

    /// An RTCP packet arrived on the RTCP socket of side `from`: the first `len` octets of `buffer`, with room behind them
    /// as in [`Session::rtp_within`]. Passed on with the same words: SSRCs and sequence numbers are the parties' own, so
    /// their reports hold from end to end.
    pub fn rtcp_within(
        &mut self,
        from: Side,
        source: SocketAddr,
        buffer: &mut [u8],
        len: usize,
        now: Now,
    ) -> Verdict {
        self.control(from, source, Component::Rtcp, buffer, len, now)
    }

    /// RTCP that came on this port of side `from`.
    fn control(
        &mut self,
        from: Side,
        source: SocketAddr,
        component: Component,
        buffer: &mut [u8],
        len: usize,
        now: Now,
    ) -> Verdict {
        if component == Component::Rtcp
            && self.party(from).handshakes.is_some()
            && dtls::is_dtls(buffer.get(..len).unwrap_or_default())
        {
            return self.handle_handshake((from, component), source, &buffer[..len], now);
        }
        let (this, other) = self.parties(from);
        let len = match this.open(
            (buffer, len),
            component,
            |latch| latch.admits_control(source, component),
            Secured::unprotect_rtcp,
        ) {
            Ok(len) => len,
            Err(reason) => return this.drop(reason),
        };
        let Ok(compound) = Compound::parse(buffer.get(..len).unwrap_or_default()) else {
            return this.drop(DropReason::Malformed);
        };
        if !this.latch.is_described() {
            return this.drop(DropReason::NotYetKnown);
        }
        if !this.latch.accepts_control(source, component) {
            return this.drop(DropReason::Stranger);
        }
        if !this.rtcp_rate.allows(now.instant) {
            return this.drop(DropReason::TooFast);
        }
        this.reports
            .handle(&compound, other.stream.ssrc(), &other.reports, now.instant);
        let target = match other.is_muxed {
            true => (other.latch.target(), Component::Rtp),
            false => (other.latch.control_target(), Component::Rtcp),
        };
        self.last_heard = now.instant;
        self.send_on(from, target, (buffer, len), now, Secured::protect_rtcp)
    }

    /// A full hop of the caller's audio, at most one per call of `rtp`.
    pub fn poll_hop(&mut self) -> Option<Hop> {
        self.tap.as_mut()?.poll_hop()
    }

    /// Samples of the caller's audio that the tap has handed out since it was opened, or is about to: the clock on which a scorer is told of what
    /// else happens in the call. `None` without a tap.
    pub fn tapped_samples(&self) -> Option<u64> {
        Some(self.tap.as_ref()?.samples())
    }

    /// Gives a scored hop's buffer back for reuse.
    pub fn recycle(&mut self, hop: Hop) {
        if let Some(tap) = &mut self.tap {
            tap.recycle(hop);
        }
    }

    /// When silence will have lasted too long; past it `is_silent` is true.
    ///
    /// RTP and RTCP from either party both count as life, and so does a description. A call that rings, or that both
    /// parties hold, may well be silent: whether that ends it is for the call to say.
    pub fn deadline(&self) -> Instant {
        self.last_heard + self.silence
    }

    /// Whether nothing was heard from either party for `[media] silence`.
    pub fn is_silent(&self, now: Now) -> bool {
        now.instant >= self.deadline()
    }

    pub fn statistics(&self) -> Statistics {
        let mut statistics = Statistics {
            from_caller: self.a.statistics(&self.b),
            from_called: self.b.statistics(&self.a),
        };
        statistics.from_caller.calling_tone_seconds = self.tap_statistics().calling_tones;
        statistics
    }

    /// Packets of `side`, RTP and RTCP, that did not go on for this reason.
    pub fn dropped(&self, side: Side, reason: DropReason) -> u64 {
        self.party(side).drops[reason as usize]
    }

    /// What the party on `side` last reported about the audio it receives from the other party (RTCP).
    pub fn reported_by(&self, side: Side) -> Option<ReceptionReport> {
        self.party(side).reports.last()
    }

    /// What the taps of this call did so far.
    pub fn tap_statistics(&self) -> TapStatistics {
        let now = self.tap.as_ref().map(|tap| tap.statistics()).unwrap_or_default();
        TapStatistics {
            hops: self.tapped.hops + now.hops,
            concealed: self.tapped.concealed + now.concealed,
            left_out: self.tapped.left_out + now.left_out,
            late: self.tapped.late + now.late,
            calling_tones: self.tapped.calling_tones + now.calling_tones,
        }
    }

    /// Jitter and tap, for an accepted packet.
    fn follow(
        &mut self,
        from: Side,
        arrival: Arrival,
        packet: &Packet<'_>,
        (codec, time): (Option<Codec>, u32),
        now: Now,
    ) {
        let elapsed = now.instant.saturating_duration_since(self.started);
        let is_new = arrival.is_new();
        if is_new && codec.is_some() {
            // All packets of one telephone-event share a timestamp, so only audio tells of jitter. 8 units a ms.
            let arrived = (elapsed.as_micros() * 8 / 1000) as u32;
            self.parties(from).0.stream.handle_transit(arrived, time);
        }
        if is_new && from == Side::A && self.talking.is_some() {
            self.overhear(codec, packet, now);
        }
        let Some(tap) = self.tap.as_mut().filter(|_| from == Side::A) else {
            return;
        };
        if arrival == Arrival::Started {
            tap.restart();
        }
        if is_new || arrival == Arrival::Behind {
            let audio = codec.map(|codec| (codec, packet.payload()));
            tap.handle_packet(packet.sequence(), time, audio);
        }
    }

    /// What the other party did not announce, by a number that it did: the same under its own number, or other audio. Gives the
    /// packet's new length. `None`: it cannot be said in what the other party announced.
    fn translate(
        &mut self,
        from: Side,
        (arrival, time): (Arrival, u32),
        (payload_type, codec): (u8, Option<Codec>),
        buffer: &mut [u8],
        len: usize,
        now: Now,
    ) -> Option<usize> {
        let transcodes = self.transcodes;
        let (this, other) = self.parties(from);
        if other.is_spoken_to(now.instant) {
            return Some(len);
        }
        if let Some(number) = other.payloads.number(payload_type, this.payloads) {
            renumber(buffer, number);
            return Some(len);
        }
        let (Some((number, wanted)), Ok(packet)) =
            (other.voice, Packet::parse(buffer.get(..len).unwrap_or_default()))
        else {
            return Some(len);
        };
        if this.payloads.is_event(payload_type) {
            let key = Key::new(&packet, time, this.payloads.is_wide(payload_type));
            key.cross(other, buffer);
            return Some(len);
        }
        let audio = packet.payload_range();
        let is_opus = codec == Some(Codec::Opus) || wanted == Codec::Opus;
        if is_opus && (transcodes || codec.is_none()) {
            let said = Said {
                codec,
                sequence: packet.sequence(),
                arrival,
                time,
                audio,
            };
            return this.cross_opus(other, said, buffer);
        }
        if codec.is_none() && this.payloads.is_noise(payload_type) {
            let start = audio.start;
            let Some(frame) = buffer.get_mut(start..start + FRAME_SAMPLES) else {
                return Some(len);
            };
            this.transcoder.hush(wanted, frame, arrival.is_new());
            renumber(buffer, number);
            buffer[0] &= !PADDING;
            return Some(start + FRAME_SAMPLES);
        }
        let (Some(codec), true) = (codec, transcodes) else {
            return Some(len);
        };
        if audio.len() > TRANSLATED_OCTETS_MAX {
            return Some(len);
        }
        if arrival == Arrival::Started {
            this.transcoder = Transcoder::default();
        }
        renumber(buffer, number);
        if let Some(audio) = buffer.get_mut(audio) {
            this.transcoder.transcode(codec, wanted, audio, arrival.is_new());
            this.translated += 1;
        }
        Some(len)
    }

    /// What becomes of an accepted packet; encrypted, where the other leg is.
    pub(super) fn send_on(
        &mut self,
        from: Side,
        (target, component): (Target, Component),
        (buffer, len): (&mut [u8], usize),
        now: Now,
        protect: impl Fn(&mut Secured, &mut [u8], usize) -> Result<usize, Refused>,
    ) -> Verdict {
        let (this, other) = self.parties(from);
        if other.is_spoken_to(now.instant) {
            return this.drop(DropReason::OurTurn);
        }
        let to = match target {
            Target::At(to) => to,
            Target::Held => return this.drop(DropReason::OnHold),
            Target::Unknown => return this.drop(DropReason::NotYetKnown),
        };
        let protected = match other.outgoing(component) {
            Ok(None) => Ok(len),
            Ok(Some(secured)) => protect(secured, buffer, len).map_err(DropReason::from),
            Err(reason) => Err(reason),
        };
        match protected {
            Ok(len) => Verdict::Forward { to, len, component },
            Err(reason) => this.drop(reason),
        }
    }

    pub(super) fn parties(&mut self, side: Side) -> (&mut Party, &mut Party) {
        match side {
            Side::A => (&mut self.a, &mut self.b),
            Side::B => (&mut self.b, &mut self.a),
        }
    }

    pub(super) fn party(&self, side: Side) -> &Party {
        match side {
            Side::A => &self.a,
            Side::B => &self.b,
        }
    }
}

/// Figures only: addresses and audio have no place in a log.
impl fmt::Debug for Session {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Session")
            .field("is_tapped", &self.tap.is_some())
            .field("statistics", &self.statistics())
            .finish_non_exhaustive()
    }
}

/// Body of the fuzz target: the octets are one packet, shown to a described, tapped session as RTP and as RTCP.
///
/// # Panics
///
/// When a forwarded packet is not the packet that came, which is what the fuzzer looks for (and any other panic).
pub fn fuzz_media(octets: &[u8], session: &mut Session, now: Now) {
    let source = SocketAddr::from(([192, 0, 2, 1], 4000));
    let mut copy = octets.to_vec();
    for side in [Side::A, Side::B] {
        for verdict in [
            session.rtp(side, source, &mut copy, now),
            session.rtcp(side, source, &mut copy, now),
        ] {
            if let Verdict::Forward { len, .. } = verdict {
                assert_eq!(len, octets.len());
            }
        }
    }
    assert_eq!(copy, octets);
    if let Some(hop) = session.poll_hop() {
        session.recycle(hop);
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
