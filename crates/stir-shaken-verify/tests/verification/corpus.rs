//! Fuzz bodies over the corpus, each file cut and bent in many places; and known vectors (standards' own examples).
#![allow(clippy::unwrap_used, reason = "a corpus that cannot be read says where")]

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use stir_shaken_verify::{Anchors, IdentityHeader, Passport, PassportFault, fuzz, split_values};

use crate::authority::*;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(name)
}

/// Name and octets of every file of one folder, in order.
fn files(name: &str) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let octets = std::fs::read(&path).unwrap();
            (path.file_name().unwrap().to_string_lossy().into_owned(), octets)
        })
        .collect();
    assert!(!files.is_empty(), "no corpus for {name}");
    files.sort();
    files
}

fn text(name: &str, file: &str) -> String {
    std::fs::read_to_string(folder(name).join(file)).unwrap()
}

/// Every prefix and suffix, and at every `step`th octet seven others in its place.
fn bend(octets: &[u8], step: usize, body: fn(&[u8])) {
    body(octets);
    for cut in (0..octets.len()).step_by(step) {
        body(&octets[..cut]);
        body(&octets[cut..]);
        for replacement in [0, 0x30, 0x80, 0xff, b'"', b'.', b';'] {
            let mut bent = octets.to_vec();
            bent[cut] = replacement;
            body(&bent);
        }
    }
}

fn bend_all(name: &str, step: usize, body: fn(&[u8])) {
    for (_, octets) in files(name) {
        bend(&octets, step, body);
    }
}

#[test]
fn headers_bent_in_any_place_are_only_refused() {
    bend_all("header", 1, fuzz::header);
    let identity = World::new().token().signed();
    bend(identity.as_bytes(), 1, fuzz::header);
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
        bend(line.as_bytes(), 1, fuzz::header);
    }
}

#[test]
fn tokens_bent_in_any_place_are_only_refused() {
    bend_all("passport", 1, fuzz::passport);
}

#[test]
fn tn_auth_lists_bent_in_any_place_are_only_refused() {
    bend_all("tn_auth_list", 1, fuzz::tn_auth_list);
    for list in [spc("1234"), one_number(CALLER), number_range("14045550100", 100)] {
        bend(&list, 1, fuzz::tn_auth_list);
    }
}

/// Made by another tool (OpenSSL), as a host would send it; bent as text and, certificate by certificate, as DER.
#[test]
fn chains_bent_in_any_place_are_only_refused() {
    bend_all("chain", 7, fuzz::chain);
    let world = World::with_signer(critical_tn_auth_list(number_range("14045550100", 100)));
    bend(&world.signer.der, 1, fuzz::chain);
    // Only now and then: every search for a path costs signatures.
    let ders = [&world.signer.der, &world.intermediate.der, &world.root.der];
    for (bent_one, der) in ders.iter().enumerate() {
        for place in (0..der.len()).step_by(5) {
            let pem = ders.iter().enumerate().map(|(one, der)| {
                let mut der = der.to_vec();
                if one == bent_one {
                    der[place] ^= 1 << (place % 8);
                }
                pem(&der)
            });
            fuzz::chain(pem.collect::<String>().as_bytes());
        }
    }
}

#[test]
fn trust_lists_bent_in_any_place_are_taken_whole_or_not_at_all() {
    let world = World::new();
    let list = world.root.pem.clone() + &world.intermediate.pem;
    bend(list.as_bytes(), 3, fuzz::anchors);
    bend_all("chain", 31, fuzz::anchors);
}

#[test]
fn revocation_lists_bent_in_any_place_are_only_refused() {
    bend_all("revocation_list", 1, fuzz::revocation_list);
    let world = World::new();
    let revoked = [Revoked {
        serial: &[1],
        issuer: Some(name_of(&world.root.der)),
    }];
    let list = crl(&world.root, true, &revoked, NOW, NOW + 1);
    bend(&list, 1, fuzz::revocation_list);
}

/// A chain that OpenSSL made: leaf with TNAuthList and claim constraints, intermediate with a path length, root.
#[test]
fn a_chain_made_by_openssl_is_read() {
    let chain = text("chain", "leaf_intermediate_root.pem");
    const END: &str = "-----END CERTIFICATE-----\n";
    let parts: Vec<&str> = chain.split_inclusive(END).collect();
    let [leaf, intermediate, root] = parts.as_slice() else {
        panic!("three certificates");
    };
    let mut anchors = Anchors::new();
    anchors.add_pem(root.as_bytes()).unwrap();
    anchors.add_pem(intermediate.as_bytes()).unwrap();
    assert!(anchors.add_pem(leaf.as_bytes()).is_err(), "a leaf is no anchor");
    assert_eq!(anchors.len(), 2);
}

#[test]
fn a_revocation_list_made_by_openssl_is_read() {
    for (file, octets) in files("revocation_list") {
        assert_eq!(stir_shaken_verify::Crls::new().add(&octets), Ok(1), "{file}");
    }
}

fn pem(der: &[u8]) -> String {
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        STANDARD.encode(der)
    )
}

/// RFC 8225 Appendix A, signature included: it reads, names its certificate, and is no SHAKEN PASSporT.
#[test]
fn the_example_of_rfc_8225_reads_but_is_no_shaken_passport() {
    let token = text("passport", "rfc8225_appendix_a.txt");
    let passport = Passport::parse(&token).unwrap();
    assert_eq!(
        passport.header.x5u(),
        Some("https://cert.example.org/passport.cer")
    );
    assert!(passport.claims().eq(["dest", "iat", "orig"]));
    assert_eq!(passport.signature[..2], [0x54, 0xb0]);
    assert!(passport.shaken().is_err());
}

/// RFC 8588 section 6 as printed lacks commas and has `iat` as a text (erratum 6656); with both put right it reads.
#[test]
fn the_example_of_rfc_8588_reads_only_when_its_errata_are_put_right() {
    let read = |file| Passport::parse(&text("passport", file)).map(|passport| passport.shaken());
    let printed = read("rfc8588_section_6_as_printed.txt");
    assert!(matches!(printed, Err(PassportFault::Payload(_))), "{printed:?}");
    let with_text = read("rfc8588_section_6_iat_text.txt");
    assert_eq!(with_text.unwrap(), Err(PassportFault::Iat));
    let corrected = read("rfc8588_section_6_corrected.txt").unwrap().unwrap();
    assert_eq!(corrected.orig, "12155550121");
    assert_eq!(corrected.dest, ["12155550131"]);
    assert_eq!(corrected.iat, 1_443_208_345);
}

/// P-05: one known signer writes `orig` and `dest` as texts that hold JSON.
#[test]
fn orig_and_dest_as_texts_are_refused() {
    let passport = Passport::parse(&text("passport", "orig_and_dest_as_text.txt")).unwrap();
    assert_eq!(passport.shaken(), Err(PassportFault::Orig));
}

/// I-01: the shape one carrier sends, with `ppt` quoted and `mky` inside.
#[test]
fn a_header_with_quoted_ppt_and_mky_reads() {
    let line = text("header", "quoted_with_mky.txt");
    let header = IdentityHeader::parse(&line).unwrap();
    assert_eq!(header.ppt, Some("shaken"));
    assert_eq!(header.info, Some("https://cert.example.org/sp.pem"));
    let passport = Passport::parse(header.token).unwrap();
    assert!(passport.claims().any(|name| name == "mky"));
    assert!(passport.shaken().is_ok());
}

/// I-01: two values in one line, folded in the middle.
#[test]
fn a_joined_and_folded_line_reads_as_two_headers() {
    let line = text("header", "joined_and_folded.txt");
    let kinds: Vec<_> = split_values(&line)
        .map(|value| IdentityHeader::parse(value).unwrap().ppt)
        .collect();
    assert_eq!(kinds, [Some("div"), Some("shaken")]);
}
