//! The order of servers by priority and weight (RFC 2782), drawn anew for every call.

use super::limits::CANDIDATES_MAX;
use super::search::{Located, Server};
use super::{Candidate, Ways};

impl Located {
    /// The addresses to try, in order: service by service, server by server as RFC 2782 draws them, address by address.
    /// Those we cannot send to are left out; at most `CANDIDATES_MAX`.
    ///
    /// `draw` gives a number below its argument (which is never 0). IPv4 comes before IPv6: phones without IPv6 are
    /// still the rule.
    pub fn candidates(&self, ways: &Ways, mut draw: impl FnMut(u64) -> u64) -> Vec<Candidate> {
        let mut candidates: Vec<Candidate> = Vec::new();
        for service in &self.services {
            for server in in_order(&service.servers, &mut draw) {
                let mut addresses = server.addresses.clone();
                shuffle(&mut addresses, &mut draw);
                addresses.sort_by_key(|address| !address.is_ipv4());
                for address in addresses {
                    let candidate = Candidate {
                        transport: service.transport,
                        address: (address, server.port).into(),
                    };
                    if ways.can(&candidate) && !candidates.contains(&candidate) {
                        candidates.push(candidate);
                    }
                }
            }
        }
        candidates.truncate(CANDIDATES_MAX);
        candidates
    }
}

/// RFC 2782, "Weight": the lowest priority first; among equals each next one is drawn with a chance in proportion to its
/// weight, those of weight 0 standing first in the line and so drawn only with a 0.
fn in_order<'s>(servers: &'s [Server], draw: &mut impl FnMut(u64) -> u64) -> Vec<&'s Server> {
    let mut left: Vec<&Server> = servers.iter().collect();
    left.sort_by_key(|server| (server.priority, server.weight != 0));
    let mut ordered = Vec::with_capacity(left.len());
    while let Some(first) = left.first() {
        let priority = first.priority;
        let equals = left.iter().take_while(|server| server.priority == priority);
        let sum: u64 = equals.clone().map(|server| u64::from(server.weight)).sum();
        let drawn = draw(sum + 1);
        let mut running = 0;
        let at = equals
            .map(|server| {
                running += u64::from(server.weight);
                running
            })
            .position(|running| running >= drawn)
            .unwrap_or_default();
        ordered.push(left.remove(at));
    }
    ordered
}

/// Fisher-Yates.
fn shuffle<T>(items: &mut [T], draw: &mut impl FnMut(u64) -> u64) {
    for at in (1..items.len()).rev() {
        let with = draw(at as u64 + 1) as usize;
        items.swap(at, with.min(at));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::route::Service;
    use crate::sip::Transport;

    fn server(priority: u16, weight: u16, last: u8) -> Server {
        Server {
            priority,
            weight,
            port: 5060,
            addresses: vec![[10, 0, 0, last].into()],
        }
    }

    fn located(servers: Vec<Server>) -> Located {
        Located {
            services: vec![Service {
                transport: Transport::Udp,
                servers,
            }],
            ttl: Duration::from_secs(60),
        }
    }

    fn ways() -> Ways {
        Ways::new([(Transport::Udp, "10.0.0.1:5060".parse().unwrap())])
    }

    /// xorshift64*
    fn dice(mut state: u64) -> impl FnMut(u64) -> u64 {
        move |bound| {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
        }
    }

    /// Last octets of the addresses, in order.
    fn order(located: &Located, draw: impl FnMut(u64) -> u64) -> Vec<u8> {
        located
            .candidates(&ways(), draw)
            .iter()
            .map(|candidate| match candidate.address.ip() {
                std::net::IpAddr::V4(ip) => ip.octets()[3],
                std::net::IpAddr::V6(_) => 0,
            })
            .collect()
    }

    #[test]
    fn a_lower_priority_always_comes_first() {
        let located = located(vec![server(20, 900, 3), server(10, 0, 1), server(10, 1, 2)]);
        for seed in 1..200 {
            let order = order(&located, dice(seed));
            assert_eq!(order.len(), 3);
            assert_eq!(order[2], 3, "{order:?}");
        }
    }

    #[test]
    fn the_first_is_drawn_in_proportion_to_its_weight() {
        let located = located(vec![server(1, 60, 1), server(1, 30, 2), server(1, 10, 3)]);
        let mut draw = dice(42);
        let mut firsts: BTreeMap<u8, u32> = BTreeMap::new();
        for _ in 0..20_000 {
            *firsts.entry(order(&located, &mut draw)[0]).or_default() += 1;
        }
        // RFC 2782 draws from 0..=sum, so that the first in line has one chance in 101 more.
        for (who, share) in [(1, 0.604), (2, 0.297), (3, 0.099)] {
            let found = f64::from(firsts[&who]) / 20_000.0;
            assert!((found - share).abs() < 0.015, "{who}: {found:.3} and not {share}");
        }
    }

    #[test]
    fn the_second_is_drawn_from_what_is_left() {
        let located = located(vec![server(1, 50, 1), server(1, 25, 2), server(1, 25, 3)]);
        let mut draw = dice(7);
        let mut seconds = 0;
        let mut of = 0;
        for _ in 0..20_000 {
            let order = order(&located, &mut draw);
            if order[0] == 1 {
                of += 1;
                seconds += u32::from(order[1] == 2);
            }
        }
        let share = f64::from(seconds) / f64::from(of);
        assert!((share - 0.51).abs() < 0.02, "{share:.3}");
    }

    #[test]
    fn a_weight_of_nothing_is_drawn_seldom_but_is_drawn() {
        let located = located(vec![server(1, 0, 1), server(1, 99, 2)]);
        let mut draw = dice(3);
        let firsts = (0..10_000).filter(|_| order(&located, &mut draw)[0] == 1).count();
        assert!((60..150).contains(&firsts), "one in a hundred: {firsts}");
    }

    #[test]
    fn several_addresses_of_one_server_share_the_load_and_ipv4_is_first() {
        let mut one = server(1, 0, 1);
        one.addresses = vec![
            "2001:db8::1".parse().unwrap(),
            [10, 0, 0, 1].into(),
            [10, 0, 0, 2].into(),
        ];
        let located = located(vec![one]);
        let both = Ways::new([
            (Transport::Udp, "10.0.0.1:5060".parse().unwrap()),
            (Transport::Udp, "[::1]:5060".parse().unwrap()),
        ]);
        let mut firsts: BTreeMap<String, u32> = BTreeMap::new();
        let mut draw = dice(5);
        for _ in 0..1000 {
            let candidates = located.candidates(&both, &mut draw);
            assert_eq!(candidates[2].to_string(), "udp:[2001:db8::1]:5060");
            *firsts.entry(candidates[0].to_string()).or_default() += 1;
        }
        assert_eq!(firsts.len(), 2);
        assert!(firsts.values().all(|count| *count > 400), "{firsts:?}");
        // Without an IPv6 listener the address is not tried at all.
        assert_eq!(located.candidates(&ways(), &mut draw).len(), 2);
    }

    proptest! {
        #[test]
        fn every_server_comes_once_by_priority_whatever_is_drawn(
            servers in prop::collection::vec((0..4u16, 0..100u16), 1..20),
            draws in prop::collection::vec(any::<u64>(), 64),
        ) {
            let made = servers.iter().enumerate().map(|(n, (priority, weight))| server(*priority, *weight, n as u8));
            let located = located(made.collect());
            let mut next = draws.iter().cycle();
            let order = order(&located, |bound| next.next().unwrap() % bound);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..servers.len() as u8).collect::<Vec<_>>());
            let priorities: Vec<u16> = order.iter().map(|n| servers[usize::from(*n)].0).collect();
            prop_assert!(priorities.is_sorted(), "{:?}", priorities);
        }
    }
}
