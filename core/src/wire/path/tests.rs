use proptest::prelude::*;

use super::*;

fn normal(name: &[u8]) -> Result<String, NameError> {
    normalise(name, &mut [0; NAME_BYTES_MAX]).map(str::to_owned)
}

#[test]
fn one_file_has_one_name() {
    for (asked, expected) in [
        (&b"pxelinux.0"[..], "pxelinux.0"),
        (b"/pxelinux.0", "pxelinux.0"),
        (b"//pxelinux.0", "pxelinux.0"),
        (b"./pxelinux.0", "pxelinux.0"),
        (b"\\Boot\\x64\\wdsnbp.com", "Boot/x64/wdsnbp.com"),
        (b"a//b/./c/", "a/b/c"),
        (b"a/.../b", "a/.../b"),
        (b"..a/b..", "..a/b.."),
        (b"a b/\xc3\xa9", "a b/é"),
        (b"", ""),
        (b"/", ""),
        (b"\\/./", ""),
    ] {
        assert_eq!(normal(asked), Ok(expected.into()), "{}", asked.escape_ascii());
    }
}

#[test]
fn names_that_no_client_means_well_are_refused() {
    for (asked, expected) in [
        (&b".."[..], NameError::Climbs),
        (b"../x", NameError::Climbs),
        (b"/../../etc/passwd", NameError::Climbs),
        (b"a/../b", NameError::Climbs),
        (b"a\\..\\b", NameError::Climbs),
        (b"a/..", NameError::Climbs),
        (b"a\0b", NameError::Control),
        (b"a\nb", NameError::Control),
        (b"a\x1b[2J", NameError::Control),
        (b"a\x7f", NameError::Control),
        (b"a\xc2\x85", NameError::Control),
        (b"a\xff", NameError::NotUtf8),
        (b"\xc0\xae\xc0\xae/x", NameError::NotUtf8),
    ] {
        assert_eq!(normal(asked), Err(expected), "{}", asked.escape_ascii());
    }
}

#[test]
fn length_counts_after_normalising() {
    assert_eq!(normal(&[b'a'; 255]), Ok("a".repeat(255)));
    assert_eq!(normal(&[b'a'; 256]), Err(NameError::TooLong));
    let padded = [&[b'/'; 300][..], &[b'a'; 255], b"/"].concat();
    assert_eq!(normal(&padded), Ok("a".repeat(255)));
    assert_eq!(normalise(b"abc", &mut [0; 2]), Err(NameError::TooLong));
    assert_eq!(normalise(b"abc", &mut [0; 3]), Ok("abc"));
    assert_eq!(normalise(&[b'a'; 256], &mut [0; 999]), Err(NameError::TooLong));
}

proptest! {
    #[test]
    fn a_result_is_relative_and_its_own_normal_form(
        name in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..300),
            "[a./\\\\é]{0,40}".prop_map(String::into_bytes),
        ],
    ) {
        if let Ok(name) = normal(&name) {
            prop_assert!(name.len() <= NAME_BYTES_MAX);
            prop_assert!(!name.starts_with('/') && !name.contains('\\'));
            prop_assert!(name.is_empty() || name.split('/').all(|s| !matches!(s, "" | "." | "..")));
            prop_assert_eq!(normal(name.as_bytes()), Ok(name));
        }
    }
}
