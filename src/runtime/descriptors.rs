//! The limit of open files: every call holds four sockets, and many systems start services with 1,024.

use std::io;
use std::ops::RangeInclusive;

/// Everything that is no media socket: SIP, TCP connections, store, API, certificate fetches.
const BESIDE_MEDIA: u64 = 4_096;

/// Raises the soft limit to the hard one, and says so when that is too low for `ports`.
pub fn raise(ports: &RangeInclusive<u16>) {
    match raised() {
        Ok(limit) if limit < wanted(ports) => tracing::warn!(
            limit,
            wanted = wanted(ports),
            calls = limit.saturating_sub(BESIDE_MEDIA.min(limit / 2)) / 4,
            "the limit of open files is too low for [media] ports: calls past it hear 503 (raise LimitNOFILE)"
        ),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the limit of open files cannot be raised"),
    }
}

/// Gives the limit that is in force afterwards.
fn raised() -> io::Result<u64> {
    let (soft, hard) = rlimit::Resource::NOFILE.get()?;
    if soft < hard {
        rlimit::Resource::NOFILE.set(hard, hard)?;
    }
    Ok(hard)
}

/// A socket for every media port, and the rest.
fn wanted(ports: &RangeInclusive<u16>) -> u64 {
    u64::from(ports.end().saturating_sub(*ports.start())) + 1 + BESIDE_MEDIA
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_one() {
        let (soft, hard) = rlimit::Resource::NOFILE.get().unwrap();
        rlimit::Resource::NOFILE.set(soft.min(512), hard).unwrap();
        assert_eq!(raised().unwrap(), hard);
        assert_eq!(rlimit::Resource::NOFILE.get().unwrap(), (hard, hard));
    }

    #[test]
    fn ten_thousand_ports_want_as_many_sockets_and_some_more() {
        assert_eq!(wanted(&(20_000..=29_999)), 14_096);
    }
}
