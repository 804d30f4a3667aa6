//! `to`, `register`, credentials and numbers of a `[[trunk]]`: where calls of ours go out, where we are to be found, how
//! either side proves who it is, and how it writes telephone numbers.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use stir_shaken_verify::NumberRules;

use super::limits::{
    ADDRESSES_MAX, PREFIX_CHARS_MAX, PREFIXES_MAX, SECRET_OCTETS_MAX, TRUNKS_MAX, USER_CHARS_MAX,
};
use super::read::check_count;
use crate::call::{HostCredentials, NumberPlan, Peer, Rules};
use crate::digest::{Algorithm, Credentials, Hash, Secret};
use crate::document::{Section, Value, shown, shown_path};
use crate::registration::{
    self,
    limits::{GRANTED_MAX, GRANTED_MIN},
};
use crate::sip::Uri;

/// How long a registration lasts when nothing is said.
const EXPIRES: Duration = Duration::from_secs(600);

/// What a carrier is asked by: one of its servers. A name is looked up when we run.
pub(super) fn read_peer(section: &Section<'_, '_>, key: &str) -> Option<Peer> {
    let value = section.required_string_if_present(key)?;
    match peer(value.get) {
        Ok(peer) => Some(peer),
        Err(problem) => {
            let message = format!("{key} is {:?}: {problem}", shown(value.get));
            section.fault(value.at, message, None);
            None
        }
    }
}

fn peer(text: &str) -> Result<Peer, String> {
    const EXPECTED: &str =
        "expected a server such as sip:carrier.example or sip:203.0.113.7:5060;transport=tcp";
    let uri = Uri::parse(text).map_err(|_| EXPECTED.to_string())?;
    let host = uri.host().filter(|_| uri.is_sip()).ok_or(EXPECTED)?;
    if text.contains(['@', '?']) {
        return Err(format!("{EXPECTED}, without a user"));
    }
    let transport = uri.transport();
    let names = uri.param("transport");
    let is_plain =
        uri.scheme().eq_ignore_ascii_case("sip") && text.matches(';').count() <= names.iter().count();
    if !is_plain || names.is_some_and(|name| !name.eq_ignore_ascii_case(&transport.to_string())) {
        return Err("transport is udp, tcp or tls, and nothing else may be said of the server".to_string());
    }
    let address = uri.socket_addr();
    if uri.port() == Some(0) || address.is_some_and(|address| address.ip().is_unspecified()) {
        return Err("nobody can be reached there".to_string());
    }
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.:[]".contains(&octet);
    if !host.bytes().all(is_plain) {
        return Err("that is no name of a host".to_string());
    }
    let host = match uri.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_string(),
    };
    Ok(Peer {
        host,
        transport,
        addresses: address.into_iter().collect(),
    })
}

/// A host by itself.
#[derive(Debug, PartialEq, Eq)]
enum Host {
    Address(IpAddr),
    /// In small letters, without the dot at its end. Looked up while we run.
    Name(Arc<str>),
}

fn host(text: &str) -> Option<Host> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Ok(address) = bare.unwrap_or(text).parse::<IpAddr>() {
        return Some(Host::Address(address.to_canonical()));
    }
    let name = text.trim_end_matches('.').to_ascii_lowercase();
    let is_label = |label: &str| {
        let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_".contains(&octet);
        (1..=63).contains(&label.len()) && label.bytes().all(is_plain)
    };
    // What ends in a number is a mistyped address (RFC 3696 §2).
    let is_number = name
        .rsplit('.')
        .next()?
        .bytes()
        .all(|octet| octet.is_ascii_digit());
    let is_name = name.len() <= 253 && name.split('.').all(is_label) && !is_number;
    is_name.then(|| Host::Name(name.into()))
}

/// `digest`: what strangers may prove themselves with.
pub(super) fn read_hashes(section: &Section<'_, '_>) -> Option<Vec<Hash>> {
    let written = section.strings("digest")?;
    if written.is_empty() {
        section.fault(
            section.place("digest"),
            "digest needs at least one algorithm",
            None,
        );
    }
    let mut hashes = Vec::new();
    for value in written {
        match Algorithm::parse(value.get) {
            Some(algorithm) if !algorithm.is_session => hashes.push(algorithm.hash),
            _ => {
                let message = format!(
                    "{:?} is no algorithm; expected SHA-512-256, SHA-256 or MD5",
                    shown(value.get)
                );
                section.fault(value.at, message, None);
            }
        }
    }
    Some(hashes)
}

/// `register` and `expires`.
pub(super) fn read_registration(
    section: &Section<'_, '_>,
    trunk: &str,
    credentials: Option<&Credentials>,
) -> Option<registration::Config> {
    let expires = section.duration("expires", GRANTED_MIN..=GRANTED_MAX);
    if section.value("register").is_none() {
        if section.value("expires").is_some() {
            section.fault(section.place("expires"), "expires without register", None);
        }
        return None;
    }
    if section.value("user").is_none() {
        let message = "register needs user and password: who we are at the carrier";
        section.fault(section.place("register"), message, None);
    }
    let peer = read_peer(section, "register")?;
    Some(registration::Config {
        trunk: trunk.to_string(),
        host: peer.host,
        transport: peer.transport,
        addresses: peer.addresses,
        user: credentials?.user.clone(),
        expires: expires.unwrap_or(EXPIRES),
    })
}

/// `country`, `national_prefix`, `international_prefix`, `called` and `calling`.
pub(super) fn read_numbers(section: &Section<'_, '_>) -> NumberPlan {
    let country = section.required_string_if_present("country").and_then(|value| {
        if let Err(problem) = NumberRules::new(value.get) {
            section.fault(value.at, problem.to_string(), None);
            return None;
        }
        Some(value.get.to_string())
    });
    let prefix = |key: &str| {
        let value = section.string(key)?;
        let is_sound = value.get.len() <= PREFIX_CHARS_MAX
            && value.get.chars().all(|c| c.is_ascii_digit() || "*#".contains(c));
        if !is_sound {
            let message = format!(
                "{key} is {:?}; expected digits such as \"0\" or \"00\"",
                shown(value.get)
            );
            section.fault(value.at, message, None);
        }
        is_sound.then(|| value.get.to_string())
    };
    NumberPlan {
        country,
        national_prefix: prefix("national_prefix"),
        international_prefix: prefix("international_prefix"),
        called: read_rules(section, "called"),
        calling: read_rules(section, "calling"),
    }
}

fn read_rules(section: &Section<'_, '_>, key: &str) -> Rules {
    let Some(section) = section.section(key) else {
        return Rules::default();
    };
    section.only(&["strip", "add"]);
    let is_sound = |text: &str| {
        text.len() <= PREFIX_CHARS_MAX
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+*#".contains(c))
    };
    let strip = section.strings("strip").unwrap_or_default();
    let add = section.string("add");
    if strip.len() > PREFIXES_MAX {
        let message = format!("strip holds at most {PREFIXES_MAX} beginnings of numbers");
        section.fault(section.place("strip"), message, None);
    }
    for value in strip.iter().chain(&add) {
        if !is_sound(value.get) || value.get.is_empty() && add.as_ref().is_none_or(|add| add.at != value.at) {
            let message = format!("{:?} is no beginning of a number", shown(value.get));
            section.fault(value.at.clone(), message, None);
        }
    }
    Rules {
        strip: strip.iter().map(|value| value.get.to_string()).collect(),
        add: add.map(|value| value.get.to_string()).unwrap_or_default(),
    }
}

/// `[[credentials]]`: for phones of queues, or what stands before them.
pub(super) fn read_hosts(root: &Section<'_, '_>, folder: &Path) -> Vec<HostCredentials> {
    if root.value("credentials").is_none() {
        return Vec::new();
    }
    let sections = root.sections("credentials");
    check_count(root, "credentials", &sections, TRUNKS_MAX);
    let mut all: Vec<HostCredentials> = Vec::new();
    for section in sections.iter().take(TRUNKS_MAX) {
        section.only(&["hosts", "user", "password", "password_file", "realm"]);
        let hosts = section.strings("hosts").unwrap_or_default();
        if hosts.is_empty() || hosts.len() > ADDRESSES_MAX {
            let message = format!(
                "hosts needs one to {ADDRESSES_MAX} hosts of targets: who may ask for these credentials"
            );
            section.fault(section.place("hosts"), message, None);
        }
        let (mut names, mut addresses): (Vec<Arc<str>>, Vec<IpAddr>) = (Vec::new(), Vec::new());
        for value in hosts {
            let is_taken = match host(value.get) {
                Some(Host::Address(address)) => {
                    addresses.push(address);
                    all.iter().any(|other| other.addresses.contains(&address))
                }
                Some(Host::Name(name)) => {
                    let is_taken = all.iter().any(|other| other.hosts.contains(&name));
                    names.push(name);
                    is_taken
                }
                None => {
                    let message = format!(
                        "{:?} is no host: a name or an address, without a port",
                        shown(value.get)
                    );
                    section.fault(value.at.clone(), message, None);
                    false
                }
            };
            if is_taken {
                let message = format!("{} has other credentials already", shown(value.get));
                section.fault(value.at, message, None);
            }
        }
        if section.value("user").is_none() {
            section.fault(section.at.clone(), "credentials need a user and a password", None);
        }
        if let Some(credentials) = read_credentials(section, folder) {
            all.push(HostCredentials {
                hosts: names,
                addresses,
                credentials,
            });
        }
    }
    all
}

/// `number`: ours, E.164.
pub(super) fn read_number(section: &Section<'_, '_>) -> Option<String> {
    let value = section.required_string_if_present("number")?;
    let digits = value.get.strip_prefix('+').unwrap_or_default();
    if (6..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) {
        return Some(value.get.to_string());
    }
    section.fault(
        value.at,
        "number is ours in full: \"+\", country code and number, as in +12125550100",
        None,
    );
    None
}

/// `user`, `password` (or `password_file`) and `realm`. None after noting a fault, or when there is no `user`.
pub(super) fn read_credentials(section: &Section<'_, '_>, folder: &Path) -> Option<Credentials> {
    let user = section.required_string_if_present("user");
    let password = read_password(section, folder);
    let realm = section.required_string_if_present("realm");
    let Some(user) = user else {
        for key in ["password", "password_file", "realm"] {
            if section.value(key).is_some() && section.value("user").is_none() {
                section.fault(section.place(key), format!("{key} without user"), None);
            }
        }
        return None;
    };
    if user.get.len() > USER_CHARS_MAX || user.get.chars().any(char::is_control) {
        section.fault(
            user.at,
            format!("user has at most {USER_CHARS_MAX} characters"),
            None,
        );
        return None;
    }
    if section.value("password").is_none() && section.value("password_file").is_none() {
        section.fault(user.at, "user without password or password_file", None);
    }
    Some(Credentials {
        user: user.get.to_string(),
        password: Secret::new(password?),
        realm: realm.map(|realm| realm.get.to_string()),
    })
}

/// Nothing of the password is ever part of a message.
fn read_password(section: &Section<'_, '_>, folder: &Path) -> Option<String> {
    let written = section.string("password");
    let file = section.required_string_if_present("password_file");
    let (password, at) = match (written, file) {
        (Some(_), Some(file)) => {
            section.fault(file.at, "password and password_file: one of them is enough", None);
            return None;
        }
        (Some(value), None) => (expand(section, &value)?, value.at),
        (None, Some(file)) => {
            let path = folder.join(file.get);
            match crate::given_file::read_text(&path, SECRET_OCTETS_MAX) {
                Ok(text) => (text.trim_end_matches(['\r', '\n']).to_string(), file.at),
                Err(problem) => {
                    let message = format!("{:?} cannot be read: {problem}", shown_path(file.get));
                    section.fault(file.at, message, None);
                    return None;
                }
            }
        }
        (None, None) => return None,
    };
    if password.is_empty() {
        section.fault(at, "the password is empty", None);
        return None;
    }
    Some(password)
}

/// `env:NAME` as a whole, or with `${ENV:NAME}` and `${FILE:PATH}` inside.
fn expand(section: &Section<'_, '_>, value: &Value<'_, str>) -> Option<String> {
    match value.get.strip_prefix("env:") {
        Some(name) => {
            let reference = format!("${{ENV:{name}}}");
            let value = Value {
                get: reference.as_str(),
                at: value.at.clone(),
            };
            super::secret::expand(section, &value)
        }
        None => super::secret::expand(section, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Transport;

    #[test]
    fn a_server_is_a_name_that_is_looked_up_later_or_an_address() {
        let found = peer("sip:carrier.example:5080;transport=tcp").unwrap();
        assert_eq!(found.host, "carrier.example:5080");
        assert_eq!(found.transport, Transport::Tcp);
        assert!(found.addresses.is_empty());
        assert_eq!(
            found.uri("+44"),
            "sip:+44@carrier.example:5080;transport=tcp;user=phone"
        );
        let plain = peer("sip:203.0.113.7").unwrap();
        assert_eq!(plain.addresses, ["203.0.113.7:5060".parse().unwrap()]);
        assert_eq!(plain.uri(""), "sip:203.0.113.7");
    }

    #[test]
    fn a_host_with_credentials_is_an_address_or_a_name_that_is_looked_up_later() {
        let address = |text: &str| Some(Host::Address(text.parse().unwrap()));
        let name = |text: &str| Some(Host::Name(text.into()));
        for (text, expected) in [
            ("10.0.0.5", address("10.0.0.5")),
            ("::1", address("::1")),
            ("[2001:db8::5]", address("2001:db8::5")),
            ("PBX.example.", name("pbx.example")),
            ("localhost", name("localhost")),
            ("10.0.0.256", None),
            ("pbx.example:5060", None),
            ("sip:pbx.example", None),
            ("pbx..example", None),
            ("", None),
        ] {
            assert_eq!(host(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_server_says_why() {
        for (text, expected) in [
            ("carrier.example", "expected a server"),
            ("tel:+1", "expected a server"),
            ("sip:user@carrier.example", "without a user"),
            ("sip:carrier.example;transport=sctp", "transport is"),
            ("sip:carrier.example;lr", "nothing else"),
            ("sips:carrier.example", "transport is"),
            ("sip:carrier.example:0", "nobody"),
            ("sip:car$rier.example", ""),
            ("sip:203.0.113.7:0", "nobody"),
            ("sip:0.0.0.0", "nobody"),
        ] {
            let problem = peer(text).expect_err(text);
            assert!(problem.contains(expected), "{text}: {problem}");
        }
    }
}
