//! What any engine must do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ringward::call::record::{Ending, PersonReport};
use ringward::call_id::CallId;
use ringward::store::{Filter, Shelf, Write, limits};

use crate::records::{FORGED, KINDS, call, ended};
use crate::{each_engine, settled};

const NOON: u64 = 1_790_000_000_000;

fn report(verdict: &str) -> PersonReport {
    PersonReport {
        verdict: verdict.into(),
        note: Some("asked for a wire transfer".into()),
        at_ms: NOON + 9,
    }
}

#[test]
fn a_saved_record_comes_back_whole() {
    each_engine(|store| {
        for (number, kind) in KINDS.iter().enumerate() {
            let record = ended(kind, number as u64, NOON);
            assert!(store.save(Arc::new(record.clone())));
            assert_eq!(
                store.call(record.id).unwrap().as_ref(),
                Some(&record),
                "before it is on disk"
            );
            settled(store);
            assert_eq!(store.call(record.id).unwrap(), Some(record), "after");
        }
        assert_eq!(store.call(CallId(7)).unwrap(), None);
        assert_eq!(store.health().queued, 0);
    });
}

#[test]
fn the_highest_revision_of_a_call_wins() {
    each_engine(|store| {
        let last = ended(&KINDS[0], 1, NOON);
        let early = call(&KINDS[0], 1, NOON, 6_000, 50_000);
        for order in [[&early, &last], [&last, &early]] {
            for record in order {
                store.save(Arc::new(record.clone()));
                settled(store);
            }
            assert_eq!(store.call(last.id).unwrap().as_ref(), Some(&last));
        }
        store.save(Arc::new(last.clone()));
        store.save(Arc::new(early));
        assert_eq!(
            store.call(last.id).unwrap().as_ref(),
            Some(&last),
            "also in the queue"
        );
        assert_eq!(store.calls(&Filter::default()).unwrap().len(), 1);
    });
}

#[test]
fn lists_are_newest_first_and_pages_lose_nothing_inside_one_millisecond() {
    each_engine(|store| {
        for number in 0..30 {
            store.save(Arc::new(ended(
                &KINDS[number as usize % 8],
                number,
                NOON + number / 10,
            )));
            if number == 17 {
                settled(store);
            }
        }
        let mut seen = Vec::new();
        let mut filter = Filter {
            limit: 7,
            ..Filter::default()
        };
        loop {
            let page = store.calls(&filter).unwrap();
            assert!(page.len() <= 7);
            let Some(last) = page.last() else { break };
            filter.before_ms = Some(last.started_ms);
            filter.before_id = Some(last.id);
            seen.extend(page.iter().map(|record| (record.started_ms, record.id)));
        }
        assert_eq!(seen.len(), 30);
        assert!(seen.is_sorted_by(|a, b| a > b));
        let by_time = Filter {
            before_ms: Some(NOON + 1),
            ..Filter::default()
        };
        assert_eq!(store.calls(&by_time).unwrap().len(), 10);
    });
}

#[test]
fn filters_mean_the_same_for_queued_and_kept_records() {
    each_engine(|store| {
        for round in 0..2 {
            for (number, kind) in KINDS.iter().enumerate() {
                let number = number as u64 + round * 100;
                store.save(Arc::new(ended(kind, number, NOON + number)));
            }
            let found = |filter: Filter| store.calls(&filter).unwrap().len() as u64;
            let all = round + 1;
            assert_eq!(
                found(Filter {
                    label: Some("forged".into()),
                    ..Filter::default()
                }),
                all
            );
            assert_eq!(
                found(Filter {
                    number: Some("+12125550147".into()),
                    ..Filter::default()
                }),
                all
            );
            assert_eq!(
                found(Filter {
                    queue: Some("pharmacy".into()),
                    ..Filter::default()
                }),
                all * 2
            );
            assert_eq!(
                found(Filter {
                    ending: Some(Ending::NoAnswer),
                    ..Filter::default()
                }),
                all
            );
            assert_eq!(
                found(Filter {
                    label: Some("' OR 1=1 --".into()),
                    ..Filter::default()
                }),
                0
            );
            if round == 0 {
                settled(store);
            }
        }
    });
}

#[test]
fn a_search_whose_time_is_up_says_how_far_it_came_and_goes_on_to_the_end() {
    each_engine(|store| {
        let save = |number: u64, queue: &str, ending: Ending| {
            let mut record = ended(&KINDS[6], number, NOON + number);
            record.queue = Some(queue.into());
            if let Some(outcome) = &mut record.outcome {
                outcome.ending = ending;
            }
            assert!(store.save(Arc::new(record.clone())));
            record
        };
        let many = 3 * limits::LOOKED_ROWS as u64;
        let oldest = save(1, "q", Ending::Refused);
        for number in 10..10 + many {
            save(number, "q", Ending::Completed);
            save(number + 2 * many, "other", Ending::Refused);
            if number == 10 + many / 2 {
                save(number + many, "q", Ending::Refused);
                settled(store);
            }
        }
        settled(store);
        // On its way, and older than what the first looks come to.
        let queued = save(2, "q", Ending::Refused);
        let mut filter = Filter {
            queue: Some("q".into()),
            ending: Some(Ending::Refused),
            limit: 10,
            ..Filter::default()
        };
        let all = store.calls(&filter).unwrap();
        assert_eq!(all.len(), 3);
        assert_eq!(all[1..], [queued, oldest]);
        let (mut found, mut looks, mut last) = (Vec::new(), 0, None);
        loop {
            let part = store.search(&filter, Duration::ZERO).unwrap();
            found.extend(part.calls);
            let Some(until) = part.until else { break };
            assert!(last.is_none_or(|last| until < last), "it goes on");
            assert!(found.iter().all(|call| (call.started_ms, call.id) >= until));
            (filter.before_ms, filter.before_id) = (Some(until.0), Some(until.1));
            (looks, last) = (looks + 1, Some(until));
        }
        assert_eq!(found, all, "nothing twice, and nothing left out");
        assert!(looks >= 3, "it stopped {looks} times");
        // A page that is full does not say that its time was up.
        let full = Filter {
            before_ms: None,
            before_id: None,
            ending: None,
            limit: 5,
            ..filter
        };
        let page = store.search(&full, Duration::ZERO).unwrap();
        assert_eq!((page.calls.len(), page.until), (5, None));
    });
}

#[test]
fn one_answer_never_holds_more_than_its_limit() {
    each_engine(|store| {
        for number in 0..limits::CALLS_LIMIT as u64 + 20 {
            store.save(Arc::new(ended(&KINDS[6], number, NOON + number)));
        }
        for limit in [0, 1_000_000] {
            let page = store
                .calls(&Filter {
                    limit,
                    ..Filter::default()
                })
                .unwrap();
            assert_eq!(page.len(), limits::CALLS_LIMIT);
        }
    });
}

#[test]
fn history_counts_calls_answers_and_reports_of_one_number() {
    each_engine(|store| {
        let number = "+18005550199";
        let ages = [10_000, 59_999, 60_000, 3_599_999, 3_600_000, 90_000_000];
        for (place, age) in ages.iter().enumerate() {
            store.save(Arc::new(ended(&KINDS[FORGED], place as u64, NOON - age)));
        }
        store.save(Arc::new(ended(&KINDS[0], 50, NOON)));
        for is_on_disk in [false, true] {
            if is_on_disk {
                settled(store);
            }
            let history = store.history(number, NOON).unwrap();
            assert!(history.is_available);
            assert_eq!((history.calls_before, history.answered_before), (6, 6));
            assert_eq!((history.calls_last_minute, history.calls_last_hour), (2, 4));
        }
        let first = ended(&KINDS[FORGED], 0, NOON).id;
        let second = ended(&KINDS[FORGED], 1, NOON).id;
        assert!(store.report(first, report("scam")).unwrap());
        assert!(store.report(second, report("scam")).unwrap());
        assert!(
            store.report(second, report("good")).unwrap(),
            "a person may change their mind"
        );
        let history = store.history(number, NOON).unwrap();
        assert_eq!((history.reported_scam, history.reported_good), (1, 1));
        let nobody = store.history("+10000000000", NOON).unwrap();
        assert_eq!((nobody.calls_before, nobody.reported_scam), (0, 0));
    });
}

#[test]
fn a_report_finds_a_call_that_is_still_queued_and_survives_later_revisions() {
    each_engine(|store| {
        let early = call(&KINDS[3], 1, NOON, 9_000, 60_000);
        store.save(Arc::new(early.clone()));
        assert!(store.report(early.id, report("scam")).unwrap());
        assert_eq!(
            store.call(early.id).unwrap().unwrap().report,
            Some(report("scam"))
        );
        store.save(Arc::new(call(&KINDS[3], 1, NOON, 60_000, 60_000)));
        assert_eq!(
            store.call(early.id).unwrap().unwrap().report,
            Some(report("scam")),
            "queued"
        );
        settled(store);
        let kept = store.call(early.id).unwrap().unwrap();
        assert_eq!(kept.report, Some(report("scam")), "kept");
        assert!(kept.outcome.is_some());
        assert!(!store.report(CallId(99), report("scam")).unwrap(), "no such call");
    });
}

#[test]
fn of_many_calls_answered_at_once_with_one_token_exactly_one_owns_it() {
    each_engine(|store| {
        let owners = AtomicUsize::new(0);
        std::thread::scope(|threads| {
            for shard in 0..8 {
                let owners = &owners;
                threads.spawn(move || {
                    for token in 0..200 {
                        let digest = format!("digest-{token}");
                        let is_reused = store.token_answered(&digest, CallId(shard), NOON, 60_000);
                        if !is_reused.unwrap() {
                            owners.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(owners.into_inner(), 200);
    });
}

#[test]
fn a_token_is_remembered_to_the_last_millisecond_of_its_window_and_no_longer() {
    const WINDOW: u64 = 180_000;
    for (after, expected) in [
        (0, true),
        (WINDOW - 1, true),
        (WINDOW, false),
        (WINDOW + 1, false),
    ] {
        each_engine(|store| {
            assert!(!store.token_seen("digest", CallId(1), NOON, WINDOW).unwrap());
            assert!(!store.token_answered("digest", CallId(1), NOON, WINDOW).unwrap());
            let is_reused = store
                .token_seen("digest", CallId(2), NOON + after, WINDOW)
                .unwrap();
            assert_eq!(is_reused, expected, "{after} ms later");
        });
    }
}

#[test]
fn a_carriers_next_route_brings_the_same_token_and_is_no_reuse() {
    each_engine(|store| {
        let seen = |call, at| {
            store
                .token_seen("digest", CallId(call), NOON + at, 180_000)
                .unwrap()
        };
        assert!(!seen(1, 0), "the first route");
        assert!(!seen(1, 10), "its certificate was late: asked again");
        assert!(!seen(2, 4_000), "the second route, nobody has answered");
        assert!(
            !store
                .token_answered("digest", CallId(2), NOON + 9_000, 180_000)
                .unwrap()
        );
        assert!(!seen(2, 9_001), "the answered call stays the owner");
        assert!(seen(3, 9_002), "a call after the answer is a replay");
        assert!(
            store
                .token_answered("digest", CallId(3), NOON + 9_500, 180_000)
                .unwrap()
        );
    });
}

#[test]
fn a_token_cannot_ring_for_ever_without_an_answer() {
    each_engine(|store| {
        let reused = (0..20)
            .filter(|call| store.token_seen("digest", CallId(*call), NOON, 180_000).unwrap())
            .count();
        assert_eq!(reused, 20 - limits::TOKEN_CALLS_MAX);
    });
}

#[test]
fn many_writers_lose_no_record() {
    each_engine(|store| {
        std::thread::scope(|threads| {
            for shard in 0..8 {
                threads.spawn(move || {
                    for number in 0..100 {
                        let number = shard * 1_000 + number;
                        assert!(store.save(Arc::new(ended(&KINDS[6], number, NOON + number))));
                        store.history("+16175550134", NOON).unwrap();
                    }
                });
            }
        });
        settled(store);
        assert_eq!(
            store.history("+16175550134", NOON + 10_000).unwrap().calls_before,
            800
        );
        assert_eq!(store.health().lost, 0);
    });
}

#[test]
fn settings_are_kept_by_name() {
    each_engine(|store| {
        assert_eq!(store.setting("api_token").unwrap(), None);
        store.set_setting("api_token", "a").unwrap();
        store.set_setting("api_token", "b").unwrap();
        assert_eq!(store.setting("api_token").unwrap().as_deref(), Some("b"));
        assert!(
            store
                .set_setting("big", &"x".repeat(limits::SETTING_MAX + 1))
                .is_err()
        );
    });
}

#[test]
fn a_figure_that_is_no_number_does_not_spoil_the_record() {
    each_engine(|store| {
        let mut record = ended(&KINDS[0], 1, NOON);
        record.windows[0].llr = f32::NAN;
        record.facts.voice.llr = f64::INFINITY;
        store.save(Arc::new(record.clone()));
        settled(store);
        let kept = store.call(record.id).unwrap().unwrap();
        assert_eq!(kept.windows.len(), record.windows.len() - 1);
        assert_eq!(kept.facts.voice.llr, 0.0);
    });
}

#[test]
fn a_journal_is_numbered_without_gaps_and_never_changes() {
    each_engine(|store| {
        assert!(store.append("a", 1, "one").unwrap());
        assert!(!store.append("a", 1, "another").unwrap(), "the number is taken");
        assert!(!store.append("a", 3, "three").unwrap(), "a gap");
        assert!(store.append("a", 2, "two").unwrap());
        assert!(store.append("b", 1, "its own").unwrap());
        let two = [(1, "one".to_string()), (2, "two".to_string())];
        assert_eq!(store.journal("a", 0).unwrap(), two);
        assert_eq!(store.journal("a", 1).unwrap(), two[1..]);
        assert_eq!(store.journal("c", 0).unwrap(), []);
        assert!(store.append("a", 3, &"x".repeat(limits::ENTRY_MAX + 1)).is_err());
    });
}

#[test]
fn a_shelf_changes_all_or_nothing_and_only_by_who_saw_its_last_revision() {
    let put = |key: &str, text: &str| (key.to_string(), Some(text.to_string()));
    each_engine(|store| {
        assert_eq!(store.shelf("a").unwrap(), Shelf::default());
        assert!(
            store
                .reshelve("a", 1, vec![put("2", "two"), put("1", "one")])
                .unwrap()
        );
        assert!(
            !store.reshelve("a", 1, vec![put("3", "three")]).unwrap(),
            "somebody was first"
        );
        assert!(!store.reshelve("a", 3, vec![put("3", "three")]).unwrap(), "a gap");
        assert!(store.reshelve("b", 1, vec![put("1", "its own")]).unwrap());
        let changes = vec![
            ("2".to_string(), None),
            put("1", "changed"),
            ("9".to_string(), None),
        ];
        assert!(store.reshelve("a", 2, changes).unwrap());
        let kept = Shelf {
            revision: 2,
            documents: vec![("1".into(), "changed".into())],
        };
        assert_eq!(store.shelf("a").unwrap(), kept);
        let long = "x".repeat(limits::DOCUMENT_MAX);
        assert!(
            store
                .reshelve("a", 3, vec![put("0", "x"), put("1", &long)])
                .is_err()
        );
        assert_eq!(store.shelf("a").unwrap(), kept);
    });
}

#[test]
fn writes_together_are_all_made_or_none() {
    each_engine(|store| {
        let writes = |number, revision| {
            vec![
                Write::Setting {
                    name: "said".into(),
                    value: format!("{number}"),
                },
                Write::Append {
                    journal: "test",
                    number,
                    entry: "x".into(),
                },
                Write::Reshelve {
                    shelf: "test",
                    revision,
                    changes: vec![("a".into(), Some(format!("{revision}")))],
                },
            ]
        };
        assert!(store.together(writes(1, 1)).unwrap());
        for (number, revision) in [(1, 2), (3, 2), (2, 1), (2, 3)] {
            assert!(!store.together(writes(number, revision)).unwrap());
        }
        assert_eq!(store.setting("said").unwrap().as_deref(), Some("1"));
        assert_eq!(store.journal("test", 0).unwrap().len(), 1);
        let shelf = store.shelf("test").unwrap();
        assert_eq!((shelf.revision, shelf.documents[0].1.as_str()), (1, "1"));
        assert!(store.together(writes(2, 2)).unwrap());
        assert!(store.together(Vec::new()).unwrap(), "nothing is always done");
    });
}

#[test]
fn of_many_who_change_a_shelf_at_once_one_is_first() {
    each_engine(|store| {
        let firsts = AtomicUsize::new(0);
        std::thread::scope(|threads| {
            for writer in 0..8 {
                let firsts = &firsts;
                threads.spawn(move || {
                    let change = vec![("by".to_string(), Some(writer.to_string()))];
                    if store.reshelve("a", 1, change).unwrap() {
                        firsts.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(firsts.into_inner(), 1);
        assert_eq!(store.shelf("a").unwrap().revision, 1);
    });
}

#[test]
fn pages_hold_every_kept_call_once() {
    each_engine(|store| {
        let many = limits::PAGE_ROWS as u64 + 20;
        for number in 0..many {
            // Several in one millisecond, so that a page ends inside one.
            store.save(Arc::new(ended(&KINDS[0], number, NOON + number / 7)));
        }
        settled(store);
        let first = store.page(None).unwrap();
        assert_eq!(first.len(), limits::PAGE_ROWS);
        let last = first.last().map(|call| (call.started_ms, call.id));
        let second = store.page(last).unwrap();
        let mut ids: Vec<CallId> = first.iter().chain(&second).map(|call| call.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len() as u64, many);
        assert!(first[0].record.starts_with('{') && first[0].started_ms == NOON + (many - 1) / 7);
    });
}
