//! The top Via: who sent this, and where an answer goes (RFC 3261 §18.2, RFC 3581).

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use super::error::ParseError;
use super::params::{Params, comma_offset, is_white};
use super::uri::host_length;

/// One Via value, borrowed from its (unfolded) text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Via<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: Option<u16>,
    pub(crate) branch: Option<&'a str>,
    pub(crate) has_rport: bool,
}

impl<'a> Via<'a> {
    /// The first value of a Via line.
    ///
    /// # Errors
    ///
    /// Anything but `SIP/2.0/transport host[:port]` and well-formed parameters.
    pub(crate) fn parse(line: &'a str) -> Result<Via<'a>, ParseError> {
        let head = sent_by_offset(line).ok_or_else(|| ParseError::bad("Via", 0, "SIP/2.0/transport"))?;
        let length = host_length(&line[head..]).ok_or_else(|| ParseError::bad("Via", head, "a host"))?;
        let host = &line[head..head + length];
        let (port, params) = port(line, head + length)?;
        let mut via = Via {
            host,
            port,
            branch: None,
            has_rport: false,
        };
        for param in Params::of_first(&line[params..]) {
            match param.map_err(|at| ParseError::bad("Via", params + at, "a parameter"))? {
                (name, value) if name.eq_ignore_ascii_case("branch") => via.branch = value,
                (name, _) if name.eq_ignore_ascii_case("rport") => via.has_rport = true,
                _ => {}
            }
        }
        Ok(via)
    }

    /// A branch that names its transaction by itself (RFC 3261 §8.1.1.7). The bare cookie does not.
    pub(crate) fn unique_branch(&self) -> Option<&'a str> {
        let branch = self.branch?;
        let cookie = branch.get(..COOKIE.len())?;
        (cookie.eq_ignore_ascii_case(COOKIE) && branch.len() > COOKIE.len()).then_some(branch)
    }

    /// Where a UDP answer goes: the source address, and its port if asked for by rport
    /// (RFC 3581), else the port in sent-by (RFC 3261 §18.2.2).
    pub(crate) fn udp_destination(&self, source: SocketAddr) -> SocketAddr {
        match self.has_rport {
            true => source,
            false => SocketAddr::new(source.ip(), self.port.unwrap_or(5060)),
        }
    }
}

/// The `: port` at `at`, if it is one, and where the parameters begin.
fn port(line: &str, at: usize) -> Result<(Option<u16>, usize), ParseError> {
    let octets = line.as_bytes();
    let skip_white = |mut at: usize| {
        while octets.get(at).is_some_and(|&b| is_white(b)) {
            at += 1;
        }
        at
    };
    let mut end = skip_white(at);
    let mut port = None;
    if octets.get(end) == Some(&b':') {
        let start = skip_white(end + 1);
        let digits = octets[start..].iter().take_while(|b| b.is_ascii_digit()).count();
        end = start + digits;
        let read = line[start..end].parse();
        port = Some(read.map_err(|_| ParseError::bad("Via", at, "a port"))?);
        end = skip_white(end);
    }
    match octets.get(end) {
        None | Some(b';' | b',') => Ok((port, end)),
        Some(_) => Err(ParseError::bad("Via", at, "a port")),
    }
}

/// The mark of RFC 3261 in a branch.
pub(crate) const COOKIE: &str = "z9hG4bK";

/// The Via line as it goes into our answers: `received` and `rport` filled in on its first value.
///
/// What the sender wrote into `received` is thrown away. A line that cannot be read stays as it is.
pub(crate) fn amend(line: &str, source: SocketAddr) -> String {
    let Ok(via) = Via::parse(line) else {
        return line.to_string();
    };
    let end = comma_offset(line).unwrap_or(line.len());
    let (value, rest) = line.split_at(end);
    let params = value.find(';').unwrap_or(value.len());
    let mut amended = value[..params].trim_end().to_string();
    for (name, written) in Params::new(&value[params..]).map_while(Result::ok) {
        // Writing to a String cannot fail.
        let _ = match written {
            _ if name.eq_ignore_ascii_case("received") => Ok(()),
            _ if name.eq_ignore_ascii_case("rport") => write!(amended, ";rport={}", source.port()),
            Some(written) => write!(amended, ";{name}={written}"),
            None => write!(amended, ";{name}"),
        };
    }
    let bare = via.host.trim_matches(['[', ']']);
    let is_source = bare.parse::<IpAddr>().is_ok_and(|host| host == source.ip());
    if via.has_rport || !is_source {
        let _ = write!(amended, ";received={}", source.ip());
    }
    amended.push_str(rest);
    amended
}

/// Skips `SIP / 2.0 / UDP ` and gives the offset of the host.
fn sent_by_offset(text: &str) -> Option<usize> {
    let octets = text.as_bytes();
    super::work::spend(text.len().min(64));
    let mut at = 0;
    let skip_white = |at: &mut usize| {
        let start = *at;
        while octets.get(*at).is_some_and(|&b| is_white(b)) {
            *at += 1;
        }
        *at > start
    };
    for expected in ["SIP", "2.0"] {
        skip_white(&mut at);
        let word = text.get(at..at + expected.len())?;
        if !word.eq_ignore_ascii_case(expected) {
            return None;
        }
        at += expected.len();
        skip_white(&mut at);
        if octets.get(at) != Some(&b'/') {
            return None;
        }
        at += 1;
    }
    skip_white(&mut at);
    let start = at;
    while octets.get(at).is_some_and(|&b| super::method::is_token(b)) {
        at += 1;
    }
    (at > start && skip_white(&mut at)).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_via_is_read_with_odd_white_space_and_ipv6() {
        let via =
            Via::parse("SIP  / 2.0  /UDP     192.0.2.2 : 5080 ;branch=390skdjuw, SIP/2.0/TCP x").unwrap();
        assert_eq!(
            (via.host, via.port, via.branch),
            ("192.0.2.2", Some(5080), Some("390skdjuw"))
        );
        assert_eq!(via.unique_branch(), None);
        let via = Via::parse("sip/2.0/tls [2001:db8::9]:1;rport;Branch=z9hG4bKab").unwrap();
        assert_eq!(
            (via.host, via.port, via.has_rport),
            ("[2001:db8::9]", Some(1), true)
        );
        assert_eq!(via.unique_branch(), Some("z9hG4bKab"));
        assert_eq!(
            Via::parse("SIP/2.0/UDP h;branch=z9hG4bK")
                .unwrap()
                .unique_branch(),
            None
        );
    }

    #[test]
    fn broken_vias_are_refused() {
        for text in [
            "",
            "SIP/2.0/UDP",
            "SIP/3.0/UDP h",
            "SIP/2.0/UDP h;;,;,,",
            "SIP/2.0/UDP h:x",
            "HTTP/1.1 h",
            "SIP/2.0/UDP ;branch=x",
        ] {
            assert!(Via::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn answers_carry_received_and_rport() {
        let source: SocketAddr = "192.0.2.7:4000".parse().unwrap();
        assert_eq!(
            amend(
                "SIP/2.0/UDP 10.1.1.1:5060;rport;branch=z9hG4bK1, SIP/2.0/UDP x",
                source
            ),
            "SIP/2.0/UDP 10.1.1.1:5060;rport=4000;branch=z9hG4bK1;received=192.0.2.7, SIP/2.0/UDP x"
        );
        assert_eq!(
            amend("SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1;received=8.8.8.8", source),
            "SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1"
        );
        assert_eq!(
            amend("SIP/2.0/UDP host.example;branch=z9hG4bK1", source),
            "SIP/2.0/UDP host.example;branch=z9hG4bK1;received=192.0.2.7"
        );
    }

    #[test]
    fn udp_answers_go_to_the_source_with_rport_or_to_the_written_port() {
        let source: SocketAddr = "192.0.2.7:4000".parse().unwrap();
        let to = |text| Via::parse(text).unwrap().udp_destination(source).to_string();
        assert_eq!(to("SIP/2.0/UDP 10.1.1.1:5070;rport"), "192.0.2.7:4000");
        assert_eq!(to("SIP/2.0/UDP 10.1.1.1:5070"), "192.0.2.7:5070");
        assert_eq!(to("SIP/2.0/UDP 10.1.1.1;maddr=224.2.0.1"), "192.0.2.7:5060");
    }
}
