//! Octets looked at, counted in tests only: what costs more than the message is long shows here, on any machine.

/// Notes that `octets` were looked at. Nothing in a build that is no test.
#[inline(always)]
pub(crate) fn spend(octets: usize) {
    #[cfg(test)]
    SPENT.with(|spent| spent.set(spent.get() + octets as u64));
    #[cfg(not(test))]
    let _ = octets;
}

#[cfg(test)]
thread_local! {
    static SPENT: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// What `action` spent.
#[cfg(test)]
pub(crate) fn of(action: impl FnOnce()) -> u64 {
    let before = SPENT.with(std::cell::Cell::get);
    action();
    SPENT.with(std::cell::Cell::get) - before
}
