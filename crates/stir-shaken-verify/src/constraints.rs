//! Claim constraints in certificates: JWTClaimConstraints (RFC 8226 §8) and its enhanced form
//! (RFC 9118). Never ignored: what cannot be enforced makes the certificate unusable.

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
        }
        reader.end()?;
        if is_anything {
            Ok(constraints)
        } else {
            Err(ConstraintsFault)
        }
    }

    /// Does the token keep them? A permitted value is compared with a claim that is a string; a
    /// claim of another kind that is constrained is refused, because nothing says how to compare it.
    pub(crate) fn allow(&self, passport: &Passport) -> bool {
        let has = |name: &String| passport.claims.contains(name);
        self.must_include.iter().all(has)
            && !self.must_exclude.iter().any(has)
            && self.permitted.iter().all(|(name, values)| {
                !has(name)
                    || passport
                        .string_claim(name)
                        .is_some_and(|value| values.contains(&value))
            })
    }
}

fn texts(octets: &[u8], tag: u8) -> Result<Vec<String>, ConstraintsFault> {
    let mut reader = Reader::new(octets);
    let mut texts = Vec::new();
    while !reader.is_empty() {
        let text = std::str::from_utf8(reader.expect(tag)?).map_err(|_| ConstraintsFault)?;
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

fn permitted(octets: &[u8]) -> Result<Vec<(String, Vec<String>)>, ConstraintsFault> {
    let mut reader = Reader::new(octets);
    let mut claims = Vec::new();
    while !reader.is_empty() {
        let mut claim = Reader::new(reader.expect(SEQUENCE)?);
        let name = std::str::from_utf8(claim.expect(IA5_STRING)?).map_err(|_| ConstraintsFault)?;
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
    fn claims_that_must_be_there_are_asked_for() {
        let octets = element(SEQUENCE, &[&element(context(0), &[&names(&["origid"])])]);
        let constraints = ClaimConstraints::parse(&octets, false).unwrap();
        assert!(constraints.allow(&passport(r#"{"origid":"x"}"#)));
        assert!(!constraints.allow(&passport(r#"{"attest":"A"}"#)));
    }

    #[test]
    fn a_value_must_be_a_permitted_text_when_the_claim_is_there() {
        let octets = element(
            SEQUENCE,
            &[&element(context(1), &[&permit("attest", &["B", "C"])])],
        );
        let constraints = ClaimConstraints::parse(&octets, false).unwrap();
        assert!(constraints.allow(&passport(r#"{"attest":"B"}"#)));
        assert!(constraints.allow(&passport("{}")));
        assert!(!constraints.allow(&passport(r#"{"attest":"A"}"#)));
        assert!(!constraints.allow(&passport(r#"{"attest":{"x":"B"}}"#)));
    }

    #[test]
    fn only_the_enhanced_form_excludes_claims() {
        let octets = element(SEQUENCE, &[&element(context(2), &[&names(&["rcd"])])]);
        assert_eq!(ClaimConstraints::parse(&octets, false), Err(ConstraintsFault));
        let constraints = ClaimConstraints::parse(&octets, true).unwrap();
        assert!(constraints.allow(&passport("{}")));
        assert!(!constraints.allow(&passport(r#"{"rcd":{}}"#)));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for refused in [
            vec![],
            element(SEQUENCE, &[]),
            element(SEQUENCE, &[&element(context(3), &[])]),
            element(SEQUENCE, &[&element(context(0), &[&element(SEQUENCE, &[])])]),
        ] {
            assert_eq!(ClaimConstraints::parse(&refused, true), Err(ConstraintsFault));
        }
    }
}
