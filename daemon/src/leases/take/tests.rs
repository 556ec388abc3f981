use reveille_core::mac::MacAddr;
use reveille_core::view::Subnet;

use super::super::import::{Format, read};
use super::*;
use crate::store::Row;

const NOW: Wall = Wall::from_seconds(1_764_102_000);

fn networks() -> Vec<Network> {
    let site = crate::config::parse(
        Path::new("reveille.toml"),
        "[[network]]\ninterface = \"eth0\"\nsubnet = \"10.0.0.0/24\"\nserver = \"10.0.0.1\"\n\
         pool = \"10.0.0.100 - 10.0.0.200\"\n"
            .to_owned(),
    );
    let host = crate::host::Host { interfaces: vec![crate::host::tests::ethernet("eth0")] };
    crate::view::networks(&site.expect("it is TOML").site, &host).expect("they fit")
}

fn sorted(text: &str, known: Option<Record>) -> (Vec<Record>, Report) {
    let reading = read(Format::Dnsmasq, text);
    let known = |address| {
        let ours = known.filter(|record| record.address == address);
        Ok(ours.map(|record| Row { address, record: Ok(record) }))
    };
    sort(&networks(), &reading, NOW, known).expect("nothing fails")
}

#[test]
fn leases_become_ours_or_are_told_with_their_lines() {
    let (records, report) = sorted(
        "1764102600 52:54:00:12:34:56 10.0.0.5 n17$ 01:52:54:00:12:34:56\n\
         1764101000 52:54:00:12:34:57 10.0.0.6 * *\n\
         1764102600 06-01:02 10.0.0.7 * ff:01\n\
         1764102600 52:54:00:12:34:58 10.9.0.8 * *\n\
         rubbish\n",
        None,
    );
    assert_eq!((report.bound, report.former, report.declined), (1, 1, 0));
    assert_eq!(records[0].hostname.as_str(), "n17_");
    assert_eq!(records[0].client, Some(ClientKey::Mac(MacAddr([0x52, 0x54, 0, 0x12, 0x34, 0x56]))));
    assert_eq!(records[0].subnet, Subnet { address: Ipv4Addr::new(10, 0, 0, 0), prefix_len: 24 });
    let state = RecordState::Bound { since: NOW, until: Wall::from_seconds(1_764_102_600) };
    assert_eq!(records[0].state, state);
    insta::assert_snapshot!(report.text("dnsmasq.leases", true), @r"
    dnsmasq.leases: 1 lease and 1 former ones would be taken, 0 in use by others, 3 skipped
      line 3: the client of 10.0.0.7 has no Ethernet address
      line 4: 10.9.0.8 is in no network of the configuration
      line 5: a lease has five fields
    ");
}

#[test]
fn our_own_word_counts_where_it_is_newer() {
    let line = "1764102600 52:54:00:12:34:56 10.0.0.5 * *\n";
    let theirs = sorted(line, None).0[0];
    let until = |seconds| RecordState::Bound { since: NOW, until: Wall::from_seconds(seconds) };
    let other = Some(ClientKey::Mac(MacAddr([2; 6])));
    for (ours, why) in [
        (Record { state: until(1_764_102_700), ..theirs }, Some("is newer")),
        (Record { state: until(1_764_102_500), ..theirs }, None),
        (Record { client: other, ..theirs }, Some("is lent to 02:02:02:02:02:02 by us")),
        (Record { client: other, state: until(1_764_000_000), ..theirs }, None),
        (
            Record { client: None, state: RecordState::Declined { until: Wall::NEVER }, ..theirs },
            Some("in use by somebody else"),
        ),
    ] {
        let (records, report) = sorted(line, Some(ours));
        match why {
            Some(why) => {
                assert!(records.is_empty(), "{ours:?}");
                assert!(report.skipped[0].why.contains(why), "{report:?}");
            }
            None => assert_eq!(records, [theirs], "{ours:?}"),
        }
    }
}

#[test]
fn what_was_exported_can_be_taken_again() {
    let (records, _) = sorted(
        "1764102600 52:54:00:12:34:56 10.0.0.5 n17 01:52:54:00:12:34:56\n\
         0 52:54:00:12:34:57 10.0.0.6 * *\n\
         1764101000 52:54:00:12:34:58 10.0.0.7 * *\n",
        None,
    );
    let mut text = format!("{}\n", super::super::csv::HEAD);
    for record in &records {
        text.push_str(&super::super::csv::line(&Listed::of_record(record, NOW)));
        text.push('\n');
    }
    let reading = read(Format::Reveille, &text);
    assert_eq!(reading.skipped, []);
    let (again, _) = sort(&networks(), &reading, NOW, |_| Ok(None)).expect("nothing fails");
    assert_eq!(again, records);
}

#[test]
fn a_dry_run_writes_nothing_and_a_real_one_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state");
    let reading = read(Format::Dnsmasq, "0 52:54:00:12:34:56 10.0.0.5 * *\n");
    let dry = take(&state, &networks(), &reading, true).expect("nothing is in the way");
    assert!(!state.exists());
    let report = take(&state, &networks(), &reading, false).expect("nothing is in the way");
    assert_eq!(report, dry);
    let again = take(&state, &networks(), &reading, true).expect("nothing is in the way");
    assert_eq!((again.bound, again.skipped.len()), (0, 1), "it is there already");
    let held = hold(&state).expect("nobody has it");
    let error = take(&state, &networks(), &reading, false).expect_err("it is in use");
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    drop(held);
}
