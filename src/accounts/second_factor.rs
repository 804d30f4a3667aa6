//! The second factor: codes of a telephone that change every 30 seconds (TOTP, RFC 6238), each of them good once, and the
//! recovery codes for when the telephone is gone.

use aws_lc_rs::{constant_time, hmac};
use serde::{Deserialize, Serialize};

use super::limits::{RECOVERY_CODES, SECOND_FACTOR_OCTETS, STEPS_OFF};
use super::secret::{fingerprint, hexadecimal, random};

/// Seconds for which a code is shown (RFC 6238 §4.1: X).
const STEP: u64 = 30;
const DIGITS: usize = 6;
/// RFC 4648 §6.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A telephone that shows codes, and what of it was used.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct SecondFactor {
    /// Base32. It has to be kept as it is: codes are computed from it.
    secret: String,
    /// The last step whose code was accepted; earlier ones are not.
    last_step: u64,
    /// SHA-256 of the codes that are left, hexadecimal.
    recovery: Vec<String>,
}

impl std::fmt::Debug for SecondFactor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "SecondFactor(… {} recovery codes)", self.recovery.len())
    }
}

impl SecondFactor {
    /// The telephone of this secret has proven with `code` that it is there. Also gives its recovery codes, once. `Ok(None)` =
    /// a wrong code; `Err` = no randomness.
    pub fn enrol(secret: &str, code: &str, now_ms: u64) -> Result<Option<(SecondFactor, Vec<String>)>, ()> {
        let mut factor = SecondFactor {
            secret: secret.into(),
            last_step: 0,
            recovery: Vec::new(),
        };
        if !factor.take_code(code, now_ms) {
            return Ok(None);
        }
        let mut codes = Vec::with_capacity(RECOVERY_CODES);
        for _ in 0..RECOVERY_CODES {
            // 80 bits in four groups of four.
            let code = base32(&random::<10>().ok_or(())?);
            let groups = [&code[..4], &code[4..8], &code[8..12], &code[12..]];
            codes.push(groups.join("-").to_lowercase());
        }
        factor.recovery = codes.iter().map(|code| kept(code)).collect();
        Ok(Some((factor, codes)))
    }

    /// Whether this code opens, and then it will not again: neither it nor an older one.
    pub fn take(&mut self, code: &str, now_ms: u64) -> bool {
        self.take_code(code, now_ms) || self.take_recovery(code)
    }

    pub fn recovery_left(&self) -> usize {
        self.recovery.len()
    }

    fn take_code(&mut self, code: &str, now_ms: u64) -> bool {
        let code: String = code.chars().filter(|c| *c != ' ').collect();
        let Some(key) = from_base32(&self.secret) else {
            return false;
        };
        let now = step_of(now_ms);
        let steps = now.saturating_sub(STEPS_OFF)..=now.saturating_add(STEPS_OFF);
        // All of them are computed, whichever it is.
        let found = steps.fold(None, |found, step| {
            let expected = totp(&key, step);
            let is_it = constant_time::verify_slices_are_equal(expected.as_bytes(), code.as_bytes()).is_ok();
            if is_it { Some(step) } else { found }
        });
        let fresh = found.filter(|step| *step > self.last_step);
        if let Some(step) = fresh {
            self.last_step = step;
        }
        fresh.is_some()
    }

    fn take_recovery(&mut self, code: &str) -> bool {
        let presented = kept(code);
        let is_it = |known: &String| {
            constant_time::verify_slices_are_equal(known.as_bytes(), presented.as_bytes()).is_ok()
        };
        let place = self.recovery.iter().position(is_it);
        if let Some(place) = place {
            self.recovery.remove(place);
        }
        place.is_some()
    }
}

/// The step that a moment is in (RFC 6238 §4.2).
pub fn step_of(now_ms: u64) -> u64 {
    now_ms / 1_000 / STEP
}

/// A secret for a telephone, in base 32.
pub(super) fn new_secret() -> Option<String> {
    Some(base32(&random::<SECOND_FACTOR_OCTETS>()?))
}

/// What a telephone reads from a picture: the format that every application for such codes knows.
pub fn enrolment_uri(name: &str, secret: &str) -> String {
    let name: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
    format!("otpauth://totp/Ringward:{name}?secret={secret}&issuer=Ringward")
}

/// A code of this secret at this moment, as a telephone shows it; None = not a secret.
#[cfg(test)]
pub(super) fn code_at(secret: &str, now_ms: u64) -> Option<String> {
    Some(totp(&from_base32(secret)?, step_of(now_ms)))
}

/// What is kept of a recovery code, however it was typed.
fn kept(code: &str) -> String {
    let plain: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    hexadecimal(&fingerprint(&plain.to_lowercase()))
}

/// RFC 6238 §4.2 over RFC 4226 §5.3, with SHA-1 as every telephone has it.
fn totp(key: &[u8], step: u64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let place = usize::from(tag[tag.len() - 1] & 0x0f);
    let number = u32::from_be_bytes([tag[place] & 0x7f, tag[place + 1], tag[place + 2], tag[place + 3]]);
    format!("{:0DIGITS$}", number % 10u32.pow(DIGITS as u32))
}

fn base32(octets: &[u8]) -> String {
    let (mut text, mut held, mut bits) = (String::new(), 0u32, 0);
    for octet in octets {
        held = held << 8 | u32::from(*octet);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(BASE32[(held >> bits) as usize & 31]));
        }
    }
    if bits > 0 {
        text.push(char::from(BASE32[(held << (5 - bits)) as usize & 31]));
    }
    text
}

fn from_base32(text: &str) -> Option<Vec<u8>> {
    let (mut octets, mut held, mut bits) = (Vec::new(), 0u32, 0);
    for letter in text.bytes() {
        let value = BASE32.iter().position(|known| *known == letter)?;
        held = held << 5 | value as u32;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            octets.push((held >> bits) as u8);
        }
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238 appendix B, SHA-1; its codes have eight digits, ours are their last six.
    #[test]
    fn codes_are_those_of_the_rfc() {
        for (seconds, code) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            let step = step_of(seconds * 1_000);
            assert_eq!(totp(b"12345678901234567890", step), code[2..], "{seconds}");
        }
    }

    /// RFC 4648 §10, without the padding.
    #[test]
    fn base_32_is_that_of_the_rfc() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(plain.as_bytes()), encoded);
            assert_eq!(from_base32(encoded).unwrap(), plain.as_bytes());
        }
        assert_eq!(from_base32("MZXW1"), None);
    }

    const NOW: u64 = 1_790_000_000_000;

    fn enrolled() -> (String, SecondFactor, Vec<String>) {
        let secret = new_secret().unwrap();
        let code = code_at(&secret, NOW).unwrap();
        let (factor, codes) = SecondFactor::enrol(&secret, &code, NOW).unwrap().unwrap();
        (secret, factor, codes)
    }

    #[test]
    fn a_code_opens_once_and_an_older_one_never_again() {
        let (secret, mut factor, _) = enrolled();
        let code = |at| code_at(&secret, at).unwrap();
        assert!(!factor.take(&code(NOW), NOW), "it was used to enrol");
        assert!(!factor.take(&code(NOW - 30_000), NOW));
        let next = code(NOW + 30_000);
        assert!(
            factor.take(&format!("{} {}", &next[..3], &next[3..]), NOW),
            "a fast clock"
        );
        assert!(!factor.take(&next, NOW + 30_000));
        assert!(!factor.take(&code(NOW + 90_000), NOW + 30_000), "too fast");
        assert!(factor.take(&code(NOW + 60_000), NOW + 90_000), "a slow clock");
        for wrong in ["", "0", "0000000", "١٢٣٤٥٦", "-00001"] {
            assert!(!factor.take(wrong, NOW + 200_000), "{wrong}");
        }
    }

    #[test]
    fn a_recovery_code_opens_once_however_it_is_typed() {
        let (_, mut factor, codes) = enrolled();
        assert_eq!(
            (codes.len(), factor.recovery_left()),
            (RECOVERY_CODES, RECOVERY_CODES)
        );
        assert!(factor.take(&codes[3].to_uppercase().replace('-', " "), NOW));
        assert!(!factor.take(&codes[3], NOW));
        assert_eq!(factor.recovery_left(), RECOVERY_CODES - 1);
        let text = serde_json::to_string(&factor).unwrap();
        assert!(codes.iter().all(|code| !text.contains(code)));
        assert!(factor.recovery.iter().all(|kept| kept.len() == 64));
    }

    #[test]
    fn who_shows_no_code_of_it_has_not_enrolled() {
        let secret = new_secret().unwrap();
        let wrong = code_at(&secret, NOW + 600_000).unwrap();
        assert!(SecondFactor::enrol(&secret, &wrong, NOW).unwrap().is_none());
        assert_eq!(secret.len(), 32);
        assert_eq!(
            enrolment_uri("ann@example.com", "ABC"),
            "otpauth://totp/Ringward:ann%40example.com?secret=ABC&issuer=Ringward"
        );
    }
}
