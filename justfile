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
    cargo test --test calls random

bench:
    cargo bench
