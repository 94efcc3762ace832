//! Sums over accounts of events.

use gravlens::proto::{EventAccount, LossAccount};

/// Adds another account to a total, number by number.
pub fn add(total: &mut EventAccount, other: &EventAccount) {
    total.seen += other.seen;
    total.delivered += other.delivered;
    total.suppressed += other.suppressed;
    total.ring_full += other.ring_full;
    total.rate_limited += other.rate_limited;
    total.scratch_busy += other.scratch_busy;
    total.queue += other.queue;
    total.decode += other.decode;
    total.in_flight += other.in_flight;
}

/// The total of several accounts.
pub fn total<'a>(accounts: impl IntoIterator<Item = &'a LossAccount>) -> EventAccount {
    let mut sum = EventAccount::default();
    let accounts = accounts.into_iter();
    for events in accounts.filter_map(|account| account.events.as_ref()) {
        add(&mut sum, events);
    }
    sum
}

/// Events that were lost, for whatever reason; a cut counts as lost.
pub fn dropped(events: &EventAccount) -> u64 {
    events.ring_full + events.rate_limited + events.scratch_busy + events.queue + events.decode
}
