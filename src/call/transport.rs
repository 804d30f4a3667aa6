//! How the packets of one leg travel: encrypted or not, RTP and RTCP on one port (RFC 5761) or on two.
//!
//! Each leg agrees on its own. One port is offered wherever the configuration has nothing against it and the payload types
//! allow it; until the answer is there, and with a peer that does not speak of it, RTCP is taken on a port of its own.

use std::net::IpAddr;

use crate::media::Keys;
use crate::media::dtls::Terms;
use crate::sdp::{Fingerprint, Protection, Session, Suites, Transport};

use super::encryption::{PLAIN, Security, Wanted};
use super::random::Randomness;
use super::refusal::Refusal;

/// What one leg has agreed with us, or may.
#[derive(Clone, Debug)]
pub(crate) struct Travel {
    security: Security,
    /// Whether one port may be spoken of at all.
    muxes: bool,
    /// Our last description spoke of it.
    is_mux_said: bool,
    is_muxed: bool,
    /// Where its SIP comes from, where its RTP may come from nowhere else but where it describes.
    pub(super) signalled: Option<IpAddr>,
}

/// What was agreed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Agreed {
    /// How the leg is encrypted; `None` = plain, or as a handshake says.
    pub(crate) keys: Option<Box<Keys>>,
    /// The handshake that says it (DTLS-SRTP).
    pub(crate) dtls: Option<Box<Terms>>,
    /// RTCP comes and goes on the port of RTP.
    pub(crate) rtcp_mux: bool,
    /// Where its SIP comes from; `None` = its RTP may come from anywhere.
    pub(crate) signalled: Option<IpAddr>,
}

impl Travel {
    pub(crate) fn new(
        wanted: impl Into<Wanted>,
        (suites, ours): (Suites, Option<Fingerprint>),
        muxes: bool,
        random: &mut Randomness,
    ) -> Travel {
        Travel {
            security: Security::new(wanted, suites, || random.octets()).with_dtls(ours),
            muxes,
            is_mux_said: false,
            is_muxed: false,
            signalled: None,
        }
    }

    /// Whether this leg is to be encrypted, where that is known only now. Before anything was said on it.
    pub(crate) fn want(&mut self, wanted: Wanted, random: &mut Randomness) {
        self.security = self.security.wanting(wanted, || random.octets());
    }

    /// As [`Security::renew`].
    pub(crate) fn renew(&mut self, random: impl FnOnce() -> [u8; 32]) {
        self.security.renew(random);
    }

    /// How it travels now.
    pub(crate) fn agreed(&self) -> Agreed {
        Agreed {
            keys: self.security.keys().cloned().map(Box::new),
            dtls: self.security.terms().cloned().map(Box::new),
            rtcp_mux: self.is_muxed,
            signalled: self.signalled,
        }
    }

    /// As [`Security::heed`].
    pub(crate) fn heed(&self, offer: Session) -> Result<Session, Refusal> {
        self.security.heed(offer)
    }

    /// What our next offer to this leg says, with these words.
    ///
    /// # Errors
    ///
    /// 488 for a fax, which has no keys, where nothing may be plain.
    pub(crate) fn offer(&mut self, words: &Session) -> Result<Transport, Refusal> {
        if words.is_fax() && self.security.is_required() {
            return Err(PLAIN);
        }
        let protection = self.security.offer();
        let rtcp_mux = self.muxes && words.may_mux_rtcp();
        Ok(self.say(protection, rtcp_mux))
    }

    /// As [`Security::insist`].
    pub(crate) fn insist(&mut self) -> bool {
        self.security.insist()
    }

    /// What our answer with these words to this offer of the leg says, which is agreed with that.
    ///
    /// # Errors
    ///
    /// As [`Security::answer`].
    pub(crate) fn answer(&mut self, offer: &Session, words: &Session) -> Result<Transport, Refusal> {
        let protection = self.security.answer(offer)?;
        self.is_muxed = self.muxes && offer.rtcp_mux() && words.may_mux_rtcp();
        Ok(self.say(protection, self.is_muxed))
    }

    /// As [`Security::foresee`].
    pub(crate) fn foresee(&mut self, offer: &Session) {
        self.security.foresee(offer);
        self.is_muxed = self.muxes && offer.rtcp_mux();
    }

    /// The leg has answered what we said last.
    ///
    /// # Errors
    ///
    /// As [`Security::take_answer`].
    pub(crate) fn take_answer(&mut self, answer: &Session) -> Result<(), Refusal> {
        self.security.take_answer(answer)?;
        // Who speaks of it unasked has not understood it (RFC 5761 §5.1.1).
        self.is_muxed = self.is_mux_said && answer.rtcp_mux();
        Ok(())
    }

    fn say(&mut self, protection: Protection, rtcp_mux: bool) -> Transport {
        self.is_mux_said = rtcp_mux;
        Transport { protection, rtcp_mux }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::Encryption;

    fn said(formats: &str, is_muxed: bool) -> Session {
        let mux = if is_muxed { "a=rtcp-mux\r\n" } else { "" };
        let text = format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP {formats}\r\n\
             a=rtpmap:70 PCMU/8000\r\n{mux}"
        );
        Session::parse(text.as_bytes()).unwrap()
    }

    fn leg(muxes: bool) -> Travel {
        let random = &mut Randomness::new(&[3; 32]);
        Travel::new(Encryption::Off, (Suites::default(), None), muxes, random)
    }

    #[test]
    fn one_port_is_offered_unless_a_payload_type_looks_like_rtcp() {
        for (muxes, formats, expected) in [(true, "0 8", true), (true, "0 70", false), (false, "0 8", false)]
        {
            let offer = leg(muxes).offer(&said(formats, true)).unwrap();
            assert_eq!(offer.rtcp_mux, expected, "{muxes} {formats}");
        }
    }

    #[test]
    fn it_is_agreed_where_both_have_said_it() {
        for (is_offered, is_answered) in [(true, true), (true, false), (false, true), (false, false)] {
            let mut leg = leg(is_offered);
            leg.offer(&said("0", false)).unwrap();
            leg.take_answer(&said("0", is_answered)).unwrap();
            assert_eq!(leg.agreed().rtcp_mux, is_offered && is_answered);
        }
    }

    #[test]
    fn an_offer_of_one_port_is_answered_so_and_another_is_not() {
        let mut leg = leg(true);
        for is_muxed in [true, false, true] {
            let answer = leg.answer(&said("0", is_muxed), &said("0", false)).unwrap();
            assert_eq!((answer.rtcp_mux, leg.agreed().rtcp_mux), (is_muxed, is_muxed));
        }
        leg.foresee(&said("0", false));
        assert!(!leg.agreed().rtcp_mux);
        for (offer, words) in [("70", "0"), ("0", "0 70"), ("70", "70")] {
            let answer = leg.answer(&said(offer, true), &said(words, true)).unwrap();
            assert!(!answer.rtcp_mux && !leg.agreed().rtcp_mux, "{offer}, {words}");
        }
    }
}
