//! What one thread needs to hear the calls of one model: room to work in, nothing of any call.

use super::error::ModelError;
use super::front::Buffers;
use super::model::Model;
use super::trunk::Runners;

/// A thread's own; lent to every [`super::Listener`] of the model it was made for. About 400 KiB.
pub struct Bench {
    pub(crate) front: Buffers,
    pub(crate) runners: Runners,
}

impl Model {
    /// # Errors
    ///
    /// The network cannot be made ready to run; a model that loaded does not do that.
    pub fn bench(&self) -> Result<Bench, ModelError> {
        Ok(Bench {
            front: Buffers::new(&self.front),
            runners: self.network.runners()?,
        })
    }
}
