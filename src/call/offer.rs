//! Session descriptions on their way from one leg to the other: read, anchored on our own address, counted.

use std::net::IpAddr;

use crate::call_id::CallId;
use crate::media::Side;
use crate::sdp::Session;
use crate::sip::Message;

use super::Output;
use super::refusal::Refusal;

/// Our `o=` line towards one leg (RFC 8866 §5.2): one id for the call, a version that counts up.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    session_id: u64,
    version: u64,
}

impl Origin {
    /// `session_id` is shortened to 62 bits: some peers read it as a signed number.
    pub(crate) fn new(session_id: u64) -> Origin {
        Origin {
            session_id: session_id >> 2,
            version: 0,
        }
    }

    /// This description as the other leg gets it: our address, `port`, a version not used before.
    ///
    /// # Errors
    ///
    /// 488 when no codec is left that we can carry.
    pub(crate) fn anchored(
        &mut self,
        session: &Session,
        ours: IpAddr,
        port: u16,
    ) -> Result<Vec<u8>, Refusal> {
        self.version += 1;
        session
            .anchored(ours, port, self.session_id, self.version)
            .map_err(|_| Refusal::NotAcceptable("no audio codec in common (PCMU, PCMA)"))
    }
}

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
        return Err(Refusal::NotAcceptable("no audio codec in common (PCMU, PCMA)"));
    }
    Ok(Some(session))
}

/// A description we have read before.
pub(crate) fn session(octets: &[u8]) -> Option<Session> {
    Session::parse(octets).ok()
}

/// Tells the media what the party on `side` said. Nothing when it gave no address to send to.
pub(crate) fn describe(call: CallId, side: Side, session: &Session) -> Option<Output> {
    Some(Output::DescribeMedia {
        call,
        side,
        audio: session.audio_address()?,
        codecs: session.codecs(),
        telephone_event: session.telephone_event(),
    })
}
