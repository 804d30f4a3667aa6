//! The networks that hear the callers: loaded beside the rest of a start, and the threads they run on.

use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::Context as _;

use crate::config::Config;
use crate::runtime::inbox::{Mailboxes, ToShard};
use crate::runtime::models::Models;
use crate::runtime::scoring::{Room, Said, Scoring};
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

pub(super) fn start_scoring(
    models: &Arc<Models>,
    config: &Config,
    mailboxes: &Mailboxes,
) -> anyhow::Result<Scoring> {
    let mailboxes = mailboxes.clone();
    let room = Room {
        workers: config.voice.workers,
        second_cores: f64::from(config.voice.second_opinion_percent) / 100.0,
    };
    let scoring = Scoring::start(models, room, move |call, said| {
        if let Some(mailbox) = mailboxes.owner_of(call) {
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
