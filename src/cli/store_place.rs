//! Which store a command means: `--config FILE`, `--store URL`, or neither.

use std::path::PathBuf;

use crate::config::Config;
use crate::store;

#[derive(clap::Args, Debug)]
pub(super) struct Where {
    /// Configuration file whose store is meant; without one, that of `serve` without a file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The store itself
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    store: Option<String>,
}

impl Where {
    /// The configuration that was named, or that of `serve` without a file; its store is the one that is meant.
    pub(super) fn config(&self) -> anyhow::Result<Config> {
        let mut config = match &self.config {
            Some(path) => {
                let (config, faults) = Config::inspect(path);
                if let Some(fault) = faults.first() {
                    anyhow::bail!("{fault}");
                }
                config
            }
            None => Config::loopback(),
        };
        if let Some(url) = &self.store {
            config.store.url.clone_from(url);
        }
        Ok(config)
    }

    /// The configuration file that was named.
    pub(super) fn file(&self) -> Option<&std::path::Path> {
        self.config.as_deref()
    }

    pub(super) fn store(&self) -> anyhow::Result<store::Config> {
        let url = self.config()?.store.url;
        Ok(store::Config { url })
    }
}
