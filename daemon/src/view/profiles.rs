//! Profiles: what they load is there, what they say can be said, and somebody can get them.

use std::collections::HashMap;

use reveille_core::document::{Field, Segment, Template};
use reveille_core::view::{Catalogue, Loader, MatchRule, Profile};
use reveille_core::wire::pxe::ArchType;

use super::files;
use crate::arch;
use crate::problem::{Place, Problem, Severity};
use crate::programs::Found;
use crate::site::{Script, Site, SiteMachine, SiteProfile};
use crate::templates::{self, Boot, Parsed};

/// The longest command line that kernels of x86 and arm64 read; they cut the rest silently.
const CMDLINE_BYTES_MAX: usize = 2047;

/// The profiles of `site`, one for each even where there are problems, so that ids fit.
pub(super) fn compile(
    site: &Site,
    catalogue: &Catalogue,
    programs: &Found,
    problems: &mut Vec<Problem>,
) -> Vec<Profile> {
    let mut names: HashMap<&str, Place> = HashMap::new();
    let mut profiles = Vec::new();
    for (at, meant) in site.profiles.iter().enumerate() {
        let place = Place::top().key("profile").index(at);
        if meant.name.is_empty() {
            problems.push(Problem::error(place.key("name"), "a profile needs a name"));
        } else if let Some(first) = names.get(meant.name.as_str()) {
            let what = format!("there are two profiles `{}`", meant.name);
            problems.push(
                Problem::error(place.key("name"), what).related(first.clone(), "the other one"),
            );
        } else {
            names.insert(&meant.name, place.key("name"));
        }
        check_reach(site, at, &place, problems);
        check_loader(meant, programs, &place, problems);
        let compiler = Compiler { site, catalogue, meant, place };
        profiles.push(compiler.profile(problems));
    }
    profiles
}

/// What a loader's document is called.
pub(super) const fn document_name(loader: Loader) -> &'static str {
    match loader {
        Loader::Ipxe => "iPXE script",
        Loader::Pxelinux => "PXELINUX configuration",
        Loader::Grub => "GRUB configuration",
    }
}

/// The entry that decides the length of a profile's document.
pub(super) fn document_place(at: usize, meant: &SiteProfile) -> Place {
    let place = Place::top().key("profile").index(at);
    let (key, own) = own_script(meant);
    if own.is_some() { place.key(key) } else { place.key("cmdline") }
}

fn own_script(meant: &SiteProfile) -> (&'static str, Option<&Script>) {
    match meant.loader {
        Loader::Ipxe => ("ipxe", meant.ipxe.as_ref()),
        Loader::Pxelinux => ("pxelinux", meant.pxelinux.as_ref()),
        Loader::Grub => ("grub", meant.grub.as_ref()),
    }
}

/// Whether a machine ever gets this profile.
fn check_reach(site: &Site, at: usize, place: &Place, problems: &mut Vec<Problem>) {
    let meant = &site.profiles[at];
    let named = |machine: &SiteMachine| machine.profile.as_ref() == Some(&meant.name);
    if site.machines.iter().any(named) {
        return;
    }
    // Of two with one name that is told already.
    let before = |earlier: &SiteProfile| {
        earlier.name != meant.name
            && (earlier.rule == MatchRule::default() || earlier.rule == meant.rule)
    };
    let earlier = site.profiles[..at].iter().position(before);
    if let Some(earlier) = earlier {
        let first = &site.profiles[earlier];
        let what = format!("no machine gets profile `{}`", meant.name);
        let why = format!("`{}` takes all of them first", first.name);
        let help = "put the narrower match first, or name the profile in a [[machine]]";
        problems.push(
            Problem::warning(place.key("name"), what)
                .related(Place::top().key("profile").index(earlier).key("name"), why)
                .help(help),
        );
    }
}

/// Whether the loader exists for the machines that the profile is for.
fn check_loader(meant: &SiteProfile, programs: &Found, place: &Place, problems: &mut Vec<Problem>) {
    let archs = &meant.rule.archs;
    let place = place.key("loader");
    let (here, name) = match meant.loader {
        Loader::Ipxe => ("", "iPXE"),
        Loader::Pxelinux => ("bios", "PXELINUX"),
        Loader::Grub => ("uefi", "GRUB"),
    };
    if meant.loader != Loader::Ipxe && meant.rule.needs_facts() {
        let what = format!("{name} does not tell a machine's product or manufacturer");
        let help = "match by arch or mac, or let iPXE load the kernel";
        problems.push(Problem::error(place.clone(), what).help(help));
    }
    let able = arch::numbers(here).unwrap_or_default();
    if !archs.is_empty() && !able.is_empty() && !archs.iter().any(|arch| able.contains(arch)) {
        let what = format!("{name} cannot boot {}", arch::label(archs[0]));
        let help = format!("{name} is for {here}; leave the loader out to boot with iPXE");
        problems.push(Problem::error(place, what).help(help));
        return;
    }
    let loadable = |arch: &ArchType| programs.programs.find(meant.loader, *arch).is_some();
    let served = match archs.as_slice() {
        [] => programs.programs.iter().any(|(loader, _, _)| loader == meant.loader),
        archs => archs.iter().any(loadable),
    };
    if !served {
        let missing = programs.missing.iter().find(|missing| {
            let numbers = arch::numbers(missing.arch).unwrap_or_default();
            missing.loader == meant.loader
                && (archs.is_empty() || numbers.iter().any(|number| archs.contains(number)))
        });
        let remedy = missing.map_or("set programs.folders", |missing| missing.remedy);
        let platform = archs.first().map(|arch| format!(" for {}", arch::label(*arch)));
        let what = format!("this host has no {name}{} to serve", platform.unwrap_or_default());
        // Machines that have iPXE in their firmware need none from us.
        let problem = match meant.loader {
            Loader::Ipxe => Problem::warning(place, what),
            Loader::Pxelinux | Loader::Grub => Problem::error(place, what),
        };
        problems.push(problem.help(remedy));
    }
}

/// One profile on its way.
struct Compiler<'s> {
    site: &'s Site,
    catalogue: &'s Catalogue,
    meant: &'s SiteProfile,
    place: Place,
}

impl Compiler<'_> {
    fn profile(&self, problems: &mut Vec<Problem>) -> Profile {
        let meant = self.meant;
        let boot = self.boot(problems);
        let own = |key, script, problems: &mut Vec<Problem>| self.own(key, script, problems);
        let ipxe = own("ipxe", &meant.ipxe, problems);
        let pxelinux = own("pxelinux", &meant.pxelinux, problems);
        let grub = own("grub", &meant.grub, problems);
        let generated = |own: Option<Template>, write: fn(&Boot) -> Template| {
            own.or_else(|| boot.as_ref().map(write)).unwrap_or_default()
        };
        Profile {
            name: meant.name.as_str().into(),
            rule: meant.rule.clone(),
            loader: meant.loader,
            ipxe: generated(ipxe, templates::ipxe::script),
            pxelinux: generated(pxelinux, templates::pxelinux::configuration),
            grub: generated(grub, templates::grub::configuration),
            vars: super::machines::boxed(&meant.vars),
        }
    }

    /// What is to be loaded, if a kernel is named; a profile without one needs its own script.
    fn boot(&self, problems: &mut Vec<Problem>) -> Option<Boot> {
        let meant = self.meant;
        let parsed = self.template("cmdline", &meant.cmdline, problems);
        let (key, own) = own_script(meant);
        let Some(kernel) = &meant.kernel else {
            if own.is_none() {
                let what = format!("profile `{}` has nothing to boot", meant.name);
                let help = format!(
                    "kernel = \"…\" and initrd = \"…\", or {key} = \"…\" with a script of your own"
                );
                problems.push(Problem::error(self.place.clone(), what).help(help));
            }
            return None;
        };
        let kernel = self.file(kernel, &self.place.key("kernel"), problems);
        let mut initrd = Vec::new();
        for (at, file) in meant.initrd.iter().enumerate() {
            initrd.push(self.file(file, &self.place.key("initrd").index(at), problems));
        }
        let parsed = parsed?;
        if own.is_none() {
            self.check_cmdline(&parsed, problems);
        }
        let initrd: Option<Vec<String>> = initrd.into_iter().collect();
        Some(Boot { kernel: kernel?, initrd: initrd?, cmdline: parsed.segments })
    }

    fn file(&self, file: &str, place: &Place, problems: &mut Vec<Problem>) -> Option<String> {
        let name = match files::find(self.site, self.catalogue, file, place) {
            Ok(name) => name,
            Err(problem) => {
                problems.push(*problem);
                return None;
            }
        };
        if self.meant.loader == Loader::Pxelinux
            && let Some(why) = templates::pxelinux::unspeakable_name(&name)
        {
            let what = format!("PXELINUX cannot load `{name}`: {why}");
            problems.push(Problem::error(place.clone(), what).help("rename the file"));
        }
        Some(name)
    }

    fn own(
        &self,
        key: &str,
        script: &Option<Script>,
        problems: &mut Vec<Problem>,
    ) -> Option<Template> {
        let script = script.as_ref()?;
        if key == "ipxe" && !script.text.starts_with("#!ipxe") {
            let what = "a script for iPXE begins with the line #!ipxe";
            problems.push(Problem::error(self.place.key(key).part(0..0), what));
        }
        let parsed = self.template(key, &script.text, problems)?;
        Some(Template { segments: parsed.segments })
    }

    fn template(&self, key: &str, text: &str, problems: &mut Vec<Problem>) -> Option<Parsed> {
        let place = self.place.key(key);
        let (parsed, errors) = templates::parse_recoverable(text);
        self.check_vars(&parsed, &place, problems);
        let whole = errors.is_empty();
        problems.extend(errors.into_iter().map(|error| Problem {
            help: error.help,
            ..Problem::error(place.part(error.at), error.what)
        }));
        whole.then_some(parsed)
    }

    /// The machines that say that they boot this profile.
    fn machines(&self) -> impl Iterator<Item = (usize, &SiteMachine)> {
        let named = |machine: &SiteMachine| machine.profile.as_ref() == Some(&self.meant.name);
        self.site.machines.iter().enumerate().filter(move |(_, machine)| named(machine))
    }

    /// A variable has a value from the profile, or from every machine that names the profile.
    fn check_vars(&self, parsed: &Parsed, place: &Place, problems: &mut Vec<Problem>) {
        let has = |vars: &[(String, String)], name: &str| vars.iter().any(|(key, _)| key == name);
        for (name, at) in &parsed.vars {
            if has(&self.meant.vars, name) {
                continue;
            }
            let default = format!("vars = {{ {name} = \"…\" }}");
            let any = self.site.machines.iter().any(|machine| has(&machine.vars, name));
            if !any {
                let names = self
                    .meant
                    .vars
                    .iter()
                    .chain(self.site.machines.iter().flat_map(|machine| &machine.vars));
                let near = crate::problem::nearest(name, names.map(|(key, _)| key.as_str()));
                let help = match near {
                    Some(near) => format!("did you mean {{{{ vars.{near} }}}}?"),
                    None => format!("{default} in the profile, or in each of its machines"),
                };
                let what = format!("nobody gives the variable `{name}` a value");
                problems.push(Problem::error(place.part(at.clone()), what).help(help));
                continue;
            }
            for (machine, meant) in self.machines() {
                if !has(&meant.vars, name) {
                    let what = format!("this machine has no variable `{name}`");
                    let help = format!("{default} here, or in the profile for all machines");
                    problems.push(
                        Problem::error(Place::top().key("machine").index(machine), what)
                            .related(place.part(at.clone()), "its profile needs it")
                            .help(help),
                    );
                }
            }
        }
    }

    /// What the loader's language cannot say, for the profile alone and for each machine.
    fn check_cmdline(&self, parsed: &Parsed, problems: &mut Vec<Problem>) {
        let place = self.place.key("cmdline");
        let unspeakable = match self.meant.loader {
            Loader::Ipxe => templates::ipxe::unspeakable,
            Loader::Pxelinux => |_: &str| None,
            Loader::Grub => templates::grub::unspeakable,
        };
        let whole = fill(&parsed.segments, &self.meant.vars);
        if let Some(found) = unspeakable(&whole) {
            let name = loader_name(self.meant.loader);
            let what = format!("a command line for {name} cannot have {found}");
            let help = "facts are written like {{ mac }}; for all else write a script of your own";
            problems.push(Problem::error(place.clone(), what).help(help));
        }
        if whole.len() > CMDLINE_BYTES_MAX {
            let what = format!("kernels read {CMDLINE_BYTES_MAX} bytes of a command line");
            let help = format!("this one has {}; the rest is cut off", whole.len());
            problems.push(Problem::warning(place, what).help(help));
        }
        self.check_values(parsed, problems);
    }

    /// Values that come into the command line and mean something to the loader.
    fn check_values(&self, parsed: &Parsed, problems: &mut Vec<Problem>) {
        let misread = match self.meant.loader {
            Loader::Ipxe => |value: &str| {
                templates::ipxe::misread_value(value)
                    .or_else(|| templates::ipxe::unspeakable(value))
            },
            Loader::Pxelinux => |_: &str| None,
            Loader::Grub => templates::grub::misread_value,
        };
        let own = self.meant.vars.iter().map(|var| (self.place.clone(), var));
        let machines = self.site.machines.iter().enumerate().filter(|(_, machine)| {
            machine.profile.as_ref().is_none_or(|name| *name == self.meant.name)
        });
        let machines = machines.flat_map(|(at, machine)| {
            let place = Place::top().key("machine").index(at);
            machine.vars.iter().map(move |var| (place.clone(), var))
        });
        for (place, (name, value)) in own.chain(machines) {
            if !parsed.vars.iter().any(|(used, _)| used == name) {
                continue;
            }
            if let Some(found) = misread(value) {
                let loader = loader_name(self.meant.loader);
                let what = format!("{loader} would misread this value: it has {found}");
                let place = place.key("vars").key(name);
                let told = problems
                    .iter()
                    .any(|problem| problem.place == place && problem.severity == Severity::Error);
                if !told {
                    problems.push(Problem::error(place, what));
                }
            }
        }
    }
}

const fn loader_name(loader: Loader) -> &'static str {
    match loader {
        Loader::Ipxe => "iPXE",
        Loader::Pxelinux => "PXELINUX",
        Loader::Grub => "GRUB",
    }
}

/// The text with the variables that are known now; other gaps hold harmless text later.
fn fill(segments: &[Segment], vars: &[(String, String)]) -> String {
    let mut text = String::new();
    for segment in segments {
        match segment {
            Segment::Text(plain) => text.push_str(plain),
            Segment::Field(Field::Var(name)) => {
                let value = vars.iter().find(|(key, _)| **key == **name);
                text.push_str(value.map_or("", |(_, value)| value));
            }
            Segment::Field(_) => {}
        }
    }
    text
}
