use reveille_core::document::{Document, DocumentKind};
use reveille_core::identity::ClientIdentity;
use reveille_core::mac::MacAddr;
use reveille_core::view::{Loader, MatchRule, Profile, ProfileId, View};

use super::*;

fn boot(initrd: &[&str], cmdline: &str) -> Boot {
    Boot {
        kernel: "debian/vmlinuz".to_owned(),
        initrd: initrd.iter().map(|name| (*name).to_owned()).collect(),
        cmdline: parse(cmdline).expect("a template").segments,
    }
}

/// The three documents of a profile as 52:54:00:01:02:03 at 10.0.0.1 gets them.
fn documents(boot: &Boot) -> [String; 3] {
    let mut view = View::default();
    view.profiles.push(Profile {
        name: "compute".into(),
        rule: MatchRule::default(),
        loader: Loader::Ipxe,
        ipxe: ipxe::script(boot),
        pxelinux: pxelinux::configuration(boot),
        grub: grub::configuration(boot),
        vars: vec![("role".into(), "worker".into())],
    });
    let id = ProfileId(0);
    [DocumentKind::Ipxe(id), DocumentKind::Pxelinux(id), DocumentKind::Grub(id)].map(|kind| {
        let mac = Some(MacAddr([0x52, 0x54, 0, 1, 2, 3]));
        let client = ClientIdentity { mac, ..Default::default() };
        let server = std::net::Ipv4Addr::new(10, 0, 0, 1);
        let document = Document { kind, client, address: None, server };
        let mut out = [0; 4096];
        let len = document.render(&view, &mut out).expect("it fits");
        String::from_utf8(out[..len].to_vec()).expect("text")
    })
}

#[test]
fn documents_of_a_plain_profile() {
    let boot = boot(&["debian/initrd.img"], "console=ttyS0,115200 role={{ vars.role }} quiet");
    let [ipxe, pxelinux, grub] = documents(&boot);
    insta::assert_snapshot!(ipxe, @r"
    #!ipxe
    imgfree
    kernel --name kernel http://10.0.0.1/node/52-54-00-01-02-03/debian/vmlinuz initrd=initrd0 console=ttyS0,115200 role=worker quiet || goto retry
    initrd --name initrd0 http://10.0.0.1/node/52-54-00-01-02-03/debian/initrd.img || goto retry
    boot || goto retry
    :retry
    echo Next try in 4 s
    sleep 4
    chain --replace http://10.0.0.1/node/52-54-00-01-02-03/boot.ipxe || goto retry
    ");
    insta::assert_snapshot!(pxelinux, @r"
    DEFAULT boot
    PROMPT 0
    TIMEOUT 40
    LABEL boot
    LINUX ::/node/52-54-00-01-02-03/debian/vmlinuz
    INITRD ::/node/52-54-00-01-02-03/debian/initrd.img
    APPEND console=ttyS0,115200 role=worker quiet
    ");
    insta::assert_snapshot!(grub, @r"
    if linux (tftp,10.0.0.1)/node/52-54-00-01-02-03/debian/vmlinuz console=ttyS0,115200 role=worker quiet; then
      if initrd (tftp,10.0.0.1)/node/52-54-00-01-02-03/debian/initrd.img; then
        boot
      fi
    fi
    echo Next try in 4 s
    sleep 4
    configfile (tftp,10.0.0.1)/node/52-54-00-01-02-03/grub.cfg
    ");
}

#[test]
fn a_kernel_alone_is_enough() {
    let [ipxe, pxelinux, grub] = documents(&boot(&[], ""));
    let url = "http://10.0.0.1/node/52-54-00-01-02-03/debian/vmlinuz";
    assert!(ipxe.contains(&format!("kernel --name kernel {url} || goto retry\nboot")), "{ipxe}");
    assert!(pxelinux.ends_with("/debian/vmlinuz\n"), "{pxelinux}");
    assert!(grub.contains("debian/vmlinuz; then\n  boot\nfi\n"), "{grub}");
}

#[test]
fn several_ram_disks_keep_their_order() {
    let [ipxe, pxelinux, grub] = documents(&boot(&["ucode.img", "a/initrd"], ""));
    assert!(ipxe.contains("vmlinuz initrd=initrd0 initrd=initrd1 || "), "{ipxe}");
    assert!(ipxe.contains("initrd --name initrd1 http://10.0.0.1/node/52-54-00-01-02-03/a/initrd"));
    let node = "node/52-54-00-01-02-03";
    assert!(pxelinux.contains(&format!("INITRD ::/{node}/ucode.img,::/{node}/a/initrd\n")));
    assert!(grub.contains(&format!(
        "initrd (tftp,10.0.0.1)/{node}/ucode.img (tftp,10.0.0.1)/{node}/a/initrd;"
    )));
}

/// What iPXE does to a line: `system` and `expand_settings` of its `core/exec.c`.
fn as_ipxe_reads(line: &str) -> Vec<String> {
    let end = |word: &&str| !word.starts_with('#') && !matches!(*word, "||" | "&&" | ";");
    line.split_whitespace().take_while(end).map(|word| word.replace("${nil}", "")).collect()
}

#[test]
fn ipxe_reads_the_command_line_as_it_was_written() {
    let cmdline = r##"a||b || && ; #c d#e ;f "x || y" \"##;
    let [ipxe, ..] = documents(&boot(&[], cmdline));
    let line = ipxe.lines().find(|line| line.starts_with("kernel")).expect("there is one");
    let words = as_ipxe_reads(line);
    assert_eq!(words[4..].join(" "), cmdline);
    assert!(line.ends_with(" || goto retry"));
}

#[test]
fn a_backslash_does_not_join_lines_in_ipxe() {
    let [ipxe, ..] = documents(&boot(&[], "path=a\\"));
    assert!(ipxe.contains("path=a\\${nil} || goto"), "{ipxe}");
}

#[test]
fn what_ipxe_would_expand_cannot_be_said() {
    assert_eq!(
        ipxe::unspeakable("a b=${net0/mac}").as_deref(),
        Some("${…}, which iPXE would replace")
    );
    assert_eq!(ipxe::unspeakable("a=${ b} $c }"), None, "it expands within a word only");
    assert!(ipxe::misread_value("a || b").is_some());
    assert!(ipxe::misread_value("a #b").is_some());
    assert_eq!(ipxe::misread_value("a||b c#"), None);
}

#[test]
fn grub_gets_every_word_as_one_argument() {
    let [.., grub] =
        documents(&boot(&[], r##"a;b $c d&&e "#x" dyndbg="file x +p" {{ vars.role }};z"##));
    let line = grub.lines().next().expect("there is one");
    assert!(
        line.ends_with(r"vmlinuz 'a;b' '$c' 'd&&e' '#x' 'dyndbg=file x +p' worker';z'; then"),
        "{line}"
    );
}

#[test]
fn grub_would_add_backslashes_and_misread_values() {
    assert!(grub::unspeakable(r"a\b").is_some());
    assert!(grub::unspeakable("it's").is_some());
    assert_eq!(grub::unspeakable(r#"a="b c";$d"#), None);
    assert!(grub::misread_value("a;b").is_some());
    assert_eq!(grub::misread_value("quiet splash=1 x,y"), None);
}

#[test]
fn names_of_files_survive_each_loader() {
    let mut odd = boot(&[], "");
    odd.kernel = "my images/vmlinuz #1".to_owned();
    let [ipxe, _, grub] = documents(&odd);
    assert!(ipxe.contains("/my%20images/vmlinuz%20%231 ||"), "{ipxe}");
    assert!(grub.contains("/'my images/vmlinuz #1'; then"), "{grub}");
    assert!(pxelinux::unspeakable_name("my images").is_some());
    assert!(pxelinux::unspeakable_name("a,b").is_some());
    assert_eq!(pxelinux::unspeakable_name("a/b.img"), None);
}

#[test]
fn lines_of_a_long_command_line_become_one() {
    let [ipxe, pxelinux, grub] = documents(&boot(&[], "a=1\n  b=2\t\nc=3\n"));
    assert!(ipxe.contains(" a=1 b=2 c=3 || goto"));
    assert!(pxelinux.ends_with("APPEND a=1 b=2 c=3\n"));
    assert!(grub.contains(" a=1 b=2 c=3; then"));
}

#[test]
fn every_field_has_a_name() {
    for (name, field) in FIELDS {
        let parsed = parse(&format!("x{{{{{name}}}}}y")).expect("known");
        assert_eq!(parsed.segments[1], Segment::Field(field));
    }
}

#[test]
fn errors_tell_position_and_advice() {
    let errors = parse("a={{ hostnam }} b={{ vars. }} c={{ role }} d={{ mac").expect_err("bad");
    let told: Vec<_> = errors
        .iter()
        .map(|error| (error.at.clone(), error.what.as_str(), error.help.as_deref().unwrap_or("")))
        .collect();
    insta::assert_debug_snapshot!(told);
}

#[test]
fn variables_are_listed_with_their_places() {
    let parsed = parse("{{vars.a}} {{ vars.b-c }}").expect("good");
    assert_eq!(parsed.vars, [("a".to_owned(), 0..10), ("b-c".to_owned(), 11..25)]);
}
