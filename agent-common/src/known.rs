//! Opens that tell nobody anything for a while, and the key under which both sides know them.

/// Most bytes of a path that is known, a multiple of a word.
pub const KNOWN_PATH_MAX: usize = 256;

/// What one of the processes that the daemon knows is, by the fingerprint of its exec id.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KnownActor {
    /// Stands for its role in its container.
    pub role: u64,
    /// The cgroup in which it has it.
    pub cgroup_id: u64,
}

/// What is the same of all opens that share a key, beside who opens and the path. A key stands for all
/// that the record of an open tells but its time, its thread and the number of the descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownOpen {
    /// [`crate::OpenRecord::flags`].
    pub flags: u32,
    /// [`crate::OpenRecord::call`].
    pub call: u8,
    /// [`crate::OpenRecord::marks`].
    pub marks: u8,
    /// The call's result.
    pub result: i32,
}

impl KnownOpen {
    /// As one word, of which the last bit is left for [`known_by`].
    #[inline(always)]
    pub const fn word(self) -> u64 {
        let error = if self.result < 0 {
            self.result.unsigned_abs() & 0x7FFF
        } else {
            0
        };
        self.flags as u64
            | (self.call as u64) << 32
            | (self.marks as u64) << 40
            | (error as u64) << 48
    }
}

/// Third word: [`KnownOpen::word`], and whether the caller is root.
#[inline(always)]
pub const fn known_by(open: u64, is_root: bool) -> u64 {
    open | (is_root as u64) << 63
}

/// SipHash-1-3 with 128 bits, over words (Aumasson and Bernstein, 2012). Whoever does not know the
/// seed can find no two paths that share a key.
#[derive(Clone, Copy, Debug)]
pub struct Fingerprint {
    v0: u64,
    v1: u64,
    v2: u64,
    v3: u64,
}

impl Fingerprint {
    /// Begins one.
    #[inline(always)]
    pub const fn new(seed: [u64; 2]) -> Self {
        let [k0, k1] = seed;
        Self {
            v0: k0 ^ 0x736f_6d65_7073_6575,
            v1: k1 ^ 0x646f_7261_6e64_6f6d ^ 0xee,
            v2: k0 ^ 0x6c79_6765_6e65_7261,
            v3: k1 ^ 0x7465_6462_7974_6573,
        }
    }

    #[inline(always)]
    const fn round(&mut self) {
        self.v0 = self.v0.wrapping_add(self.v1);
        self.v1 = self.v1.rotate_left(13) ^ self.v0;
        self.v0 = self.v0.rotate_left(32);
        self.v2 = self.v2.wrapping_add(self.v3);
        self.v3 = self.v3.rotate_left(16) ^ self.v2;
        self.v0 = self.v0.wrapping_add(self.v3);
        self.v3 = self.v3.rotate_left(21) ^ self.v0;
        self.v2 = self.v2.wrapping_add(self.v1);
        self.v1 = self.v1.rotate_left(17) ^ self.v2;
        self.v2 = self.v2.rotate_left(32);
    }

    /// Takes in the next word.
    #[inline(always)]
    pub const fn add(&mut self, word: u64) {
        self.v3 ^= word;
        self.round();
        self.v0 ^= word;
    }

    /// The fingerprint of so many words.
    #[inline(always)]
    pub const fn end(mut self, words: u64) -> [u64; 2] {
        self.add((words * 8) << 56);
        self.v2 ^= 0xee;
        self.round();
        self.round();
        self.round();
        let first = self.v0 ^ self.v1 ^ self.v2 ^ self.v3;
        self.v1 ^= 0xdd;
        self.round();
        self.round();
        self.round();
        [first, self.v0 ^ self.v1 ^ self.v2 ^ self.v3]
    }
}

/// Words before those of the path: role, [`known_generation`], [`known_by`].
pub const KNOWN_HEAD: u64 = 3;

/// Second word: which rules and baselines the key is of, and the path's length.
#[inline(always)]
pub const fn known_generation(generation: u64, path_len: u64) -> u64 {
    generation << 16 | path_len
}

/// Key of an open; `None` of a path that is empty or too long for one.
pub fn known_key(
    seed: [u64; 2],
    role: u64,
    generation: u64,
    open: u64,
    path: &[u8],
) -> Option<[u64; 2]> {
    if path.is_empty() || path.len() > KNOWN_PATH_MAX {
        return None;
    }
    let mut fingerprint = Fingerprint::new(seed);
    fingerprint.add(role);
    fingerprint.add(known_generation(generation, path.len() as u64));
    fingerprint.add(open);
    let mut words = KNOWN_HEAD;
    for chunk in path.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        fingerprint.add(u64::from_le_bytes(word));
        words += 1;
    }
    Some(fingerprint.end(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_siphash_with_one_and_three_rounds() {
        // The words 0 to 14 under the key 00 01 .. 0f, by the reference implementation's successor in
        // the `siphasher` crate.
        use core::hash::Hasher as _;
        use siphasher::sip128::{Hasher128 as _, SipHasher13};
        let seed = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        for words in 0..16_u64 {
            let mut ours = Fingerprint::new(seed);
            let mut theirs = SipHasher13::new_with_keys(seed[0], seed[1]);
            for word in 0..words {
                let word = word.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                ours.add(word);
                theirs.write(&word.to_le_bytes());
            }
            let expected = theirs.finish128();
            assert_eq!(ours.end(words), [expected.h1, expected.h2], "{words}");
        }
    }

    #[test]
    fn whatever_differs_has_another_key() {
        let open = KnownOpen {
            flags: 0o2,
            call: 1,
            marks: 0,
            result: 3,
        };
        let key = |role, generation, open: KnownOpen, root, path: &[u8]| {
            known_key([1, 2], role, generation, known_by(open.word(), root), path).unwrap()
        };
        let one = key(7, 1, open, false, b"/etc/hosts");
        let later = KnownOpen { result: 9, ..open };
        assert_eq!(one, key(7, 1, later, false, b"/etc/hosts"));
        let others = [
            key(8, 1, open, false, b"/etc/hosts"),
            key(7, 2, open, false, b"/etc/hosts"),
            key(7, 1, open, true, b"/etc/hosts"),
            key(7, 1, open, false, b"/etc/host"),
            key(7, 1, open, false, b"/etc/hosts\0"),
            key(7, 1, KnownOpen { flags: 0, ..open }, false, b"/etc/hosts"),
            key(7, 1, KnownOpen { call: 2, ..open }, false, b"/etc/hosts"),
            key(7, 1, KnownOpen { marks: 1, ..open }, false, b"/etc/hosts"),
            key(7, 1, KnownOpen { result: -2, ..open }, false, b"/etc/hosts"),
        ];
        for other in others {
            assert_ne!(one, other);
        }
        let word = known_by(open.word(), false);
        assert_eq!(known_key([1, 2], 7, 1, word, b""), None);
        assert_eq!(known_key([1, 2], 7, 1, word, &[b'a'; 257]), None);
    }
}
