//! What stands for the part of a shape that did not fit.

/// Bytes of a digest.
pub(super) const LENGTH: usize = "{more:0123456789abcdef}".len();

/// FNV-1a of the part. It tells shapes apart that differ by chance; it does not resist somebody who
/// looks for two that have the same.
pub(super) fn of(rest: &[u8]) -> String {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let digest = rest.iter().fold(OFFSET, |digest, byte| {
        (digest ^ u64::from(*byte)).wrapping_mul(PRIME)
    });
    format!("{{more:{digest:016x}}}")
}
