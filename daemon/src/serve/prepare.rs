//! Everything about a site that takes reading and thinking, before anything changes.

use std::path::Path;
use std::sync::Arc;

use reveille_core::view::View;
use reveille_runtime::Setup;

use crate::host::Host;
use crate::images::{Fate, Images, Sources};
use crate::privileges;
use crate::problem::{Place, Problem, Severity};
use crate::programs;
use crate::site::Site;
use crate::timeline::{Roles, Stage};
use crate::view::{self, Absent, Circumstances};

/// All that lives as long as the server: the images, and what they are served on.
#[derive(Debug)]
pub(crate) struct Stock {
    images: Images,
    seed: u64,
    /// Whether packet sockets were allowed at the start: they are opened for this process later.
    sends_frames: bool,
    absent: Absent,
    /// What is served now.
    served: Option<Arc<View>>,
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
    /// Nothing yet. `seed` hides the order of tables from clients; `absent` says what becomes at
    /// the start of networks that are not there. Comes before privileges are given away.
    pub(crate) fn new(seed: u64, absent: Absent) -> Self {
        let sends_frames = privileges::sends_frames();
        Self { images: Images::new(seed), seed, sends_frames, absent, served: None }
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
        let mut host = Host::read().map_err(|error| {
            let what = format!("cannot list the interfaces of this host: {error}");
            vec![Problem::error(Place::top(), what)]
        })?;
        for interface in &mut host.interfaces {
            interface.link_unicast = interface.mac.is_some() && self.sends_frames;
        }
        let found = programs::find(&site.programs)?;
        let mut named = found.files.clone();
        // What the site names wins over what was found.
        named.extend(site.named_files());
        let sources = Sources { root: site.images.root.clone(), named };
        let scan = self.images.scan(&sources, is_written);
        let files = scan.catalogue.len();
        let before = self.served.as_deref();
        let circumstances = Circumstances { host: &host, before, absent: self.absent };
        let built = view::build(site, circumstances, scan.catalogue, &found, self.seed);
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

    /// What was prepared last is served now: this view. Networks may go away from now on.
    pub(crate) fn note_served(&mut self, view: &Arc<View>) {
        self.images.note_served();
        self.served = Some(Arc::clone(view));
        self.absent = Absent::Await;
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
