//! Configurations that several proofs share.

use std::path::PathBuf;

use reveille_tests::lab::capture::{BOOT_PROTOCOLS, Capture};
use reveille_tests::lab::reveille::path;
use reveille_tests::lab::{Link, boot_files, images};

/// The kernel command line of all boots. The kernel's check of its timer fails where an emulated
/// processor has to wait for a busy one.
pub(crate) const CMDLINE: &str = "console=ttyS0 quiet no_timer_check lab=reveille";

/// A site that gives addresses and serves the folder `images` of the run; `more` is appended.
pub(crate) fn serving(link: &Link, more: &str) -> String {
    let root = link.file(images::FOLDER);
    std::fs::create_dir_all(&root).expect("the run's folder is ours");
    format!(
        "[[network]]\ninterface = \"eth0\"\npool = [\"10.77.0.100 - 10.77.0.200\"]\n\
         lease = \"2m\"\n\n[images]\nroot = \"{}\"\n\n[state]\ndir = \"state\"\n\n{more}",
        path(&root)
    )
}

/// A profile that boots the laboratory's kernel; `more` is added to it.
pub(crate) fn profile(more: &str) -> String {
    let files = boot_files();
    format!(
        "[[profile]]\nname = \"lab\"\nkernel = \"{}\"\ninitrd = [\"{}\"]\n\
         cmdline = \"{CMDLINE}\"\n{more}\n",
        path(&files.kernel),
        path(&files.initrd)
    )
}

/// An address on the link for a host that needs none from DHCP.
pub(crate) fn address(host: &reveille_tests::lab::Host, number: u8) {
    host.namespace().ip(&format!("address add 10.77.0.{number}/24 dev eth0"));
}

/// The packets of a run, kept as `<name>.pcap` in the folder `$REVEILLE_CAPTURES` if that is set.
pub(crate) struct Recording {
    capture: Option<(Capture, PathBuf)>,
}

impl Recording {
    pub(crate) fn start(link: &Link, name: &str) -> Self {
        let folder = std::env::var_os("REVEILLE_CAPTURES").map(PathBuf::from);
        let capture = folder.map(|folder| {
            let file = format!("{name}.pcap");
            (Capture::start(link, &file, BOOT_PROTOCOLS), folder.join(file))
        });
        Self { capture }
    }

    pub(crate) fn keep(self) {
        if let Some((capture, kept)) = self.capture {
            std::fs::copy(capture.stop(), kept).expect("the folder for captures exists");
        }
    }
}
