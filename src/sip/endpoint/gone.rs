//! Connections that are over: a request that names one of them went by another.

use std::collections::BTreeSet;

use crate::sip::limits::GONE_CONNECTIONS_KEPT;
use crate::sip::{Flow, Transport};

/// The numbers of the connections that ended last. They count up, so the smallest is the oldest.
#[derive(Debug, Default)]
pub(super) struct Gone(BTreeSet<u64>);

impl Gone {
    pub(super) fn add(&mut self, connection: u64) {
        self.0.insert(connection);
        if self.0.len() > GONE_CONNECTIONS_KEPT {
            self.0.pop_first();
        }
    }

    /// Whether a failure of `failed` concerns what was sent on `ours`. On a connection the local port is whatever the
    /// system chose; a request may have gone out before its connection had a number, and one that names a connection
    /// which is over was carried by whatever led to the same place.
    pub(super) fn is_same_way(&self, ours: Flow, failed: Flow) -> bool {
        if ours.transport != failed.transport {
            return false;
        }
        let is_same_place = ours.remote == failed.remote && ours.peer == failed.peer;
        match (ours.transport, ours.connection, failed.connection) {
            (Transport::Udp, ..) => ours.remote == failed.remote && ours.local == failed.local,
            (_, Some(ours), Some(failed)) if ours != failed => is_same_place && self.0.contains(&ours),
            (_, Some(_), Some(_)) => true,
            _ => is_same_place,
        }
    }
}
