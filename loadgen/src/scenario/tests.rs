use super::*;

fn scenario(seed: u64) -> Scenario {
    Scenario {
        clients: 1000,
        mix: Mix::parse("mixed").expect("it exists"),
        ramp: Ramp::All,
        loss: 0.0,
        seed,
        limit: Duration::from_secs(60),
        interface: "eth0".to_owned(),
        server: None,
        pids: Vec::new(),
    }
}

#[test]
fn ramps_are_read_and_written() {
    let seconds = Duration::from_secs;
    assert_eq!("all".parse(), Ok(Ramp::All));
    assert_eq!("0s".parse(), Ok(Ramp::All));
    assert_eq!("30s".parse(), Ok(Ramp::Over(seconds(30))));
    let racks = Ramp::Racks { machines: 40, gap: seconds(2) };
    assert_eq!("rack:40/2s".parse(), Ok(racks));
    assert_eq!(racks.to_string().parse(), Ok(racks));
    for wrong in ["", "soon", "rack", "rack:", "rack:40", "rack:0/2s", "rack:40/", "rack:x/2s"] {
        assert!(wrong.parse::<Ramp>().is_err(), "{wrong:?}");
    }
}

#[test]
fn machines_start_as_the_ramp_says() {
    let seconds = Duration::from_secs;
    assert_eq!(Ramp::All.start(999, 1000), Duration::ZERO);
    assert_eq!(Ramp::Over(seconds(30)).start(500, 1000), seconds(15));
    let racks = Ramp::Racks { machines: 40, gap: seconds(2) };
    assert_eq!(racks.start(39, 1000), Duration::ZERO);
    assert_eq!(racks.start(40, 1000), seconds(2));
    assert_eq!(racks.start(999, 1000), seconds(48));
}

#[test]
fn a_mix_deals_exactly_its_shares() {
    let mix = Mix::parse("edk2-pxe:3,ipxe").expect("both exist");
    let dealt = mix.deal(1000, 7);
    assert_eq!(dealt.len(), 1000);
    assert_eq!(dealt.iter().filter(|kind| **kind == 0).count(), 750);
    assert_eq!(dealt, mix.deal(1000, 7), "a seed repeats it");
    assert_ne!(dealt, mix.deal(1000, 8));
    assert!(dealt[..100].contains(&1), "they are shuffled");
    for wrong in ["", "toaster", "ipxe:x", "ipxe:0", "ipxe,,"] {
        assert!(Mix::parse(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_mac_address_leads_back_to_its_machine() {
    let scenario = scenario(7);
    for number in [0, 1, 255, 999] {
        let identity = scenario.identity(number);
        assert_eq!(identity.mac[0] & 3, 2, "locally administered, and no group");
        assert_eq!(scenario.number(identity.mac), Some(number));
    }
    assert_eq!(scenario.number(scenario.identity(1000).mac), None, "there are only a thousand");
    assert_eq!(scenario.number([0xff; 6]), None);
    assert_eq!(scenario.number(self::scenario(8).identity(3).mac), None, "of another run");
}

#[test]
fn contradictions_are_told() {
    assert!(scenario(1).check().is_ok());
    let late = Scenario { ramp: Ramp::Over(Duration::from_secs(600)), ..scenario(1) };
    assert!(late.check().expect_err("too late").to_string().contains("--limit"));
    let nobody = Scenario { clients: 0, ..scenario(1) };
    assert!(nobody.check().is_err());
    let nothing = Scenario { pids: vec![u32::MAX], ..scenario(1) };
    assert!(nothing.check().is_err());
}
