//! Passwords: which are taken, and what is kept of them (argon2id, RFC 9106).

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::constant_time;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};

use super::limits::{
    HASH, HASH_KIB, HASH_KIB_MAX, HASH_LANES, HASH_PASSES, HASH_PASSES_MAX, PASSWORD_KINDS_MIN, PASSWORD_MAX,
    PASSWORD_MIN, SALT,
};
use super::secret::random;

/// Long enough to be taken, and among the first that anybody tries: what leads the lists of leaked passwords.
const COMMON: &[&str] = &[
    "123456789012",
    "1234567890123",
    "12345678901234",
    "123456789012345",
    "1234567890123456",
    "012345678910",
    "0123456789012",
    "123456789101112",
    "098765432109",
    "1q2w3e4r5t6y",
    "1q2w3e4r5t6y7u8i",
    "1qaz2wsx3edc",
    "1qaz2wsx3edc4rfv",
    "123qweasdzxc",
    "qwertyuiop12",
    "qwertyuiop123",
    "qwertyuiop1234",
    "qwertyuiopasdf",
    "qwertyuiopasdfghjkl",
    "qwerty123456",
    "qwerty1234567",
    "qwerty123456789",
    "qwertyqwerty",
    "qwerty12345678",
    "asdfghjkl123",
    "asdfghjkl1234",
    "asdfasdfasdf",
    "zxcvbnm12345",
    "zxcvbnm123456",
    "passwordpassword",
    "password1234",
    "password12345",
    "password123456",
    "password123!",
    "password1234!",
    "p@ssw0rd1234",
    "p@ssword1234",
    "passw0rd1234",
    "mypassword123",
    "changeme1234",
    "changemenow1",
    "letmeinletmein",
    "letmein12345",
    "letmein123456",
    "welcome12345",
    "welcome123456",
    "welcome2ringward",
    "adminadmin12",
    "adminadminadmin",
    "administrator",
    "administrator1",
    "administrator123",
    "iloveyou1234",
    "iloveyou12345",
    "iloveyouiloveyou",
    "ilovemyfamily",
    "trustno1trustno1",
    "unknownunknown",
    "abcdefghijkl",
    "abcdefghijklm",
    "abcdefghijklmnop",
    "abc123456789",
    "abcd12345678",
    "a1b2c3d4e5f6",
    "correcthorsebatterystaple",
    "correct horse battery staple",
    "footballfootball",
    "liverpool123",
    "sunshine1234",
    "princess1234",
    "charlie12345",
    "superman1234",
    "monkey123456",
    "dragon123456",
    "ringwardringward",
    "ringward1234",
    "ringward12345",
];

/// Why a password is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weak {
    #[error(
        "a password has at least {PASSWORD_MIN} characters; a few words with spaces between them do well"
    )]
    Short,
    #[error("a password has at most {PASSWORD_MAX} characters")]
    Long,
    #[error("this password is among the first that anybody tries")]
    Common,
    #[error("a password has at least {PASSWORD_KINDS_MIN} different characters")]
    Monotonous,
    #[error("a password does not consist of the account's name")]
    Name,
}

/// What is kept of a password, in the usual notation: `$argon2id$v=19$m=...,t=...,p=...$SALT$HASH`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kept(String);

impl fmt::Debug for Kept {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Kept(…)")
    }
}

/// Whether this person may take this password. Length is what counts; nobody is made to use signs of three kinds.
///
/// # Errors
///
/// [`Weak`], for the person to read.
pub(super) fn check(password: &str, name: &str) -> Result<(), Weak> {
    let length = password.chars().count();
    if length < PASSWORD_MIN {
        return Err(Weak::Short);
    }
    if length > PASSWORD_MAX {
        return Err(Weak::Long);
    }
    let plain = password.to_lowercase();
    if COMMON.contains(&plain.as_str()) {
        return Err(Weak::Common);
    }
    let mut kinds: Vec<char> = plain.chars().collect();
    kinds.sort_unstable();
    kinds.dedup();
    if kinds.len() < PASSWORD_KINDS_MIN {
        return Err(Weak::Monotonous);
    }
    // The name, once or several times, with a few characters around it.
    let rest = plain.replace(&name.to_lowercase(), "");
    if rest.chars().count() < plain.chars().count() && rest.chars().count() < PASSWORD_MIN / 2 {
        return Err(Weak::Name);
    }
    Ok(())
}

/// What is kept of this password. Takes 19 MiB and tens of milliseconds; None = no randomness, or no memory.
pub fn hash(password: &str) -> Option<Kept> {
    let salt = random::<SALT>()?;
    let hash = work(password, &salt, (HASH_KIB, HASH_PASSES, HASH_LANES))?;
    let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
    Some(Kept(format!(
        "$argon2id$v=19$m={HASH_KIB},t={HASH_PASSES},p={HASH_LANES}${salt}${hash}"
    )))
}

/// Whether this is the password. Where none is kept it is as much work to say no.
pub fn is_right(kept: Option<&Kept>, password: &str) -> bool {
    let Some((costs, salt, expected)) = kept.and_then(|kept| read(&kept.0)) else {
        work(password, &[0; SALT], (HASH_KIB, HASH_PASSES, HASH_LANES));
        return false;
    };
    work(password, &salt, costs)
        .is_some_and(|found| constant_time::verify_slices_are_equal(&found, &expected).is_ok())
}

type Costs = (u32, u32, u32);

fn work(password: &str, salt: &[u8], (kib, passes, lanes): Costs) -> Option<[u8; HASH]> {
    // A longer one was never taken: no work beyond what the longest costs.
    let octets = &password.as_bytes()[..password.len().min(PASSWORD_MAX * 4 + 1)];
    let parameters = Params::new(kib, passes, lanes, Some(HASH)).ok()?;
    let mut hash = [0; HASH];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
        .hash_password_into(octets, salt, &mut hash)
        .ok()?;
    Some(hash)
}

fn read(kept: &str) -> Option<(Costs, Vec<u8>, Vec<u8>)> {
    let mut parts = kept.strip_prefix("$argon2id$v=19$")?.split('$');
    let costs = parts.next()?;
    let mut costs = costs.split(',').zip(["m=", "t=", "p="]);
    let mut cost = || {
        let (text, name) = costs.next()?;
        text.strip_prefix(name)?.parse::<u32>().ok()
    };
    let costs = (cost()?, cost()?, cost()?);
    let salt = STANDARD_NO_PAD.decode(parts.next()?).ok()?;
    let hash = STANDARD_NO_PAD.decode(parts.next()?).ok()?;
    let is_bounded = costs.0 <= HASH_KIB_MAX && costs.1 <= HASH_PASSES_MAX && costs.2 <= 4;
    (is_bounded && hash.len() == HASH && parts.next().is_none()).then_some((costs, salt, hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_opens_and_another_does_not() {
        let kept = hash("twelve small owls").unwrap();
        assert!(
            kept.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{}",
            kept.0
        );
        assert!(is_right(Some(&kept), "twelve small owls"));
        assert!(!is_right(Some(&kept), "twelve small owl"));
        assert!(!is_right(None, "twelve small owls"));
        assert_ne!(hash("twelve small owls").unwrap(), kept, "salted");
        assert_eq!(format!("{kept:?}"), "Kept(…)");
    }

    /// What the reference program says of `password` and `somesalt` with 64 KiB, 2 passes, 1 lane.
    #[test]
    fn the_hash_is_that_of_the_reference() {
        let hash = work("password", b"somesalt", (65_536, 2, 1)).unwrap();
        assert_eq!(
            super::super::secret::hexadecimal(&hash),
            "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"
        );
    }

    #[test]
    fn a_spoilt_hash_is_no_password_and_costs_no_memory() {
        for spoilt in [
            "",
            "x",
            "$argon2id$v=19$m=19456,t=2,p=1$AAAA",
            "$argon2id$v=19$m=4294967295,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$t=2,m=19456,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert!(read(spoilt).is_none(), "{spoilt}");
        }
    }

    #[test]
    fn length_counts_and_what_everybody_tries_is_refused() {
        let check = |password: &str| super::check(password, "ann.example");
        assert_eq!(check("eleven char"), Err(Weak::Short));
        assert_eq!(check(&"x1y2z3".repeat(40)), Err(Weak::Long));
        assert_eq!(check("Password1234"), Err(Weak::Common));
        assert_eq!(check("abababababab"), Err(Weak::Monotonous));
        assert_eq!(check("Ann.Example2026"), Err(Weak::Name));
        assert_eq!(check("zwölf kleine Eulen"), Ok(()));
        assert_eq!(check("alllowercaseletters"), Ok(()));
        for common in COMMON {
            assert!(check(common).is_err(), "{common}");
            assert!(common.chars().count() >= PASSWORD_MIN, "{common}: refused anyway");
            assert_eq!(*common, common.to_lowercase());
        }
    }
}
