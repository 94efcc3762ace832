//! Records as they are stored and as they are sent.

use std::time::SystemTime;

use bytes::{BufMut, Bytes};
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use super::encode::timestamp;
use super::{Facts, FieldMask};
use crate::proto;

/// A record in the spool.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Sequence number.
    pub sequence: u64,
    /// Epoch of the run that made it.
    pub epoch: u64,
    /// When it was made.
    pub time: SystemTime,
    /// For filters.
    pub facts: Facts,
    /// The encoded `gravlens.v1.Record` without epoch and sequence numbers.
    pub tail: Bytes,
}

impl Stored {
    /// Encodes a record.
    pub(super) fn new(
        (epoch, sequence): (u64, u64),
        time: SystemTime,
        facts: Facts,
        body: proto::record::Body,
    ) -> Self {
        Self {
            sequence,
            epoch,
            time,
            facts,
            tail: encode_tail(time, body),
        }
    }

    /// What the record costs in memory, and about what it costs in a file.
    pub fn cost(&self) -> usize {
        self.tail.len() + self.facts.encoded_len() + size_of::<Self>()
    }
}

fn encode_tail(time: SystemTime, body: proto::record::Body) -> Bytes {
    proto::Record {
        time: Some(timestamp(time)),
        body: Some(body),
        ..proto::Record::default()
    }
    .encode_to_vec()
    .into()
}

/// A record for one subscriber. On the wire it is a `gravlens.v1.Record`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingRecord {
    /// Epoch of the spool.
    pub epoch: u64,
    /// Sequence number, 0 for HELLO and HEARTBEAT.
    pub sequence: u64,
    /// Sequence number of the record sent before, 0 for HELLO and HEARTBEAT.
    pub prev_sequence: u64,
    /// The rest, encoded.
    tail: Bytes,
}

// Field numbers of `gravlens.v1.Record`; a test holds them against the generated code.
const EPOCH: u32 = 1;
const SEQUENCE: u32 = 2;
const PREV_SEQUENCE: u32 = 3;

impl OutgoingRecord {
    /// A stored record with its place in the subscription.
    pub(super) fn stored(prev_sequence: u64, stored: &Stored) -> Self {
        Self {
            epoch: stored.epoch,
            sequence: stored.sequence,
            prev_sequence,
            tail: stored.tail.clone(),
        }
    }

    /// A record of this subscription alone. Sequence numbers are 0 where it has no place.
    pub fn own(
        epoch: u64,
        (sequence, prev_sequence): (u64, u64),
        time: SystemTime,
        body: proto::record::Body,
    ) -> Self {
        Self {
            epoch,
            sequence,
            prev_sequence,
            tail: encode_tail(time, body),
        }
    }

    /// The record with what the mask wants of it. Bytes that are no record stay as they are: whoever
    /// decodes them says so.
    pub fn masked(self, mask: &FieldMask) -> Self {
        match mask.cut(&self.tail) {
            Ok(tail) => Self { tail, ..self },
            Err(_) => self,
        }
    }

    /// Length of the encoded record.
    pub fn encoded_len(&self) -> usize {
        let number = |value: u64| match value {
            0 => 0,
            value => 1 + encoded_len_varint(value),
        };
        9 + number(self.sequence) + number(self.prev_sequence) + self.tail.len()
    }

    /// Encodes the record.
    pub fn encode(&self, buffer: &mut impl BufMut) {
        encode_key(EPOCH, WireType::SixtyFourBit, buffer);
        buffer.put_u64_le(self.epoch);
        for (field, value) in [
            (SEQUENCE, self.sequence),
            (PREV_SEQUENCE, self.prev_sequence),
        ] {
            if value != 0 {
                encode_key(field, WireType::Varint, buffer);
                encode_varint(value, buffer);
            }
        }
        buffer.put_slice(&self.tail);
    }

    /// The record as a message, for sinks that render it.
    ///
    /// # Errors
    /// The stored bytes are damaged.
    pub fn decode(&self) -> Result<proto::Record, prost::DecodeError> {
        let mut record = proto::Record::decode(self.tail.clone())?;
        record.stream_epoch = self.epoch;
        record.sequence = self.sequence;
        record.prev_sequence = self.prev_sequence;
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_wire_form_is_the_generated_messages(
            epoch: u64, sequence: u64, prev: u64, count: Option<u64>
        ) {
            let body = proto::record::Body::Gap(proto::Gap { count, ..Default::default() });
            let record =
                OutgoingRecord::own(epoch, (sequence, prev), SystemTime::UNIX_EPOCH, body);
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            prop_assert_eq!(bytes.len(), record.encoded_len());
            let decoded = proto::Record::decode(&bytes[..]).unwrap();
            prop_assert_eq!(&decoded, &record.decode().unwrap());
            prop_assert_eq!(decoded.stream_epoch, epoch);
            prop_assert_eq!(decoded.sequence, sequence);
            prop_assert_eq!(decoded.prev_sequence, prev);
        }
    }
}
