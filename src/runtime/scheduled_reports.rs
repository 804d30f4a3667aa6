//! Counts of calls, told to a webhook each day or week: once each, whichever of several gateways on one store does it, and those
//! that were missed while none was there as soon as one is.
//!
//! A shelf in the store says for each report what is done, and who is at it. Who crashes in between begins again with the same
//! message, which its receiver knows by its id; who does not come back has another gateway do it after [`CLAIM_LASTS`].

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::ToSpan;
use jiff::civil::{Date, date};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

use super::clock;
use super::limits::{REPORT_TRIES, REPORTS_LOOKED_AT};
use super::webhooks::Webhooks;
use crate::store::{Shelf, Store, StoreError};
use crate::webhook::limits::CLAIM_LASTS;
use crate::webhook::{Due, Event, Report};

/// In the store; a document for each report, by its name. All gateways have the same.
const SHELF: &str = "reports";

/// A clock that says an earlier day has not been set since its machine was started.
const CLOCK_RIGHT_SINCE: Date = date(2026, 1, 1);

/// Counts the calls of a report: what is told. Blocks.
pub type Make = dyn Fn(&Report, &Due) -> Result<Value, StoreError> + Send + Sync;

pub struct ScheduledReports {
    reports: Vec<Report>,
    store: Arc<dyn Store>,
    webhooks: Arc<Webhooks>,
    /// Which of several gateways on one store this is; empty = the only one.
    node: String,
    make: Box<Make>,
    /// Reports that were told for days to come, and were set back: once each, so that two clocks that do not agree have nothing told
    /// without end.
    set_back: Mutex<BTreeSet<String>>,
}

/// How far a report is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    /// The last day on which it was due and was told; None = it is seen for the first time.
    done: Option<String>,
    claim: Option<Claim>,
}

/// Somebody is at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Claim {
    on: String,
    node: String,
    at_ms: u64,
}

impl ScheduledReports {
    pub fn new(
        reports: Vec<Report>,
        store: Arc<dyn Store>,
        webhooks: Arc<Webhooks>,
        node: String,
        make: Box<Make>,
    ) -> ScheduledReports {
        ScheduledReports {
            reports,
            store,
            webhooks,
            node,
            make,
            set_back: Mutex::default(),
        }
    }

    /// Looks every [`REPORTS_LOOKED_AT`] whether one is due, until `stopping` says true; not while the clock is in doubt.
    pub async fn keep(
        self: Arc<Self>,
        mut stopping: watch::Receiver<bool>,
        is_clock_doubtful: impl Fn() -> bool + Send,
    ) {
        while !self.reports.is_empty() {
            let this = Arc::clone(&self);
            let is_doubtful = is_clock_doubtful();
            let look = move || match is_doubtful {
                true => Ok(0),
                false => this.look(clock::now().unix_ms()),
            };
            match tokio::task::spawn_blocking(look).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    tracing::warn!(%error, "a report could not be made or told; it is tried again")
                }
                Err(error) => tracing::error!(%error, "looking which reports are due"),
            }
            tokio::select! {
                () = tokio::time::sleep(REPORTS_LOOKED_AT) => {}
                _ = stopping.wait_for(|stopping| *stopping) => return,
            }
        }
    }

    /// Makes what is due at this moment (Unix ms) and hands it to its webhook; gives how many. One that fails does not keep the
    /// others from theirs. Blocks, for as long as the calls of its days take.
    ///
    /// # Errors
    ///
    /// The first of the store's; asked again it goes on.
    pub fn look(&self, now_ms: u64) -> Result<usize, StoreError> {
        let (mut count, mut failed) = (0, None);
        for report in &self.reports {
            match self.look_at(report, now_ms) {
                Ok(told) => count += told,
                Err(error) => _ = failed.get_or_insert(error),
            }
        }
        failed.map_or(Ok(count), Err)
    }

    fn look_at(&self, report: &Report, now_ms: u64) -> Result<usize, StoreError> {
        let (mut told, mut raced) = (0, 0);
        while raced < REPORT_TRIES {
            let shelf = self.store.shelf(SHELF)?;
            let place = place_of(&shelf, &report.name);
            let done = place.done.as_ref().and_then(|done| done.parse::<Date>().ok());
            let Some(done) = done else {
                // Nobody is told what was due before it was asked for.
                let Some(newest) = report.newest(now_ms) else {
                    return Ok(told);
                };
                self.put(&shelf, report, Some(newest.on.to_string()), None)?;
                raced += 1;
                continue;
            };
            if let Some(newest) = self.newest_before(report, done, now_ms) {
                if self.put(&shelf, report, Some(newest.to_string()), None)? {
                    self.set_back().insert(report.name.clone());
                    tracing::error!(
                        report = report.name,
                        told_for = %done,
                        goes_on_after = %newest,
                        "a report is told for days that are still to come: a clock was ahead; it goes on from today"
                    );
                }
                raced += 1;
                continue;
            }
            let (due, left_out) = report.due(done, now_ms);
            let Some(next) = due.first() else {
                return Ok(told);
            };
            let on = next.on.to_string();
            let claim = place.claim.filter(|claim| claim.on == on);
            let is_ours = claim.as_ref().is_some_and(|claim| claim.node == self.node);
            let lasts = |claim: &Claim| now_ms.saturating_sub(claim.at_ms) < CLAIM_LASTS.as_millis() as u64;
            if !is_ours && claim.as_ref().is_some_and(lasts) {
                return Ok(told);
            }
            if !is_ours {
                let mine = Claim {
                    on: on.clone(),
                    node: self.node.clone(),
                    at_ms: now_ms,
                };
                if !self.put(&shelf, report, place.done.clone(), Some(mine))? {
                    raced += 1;
                    continue;
                }
            }
            if left_out > 0 {
                tracing::warn!(
                    report = report.name,
                    left_out,
                    "so many reports were missed that the oldest are not told"
                );
            }
            let event = Event::of_report(&report.name, &on, next.at_ms, (self.make)(report, next)?);
            self.webhooks.report(&report.webhook, &event)?;
            self.finish(report, &on)?;
            tracing::info!(report = report.name, on, "a report is told");
            told += 1;
        }
        Err(busy())
    }

    /// Where a report is told for more than a day past today, because a clock was ahead: the day on which it was due last. None also
    /// for a clock that is itself before [`CLOCK_RIGHT_SINCE`], and where it was set back already.
    fn newest_before(&self, report: &Report, done: Date, now_ms: u64) -> Option<Date> {
        let today = report.today(now_ms)?;
        let is_ahead = today.checked_add(1.day()).is_ok_and(|tomorrow| done > tomorrow);
        if !is_ahead || today < CLOCK_RIGHT_SINCE || self.set_back().contains(&report.name) {
            return None;
        }
        report.newest(now_ms).map(|newest| newest.on)
    }

    fn set_back(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.set_back.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is told: nobody tells it again.
    fn finish(&self, report: &Report, on: &str) -> Result<(), StoreError> {
        for _ in 0..REPORT_TRIES {
            let shelf = self.store.shelf(SHELF)?;
            if self.put(&shelf, report, Some(on.into()), None)? {
                return Ok(());
            }
        }
        Err(busy())
    }

    /// False = another process was first.
    fn put(
        &self,
        shelf: &Shelf,
        report: &Report,
        done: Option<String>,
        claim: Option<Claim>,
    ) -> Result<bool, StoreError> {
        // Our own plain data always has a JSON form.
        let text = serde_json::to_string(&Place { done, claim }).unwrap_or_default();
        let change = (report.name.clone(), Some(text));
        self.store.reshelve(SHELF, shelf.revision + 1, vec![change])
    }
}

/// What cannot be read is as if it were seen for the first time.
fn place_of(shelf: &Shelf, name: &str) -> Place {
    let mut documents = shelf.documents.iter();
    let found = documents.find(|(key, _)| key == name);
    let place = found.map(|(_, text)| serde_json::from_str(text));
    place.map_or_else(Place::default, |place| {
        place.unwrap_or_else(|error| {
            tracing::error!(report = name, %error, "how far a report is cannot be read; it begins anew");
            Place::default()
        })
    })
}

fn busy() -> StoreError {
    StoreError::Busy {
        url: "reports".into(),
        action: "writing down which report is told",
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::civil::time;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::store;
    use crate::webhook::{Config, Every, Patience};

    fn memory() -> Arc<dyn Store> {
        let url = "sqlite::memory:".into();
        store::open(&store::Config { url }).unwrap()
    }

    fn ms(text: &str) -> u64 {
        text.parse::<Timestamp>().unwrap().as_millisecond() as u64
    }

    /// A receiver whom nobody tells anything: what is for him waits.
    fn hooks(store: &Arc<dyn Store>) -> Arc<Webhooks> {
        let hook = Config {
            name: "siem".into(),
            url: "https://127.0.0.1:1/".into(),
            secret: "twenty-four octets, at least".to_string().into(),
            kinds: Vec::new(),
            allow: Vec::new(),
            anchors: Vec::new(),
        };
        Webhooks::open(vec![hook], Patience::default(), store.clone()).unwrap()
    }

    fn waiting(hooks: &Webhooks) -> usize {
        hooks.standings()[0].1.waiting
    }

    fn started(
        store: &Arc<dyn Store>,
        hooks: &Arc<Webhooks>,
        node: &str,
        make: Box<Make>,
    ) -> ScheduledReports {
        let report = Report {
            name: "morning".into(),
            webhook: "siem".into(),
            every: Every::Day,
            at: time(7, 30, 0, 0),
            zone: TimeZone::get("Europe/Berlin").unwrap(),
            by: vec!["queue".into()],
            queue: None,
        };
        ScheduledReports::new(vec![report], store.clone(), hooks.clone(), node.into(), make)
    }

    fn made() -> Box<Make> {
        Box::new(|_, due| Ok(serde_json::json!({ "on": due.on.to_string() })))
    }

    fn away() -> StoreError {
        StoreError::Busy {
            url: "test".into(),
            action: "counting",
        }
    }

    #[test]
    fn a_report_is_told_once_also_over_a_restart_and_missed_ones_when_there_is_somebody_again() {
        let store = memory();
        let hooks_before = hooks(&store);
        let reports = started(&store, &hooks_before, "", made());
        let look = |reports: &ScheduledReports, at: &str| reports.look(ms(at)).unwrap();
        assert_eq!(
            look(&reports, "2026-11-30T06:00:00Z"),
            0,
            "of yesterday nobody asked"
        );
        assert_eq!(look(&reports, "2026-11-30T06:29:59Z"), 0);
        assert_eq!(look(&reports, "2026-11-30T06:30:00Z"), 1);
        assert_eq!(look(&reports, "2026-11-30T06:30:10Z"), 0);
        assert_eq!(waiting(&hooks_before), 1);
        drop((reports, hooks_before));
        let hooks_after = hooks(&store);
        assert_eq!(waiting(&hooks_after), 1, "it waits in the store");
        let reports = started(&store, &hooks_after, "", made());
        assert_eq!(look(&reports, "2026-11-30T23:00:00Z"), 0);
        assert_eq!(look(&reports, "2026-12-03T10:00:00Z"), 3);
        assert_eq!(
            (look(&reports, "2026-12-03T10:00:10Z"), waiting(&hooks_after)),
            (0, 4)
        );
        // A clock that goes back by a day tells nothing again.
        assert_eq!(look(&reports, "2026-12-02T10:00:00Z"), 0);
        assert_eq!(
            look(&reports, "2027-02-01T10:00:00Z"),
            crate::webhook::limits::MISSED_MAX
        );
    }

    #[test]
    fn of_two_gateways_on_one_store_one_tells_it_and_the_other_where_the_first_does_not_come_back() {
        let store = memory();
        let (left_hooks, right_hooks) = (hooks(&memory()), hooks(&memory()));
        let left = started(&store, &left_hooks, "left", made());
        let right = started(&store, &right_hooks, "right", made());
        assert_eq!(left.look(ms("2026-11-30T06:00:00Z")).unwrap(), 0);
        let at = ms("2026-11-30T06:30:00Z");
        assert_eq!((right.look(at).unwrap(), left.look(at).unwrap()), (1, 0));
        assert_eq!((waiting(&left_hooks), waiting(&right_hooks)), (0, 1));
        // The left one begins, and does not come back.
        let broken = started(&store, &left_hooks, "left", Box::new(|_, _| Err(away())));
        assert!(broken.look(ms("2026-12-01T06:30:00Z")).is_err());
        assert_eq!(
            right.look(ms("2026-12-01T07:00:00Z")).unwrap(),
            0,
            "somebody is at it"
        );
        assert_eq!(right.look(ms("2026-12-01T07:30:00Z")).unwrap(), 1);
        assert_eq!(left.look(ms("2026-12-01T07:30:01Z")).unwrap(), 0);
        // Or it does.
        assert!(broken.look(ms("2026-12-02T06:30:00Z")).is_err());
        assert_eq!(left.look(ms("2026-12-02T06:31:00Z")).unwrap(), 1);
        assert_eq!((waiting(&left_hooks), waiting(&right_hooks)), (1, 2));
    }

    #[test]
    fn a_clock_that_was_years_ahead_silences_no_report_and_sets_it_back_once() {
        let store = memory();
        let hooks = hooks(&store);
        let reports = started(&store, &hooks, "", made());
        let look = |at: &str| reports.look(ms(at)).unwrap();
        assert_eq!(look("2031-11-30T10:00:00Z"), 0);
        assert_eq!(look("1970-01-03T10:00:00Z"), 0, "this one is not set at all");
        assert_eq!(look("2026-11-30T10:00:00Z"), 0);
        assert_eq!(look("2026-12-01T06:30:00Z"), 1);
        // Another gateway's clock is ahead: what it tells is not told again without end.
        let ahead = look("2026-12-20T10:00:00Z");
        assert_eq!(ahead, crate::webhook::limits::MISSED_MAX);
        assert_eq!(look("2026-12-01T10:00:00Z"), 0);
        assert_eq!(look("2026-12-20T10:00:10Z"), 0);
    }

    #[test]
    fn while_the_clock_is_in_doubt_nothing_is_looked_at() {
        let store = memory();
        let hooks = hooks(&store);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.unwrap();
        for is_doubtful in [true, false] {
            let reports = Arc::new(started(&store, &hooks, "", made()));
            let (_stop, stopping) = watch::channel(true);
            runtime.block_on(reports.keep(stopping, move || is_doubtful));
            let is_seen = !store.shelf(SHELF).unwrap().documents.is_empty();
            assert_eq!(is_seen, !is_doubtful);
        }
    }

    #[test]
    fn who_crashed_before_it_was_written_down_as_told_does_not_tell_it_twice() {
        let store = memory();
        let hooks = hooks(&store);
        let reports = started(&store, &hooks, "", made());
        reports.look(ms("2026-11-30T06:00:00Z")).unwrap();
        let event = Event::of_report("morning", "2026-11-30", ms("2026-11-30T06:30:00Z"), Value::Null);
        assert!(hooks.report("siem", &event).unwrap());
        assert_eq!(reports.look(ms("2026-11-30T06:30:10Z")).unwrap(), 1);
        assert_eq!(waiting(&hooks), 1);
        assert!(!hooks.report("siem", &event).unwrap(), "it is known by its id");
        assert!(!hooks.report("nobody", &event).unwrap());
    }
}
