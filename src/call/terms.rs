//! What a leg keeps of its session: the descriptions said last, what its peer takes, and its session timer (RFC 4028).
//!
//! Each leg has a timer of its own: what one side agreed to with us is nothing to the other side.

use std::time::Duration;

use crate::sip::{
    ClientTxn, Message, Refresher, Request, Response, SessionExpires, SessionTimer, ask_session_timer,
    min_se, tell_session_timer,
};

use super::desk::Desk;
use super::options;
use super::refusal::Refusal;

#[derive(Debug, Default)]
pub(crate) struct Terms {
    pub(crate) timer: Option<SessionTimer>,
    /// The peer's Allow names UPDATE.
    pub(crate) takes_update: bool,
    /// Our last description to this leg, and its last one to us, as octets: at most 16 KiB each (`sdp::limits`).
    pub(crate) said: Vec<u8>,
    pub(crate) heard: Vec<u8>,
    /// A refresh of ours under way.
    pub(crate) refresh: Option<Refresh>,
    /// Of the peer's 422.
    pub(super) min: Duration,
}

#[derive(Clone, Debug)]
pub(crate) struct Refresh {
    pub(crate) txn: ClientTxn,
    /// As sent: for whoever must end it when the call goes.
    pub(crate) sent: Request,
    pub(crate) is_invite: bool,
}

impl Terms {
    /// Of the side that sent `message` (an INVITE, or the 2xx to ours).
    pub(crate) fn new(message: &Message, said: Vec<u8>) -> Terms {
        Terms {
            takes_update: options::allows(message, "UPDATE"),
            said,
            heard: message.body().to_vec(),
            ..Terms::default()
        }
    }

    /// May this request have its Session-Expires? Looked at before it is carried anywhere.
    pub(crate) fn check(request: &Message, desk: &Desk) -> Result<(), Refusal> {
        let Some(wanted) = desk.config.session_expires else {
            return Ok(());
        };
        match SessionTimer::asked(request, wanted, None, desk.now().instant) {
            Ok(_) => Ok(()),
            Err(small) => Err(Refusal::IntervalTooSmall(small.0)),
        }
    }

    /// Our 2xx to a request of this side that refreshes its session: the timer begins anew.
    pub(crate) fn tell(&mut self, request: &Message, response: Response, desk: &Desk) -> Response {
        let response = response.header("Supported", options::supported(&desk.config));
        let Some(wanted) = desk.config.session_expires else {
            return response;
        };
        let now = desk.now().instant;
        match SessionTimer::asked(request, wanted, self.timer.as_ref(), now) {
            Ok(Some((timer, expires))) => {
                self.timer = Some(timer);
                tell_session_timer(response, expires)
            }
            _ => {
                self.timer = None;
                response
            }
        }
    }

    /// A request of ours to this side that refreshes its session, whatever else it does.
    pub(crate) fn ask(&self, request: Request, desk: &Desk) -> Request {
        let request = options::offer(request, false, &desk.config);
        match &self.timer {
            Some(timer) => ask_session_timer(request, timer.next(), self.min),
            None => request,
        }
    }

    /// The 2xx to such a request, or to our INVITE.
    pub(crate) fn on_agreed(&mut self, response: &Message, desk: &Desk) {
        self.timer = desk
            .config
            .session_expires
            .and_then(|_| SessionTimer::agreed(response, desk.now().instant));
    }

    /// A 422: what it wants, if that is more than what we asked for.
    pub(crate) fn lengthen(&mut self, response: &Message) -> bool {
        let (min, Some(timer)) = (min_se(response), &mut self.timer) else {
            return false;
        };
        let is_more = min > timer.interval();
        timer.lengthen(min);
        self.min = min;
        is_more
    }

    /// Whether a request of this side says again what it said last: a refresh, and nothing for the other leg.
    pub(crate) fn is_repetition(&self, request: &Message) -> bool {
        !self.heard.is_empty() && !self.said.is_empty() && request.body() == self.heard
    }
}

/// Session-Expires of an INVITE to a phone.
pub(crate) fn offer(invite: Request, desk: &Desk) -> Request {
    let Some(interval) = desk.config.session_expires else {
        return invite;
    };
    let expires = SessionExpires {
        interval,
        refresher: None::<Refresher>,
    };
    ask_session_timer(invite, expires, Duration::ZERO)
}

/// After a 422 to such an INVITE: the same with the interval it wants, if that is more than we asked for.
pub(crate) fn offer_longer(invite: &mut Request, response: &Message) -> bool {
    let min = min_se(response);
    let asked = invite
        .header_value("Session-Expires")
        .and_then(|value| value.parse().ok())
        .map(Duration::from_secs);
    if asked.is_none_or(|asked| min <= asked) {
        return false;
    }
    let is_ours = |name: &str| name == "Session-Expires" || name == "Min-SE";
    invite.headers.retain(|(name, _)| !is_ours(name));
    let expires = SessionExpires {
        interval: min,
        refresher: None,
    };
    *invite = ask_session_timer(invite.clone(), expires, min);
    true
}
