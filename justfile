# Each recipe is one cargo command you can also type.

# what to run before a push
check: fmt clippy test doc

fmt:
    cargo fmt --all --check

clippy:
    cargo clippy --workspace --all-targets -- -D warnings

test:
    tests/run --fast

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# random days on the virtual clock; a failure prints its seed
sim:
    cargo run --release -p ringward-sim -- --calls 100000

bench:
    cargo bench

# what Ringward and other verifiers say to hostile calls (kamailio, kamailio-secsipid-modules, secsipidx)
matrix:
    cargo run --example verifier_matrix -- --out docs/verifier-matrix.md --date "$(date -u +%F)"
