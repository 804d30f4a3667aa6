//! Reads the tree once for every rule.

use std::path::{Path, PathBuf};

pub struct Source {
    /// Relative to the root, with forward slashes.
    pub path: String,
    pub text: String,
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder` with one of the endings, in path order; build output and hidden folders left out.
pub fn files(folder: &str, endings: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    walk(&root().join(folder), endings, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn walk(folder: &Path, endings: &[&str], found: &mut Vec<Source>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "node_modules" {
                walk(&path, endings, found);
            }
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            let Ok(text) = std::fs::read_to_string(&path) else {
                continue;
            };
            let path = path
                .strip_prefix(root())
                .expect("below the root")
                .to_string_lossy()
                .replace('\\', "/");
            found.push(Source { path, text });
        }
    }
}

impl Source {
    /// A file that its parent declares below `#[cfg(test)]`: the test walls of a room that grew too long.
    pub fn is_only_tests(&self) -> bool {
        const NAMES: &[&str] = &[
            "properties.rs",
            "torture.rs",
            "golden.rs",
            "sample.rs",
            "signer.rs",
        ];
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name == "tests.rs"
            || name.ends_with("_tests.rs")
            || self.path.contains("/tests/")
            || NAMES.contains(&name)
    }

    pub fn lines_above_tests(&self) -> usize {
        above_tests(&self.text).count()
    }
}

/// The lines of a Rust source above its tests, numbered from 1, with comments cut away.
pub fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    above_tests(text)
        .enumerate()
        .map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default()))
}

/// Tests stand last. `#[cfg(test)]` over a `mod name;` only declares a file, so what stands below it still counts.
fn above_tests(text: &str) -> impl Iterator<Item = &str> {
    let mut lines = text.lines().peekable();
    std::iter::from_fn(move || {
        let line = lines.next()?;
        let opens_tests =
            line.starts_with("#[cfg(test)]") && !lines.peek().is_some_and(|next| next.ends_with(';'));
        (!opens_tests).then_some(line)
    })
}
