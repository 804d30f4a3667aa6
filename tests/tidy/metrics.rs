//! What is counted can be seen: metrics and their table say the same names, and no counter is read in tests alone.

use std::collections::BTreeSet;

use crate::sources::{Source, code_lines, files};

const TABLE: &str = "src/telemetry/table.rs";

/// Names of metrics that are also words of something else.
const OTHER_NAMES: &[&str] = &["ringward_session", "ringward_sign_in"];

fn code(source: &Source) -> String {
    code_lines(&source.text)
        .map(|(_, line)| line)
        .collect::<Vec<_>>()
        .join("\n")
}

fn product() -> Vec<Source> {
    let all = files("src", &[".rs"]);
    all.into_iter().filter(|source| !source.is_only_tests()).collect()
}

/// Every `"ringward_..."` of a text.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').filter(|word| {
        word.strip_prefix("ringward_").is_some_and(|rest| {
            !rest.is_empty()
                && rest
                    .bytes()
                    .all(|octet| octet.is_ascii_lowercase() || octet == b'_')
        })
    })
}

#[test]
fn every_metric_of_the_table_is_measured_and_every_measured_one_stands_there() {
    let (table, elsewhere): (Vec<Source>, Vec<Source>) =
        product().into_iter().partition(|source| source.path == TABLE);
    let table = code(table.first().expect("the table"));
    let listed: BTreeSet<&str> = names(&table).collect();
    assert!(listed.len() > 30, "the table was not read: {listed:?}");
    let elsewhere: Vec<String> = elsewhere.iter().map(code).collect();
    let used: BTreeSet<&str> = elsewhere.iter().flat_map(|text| names(text)).collect();
    for name in &listed {
        assert!(used.contains(name), "{TABLE}: nobody measures {name}");
    }
    for name in used {
        assert!(
            listed.contains(name) || OTHER_NAMES.contains(&name),
            "{name} is not in {TABLE}"
        );
    }
}

#[test]
fn every_counter_that_threads_share_is_read_by_the_product() {
    let sources = product();
    let all: String = sources.iter().map(code).collect();
    let mut fields = 0;
    for source in &sources {
        let text = code(source);
        for counters in text.split("struct Counters {").skip(1) {
            let inside = counters.split("\n}").next().unwrap_or_default();
            for field in inside
                .lines()
                .filter_map(|line| line.trim().strip_suffix(": AtomicU64,"))
            {
                let field = field.rsplit(' ').next().unwrap_or_default();
                let is_read = [format!(".{field}.load("), format!("of(&self.{field})")]
                    .iter()
                    .any(|reading| all.contains(reading));
                assert!(is_read, "{}: {field} is counted and never read", source.path);
                fields += 1;
            }
        }
    }
    assert!(fields >= 7, "the counters of the scoring threads were not found");
}
