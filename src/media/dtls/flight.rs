//! What we said last, until it is answered (RFC 6347 §4.2.4): each time in records with numbers of their own.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::record::{self, Cipher};
use crate::media::limits::{DTLS_DATAGRAM_OCTETS_MAX, DTLS_RETRANSMIT_MAX, DTLS_RETRANSMIT_MIN};

/// Messages that go out together.
#[derive(Default)]
pub(super) struct Flight {
    parts: Vec<Part>,
    /// When they go out again; `None`: only when the other side repeats itself.
    due: Option<Instant>,
    wait: Duration,
}

struct Part {
    kind: u8,
    is_encrypted: bool,
    body: Vec<u8>,
}

impl Flight {
    pub(super) fn push(&mut self, kind: u8, is_encrypted: bool, body: Vec<u8>) {
        self.parts.push(Part {
            kind,
            is_encrypted,
            body,
        });
    }

    /// It will be repeated until [`Flight::rest`].
    pub(super) fn repeat(&mut self, now: Instant) {
        self.wait = DTLS_RETRANSMIT_MIN;
        self.due = Some(now + self.wait);
    }

    /// It has been answered.
    pub(super) fn rest(&mut self) {
        self.due = None;
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether it goes out again now; each time after twice as long.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.due.is_some_and(|due| now >= due);
        if is_due {
            self.wait = (self.wait * 2).min(DTLS_RETRANSMIT_MAX);
            self.due = Some(now + self.wait);
        }
        is_due
    }

    /// Records of it in as few datagrams as there is need of.
    pub(super) fn send(&self, sender: &mut Sender, outbox: &mut VecDeque<Vec<u8>>) {
        let mut datagram = Vec::new();
        for part in &self.parts {
            let mut record = Vec::new();
            if sender
                .write(&mut record, part.kind, part.is_encrypted, &part.body)
                .is_none()
            {
                continue;
            }
            if !datagram.is_empty() && datagram.len() + record.len() > DTLS_DATAGRAM_OCTETS_MAX {
                outbox.push_back(std::mem::take(&mut datagram));
            }
            datagram.extend_from_slice(&record);
        }
        if !datagram.is_empty() {
            outbox.push_back(datagram);
        }
    }
}

/// Numbers and closes our records.
#[derive(Default)]
pub(super) struct Sender {
    plain: u64,
    encrypted: u64,
    pub(super) cipher: Option<Cipher>,
}

impl Sender {
    /// For another attempt: numbers in clear go on, and nothing is encrypted yet.
    pub(super) fn anew(self) -> Sender {
        Sender {
            plain: self.plain,
            ..Sender::default()
        }
    }

    /// `None` where it is to be encrypted and cannot be.
    pub(super) fn write(
        &mut self,
        out: &mut Vec<u8>,
        kind: u8,
        is_encrypted: bool,
        body: &[u8],
    ) -> Option<()> {
        if !is_encrypted {
            record::write_plain(out, kind, self.plain, body);
            self.plain += 1;
            return Some(());
        }
        let cipher = self.cipher.as_ref()?;
        // A number is used once with a key, whatever becomes of the record.
        self.encrypted += 1;
        cipher.write(out, kind, self.encrypted - 1, body)
    }
}
