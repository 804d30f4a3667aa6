//! Phones of a queue: a SIP URI whose host is an address or a name. Names are looked up while the gateway runs.

use std::net::IpAddr;

/// What can be wrong with a target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TargetFault {
    #[error("a target is a SIP URI such as sip:desk@10.0.0.5:5060")]
    Scheme,
    #[error(
        "a device is device:NAME; the name begins with a small letter and has up to 48 of a-z, 0-9, -, _ and ."
    )]
    Device,
    #[error("a person is person:NAME, with the name of an account")]
    Person,
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
}

/// The URI in its usual form.
pub(super) fn parse(text: &str) -> Result<String, TargetFault> {
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
    let address = host.parse::<IpAddr>().ok();
    if address.is_none() && !is_name(host) {
        return Err(TargetFault::Host);
    }
    if let Some(parameters) = parameters {
        check_parameters(parameters, is_sips)?;
    }

    let mut uri = String::from(if is_sips { "sips:" } else { "sip:" });
    if let Some(user) = user {
        uri += user;
        uri.push('@');
    }
    match address {
        Some(IpAddr::V4(address)) => uri += &address.to_string(),
        Some(IpAddr::V6(address)) => uri += &format!("[{address}]"),
        None => uri += &host.to_ascii_lowercase(),
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

/// A host name (RFC 1123 §2.1, and the underline that many networks have). One that ends in a number would be a
/// mistyped address.
fn is_name(host: &str) -> bool {
    let labels = host.strip_suffix('.').unwrap_or(host).split('.');
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    let last = labels.clone().next_back().unwrap_or_default();
    host.len() <= 253 && labels.clone().all(is_label) && !last.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let uri = crate::sip::Uri::parse(expected).unwrap();
        assert!(crate::route::Target::of(&uri).is_some(), "{expected}");
        assert_eq!(parse(text).as_deref(), Ok(expected), "{text}");
    }

    #[test]
    fn a_target_is_kept_as_it_was_written() {
        check("sip:desk@10.0.0.5:5060", "sip:desk@10.0.0.5:5060");
        check("sip:10.0.0.5", "sip:10.0.0.5");
        check(
            "SIP:desk@Desk.lan;transport=tcp",
            "sip:desk@desk.lan;transport=tcp",
        );
        check(
            "sip:+12125550100;phone-context=x@[2001:DB8::1]:5080;user=phone",
            "sip:+12125550100;phone-context=x@[2001:db8::1]:5080;user=phone",
        );
        check("sip:desk@[::1]", "sip:desk@[::1]");
        check("sip:desk@pbx.example.com", "sip:desk@pbx.example.com");
        check("sip:pbx", "sip:pbx");
        check("sips:desk@pbx.example.com:5071", "sips:desk@pbx.example.com:5071");
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
            ("sip:desk@10.0.0.500", TargetFault::Host),
            ("sip:desk@pbx..example", TargetFault::Host),
            ("sip:desk@-pbx.example", TargetFault::Host),
        ] {
            assert_eq!(parse(text), Err(expected), "{text}");
        }
    }
}
