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
pub(crate) struct Erasures(Mutex<Book>);

#[derive(Default)]
struct Book {
    all: Vec<RunningErasure>,
    /// Places of those that are not begun yet.
    reserved: usize,
}

impl Erasures {
    pub fn all(&self) -> Vec<RunningErasure> {
        self.lock().all.clone()
    }

    /// A place for one more; None = as many go on as may.
    pub fn reserve(self: &Arc<Self>) -> Option<Place> {
        let mut book = self.lock();
        let running = book.all.iter().filter(|one| one.problem.is_none()).count();
        if running + book.reserved >= ERASURES_MAX {
            return None;
        }
        book.reserved += 1;
        Some(Place {
            erasures: self.clone(),
            about: None,
            problem: Some("it was broken off".into()),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one erasure. Dropped before its end it is free, and an erasure that was begun counts as one that came to none.
pub(crate) struct Place {
    erasures: Arc<Erasures>,
    /// None = it is not begun.
    about: Option<String>,
    /// Why it came to no end, if it is dropped now.
    problem: Option<String>,
}

impl Place {
    /// Does the work on a thread that may wait, to its end whoever asks no more. Ok(None) = it goes on.
    pub async fn run(
        mut self,
        begun: &Erasure,
        awaited: Duration,
        work: impl FnOnce() -> Result<Erasure, StoreError> + Send + 'static,
    ) -> Result<Option<Erasure>, StoreError> {
        self.begin(begun);
        let (tell, told) = oneshot::channel();
        tokio::task::spawn_blocking(move || {
            let done = work();
            self.problem = done.as_ref().err().map(ToString::to_string);
            drop(self);
            let _ = tell.send(done);
        });
        match tokio::time::timeout(awaited, told).await {
            Ok(Ok(done)) => done.map(Some),
            _ => Ok(None),
        }
    }

    fn begin(&mut self, begun: &Erasure) {
        let mut book = self.erasures.lock();
        book.reserved -= 1;
        book.all.push(RunningErasure {
            at_ms: begun.at_ms,
            by: begun.by.clone(),
            why: begun.why.clone(),
            about: begun.about.clone(),
            problem: None,
        });
        self.about = Some(begun.about.clone());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut book = self.erasures.lock();
        match &self.about {
            None => book.reserved -= 1,
            Some(about) => book.end(about, self.problem.take()),
        }
    }
}

impl Book {
    fn end(&mut self, about: &str, problem: Option<String>) {
        let Some(problem) = problem else {
            self.all.retain(|one| one.about != about);
            return;
        };
        tracing::error!(%problem, "an erasure came to no end");
        if let Some(one) = self.all.iter_mut().find(|one| one.about == about) {
            one.problem = Some(problem);
        }
        let failed = |one: &RunningErasure| one.problem.is_some();
        if self.all.iter().filter(|one| failed(one)).count() > ERASURES_FAILED_KEPT
            && let Some(oldest) = self.all.iter().position(failed)
        {
            self.all.remove(oldest);
        }
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

    fn place(erasures: &Arc<Erasures>) -> Place {
        erasures.reserve().unwrap()
    }

    #[tokio::test]
    async fn of_places_there_are_so_many_and_whatever_becomes_of_one_it_is_free_again() {
        let erasures = Arc::new(Erasures::default());
        let mut places: Vec<Place> = (0..ERASURES_MAX).map(|_| place(&erasures)).collect();
        assert!(erasures.reserve().is_none(), "before any of them is begun");
        // Begun, and then broken off.
        places[0].begin(&erasure("a"));
        assert!(erasures.reserve().is_none());
        drop(places);
        let problems: Vec<_> = erasures
            .all()
            .into_iter()
            .map(|one| one.problem.unwrap())
            .collect();
        assert_eq!(problems, ["it was broken off"]);
        let broken = || panic!("a fault of the work");
        let minute = Duration::from_secs(60);
        let answer = place(&erasures).run(&erasure("b"), minute, broken).await;
        assert!(matches!(answer, Ok(None)), "found by what it is about");
        let failed = || {
            erasures
                .all()
                .into_iter()
                .filter(|one| one.problem.is_some())
                .count()
        };
        for _ in 0..6_000 {
            if failed() == 2 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!((failed(), erasures.all().len()), (2, 2));
        let places: Vec<Place> = (0..ERASURES_MAX).map(|_| place(&erasures)).collect();
        assert!(places.len() == ERASURES_MAX && erasures.reserve().is_none());
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
        let answer = place(&erasures).run(&begun, Duration::ZERO, work).await;
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
            let answer = place(&erasures).run(&begun, Duration::from_secs(60), away).await;
            assert!(answer.is_err());
        }
        let all = erasures.all();
        assert_eq!(all.len(), ERASURES_FAILED_KEPT);
        assert!(all[0].problem.as_ref().unwrap().contains("erasing calls"));
        let begun = erasure("last");
        let last = place(&erasures).run(&begun, Duration::from_secs(60), || Ok(erasure("last")));
        assert_eq!(last.await.unwrap().unwrap().about, "last");
        assert_eq!(erasures.all().len(), ERASURES_FAILED_KEPT);
    }
}
