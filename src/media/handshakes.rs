//! Legs whose keys come by handshake ([`dtls`](super::dtls)): until they are there nothing of the leg is let through, either way.
//!
//! A handshake goes by the ports of the audio, so whoever may not speak for a side (see [`latch`](super::latch)) may not shake
//! hands for it either; who has proven himself by one is the side's source from then on. RTCP on a port of its own has a
//! handshake and keys of its own (RFC 5764 §4.1); on one port for both there is one.
//!
//! Keys hold for as long as the description speaks of the certificate that proved them. With another certificate they are gone at
//! once, and with them whatever the party before could still say.
//!
//! Whoever was answered is listened to until it has said nothing new for [`DTLS_TURN`]; meanwhile only a better address is heard
//! beside it: the described one, then another port of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::dtls::{Association, Fault, Identity, Outcome, Terms};
use super::latch::Target;
use super::limits::{DTLS_BURST, DTLS_PER_SECOND, DTLS_TURN};
use super::party::Party;
use super::rate::Rate;
use super::session::Session;
use super::srtp::{Keys, Secured};
use super::{Component, DropReason, Side, Verdict};
use crate::sdp::Suite;
use crate::time::Now;

/// The handshakes of one side.
pub(super) struct Handshakes {
    terms: Terms,
    identity: Arc<Identity>,
    is_muxed: bool,
    /// Of RTP, of RTCP where that has a port of its own.
    parts: [Option<Part>; 2],
    /// What RTCP on a port of its own is encrypted with.
    control: Option<Box<Secured>>,
    event: Option<Result<Suite, Fault>>,
}

struct Part {
    association: Association,
    /// Whose messages were taken last; nobody's yet: the side's address is spoken to.
    peer: Option<Peer>,
    /// Of others, and of the described address.
    rates: [Rate; 2],
}

#[derive(Clone, Copy)]
struct Peer {
    address: SocketAddr,
    /// As in [`Latch::rank`](super::latch::Latch::rank), for the description of now.
    rank: u8,
    /// When it last said something new.
    at: Instant,
}

/// The rank of the described address.
const DESCRIBED: u8 = 2;

/// What is encrypted with what: `own` are the keys of a side's audio, and of its RTCP where no handshake says otherwise.
///
/// # Errors
///
/// [`DropReason::NotYetSecured`] where a handshake is to give keys and has not yet.
pub(super) fn secured<'p>(
    own: &'p mut Option<Box<Secured>>,
    handshakes: &'p mut Option<Box<Handshakes>>,
    component: Component,
) -> Result<Option<&'p mut Secured>, DropReason> {
    let Some(handshakes) = handshakes else {
        return Ok(own.as_deref_mut());
    };
    let keys = match component {
        Component::Rtcp if !handshakes.is_muxed => &mut handshakes.control,
        _ => own,
    };
    keys.as_deref_mut().map(Some).ok_or(DropReason::NotYetSecured)
}

impl Handshakes {
    fn new(terms: &Terms, identity: &Arc<Identity>, is_muxed: bool, now: Instant) -> Handshakes {
        let mut handshakes = Handshakes {
            terms: terms.clone(),
            identity: identity.clone(),
            is_muxed,
            parts: [None, None],
            control: None,
            event: None,
        };
        handshakes.begin(now);
        handshakes
    }

    /// All of them, from the beginning.
    pub(super) fn begin(&mut self, now: Instant) {
        let rtp = Part::new(&self.terms, &self.identity, now);
        let rtcp = (!self.is_muxed).then(|| Part::new(&self.terms, &self.identity, now));
        self.parts = [Some(rtp), rtcp];
    }

    /// Those that came to nothing, from the beginning.
    fn begin_failed(&mut self, now: Instant) {
        for part in self.parts.iter_mut().flatten() {
            if part.association.is_failed() {
                *part = Part::new(&self.terms, &self.identity, now);
            }
        }
    }

    fn mux(&mut self, on: bool, now: Instant) {
        if self.is_muxed != on {
            self.is_muxed = on;
            self.control = None;
            self.parts[1] = (!on).then(|| Part::new(&self.terms, &self.identity, now));
        }
    }
}

impl Part {
    fn new(terms: &Terms, identity: &Arc<Identity>, now: Instant) -> Part {
        Part {
            association: Association::new(terms, identity, now),
            peer: None,
            rates: [(); 2].map(|()| Rate::new(DTLS_PER_SECOND, DTLS_BURST, now)),
        }
    }

    /// Shows it a packet that came from an address of this rank.
    fn handle(
        &mut self,
        (source, rank): (SocketAddr, u8),
        packet: &[u8],
        now: Instant,
    ) -> Result<(), DropReason> {
        let other = self.peer.filter(|peer| peer.address != source);
        if let Some(peer) = other.filter(|_| self.association.is_under_way()) {
            let is_its_turn = now < peer.at + DTLS_TURN;
            if rank < peer.rank || rank == peer.rank && is_its_turn {
                return Err(DropReason::Stranger);
            }
        }
        let is_described = rank == DESCRIBED;
        if !self.rates[usize::from(is_described)].allows(now) {
            return Err(DropReason::TooFast);
        }
        if other.is_some_and(|peer| rank > peer.rank) {
            self.association.rewind(now);
        }
        let before = self.association.progress();
        self.association.handle_from(packet, is_described, now);
        if self.association.progress() != before {
            self.peer = Some(Peer {
                address: source,
                rank,
                at: now,
            });
        }
        Ok(())
    }
}

impl Session {
    /// The keys of `side` come by this handshake from now on, or not by any (`None`). Said together with a description, after
    /// [`Session::mux`], and instead of [`Session::secure`] with keys.
    ///
    /// The same terms again change nothing (RFC 8842 §5), but that a handshake which came to nothing begins anew. With others it
    /// begins anew; keys that the same certificate has proven hold until it is over, any others are gone.
    ///
    /// True: what the handshake before came to says nothing of these terms.
    pub fn handshake(&mut self, side: Side, agreed: Option<(&Terms, &Arc<Identity>)>, now: Now) -> bool {
        let this = self.parties(side).0;
        let is_muxed = this.is_muxed;
        let before = this.handshakes.as_ref().map(|before| &before.terms.fingerprints);
        match agreed {
            Some((terms, _)) if before != Some(&terms.fingerprints) => this.secured = None,
            Some(_) => {}
            None if before.is_some() => {
                if let Some(secured) = &mut this.secured {
                    secured.forget_before();
                }
            }
            None => {}
        }
        match (&mut this.handshakes, agreed) {
            (Some(handshakes), Some((terms, _))) if handshakes.terms == *terms => {
                handshakes.mux(is_muxed, now.instant);
                handshakes.begin_failed(now.instant);
                false
            }
            (handshakes, agreed) => {
                *handshakes = agreed.map(|(terms, identity)| {
                    Box::new(Handshakes::new(terms, identity, is_muxed, now.instant))
                });
                true
            }
        }
    }

    /// A packet of a handshake came on this port of a side.
    pub(super) fn handle_handshake(
        &mut self,
        (from, component): (Side, Component),
        source: SocketAddr,
        packet: &[u8],
        now: Now,
    ) -> Verdict {
        let this = self.parties(from).0;
        if !this.latch.is_described() {
            return this.drop(DropReason::NotYetKnown);
        }
        let rank = this.latch.rank(source, component);
        let handshakes = this.handshakes.as_mut();
        let Some(part) = handshakes.and_then(|handshakes| handshakes.parts[component as usize].as_mut())
        else {
            return this.drop(DropReason::Malformed);
        };
        let is_admitted = match component {
            Component::Rtp => this.latch.admits(source, now.instant),
            Component::Rtcp => this.latch.admits_control(source, component),
        };
        if !is_admitted {
            return this.drop(DropReason::Stranger);
        }
        if let Err(reason) = part.handle((source, rank), packet, now.instant) {
            return this.drop(reason);
        }
        if this.take_outcome(component) {
            // As good as a packet that its key authenticates.
            match component {
                Component::Rtp => this.latch.accepts(source, now.instant),
                Component::Rtcp => this.latch.accepts_control(source, component),
            };
        }
        Verdict::Taken
    }

    /// What is to be said in the handshakes of a side: by which of its ports, to whom, which octets. Asked after every packet that
    /// was [`Verdict::Taken`], after a description, and after [`Session::handle_handshake_timeout`].
    pub fn poll_handshake(&mut self, side: Side) -> Option<(Component, SocketAddr, Vec<u8>)> {
        let this = self.parties(side).0;
        let parts = &mut this.handshakes.as_mut()?.parts;
        for (component, part) in [Component::Rtp, Component::Rtcp].into_iter().zip(parts) {
            let Some(part) = part else { continue };
            let target = match (part.peer, component) {
                (Some(peer), _) => Target::At(peer.address),
                (None, Component::Rtp) => this.latch.target(),
                (None, Component::Rtcp) => this.latch.control_target(),
            };
            while let Some(datagram) = part.association.poll_transmit() {
                if let Target::At(to) = target {
                    return Some((component, to, datagram));
                }
            }
        }
        None
    }

    /// What came of a handshake for the audio of a side, each told once: its suite, or why there are no keys.
    pub fn poll_secured(&mut self) -> Option<(Side, Result<Suite, Fault>)> {
        [Side::A, Side::B].into_iter().find_map(|side| {
            let handshakes = self.parties(side).0.handshakes.as_mut()?;
            Some((side, handshakes.event.take()?))
        })
    }

    /// When [`Session::handle_handshake_timeout`] is to be called; `None` while nobody waits for anybody.
    pub fn handshake_deadline(&self) -> Option<Instant> {
        let both = [&self.a, &self.b].into_iter();
        both.filter_map(|party| party.handshakes.as_ref())
            .flat_map(|handshakes| handshakes.parts.iter().flatten())
            .filter_map(|part| part.association.poll_timeout())
            .min()
    }

    /// Flights that were not answered are said again, and what has lasted too long is given up.
    pub fn handle_handshake_timeout(&mut self, now: Now) {
        for side in [Side::A, Side::B] {
            let this = self.parties(side).0;
            for component in [Component::Rtp, Component::Rtcp] {
                let handshakes = this.handshakes.as_mut();
                let part = handshakes.and_then(|handshakes| handshakes.parts[component as usize].as_mut());
                if let Some(part) = part {
                    part.association.handle_timeout(now.instant);
                    this.take_outcome(component);
                }
            }
        }
    }
}

impl Party {
    /// True where there are keys now.
    fn take_outcome(&mut self, component: Component) -> bool {
        let Some(handshakes) = &mut self.handshakes else {
            return false;
        };
        let part = handshakes.parts[component as usize].as_mut();
        match (part.and_then(|part| part.association.poll_secured()), component) {
            (Some(Outcome::Keys(keys)), Component::Rtp) => {
                handshakes.event = Some(Ok(keys.suite()));
                rekey(&mut self.secured, &keys);
                true
            }
            (Some(Outcome::Keys(keys)), Component::Rtcp) => {
                rekey(&mut handshakes.control, &keys);
                true
            }
            // The same certificate has proven what keys there are (see `handshake`): a phone that needs no others is not silenced.
            (Some(Outcome::Failed(Fault::Stalled)), Component::Rtp) if self.secured.is_some() => {
                handshakes.event = self.secured.as_ref().map(|secured| Ok(secured.suite()));
                false
            }
            (Some(Outcome::Failed(fault)), Component::Rtp) => {
                self.secured = None;
                handshakes.event = Some(Err(fault));
                false
            }
            _ => false,
        }
    }
}

fn rekey(secured: &mut Option<Box<Secured>>, keys: &Keys) {
    match secured {
        Some(secured) => secured.rekey(keys),
        None => *secured = Some(Box::new(Secured::new(keys))),
    }
}

#[cfg(test)]
#[path = "handshakes_tests.rs"]
mod tests;
