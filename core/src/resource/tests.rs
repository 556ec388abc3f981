use super::*;
use crate::document::Template;
use crate::image::ImageId;
use crate::view::{File, Loader, MatchRule, Profile, ProfileId};

fn view() -> View {
    let mut view = View::default();
    view.profiles.push(Profile {
        name: "all".into(),
        rule: MatchRule::default(),
        loader: Loader::Ipxe,
        ipxe: Template::default(),
        pxelinux: Template::default(),
        grub: Template::default(),
        vars: vec![],
    });
    let file = File {
        image: ImageId { slot: 0, generation: 0 },
        len: 3,
        etag: "\"1\"".into(),
        last_modified: "".into(),
        content_type: "application/octet-stream",
    };
    view.catalogue.insert("debian/vmlinuz".into(), file.clone());
    view.catalogue.insert("own/grub.cfg".into(), file);
    view
}

fn document(name: &str) -> (Option<DocumentKind>, ClientIdentity) {
    let mut claims = ClientIdentity::default();
    match resolve(&view(), name, &mut claims, false) {
        Resource::Document(kind) => (Some(kind), claims),
        Resource::File(_) | Resource::Up | Resource::Missing => (None, claims),
    }
}

#[test]
fn files_come_first_with_or_without_the_machine() {
    let view = view();
    let file = view.catalogue.get("debian/vmlinuz").unwrap();
    for name in ["debian/vmlinuz", "node/52-54-00-01-02-03/debian/vmlinuz"] {
        let found = resolve(&view, name, &mut ClientIdentity::default(), false);
        assert_eq!(found, Resource::File(file), "{name}");
    }
    let own = resolve(&view, "own/grub.cfg", &mut ClientIdentity::default(), false);
    assert!(matches!(own, Resource::File(_)));
}

#[test]
fn loaders_find_their_configuration_under_the_names_they_try() {
    let profile = ProfileId(0);
    for (name, kind) in [
        ("node/52-54-00-01-02-03.0/boot.ipxe", Some(DocumentKind::Ipxe(profile))),
        ("node/52-54-00-01-02-03.7/ipxe/autoexec.ipxe", Some(DocumentKind::Ipxe(profile))),
        ("autoexec.ipxe", Some(DocumentKind::Identify)),
        ("pxelinux.cfg/01-52-54-00-01-02-03", Some(DocumentKind::Pxelinux(profile))),
        ("pxelinux.cfg/default", Some(DocumentKind::Pxelinux(profile))),
        ("pxelinux.cfg/0A000001", None),
        ("pxelinux.cfg/11111111-1111-1111-1111-111111111111", None),
        ("grub/grub.cfg-01-52-54-00-01-02-03", Some(DocumentKind::Grub(profile))),
        ("node/52:54:00:01:02:03.7/grub.cfg", Some(DocumentKind::Grub(profile))),
        ("grub/grub.cfg", Some(DocumentKind::GrubIdentify)),
        ("grub.cfg-default", Some(DocumentKind::Grub(profile))),
        ("grub/grub.cfg-0A000001", None),
        ("grub/grub.cfgx", None),
        ("nothing", None),
    ] {
        assert_eq!(document(name).0, kind, "{name}");
    }
}

#[test]
fn a_name_identifies_its_machine() {
    let (_, claims) = document("node/52-54-00-01-02-03.7/boot.ipxe");
    assert_eq!(claims.mac, Some(MacAddr([0x52, 0x54, 0, 1, 2, 3])));
    assert_eq!(claims.arch.map(|arch| arch.0), Some(7));
}

#[test]
fn up_needs_a_machine() {
    let mut claims = ClientIdentity::default();
    assert_eq!(resolve(&view(), "up", &mut claims, false), Resource::Missing);
    let name = "node/52-54-00-01-02-03/up";
    assert_eq!(resolve(&view(), name, &mut claims, false), Resource::Up);
}

#[test]
fn a_rule_on_facts_asks_ipxe_for_them_once() {
    let mut view = view();
    view.profiles[0].rule.product = Some("R6*".into());
    let name = "node/52-54-00-01-02-03/boot.ipxe";
    let mut claims = ClientIdentity::default();
    let first = resolve(&view, name, &mut claims, false);
    assert_eq!(first, Resource::Document(DocumentKind::Identify));
    assert_eq!(resolve(&view, name, &mut claims, true), Resource::Missing);
}
