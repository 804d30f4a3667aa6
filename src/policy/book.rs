//! The book of a gateway's policies: revisions that never change, and which of them is live, rolled out or watching.
//!
//! Everything that was ever done is an [`Entry`]; reading all of them again gives the book as it is. Entries are kept by
//! whoever keeps the book. Nothing here loads a policy, reads a clock or knows who may do what beyond "two persons".

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::limits::{REVISION_TEXTS_MAX, REVISIONS_MAX};

/// Who did what the configuration's own file says, and what the gateway did by itself. No token has one of these names.
pub const BY_FILE: &str = "file";
pub const BY_GATEWAY: &str = "gateway";

/// Something that was done. Its number is its place in the journal, from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Unix ms.
    pub at_ms: u64,
    /// Who did it: a name of a token or user, `file` for the configuration's own file, `gateway` for what it does itself.
    pub by: String,
    /// The person behind a token: whoever made it, or made what made it. None = `by` is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// Why, in the words of whoever did it.
    pub reason: String,
    #[serde(flatten)]
    pub act: Act,
}

/// Who does something: by this name, and the person behind it. Two names of one person are not two people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hand<'a> {
    pub by: &'a str,
    pub person: &'a str,
}

impl<'a> From<&'a str> for Hand<'a> {
    fn from(by: &'a str) -> Hand<'a> {
        Hand { by, person: by }
    }
}

impl Entry {
    pub fn hand(&self) -> Hand<'_> {
        Hand {
            by: &self.by,
            person: self.person.as_deref().unwrap_or(&self.by),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Act {
    /// A revision: the number of this entry is the revision's.
    Save {
        /// `office@9c1e02d4`
        revision: String,
        text: String,
    },
    /// Somebody wants this revision live, and somebody else has to agree.
    Propose { number: u64, percent: u8 },
    /// Live for all callers (100) or for a share of them.
    Activate { number: u64, percent: u8 },
    /// What was live before is again.
    RollBack { number: u64 },
    /// Asked about every call, decides none; 0 = none is any more.
    Shadow { number: u64 },
}

/// A policy text as it was saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Revision {
    pub number: u64,
    pub revision: String,
    pub by: String,
    pub reason: String,
    pub at_ms: u64,
    #[serde(skip)]
    pub text: Arc<str>,
}

/// A revision that waits for a second person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proposal {
    pub number: u64,
    pub percent: u8,
    pub by: String,
    /// Who that is: another name of his is not a second person.
    pub person: String,
    pub reason: String,
    pub at_ms: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Book {
    revisions: BTreeMap<u64, Revision>,
    /// Revisions that were live for all, oldest first; the last is.
    lived: Vec<u64>,
    /// What the configuration's file said when it was last made live.
    by_file: Option<u64>,
    rollout: Option<(u64, u8)>,
    shadow: Option<u64>,
    proposal: Option<Proposal>,
    last: u64,
}

/// Why something is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("there is no such revision")]
    NoSuchRevision,
    #[error("nothing is proposed for this revision")]
    NothingProposed,
    #[error(
        "this revision refuses calls: somebody else than its proposer has to agree, and a token is whoever made it"
    )]
    SecondPerson,
    #[error("no earlier policy was live")]
    NothingBefore,
    #[error("a share is 1 to 100 percent")]
    Share,
    #[error("the book of policies is full")]
    Full,
}

impl Book {
    /// Writes down what was done. Entries come in the order of their numbers; one that names what is not there changes
    /// nothing.
    pub fn apply(&mut self, number: u64, entry: &Entry) {
        self.last = number;
        match &entry.act {
            Act::Save { revision, text } => {
                self.revisions.insert(
                    number,
                    Revision {
                        number,
                        revision: revision.clone(),
                        by: entry.by.clone(),
                        reason: entry.reason.clone(),
                        at_ms: entry.at_ms,
                        text: text.as_str().into(),
                    },
                );
            }
            Act::Propose { number, percent } => {
                self.proposal = Some(Proposal {
                    number: *number,
                    percent: *percent,
                    by: entry.by.clone(),
                    person: entry.hand().person.to_string(),
                    reason: entry.reason.clone(),
                    at_ms: entry.at_ms,
                });
            }
            Act::Activate { number, percent } if self.revisions.contains_key(number) => {
                self.proposal = None;
                if entry.by == BY_FILE {
                    self.by_file = Some(*number);
                }
                if *percent >= 100 {
                    self.rollout = None;
                    if self.live() != Some(*number) {
                        self.lived.push(*number);
                    }
                } else {
                    self.rollout = Some((*number, *percent));
                }
            }
            Act::RollBack { number } if self.revisions.contains_key(number) => {
                self.proposal = None;
                self.rollout = None;
                // What was rolled back is no place to roll back to.
                self.lived.pop();
                if self.live() != Some(*number) {
                    self.lived.push(*number);
                }
            }
            Act::Shadow { number } => {
                self.shadow = Some(*number).filter(|number| self.revisions.contains_key(number));
            }
            Act::Activate { .. } | Act::RollBack { .. } => {}
        }
    }

    /// An entry that cannot be read keeps its number.
    pub fn pass_over(&mut self, number: u64) {
        self.last = number;
    }

    /// What to do about a wish to make a revision live: a proposal when it needs a second person, else the activation.
    /// `needs_two`: the revision refuses calls that the live one does not. `may_agree`: whoever asks may agree with what
    /// others propose; who only writes policies may not, however many of them want the same.
    pub fn activate(
        &self,
        number: u64,
        percent: u8,
        by: Hand<'_>,
        needs_two: bool,
        may_agree: bool,
    ) -> Result<Act, Refused> {
        self.revision(number)?;
        if !(1..=100).contains(&percent) {
            return Err(Refused::Share);
        }
        if !needs_two {
            return Ok(Act::Activate { number, percent });
        }
        match &self.proposal {
            // The same wish again, by somebody else, is the agreement.
            Some(proposal)
                if may_agree
                    && (proposal.number, proposal.percent) == (number, percent)
                    && proposal.person != by.person =>
            {
                Ok(Act::Activate { number, percent })
            }
            _ => Ok(Act::Propose { number, percent }),
        }
    }

    /// What to do when somebody agrees with the proposal for this revision.
    pub fn approve(&self, number: u64, by: Hand<'_>) -> Result<Act, Refused> {
        self.revision(number)?;
        let proposal = self
            .proposal
            .as_ref()
            .filter(|proposal| proposal.number == number);
        let proposal = proposal.ok_or(Refused::NothingProposed)?;
        if proposal.person == by.person {
            return Err(Refused::SecondPerson);
        }
        Ok(Act::Activate {
            number,
            percent: proposal.percent,
        })
    }

    /// Back to what was live before; of a roll-out, to what is live for everybody else. Needs nobody else's word.
    pub fn roll_back(&self) -> Result<Act, Refused> {
        if self.rollout.is_some() {
            let number = self.live().ok_or(Refused::NothingBefore)?;
            return Ok(Act::Activate { number, percent: 100 });
        }
        let before = self.lived.len().checked_sub(2).and_then(|at| self.lived.get(at));
        let number = *before.ok_or(Refused::NothingBefore)?;
        Ok(Act::RollBack { number })
    }

    pub fn revision(&self, number: u64) -> Result<&Revision, Refused> {
        self.revisions.get(&number).ok_or(Refused::NoSuchRevision)
    }

    /// Whether one more text of so many octets has room.
    pub fn has_room(&self, octets: usize) -> Result<(), Refused> {
        let held: usize = self.revisions.values().map(|revision| revision.text.len()).sum();
        if self.revisions.len() >= REVISIONS_MAX || held + octets > REVISION_TEXTS_MAX {
            return Err(Refused::Full);
        }
        Ok(())
    }

    /// What the configuration's file said when it was last made live.
    pub fn by_file(&self) -> Option<&Revision> {
        self.revisions.get(&self.by_file?)
    }

    /// The newest revision of this name and hash.
    pub fn called(&self, revision: &str) -> Option<&Revision> {
        self.revisions
            .values()
            .rev()
            .find(|known| known.revision == revision)
    }

    /// Oldest first.
    pub fn revisions(&self) -> impl DoubleEndedIterator<Item = &Revision> {
        self.revisions.values()
    }

    /// Live for everybody who is in no roll-out.
    pub fn live(&self) -> Option<u64> {
        self.lived.last().copied()
    }

    /// Live for a share of the callers, in percent.
    pub fn rollout(&self) -> Option<(u64, u8)> {
        self.rollout
    }

    pub fn shadow(&self) -> Option<u64> {
        self.shadow
    }

    pub fn proposal(&self) -> Option<&Proposal> {
        self.proposal.as_ref()
    }

    /// Number of the last entry; 0 = none.
    pub fn last(&self) -> u64 {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Desk {
        book: Book,
        kept: Vec<Entry>,
    }

    impl Desk {
        fn new() -> Desk {
            let mut desk = Desk {
                book: Book::default(),
                kept: Vec::new(),
            };
            for name in ["a", "b", "c"] {
                desk.write(
                    "ann",
                    Act::Save {
                        revision: format!("{name}@1"),
                        text: String::new(),
                    },
                );
            }
            desk
        }

        fn write(&mut self, by: &str, act: Act) -> u64 {
            let entry = Entry {
                at_ms: 0,
                by: by.into(),
                person: None,
                reason: "because".into(),
                act,
            };
            self.kept.push(entry.clone());
            self.book.apply(self.kept.len() as u64, &entry);
            self.kept.len() as u64
        }

        fn activate(&mut self, number: u64, percent: u8, by: &str, needs_two: bool) -> Act {
            let act = self
                .book
                .activate(number, percent, by.into(), needs_two, true)
                .unwrap();
            self.write(by, act.clone());
            act
        }
    }

    #[test]
    fn what_refuses_nobody_is_live_at_once_and_can_be_taken_back() {
        let mut desk = Desk::new();
        assert_eq!(desk.book.roll_back(), Err(Refused::NothingBefore));
        desk.activate(1, 100, "ann", false);
        desk.activate(2, 100, "ann", false);
        desk.activate(3, 100, "ann", false);
        let back = desk.book.roll_back().unwrap();
        assert_eq!(back, Act::RollBack { number: 2 });
        desk.write("gateway", back);
        assert_eq!(desk.book.live(), Some(2));
        // Back once more is one further, never to what was taken back.
        assert_eq!(desk.book.roll_back(), Ok(Act::RollBack { number: 1 }));
    }

    #[test]
    fn what_refuses_needs_two_different_people() {
        let mut desk = Desk::new();
        assert_eq!(
            desk.activate(2, 100, "ann", true),
            Act::Propose {
                number: 2,
                percent: 100
            }
        );
        assert_eq!(desk.book.approve(2, "ann".into()), Err(Refused::SecondPerson));
        assert_eq!(desk.book.approve(3, "bob".into()), Err(Refused::NothingProposed));
        assert_eq!(
            desk.activate(2, 100, "ann", true),
            Act::Propose {
                number: 2,
                percent: 100
            }
        );
        // Whoever makes himself a token is not a second person with it.
        let token = Hand {
            by: "bobs-token",
            person: "ann",
        };
        assert_eq!(desk.book.approve(2, token), Err(Refused::SecondPerson));
        let wish = Act::Propose {
            number: 2,
            percent: 100,
        };
        assert_eq!(desk.book.activate(2, 100, token, true, true), Ok(wish));
        let agreed = desk.book.approve(2, "bob".into()).unwrap();
        desk.write("bob", agreed);
        assert_eq!((desk.book.live(), desk.book.proposal()), (Some(2), None));
        // Somebody who may not agree only wants the same.
        desk.activate(3, 100, "ann", true);
        let wish = Act::Propose {
            number: 3,
            percent: 100,
        };
        assert_eq!(desk.book.activate(3, 100, "carl".into(), true, false), Ok(wish));
        // Another share is another wish.
        desk.activate(3, 10, "ann", true);
        assert_eq!(
            desk.activate(3, 50, "bob", true),
            Act::Propose {
                number: 3,
                percent: 50
            }
        );
        assert_eq!(
            desk.activate(3, 50, "ann", true),
            Act::Activate {
                number: 3,
                percent: 50
            }
        );
    }

    #[test]
    fn a_roll_out_goes_on_or_back_without_touching_what_is_live() {
        let mut desk = Desk::new();
        desk.activate(1, 100, "ann", false);
        desk.activate(2, 10, "ann", false);
        assert_eq!((desk.book.live(), desk.book.rollout()), (Some(1), Some((2, 10))));
        let back = desk.book.roll_back().unwrap();
        desk.write("ann", back);
        assert_eq!((desk.book.live(), desk.book.rollout()), (Some(1), None));
        desk.activate(2, 10, "ann", false);
        desk.activate(2, 100, "ann", false);
        assert_eq!((desk.book.live(), desk.book.rollout()), (Some(2), None));
        assert_eq!(
            desk.book.activate(2, 0, "ann".into(), false, true),
            Err(Refused::Share)
        );
        assert_eq!(
            desk.book.activate(9, 100, "ann".into(), false, true),
            Err(Refused::NoSuchRevision)
        );
    }

    #[test]
    fn the_book_read_again_is_the_same_book() {
        let mut desk = Desk::new();
        desk.activate(1, 100, "ann", false);
        desk.activate(2, 100, "ann", true);
        desk.write("ann", Act::Shadow { number: 3 });
        let kept = serde_json::to_string(&desk.kept).unwrap();
        let mut again = Book::default();
        for (at, entry) in serde_json::from_str::<Vec<Entry>>(&kept)
            .unwrap()
            .iter()
            .enumerate()
        {
            again.apply(at as u64 + 1, entry);
        }
        assert_eq!(format!("{again:?}"), format!("{:?}", desk.book));
        assert_eq!((again.shadow(), again.last()), (Some(3), 6));
        assert_eq!(again.called("b@1").unwrap().number, 2);
    }
}
