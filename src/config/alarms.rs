//! `[alarms]`: by which rules people are told what is unusual, and where it is sent.

use std::net::SocketAddr;
use std::path::Path;

use super::Alarms;
use crate::alarm::Rules;
use crate::document::{DOCUMENT_OCTETS_MAX, Section, shown};
use crate::given_file;

pub(super) fn read(root: &Section<'_, '_>, folder: &Path) -> Alarms {
    let mut alarms = Alarms::default();
    let Some(section) = root.section("alarms") else {
        return alarms;
    };
    section.only(&["file", "syslog", "format", "email"]);
    alarms.email = super::email::read(&section, root, folder);
    if let Some(file) = section.required_string_if_present("file") {
        let path = folder.join(file.get);
        let read = given_file::read_text(&path, DOCUMENT_OCTETS_MAX as u64);
        match read.map(|text| Rules::load(&path.display().to_string(), &text)) {
            Ok(Ok(rules)) => alarms.rules = rules,
            Ok(Err(faults)) => {
                for fault in faults {
                    section.fault(file.at.clone(), fault.to_string(), None);
                }
            }
            Err(problem) => section.fault(file.at, format!("{:?}: {problem}", shown(file.get)), None),
        }
    }
    if let Some(to) = section.required_string_if_present("syslog") {
        let address = to
            .get
            .strip_prefix("udp:")
            .and_then(|text| text.parse::<SocketAddr>().ok());
        match address.filter(|address| address.port() != 0 && !address.ip().is_unspecified()) {
            Some(address) => alarms.syslog = Some(address),
            None => {
                let message = format!(
                    "syslog is {:?}; expected udp:ADDRESS:PORT, such as udp:10.0.0.9:514",
                    shown(to.get)
                );
                section.fault(to.at, message, None);
            }
        }
    }
    if let Some(is_ocsf) = section.choice("format", &[("cef", false), ("ocsf", true)]) {
        alarms.is_ocsf = is_ocsf;
        if section.value("syslog").is_none() {
            section.fault(
                section.place("format"),
                "format is of what is sent to syslog, and nothing is",
                None,
            );
        }
    }
    alarms
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn alarms_go_by_the_rules_in_the_binary_or_by_a_file_whose_faults_are_told() {
        let config = Config::parse("x.toml", "").unwrap();
        assert_eq!((config.alarms.syslog, config.alarms.is_ocsf), (None, false));
        let text = "[alarms]\nsyslog = \"udp:10.0.0.9:514\"\nformat = \"ocsf\"\n";
        let config = Config::parse("x.toml", text).unwrap();
        assert_eq!(config.alarms.syslog, Some("10.0.0.9:514".parse().unwrap()));
        assert!(config.alarms.is_ocsf);
        let folder = std::env::temp_dir().join(format!("ringward-alarms-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let rules = folder.join("alarms.toml");
        std::fs::write(&rules, "[[rule]]\nid = \"a\"\nwatch = \"volum\"\n").unwrap();
        let text = format!("[alarms]\nfile = {:?}\n", rules.display().to_string());
        let faults = Config::parse("x.toml", &text).unwrap_err();
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(
            faults[0].message.contains("alarms.toml:3:9: watch is"),
            "{}",
            faults[0]
        );
        for wrong in [
            "file = \"no-such-file.toml\"",
            "syslog = \"10.0.0.9:514\"",
            "syslog = \"udp:siem:514\"",
            "format = \"cef\"",
            "noise = 1",
        ] {
            assert!(
                Config::parse("x.toml", &format!("[alarms]\n{wrong}\n")).is_err(),
                "{wrong}"
            );
        }
    }
}
