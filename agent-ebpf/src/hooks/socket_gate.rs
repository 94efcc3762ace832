//! Which socket calls are told: by their class, or by their ports too.

use gravlens_common::{Call, EventClass, Hook, SocketEnds, verdict};

use crate::{
    account::{self, Account},
    approvers,
    fairness::{self, Paid, Token},
    scope::Caller,
};

/// How an event has come past the first check.
#[derive(Clone, Copy)]
pub enum Gate {
    /// By what its class says. It has paid.
    Paid(Token),
    /// Its ports decide, and it pays afterwards.
    ByPort,
}

impl Gate {
    /// The first check, by the class. `None` when the event has been counted as suppressed or as
    /// cut.
    #[inline(always)]
    pub fn enter(
        call: Call,
        class: EventClass,
        caller: Caller,
        account: Option<Account>,
    ) -> Option<Self> {
        match approvers::verdict_of(call as u8, class, caller) {
            verdict::DROP => {
                account::suppressed(account);
                None
            }
            verdict::BY_PORT => Some(Self::ByPort),
            _ => fairness::token(caller.cgroup_id, account).map(Self::Paid),
        }
    }

    /// The second check, by the ports. `None` as above.
    #[inline(always)]
    pub fn leave(
        self,
        hook: Hook,
        ends: &SocketEnds,
        cgroup_id: u64,
        account: Option<Account>,
    ) -> Option<Paid> {
        match self {
            Self::Paid(token) => Some(token.spent(account)),
            Self::ByPort if approvers::wants_ports(hook, ends) => fairness::pay(cgroup_id, account),
            Self::ByPort => {
                account::suppressed(account);
                None
            }
        }
    }
}
