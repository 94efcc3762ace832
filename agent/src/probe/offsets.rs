//! Offsets of the kernel fields that the programs read, found in the running kernel's BTF.

use std::fs;

use gravlens_common::{ABSENT, OFFSETS, OffsetSpec};

use super::{
    ProbeError,
    btf::{Btf, Field},
    overlay,
};

const KERNEL_BTF: &str = "/sys/kernel/btf/vmlinux";

/// One line of the table with what this kernel says.
#[derive(Clone, Debug)]
pub struct ResolvedOffset {
    /// The field.
    pub spec: &'static OffsetSpec,
    /// Offset in bytes and the path that gave it, or why there is none.
    pub found: Result<(u32, &'static str), String>,
}

/// The whole table.
#[derive(Clone, Debug)]
pub struct OffsetReport {
    /// In the table's order.
    pub offsets: Vec<ResolvedOffset>,
}

impl OffsetReport {
    /// Reads the running kernel's description and looks every field up.
    pub fn of_running_kernel() -> Result<Self, ProbeError> {
        let bytes = fs::read(KERNEL_BTF).map_err(|source| ProbeError::NoBtf {
            path: KERNEL_BTF.into(),
            source,
        })?;
        let kernel = Btf::parse(&bytes)?;
        Ok(Self::resolve(&overlay::described(kernel)))
    }

    /// Looks every field up in a description.
    pub fn resolve(btf: &Btf) -> Self {
        let offsets = OFFSETS
            .iter()
            .map(|spec| ResolvedOffset {
                spec,
                found: find(btf, spec),
            })
            .collect();
        Self { offsets }
    }

    /// Fails when a required field is missing, naming every one.
    pub fn check(&self) -> Result<(), ProbeError> {
        let missing: Vec<String> = self
            .offsets
            .iter()
            .filter(|offset| offset.spec.required)
            .filter_map(|offset| {
                let why = offset.found.as_ref().err()?;
                Some(format!("{} ({why})", offset.spec.symbol))
            })
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(ProbeError::MissingFields {
            missing: missing.join(", "),
        })
    }

    /// Symbol and value of each global to inject.
    pub fn globals(&self) -> impl Iterator<Item = (&'static str, u32)> + '_ {
        self.offsets.iter().map(|offset| {
            let value = offset.found.as_ref().map_or(ABSENT, |(value, _)| *value);
            (offset.spec.symbol, value)
        })
    }

    /// Whether the programs can tell on which overlay layer a file is.
    pub fn tells_overlay_layers(&self) -> bool {
        let needed = [
            "OVL_INODE_VFS_INODE",
            "OVL_INODE_UPPER",
            "OVL_ENTRY_NUMLOWER",
        ];
        !self
            .absent()
            .any(|offset| needed.contains(&offset.spec.symbol))
    }

    /// The field that is read on a kernel without this one, where the two tell the same: before
    /// 6.5 the overlay layers of a file hang on its dentry.
    pub fn stand_in(&self, symbol: &str) -> Option<&'static str> {
        let stand_in = match symbol {
            "OVL_INODE_ENTRY" if self.tells_overlay_layers() => "DENTRY_FSDATA",
            _ => return None,
        };
        let absent = self.absent().any(|offset| offset.spec.symbol == stand_in);
        (!absent).then_some(stand_in)
    }

    /// The optional fields that this kernel lacks.
    pub fn absent(&self) -> impl Iterator<Item = &ResolvedOffset> {
        self.offsets.iter().filter(|offset| offset.found.is_err())
    }
}

/// The first path that exists; a field of another width would be read wrongly, so it is refused.
fn find(btf: &Btf, spec: &'static OffsetSpec) -> Result<(u32, &'static str), String> {
    let mut reasons = Vec::new();
    for path in spec.paths {
        match btf.find(path) {
            Ok(Field { size, .. }) if spec.width != 0 && size != spec.width => {
                reasons.push(format!("{path}: {size} bytes, not {}", spec.width));
            }
            Ok(field) => return Ok((field.offset, path)),
            Err(error) => reasons.push(format!("{path}: {error}")),
        }
    }
    Err(reasons.join("; "))
}
