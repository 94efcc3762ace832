//! Plain loads from kernel memory instead of a helper each: whether this kernel grants them, and how
//! the programs come by them.

use aya::Btf;
use aya_obj::btf::BtfKind;
use gravlens_common::CAST_HELPER;
use zerocopy::IntoBytes as _;

use super::bpf;

/// The kernel function behind which they are allowed, since Linux 6.2 for programs of all types.
const FUNCTION: &str = "bpf_rdonly_cast";
/// A type that begins with an integer of eight bytes.
const TYPE: &str = "timespec64";

/// `call`, of a helper by its number.
const CALL: u8 = 0x85;
/// Source register of a call that says: of a kernel function (`BPF_PSEUDO_KFUNC_CALL`).
const KERNEL_FUNCTION: u8 = 2;

/// BTF ids of the function and the type.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlainLoads {
    function: u32,
    kind: u32,
}

impl PlainLoads {
    /// Those of this kernel; `None` where it does not grant them.
    pub(super) fn granted(btf: &Btf) -> Option<Self> {
        let loads = Self {
            function: btf.id_by_type_name_kind(FUNCTION, BtfKind::Func).ok()?,
            kind: btf.id_by_type_name_kind(TYPE, BtfKind::Struct).ok()?,
        };
        // A kernel that has the function may refuse it, to an interpreter for instance.
        bpf::load(&loads.trial()).ok().map(|_| loads)
    }

    /// BTF id of the type that addresses are cast to: what the programs have to know.
    pub(super) fn kind(self) -> u32 {
        self.kind
    }

    /// The object with calls of the function in place of those of [`CAST_HELPER`].
    pub(super) fn put_into(self, object: &[u8]) -> AlignedObject {
        let mut object = AlignedObject::of(object);
        let placeholder = instruction(CALL, 0, 0, CAST_HELPER).to_le();
        // Sections with instructions are aligned to those, and no other section has these eight bytes.
        for word in &mut object.words {
            if *word == placeholder {
                *word = self.call().to_le();
            }
        }
        object
    }

    fn call(self) -> u64 {
        instruction(CALL, 0, KERNEL_FUNCTION, self.function)
    }

    /// A program that makes one such load.
    fn trial(self) -> [u64; 5] {
        const SET: u8 = 0xb7;
        const LOAD: u8 = 0x79;
        const EXIT: u8 = 0x95;
        [
            instruction(SET, 1, 0, 0),
            instruction(SET, 2, 0, self.kind),
            self.call(),
            instruction(LOAD, 0, 0, 0),
            instruction(EXIT, 0, 0, 0),
        ]
    }
}

/// An instruction without an offset.
fn instruction(code: u8, destination: u8, source: u8, immediate: u32) -> u64 {
    let registers = destination | source << 4;
    u64::from(code) | u64::from(registers) << 8 | u64::from(immediate) << 32
}

/// An object file, aligned as its parser needs it.
pub(super) struct AlignedObject {
    words: Vec<u64>,
    len: usize,
}

impl AlignedObject {
    fn of(object: &[u8]) -> Self {
        let mut words = vec![0; object.len().div_ceil(size_of::<u64>())];
        words.as_mut_bytes()[..object.len()].copy_from_slice(object);
        Self {
            words,
            len: object.len(),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.words.as_bytes()[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOADS: PlainLoads = PlainLoads {
        function: 0x0102_0304,
        kind: 7,
    };

    #[test]
    fn a_call_is_encoded_as_the_kernel_reads_it() {
        assert_eq!(
            LOADS.call().to_le_bytes(),
            [0x85, 0x20, 0, 0, 0x04, 0x03, 0x02, 0x01]
        );
    }

    #[test]
    fn calls_of_the_placeholder_and_nothing_else_are_replaced() {
        let placeholder = instruction(CALL, 0, 0, CAST_HELPER).to_le_bytes();
        let helper = instruction(CALL, 0, 0, 113).to_le_bytes();
        let in_program = instruction(CALL, 0, 1, CAST_HELPER).to_le_bytes();
        let rest = [1, 2, 3];
        let object = |call: [u8; 8]| {
            let parts: [&[u8]; 5] = [&call, &helper, &in_program, &call, &rest];
            parts.concat()
        };
        let put = LOADS.put_into(&object(placeholder));
        assert_eq!(put.bytes(), object(LOADS.call().to_le_bytes()));
    }

    #[test]
    fn the_object_calls_the_placeholder() {
        let object = super::super::loader::OBJECT;
        assert_ne!(LOADS.put_into(object).bytes(), object);
    }
}
