//! Numbers, truth values and networks that a field is compared with, all at once.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::FixedState;

use super::super::net::{Network, NetworkTable};

/// Numbers and what each stands for.
#[derive(Debug, Default)]
pub(super) struct Numbers(HashMap<i64, Vec<u32>, FixedState>);

impl Numbers {
    pub(super) fn add(&mut self, number: i64, value: u32) {
        self.0.entry(number).or_default().push(value);
    }

    pub(super) fn look_up(&self, number: i64, met: impl FnMut(u32)) {
        if let Some(values) = self.0.get(&number) {
            values.iter().copied().for_each(met);
        }
    }
}

/// Both truth values and what each stands for.
#[derive(Debug, Default)]
pub(super) struct Flags([Vec<u32>; 2]);

impl Flags {
    pub(super) fn add(&mut self, flag: bool, value: u32) {
        self.0[usize::from(flag)].push(value);
    }

    pub(super) fn look_up(&self, flag: bool, met: impl FnMut(u32)) {
        self.0[usize::from(flag)].iter().copied().for_each(met);
    }
}

/// Networks and what each stands for.
#[derive(Debug, Default)]
pub(super) struct Networks(NetworkTable<Vec<u32>>);

impl Networks {
    pub(super) fn add(&mut self, network: &Network, value: u32) {
        self.0.entry(network).push(value);
    }

    pub(super) fn look_up(&self, address: IpAddr, mut met: impl FnMut(u32)) {
        for values in self.0.containing(address) {
            values.iter().copied().for_each(&mut met);
        }
    }
}
