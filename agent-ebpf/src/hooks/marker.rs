//! A barrier: one record in each ring, so that the daemon knows that it has read everything that
//! was written before.

use aya_ebpf::{EbpfContext, macros::raw_tracepoint, programs::RawTracePointContext};
use gravlens_common::{Kind, MarkerRecord, RecordHeader};

use crate::{
    emit::{self, Wake},
    fairness::Paid,
};

/// Never attached: the daemon runs it through `BPF_PROG_TEST_RUN` with a nonce as its argument.
#[raw_tracepoint(tracepoint = "sys_enter")]
pub fn marker(ctx: RawTracePointContext) -> i32 {
    let mut record = MarkerRecord {
        header: RecordHeader::default(),
        // SAFETY: the context of a raw tracepoint is an array of arguments; the verifier checks
        // the offset.
        nonce: unsafe { *ctx.as_ptr().cast::<u64>() },
    };
    let size = size_of::<MarkerRecord>() as u64;
    record.header = emit::header(Kind::Marker, size as u32);
    // SAFETY: the record is initialised.
    unsafe {
        emit::bulk((&raw const record).cast(), size, Paid::FREE);
        emit::critical((&raw const record).cast(), size, Wake::Now, None);
    }
    0
}
