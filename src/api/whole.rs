//! Whole numbers as they are kept: at most 2^63 - 1, which is what the document says of them (`int64`).

use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer};

/// For a field that may be absent. More than is kept is refused in words.
pub(super) fn whole<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let number = Option::<u64>::deserialize(from)?;
    if number.is_some_and(|number| i64::try_from(number).is_err()) {
        return Err(D::Error::custom("a number is at most 9223372036854775807"));
    }
    Ok(number)
}
