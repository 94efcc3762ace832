//! `dns.*`: a DNS message and what is known of it. Falco has no such fields.

use super::super::catalogue::{address, family, flag, number, text};
use super::super::event_types::EventTypes;
use super::super::value::{Scalar, Value};
use super::fd::transport_name;
use super::{computed, put};
use crate::model::{
    self, DnsQuestion, Event, Payload, Resolver, rcode_name, rcode_text, rtype_name, rtype_text,
};

const DNS: EventTypes = EventTypes::DNS;

family! { Dns {
    IsAnswer = flag("dns.is_answer", "The message was received: an answer, else a query.").on(DNS);
    Id = number("dns.id", "Number by which an answer is matched with its query.").on(DNS);
    Name = text("dns.name", "Name that is asked for, in lower case without the final dot.").on(DNS);
    NameLength = number("dns.name.length", "Bytes of that name as text.").on(DNS);
    LabelLength = number("dns.label.length", "Bytes of its longest label, 63 at most.").on(DNS);
    Type = text("dns.type", "Type that is asked for, `A` or `TYPE123`.").on(DNS);
    Rcode = text("dns.rcode", "Result code of an answer, `NOERROR` or `NXDOMAIN`.").on(DNS);
    Answers = address("dns.answers", "Addresses that an answer gives to the name.").on(DNS);
    Cnames = text("dns.cnames", "Names that the name stands for, as an answer says.").on(DNS);
    Ttl = number("dns.ttl", "Seconds for which the answer holds, the shortest of its records.").on(DNS);
    Truncated = flag("dns.truncated", "The server left records out for want of room.").on(DNS);
    Server = address("dns.server", "The server as the process addressed it; of an answer that answers nothing its sender.").on(DNS);
    Transport = text("dns.transport", "`udp` or `tcp`.").on(DNS);
    IsResolver = flag("dns.is_resolver", "The server is configured in the container's resolv.conf; unknown while that is read, missing where it cannot be.").on(DNS);
    Unsolicited = flag("dns.unsolicited", "An answer that answers no query; missing where that cannot be said. Where records of the container were lost (LOSS tells), the query may be among them.").on(DNS);
    Why = text("dns.why", "Why it answers none: `no query`, `other id`, `other server`, `other question` or `answered before`.").on(DNS);
    Malformed = text("dns.malformed", "What is wrong with a message that cannot be read; missing where nothing is.").on(DNS);
} }

pub(super) fn get<'a>(event: &'a Event<'_>, field: Dns, scratch: &'a mut Vec<u8>) -> Value<'a> {
    let Payload::Dns(dns) = &event.payload else {
        return Value::Missing;
    };
    let message = &dns.message;
    match field {
        Dns::IsAnswer => Value::flag(dns.received),
        Dns::Id => message.id.map_or(Value::Missing, Value::number),
        Dns::Rcode => match message.rcode.map(|rcode| (rcode, rcode_name(rcode))) {
            None => Value::Missing,
            Some((_, Some(name))) => Value::text(name.as_bytes()),
            Some((rcode, None)) => computed(scratch, format_args!("RCODE{rcode}")),
        },
        Dns::Answers => Value::addresses(&message.addresses),
        Dns::Cnames => Value::texts(&message.cnames),
        Dns::Ttl => message.ttl.map_or(Value::Missing, Value::number),
        Dns::Truncated => Value::flag(message.truncated),
        Dns::Server => Value::optional(dns.server.map(Scalar::Address)),
        Dns::Transport => Value::text(transport_name(dns.transport)),
        Dns::IsResolver => match dns.resolver {
            Resolver::Configured => Value::flag(true),
            Resolver::Other => Value::flag(false),
            Resolver::Pending => Value::Unknown,
            Resolver::Unknown => Value::Missing,
        },
        Dns::Unsolicited => match dns.answers.and_then(|found| found.is_unsolicited()) {
            Some(unsolicited) => Value::flag(unsolicited),
            None => Value::Missing,
        },
        Dns::Why => text_or_missing(dns.answers.and_then(|found| found.why())),
        Dns::Malformed => text_or_missing(dns.malformed.map(|fault| fault.text())),
        Dns::Name | Dns::NameLength | Dns::LabelLength | Dns::Type => match &message.question {
            Some(question) => of_question(question, field, scratch),
            None => Value::Missing,
        },
    }
}

fn of_question<'a>(question: &'a DnsQuestion, field: Dns, scratch: &'a mut Vec<u8>) -> Value<'a> {
    match field {
        Dns::NameLength => Value::number(question.name.len()),
        Dns::LabelLength => Value::number(question.longest_label),
        Dns::Type => match rtype_name(question.rtype) {
            Some(name) => Value::text(name.as_bytes()),
            None => computed(scratch, format_args!("TYPE{}", question.rtype)),
        },
        _ => Value::text(question.name.as_bytes()),
    }
}

fn text_or_missing<'a>(text: Option<&'static str>) -> Value<'a> {
    text.map_or(Value::Missing, |text| Value::text(text.as_bytes()))
}

/// Appends what `evt.args` says of a message.
pub(super) fn arguments(dns: &model::Dns, buffer: &mut Vec<u8>) {
    let kind = if dns.received { "answer" } else { "query" };
    put(buffer, format_args!("message={kind}"));
    if let Some(id) = dns.message.id {
        put(buffer, format_args!(" id={id}"));
    }
    if let Some(DnsQuestion { name, rtype, .. }) = &dns.message.question {
        put(
            buffer,
            format_args!(" name={name} type={}", rtype_text(*rtype)),
        );
    }
    if let Some(server) = dns.server {
        put(buffer, format_args!(" server={server}"));
    }
    if let Some(rcode) = dns.message.rcode {
        put(buffer, format_args!(" rcode={}", rcode_text(rcode)));
    }
    for address in &dns.message.addresses {
        put(buffer, format_args!(" address={address}"));
    }
}
