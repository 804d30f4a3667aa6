//! Body of the fuzz target: whatever octets come, to either role and at any point of a handshake.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::{Association, Identity, Outcome, Role, Terms};
use crate::sdp::Suites;

/// Both sides begin; the octets go to both before, between and after their own; what each says goes to the other. `now` is any time.
///
/// # Panics
///
/// When octets of a stranger end a handshake with keys that differ, or hold it up, which is what the fuzzer looks for.
pub fn fuzz_dtls(octets: &[u8], now: Instant) {
    static IDENTITY: OnceLock<Option<Arc<Identity>>> = OnceLock::new();
    let Some(identity) = IDENTITY.get_or_init(|| Identity::new().ok().map(Arc::new)) else {
        return;
    };
    let terms = |role| Terms {
        role,
        fingerprints: vec![identity.fingerprint().clone()],
        suites: Suites::default(),
    };
    let mut client = Association::new(&terms(Role::Client), identity, now);
    let mut server = Association::new(&terms(Role::Server), identity, now);
    let mut secured = [None, None];
    let at = octets.first().map_or(0, |first| usize::from(first % 4));
    for round in 0u64..12 {
        let now = now + Duration::from_millis(700) * round as u32;
        client.handle_timeout(now);
        server.handle_timeout(now);
        if round as usize == at {
            client.handle(octets, now);
            server.handle(octets, now);
        }
        while let Some(datagram) = client.poll_transmit() {
            assert!(datagram.len() <= super::super::limits::DTLS_DATAGRAM_OCTETS_MAX);
            server.handle(&datagram, now);
        }
        while let Some(datagram) = server.poll_transmit() {
            assert!(datagram.len() <= super::super::limits::DTLS_DATAGRAM_OCTETS_MAX);
            client.handle(&datagram, now);
        }
        for (side, secured) in [&mut client, &mut server].into_iter().zip(&mut secured) {
            if let Some(Outcome::Keys(keys)) = side.poll_secured() {
                *secured = Some(keys);
            }
        }
    }
    if let [Some(client), Some(server)] = &secured {
        assert_eq!(client.inbound, server.outbound);
        assert_eq!(client.outbound, server.inbound);
    }
}
