//! `Digest name=value, name="value", Digest ...`: the grammar that challenges and answers share (RFC 7235 §2.1).
//!
//! SIP gives each challenge a line of its own (RFC 3261 §20.44); some peers join them with commas all the same.

use super::error::HeaderFault;
use super::limits::{CHALLENGES_MAX, FIELD_OCTETS_MAX, PARAMS_MAX};

/// One challenge or answer: its scheme, and its parameters in order, values without quotes and backslashes.
pub(super) struct Field<'a> {
    pub(super) scheme: &'a str,
    params: Vec<(&'a str, String)>,
}

impl Field<'_> {
    pub(super) fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("Digest")
    }

    /// By name, in any letter case.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn must(&self, name: &'static str) -> Result<&str, HeaderFault> {
        self.get(name).ok_or(HeaderFault::Missing(name))
    }
}

/// Every field of a header value.
///
/// # Errors
///
/// The first thing that is broken. A parameter that stands twice in one field could mean two things: it is refused.
pub(super) fn read(text: &str) -> Result<Vec<Field<'_>>, HeaderFault> {
    if text.len() > FIELD_OCTETS_MAX {
        return Err(HeaderFault::TooLarge);
    }
    let mut reader = Reader { text, at: 0 };
    let mut fields: Vec<Field<'_>> = Vec::new();
    loop {
        reader.skip(b" \t,");
        if reader.at == text.len() {
            return Ok(fields);
        }
        let start = reader.at;
        let name = reader.token()?;
        reader.skip(b" \t");
        if reader.peek() != Some(b'=') {
            if fields.len() == CHALLENGES_MAX {
                return Err(HeaderFault::TooLarge);
            }
            fields.push(Field {
                scheme: name,
                params: Vec::new(),
            });
            // What follows is a parameter, or a comma that ends an empty field: both are read by the next turn.
            continue;
        }
        reader.at += 1;
        reader.skip(b" \t");
        let value = reader.value()?;
        reader.skip(b" \t");
        if !matches!(reader.peek(), None | Some(b',')) {
            return Err(HeaderFault::Syntax(reader.at));
        }
        let field = fields.last_mut().ok_or(HeaderFault::Syntax(start))?;
        if field.get(name).is_some() {
            return Err(HeaderFault::Repeated);
        }
        if field.params.len() == PARAMS_MAX {
            return Err(HeaderFault::TooLarge);
        }
        field.params.push((name, value));
    }
}

/// `text` as a quoted-string.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip(&mut self, octets: &[u8]) {
        while self.peek().is_some_and(|octet| octets.contains(&octet)) {
            self.at += 1;
        }
    }

    fn token(&mut self) -> Result<&'a str, HeaderFault> {
        let start = self.at;
        while self.peek().is_some_and(is_token) {
            self.at += 1;
        }
        match self.at > start {
            true => Ok(&self.text[start..self.at]),
            false => Err(HeaderFault::Syntax(start)),
        }
    }

    fn value(&mut self) -> Result<String, HeaderFault> {
        if self.peek() != Some(b'"') {
            return self.token().map(str::to_string);
        }
        let start = self.at;
        self.at += 1;
        let mut value = String::new();
        let mut is_escaped = false;
        for c in self.text[self.at..].chars() {
            self.at += c.len_utf8();
            if c.is_ascii_control() && c != '\t' {
                return Err(HeaderFault::Syntax(self.at - 1));
            }
            match c {
                '\\' if !is_escaped => is_escaped = true,
                '"' if !is_escaped => return Ok(value),
                c => {
                    value.push(c);
                    is_escaped = false;
                }
            }
        }
        Err(HeaderFault::Syntax(start))
    }
}

/// RFC 3261 §25.1, and the characters that unquoted values of real peers hold besides (a URI, base64).
fn is_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-.!%*_+`'~:/@;?&$".contains(&octet)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match read(text) {
            Err(fault) => fault.to_string(),
            Ok(fields) => {
                let field = |field: &Field<'_>| {
                    let params: Vec<_> = field
                        .params
                        .iter()
                        .map(|(name, value)| format!("{name}={value}"))
                        .collect();
                    format!("{}[{}]", field.scheme, params.join("|"))
                };
                fields.iter().map(field).collect::<Vec<_>>().join(" ")
            }
        }
    }

    #[test]
    fn values_come_with_and_without_quotes_and_white_space() {
        assert_eq!(
            shown("Digest a=b, c = \"d, e\" ,f=\"\\\"g\\\\\""),
            "Digest[a=b|c=d, e|f=\"g\\]"
        );
        assert_eq!(shown("Digest a=\"\",\t,b=c,"), "Digest[a=|b=c]");
        assert_eq!(shown("  "), "");
    }

    #[test]
    fn several_challenges_may_stand_in_one_line() {
        assert_eq!(
            shown("Digest a=b, c=d, Basic realm=\"x\", digest a=e"),
            "Digest[a=b|c=d] Basic[realm=x] digest[a=e]"
        );
    }

    #[test]
    fn what_is_broken_says_where() {
        for (text, expected) in [
            ("a=b", "broken at octet 0"),
            ("Digest a=\"b", "broken at octet 9"),
            ("Digest a=", "broken at octet 9"),
            ("Digest a=b c=d", "broken at octet 11"),
            ("Digest a=\"b\"c", "broken at octet 12"),
            ("Digest a=b, A=c", "a parameter stands there twice"),
            ("Digest a=\"\u{7}\"", "broken at octet 10"),
            ("\u{e9}", "broken at octet 0"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
        let many: Vec<String> = (0..=PARAMS_MAX).map(|n| format!("p{n}=1")).collect();
        assert_eq!(
            shown(&format!("Digest {}", many.join(","))),
            HeaderFault::TooLarge.to_string()
        );
        assert_eq!(
            shown(&"Digest ".repeat(CHALLENGES_MAX + 1)),
            HeaderFault::TooLarge.to_string()
        );
        assert_eq!(
            shown(&"x".repeat(FIELD_OCTETS_MAX + 1)),
            HeaderFault::TooLarge.to_string()
        );
    }
}
