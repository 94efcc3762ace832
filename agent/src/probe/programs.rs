//! What the programs cost the kernel to check and to keep.

use aya::Ebpf;

/// Instructions after which the kernel's verifier refuses a program (`BPF_COMPLEXITY_LIMIT_INSNS`).
pub const VERIFIER_LIMIT: u32 = 1_000_000;

/// A program of the object, as the kernel took it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramSize {
    /// Name in the object.
    pub program: String,
    /// Instructions that the verifier went through, each as often as it did, out of
    /// [`VERIFIER_LIMIT`]; `None` when the program is not loaded.
    pub verified_instructions: Option<u32>,
    /// Bytes of machine code; `None` when the program is not loaded or is interpreted.
    pub jited_bytes: Option<u32>,
}

/// Every program of the object, by name.
pub(super) fn sizes(ebpf: &Ebpf) -> Vec<ProgramSize> {
    let mut sizes: Vec<ProgramSize> = ebpf
        .programs()
        .map(|(name, program)| {
            let info = program.info().ok(); // not loaded
            ProgramSize {
                program: name.to_owned(),
                verified_instructions: info
                    .as_ref()
                    .and_then(|info| info.verified_instruction_count()),
                jited_bytes: info
                    .map(|info| info.size_jitted())
                    .filter(|bytes| *bytes > 0),
            }
        })
        .collect();
    sizes.sort_by(|one, other| one.program.cmp(&other.program));
    sizes
}

/// The program that takes the verifier furthest, with its instructions.
pub(crate) fn largest(sizes: &[ProgramSize]) -> Option<(&str, u32)> {
    let verified = sizes
        .iter()
        .filter_map(|size| Some((size.program.as_str(), size.verified_instructions?)));
    verified.max_by_key(|(_, instructions)| *instructions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_is_among_the_loaded() {
        let size = |program: &str, verified_instructions| ProgramSize {
            program: program.to_owned(),
            verified_instructions,
            jited_bytes: None,
        };
        let sizes = [size("a", Some(7)), size("b", Some(9)), size("c", None)];
        assert_eq!(largest(&sizes), Some(("b", 9)));
        assert_eq!(largest(&sizes[2..]), None);
    }
}
