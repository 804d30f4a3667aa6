//! The only place that draws randomness; engines get seeds from here.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

/// The system's random generator gave nothing: the gateway cannot start without it.
#[derive(Debug, thiserror::Error)]
#[error("the system's random generator is unavailable")]
pub struct NoEntropy;

/// 32 octets from the system's generator, for an engine's own generator.
///
/// # Errors
///
/// [`NoEntropy`] when the system refuses; there is no fallback.
pub fn seed() -> Result<[u8; 32], NoEntropy> {
    let mut seed = [0; 32];
    SystemRandom::new().fill(&mut seed).map_err(|_| NoEntropy)?;
    Ok(seed)
}
