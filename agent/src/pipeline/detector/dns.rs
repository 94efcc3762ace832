//! DNS packets in, events out.

use gravlens_common::Hook;

use super::super::pending::Awaited;
use super::Detector;
use crate::decode::{DnsView, Head};
use crate::enrich::dns::{Owner, ResolverMessage};
use crate::model::{Payload, Syscall};

impl Detector {
    /// One packet: as many events as it completes messages.
    pub(super) fn dns(&mut self, head: Head, packet: &DnsView<'_>) {
        let origin = self.bulk(head, &packet.context, Hook::Dns);
        if origin.canary {
            return;
        }
        let container = self.containers.view(origin.cgroup_id);
        for message in self.dns.packet(packet, &container, head.boot_ns) {
            self.event(&origin, Syscall::Dns, None, Payload::Dns(Box::new(message)));
        }
        self.ask_resolvers();
    }

    /// The resolvers of a container were looked up.
    pub(in crate::pipeline) fn resolvers(&mut self, message: ResolverMessage) {
        if let Some(tape) = &mut self.tape {
            tape.resolvers(&message);
        }
        let owner = message.owner;
        self.dns.configured(message, self.now_ns);
        self.resolvers_known(&[owner]);
    }

    pub(super) fn dns_tick(&mut self) {
        let failed = self.dns.tick(self.now_ns);
        if !failed.is_empty() {
            self.resolvers_known(&failed);
        }
        self.ask_resolvers();
    }

    fn resolvers_known(&mut self, owners: &[Owner]) {
        self.reconsider(&Awaited::Resolvers(owners));
    }

    fn ask_resolvers(&mut self) {
        let requests = &self.resolver_requests;
        self.dns
            .offer_requests(|request| requests.try_send(request).is_ok());
    }
}
