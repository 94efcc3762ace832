//! `struct io_kiocb`: a request of io_uring.
//!
//! Each kind of request has a function that works it off (io_uring/*.c) and that the kernel calls by
//! its address, so the function is there to be traced wherever io_uring is.

use aya_ebpf::{Global, programs::FExitContext};

use super::read_or_zero;
use crate::globals::{REQUEST_FILE, REQUEST_RESULT};

/// The request could not be done without waiting: it is made again.
pub const EAGAIN: i32 = 11;

/// A request.
#[derive(Clone, Copy)]
pub struct Request(u64);

impl Request {
    /// By its address.
    #[inline(always)]
    pub fn at(address: u64) -> Self {
        Self(address)
    }

    /// Address of the file that it is about.
    #[inline(always)]
    pub fn file(self) -> u64 {
        read_or_zero(self.0, &REQUEST_FILE)
    }

    /// A field of it; zero where it cannot be read.
    #[inline(always)]
    pub fn get<T: Copy>(self, field: &Global<u32>) -> T {
        read_or_zero(self.0, field)
    }

    /// How it ended, at the end of its function.
    #[inline(always)]
    pub fn result(self, ctx: &FExitContext) -> i32 {
        let returned = ctx.ret::<i32>().unwrap_or(0);
        if returned < 0 {
            return returned;
        }
        read_or_zero(self.0, &REQUEST_RESULT)
    }
}
