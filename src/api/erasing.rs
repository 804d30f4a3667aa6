//! Erasures that take longer than an answer may: they go on to their end, and are found again meanwhile and afterwards.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::oneshot;
use utoipa::ToSchema;

use super::limits::{ERASURES_FAILED_KEPT, ERASURES_MAX};
use crate::runtime::erasures::Erasure;
use crate::store::StoreError;

/// An erasure that was begun and is not written down as done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct RunningErasure {
    at_ms: u64,
    by: String,
    why: String,
    /// As in the audit, and in `erasures` once it is done.
    about: String,
    /// Why it came to no end, in words; some of it may be erased: ask again. Null = it goes on.
    problem: Option<String>,
}

/// Those of this gateway. In memory: after a restart the audit says which were begun and not done.
#[derive(Default)]
pub(crate) struct Erasures(Mutex<Vec<RunningErasure>>);

impl Erasures {
    pub fn all(&self) -> Vec<RunningErasure> {
        self.lock().clone()
    }

    /// Whether one more may go on.
    pub fn has_room(&self) -> bool {
        self.lock().iter().filter(|one| one.problem.is_none()).count() < ERASURES_MAX
    }

    /// Does the work on a thread that may wait, to its end whoever asks no more. Ok(None) = it goes on.
    pub async fn run(
        self: &Arc<Self>,
        begun: &Erasure,
        awaited: Duration,
        work: impl FnOnce() -> Result<Erasure, StoreError> + Send + 'static,
    ) -> Result<Option<Erasure>, StoreError> {
        self.lock().push(RunningErasure {
            at_ms: begun.at_ms,
            by: begun.by.clone(),
            why: begun.why.clone(),
            about: begun.about.clone(),
            problem: None,
        });
        let (tell, told) = oneshot::channel();
        let (erasures, about) = (self.clone(), begun.about.clone());
        tokio::task::spawn_blocking(move || {
            let done = work();
            erasures.end(&about, done.as_ref().err());
            let _ = tell.send(done);
        });
        match tokio::time::timeout(awaited, told).await {
            Ok(Ok(done)) => done.map(Some),
            _ => Ok(None),
        }
    }

    fn end(&self, about: &str, problem: Option<&StoreError>) {
        let mut all = self.lock();
        let Some(problem) = problem else {
            all.retain(|one| one.about != about);
            return;
        };
        tracing::error!(%problem, "an erasure came to no end");
        if let Some(one) = all.iter_mut().find(|one| one.about == about) {
            one.problem = Some(problem.to_string());
        }
        let failed = |one: &RunningErasure| one.problem.is_some();
        if all.iter().filter(|one| failed(one)).count() > ERASURES_FAILED_KEPT
            && let Some(oldest) = all.iter().position(failed)
        {
            all.remove(oldest);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<RunningErasure>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn erasure(about: &str) -> Erasure {
        Erasure {
            about: about.into(),
            ..Erasure::default()
        }
    }

    #[tokio::test]
    async fn one_that_takes_long_goes_on_and_is_found_until_it_is_done() {
        let erasures = Arc::new(Erasures::default());
        let (release, released) = std::sync::mpsc::channel::<()>();
        let (told, is_over) = std::sync::mpsc::channel();
        let work = move || {
            let _ = released.recv_timeout(Duration::from_secs(60));
            let _ = told.send(());
            Ok(erasure("a"))
        };
        let begun = erasure("a");
        let answer = erasures.run(&begun, Duration::ZERO, work).await;
        assert!(matches!(answer, Ok(None)), "it goes on");
        assert_eq!((erasures.all().len(), &erasures.all()[0].problem), (1, &None));
        release.send(()).unwrap();
        is_over.recv_timeout(Duration::from_secs(60)).unwrap();
        for _ in 0..6_000 {
            if erasures.all().is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(erasures.all(), []);
    }

    #[tokio::test]
    async fn one_that_fails_is_named_with_why_and_takes_no_place() {
        let erasures = Arc::new(Erasures::default());
        for number in 0..ERASURES_FAILED_KEPT + 3 {
            let begun = erasure(&number.to_string());
            let away = || {
                Err(StoreError::Busy {
                    url: "x".into(),
                    action: "erasing calls",
                })
            };
            let answer = erasures.run(&begun, Duration::from_secs(60), away).await;
            assert!(answer.is_err());
        }
        let all = erasures.all();
        assert_eq!(all.len(), ERASURES_FAILED_KEPT);
        assert!(all[0].problem.as_ref().unwrap().contains("erasing calls"));
        assert!(erasures.has_room());
        let begun = erasure("last");
        let last = erasures.run(&begun, Duration::from_secs(60), || Ok(erasure("last")));
        assert_eq!(last.await.unwrap().unwrap().about, "last");
        assert_eq!(erasures.all().len(), ERASURES_FAILED_KEPT);
    }
}
