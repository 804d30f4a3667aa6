//! Non-INVITE client transaction: RFC 3261 §17.1.2 and figure 6.
//!
//! ```text
//!             | send, start E (T1; not on TCP) and F (64*T1)
//!             v
//!        +----------+  E fires: send again, E doubles up to T2
//!        |  Trying  |----------------------+
//!        +----------+                      |
//!          | 1xx: show                     | 2xx-6xx: show,
//!          v                               | start K (T4; at once on TCP)
//!        +------------+  E fires: send     |
//!        | Proceeding |  again, E = T2     |
//!        +------------+                    |
//!          | 2xx-6xx: show, start K        |
//!          v                               |
//!        +-----------+<--------------------+
//!        | Completed |  response again: nothing
//!        +-----------+
//!          | K fires
//!          v
//!      Terminated        F fires in Trying or Proceeding: TimedOut, Terminated
//!                        its connection is gone there: send by a new one, three times; then Terminated
//! ```

use std::time::Duration;

use super::{Failure, PATIENCE, Slot, Step, T1, T2, T4, Timer};

/// By how many more connections a request goes when one after the other breaks. A BYE that is lost leaves a call open at the other
/// side; a peer that takes connections and drops them must not be written to for ever.
const REPEATS_MAX: u8 = 3;

#[derive(Debug)]
pub(crate) struct OtherClient {
    state: State,
    is_reliable: bool,
    /// How often it went out once more, after its connection was gone.
    repeats: u8,
    request: Vec<u8>,
    interval: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Trying,
    Proceeding,
    Completed,
    Terminated,
}

impl OtherClient {
    pub(crate) fn new(request: Vec<u8>, is_reliable: bool, steps: &mut Vec<Step>) -> OtherClient {
        // The copy is the one that stays: it has no room to spare.
        let kept = request.clone();
        steps.push(Step::Send(request));
        steps.push(Step::Start(Timer::F, PATIENCE));
        if !is_reliable {
            steps.push(Step::Start(Timer::E, T1));
        }
        OtherClient {
            state: State::Trying,
            is_reliable,
            repeats: 0,
            request: kept,
            interval: T1,
        }
    }

    /// A response came. True when the owner should see it.
    pub(crate) fn on_response(&mut self, status: u16, steps: &mut Vec<Step>) -> bool {
        if !matches!(self.state, State::Trying | State::Proceeding) {
            return false;
        }
        if status < 200 {
            self.state = State::Proceeding;
            return true;
        }
        self.request = Vec::new();
        if self.is_reliable {
            self.finish(steps);
        } else {
            self.state = State::Completed;
            steps.push(Step::Stop(Slot::Again));
            steps.push(Step::Start(Timer::K, T4));
        }
        true
    }

    pub(crate) fn on_timer(&mut self, timer: Timer, steps: &mut Vec<Step>) {
        match (self.state, timer) {
            (State::Trying | State::Proceeding, Timer::E) => {
                self.interval = match self.state {
                    State::Proceeding => T2,
                    _ => (self.interval * 2).min(T2),
                };
                steps.push(Step::Send(self.request.clone()));
                steps.push(Step::Start(Timer::E, self.interval));
            }
            (State::Trying | State::Proceeding, Timer::F) => {
                steps.push(Step::TimedOut);
                self.finish(steps);
            }
            (State::Completed, Timer::K) => self.finish(steps),
            _ => {}
        }
    }

    /// The transport failed; `was_up`: a connection that had been open. Many a connection is found out to be dead only when
    /// something is sent on it, and a BYE must get through.
    pub(crate) fn on_transport_error(&mut self, was_up: bool, steps: &mut Vec<Step>) -> Failure {
        let is_waiting = matches!(self.state, State::Trying | State::Proceeding);
        if is_waiting && self.is_reliable && was_up && self.repeats < REPEATS_MAX {
            self.repeats += 1;
            steps.push(Step::Send(self.request.clone()));
            return Failure::Again;
        }
        self.finish(steps);
        match is_waiting {
            true => Failure::Over,
            false => Failure::Nothing,
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
