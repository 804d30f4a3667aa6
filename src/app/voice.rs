//! The networks that hear the callers: loaded beside the rest of a start, and the threads they run on.

use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::Context as _;

use crate::config::Config;
use crate::runtime::clock;
use crate::runtime::inbox::{Mailboxes, ToShard};
use crate::runtime::models::Models;
use crate::runtime::repeats::{self, Repeats};
use crate::runtime::scoring::{Room, Said, Scoring};
use crate::screening::RecordingFacts;
use crate::store::{Live, Store};
use crate::voice::Model;

/// A model that is being loaded on a thread of its own; most of the time of a start is this.
pub(super) struct Loading(Option<JoinHandle<anyhow::Result<Model>>>);

impl Loading {
    /// Begins with what `[voice] model` names; `off` loads nothing.
    ///
    /// # Errors
    ///
    /// The system has no thread for us.
    pub(super) fn begin(config: &Config) -> anyhow::Result<Loading> {
        let (name, signers) = (config.voice.model.clone(), config.voice.signers.clone());
        if name == "off" {
            return Ok(Loading(None));
        }
        let thread = std::thread::Builder::new()
            .name("model-loading".into())
            .spawn(move || Ok(Model::find(&name, &signers)?))
            .context("a thread for loading the model")?;
        Ok(Loading(Some(thread)))
    }

    /// Waits until it is there.
    ///
    /// # Errors
    ///
    /// As [`Model::find`].
    pub(super) fn done(self) -> anyhow::Result<Option<Arc<Model>>> {
        let Some(thread) = self.0 else {
            return Ok(None);
        };
        let loaded = thread.join();
        let model =
            loaded.unwrap_or_else(|_| Err(anyhow::anyhow!("loading the model failed: see the log")))?;
        Ok(Some(Arc::new(model)))
    }
}

/// Remembers the recordings of earlier calls, unless the configuration wants none remembered: then what is kept of them goes.
pub(super) fn remember(
    config: &Config,
    live: &Arc<Live>,
    store: &Arc<dyn Store>,
) -> anyhow::Result<Option<Arc<Repeats>>> {
    if config.voice.recordings == 0 {
        repeats::clear(&**store, clock::now().unix_ms()).context("taking away what is kept of recordings")?;
        return Ok(None);
    }
    let repeats = Repeats::open(config.voice.recordings, live.clone(), store.clone())
        .context("the recordings of earlier calls")?;
    if let Some(folder) = &config.voice.known_recordings {
        let (count, problems) = repeats.want(folder);
        tracing::info!(count, "recordings are known as wanted");
        for problem in problems {
            tracing::warn!(%problem, "[voice] known_recordings");
        }
    }
    Ok(Some(Arc::new(repeats)))
}

pub(super) fn start_scoring(
    models: &Arc<Models>,
    config: &Config,
    mailboxes: &Mailboxes,
    repeats: Option<Arc<Repeats>>,
) -> anyhow::Result<Scoring> {
    let mailboxes = mailboxes.clone();
    let room = Room {
        workers: config.voice.workers,
        second_cores: f64::from(config.voice.second_opinion_percent) / 100.0,
    };
    let scoring = Scoring::start(models, room, move |call, said| {
        if let Some(mailbox) = mailboxes.owner_of(call) {
            if let (Some(repeats), Said::Hop { hop, .. }) = (&repeats, &said)
                && let Some(repeat) = repeats.hear(call, hop, clock::now().unix_ms())
            {
                mailbox.send(ToShard::Repeated {
                    call,
                    recording: Box::new(RecordingFacts {
                        name: repeat.name,
                        callers: repeat.callers,
                        calls: repeat.calls,
                        first_seen_ms: repeat.first_seen_ms,
                        last_seen_ms: repeat.last_seen_ms,
                    }),
                });
            }
            mailbox.send(match said {
                Said::Hop { opinion, hop } => ToShard::Scored {
                    call,
                    opinion: Box::new(opinion),
                    hop: Some(hop),
                },
                Said::NotHeard(hop) => ToShard::NotScored { call, hop },
                Said::Second(opinion) => ToShard::Scored {
                    call,
                    opinion: Box::new(opinion),
                    hop: None,
                },
                Said::SecondShed => ToShard::SecondShed { call },
                Said::Model(model) => ToShard::HeardBy { call, model },
            });
        }
    })?;
    Ok(scoring)
}
