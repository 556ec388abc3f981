//! TFTP without sessions: an acknowledgement says all that the next block needs.

use std::fs::File;
use std::io::{self, Cursor, Write};
use std::path::Path;

use memmap2::Mmap;

use crate::datagrams::{Answer, SEGMENTS_MAX, Segments};

/// One file in blocks.
#[derive(Debug)]
pub(crate) struct Tftp {
    pub(crate) file: Mmap,
    block_bytes: usize,
    window: usize,
}

impl Tftp {
    /// Maps the file.
    pub(crate) fn new(file: &Path, block_bytes: u16, window: u16) -> io::Result<Self> {
        // SAFETY: whoever measures does not change the file meanwhile.
        let file = unsafe { Mmap::map(&File::open(file)?)? };
        let (block_bytes, window) = (usize::from(block_bytes), usize::from(window));
        assert!(block_bytes >= 8 && window >= 1, "a block and a window hold something");
        assert!(window <= SEGMENTS_MAX, "a window is one send");
        assert!(window * (block_bytes + DATA_HEAD) <= 0xffff - 28, "a send has 64 KiB");
        let blocks = file.len() / block_bytes + 1;
        assert!(blocks <= 0xffff, "without state, a block's number must not come again");
        Ok(Self { file, block_bytes, window })
    }

    /// What answers a packet (RFC 1350, 2347, 7440); nothing for one that ends a transfer.
    pub(crate) fn answer(&self, packet: &[u8], head: &mut [u8]) -> Option<Answer<'_>> {
        match packet {
            [0, 4, high, low, ..] => self.data_after(u16::from_be_bytes([*high, *low]), head),
            [0, 1, request @ ..] => {
                let mut words = request.split(|byte| *byte == 0).skip(2);
                let mut option = words.next().filter(|word| !word.is_empty());
                if option.is_none() {
                    return self.data_after(0, head);
                }
                let mut oack = Cursor::new(head);
                oack.write_all(&[0, 6]).ok()?;
                // Ends with the packet's words.
                while let Some(name) = option {
                    let asked = words.next()?;
                    if name.eq_ignore_ascii_case(b"blksize") {
                        write!(oack, "blksize\0{}\0", self.block_bytes).ok()?;
                    } else if name.eq_ignore_ascii_case(b"tsize") {
                        write!(oack, "tsize\0{}\0", self.file.len()).ok()?;
                    } else if name.eq_ignore_ascii_case(b"windowsize") {
                        write!(oack, "windowsize\0{}\0", self.window).ok()?;
                    } else if name.eq_ignore_ascii_case(b"timeout") {
                        oack.write_all(b"timeout\0").ok()?;
                        oack.write_all(asked).ok()?;
                        oack.write_all(&[0]).ok()?;
                    }
                    option = words.next().filter(|word| !word.is_empty());
                }
                let head_len = oack.position() as usize;
                let segments = Segments { count: 1, head_bytes: head_len, body_bytes: 0 };
                Some(Answer { head_len, body: &[], segments })
            }
            _ => None,
        }
    }

    /// The window behind the block with this number.
    fn data_after(&self, block: u16, head: &mut [u8]) -> Option<Answer<'_>> {
        let start = usize::from(block) * self.block_bytes;
        let rest = self.file.get(start..)?;
        // The last block is the first that is not full, if need be an empty one.
        let count = (rest.len() / self.block_bytes + 1).min(self.window);
        let body = &rest[..rest.len().min(count * self.block_bytes)];
        for (number, head) in (block + 1..).zip(head.chunks_exact_mut(DATA_HEAD)).take(count) {
            let [high, low] = number.to_be_bytes();
            head.copy_from_slice(&[0, 3, high, low]);
        }
        let segments = Segments { count, head_bytes: DATA_HEAD, body_bytes: self.block_bytes };
        Some(Answer { head_len: count * DATA_HEAD, body, segments })
    }
}

/// Bytes of a DATA packet before its payload.
const DATA_HEAD: usize = 4;
