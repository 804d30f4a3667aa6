//! Values that do not belong in a file everybody may read: `${ENV:NAME}` and `${FILE:PATH}`.

use super::limits::SECRET_OCTETS_MAX;
use crate::document::{Section, Value};

/// The value with its references filled in; None after noting a fault. What was read is never part of a message.
pub(super) fn expand(section: &Section<'_, '_>, value: &Value<'_, str>) -> Option<String> {
    let mut text = String::new();
    let mut rest = value.get;
    while let Some((before, after)) = rest.split_once("${") {
        text += before;
        let Some((reference, behind)) = after.split_once('}') else {
            section.fault(value.at.clone(), "\"${\" without \"}\"", None);
            return None;
        };
        match read(reference) {
            Ok(secret) => text += secret.trim_end_matches(['\r', '\n']),
            Err(problem) => {
                section.fault(value.at.clone(), problem, None);
                return None;
            }
        }
        rest = behind;
    }
    Some(text + rest)
}

fn read(reference: &str) -> Result<String, String> {
    match reference.split_once(':') {
        Some(("ENV", name)) => std::env::var(name).map_err(|_| format!("the environment has no {name:?}")),
        Some(("FILE", path)) => crate::given_file::read_text(std::path::Path::new(path), SECRET_OCTETS_MAX)
            .map_err(|problem| format!("{path:?} cannot be read: {problem}")),
        _ => Err("expected ${ENV:NAME} or ${FILE:PATH}".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_cannot_be_read_is_named_and_never_printed() {
        let check = |reference: &str, expected: &str| {
            let problem = read(reference).expect_err("unreadable");
            assert!(problem.contains(expected) && problem.len() < 300, "{problem}");
        };
        check("ENV:RINGWARD_NO_SUCH_NAME", "the environment has no");
        check("FILE:no-such-secret", "there is no such file");
        check("FILE:/dev/zero", "larger than 4096 octets");
        check("PLAIN", "expected ${ENV:NAME} or ${FILE:PATH}");
        let path = std::env::temp_dir().join(format!("ringward-secret-{}", std::process::id()));
        std::fs::write(&path, b"hunter2\xff").expect("written");
        let problem = read(&format!("FILE:{}", path.display())).expect_err("not text");
        std::fs::remove_file(&path).expect("removed");
        assert!(
            problem.contains("octet 7 is not UTF-8") && !problem.contains("hunter"),
            "{problem}"
        );
    }
}
