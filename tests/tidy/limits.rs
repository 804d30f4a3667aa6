//! Every room that buffers names its bounds in one place.

use crate::sources::files;

const ROOMS_WITH_BOUNDS: &[&str] = &[
    "sip",
    "digest",
    "registration",
    "flood",
    "media",
    "call",
    "runtime",
];

#[test]
fn rooms_that_buffer_have_a_limits_file_with_reasons() {
    for room in ROOMS_WITH_BOUNDS {
        let path = format!("src/{room}/limits.rs");
        let found = files(&format!("src/{room}"), &["limits.rs"]);
        let source = found
            .iter()
            .find(|source| source.path == path)
            .unwrap_or_else(|| panic!("{path} is missing"));
        let mut previous = "";
        for (index, line) in source.text.lines().enumerate() {
            let is_public = line.starts_with("pub const")
                || line.starts_with("pub(crate) const")
                || line.starts_with("pub(super) const");
            assert!(
                !is_public || previous.trim_start().starts_with("//"),
                "{path}:{}: a bound without its unit and reason",
                index + 1
            );
            previous = line;
        }
    }
}
