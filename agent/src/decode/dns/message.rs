//! DNS messages, from servers and processes that nobody vouches for.

use std::fmt::Write as _;
use std::net::IpAddr;

use domain::base::iana::{Class, Rtype};
use domain::base::message::RecordSection;
use domain::base::{Message, ParsedName, ParsedRecord, Question};
use domain::rdata::{A, Aaaa, Cname};

use crate::model::{DnsFault, DnsMessage, DnsQuestion};

/// Addresses that are taken from one answer.
pub const MAX_ADDRESSES: usize = 64;
/// Aliases that are followed from the question's name. Resolvers give up earlier.
const MAX_CNAMES: usize = 16;

/// What was read of a message, and what stopped the reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// What was read.
    pub message: DnsMessage,
    /// What stopped it.
    pub fault: Option<DnsFault>,
}

/// Reads a message. Of one that is cut (the end was not captured) the missing end is no fault.
pub fn parse(bytes: &[u8], received: bool, cut: bool) -> Parsed {
    let mut message = DnsMessage::default();
    let fault = read(&mut message, bytes, received).err();
    let fault = fault.filter(|fault| !(cut && is_early_end(*fault)));
    Parsed { message, fault }
}

/// What the missing end of a message looks like.
const fn is_early_end(fault: DnsFault) -> bool {
    matches!(fault, DnsFault::Question | DnsFault::Record)
}

fn read(out: &mut DnsMessage, bytes: &[u8], received: bool) -> Result<(), DnsFault> {
    let message = Message::from_octets(bytes).map_err(|_| DnsFault::Header)?;
    let header = message.header();
    out.id = Some(header.id());
    if header.qr() != received {
        return Err(DnsFault::Direction);
    }
    out.truncated = header.tc();
    out.rcode = received.then(|| header.rcode().to_int());
    let asked = question(&message, received)?;
    out.question = asked.as_ref().map(describe);
    let answer = message.answer().map_err(|_| DnsFault::Question)?;
    answers(out, asked.map(|asked| *asked.qname()), answer)?;
    rest(answer)
}

fn question<'a>(
    message: &'a Message<&[u8]>,
    received: bool,
) -> Result<Option<Question<ParsedName<&'a [u8]>>>, DnsFault> {
    let count = message.header_counts().qdcount();
    // A server that did not understand the query, and the further messages of a zone transfer,
    // may leave it out.
    if count > 1 || (count == 0 && !received) {
        return Err(DnsFault::Questions);
    }
    let question = message.question().next().transpose();
    question.map_err(|_| DnsFault::Question)
}

fn describe(question: &Question<ParsedName<&[u8]>>) -> DnsQuestion {
    let labels = question.qname().iter().map(|label| label.len());
    DnsQuestion {
        name: name(question.qname()),
        longest_label: labels.max().unwrap_or(0) as u8,
        rtype: question.qtype().to_int(),
        class: question.qclass().to_int(),
    }
}

/// A name as rules compare it.
fn name(name: &ParsedName<&[u8]>) -> Box<str> {
    if name.is_root() {
        return ".".into();
    }
    let mut text = String::with_capacity(64);
    // Writing to a string cannot fail.
    let _ = write!(text, "{name}");
    text.make_ascii_lowercase();
    text.into()
}

/// Follows the aliases from the question's name to its addresses, in the order of the records, as
/// the C libraries do. Whatever else a server puts into the answer says nothing about that name.
fn answers(
    out: &mut DnsMessage,
    asked: Option<ParsedName<&[u8]>>,
    section: RecordSection<'_, &[u8]>,
) -> Result<(), DnsFault> {
    let mut current = asked;
    for record in section {
        let record = record.map_err(|_| DnsFault::Record)?;
        let owner = record.owner().deref_octets();
        let about = record.class() == Class::IN && current.is_some_and(|current| current == owner);
        let ttl = record.ttl().as_secs();
        match record.rtype() {
            Rtype::CNAME => {
                let alias = record.to_record::<Cname<ParsedName<&[u8]>>>();
                let alias = alias.map_err(|_| DnsFault::Record)?;
                if let Some(alias) = alias.filter(|_| about && out.cnames.len() < MAX_CNAMES) {
                    current = Some(*alias.data().cname());
                    out.cnames.push(name(alias.data().cname()));
                    hold(out, ttl);
                }
            }
            Rtype::A | Rtype::AAAA => {
                let address = address(&record)?;
                if let Some(address) = address.filter(|_| about) {
                    found(out, address, ttl);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn address(record: &ParsedRecord<'_, &[u8]>) -> Result<Option<IpAddr>, DnsFault> {
    let v4 = record.to_record::<A>().map_err(|_| DnsFault::Record)?;
    if let Some(v4) = v4 {
        return Ok(Some(v4.data().addr().into()));
    }
    let v6 = record.to_record::<Aaaa>().map_err(|_| DnsFault::Record)?;
    Ok(v6.map(|v6| v6.data().addr().into()))
}

fn found(out: &mut DnsMessage, address: IpAddr, ttl: u32) {
    if out.addresses.len() < MAX_ADDRESSES {
        out.addresses.push(address.to_canonical());
        hold(out, ttl);
    }
}

/// What the answer says holds as long as the first of its records to expire.
fn hold(out: &mut DnsMessage, ttl: u32) {
    out.ttl = Some(out.ttl.map_or(ttl, |least| least.min(ttl)));
}

/// The records behind the answer have to be readable too.
fn rest(section: RecordSection<'_, &[u8]>) -> Result<(), DnsFault> {
    let mut next = section.next_section().map_err(|_| DnsFault::Record)?;
    while let Some(mut section) = next {
        for record in &mut section {
            record.map_err(|_| DnsFault::Record)?;
        }
        next = section.next_section().map_err(|_| DnsFault::Record)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
