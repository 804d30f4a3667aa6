//! A parsed message: octets as received, and an index over them.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::error::ParseError;
use super::header_name::HeaderName;
use super::index::{self, HeaderSpan, StartLine};
use super::limits;
use super::method::Method;
use super::name_addr::{self, Address, NameAddr, NameAddrSpans};
use super::params::split_commas;
use super::uri::Uri;
use super::via::Via;

/// A parsed message: the received octets, untouched, and an index over them.
///
/// What makes a message belong to a transaction (Via, From, To, Call-ID, CSeq) has been checked
/// when a `Message` exists; every other header is read when asked for. Cloning shares the octets.
/// Prints (`{:?}`) its first words and size only.
#[derive(Clone)]
pub struct Message {
    inner: Arc<Inner>,
}

struct Inner {
    octets: Box<[u8]>,
    start: StartLine,
    headers: Vec<HeaderSpan>,
    body: usize,
    call_id: HeaderSpan,
    from: HeaderSpan,
    from_parts: NameAddrSpans,
    to: HeaderSpan,
    to_parts: NameAddrSpans,
    cseq_number: u32,
    /// Of CSeq; equal to the request's.
    method: Method,
}

impl Message {
    /// A whole datagram (RFC 3261 §18.3: no Content-Length = body to the end; larger than datagram = error 400; extra octets trimmed; leading CRLFs skipped).
    ///
    /// # Errors
    ///
    /// See [`ParseError`]: 400, 414, 505, 513, or no status for what is not SIP and for every
    /// response (a response never gets an answer).
    pub fn parse(octets: &[u8]) -> Result<Message, ParseError> {
        let octets = &octets[index::leading_crlf(octets)..];
        parse(octets).map_err(|error| match index::is_response(octets) {
            true => ParseError {
                status: None,
                ..error
            },
            false => error,
        })
    }

    /// From the start line to the end of the body, as received.
    pub fn octets(&self) -> &[u8] {
        &self.inner.octets
    }

    pub fn is_request(&self) -> bool {
        matches!(self.inner.start, StartLine::Request { .. })
    }

    /// The request's method; for a response the method of its CSeq.
    pub fn method(&self) -> Method {
        self.inner.method.clone()
    }

    /// None for a request.
    pub fn status(&self) -> Option<u16> {
        match self.inner.start {
            StartLine::Response { status, .. } => Some(status),
            StartLine::Request { .. } => None,
        }
    }

    /// None for a request. Ends before the first octet that is no UTF-8; may be empty.
    pub fn reason_phrase(&self) -> Option<&str> {
        match self.inner.start {
            StartLine::Response { reason, .. } => Some(self.text(reason)),
            StartLine::Request { .. } => None,
        }
    }

    /// None for a response. [`Uri::parse`](super::Uri::parse) of it succeeds.
    pub fn request_uri(&self) -> Option<&str> {
        match self.inner.start {
            StartLine::Request { uri, .. } => Some(self.text(uri)),
            StartLine::Response { .. } => None,
        }
    }

    /// First value of a header, any letter case, compact or long name, unfolded, trimmed. Invalid UTF-8 is replaced.
    pub fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.spans(name).next().map(|span| self.value(span))
    }

    /// Every header line of that name, in order (not comma-split).
    pub fn header_lines(&self, name: &str) -> Vec<Cow<'_, str>> {
        self.spans(name).map(|span| self.value(span)).collect()
    }

    /// Every value, comma-joined lines split respecting quotes and <>. Empty values are left out.
    ///
    /// Only for headers that are lists: a Date holds a comma of its own.
    pub fn header_values(&self, name: &str) -> Vec<Cow<'_, str>> {
        let mut values = Vec::new();
        for line in self.spans(name).map(|span| self.value(span)) {
            match line {
                Cow::Borrowed(text) => values.extend(split_commas(text).map(Cow::Borrowed)),
                Cow::Owned(text) => {
                    values.extend(split_commas(&text).map(|value| Cow::Owned(value.to_string())))
                }
            }
        }
        values.retain(|value| !value.is_empty());
        values
    }

    /// Every header line: name as written, value unfolded. For showing and comparing.
    pub fn headers(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        self.inner
            .headers
            .iter()
            .map(|span| (self.name_of(span), self.value(span)))
    }

    /// Visible ASCII without white space, at most 512 octets: checked when parsed.
    pub fn call_id(&self) -> &str {
        let span = &self.inner.call_id;
        self.text(span.value_at())
    }

    /// Below 2^31.
    pub fn cseq(&self) -> (u32, Method) {
        (self.inner.cseq_number, self.method())
    }

    pub fn from(&self) -> NameAddr {
        self.inner.from_parts.to_owned(&self.raw_from())
    }

    pub fn to(&self) -> NameAddr {
        self.inner.to_parts.to_owned(&self.raw_to())
    }

    /// [`Message::from`] without copying.
    pub fn from_address(&self) -> Address<'_> {
        Address::new(self.raw_from(), self.inner.from_parts)
    }

    /// [`Message::to`] without copying.
    pub fn to_address(&self) -> Address<'_> {
        Address::new(self.raw_to(), self.inner.to_parts)
    }

    /// Of From, as written; None also when it is empty.
    pub(crate) fn sender_tag(&self) -> Option<Cow<'_, str>> {
        tag(self.raw_from(), &self.inner.from_parts)
    }

    /// Of To, as written; None also when it is empty.
    pub(crate) fn to_tag(&self) -> Option<Cow<'_, str>> {
        tag(self.raw_to(), &self.inner.to_parts)
    }

    /// The first Contact; None when absent, `*` or broken.
    pub fn contact(&self) -> Option<NameAddr> {
        let line = self.named(HeaderName::Contact).next()?;
        NameAddr::parse(split_commas(&self.value(line)).next()?).ok()
    }

    /// [`Message::contact`] without copying (a folded line is unfolded).
    pub fn contact_address(&self) -> Option<Address<'_>> {
        let line = self.named(HeaderName::Contact).next()?;
        match self.value(line) {
            Cow::Borrowed(text) => Address::parse(split_commas(text).next()?).ok(),
            Cow::Owned(text) => {
                let first = split_commas(&text).next()?.to_string();
                let spans = name_addr::scan(&first).ok()?;
                Some(Address::new(Cow::Owned(first), spans))
            }
        }
    }

    /// The Request-URI in its parts; None for a response. It was looked at when the message was parsed, and is only
    /// copied here.
    pub fn request_target(&self) -> Option<Uri> {
        match self.inner.start {
            StartLine::Request { uri, spans, .. } => Some(Uri::of(self.text(uri), spans)),
            StartLine::Response { .. } => None,
        }
    }

    pub fn content_type(&self) -> Option<Cow<'_, str>> {
        self.header("Content-Type")
    }

    /// Empty when there is none.
    pub fn body(&self) -> &[u8] {
        &self.inner.octets[self.inner.body..]
    }

    pub(crate) fn method_ref(&self) -> &Method {
        &self.inner.method
    }

    pub(crate) fn cseq_number(&self) -> u32 {
        self.inner.cseq_number
    }

    /// From as it stands, unfolded.
    pub(crate) fn raw_from(&self) -> Cow<'_, str> {
        self.value(&self.inner.from)
    }

    /// To as it stands, unfolded.
    pub(crate) fn raw_to(&self) -> Cow<'_, str> {
        self.value(&self.inner.to)
    }

    /// The first Via line, unfolded; its first value is readable by [`Via::parse`].
    pub(crate) fn via_line(&self) -> Cow<'_, str> {
        let first = self.named(HeaderName::Via).next();
        first.map(|span| self.value(span)).unwrap_or_default()
    }

    /// The lines of a header that is known by number, unfolded.
    pub(crate) fn lines_of(&self, name: HeaderName) -> impl Iterator<Item = Cow<'_, str>> {
        self.named(name).map(|span| self.value(span))
    }

    fn named(&self, name: HeaderName) -> impl Iterator<Item = &HeaderSpan> {
        self.inner.headers.iter().filter(move |span| span.name == name)
    }

    fn spans<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a HeaderSpan> {
        let wanted = HeaderName::of(name.as_bytes());
        self.inner.headers.iter().filter(move |span| {
            span.name == wanted
                && (wanted != HeaderName::Other || self.name_of(span).eq_ignore_ascii_case(name))
        })
    }

    fn name_of(&self, span: &HeaderSpan) -> &str {
        self.text(span.name_at())
    }

    fn value(&self, span: &HeaderSpan) -> Cow<'_, str> {
        value(&self.inner.octets, span)
    }

    /// Empty if the octets are no UTF-8, which every caller has excluded before.
    fn text(&self, (start, end): (usize, usize)) -> &str {
        std::str::from_utf8(&self.inner.octets[start..end]).unwrap_or("")
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.inner.octets.len();
        match self.status() {
            Some(status) => write!(out, "Message({status} to {}, {size} octets)", self.inner.method),
            None => write!(out, "Message({}, {size} octets)", self.inner.method),
        }
    }
}

fn parse(octets: &[u8]) -> Result<Message, ParseError> {
    if octets.len() > limits::MESSAGE_OCTETS_MAX {
        let error = ParseError::bad("message", limits::MESSAGE_OCTETS_MAX, "at most 65535 octets");
        return Err(error.with_status(513));
    }
    let index = index::index(octets)?;
    let mut found = Singles::default();
    for span in &index.headers {
        found.take(octets, span)?;
    }
    let missing = |header| ParseError::bad(header, index.body.saturating_sub(2), "the header");
    let via = found.via.ok_or_else(|| missing("Via"))?;
    let from = found.from.ok_or_else(|| missing("From"))?;
    let to = found.to.ok_or_else(|| missing("To"))?;
    let call_id = found.call_id.ok_or_else(|| missing("Call-ID"))?;
    let cseq = found.cseq.ok_or_else(|| missing("CSeq"))?;

    Via::parse(&value(octets, &via)).map_err(|error| error.inside("Via", via.value_at().0))?;
    let parts = |name, span: &HeaderSpan| {
        name_addr::scan(&value(octets, span)).map_err(|error| error.inside(name, span.value_at().0))
    };
    let (from_parts, to_parts) = (parts("From", &from)?, parts("To", &to)?);
    check_call_id(octets, &call_id)?;
    let (cseq_number, method) = read_cseq(octets, &cseq, &index.start)?;
    if let Some(span) = found.max_forwards {
        index::decimal(span.value(octets))
            .filter(|&hops| hops <= 255)
            .ok_or_else(|| ParseError::bad("Max-Forwards", span.value_at().0, "a number from 0 to 255"))?;
    }
    let available = octets.len() - index.body;
    let length = found.length.unwrap_or(available);
    if length > available {
        return Err(ParseError::bad(
            "Content-Length",
            octets.len(),
            "as many octets as promised",
        ));
    }
    Ok(Message {
        inner: Arc::new(Inner {
            octets: octets[..index.body + length].into(),
            start: index.start,
            headers: index.headers,
            body: index.body,
            call_id,
            from,
            from_parts,
            to,
            to_parts,
            cseq_number,
            method,
        }),
    })
}

/// The headers every message needs. All but Via may stand there once only.
#[derive(Default)]
struct Singles {
    via: Option<HeaderSpan>,
    from: Option<HeaderSpan>,
    to: Option<HeaderSpan>,
    call_id: Option<HeaderSpan>,
    cseq: Option<HeaderSpan>,
    max_forwards: Option<HeaderSpan>,
    length: Option<usize>,
}

impl Singles {
    #[inline]
    fn take(&mut self, octets: &[u8], span: &HeaderSpan) -> Result<(), ParseError> {
        let (name, place) = match span.name {
            HeaderName::Via => {
                self.via.get_or_insert(*span);
                return Ok(());
            }
            HeaderName::From => ("From", &mut self.from),
            HeaderName::To => ("To", &mut self.to),
            HeaderName::CallId => ("Call-ID", &mut self.call_id),
            HeaderName::CSeq => ("CSeq", &mut self.cseq),
            HeaderName::MaxForwards => ("Max-Forwards", &mut self.max_forwards),
            HeaderName::ContentLength => return self.take_length(octets, span),
            _ => return Ok(()),
        };
        match place.replace(*span) {
            None => Ok(()),
            Some(_) => Err(ParseError::bad(name, span.name_at().0, "the header only once")),
        }
    }

    /// Said twice, it must be the same both times: whoever reads the other one would see another message.
    fn take_length(&mut self, octets: &[u8], span: &HeaderSpan) -> Result<(), ParseError> {
        let at = span.value_at().0;
        let read = index::decimal(span.value(octets))
            .ok_or_else(|| ParseError::bad("Content-Length", at, "a decimal number of octets"))?;
        match self.length.replace(read) {
            Some(known) if known != read => Err(ParseError::bad("Content-Length", at, "one length")),
            _ => Ok(()),
        }
    }
}

fn check_call_id(octets: &[u8], span: &HeaderSpan) -> Result<(), ParseError> {
    let at = span.value_at().0;
    let value = span.value(octets);
    if value.is_empty() || value.len() > limits::CALL_ID_OCTETS_MAX {
        return Err(ParseError::bad("Call-ID", at, "1 to 512 octets"));
    }
    // All of them without a way out in the middle: many at a time.
    if value.iter().fold(true, |all, b| all & b.is_ascii_graphic()) {
        return Ok(());
    }
    let offset = value
        .iter()
        .position(|b| !b.is_ascii_graphic())
        .unwrap_or_default();
    Err(ParseError::bad("Call-ID", at + offset, "visible ASCII"))
}

/// The number and the method, which is the request's.
fn read_cseq(octets: &[u8], span: &HeaderSpan, start: &StartLine) -> Result<(u32, Method), ParseError> {
    let at = span.value_at().0;
    let text = value(octets, span);
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    // RFC 3261 §8.1.1.5: MUST be less than 2^31.
    let number = text[..digits]
        .parse::<u32>()
        .ok()
        .filter(|&number| number < 1 << 31)
        .ok_or_else(|| ParseError::bad("CSeq", at, "a number below 2147483648"))?;
    let rest = &text[digits..];
    if !rest.starts_with([' ', '\t']) {
        return Err(ParseError::bad("CSeq", at + digits, "white space and a method"));
    }
    // Behind it there is none: a value was trimmed when it was found.
    let white = rest.bytes().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let written = &rest[white..];
    match start {
        StartLine::Request { method, .. } if method.as_str() == written => Ok((number, method.clone())),
        StartLine::Request { .. } => Err(ParseError::bad("CSeq", at + digits, "the method of the request")),
        StartLine::Response { .. } => Method::parse(written)
            .map(|method| (number, method))
            .ok_or_else(|| ParseError::bad("CSeq", at + digits, "a method")),
    }
}

/// As written, if its text is that of its header.
fn tag<'a>(text: Cow<'a, str>, parts: &NameAddrSpans) -> Option<Cow<'a, str>> {
    match text {
        Cow::Borrowed(text) => parts.tag(text).map(Cow::Borrowed),
        Cow::Owned(text) => parts.tag(&text).map(|tag| Cow::Owned(tag.to_string())),
    }
}

/// Unfolds (CRLF and the white space around it become one space) and replaces invalid UTF-8.
fn value<'a>(octets: &'a [u8], span: &HeaderSpan) -> Cow<'a, str> {
    let raw = span.value(octets);
    super::work::spend(raw.len());
    if !span.is_folded {
        return match std::str::from_utf8(raw) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => String::from_utf8_lossy(raw),
        };
    }
    let mut unfolded = Vec::with_capacity(raw.len());
    let mut at = 0;
    while at < raw.len() {
        if raw[at..].starts_with(b"\r\n") {
            let kept = unfolded
                .iter()
                .rev()
                .take_while(|b| matches!(b, b' ' | b'\t'))
                .count();
            super::work::spend(kept);
            unfolded.truncate(unfolded.len() - kept);
            at += 2;
            at += raw[at..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
            unfolded.push(b' ');
        } else {
            unfolded.push(raw[at]);
            at += 1;
        }
    }
    Cow::Owned(String::from_utf8_lossy(&unfolded).into_owned())
}
