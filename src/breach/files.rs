//! The files in a pack, one after the other, and at their end what there are: `manifest.json` with the SHA-256 of each.
//!
//! ```text
//!   ( "F"  length, 2 octets  name  ( "D"  length, 4 octets  octets )* )*  "Z"
//! ```

use std::collections::BTreeMap;
use std::io::{Read, Write};

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::envelope::{Key, Opener, Recipient, Sealer};
use super::limits::{FILES_MAX, MANIFEST_MAX, NAME_MAX, PIECE};
use crate::store::{StoreError, hexadecimal};

/// The last file of every pack.
pub(super) const MANIFEST: &str = "manifest.json";

/// Why a pack was not made or opened.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("the system gave no random octets")]
    NoRandomness,
    #[error("it could not be sealed for this key")]
    NotSealed,
    #[error("this is no breach pack")]
    NoPack,
    #[error("it was made for another key")]
    NotForThisKey,
    #[error("its end is missing")]
    Cut,
    #[error("it was changed")]
    Changed,
    #[error("{0} is not what the manifest says")]
    NotAsListed(String),
    #[error("its manifest has more than {MANIFEST_MAX} octets")]
    ManifestTooLong,
    #[error("there is no lasting name for a file in it: {0:?}")]
    NotAName(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// What is in a pack.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// Every file but this one: its octets and SHA-256.
    pub files: BTreeMap<String, Listed>,
    /// Of each gateway's chain its name, the number of its last entry and the hash of that.
    pub chains: Vec<(String, u64, String)>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listed {
    pub octets: u64,
    pub sha256: String,
}

/// Puts files into a pack.
pub(super) struct Packer<W: Write> {
    sealer: Sealer<W>,
    /// The file that is being written, its hash so far, and what waits to be written of it.
    open: Option<(String, Context, u64)>,
    waiting: Vec<u8>,
    pub(super) manifest: Manifest,
}

impl<W: Write> Packer<W> {
    pub(super) fn new(out: W, recipient: &Recipient) -> Result<Packer<W>, Fault> {
        Ok(Packer {
            sealer: Sealer::new(out, recipient)?,
            open: None,
            waiting: Vec::new(),
            manifest: Manifest::default(),
        })
    }

    /// What is written from now on is in this file.
    pub(super) fn file(&mut self, name: &str) -> Result<(), Fault> {
        if !is_name(name) {
            return Err(Fault::NotAName(name.chars().take(NAME_MAX).collect()));
        }
        self.close()?;
        self.sealer.write(b"F")?;
        self.sealer.write(&(name.len() as u16).to_be_bytes())?;
        self.sealer.write(name.as_bytes())?;
        self.open = Some((name.to_string(), Context::new(&SHA256), 0));
        Ok(())
    }

    pub(super) fn write(&mut self, text: &str) -> Result<(), Fault> {
        self.waiting.extend_from_slice(text.as_bytes());
        match self.waiting.len() >= PIECE {
            true => self.pass_on(),
            false => Ok(()),
        }
    }

    /// A line of its own.
    pub(super) fn line(&mut self, line: &impl Serialize) -> Result<(), Fault> {
        // Our own plain data always has a JSON form.
        self.write(&serde_json::to_string(line).unwrap_or_default())?;
        self.write("\n")
    }

    pub(super) fn finish(mut self) -> Result<(), Fault> {
        self.close()?;
        let manifest = serde_json::to_string_pretty(&self.manifest).unwrap_or_default();
        if manifest.len() > MANIFEST_MAX {
            return Err(Fault::ManifestTooLong);
        }
        self.file(MANIFEST)?;
        self.write(&manifest)?;
        self.close()?;
        self.sealer.write(b"Z")?;
        self.sealer.finish()?;
        Ok(())
    }

    fn pass_on(&mut self) -> Result<(), Fault> {
        let Some((_, hash, octets)) = &mut self.open else {
            return Ok(());
        };
        for piece in self.waiting.chunks(PIECE) {
            hash.update(piece);
            *octets += piece.len() as u64;
            self.sealer.write(b"D")?;
            self.sealer.write(&(piece.len() as u32).to_be_bytes())?;
            self.sealer.write(piece)?;
        }
        self.waiting.clear();
        Ok(())
    }

    fn close(&mut self) -> Result<(), Fault> {
        self.pass_on()?;
        if let Some((name, hash, octets)) = self.open.take() {
            let sha256 = hexadecimal(hash.finish().as_ref());
            self.manifest.files.insert(name, Listed { octets, sha256 });
        }
        Ok(())
    }
}

/// Opens a pack: `piece` is given each piece of each file, an empty one first. Nothing of it counts before this returns: a changed pack is
/// known by its end.
///
/// # Errors
///
/// [`Fault`]: what is wrong with the pack, or with writing its files.
pub fn unpack(
    from: impl Read,
    key: &Key,
    mut piece: impl FnMut(&str, &[u8]) -> std::io::Result<()>,
) -> Result<usize, Fault> {
    let mut stream = Stream {
        opener: Opener::new(from, key)?,
        waiting: Vec::new(),
        at: 0,
    };
    let mut found: BTreeMap<String, Listed> = BTreeMap::new();
    let mut manifest = Vec::new();
    let mut open: Option<(String, Context, u64)> = None;
    loop {
        let kind = stream.take(1)?[0];
        if kind == b'D' {
            let length = stream.take(4)?;
            let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
            let (name, hash, octets) = open.as_mut().ok_or(Fault::Changed)?;
            if length > PIECE {
                return Err(Fault::Changed);
            }
            let given = stream.take(length)?;
            hash.update(&given);
            *octets += length as u64;
            if name == MANIFEST {
                if manifest.len() + length > MANIFEST_MAX {
                    return Err(Fault::ManifestTooLong);
                }
                manifest.extend_from_slice(&given);
            }
            piece(name, &given)?;
            continue;
        }
        if let Some((name, hash, octets)) = open.take() {
            let sha256 = hexadecimal(hash.finish().as_ref());
            found.insert(name, Listed { octets, sha256 });
        }
        match kind {
            b'F' => {
                let length = stream.take(2)?;
                let name = stream.take(usize::from(u16::from_be_bytes([length[0], length[1]])))?;
                let name = String::from_utf8_lossy(&name).into_owned();
                // A name must lead nowhere else, and no file is written twice.
                if !is_name(&name) || found.contains_key(&name) || found.len() >= FILES_MAX {
                    return Err(Fault::NotAName(name.chars().take(NAME_MAX).collect()));
                }
                piece(&name, b"")?;
                open = Some((name, Context::new(&SHA256), 0));
            }
            b'Z' => break,
            _ => return Err(Fault::Changed),
        }
    }
    stream.end()?;
    let listed: Manifest =
        serde_json::from_slice(&manifest).map_err(|_| Fault::NotAsListed(MANIFEST.into()))?;
    found.remove(MANIFEST);
    let all = found.keys().chain(listed.files.keys());
    let wrong = all
        .clone()
        .find(|name| found.get(*name) != listed.files.get(*name));
    match wrong {
        Some(name) => Err(Fault::NotAsListed(name.clone())),
        None => Ok(found.len()),
    }
}

/// The pieces of an envelope as one stream.
struct Stream<R: Read> {
    opener: Opener<R>,
    waiting: Vec<u8>,
    at: usize,
}

impl<R: Read> Stream<R> {
    /// Exactly so many octets, which the caller has bounded.
    fn take(&mut self, length: usize) -> Result<Vec<u8>, Fault> {
        while self.waiting.len() - self.at < length {
            self.waiting.drain(..self.at);
            self.at = 0;
            self.waiting.extend(self.opener.next()?.ok_or(Fault::Cut)?);
        }
        let taken = self.waiting[self.at..self.at + length].to_vec();
        self.at += length;
        Ok(taken)
    }

    /// Nothing comes any more.
    fn end(&mut self) -> Result<(), Fault> {
        while let Some(piece) = self.opener.next()? {
            if !piece.is_empty() {
                return Err(Fault::Changed);
            }
        }
        match self.waiting.len() == self.at {
            true => Ok(()),
            false => Err(Fault::Changed),
        }
    }
}

/// Letters, digits, `-`, `_` and `.`, and not hidden: it means the same on every machine, and leads nowhere.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_MAX
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet))
}

#[cfg(test)]
mod tests {
    use super::super::prove::tests::keys;
    use super::*;

    /// Opens what stands sealed for the recipient, as nobody of ours may have written it.
    fn opened(inside: &[u8]) -> Result<usize, Fault> {
        let recipient = Recipient::from_pem(&keys().1).unwrap();
        let mut sealer = Sealer::new(Vec::new(), &recipient).unwrap();
        sealer.write(inside).unwrap();
        let pack = sealer.finish().unwrap();
        unpack(&*pack, &Key::from_pem(&keys().0).unwrap(), |_, _| Ok(()))
    }

    fn file(name: &str, text: &[u8]) -> Vec<u8> {
        let mut file = b"F".to_vec();
        file.extend((name.len() as u16).to_be_bytes());
        file.extend(name.as_bytes());
        for piece in text.chunks(PIECE) {
            file.extend(data(piece));
        }
        file
    }

    fn data(piece: &[u8]) -> Vec<u8> {
        [b"D", &(piece.len() as u32).to_be_bytes()[..], piece].concat()
    }

    fn manifest(name: &str, text: &[u8]) -> Vec<u8> {
        let mut hash = Context::new(&SHA256);
        hash.update(text);
        let listed = Listed {
            octets: text.len() as u64,
            sha256: hexadecimal(hash.finish().as_ref()),
        };
        let manifest = Manifest {
            files: BTreeMap::from([(name.to_string(), listed)]),
            chains: Vec::new(),
        };
        file(MANIFEST, &serde_json::to_vec(&manifest).unwrap())
    }

    #[test]
    fn a_pack_that_somebody_else_made_for_the_recipient_is_refused_for_what_is_wrong_with_it() {
        let (a, end) = (file("a", b"text"), b"Z".to_vec());
        let listed = manifest("a", b"text");
        assert_eq!(opened(&[&a[..], &listed, &end].concat()).unwrap(), 1);
        let many = (0..=FILES_MAX)
            .flat_map(|at| file(&format!("f{at}"), b""))
            .collect();
        let cases: [(&str, Vec<u8>, &str); 14] = [
            ("a path", file("../x", b""), "NotAName"),
            ("a hidden file", file(".x", b""), "NotAName"),
            ("no name", file("", b""), "NotAName"),
            ("a name twice", [&a[..], &file("b", b""), &a].concat(), "NotAName"),
            ("too many files", many, "NotAName"),
            ("octets of no file", data(b"text"), "Changed"),
            (
                "a piece too long",
                [&file("a", b"")[..], &data(&[7; PIECE + 1])].concat(),
                "Changed",
            ),
            ("another kind", b"Q".to_vec(), "Changed"),
            (
                "more behind its end",
                [&a[..], &listed, &end, b"x"].concat(),
                "Changed",
            ),
            ("no end", [&a[..], &listed].concat(), "Cut"),
            ("no manifest", [&a[..], &end].concat(), "NotAsListed"),
            (
                "a manifest that lies",
                [&a[..], &manifest("a", b"texT"), &end].concat(),
                "NotAsListed",
            ),
            (
                "one of another file",
                [&a[..], &manifest("b", b"text"), &end].concat(),
                "NotAsListed",
            ),
            (
                "one too long",
                file(MANIFEST, &vec![b' '; MANIFEST_MAX + 1]),
                "ManifestTooLong",
            ),
        ];
        for (case, inside, expected) in cases {
            let fault = format!("{:?}", opened(&inside).unwrap_err());
            assert!(fault.starts_with(expected), "{case}: {fault}");
        }
    }
}
