//! Octets of DTLS messages, read and written: numbers in network order, vectors with their length in front (RFC 5246 §4).

/// Reads from the front. `None` where there is less than was asked for.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, octets: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(octets)?;
        self.0 = rest;
        Some(taken)
    }

    /// A number of up to eight octets.
    pub(super) fn number(&mut self, octets: usize) -> Option<u64> {
        let taken = self.take(octets)?;
        Some(
            taken
                .iter()
                .fold(0, |number, octet| number << 8 | u64::from(*octet)),
        )
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        Some(self.number(2)? as u16)
    }

    pub(super) fn u24(&mut self) -> Option<usize> {
        Some(self.number(3)? as usize)
    }

    /// A vector whose length stands in front of it, in so many octets.
    pub(super) fn vector(&mut self, octets_of_length: usize) -> Option<Reader<'a>> {
        let len = self.number(octets_of_length)? as usize;
        self.take(len).map(Reader)
    }

    /// 32 octets: what both hellos are made different by.
    pub(super) fn random(&mut self) -> Option<[u8; 32]> {
        self.take(32)?.try_into().ok()
    }

    /// Every number of two octets that is left.
    pub(super) fn u16s(mut self) -> impl Iterator<Item = u16> + use<'a> {
        std::iter::from_fn(move || self.u16())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Writes to the end.
pub(super) trait Write {
    fn number(&mut self, value: u64, octets: usize);

    fn u16(&mut self, value: u16) {
        self.number(value.into(), 2);
    }

    /// What `body` writes, with its length in front in so many octets. What is written here is ours and short.
    fn vector(&mut self, octets_of_length: usize, body: impl FnOnce(&mut Vec<u8>));
}

impl Write for Vec<u8> {
    fn number(&mut self, value: u64, octets: usize) {
        self.extend_from_slice(&value.to_be_bytes()[8 - octets..]);
    }

    fn vector(&mut self, octets_of_length: usize, body: impl FnOnce(&mut Vec<u8>)) {
        let mut inner = Vec::new();
        body(&mut inner);
        self.number(inner.len() as u64, octets_of_length);
        self.extend_from_slice(&inner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_is_read_beyond_the_end() {
        let mut out = Vec::new();
        out.u16(0xfefd);
        out.number(0x01_0203, 3);
        out.vector(1, |out| out.vector(2, |out| out.u16(7)));
        assert_eq!(out, [0xfe, 0xfd, 1, 2, 3, 4, 0, 2, 0, 7]);
        let mut reader = Reader(&out);
        assert_eq!((reader.u16(), reader.u24()), (Some(0xfefd), Some(0x01_0203)));
        let mut inner = reader.vector(1).unwrap();
        assert!(reader.is_empty() && reader.u8().is_none());
        assert!(inner.vector(2).unwrap().u16s().eq([7]));
        assert!(Reader(&[3, 1]).vector(1).is_none());
    }
}
