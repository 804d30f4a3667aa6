//! Reads and fetches the lists that trust is made of, again and again, and puts what is good in force on every shard.
//!
//! A task of the helper threads; no shard waits for it. What to believe is decided by `identity::Keeper`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::bounded;
use metrics::{counter, gauge};
use stir_shaken_verify::TrustList;
use stir_shaken_verify::limits::CRL_OCTETS_MAX;
use tokio::sync::Notify;

use super::clock;
use super::fetch::Fetcher;
use super::inbox::{Mailboxes, ToShard};
use super::limits::{ANCHORS_OCTETS_MAX, COMMAND_PATIENCE, LIST_RETRY, LIST_TICK, LISTS_AT_START};
use crate::given_file;
use crate::identity::{Config, Gathered, Keeper, Kind, ListStatus, Notice, Octets, Source, Trust};

/// The lists of this process. Clone freely.
#[derive(Clone)]
pub struct Lists {
    keeper: Arc<Mutex<Keeper>>,
    fetcher: Arc<Fetcher>,
    refresh: Duration,
    /// What people are shown while the shards do not have the newest yet.
    before: Arc<Mutex<Option<Vec<ListStatus>>>>,
}

impl Lists {
    /// Reads every file, and gives those that are to be fetched a moment to come. What is not there by then is missing
    /// for now: calls read `unchecked` where it matters.
    ///
    /// # Errors
    ///
    /// A file of trust anchors that cannot be used: nobody meant to start without it.
    pub async fn start(config: &Config, fetcher: Arc<Fetcher>) -> anyhow::Result<Lists> {
        let lists = Lists {
            keeper: Arc::new(Mutex::new(Keeper::new(config))),
            fetcher,
            refresh: config.refresh,
            before: Arc::default(),
        };
        let files = lists.gather(|source, _| matches!(source, Source::File(_))).await;
        lists.say(&lists.take(files).1);
        let fetched = lists.gather(|source, _| matches!(source, Source::Url(_)));
        if let Ok(fetched) = tokio::time::timeout(LISTS_AT_START, fetched).await {
            lists.say(&lists.take(fetched).1);
        }
        let is_fatal = |list: &ListStatus| {
            let is_anchor = matches!(
                list.kind,
                Kind::Anchors | Kind::PrivateAnchors | Kind::TrustListAuthority
            );
            is_anchor && !list.is_in_force
        };
        if let Some(list) = lists.status().into_iter().find(is_fatal) {
            let problem = list.problem.unwrap_or_default();
            anyhow::bail!("[identity] {} {}: {problem}", list.kind.name(), list.source);
        }
        Ok(lists)
    }

    /// What is in force now.
    pub fn trust(&self) -> Trust {
        self.keeper().trust()
    }

    /// Every list as it stands, for people and programs: what is new is shown once it counts for the next call.
    pub fn status(&self) -> Vec<ListStatus> {
        let before = self.before().clone();
        before.unwrap_or_else(|| self.keeper().status(clock::now()))
    }

    /// Goes on for ever: refreshes, also when `asked` (SIGHUP) says so, tells the shards, and looks after dates in between.
    pub async fn keep(self, mailboxes: Mailboxes, asked: Arc<Notify>) {
        // Never longer than the usual time, so that a short one is kept for what is missing as well.
        let retry = LIST_RETRY.min(self.refresh);
        let start = clock::now().instant;
        let (mut next, mut next_retry) = (start + self.refresh, start + retry);
        loop {
            let now = clock::now();
            let notices = self.keeper().tick(now);
            self.say(&notices);
            let is_everything = now.instant >= next;
            if !is_everything && now.instant < next_retry {
                let wait = next.min(next_retry) - now.instant;
                tokio::select! {
                    () = tokio::time::sleep(LIST_TICK.min(wait)) => {}
                    () = asked.notified() => next = now.instant,
                }
                continue;
            }
            let gathered = if is_everything {
                self.gather(|_, _| true).await
            } else {
                // What is well waits for its turn.
                self.gather(|_, list| list.problem.is_some() || list.is_stale)
                    .await
            };
            *self.before() = Some(self.status());
            let (trust, notices) = self.take(gathered);
            if let Some(trust) = trust {
                put_in_force(&trust, &mailboxes).await;
            }
            *self.before() = None;
            self.say(&notices);
            let now = clock::now().instant;
            next_retry = now + retry;
            if is_everything {
                next = now + self.refresh;
            }
        }
    }

    async fn gather(&self, is_meant: impl Fn(&Source, &ListStatus) -> bool) -> Vec<Gathered> {
        let sources: Vec<(usize, Kind, Source)> = {
            let keeper = self.keeper();
            let status = keeper.status(clock::now());
            let meant = keeper
                .sources()
                .zip(&status)
                .enumerate()
                .filter(|(_, ((_, source), list))| is_meant(source, list));
            meant
                .map(|(place, ((kind, source), _))| (place, kind, source.clone()))
                .collect()
        };
        let mut tasks = tokio::task::JoinSet::new();
        for (place, kind, source) in sources {
            let fetcher = self.fetcher.clone();
            tasks.spawn(async move {
                let result = bring(&fetcher, kind, source).await;
                Gathered { place, result }
            });
        }
        let mut gathered = Vec::new();
        while let Some(task) = tasks.join_next().await {
            // A task that panicked brought nothing; its list stays as it is.
            gathered.extend(task);
        }
        gathered
    }

    /// What is to be put in force, if anything is new, and what is to be said of it.
    fn take(&self, gathered: Vec<Gathered>) -> (Option<Trust>, Vec<Notice>) {
        for one in &gathered {
            let kind = self
                .keeper()
                .sources()
                .nth(one.place)
                .map_or("", |(kind, _)| kind.name());
            let result = if one.result.is_ok() { "brought" } else { "failed" };
            counter!("ringward_list_refreshes_total", "list" => kind, "result" => result).increment(1);
        }
        self.keeper().take(gathered, clock::now())
    }

    fn say(&self, notices: &[Notice]) {
        tell(notices);
        self.measure();
    }

    fn measure(&self) {
        for kind in [
            Kind::Anchors,
            Kind::PrivateAnchors,
            Kind::TrustList,
            Kind::TrustListAuthority,
            Kind::Crl,
            Kind::CrlSigners,
        ] {
            let of_kind: Vec<_> = self
                .status()
                .into_iter()
                .filter(|list| list.kind == kind)
                .collect();
            if of_kind.is_empty() {
                continue;
            }
            let count = |is: fn(&ListStatus) -> bool| of_kind.iter().filter(|list| is(list)).count() as f64;
            gauge!("ringward_lists_stale", "list" => kind.name()).set(count(|list| list.is_stale));
            gauge!("ringward_lists_failing", "list" => kind.name()).set(count(|list| list.problem.is_some()));
        }
    }

    fn keeper(&self) -> MutexGuard<'_, Keeper> {
        // Nothing is left half done under this lock, so a poisoned one is as good as new.
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn before(&self) -> MutexGuard<'_, Option<Vec<ListStatus>>> {
        self.before.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Orders wait for room in an inbox and for the word that they were carried out, so they do it where waiting is allowed.
async fn put_in_force(trust: &Trust, mailboxes: &Mailboxes) {
    let (trust, mailboxes) = (trust.clone(), mailboxes.clone());
    let order = move || {
        let (taken, word) = bounded(mailboxes.len());
        let is_taken = mailboxes.command(|| ToShard::SetTrust {
            trust: Box::new(trust.clone()),
            taken: taken.clone(),
        });
        let said = (0..mailboxes.len()).all(|_| word.recv_timeout(COMMAND_PATIENCE).is_ok());
        if !is_taken || !said {
            tracing::error!("a shard takes no orders: it keeps its old trust lists");
        }
    };
    if tokio::task::spawn_blocking(order).await.is_err() {
        tracing::error!("new trust lists could not be handed to the shards");
    }
}

async fn bring(fetcher: &Arc<Fetcher>, kind: Kind, source: Source) -> Result<Octets, String> {
    let octets_max = match kind {
        Kind::Crl => CRL_OCTETS_MAX as u64,
        _ => ANCHORS_OCTETS_MAX,
    };
    let octets = match source {
        Source::File(path) => {
            let read = tokio::task::spawn_blocking(move || given_file::read(&path, octets_max));
            let read = read.await.map_err(|_| "reading it failed".to_string())?;
            read.map_err(|problem| problem.to_string())?
        }
        Source::Url(url) => {
            let fetched = fetcher.fetch_list(&url, octets_max as usize).await;
            fetched.map_err(|failure| failure.to_string())?
        }
    };
    let signer_url = (kind == Kind::TrustList)
        .then(|| TrustList::signer_url(&octets))
        .flatten();
    let signer = match signer_url {
        // Named by a list nobody has believed yet: under the rules of x5u.
        Some(url) => fetcher.fetch(url).await.result.ok().map(|body| body.pem.to_vec()),
        None => None,
    };
    Ok(Octets { octets, signer })
}

fn tell(notices: &[Notice]) {
    for notice in notices {
        let (list, source, what) = (notice.kind.name(), &notice.source, &notice.text);
        if notice.is_alarm {
            tracing::error!(list, source, "{what}");
        } else {
            tracing::info!(list, source, "{what}");
        }
    }
}
