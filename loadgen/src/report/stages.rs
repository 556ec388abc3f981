//! What the stages of a boot are called, and what happens in them, for people.

use crate::client::Stage;
use crate::record::{Run, StageRecord};

/// The stage with this label in a record, if this version knows it.
fn known(label: &str) -> Option<Stage> {
    Stage::ALL.into_iter().find(|stage| stage.label() == label)
}

/// The stages that tables show: the self-test only if it took time.
pub(super) fn shown(run: &Run) -> impl Iterator<Item = &StageRecord> {
    let is_moment = |stage: &StageRecord| {
        known(&stage.stage) == Some(Stage::PowerOn)
            && stage.failed == 0
            && stage.took_s.max < SHORTEST_SELF_TEST_S
    };
    run.stages.iter().filter(move |stage| !is_moment(stage))
}

/// A name for people.
pub(super) fn name(label: &str) -> String {
    let name = match known(label) {
        None if label == "off" => "Switched off",
        None => label,
        Some(Stage::PowerOn) => "Self-test",
        Some(Stage::Dhcp) => "Address (firmware)",
        Some(Stage::Program) => "Boot program",
        Some(Stage::DhcpLoader) => "Address (loader)",
        Some(Stage::Script) => "Script",
        Some(Stage::Kernel) => "Kernel",
        Some(Stage::Initrd) => "Initrd",
        Some(Stage::Metadata) => "Metadata",
        Some(Stage::Up) => "Starting",
    };
    name.to_owned()
}

/// What happens in it.
pub(super) fn explanation(label: &str) -> &'static str {
    match known(label) {
        None => "",
        Some(Stage::PowerOn) => "the firmware tests itself; nothing is sent",
        Some(Stage::Dhcp) => "the firmware asks for an address and a boot program by DHCP",
        Some(Stage::Program) => "the firmware fetches the boot program (iPXE, GRUB …)",
        Some(Stage::DhcpLoader) => "the boot program asks for an address by DHCP again",
        Some(Stage::Script) => "the boot program fetches what tells it what to boot",
        Some(Stage::Kernel) => "the kernel is fetched",
        Some(Stage::Initrd) => "the initial file system is fetched",
        Some(Stage::Metadata) => "the machine fetches its own data",
        Some(Stage::Up) => "the machine starts and reports that it is up",
    }
}

/// The class that gives a stage its colour in pictures.
pub(super) fn class(label: &str) -> &'static str {
    match known(label) {
        None => "c-off",
        Some(Stage::PowerOn) => "c-power-on",
        Some(Stage::Dhcp) => "c-dhcp",
        Some(Stage::Program) => "c-program",
        Some(Stage::DhcpLoader) => "c-dhcp-loader",
        Some(Stage::Script) => "c-script",
        Some(Stage::Kernel) => "c-kernel",
        Some(Stage::Initrd) => "c-initrd",
        Some(Stage::Metadata) => "c-metadata",
        Some(Stage::Up) => "c-starting",
    }
}

/// Below this a self-test is nothing but the resolution of a clock.
const SHORTEST_SELF_TEST_S: f64 = 0.001;
