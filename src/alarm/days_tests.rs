//! Recorded days: weeks of a business as they might have been, made from a seed; then ordinary weeks, in which nothing may be told, and
//! days with something planted in them, which has to be found, once.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::limits::{ALARMS_MAX, COUNTRIES_MAX, LASTING_MAX};
use super::{Alarm, Engine, Input, Kept, Output, Rules, SHIPPED, Seen, Severity, State, Watch};
use crate::call_id::CallId;

const HOUR_MS: u64 = 3_600_000;
const DAY: u64 = 24;
const WEEK: u64 = 7 * DAY;
/// A Monday, midnight UTC.
const MONDAY: u64 = 1_767_571_200_000;

/// Calls an hour of a working day, from midnight.
const DAYTIME: [f64; 24] = [
    1.0, 0.5, 0.5, 0.5, 0.5, 1.0, 3.0, 10.0, 30.0, 55.0, 60.0, 58.0, 40.0, 45.0, 55.0, 50.0, 42.0, 30.0,
    15.0, 8.0, 5.0, 4.0, 3.0, 2.0,
];

/// The same seed, the same weeks.
struct Chance(u64);

impl Chance {
    fn share(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Poisson, by its own definition.
    fn count(&mut self, mean: f64) -> u64 {
        let (limit, mut product, mut count) = ((-mean).exp(), self.share(), 0);
        while product > limit {
            product *= self.share();
            count += 1;
        }
        count
    }
}

/// What is usual after the ordinary weeks, where chance stands, and how many hours and calls that were.
type Lived = (Kept, [u64; 2], u64, u64);

/// A business, and what its alarms said.
struct Business {
    engine: Engine,
    chance: Chance,
    /// What came to be counted later has chances of its own: the days are those they were.
    other: Chance,
    hours: u64,
    calls: u64,
    told: Vec<Alarm>,
}

impl Business {
    /// After six ordinary weeks; they are lived once for each seed.
    fn new(seed: u64) -> Business {
        static LIVED: Mutex<BTreeMap<u64, Lived>> = Mutex::new(BTreeMap::new());
        let mut lived = LIVED.lock().unwrap();
        let (kept, chance, hours, calls) = lived
            .entry(seed)
            .or_insert_with(|| {
                let mut business = Business::begun(Kept::default(), [seed, seed]);
                business.live(6 * WEEK, |_, _| {});
                assert_eq!(business.watched(), [], "seed {seed}: {:#?}", business.told);
                (
                    business.engine.kept().clone(),
                    [business.chance.0, business.other.0],
                    business.hours,
                    business.calls,
                )
            })
            .clone();
        let mut business = Business::begun(kept, chance);
        (business.hours, business.calls) = (hours, calls);
        business
    }

    fn begun(kept: Kept, [chance, other]: [u64; 2]) -> Business {
        Business {
            engine: Engine::new(Rules::shipped(), Some("1"), kept, Vec::new()),
            chance: Chance(chance),
            other: Chance(other),
            hours: 0,
            calls: 0,
            told: Vec::new(),
        }
    }

    /// So many hours, each with what `planted` adds at its half hour.
    fn live(&mut self, hours: u64, planted: impl Fn(&mut Business, u64)) {
        for hour in 0..hours {
            let (of_day, day) = ((self.hours % DAY) as usize, self.hours / DAY % 7);
            let mean = DAYTIME[of_day] * if day < 5 { 1.0 } else { 0.2 };
            // No two days are alike.
            let mean = mean * (0.8 + 0.4 * self.chance.share());
            let count = self.chance.count(mean);
            let begin = MONDAY + self.hours * HOUR_MS;
            for minute in 0..60 {
                self.give(Input::Tick, begin + minute * 60_000);
                if minute == 30 {
                    planted(self, hour);
                }
                let until = count * (minute + 1) / 60;
                for _ in count * minute / 60..until {
                    let seen = self.ordinary();
                    self.give(Input::Call(Box::new(seen)), begin + minute * 60_000 + 1);
                }
            }
            if (8..18).contains(&of_day) && day < 5 {
                for _ in 0..1 + self.hours % 3 {
                    self.give(Input::Outside(CallId(0)), begin + 58 * 60_000);
                }
            }
            if self.chance.share() < 0.15 {
                self.give(Input::SignInFailed, begin + 59 * 60_000);
            }
            // The internet looks for telephones at any hour, more in some than in others; a phone has an old password now and then.
            let mean = 20.0 + 120.0 * self.other.share();
            let looked = self.other.count(mean);
            self.give(Input::Scanned(looked), begin + 57 * 60_000);
            if self.other.share() < 0.1 {
                self.give(Input::Guessed(1 + self.hours % 3), begin + 59 * 60_000);
            }
            self.hours += 1;
        }
    }

    fn ordinary(&mut self) -> Seen {
        let chance = self.chance.share();
        let country = match chance {
            share if share < 0.02 => "44",
            share if share < 0.035 => "52",
            share if share < 0.04 => "49",
            _ => "1",
        };
        self.calls += 1;
        Seen {
            call: CallId(u128::from(self.calls)),
            at_ms: MONDAY + self.hours * HOUR_MS,
            caller: 1 + (self.chance.share() * 5_000.0) as u64,
            country: Some(country.into()),
            is_signed: self.chance.share() < 0.65,
            is_refused: self.chance.share() < 0.03,
            is_synthetic: self.chance.share() < 0.01,
            is_one_ring: self.other.share() < 0.04,
            is_silent: self.other.share() < 0.01,
            is_poor: self.other.share() < 0.02,
            is_bad: self.chance.share() < 0.03,
            recording: None,
            signer: Some(format!("{}", 100 + (self.chance.share() * 40.0) as u32)),
            script: None,
            failed_rules: Vec::new(),
        }
    }

    /// So many more calls now, each changed like that.
    fn plant(&mut self, count: u64, change: impl Fn(&mut Seen, u64)) {
        let now = MONDAY + self.hours * HOUR_MS + 30 * 60_000;
        for number in 0..count {
            let mut seen = self.ordinary();
            (seen.caller, seen.is_bad) = (1_000_000 + number, false);
            (seen.is_signed, seen.is_refused, seen.is_synthetic) = (true, false, false);
            (seen.is_one_ring, seen.is_silent, seen.is_poor) = (false, false, false);
            seen.country = Some("1".into());
            change(&mut seen, number);
            self.give(Input::Call(Box::new(seen)), now + number);
        }
    }

    fn give(&mut self, input: Input, now_ms: u64) {
        self.engine.handle(input, now_ms);
        loop {
            match self.engine.poll_output() {
                Output::Tell(alarm) => self.told.push(*alarm),
                Output::Nothing => return,
                _ => {}
            }
        }
    }

    fn watched(&self) -> Vec<Watch> {
        self.told.iter().map(|alarm| alarm.watch).collect()
    }
}

#[test]
fn ordinary_weeks_are_quiet() {
    let mut told = Vec::new();
    let (mut weeks, mut calls) = (0, 0);
    for seed in 1..=3 {
        let mut business = Business::new(seed);
        business.live(4 * WEEK, |_, _| {});
        (weeks, calls) = (weeks + 10, calls + business.calls);
        told.extend(business.told);
    }
    println!("{weeks} ordinary weeks, {calls} calls, {} alarms", told.len());
    assert!(told.is_empty(), "{told:#?}");
}

/// Plants on a Wednesday at that hour, after two ordinary days; what is told from then on is of this kind, once.
fn check(what: &str, watch: Watch, hour: u64, planted: impl Fn(&mut Business)) {
    for seed in 1..=3 {
        let mut business = Business::new(seed);
        business.live(2 * DAY + hour, |_, _| {});
        assert_eq!(business.watched(), [], "{what}: before");
        business.live(1, |business, _| planted(business));
        let alarm = business.told.first().cloned();
        let alarm = alarm.unwrap_or_else(|| panic!("{what} was not found, seed {seed}"));
        println!(
            "{what}, seed {seed}: {} ({} calls named)",
            alarm.words,
            alarm.calls.len()
        );
        assert_eq!(
            business.watched(),
            [watch],
            "{what}, seed {seed}: {:#?}",
            business.told
        );
        assert_eq!(alarm.calls.is_empty(), !watch.is_of_calls());
        business.live(DAY, |_, _| {});
        assert_eq!(business.told.len(), 1, "{what}: once");
    }
}

#[test]
fn what_is_planted_is_found_and_told_once() {
    check("a flood", Watch::Volume, 10, |business| {
        business.plant(250, |_, _| {})
    });
    check("a flood at night", Watch::Volume, 3, |business| {
        business.plant(40, |_, _| {})
    });
    check(
        "calls from a country that never called",
        Watch::Country,
        11,
        |business| {
            business.plant(25, |seen, _| seen.country = Some("963".into()));
        },
    );
    check("calls without a signature", Watch::Unsigned, 10, |business| {
        business.plant(70, |seen, _| seen.is_signed = false);
    });
    check("refusals", Watch::Refused, 14, |business| {
        business.plant(30, |seen, _| seen.is_refused = true)
    });
    check("synthetic voices", Watch::Synthetic, 9, |business| {
        business.plant(20, |seen, _| seen.is_synthetic = true);
    });
    check("calls to the outside at night", Watch::Outside, 3, |business| {
        let now = MONDAY + business.hours * HOUR_MS + 30 * 60_000;
        (0..40).for_each(|number| business.give(Input::Outside(CallId(number)), now));
    });
    check("a scan at night", Watch::Scans, 2, |business| {
        let now = MONDAY + business.hours * HOUR_MS + 30 * 60_000;
        (0..100).for_each(|_| business.give(Input::Scanned(200), now));
    });
    check("guessed passwords of phones", Watch::Guesses, 11, |business| {
        let now = MONDAY + business.hours * HOUR_MS + 30 * 60_000;
        (0..40).for_each(|_| business.give(Input::Guessed(1), now));
    });
    check("calls that ring once", Watch::OneRing, 11, |business| {
        business.plant(50, |seen, _| seen.is_one_ring = true);
    });
    check("calls without a word", Watch::Silent, 14, |business| {
        business.plant(30, |seen, _| seen.is_silent = true);
    });
    check("a line that loses packets", Watch::Quality, 10, |business| {
        business.plant(40, |seen, _| seen.is_poor = true);
    });
    check("guessed passwords", Watch::SignIns, 2, |business| {
        let now = MONDAY + business.hours * HOUR_MS + 30 * 60_000;
        (0..40).for_each(|_| business.give(Input::SignInFailed, now));
    });
}

#[test]
fn one_campaign_is_one_alarm_whatever_its_calls_share() {
    // Some have the recording, some only its signer, some its script and a signer of their own: each shares something with another.
    check("a campaign", Watch::Campaign, 10, |business| {
        business.plant(60, |seen, number| {
            seen.is_bad = true;
            seen.recording = (number % 3 == 0).then(|| "recording-12".into());
            seen.signer = Some(if number % 3 == 2 {
                format!("9{number}")
            } else {
                "777".into()
            });
            seen.script = (number % 3 != 1).then(|| "beep@0+loop@7".into());
        });
    });
    let mut business = Business::new(7);
    for _ in 0..5 {
        business.plant(10, |seen, _| {
            (seen.is_bad, seen.signer, seen.recording) = (true, None, Some("recording-1".into()));
        });
        business.live(1, |_, _| {});
    }
    let campaigns: Vec<_> = business
        .told
        .iter()
        .filter(|alarm| alarm.watch == Watch::Campaign)
        .collect();
    assert_eq!(campaigns.len(), 1, "{campaigns:#?}");
    let alarm = business
        .engine
        .alarms()
        .find(|alarm| alarm.watch == Watch::Campaign)
        .unwrap();
    assert_eq!((alarm.about.as_str(), alarm.count), ("recording recording-1", 50));
    assert!(
        alarm.words.contains("50 calls from 10 numbers"),
        "{}",
        alarm.words
    );
}

#[test]
fn quiet_hours_hold_back_what_is_not_grave_and_nobody_is_told_twice() {
    let text = "[alarms]\nquiet = [\"22:00-07:00\"]\n[[rule]]\nid = \"calls\"\nwatch = \"volume\"\nat_least = 20\nagain = \"12h\"\n\
        [[rule]]\nid = \"guesses\"\nwatch = \"sign-ins\"\nseverity = \"high\"\nat_least = 3\nowner = \"security\"\n";
    let mut business = Business::new(3);
    let (kept, hours) = (business.engine.kept().clone(), business.hours);
    let mut read = Kept::default();
    for (thing, text) in kept.texts() {
        read.read(thing, &text.unwrap()).unwrap();
    }
    let kept = read;
    business.engine = Engine::new(Rules::load("x", text).unwrap(), Some("1"), kept, Vec::new());
    business.hours = hours;
    business.live(1, |business, _| {
        business.plant(40, |_, _| {});
        let now = MONDAY + business.hours * HOUR_MS + 31 * 60_000;
        (0..8).for_each(|_| business.give(Input::SignInFailed, now));
    });
    assert_eq!(business.watched(), [Watch::SignIns], "at midnight");
    assert_eq!(business.told[0].owner.as_deref(), Some("security"));
    business.live(8, |_, _| {});
    assert_eq!(
        business.watched(),
        [Watch::SignIns, Watch::Volume],
        "in the morning"
    );
    let number = business.told[1].number;
    let now = MONDAY + business.hours * HOUR_MS;
    let taken = business
        .engine
        .acknowledge(number, "ann", "looking", now)
        .unwrap();
    assert!(matches!(taken.state, State::Acknowledged { ref by, .. } if by == "ann"));
    assert_eq!(
        business.engine.acknowledge(number, "bob", "", now),
        None,
        "it is taken"
    );
    business.live(DAY, |_, _| {});
    let is_over = |alarm: &Alarm| matches!(alarm.state, State::Over { .. });
    assert!(business.engine.alarms().all(is_over));
    assert_eq!(business.told.len(), 2);
}

#[test]
fn what_a_gateway_does_not_know_yet_is_no_alarm_and_tables_are_bounded() {
    let mut business = Business::begun(Kept::default(), [1, 1]);
    business.live(DAY, |business, _| business.plant(100, |_, _| {}));
    assert_eq!(
        business.watched(),
        [],
        "nobody knows what is usual on the first day"
    );
    business.live(1, |business, _| {
        for round in 0..3_000u64 {
            business.plant(1, |seen, _| {
                seen.country = Some(format!("{}", 200 + round / 4 % 700));
                (seen.is_bad, seen.recording) = (true, Some(format!("recording-{round}")));
            });
        }
    });
    assert!(business.engine.len() < 1_000, "{}", business.engine.len());
    // Countries that were made up are no reason not to see the next one.
    business.live(2, |business, _| {
        business.plant(25, |seen, _| seen.country = Some("963".into()));
        business.plant(2, |seen, _| seen.country = Some("964".into()));
    });
    business.live(1, |_, _| {});
    let kept = business.engine.kept();
    let things: Vec<&str> = kept.texts().map(|(thing, _)| thing).collect();
    assert!(things.contains(&"country 963"), "{things:?}");
    assert!(!things.contains(&"country 964"), "two are soon spoofed");
    let countries = things.iter().filter(|thing| thing.starts_with("country "));
    assert_eq!(countries.count(), COUNTRIES_MAX + 1, "and the others: {things:?}");
}

#[test]
fn hours_are_those_of_the_business_where_they_begin_at_half_past() {
    let mut business = Business::begun(Kept::default(), [1, 1]);
    let text = format!("[alarms]\nzone = \"Asia/Kolkata\"\n{SHIPPED}");
    let rules = Rules::load("x", &text).unwrap();
    business.engine = Engine::new(rules, Some("1"), Kept::default(), Vec::new());
    business.live(3 * WEEK + 2 * DAY + 7, |_, _| {});
    assert_eq!(business.watched(), []);
    // At half past seven ten calls an hour are usual, at half past eight thirty.
    business.live(1, |business, _| business.plant(40, |_, _| {}));
    assert_eq!(business.watched(), [Watch::Volume]);
}

#[test]
fn an_hour_that_the_clock_is_set_back_into_is_not_learned_again() {
    let mut business = Business::new(1);
    business.live(2 * DAY + 10, |_, _| {});
    let begin = MONDAY + business.hours * HOUR_MS;
    business.give(Input::Tick, begin + 1);
    let kept = business.engine.kept().clone();
    for at in [begin - 60_000, begin + 60_000] {
        business.give(Input::Tick, at);
        assert_eq!(*business.engine.kept(), kept);
    }
}

#[test]
fn whoever_makes_up_many_campaigns_makes_few_alarms() {
    let mut business = Business::new(1);
    for campaign in 0..40 {
        business.plant(6, |seen, _| {
            (seen.is_bad, seen.signer) = (true, None);
            seen.recording = Some(format!("recording-{campaign}"));
        });
    }
    let campaigns = || {
        business
            .told
            .iter()
            .filter(|alarm| alarm.watch == Watch::Campaign)
    };
    assert_eq!(campaigns().count(), LASTING_MAX + 1, "{:#?}", business.told);
    let others: Vec<_> = campaigns().filter(|alarm| alarm.about == "others").collect();
    assert_eq!(others.len(), 1);
    assert!(
        others[0].words.contains("6 calls from") || others[0].words.contains("5 calls from"),
        "{}",
        others[0].words
    );
}

#[test]
fn what_nobody_has_taken_and_weighs_least_makes_room_for_a_new_alarm() {
    let alarm = |number, severity, state| Alarm {
        number,
        rule: "more-calls".into(),
        watch: Watch::Volume,
        about: String::new(),
        severity,
        owner: None,
        words: String::new(),
        raised_ms: MONDAY,
        last_ms: MONDAY,
        count: 1,
        calls: Vec::new(),
        told_ms: Some(MONDAY),
        state,
    };
    let taken = || State::Acknowledged {
        by: "ann".into(),
        at_ms: MONDAY,
        note: String::new(),
    };
    let mut alarms: Vec<Alarm> = (1..=ALARMS_MAX as u64)
        .map(|number| alarm(number, Severity::High, State::Open))
        .collect();
    alarms[0] = alarm(1, Severity::Low, taken());
    alarms[2] = alarm(3, Severity::Low, State::Open);
    alarms[6] = alarm(7, Severity::High, State::Over { at_ms: MONDAY });
    let mut business = Business::begun(Kept::default(), [1, 1]);
    business.engine = Engine::new(Rules::shipped(), Some("1"), Kept::default(), alarms);
    for gone in [7, 3, 2] {
        assert!(business.engine.alarms().any(|alarm| alarm.number == gone));
        business.plant(5, |seen, _| {
            (seen.is_bad, seen.signer) = (true, None);
            seen.recording = Some(format!("recording-{gone}"));
        });
        assert!(
            business.engine.alarms().all(|alarm| alarm.number != gone),
            "{gone}"
        );
        assert_eq!(business.engine.alarms().count(), ALARMS_MAX);
    }
    assert!(
        business.engine.alarms().any(|alarm| alarm.number == 1),
        "it is ann's"
    );
}

#[test]
fn a_rule_of_the_policy_that_fails_is_told_once_and_never_becomes_usual() {
    let mut business = Business::begun(Kept::default(), [1, 1]);
    business.live(1, |business, _| {
        business.plant(20, |seen, number| {
            seen.failed_rules = match number {
                19 => vec!["other".into()],
                _ => vec!["our-own-number".into()],
            };
        });
    });
    assert_eq!(business.watched(), [Watch::RuleErrors, Watch::RuleErrors]);
    let about = |alarm: &Alarm| (alarm.about.clone(), alarm.count, alarm.calls.len());
    let alarms: Vec<_> = business.engine.alarms().map(about).collect();
    assert_eq!(alarms[1].0, "our-own-number");
    assert_eq!((alarms[1].1, alarms[0].1), (19, 1));
    // Two days later it fails again.
    business.live(48, |_, _| {});
    business.live(1, |business, _| {
        business.plant(1, |seen, _| seen.failed_rules = vec!["other".into()]);
    });
    assert_eq!(business.watched(), [Watch::RuleErrors; 3]);
    assert!(
        business
            .engine
            .kept()
            .texts()
            .all(|(thing, _)| !thing.contains("rule"))
    );
}

#[test]
fn a_scan_of_a_hundred_thousand_messages_is_one_alarm_and_does_not_become_usual() {
    let mut business = Business::new(2);
    for _ in 0..6 {
        business.live(1, |business, _| {
            let now = MONDAY + business.hours * HOUR_MS + 30 * 60_000;
            (0..100).for_each(|_| business.give(Input::Scanned(1_000), now));
        });
    }
    assert_eq!(business.watched(), [Watch::Scans], "{:#?}", business.told);
    let alarm = business.engine.alarms().next().unwrap();
    assert!(
        alarm.count >= 100_000 && alarm.words.contains("strangers"),
        "{}",
        alarm.words
    );
    business.live(2 * WEEK, |_, _| {});
    business.live(1, |business, _| {
        let now = MONDAY + business.hours * HOUR_MS + 30 * 60_000;
        business.give(Input::Scanned(20_000), now);
    });
    assert_eq!(
        business.watched(),
        [Watch::Scans, Watch::Scans],
        "it is told again"
    );
}

#[test]
fn what_an_older_gateway_did_not_count_is_no_alarm_until_it_is_known() {
    let business = Business::new(1);
    let mut older = Kept::default();
    for (thing, text) in business.engine.kept().texts() {
        if !["scans", "guesses", "one-ring", "silent", "quality"].contains(&thing) {
            older.read(thing, &text.unwrap()).unwrap();
        }
    }
    let hours = business.hours;
    let mut business = Business::begun(older, [9, 9]);
    business.hours = hours;
    business.live(DAY, |business, _| {
        business.plant(20, |seen, _| {
            (seen.is_one_ring, seen.is_silent, seen.is_poor) = (true, true, true)
        });
    });
    let new = [Watch::OneRing, Watch::Silent, Watch::Quality, Watch::Scans];
    assert!(
        !business.watched().iter().any(|watch| new.contains(watch)),
        "{:#?}",
        business.told
    );
}
