//! io_uring: every socket is asked once and answers with every packet; what is to be sent goes to the system with the
//! next wait.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::{BufRingEntry, Fixed, RecvMsgOut};
use io_uring::{IoUring, cqueue, opcode, squeue};

use super::poll::name_of;
use super::{Call, now};

/// Buffers that the kernel fills; a power of two.
const BUFFERS: u16 = 2048;
/// The header of a received message, the source's name and the packet, for which the engine wants room to grow.
const BUFFER_OCTETS: usize = 2048;
const GROUP: u16 = 0;
/// Marks what was sent, beside the number of its buffer.
const SENT: u64 = 1 << 63;

#[expect(
    unsafe_code,
    reason = "io_uring works on memory it shares with the kernel; measured here only"
)]
pub fn run(calls: usize, ends: [SocketAddr; 2]) {
    let mut calls = Call::all(calls, ends);
    let mut ring: IoUring = IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_cqsize(16_384)
        .build(4096)
        .unwrap();
    let fds: Vec<i32> = calls
        .iter()
        .flat_map(|call| call.sockets.each_ref().map(AsRawFd::as_raw_fd))
        .collect();
    ring.submitter().register_files(&fds).unwrap();
    let mut buffers = Buffers::new(&ring);
    let mut names = vec![name_of(ends[0]); usize::from(BUFFERS)];
    // SAFETY: integers and pointers, for which zero is a value.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
    let listen = |token: usize| {
        opcode::RecvMsgMulti::new(Fixed(token as u32), &raw const header, GROUP)
            .build()
            .user_data(token as u64)
    };
    let mut wanted: Vec<squeue::Entry> = (0..fds.len()).map(listen).collect();
    let mut done: Vec<cqueue::Entry> = Vec::with_capacity(16_384);
    loop {
        for entry in wanted.drain(..) {
            // SAFETY: what an entry points at (the header, a buffer, a name) lives as long as the ring.
            while unsafe { ring.submission().push(&entry) }.is_err() {
                ring.submit().unwrap();
            }
        }
        ring.submit_and_wait(1).unwrap();
        done.extend(ring.completion());
        for entry in done.drain(..) {
            if entry.user_data() & SENT != 0 {
                buffers.give_back((entry.user_data() & !SENT) as u16);
                continue;
            }
            let token = entry.user_data() as usize;
            if !cqueue::more(entry.flags()) {
                wanted.push(listen(token));
            }
            let Some(buffer) = cqueue::buffer_select(entry.flags()) else {
                continue;
            };
            let filled = entry.result().max(0) as usize;
            let Some((source, start, len)) = parse(&buffers.get(buffer)[..filled], &header) else {
                buffers.give_back(buffer);
                continue;
            };
            let (call, side) = (&mut calls[token / 2], token % 2);
            let packet = &mut buffers.get(buffer)[start..];
            let Some((to, len)) = call.take(side, source, packet, len, now()) else {
                buffers.give_back(buffer);
                continue;
            };
            names[usize::from(buffer)] = name_of(to);
            let send = opcode::Send::new(Fixed((token ^ 1) as u32), packet.as_ptr(), len as u32)
                .dest_addr((&raw const names[usize::from(buffer)]).cast())
                .dest_addr_len(size_of::<libc::sockaddr_in>() as u32)
                .build()
                .user_data(SENT | u64::from(buffer));
            wanted.push(send);
        }
    }
}

/// Source, where the packet begins, and its length.
fn parse(octets: &[u8], header: &libc::msghdr) -> Option<(SocketAddr, usize, usize)> {
    let message = RecvMsgOut::parse(octets, header).ok()?;
    let name = message.name_data();
    let port = u16::from_be_bytes([*name.get(2)?, *name.get(3)?]);
    let address = Ipv4Addr::new(*name.get(4)?, *name.get(5)?, *name.get(6)?, *name.get(7)?);
    let packet = message.payload_data();
    let start = packet.as_ptr() as usize - octets.as_ptr() as usize;
    Some((SocketAddrV4::new(address, port).into(), start, packet.len()))
}

/// A ring of buffers shared with the kernel.
struct Buffers {
    entries: *mut BufRingEntry,
    memory: *mut u8,
    tail: u16,
}

#[expect(unsafe_code, reason = "memory shared with the kernel; measured here only")]
impl Buffers {
    fn new(ring: &IoUring) -> Buffers {
        let page = |octets| std::alloc::Layout::from_size_align(octets, 4096).unwrap();
        // SAFETY: neither layout is empty; both stay allocated until the process ends.
        let (entries, memory) = unsafe {
            (
                std::alloc::alloc_zeroed(page(usize::from(BUFFERS) * size_of::<BufRingEntry>())),
                std::alloc::alloc_zeroed(page(usize::from(BUFFERS) * BUFFER_OCTETS)),
            )
        };
        // SAFETY: as many entries as are said, on a page of their own.
        unsafe {
            ring.submitter()
                .register_buf_ring_with_flags(entries as u64, BUFFERS, GROUP, 0)
        }
        .unwrap();
        let mut buffers = Buffers {
            entries: entries.cast(),
            memory,
            tail: 0,
        };
        for buffer in 0..BUFFERS {
            buffers.give_back(buffer);
        }
        buffers
    }

    fn get(&mut self, buffer: u16) -> &mut [u8] {
        // SAFETY: a buffer that the kernel has given out is ours until it is given back.
        unsafe {
            std::slice::from_raw_parts_mut(
                self.memory.add(usize::from(buffer) * BUFFER_OCTETS),
                BUFFER_OCTETS,
            )
        }
    }

    fn give_back(&mut self, buffer: u16) {
        // SAFETY: the index is within the ring; the kernel looks at an entry only below the tail, which is moved after.
        unsafe {
            let entry = &mut *self.entries.add(usize::from(self.tail & (BUFFERS - 1)));
            entry.set_addr(self.memory.add(usize::from(buffer) * BUFFER_OCTETS) as u64);
            entry.set_len(BUFFER_OCTETS as u32);
            entry.set_bid(buffer);
            self.tail = self.tail.wrapping_add(1);
            let tail = BufRingEntry::tail(self.entries).cast::<AtomicU16>();
            (*tail).store(self.tail, Ordering::Release);
        }
    }
}
