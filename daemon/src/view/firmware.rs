//! What is done differently for some firmware, and the menu of PXE.

use reveille_core::view::{BUILT_IN, BootTarget, Menu, Quirk, Quirks};

use crate::problem::{Place, Problem, choices};
use crate::site::Site;

/// The quirks that are built in, less those that the site switches off, with its own.
pub(crate) fn quirks(site: &Site, problems: &mut Vec<Problem>) -> Quirks {
    let mut list = BUILT_IN.to_vec();
    for (at, meant) in site.quirks.iter().enumerate() {
        let known = list.iter().position(|quirk| quirk.name == meant.name);
        match (meant.enabled, known) {
            (false, Some(known)) => drop(list.remove(known)),
            (false, None) => {
                let place = Place::top().key("quirk").index(at).key("name");
                let what = format!("there is no quirk `{}` to switch off", meant.name);
                let names: Vec<&str> = list.iter().map(|quirk| &*quirk.name).collect();
                let help = choices(&meant.name, names);
                problems.push(Problem::error(place, what).help(help));
            }
            (true, known) => {
                let quirk = Quirk {
                    name: meant.name.clone().into(),
                    reason: meant.reason.clone().into(),
                    rule: meant.rule.clone(),
                    effects: meant.effects,
                };
                match known {
                    Some(known) => list[known] = quirk,
                    None => list.push(quirk),
                }
            }
        }
    }
    Quirks::new(list)
}

/// The menu; each type in it leads to one thing.
pub(super) fn menu(site: &Site, problems: &mut Vec<Problem>) -> Option<Menu> {
    let menu = site.menu.as_ref()?;
    for (at, service) in menu.services.iter().enumerate() {
        let place = Place::top().key("menu").key("item").index(at);
        if menu.services[..at].iter().any(|other| other.kind == service.kind) {
            let what = format!("two items of the menu have type {}", service.kind);
            problems.push(Problem::error(place.key("type"), what));
        } else if service.kind == 0 && service.target != BootTarget::Local {
            let what = "type 0 boots from the local disk";
            let help = "leave `type` out, or take one from 32768 on";
            problems.push(Problem::error(place.key("type"), what).help(help));
        }
    }
    Some(menu.clone())
}

#[cfg(test)]
mod tests {
    use reveille_core::view::{BootService, Effect, Effects};

    use super::*;
    use crate::site::SiteQuirk;

    fn quirk(name: &str, enabled: bool) -> SiteQuirk {
        SiteQuirk {
            name: name.to_owned(),
            reason: String::new(),
            rule: Default::default(),
            effects: Effects::of(&[Effect::Broadcast]),
            enabled,
        }
    }

    #[test]
    fn quirks_are_added_replaced_and_switched_off() {
        let site = Site {
            quirks: vec![quirk("own", true), quirk("pxe-class", true), quirk("http-class", false)],
            ..Site::default()
        };
        let mut problems = Vec::new();
        let list = quirks(&site, &mut problems);
        assert!(problems.is_empty());
        let names: Vec<&str> = list.list().iter().map(|quirk| &*quirk.name).collect();
        assert_eq!(names.len(), BUILT_IN.len());
        assert!(names.contains(&"own") && !names.contains(&"http-class"));
        let replaced = list.list().iter().find(|quirk| quirk.name == "pxe-class");
        assert_eq!(replaced.expect("it is there").effects, Effects::of(&[Effect::Broadcast]));
    }

    #[test]
    fn what_is_not_there_cannot_be_switched_off() {
        let site = Site { quirks: vec![quirk("pxe-clas", false)], ..Site::default() };
        let mut problems = Vec::new();
        quirks(&site, &mut problems);
        let [problem] = &problems[..] else { panic!("{problems:?}") };
        assert!(format!("{problem:?}").contains("did you mean `pxe-class`?"), "{problem:?}");
    }

    #[test]
    fn types_of_a_menu_differ_and_zero_is_the_disk() {
        let service = |kind, target| BootService { kind, text: "a".into(), target };
        for (services, wrong) in [
            (vec![service(0, BootTarget::Local), service(1, BootTarget::Own)], 0),
            (vec![service(1, BootTarget::Own), service(1, BootTarget::Own)], 1),
            (vec![service(0, BootTarget::Own)], 1),
        ] {
            let menu = Menu { services, ..Menu::default() };
            let site = Site { menu: Some(menu), ..Site::default() };
            let mut problems = Vec::new();
            super::menu(&site, &mut problems);
            assert_eq!(problems.len(), wrong, "{problems:?}");
        }
    }
}
