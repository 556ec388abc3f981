//! Client classes: names become numbers, and nothing goes round in circles.

use reveille_core::identity::Firmware;
use reveille_core::view::{
    CLASSES_MAX, ClassError, ClassId, Classes, ClientClass, Condition, LeaseTerms, OptionSet,
};

use crate::problem::{Place, Problem, choices};
use crate::site::{Site, SiteClass, SiteCondition};

/// Classes that need no `[[class]]`.
static BUILT_IN: [(&str, Condition); 8] = [
    ("pxe", Condition::Firmware(Firmware::Pxe)),
    ("http-boot", Condition::Firmware(Firmware::HttpBoot)),
    ("ipxe", Condition::Firmware(Firmware::Ipxe)),
    ("u-boot", Condition::Firmware(Firmware::UBoot)),
    ("raspberry-pi", Condition::Firmware(Firmware::RaspberryPi)),
    ("system", Condition::Firmware(Firmware::System)),
    ("known", Condition::Known),
    ("everybody", Condition::All(Vec::new())),
];

/// The classes of a site, and the numbers of their names.
pub(super) struct Compiled {
    pub(super) classes: Classes,
    names: Vec<String>,
}

impl Compiled {
    /// The number of a class by its name.
    pub(super) fn find(&self, name: &str) -> Option<ClassId> {
        let at = self.names.iter().position(|known| known == name)?;
        u8::try_from(at).ok().map(ClassId)
    }

    /// Advice on a name that is not known.
    pub(super) fn advice(&self, name: &str) -> String {
        let built_in = BUILT_IN.iter().map(|(name, _)| *name);
        choices(name, self.names.iter().map(String::as_str).chain(built_in))
    }
}

/// The classes of `site`; those built in, as far as a pool names them.
pub(super) fn compile(site: &Site, problems: &mut Vec<Problem>) -> Compiled {
    let mut names: Vec<String> = site.classes.iter().map(|class| class.name.clone()).collect();
    let top = Place::top().key("class");
    for (at, name) in names.iter().enumerate() {
        let place = top.index(at).key("name");
        if BUILT_IN.iter().any(|(known, _)| known == name) {
            let what = format!("the class `{name}` is there already");
            problems.push(Problem::error(place, what).help("give yours another name"));
        } else if let Some(first) = names[..at].iter().position(|earlier| earlier == name) {
            let what = format!("another class has the name `{name}`");
            let first = top.index(first).key("name");
            problems.push(Problem::error(place, what).related(first, "first used here"));
        }
    }
    let mut list: Vec<ClientClass> =
        site.classes.iter().map(|class| compile_class(class, &names, problems)).collect();
    let pools = site.networks.iter().flat_map(|network| &network.pools);
    for name in pools.filter_map(|pool| pool.class.as_ref()) {
        if let Some((_, rule)) = BUILT_IN.iter().find(|(known, _)| known == name)
            && !names.contains(name)
        {
            names.push(name.clone());
            list.push(ClientClass {
                name: name.as_str().into(),
                rule: rule.clone(),
                denied: false,
                lease: LeaseTerms::default(),
                options: OptionSet::default(),
            });
        }
    }
    let classes = Classes::new(list).unwrap_or_else(|error| {
        let problem = match error {
            ClassError::TooMany => {
                Problem::error(top, format!("there are more than {CLASSES_MAX} classes"))
                    .help("a class may match one of several values: mac = [\"52:54\", \"0c:c4\"]")
            }
            ClassError::Circular(class) | ClassError::Unknown(class) => {
                let name = &names[usize::from(class.0)];
                let place = top.index(usize::from(class.0)).key("match");
                Problem::error(place, format!("whether somebody is `{name}` depends on itself"))
                    .help("a class may refer to others that do not refer back to it")
            }
        };
        problems.push(problem);
        Classes::default()
    });
    Compiled { classes, names }
}

fn compile_class(class: &SiteClass, names: &[String], problems: &mut Vec<Problem>) -> ClientClass {
    ClientClass {
        name: class.name.as_str().into(),
        rule: compile_rule(&class.rule, names, problems),
        denied: class.denied,
        lease: class.lease,
        options: class.options.iter().cloned().collect(),
    }
}

fn compile_rule(rule: &SiteCondition, names: &[String], problems: &mut Vec<Problem>) -> Condition {
    let mut list = |list: &[SiteCondition]| {
        list.iter().map(|one| compile_rule(one, names, problems)).collect::<Vec<_>>()
    };
    match rule {
        SiteCondition::Is(condition) => condition.clone(),
        SiteCondition::All(all) if all.len() == 1 => compile_rule(&all[0], names, problems),
        SiteCondition::All(all) => Condition::All(list(all)),
        SiteCondition::Any(any) => Condition::Any(list(any)),
        SiteCondition::Not(not) => Condition::Not(Box::new(compile_rule(not, names, problems))),
        SiteCondition::Class(name, place) => {
            let own = names.iter().position(|known| known == name);
            if let Some(class) = own.and_then(|at| u8::try_from(at).ok()) {
                return Condition::Class(ClassId(class));
            }
            if let Some((_, condition)) = BUILT_IN.iter().find(|(known, _)| known == name) {
                return condition.clone();
            }
            let built_in = BUILT_IN.iter().map(|(name, _)| *name);
            let help = choices(name, names.iter().map(String::as_str).chain(built_in));
            let what = format!("there is no class `{name}`");
            problems.push(Problem::error(place.clone(), what).help(help));
            Condition::Any(Vec::new())
        }
    }
}
