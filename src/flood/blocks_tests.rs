//! Who is blocked, for how long and by what, and what the list of others adds to it.

#![expect(clippy::disallowed_methods, reason = "any instant will do as the start")]

use proptest::prelude::*;

use super::*;

fn blocks() -> Blocks {
    Blocks::new(vec!["203.0.113.0/24".parse().unwrap()], true)
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// As many scans as block whom they may; what the last of them said.
fn scanned(blocks: &Blocks, who: IpAddr, now: Instant) -> Option<Duration> {
    (0..4)
        .map(|_| blocks.strike(who, Strike::Scanner, now))
        .last()
        .flatten()
}

#[test]
fn eight_wrong_passwords_in_a_minute_block_and_each_block_is_twice_as_long_up_to_an_hour() {
    let (blocks, mut now, guesser) = (blocks(), Instant::now(), address("192.0.2.1"));
    let mut seconds = Vec::new();
    for _ in 0..11 {
        let mut lasts = None;
        for n in 0..8 {
            assert!(!blocks.is_blocked(guesser, now), "{n}");
            lasts = blocks.strike(guesser, Strike::WrongPassword, now);
            assert_eq!(lasts.is_some(), n == 7);
        }
        let lasts = lasts.unwrap();
        seconds.push(lasts.as_secs());
        assert!(blocks.is_blocked(guesser, now + lasts - Duration::from_millis(1)));
        assert!(!blocks.is_blocked(guesser, now + lasts));
        assert!(!blocks.is_blocked(address("192.0.2.2"), now));
        now += lasts;
    }
    assert_eq!(
        seconds,
        [300, 600, 1200, 2400, 3600, 3600, 3600, 3600, 3600, 3600, 3600]
    );
    now += BLOCK_FORGOTTEN;
    for n in 0..4 {
        let lasts = blocks.strike(guesser, Strike::Scanner, now);
        assert_eq!(lasts, (n == 3).then_some(BLOCK_FIRST));
    }
}

#[test]
fn strikes_count_within_a_minute_only() {
    let (blocks, mut now, slow) = (blocks(), Instant::now(), address("192.0.2.1"));
    for _ in 0..100 {
        assert_eq!(blocks.strike(slow, Strike::WrongPassword, now), None);
        now += Duration::from_secs(16);
    }
    for _ in 0..31 {
        assert_eq!(blocks.strike(slow, Strike::Unproven, now + STRIKES_WINDOW), None);
    }
    assert!(
        blocks
            .strike(slow, Strike::Unproven, now + STRIKES_WINDOW)
            .is_some()
    );
}

#[test]
fn whom_the_configuration_names_and_who_proved_himself_is_never_blocked() {
    let (blocks, now) = (blocks(), Instant::now());
    let (carrier, office) = (address("203.0.113.9"), address("192.0.2.7"));
    blocks.proved(office, now);
    for _ in 0..100 {
        assert_eq!(blocks.strike(carrier, Strike::Scanner, now), None);
        assert_eq!(blocks.strike(office, Strike::Scanner, now), None);
    }
    assert!(!blocks.is_blocked(carrier, now) && !blocks.is_blocked(office, now));
    assert!(scanned(&blocks, office, now + PROVEN_KEPT).is_some());
    // The right password ends a block.
    blocks.proved(office, now + PROVEN_KEPT);
    assert!(!blocks.is_blocked(office, now + PROVEN_KEPT));
    let off = Blocks::new(Vec::new(), false);
    assert_eq!(scanned(&off, office, now), None);
}

#[test]
fn whoever_is_on_the_list_of_others_is_not_heard_unless_he_is_one_of_ours() {
    let (blocks, now) = (blocks(), Instant::now());
    let list = b"192.0.2.0/24\n203.0.113.9\n2001:db8::1\n";
    let (scanner, carrier, phone) = (address("192.0.2.1"), address("203.0.113.9"), address("192.0.2.7"));
    assert!(!blocks.is_blocked(scanner, now));
    let until = now + Duration::from_secs(3600);
    blocks.feed(Feed::parse(list, &[]).unwrap(), until);
    blocks.proved(phone, now);
    assert!(blocks.is_blocked(scanner, now) && blocks.is_blocked(address("2001:db8::1"), now));
    assert!(!blocks.is_blocked(carrier, now) && !blocks.is_blocked(phone, now));
    assert!(blocks.list(now).is_empty(), "what was done here is another list");
    let text = blocks.listing(now).nftables();
    let elements: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("add element"))
        .collect();
    assert_eq!(
        elements,
        [
            "add element inet ringward listed4 { 192.0.2.0-192.0.2.6 timeout 3600s }",
            "add element inet ringward listed4 { 192.0.2.8-192.0.2.255 timeout 3600s }",
            "add element inet ringward listed6 { 2001:db8::1 timeout 3600s }",
        ]
    );
    assert_eq!(blocks.feed_number(now), Some(1));
    assert!(
        !blocks.is_blocked(scanner, until),
        "a list that is not read again counts no more"
    );
    assert_eq!(blocks.feed_number(until), None);
    assert!(!blocks.listing(until).nftables().contains("add element"));
    assert!(
        blocks.feed_lasts(until + Duration::from_secs(60)),
        "it is the same still"
    );
    assert!(blocks.is_blocked(scanner, until) && blocks.feed_number(until) == Some(2));
    blocks.feed(Feed::default(), until);
    assert!(!blocks.is_blocked(scanner, now));
    assert!(
        !super::Blocks::new(Vec::new(), true).feed_lasts(until),
        "no list was ever read"
    );
}

#[test]
fn where_our_phones_register_from_nobody_is_on_the_list_of_others() {
    let phones = ["192.0.2.0/25", "0.0.0.0/0"].map(|range| range.parse().unwrap());
    let (blocks, now) = (blocks().with_phones(&phones), Instant::now());
    let until = now + Duration::from_secs(60);
    blocks.feed(Feed::parse(b"192.0.2.0/24", &[]).unwrap(), until);
    assert!(!blocks.is_blocked(address("192.0.2.7"), now));
    assert!(
        blocks.is_blocked(address("192.0.2.200"), now),
        "phones from everywhere are no reason to hear everybody"
    );
    assert!(
        scanned(&blocks, address("192.0.2.7"), now).is_some(),
        "for what he does himself he is blocked"
    );
}

#[test]
fn while_a_long_list_is_written_everything_is_asked_and_changed() {
    let (blocks, now) = (blocks(), Instant::now());
    let (scanner, phone) = (address("11.0.0.2"), address("11.0.0.4"));
    let lines: String = (0..50_000u32)
        .map(|number| format!("{}\n", std::net::Ipv4Addr::from(0x0b00_0000 + 2 * number)))
        .collect();
    let until = now + Duration::from_secs(60);
    blocks.feed(Feed::parse(lines.as_bytes(), &[]).unwrap(), until);
    blocks.proved(phone, now);
    let listing = blocks.listing(now);
    // Either of these would wait for ever if what is written were locked.
    blocks.feed(Feed::default(), until);
    blocks.proved(scanner, now);
    assert!(!blocks.is_blocked(scanner, now));
    let text = listing.nftables();
    assert_eq!(text.matches("add element").count(), 49_999, "as it was then");
    assert!(text.contains("{ 11.0.0.2 ") && !text.contains("{ 11.0.0.4 "));
}

#[test]
fn the_list_is_a_file_for_nftables() {
    let (blocks, now) = (blocks(), Instant::now());
    scanned(&blocks, address("192.0.2.1"), now);
    scanned(&blocks, address("2001:db8::77"), now);
    let later = now + Duration::from_secs(100);
    let text = blocks.listing(later).nftables();
    let elements: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("add element"))
        .collect();
    assert_eq!(
        elements,
        [
            "add element inet ringward blocked4 { 192.0.2.1 timeout 200s }",
            "add element inet ringward blocked6 { 2001:db8::/64 timeout 200s }",
        ]
    );
    assert_eq!(blocks.list(later).len(), 2);
    assert!(
        blocks.is_blocked(address("2001:db8::1"), later),
        "an IPv6 house is one address"
    );
    assert!(blocks.list(now + BLOCK_FIRST).is_empty());
}

#[test]
fn by_hand_an_address_is_blocked_but_none_that_is_proven_or_that_the_configuration_names() {
    const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
    let (blocks, now) = (
        Blocks::new(vec!["203.0.113.0/24".parse().unwrap()], false),
        Instant::now(),
    );
    let (carrier, office) = (address("203.0.113.9"), address("192.0.2.7"));
    blocks.proved(office, now);
    assert_eq!(blocks.block(carrier, WEEK, now), Err(NotBlocked::Known));
    assert_eq!(blocks.block(office, WEEK, now), Err(NotBlocked::Proven));
    assert!(!blocks.is_blocked(office, now));
    let now = now + PROVEN_KEPT;
    assert_eq!(blocks.block(office, WEEK, now), Ok(()));
    // A password that was right on its way here ends no block that a person ordered.
    blocks.proved(office, now);
    assert!(blocks.is_blocked(office, now + WEEK - Duration::from_secs(1)));
    assert!(!blocks.is_blocked(office, now + WEEK) && !blocks.is_blocked(carrier, now));
    assert_eq!(
        blocks.block(office, Duration::from_secs(60), now),
        Ok(()),
        "another term"
    );
    assert!(!blocks.is_blocked(office, now + Duration::from_secs(60)));
    let listed = blocks.list(now);
    assert!(listed.len() == 1 && listed[0].is_by_hand && listed[0].times == 0);
    assert!(blocks.listing(now).nftables().contains("192.0.2.7 timeout 60s"));
    assert!(blocks.lift(office, now) && !blocks.lift(office, now) && blocks.list(now).is_empty());
    assert!(blocks.is_proven(office, now), "that is not forgotten");
    // So many at once, and no scan pushes one of them out of the table.
    for number in 0..BLOCKS_BY_HAND_MAX as u32 {
        let one = IpAddr::V4((0x0a00_0000 + number).into());
        assert_eq!(blocks.block(one, WEEK, now), Ok(()), "{number}");
    }
    let other = address("192.0.2.8");
    assert_eq!(blocks.block(other, WEEK, now), Err(NotBlocked::Full));
    let first = address("10.0.0.0");
    assert_eq!(blocks.block(first, WEEK, now), Ok(()), "one of them");
    for number in 0..BLOCKS_KNOWN_MAX as u32 + 10 {
        blocks.proved(
            IpAddr::V4((0x0b00_0000 + number).into()),
            now + Duration::from_secs(1),
        );
    }
    assert_eq!(
        blocks.list(now + Duration::from_secs(2)).len(),
        BLOCKS_BY_HAND_MAX
    );
    assert_eq!(blocks.known().len(), BLOCKS_KNOWN_MAX);
}

#[test]
fn the_table_is_bounded() {
    let (blocks, now) = (blocks(), Instant::now());
    for number in 0..BLOCKS_KNOWN_MAX as u32 + 100 {
        let at = now + Duration::from_millis(u64::from(number) / 100);
        blocks.strike(IpAddr::V4((0x0a00_0000 + number).into()), Strike::Unproven, at);
    }
    assert_eq!(blocks.known().len(), BLOCKS_KNOWN_MAX);
}

proptest! {
    /// A block has an end, and nobody is blocked for less than his strikes.
    #[test]
    fn a_block_ends(steps in prop::collection::vec((0..90u64, 0..3usize), 1..200)) {
        let (blocks, mut now, who) = (blocks(), Instant::now(), address("192.0.2.1"));
        let kinds = [Strike::WrongPassword, Strike::Unproven, Strike::Scanner];
        let mut given = 0;
        for (seconds, kind) in steps {
            now += Duration::from_secs(seconds);
            let was_blocked = blocks.is_blocked(who, now);
            given += kinds[kind].weight();
            let lasts = blocks.strike(who, kinds[kind], now);
            prop_assert!(!(was_blocked && lasts.is_some()));
            if let Some(lasts) = lasts {
                prop_assert!(given >= STRIKES_MAX && lasts >= BLOCK_FIRST && lasts <= BLOCK_MOST);
                prop_assert!(blocks.is_blocked(who, now) && !blocks.is_blocked(who, now + lasts));
                given = 0;
            }
        }
    }
}
