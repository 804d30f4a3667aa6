//! The claims of each kind of PASSporT, read strictly (RFC 8225 §5, RFC 8588 §4, RFC 8946 §3).

use crate::checks::Named;
use crate::json::{Document, Value};
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
        let claims = Shaken::read(&self.payload)?;
        let owned = |texts: &Texts<'_>| texts.iter().map(str::to_string).collect();
        Ok(ShakenClaims {
            attest: claims.attest,
            orig: claims.orig.to_string(),
            dest: owned(&claims.dest),
            dest_uris: owned(&claims.dest_uris),
            iat: claims.iat,
            origid: claims.origid.to_string(),
        })
    }

    /// [`Passport::shaken`], with everybody in canonical form.
    pub(crate) fn shaken_claims(&self, rules: &NumberRules) -> Result<Claims, PassportFault> {
        let claims = Shaken::read(&self.payload)?;
        let orig = Party::from_tn(rules, claims.orig).ok_or(PassportFault::OrigNumber)?;
        Ok(Claims {
            orig,
            dest: parties(rules, &claims.dest, &claims.dest_uris).ok_or(PassportFault::DestNumber)?,
            iat: claims.iat,
            attestation: Some((claims.attest, claims.origid.to_string())),
            diversion: None,
        })
    }

    /// The claims that every PASSporT has: `orig` is exactly one `tn` or one `uri`, `dest` at least one of either,
    /// `iat` an integer (RFC 8225 §5.2.1).
    pub(crate) fn plain_claims(&self, rules: &NumberRules) -> Result<Claims, PassportFault> {
        let iat = iat(&self.payload)?;
        let (tn, uri) = tn_or_uri(self.payload.get("orig")).ok_or(PassportFault::AnyOrig)?;
        let dest = self.payload.get("dest");
        let [numbers, uris] = dest
            .and_then(|dest| dest.only(["tn", "uri"]))
            .ok_or(PassportFault::AnyDest)?;
        let numbers = Texts::of(numbers).ok_or(PassportFault::AnyDest)?;
        let uris = Texts::of(uris).ok_or(PassportFault::AnyDest)?;
        if !(1..=DEST_MAX).contains(&(numbers.len() + uris.len())) {
            return Err(PassportFault::AnyDest);
        }
        Ok(Claims {
            orig: one(rules, tn, uri).ok_or(PassportFault::AnyOrig)?,
            dest: parties(rules, &numbers, &uris).ok_or(PassportFault::DestNumber)?,
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
        let div = self.payload.get("div");
        let [tn, uri, hi] = div
            .and_then(|div| div.only(["tn", "uri", "hi"]))
            .ok_or(PassportFault::Div)?;
        let (tn, uri) = present(tn).zip(present(uri)).ok_or(PassportFault::Div)?;
        let from = one(rules, tn, uri).ok_or(PassportFault::Div)?;
        let nested = match is_nesting {
            true => {
                let opt = self.payload.get("opt").and_then(Value::text);
                Some(opt.ok_or(PassportFault::Opt)?.to_string())
            }
            false => None,
        };
        // Only shown: what is no index is left out, and spoils nothing.
        let history_index = hi.and_then(Value::text).filter(|hi| is_index(hi));
        Ok(Claims {
            diversion: Some(Diversion {
                from,
                history_index: history_index.map(str::to_string),
                nested,
            }),
            ..plain
        })
    }
}

/// The claims of RFC 8588, where they stand.
struct Shaken<'d> {
    attest: Attestation,
    orig: &'d str,
    dest: Texts<'d>,
    dest_uris: Texts<'d>,
    iat: i64,
    origid: &'d str,
}

impl Shaken<'_> {
    /// First the kind of every claim, in this order, then what it says: so that the fault named is always the same one.
    fn read(payload: &Document) -> Result<Shaken<'_>, PassportFault> {
        let iat = iat(payload)?;
        let text = |name| payload.get(name).and_then(Value::text);
        let attest = text("attest").ok_or(PassportFault::Attest)?;
        let origid = text("origid").ok_or(PassportFault::OrigId)?;
        let orig = payload.get("orig").and_then(|orig| orig.only(["tn"]));
        let [Some(orig)] = orig.ok_or(PassportFault::Orig)? else {
            return Err(PassportFault::Orig);
        };
        let orig = orig.text().ok_or(PassportFault::Orig)?;
        let dest = payload.get("dest").and_then(|dest| dest.only(["tn", "uri"]));
        let [Some(dest), dest_uris] = dest.ok_or(PassportFault::Dest)? else {
            return Err(PassportFault::Dest);
        };
        let dest = Texts::of(Some(dest)).ok_or(PassportFault::Dest)?;
        let dest_uris = Texts::of(dest_uris).ok_or(PassportFault::Dest)?;

        let attest = match attest {
            "A" => Attestation::Full,
            "B" => Attestation::Partial,
            "C" => Attestation::Gateway,
            _ => return Err(PassportFault::Attest),
        };
        if origid.is_empty() || origid.chars().count() > ORIGID_CHARS_MAX {
            return Err(PassportFault::OrigId);
        }
        if dest.len() == 0 || dest.len() + dest_uris.len() > DEST_MAX {
            return Err(PassportFault::Dest);
        }
        Ok(Shaken {
            attest,
            orig,
            dest,
            dest_uris,
            iat,
            origid,
        })
    }
}

fn iat(payload: &Document) -> Result<i64, PassportFault> {
    payload
        .get("iat")
        .and_then(Value::integer)
        .ok_or(PassportFault::Iat)
}

impl PassportFault {
    /// The check that this fault fails.
    pub(crate) fn check(self) -> Named {
        match self {
            PassportFault::Attest => Named::Attest,
            PassportFault::OrigId => Named::Origid,
            PassportFault::Iat => Named::Iat,
            PassportFault::Orig | PassportFault::AnyOrig | PassportFault::OrigNumber => Named::Orig,
            PassportFault::Dest | PassportFault::AnyDest | PassportFault::DestNumber => Named::Dest,
            PassportFault::Div => Named::Div,
            PassportFault::Opt => Named::Opt,
            _ => Named::Passport,
        }
    }
}

/// An array of nothing but texts; or none of them.
struct Texts<'d>(Option<Value<'d>>);

impl<'d> Texts<'d> {
    /// Of a member that may be absent. None: of another kind.
    fn of(array: Option<Value<'d>>) -> Option<Texts<'d>> {
        let is_text = |value: Value<'_>| value.text().is_some();
        let is_good = array.is_none_or(|array| array.elements().is_some_and(|mut all| all.all(is_text)));
        is_good.then_some(Texts(array))
    }

    fn iter(&self) -> impl Iterator<Item = &'d str> {
        let elements = self.0.and_then(Value::elements);
        elements.into_iter().flatten().filter_map(Value::text)
    }

    fn len(&self) -> usize {
        self.iter().count()
    }
}

/// The texts `tn` and `uri` of an object that has nothing else.
fn tn_or_uri(value: Option<Value<'_>>) -> Option<(Option<&str>, Option<&str>)> {
    let [tn, uri] = value?.only(["tn", "uri"])?;
    present(tn).zip(present(uri))
}

/// A member may be absent; one that is there is a text, and null is none.
fn present(member: Option<Value<'_>>) -> Option<Option<&str>> {
    match member {
        None => Some(None),
        Some(value) => value.text().map(Some),
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

fn parties(rules: &NumberRules, numbers: &Texts<'_>, uris: &Texts<'_>) -> Option<Vec<Party>> {
    let mut parties = Vec::with_capacity(numbers.len() + uris.len());
    for tn in numbers.iter() {
        parties.push(Party::from_tn(rules, tn)?);
    }
    for uri in uris.iter() {
        parties.push(Party::from_uri(uri)?);
    }
    Some(parties)
}

/// RFC 7044 §5: numbers and dots, `1.2.1`.
fn is_index(text: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|octet| octet.is_ascii_digit());
    text.len() <= HISTORY_INDEX_CHARS_MAX && text.split('.').all(is_number)
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
            // In the order of some reader's structs.
            "[\"14045550123\"]",
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
            "{\"tn\":[\"1\"],\"uri\":null}",
            "[[\"12125550100\"]]",
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
            r#"["14045550123"]"#,
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
            r#"{"tn":["12125550100"],"x":1}"#,
            r#"[["12125550100"]]"#,
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
            r#"["12125550100"]"#,
            r#"{"tn":"12125550100","uri":"sip:a@b"}"#,
            r#"{"tn":"12125550100","x":1}"#,
            r#"{"tn":"+12125550100"}"#,
        ] {
            assert_eq!(read(div), Err(PassportFault::Div), "{div}");
        }
    }
}
