//! Everything about a site that takes reading and thinking, before anything changes.

use std::path::Path;
use std::sync::Arc;

use reveille_runtime::Setup;

use crate::host::Host;
use crate::images::{Fate, Images, Sources};
use crate::problem::{Place, Problem, Severity};
use crate::programs;
use crate::site::Site;
use crate::timeline::{Roles, Stage};
use crate::view;

/// All that lives as long as the server: the images.
#[derive(Debug)]
pub(crate) struct Stock {
    images: Images,
    seed: u64,
}

/// A site that can be served.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// For the shards.
    pub(crate) setup: Setup,
    /// The kernel's index of each of the view's interfaces.
    pub(crate) ifindexes: Vec<u32>,
    /// What each file is for.
    pub(crate) roles: Roles,
    /// Where the images came from.
    pub(crate) sources: Sources,
    /// What was chosen where nothing was said.
    pub(crate) notes: Vec<String>,
    /// What is probably not meant so.
    pub(crate) warnings: Vec<Problem>,
    /// Files that are new, changed or gone since [`Stock::note_served`].
    pub(crate) changes: Vec<(String, Fate)>,
}

impl Stock {
    /// Nothing yet. `seed` hides the order of tables from clients.
    pub(crate) fn new(seed: u64) -> Self {
        Self { images: Images::new(seed), seed }
    }

    /// Finds interfaces, boot programs and images for `site` and checks that all fits together.
    /// Files for which `is_written` holds stay as they were. Blocks while new files are read.
    ///
    /// # Errors
    /// All problems; what is served now is not touched by them.
    pub(crate) fn prepare(
        &mut self,
        site: &Site,
        is_written: impl Fn(&Path) -> bool,
    ) -> Result<Prepared, Vec<Problem>> {
        let host = Host::read().map_err(|error| {
            let what = format!("cannot list the interfaces of this host: {error}");
            vec![Problem::error(Place::top(), what)]
        })?;
        let found = programs::find(&site.programs)?;
        let mut named = found.files.clone();
        // What the site names wins over what was found.
        named.extend(site.named_files());
        let sources = Sources { root: site.images.root.clone(), named };
        let scan = self.images.scan(&sources, is_written);
        let files = scan.catalogue.len();
        let built = view::build(site, &host, scan.catalogue, &found, self.seed);
        let mut built = match built {
            Ok(built) => built,
            Err(mut problems) => {
                // The profiles' complaints about files come with the reason why.
                problems.extend(scan.problems);
                return Err(problems);
            }
        };
        if scan.problems.iter().any(|problem| problem.severity == Severity::Error) {
            return Err(scan.problems);
        }
        built.warnings.extend(scan.problems);
        built.notes.extend(programs_note(&found));
        if let Some(root) = &sources.root {
            built.notes.push(format!("{files} files, those of {} among them", root.display()));
        }
        Ok(Prepared {
            roles: roles(site, &found),
            setup: Setup { view: Arc::new(built.view), images: scan.table },
            ifindexes: built.ifindexes,
            sources,
            notes: built.notes,
            warnings: built.warnings,
            changes: scan.changes,
        })
    }

    /// What was prepared last is served now.
    pub(crate) fn note_served(&mut self) {
        self.images.note_served();
    }

    /// Unmaps images that no transfer needs any more.
    pub(crate) fn reclaim(&mut self) -> usize {
        self.images.reclaim()
    }
}

fn programs_note(found: &programs::Found) -> Option<String> {
    let chosen: Vec<String> = found
        .chosen
        .iter()
        .filter(|chosen| chosen.loader == reveille_core::view::Loader::Ipxe)
        .map(|chosen| format!("{} for {}", chosen.path.display(), chosen.arch))
        .collect();
    (!chosen.is_empty()).then(|| format!("boot programs: {}", chosen.join(", ")))
}

fn roles(site: &Site, found: &programs::Found) -> Roles {
    let mut roles = Roles::new();
    // What a boot program loads of itself is a part of it: shim's GRUB, PXELINUX' library.
    for file in &found.files {
        roles.insert(&file.name, Stage::BootProgram);
    }
    for profile in &site.profiles {
        for initrd in &profile.initrd {
            roles.insert(&site.catalogue_name(initrd), Stage::Initrd);
        }
        if let Some(kernel) = &profile.kernel {
            roles.insert(&site.catalogue_name(kernel), Stage::Kernel);
        }
    }
    roles
}
