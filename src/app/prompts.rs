//! What is said to callers, read at the start and again whenever somebody says (SIGHUP) that it has changed.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::prompts::{Config, Problem, Prompts};
use crate::runtime::inbox::{Mailboxes, ToShard};

/// Why the folder that was read last is not in force; `None` = it is.
#[derive(Clone, Default)]
pub(super) struct Standing(Arc<Mutex<Option<String>>>);

impl Standing {
    pub(super) fn read(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, problem: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }
}

/// The recordings of the business, with what is wrong with them in the log: at the start callers hear ours instead.
pub(super) fn load(config: &Config) -> Prompts {
    let (prompts, problems) = Prompts::load(config);
    warn_of(&problems);
    prompts
}

/// How often shards are told of new recordings before one that takes nothing is given up.
const TELL_TRIES: usize = 3;

/// Reads the folder again whenever somebody says that it has changed. A folder with a fault changes nothing: what was said
/// goes on being said.
pub(super) async fn keep(config: Config, mailboxes: Mailboxes, standing: Standing, asked: Arc<Notify>) {
    if config.directory.is_none() {
        return;
    }
    loop {
        asked.notified().await;
        let again = config.clone();
        let Ok(read) = tokio::task::spawn_blocking(move || read_again(&again)).await else {
            standing.set(Some("the recordings were not read again".into()));
            continue;
        };
        match read {
            Err(fault) => {
                tracing::error!(%fault, "[prompts] were read again and are not taken; what was said before is said on");
                standing.set(Some(fault));
            }
            Ok(prompts) => {
                let count = prompts.names().count();
                let prompts = Arc::new(prompts);
                // An order waits for room in an inbox, so it does where waiting is allowed.
                let mailboxes = mailboxes.clone();
                let tell = move || {
                    let told = |_| mailboxes.command(|| ToShard::SetPrompts(prompts.clone()));
                    (0..TELL_TRIES).any(told)
                };
                if tokio::task::spawn_blocking(tell).await.unwrap_or(false) {
                    tracing::info!(recordings = count, "[prompts] were read again and are in force");
                    standing.set(None);
                } else {
                    tracing::error!("a shard takes no orders: it keeps its old recordings");
                    standing.set(Some("a shard keeps its old recordings".into()));
                }
            }
        }
    }
}

/// # Errors
///
/// Everything that is wrong with the folder, in words.
fn read_again(config: &Config) -> Result<Prompts, String> {
    let (prompts, problems) = Prompts::load(config);
    let (faults, rest): (Vec<Problem>, Vec<Problem>) = problems.into_iter().partition(Problem::is_fault);
    if faults.is_empty() {
        warn_of(&rest);
        return Ok(prompts);
    }
    let faults: Vec<String> = faults.iter().map(Problem::to_string).collect();
    Err(faults.join("; "))
}

fn warn_of(problems: &[Problem]) {
    for problem in problems {
        tracing::warn!(%problem, "[prompts]");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_folder_is_taken_and_one_with_a_fault_is_not() {
        let folder = std::env::temp_dir().join(format!("ringward-prompts-again-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let config = Config {
            directory: Some(folder.clone()),
            language: "en".into(),
        };
        let error = read_again(&config).unwrap_err();
        assert!(error.contains("en: "), "{error}");
        let own = folder.join("en");
        std::fs::create_dir(&own).unwrap();
        let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/prompts/en/refused.wav");
        std::fs::copy(ours, own.join("sorry.wav")).unwrap();
        let prompts = read_again(&config).unwrap();
        assert!(prompts.clip("sorry").is_some() && prompts.clip("screen").is_some());
        std::fs::write(own.join("screen.wav"), "no recording").unwrap();
        std::fs::write(own.join("Wrong Name.wav"), "").unwrap();
        let error = read_again(&config).unwrap_err();
        assert!(
            error.contains("screen.wav") && error.contains("Wrong Name.wav"),
            "{error}"
        );
        let _ = std::fs::remove_dir_all(&folder);
    }
}
