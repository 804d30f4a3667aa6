//! Phones of a queue: a SIP URI whose host is an address, after names are resolved.

use std::net::{IpAddr, ToSocketAddrs};

/// What can be wrong with a target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TargetFault {
    #[error("a target is a SIP URI such as sip:desk@10.0.0.5:5060")]
    Scheme,
    #[error("transport is udp, tcp or tls")]
    Transport,
    #[error("sips: goes over TLS, not over UDP")]
    SipsOverUdp,
    #[error("the user part has a character that must be written as %HH")]
    User,
    #[error("no host between \"@\" and the port")]
    Host,
    #[error("the port is a number from 1 to 65535")]
    Port,
    #[error("a parameter has a character that does not belong there")]
    Parameter,
    #[error("the name {0} cannot be resolved: {1}")]
    Unresolved(String, std::io::ErrorKind),
}

/// The URI with its host as an address. `resolve` looks names up (the system's resolver, or a table in tests).
pub(super) fn parse(
    text: &str,
    resolve: impl Fn(&str) -> std::io::Result<IpAddr>,
) -> Result<String, TargetFault> {
    let (scheme, rest) = text.split_once(':').ok_or(TargetFault::Scheme)?;
    let is_sips = scheme.eq_ignore_ascii_case("sips");
    if !is_sips && !scheme.eq_ignore_ascii_case("sip") || rest.len() > 256 {
        return Err(TargetFault::Scheme);
    }
    let (address, parameters) = match rest.split_once(';') {
        // A semicolon before the "@" belongs to the user part (RFC 3261 §25.1 user-unreserved).
        Some(_) if rest.contains('@') => {
            let at = rest.rfind('@').unwrap_or(0);
            match rest[at..].split_once(';') {
                Some((host, parameters)) => (&rest[..at + host.len()], Some(parameters)),
                None => (rest, None),
            }
        }
        Some((address, parameters)) => (address, Some(parameters)),
        None => (rest, None),
    };
    let (user, host_port) = match address.rsplit_once('@') {
        Some((user, host_port)) => (Some(user), host_port),
        None => (None, address),
    };
    let is_user = |b: u8| b.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/%:".contains(&b);
    if user.is_some_and(|user| user.is_empty() || !user.bytes().all(is_user)) {
        return Err(TargetFault::User);
    }

    let (host, port) = if let Some(inner) = host_port.strip_prefix('[') {
        let (host, after) = inner.split_once(']').ok_or(TargetFault::Host)?;
        (
            host,
            after
                .strip_prefix(':')
                .or(after.is_empty().then_some(""))
                .ok_or(TargetFault::Port)?,
        )
    } else {
        host_port.split_once(':').unwrap_or((host_port, ""))
    };
    let has_port = host_port.len() > host.len() && !port.is_empty();
    if has_port && !port.parse::<u16>().is_ok_and(|port| port > 0) || host_port.ends_with(':') {
        return Err(TargetFault::Port);
    }
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-._:".contains(&b);
    if host.is_empty() || !host.bytes().all(is_name) {
        return Err(TargetFault::Host);
    }
    if let Some(parameters) = parameters {
        check_parameters(parameters, is_sips)?;
    }

    let address = match host.parse::<IpAddr>() {
        Ok(address) => address,
        Err(_) => resolve(host).map_err(|error| TargetFault::Unresolved(host.into(), error.kind()))?,
    };
    let mut uri = String::from(if is_sips { "sips:" } else { "sip:" });
    if let Some(user) = user {
        uri += user;
        uri.push('@');
    }
    match address {
        IpAddr::V4(address) => uri += &address.to_string(),
        IpAddr::V6(address) => uri += &format!("[{address}]"),
    }
    if has_port {
        uri.push(':');
        uri += port;
    }
    if let Some(parameters) = parameters {
        uri.push(';');
        uri += parameters;
    }
    Ok(uri)
}

fn check_parameters(parameters: &str, is_sips: bool) -> Result<(), TargetFault> {
    for parameter in parameters.split(';') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.!~*'()[]/:&+$%".contains(&b);
        if name.is_empty() || !parameter.bytes().all(|b| b == b'=' || is_plain(b)) {
            return Err(TargetFault::Parameter);
        }
        if name.eq_ignore_ascii_case("transport") {
            match value.to_ascii_lowercase().as_str() {
                "udp" if is_sips => return Err(TargetFault::SipsOverUdp),
                "udp" | "tcp" | "tls" => {}
                _ => return Err(TargetFault::Transport),
            }
        }
    }
    Ok(())
}

/// The system's resolver. An IPv4 address is preferred: phones without IPv6 are still the rule.
pub(super) fn resolve(host: &str) -> std::io::Result<IpAddr> {
    let found: Vec<IpAddr> = (host, 0u16)
        .to_socket_addrs()?
        .map(|address| address.ip())
        .collect();
    let first = found
        .iter()
        .find(|address| address.is_ipv4())
        .or_else(|| found.first());
    first.copied().ok_or_else(|| std::io::ErrorKind::NotFound.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(host: &str) -> std::io::Result<IpAddr> {
        match host {
            "desk.lan" => Ok([10, 0, 0, 7].into()),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        }
    }

    fn check(text: &str, expected: &str) {
        let uri = crate::sip::Uri::parse(expected).unwrap();
        assert!(uri.socket_addr().is_some(), "{expected}");
        assert_eq!(parse(text, table).as_deref(), Ok(expected), "{text}");
    }

    #[test]
    fn a_target_keeps_everything_but_its_name() {
        check("sip:desk@10.0.0.5:5060", "sip:desk@10.0.0.5:5060");
        check("sip:10.0.0.5", "sip:10.0.0.5");
        check(
            "SIP:desk@desk.lan;transport=tcp",
            "sip:desk@10.0.0.7;transport=tcp",
        );
        check(
            "sip:+12125550100;phone-context=x@[2001:DB8::1]:5080;user=phone",
            "sip:+12125550100;phone-context=x@[2001:db8::1]:5080;user=phone",
        );
        check("sip:desk@[::1]", "sip:desk@[::1]");
        check("SIPS:desk@10.0.0.5", "sips:desk@10.0.0.5");
        check(
            "sip:desk@10.0.0.5;transport=tls",
            "sip:desk@10.0.0.5;transport=tls",
        );
    }

    #[test]
    fn what_cannot_be_rung_says_why() {
        for (text, expected) in [
            ("desk", TargetFault::Scheme),
            ("tel:+12125550100", TargetFault::Scheme),
            ("sips:desk@10.0.0.5;transport=udp", TargetFault::SipsOverUdp),
            ("sip:desk@10.0.0.5;transport=sctp", TargetFault::Transport),
            ("sip:de sk@10.0.0.5", TargetFault::User),
            ("sip:@10.0.0.5", TargetFault::User),
            ("sip:desk@", TargetFault::Host),
            ("sip:desk@[::1", TargetFault::Host),
            ("sip:desk@10.0.0.5:0", TargetFault::Port),
            ("sip:desk@10.0.0.5:70000", TargetFault::Port),
            ("sip:desk@10.0.0.5:", TargetFault::Port),
            ("sip:desk@[::1]5060", TargetFault::Port),
            ("sip:desk@10.0.0.5;;", TargetFault::Parameter),
            ("sip:desk@10.0.0.5;a=\r\nb", TargetFault::Parameter),
            (
                "sip:desk@nowhere.lan",
                TargetFault::Unresolved("nowhere.lan".into(), std::io::ErrorKind::NotFound),
            ),
        ] {
            assert_eq!(parse(text, table), Err(expected), "{text}");
        }
    }
}
