//! How the registrations stand: kept for the status, counted for the metrics, told in the log.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::registration::State;

/// By the trunk's name. Clone freely.
#[derive(Clone, Default)]
pub struct Registry(Arc<Mutex<BTreeMap<String, State>>>);

impl Registry {
    /// A state that is new. Whoever reads the log is told of every change that matters.
    pub fn note(&self, state: &State) {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = states.insert(state.trunk.clone(), state.clone());
        let trunk = &state.trunk;
        let server = state.server.map(|server| server.to_string()).unwrap_or_default();
        let was_registered = before.as_ref().is_some_and(|before| before.is_registered);
        match &state.problem {
            Some(problem) if before.and_then(|before| before.problem).as_ref() != Some(problem) => {
                tracing::warn!(%trunk, %server, %problem, "not registered with the carrier");
            }
            _ if state.is_registered && !was_registered => {
                tracing::info!(%trunk, %server, "registered with the carrier")
            }
            _ if was_registered && !state.is_registered => {
                tracing::warn!(%trunk, %server, "no longer registered with the carrier")
            }
            _ => {}
        }
        let count = |is_one: fn(&State) -> bool| states.values().filter(|state| is_one(state)).count() as f64;
        metrics::gauge!("ringward_registrations_up").set(count(|state| state.is_registered));
        metrics::gauge!("ringward_registrations_failing").set(count(|state| state.problem.is_some()));
    }

    /// For the status.
    pub fn states(&self) -> Vec<State> {
        let states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        states.values().cloned().collect()
    }

    /// After a stop: nothing waits for an answer of a carrier any more.
    pub fn is_over(&self) -> bool {
        let states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        states.values().all(|state| state.is_over)
    }
}
