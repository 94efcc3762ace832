//! The vocabulary that all stages share: processes, containers, events and alerts.
//!
//! Kernel strings are bytes: nothing here assumes UTF-8. Absence is explicit: `None` means
//! "the kernel gave no value", never a zero.

mod approval;
mod baseline;
mod call;
mod container;
mod dns;
mod event;
mod finding;
mod paths;
mod process;
mod unit;
mod unix_name;

pub use approval::{ClassSummary, Kept};
pub use baseline::{
    BaselineEvidence, BaselineExposure, BaselineKind, BaselineNearest, BaselinePhase,
    BaselinePrediction, BaselineState, PredictedPer,
};
pub use call::{Argument, Call, parameters};
pub use container::{
    Container, ContainerMetadata, ContainerView, Identity, Mount, Runtime, pod_labels,
};
pub use dns::{
    AddressName, Dns, DnsFault, DnsMatch, DnsMessage, DnsQuestion, Resolver, rcode_name,
    rcode_text, rtype_name, rtype_text,
};
pub use event::{
    AddressFamily, CgroupChange, Endpoint, Event, EventFlags, Open, Path, Payload, Provenance,
    SetIds, Socket, SocketAddress, Syscall, Transport,
};
pub use finding::{Finding, MatchedTerm, NearException, Priority, RuleInfo, RuleSetId};
pub use paths::{ArgumentNames, CallPath, Paths};
pub use process::{
    Capabilities, Charge, Environment, ExeFile, ExecId, Groups, Ids, Image, Layer, Process, Stdio,
    StdioKind, Tty,
};
pub use unit::{SERVICE, Unit};
pub use unix_name::UnixName;
