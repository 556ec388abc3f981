use super::*;
use crate::mac::MacAddr;
use crate::view::{Loader, MachineKey, MatchRule, Profile};

const MAC: MacAddr = MacAddr([0x52, 0x54, 0, 1, 2, 3]);

fn view(ipxe: Vec<Segment>) -> View {
    let mut view = View::default();
    view.profiles.push(Profile {
        name: "compute".into(),
        rule: MatchRule::default(),
        loader: Loader::Ipxe,
        ipxe: Template { segments: ipxe },
        pxelinux: Template::default(),
        grub: Template::default(),
        vars: vec![("role".into(), "worker".into()), ("zone".into(), "a".into())],
    });
    view
}

fn render(view: &View, kind: DocumentKind, client: ClientIdentity) -> Result<String, RenderError> {
    let document = Document { kind, client, address: None, server: Ipv4Addr::new(10, 0, 0, 1) };
    let mut out = [0; 256];
    let len = document.render(view, &mut out)?;
    Ok(String::from_utf8(out[..len].to_vec()).unwrap())
}

#[test]
fn machine_values_win_over_those_of_the_profile() {
    let text = |text: &str| Segment::Text(text.into());
    let var = |name: &str| Segment::Field(Field::Var(name.into()));
    let mut view = view(vec![
        text("role="),
        var("role"),
        text(" zone="),
        var("zone"),
        text(" url="),
        Segment::Field(Field::NodeUrl),
        text(" serial="),
        Segment::Field(Field::Serial),
    ]);
    let machine =
        crate::view::Machine { vars: vec![("role".into(), "head".into())], ..Default::default() };
    view.machines.insert(&[MachineKey::Mac(MAC)], machine).unwrap();
    let client = ClientIdentity { mac: Some(MAC), ..Default::default() };
    assert_eq!(
        render(&view, DocumentKind::Ipxe(ProfileId(0)), client).unwrap(),
        "role=head zone=a url=http://10.0.0.1/node/52-54-00-01-02-03/ serial="
    );
}

#[test]
fn a_document_that_does_not_fit_is_an_error_not_a_cut_script() {
    let view = view(vec![Segment::Text("x".repeat(257).into())]);
    let kind = DocumentKind::Ipxe(ProfileId(0));
    assert_eq!(render(&view, kind, ClientIdentity::default()), Err(RenderError::TooLong));
}

#[test]
fn a_profile_that_a_reload_took_away_is_an_error() {
    let kind = DocumentKind::Grub(ProfileId(1));
    let result = render(&view(vec![]), kind, ClientIdentity::default());
    assert_eq!(result, Err(RenderError::NoProfile));
}

#[test]
fn the_identifying_script_leaves_the_asking_to_ipxe() {
    let view = view(vec![]);
    let client = ClientIdentity { mac: Some(MAC), ..Default::default() };
    let script = render(&view, DocumentKind::Identify, client).unwrap();
    assert!(script.starts_with(
        "#!ipxe\nchain --replace http://10.0.0.1/node/52-54-00-01-02-03/boot.ipxe?facts=1&uuid="
    ));
    let script = render(&view, DocumentKind::Identify, ClientIdentity::default()).unwrap();
    assert!(script.contains("http://10.0.0.1/node/${mac:hexhyp}/boot.ipxe?facts=1"));
}

#[test]
fn grub_is_sent_on_to_where_its_name_tells_who_it_is() {
    let mut out = [0; 1024];
    let server = Ipv4Addr::new(10, 0, 0, 1);
    let client = ClientIdentity::default();
    let document = Document { kind: DocumentKind::GrubIdentify, client, address: None, server };
    let len = document.render(&View::default(), &mut out).unwrap();
    let text = core::str::from_utf8(&out[..len]).unwrap();
    let x64 = "if [ \"${grub_cpu}-${grub_platform}\" = x86_64-efi ]; then arch=.7\nelif [ ";
    assert!(text.starts_with(x64), "{text}");
    let own = "  configfile (tftp,10.0.0.1)/node/${net_default_mac}${arch}/grub.cfg\n";
    assert!(text.contains(own), "{text}");
    assert!(text.ends_with("else\n  configfile (tftp,10.0.0.1)/grub.cfg-default\nfi\n"), "{text}");
}

#[test]
fn names_for_tftp_and_waiting_times_differ_from_machine_to_machine() {
    let view = view(vec![
        Segment::Field(Field::NodePath),
        Segment::Text(" ".into()),
        Segment::Field(Field::RetrySeconds),
    ]);
    let of = |last: u8| {
        let mac = MacAddr([0x52, 0x54, 0, 1, 2, last]);
        let client = ClientIdentity { mac: Some(mac), ..Default::default() };
        render(&view, DocumentKind::Ipxe(ProfileId(0)), client).unwrap()
    };
    assert_eq!(of(3), "node/52-54-00-01-02-03/ 4");
    assert_eq!(of(0x12), "node/52-54-00-01-02-12/ 3");
    assert_eq!(of(0x1d), "node/52-54-00-01-02-1d/ 18");
}
