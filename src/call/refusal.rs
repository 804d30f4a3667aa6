//! SIP status codes, in one place: which, with which words, and with which headers.

use std::time::Duration;

use crate::sip::{Message, Method, Response};

use super::limits::RETRY_AFTER_SECONDS;
use super::profile::Answer;
use super::{Config, options};

/// Methods we understand (RFC 3261 §20.5).
pub(crate) const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO, PRACK";

/// The same for a phone, which may also send its call on (RFC 3515).
pub(crate) const ALLOW_PHONE: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO, PRACK, REFER";

/// What a phone is told that wants to send a call on, or to call somebody outside, in a lockdown.
pub(crate) const LOCKED_DOWN: &str = "there is a lockdown: calls come in, and none is sent on or goes out";

/// Why a request is answered with something else than its wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// 400: a header that a dialog needs is missing or broken.
    BadRequest,
    /// 403: a phone of a queue may answer calls, not make them.
    NotATrunk,
    /// 403 to a REFER, with the reason for whoever reads the trace.
    Transfer(&'static str),
    /// 404: no queue has this number.
    NoQueue,
    /// 405: known, but not taken.
    NotAllowed,
    /// 406: the caller takes no session description as an answer.
    NothingAccepted,
    /// 413: an INFO body larger than we carry across.
    BodyTooLarge,
    /// 415: a body that is not a session description.
    NotSdp,
    /// 416: a Request-URI of a scheme we do not know.
    UnknownScheme,
    /// 420, with the options we do not know.
    UnknownOptions(Vec<String>),
    /// 422, with the shortest session interval we agree to (RFC 4028 §6).
    IntervalTooSmall(Duration),
    /// 480: the operator or a limit ended it before anybody answered.
    Unavailable,
    /// 481
    NoDialog,
    /// 482: the same request came over two ways (RFC 3261 §8.2.2.2).
    Merged,
    /// 482: an INVITE of ours that came back to the number it was for (RFC 3261 §16.3).
    Loop,
    /// 483
    TooManyHops,
    /// 487: the caller gave up.
    Cancelled,
    /// 488, with the reason for whoever reads the trace.
    NotAcceptable(&'static str),
    /// 491: an exchange of descriptions is under way.
    Pending,
    /// 500 with Retry-After: not now.
    NotNow,
    /// 501: a method we do not know.
    NotImplemented,
    /// 503 with Retry-After: full, or closing.
    Busy,
    /// A status that the hunt or the other leg chose.
    Status(u16),
    /// As policy wants it said.
    Policy(Box<Answer>),
}

impl Refusal {
    pub(crate) fn status(&self) -> u16 {
        match self {
            Refusal::BadRequest => 400,
            Refusal::NotATrunk | Refusal::Transfer(_) => 403,
            Refusal::NoQueue => 404,
            Refusal::NotAllowed => 405,
            Refusal::NothingAccepted => 406,
            Refusal::BodyTooLarge => 413,
            Refusal::NotSdp => 415,
            Refusal::UnknownScheme => 416,
            Refusal::UnknownOptions(_) => 420,
            Refusal::IntervalTooSmall(_) => 422,
            Refusal::Unavailable => 480,
            Refusal::NoDialog => 481,
            Refusal::Merged | Refusal::Loop => 482,
            Refusal::TooManyHops => 483,
            Refusal::Cancelled => 487,
            Refusal::NotAcceptable(_) => 488,
            Refusal::Pending => 491,
            Refusal::NotNow => 500,
            Refusal::NotImplemented => 501,
            Refusal::Busy => 503,
            Refusal::Status(status) => *status,
            Refusal::Policy(answer) => answer.status,
        }
    }

    /// The response, complete but for our To tag.
    pub(crate) fn answer(&self, request: &Message) -> Response {
        let status = self.status();
        let words = match self {
            Refusal::Policy(answer) => answer.phrase,
            _ => phrase(status),
        };
        let response = Response::new(request, status, words);
        match self {
            Refusal::Policy(answer) => answer
                .headers
                .iter()
                .fold(response, |response, (name, value)| response.header(name, value)),
            Refusal::NotAllowed | Refusal::NotImplemented => response.header("Allow", ALLOW),
            Refusal::NotSdp => response.header("Accept", "application/sdp"),
            Refusal::UnknownOptions(options) => response.header("Unsupported", options.join(", ")),
            Refusal::IntervalTooSmall(min) => response.header("Min-SE", min.as_secs().to_string()),
            // 399 is "miscellaneous"; a pseudonym stands where our host would (RFC 3261 §20.43).
            Refusal::NotAcceptable(why) | Refusal::Transfer(why) => response.header(
                "Warning",
                format!("399 ringward \"{}\"", why.replace(['"', '\\'], "")),
            ),
            Refusal::NotNow => response.header("Retry-After", "2"),
            Refusal::Busy => response.header("Retry-After", RETRY_AFTER_SECONDS.to_string()),
            _ => response,
        }
    }
}

/// The answer to OPTIONS, inside a dialog and outside (RFC 3261 §11.2).
pub(crate) fn capabilities(request: &Message, config: &Config) -> Response {
    Response::new(request, 200, phrase(200))
        .header("Allow", ALLOW)
        .header("Supported", options::supported(config))
        .header("Accept", "application/sdp")
}

/// Why a request of this method is not taken.
pub(crate) fn of_method(method: &Method) -> Refusal {
    match method {
        Method::Other(_) => Refusal::NotImplemented,
        _ => Refusal::NotAllowed,
    }
}

/// The reason phrase of a status (RFC 3261 §21 and the RFCs that added to it).
pub(crate) fn phrase(status: u16) -> &'static str {
    match status {
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        413 => "Request Entity Too Large",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        428 => "Use Identity Header",
        433 => "Anonymity Disallowed",
        436 => "Bad Identity Info",
        437 => "Unsupported Credential",
        438 => "Invalid Identity Header",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        600 => "Busy Everywhere",
        603 => "Decline",
        606 => "Not Acceptable",
        607 => "Unwanted",
        608 => "Rejected",
        status if status < 200 => "Progress",
        status if status < 300 => "OK",
        status if status < 400 => "Redirected",
        status if status < 500 => "Request Failed",
        status if status < 600 => "Server Failed",
        _ => "Failed",
    }
}

/// `Reason` for phones whose call somebody else took (RFC 3326).
pub(crate) const ANSWERED_ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

/// The reason phrase of a verification's failure (RFC 8224 §6.2.2): 403 has words of its own there.
pub(crate) fn stir_phrase(status: u16) -> &'static str {
    if status == 403 {
        "Stale Date"
    } else {
        phrase(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_words() {
        for status in [
            400, 403, 404, 405, 406, 413, 415, 416, 420, 422, 480, 481, 482, 483, 487, 488, 491, 500, 501,
            503, 504, 608,
        ] {
            assert!(!phrase(status).ends_with("Failed"), "{status}");
        }
    }
}
