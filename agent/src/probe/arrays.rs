//! Arrays of the object that the loader fills in.

use aya::{
    Ebpf, Pod,
    maps::{Array, MapData},
};

use super::ProbeError;

/// The array of that name.
pub(super) fn array<'a, T: Pod>(
    ebpf: &'a mut Ebpf,
    name: &str,
) -> Result<Array<&'a mut MapData, T>, ProbeError> {
    let map = ebpf
        .map_mut(name)
        .ok_or_else(|| failed(name, &"not in the object"))?;
    Array::try_from(map).map_err(|error| failed(name, &error))
}

/// Why an array cannot be filled in.
pub(super) fn failed(map: &str, why: &dyn std::fmt::Display) -> ProbeError {
    ProbeError::Load(format!("the map {map}: {why}"))
}
