//! `[sip]`: where SIP is heard, what we call ourselves there, and `[sip.tls]`.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::limits::{FILE_OCTETS_MAX, LISTENERS_MAX, RESOLVERS_MAX, TRY_MAX, TRY_MIN};
use super::read::{read_file, read_files};
use super::{Advertise, Config, SipConfig};
use crate::document::{Section, Value, closest, shown};
use crate::sip::{TlsConfig, TlsVersion, Transport, Uri};

/// `folder`: where the files of `[sip.tls]` are looked for.
pub(super) fn read(root: &Section<'_, '_>, folder: &Path, sip: &mut SipConfig) {
    let Some(section) = root.section("sip") else {
        return;
    };
    section.only(&[
        "listen",
        "advertise",
        "shards",
        "budget",
        "session_expires",
        "try",
        "resolver",
        "digest",
        "tls",
    ]);
    if let Some(written) = section.strings("listen") {
        sip.listen = read_listeners(&section, &written);
    }
    sip.advertise = read_advertise(&section);
    sip.tls = section.section("tls").and_then(|tls| read_tls(&tls, folder));
    if let Some(shards) = section.integer("shards", 0..=64) {
        sip.shards = shards as u16;
    }
    if let Some(budget) = section.duration("budget", Duration::ZERO..=Duration::from_secs(10)) {
        sip.budget = budget;
    }
    read_session_expires(&section, sip);
    if let Some(try_for) = section.duration("try", TRY_MIN..=TRY_MAX) {
        sip.try_for = try_for;
    }
    sip.resolver = read_resolver(&section);
    if let Some(hashes) = super::carrier::read_hashes(&section) {
        sip.digest = hashes;
    }
    let unnamed = sip
        .listen
        .iter()
        .map(|(_, address)| address.ip())
        .find(|address| address.is_unspecified() && sip.advertise.of(*address).is_none());
    match unnamed {
        Some(_) if section.value("advertise").is_none() => {
            let message = "listening on every address needs \"advertise\": peers cannot answer to 0.0.0.0";
            section.fault(section.place("listen"), message, None);
        }
        Some(address) if sip.advertise != Advertise::default() => {
            let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
            let message = format!(
                "listening on every {family} address needs an {family} address in \"advertise\" as well"
            );
            section.fault(section.place("advertise"), message, None);
        }
        _ => {}
    }
}

/// `"off"`, or a duration from RFC 4028's bound to a day.
fn read_session_expires(section: &Section<'_, '_>, sip: &mut SipConfig) {
    if section.says("session_expires", "off") {
        sip.session_expires = None;
    } else if let Some(interval) = section.duration(
        "session_expires",
        Duration::from_secs(90)..=Duration::from_secs(86_400),
    ) {
        sip.session_expires = Some(interval);
    }
}

fn read_listeners(section: &Section<'_, '_>, written: &[Value<'_, str>]) -> Vec<(Transport, SocketAddr)> {
    let mut listeners = Vec::new();
    if written.is_empty() || written.len() > LISTENERS_MAX {
        let message = format!("listen needs one to {LISTENERS_MAX} addresses");
        section.fault(section.place("listen"), message, None);
    }
    for value in written {
        let (transport, address) = value.get.split_once(':').unwrap_or((value.get, ""));
        let transport = match transport {
            "udp" => Transport::Udp,
            "tcp" => Transport::Tcp,
            "tls" => Transport::Tls,
            other => {
                let message = format!(
                    "listen is {:?}; expected udp:ADDRESS:PORT, tcp:ADDRESS:PORT or tls:ADDRESS:PORT",
                    shown(value.get)
                );
                let known = ["udp", "tcp", "tls"].into_iter();
                section.fault(value.at.clone(), message, closest(other, known));
                continue;
            }
        };
        let Ok(address) = address.parse::<SocketAddr>() else {
            let message = format!(
                "{:?} is no address with a port, such as 127.0.0.1:5060 or [::1]:5060",
                shown(address)
            );
            section.fault(value.at.clone(), message, None);
            continue;
        };
        let is_same_socket = |(other, known): &(Transport, SocketAddr)| {
            (*other == Transport::Udp) == (transport == Transport::Udp) && *known == address
        };
        // Port 0 takes a free one each time.
        if address.port() != 0 && listeners.contains(&(transport, address)) {
            let message = format!("{} is listed twice", shown(value.get));
            section.fault(value.at.clone(), message, None);
        } else if address.port() != 0 && listeners.iter().any(is_same_socket) {
            let message = format!("{address} cannot be tcp and tls at once; TLS has port 5061 by custom");
            section.fault(value.at.clone(), message, None);
        }
        listeners.push((transport, address));
    }
    listeners
}

fn read_resolver(section: &Section<'_, '_>) -> Vec<SocketAddr> {
    let written = section.strings("resolver").unwrap_or_default();
    if written.len() > RESOLVERS_MAX {
        let message = format!("resolver has at most {RESOLVERS_MAX} name servers");
        section.fault(section.place("resolver"), message, None);
    }
    let mut servers = Vec::new();
    for value in written.into_iter().take(RESOLVERS_MAX) {
        let address = value.get.parse::<SocketAddr>().ok();
        let address = address.or_else(|| Some(SocketAddr::new(value.get.parse().ok()?, 53)));
        match address.filter(|address| address.port() > 0 && !address.ip().is_unspecified()) {
            Some(address) => servers.push(address),
            None => {
                let message = format!(
                    "resolver is {:?}; expected a name server's address such as \"192.0.2.53\" or \"127.0.0.1:5353\"",
                    shown(value.get)
                );
                section.fault(value.at, message, None);
            }
        }
    }
    servers
}

/// One for both families, or a list of one for each.
fn read_advertise(section: &Section<'_, '_>) -> Advertise {
    let mut advertise = Advertise::default();
    let written = match section.value("advertise") {
        Some(value) if value.get_ref().is_array() => section.strings("advertise").unwrap_or_default(),
        Some(_) => section.string("advertise").into_iter().collect(),
        None => return advertise,
    };
    if written.len() > 2 {
        let message = "advertise has one name or address for each of IPv4 and IPv6, two at most";
        section.fault(section.place("advertise"), message, None);
    }
    for value in written {
        let text = value.get.to_string();
        if !is_host_and_port(value.get) {
            let message = format!("advertise is {:?}; expected HOST or HOST:PORT", shown(value.get));
            section.fault(value.at, message, None);
            continue;
        }
        let (four, six) = match address_of(value.get) {
            Some(IpAddr::V4(_)) => (true, false),
            Some(IpAddr::V6(_)) => (false, true),
            None => (true, true),
        };
        let is_taken = four && advertise.v4.is_some() || six && advertise.v6.is_some();
        if is_taken {
            let message = format!(
                "{:?}: advertise has one for this address family already",
                shown(value.get)
            );
            section.fault(value.at, message, None);
            continue;
        }
        if four {
            advertise.v4 = Some(text.clone());
        }
        if six {
            advertise.v6 = Some(text);
        }
    }
    advertise
}

fn read_tls(section: &Section<'_, '_>, folder: &Path) -> Option<TlsConfig> {
    section.only(&[
        "certificate",
        "key",
        "client_anchors",
        "server_anchors",
        "minimum",
    ]);
    let file = |key: &str| -> Option<PathBuf> {
        let value = section.required_string(key)?;
        read_file(section, folder, value, FILE_OCTETS_MAX)
    };
    let (certificate, key) = (file("certificate"), file("key"));
    let client_anchors = read_files(section, folder, "client_anchors");
    let server_anchors = read_files(section, folder, "server_anchors");
    Some(TlsConfig {
        certificate: certificate?,
        key: key?,
        client_anchors,
        server_anchors,
        minimum: minimum(section),
    })
}

/// `[api.tls]`: browsers and programs show no certificate of their own.
pub(super) fn read_api_tls(section: &Section<'_, '_>, folder: &Path) -> Option<TlsConfig> {
    section.only(&["certificate", "key", "minimum"]);
    let file = |key: &str| -> Option<PathBuf> {
        let value = section.required_string(key)?;
        read_file(section, folder, value, FILE_OCTETS_MAX)
    };
    let (certificate, key) = (file("certificate"), file("key"));
    Some(TlsConfig {
        certificate: certificate?,
        key: key?,
        client_anchors: Vec::new(),
        server_anchors: Vec::new(),
        minimum: minimum(section),
    })
}

fn minimum(section: &Section<'_, '_>) -> TlsVersion {
    section
        .choice(
            "minimum",
            &[("1.2", TlsVersion::Tls12), ("1.3", TlsVersion::Tls13)],
        )
        .unwrap_or_default()
}

/// What TLS needs of the rest: certificates for a listener, a listener for a phone, authorities for a trunk by name.
pub(super) fn check_tls(root: &Section<'_, '_>, config: &Config) {
    if let Some((key, message)) = tls_fault(config) {
        // Faults inside [sip.tls] have been told: what follows from them need not be.
        let sip = root.section("sip");
        let is_told = config.sip.tls.is_none() && sip.as_ref().is_some_and(|sip| sip.value("tls").is_some());
        if !is_told {
            root.fault(sip.map_or(0..0, |sip| sip.place(key)), message, None);
        }
    }
}

/// The key that is at fault, and what it lacks.
fn tls_fault(config: &Config) -> Option<(&'static str, String)> {
    let listen = &config.sip.listen;
    let has_listener = listen.iter().any(|(transport, _)| *transport == Transport::Tls);
    if has_listener && config.sip.tls.is_none() {
        return Some((
            "listen",
            "a tls: listener needs [sip.tls] with certificate and key".into(),
        ));
    }
    let is_tls = |target: &String| Uri::parse(target).is_ok_and(|uri| uri.transport() == Transport::Tls);
    let mut targets = config.queues.iter().flat_map(|queue| &queue.targets);
    if !has_listener && targets.any(is_tls) {
        let message = "a phone over TLS needs a tls: listener: where it would call us back";
        return Some(("listen", message.into()));
    }
    let named = config.trunks.iter().find(|trunk| trunk.tls_name.is_some())?;
    let name = &named.name;
    if !has_listener {
        return Some((
            "listen",
            format!("trunk {name:?} has a tls_name: it needs a tls: listener"),
        ));
    }
    let has_anchors = config
        .sip
        .tls
        .as_ref()
        .is_some_and(|tls| !tls.client_anchors.is_empty());
    let message = format!(
        "trunk {name:?} has a tls_name: [sip.tls] client_anchors must say which authorities are believed"
    );
    (!has_anchors).then_some(("tls", message))
}

/// A SIP port inside the media range would take a call's audio for messages, or the other way.
pub(super) fn check_ports(root: &Section<'_, '_>, config: &Config) {
    for (transport, address) in &config.sip.listen {
        let meets = address.ip() == config.media.address
            || address.ip().is_unspecified()
            || config.media.address.is_unspecified();
        if *transport == Transport::Udp && meets && config.media.ports.contains(&address.port()) {
            let message = format!(
                "[sip] listens on udp port {} inside the media ports",
                address.port()
            );
            let at = root.section("media").map_or(0..0, |media| media.place("ports"));
            root.fault(at, message, None);
        }
    }
}

fn address_of(text: &str) -> Option<IpAddr> {
    let bare = || text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    bare().or_else(with_port)
}

fn is_host_and_port(text: &str) -> bool {
    if address_of(text).is_some() {
        return true;
    }
    let (host, port) = text
        .split_once(':')
        .map_or((text, None), |(host, port)| (host, Some(port)));
    let is_host = !host.is_empty()
        && host.len() <= 253
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b));
    is_host && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}
