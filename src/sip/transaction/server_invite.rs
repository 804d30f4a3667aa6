//! INVITE server transaction: RFC 3261 §17.2.1 as replaced by RFC 6026 §7.1 and figure 3.
//!
//! ```text
//!                    | INVITE: send 100, show the request
//!                    v
//!            +--------------+  INVITE again: send the last 1xx
//!            |  Proceeding  |  1xx from owner: send
//!            +--------------+  reliable 1xx from owner (RFC 3262 §3): send, start Provisional
//!                 |   |           (T1, doubling) and Prack (64*T1); PRACK or final: stop both
//!                 |   |        Provisional fires: send it again
//!                 |   |        Prack fires: PrackMissing
//!    3xx-6xx |              | 2xx: send
//!    send,   |              | start L (64*T1)
//!    start H |              | start Answer (T1, 2*T1, ... T2)
//!    (64*T1) |              v
//!    and G   |      +--------------+  INVITE again: nothing
//!    (T1, ..)|      |   Accepted   |  Answer fires: send the 2xx again
//!            v      +--------------+  ACK: stop Answer, show it once
//!    +-----------+      | L fires: AckMissing if no ACK came
//!    | Completed |      v
//!    +-----------+   Terminated
//!      |       | H fires          INVITE again in Completed: send the response again
//!  ACK |       +-------> Terminated   G fires: send it again (T1 doubling to T2; not on TCP)
//!      v
//!    +-----------+
//!    | Confirmed |  ACK or INVITE again: nothing
//!    +-----------+
//!      | I fires (T4; at once on TCP)
//!      v
//!   Terminated
//! ```
//!
//! RFC 3261 leaves the retransmission of a 2xx to the UAS core (§13.3.1.4), and RFC 3262 that of a reliable 1xx; they
//! live here because they begin and end with a state. They happen on TCP too: another hop may be UDP.

use std::time::Duration;

use super::{PATIENCE, Slot, Step, T1, T2, T4, Timer};

#[derive(Debug)]
pub(crate) struct InviteServer {
    state: State,
    is_reliable: bool,
    /// The last response sent; empty before the first.
    last: Vec<u8>,
    is_cancelled: bool,
    /// Proceeding: the reliable 1xx that waits for its PRACK; one at a time (RFC 3262 §3).
    unacknowledged: Option<Unacknowledged>,
}

#[derive(Debug)]
struct Unacknowledged {
    octets: Vec<u8>,
    interval: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Proceeding,
    Completed {
        interval: Duration,
    },
    Confirmed,
    Accepted {
        interval: Duration,
        is_acknowledged: bool,
    },
    Terminated,
}

impl InviteServer {
    pub(crate) fn new(is_reliable: bool) -> InviteServer {
        InviteServer {
            state: State::Proceeding,
            is_reliable,
            last: Vec::new(),
            is_cancelled: false,
            unacknowledged: None,
        }
    }

    /// The INVITE came again.
    pub(crate) fn on_invite(&mut self, steps: &mut Vec<Step>) {
        match self.state {
            State::Proceeding | State::Completed { .. } if !self.last.is_empty() => {
                steps.push(Step::Send(self.last.clone()));
            }
            _ => {}
        }
    }

    /// The owner answers. False when a final response was given before.
    pub(crate) fn on_response(&mut self, status: u16, octets: Vec<u8>, steps: &mut Vec<Step>) -> bool {
        if self.state != State::Proceeding {
            return false;
        }
        // The copy is the one that stays: it has no room to spare.
        self.last = octets.clone();
        steps.push(Step::Send(octets));
        if status >= 200 && self.unacknowledged.take().is_some() {
            steps.push(Step::Stop(Slot::Again));
        }
        match status {
            ..200 => {}
            200..300 => {
                self.state = State::Accepted {
                    interval: T1,
                    is_acknowledged: false,
                };
                steps.push(Step::Start(Timer::L, PATIENCE));
                steps.push(Step::Start(Timer::Answer, T1));
            }
            300.. => {
                self.state = State::Completed { interval: T1 };
                steps.push(Step::Start(Timer::H, PATIENCE));
                if !self.is_reliable {
                    steps.push(Step::Start(Timer::G, T1));
                }
            }
        }
        true
    }

    /// The owner sends a reliable 1xx. False after a final response, and while another one waits for its PRACK.
    pub(crate) fn on_reliable(&mut self, octets: Vec<u8>, steps: &mut Vec<Step>) -> bool {
        if self.state != State::Proceeding || self.unacknowledged.is_some() {
            return false;
        }
        steps.push(Step::Send(octets.clone()));
        steps.push(Step::Start(Timer::Provisional, T1));
        steps.push(Step::Start(Timer::Prack, PATIENCE));
        self.last = octets.clone();
        self.unacknowledged = Some(Unacknowledged { octets, interval: T1 });
        true
    }

    /// The PRACK of the reliable 1xx that waits for it.
    pub(crate) fn on_prack(&mut self, steps: &mut Vec<Step>) {
        if self.unacknowledged.take().is_some() {
            steps.push(Step::Stop(Slot::Again));
            steps.push(Step::Stop(Slot::End));
        }
    }

    /// An ACK of this transaction, that is to a 3xx-6xx.
    pub(crate) fn on_ack(&mut self, steps: &mut Vec<Step>) {
        if !matches!(self.state, State::Completed { .. }) {
            return;
        }
        self.last = Vec::new();
        if self.is_reliable {
            self.finish(steps);
        } else {
            self.state = State::Confirmed;
            steps.push(Step::Stop(Slot::Again));
            steps.push(Step::Start(Timer::I, T4));
        }
    }

    /// An ACK of the dialog, that is to our 2xx. True for the first one.
    pub(crate) fn on_ack_to_2xx(&mut self, steps: &mut Vec<Step>) -> bool {
        let State::Accepted { is_acknowledged, .. } = &mut self.state else {
            return false;
        };
        if std::mem::replace(is_acknowledged, true) {
            return false;
        }
        self.last = Vec::new();
        steps.push(Step::Stop(Slot::Again));
        true
    }

    /// A CANCEL for this INVITE. True when the owner should answer 487: the first CANCEL before a final response.
    pub(crate) fn on_cancel(&mut self) -> bool {
        self.state == State::Proceeding && !std::mem::replace(&mut self.is_cancelled, true)
    }

    pub(crate) fn on_timer(&mut self, timer: Timer, steps: &mut Vec<Step>) {
        match (&mut self.state, timer) {
            (State::Proceeding, Timer::Provisional) => {
                if let Some(waiting) = &mut self.unacknowledged {
                    waiting.interval *= 2;
                    steps.push(Step::Send(waiting.octets.clone()));
                    steps.push(Step::Start(Timer::Provisional, waiting.interval));
                }
            }
            (State::Proceeding, Timer::Prack) if self.unacknowledged.take().is_some() => {
                steps.push(Step::Stop(Slot::Again));
                steps.push(Step::PrackMissing);
            }
            (State::Completed { interval }, Timer::G) => {
                *interval = (*interval * 2).min(T2);
                steps.push(Step::Send(self.last.clone()));
                steps.push(Step::Start(Timer::G, *interval));
            }
            (
                State::Accepted {
                    interval,
                    is_acknowledged: false,
                },
                Timer::Answer,
            ) => {
                *interval = (*interval * 2).min(T2);
                steps.push(Step::Send(self.last.clone()));
                steps.push(Step::Start(Timer::Answer, *interval));
            }
            (State::Accepted { is_acknowledged, .. }, Timer::L) => {
                if !*is_acknowledged {
                    steps.push(Step::AckMissing);
                }
                self.finish(steps);
            }
            (State::Completed { .. }, Timer::H) | (State::Confirmed, Timer::I) => self.finish(steps),
            _ => {}
        }
    }

    fn finish(&mut self, steps: &mut Vec<Step>) {
        self.state = State::Terminated;
        steps.push(Step::Finish);
    }

    #[cfg(test)]
    pub(crate) fn state(&self) -> State {
        self.state
    }
}
