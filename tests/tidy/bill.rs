//! The bill of materials (`packaging/sbom`) held to the lock file: every package is in it, with the hash that is pinned.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::sources::root;

/// Name and version, and the hash of the package file; None = of this workspace.
type Packages = BTreeMap<(String, String), Option<String>>;

fn locked() -> Packages {
    let lock: toml::Table = std::fs::read_to_string(root().join("Cargo.lock"))
        .expect("Cargo.lock")
        .parse()
        .expect("Cargo.lock is TOML");
    let text = |package: &toml::Value, key: &str| package.get(key)?.as_str().map(str::to_string);
    let packages = lock["package"].as_array().expect("a list").iter();
    packages
        .map(|package| {
            let name = text(package, "name").expect("a name");
            let version = text(package, "version").expect("a version");
            ((name, version), text(package, "checksum"))
        })
        .collect()
}

fn octets() -> Vec<u8> {
    let output = Command::new(root().join("packaging/sbom"))
        .output()
        .expect("packaging/sbom runs (python3)");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    output.stdout
}

fn bill() -> Value {
    serde_json::from_slice(&octets()).expect("JSON")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

#[test]
fn the_bill_of_materials_names_every_package_of_the_lock_file() {
    let bill = bill();
    assert_eq!(
        (text(&bill, "bomFormat"), text(&bill, "specVersion")),
        ("CycloneDX", "1.5")
    );
    let program = &bill["metadata"]["component"];
    let components = bill["components"].as_array().expect("components");
    let billed: Packages = components
        .iter()
        .chain([program])
        .map(|component| {
            let one = (
                text(component, "name").to_string(),
                text(component, "version").to_string(),
            );
            (
                one,
                component["hashes"][0]["content"].as_str().map(str::to_string),
            )
        })
        .collect();
    assert_eq!(billed.len(), components.len() + 1, "each once");
    let locked = locked();
    let missing: Vec<_> = locked
        .iter()
        .filter(|(one, hash)| billed.get(*one) != Some(*hash))
        .collect();
    assert!(
        missing.is_empty(),
        "not in the bill, or with another hash: {missing:?}"
    );
    assert_eq!(billed.len(), locked.len(), "and nothing that is not locked");

    // What the program asks for by name is no mere tool of its tests.
    let references = |scope: &str| -> BTreeSet<&str> {
        let of = components
            .iter()
            .filter(|component| text(component, "scope") == scope);
        of.map(|component| text(component, "bom-ref")).collect()
    };
    let required = references("required");
    assert!(required.is_disjoint(&references("excluded")));
    let manifest: toml::Table = std::fs::read_to_string(root().join("Cargo.toml"))
        .expect("Cargo.toml")
        .parse()
        .expect("Cargo.toml is TOML");
    for (name, _) in manifest["dependencies"].as_table().expect("a table") {
        let beginning = format!("pkg:cargo/{name}@");
        assert!(required.iter().any(|part| part.starts_with(&beginning)), "{name}");
    }
    // Whoever is needed is in it.
    for entry in bill["dependencies"].as_array().expect("dependencies") {
        for needed in entry["dependsOn"].as_array().expect("a list") {
            assert!(required.contains(needed.as_str().expect("a name")), "{needed}");
        }
    }
}

#[test]
fn the_same_lock_file_gives_the_same_bill() {
    assert!(octets() == octets(), "other octets");
}
