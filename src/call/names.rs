//! Hosts that TLS can prove: the list that [`PeerName`] counts in.
//!
//! Only what the configuration names stands in it. A name that arrives in a message can therefore never become the
//! name that a certificate is checked against.

use crate::queue;
use crate::sip::{PeerName, Uri};

use super::TrunkConfig;

/// The names in their order: what trunks are recognised by first, then the hosts of carriers and phones we call, each once, in small
/// letters. The same configuration gives the same list.
pub fn tls_names(trunks: &[TrunkConfig], queues: &[queue::Config]) -> Vec<String> {
    let of_trunks = trunks.iter().filter_map(|trunk| trunk.tls_name.clone());
    let to = trunks
        .iter()
        .filter_map(|trunk| Some(trunk.to.as_ref()?.host.as_str()));
    let registrars = trunks
        .iter()
        .filter_map(|trunk| Some(trunk.register.as_ref()?.host.as_str()));
    let of_carriers = to.chain(registrars).filter_map(|host| {
        let (host, port) = host.rsplit_once(':').unwrap_or((host, ""));
        let is_name = !host.starts_with('[') && port.bytes().all(|b| b.is_ascii_digit());
        (is_name && host.parse::<std::net::IpAddr>().is_err()).then(|| host.to_string())
    });
    let of_phones = queues
        .iter()
        .flat_map(|queue| &queue.targets)
        .filter_map(|target| Uri::parse(target).ok())
        .filter(|uri| uri.socket_addr().is_none())
        .filter_map(|uri| uri.host().map(str::to_string));
    let mut names: Vec<String> = Vec::new();
    for name in of_trunks.chain(of_carriers).chain(of_phones) {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if !names.contains(&name) && names.len() < usize::from(u16::MAX) {
            names.push(name);
        }
    }
    names
}

/// The place of a host in `names`; None for an address and for what nobody configured.
pub(crate) fn place_of(names: &[String], host: &str) -> Option<PeerName> {
    let host = host.trim_end_matches('.');
    let at = names.iter().position(|name| name.eq_ignore_ascii_case(host))?;
    u16::try_from(at).ok().map(PeerName)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trunks_come_first_and_each_name_stands_once() {
        let trunk = |name: &str| TrunkConfig {
            tls_name: Some(name.into()),
            ..TrunkConfig::default()
        };
        let queue = queue::Config {
            name: "desk".into(),
            numbers: vec!["*".into()],
            strategy: queue::Strategy::RingAll,
            targets: [
                "sips:a@PHONES.example",
                "sip:b@10.0.0.5",
                "sip:c@sbc.carrier.example",
            ]
            .map(str::to_string)
            .into(),
            ring: std::time::Duration::from_secs(20),
            overflow: queue::Overflow::Reject,
            reach: queue::Reach::default(),
            service: crate::queue::Service::default(),
        };
        let names = tls_names(&[trunk("sbc.carrier.example"), TrunkConfig::default()], &[queue]);
        assert_eq!(names, ["sbc.carrier.example", "phones.example"]);
        assert_eq!(place_of(&names, "Phones.Example."), Some(PeerName(1)));
        assert_eq!(place_of(&names, "elsewhere.example"), None);
    }
}
