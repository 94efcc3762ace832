//! Whether executions are told with their environment.

use aya::{
    Ebpf,
    maps::{Array, MapError},
};

use super::ProbeError;

/// Has the programs take the environment of what is executed from now on, or leave it.
pub(super) fn capture(ebpf: &mut Ebpf, wanted: bool) -> Result<(), ProbeError> {
    let map = ebpf
        .map_mut("ENVIRONMENT_WANTED")
        .ok_or_else(|| ProbeError::Load("the object has no array ENVIRONMENT_WANTED".to_owned()))?;
    let mut array: Array<_, u32> = Array::try_from(map).map_err(|error| failed(&error))?;
    array
        .set(0, u32::from(wanted), 0)
        .map_err(|error| failed(&error))
}

fn failed(error: &MapError) -> ProbeError {
    ProbeError::Load(format!("ENVIRONMENT_WANTED: {error}"))
}
