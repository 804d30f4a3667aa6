//! JSON in the one form that digests and rebuilt tokens are made over (RFC 8225 §9): members sorted, no white space.

use serde_json::Value;

/// Writes `value` deterministically: members of every object in lexicographic order of their names, no white space
/// between tokens, UTF-8 without needless escapes (RFC 8225 §9).
///
/// For values that were read from a token only: their depth and size are bounded there.
pub(crate) fn text(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            // Sorted here: whether the map keeps its order depends on a feature that any crate may switch on.
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            out.push('{');
            for (place, (name, value)) in members.into_iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                write_string(name, out);
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
        Value::Array(elements) => {
            out.push('[');
            for (place, value) in elements.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                write(value, out);
            }
            out.push(']');
        }
        Value::String(string) => write_string(string, out),
        // null, true, false and numbers print without any choice.
        plain => out.push_str(&plain.to_string()),
    }
}

/// A JSON string with its quotes.
fn write_string(string: &str, out: &mut String) {
    out.push_str(&Value::from(string).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_sorted_at_every_level_and_nothing_stands_between_them() {
        let value: Value = serde_json::from_str(
            r#" { "b" : [ 1 , {"z":null, "a":true} ], "a/b" : "x\u00e9\/\"\n" , "B":-1.5} "#,
        )
        .unwrap();
        assert_eq!(
            text(&value),
            "{\"B\":-1.5,\"a/b\":\"x\u{e9}/\\\"\\n\",\"b\":[1,{\"a\":true,\"z\":null}]}"
        );
    }
}
