//! Files that profiles name: whether they are there, and what else may have been meant.

use std::path::{Path, PathBuf};

use reveille_core::view::Catalogue;

use crate::problem::{Place, Problem, nearest};
use crate::site::Site;

/// The name in the catalogue of `file`, if it is there.
pub(super) fn find(
    site: &Site,
    catalogue: &Catalogue,
    file: &str,
    place: &Place,
) -> Result<String, Box<Problem>> {
    let name = site.catalogue_name(file);
    if catalogue.get(&name).is_some() {
        return Ok(name);
    }
    let problem = |what: String| Problem::error(place.clone(), what);
    if file.split('/').any(|part| part == "..") {
        let what = format!("`{file}` leaves the folder of images");
        return Err(Box::new(problem(what).help("write the path without `..`")));
    }
    let path = match (&site.images.root, file.starts_with('/')) {
        (_, true) => PathBuf::from(file),
        (Some(root), false) => root.join(file),
        (None, false) => {
            let help = format!(
                "say where images are with [images] root = \"/srv/boot\", or name the file by \
                 its whole path: /…/{file}"
            );
            return Err(Box::new(problem(format!("where is `{file}`?")).help(help)));
        }
    };
    Err(Box::new(match std::fs::metadata(&path) {
        Ok(data) if data.is_dir() => problem(format!("{} is a folder", path.display())),
        // It is there and may be read, but was left out of the catalogue, which has told why.
        Ok(_) => problem(format!("{} cannot be served", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let missing = problem(format!("there is no file {}", path.display()));
            match likely(file, &path) {
                Some(likely) => missing.help(likely),
                None => missing,
            }
        }
        Err(error) => problem(format!("cannot read {}: {error}", path.display())),
    }))
}

/// Advice from what lies where the file should be.
fn likely(file: &str, path: &Path) -> Option<String> {
    let folder = path.parent()?;
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Some(format!("there is no folder {} either", folder.display()));
    };
    let mut names: Vec<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    let wanted = path.file_name()?.to_str()?;
    if let Some(near) = nearest(wanted, names.iter().map(String::as_str)) {
        return Some(format!("did you mean `{}{near}`?", file.strip_suffix(wanted)?));
    }
    match names.len() {
        0 => Some(format!("{} is empty", folder.display())),
        1..=8 => Some(format!("{} has {}", folder.display(), names.join(", "))),
        _ => None,
    }
}
