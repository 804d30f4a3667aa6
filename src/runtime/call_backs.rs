//! Calling back: a wish of a person at the console, handed to a shard, and the shard's word on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::clock;
use super::entropy;
use super::inbox::{Mailboxes, ToShard};
use super::limits::COMMAND_PATIENCE;
use crate::accounts::{self, CallBackMade};
use crate::call::{CallBack, NoCallBack};
use crate::call_id::CallId;
use crate::store::{Live, Store};

/// The way from the console to the shards.
pub struct CallBacks {
    mailboxes: Mailboxes,
    made: accounts::CallBacks,
    live: Arc<Live>,
}

impl CallBacks {
    pub fn new(mailboxes: Mailboxes, store: Arc<dyn Store>, live: Arc<Live>) -> CallBacks {
        CallBacks {
            mailboxes,
            made: accounts::CallBacks::new(store),
            live,
        }
    }

    /// Has a shard call back; the call's id. One person calls back once at a time, at whichever gateway of a store he asks: it is written
    /// there first, and always the same shard is asked. Blocks for `COMMAND_PATIENCE` at most, and as the store does.
    ///
    /// # Errors
    ///
    /// Why it does not begin. What was answered so does not begin later either.
    pub fn begin(&self, mut wanted: CallBack) -> Result<CallId, NoCallBack> {
        let shards = self.mailboxes.len().max(1);
        let shard = wanted.by.bytes().map(usize::from).sum::<usize>() % shards;
        let mut octets = [0; 16];
        octets.copy_from_slice(&entropy::seed().map_err(|_| NoCallBack::Busy)?[..16]);
        octets[0] = shard as u8;
        let id = CallId(u128::from_be_bytes(octets));
        wanted.id = id;
        let made = CallBackMade {
            call: id,
            of: wanted.of,
            by: wanted.by.clone(),
            at_ms: clock::now().unix_ms(),
        };
        match self.made.begin(&made, |call| self.live.has_ended(call)) {
            Ok(true) => {}
            Ok(false) => return Err(NoCallBack::NotNow(ONE_AT_A_TIME)),
            Err(error) => {
                tracing::warn!(%error, "a call back that could not be written down does not begin");
                return Err(NoCallBack::Busy);
            }
        }
        let begun = ring(&self.mailboxes, wanted, COMMAND_PATIENCE);
        if begun.is_err()
            && let Err(error) = self.made.take_back(id)
        {
            tracing::warn!(%error, "a call back that did not begin stays written down for a moment");
        }
        begun.map(|()| id)
    }
}

/// Hands the wish to its shard and waits for the word on it.
fn ring(mailboxes: &Mailboxes, wanted: CallBack, patience: Duration) -> Result<(), NoCallBack> {
    let mailbox = mailboxes.owner_of(wanted.id).ok_or(NoCallBack::Busy)?;
    let (answer, word) = Answer::new();
    let wanted = Box::new(wanted);
    if !mailbox.send(ToShard::CallBack { wanted, answer }) {
        return Err(NoCallBack::Busy);
    }
    word.wait(patience)
}

/// Where a shard says whether it calls back. Whoever asked may have given up before the shard came to it.
pub struct Answer {
    to: Sender<Option<NoCallBack>>,
    is_settled: Arc<AtomicBool>,
}

/// The other end of it.
struct Word {
    told: Receiver<Option<NoCallBack>>,
    is_settled: Arc<AtomicBool>,
}

impl Answer {
    fn new() -> (Answer, Word) {
        let (to, told) = bounded(1);
        let is_settled: Arc<AtomicBool> = Arc::default();
        let word = Word {
            told,
            is_settled: is_settled.clone(),
        };
        (Answer { to, is_settled }, word)
    }

    /// Of whoever gives up and of the shard that begins, one is first. False = it is not to begin any more.
    pub fn is_wanted(&self) -> bool {
        !self.is_settled.swap(true, Ordering::AcqRel)
    }

    /// There is room for the one word.
    pub fn say(&self, refused: Option<NoCallBack>) {
        let _ = self.to.try_send(refused);
    }
}

impl Word {
    /// Nobody is told that it does not begin while it does: a shard that is at it when the time is up says so in a moment.
    fn wait(self, patience: Duration) -> Result<(), NoCallBack> {
        let mut said = self.told.recv_timeout(patience);
        if said.is_err() && self.is_settled.swap(true, Ordering::AcqRel) {
            said = self.told.recv_timeout(COMMAND_PATIENCE);
        }
        match said {
            Ok(None) => Ok(()),
            Ok(Some(why)) => Err(why),
            Err(_) => Err(NoCallBack::Busy),
        }
    }
}

const ONE_AT_A_TIME: &str = "you are calling back already";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_answered_with_busy_does_not_begin() {
        let (answer, word) = Answer::new();
        assert_eq!(word.wait(Duration::ZERO), Err(NoCallBack::Busy));
        assert!(
            !answer.is_wanted(),
            "the shard comes to it when nobody waits any more"
        );
    }

    #[test]
    fn what_has_begun_when_the_time_is_up_is_waited_for() {
        for refused in [None, Some(NoCallBack::Off)] {
            let (answer, word) = Answer::new();
            assert!(answer.is_wanted());
            let waits = std::thread::spawn(move || word.wait(Duration::ZERO));
            answer.say(refused);
            assert_eq!(waits.join().unwrap().err(), refused);
        }
    }
}
