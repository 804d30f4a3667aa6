//! Names by which a message finds its call. Every name belongs to one call and dies with it.

use std::collections::HashMap;

use crate::call_id::CallId;
use crate::sip::{ClientTxn, ServerTxn};

/// A name of a call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Name {
    Id(CallId),
    Server(ServerTxn),
    Client(ClientTxn),
    /// A tag of ours: in To of what a peer sends inside the dialog.
    Tag(String),
    /// Call-ID of a dialog that this shard has although the Call-ID names another.
    Guest(String),
    /// Call-ID, From tag and CSeq of an INVITE that came: finds the same request on a second way.
    Caller(String, String, u32),
}

/// Only looked up, never walked through: no order of it can be seen.
#[derive(Default)]
pub(crate) struct Index {
    calls: HashMap<Name, usize>,
    names: HashMap<usize, Vec<Name>>,
}

impl Index {
    pub(crate) fn add(&mut self, call: usize, name: Name) {
        if self.calls.insert(name.clone(), call).is_none() {
            self.names.entry(call).or_default().push(name);
        }
    }

    pub(crate) fn call(&self, name: &Name) -> Option<usize> {
        self.calls.get(name).copied()
    }

    /// One name is used up (a transaction is over).
    pub(crate) fn remove(&mut self, name: &Name) {
        if let Some(call) = self.calls.remove(name)
            && let Some(names) = self.names.get_mut(&call)
        {
            names.retain(|other| other != name);
        }
    }

    /// The call is over: all its names go. What other shards wait to hear of is handed out.
    pub(crate) fn forget(&mut self, call: usize) -> Vec<String> {
        let mut guests = Vec::new();
        for name in self.names.remove(&call).unwrap_or_default() {
            self.calls.remove(&name);
            if let Name::Guest(sip_call_id) = name {
                guests.push(sip_call_id);
            }
        }
        guests
    }

    pub(crate) fn len(&self) -> usize {
        self.calls.len()
    }
}
