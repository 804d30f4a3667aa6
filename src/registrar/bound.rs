//! Where devices can be reached, as all shards see it: replaced as a whole, never changed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::sip::{Flow, Transport};

/// Where one phone of a device is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its Contact: the Request-URI of what is sent there.
    pub uri: String,
    /// The way it came: for UDP the address it was heard from (which is what a NAT lets back in), for TCP and TLS the
    /// connection.
    pub flow: Flow,
}

/// By device, each with at least one place: the highest q first, and of equals the one that was refreshed last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    devices: BTreeMap<String, Vec<Place>>,
    /// How and from where they are reached: who speaks from there is the phone that registered.
    remotes: BTreeSet<(Transport, SocketAddr)>,
    connections: BTreeSet<u64>,
    /// Which device each way belongs to.
    ways: BTreeMap<(Transport, SocketAddr, Option<u64>), String>,
}

impl Bound {
    pub fn new(devices: BTreeMap<String, Vec<Place>>) -> Bound {
        let flows = || devices.values().flatten().map(|place| place.flow);
        Bound {
            remotes: flows().map(|flow| way(&flow)).collect(),
            connections: flows().filter_map(|flow| flow.connection).collect(),
            ways: devices
                .iter()
                .flat_map(|(name, places)| {
                    places
                        .iter()
                        .map(move |place| (whole_way(&place.flow), name.clone()))
                })
                .collect(),
            devices,
        }
    }

    /// Where to ring this device; empty = it is not registered.
    pub fn places(&self, device: &str) -> &[Place] {
        self.devices.get(device).map_or(&[], Vec::as_slice)
    }

    /// Whether a phone that registered speaks this way: by its connection, and where there is none by its address.
    pub fn has(&self, flow: &Flow) -> bool {
        match flow.connection {
            Some(number) => self.connections.contains(&number),
            None => self.remotes.contains(&way(flow)),
        }
    }

    /// The device whose phone speaks this way; None = none does.
    pub fn device_at(&self, flow: &Flow) -> Option<&str> {
        self.ways.get(&whole_way(flow)).map(String::as_str)
    }

    /// The same where only the address is known.
    pub fn has_address(&self, address: SocketAddr) -> bool {
        [Transport::Udp, Transport::Tcp, Transport::Tls]
            .iter()
            .any(|transport| self.remotes.contains(&(*transport, canonical(address))))
    }

    /// Every device and its places, in the order of the names.
    pub fn all(&self) -> impl Iterator<Item = (&str, &[Place])> {
        self.devices
            .iter()
            .map(|(name, places)| (name.as_str(), places.as_slice()))
    }
}

fn whole_way(flow: &Flow) -> (Transport, SocketAddr, Option<u64>) {
    let (transport, address) = way(flow);
    (transport, address, flow.connection)
}

fn way(flow: &Flow) -> (Transport, SocketAddr) {
    (flow.transport, canonical(flow.remote))
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_on_a_connection_is_that_connection_and_no_datagram_from_its_address() {
        let address: SocketAddr = "192.0.2.5:50000".parse().unwrap();
        let datagram = Flow::udp("192.0.2.1:5060".parse().unwrap(), address);
        let connection = |number| Flow {
            transport: Transport::Tls,
            connection: Some(number),
            ..datagram
        };
        let places = |flow| {
            let uri = "sip:desk-1@192.0.2.5".to_string();
            BTreeMap::from([("desk-1".to_string(), vec![Place { uri, flow }])])
        };
        let bound = Bound::new(places(connection(7)));
        assert!(bound.has(&connection(7)));
        assert!(!bound.has(&connection(8)) && !bound.has(&datagram));
        assert_eq!(bound.device_at(&connection(7)), Some("desk-1"));
        assert_eq!(
            (bound.device_at(&connection(8)), bound.device_at(&datagram)),
            (None, None)
        );
        let bound = Bound::new(places(datagram));
        assert!(bound.has(&datagram) && !bound.has(&connection(7)));
    }
}
