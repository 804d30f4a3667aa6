//! A list of addresses that others have seen scanning: read whole, bounded, asked of every stranger.
//!
//! Lines of text, or JSON: an array of them, or an object with such an array (`ipaddress` as APIBAN has it, `addresses`,
//! `banned`). An entry is an address or a range. What is no address, ranges that are wider than anybody scans from, and what nobody
//! outside can send from (private networks, loopback, everything of IPv6 outside of 2000::/3, so also IPv4 written as IPv6 by its range)
//! are left out and counted: one bad line is no reason to hear all the others, and none has half the internet, or our own house, not heard.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::limits::{FEED_ENTRIES_MAX, FEED_V4_BITS_MIN, FEED_V6_BITS_MIN};
use crate::cidr::Cidr;
use crate::redact::Redacted;

/// Where the list is.
#[derive(Clone, Debug)]
pub enum FeedPlace {
    File(PathBuf),
    /// `https`; it may hold a key of ours, so it is never printed.
    Https(Redacted<String>),
}

/// `[scans.feed]`
#[derive(Clone, Debug)]
pub struct FeedConfig {
    pub place: FeedPlace,
    pub every: Duration,
    /// Networks of ours: its host is reached there in spite of the guard, and addresses there may be on the list.
    pub allow: Vec<String>,
    /// Files of web anchors beside those of the system.
    pub anchors: Vec<PathBuf>,
}

/// What is on the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Feed {
    /// First and last address of each stretch, IPv4 as it is mapped into IPv6; in order, and none touches another.
    stretches: Vec<(u128, u128)>,
    /// Addresses and ranges of the list.
    pub entries: usize,
    /// Entries that were left out.
    pub ignored: usize,
}

/// It is no list of addresses; whatever was known before counts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAFeed {
    #[error("it is no text")]
    NotText,
    #[error("it is JSON, and no list of addresses is in it")]
    NoList,
    #[error("it has more than {FEED_ENTRIES_MAX} entries")]
    TooMany,
    #[error("nothing in it is an address")]
    NoAddress,
}

impl Feed {
    /// Reads a list. An empty one is a list; one in which nothing can be read is none. `allow`: networks that may be on it though nobody
    /// outside can send from there.
    ///
    /// # Errors
    ///
    /// [`NotAFeed`].
    pub fn parse(octets: &[u8], allow: &[Cidr]) -> Result<Feed, NotAFeed> {
        let text = std::str::from_utf8(octets).map_err(|_| NotAFeed::NotText)?;
        let text = text.trim_start_matches('\u{feff}').trim();
        let mut feed = Feed::default();
        if text.starts_with(['[', '{']) {
            let value: Value = serde_json::from_str(text).map_err(|_| NotAFeed::NoList)?;
            let list = match &value {
                Value::Array(list) => Some(list),
                Value::Object(object) => ["ipaddress", "addresses", "banned"]
                    .iter()
                    .find_map(|key| object.get(*key)?.as_array()),
                _ => None,
            };
            for entry in list.ok_or(NotAFeed::NoList)? {
                feed.add(entry.as_str().unwrap_or_default(), allow)?;
            }
        } else {
            let lines = text
                .lines()
                .map(|line| line.split(['#', ';']).next().unwrap_or_default().trim());
            for line in lines.filter(|line| !line.is_empty()) {
                feed.add(line, allow)?;
            }
        }
        feed.join();
        match feed.entries == 0 && feed.ignored > 0 {
            true => Err(NotAFeed::NoAddress),
            false => Ok(feed),
        }
    }

    fn add(&mut self, entry: &str, allow: &[Cidr]) -> Result<(), NotAFeed> {
        if self.entries + self.ignored >= FEED_ENTRIES_MAX {
            return Err(NotAFeed::TooMany);
        }
        let is_allowed =
            |range: &Cidr| is_outside(range) || allow.iter().any(|network| holds(network, range));
        match entry
            .trim()
            .parse::<Cidr>()
            .ok()
            .filter(is_narrow)
            .filter(is_allowed)
        {
            Some(range) => {
                self.stretches.push(stretch(range));
                self.entries += 1;
            }
            None => self.ignored += 1,
        }
        Ok(())
    }

    /// Puts them in order, and those together that touch.
    fn join(&mut self) {
        self.stretches.sort_unstable();
        let mut joined: Vec<(u128, u128)> = Vec::with_capacity(self.stretches.len());
        for (first, last) in self.stretches.drain(..) {
            match joined.last_mut() {
                Some((_, before)) if first <= before.saturating_add(1) => *before = last.max(*before),
                _ => joined.push((first, last)),
            }
        }
        self.stretches = joined;
    }

    /// The same without these: whom the configuration names is heard, whoever has put him on a list.
    #[must_use]
    pub fn without(mut self, kept: impl Iterator<Item = Cidr>) -> Feed {
        for range in kept {
            let (from, to) = stretch(range);
            let begin = self.stretches.partition_point(|(_, last)| *last < from);
            let end = self.stretches.partition_point(|(first, _)| *first <= to);
            let (Some((first, _)), Some((_, last))) = (
                self.stretches.get(begin).copied(),
                end.checked_sub(1)
                    .and_then(|last| self.stretches.get(last))
                    .copied(),
            ) else {
                continue;
            };
            if begin >= end {
                continue;
            }
            let before = (first < from).then(|| (first, from - 1));
            let after = (last > to).then(|| (to + 1, last));
            self.stretches.splice(begin..end, before.into_iter().chain(after));
        }
        self
    }

    /// A few comparisons, however long the list is.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = place(address);
        let after = self.stretches.partition_point(|(first, _)| *first <= address);
        let before = after.checked_sub(1).and_then(|at| self.stretches.get(at));
        before.is_some_and(|(_, last)| address <= *last)
    }

    pub fn is_empty(&self) -> bool {
        self.stretches.is_empty()
    }

    /// As a packet filter takes them, in order: `192.0.2.1`, `198.51.100.0-198.51.100.255`. Of IPv4, or of IPv6.
    pub fn elements(&self, is_v4: bool) -> impl Iterator<Item = String> {
        self.stretches.iter().filter_map(move |(first, last)| {
            let [first, last] = [first, last].map(|place| Ipv6Addr::from(*place).to_canonical());
            (first.is_ipv4() == is_v4 && last.is_ipv4() == is_v4).then(|| match first == last {
                true => first.to_string(),
                false => format!("{first}-{last}"),
            })
        })
    }
}

/// Somebody outside can send from there: IPv6 that is given out (RFC 4291 §2.4), and IPv4 that is neither private, nor of this host, nor
/// of a link, nor for groups (RFC 6890).
fn is_outside(range: &Cidr) -> bool {
    const NOBODYS: [(Ipv4Addr, u8); 3] = [
        (Ipv4Addr::UNSPECIFIED, 8),
        (Ipv4Addr::new(169, 254, 0, 0), 16),
        (Ipv4Addr::new(224, 0, 0, 0), 3),
    ];
    match range.network() {
        IpAddr::V4(first) => {
            let is_within = |(network, prefix): &(Ipv4Addr, u8)| {
                let apart = u32::from(first) ^ u32::from(*network);
                apart >> (32 - prefix) == 0
            };
            !range.is_private() && !NOBODYS.iter().any(is_within)
        }
        IpAddr::V6(first) => first.segments()[0] >> 13 == 1,
    }
}

/// All of this range is in that network.
fn holds(network: &Cidr, range: &Cidr) -> bool {
    network.prefix() <= range.prefix() && network.contains(range.network())
}

/// Not wider than anybody scans from.
pub(super) fn is_narrow(range: &Cidr) -> bool {
    let least = match range.network() {
        IpAddr::V4(_) => FEED_V4_BITS_MIN,
        IpAddr::V6(_) => FEED_V6_BITS_MIN,
    };
    range.prefix() >= least
}

/// Its first and its last address.
fn stretch(range: Cidr) -> (u128, u128) {
    let first = place(range.network());
    let bits = match range.network() {
        IpAddr::V4(_) => 32 - range.prefix(),
        IpAddr::V6(_) => 128 - range.prefix(),
    };
    let others = 1u128
        .checked_shl(bits.into())
        .map_or(u128::MAX, |count| count - 1);
    (first, first | others)
}

/// Where an address stands among all of them.
fn place(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(four) => four.to_ipv6_mapped().into(),
        IpAddr::V6(six) => six.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, inside: &[&str], outside: &[&str], ignored: usize) {
        let feed = Feed::parse(text.as_bytes(), &[]).unwrap();
        for address in inside {
            assert!(feed.contains(address.parse().unwrap()), "{address} in {text}");
        }
        for address in outside {
            assert!(!feed.contains(address.parse().unwrap()), "{address} in {text}");
        }
        assert_eq!(feed.ignored, ignored, "{text}");
    }

    #[test]
    fn lists_are_read_as_text_and_as_json_and_what_is_no_address_is_left_out() {
        check(
            "# seen this week\n192.0.2.1\n198.51.100.0/24 ; a whole house\n2001:db8::/64\nhello\n\n",
            &["192.0.2.1", "198.51.100.77", "2001:db8::9", "::ffff:192.0.2.1"],
            &["192.0.2.2", "198.51.101.1", "2001:db8:0:1::9"],
            1,
        );
        check(
            "[\"192.0.2.1\", 7, \"192.0.2.0/23\"]",
            &["192.0.3.9"],
            &["192.0.4.1"],
            1,
        );
        check(
            "{\"ipaddress\":[\"192.0.2.1\"],\"ID\":\"1700000000\"}",
            &["192.0.2.1"],
            &["192.0.2.2"],
            0,
        );
        check("", &[], &["192.0.2.1"], 0);
    }

    #[test]
    fn no_entry_has_a_whole_continent_not_heard() {
        for wide in ["0.0.0.0/0", "10.0.0.0/8", "192.0.0.0/15", "::/0", "2001:db8::/31"] {
            let read = Feed::parse(wide.as_bytes(), &[]);
            assert_eq!(read, Err(NotAFeed::NoAddress), "{wide}");
        }
        check(
            "192.0.0.0/16\n2001:db8::/32",
            &["192.0.255.1", "2001:db8:1::1"],
            &["192.1.0.1"],
            0,
        );
    }

    #[test]
    fn no_entry_of_ipv6_has_ipv4_not_heard_and_none_our_own_networks() {
        let refused = [
            "::/32",
            "::/64",
            "::fffe:0:0/95",
            "::ffff:0:0/96",
            "::ffff:0.0.0.0/112",
            "64:ff9b::/96",
            "::1",
            "::",
            "fe80::1",
            "fd00::/48",
            "ff02::1",
            "4000::/32",
            "0.0.0.0",
            "0.0.0.0/16",
            "10.0.0.0/16",
            "10.7.0.9",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.1.1",
            "172.16.0.0/16",
            "192.168.1.0/24",
            "224.0.0.1",
            "240.0.0.0/16",
            "255.255.255.255",
        ];
        for entry in refused {
            check(
                &format!("{entry}\n192.0.2.1\n2001:db8::1"),
                &["192.0.2.1", "2001:db8::1"],
                &[
                    "198.51.100.7",
                    "10.7.0.9",
                    "127.0.0.1",
                    "192.168.1.1",
                    "::1",
                    "fe80::1",
                ],
                1,
            );
            let feed = Feed::parse(format!("{entry}\n192.0.2.1\n2001:db8::1").as_bytes(), &[]).unwrap();
            let elements = [true, false].map(|is_v4| feed.elements(is_v4).collect::<Vec<_>>());
            assert_eq!(elements, [["192.0.2.1"], ["2001:db8::1"]], "{entry}");
        }
        check(
            "1.0.0.0/16\n223.255.255.255\n2000::/32\n3fff::1",
            &["1.0.0.1", "2000::1"],
            &[],
            0,
        );
        // Networks of ours may be on it where the configuration says so.
        let ours = ["127.0.0.0/8".parse().unwrap()];
        let feed = Feed::parse(b"127.0.0.4/30\n10.0.0.1\n::/32", &ours).unwrap();
        assert!(feed.contains("127.0.0.5".parse().unwrap()));
        assert_eq!((feed.entries, feed.ignored), (1, 2));
    }

    #[test]
    fn what_is_no_list_is_told_and_a_list_is_bounded() {
        assert_eq!(Feed::parse(b"\xff\xfe", &[]), Err(NotAFeed::NotText));
        assert_eq!(
            Feed::parse(b"{\"error\":\"who are you\"}", &[]),
            Err(NotAFeed::NoList)
        );
        assert_eq!(Feed::parse(b"[1", &[]), Err(NotAFeed::NoList));
        assert_eq!(Feed::parse(b"<html>no</html>", &[]), Err(NotAFeed::NoAddress));
        let line = |number: usize| format!("11.{}.{}.{}\n", number >> 16, number >> 8 & 255, number & 255);
        let most: String = (0..FEED_ENTRIES_MAX).map(line).collect();
        assert_eq!(
            Feed::parse(most.as_bytes(), &[]).unwrap().entries,
            FEED_ENTRIES_MAX
        );
        assert_eq!(
            Feed::parse((most + "192.0.2.1").as_bytes(), &[]),
            Err(NotAFeed::TooMany)
        );
    }

    #[test]
    fn a_packet_filter_gets_each_once() {
        let list = b"192.0.2.9\n192.0.2.1\n198.51.100.0/24\n198.51.100.7\n198.51.100.0/25\n192.0.2.2\n2001:db8::1\n2001:db8:1::/127";
        let feed = Feed::parse(list, &[]).unwrap();
        let elements = |is_v4| feed.elements(is_v4).collect::<Vec<_>>();
        assert_eq!(
            elements(true),
            ["192.0.2.1-192.0.2.2", "192.0.2.9", "198.51.100.0-198.51.100.255"]
        );
        assert_eq!(elements(false), ["2001:db8::1", "2001:db8:1::-2001:db8:1::1"]);
    }

    #[test]
    fn what_is_kept_is_cut_out_wherever_it_lies() {
        let feed = |text: &str| Feed::parse(text.as_bytes(), &[]).unwrap();
        let cut = |text: &str, kept: &[&str]| {
            let kept = kept.iter().map(|range| range.parse().unwrap());
            feed(text).without(kept).elements(true).collect::<Vec<_>>()
        };
        let all = "198.51.100.0/24\n203.0.113.7";
        assert_eq!(
            cut(all, &["198.51.100.16/28"]),
            [
                "198.51.100.0-198.51.100.15",
                "198.51.100.32-198.51.100.255",
                "203.0.113.7"
            ]
        );
        assert_eq!(cut(all, &["198.51.0.0/16"]), ["203.0.113.7"]);
        assert_eq!(
            cut(all, &["203.0.113.7", "10.0.0.0/8", "2001:db8::/32"]),
            ["198.51.100.0-198.51.100.255"]
        );
        assert_eq!(
            cut(all, &["198.51.100.0", "198.51.100.255"]),
            ["198.51.100.1-198.51.100.254", "203.0.113.7"]
        );
        assert!(cut(all, &["0.0.0.0/0"]).is_empty());
    }
}
