//! What is said to callers, read at the start and again whenever somebody says (SIGHUP) that it has changed.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::policy::Lineup;
use crate::prompts::{Config, Problem, Prompts};
use crate::runtime::inbox::{Mailboxes, ToShard};
use crate::runtime::policies::Policies;

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
pub(super) async fn keep(
    config: Config,
    policies: Arc<Policies>,
    mailboxes: Mailboxes,
    standing: Standing,
    asked: Arc<Notify>,
) {
    if config.directory.is_none() {
        return;
    }
    loop {
        asked.notified().await;
        let (again, lineup) = (config.clone(), policies.lineup());
        let Ok(read) = tokio::task::spawn_blocking(move || read_again(&again, &lineup)).await else {
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
/// Everything that is wrong with the folder, in words; also a recording that a policy in force announces and that is gone.
fn read_again(config: &Config, lineup: &Lineup) -> Result<Prompts, String> {
    let (prompts, problems) = Prompts::load(config);
    let (faults, rest): (Vec<Problem>, Vec<Problem>) = problems.into_iter().partition(Problem::is_fault);
    let mut faults: Vec<String> = faults.iter().map(Problem::to_string).collect();
    for policy in lineup.all() {
        let announced = policy.announced().filter(|name| prompts.clip(name).is_none());
        faults.extend(
            announced.map(|name| format!("policy {} announces {name}, which is not there", policy.name())),
        );
    }
    faults.dedup();
    if faults.is_empty() {
        warn_of(&rest);
        return Ok(prompts);
    }
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
    use crate::policy::Policy;

    #[test]
    fn a_good_folder_is_taken_and_one_with_a_fault_is_not() {
        let folder = std::env::temp_dir().join(format!("ringward-prompts-again-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let config = Config {
            directory: Some(folder.clone()),
            language: "en".into(),
        };
        let lineup = Lineup::of(Arc::new(Policy::embedded()));
        let error = read_again(&config, &lineup).unwrap_err();
        assert!(error.contains("en: "), "{error}");
        let own = folder.join("en");
        std::fs::create_dir(&own).unwrap();
        let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/prompts/en/refused.wav");
        std::fs::copy(ours, own.join("sorry.wav")).unwrap();
        let prompts = read_again(&config, &lineup).unwrap();
        assert!(prompts.clip("sorry").is_some() && prompts.clip("screen").is_some());
        let text = "[policy]\nname = 'a'\n[[rule]]\nid = 'f'\nwhen = 'identity.forged'\n\
            then = { refuse = 603, announce = 'sorry' }\nreason = 'x'\n";
        let announcing = Arc::new(Policy::load("a", text, &[]).unwrap());
        let with_it = lineup.clone().with_rollout(announcing, 10);
        assert!(read_again(&config, &with_it).is_ok());
        std::fs::remove_file(own.join("sorry.wav")).unwrap();
        let error = read_again(&config, &with_it).unwrap_err();
        assert_eq!(error, "policy a announces sorry, which is not there");
        assert!(read_again(&config, &lineup).is_ok(), "nobody needs it there");
        std::fs::write(own.join("screen.wav"), "no recording").unwrap();
        std::fs::write(own.join("Wrong Name.wav"), "").unwrap();
        let error = read_again(&config, &lineup).unwrap_err();
        assert!(
            error.contains("screen.wav") && error.contains("Wrong Name.wav"),
            "{error}"
        );
        let _ = std::fs::remove_dir_all(&folder);
    }
}
