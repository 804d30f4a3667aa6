//! What a signed call costs: with the certificate warm, cold, and without one.

#[path = "../tests/verification/authority.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod authority;

use std::hint::black_box;
use std::sync::Arc;

use authority::{NOW, Revoked, URL, World, at, crl, message, name_of};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
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

/// The floor: nothing but the signature over as many octets.
struct Floor {
    key: UnparsedPublicKey<Vec<u8>>,
    signed: Vec<u8>,
    signature: Vec<u8>,
}

impl Floor {
    fn new() -> Floor {
        let random = SystemRandom::new();
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
        let key =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref()).expect("a key");
        let signed = vec![0x41; 300];
        Floor {
            signature: key.sign(&random, &signed).expect("a signature").as_ref().to_vec(),
            key: UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.public_key().as_ref().to_vec()),
            signed,
        }
    }

    fn verify(&self) {
        let result = self
            .key
            .verify(black_box(&self.signed), black_box(&self.signature));
        assert!(result.is_ok());
    }
}

fn signature(criterion: &mut Criterion) {
    let floor = Floor::new();
    criterion.bench_function("one ES256 signature, nothing else", |bench| {
        bench.iter(|| floor.verify())
    });
}

/// CPU time of one core, which other load on the machine disturbs less than the time on the wall: the best of many short
/// runs, the verification and its floor by turns. Says nothing where the system does not tell.
fn cpu_time(_criterion: &mut Criterion) {
    let world = World::new();
    let identity = world.token().signed();
    let message = message(&identity);
    let chain: Arc<[u8]> = world.chain().as_bytes().into();
    let mut verifier = world.verifier();
    let floor = Floor::new();
    let (mut whole, mut signature) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..40 {
        let one = microseconds_each(|| {
            let mut verification = verifier.begin(black_box(&message), at(NOW));
            verification.supply(URL, Ok(chain.clone()));
            assert_eq!(verifier.conclude(verification).standing, Standing::Verified);
        });
        let other = microseconds_each(|| floor.verify());
        let (Some(one), Some(other)) = (one, other) else {
            return;
        };
        whole = whole.min(one);
        signature = signature.min(other);
    }
    println!("CPU of one warm verification: {whole:.1} us, of which the signature {signature:.1} us");
}

fn microseconds_each(mut work: impl FnMut()) -> Option<f64> {
    const TIMES: u32 = 500;
    let before = nanoseconds_on_cpu()?;
    for _ in 0..TIMES {
        work();
    }
    Some((nanoseconds_on_cpu()? - before) as f64 / f64::from(TIMES) / 1000.0)
}

/// Of this thread (Linux).
fn nanoseconds_on_cpu() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok()
}

criterion_group!(benches, verification, signature, cpu_time);
criterion_main!(benches);
