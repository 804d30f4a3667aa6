//! Configuration files, whole ones and faulty ones, as operators write them.

mod refusal;
mod trunk;
mod values;
mod whole;

use super::Config;

fn faults(text: &str) -> Vec<String> {
    match Config::parse("ringward.toml", text) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}

fn check(text: &str, expected: &str) {
    let found = faults(text);
    assert!(
        found.iter().any(|fault| fault.contains(expected)),
        "{text}\nexpected {expected}\nfound {found:#?}"
    );
    assert_eq!(found.len(), 1, "{text}\n{found:#?}");
}
