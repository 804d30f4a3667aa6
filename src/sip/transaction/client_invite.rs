//! INVITE client transaction: RFC 3261 §17.1.1 as replaced by RFC 6026 §7.2 and figure 4, with CANCEL (§9.1).
//!
//! ```text
//!             | send, start A (T1; not on TCP) and B (64*T1)
//!             v
//!        +-----------+  A fires: send again, A doubles
//!        |  Calling  |  B fires: TimedOut, Terminated; once T4 later while a CANCEL is held (not on TCP)
//!        +-----------+  CANCEL asked: held
//!          |   |   | 1xx: show, send the held CANCEL
//!          |   |   v
//!          |   | +------------+  1xx: show, start C again (over 3 min; CMax runs from the first)
//!          |   | | Proceeding |  CANCEL asked, or C or CMax fires: send CANCEL, start Cancelled (64*T1)
//!          |   | +------------+  Cancelled fires: TimedOut, Terminated
//!          |   |   |  | 2xx: show, start M (64*T1)
//!  3xx-6xx:|   |   |  v
//!  ACK,    |   | +----------+  2xx again: send its ACK again
//!  show,   |   +>| Accepted |  2xx with another To tag: show
//!  start D |     +----------+
//!  (32 s;  |       |  | M fires
//!  at once |<------+  v
//!  on TCP) v      Terminated
//!        +-----------+
//!        | Completed |  3xx-6xx again: send the ACK again
//!        +-----------+
//!          | D fires
//!          v
//!      Terminated
//! ```
//! (The arrow from Proceeding to Completed is a 3xx-6xx: ACK, show, start D.)

use std::time::Duration;

use super::{Failure, PATIENCE, Slot, Step, T1, T4, TIMER_C, TIMER_C_MAX, TIMER_D, Timer};
use crate::sip::{Flow, limits};

#[derive(Debug)]
pub(crate) struct InviteClient {
    state: State,
    is_reliable: bool,
    /// It went out once more, after its connection was gone.
    is_repeated: bool,
    /// The connection it went by is gone, and its owner was told.
    is_lost: bool,
    /// Octets for Timer A; dropped with the first response.
    request: Vec<u8>,
    cancel: Cancel,
    /// Accepted: one per To tag seen.
    answers: Vec<Answer>,
    /// Completed: the ACK of this transaction.
    ack: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Calling { interval: Duration },
    Proceeding,
    Completed,
    Accepted,
    Terminated,
}

#[derive(Debug)]
enum Cancel {
    NotAsked,
    /// Waiting for a 1xx, with the Reason; `is_late`: longer than B lets it.
    Held {
        reason: Option<String>,
        is_late: bool,
    },
    Sent,
}

/// A 2xx of one fork.
#[derive(Debug)]
struct Answer {
    to_tag: String,
    /// None until the owner gives it.
    ack: Option<(Flow, Vec<u8>)>,
}

impl InviteClient {
    pub(crate) fn new(request: Vec<u8>, is_reliable: bool, steps: &mut Vec<Step>) -> InviteClient {
        // The copy is the one that stays: it has no room to spare.
        let kept = request.clone();
        steps.push(Step::Send(request));
        steps.push(Step::Start(Timer::B, PATIENCE));
        if !is_reliable {
            steps.push(Step::Start(Timer::A, T1));
        }
        InviteClient {
            state: State::Calling { interval: T1 },
            is_reliable,
            is_repeated: false,
            is_lost: false,
            request: kept,
            cancel: Cancel::NotAsked,
            answers: Vec::new(),
            ack: Vec::new(),
        }
    }

    /// A response came. True when the owner should see it; `make_ack` builds the ACK to a 3xx-6xx.
    pub(crate) fn on_response(
        &mut self,
        status: u16,
        to_tag: &str,
        make_ack: impl FnOnce() -> Vec<u8>,
        steps: &mut Vec<Step>,
    ) -> bool {
        match (self.state, status) {
            (State::Calling { .. } | State::Proceeding, ..200) => self.on_provisional(status, steps),
            (State::Calling { .. } | State::Proceeding | State::Accepted, 200..300) => {
                return self.on_answer(to_tag, steps);
            }
            (State::Calling { .. } | State::Proceeding, 300..) => {
                self.request = Vec::new();
                self.ack = make_ack();
                steps.push(Step::Stop(Slot::Again));
                steps.push(Step::Send(self.ack.clone()));
                if self.is_reliable {
                    self.finish(steps);
                } else {
                    self.state = State::Completed;
                    steps.push(Step::Start(Timer::D, TIMER_D));
                }
            }
            (State::Completed, 300..) => {
                steps.push(Step::Send(self.ack.clone()));
                return false;
            }
            _ => return false,
        }
        true
    }

    /// The owner wants this INVITE cancelled.
    pub(crate) fn on_cancel(&mut self, reason: Option<String>, steps: &mut Vec<Step>) {
        match (&self.cancel, self.state) {
            (Cancel::NotAsked, State::Calling { .. }) => {
                let is_late = false;
                self.cancel = Cancel::Held { reason, is_late };
            }
            (Cancel::NotAsked, State::Proceeding) => self.send_cancel(reason, steps),
            _ => {}
        }
    }

    /// The owner gives the ACK to the 2xx with this To tag, to be sent again with each retransmission of it.
    pub(crate) fn on_acknowledged(&mut self, to_tag: &str, flow: Flow, ack: Vec<u8>) {
        if self.state != State::Accepted {
            return;
        }
        let known = self.answers.iter_mut().find(|answer| answer.to_tag == to_tag);
        if let Some(answer) = known {
            answer.ack = Some((flow, ack));
        }
    }

    pub(crate) fn on_timer(&mut self, timer: Timer, steps: &mut Vec<Step>) {
        if let (State::Calling { .. }, Timer::B, Cancel::Held { is_late, .. }) =
            (self.state, timer, &mut self.cancel)
            && !self.is_reliable
            && !std::mem::replace(is_late, true)
        {
            // The last copy left half a second before B. A phone that got it rings, and hears of its end only by the CANCEL,
            // which may not go before its 1xx is here.
            steps.push(Step::Start(Timer::B, T4));
            return;
        }
        match (&mut self.state, timer) {
            (State::Calling { interval }, Timer::A) => {
                *interval *= 2;
                steps.push(Step::Send(self.request.clone()));
                steps.push(Step::Start(Timer::A, *interval));
            }
            (State::Calling { .. }, Timer::B) | (State::Proceeding, Timer::Cancelled) => {
                steps.push(Step::TimedOut);
                self.finish(steps);
            }
            (State::Proceeding, Timer::C | Timer::CMax) if !matches!(self.cancel, Cancel::Sent) => {
                self.send_cancel(None, steps);
            }
            (State::Completed, Timer::D) | (State::Accepted, Timer::M) => self.finish(steps),
            _ => {}
        }
    }

    /// The transport failed; `was_up`: a connection that had been open, so that the peer may have what was sent on it.
    ///
    /// In Accepted the call goes on: only the repetition of an ACK was lost (RFC 6026 §7.2). So it does in Proceeding: this
    /// INVITE was not what could not be sent (RFC 3261 figure 5 has no such arrow), and its phone rings.
    pub(crate) fn on_transport_error(&mut self, was_up: bool, steps: &mut Vec<Step>) -> Failure {
        let may_repeat = was_up && !self.is_repeated && !self.is_lost;
        match (self.state, &self.cancel) {
            (State::Calling { .. }, Cancel::NotAsked) if may_repeat => {
                self.is_repeated = true;
                steps.push(Step::Send(self.request.clone()));
                return Failure::Again;
            }
            _ => {}
        }
        match self.state {
            State::Calling { .. } if !was_up && !self.is_repeated && !self.is_lost => {
                self.finish(steps);
                Failure::Over
            }
            State::Calling { .. } | State::Proceeding if self.is_reliable => {
                match std::mem::replace(&mut self.is_lost, true) {
                    true => Failure::Nothing,
                    false => Failure::Lost,
                }
            }
            State::Completed => {
                self.finish(steps);
                Failure::Nothing
            }
            State::Calling { .. } | State::Proceeding | State::Accepted | State::Terminated => {
                Failure::Nothing
            }
        }
    }

    fn on_provisional(&mut self, status: u16, steps: &mut Vec<Step>) {
        let is_first = matches!(self.state, State::Calling { .. });
        if is_first {
            self.request = Vec::new();
            self.state = State::Proceeding;
            // In place of B, which ran in its slot.
            steps.push(Step::Start(Timer::CMax, TIMER_C_MAX));
        }
        if is_first || (status > 100 && !matches!(self.cancel, Cancel::Sent)) {
            steps.push(Step::Start(Timer::C, TIMER_C));
        }
        if let Cancel::Held { reason, .. } = &mut self.cancel {
            let reason = reason.take();
            self.send_cancel(reason, steps);
        }
    }

    fn on_answer(&mut self, to_tag: &str, steps: &mut Vec<Step>) -> bool {
        if let Some(known) = self.answers.iter().find(|answer| answer.to_tag == to_tag) {
            if let Some((flow, ack)) = &known.ack {
                steps.push(Step::SendOn(*flow, ack.clone()));
            }
            return false;
        }
        if self.answers.len() == limits::FORKS_MAX {
            return false;
        }
        self.answers.push(Answer {
            to_tag: to_tag.to_string(),
            ack: None,
        });
        if self.state != State::Accepted {
            self.request = Vec::new();
            self.state = State::Accepted;
            steps.push(Step::Stop(Slot::Again));
            steps.push(Step::Start(Timer::M, PATIENCE));
        }
        true
    }

    fn send_cancel(&mut self, reason: Option<String>, steps: &mut Vec<Step>) {
        self.cancel = Cancel::Sent;
        steps.push(Step::SendCancel(reason));
        steps.push(Step::Stop(Slot::Again));
        steps.push(Step::Start(Timer::Cancelled, PATIENCE));
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
