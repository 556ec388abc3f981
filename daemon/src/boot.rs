//! `reveille boot`: a site made of nothing but a command line.

mod kernel;

use std::path::{Path, PathBuf};

use reveille_core::view::DhcpMode;

use crate::args::BootArgs;
use crate::problem::{Place, Problem, Severity};
use crate::site::{HttpConfig, ProgramsConfig, Site, SiteNetwork, SitePool, SiteProfile};
use crate::units::Reason;

/// The name of the only profile.
const PROFILE: &str = "boot";

/// The site that a command line describes, with what is noteworthy about its files.
#[derive(Clone, Debug)]
pub struct Described {
    /// The site.
    pub site: Site,
    /// Sentences about what will be booted.
    pub notes: Vec<String>,
    /// What probably is a mistake.
    pub warnings: Vec<Problem>,
}

/// Reads the command line as a site: every machine on one link boots one kernel.
///
/// # Errors
/// Files that cannot be booted, all of them at once.
pub fn describe(args: &BootArgs) -> Result<Described, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut notes = Vec::new();
    let kernel = existing(&args.kernel, &mut problems);
    let initrd: Vec<Option<PathBuf>> =
        args.initrd.iter().map(|path| existing(path, &mut problems)).collect();
    if let Some(kernel) = &kernel {
        kernel::examine_kernel(kernel, &mut notes, &mut problems);
    }
    for path in initrd.iter().flatten() {
        kernel::examine_initrd(path, &mut problems);
    }
    let (Some(kernel), false) =
        (kernel, problems.iter().any(|problem| problem.severity == Severity::Error))
    else {
        return Err(problems);
    };
    let network = SiteNetwork {
        interface: args.interface.clone(),
        server: args.server,
        dhcp: Some(if args.dhcp.is_some() { DhcpMode::Server } else { DhcpMode::Proxy }),
        pools: args.dhcp.into_iter().map(SitePool::from).collect(),
        routers: args.router.into_iter().collect(),
        dns: args.dns.clone(),
        ..SiteNetwork::default()
    };
    let profile = SiteProfile {
        name: PROFILE.to_owned(),
        kernel: Some(text(&kernel)),
        initrd: initrd.iter().flatten().map(|path| text(path)).collect(),
        cmdline: args.cmdline.clone(),
        ..SiteProfile::default()
    };
    let folders = args.programs.iter().map(|folder| absolute(folder)).collect();
    let site = Site {
        networks: vec![network],
        profiles: vec![profile],
        programs: ProgramsConfig { folders, ..ProgramsConfig::default() },
        http: HttpConfig { port: args.http_port, ..HttpConfig::default() },
        ..Site::default()
    };
    Ok(Described { site, notes, warnings: problems })
}

/// A problem of such a site in the words of the command line: there is no file to change.
#[must_use]
pub fn reword(problem: Problem) -> Problem {
    let help = problem.help.as_deref().map(|help| {
        let mut words = help
            .replace("interface = \"…\"", "--interface NAME")
            .replace("server = \"…\"", "--server ADDRESS")
            .replace("; TFTP and HTTP alone do not: dhcp = \"off\"", "");
        if let Some(pool) = words.strip_prefix("pool = [\"").and_then(|p| p.strip_suffix("\"]")) {
            words = format!("--dhcp {}", pool.replace(' ', ""));
        }
        match words.split_once("; a network behind a relay agent") {
            Some((before, _)) => before.to_owned(),
            None => words,
        }
    });
    Problem { help, ..problem }
}

/// The whole path of a file that must be there.
fn existing(path: &Path, problems: &mut Vec<Problem>) -> Option<PathBuf> {
    let complain = |what: String| Problem::error(Place::top(), what);
    let problem = match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() && metadata.len() > 0 => {
            let path = absolute(path);
            if path.to_str().is_some() {
                return Some(path);
            }
            complain(format!("the name of {} is not UTF-8", path.display()))
                .help("copy or link the file to a plain name")
        }
        Ok(metadata) if metadata.is_file() => complain(format!("{} is empty", path.display())),
        Ok(metadata) if metadata.is_dir() => {
            complain(format!("{} is a folder, not a file", path.display()))
        }
        Ok(_) => complain(format!("{} is not a regular file", path.display())),
        Err(error) => {
            let problem = complain(format!("cannot read {}: {}", path.display(), Reason(&error)));
            match neighbour(path) {
                Some(near) => problem.help(format!("did you mean {}?", near.display())),
                None => problem,
            }
        }
    };
    problems.push(problem);
    None
}

/// A file beside a missing one whose name is much like it.
fn neighbour(path: &Path) -> Option<PathBuf> {
    let wanted = path.file_name()?.to_str()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let entries = std::fs::read_dir(folder.unwrap_or(Path::new("."))).ok()?;
    let names: Vec<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let best = names.iter().max_by(|a, b| {
        strsim::jaro_winkler(wanted, a).total_cmp(&strsim::jaro_winkler(wanted, b))
    })?;
    (strsim::jaro_winkler(wanted, best) > 0.85).then(|| path.with_file_name(best))
}

fn absolute(path: &Path) -> PathBuf {
    // Links stay: a kernel behind `vmlinuz -> vmlinuz-6.1` may be linked anew later.
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

fn text(path: &Path) -> String {
    path.to_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
