//! What one shard tells another of dialogs that are not where their Call-ID says, through bounded inboxes.

use super::inbox::{Mailboxes, ToShard};
use crate::call::{Asker, Handed, Output};

/// What could not be told, because the other shard's inbox has no room.
pub enum Untold {
    /// The engine that said it has to hear of it (`Input::LegHanded`).
    Leg(Asker, Option<Box<Handed>>),
    /// To be told again when there is room: without it the messages of a dialog would be answered 481.
    Moved(Moved),
}

/// `ToShard::Moved` and the shard it is for.
pub struct Moved {
    owner: u16,
    sip_call_id: String,
    shard: u16,
    is_over: bool,
}

impl Moved {
    /// Given back where there is no room.
    pub fn tell(self, mailboxes: &Mailboxes) -> Option<Moved> {
        let Moved { owner, shard, .. } = self;
        let message = ToShard::Moved {
            sip_call_id: self.sip_call_id,
            shard,
            is_over: self.is_over,
        };
        match mailboxes.shard(owner)?.offer(message).err()? {
            ToShard::Moved {
                sip_call_id, is_over, ..
            } => Some(Moved {
                owner,
                sip_call_id,
                shard,
                is_over,
            }),
            _ => None,
        }
    }
}

/// Carries out `Moved`, `AskForLeg` and `HandLeg`; nothing else comes here. What could not be told is given back, and so is
/// a `Moved` while others wait (`is_behind`): the last word of a dialog must not come first.
pub fn tell(output: Output, is_behind: bool, mailboxes: &Mailboxes) -> Option<Untold> {
    match output {
        Output::Moved {
            owner,
            sip_call_id,
            shard,
            is_over,
        } => {
            let moved = Moved {
                owner,
                sip_call_id,
                shard,
                is_over,
            };
            match is_behind {
                true => Some(Untold::Moved(moved)),
                false => moved.tell(mailboxes).map(Untold::Moved),
            }
        }
        Output::AskForLeg { shard, asked } => {
            let asker = asked.asker();
            let mailbox = mailboxes.shard(shard);
            let is_told = mailbox.is_some_and(|mailbox| mailbox.send(ToShard::LegAsked(Box::new(asked))));
            (!is_told).then_some(Untold::Leg(asker, None))
        }
        Output::HandLeg { asker, handed } => {
            let message = ToShard::LegHanded { asker, handed };
            let returned = match mailboxes.owner_of(asker.call) {
                Some(mailbox) => mailbox.offer(message).err(),
                None => Some(message),
            };
            match returned {
                Some(ToShard::LegHanded { asker, handed }) => Some(Untold::Leg(asker, handed)),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::inbox::Mailbox;
    use super::*;

    #[test]
    fn where_a_dialog_went_is_told_again_when_there_is_room() {
        let poll = mio::Poll::new().unwrap();
        let waker = mio::Waker::new(poll.registry(), mio::Token(0)).unwrap();
        let (mailbox, inbox) = Mailbox::new(waker);
        while mailbox.send(ToShard::Drain) {}
        let mailboxes = Mailboxes::new(vec![mailbox]);
        let untold = |is_over, is_behind| {
            let moved = Output::Moved {
                owner: 0,
                sip_call_id: "x".into(),
                shard: 1,
                is_over,
            };
            match tell(moved, is_behind, &mailboxes) {
                Some(Untold::Moved(again)) => again,
                _ => panic!("it was told"),
            }
        };
        let first = untold(false, false);
        for _ in 0..2 {
            assert!(inbox.try_recv().is_ok());
        }
        // There is room by now, but it would overtake the first.
        let last = untold(true, true);
        assert!(first.tell(&mailboxes).is_none() && last.tell(&mailboxes).is_none());
        let told = inbox.try_iter().last();
        assert!(matches!(
            told,
            Some(ToShard::Moved { sip_call_id, shard: 1, is_over: true }) if sip_call_id == "x"
        ));
    }
}
