//! The programs that firmware loads first: iPXE, PXELINUX, GRUB and shim, found in the folders
//! of the system's packages or in folders of the operator's choice, and sorted by architecture.

mod platforms;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use reveille_core::view::{Loader, Programs};
use reveille_core::wire::pxe::ArchType;

use self::platforms::{PLATFORMS, Platform, Wanted};
use crate::problem::{Place, Problem};
use crate::site::{NamedFile, ProgramOverride, ProgramsConfig};

/// What [`find`] found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Files to add to the catalogue.
    pub files: Vec<NamedFile>,
    /// The name in the catalogue of each loader's program for each architecture.
    pub programs: Programs,
    /// What was chosen, in the order of loaders and architectures.
    pub chosen: Vec<Chosen>,
    /// What was looked for in vain.
    pub missing: Vec<Missing>,
}

/// A program that will be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// What it is.
    pub loader: Loader,
    /// Whom it is for, such as `x86_64-uefi`.
    pub arch: &'static str,
    /// Where it is.
    pub path: PathBuf,
}

/// A platform for which there is no program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What was looked for.
    pub loader: Loader,
    /// The platform, such as `x86_64-uefi`.
    pub arch: &'static str,
    /// How to get it.
    pub remedy: &'static str,
}

/// Looks for boot programs: the operator's choice first, then the configured folders, then the
/// folders of the system's packages.
///
/// # Errors
/// Overrides and folders that cannot be read, and programs built for another processor.
pub fn find(config: &ProgramsConfig) -> Result<Found, Vec<Problem>> {
    find_below(config, Path::new("/"))
}

/// As [`find`], on a system whose packages lie below `root`.
///
/// # Errors
/// As [`find`].
pub fn find_below(config: &ProgramsConfig, root: &Path) -> Result<Found, Vec<Problem>> {
    let place = Place::top().key("programs");
    let mut problems: Vec<Problem> = config
        .folders
        .iter()
        .enumerate()
        .filter_map(|(at, folder)| folder_problem(&place.key("folders").index(at), folder))
        .collect();
    let mut found = Found::default();
    let folders: Vec<&Path> = config.folders.iter().map(PathBuf::as_path).chain([root]).collect();
    for platform in &PLATFORMS {
        found.add_platform(platform, &folders);
    }
    for (at, chosen) in config.overrides.iter().enumerate() {
        if let Err(problem) = found.add_override(&place.key("override").index(at), chosen) {
            problems.push(*problem);
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

impl Found {
    fn add_platform(&mut self, platform: &Platform, folders: &[&Path]) {
        let chosen = platform.choices.iter().find_map(|files| {
            let mut paths = Vec::new();
            for file in *files {
                paths.push((file.name, file.find(folders, platform.machine)?));
            }
            Some(paths)
        });
        let Some(paths) = chosen else {
            let Platform { loader, arch, remedy, .. } = *platform;
            self.missing.push(Missing { loader, arch, remedy });
            return;
        };
        let (name, path) = paths[0].clone();
        self.chosen.push(Chosen { loader: platform.loader, arch: platform.arch, path });
        for number in platform.numbers {
            self.programs.insert(platform.loader, ArchType(*number), name.into());
        }
        let extras =
            platform.extras.iter().filter_map(|file| Some((file.name, file.find(folders, None)?)));
        for (name, path) in paths.into_iter().chain(extras) {
            self.files.push(NamedFile { name: name.to_owned(), path });
        }
    }

    fn add_override(
        &mut self,
        place: &Place,
        chosen: &ProgramOverride,
    ) -> Result<(), Box<Problem>> {
        let place = place.key("path");
        let path = &chosen.path;
        let machine = portable_executable_machine(path).map_err(|error| {
            let what = format!("cannot read {}: {error}", path.display());
            Box::new(Problem::error(place.clone(), what))
        })?;
        let file = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
            let what = format!("{} has no file name that clients could ask for", path.display());
            Box::new(Problem::error(place.clone(), what))
        })?;
        for platform in PLATFORMS.iter().filter(|platform| platform.loader == chosen.loader) {
            let numbers: Vec<ArchType> = platform.numbers.iter().map(|n| ArchType(*n)).collect();
            if !numbers.iter().any(|number| chosen.archs.contains(number)) {
                continue;
            }
            if let (Some(wanted), Some(is)) = (platform.machine, machine)
                && wanted != is
            {
                let what = format!("{} is a program for {}", path.display(), machine_name(is));
                let help = format!("{} needs one for {}", platform.arch, machine_name(wanted));
                return Err(Box::new(Problem::error(place, what).help(help)));
            }
            // A folder of its own per platform, so that equal file names do not meet; programs
            // look for their second stage beside themselves.
            let name = format!("override/{}/{file}", platform.arch);
            for number in numbers.into_iter().filter(|number| chosen.archs.contains(number)) {
                self.programs.insert(platform.loader, number, name.as_str().into());
            }
            self.files.push(NamedFile { name, path: path.clone() });
            self.missing.retain(|m| (m.loader, m.arch) != (platform.loader, platform.arch));
            self.chosen.retain(|c| (c.loader, c.arch) != (platform.loader, platform.arch));
            self.chosen.push(Chosen {
                loader: platform.loader,
                arch: platform.arch,
                path: path.clone(),
            });
        }
        Ok(())
    }
}

fn folder_problem(place: &Place, folder: &Path) -> Option<Problem> {
    let what = match std::fs::metadata(folder) {
        Ok(data) if data.is_dir() => return None,
        Ok(_) => format!("{} is not a folder", folder.display()),
        Err(error) => format!("cannot read {}: {error}", folder.display()),
    };
    Some(Problem::error(place.clone(), what))
}

impl Wanted {
    /// The last folder is the root of the system, where only whole paths count.
    fn find(&self, folders: &[&Path], machine: Option<u16>) -> Option<PathBuf> {
        let (root, configured) = folders.split_last()?;
        let in_configured = configured.iter().flat_map(|folder| {
            let whole = [self.name].into_iter().chain(self.paths.iter().copied());
            whole.flat_map(|path| [folder.join(path), folder.join(last_part(path))])
        });
        let in_root = self.paths.iter().filter(|path| path.contains('/')).map(|p| root.join(p));
        in_configured.chain(in_root).find(|path| fits(path, machine))
    }
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether `path` is a file, and one for `machine` if it matters.
fn fits(path: &Path, machine: Option<u16>) -> bool {
    path.is_file()
        && match portable_executable_machine(path) {
            Ok(is) => machine.is_none() || is == machine,
            Err(_) => false,
        }
}

/// The processor that an EFI program was built for: the machine field behind the `PE\0\0`
/// signature that offset 0x3c points to. `None` for a file of another format.
fn portable_executable_machine(path: &Path) -> std::io::Result<Option<u16>> {
    let mut file = File::open(path)?;
    let mut head = Vec::new();
    file.by_ref().take(0x40).read_to_end(&mut head)?;
    let Some(offset) = head.get(0x3c..0x40).filter(|_| head.starts_with(b"MZ")) else {
        return Ok(None);
    };
    let offset = offset.iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    file.seek(SeekFrom::Start(offset))?;
    let mut header = Vec::new();
    file.take(6).read_to_end(&mut header)?;
    match header.as_slice() {
        [b'P', b'E', 0, 0, low, high] => Ok(Some(u16::from_le_bytes([*low, *high]))),
        _ => Ok(None),
    }
}

fn machine_name(machine: u16) -> String {
    let known = PLATFORMS.iter().find(|platform| platform.machine == Some(machine));
    known.map_or_else(|| format!("machine type {machine:#06x}"), |p| p.arch.to_owned())
}

#[cfg(test)]
mod tests;
