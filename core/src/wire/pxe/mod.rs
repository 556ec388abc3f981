//! What PXE, UEFI HTTP Boot and iPXE put into DHCP options.

mod arch;
mod ipxe;
mod uuid;
mod vendor;
mod vendor_class;

pub use arch::{ArchType, MachineFamily};
pub use ipxe::{BusId, IpxeOptions, UserClass, feature, sub_option as ipxe_option};
pub use uuid::{MachineId, ParseUuidError, Uuid};
pub use vendor::sub_option as pxe_option;
pub use vendor::{
    BootItem, BootServers, LAYER_CREDENTIALS, MenuItem, PxeOptions, PxeOptionsWriter, USE_BOOT_FILE,
};
pub use vendor_class::{ClassDetail, HTTP_CLIENT, NetworkInterface, PXE_CLIENT, VendorClass};

#[cfg(test)]
mod tests;
