//! Sends records whose bytes are ready.

use tonic::Status;
use tonic::codec::{BufferSettings, Codec, EncodeBuf, Encoder};
use tonic_prost::ProstDecoder;

use crate::alert::OutgoingRecord;
use crate::proto::WatchRequest;

/// Codec of `AlertService.Watch` on the server's side.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecordCodec;

/// Copies a record's bytes behind its header.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecordEncoder;

impl Codec for RecordCodec {
    type Encode = OutgoingRecord;
    type Decode = WatchRequest;
    type Encoder = RecordEncoder;
    type Decoder = ProstDecoder<WatchRequest>;

    fn encoder(&mut self) -> Self::Encoder {
        RecordEncoder
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::new(BufferSettings::default())
    }
}

impl Encoder for RecordEncoder {
    type Item = OutgoingRecord;
    type Error = Status;

    fn encode(&mut self, record: OutgoingRecord, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.reserve(record.encoded_len());
        record.encode(buffer);
        Ok(())
    }
}
