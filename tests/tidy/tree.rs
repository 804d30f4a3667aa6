//! What may not stand in the tree.

use crate::sources::{code_lines, files, root};

#[test]
fn nothing_is_left_open() {
    for folder in ["src", "crates", "benches", "examples"] {
        for source in files(folder, &[".rs"]) {
            for (line, code) in code_lines(&source.text) {
                for word in ["todo!(", "unimplemented!(", "dbg!("] {
                    assert!(
                        !code.contains(word),
                        "{}:{line}: `{word}` is left in the tree",
                        source.path
                    );
                }
            }
        }
    }
}

#[test]
fn files_stay_readable() {
    // A long table is fine; a long coordinator is not. Named tables are listed here with the reason in the file itself.
    const LONG_TABLES: &[&str] = &[];
    const LINES_MAX: usize = 600;
    for folder in ["src", "crates"] {
        for source in files(folder, &[".rs", ".js", ".css"])
            .into_iter()
            .filter(|source| !source.is_only_tests())
        {
            let lines = source.lines_above_tests();
            let is_table = LONG_TABLES.contains(&source.path.as_str());
            assert!(
                lines <= LINES_MAX || is_table,
                "{}: {lines} lines; move a wall (at most {LINES_MAX})",
                source.path
            );
        }
    }
}

#[test]
fn every_source_file_stands_in_the_code_map() {
    let map = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    for source in files("src", &[".rs"]) {
        let inner = source.path.trim_start_matches("src/");
        let (folder, file) = inner
            .rsplit_once('/')
            .map_or(("", inner), |(folder, file)| (folder, file));
        // A room has a section of its own; what stands deeper is named with its folder in that section.
        let line = match folder.split_once('/') {
            Some((_, below)) => format!("{below}/ `{file}` |"),
            None => format!("| `{file}` |"),
        };
        let room = folder.split('/').next().unwrap_or_default();
        let section = map
            .split("\n### ")
            .find(|section| section.starts_with(&format!("`src/{room}/`")));
        let is_named = section.unwrap_or(&map).contains(&line);
        assert!(
            is_named || inner.ends_with(&format!("{room}/mod.rs")),
            "{} has no line in ARCHITECTURE.md",
            source.path
        );
    }
}

#[test]
fn the_console_loads_nothing_from_elsewhere() {
    for source in files("src/console", &[".html", ".css", ".js"]) {
        for (index, line) in source.text.lines().enumerate() {
            let is_foreign = ["http://", "https://"].iter().any(|scheme| line.contains(scheme))
                && !line.contains("www.w3.org");
            assert!(
                !is_foreign,
                "{}:{}: the console names another host",
                source.path,
                index + 1
            );
            assert!(
                !line.contains("innerHTML"),
                "{}:{}: text goes in by textContent",
                source.path,
                index + 1
            );
            let is_inline =
                line.contains("style=\"") || line.contains(" onclick=") || line.contains("<style");
            assert!(
                !is_inline,
                "{}:{}: inline style or script breaks the CSP",
                source.path,
                index + 1
            );
        }
    }
}

#[test]
fn people_are_never_told_that_a_call_is_safe() {
    let texts = files("policies", &[".toml"])
        .into_iter()
        .chain(files("src/console", &[".html", ".js"]));
    for source in texts {
        for (index, line) in source.text.lines().enumerate() {
            let shown = line.split('#').next().unwrap_or_default().to_lowercase();
            let says_safe = shown
                .split(|c: char| !c.is_alphanumeric())
                .any(|word| word == "safe");
            assert!(!says_safe, "{}:{}: never \"safe\"", source.path, index + 1);
        }
    }
}

#[test]
fn every_described_metric_is_counted_somewhere() {
    let table = std::fs::read_to_string(root().join("src/telemetry/table.rs")).expect("the table of metrics");
    let names: Vec<_> = table
        .split('"')
        .filter(|word| word.starts_with("ringward_"))
        .collect();
    assert!(names.len() > 10, "the table was not read");
    let sources = files("src", &[".rs"]);
    for name in names {
        let is_counted = sources.iter().any(|source| {
            !source.path.starts_with("src/telemetry/") && source.text.contains(&format!("\"{name}\""))
        });
        assert!(is_counted, "{name} is described and never counted");
    }
}
