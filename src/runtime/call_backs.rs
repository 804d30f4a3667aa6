//! Calling back: a wish of a person at the console, handed to a shard, and the shard's word on it.

use crossbeam_channel::bounded;

use super::entropy;
use super::inbox::{Mailboxes, ToShard};
use super::limits::COMMAND_PATIENCE;
use crate::call::{CallBack, NoCallBack};
use crate::call_id::CallId;

/// Has a shard call back; the call's id. Always the same shard for one person, which has him call one at a time. Blocks for
/// `COMMAND_PATIENCE` at most.
///
/// # Errors
///
/// Why it does not begin. A shard that is too busy to say so in time may begin it all the same.
pub fn begin(mailboxes: &Mailboxes, mut wanted: CallBack) -> Result<CallId, NoCallBack> {
    let shards = mailboxes.len().max(1);
    let shard = wanted.by.bytes().map(usize::from).sum::<usize>() % shards;
    let mut octets = [0; 16];
    octets.copy_from_slice(&entropy::seed().map_err(|_| NoCallBack::Busy)?[..16]);
    octets[0] = shard as u8;
    wanted.id = CallId(u128::from_be_bytes(octets));
    let id = wanted.id;
    let mailbox = mailboxes.owner_of(id).ok_or(NoCallBack::Busy)?;
    let (answer, told) = bounded(1);
    let wanted = Box::new(wanted);
    if !mailbox.send(ToShard::CallBack { wanted, answer }) {
        return Err(NoCallBack::Busy);
    }
    match told.recv_timeout(COMMAND_PATIENCE) {
        Ok(None) => Ok(id),
        Ok(Some(why)) => Err(why),
        Err(_) => Err(NoCallBack::Busy),
    }
}
