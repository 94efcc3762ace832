//! Lets clients in that name the unix socket by its path.
//!
//! gRPC for C++, Python and Ruby (since 1.57) and for Java send the socket's path, percent-encoded
//! or not, as the `:authority` of a call over a unix socket. That is no authority, and the HTTP/2
//! library resets such calls (hyperium/h2#487). Nobody reads the value here, so `%` and `/` in it
//! become `-` on the way in. No length changes by that: frames keep their sizes and the header
//! compression its state.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

/// Length of the text that opens an HTTP/2 connection.
const PREFACE: usize = 24;
/// Length of a frame's header.
const FRAME_HEADER: usize = 9;
/// Frames that carry headers; their flags.
const HEADERS: u8 = 0x1;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;
/// Larger header frames than the largest that the server admits are not looked at: it will
/// refuse them.
const MAX_HEADERS: usize = 1 << 14;
/// `:authority` in HPACK's static table.
const AUTHORITY: u64 = 1;

/// A connection whose client may say what it wants as authority.
#[derive(Debug)]
pub(super) struct AnyAuthority<S> {
    inner: S,
    rewriter: Rewriter,
    /// Read and rewritten, not yet asked for.
    ready: BytesMut,
}

impl<S> AnyAuthority<S> {
    /// Wraps a connection that was just accepted.
    pub(super) fn new(inner: S) -> Self {
        Self {
            inner,
            rewriter: Rewriter::new(),
            ready: BytesMut::new(),
        }
    }
}

impl<S: Connected> Connected for AnyAuthority<S> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.inner.connect_info()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for AnyAuthority<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.ready.is_empty() {
            let mut space = [0; 4096];
            let mut read = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut this.inner).poll_read(context, &mut read))?;
            if read.filled().is_empty() {
                // The end; what is held back is half a frame, of no use to anybody.
                return Poll::Ready(Ok(()));
            }
            this.rewriter.push(read.filled(), &mut this.ready);
        }
        let length = this.ready.len().min(buffer.remaining());
        buffer.put_slice(&this.ready[..length]);
        this.ready.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for AnyAuthority<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

/// Follows the frames of a connection.
#[derive(Debug)]
struct Rewriter {
    state: State,
    /// A frame's header, or the payload of a frame with headers, as far as it has come.
    held: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// So many bytes pass unseen.
    Pass(usize),
    /// A frame's header.
    Header,
    /// Payload of a frame with headers.
    Headers { length: usize, flags: u8 },
}

impl Rewriter {
    fn new() -> Self {
        Self {
            state: State::Pass(PREFACE),
            held: Vec::new(),
        }
    }

    fn push(&mut self, mut bytes: &[u8], out: &mut BytesMut) {
        while !bytes.is_empty() {
            let wanted = match self.state {
                State::Pass(left) => left,
                State::Header => FRAME_HEADER - self.held.len(),
                State::Headers { length, .. } => length - self.held.len(),
            };
            let (taken, rest) = bytes.split_at(wanted.min(bytes.len()));
            bytes = rest;
            self.take(taken, out);
        }
    }

    /// Takes at most what the state still wants.
    fn take(&mut self, taken: &[u8], out: &mut BytesMut) {
        match self.state {
            State::Pass(left) => {
                out.extend_from_slice(taken);
                self.pass(left - taken.len());
            }
            State::Header => {
                self.held.extend_from_slice(taken);
                if self.held.len() == FRAME_HEADER {
                    self.frame(out);
                }
            }
            State::Headers { length, flags } => {
                self.held.extend_from_slice(taken);
                if self.held.len() == length {
                    rewrite(&mut self.held, flags);
                    out.extend_from_slice(&self.held);
                    self.held.clear();
                    self.state = State::Header;
                }
            }
        }
    }

    fn pass(&mut self, left: usize) {
        self.state = if left == 0 {
            State::Header
        } else {
            State::Pass(left)
        };
    }

    /// A frame's header is complete.
    fn frame(&mut self, out: &mut BytesMut) {
        out.extend_from_slice(&self.held);
        let length = self.held[..3]
            .iter()
            .fold(0, |length, &byte| length << 8 | usize::from(byte));
        let (kind, flags) = (self.held[3], self.held[4]);
        self.held.clear();
        if kind == HEADERS && (1..=MAX_HEADERS).contains(&length) {
            self.state = State::Headers { length, flags };
        } else {
            self.pass(length);
        }
    }
}

/// Rewrites the authority in the payload of a frame with headers.
fn rewrite(payload: &mut [u8], flags: u8) {
    let (mut begin, mut end) = (0, payload.len());
    if flags & PADDED != 0 {
        begin += 1;
        end = end.saturating_sub(usize::from(payload[0]));
    }
    if flags & PRIORITY != 0 {
        begin += 5;
    }
    if let Some(block) = payload.get_mut(begin..end) {
        // Ends early where the block makes no sense: the HTTP/2 library says so.
        let _ = rewrite_block(block);
    }
}

/// Walks over the fields of a header block. Lengths are all it takes: what the indices of the
/// dynamic table stand for does not matter.
fn rewrite_block(block: &mut [u8]) -> Option<()> {
    let mut at = 0;
    while let Some(&first) = block.get(at) {
        let (prefix, literal) = match first {
            0x80.. => (7, false),
            0x40.. => (6, true),
            0x20.. => (5, false),
            _ => (4, true),
        };
        let index;
        (index, at) = integer(block, at, prefix)?;
        if !literal {
            continue;
        }
        let mut is_authority = index == AUTHORITY;
        if index == 0 {
            let name;
            (name, at) = string(block, at)?;
            is_authority = &block[name] == b":authority";
        }
        let value;
        (value, at) = string(block, at)?;
        if is_authority {
            for byte in &mut block[value] {
                if matches!(byte, b'%' | b'/') {
                    *byte = b'-';
                }
            }
        }
    }
    Some(())
}

/// Value of an integer at `at` with a prefix of so many bits, and what follows it.
fn integer(block: &[u8], at: usize, prefix: u32) -> Option<(u64, usize)> {
    let mask = (1 << prefix) - 1;
    let mut value = u64::from(*block.get(at)?) & mask;
    let mut next = at + 1;
    if value < mask {
        return Some((value, next));
    }
    for shift in (0..28).step_by(7) {
        let byte = u64::from(*block.get(next)?);
        next += 1;
        value += (byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((value, next));
        }
    }
    None
}

/// Place of a string's plain bytes, empty when it is compressed, and what follows it.
fn string(block: &[u8], at: usize) -> Option<(std::ops::Range<usize>, usize)> {
    let compressed = *block.get(at)? & 0x80 != 0;
    let (length, begin) = integer(block, at, 7)?;
    let end = begin.checked_add(usize::try_from(length).ok()?)?;
    block.get(begin..end)?;
    Some((begin..if compressed { begin } else { end }, end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The opening text, an empty SETTINGS frame, and headers: indexed fields, fields with an
    /// indexed name, fields that spell their name as gRPC for Python does.
    fn connection(authority: &str, flags: u8) -> Vec<u8> {
        let mut block = vec![0x83, 0x86];
        let fields = [
            (0x44, "", "/a/b%c"),
            (0x41, "", authority),
            (0x40, "/n%m", "x/%"),
            (0x40, ":authority", authority),
            (0x10, "x", "/%"),
        ];
        for (index, name, value) in fields {
            block.push(index);
            for text in [name, value].iter().filter(|text| !text.is_empty()) {
                block.push(u8::try_from(text.len()).unwrap());
                block.extend(text.as_bytes());
            }
        }
        let mut payload = Vec::new();
        if flags & PADDED != 0 {
            payload.push(3);
        }
        if flags & PRIORITY != 0 {
            payload.extend([0; 5]);
        }
        payload.extend(block);
        if flags & PADDED != 0 {
            payload.extend(b"%/%");
        }
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
        let length = u8::try_from(payload.len()).unwrap();
        bytes.extend([0, 0, length, HEADERS, 4 | flags, 0, 0, 0, 1]);
        bytes.extend(payload);
        // DATA, which nobody may touch.
        bytes.extend([0, 0, 4, 0, 1, 0, 0, 0, 1]);
        bytes.extend(b"A/%B");
        bytes
    }

    fn through(bytes: &[u8], chunk: usize) -> Vec<u8> {
        let mut rewriter = Rewriter::new();
        let mut out = BytesMut::new();
        for part in bytes.chunks(chunk) {
            rewriter.push(part, &mut out);
        }
        out.to_vec()
    }

    #[test]
    fn a_path_as_authority_becomes_harmless_and_nothing_else_changes() {
        for flags in [0, PADDED, PRIORITY, PADDED | PRIORITY] {
            let sent = connection("run%2Fgravlens/s.sock", flags);
            let wanted = connection("run-2Fgravlens-s.sock", flags);
            for chunk in [1, 7, 1_000] {
                assert_eq!(through(&sent, chunk), wanted, "flags {flags} chunk {chunk}");
            }
        }
    }

    #[test]
    fn a_proper_authority_is_left_alone() {
        let sent = connection("localhost:80", 0);
        assert_eq!(through(&sent, 5), sent);
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_give_the_same_and_nothing_is_lost(
            tail in prop::collection::vec(any::<u8>(), 0..300), chunk in 1_usize..50
        ) {
            let mut bytes = connection("a%b", 0);
            bytes.extend(tail);
            let whole = through(&bytes, bytes.len());
            prop_assert_eq!(&through(&bytes, chunk), &whole);
            prop_assert!(bytes.len() - whole.len() <= MAX_HEADERS + FRAME_HEADER);
        }

        #[test]
        fn a_block_of_any_bytes_keeps_its_length(
            mut payload in prop::collection::vec(any::<u8>(), 1..200), flags: u8
        ) {
            let length = payload.len();
            rewrite(&mut payload, flags);
            prop_assert_eq!(payload.len(), length);
        }
    }
}
