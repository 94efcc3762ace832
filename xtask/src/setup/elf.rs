//! Just enough of ELF to tell a static program from a dynamic one.

use std::fs;
use std::path::Path;

/// The program header that names a dynamic loader.
const PT_INTERP: u32 = 3;

/// Whether a 64-bit program runs without a dynamic loader. False for what is no such program.
pub(super) fn is_static(path: &Path) -> bool {
    fs::read(path).is_ok_and(|bytes| has_interpreter(&bytes) == Some(false))
}

fn has_interpreter(bytes: &[u8]) -> Option<bool> {
    if !bytes.starts_with(b"\x7fELF\x02\x01") {
        return None; // not ELF, 64 bits, little endian
    }
    let table = usize::try_from(u64::from_le_bytes(field(bytes, 32)?)).ok()?;
    let size = usize::from(u16::from_le_bytes(field(bytes, 54)?));
    let count = usize::from(u16::from_le_bytes(field(bytes, 56)?));
    for index in 0..count {
        let at = table.checked_add(index.checked_mul(size)?)?;
        if u32::from_le_bytes(field(bytes, at)?) == PT_INTERP {
            return Some(true);
        }
    }
    Some(false)
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_binary_is_dynamic_and_text_is_no_program() {
        let own = fs::read("/proc/self/exe").unwrap();
        assert_eq!(has_interpreter(&own), Some(true));
        assert_eq!(has_interpreter(b"#!/bin/sh\n"), None);
        assert_eq!(has_interpreter(&own[..60]), None);
    }
}
