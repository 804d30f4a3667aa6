//! What can be wrong with a token's form, algorithm and signature.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{KeyPair, SigningKey as _};
use serde_json::json;

use crate::matrix::authority::{new_key, provider};
use crate::matrix::host::Page;
use crate::matrix::message::{Invite, P256_ORDER, Token, altered};
use crate::matrix::{Case, Must, Scene, Stage, case};

const NOT_SIGNED: &str = "RFC 8224 §6.2 step 5: the signature must hold";
const RAW_SIGNATURE: &str = "RFC 7518 §3.4: r and s, 32 octets each, both from 1 to n - 1";

pub fn cases() -> Vec<Case> {
    vec![
        case(
            "altered-signature",
            "one character of the signature changed",
            Must::Refuse(438),
            NOT_SIGNED,
            |stage| Scene::new(Invite::new(&altered(&stage.sign(&stage.token())))),
        ),
        case(
            "payload-of-another-call",
            "the payload of another token under this signature",
            Must::Refuse(438),
            NOT_SIGNED,
            |stage| {
                let ours = stage.sign(&stage.token());
                let theirs = stage.sign(&stage.token().claim("attest", "B"));
                let part =
                    |identity: &str, place| identity.split('.').nth(place).unwrap_or_default().to_string();
                let rest = ours.splitn(3, '.').nth(2).unwrap_or_default().to_string();
                Scene::new(Invite::new(&format!(
                    "{}.{}.{rest}",
                    part(&ours, 0),
                    part(&theirs, 1)
                )))
            },
        ),
        case(
            "another-key",
            "signed with the attacker's key, x5u names an honest provider",
            Must::Refuse(438),
            NOT_SIGNED,
            |stage| Scene::new(Invite::new(&stage.token().signed(&new_key()))),
        ),
        case(
            "der-signature",
            "the signature in DER",
            Must::Refuse(438),
            RAW_SIGNATURE,
            |stage| {
                sealed(stage, &stage.token(), |key, octets| {
                    key.sign(octets).unwrap_or_default()
                })
            },
        ),
        case(
            "zero-signature",
            "r = s = 0",
            Must::Refuse(438),
            RAW_SIGNATURE,
            |stage| sealed(stage, &stage.token(), |_, _| vec![0; 64]),
        ),
        case(
            "r-is-n",
            "r = n, s = 1",
            Must::Refuse(438),
            RAW_SIGNATURE,
            |stage| {
                sealed(stage, &stage.token(), |_, _| {
                    let mut signature = P256_ORDER.to_vec();
                    signature.extend([0; 31]);
                    signature.push(1);
                    signature
                })
            },
        ),
        case(
            "no-signature",
            "an empty signature",
            Must::Refuse(438),
            RAW_SIGNATURE,
            |stage| sealed(stage, &stage.token(), |_, _| Vec::new()),
        ),
        case(
            "alg-none",
            "`alg` none in the token, no signature",
            Must::Refuse(438),
            "RFC 8225 §4.2, RFC 8725 §3.1: ES256 and nothing else",
            |stage| sealed(stage, &stage.token().member("alg", "none"), |_, _| Vec::new()),
        ),
        case(
            "alg-hs256",
            "`alg` HS256, keyed with the public certificate",
            Must::Refuse(438),
            "RFC 8725 §2.1: the key decides the algorithm, not the token",
            |stage| {
                let secret = stage.world.chain_of(&stage.world.signer);
                let token = stage.token().member("alg", "HS256");
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
                sealed(stage, &token, move |_, octets| {
                    hmac::sign(&key, octets).as_ref().to_vec()
                })
            },
        ),
        case(
            "alg-rs256",
            "`alg` RS256 with an RSA certificate",
            Must::Refuse(437),
            "RFC 8225 §4.2 and ATIS-1000080: ES256, P-256",
            |stage| {
                let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048);
                let key = key.expect("an RSA key can be made");
                let leaf = stage
                    .world
                    .issuing
                    .issue_with_key(provider("SHAKEN 1234", stage.now), key);
                let url = stage.publish(Page::Text(stage.world.chain_of(&leaf)));
                let token = Token::new(&url, stage.now).member("alg", "RS256");
                let parameters = token.parameters.replace("ES256", "RS256");
                let token = token.parameters(parameters);
                Scene::new(Invite::new(
                    &token.sealed(|octets| leaf.key.sign(octets).unwrap_or_default()),
                ))
            },
        ),
        case(
            "alg-missing",
            "no `alg` in the token",
            Must::Refuse(438),
            "RFC 8225 §4.2, RFC 7515 §4.1.1: alg is mandatory",
            |stage| stage.call(&stage.token().without_member("alg")),
        )
        .only_malformed(),
        case(
            "typ-missing",
            "no `typ`",
            Must::Refuse(438),
            "RFC 8225 §4.1: typ is passport",
            |stage| stage.call(&stage.token().without_member("typ")),
        )
        .only_malformed(),
        case(
            "typ-jwt",
            "`typ` JWT: a web login token",
            Must::Refuse(438),
            "RFC 8225 §4.1, RFC 8725 §3.11",
            |stage| stage.call(&stage.token().member("typ", "JWT")),
        ),
        case(
            "x5u-missing",
            "no `x5u` in the token, a good `info` beside it",
            Must::Refuse(438),
            "RFC 8225 §4.3, RFC 8588 §4: the signed header names the certificate",
            |stage| stage.call(&stage.token().without_member("x5u")),
        )
        .only_malformed(),
        case(
            "ppt-missing",
            "no `ppt` in the token, `ppt=shaken` beside it",
            Must::Refuse(438),
            "RFC 8224 §4, RFC 8588 §4",
            |stage| stage.call(&stage.token().without_member("ppt")),
        )
        .only_malformed(),
        case(
            "key-in-the-header",
            "`jwk`: the attacker brings his key along",
            Must::Refuse(438),
            "RFC 8225 §4.3: the key is the certificate's",
            |stage| {
                let key = new_key();
                let point = key.public_key_raw().to_vec();
                let coordinate =
                    |octets: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(octets);
                let jwk = json!({"kty": "EC", "crv": "P-256", "x": coordinate(&point[1..33]), "y": coordinate(&point[33..])});
                let token = stage.token().member("jwk", jwk);
                Scene::new(Invite::new(&token.signed(&key)))
            },
        ),
        case(
            "certificate-in-the-header",
            "`x5c`: the attacker brings his certificate along",
            Must::Refuse(438),
            "RFC 8225 §4.3: the key is the certificate's",
            |stage| {
                let stranger = crate::matrix::authority::Holder::root(provider("SHAKEN 1234", stage.now));
                let token = stage
                    .token()
                    .member("x5c", json!([STANDARD.encode(&stranger.der)]));
                Scene::new(Invite::new(&token.signed(&stranger.key)))
            },
        ),
        case(
            "crit",
            "`crit` names an extension",
            Must::Refuse(438),
            "RFC 7515 §4.1.11: what must be understood and is not, is refused",
            |stage| {
                stage.call(
                    &stage
                        .token()
                        .member("crit", json!(["x-must"]))
                        .member("x-must", true),
                )
            },
        )
        .only_malformed(),
        case(
            "base64-padding",
            "base64url with padding",
            Must::Refuse(438),
            "RFC 7515 §2: no padding",
            |stage| {
                // A payload whose length leaves two characters of padding.
                let mut token = stage.token();
                while token.payload.to_string().len() % 3 != 1 {
                    let longer = format!("{}x", token.payload["origid"].as_str().unwrap_or_default());
                    token = token.claim("origid", longer);
                }
                encoded_otherwise(stage, &token, |text| {
                    base64::engine::general_purpose::URL_SAFE.encode(text)
                })
            },
        )
        .only_malformed(),
        case(
            "base64-other-alphabet",
            "`+` and `/` in place of `-` and `_`",
            Must::Refuse(438),
            "RFC 7515 §2: the URL-safe alphabet",
            |stage| {
                let token = stage.token().claim("x-note", ">>>>>>??????");
                encoded_otherwise(stage, &token, |text| {
                    base64::engine::general_purpose::STANDARD_NO_PAD.encode(text)
                })
            },
        )
        .only_malformed(),
        case(
            "blank-inside",
            "a blank in the middle of the token",
            Must::Refuse(438),
            "RFC 8224 §4: the token is one word",
            |stage| Scene::new(Invite::new(&stage.sign(&stage.token()).replacen('.', ". ", 1))),
        )
        .only_malformed(),
        case(
            "four-parts",
            "a fourth part behind the signature",
            Must::Refuse(438),
            "RFC 7515 §3.1: three parts",
            |stage| Scene::new(Invite::new(&stage.sign(&stage.token()).replacen(';', ".e30;", 1))),
        )
        .only_malformed(),
    ]
}

fn sealed(stage: &Stage<'_>, token: &Token, seal: impl FnOnce(&KeyPair, &[u8]) -> Vec<u8>) -> Scene {
    Scene::new(Invite::new(
        &token.sealed(|octets| seal(&stage.world.signer.key, octets)),
    ))
}

/// Header as ever, payload in another encoding, signed over what stands there.
fn encoded_otherwise(stage: &Stage<'_>, token: &Token, encode: impl Fn(String) -> String) -> Scene {
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(token.header.to_string());
    let signed = format!("{header}.{}", encode(token.payload.to_string()));
    let signature = crate::matrix::message::raw_signature(&stage.world.signer.key, signed.as_bytes());
    let signature = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(signature);
    Scene::new(Invite::new(&format!("{signed}.{signature}{}", token.parameters)))
}
