//! The addresses that are not heard, as a file for a packet filter: `[scans] nftables`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::clock;
use super::limits::BLOCKED_FILE_EVERY;
use crate::flood::{Blocks, Listing};

/// Writes the file whenever who stands in it has changed, for ever. It is there from the start, and never half written.
pub async fn keep(file: PathBuf, blocks: Arc<Blocks>) {
    let mut written = None;
    let mut has_failed = false;
    loop {
        let now = clock::now().instant;
        let listed: Vec<_> = blocks
            .list(now)
            .iter()
            .map(|block| (block.address, block.times))
            .collect();
        let listed = (listed, blocks.feed_number(now));
        if written.as_ref() != Some(&listed) {
            match replace(&file, blocks.listing(now)).await {
                Ok(()) => {
                    written = Some(listed);
                    if std::mem::take(&mut has_failed) {
                        tracing::info!("the file of [scans] nftables is written again");
                    }
                }
                // It is tried again and again, and said once.
                Err(error) => {
                    if !std::mem::replace(&mut has_failed, true) {
                        tracing::warn!(%error, file = %file.display(), "the file of [scans] nftables cannot be written");
                    }
                }
            }
        }
        tokio::time::sleep(BLOCKED_FILE_EVERY).await;
    }
}

async fn replace(file: &Path, listing: Listing) -> std::io::Result<()> {
    // A hundred thousand lines take a while, and nobody's call waits for them.
    let text = tokio::task::spawn_blocking(move || listing.nftables())
        .await
        .map_err(std::io::Error::other)?;
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    tokio::fs::write(&beside, text).await?;
    tokio::fs::rename(&beside, file).await
}
