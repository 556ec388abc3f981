use std::fs;

use super::*;

/// The report of a text that must have problems, as `reveille.toml`.
fn report(text: &str) -> String {
    let failure = parse(Path::new("reveille.toml"), text.to_owned()).expect_err("problems");
    failure.report(false)
}

fn site(text: &str) -> Site {
    match parse(Path::new("reveille.toml"), text.to_owned()) {
        Ok(configuration) => configuration.site,
        Err(failure) => panic!("{}", failure.report(false)),
    }
}

#[test]
fn an_empty_file_means_the_defaults() {
    assert_eq!(site(""), Site::default());
}

#[test]
fn every_key_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("boot")).expect("a folder");
    fs::write(folder.path().join("own.ipxe"), "#!ipxe\nexit\n").expect("a file");
    let text = r##"
        shards = 2
        [[network]]
        interface = "eno1"
        subnet = "10.20.0.0/16"
        server = "10.20.0.2"
        dhcp = "server"
        pool = ["10.20.1.0 - 10.20.1.255", "10.20.2.0/24", "10.20.3.7",
                { range = "10.20.4.0/24", class = "phones", lease = "1h", options = { 252 = "w" } }]
        exclude = "10.20.2.9"
        shared = "hall"
        router = "10.20.0.1"
        dns = ["10.20.0.3", "10.20.0.4"]
        ntp = "10.20.0.5"
        domain = "boot.example"
        lease = "20m"
        lease_min = "10m"
        lease_max = "infinite"
        renew_at = "40%"
        rebind_at = "87.5%"
        options = { interface-mtu = 9000, 224 = { value = "10.0.0.9", always = true } }
        relays = ["10.20.0.9", "10.20.8.0/24"]
        known_only = true
        authoritative = false
        conflict_check = false
        offers_per_port = 16
        other_servers = ["10.20.0.3"]
        router_advertisements = false
        [options]
        site_mirror = "10.0.0.9"
        67 = { value = "boot", replace = true }
        [[option]]
        name = "site-mirror"
        code = 224
        type = "ips"
        [[class]]
        name = "phones"
        match = { vendor_class = "Cisco", user_class = "a", arch = "bios", mac = ["52", "54"], circuit_id = "eth1/*", remote_id = "0x0102", relay = "10.20.8.0/24", known = false, option = { 77 = true, 81 = false, 60 = "x*", interface-mtu = 1500 }, class = "pxe", any = [{ mac = "02" }, {}], all = [{ mac = "03" }], not = { mac = "04" } }
        deny = true
        lease = "1d"
        lease_min = "1h"
        lease_max = "2d"
        options = { 43 = { 1 = "0x05" } }
        [images]
        root = "boot"
        [programs]
        folders = ["boot"]
        [[programs.override]]
        loader = "grub"
        arch = "arm64-uefi"
        path = "/srv/grub.efi"
        [[profile]]
        name = "compute"
        match = { arch = ["x86_64-uefi", "bios"], product = "R6*", manufacturer = "D*", mac = "52:54" }
        loader = "pxelinux"
        kernel = "vmlinuz"
        initrd = ["a", "b"]
        cmdline = """
          console=ttyS0
          quiet
        """
        ipxe = "own.ipxe"
        grub = "a\nb"
        pxelinux = "c\n"
        vars = { role = "w", count = 3, flag = true }
        [[machine]]
        mac = ["52:54:00:00:00:01", "52-54-00-00-00-02"]
        uuid = "4c4c4544-0039-5810-8032-b9c04f565433"
        serial = "9XK2TV3"
        hostname = "n17"
        client_id = "n17"
        circuit_id = "eth1/17"
        remote_id = "01:02"
        relay = "10.20.0.9"
        lease = "2h"
        lease_min = "1h"
        lease_max = "3h"
        options = { log-servers = ["10.0.0.7"] }
        address = ["10.20.0.17", "10.30.0.17"]
        profile = "compute"
        vars = { role = "h" }
        [tftp]
        port = 6969
        block_size_max = 1024
        window_size_max = 8
        single_port = true
        rate = "2 Gbit/s"
        rate_per_client = "10 Mbit/s"
        [http]
        port = 8080
        rate = "300 MB/s"
        rate_per_client = "12.5 MB/s"
        [log]
        level = "debug"
        format = "json"
        [state]
        dir = "state"
        durable = false
    "##;
    let path = folder.path().join("reveille.toml");
    fs::write(&path, text).expect("a file");
    let configuration = load(&path).expect("all known");
    // Whatever is left at its default was not read.
    let shown = format!("{:#?}", configuration.site);
    let shown = shown.replace(folder.path().to_str().expect("text"), "/folder");
    insta::assert_snapshot!(shown);
}

#[test]
fn syntax_errors_come_together() {
    insta::assert_snapshot!(report("[[network]\nlease = 30m\n[images]\nroot = \"/srv\n"));
}

#[test]
fn unknown_keys_and_wrong_types() {
    insta::assert_snapshot!(report(
        "[[network]]\nrouters = \"10.0.0.1\"\nlease = 30\ndhcp = \"sever\"\n\
         [network2]\n[[profile]]\nname = \"a\"\nmatch = { arch = \"x64-uefi\", cpu = \"i9\" }\n\
         initrd = 5\n[http]\nport = 99999\ncolour = \"blue\"\n"
    ));
}

#[test]
fn values_that_cannot_be_read() {
    insta::assert_snapshot!(report(
        r#"
[[network]]
subnet = "10.20.0.0"
server = "10.20.0.256"
pool = ["10.20.1.0 - 10.20.1", "10.20.2.0 - 10.20.2.9"]
lease = "30 minutes"

[images]
root = "/no/such/folder"

[http]
rate = "10 Mbps"
rate_per_client = "9 kbit/s"

[[profile]]
kernel = "a"
ipxe = "gone.ipxe"

[[profile]]
name = "b"
match = { mac = "5254" }
vars = { "a b" = "x", c = 1.5, d = "a\nb" }

[[machine]]
mac = "52:54:00:12:34:5g"
uuid = "123"
"#
    ));
}

#[test]
fn a_file_in_another_encoding_is_marked_where_it_is_no_text() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("reveille.toml");
    fs::write(&path, b"[images]\n# gr\xfc\xdfe\nroot = \"/srv\"\n").expect("a file");
    let report = load(&path).expect_err("it is Latin-1").report(false);
    assert!(report.starts_with("error: this is no text in UTF-8"), "{report}");
    assert!(report.contains("reveille.toml:2:5"), "{report}");
}

#[test]
fn a_missing_file_says_how_to_name_another() {
    let failure = load(Path::new("/no/such/reveille.toml")).expect_err("it is not there");
    insta::assert_snapshot!(failure.report(false), @r"
    error: there is no file /no/such/reveille.toml
    --> /no/such/reveille.toml
     = help: name another one with --config FILE

    /no/such/reveille.toml: 1 error
    ");
}

#[test]
fn problems_of_meaning_point_into_the_text() {
    let text = r#"[[network]]
pool = "10.20.0.0 - 10.20.0.99"

[[profile]]
name = "compute"
kernel = "vmlinuz"
cmdline = 'console=ttyS0 host={{ hostnam }}'
vars = { role = "a" }

[[machine]]
mac = "52:54:00:00:00:01"
profile = "compute"

[[machine]]
mac = "52:54:00:00:00:01"
"#;
    let configuration = parse(Path::new("reveille.toml"), text.to_owned()).expect("it is TOML");
    let top = Place::top();
    let cmdline = top.key("profile").index(0).key("cmdline");
    let problems = [
        Problem::error(top.key("network").index(0).key("pool").index(0), "a list of one"),
        Problem::error(cmdline.part(19..32), "a part of a text"),
        Problem::error(top.key("profile").index(0).key("loader"), "a key that is not there"),
        Problem::error(top.key("machine").index(1).key("mac").index(0), "a second place")
            .related(top.key("machine").index(0).key("mac").index(0), "first used here")
            .help("and advice"),
        Problem::warning(top, "nowhere at all"),
    ];
    insta::assert_snapshot!(configuration.source.report(&problems, false));
}

#[test]
fn problems_of_a_script_point_into_the_script() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("own.ipxe"), "#!ipxe\necho {{ nobody }}\n").expect("a file");
    let text = "[[profile]]\nipxe = \"own.ipxe\"\n";
    let path = folder.path().join("reveille.toml");
    let configuration = parse(&path, text.to_owned()).expect("it is TOML");
    let place = Place::top().key("profile").index(0).key("ipxe");
    let problem = Problem::error(place.part(12..24), "who?")
        .related(Place::top().key("profile").index(0).key("ipxe"), "itself");
    let report = configuration.source.report(&[problem], false);
    assert!(report.contains("own.ipxe:2:6"), "{report}");
    assert!(report.contains("2 | echo {{ nobody }}"), "{report}");
}

#[test]
fn escapes_in_a_text_do_not_misplace_the_mark() {
    let text = "[[profile]]\ncmdline = \"a\\u0041 {{ x }}\"\n";
    let configuration = parse(Path::new("f.toml"), text.to_owned()).expect("it is TOML");
    let place = Place::top().key("profile").index(0).key("cmdline").part(3..10);
    let report = configuration.source.report(&[Problem::error(place, "what")], false);
    assert!(report.contains("f.toml:2:11"), "the whole text is marked: {report}");
}

#[test]
fn a_flood_of_problems_is_counted_not_shown() {
    let text = "[[machine]]\nmac = \"x\"\n".repeat(70);
    let report = report(&text);
    assert_eq!(report.matches("is no MAC address").count(), 50);
    assert!(report.ends_with("and 20 more\n\nreveille.toml: 70 errors"), "{report}");
}

#[test]
fn levels_are_levels() {
    assert_eq!(site("[log]\nlevel = \"info,reveille=debug\"").log.filter.as_deref(), {
        Some("info,reveille=debug")
    });
    let report = report("[log]\nlevel = \"info,reveille=debg\"");
    assert!(report.contains("there is no level `debg`"), "{report}");
    assert!(report.contains("did you mean `debug`?"), "{report}");
}
