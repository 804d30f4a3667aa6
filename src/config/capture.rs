//! `[capture]`: a mirror of signalling for Homer and its like.

use std::net::IpAddr;

use super::secret;
use crate::capture::{Collector, Config};
use crate::document::{Section, shown};
use crate::redact::Redacted;

/// What Homer's own agents say when nobody gives them a number.
const ID: u32 = 2001;

pub(super) fn read(root: &Section<'_, '_>) -> Option<Config> {
    let section = root.section("capture")?;
    section.only(&["hep", "id", "password"]);
    let id = section
        .integer("id", 0..=i64::from(u32::MAX))
        .map_or(ID, |id| id as u32);
    let password = section
        .string("password")
        .and_then(|value| secret::expand(&section, &value))
        .map(Redacted::new);
    let written = section.required_string("hep")?;
    let Some(hep) = written.get.strip_prefix("udp:").and_then(collector) else {
        let message = format!(
            "hep is {:?}; expected udp:HOST:PORT, such as udp:10.0.0.9:9060",
            shown(written.get)
        );
        section.fault(written.at, message, None);
        return None;
    };
    Some(Config { hep, id, password })
}

fn collector(text: &str) -> Option<Collector> {
    let (host, port) = text.rsplit_once(':')?;
    let port: u16 = port.parse().ok().filter(|port| *port != 0)?;
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    let is_name = !bare.is_empty()
        && bare.len() <= HOST_OCTETS_MAX
        && bare
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let is_address = bare
        .parse::<IpAddr>()
        .is_ok_and(|address| !address.is_unspecified());
    (is_address || is_name && bare.parse::<IpAddr>().is_err()).then(|| Collector {
        host: bare.to_string(),
        port,
    })
}

/// Octets of a host's name (RFC 1035 §2.3.4).
const HOST_OCTETS_MAX: usize = 253;

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn a_mirror_is_off_unless_asked_for_and_its_password_is_not_printed() {
        let config = Config::parse("x.toml", "").unwrap();
        assert_eq!(config.capture, None);
        let text = "[capture]\nhep = \"udp:10.0.0.9:9060\"\nid = 7\npassword = \"hunter2hunter2\"\n";
        let capture = Config::parse("x.toml", text).unwrap().capture.expect("a mirror");
        let address = capture.hep.address();
        assert_eq!((address, capture.id), (Some("10.0.0.9:9060".parse().unwrap()), 7));
        assert!(!format!("{capture:?}").contains("hunter2"));
    }

    #[test]
    fn a_collector_may_have_a_name() {
        let named = |hep: &str| {
            let text = format!("[capture]\nhep = {hep:?}\n");
            Config::parse("x.toml", &text).unwrap().capture.unwrap().hep
        };
        let found = named("udp:homer.example:9060");
        assert_eq!(
            (found.host.as_str(), found.port, found.address()),
            ("homer.example", 9060, None)
        );
        assert_eq!(
            named("udp:[2001:db8::9]:9060").address(),
            Some("[2001:db8::9]:9060".parse().unwrap())
        );
    }

    #[test]
    fn what_is_no_collector_is_said() {
        for hep in [
            "10.0.0.9:9060",
            "tcp:10.0.0.9:9060",
            "udp:homer.example",
            "udp:ho mer:9060",
            "udp:0.0.0.0:9060",
            "udp:10.0.0.9:0",
        ] {
            let faults = Config::parse("x.toml", &format!("[capture]\nhep = {hep:?}\n")).unwrap_err();
            assert!(
                faults[0].message.contains("udp:10.0.0.9:9060"),
                "{hep}: {}",
                faults[0]
            );
        }
        assert!(
            Config::parse("x.toml", "[capture]\nid = 1\n").is_err(),
            "hep is wanted"
        );
    }
}
