//! Binds every address that SIP is heard on, and says under which one each is known outside.

use std::net::{IpAddr, SocketAddr};

use anyhow::Context as _;

use crate::call::Listener;
use crate::config::Config;
use crate::runtime::{stream, udp};
use crate::sip::Transport;

pub(super) struct Bound {
    /// Per UDP listener, one socket for each shard.
    pub(super) udp_sockets: Vec<Vec<mio::net::UdpSocket>>,
    pub(super) stream_listeners: Vec<(Transport, std::net::TcpListener)>,
    pub(super) listeners: Vec<Listener>,
}

pub(super) fn bind_sip(config: &Config, shards: u16) -> anyhow::Result<Bound> {
    let mut all = Bound {
        udp_sockets: Vec::new(),
        stream_listeners: Vec::new(),
        listeners: Vec::new(),
    };
    for &(transport, address) in &config.sip.listen {
        let context = || format!("[sip] listen {transport}:{address}");
        let bound = match transport {
            Transport::Udp => {
                let sockets = udp::bind_shared(address, shards).with_context(context)?;
                let bound = sockets
                    .first()
                    .map_or(Ok(address), mio::net::UdpSocket::local_addr)?;
                all.udp_sockets.push(sockets);
                bound
            }
            Transport::Tcp | Transport::Tls => {
                let listener = stream::bind(address).with_context(context)?;
                let bound = listener.local_addr()?;
                all.stream_listeners.push((transport, listener));
                bound
            }
        };
        let advertised = advertised(config.sip.advertise.of(bound.ip()), bound);
        all.listeners.push(Listener {
            transport,
            bound,
            advertised,
        });
    }
    Ok(all)
}

/// `host:port` for Via and Contact: what the configuration says, with the bound port where it names none.
fn advertised(configured: Option<&str>, bound: SocketAddr) -> String {
    match configured {
        None => bound.to_string(),
        Some(text) if text.parse::<SocketAddr>().is_ok() => text.to_string(),
        Some(text) => match text.parse::<IpAddr>() {
            Ok(address) => SocketAddr::new(address, bound.port()).to_string(),
            Err(_) if text.contains(':') => text.to_string(),
            Err(_) => format!("{text}:{}", bound.port()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advertised_address_takes_the_bound_port_when_it_names_none() {
        let bound = "0.0.0.0:5062".parse().unwrap();
        assert_eq!(advertised(Some("198.51.100.7"), bound), "198.51.100.7:5062");
        assert_eq!(advertised(Some("198.51.100.7:5070"), bound), "198.51.100.7:5070");
        assert_eq!(advertised(Some("gw.example.com"), bound), "gw.example.com:5062");
        assert_eq!(
            advertised(Some("gw.example.com:5070"), bound),
            "gw.example.com:5070"
        );
        assert_eq!(advertised(Some("2001:db8::1"), bound), "[2001:db8::1]:5062");
        assert_eq!(advertised(None, bound), "0.0.0.0:5062");
    }
}
