//! What a signed call costs: with the certificate warm, cold, and without one.
//!
//! CPU of one core, AMD EPYC (Zen 3) at 2.4 GHz, best of many short runs beside other work, in microseconds:
//!
//! | | before the token was read once | now |
//! | --- | --- | --- |
//! | one warm verification | 71 | 64 |
//! | what the message alone tells | 7.1 | 4.5 |
//! | token to claims | 2.1 | 1.9 |
//! | one ES256 signature, its key read before | 56 | 56 |
//! | allocations of a warm verification (`tests/allocations.rs`) | 111 | 35 |

#[path = "../tests/verification/authority.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod authority;

use std::hint::black_box;
use std::sync::Arc;

use authority::{NOW, Revoked, URL, World, at, crl, message, name_of};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, ParsedPublicKey,
    UnparsedPublicKey,
};
use criterion::{Criterion, criterion_group, criterion_main};
use stir_shaken_verify::{MessageView, Passport, Report, ShakenClaims, Standing, Verifier};

/// The ordinary call, and what a warm gateway has at hand of it.
struct Call {
    world: World,
    identity: String,
    chain: Arc<[u8]>,
}

impl Call {
    fn new() -> Call {
        let world = World::new();
        Call {
            identity: world.token().signed(),
            chain: world.chain().as_bytes().into(),
            world,
        }
    }

    /// From header text to report.
    fn judge(&self, verifier: &mut Verifier, message: &MessageView<'_>) -> Report {
        let mut verification = verifier.begin(black_box(message), at(NOW));
        verification.supply(URL, Ok(self.chain.clone()));
        let report = verifier.conclude(verification);
        assert_eq!(report.standing, Standing::Verified);
        report
    }

    fn token(&self) -> &str {
        self.identity.split(';').next().unwrap_or_default()
    }
}

fn verification(criterion: &mut Criterion) {
    let call = Call::new();
    let message = message(&call.identity);
    let mut verifier = call.world.verifier();
    criterion.bench_function("one verification, certificate warm", |bench| {
        bench.iter(|| call.judge(&mut verifier, &message));
    });

    // A list of five hundred certificates of others: revocation is asked on every use.
    let mut config = call.world.config();
    let serials: Vec<[u8; 3]> = (0..500u16)
        .map(|serial| [0x51, (serial >> 8) as u8, serial as u8])
        .collect();
    let issuer = name_of(&call.world.intermediate.der);
    let revoked: Vec<Revoked<'_>> = serials
        .iter()
        .map(|serial| Revoked {
            serial,
            issuer: Some(issuer.clone()),
        })
        .collect();
    let list = crl(&call.world.root, true, &revoked, NOW - 60, NOW + 60);
    config.crls.add(&list).expect("a list just made");
    let mut verifier = Verifier::new(config);
    criterion.bench_function("the same with a revocation list", |bench| {
        bench.iter(|| call.judge(&mut verifier, &message));
    });

    criterion.bench_function("one verification, chain never seen", |bench| {
        bench.iter_batched(
            || call.world.verifier(),
            |mut verifier| call.judge(&mut verifier, &message),
            criterion::BatchSize::SmallInput,
        );
    });

    let verifier = call.world.verifier();
    criterion.bench_function("what the message alone tells", |bench| {
        bench.iter(|| verifier.begin(black_box(&message), at(NOW)));
    });
    criterion.bench_function("token to claims", |bench| {
        bench.iter(|| claims(call.token()));
    });
}

fn claims(token: &str) -> ShakenClaims {
    let passport = Passport::parse(black_box(token)).expect("a token just made");
    passport.shaken().expect("claims just made")
}

/// The floor: nothing but the signature over as many octets, with the key as it stands in a certificate, and with the key
/// read before.
struct Floor {
    key: UnparsedPublicKey<Vec<u8>>,
    read: ParsedPublicKey,
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
        let point = key.public_key().as_ref().to_vec();
        Floor {
            signature: key.sign(&random, &signed).expect("a signature").as_ref().to_vec(),
            read: ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point).expect("a key"),
            key: UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point),
            signed,
        }
    }

    fn verify(&self) {
        let result = self
            .key
            .verify(black_box(&self.signed), black_box(&self.signature));
        assert!(result.is_ok());
    }

    fn verify_with_key_read(&self) {
        let result = self
            .read
            .verify_sig(black_box(&self.signed), black_box(&self.signature));
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
/// runs, each stage and the floors by turns. Says nothing where the system does not tell.
fn cpu_time(_criterion: &mut Criterion) {
    let call = Call::new();
    let message = message(&call.identity);
    let mut verifier = call.world.verifier();
    let another = call.world.verifier();
    let floor = Floor::new();
    let mut stages: [(&str, &mut dyn FnMut()); 5] = [
        ("one warm verification", &mut || {
            black_box(call.judge(&mut verifier, &message));
        }),
        ("what the message alone tells", &mut || {
            black_box(another.begin(black_box(&message), at(NOW)));
        }),
        ("token to claims", &mut || {
            black_box(claims(call.token()));
        }),
        ("one ES256 signature, nothing else", &mut || floor.verify()),
        ("the same, its key read before", &mut || {
            floor.verify_with_key_read()
        }),
    ];
    let mut best = [f64::INFINITY; 5];
    for _ in 0..400 {
        for ((_, work), best) in stages.iter_mut().zip(&mut best) {
            let Some(each) = microseconds_each(work) else {
                return;
            };
            *best = best.min(each);
        }
    }
    for ((name, _), best) in stages.iter().zip(best) {
        println!("CPU: {best:6.1} us {name}");
    }
}

fn microseconds_each(mut work: impl FnMut()) -> Option<f64> {
    const TIMES: u32 = 50;
    let before = nanoseconds_on_cpu()?;
    for _ in 0..TIMES {
        work();
    }
    Some((nanoseconds_on_cpu()? - before) as f64 / f64::from(TIMES) / 1000.0)
}

/// Of this thread: `CLOCK_THREAD_CPUTIME_ID`. What `/proc` tells of the same lags by up to a tick, which is longer than many of
/// these runs.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn nanoseconds_on_cpu() -> Option<u64> {
    #[repr(C)]
    struct Timespec {
        seconds: i64,
        nanoseconds: i64,
    }
    const THREAD_CPU_TIME: i32 = 3;
    #[expect(unsafe_code, reason = "the standard library does not ask the system for it")]
    unsafe extern "C" {
        fn clock_gettime(clock: i32, time: *mut Timespec) -> i32;
    }
    let mut time = Timespec {
        seconds: 0,
        nanoseconds: 0,
    };
    // SAFETY: `time` is what the call fills in on 64-bit Linux (clock_gettime(2)), and outlives it.
    #[expect(unsafe_code, reason = "as above")]
    let is_told = unsafe { clock_gettime(THREAD_CPU_TIME, &raw mut time) } == 0;
    let nanoseconds = time.seconds.checked_mul(1_000_000_000)? + time.nanoseconds;
    u64::try_from(nanoseconds).ok().filter(|_| is_told)
}

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
fn nanoseconds_on_cpu() -> Option<u64> {
    None
}

criterion_group!(benches, verification, signature, cpu_time);
criterion_main!(benches);
