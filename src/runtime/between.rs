//! What one shard tells another of dialogs that are not where their Call-ID says, through bounded inboxes.

use super::inbox::{Mailboxes, ToShard};
use crate::call::{Handed, Output};
use crate::call_id::CallId;

/// Carries out `Moved`, `AskForLeg` and `HandLeg`; nothing else comes here. What could not be told is given back: the
/// engine that said it has to hear of it (`Input::LegHanded`).
pub fn tell(output: Output, mailboxes: &Mailboxes) -> Option<(CallId, Option<Box<Handed>>)> {
    match output {
        Output::Moved {
            owner,
            sip_call_id,
            shard,
            is_over,
        } => {
            // Lost for want of room: its messages are answered 481, and the phone hangs up.
            if let Some(mailbox) = mailboxes.shard(owner) {
                mailbox.send(ToShard::Moved {
                    sip_call_id,
                    shard,
                    is_over,
                });
            }
            None
        }
        Output::AskForLeg { shard, asked } => {
            let asker = asked.asker();
            let mailbox = mailboxes.shard(shard);
            let is_told = mailbox.is_some_and(|mailbox| mailbox.send(ToShard::LegAsked(asked)));
            (!is_told).then_some((asker, None))
        }
        Output::HandLeg { call, handed } => {
            let message = ToShard::LegHanded { call, handed };
            let returned = match mailboxes.owner_of(call) {
                Some(mailbox) => mailbox.offer(message).err(),
                None => Some(message),
            };
            match returned {
                Some(ToShard::LegHanded { call, handed }) => Some((call, handed)),
                _ => None,
            }
        }
        _ => None,
    }
}
