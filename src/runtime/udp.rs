//! UDP sockets for SIP: one per shard and listener, all on the same address (SO_REUSEPORT).

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

/// Socket buffer asked for, octets: a burst of a few hundred INVITEs while a shard is busy.
const BUFFER: usize = 4 * 1024 * 1024;

/// Binds `count` sockets to one address. With port 0 the first one picks the port and the others follow.
///
/// # Errors
///
/// The system's error for the address that could not be bound.
pub fn bind_shared(address: SocketAddr, count: u16) -> io::Result<Vec<mio::net::UdpSocket>> {
    let mut sockets = Vec::with_capacity(usize::from(count));
    let mut address = address;
    for _ in 0..count {
        let socket = bind_one(address)?;
        address = socket.local_addr()?;
        sockets.push(socket);
    }
    Ok(sockets)
}

fn bind_one(address: SocketAddr) -> io::Result<mio::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Smaller buffers than asked for are no reason not to start.
    let _ = socket.set_recv_buffer_size(BUFFER);
    let _ = socket.set_send_buffer_size(BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(mio::net::UdpSocket::from_std(socket.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_zero_gives_every_shard_the_same_port() {
        let sockets = bind_shared("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        let ports: Vec<_> = sockets.iter().map(|s| s.local_addr().unwrap().port()).collect();
        assert!(ports[0] != 0 && ports.iter().all(|p| *p == ports[0]), "{ports:?}");
    }

    #[test]
    fn an_address_that_is_not_ours_is_an_error() {
        assert!(bind_shared("192.0.2.1:5060".parse().unwrap(), 1).is_err());
    }
}
