//! `[capture]`: a mirror of signalling for Homer and its like.

use std::net::SocketAddr;

use super::secret;
use crate::capture::Config;
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
    let address = written.get.strip_prefix("udp:").map(str::parse::<SocketAddr>);
    let Some(Ok(hep)) = address.filter(|address| address.as_ref().is_ok_and(|address| address.port() != 0))
    else {
        let message = format!(
            "hep is {:?}; expected udp:ADDRESS:PORT, such as udp:10.0.0.9:9060",
            shown(written.get)
        );
        section.fault(written.at, message, None);
        return None;
    };
    Some(Config { hep, id, password })
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn a_mirror_is_off_unless_asked_for_and_its_password_is_not_printed() {
        let config = Config::parse("x.toml", "").unwrap();
        assert_eq!(config.capture, None);
        let text = "[capture]\nhep = \"udp:10.0.0.9:9060\"\nid = 7\npassword = \"hunter2hunter2\"\n";
        let capture = Config::parse("x.toml", text).unwrap().capture.expect("a mirror");
        assert_eq!((capture.hep, capture.id), ("10.0.0.9:9060".parse().unwrap(), 7));
        assert!(!format!("{capture:?}").contains("hunter2"));
    }

    #[test]
    fn what_is_no_collector_is_said() {
        for hep in [
            "10.0.0.9:9060",
            "tcp:10.0.0.9:9060",
            "udp:homer.example:9060",
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
