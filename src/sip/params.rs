//! `;name=value` lists and comma-joined values, as headers write them (RFC 3261 §7.3.1, §25.1).

/// Walks over `;name=value;name;name="quoted"`. White space around `;` and `=` is allowed.
///
/// A quoted value is yielded with its quotes. An `Err` holds the offset where the text is broken,
/// and nothing comes after it.
pub(crate) struct Params<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Params<'a> {
    /// `text` begins with `;`, or is empty.
    pub(crate) fn new(text: &'a str) -> Params<'a> {
        Params { text, at: 0 }
    }

    /// The first parameter of that name (any letter case); a broken list ends the search.
    pub(crate) fn find(self, name: &str) -> Option<Option<&'a str>> {
        self.map_while(Result::ok)
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    fn skip_white(&mut self) {
        let octets = self.text.as_bytes();
        while octets.get(self.at).is_some_and(|&b| is_white(b)) {
            self.at += 1;
        }
    }

    fn step(&mut self) -> Result<(&'a str, Option<&'a str>), usize> {
        let octets = self.text.as_bytes();
        if octets.get(self.at) != Some(&b';') {
            return Err(self.at);
        }
        self.at += 1;
        self.skip_white();
        let name_start = self.at;
        while octets
            .get(self.at)
            .is_some_and(|&b| !is_white(b) && !matches!(b, b';' | b'=' | b'"' | b',' | b'<' | b'>'))
        {
            self.at += 1;
        }
        if self.at == name_start {
            return Err(name_start);
        }
        let name = &self.text[name_start..self.at];
        self.skip_white();
        if octets.get(self.at) != Some(&b'=') {
            return Ok((name, None));
        }
        self.at += 1;
        self.skip_white();
        let value_start = self.at;
        if octets.get(self.at) == Some(&b'"') {
            let length = quoted_length(&octets[self.at..]).ok_or(value_start)?;
            self.at += length;
        } else {
            while octets
                .get(self.at)
                .is_some_and(|&b| !is_white(b) && !matches!(b, b';' | b'"' | b','))
            {
                self.at += 1;
            }
        }
        Ok((name, Some(&self.text[value_start..self.at])))
    }
}

impl<'a> Iterator for Params<'a> {
    type Item = Result<(&'a str, Option<&'a str>), usize>;

    fn next(&mut self) -> Option<Self::Item> {
        self.skip_white();
        if self.at >= self.text.len() {
            return None;
        }
        let step = self.step();
        if step.is_err() {
            self.at = self.text.len();
        }
        Some(step)
    }
}

/// Octets of the quoted string that `octets` begins with, both quotes included; None when it never ends.
pub(crate) fn quoted_length(octets: &[u8]) -> Option<usize> {
    let mut at = 1;
    while let Some(&octet) = octets.get(at) {
        match octet {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

/// The text of a quoted string without quotes and backslashes; other text unchanged.
///
/// Control characters (a quoted-pair may hold them) are left out: nobody wants to read them.
pub(crate) fn unquote(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) else {
        return text.to_string();
    };
    let mut plain = String::with_capacity(inner.len());
    let mut is_escaped = false;
    for c in inner.chars() {
        if c == '\\' && !is_escaped {
            is_escaped = true;
            continue;
        }
        is_escaped = false;
        if !c.is_control() {
            plain.push(c);
        }
    }
    plain
}

/// Splits at the commas that stand outside quotes and angle brackets; pieces come trimmed, empty ones too.
pub(crate) fn split_commas(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    let mut has_open_quote = false;
    std::iter::from_fn(move || {
        let text = rest?;
        let end = next_comma(text, &mut has_open_quote);
        rest = end.map(|at| &text[at + 1..]);
        Some(text[..end.unwrap_or(text.len())].trim_matches([' ', '\t']))
    })
}

/// Where the first value of a comma-joined list ends; None when it is the only one.
pub(crate) fn comma_offset(text: &str) -> Option<usize> {
    next_comma(text, &mut false)
}

/// `has_open_quote` remembers that a quote never ended: from there on quotes are ordinary
/// characters (what follows must not vanish), and the end is not searched for again at each one.
fn next_comma(text: &str, has_open_quote: &mut bool) -> Option<usize> {
    let octets = text.as_bytes();
    let mut at = 0;
    let mut is_inside = false;
    while let Some(&octet) = octets.get(at) {
        match octet {
            b'"' if !is_inside && !*has_open_quote => match quoted_length(&octets[at..]) {
                Some(length) => at += length,
                None => *has_open_quote = true,
            },
            b'<' => {
                is_inside = true;
                at += 1;
            }
            b'>' => {
                is_inside = false;
                at += 1;
            }
            b',' if !is_inside => return Some(at),
            _ => at += 1,
        }
    }
    None
}

pub(crate) fn is_white(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_come_with_white_space_quotes_and_without_values() {
        let found: Vec<_> = Params::new(" ; a = 1;lr;q=\"x;,\\\"y\" ;rport=").collect();
        assert_eq!(
            found,
            [
                Ok(("a", Some("1"))),
                Ok(("lr", None)),
                Ok(("q", Some("\"x;,\\\"y\""))),
                Ok(("rport", Some("")))
            ]
        );
    }

    #[test]
    fn a_broken_parameter_list_says_where() {
        assert_eq!(
            Params::new(";a;;b").collect::<Vec<_>>(),
            [Ok(("a", None)), Err(3)]
        );
        assert_eq!(Params::new("x").collect::<Vec<_>>(), [Err(0)]);
        assert_eq!(Params::new(";a=\"b").collect::<Vec<_>>(), [Err(3)]);
    }

    #[test]
    fn commas_inside_quotes_and_brackets_do_not_split() {
        let split = |text| split_commas(text).collect::<Vec<_>>();
        assert_eq!(
            split("\"a,b\" <sip:x,y@h>;p=1 , <sip:z@h>"),
            ["\"a,b\" <sip:x,y@h>;p=1", "<sip:z@h>"]
        );
        assert_eq!(split("a,,b"), ["a", "", "b"]);
        assert_eq!(split("a\"b, c"), ["a\"b", "c"]);
    }

    #[test]
    fn quotes_that_never_end_cost_one_look_each_way() {
        let text = format!("\"{}", "\\\",".repeat(100_000));
        assert_eq!(split_commas(&text).count(), 100_001);
    }

    #[test]
    fn unquoting_takes_backslashes_and_control_characters_away() {
        assert_eq!(unquote("\"a \\\"b\\\" \\\\ \\\u{7}c\""), "a \"b\" \\ c");
        assert_eq!(unquote("plain"), "plain");
    }
}
