//! Wrong credentials counted per address.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::limits::{FAILURE_ADDRESSES, FAILURE_WINDOW, FAILURES_MAX};
use crate::cidr::neighbourhood;

/// Address to its first failure (Unix ms) in the window, and how many since.
#[derive(Debug, Default)]
pub struct Failures(BTreeMap<IpAddr, (u64, u32)>);

impl Failures {
    /// Whether this address is listened to. `Err` is the seconds until it is again.
    pub fn may_try(&self, from: IpAddr, now_ms: u64) -> Result<(), u64> {
        let window_ms = FAILURE_WINDOW.as_millis() as u64;
        match self.0.get(&neighbourhood(from)) {
            Some((since, count)) if *count >= FAILURES_MAX && now_ms.saturating_sub(*since) < window_ms => {
                Err((window_ms - now_ms.saturating_sub(*since)).div_ceil(1_000))
            }
            _ => Ok(()),
        }
    }

    /// Counts a wrong credential. `Err` is the seconds until this address is listened to again.
    pub fn fail(&mut self, from: IpAddr, now_ms: u64) -> Result<(), u64> {
        let from = neighbourhood(from);
        let window_ms = FAILURE_WINDOW.as_millis() as u64;
        let failures = &mut self.0;
        let is_over = |since: u64| now_ms.saturating_sub(since) >= window_ms;
        if failures.len() >= FAILURE_ADDRESSES && !failures.contains_key(&from) {
            failures.retain(|_, (since, _)| !is_over(*since));
            if failures.len() >= FAILURE_ADDRESSES
                && let Some(oldest) = failures
                    .iter()
                    .min_by_key(|(_, seen)| **seen)
                    .map(|(key, _)| *key)
            {
                failures.remove(&oldest);
            }
        }
        let (since, count) = failures.entry(from).or_insert((now_ms, 0));
        if is_over(*since) {
            (*since, *count) = (now_ms, 0);
        }
        *count = count.saturating_add(1);
        if *count > FAILURES_MAX {
            return Err((window_ms - now_ms.saturating_sub(*since)).div_ceil(1_000));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_tries_are_counted_per_address_and_forgiven_after_a_minute() {
        let mut failures = Failures::default();
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        for _ in 0..FAILURES_MAX {
            assert_eq!(failures.may_try(one, 5_000), Ok(()));
            assert_eq!(failures.fail(one, 5_000), Ok(()));
        }
        assert_eq!(failures.may_try(one, 15_000), Err(50));
        assert_eq!(failures.may_try(one, 65_000), Ok(()));
        assert_eq!(failures.fail(one, 15_000), Err(50));
        assert_eq!(failures.fail("192.0.2.2".parse().unwrap(), 15_000), Ok(()));
        assert_eq!(failures.fail(one, 65_000), Ok(()));
    }

    #[test]
    fn an_ipv6_customer_counts_as_one_address_and_the_book_is_bounded() {
        let mut failures = Failures::default();
        for last in 0..FAILURES_MAX {
            let address = format!("2001:db8::{last:x}").parse().unwrap();
            failures.fail(address, 0).unwrap();
        }
        assert!(failures.fail("2001:db8::ffff".parse().unwrap(), 0).is_err());
        for number in 0..FAILURE_ADDRESSES as u32 + 10 {
            failures
                .fail(IpAddr::V4((0x0a00_0000 + number).into()), 1 + u64::from(number))
                .unwrap();
        }
        assert_eq!(failures.0.len(), FAILURE_ADDRESSES);
    }
}
