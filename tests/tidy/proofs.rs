//! A page that says which test holds something names tests that there are.

use std::path::{Path, PathBuf};

use crate::sources::root;

/// Pages whose rows name tests (`calls floods::name`), rooms (`flood::surge::tests`) and files.
const PAGES: &[&str] = &["SECURITY.md", "docs/attacks.md", "docs/bad-input.md"];

/// The binaries of tests, as pages name them.
const BINARIES: &[&str] = &["calls", "wire", "store", "tidy"];

#[test]
fn every_test_and_file_that_a_page_calls_a_proof_is_there() {
    let mut named = 0;
    for page in PAGES {
        let text = std::fs::read_to_string(root().join(page)).expect("the page");
        for (at, line) in text.lines().enumerate() {
            for span in line.split('`').skip(1).step_by(2) {
                for claim in claims(span) {
                    named += 1;
                    assert!(is_there(&claim), "{page}:{}: there is no {claim:?}", at + 1);
                }
            }
        }
    }
    assert!(named > 60, "{named} are named");
}

#[test]
fn what_is_not_there_is_noticed() {
    for (span, expected) in [
        ("tidy proofs::what_is_not_there_is_noticed", vec![true]),
        (
            "tidy proofs::{what_is_not_*, nothing_of_the_kind}",
            vec![true, false],
        ),
        ("tidy proofs", vec![true]),
        ("tidy nowhere", vec![false]),
        ("tests/tidy/proofs.rs", vec![true]),
        ("tests/tidy/nowhere.rs", vec![false]),
        ("flood::blocks::tests::a_block_ends", vec![true]),
        ("flood::blocks::tests::a_block_never_ends", vec![false]),
        ("ringward check", vec![]),
        ("[scans] never", vec![]),
    ] {
        let found: Vec<bool> = claims(span).iter().map(|claim| is_there(claim)).collect();
        assert_eq!(found, expected, "{span}");
    }
}

/// What a piece of code on a page claims to be there: `tests/calls::floods::name`, `src::flood::blocks::tests`, or a file.
fn claims(span: &str) -> Vec<String> {
    // `a{b, c}d` is two of them.
    let spans = match (span.split_once('{'), span.split_once('}')) {
        (Some((before, names)), Some((_, after))) => {
            let names = names.split('}').next().unwrap_or_default().split(',');
            names
                .map(|name| format!("{before}{}{after}", name.trim()))
                .collect()
        }
        _ => vec![span.to_string()],
    };
    spans.iter().filter_map(|span| claim(span)).collect()
}

fn claim(span: &str) -> Option<String> {
    let is_file = ["src/", "tests/", "packaging/", "benches/", "crates/"]
        .iter()
        .any(|folder| span.starts_with(folder));
    if is_file || span == "deny.toml" {
        return Some(span.to_string());
    }
    if let Some((binary, rest)) = span.split_once(' ') {
        return BINARIES
            .contains(&binary)
            .then(|| format!("tests/{binary}::{rest}"));
    }
    let is_room = span.contains("::") && root().join("src").join(first(span)).is_dir();
    is_room.then(|| format!("src::{span}"))
}

fn first(path: &str) -> &str {
    path.split("::").next().unwrap_or_default()
}

fn is_there(claim: &str) -> bool {
    if !claim.contains("::") {
        return root().join(claim).exists();
    }
    let (mut place, mut files) = (root(), Vec::new());
    let mut is_module = true;
    for part in claim.split("::") {
        let (below, file) = (place.join(part), place.join(format!("{part}.rs")));
        if is_module && (below.is_dir() || file.is_file()) {
            files = [vec![file], inside(&below)].concat();
            place = below;
            continue;
        }
        is_module = false;
        // Tests of a file stand at its end or, where they grew too long, beside it.
        if part == "tests" {
            files.extend(beside(&place));
            continue;
        }
        let wanted = match part.strip_suffix('*') {
            Some(beginning) => format!("fn {beginning}"),
            None => format!("fn {part}("),
        };
        let has = |file: &PathBuf| std::fs::read_to_string(file).is_ok_and(|text| text.contains(&wanted));
        return files.iter().any(has);
    }
    files.iter().any(|file| file.is_file())
}

/// The test files of a file: `load_tests.rs`, `load_more_tests.rs` of `load.rs`.
fn beside(place: &Path) -> Vec<PathBuf> {
    let name = |path: &Path| {
        path.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    let beginning = format!("{}_", name(place));
    let is_of = |path: &PathBuf| name(path).starts_with(&beginning) && name(path).ends_with("_tests.rs");
    let folder = std::fs::read_dir(place.with_file_name("")).into_iter().flatten();
    folder.flatten().map(|entry| entry.path()).filter(is_of).collect()
}

/// The Rust files of a folder, whatever lies below it too.
fn inside(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(inside(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found
}
