//! What can be wrong with a model.

use super::limits::PROBLEM_CHARS_MAX;

/// A model folder cannot be used. Names the file and what is wrong with it; bounded, whatever the file holds.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("{file}: {problem}")]
    Unusable { file: String, problem: String },
}

impl ModelError {
    pub(crate) fn new(file: &str, problem: impl std::fmt::Display) -> ModelError {
        let problem: String = problem
            .to_string()
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(PROBLEM_CHARS_MAX)
            .collect();
        ModelError::Unusable {
            file: file.to_owned(),
            problem,
        }
    }

    /// The same fault with the file's folder named.
    pub(crate) fn inside(self, folder: &std::path::Path) -> ModelError {
        let ModelError::Unusable { file, problem } = self;
        ModelError::Unusable {
            file: folder.join(file).display().to_string(),
            problem,
        }
    }
}
