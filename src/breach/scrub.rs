//! A configuration without its secrets.

use toml::Value;

/// In the place of what was taken out.
const GONE: &str = "(taken out)";

/// A key with one of these in its name holds a secret.
const SECRETS: [&str; 6] = [
    "secret",
    "password",
    "passphrase",
    "token",
    "credential_value",
    "private",
];

/// The configuration with every secret in it taken out: values of keys that hold some, passwords and questions in URLs. Comments go too:
/// nobody knows what stands there. What refers to a secret elsewhere (`${ENV:NAME}`, `${FILE:PATH}`) stays: it holds none.
///
/// What is no TOML gives nothing but a line that says so.
pub fn scrub(text: &str) -> String {
    let Ok(mut table) = text.parse::<toml::Table>() else {
        return "# the configuration is no TOML, and is left out\n".into();
    };
    for (key, value) in &mut table {
        clean(key, value);
    }
    toml::to_string_pretty(&table)
        .unwrap_or_else(|_| "# the configuration could not be written, and is left out\n".into())
}

fn clean(key: &str, value: &mut Value) {
    match value {
        Value::String(text) if is_secret(key) && !is_reference(text) => *text = GONE.into(),
        Value::String(text) => *text = without_login(text),
        Value::Table(table) => {
            for (key, value) in table.iter_mut() {
                clean(key, value);
            }
        }
        Value::Array(values) => {
            for value in values {
                clean(key, value);
            }
        }
        _ if is_secret(key) => *value = Value::String(GONE.into()),
        _ => {}
    }
}

fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    SECRETS.iter().any(|secret| key.contains(secret))
}

/// All of it, and nothing beside it.
fn is_reference(text: &str) -> bool {
    let inner = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    inner.is_some_and(|inner| {
        !inner.contains(['$', '{', '}']) && (inner.starts_with("ENV:") || inner.starts_with("FILE:"))
    })
}

/// `redis://user:password@host/0?x=y` as `redis://(taken out)@host/0`.
fn without_login(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_string();
    };
    let (place, more) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let place = match place.rsplit_once('@') {
        Some((_, host)) => format!("{GONE}@{host}"),
        None => place.to_string(),
    };
    let more = match more.split_once('?') {
        Some((path, _)) => format!("{path}?{GONE}"),
        None => more.to_string(),
    };
    format!("{scheme}://{place}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_of_a_configuration_is_left_in_it_and_everything_else_is() {
        let text = r#"
            # the old password was hunter2
            [sip]
            listen = ["udp:127.0.0.1:5060"]
            [[trunk]]
            name = "carrier"
            password = "correct-horse"
            [[webhook]]
            url = "https://ann:battery@hooks.example/x?key=staple"
            secret = "${ENV:HOOK_SECRET}"
            [[webhook]]
            secret = "whsec_${ENV:HOOK}"
            [store]
            url = "redis://ringward:zebra@127.0.0.1:6379/0?node=left"
            [oidc]
            client_secret = "giraffe"
            tokens = ["elephant", 7]
            [policy]
            file = "policies/default.toml"
        "#;
        let scrubbed = scrub(text);
        for secret in [
            "hunter2",
            "correct-horse",
            "ann",
            "battery",
            "staple",
            "zebra",
            "giraffe",
            "elephant",
            "whsec",
        ] {
            assert!(!scrubbed.contains(secret), "{secret}: {scrubbed}");
        }
        for kept in [
            "udp:127.0.0.1:5060",
            "carrier",
            "hooks.example",
            "${ENV:HOOK_SECRET}",
            "127.0.0.1:6379/0",
            "policies/default.toml",
        ] {
            assert!(scrubbed.contains(kept), "{kept}: {scrubbed}");
        }
        assert!(scrub("password = \"hunter2").starts_with("# the configuration is no TOML"));
    }
}
