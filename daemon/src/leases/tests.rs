use reveille_core::mac::MacAddr;

use super::*;
use crate::args::ListFormat;
use crate::store::record::tests::bound;
use crate::store::{Store, disk::Disk};

const NOW: Wall = Wall::from_seconds(1_700_000_600);

fn listed() -> Vec<Listed> {
    let hashed = Record {
        client: Some(ClientKey::Other([7; 16])),
        client_id: ClientId::cut(&[0xff, 0, 1]),
        ..bound(2)
    };
    let released = Record { state: RecordState::Released { at: NOW }, ..bound(3) };
    let never = RecordState::Bound { since: NOW, until: Wall::NEVER };
    let records = [bound(1), hashed, released, Record { state: never, ..bound(4) }];
    let mut listed: Vec<Listed> =
        records.iter().map(|record| Listed::of_record(record, NOW)).collect();
    let damage = crate::store::record::Damage::Checksum;
    let row = Row { address: Ipv4Addr::new(10, 0, 0, 5), record: Err(damage) };
    listed.push(Listed::of(&row, NOW));
    listed
}

fn written(format: ListFormat, pages: &[&[Listed]]) -> String {
    let mut out = Vec::new();
    let mut writer = output::Writer::new(format, &mut out);
    for page in pages {
        writer.write(page, NOW).expect("it is memory");
    }
    writer.finish().expect("it is memory");
    String::from_utf8(out).expect("it is text")
}

#[test]
fn lists_are_for_people_spreadsheets_and_programs() {
    let listed = listed();
    let pages = [&listed[..2], &[], &listed[2..]];
    insta::assert_snapshot!(written(ListFormat::Table, &pages), @r"
    ADDRESS          CLIENT             NAME                      STATE     EXPIRES IN
    10.0.0.1         02:00:00:00:00:01  n1                        bound     20 min 00 s
    10.0.0.2         ff:00:01           n2                        bound     20 min 00 s
    10.0.0.3         02:00:00:00:00:03  n3                        released  -
    10.0.0.4         02:00:00:00:00:04  n4                        bound     never
    10.0.0.5         -                  -                         damaged   -
    5 leases
    ");
    insta::assert_snapshot!(written(ListFormat::Csv, &pages), @r"
    address,network,mac,client_id,hostname,state,since,until
    10.0.0.1,10.0.0.0/8,02:00:00:00:00:01,,n1,bound,1700000000,1700001800
    10.0.0.2,10.0.0.0/8,,ff:00:01,n2,bound,1700000000,1700001800
    10.0.0.3,10.0.0.0/8,02:00:00:00:00:03,,n3,released,,1700000600
    10.0.0.4,10.0.0.0/8,02:00:00:00:00:04,,n4,bound,1700000600,
    10.0.0.5,,,,,damaged,,
    ");
    let json = written(ListFormat::Json, &pages);
    assert_eq!(serde_json::from_str::<Vec<Listed>>(&json).expect(&json), listed);
}

#[test]
fn an_empty_list_is_a_list() {
    assert_eq!(written(ListFormat::Table, &[]), "no leases\n");
    assert_eq!(written(ListFormat::Json, &[]), "[]\n");
    assert_eq!(written(ListFormat::Csv, &[]), format!("{}\n", csv::HEAD));
}

#[test]
fn a_page_has_what_the_filter_takes_and_goes_on_behind_what_was_looked_at() {
    let state = tempfile::tempdir().expect("a folder");
    let mut disk = Disk::open(state.path()).expect("a new store");
    let records: Vec<Record> = (0..5000).map(bound).collect();
    disk.commit(&records).expect("there is room");
    let reader = disk.reader();
    let collect = |filter: &filter::Filter| {
        let (mut leases, mut pages) = (Vec::new(), 0);
        let mut next = Some(Ipv4Addr::UNSPECIFIED);
        while let Some(from) = next {
            let page = page(&reader, from, filter, NOW).expect("it is open");
            assert!(page.leases.len() <= 2 * PAGE);
            leases.extend(page.leases);
            next = page.next;
            pages += 1;
        }
        (leases, pages)
    };
    let (all, _) = collect(&filter::Filter::default());
    assert_eq!(all.len(), 5000);
    let mac = MacAddr([2, 0, 0, 0, 0x13, 0x37]).to_string();
    let (one, pages) = collect(&filter::Filter { mac: Some(mac), ..Default::default() });
    assert_eq!((one.len(), one[0].address), (1, Some(Ipv4Addr::new(10, 0, 0x13, 0x37))));
    assert!(pages > 1, "no page looks at all");
    let subnet = Some("10.0.1.0/24".parse().expect("a prefix"));
    let (some, pages) = collect(&filter::Filter { subnet, ..Default::default() });
    assert_eq!((some.len(), pages), (256, 1));
}
