//! The cursors, the checksum and the element layout that all codecs share.

use proptest::prelude::*;

use super::checksum::Checksum;
use super::reader::Reader;
use super::tlv::{Framing, Tlv, Tlvs};
use super::writer::Writer;
use super::{EmitError, ParseError};

#[test]
fn a_reader_takes_in_network_order_and_never_beyond() {
    let mut reader = Reader::new(&[1, 2, 3, 4, 5, 6, 7, 8, b'a', 0, 9]);
    assert_eq!(reader.u8(), Ok(1));
    assert_eq!(reader.u16(), Ok(0x0203));
    assert_eq!(reader.u32(), Ok(0x0405_0607));
    assert_eq!(reader.bytes(1), Ok(&[8][..]));
    assert_eq!(reader.until_nul(), Ok(&b"a"[..]));
    assert_eq!(reader.u16(), Err(ParseError::Truncated));
    assert_eq!(reader.until_nul(), Err(ParseError::Truncated));
    assert_eq!(reader.bytes(usize::MAX), Err(ParseError::Truncated));
    assert_eq!((reader.remaining(), reader.rest()), (1, &[9][..]), "a failure takes nothing");
    assert_eq!(reader.array(), Ok([9]));
    assert!(reader.is_empty());
    assert_eq!(reader.bytes(0), Ok(&[][..]));
}

#[test]
fn a_writer_remembers_its_first_failure() {
    let mut buffer = [0xaa; 8];
    let mut writer = Writer::new(&mut buffer);
    writer.put_u8(1);
    writer.put_u16(0x0203);
    writer.put_u32(0x0405_0607);
    assert_eq!((writer.len(), writer.remaining()), (7, 1));
    writer.put_u16(9);
    assert_eq!((writer.remaining(), writer.error()), (0, Some(EmitError::NoSpace)));
    writer.put_u8(9);
    writer.fail(EmitError::TooLong);
    assert_eq!(writer.finish(), Err(EmitError::NoSpace));
    assert_eq!(buffer, [1, 2, 3, 4, 5, 6, 7, 0xaa]);
}

#[test]
fn a_patch_stays_inside_what_is_written() {
    let mut buffer = [0; 4];
    let mut writer = Writer::new(&mut buffer);
    writer.put_zeros(2);
    writer.patch(1, &[7]);
    assert_eq!(writer.written(), [0, 7]);
    writer.patch(1, &[7, 7]);
    assert_eq!(writer.finish(), Err(EmitError::NoSpace));
    let mut writer = Writer::new(&mut buffer);
    writer.patch(usize::MAX, &[1]);
    assert_eq!(writer.finish(), Err(EmitError::NoSpace));
}

#[test]
fn formatted_text_that_does_not_fit_is_a_failure_at_the_end() {
    let mut buffer = [0; 4];
    let mut writer = Writer::new(&mut buffer);
    writer.put_fmt(format_args!("{}-{}", 1, 23));
    assert_eq!(writer.finish(), Ok(4));
    assert_eq!(&buffer, b"1-23");
    let mut writer = Writer::new(&mut buffer);
    writer.put_fmt(format_args!("{}-{}", 1, 234));
    assert_eq!(writer.finish(), Err(EmitError::NoSpace));
}

#[test]
fn the_checksum_is_that_of_rfc_1071() {
    // RFC 1071 §3: 0001 f203 f4f5 f6f7 sums to ddf2.
    let data = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
    assert_eq!(Checksum::new().with(&data).finish(), !0xddf2);
    assert_eq!(Checksum::new().with(&data[..4]).with(&data[4..]).finish(), !0xddf2);
    assert_eq!(Checksum::new().with(&[0x12]).finish(), !0x1200, "an odd byte is a high half");
    assert_eq!(Checksum::new().finish(), 0xffff);
    assert_eq!(Checksum::new().with(&[0xff; 65536]).finish(), 0, "carries are folded");
}

#[test]
fn framing_decides_what_0_and_255_are() {
    let area = [0, 0, 255, 1, 7, 1, 0];
    let padded: Vec<_> = Tlvs::new(&area, Framing::PadAndEnd).collect();
    assert_eq!(padded, []);
    let plain: Vec<_> = Tlvs::new(&area, Framing::Plain).collect();
    let element = |code, data| Tlv { code, data };
    assert_eq!(plain, [element(0, &[]), element(255, &[7]), element(1, &[])]);
    assert_eq!(Tlvs::new(&area, Framing::Plain).check(), Ok(()));
    assert_eq!(Tlvs::new(&area[..4], Framing::Plain).check(), Err(ParseError::Truncated));
    assert_eq!(Tlvs::new(&area[..4], Framing::Plain).count(), 1, "iteration stops there");
}

proptest! {
    #[test]
    fn elements_never_leave_their_area(area in proptest::collection::vec(any::<u8>(), 0..100)) {
        for framing in [Framing::PadAndEnd, Framing::Plain] {
            let sum: usize = Tlvs::new(&area, framing).map(|tlv| tlv.data.len() + 2).sum();
            prop_assert!(sum <= area.len());
            let complete = Tlvs::new(&area, framing).check().is_ok();
            if complete && framing == Framing::Plain {
                prop_assert_eq!(sum, area.len());
            }
        }
    }
}
