//! Non-INVITE server transaction: RFC 3261 §17.2.2 and figure 8. CANCEL has one of its own.
//!
//! ```text
//!              | request: show it
//!              v
//!        +----------+  request again: nothing
//!        |  Trying  |---------------------------+
//!        +----------+                           |
//!          | 1xx from owner: send               | 2xx-6xx from owner: send,
//!          v                                    | start J (64*T1; at once on TCP)
//!        +------------+                         |
//!        | Proceeding |  request again: send    |
//!        +------------+  the last 1xx           |
//!          | 2xx-6xx: send, start J             |
//!          v                                    |
//!        +-----------+<-------------------------+
//!        | Completed |  request again: send the response again
//!        +-----------+
//!          | J fires
//!          v
//!      Terminated
//! ```
//!
//! In Trying and Proceeding the timer Forgotten (64*T1) ends a transaction whose owner never
//! answers: by then the client has given up, and RFC 4320 §4.2 forbids a late answer.

use super::{PATIENCE, Step, Timer};

#[derive(Debug)]
pub(crate) struct OtherServer {
    state: State,
    is_reliable: bool,
    last: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Trying,
    Proceeding,
    Completed,
    Terminated,
}

impl OtherServer {
    pub(crate) fn new(is_reliable: bool, steps: &mut Vec<Step>) -> OtherServer {
        steps.push(Step::Start(Timer::Forgotten, PATIENCE));
        OtherServer {
            state: State::Trying,
            is_reliable,
            last: Vec::new(),
        }
    }

    /// The request came again.
    pub(crate) fn on_request(&mut self, steps: &mut Vec<Step>) {
        if matches!(self.state, State::Proceeding | State::Completed) {
            steps.push(Step::Send(self.last.clone()));
        }
    }

    /// The owner answers. False when a final response was given before.
    pub(crate) fn on_response(&mut self, status: u16, octets: Vec<u8>, steps: &mut Vec<Step>) -> bool {
        if !matches!(self.state, State::Trying | State::Proceeding) {
            return false;
        }
        // The copy is the one that stays: it has no room to spare.
        self.last = octets.clone();
        steps.push(Step::Send(octets));
        if status < 200 {
            self.state = State::Proceeding;
        } else if self.is_reliable {
            self.finish(steps);
        } else {
            self.state = State::Completed;
            steps.push(Step::Start(Timer::J, PATIENCE));
        }
        true
    }

    pub(crate) fn on_timer(&mut self, timer: Timer, steps: &mut Vec<Step>) {
        match (self.state, timer) {
            (State::Completed, Timer::J) | (State::Trying | State::Proceeding, Timer::Forgotten) => {
                self.finish(steps);
            }
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
