//! Who vouches for a model: a signature over its manifest, which holds the hashes of everything else.
//!
//! Keys and signatures are minisign's (Ed25519; signatures made with `minisign -S -l`, which sign the file itself and not
//! a digest of it). The key is the business's own, from its configuration; nobody else's counts.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::error::ModelError;
use super::manifest::MANIFEST_FILE;

/// Beside the manifest.
pub(crate) const SIGNATURE_FILE: &str = "manifest.json.minisig";

/// Octets of a signature file. A larger one is refused unread.
pub(crate) const SIGNATURE_BYTES_MAX: u64 = 4096;

/// A public key of minisign's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerKey {
    id: [u8; 8],
    key: [u8; 32],
}

/// The text is no public key of minisign's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a minisign public key: want the line that begins with RW")]
pub struct NotAKey;

impl std::str::FromStr for SignerKey {
    type Err = NotAKey;

    /// The second line of a `.pub` file, or the whole file.
    fn from_str(text: &str) -> Result<SignerKey, NotAKey> {
        let line = text.lines().map(str::trim).rfind(|line| !line.is_empty());
        let octets = STANDARD.decode(line.ok_or(NotAKey)?).map_err(|_| NotAKey)?;
        let octets: [u8; 42] = octets.try_into().map_err(|_| NotAKey)?;
        if octets[..2] != *b"Ed" {
            return Err(NotAKey);
        }
        let (mut id, mut key) = ([0; 8], [0; 32]);
        id.copy_from_slice(&octets[2..10]);
        key.copy_from_slice(&octets[10..]);
        Ok(SignerKey { id, key })
    }
}

/// Whose models are taken.
#[derive(Clone, Debug, Default)]
pub struct Signers {
    pub key: Option<SignerKey>,
    /// A model from a folder must be signed. The one in the binary is as trusted as the binary.
    pub is_required: bool,
}

impl Signers {
    /// Is this manifest signed as it must be? `signature` is the file beside it, if there is one.
    ///
    /// # Errors
    ///
    /// No signature where one is required, another's signature, or a wrong one.
    pub(crate) fn check(&self, manifest: &[u8], signature: Option<&[u8]>) -> Result<(), ModelError> {
        let bad = |problem: &str| Err(ModelError::new(SIGNATURE_FILE, problem));
        match (&self.key, signature) {
            (None, _) if self.is_required => bad("[voice] require_signature needs a key"),
            (Some(_), None) if self.is_required => Err(ModelError::new(
                MANIFEST_FILE,
                "not signed, and [voice] require_signature is on",
            )),
            (Some(key), Some(signature)) => match verify(manifest, signature, key) {
                Ok(()) => Ok(()),
                Err(problem) => bad(problem),
            },
            _ => Ok(()),
        }
    }
}

fn verify(manifest: &[u8], file: &[u8], key: &SignerKey) -> Result<(), &'static str> {
    const NO_SIGNATURE: &str = "not a minisign signature";
    let text = std::str::from_utf8(file).map_err(|_| NO_SIGNATURE)?;
    let mut lines = text.lines();
    lines.next().ok_or(NO_SIGNATURE)?;
    let decoded = |line: Option<&str>| STANDARD.decode(line?.trim()).ok();
    let signature: [u8; 74] = decoded(lines.next())
        .and_then(|octets| octets.try_into().ok())
        .ok_or(NO_SIGNATURE)?;
    let comment = lines
        .next()
        .and_then(|line| line.strip_prefix("trusted comment: "))
        .ok_or(NO_SIGNATURE)?;
    let over_all: [u8; 64] = decoded(lines.next())
        .and_then(|octets| octets.try_into().ok())
        .ok_or(NO_SIGNATURE)?;
    match &signature[..2] {
        b"Ed" => {}
        b"ED" => return Err("signs a digest: make it with minisign -S -l"),
        _ => return Err(NO_SIGNATURE),
    }
    if signature[2..10] != key.id {
        return Err("made by another key than [voice] key");
    }
    let public = UnparsedPublicKey::new(&ED25519, &key.key);
    public
        .verify(manifest, &signature[10..])
        .map_err(|_| "does not fit the manifest")?;
    let mut signed = signature[10..].to_vec();
    signed.extend_from_slice(comment.as_bytes());
    public
        .verify(&signed, &over_all)
        .map_err(|_| "does not fit its own comment")
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

    use super::*;

    const ID: [u8; 8] = *b"ringward";

    fn pair(seed: u8) -> (Ed25519KeyPair, SignerKey) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("a seed");
        let mut octets = b"Ed".to_vec();
        octets.extend(ID);
        octets.extend(pair.public_key().as_ref());
        let text = format!("untrusted comment: public key\n{}\n", STANDARD.encode(octets));
        (pair, text.parse().expect("a key"))
    }

    fn sign(pair: &Ed25519KeyPair, kind: &[u8], message: &[u8], comment: &str) -> Vec<u8> {
        let signature = pair.sign(message);
        let mut octets = kind.to_vec();
        octets.extend(ID);
        octets.extend(signature.as_ref());
        let mut signed = signature.as_ref().to_vec();
        signed.extend(comment.as_bytes());
        let over_all = STANDARD.encode(pair.sign(&signed).as_ref());
        let line = STANDARD.encode(octets);
        format!("untrusted comment: x\n{line}\ntrusted comment: {comment}\n{over_all}\n").into_bytes()
    }

    fn check(signers: &Signers, signature: Option<&[u8]>) -> String {
        match signers.check(b"the manifest", signature) {
            Ok(()) => "ok".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn only_the_businesss_own_signature_over_this_manifest_counts() {
        let ((pair, key), (other, _)) = (pair(1), pair(2));
        let signers = Signers {
            key: Some(key),
            is_required: true,
        };
        let good = sign(&pair, b"Ed", b"the manifest", "of May");
        assert_eq!(check(&signers, Some(&good)), "ok");
        assert!(check(&signers, None).contains("not signed"));
        let forged = sign(&other, b"Ed", b"the manifest", "of May");
        assert!(check(&signers, Some(&forged)).contains("does not fit"));
        let elsewhere = sign(&pair, b"Ed", b"another manifest", "of May");
        assert!(check(&signers, Some(&elsewhere)).contains("does not fit"));
        let renamed = String::from_utf8(good.clone())
            .expect("text")
            .replace("of May", "of June");
        assert!(check(&signers, Some(renamed.as_bytes())).contains("comment"));
        let digest = sign(&pair, b"ED", b"the manifest", "of May");
        assert!(check(&signers, Some(&digest)).contains("-l"));
        for garbage in [&b""[..], b"\xff\xff", b"a\nb\nc\nd\n", &good[..90]] {
            assert!(
                check(&signers, Some(garbage)).contains("not a minisign"),
                "{garbage:?}"
            );
        }
    }

    #[test]
    fn without_the_rule_an_unsigned_model_loads_and_a_wrong_signature_does_not() {
        let ((_, key), (other, _)) = (pair(1), pair(2));
        let signers = Signers {
            key: Some(key),
            is_required: false,
        };
        assert_eq!(check(&signers, None), "ok");
        let forged = sign(&other, b"Ed", b"the manifest", "");
        assert!(check(&signers, Some(&forged)).contains("does not fit"));
        assert_eq!(check(&Signers::default(), Some(&forged)), "ok");
    }

    #[test]
    fn a_key_is_a_line_of_minisigns() {
        assert!(
            "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
                .parse::<SignerKey>()
                .is_ok()
        );
        for text in [
            "",
            "RWQ",
            "untrusted comment: x",
            "AAAA6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3",
        ] {
            assert_eq!(text.parse::<SignerKey>(), Err(NotAKey));
        }
    }
}
