//! What is built in, held to `deny.toml` with what the toolchain alone can tell: licences, bans and sources of every
//! package in the lock file that this platform uses. (`cargo deny check` reads the same file, and says more.)

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::sources::root;

/// Packages that state no licence but carry its text: name, and what the text is.
const BY_TEXT: &[(&str, &str)] = &[("rsip", "MIT"), ("rsip-derives", "MIT")];

#[test]
fn what_is_built_in_may_be_built_in() {
    let rules: toml::Table = std::fs::read_to_string(root().join("deny.toml"))
        .expect("deny.toml")
        .parse()
        .expect("deny.toml is TOML");
    let words = |table: &str, key: &str| -> BTreeSet<String> {
        let listed = rules[table][key].as_array().expect("a list").iter();
        listed
            .map(|item| item.as_str().or_else(|| item["name"].as_str()))
            .map(|word| word.expect("a word or a name").to_owned())
            .collect()
    };
    let (allowed, banned) = (words("licenses", "allow"), words("bans", "deny"));
    let mut faults = Vec::new();
    for package in packages() {
        let name = package["name"].as_str().expect("a name");
        if banned.contains(name) {
            faults.push(format!("{name}: banned in deny.toml"));
        }
        match package["source"].as_str() {
            None => continue, // of this workspace
            Some(source) if is_crates_io(source) => {}
            Some(source) => faults.push(format!("{name}: comes from {source}")),
        }
        let by_text = BY_TEXT.iter().find(|(of, _)| *of == name);
        let stated = package["license"].as_str();
        match stated.or(by_text.map(|(_, licence)| *licence)) {
            None => faults.push(format!("{name}: states no licence")),
            Some(licence) if Expression::of(licence).is_met_by(&allowed) => {}
            Some(licence) => faults.push(format!("{name}: `{licence}` is not allowed")),
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn licence_expressions_are_read_as_spdx_says() {
    let allowed: BTreeSet<String> = ["MIT", "ISC", "A WITH B"].map(String::from).into();
    for (expression, is_met) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("MIT AND (GPL-3.0 OR ISC)", true),
        ("(MIT OR GPL-3.0) AND ISC", true),
        // AND binds tighter than OR.
        ("GPL-3.0 AND MIT OR ISC", true),
        ("GPL-3.0 AND (MIT OR ISC)", false),
        ("A WITH B", true),
        ("A", false),
        ("MIT WITH B", false),
    ] {
        assert_eq!(
            Expression::of(expression).is_met_by(&allowed),
            is_met,
            "{expression}"
        );
    }
}

/// Every package that this platform's builds and tests use, as the toolchain describes it. `cargo metadata` alone also names
/// what no feature turns on, so `cargo tree` says which they are.
fn packages() -> Vec<Value> {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let told = cargo(&[
        "metadata",
        "--format-version",
        "1",
        "--filter-platform",
        &platform,
    ]);
    let told: Value = serde_json::from_str(&told).expect("cargo metadata speaks JSON");
    let tree = cargo(&["tree", "--workspace", "--prefix", "none", "--format", "{p}"]);
    let used: BTreeSet<(&str, &str)> = tree
        .lines()
        .filter(|line| !line.is_empty()) // between the members of the workspace
        .map(|line| {
            let mut words = line.split_whitespace();
            let (name, version) = (words.next(), words.next());
            let version = version.and_then(|version| version.strip_prefix('v'));
            name.zip(version).expect("a name and a version")
        })
        .collect();
    let mut packages = told["packages"].as_array().expect("a list").clone();
    let word = |package: &Value, key: &str| package[key].as_str().expect("a word").to_owned();
    packages.retain(|package| {
        let (name, version) = (word(package, "name"), word(package, "version"));
        used.contains(&(name.as_str(), version.as_str()))
    });
    assert_eq!(packages.len(), used.len(), "some package is not described");
    packages
}

fn cargo(arguments: &[&str]) -> String {
    let ran = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--locked", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let faults = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "cargo {arguments:?}: {faults}");
    String::from_utf8(ran.stdout).expect("text")
}

fn is_crates_io(source: &str) -> bool {
    source == "registry+https://github.com/rust-lang/crates.io-index"
}

/// A licence expression of SPDX (and the `/` of older manifests, which means OR), as far as packages use it.
struct Expression<'a> {
    words: Vec<&'a str>,
    at: usize,
}

impl<'a> Expression<'a> {
    fn of(text: &'a str) -> Self {
        let mut words = Vec::new();
        for part in text.split_whitespace() {
            let mut rest = part;
            while let Some(place) = rest.find(['(', ')', '/']) {
                words.extend([&rest[..place], &rest[place..=place]]);
                rest = &rest[place + 1..];
            }
            words.push(rest);
        }
        words.retain(|word| !word.is_empty());
        Self { words, at: 0 }
    }

    fn is_met_by(&mut self, allowed: &BTreeSet<String>) -> bool {
        let is_met = self.any(allowed);
        assert_eq!(self.at, self.words.len(), "not read to its end: {:?}", self.words);
        is_met
    }

    fn next_is(&mut self, wanted: &[&str]) -> bool {
        let is_there = self.words.get(self.at).is_some_and(|word| wanted.contains(word));
        self.at += usize::from(is_there);
        is_there
    }

    fn any(&mut self, allowed: &BTreeSet<String>) -> bool {
        let mut is_met = self.all(allowed);
        while self.next_is(&["OR", "/"]) {
            is_met |= self.all(allowed);
        }
        is_met
    }

    fn all(&mut self, allowed: &BTreeSet<String>) -> bool {
        let mut is_met = self.one(allowed);
        while self.next_is(&["AND"]) {
            is_met &= self.one(allowed);
        }
        is_met
    }

    fn one(&mut self, allowed: &BTreeSet<String>) -> bool {
        if self.next_is(&["("]) {
            let is_met = self.any(allowed);
            assert!(self.next_is(&[")"]), "no end of a bracket: {:?}", self.words);
            return is_met;
        }
        let mut name = self.words[self.at].to_owned();
        self.at += 1;
        if self.next_is(&["WITH"]) {
            name = format!("{name} WITH {}", self.words[self.at]);
            self.at += 1;
        }
        allowed.contains(&name)
    }
}
