//! The published examples, and what another implementation (Python's hashlib) makes of the rest.

use super::algorithm::{Algorithm, Hash, Qop};
use super::credentials::Secret;
use super::proof::{Base, Proof};

struct Example<'a> {
    algorithm: &'a str,
    user: &'a str,
    realm: &'a str,
    password: &'a str,
    nonce: &'a str,
    qop: Option<Qop>,
    cnonce: &'a str,
    method: &'a str,
    uri: &'a str,
    body: &'a [u8],
}

fn check(example: &Example<'_>, expected: &str) {
    let algorithm = Algorithm::parse(example.algorithm).unwrap();
    let password = Secret::new(example.password);
    let base = Base::new(algorithm.hash, example.user, example.realm, &password);
    let proof = Proof {
        algorithm,
        nonce: example.nonce,
        qop: example.qop,
        cnonce: example.cnonce,
        count: 1,
        method: example.method,
        uri: example.uri,
        body: example.body,
    };
    assert_eq!(
        proof.response(&base),
        expected,
        "{} {:?}",
        example.algorithm,
        example.qop
    );
}

/// RFC 7616 §3.9.1.
const MUFASA: Example<'_> = Example {
    algorithm: "SHA-256",
    user: "Mufasa",
    realm: "http-auth@example.org",
    password: "Circle of Life",
    nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    qop: Some(Qop::Auth),
    cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    method: "GET",
    uri: "/dir/index.html",
    body: b"",
};

/// The call of draft-smith-sipping-auth-examples.
const BOB: Example<'_> = Example {
    algorithm: "MD5",
    user: "bob",
    realm: "biloxi.com",
    password: "zanzibar",
    nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
    qop: Some(Qop::Auth),
    cnonce: "0a4f113b",
    method: "INVITE",
    uri: "sip:bob@biloxi.com",
    body: b"v=0\r\n",
};

#[test]
fn the_examples_of_rfc_7616_and_rfc_2617() {
    check(
        &MUFASA,
        "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
    );
    let md5 = Example {
        algorithm: "MD5",
        ..MUFASA
    };
    check(&md5, "8ca523f5e9506fed4657c9700eebdbec");
    let rfc_2617 = Example {
        realm: "testrealm@host.com",
        password: "Circle Of Life",
        nonce: BOB.nonce,
        cnonce: BOB.cnonce,
        ..md5
    };
    check(&rfc_2617, "6629fae49393a05397450978507c4ef1");
}

/// RFC 7616 §3.9.2 prints a truncated SHA-512 where SHA-512/256 of FIPS 180-4 is meant; erratum 4897 has this one.
#[test]
fn sha_512_256_is_the_one_of_fips_180_4() {
    assert_eq!(
        Hash::Sha512_256.hex(&["J\u{e4}s\u{f8}n Doe".as_bytes(), b"api@example.org"]),
        "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"
    );
}

#[test]
fn a_sip_call_in_every_algorithm_and_protection_of_rfc_8760() {
    for (algorithm, qop, expected) in [
        ("MD5", Qop::Auth, "89eb0059246c02b2f6ee02c7961d5ea3"),
        ("MD5", Qop::AuthInt, "77226bb823dc077c1ad3537415667bae"),
        ("MD5-sess", Qop::Auth, "e4e4ea61d186d07a92c9e1f6919902e9"),
        ("MD5-sess", Qop::AuthInt, "8527c9ab1b4eed3fd75491f811944e26"),
        (
            "SHA-256",
            Qop::Auth,
            "b3b5a6c69453abafaab9ae4dccdac90a076b6c80615d5f3498e7433b6e93bf4f",
        ),
        (
            "SHA-256",
            Qop::AuthInt,
            "554a9ffe79ce71c3cb6c9630deddd2787d8033f895e5cdef6a73c8e84ed4c979",
        ),
        (
            "SHA-256-sess",
            Qop::Auth,
            "5da59c9ca40954be9d5063a15a174066c8251be2c10cf47c144c366dc7daf792",
        ),
        (
            "SHA-256-sess",
            Qop::AuthInt,
            "0b4a1efc19e1b701ec5775b6b16dde0fc416102e34a6c5bd6f957b20b5d79170",
        ),
        (
            "SHA-512-256",
            Qop::Auth,
            "7f1a09de0f19af0a1eac2b28d33e3f2fb89cca1ad8fb01bba5e1883b288bac14",
        ),
        (
            "SHA-512-256",
            Qop::AuthInt,
            "e9a7fbc1c80a10421c59a0c982f28d40e0ddc7b62ef3dc4faf68f179c6e05922",
        ),
        (
            "SHA-512-256-sess",
            Qop::Auth,
            "077d9677be83f41f162d1a4453dc163389919f81e5927391d972f477da767633",
        ),
        (
            "SHA-512-256-sess",
            Qop::AuthInt,
            "0220683d8c9faccc1d05bd2ef0e7ccdff87eacd5f06fb6bfd9cd7d3acf66a00b",
        ),
    ] {
        let example = Example {
            algorithm,
            qop: Some(qop),
            ..BOB
        };
        check(&example, expected);
    }
    check(&Example { qop: None, ..BOB }, "bf57e4e0d0bffc0fbaedce64d59add5e");
}
