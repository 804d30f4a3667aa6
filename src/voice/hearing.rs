//! A recording heard as live calls are, one hop after the other: the second opinion comes at once.

use std::sync::Arc;

use super::Opinion;
use super::bench::Bench;
use super::error::ModelError;
use super::listener::Listener;
use super::model::Model;
use super::second::SecondBench;

/// Room for both stages of one model; lent to one listener after the other.
pub struct Hearing {
    bench: Bench,
    second: Option<SecondBench>,
}

impl Hearing {
    /// # Errors
    ///
    /// As [`Model::bench`].
    pub fn new(model: &Arc<Model>) -> Result<Hearing, ModelError> {
        Ok(Hearing {
            bench: model.bench()?,
            second: model.second_bench(),
        })
    }

    /// The first stage only: what is due for a second opinion stays with the listener.
    ///
    /// # Errors
    ///
    /// As [`Model::bench`].
    pub fn without_second(model: &Arc<Model>) -> Result<Hearing, ModelError> {
        Ok(Hearing {
            bench: model.bench()?,
            second: None,
        })
    }

    /// As [`Listener::hear`], and the second opinion with it whenever one is due: a listener that was told to keep its
    /// audio gets one every other second.
    pub fn hear(&mut self, listener: &mut Listener, hop: &[i16]) -> Opinion {
        let first = listener.hear(&mut self.bench, hop);
        let Some(bench) = self.second.as_mut() else {
            return first;
        };
        let Some(excerpt) = listener.excerpt() else {
            return first;
        };
        let model = Arc::clone(listener.model());
        match model.second_opinion(&excerpt, bench) {
            Some(score) => Opinion {
                window: first.window,
                ..listener.take_second(score)
            },
            None => first,
        }
    }
}
