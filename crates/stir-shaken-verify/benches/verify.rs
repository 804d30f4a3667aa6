//! One verification with a warm certificate: what every signed call costs.

#[path = "../tests/verification/authority.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod authority;

use std::hint::black_box;
use std::sync::Arc;

use authority::{NOW, URL, World, at, message};
use criterion::{Criterion, criterion_group, criterion_main};
use stir_shaken_verify::Standing;

fn warm_verification(criterion: &mut Criterion) {
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
    criterion.bench_function("what the message alone tells", |bench| {
        bench.iter(|| verifier.begin(black_box(&message), at(NOW)));
    });
}

criterion_group!(benches, warm_verification);
criterion_main!(benches);
