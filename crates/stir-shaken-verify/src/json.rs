//! Strict JSON: no member twice anywhere, bounded depth and size. Read once; everything else is asked of what was read.

use std::fmt;
use std::ops::Range;

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

/// One JSON object. Its parts are places in its text, so that only texts with escapes in them are copied.
#[derive(Clone)]
pub(crate) struct Document {
    text: String,
    /// The object's members and all that is inside them, in the order of the text.
    parts: Vec<Part>,
    /// Texts that stand with escapes, as they read.
    escaped: Vec<Box<str>>,
}

/// A member of an object, or an element of an array.
#[derive(Clone, Copy)]
struct Part {
    /// None: an element.
    name: Option<Text>,
    shape: Shape,
    /// How many parts are inside this one; they follow it.
    inside: usize,
}

#[derive(Clone, Copy)]
enum Shape {
    /// A whole number that fits.
    Integer(i64),
    Text(Text),
    Array,
    Object,
    /// null, true, false, any other number.
    Other,
}

#[derive(Clone, Copy)]
enum Text {
    Plain { start: usize, end: usize },
    Escaped(usize),
}

impl Document {
    /// Reads `text`: one JSON object, every member name once per object, at most [`JSON_DEPTH_MAX`] levels and
    /// [`JSON_ITEMS_MAX`] items.
    ///
    /// Derived structs refuse duplicates of the members they know; duplicates among unknown members would pass them,
    /// and two readers of one signed token could then see two different texts. They also take an array of values for
    /// an object of the same, which this one never does.
    ///
    /// # Errors
    ///
    /// See [`JsonFault`].
    pub(crate) fn read(text: String) -> Result<Document, JsonFault> {
        let mut tape = Tape {
            text: &text,
            parts: Vec::with_capacity(PARTS_USUAL),
            escaped: Vec::new(),
        };
        let mut reader = serde_json::Deserializer::from_str(&text);
        let walk = Walk {
            tape: &mut tape,
            depth: 0,
            name: None,
        };
        let is_object = walk.deserialize(&mut reader).map_err(|_| JsonFault::Malformed)?;
        reader.end().map_err(|_| JsonFault::Malformed)?;
        if !is_object {
            return Err(JsonFault::NotAnObject);
        }
        let Tape { parts, escaped, .. } = tape;
        Ok(Document { text, parts, escaped })
    }

    /// As received.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The outermost member of that name.
    pub(crate) fn get(&self, name: &str) -> Option<Value<'_>> {
        let mut members = self.members();
        members.find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The outermost members, in order.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, Value<'_>)> + Clone {
        named(Siblings {
            document: self,
            places: 0..self.parts.len(),
        })
    }

    fn resolve(&self, text: Text) -> &str {
        resolve(&self.text, &self.escaped, text)
    }
}

impl fmt::Debug for Document {
    /// What a token says names people.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "JSON object of {} octets", self.text.len())
    }
}

/// A value inside a document.
#[derive(Clone, Copy)]
pub(crate) struct Value<'d> {
    document: &'d Document,
    place: usize,
}

impl<'d> Value<'d> {
    /// None: of another kind than text.
    pub(crate) fn text(self) -> Option<&'d str> {
        match self.part()?.shape {
            Shape::Text(text) => Some(self.document.resolve(text)),
            _ => None,
        }
    }

    /// None: no whole number, or one past 64 bits.
    pub(crate) fn integer(self) -> Option<i64> {
        match self.part()?.shape {
            Shape::Integer(value) => Some(value),
            _ => None,
        }
    }

    /// None: no array.
    pub(crate) fn elements(self) -> Option<impl Iterator<Item = Value<'d>> + Clone> {
        matches!(self.part()?.shape, Shape::Array).then(|| self.inside())
    }

    /// The members of an object that has no others than `names`; None: another kind, or a member too many.
    pub(crate) fn only<const N: usize>(self, names: [&str; N]) -> Option<[Option<Value<'d>>; N]> {
        if !matches!(self.part()?.shape, Shape::Object) {
            return None;
        }
        let mut found = [None; N];
        for (name, value) in named(self.inside()) {
            let place = names.iter().position(|known| *known == name)?;
            found[place] = Some(value);
        }
        Some(found)
    }

    fn inside(self) -> Siblings<'d> {
        let inside = self.part().map_or(0, |part| part.inside);
        Siblings {
            document: self.document,
            places: self.place + 1..self.place + 1 + inside,
        }
    }

    fn part(self) -> Option<&'d Part> {
        self.document.parts.get(self.place)
    }
}

/// The values of one level, without what is inside them.
#[derive(Clone)]
struct Siblings<'d> {
    document: &'d Document,
    places: Range<usize>,
}

impl<'d> Iterator for Siblings<'d> {
    type Item = Value<'d>;

    fn next(&mut self) -> Option<Value<'d>> {
        let place = self.places.next()?;
        let value = Value {
            document: self.document,
            place,
        };
        self.places.start += value.part()?.inside;
        Some(value)
    }
}

fn named<'d>(siblings: Siblings<'d>) -> impl Iterator<Item = (&'d str, Value<'d>)> + Clone {
    siblings.filter_map(|value| {
        let name = value.part()?.name?;
        Some((value.document.resolve(name), value))
    })
}

fn resolve<'t>(text: &'t str, escaped: &'t [Box<str>], part: Text) -> &'t str {
    let found = match part {
        Text::Plain { start, end } => text.get(start..end),
        Text::Escaped(place) => escaped.get(place).map(|text| &**text),
    };
    found.unwrap_or_default()
}

/// Members and elements of most payloads: five claims, and what is in `orig` and `dest`.
const PARTS_USUAL: usize = 16;

/// A document while it is read.
struct Tape<'t> {
    text: &'t str,
    parts: Vec<Part>,
    escaped: Vec<Box<str>>,
}

impl Tape<'_> {
    /// `part` stands in the text as it reads.
    fn plain(&mut self, part: &str) -> Text {
        let start = part.as_ptr().addr().checked_sub(self.text.as_ptr().addr());
        match start.map(|start| (start, start + part.len())) {
            Some((start, end)) if end <= self.text.len() => Text::Plain { start, end },
            _ => self.escaped(part),
        }
    }

    fn escaped(&mut self, part: &str) -> Text {
        self.escaped.push(part.into());
        Text::Escaped(self.escaped.len() - 1)
    }

    fn push<E: Error>(&mut self, name: Option<Text>, shape: Shape) -> Result<(), E> {
        if self.parts.len() == JSON_ITEMS_MAX {
            return Err(E::custom("too large"));
        }
        let inside = 0;
        self.parts.push(Part { name, shape, inside });
        Ok(())
    }

    /// Is there a member of that name among those from `first` on?
    fn has(&self, first: usize, name: Text) -> bool {
        let resolved = |text| resolve(self.text, &self.escaped, text);
        let mut place = first;
        while let Some(part) = self.parts.get(place) {
            if part.name.is_some_and(|known| resolved(known) == resolved(name)) {
                return true;
            }
            place += 1 + part.inside;
        }
        false
    }
}

/// Reads one value onto the tape; the outermost is not on it.
struct Walk<'w, 't> {
    tape: &'w mut Tape<'t>,
    depth: usize,
    name: Option<Text>,
}

impl Walk<'_, '_> {
    fn push<E: Error>(&mut self, shape: Shape) -> Result<(), E> {
        match self.depth {
            0 => Ok(()),
            _ => self.tape.push(self.name, shape),
        }
    }

    /// Everything pushed since `first` is inside the value just read.
    fn close(&mut self, first: usize) {
        let inside = self.tape.parts.len() - first;
        if self.depth > 0
            && let Some(part) = first.checked_sub(1).and_then(|own| self.tape.parts.get_mut(own))
        {
            part.inside = inside;
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_, '_> {
    /// True for an object.
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<bool, D::Error> {
        if self.depth > JSON_DEPTH_MAX {
            return Err(D::Error::custom("too deep"));
        }
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_> {
    type Value = bool;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<bool, A::Error> {
        self.push(Shape::Object)?;
        let first = self.tape.parts.len();
        while let Some(name) = map.next_key_seed(Name(self.tape))? {
            if self.tape.has(first, name) {
                return Err(A::Error::custom("a member twice"));
            }
            map.next_value_seed(Walk {
                tape: self.tape,
                depth: self.depth + 1,
                name: Some(name),
            })?;
        }
        self.close(first);
        Ok(true)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<bool, A::Error> {
        self.push(Shape::Array)?;
        let first = self.tape.parts.len();
        while let Some(_is_object) = seq.next_element_seed(Walk {
            tape: self.tape,
            depth: self.depth + 1,
            name: None,
        })? {}
        self.close(first);
        Ok(false)
    }

    fn visit_borrowed_str<E: Error>(mut self, value: &'de str) -> Result<bool, E> {
        let text = self.tape.plain(value);
        self.push(Shape::Text(text)).map(|()| false)
    }
    fn visit_str<E: Error>(mut self, value: &str) -> Result<bool, E> {
        let text = self.tape.escaped(value);
        self.push(Shape::Text(text)).map(|()| false)
    }
    fn visit_i64<E: Error>(mut self, value: i64) -> Result<bool, E> {
        self.push(Shape::Integer(value)).map(|()| false)
    }
    fn visit_u64<E: Error>(mut self, value: u64) -> Result<bool, E> {
        let shape = i64::try_from(value).map_or(Shape::Other, Shape::Integer);
        self.push(shape).map(|()| false)
    }
    fn visit_bool<E: Error>(mut self, _value: bool) -> Result<bool, E> {
        self.push(Shape::Other).map(|()| false)
    }
    fn visit_f64<E: Error>(mut self, _value: f64) -> Result<bool, E> {
        self.push(Shape::Other).map(|()| false)
    }
    fn visit_unit<E: Error>(mut self) -> Result<bool, E> {
        self.push(Shape::Other).map(|()| false)
    }
}

/// The name of a member.
struct Name<'w, 't>(&'w mut Tape<'t>);

impl<'de> DeserializeSeed<'de> for Name<'_, '_> {
    type Value = Text;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Text, D::Error> {
        from.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name<'_, '_> {
    type Value = Text;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the name of a member")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Text, E> {
        Ok(self.0.plain(name))
    }
    fn visit_str<E>(self, name: &str) -> Result<Text, E> {
        Ok(self.0.escaped(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Document, JsonFault> {
        Document::read(text.into())
    }

    #[test]
    fn plain_objects_pass_and_name_their_members() {
        let document = check(r#"{"a":1,"b":[{"a":2},null,true,1.5,"x"],"c":{}}"#).unwrap();
        let names: Vec<_> = document.members().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(check("{}").unwrap().members().count(), 0);
    }

    #[test]
    fn values_are_asked_for_by_what_they_are() {
        let document = check(
            r#"{"iat":-7,"big":18446744073709551615,"half":1.0,"tn":["1","\u0032",3],"o":{"u":"x","t":{"y":[]}},"n":null}"#,
        )
        .unwrap();
        let value = |name| document.get(name).unwrap();
        assert_eq!(value("iat").integer(), Some(-7));
        for other in ["big", "half", "tn", "o", "n"] {
            assert_eq!(value(other).integer(), None, "{other}");
            assert_eq!(value(other).text(), None, "{other}");
        }
        let numbers: Vec<_> = value("tn").elements().unwrap().map(Value::text).collect();
        assert_eq!(numbers, [Some("1"), Some("2"), None]);
        let [text, object] = value("o").only(["u", "t"]).unwrap();
        assert_eq!(text.unwrap().text(), Some("x"));
        let [empty, missing] = object.unwrap().only(["y", "z"]).unwrap();
        assert_eq!(empty.unwrap().elements().unwrap().count(), 0);
        assert!(missing.is_none());
        // Another member, and other kinds than an object.
        assert!(value("o").only(["u"]).is_none());
        assert!(value("tn").only(["u"]).is_none() && value("n").only(["u"]).is_none());
        assert!(value("o").elements().is_none() && document.get("u").is_none());
    }

    #[test]
    fn nothing_of_a_document_is_printed_but_its_size() {
        assert_eq!(
            format!("{:?}", check(r#"{"a":"b"}"#)),
            "Ok(JSON object of 9 octets)"
        );
    }

    #[test]
    fn a_member_twice_is_refused_at_any_level_and_in_any_spelling() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"{"x":{"y":[{"a":1,"b":2,"a":3}]}}"#,
        ] {
            assert_eq!(check(text).err(), Some(JsonFault::Malformed), "{text}");
        }
    }

    #[test]
    fn depth_size_and_trailing_octets_are_refused() {
        assert!(check(&format!("{{\"a\":{}{}}}", "[".repeat(7), "]".repeat(7))).is_ok());
        assert!(check(&format!("{{\"a\":{}{}}}", "[".repeat(9), "]".repeat(9))).is_err());
        // The member and 255 elements; one more is too many.
        assert!(check(&format!("{{\"a\":[{}1]}}", "1,".repeat(254))).is_ok());
        assert!(check(&format!("{{\"a\":[{}1]}}", "1,".repeat(255))).is_err());
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
