//! Level-triggered epoll: a socket is asked for one packet and is announced again if it has another.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use super::{BUFFER_OCTETS, Call, now};

pub fn run(calls: usize, ends: [SocketAddr; 2]) {
    relay(calls, ends, |call, side, source, buffer, len| {
        call.take(side, source, buffer, len, now())
    });
}

/// Without an engine: what the system alone takes for a packet in and a packet out.
pub fn bare(calls: usize, ends: [SocketAddr; 2]) {
    relay(calls, ends, |_, side, _, _, len| Some((ends[1 - side], len)));
}

#[expect(unsafe_code, reason = "mio is edge-triggered; measured here only")]
fn relay(
    calls: usize,
    ends: [SocketAddr; 2],
    mut take: impl FnMut(&mut Call, usize, SocketAddr, &mut [u8], usize) -> Option<(SocketAddr, usize)>,
) {
    let mut calls = Call::all(calls, ends);
    // SAFETY: no memory of ours is involved.
    let poll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    for (number, call) in calls.iter().enumerate() {
        for (side, socket) in call.sockets.iter().enumerate() {
            let mut event = libc::epoll_event {
                events: libc::EPOLLIN as u32,
                u64: (number * 2 + side) as u64,
            };
            // SAFETY: the event is read during the call only.
            let added =
                unsafe { libc::epoll_ctl(poll, libc::EPOLL_CTL_ADD, socket.as_raw_fd(), &raw mut event) };
            assert_eq!(added, 0);
        }
    }
    let mut events = [libc::epoll_event { events: 0, u64: 0 }; 1024];
    let mut buffer = [0u8; BUFFER_OCTETS];
    loop {
        // SAFETY: as many events as there is room for.
        let count = unsafe { libc::epoll_wait(poll, events.as_mut_ptr(), events.len() as i32, -1) };
        for event in &events[..usize::try_from(count).unwrap_or(0)] {
            let token = event.u64 as usize;
            let (call, side) = (&mut calls[token / 2], token % 2);
            let Ok((len, source)) = call.sockets[side].recv_from(&mut buffer) else {
                continue;
            };
            if let Some((to, len)) = take(call, side, source, &mut buffer, len) {
                let _ = call.sockets[1 - side].send_to(&buffer[..len], to);
            }
        }
    }
}
