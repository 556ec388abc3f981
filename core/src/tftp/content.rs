//! What a transfer sends: where its bytes are, and how blocks of them become datagrams.

use core::time::Duration;

use super::documents::AskedId;
use super::window::Burst;
use crate::document::pool::{DocumentId, DocumentPool};
use crate::engine::Split;
use crate::image::{ImageId, ImageSpan};
use crate::limits::{SPLIT_BYTES_MAX, SPLIT_SEGMENTS_MAX};
use crate::wire::tftp::{DATA_HEADER_BYTES, emit_data_header};

/// The bytes to send: where they are, and how many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Content {
    pub(super) source: Source,
    pub(super) len: u64,
}

/// Where the bytes are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    Image(ImageId),
    Document(DocumentId),
    /// A document that is not rendered before the transfer begins; until then it has no length.
    Asked(AskedId),
}

/// What bounds a send beside the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SendLimits {
    /// Bytes of one send, unless a single block has more.
    pub(super) burst_bytes: u32,
    /// The shortest wait for an answer.
    pub(super) retry_min: Duration,
}

/// What to send: the head is in the lent buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Datagrams {
    pub(super) head_len: u16,
    pub(super) body: Option<ImageSpan>,
    pub(super) split: Option<Split>,
}

impl Content {
    /// Number of blocks. The final one is shorter than the others (RFC 1350 §6): if the length
    /// is a multiple of the block size it is empty.
    pub(super) fn blocks(&self, block_bytes: u16) -> u64 {
        self.len / u64::from(block_bytes) + 1
    }

    /// How many blocks go out in one send. A document is copied into the head, one block at a
    /// time: it has few.
    pub(super) fn burst_blocks_max(&self, block_bytes: u16, burst_bytes: u32) -> u16 {
        match self.source {
            Source::Document(_) | Source::Asked(_) => 1,
            Source::Image(_) => {
                let datagram_bytes = u32::from(block_bytes) + DATA_HEADER_BYTES as u32;
                let blocks = SPLIT_BYTES_MAX.min(burst_bytes) / datagram_bytes;
                u16::try_from(blocks).unwrap_or(u16::MAX).clamp(1, SPLIT_SEGMENTS_MAX)
            }
        }
    }

    /// Writes the DATA headers of `burst` one behind the other and tells which bytes follow.
    pub(super) fn emit(
        &self,
        burst: Burst,
        block_bytes: u16,
        head: &mut [u8],
        documents: &DocumentPool,
    ) -> Datagrams {
        let offset = (burst.first - 1) * u64::from(block_bytes);
        let wanted = u64::from(burst.count) * u64::from(block_bytes);
        assert!(offset <= self.len, "blocks behind the final one do not exist");
        let len = u32::try_from(wanted.min(self.len - offset)).expect("a send has few bytes");
        let headers = head.chunks_exact_mut(DATA_HEADER_BYTES).take(usize::from(burst.count));
        assert!(headers.len() == usize::from(burst.count), "the head buffer takes all headers");
        for (header, block) in headers.zip(burst.first..) {
            #[expect(clippy::cast_possible_truncation, reason = "numbers on the wire wrap to 0")]
            header.copy_from_slice(&emit_data_header(block as u16));
        }
        let headers_len = usize::from(burst.count) * DATA_HEADER_BYTES;
        match self.source {
            Source::Image(image) => Datagrams {
                head_len: head_bytes(headers_len),
                body: (len > 0).then_some(ImageSpan { image, offset, len }),
                split: (burst.count > 1).then_some(Split {
                    head_len: head_bytes(DATA_HEADER_BYTES),
                    body_len: block_bytes,
                    segments: burst.count,
                }),
            },
            Source::Document(id) => {
                let start = usize::try_from(offset).expect("documents are small");
                let block = &documents.bytes(id)[start..start + len as usize];
                head[headers_len..headers_len + block.len()].copy_from_slice(block);
                let head_len = head_bytes(headers_len + block.len());
                Datagrams { head_len, body: None, split: None }
            }
            Source::Asked(_) => unreachable!("what has begun is rendered"),
        }
    }
}

pub(super) fn head_bytes(len: usize) -> u16 {
    u16::try_from(len).expect("a head buffer has fewer than 64 KiB")
}
