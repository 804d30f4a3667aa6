//! The certificate shelf: cache, single flight and failure memory as a state machine.
//!
//! It knows no clock and no socket. In comes "this ticket wants that URL" and "that URL brought
//! this"; out comes a fetch to make and answers for tickets. Bodies are kept as they came:
//! whether they are any good is the verifier's business.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use url::Url;

use crate::limits;

/// Why a fetch brought nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchFailure {
    /// No whole answer in time.
    #[error("time-out")]
    Timeout,
    /// No connection, or no HTTP.
    #[error("the host refused or cannot be reached")]
    Unreachable,
    /// The address guard (C-09): a special-purpose address among those the name resolves to.
    #[error("address not allowed")]
    AddressRefused,
    /// Another status than 200.
    #[error("HTTP status {0}")]
    Status(u16),
    /// More than [`limits::CERTIFICATE_OCTETS_MAX`].
    #[error("answer larger than 64 KiB")]
    TooLarge,
    /// Somewhere else, says the host; nobody follows (C-09).
    #[error("redirect refused")]
    Redirect,
    /// The host's own certificate is not believed, or the handshake failed.
    #[error("TLS failed")]
    Tls,
    /// More waiting or under way than the shelf's bounds.
    #[error("too many fetches at once")]
    Overloaded,
}

impl FetchFailure {
    /// True when it was the circumstances, so that the call is `unchecked`; false when the signer's
    /// host gave an answer that breaks the rules, so that the header is `bad_info`.
    pub fn is_unavailability(&self) -> bool {
        match self {
            FetchFailure::Timeout | FetchFailure::Unreachable | FetchFailure::Overloaded => true,
            FetchFailure::Status(status) => *status >= 500 || *status == 429,
            FetchFailure::AddressRefused
            | FetchFailure::TooLarge
            | FetchFailure::Redirect
            | FetchFailure::Tls => false,
        }
    }
}

/// Bounds of a shelf; the defaults are in [`limits`].
#[derive(Clone, Debug)]
pub struct ShelfConfig {
    /// Entries, failures included.
    pub entries_max: usize,
    /// Octets of all URLs and bodies.
    pub octets_max: usize,
    /// Without a caching directive.
    pub ttl_default: Duration,
    /// With any.
    pub ttl_max: Duration,
    /// How long a failure is remembered.
    pub negative_ttl: Duration,
    /// Tickets waiting.
    pub waiters_max: usize,
    /// Fetches under way or in line.
    pub fetches_max: usize,
    /// Fetches under way towards one host.
    pub per_host_max: usize,
    /// A fetch without any answer is given up after this.
    pub give_up: Duration,
}

impl Default for ShelfConfig {
    fn default() -> ShelfConfig {
        ShelfConfig {
            entries_max: limits::SHELF_ENTRIES,
            octets_max: limits::SHELF_OCTETS,
            ttl_default: limits::SHELF_TTL_DEFAULT,
            ttl_max: limits::SHELF_TTL_MAX,
            negative_ttl: limits::SHELF_NEGATIVE_TTL,
            waiters_max: limits::SHELF_WAITERS_MAX,
            fetches_max: limits::SHELF_FETCHES_MAX,
            per_host_max: limits::SHELF_PER_HOST_MAX,
            give_up: limits::SHELF_FETCH_GIVE_UP,
        }
    }
}

/// What a shelf wants of its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShelfOutput<T, B = Arc<[u8]>> {
    /// Make this fetch; answer with [`Shelf::fetched`].
    Fetch {
        /// Where from: as it was wanted; whoever wanted it has judged it by the rules ([`crate::X5u`]).
        url: String,
    },
    /// The answer for one ticket.
    Ready {
        /// Who asked.
        ticket: T,
        /// What was asked for.
        url: String,
        /// The body, or why there is none.
        result: Result<B, FetchFailure>,
    },
}

/// See the module. `T` is the caller's ticket, `B` what a fetch brings (its octets count towards the bound).
///
/// Drain [`Shelf::poll_output`] after every call. Order of outputs is the order of events.
#[derive(Debug)]
pub struct Shelf<T, B = Arc<[u8]>> {
    config: ShelfConfig,
    entries: BTreeMap<String, Entry<B>>,
    flights: BTreeMap<String, Flight<T>>,
    /// URLs waiting for a place at their host, oldest first.
    queued: VecDeque<String>,
    waiters: usize,
    octets: usize,
    /// Counts uses: the entry with the smallest number was used longest ago.
    uses: u64,
    outputs: VecDeque<ShelfOutput<T, B>>,
}

#[derive(Debug)]
struct Entry<B> {
    result: Result<B, FetchFailure>,
    expires: Instant,
    used: u64,
}

#[derive(Debug)]
struct Flight<T> {
    host: String,
    waiting: Vec<T>,
    /// When it left; None while queued.
    started: Option<Instant>,
    asked: Instant,
}

impl<T: PartialEq, B: Clone + AsRef<[u8]>> Shelf<T, B> {
    /// An empty one.
    pub fn new(config: ShelfConfig) -> Shelf<T, B> {
        Shelf {
            config,
            entries: BTreeMap::new(),
            flights: BTreeMap::new(),
            queued: VecDeque::new(),
            waiters: 0,
            octets: 0,
            uses: 0,
            outputs: VecDeque::new(),
        }
    }

    /// `ticket` wants what `url` holds. Answered by one [`ShelfOutput::Ready`], at once when the
    /// shelf has it (or remembers a failure), otherwise after the fetch all askers share.
    ///
    /// Full (waiters or fetches): answered `Overloaded` at once.
    pub fn want(&mut self, url: &str, ticket: T, now: Instant) {
        self.uses += 1;
        if let Some(entry) = self.entries.get_mut(url) {
            if now < entry.expires {
                entry.used = self.uses;
                let result = entry.result.clone();
                self.ready(ticket, url, result);
                return;
            }
            self.remove(url);
        }
        if self.waiters >= self.config.waiters_max {
            self.ready(ticket, url, Err(FetchFailure::Overloaded));
            return;
        }
        if let Some(flight) = self.flights.get_mut(url) {
            flight.waiting.push(ticket);
            self.waiters += 1;
            return;
        }
        if self.flights.len() >= self.config.fetches_max {
            self.ready(ticket, url, Err(FetchFailure::Overloaded));
            return;
        }
        let flight = Flight {
            host: host_of(url),
            waiting: vec![ticket],
            started: None,
            asked: now,
        };
        self.flights.insert(url.into(), flight);
        self.waiters += 1;
        self.queued.push_back(url.into());
        self.start_queued(now);
    }

    /// What a fetch brought. `max_age` is the HTTP caching directive; None = none given (24 h).
    /// Zero means: good for those who wait, not kept.
    ///
    /// An answer for a URL nobody waits for any more is still put on the shelf.
    pub fn fetched(&mut self, url: &str, result: Result<(B, Option<Duration>), FetchFailure>, now: Instant) {
        let (result, keep) = match result {
            Ok((body, max_age)) => {
                let keep = max_age
                    .unwrap_or(self.config.ttl_default)
                    .min(self.config.ttl_max);
                (Ok(body), keep)
            }
            Err(failure) => (Err(failure), self.config.negative_ttl),
        };
        self.settle(url, result, keep, now);
        self.start_queued(now);
    }

    /// Gives up fetches whose answer never came. Call at [`Shelf::next_timeout`].
    pub fn tick(&mut self, now: Instant) {
        let give_up = self.config.give_up;
        let overdue: Vec<String> = self
            .flights
            .iter()
            .filter(|(_, flight)| now >= flight.started.unwrap_or(flight.asked) + give_up)
            .map(|(url, _)| url.clone())
            .collect();
        for url in overdue {
            let keep = self.config.negative_ttl;
            self.settle(&url, Err(FetchFailure::Timeout), keep, now);
        }
        self.start_queued(now);
    }

    /// The ticket's owner is gone: it gets no answer. Fetches under way go on.
    pub fn forget(&mut self, ticket: &T) {
        for flight in self.flights.values_mut() {
            let before = flight.waiting.len();
            flight.waiting.retain(|waiting| waiting != ticket);
            self.waiters -= before - flight.waiting.len();
        }
        self.outputs
            .retain(|output| !matches!(output, ShelfOutput::Ready { ticket: of, .. } if of == ticket));
    }

    /// The next thing to do; None: nothing until the next input.
    pub fn poll_output(&mut self) -> Option<ShelfOutput<T, B>> {
        self.outputs.pop_front()
    }

    /// When [`Shelf::tick`] has something to do; None while no fetch is under way.
    pub fn next_timeout(&self) -> Option<Instant> {
        let starts = self
            .flights
            .values()
            .map(|flight| flight.started.unwrap_or(flight.asked));
        starts.min().map(|start| start + self.config.give_up)
    }

    /// Entries kept, failures included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Nothing kept.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Octets kept, by the shelf's own count: URLs and bodies. Never more than `octets_max`.
    pub fn octets(&self) -> usize {
        self.octets
    }

    fn settle(&mut self, url: &str, result: Result<B, FetchFailure>, keep: Duration, now: Instant) {
        if let Some(position) = self.queued.iter().position(|queued| queued == url) {
            self.queued.remove(position);
        }
        if let Some(flight) = self.flights.remove(url) {
            self.waiters -= flight.waiting.len();
            for ticket in flight.waiting {
                self.ready(ticket, url, result.clone());
            }
        }
        self.remove(url);
        if keep.is_zero() {
            return;
        }
        self.octets += size_of(url, &result);
        let entry = Entry {
            result,
            expires: now + keep,
            used: self.uses,
        };
        self.entries.insert(url.into(), entry);
        while self.entries.len() > self.config.entries_max || self.octets > self.config.octets_max {
            let oldest = self
                .entries
                .iter()
                .min_by_key(|(_, entry)| (entry.expires > now, entry.used));
            let Some(oldest) = oldest.map(|(url, _)| url.clone()) else {
                break;
            };
            self.remove(&oldest);
        }
    }

    fn start_queued(&mut self, now: Instant) {
        let mut place = 0;
        while place < self.queued.len() {
            let url = self.queued[place].clone();
            let Some(host) = self.flights.get(&url).map(|flight| flight.host.clone()) else {
                self.queued.remove(place);
                continue;
            };
            let is_flying = |flight: &&Flight<T>| flight.host == host && flight.started.is_some();
            if self.flights.values().filter(is_flying).count() >= self.config.per_host_max {
                place += 1;
                continue;
            }
            self.queued.remove(place);
            if let Some(flight) = self.flights.get_mut(&url) {
                flight.started = Some(now);
            }
            self.outputs.push_back(ShelfOutput::Fetch { url });
        }
    }

    fn remove(&mut self, url: &str) {
        if let Some(entry) = self.entries.remove(url) {
            self.octets -= size_of(url, &entry.result);
        }
    }

    fn ready(&mut self, ticket: T, url: &str, result: Result<B, FetchFailure>) {
        self.outputs.push_back(ShelfOutput::Ready {
            ticket,
            url: url.into(),
            result,
        });
    }
}

fn size_of<B: AsRef<[u8]>>(url: &str, result: &Result<B, FetchFailure>) -> usize {
    url.len() + result.as_ref().map_or(0, |body| body.as_ref().len())
}

fn host_of(url: &str) -> String {
    let parsed = Url::parse(url).ok();
    parsed
        .and_then(|url| url.host_str().map(str::to_string))
        .unwrap_or_default()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
mod tests {
    use super::*;

    struct Bench {
        shelf: Shelf<u32>,
        now: Instant,
    }

    impl Bench {
        fn new(change: impl FnOnce(&mut ShelfConfig)) -> Bench {
            let mut config = ShelfConfig::default();
            change(&mut config);
            Bench {
                shelf: Shelf::new(config),
                now: Instant::now(),
            }
        }

        fn want(&mut self, url: &str, ticket: u32) -> Vec<String> {
            self.shelf.want(url, ticket, self.now);
            self.drain()
        }

        fn brings(&mut self, url: &str, body: &str, max_age: Option<u64>) -> Vec<String> {
            let body = (body.as_bytes().into(), max_age.map(Duration::from_secs));
            self.shelf.fetched(url, Ok(body), self.now);
            self.drain()
        }

        fn fails(&mut self, url: &str, failure: FetchFailure) -> Vec<String> {
            self.shelf.fetched(url, Err(failure), self.now);
            self.drain()
        }

        fn drain(&mut self) -> Vec<String> {
            let mut lines = Vec::new();
            while let Some(output) = self.shelf.poll_output() {
                lines.push(match output {
                    ShelfOutput::Fetch { url } => format!("fetch {url}"),
                    ShelfOutput::Ready {
                        ticket,
                        result: Ok(body),
                        ..
                    } => {
                        format!("{ticket} {}", String::from_utf8_lossy(&body))
                    }
                    ShelfOutput::Ready {
                        ticket,
                        result: Err(failure),
                        ..
                    } => format!("{ticket} {failure}"),
                });
            }
            lines
        }

        fn after(&mut self, seconds: u64) {
            self.now += Duration::from_secs(seconds);
        }
    }

    const URL: &str = "https://cert.example.org/a";

    #[test]
    fn c_10_many_tickets_share_one_fetch_and_later_ones_need_none() {
        let mut bench = Bench::new(|_| {});
        assert_eq!(bench.want(URL, 1), [format!("fetch {URL}")]);
        assert!(bench.want(URL, 2).is_empty());
        assert_eq!(bench.brings(URL, "pem", None), ["1 pem", "2 pem"]);
        assert_eq!(bench.want(URL, 3), ["3 pem"]);
    }

    #[test]
    fn c_11_a_body_is_kept_as_long_as_it_says_or_a_day_but_never_for_ever() {
        for (max_age, kept) in [
            (None, 24 * 3600),
            (Some(60), 60),
            (Some(u64::from(u32::MAX)), 7 * 24 * 3600),
        ] {
            let mut bench = Bench::new(|_| {});
            bench.want(URL, 1);
            bench.brings(URL, "pem", max_age);
            bench.after(kept - 1);
            assert_eq!(bench.want(URL, 2), ["2 pem"], "{max_age:?}");
            bench.after(1);
            assert_eq!(bench.want(URL, 3), [format!("fetch {URL}")], "{max_age:?}");
        }
    }

    #[test]
    fn c_11_a_body_that_must_not_be_kept_serves_only_those_who_waited() {
        let mut bench = Bench::new(|_| {});
        bench.want(URL, 1);
        assert_eq!(bench.brings(URL, "pem", Some(0)), ["1 pem"]);
        assert_eq!(bench.want(URL, 2), [format!("fetch {URL}")]);
    }

    #[test]
    fn c_10_a_failure_is_remembered_for_half_a_minute() {
        let mut bench = Bench::new(|_| {});
        bench.want(URL, 1);
        assert_eq!(bench.fails(URL, FetchFailure::Status(404)), ["1 HTTP status 404"]);
        bench.after(29);
        assert_eq!(bench.want(URL, 2), ["2 HTTP status 404"]);
        bench.after(1);
        assert_eq!(bench.want(URL, 3), [format!("fetch {URL}")]);
    }

    #[test]
    fn c_10_a_fetch_without_an_answer_is_given_up_and_its_late_answer_kept() {
        let mut bench = Bench::new(|_| {});
        bench.want(URL, 1);
        assert_eq!(
            bench.shelf.next_timeout(),
            Some(bench.now + Duration::from_secs(5))
        );
        bench.after(5);
        bench.shelf.tick(bench.now);
        assert_eq!(bench.drain(), ["1 time-out"]);
        assert!(bench.brings(URL, "late", None).is_empty());
        assert_eq!(bench.want(URL, 2), ["2 late"]);
        assert_eq!(bench.shelf.next_timeout(), None);
    }

    #[test]
    fn c_10_one_host_gets_a_few_fetches_at_a_time() {
        let mut bench = Bench::new(|config| config.per_host_max = 2);
        let url = |number: u32| format!("https://cert.example.org/{number}");
        assert_eq!(bench.want(&url(1), 1).len(), 1);
        assert_eq!(bench.want(&url(2), 2).len(), 1);
        assert!(bench.want(&url(3), 3).is_empty());
        assert_eq!(
            bench.want("https://other.example.org/", 4),
            ["fetch https://other.example.org/"]
        );
        assert_eq!(
            bench.fails(&url(1), FetchFailure::Timeout),
            ["1 time-out".to_string(), format!("fetch {}", url(3))]
        );
    }

    #[test]
    fn c_11_the_entry_used_longest_ago_goes_first() {
        let mut bench = Bench::new(|config| config.entries_max = 2);
        for (url, ticket) in [("https://a/", 1), ("https://b/", 2)] {
            bench.want(url, ticket);
            bench.brings(url, "pem", None);
        }
        bench.want("https://a/", 3);
        bench.want("https://c/", 4);
        bench.brings("https://c/", "pem", None);
        assert_eq!(bench.shelf.len(), 2);
        assert_eq!(bench.want("https://a/", 5), ["5 pem"]);
        assert_eq!(bench.want("https://b/", 6), ["fetch https://b/"]);
    }

    #[test]
    fn c_11_octets_are_bounded_too() {
        let mut bench = Bench::new(|config| config.octets_max = 100);
        for (url, ticket) in [("https://a/", 1), ("https://b/", 2)] {
            bench.want(url, ticket);
            bench.brings(url, &"x".repeat(60), None);
        }
        assert_eq!(bench.shelf.len(), 1);
        assert_eq!(bench.shelf.octets, 70);
    }

    #[test]
    fn c_10_a_full_shelf_says_so_at_once() {
        let mut bench = Bench::new(|config| {
            config.waiters_max = 2;
            config.fetches_max = 1;
        });
        bench.want("https://a/", 1);
        assert_eq!(bench.want("https://b/", 2), ["2 too many fetches at once"]);
        bench.want("https://a/", 3);
        assert_eq!(bench.want("https://a/", 4), ["4 too many fetches at once"]);
        assert_eq!(bench.brings("https://a/", "pem", None), ["1 pem", "3 pem"]);
        assert_eq!(bench.want("https://b/", 5), ["fetch https://b/"]);
    }

    #[test]
    fn a_forgotten_ticket_gets_no_answer() {
        let mut bench = Bench::new(|_| {});
        bench.want(URL, 1);
        bench.want(URL, 2);
        bench.shelf.forget(&1);
        assert_eq!(bench.brings(URL, "pem", None), ["2 pem"]);
        assert_eq!(bench.shelf.waiters, 0);
    }
}
