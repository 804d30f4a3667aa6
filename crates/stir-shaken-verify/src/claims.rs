//! The claims of each kind of PASSporT, read strictly (RFC 8225 §5, RFC 8588 §4, RFC 8946 §3).

use serde::Deserialize;

use crate::limits::{DEST_MAX, HISTORY_INDEX_CHARS_MAX, ORIGID_CHARS_MAX};
use crate::number::NumberRules;
use crate::party::Party;
use crate::passport::{Passport, PassportFault};
use crate::report::Attestation;

/// The claims of RFC 8588, as they are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShakenClaims {
    /// How sure the signer is (RFC 8588 §4).
    pub attest: Attestation,
    /// The calling number as it stands in the token, not canonical yet.
    pub orig: String,
    /// Telephone numbers, in order.
    pub dest: Vec<String>,
    /// URIs in `dest` beside the numbers; usually none.
    pub dest_uris: Vec<String>,
    /// Whole seconds since the Unix epoch.
    pub iat: i64,
    /// Opaque, stable for one origin (RFC 8588 §5); not a key for telling replays.
    pub origid: String,
}

/// The claims of any kind, with everybody in canonical form.
#[derive(Clone, Debug)]
pub(crate) struct Claims {
    pub(crate) orig: Party,
    /// Never empty.
    pub(crate) dest: Vec<Party>,
    /// Whole seconds since the Unix epoch.
    pub(crate) iat: i64,
    /// Of `shaken` only: the letter is nobody else's to give.
    pub(crate) attestation: Option<(Attestation, String)>,
    /// Of `div` and `div-o` only.
    pub(crate) diversion: Option<Diversion>,
}

/// The claim `div`: who diverted the call (RFC 8946 §3).
#[derive(Clone, Debug)]
pub(crate) struct Diversion {
    pub(crate) from: Party,
    /// `hi`: the index of an entry of History-Info, when it reads as one (RFC 8946 §8).
    pub(crate) history_index: Option<String>,
    /// `opt` of a `div-o`: the PASSporT that the diversion follows, in its full form.
    pub(crate) nested: Option<String>,
}

impl Passport {
    /// Reads the claims of a `shaken` PASSporT (RFC 8588 §4). `orig` is exactly one `tn`, `dest`
    /// has at least one; `iat` is an integer, not a string, not a fraction.
    pub fn shaken(&self) -> Result<ShakenClaims, PassportFault> {
        // One reading when all is well; one per claim only to name the one that is not.
        let claims: AllOfShaken = match self.read(PassportFault::Iat) {
            Ok(claims) => claims,
            Err(_) => self.shaken_one_by_one()?,
        };
        let attest = match claims.attest.as_str() {
            "A" => Attestation::Full,
            "B" => Attestation::Partial,
            "C" => Attestation::Gateway,
            _ => return Err(PassportFault::Attest),
        };
        if claims.origid.is_empty() || claims.origid.chars().count() > ORIGID_CHARS_MAX {
            return Err(PassportFault::OrigId);
        }
        if claims.dest.tn.is_empty() || claims.dest.tn.len() + claims.dest.uri.len() > DEST_MAX {
            return Err(PassportFault::Dest);
        }
        Ok(ShakenClaims {
            attest,
            orig: claims.orig.tn,
            dest: claims.dest.tn,
            dest_uris: claims.dest.uri,
            iat: claims.iat,
            origid: claims.origid,
        })
    }

    fn shaken_one_by_one(&self) -> Result<AllOfShaken, PassportFault> {
        Ok(AllOfShaken {
            iat: self.iat()?,
            attest: self.read::<OnlyAttest>(PassportFault::Attest)?.attest,
            origid: self.read::<OnlyOrigId>(PassportFault::OrigId)?.origid,
            orig: self.read::<OnlyTnOrig>(PassportFault::Orig)?.orig,
            dest: self.read::<OnlyTnDest>(PassportFault::Dest)?.dest,
        })
    }

    /// [`Passport::shaken`], with everybody in canonical form.
    pub(crate) fn shaken_claims(&self, rules: &NumberRules) -> Result<Claims, PassportFault> {
        let claims = self.shaken()?;
        let orig = Party::from_tn(rules, &claims.orig).ok_or(PassportFault::OrigNumber)?;
        Ok(Claims {
            orig,
            dest: parties(rules, &claims.dest, &claims.dest_uris).ok_or(PassportFault::DestNumber)?,
            iat: claims.iat,
            attestation: Some((claims.attest, claims.origid)),
            diversion: None,
        })
    }

    /// The claims that every PASSporT has: `orig` is exactly one `tn` or one `uri`, `dest` at least one of either,
    /// `iat` an integer (RFC 8225 §5.2.1).
    pub(crate) fn plain_claims(&self, rules: &NumberRules) -> Result<Claims, PassportFault> {
        let iat = self.iat()?;
        let orig: OnlyOrig = self.read(PassportFault::AnyOrig)?;
        let dest: OnlyDest = self.read(PassportFault::AnyDest)?;
        let orig = one(rules, orig.orig.tn.as_deref(), orig.orig.uri.as_deref());
        let dest = dest.dest;
        let count = dest.tn.len() + dest.uri.len();
        if !(1..=DEST_MAX).contains(&count) {
            return Err(PassportFault::AnyDest);
        }
        Ok(Claims {
            orig: orig.ok_or(PassportFault::AnyOrig)?,
            dest: parties(rules, &dest.tn, &dest.uri).ok_or(PassportFault::DestNumber)?,
            iat,
            attestation: None,
            diversion: None,
        })
    }

    /// The claims of a `div` PASSporT (RFC 8946 §3), or of a `div-o` (§5), which has `opt` as well.
    pub(crate) fn diversion_claims(
        &self,
        rules: &NumberRules,
        is_nesting: bool,
    ) -> Result<Claims, PassportFault> {
        let plain = self.plain_claims(rules)?;
        let div = self.read::<OnlyDiv>(PassportFault::Div)?.div;
        let from = one(rules, div.tn.as_deref(), div.uri.as_deref()).ok_or(PassportFault::Div)?;
        let nested = match is_nesting {
            true => Some(self.read::<OnlyOpt>(PassportFault::Opt)?.opt),
            false => None,
        };
        // Only shown: what is no index is left out, and spoils nothing.
        let history_index = div
            .hi
            .as_ref()
            .and_then(|hi| hi.as_str())
            .filter(|hi| is_index(hi));
        Ok(Claims {
            diversion: Some(Diversion {
                from,
                history_index: history_index.map(str::to_string),
                nested,
            }),
            ..plain
        })
    }

    fn iat(&self) -> Result<i64, PassportFault> {
        self.read::<OnlyIat>(PassportFault::Iat).map(|only| only.iat)
    }
}

impl PassportFault {
    /// The check that this fault fails.
    pub(crate) fn check(self) -> &'static str {
        match self {
            PassportFault::Attest => "attest",
            PassportFault::OrigId => "origid",
            PassportFault::Iat => "iat",
            PassportFault::Orig | PassportFault::AnyOrig | PassportFault::OrigNumber => "orig",
            PassportFault::Dest | PassportFault::AnyDest | PassportFault::DestNumber => "dest",
            PassportFault::Div => "div",
            PassportFault::Opt => "opt",
            _ => "passport",
        }
    }
}

/// Exactly one of both (P-03).
fn one(rules: &NumberRules, tn: Option<&str>, uri: Option<&str>) -> Option<Party> {
    match (tn, uri) {
        (Some(tn), None) => Party::from_tn(rules, tn),
        (None, Some(uri)) => Party::from_uri(uri),
        _ => None,
    }
}

fn parties(rules: &NumberRules, numbers: &[String], uris: &[String]) -> Option<Vec<Party>> {
    let numbers = numbers.iter().map(|tn| Party::from_tn(rules, tn));
    numbers
        .chain(uris.iter().map(|uri| Party::from_uri(uri)))
        .collect()
}

/// RFC 7044 §5: numbers and dots, `1.2.1`.
fn is_index(text: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|octet| octet.is_ascii_digit());
    text.len() <= HISTORY_INDEX_CHARS_MAX && text.split('.').all(is_number)
}

#[derive(Deserialize)]
struct AllOfShaken {
    iat: i64,
    attest: String,
    origid: String,
    orig: TnOrig,
    dest: TnDest,
}

// One struct per claim, so that the report can name the claim that is wrong.

#[derive(Deserialize)]
struct OnlyIat {
    iat: i64,
}

#[derive(Deserialize)]
struct OnlyAttest {
    attest: String,
}

#[derive(Deserialize)]
struct OnlyOrigId {
    origid: String,
}

#[derive(Deserialize)]
struct OnlyTnOrig {
    orig: TnOrig,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TnOrig {
    tn: String,
}

#[derive(Deserialize)]
struct OnlyTnDest {
    dest: TnDest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TnDest {
    tn: Vec<String>,
    #[serde(default)]
    uri: Vec<String>,
}

#[derive(Deserialize)]
struct OnlyOrig {
    orig: Orig,
}

/// A member that is there but null is of another kind than a text, and refused with it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Orig {
    #[serde(default, deserialize_with = "crate::passport::present")]
    tn: Option<String>,
    #[serde(default, deserialize_with = "crate::passport::present")]
    uri: Option<String>,
}

#[derive(Deserialize)]
struct OnlyDest {
    dest: Dest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dest {
    #[serde(default)]
    tn: Vec<String>,
    #[serde(default)]
    uri: Vec<String>,
}

#[derive(Deserialize)]
struct OnlyDiv {
    div: Div,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Div {
    #[serde(default, deserialize_with = "crate::passport::present")]
    tn: Option<String>,
    #[serde(default, deserialize_with = "crate::passport::present")]
    uri: Option<String>,
    #[serde(default)]
    hi: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct OnlyOpt {
    opt: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::JsonFault;
    use crate::passport::sample::{HEADER, PAYLOAD, token};

    fn claims(payload: &str) -> Result<ShakenClaims, PassportFault> {
        Passport::parse(&token(HEADER, payload, &[1; 64]))?.shaken()
    }

    fn check(change: (&str, &str), expected: PassportFault) {
        let payload = PAYLOAD.replace(change.0, change.1);
        assert_ne!(payload, PAYLOAD, "the change {change:?} must change something");
        assert_eq!(claims(&payload), Err(expected), "{payload}");
    }

    #[test]
    fn a_shaken_passport_reads_as_its_claims() {
        let claims = claims(PAYLOAD).unwrap();
        assert_eq!(claims.attest, Attestation::Full);
        assert_eq!(
            (claims.orig.as_str(), claims.dest[0].as_str()),
            ("14045550123", "12125550100")
        );
        assert_eq!(claims.iat, 1_443_208_345);
    }

    #[test]
    fn iat_is_an_integer_and_nothing_else() {
        for refused in [
            "\"1443208345\"",
            "1443208345.0",
            "1.4e9",
            "null",
            "[1]",
            "true",
            "18446744073709551616",
        ] {
            check(("1443208345", refused), PassportFault::Iat);
        }
        check(("\"iat\":1443208345,", ""), PassportFault::Iat);
        for accepted in ["0", "-1", "9007199254740993"] {
            assert!(
                claims(&PAYLOAD.replace("1443208345", accepted)).is_ok(),
                "{accepted}"
            );
        }
    }

    #[test]
    fn attest_is_exactly_one_of_three_letters() {
        for refused in [
            "\"a\"", "\"D\"", "\"ABC\"", "\"\"", "\" A\"", "null", "[\"A\"]", "1",
        ] {
            check(("\"A\"", refused), PassportFault::Attest);
        }
        check(("\"attest\":\"A\",", ""), PassportFault::Attest);
    }

    #[test]
    fn origid_is_a_text() {
        let origid = "\"123e4567-e89b-12d3-a456-426655440000\"";
        check((origid, "\"\""), PassportFault::OrigId);
        check((origid, "7"), PassportFault::OrigId);
        check((&format!(",\"origid\":{origid}"), ""), PassportFault::OrigId);
    }

    #[test]
    fn orig_is_one_tn_and_dest_an_array_of_them() {
        for refused in [
            "\"14045550123\"",
            "\"{\\\"tn\\\":\\\"14045550123\\\"}\"",
            "{\"tn\":[\"14045550123\"]}",
            "{\"uri\":\"sip:a@b\"}",
            "{\"tn\":\"1\",\"uri\":\"sip:a@b\"}",
            "{}",
        ] {
            check(("{\"tn\":\"14045550123\"}", refused), PassportFault::Orig);
        }
        for refused in [
            "\"12125550100\"",
            "{\"tn\":\"12125550100\"}",
            "{\"tn\":[]}",
            "{\"uri\":[\"sip:a@b\"]}",
            "{\"tn\":[1]}",
            "[]",
        ] {
            check(("{\"tn\":[\"12125550100\"]}", refused), PassportFault::Dest);
        }
    }

    #[test]
    fn a_claim_twice_is_refused() {
        let twice = PassportFault::Payload(JsonFault::Malformed);
        check(("\"attest\":\"A\"", "\"attest\":\"A\",\"attest\":\"A\""), twice);
        check(("\"attest\"", "\"zz\":1,\"zz\":1,\"attest\""), twice);
    }

    fn plain(payload: &str) -> Result<Claims, PassportFault> {
        let rules = NumberRules::new("US").unwrap();
        Passport::parse(&token(HEADER, payload, &[1; 64]))?.plain_claims(&rules)
    }

    #[test]
    fn p_03_a_plain_passport_names_exactly_one_caller_and_at_least_one_called() {
        for (orig, dest) in [
            (r#"{"tn":"14045550123"}"#, r#"{"uri":["sip:a@b"]}"#),
            (
                r#"{"uri":"sip:a@b"}"#,
                r#"{"tn":["12125550100"],"uri":["sip:a@b"]}"#,
            ),
        ] {
            let claims = plain(&format!(r#"{{"dest":{dest},"iat":1,"orig":{orig}}}"#)).unwrap();
            assert!(claims.attestation.is_none() && !claims.dest.is_empty());
        }
        for orig in [
            r#"{"tn":"14045550123","uri":"sip:a@b"}"#,
            r#"{"tn":null,"uri":"sip:a@b"}"#,
            r#"{"tn":"+14045550123"}"#,
            r#"{"uri":"alice"}"#,
            r#"{"x":1}"#,
            "{}",
            "\"14045550123\"",
        ] {
            let payload = format!(r#"{{"dest":{{"tn":["12125550100"]}},"iat":1,"orig":{orig}}}"#);
            assert_eq!(plain(&payload).err(), Some(PassportFault::AnyOrig), "{orig}");
        }
        for dest in [
            "{}",
            r#"{"tn":[]}"#,
            r#"{"tn":"1"}"#,
            r#"{"tn":null}"#,
            "[]",
            r#""1""#,
        ] {
            let payload = format!(r#"{{"dest":{dest},"iat":1,"orig":{{"tn":"14045550123"}}}}"#);
            assert_eq!(plain(&payload).err(), Some(PassportFault::AnyDest), "{dest}");
        }
    }

    #[test]
    fn d_02_div_is_exactly_one_tn_or_uri_and_hi_is_an_index_or_nothing() {
        let rules = NumberRules::new("US").unwrap();
        let read = |div: &str| {
            let payload = format!(
                r#"{{"dest":{{"tn":["12125550101"]}},"div":{div},"iat":1,"orig":{{"tn":"14045550123"}}}}"#
            );
            let passport = Passport::parse(&token(HEADER, &payload, &[1; 64])).unwrap();
            passport
                .diversion_claims(&rules, false)
                .map(|claims| claims.diversion.unwrap().history_index)
        };
        for (div, index) in [
            (r#"{"tn":"12125550100"}"#, None),
            (r#"{"uri":"sip:a@b","hi":"1.2.1"}"#, Some("1.2.1")),
            (r#"{"tn":"12125550100","hi":"1..1"}"#, None),
            (r#"{"tn":"12125550100","hi":"<b>1</b>"}"#, None),
            (r#"{"tn":"12125550100","hi":7}"#, None),
        ] {
            assert_eq!(read(div), Ok(index.map(str::to_string)), "{div}");
        }
        for div in [
            "\"12125550100\"",
            "{}",
            r#"{"tn":["12125550100"]}"#,
            r#"{"tn":"12125550100","uri":"sip:a@b"}"#,
            r#"{"tn":"12125550100","x":1}"#,
            r#"{"tn":"+12125550100"}"#,
        ] {
            assert_eq!(read(div), Err(PassportFault::Div), "{div}");
        }
    }
}
