//! Edge-triggered epoll (mio), as in a shard.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use ringward::call_id::CallId;
use ringward::media::{Config, Side};
use ringward::runtime::media_io::MediaIo;
use ringward::sdp::Codec;

use super::{BUFFER_OCTETS, Call, config, now, tell};
use crate::support::free_ports;

/// Packets asked for at once.
const AT_ONCE: usize = 4;

/// What a shard does: poll, then receive and send packet by packet; then it lets packets come for `rest` before it asks again.
pub fn shard(calls: usize, [a, b]: [SocketAddr; 2], rest: Duration) {
    let first = free_ports(calls as u16 * 4);
    let config = Config {
        ports: first..=first + calls as u16 * 4 - 1,
        ..config()
    };
    let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(1024));
    let mut media = MediaIo::new(config, 0, 1, Token(0));
    for number in 0..calls {
        let call = CallId(number as u128 + 1);
        let (port_a, port_b) = media.open(call, poll.registry(), now()).unwrap();
        media.describe(call, Side::A, a, &[(0, Codec::Pcmu)], Some(101), now());
        media.describe(call, Side::B, b, &[(0, Codec::Pcmu)], Some(101), now());
        media.tap(call, true);
        tell([port_a, port_b]);
    }
    let mut hops = Vec::new();
    loop {
        poll.poll(&mut events, None).unwrap();
        for event in &events {
            media.readable(event.token(), now(), &mut |call, hop| hops.push((call, hop)));
            for (call, hop) in hops.drain(..) {
                media.recycle(call, hop);
            }
        }
        if !rest.is_zero() {
            std::thread::sleep(rest);
        }
    }
}

/// `recvmmsg` and `sendmmsg`: one call each per socket that has something, and none to learn that it has no more.
pub fn mmsg(calls: usize, ends: [SocketAddr; 2]) {
    let mut calls = Call::all(calls, ends);
    let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(1024));
    for (number, call) in calls.iter().enumerate() {
        for (side, socket) in call.sockets.iter().enumerate() {
            let token = Token(number * 2 + side);
            let source = socket.as_raw_fd();
            poll.registry()
                .register(&mut SourceFd(&source), token, Interest::READABLE)
                .unwrap();
        }
    }
    let mut batch = Batch::new();
    loop {
        poll.poll(&mut events, None).unwrap();
        for event in &events {
            let (number, side) = (event.token().0 / 2, event.token().0 % 2);
            let call = &mut calls[number];
            let fds = call.sockets.each_ref().map(AsRawFd::as_raw_fd);
            loop {
                let count = batch.receive(fds[side]);
                let mut out = 0;
                for at in 0..count {
                    let source = batch.source(at);
                    let len = batch.headers[at].msg_len as usize;
                    let Some((to, len)) = call.take(side, source, &mut batch.buffers[at], len, now()) else {
                        continue;
                    };
                    batch.address(out, at, to, len);
                    out += 1;
                }
                batch.send(fds[1 - side], out);
                if count < AT_ONCE {
                    break;
                }
            }
        }
    }
}

/// Buffers, addresses and headers that the two system calls work on; they point at each other, so it stays where it is.
struct Batch {
    buffers: [[u8; BUFFER_OCTETS]; AT_ONCE],
    names: [libc::sockaddr_in; AT_ONCE],
    pieces: [libc::iovec; AT_ONCE],
    headers: [libc::mmsghdr; AT_ONCE],
    out_names: [libc::sockaddr_in; AT_ONCE],
    out_pieces: [libc::iovec; AT_ONCE],
    out: [libc::mmsghdr; AT_ONCE],
}

#[expect(
    unsafe_code,
    reason = "system calls that no safe crate of this workspace offers, measured here only"
)]
impl Batch {
    fn new() -> Box<Batch> {
        // SAFETY: all of it is integers and pointers, for which zero is a value.
        unsafe { Box::new(std::mem::zeroed()) }
    }

    fn receive(&mut self, fd: i32) -> usize {
        for at in 0..AT_ONCE {
            self.pieces[at] = libc::iovec {
                iov_base: self.buffers[at].as_mut_ptr().cast(),
                iov_len: BUFFER_OCTETS,
            };
            let header = &mut self.headers[at].msg_hdr;
            header.msg_name = (&raw mut self.names[at]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
            header.msg_iov = &raw mut self.pieces[at];
            header.msg_iovlen = 1;
        }
        // SAFETY: every header points at a buffer and a name of this value, with their true lengths.
        let count = unsafe {
            libc::recvmmsg(
                fd,
                self.headers.as_mut_ptr(),
                AT_ONCE as u32,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        usize::try_from(count).unwrap_or(0)
    }

    fn source(&self, at: usize) -> SocketAddr {
        let name = &self.names[at];
        SocketAddrV4::new(
            Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr)),
            u16::from_be(name.sin_port),
        )
        .into()
    }

    fn address(&mut self, out: usize, at: usize, to: SocketAddr, len: usize) {
        self.out_names[out] = name_of(to);
        self.out_pieces[out] = libc::iovec {
            iov_base: self.buffers[at].as_mut_ptr().cast(),
            iov_len: len,
        };
        let header = &mut self.out[out].msg_hdr;
        header.msg_name = (&raw mut self.out_names[out]).cast();
        header.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
        header.msg_iov = &raw mut self.out_pieces[out];
        header.msg_iovlen = 1;
    }

    fn send(&mut self, fd: i32, count: usize) {
        if count > 0 {
            // SAFETY: the first `count` headers were filled by `address`.
            unsafe { libc::sendmmsg(fd, self.out.as_mut_ptr(), count as u32, libc::MSG_DONTWAIT) };
        }
    }
}

pub fn name_of(address: SocketAddr) -> libc::sockaddr_in {
    let SocketAddr::V4(address) = address else {
        panic!("all of this is on 127.0.0.1")
    };
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from(*address.ip()).to_be(),
        },
        sin_zero: [0; 8],
    }
}
