pub(super) fn samples() -> Vec<Vec<u8>> {
    Vec::new()
}
