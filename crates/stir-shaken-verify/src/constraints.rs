//! Claim constraints in certificates: JWTClaimConstraints (RFC 8226 §8) and its enhanced form
//! (RFC 9118). Never ignored: what cannot be enforced makes the certificate unusable.

use serde_json::Value;

use crate::der::{self, IA5_STRING, Malformed, Reader, SEQUENCE, UTF8_STRING, context};
use crate::limits::CONSTRAINTS_MAX;
use crate::passport::Passport;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClaimConstraints {
    must_include: Vec<String>,
    permitted: Vec<(String, Vec<String>)>,
    must_exclude: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConstraintsFault;

impl From<Malformed> for ConstraintsFault {
    fn from(_: Malformed) -> ConstraintsFault {
        ConstraintsFault
    }
}

impl ClaimConstraints {
    /// `[0] mustInclude`, `[1] permittedValues`, and `[2] mustExclude` in the enhanced form only;
    /// at least one of them. Strict DER, explicit tags.
    pub(crate) fn parse(octets: &[u8], is_enhanced: bool) -> Result<ClaimConstraints, ConstraintsFault> {
        let mut reader = Reader::new(der::only(octets, SEQUENCE)?);
        let mut constraints = ClaimConstraints::default();
        let mut is_anything = false;
        if let Some(value) = reader.optional(context(0))? {
            constraints.must_include = texts(der::only(value, SEQUENCE)?, IA5_STRING)?;
            is_anything = true;
        }
        if let Some(value) = reader.optional(context(1))? {
            constraints.permitted = permitted(der::only(value, SEQUENCE)?)?;
            is_anything = true;
        }
        if is_enhanced && let Some(value) = reader.optional(context(2))? {
            constraints.must_exclude = texts(der::only(value, SEQUENCE)?, IA5_STRING)?;
            is_anything = true;
            // RFC 9118 §3 forbids it. To read the certificate as if it had no constraints at all would
            // give it more rights than its authority meant; so it has none.
            if constraints
                .must_exclude
                .iter()
                .any(|name| BASELINE.contains(&name.as_str()))
            {
                return Err(ConstraintsFault);
            }
        }
        reader.end()?;
        if is_anything {
            Ok(constraints)
        } else {
            Err(ConstraintsFault)
        }
    }

    /// Does the token keep them? Names and texts are compared code point by code point. A claim that is no
    /// text (`rcd`, `rcdi`) is compared with a permitted value that is the same JSON (RFC 9795 §10).
    pub(crate) fn allow(&self, passport: &Passport) -> bool {
        let has = |name: &String| passport.has_claim(name);
        self.must_include.iter().all(has)
            && !self.must_exclude.iter().any(has)
            && self.permitted.iter().all(|(name, values)| {
                !has(name)
                    || passport
                        .claim(name)
                        .is_some_and(|claim| values.iter().any(|value| is_same(&claim, value)))
            })
    }
}

fn is_same(claim: &Value, permitted: &str) -> bool {
    match claim {
        Value::String(text) => text == permitted,
        other => serde_json::from_str::<Value>(permitted).is_ok_and(|value| value == *other),
    }
}

/// Every PASSporT has these (RFC 8225 §5): a certificate that excludes one can sign nothing.
const BASELINE: [&str; 3] = ["iat", "orig", "dest"];

fn texts(octets: &[u8], tag: u8) -> Result<Vec<String>, ConstraintsFault> {
    let mut reader = Reader::new(octets);
    let mut texts = Vec::new();
    while !reader.is_empty() {
        let text = text(reader.expect(tag)?, tag)?;
        texts.push(text.to_string());
        if texts.len() > CONSTRAINTS_MAX {
            return Err(ConstraintsFault);
        }
    }
    if texts.is_empty() {
        Err(ConstraintsFault)
    } else {
        Ok(texts)
    }
}

/// IA5String is ASCII, and a name without any character names no claim.
fn text(octets: &[u8], tag: u8) -> Result<&str, ConstraintsFault> {
    let is_name = tag != IA5_STRING || (octets.is_ascii() && !octets.is_empty());
    let text = std::str::from_utf8(octets).map_err(|_| ConstraintsFault)?;
    if is_name { Ok(text) } else { Err(ConstraintsFault) }
}

fn permitted(octets: &[u8]) -> Result<Vec<(String, Vec<String>)>, ConstraintsFault> {
    let mut reader = Reader::new(octets);
    let mut claims = Vec::new();
    while !reader.is_empty() {
        let mut claim = Reader::new(reader.expect(SEQUENCE)?);
        let name = text(claim.expect(IA5_STRING)?, IA5_STRING)?;
        let values = texts(claim.expect(SEQUENCE)?, UTF8_STRING)?;
        claim.end()?;
        claims.push((name.to_string(), values));
        if claims.len() > CONSTRAINTS_MAX {
            return Err(ConstraintsFault);
        }
    }
    if claims.is_empty() {
        Err(ConstraintsFault)
    } else {
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;
    use crate::der::write::element;

    fn passport(payload: &str) -> Passport {
        let header = r#"{"alg":"ES256","typ":"passport"}"#;
        let part = |octets: &[u8]| URL_SAFE_NO_PAD.encode(octets);
        Passport::parse(&format!(
            "{}.{}.{}",
            part(header.as_bytes()),
            part(payload.as_bytes()),
            part(&[1; 64])
        ))
        .unwrap()
    }

    fn names(names: &[&str]) -> Vec<u8> {
        let names: Vec<_> = names
            .iter()
            .map(|name| element(IA5_STRING, &[name.as_bytes()]))
            .collect();
        element(SEQUENCE, &[&names.concat()])
    }

    fn permit(claim: &str, values: &[&str]) -> Vec<u8> {
        let values: Vec<_> = values
            .iter()
            .map(|value| element(UTF8_STRING, &[value.as_bytes()]))
            .collect();
        let claim = element(IA5_STRING, &[claim.as_bytes()]);
        element(
            SEQUENCE,
            &[&element(
                SEQUENCE,
                &[&claim, &element(SEQUENCE, &[&values.concat()])],
            )],
        )
    }

    #[test]
    fn c_05_claims_that_must_be_there_are_asked_for() {
        let octets = element(SEQUENCE, &[&element(context(0), &[&names(&["origid"])])]);
        let constraints = ClaimConstraints::parse(&octets, false).unwrap();
        assert!(constraints.allow(&passport(r#"{"origid":"x"}"#)));
        assert!(!constraints.allow(&passport(r#"{"attest":"A"}"#)));
    }

    #[test]
    fn c_05_a_value_must_be_a_permitted_text_when_the_claim_is_there() {
        let octets = element(
            SEQUENCE,
            &[&element(context(1), &[&permit("attest", &["B", "C"])])],
        );
        let constraints = ClaimConstraints::parse(&octets, false).unwrap();
        assert!(constraints.allow(&passport(r#"{"attest":"B"}"#)));
        assert!(constraints.allow(&passport("{}")));
        assert!(!constraints.allow(&passport(r#"{"attest":"A"}"#)));
        assert!(!constraints.allow(&passport(r#"{"attest":{"x":"B"}}"#)));
        for other in [r#""b""#, r#""B ""#, r#""BC""#, r#"["B"]"#, "null", "1"] {
            assert!(
                !constraints.allow(&passport(&format!(r#"{{"attest":{other}}}"#))),
                "{other}"
            );
        }
        assert!(constraints.allow(&passport(r#"{"attest":"\u0042"}"#)));
        // Names are compared exactly as well: this is another claim.
        assert!(constraints.allow(&passport(r#"{"Attest":"A"}"#)));
    }

    #[test]
    fn c_05_a_claim_that_is_no_text_must_be_the_same_json() {
        let permitted = r#"{"nam":"Acme","icn":"https://a.example/i"}"#;
        let octets = element(
            SEQUENCE,
            &[&element(context(1), &[&permit("rcd", &["x", permitted, "7"])])],
        );
        let constraints = ClaimConstraints::parse(&octets, false).unwrap();
        for (claim, is_allowed) in [
            (r#"{"icn":"https://a.example/i","nam":"Acme"}"#, true),
            (r#"{"nam":"Acme"}"#, false),
            (r#"{"nam":"Acme","icn":"https://a.example/i","apn":"1"}"#, false),
            (r#"{"nam":"acme","icn":"https://a.example/i"}"#, false),
            ("7", true),
            ("7.0", false),
            (r#""7""#, true),
            ("[7]", false),
        ] {
            let payload = format!(r#"{{"rcd":{claim}}}"#);
            assert_eq!(constraints.allow(&passport(&payload)), is_allowed, "{claim}");
        }
    }

    #[test]
    fn c_05_the_three_kinds_hold_together() {
        let octets = element(
            SEQUENCE,
            &[
                &element(context(0), &[&names(&["origid", "attest"])]),
                &element(context(1), &[&permit("attest", &["A"])]),
                &element(context(2), &[&names(&["rcd", "crn"])]),
            ],
        );
        let constraints = ClaimConstraints::parse(&octets, true).unwrap();
        for (payload, is_allowed) in [
            (r#"{"attest":"A","origid":"x"}"#, true),
            (r#"{"attest":"A"}"#, false),
            (r#"{"origid":"x"}"#, false),
            (r#"{"attest":"B","origid":"x"}"#, false),
            (r#"{"attest":"A","origid":"x","crn":"hello"}"#, false),
            (r#"{"attest":"A","origid":"x","other":"hello"}"#, true),
        ] {
            assert_eq!(constraints.allow(&passport(payload)), is_allowed, "{payload}");
        }
    }

    #[test]
    fn c_05_what_every_passport_has_cannot_be_excluded() {
        for baseline in BASELINE {
            let octets = element(SEQUENCE, &[&element(context(2), &[&names(&["rcd", baseline])])]);
            assert_eq!(ClaimConstraints::parse(&octets, true), Err(ConstraintsFault));
        }
    }

    #[test]
    fn c_05_only_the_enhanced_form_excludes_claims() {
        let octets = element(SEQUENCE, &[&element(context(2), &[&names(&["rcd"])])]);
        assert_eq!(ClaimConstraints::parse(&octets, false), Err(ConstraintsFault));
        let constraints = ClaimConstraints::parse(&octets, true).unwrap();
        assert!(constraints.allow(&passport("{}")));
        assert!(!constraints.allow(&passport(r#"{"rcd":{}}"#)));
    }

    #[test]
    fn c_05_what_cannot_be_read_is_refused() {
        for refused in [
            vec![],
            element(SEQUENCE, &[]),
            element(SEQUENCE, &[&element(context(3), &[])]),
            element(SEQUENCE, &[&element(context(0), &[&element(SEQUENCE, &[])])]),
            element(SEQUENCE, &[&element(context(0), &[&names(&[""])])]),
            element(SEQUENCE, &[&element(context(0), &[&names(&["\u{e9}"])])]),
            element(SEQUENCE, &[&element(context(1), &[&permit("attest", &[])])]),
            // The order of the members is that of the module.
            element(
                SEQUENCE,
                &[
                    &element(context(1), &[&permit("attest", &["A"])]),
                    &element(context(0), &[&names(&["attest"])]),
                ],
            ),
        ] {
            assert_eq!(ClaimConstraints::parse(&refused, true), Err(ConstraintsFault));
        }
    }
}
