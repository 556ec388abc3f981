use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use reveille_core::image::ImageId;
use reveille_core::mac::MacAddr;
use reveille_core::view::File;

use super::*;
use crate::host::HostInterface;

fn host() -> Host {
    let interface = HostInterface {
        name: "eno1".to_owned(),
        index: 2,
        mac: Some(MacAddr([2, 0, 0, 0, 0, 1])),
        mtu: 1500,
        up: true,
        loopback: false,
        addresses: vec!["10.20.0.2/16".parse().expect("an address")],
        link_local: None,
        link_unicast: true,
        internal: false,
        forwards_ipv6: false,
        part_of: None,
    };
    Host { interfaces: vec![interface] }
}

/// Takes files for there without looking, beside those that were found.
fn survey(
    there: &'static [&'static str],
) -> impl FnOnce(&Site, Vec<NamedFile>) -> (Catalogue, Vec<Problem>) {
    move |_, named| {
        let names: BTreeSet<String> = named
            .into_iter()
            .map(|file| file.name)
            .chain(there.iter().map(|n| (*n).into()))
            .collect();
        let mut catalogue = Catalogue::with_seed(0);
        for name in names {
            let file = File {
                image: ImageId { slot: 0, generation: 0 },
                len: 1,
                etag: "\"1\"".into(),
                last_modified: "Thu, 01 Jan 1970 00:00:00 GMT".into(),
                content_type: "application/octet-stream",
            };
            assert!(catalogue.insert(name.into(), file).is_none());
        }
        (catalogue, Vec::new())
    }
}

/// A system with iPXE for BIOS, and the file `reveille.toml` with this text.
struct Case {
    folder: tempfile::TempDir,
    path: PathBuf,
}

impl Case {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let ipxe = folder.path().join("usr/lib/ipxe");
        fs::create_dir_all(&ipxe).expect("a folder");
        fs::write(ipxe.join("undionly.kpxe"), "kpxe").expect("a file");
        let path = folder.path().join("reveille.toml");
        fs::write(&path, text).expect("a file");
        Self { folder, path }
    }

    fn check(&self, there: &'static [&'static str]) -> Verdict {
        let host = host();
        let around = Surroundings { host: &host, system: self.folder.path(), colour: false };
        let verdict = check(&self.path, &around, survey(there));
        let folder = self.folder.path().to_str().expect("text");
        Verdict { text: verdict.text.replace(folder, "/folder"), ..verdict }
    }
}

const EXAMPLE: &str = include_str!("../../../packaging/reveille.toml");

/// The example as it ships, but for the folder that is not on this machine.
fn example() -> Case {
    Case::new(&EXAMPLE.replace("root = \"/srv/boot\"", "root = \".\""))
}

const EXAMPLE_FILES: &[&str] = &["debian/vmlinuz", "microcode.img", "debian/initrd.img"];

#[test]
fn the_example_is_good() {
    let verdict = example().check(EXAMPLE_FILES);
    assert!(verdict.good, "{}", verdict.text);
    insta::assert_snapshot!(verdict.text);
}

#[test]
fn the_example_shows_every_key() {
    let uncommented: String = EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            // Switched off by a mark: a table or a key with its value.
            Some(off) if off.starts_with('[') || off.split_whitespace().nth(1) == Some("=") => off,
            _ => line,
        })
        .collect::<Vec<_>>()
        .join("\n");
    let uncommented = uncommented.replace("\nroot = \"/srv/boot\"", "\nroot = \".\"");
    // A key stands above the first table.
    let (shards, rest) = ("shards = 2\n", uncommented.replace("\nshards = 2", "\n#"));
    let case = Case::new(&(shards.to_owned() + &rest));
    let site = match config::load(&case.path) {
        Ok(configuration) => configuration.site,
        Err(failure) => panic!("{}", failure.report(false)),
    };
    assert_eq!(site.shards, Some(2));
    assert_eq!(site.programs.folders.len(), 1);
    assert_eq!(site.programs.overrides.len(), 1);
    assert_eq!(site.networks[0].server, Some("10.20.0.2".parse().expect("an address")));
}

#[test]
fn the_servers_of_the_example_are_the_defaults() {
    let case = example();
    let site = config::load(&case.path).expect("it is good").site;
    let unsaid = Site::default();
    assert_eq!(site.tftp, unsaid.tftp);
    assert_eq!(site.http, unsaid.http);
    assert_eq!(site.networks[0].lease.lease, Some(crate::site::LEASE_DEFAULT));
}

#[test]
fn what_is_missing_is_told_in_its_place() {
    let verdict = example().check(&["debian/vmlinuz"]);
    assert!(!verdict.good);
    insta::assert_snapshot!(verdict.text);
}

#[test]
fn warnings_do_not_fail_a_check() {
    let verdict = Case::new("[tftp]\nport = 6969\n").check(&[]);
    assert!(verdict.good);
    insta::assert_snapshot!(verdict.text);
}

#[test]
fn a_file_that_cannot_be_read_is_not_good() {
    let case = Case::new("[[network");
    assert!(!case.check(&[]).good);
}

/// Understood, but it cannot be meant.
const NONSENSE: &str = r#"[[network]]
subnet = "10.20.0.0/16"
pool   = ["10.20.0.1 - 10.20.0.99", "10.20.0.50 - 10.20.0.150", "10.21.0.1 - 10.21.0.9"]
router = "10.20.0.70"
lease  = "30s"

[images]
root = "."

[[profile]]
name    = "all"
kernel  = "vmlinux"
cmdline = "role={{ vars.rolle }} mac={{ macc }}"

[[profile]]
name   = "all"
match  = { arch = "arm64-uefi" }
kernel = "vmlinuz"
vars   = { role = "worker" }

[[machine]]
mac     = "52:54:00:00:00:01"
address = "10.21.0.1"
profile = "al"

[[machine]]
mac     = ["52:54:00:00:00:02", "52:54:00:00:00:01"]
address = "10.20.0.2"
"#;

#[test]
fn everything_that_cannot_be_meant_is_told_at_once() {
    let case = Case::new(NONSENSE);
    fs::write(case.folder.path().join("vmlinuz"), "kernel").expect("a file");
    let verdict = case.check(&["vmlinuz"]);
    assert!(!verdict.good);
    insta::assert_snapshot!(verdict.text);
}

/// From the text of a file to the script that a machine gets.
#[test]
fn a_machine_of_the_example_gets_its_script() {
    use reveille_core::document::Document;
    use reveille_core::identity::ClientIdentity;
    use reveille_core::resource::{Resource, resolve};

    let case = example();
    let site = config::load(&case.path).expect("it is good").site;
    let (catalogue, _) = survey(EXAMPLE_FILES)(&site, Vec::new());
    let circumstances = Circumstances { host: &host(), before: None, absent: Absent::Refuse };
    let built = view::build(&site, circumstances, catalogue, &Found::default(), 0);
    let built = built.expect("it is good");
    let mut client = ClientIdentity::default();
    let name = "node/0c-c4-7a-00-00-17.7/boot.ipxe";
    let Resource::Document(kind) = resolve(&built.view, name, &mut client, true) else {
        panic!("{name} is a document");
    };
    let server = std::net::Ipv4Addr::new(10, 20, 0, 2);
    let document = Document { kind, client, address: None, server };
    let mut script = [0; 4096];
    let len = document.render(&built.view, &mut script).expect("it fits");
    insta::assert_snapshot!(String::from_utf8_lossy(&script[..len]));
}

/// A host in 10.20.0.0/16, and the networks of a text.
fn verdict_of(text: &str) -> String {
    Case::new(text).check(&[]).text
}

#[test]
fn policies_that_cannot_be_meant() {
    insta::assert_snapshot!(verdict_of(
        r#"
[[network]]
subnet = "10.20.0.0/16"
pool = ["10.20.1.0/24", { range = "10.20.1.128/25", class = "fones" }, "10.20.3.0/24"]
exclude = ["10.20.9.1", "10.20.3.0/24", "10.20.1.9 - 10.20.1.3"]
router = "10.20.0.1"
lease = "10m"
lease_min = "1h"
renew_at = "90%"
options = { routers = "10.20.0.7", 43 = "0x0102", mtu = 9 }

[[network]]
subnet = "10.60.0.0/24"
relays = "10.60.0.1"
shared = "alone"

[options]
dhcp-lease-time = 9
interface-mtu = "big"
67 = { value = "x", replace = true, forever = true }

[[option]]
name = "routers"
code = 230
type = "text"

[[option]]
code = 54
type = "ip"

[[class]]
name = "pxe"
match = { class = "b" }

[[class]]
name = "b"
match = { not = { class = "c" } }

[[class]]
name = "c"
match = { class = ["b", "d"], option = { 60 = 5 } }

[[class]]
match = {}

[[machine]]
mac = "02:00:00:00:00:01"
address = ["10.20.0.9", "10.20.0.10"]

[[machine]]
mac = "02:00:00:00:00:02"
address = "10.20.0.9"
client_id = "a"

[[machine]]
client_id = "0x61"

[[machine]]
relay = "10.60.0.1"
"#
    ));
}

#[test]
fn policies_that_the_view_refuses() {
    insta::assert_snapshot!(verdict_of(
        r#"
[[network]]
subnet = "10.20.0.0/16"
pool = ["10.20.1.0/24", { range = "10.20.1.128/25", class = "fones" }, "10.20.3.0/24"]
exclude = ["10.20.9.1", "10.20.3.0/24", "10.20.1.9 - 10.20.1.3"]
router = "10.20.0.1"
lease = "10m"
lease_min = "1h"
renew_at = "90%"
options = { routers = "10.20.0.7", 43 = "0x0102" }

[[network]]
subnet = "10.60.0.0/24"
relays = "10.60.0.1"
shared = "alone"

[options]
67 = { value = "x", replace = true }
66 = { value = "x", always = true }
3 = { value = "10.20.0.1", replace = true }

[[class]]
name = "pxe"
match = { class = "b" }

[[class]]
name = "b"
match = { not = { class = "c" } }

[[class]]
name = "c"
match = { class = ["b", "d"] }

[[machine]]
mac = "02:00:00:00:00:01"
address = ["10.20.0.9", "10.20.0.10"]

[[machine]]
mac = "02:00:00:00:00:02"
address = "10.20.0.9"
client_id = "a"

[[machine]]
client_id = "0x61"
"#
    ));
}

#[test]
fn too_many_classes_are_refused() {
    let classes: String = (0..65)
        .map(|number| format!("[[class]]\nname = \"c{number}\"\nmatch = {{ mac = \"02\" }}\n"))
        .collect();
    let text = verdict_of(&classes);
    assert!(text.contains("there are more than 64 classes"), "{text}");
}

#[test]
fn networks_share_a_link() {
    let text = verdict_of(
        r#"
[[network]]
interface = "eno1"
subnet = "10.20.0.0/16"
shared = "hall"
pool = "10.20.1.0/24"
exclude = "10.20.1.100 - 10.20.1.199"

[[network]]
subnet = "10.21.0.0/24"
shared = "hall"
pool = { range = "10.21.0.10 - 10.21.0.19", class = "ipxe", lease = "infinite" }

[[network]]
subnet = "10.60.0.0/24"
relays = "10.60.0.1"
shared = "far"
pool = "10.60.0.128/26"

[[network]]
subnet = "10.61.0.0/24"
shared = "far"
pool = "10.61.0.128/26"
"#,
    );
    insta::assert_snapshot!(text);
}
