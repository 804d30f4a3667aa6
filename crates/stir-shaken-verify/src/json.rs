//! Strict JSON: no member twice anywhere, bounded depth and size. Values are read by derived
//! structs afterwards; this pass only says whether the text means one thing.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::limits::{JSON_DEPTH_MAX, JSON_ITEMS_MAX};

/// Why the text is refused; no text of it is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// No JSON, a member twice, or past [`crate::limits::JSON_DEPTH_MAX`] or [`crate::limits::JSON_ITEMS_MAX`].
    #[error("not JSON, a member twice, too deep or too large")]
    Malformed,
    /// JSON, but no object.
    #[error("not a JSON object")]
    NotAnObject,
}

/// Checks `text`: one JSON object, every member name once per object, at most
/// [`JSON_DEPTH_MAX`] levels and [`JSON_ITEMS_MAX`] items.
///
/// Derived structs refuse duplicates of the members they know; duplicates among unknown members
/// would pass them, and two readers of one signed token could then see two different texts.
pub fn check(text: &str) -> Result<Names, JsonFault> {
    let mut budget = JSON_ITEMS_MAX;
    let mut top = Vec::new();
    let mut reader = serde_json::Deserializer::from_str(text);
    let walk = Walk {
        depth: 0,
        budget: &mut budget,
        names: Some(&mut top),
    };
    let is_object = walk.deserialize(&mut reader).map_err(|_| JsonFault::Malformed)?;
    reader.end().map_err(|_| JsonFault::Malformed)?;
    if is_object {
        Ok(top)
    } else {
        Err(JsonFault::NotAnObject)
    }
}

/// The member names of the outermost object, in order.
pub type Names = Vec<String>;

struct Walk<'w> {
    depth: usize,
    budget: &'w mut usize,
    names: Option<&'w mut Names>,
}

impl Walk<'_> {
    fn spend<E: Error>(budget: &mut usize) -> Result<(), E> {
        *budget = budget.checked_sub(1).ok_or_else(|| E::custom("too large"))?;
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    /// True for an object.
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<bool, D::Error> {
        if self.depth > JSON_DEPTH_MAX {
            return Err(D::Error::custom("too deep"));
        }
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = bool;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut names: Names = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            Self::spend(self.budget)?;
            if names.contains(&name) {
                return Err(A::Error::custom("a member twice"));
            }
            names.push(name);
            map.next_value_seed(Walk {
                depth: self.depth + 1,
                budget: self.budget,
                names: None,
            })?;
        }
        if let Some(top) = self.names {
            *top = names;
        }
        Ok(true)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
        while let Some(_is_object) = seq.next_element_seed(Walk {
            depth: self.depth + 1,
            budget: self.budget,
            names: None,
        })? {
            Self::spend(self.budget)?;
        }
        Ok(false)
    }

    fn visit_bool<E>(self, _value: bool) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_i64<E>(self, _value: i64) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_u64<E>(self, _value: u64) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_f64<E>(self, _value: f64) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_str<E>(self, _value: &str) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_objects_pass_and_name_their_members() {
        assert_eq!(
            check(r#"{"a":1,"b":[{"a":2},null,true,1.5,"x"]}"#).unwrap(),
            ["a", "b"]
        );
        assert!(check("{}").unwrap().is_empty());
    }

    #[test]
    fn a_member_twice_is_refused_at_any_level_and_in_any_spelling() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"{"x":{"y":[{"a":1,"b":2,"a":3}]}}"#,
        ] {
            assert_eq!(check(text), Err(JsonFault::Malformed), "{text}");
        }
    }

    #[test]
    fn depth_size_and_trailing_octets_are_refused() {
        assert!(check(&format!("{{\"a\":{}{}}}", "[".repeat(7), "]".repeat(7))).is_ok());
        assert!(check(&format!("{{\"a\":{}{}}}", "[".repeat(9), "]".repeat(9))).is_err());
        assert!(check(&format!("{{\"a\":[{}1]}}", "1,".repeat(300))).is_err());
        for text in [
            "",
            "[]",
            "1",
            "{",
            "{} {}",
            "{}x",
            "{\"a\":NaN}",
            "{\"a\":01}",
            "\u{feff}{}",
        ] {
            assert!(check(text).is_err(), "{text}");
        }
    }
}
