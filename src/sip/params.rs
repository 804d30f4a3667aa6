//! `;name=value` lists and comma-joined values, as headers write them (RFC 3261 §7.3.1, §25.1).

/// Walks over `;name=value;name;name="quoted"`. White space around `;` and `=` is allowed.
///
/// A quoted value is yielded with its quotes. An `Err` holds the offset where the text is broken,
/// and nothing comes after it.
pub(crate) struct Params<'a> {
    text: &'a str,
    at: usize,
    /// A comma ends the list.
    is_one_of_many: bool,
}

impl<'a> Params<'a> {
    /// `text` begins with `;`, or is empty.
    pub(crate) fn new(text: &'a str) -> Params<'a> {
        Params {
            text,
            at: 0,
            is_one_of_many: false,
        }
    }

    /// `text` goes on after a comma with something else.
    pub(crate) fn of_first(text: &'a str) -> Params<'a> {
        Params {
            is_one_of_many: true,
            ..Params::new(text)
        }
    }

    /// The first parameter of that name (any letter case); a broken list ends the search.
    pub(crate) fn find(self, name: &str) -> Option<Option<&'a str>> {
        self.map_while(Result::ok)
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The next one, as places in the text. Like the iterator otherwise.
    #[inline]
    pub(crate) fn next_place(&mut self) -> Option<Result<Param, usize>> {
        let octets = self.text.as_bytes();
        self.at = skip_white(octets, self.at);
        match octets.get(self.at) {
            None => return None,
            Some(b',') if self.is_one_of_many => return None,
            Some(_) => {}
        }
        let step = param(octets, self.at);
        self.at = step.as_ref().map_or(self.text.len(), |param| param.end);
        Some(step)
    }
}

/// Where one `;name=value` stands.
pub(crate) struct Param {
    pub(crate) name: (usize, usize),
    pub(crate) value: Option<(usize, usize)>,
    end: usize,
}

/// The parameter whose `;` stands at `at`; `Err` = where it is broken.
#[inline]
fn param(octets: &[u8], at: usize) -> Result<Param, usize> {
    if octets.get(at) != Some(&b';') {
        return Err(at);
    }
    let name_start = skip_white(octets, at + 1);
    let name_end = run(octets, name_start, ENDS_NAME);
    if name_end == name_start {
        return Err(name_start);
    }
    let name = (name_start, name_end);
    let end = skip_white(octets, name_end);
    if octets.get(end) != Some(&b'=') {
        let value = None;
        return Ok(Param { name, value, end });
    }
    let value_start = skip_white(octets, end + 1);
    let end = match octets.get(value_start) {
        Some(b'"') => value_start + quoted_length(&octets[value_start..]).ok_or(value_start)?,
        _ => run(octets, value_start, ENDS_VALUE),
    };
    let value = Some((value_start, end));
    Ok(Param { name, value, end })
}

#[inline]
fn skip_white(octets: &[u8], mut at: usize) -> usize {
    while octets.get(at).is_some_and(|&b| is_white(b)) {
        super::work::spend(1);
        at += 1;
    }
    at
}

/// Where the octets from `at` on stop being anything but those that `ends` names.
#[inline]
fn run(octets: &[u8], at: usize, ends: u8) -> usize {
    let mut end = at;
    while octets.get(end).is_some_and(|&b| ENDS[usize::from(b)] & ends == 0) {
        end += 1;
    }
    super::work::spend(end - at);
    end
}

const ENDS_NAME: u8 = 1;
const ENDS_VALUE: u8 = 2;

const ENDS: [u8; 256] = {
    let mut table = [0; 256];
    let (names, values) = (b" \t;=\",<>", b" \t;\",");
    let mut at = 0;
    while at < names.len() {
        table[names[at] as usize] |= ENDS_NAME;
        at += 1;
    }
    at = 0;
    while at < values.len() {
        table[values[at] as usize] |= ENDS_VALUE;
        at += 1;
    }
    table
};

impl<'a> Iterator for Params<'a> {
    type Item = Result<(&'a str, Option<&'a str>), usize>;

    fn next(&mut self) -> Option<Self::Item> {
        let place = self.next_place()?;
        Some(place.map(|param| {
            let value = param.value.map(|(start, end)| &self.text[start..end]);
            (&self.text[param.name.0..param.name.1], value)
        }))
    }
}

/// Octets of the quoted string that `octets` begins with, both quotes included; None when it never ends.
pub(crate) fn quoted_length(octets: &[u8]) -> Option<usize> {
    let mut at = 1;
    while let Some(&octet) = octets.get(at) {
        match octet {
            b'\\' => at += 2,
            b'"' => {
                super::work::spend(at + 1);
                return Some(at + 1);
            }
            _ => at += 1,
        }
    }
    super::work::spend(octets.len());
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
        super::work::spend(1);
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

#[inline]
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
