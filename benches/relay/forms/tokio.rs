//! A task for each socket, on one thread.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::net::UdpSocket;

use super::{BUFFER_OCTETS, Call, now};

pub fn run(calls: usize, ends: [SocketAddr; 2]) {
    let calls = Call::all(calls, ends);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    let tasks = tokio::task::LocalSet::new();
    for call in calls {
        let _context = runtime.enter();
        let sockets = call
            .sockets
            .each_ref()
            .map(|socket| Rc::new(UdpSocket::from_std(socket.try_clone().unwrap()).unwrap()));
        let call = Rc::new(RefCell::new(call));
        for side in 0..2 {
            let (here, there) = (Rc::clone(&sockets[side]), Rc::clone(&sockets[1 - side]));
            let call = Rc::clone(&call);
            tasks.spawn_local(async move {
                let mut buffer = [0u8; BUFFER_OCTETS];
                loop {
                    let Ok((len, source)) = here.recv_from(&mut buffer).await else {
                        continue;
                    };
                    let forward = call.borrow_mut().take(side, source, &mut buffer, len, now());
                    if let Some((to, len)) = forward {
                        let _ = there.try_send_to(&buffer[..len], to);
                    }
                }
            });
        }
    }
    runtime.block_on(tasks.run_until(std::future::pending::<()>()));
}
