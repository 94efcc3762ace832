use proptest::prelude::*;

use super::*;

/// Builds BTF by hand, as pahole would.
#[derive(Default)]
struct Builder {
    types: Vec<u8>,
    strings: Vec<u8>,
    string_base: u32,
}

impl Builder {
    fn new() -> Self {
        Self {
            strings: vec![0],
            ..Self::default()
        }
    }

    fn module(base_strings: u32) -> Self {
        Self {
            string_base: base_strings,
            ..Self::default()
        }
    }

    fn name(&mut self, name: &str) -> u32 {
        if name.is_empty() {
            return 0;
        }
        let offset = self.string_base + self.strings.len() as u32;
        self.strings.extend_from_slice(name.as_bytes());
        self.strings.push(0);
        offset
    }

    fn words(&mut self, words: &[u32]) {
        for word in words {
            self.types.extend_from_slice(&word.to_le_bytes());
        }
    }

    fn int(&mut self, name: &str, size: u32) {
        let name = self.name(name);
        self.words(&[name, KIND_INT << 24, size, size * 8]);
    }

    /// Members are (name, type, offset word).
    fn composite(&mut self, name: &str, size: u32, flag: bool, members: &[(&str, u32, u32)]) {
        let name = self.name(name);
        let info = (u32::from(flag) << 31) | (KIND_STRUCT << 24) | members.len() as u32;
        self.words(&[name, info, size]);
        for (member, type_id, offset) in members {
            let member = self.name(member);
            self.words(&[member, *type_id, *offset]);
        }
    }

    fn finish(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_le_bytes().to_vec();
        bytes.extend_from_slice(&[1, 0]);
        for word in [
            HEADER_LEN as u32,
            0,
            self.types.len() as u32,
            self.types.len() as u32,
            self.strings.len() as u32,
        ] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&self.types);
        bytes.extend_from_slice(&self.strings);
        bytes
    }
}

/// int, kuid_t-like struct, a struct with an anonymous member, a bit field and an array.
fn sample() -> Builder {
    let mut builder = Builder::new();
    builder.int("int", 4); // 1
    builder.composite("kuid", 4, false, &[("val", 1, 0)]); // 2
    builder.composite("", 8, false, &[("inner", 1, 32)]); // 3
    let name = builder.name("");
    builder.words(&[name, KIND_ARRAY << 24, 0, 1, 1, 5]); // 4: int[5]
    builder.composite(
        "cred",
        64,
        true,
        &[
            ("uid", 2, 64),
            ("", 3, 128),
            ("flag", 1, (3 << 24) | 256),
            ("regs", 4, 320),
        ],
    ); // 5
    builder
}

#[test]
fn finds_nested_and_anonymous_members() {
    let btf = Btf::parse(&sample().finish()).unwrap();
    assert_eq!(btf.find("cred.uid.val"), Ok(Field { offset: 8, size: 4 }));
    assert_eq!(
        btf.find("cred.inner"),
        Ok(Field {
            offset: 20,
            size: 4
        })
    );
    assert_eq!(
        btf.find("cred.regs[2]"),
        Ok(Field {
            offset: 48,
            size: 4
        })
    );
    assert_eq!(
        btf.find("cred.regs"),
        Ok(Field {
            offset: 40,
            size: 20
        })
    );
}

#[test]
fn a_bare_name_is_a_size() {
    let btf = Btf::parse(&sample().finish()).unwrap();
    assert_eq!(btf.find("cred").unwrap().offset, 64);
}

#[test]
fn says_what_is_missing() {
    let btf = Btf::parse(&sample().finish()).unwrap();
    assert_eq!(btf.find("task"), Err(BtfError::NoStruct("task".to_owned())));
    assert!(matches!(
        btf.find("cred.gid"),
        Err(BtfError::NoMember { .. })
    ));
    assert!(matches!(btf.find("cred.flag"), Err(BtfError::BitField(_))));
    assert!(matches!(
        btf.find("cred.uid[1]"),
        Err(BtfError::WrongType(_))
    ));
}

#[test]
fn a_module_continues_its_kernel() {
    let base = sample();
    let kernel = Btf::parse(&base.finish()).unwrap();
    let mut module = Builder::module(base.strings.len() as u32);
    module.composite("ovl_inode", 72, false, &[("vfs", 5, 64)]);
    let both = kernel.with_module(&module.finish()).unwrap();
    assert_eq!(both.find("ovl_inode.vfs.uid.val").unwrap().offset, 16);
    assert!(kernel.find("ovl_inode").is_err());
}

#[test]
fn the_struct_that_has_the_member_wins() {
    let mut builder = sample();
    builder.composite("twin", 4, false, &[("one", 1, 0)]);
    builder.composite("twin", 8, false, &[("two", 1, 32)]);
    let btf = Btf::parse(&builder.finish()).unwrap();
    assert_eq!(btf.find("twin.two").unwrap().offset, 4);
}

#[test]
fn a_cut_file_is_malformed() {
    let bytes = sample().finish();
    for len in 0..bytes.len() {
        assert!(Btf::parse(&bytes[..len]).is_err(), "{len} bytes parsed");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _ = Btf::parse(&bytes);
    }

    #[test]
    fn a_damaged_file_never_panics(
        at in 0usize..400,
        byte in any::<u8>(),
        path in "[a-z.\\[\\]0-9]{0,20}",
    ) {
        let mut bytes = sample().finish();
        let len = bytes.len();
        bytes[at % len] = byte;
        if let Ok(btf) = Btf::parse(&bytes) {
            let _ = btf.find(&path);
            let _ = btf.find("cred.uid.val");
            let _ = btf.find("cred.regs[3]");
        }
    }
}
