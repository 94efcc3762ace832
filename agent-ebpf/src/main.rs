//! Kernel programs of Gravlens.
//!
//! `hooks/` has one file per topic; `kernel/` has the only pointer walks, as typed readers whose
//! offsets the loader injects. A hook decides scope, counts the event, reads what it needs and
//! emits one record.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod account;
mod appender;
mod approvers;
mod compat_call;
mod dns_askers;
mod emit;
mod fairness;
mod globals;
mod hooks;
mod kernel;
mod known;
mod maps;
mod ongoing;
mod ring_request;
mod scope;
mod scratch;
mod verifier;

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// A panic that can be reached must fail verification, so it loops.
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
