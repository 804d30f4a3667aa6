//! What a signed call costs: with the certificate warm, cold, and without one.

#[path = "../tests/verification/authority.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod authority;

use std::hint::black_box;
use std::sync::Arc;

use authority::{NOW, Revoked, URL, World, at, crl, message, name_of};
use criterion::{Criterion, criterion_group, criterion_main};
use stir_shaken_verify::{Passport, Standing};

fn verification(criterion: &mut Criterion) {
    let world = World::new();
    let identity = world.token().signed();
    let message = message(&identity);
    let chain: Arc<[u8]> = world.chain().as_bytes().into();

    let mut verifier = world.verifier();
    criterion.bench_function("one verification, certificate warm", |bench| {
        bench.iter(|| {
            let mut verification = verifier.begin(black_box(&message), at(NOW));
            verification.supply(URL, Ok(chain.clone()));
            let report = verifier.conclude(verification);
            assert_eq!(report.standing, Standing::Verified);
            report
        });
    });

    // A list of five hundred certificates of others: revocation is asked on every use.
    let mut config = world.config();
    let serials: Vec<[u8; 3]> = (0..500u16)
        .map(|serial| [0x51, (serial >> 8) as u8, serial as u8])
        .collect();
    let issuer = name_of(&world.intermediate.der);
    let revoked: Vec<Revoked<'_>> = serials
        .iter()
        .map(|serial| Revoked {
            serial,
            issuer: Some(issuer.clone()),
        })
        .collect();
    let list = crl(&world.root, true, &revoked, NOW - 60, NOW + 60);
    config.crls.add(&list).expect("a list just made");
    let mut verifier = stir_shaken_verify::Verifier::new(config);
    criterion.bench_function("the same with a revocation list", |bench| {
        bench.iter(|| {
            let mut verification = verifier.begin(black_box(&message), at(NOW));
            verification.supply(URL, Ok(chain.clone()));
            let report = verifier.conclude(verification);
            assert_eq!(report.standing, Standing::Verified);
            report
        });
    });

    criterion.bench_function("one verification, chain never seen", |bench| {
        bench.iter_batched(
            || world.verifier(),
            |mut verifier| {
                let mut verification = verifier.begin(black_box(&message), at(NOW));
                verification.supply(URL, Ok(chain.clone()));
                assert_eq!(verifier.conclude(verification).standing, Standing::Verified);
            },
            criterion::BatchSize::SmallInput,
        );
    });

    let verifier = world.verifier();
    criterion.bench_function("what the message alone tells", |bench| {
        bench.iter(|| verifier.begin(black_box(&message), at(NOW)));
    });
    let token = identity.split(';').next().unwrap_or_default();
    criterion.bench_function("token to claims", |bench| {
        bench.iter(|| Passport::parse(black_box(token)).and_then(|passport| passport.shaken()));
    });
}

/// The floor: nothing but the signature over the same octets.
fn signature(criterion: &mut Criterion) {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
        UnparsedPublicKey,
    };
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref()).expect("a key");
    let signed = [0x41; 400];
    let signature = key.sign(&random, &signed).expect("a signature");
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.public_key().as_ref());
    criterion.bench_function("one ES256 signature, nothing else", |bench| {
        bench.iter(|| public.verify(black_box(&signed), signature.as_ref()).is_ok());
    });
}

criterion_group!(benches, verification, signature);
criterion_main!(benches);
