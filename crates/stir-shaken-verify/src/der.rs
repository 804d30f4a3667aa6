//! Just enough strict DER to read the extensions that X.509 parsers do not know.

/// A cursor over DER elements. Definite, minimal lengths only; low tag numbers only.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    octets: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed DER")]
pub(crate) struct Malformed;

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const UTF8_STRING: u8 = 0x0c;
pub(crate) const IA5_STRING: u8 = 0x16;
pub(crate) const SEQUENCE: u8 = 0x30;

/// `[number]` constructed: what EXPLICIT tagging writes.
pub(crate) const fn context(number: u8) -> u8 {
    0xa0 | number
}

impl<'a> Reader<'a> {
    pub(crate) fn new(octets: &'a [u8]) -> Reader<'a> {
        Reader { octets }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// The next element, whatever its tag.
    pub(crate) fn any(&mut self) -> Result<(u8, &'a [u8]), Malformed> {
        let (&tag, rest) = self.octets.split_first().ok_or(Malformed)?;
        if tag & 0x1f == 0x1f {
            return Err(Malformed);
        }
        let (&first, rest) = rest.split_first().ok_or(Malformed)?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x83 => {
                let count = usize::from(first & 0x7f);
                let (octets, rest) = rest.split_at_checked(count).ok_or(Malformed)?;
                let length = octets.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet));
                let is_minimal = octets[0] != 0 && length >= 0x80;
                if !is_minimal {
                    return Err(Malformed);
                }
                (length, rest)
            }
            _ => return Err(Malformed),
        };
        let (value, rest) = rest.split_at_checked(length).ok_or(Malformed)?;
        self.octets = rest;
        Ok((tag, value))
    }

    /// The next element, which must have `tag`.
    pub(crate) fn expect(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        match self.any()? {
            (found, value) if found == tag => Ok(value),
            _ => Err(Malformed),
        }
    }

    /// The next element if it has `tag`; otherwise nothing is consumed.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, Malformed> {
        match self.octets.first() {
            Some(found) if *found == tag => self.expect(tag).map(Some),
            _ => Ok(None),
        }
    }

    /// Everything was read.
    pub(crate) fn end(self) -> Result<(), Malformed> {
        if self.octets.is_empty() {
            Ok(())
        } else {
            Err(Malformed)
        }
    }
}

/// The one element with `tag` that `octets` consists of.
pub(crate) fn only(octets: &[u8], tag: u8) -> Result<&[u8], Malformed> {
    let mut reader = Reader::new(octets);
    let value = reader.expect(tag)?;
    reader.end()?;
    Ok(value)
}

/// A non-negative INTEGER of at most 64 bits, minimally encoded.
pub(crate) fn unsigned(octets: &[u8]) -> Result<u64, Malformed> {
    let is_minimal = match octets {
        [] => false,
        [0] => true,
        [0, second, ..] => second & 0x80 != 0,
        [first, ..] => first & 0x80 == 0,
    };
    let digits = octets.strip_prefix(&[0]).unwrap_or(octets);
    if !is_minimal || digits.len() > 8 {
        return Err(Malformed);
    }
    Ok(digits.iter().fold(0, |sum, octet| sum << 8 | u64::from(*octet)))
}

#[cfg(test)]
pub(crate) mod write {
    //! The other direction, for tests.

    pub(crate) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let value = parts.concat();
        let mut octets = vec![tag];
        match value.len() {
            length @ 0..0x80 => octets.push(length as u8),
            length @ 0x80..0x100 => octets.extend([0x81, length as u8]),
            length => octets.extend([0x82, (length >> 8) as u8, length as u8]),
        }
        octets.extend(value);
        octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_must_be_definite_and_minimal() {
        for refused in [
            &[][..],
            &[0x30],
            &[0x30, 0x80, 0, 0],
            &[0x30, 0x81, 1, 0],
            &[0x30, 0x82, 0, 1, 0],
            &[0x30, 2, 0],
            &[0x1f, 0],
            &[0x30, 0x84, 0, 0, 0, 1, 0],
        ] {
            assert_eq!(Reader::new(refused).any(), Err(Malformed), "{refused:?}");
        }
        assert_eq!(only(&[0x02, 1, 5], INTEGER), Ok(&[5][..]));
        assert_eq!(only(&[0x02, 1, 5, 0], INTEGER), Err(Malformed));
    }

    #[test]
    fn integers_are_minimal_and_not_negative() {
        assert_eq!(unsigned(&[0]), Ok(0));
        assert_eq!(unsigned(&[0, 0x80]), Ok(128));
        assert_eq!(
            unsigned(&[0, 255, 255, 255, 255, 255, 255, 255, 255]),
            Ok(u64::MAX)
        );
        for refused in [&[][..], &[0, 1], &[0x80], &[1, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(unsigned(refused), Err(Malformed), "{refused:?}");
        }
    }
}
