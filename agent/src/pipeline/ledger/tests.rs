use std::collections::VecDeque;
use std::time::SystemTime;

use proptest::prelude::*;

use super::*;
use crate::alert::LossWatch;
use crate::telemetry::LossAccount;

fn kernel(seen: u64, delivered: u64, ring_full: u64) -> KernelAccount {
    KernelAccount {
        seen,
        delivered,
        ring_full,
        ..KernelAccount::default()
    }
}

fn counts(balance: &Balance, cgroup_id: u64) -> EventCounts {
    let mut found = balance.accounts.iter().filter(|(id, ..)| *id == cgroup_id);
    found.next().expect("the account is listed").2
}

#[test]
fn the_account_balances_when_all_is_counted() {
    let mut ledger = Ledger::default();
    for _ in 0..3 {
        ledger.received(7, Hook::Open);
    }
    let balance = ledger.balance(&[(7, Hook::Open, kernel(10, 4, 6))]);
    let counts = counts(&balance, 7);
    assert_eq!((counts.delivered, counts.in_flight), (3, 1));
    assert!(counts.balances());
}

#[test]
fn an_event_that_the_kernel_forgot_to_count_shows() {
    let balance = Ledger::default().balance(&[(7, Hook::Open, kernel(10, 4, 5))]);
    assert!(!counts(&balance, 7).balances());
}

#[test]
fn an_event_that_only_the_daemon_counted_shows() {
    let mut ledger = Ledger::default();
    ledger.received(7, Hook::Open);
    ledger.received(7, Hook::Open);
    let balance = ledger.balance(&[(7, Hook::Open, kernel(1, 1, 0))]);
    assert!(!counts(&balance, 7).balances());
    let balance = ledger.balance(&[(7, Hook::Open, kernel(1, 1, 0))]);
    assert!(!counts(&balance, OTHER_CGROUP).balances());
}

#[test]
fn more_than_was_counted_once_does_not_move_an_account() {
    let mut ledger = Ledger::default();
    ledger.received(7, Hook::Open);
    ledger.received(7, Hook::Open);
    assert!(
        ledger
            .balance(&[(7, Hook::Open, kernel(2, 1, 0))])
            .folded
            .is_empty()
    );
    let balance = ledger.balance(&[(7, Hook::Open, kernel(2, 2, 0))]);
    assert!(balance.folded.is_empty());
    assert_eq!(counts(&balance, 7).delivered, 2);
}

#[test]
fn an_entry_that_came_late_moves_at_the_second_reading_and_balances_at_the_first() {
    let mut ledger = Ledger::default();
    for _ in 0..3 {
        ledger.received(7, Hook::Open);
    }
    let reading = [
        (OTHER_CGROUP, Hook::Open, kernel(5, 5, 0)),
        (7, Hook::Open, kernel(1, 1, 0)),
    ];
    let first = ledger.balance(&reading);
    assert!(first.folded.is_empty());
    assert_eq!(counts(&first, 7).seen, 3);
    assert_eq!(counts(&first, OTHER_CGROUP).in_flight, 3);
    let second = ledger.balance(&reading);
    assert_eq!(second.folded, [7]);
    assert_eq!(counts(&second, OTHER_CGROUP).in_flight, 3);
    for balance in [first, second] {
        assert!(balance.accounts.iter().all(|(.., it)| it.balances()));
    }
}

#[test]
fn a_removed_cgroup_stays_in_the_totals_and_its_last_records_arrive_there() {
    let mut ledger = Ledger::default();
    ledger.received(7, Hook::Open);
    ledger.retire(7, &[(Hook::Open, kernel(3, 2, 1))]);
    let other = counts(&ledger.balance(&[]), OTHER_CGROUP);
    assert_eq!((other.seen, other.delivered, other.in_flight), (3, 1, 1));
    ledger.received(7, Hook::Open);
    let other = counts(&ledger.balance(&[]), OTHER_CGROUP);
    assert_eq!((other.seen, other.delivered, other.in_flight), (3, 2, 0));
}

#[test]
fn a_cgroup_without_an_entry_stands_in_other_also_when_it_gets_one() {
    let mut ledger = Ledger::default();
    ledger.received(7, Hook::Open);
    let other = (OTHER_CGROUP, Hook::Open, kernel(1, 1, 0));
    let balance = ledger.balance(&[other]);
    assert_eq!(balance.folded, [7]);
    assert_eq!(counts(&balance, OTHER_CGROUP).delivered, 1);
    ledger.received(7, Hook::Open);
    let balance = ledger.balance(&[other, (7, Hook::Open, kernel(2, 1, 1))]);
    assert_eq!((balance.accounts.len(), balance.folded.len()), (1, 0));
    let counts = counts(&balance, OTHER_CGROUP);
    assert_eq!((counts.seen, counts.delivered, counts.in_flight), (3, 2, 0));
    assert!(counts.balances());
}

#[test]
fn an_undecodable_record_counts_where_it_came_from_or_else_in_other() {
    let mut ledger = Ledger::default();
    let mut undecodable = |cgroup_id| {
        ledger.undecodable(Origin {
            cgroup_id,
            hook: Hook::Open,
        });
    };
    undecodable(Some(7));
    undecodable(None);
    let balance = ledger.balance(&[(7, Hook::Open, kernel(1, 1, 0))]);
    for cgroup_id in [7, OTHER_CGROUP] {
        let counts = counts(&balance, cgroup_id);
        assert_eq!((counts.seen, counts.decode), (1, 1), "{cgroup_id}");
        assert!(counts.balances());
    }
}

/// Entries that the kernel of the model has room for.
const ROOM: usize = 3;
const HOOKS: [Hook; 2] = [Hook::Fork, Hook::Open];

#[derive(Clone, Debug)]
enum Step {
    /// A program starts on an event; a lost one does not reach the ring.
    Event { cgroup: u64, hook: Hook, lost: bool },
    /// The program that was interrupted longest ago goes one step further.
    GoOn,
    /// Records arrive; the damaged ones tell their cgroup.
    Arrive { records: usize, damaged: bool },
    /// The daemon takes accounts and reports; the queue may have no room, the reading may fail.
    Settle { room: bool, readable: bool },
    /// The daemon takes accounts without a report.
    Look,
    /// A cgroup's account is folded away, be it really gone or not.
    Remove(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let cgroup = 1..7_u64;
    let hook = prop::sample::select(HOOKS.to_vec());
    prop_oneof![
        8 => (cgroup.clone(), hook, any::<bool>())
            .prop_map(|(cgroup, hook, lost)| Step::Event { cgroup, hook, lost }),
        20 => Just(Step::GoOn),
        4 => (1..5_usize, any::<bool>())
            .prop_map(|(records, damaged)| Step::Arrive { records, damaged }),
        3 => (any::<bool>(), any::<bool>())
            .prop_map(|(room, readable)| Step::Settle { room, readable }),
        1 => Just(Step::Look),
        2 => cgroup.prop_map(Step::Remove),
    ]
}

/// How far a program has come with its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Seen,
    /// Counted as delivered.
    Counted,
    /// The ring had no room, and the counter is back.
    TakenBack,
}

/// A program on its way.
#[derive(Clone, Copy, Debug)]
struct Running {
    cgroup: u64,
    /// Whose account it holds.
    account: u64,
    hook: Hook,
    lost: bool,
    phase: Phase,
}

/// Kernel, ring and daemon.
struct Model {
    running: VecDeque<Running>,
    /// Cgroups of which events were counted in `other`, or whose entry was taken away.
    elsewhere: HashSet<u64>,
    own: HashMap<u64, HashMap<Hook, KernelAccount>>,
    other: HashMap<Hook, KernelAccount>,
    ring: VecDeque<(u64, Hook)>,
    ledger: Ledger,
    losses: LossWatch,
    accounts: Vec<LossAccount>,
    seen: u64,
    lost: u64,
    told: u64,
    told_by_cgroup: HashMap<u64, u64>,
    lost_by_cgroup: HashMap<u64, u64>,
}

impl Model {
    fn new() -> Self {
        Self {
            running: VecDeque::new(),
            elsewhere: HashSet::new(),
            own: HashMap::new(),
            other: HashMap::new(),
            ring: VecDeque::new(),
            ledger: Ledger::default(),
            losses: LossWatch::new(SystemTime::UNIX_EPOCH),
            accounts: Vec::new(),
            seen: 0,
            lost: 0,
            told: 0,
            told_by_cgroup: HashMap::new(),
            lost_by_cgroup: HashMap::new(),
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Event { cgroup, hook, lost } => self.event(cgroup, hook, lost),
            Step::GoOn => {
                if let Some(program) = self.running.pop_front() {
                    self.go_on(program);
                }
            }
            Step::Arrive { records, damaged } => self.arrive(records, damaged),
            Step::Settle { room, readable } => {
                if readable {
                    self.look();
                    self.report(room);
                }
            }
            Step::Look => self.look(),
            Step::Remove(cgroup) => {
                // Nobody runs in a cgroup that is gone.
                self.finish(|program| program.cgroup == cgroup);
                self.elsewhere.insert(cgroup);
                let kernel: Vec<_> = self
                    .own
                    .remove(&cgroup)
                    .unwrap_or_default()
                    .into_iter()
                    .collect();
                self.ledger.retire(cgroup, &kernel);
                self.losses.fold(cgroup);
            }
        }
    }

    fn event(&mut self, cgroup: u64, hook: Hook, lost: bool) {
        let has_entry = self.own.contains_key(&cgroup) || self.own.len() < ROOM;
        let account = if has_entry { cgroup } else { OTHER_CGROUP };
        if !has_entry {
            self.elsewhere.insert(cgroup);
        }
        self.account(account, hook).seen += 1;
        self.seen += 1;
        self.running.push_back(Running {
            cgroup,
            account,
            hook,
            lost,
            phase: Phase::Seen,
        });
    }

    fn account(&mut self, account: u64, hook: Hook) -> &mut KernelAccount {
        let accounts = if account == OTHER_CGROUP {
            &mut self.other
        } else {
            self.own.entry(account).or_default()
        };
        accounts.entry(hook).or_default()
    }

    /// One step of a program, which may be interrupted behind each: as `emit.rs` of the kernel
    /// programs takes them.
    fn go_on(&mut self, program: Running) {
        let Running {
            cgroup,
            account,
            hook,
            lost,
            phase,
        } = program;
        let counters = self.account(account, hook);
        let next = match phase {
            Phase::Seen => {
                counters.delivered += 1;
                Phase::Counted
            }
            Phase::Counted if lost => {
                counters.delivered -= 1;
                Phase::TakenBack
            }
            Phase::Counted => {
                self.ring.push_back((cgroup, hook));
                return;
            }
            Phase::TakenBack => {
                counters.ring_full += 1;
                self.lose(cgroup);
                return;
            }
        };
        self.running.push_front(Running {
            phase: next,
            ..program
        });
    }

    /// Lets programs run to their ends.
    fn finish(&mut self, which: impl Fn(&Running) -> bool) {
        let programs = std::mem::take(&mut self.running);
        let (ending, waiting): (Vec<_>, Vec<_>) = programs.into_iter().partition(which);
        for program in ending {
            self.go_on(program);
            while let Some(program) = self.running.pop_front() {
                self.go_on(program);
            }
        }
        self.running = waiting.into();
    }

    fn lose(&mut self, cgroup: u64) {
        self.lost += 1;
        *self.lost_by_cgroup.entry(cgroup).or_default() += 1;
    }

    fn arrive(&mut self, records: usize, damaged: bool) {
        for _ in 0..records {
            let Some((cgroup, hook)) = self.ring.pop_front() else {
                return;
            };
            if damaged {
                self.lose(cgroup);
                let cgroup_id = Some(cgroup);
                self.ledger.undecodable(Origin { cgroup_id, hook });
            } else {
                self.ledger.received(cgroup, hook);
            }
        }
    }

    fn look(&mut self) {
        let own = self.own.iter().flat_map(|(cgroup, accounts)| {
            let accounts = accounts.iter();
            accounts.map(|(hook, account)| (*cgroup, *hook, *account))
        });
        let other = self.other.iter();
        let kernel: Vec<_> = own
            .chain(other.map(|(hook, account)| (OTHER_CGROUP, *hook, *account)))
            .collect();
        let Balance { accounts, folded } = self.ledger.balance(&kernel);
        for cgroup in folded {
            assert!(self.elsewhere.contains(&cgroup), "{cgroup} moved");
            self.losses.fold(cgroup);
        }
        let mut totals = EventCounts::default();
        for (cgroup, hook, counts) in &accounts {
            assert!(
                counts.balances() || !self.running.is_empty(),
                "{cgroup} {hook:?}: {counts:?}"
            );
            totals += *counts;
        }
        self.check(totals);
        self.accounts = accounts
            .into_iter()
            .map(|(cgroup_id, hook, events)| LossAccount {
                hook: hook.name().to_owned(),
                cgroup_id,
                cgroup_path: String::new(),
                container: None,
                events,
            })
            .collect();
    }

    /// Exact when no program runs; else off by no more than the events that are under way.
    fn check(&self, totals: EventCounts) {
        let running = self.running.len() as u64;
        let ring = self.ring.len() as u64;
        let told = totals.delivered + totals.dropped() + totals.in_flight;
        assert_eq!(totals.seen, self.seen, "{totals:?}");
        assert!(
            told <= totals.seen && totals.seen <= told + running,
            "{totals:?}"
        );
        assert!(
            ring <= totals.in_flight && totals.in_flight <= ring + running,
            "{totals:?}"
        );
    }

    fn report(&mut self, room: bool) {
        let Self {
            losses,
            accounts,
            told,
            told_by_cgroup,
            ..
        } = self;
        losses.report_to(accounts, SystemTime::UNIX_EPOCH, |loss| {
            if room {
                *told += loss.count;
                *told_by_cgroup.entry(loss.cgroup_id).or_default() += loss.count;
            }
            room
        });
    }
}

proptest! {
    /// Every account balances whenever it is taken, and the LOSS records add up to what was lost:
    /// never to more, and to all of it once the queue has room. No cgroup is said to have lost
    /// more than it did.
    #[test]
    fn accounts_balance_and_losses_are_told_once(steps in prop::collection::vec(step(), 0..120)) {
        let mut model = Model::new();
        for step in &steps {
            model.take(step);
            prop_assert!(model.told <= model.lost, "{step:?}: {} > {}", model.told, model.lost);
        }
        model.finish(|_| true);
        model.look();
        model.report(true);
        prop_assert_eq!(model.told, model.lost);
        for (cgroup, told) in model.told_by_cgroup {
            let lost = model.lost_by_cgroup.get(&cgroup).copied().unwrap_or_default();
            prop_assert!(cgroup == OTHER_CGROUP || told <= lost, "{cgroup}: {told} > {lost}");
        }
    }
}

#[test]
fn a_cgroup_that_counts_as_another_stays_with_it_when_it_is_gone() {
    const OWN: u64 = 7;
    const MADE: u64 = 8;
    let mut ledger = Ledger::default();
    ledger.received(OWN, Hook::CgroupMkdir);
    ledger.count_as(MADE, OWN);
    ledger.received(MADE, Hook::CgroupMkdir);
    let before = [
        (OWN, Hook::CgroupMkdir, kernel(1, 1, 0)),
        (MADE, Hook::CgroupMkdir, kernel(2, 1, 1)),
    ];
    let balance = ledger.balance(&before);
    assert_eq!((balance.accounts.len(), balance.folded.len()), (1, 0));
    let now = counts(&balance, OWN);
    assert_eq!((now.seen, now.delivered, now.ring_full), (3, 2, 1));
    ledger.retire(MADE, &[(Hook::CgroupMkdir, kernel(2, 1, 1))]);
    assert_eq!(counts(&ledger.balance(&before[..1]), OWN), now);
}
