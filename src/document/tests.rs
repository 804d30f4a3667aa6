//! What is said of a document, and where it says it is.

use std::time::Duration;

use super::section::duration;
use super::*;

fn faults(text: &str, read: impl Fn(&Section<'_, '_>)) -> Vec<String> {
    let document = Document::new("f.toml", text);
    let table = document.table();
    read(&Section::root(&document, &table));
    drop(table);
    document.into_faults().iter().map(ToString::to_string).collect()
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_what_was_meant() {
    let found = faults("\n  lisen = 1\nother = 2\n", |root| root.only(&["listen"]));
    assert_eq!(
        found,
        [
            "f.toml:2:3: unknown key \"lisen\" in the file (did you mean listen?)",
            "f.toml:3:1: unknown key \"other\" in the file",
        ]
    );
}

#[test]
fn broken_toml_still_reports_the_rest() {
    let found = faults("a = \nb = 'x'\nc = 1\n", |root| {
        root.only(&["a", "b"]);
        root.integer("b", 0..=9);
    });
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(
        found[1].contains("b must be a whole number, not a string"),
        "{found:?}"
    );
}

#[test]
fn durations_carry_their_unit() {
    for (text, expected) in [
        ("800ms", 800),
        ("20s", 20_000),
        ("2m", 120_000),
        ("1h", 3_600_000),
    ] {
        assert_eq!(duration(text), Some(Duration::from_millis(expected)), "{text}");
    }
    for text in [
        "",
        "20",
        "s",
        "-1s",
        "1.5s",
        "20 s",
        "99999999999999999999s",
        "18446744073709551615h",
    ] {
        assert_eq!(duration(text), None, "{text}");
    }
}

#[test]
fn a_place_inside_a_string_counts_from_its_own_start() {
    let text = "a = 'x == y'\nb = \"\"\"\nx ==\n  y\"\"\"\nc = \"\\u0041bc\"\n";
    let document = Document::new("f", text);
    let table = document.table();
    let root = Section::root(&document, &table);
    let at = |key: &str, offset: usize| {
        let value = root.string(key).unwrap();
        place(text, document.inside_string(&value, offset).start)
    };
    assert_eq!(at("a", 5), (1, 11));
    assert_eq!(at("b", 7), (4, 3));
    assert_eq!(at("c", 2), (5, 5), "an escaped string is named by its start");
}

#[test]
fn a_file_of_another_kind_gives_a_bounded_list() {
    let text: String = (0..1000).map(|n| format!("key{n} = 1\n")).collect();
    let found = faults(&text, |root| root.only(&[]));
    assert_eq!(found.len(), FAULTS_MAX + 1);
    assert!(found[FAULTS_MAX].contains("and 900 more faults"));
}

#[test]
fn a_suggestion_is_only_made_when_it_is_near() {
    let names = ["verified", "failed", "none"];
    assert_eq!(closest("verifed", names.into_iter()), Some("verified".into()));
    assert_eq!(closest("VERIFIED", names.into_iter()), Some("verified".into()));
    assert_eq!(closest("nnoe", names.into_iter()), Some("none".into()));
    assert_eq!(closest("banana", names.into_iter()), None);
}
