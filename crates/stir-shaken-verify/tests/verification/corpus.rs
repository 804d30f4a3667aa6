//! Fuzz bodies over a small corpus, each entry cut and bent in many places; and known vectors.

use stir_shaken_verify::{Passport, fuzz};

use crate::authority::*;

fn bend(octets: &[u8], body: fn(&[u8])) {
    body(octets);
    for cut in 0..octets.len() {
        body(&octets[..cut]);
        body(&octets[cut..]);
    }
    for place in 0..octets.len() {
        for replacement in [0, 0x30, 0x80, 0xff, b'"', b'.', b';'] {
            let mut bent = octets.to_vec();
            bent[place] = replacement;
            body(&bent);
        }
    }
}

#[test]
fn headers_bent_in_any_place_are_only_refused() {
    let identity = World::new().token().signed();
    bend(identity.as_bytes(), fuzz::header);
    for line in [
        "",
        ",",
        ";;;",
        "\"",
        "<",
        "a;info=<",
        "a;ppt=\"\\",
        "..;info=<>;",
        "\u{1F4DE};ppt=shaken",
    ] {
        bend(line.as_bytes(), fuzz::header);
    }
}

#[test]
fn tokens_bent_in_any_place_are_only_refused() {
    let identity = World::new().token().signed();
    let token = identity.split(';').next().unwrap();
    bend(token.as_bytes(), fuzz::passport);
}

#[test]
fn tn_auth_lists_bent_in_any_place_are_only_refused() {
    for list in [spc("1234"), one_number(CALLER), number_range("14045550100", 100)] {
        bend(&list, fuzz::tn_auth_list);
    }
}

#[test]
fn certificates_and_lists_bent_in_any_place_are_only_refused() {
    let world = World::with_signer(critical_tn_auth_list(number_range("14045550100", 100)));
    let list = crl(
        &world.root,
        true,
        &[Revoked {
            serial: &[1],
            issuer: Some(name_of(&world.root.der)),
        }],
        NOW,
        NOW + 1,
    );
    for octets in [&world.signer.der, &list] {
        for place in 0..octets.len() {
            for replacement in [0, 0x7f, 0x80, 0xff] {
                let mut bent = octets.clone();
                bent[place] = replacement;
                fuzz::certificates(&bent);
            }
            fuzz::certificates(&octets[..place]);
        }
    }
}

/// RFC 8225 Appendix A: the example's header and payload, with its unsigned shape.
#[test]
fn the_example_of_rfc_8225_reads_but_is_no_shaken_passport() {
    let header = "eyJhbGciOiJFUzI1NiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly9jZXJ0LmV4YW1wbGUub3JnL3Bhc3Nwb3J0LmNlciJ9";
    let payload = "eyJkZXN0Ijp7InVyaSI6WyJzaXA6YWxpY2VAZXhhbXBsZS5jb20iXX0sImlhdCI6MTQ3MTM3NTQxOCwib3JpZyI6eyJ0biI6IjEyMTU1NTUxMjEyIn19";
    let token = format!("{header}.{payload}.{}", "A".repeat(86));
    let passport = Passport::parse(&token).unwrap();
    assert_eq!(
        passport.header.x5u.as_deref(),
        Some("https://cert.example.org/passport.cer")
    );
    assert!(passport.shaken().is_err());
}

/// The published example of RFC 8588 has `iat` as a text (erratum 6656).
#[test]
fn the_example_of_rfc_8588_with_a_text_as_iat_is_refused() {
    let world = World::new();
    let token = world.token().with(&NOW.to_string(), "\"1443208345\"");
    let signed = token.signed();
    let passport = Passport::parse(signed.split(';').next().unwrap()).unwrap();
    assert_eq!(passport.shaken(), Err(stir_shaken_verify::PassportFault::Iat));
}
