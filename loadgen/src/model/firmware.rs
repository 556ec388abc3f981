//! Firmware: what runs before anything was fetched.

use super::loader::{IPXE_BIOS, IPXE_EFI, IPXE_HTTP, IPXE_TFTP};
use super::{DhcpHabits, Growth, HttpHabits, Loader, Model, TftpHabits};
use crate::wire::dhcp4::code;
use crate::wire::tftp::error;

/// A PC's BIOS.
pub static BIOS_PXE: Model = Model {
    name: "bios-pxe",
    about: "a PXE ROM in a BIOS, then iPXE (undionly)",
    dhcp: &BIOS_DHCP,
    tftp: &BIOS_TFTP,
    http: &IPXE_HTTP,
    loader: Loader::Ipxe { dhcp: &IPXE_BIOS, autoexec: false },
    uuid_prefix: &[],
};

/// UEFI's PXE.
pub static EDK2_PXE: Model = Model {
    name: "edk2-pxe",
    about: "UEFI PXE, then iPXE (snponly) as distributions ship it",
    dhcp: &EDK2_DHCP,
    tftp: &EDK2_TFTP,
    http: &EDK2_GET,
    loader: Loader::Ipxe { dhcp: &IPXE_EFI, autoexec: false },
    uuid_prefix: &[],
};

/// UEFI's PXE with an iPXE of today.
pub static EDK2_AUTOEXEC: Model = Model {
    name: "edk2-autoexec",
    about: "UEFI PXE, then an iPXE of 2024 or later, which looks for autoexec.ipxe first",
    dhcp: &EDK2_DHCP,
    tftp: &EDK2_TFTP,
    http: &EDK2_GET,
    loader: Loader::Ipxe { dhcp: &IPXE_EFI, autoexec: true },
    uuid_prefix: &[],
};

/// UEFI's HTTP Boot.
pub static EDK2_HTTP: Model = Model {
    name: "edk2-http",
    about: "UEFI HTTP Boot, then iPXE",
    dhcp: &EDK2_HTTP_DHCP,
    tftp: &EDK2_TFTP,
    http: &EDK2_GET,
    loader: Loader::Ipxe { dhcp: &IPXE_EFI, autoexec: false },
    uuid_prefix: &[],
};

/// iPXE in the network card.
pub static IPXE: Model = Model {
    name: "ipxe",
    about: "iPXE as the network card's ROM",
    dhcp: &IPXE_BIOS,
    tftp: &IPXE_TFTP,
    http: &IPXE_HTTP,
    loader: Loader::Itself,
    uuid_prefix: &[],
};

/// UEFI's PXE with shim and GRUB.
pub static GRUB: Model = Model {
    name: "grub",
    about: "UEFI PXE, then shim and GRUB",
    dhcp: &EDK2_DHCP,
    tftp: &EDK2_TFTP,
    http: &EDK2_GET,
    loader: Loader::Grub,
    uuid_prefix: &[],
};

/// A Raspberry Pi 4.
pub static RASPBERRY_PI: Model = Model {
    name: "raspberry-pi",
    about: "a Raspberry Pi 4, which loads everything by TFTP",
    dhcp: &PI_DHCP,
    tftp: &PI_TFTP,
    http: &IPXE_HTTP,
    loader: Loader::RaspberryPi,
    uuid_prefix: b"RPi4",
};

/// PXE 2.1 §2.2.3; the order of options as Intel's ROMs send it.
static BIOS_DHCP: DhcpHabits = DhcpHabits {
    is_ipxe: false,
    class: "PXEClient:Arch:00000:UNDI:002001",
    arch: 0,
    ndi: [1, 2, 1],
    parameters: &[
        1, 2, 3, 5, 6, 11, 12, 13, 15, 16, 17, 18, 43, 54, 60, 67, 128, 129, 130, 131, 132, 133,
        134, 135,
    ],
    size_max: 1260,
    order: &[code::PARAMETERS, code::SIZE_MAX, code::UUID, code::ARCH, code::NDI, code::CLASS],
    broadcast: true,
    wants_url: false,
    collects: true,
    needs_file: true,
    overloads: true,
    discover_ms: &[4000, 8000, 16_000, 32_000],
    request_ms: &[4000, 8000, 16_000, 32_000],
    jitter_ms: 1000,
    proxy_ms: &[1000, 2000, 3000, 4000],
    proxy_port: 68,
};

/// `Dhcp4Dxe`, configured by `UefiPxeBcDxe`.
static EDK2_DHCP: DhcpHabits = DhcpHabits {
    is_ipxe: false,
    class: "PXEClient:Arch:00007:UNDI:003001",
    arch: 7,
    ndi: [1, 3, 1],
    parameters: &[
        1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59, 60,
        66, 67, 97, 128, 129, 130, 131, 132, 133, 134, 135,
    ],
    size_max: 1472,
    order: &[code::SIZE_MAX, code::PARAMETERS, code::UUID, code::NDI, code::ARCH, code::CLASS],
    broadcast: true,
    wants_url: false,
    collects: true,
    needs_file: true,
    overloads: true,
    discover_ms: &[4000, 8000, 16_000, 32_000],
    request_ms: &[4000, 8000, 16_000, 32_000],
    jitter_ms: 0,
    proxy_ms: &[1000, 2000, 3000, 4000],
    proxy_port: 4011,
};

/// `Dhcp4Dxe`, configured by `HttpBootDxe`.
static EDK2_HTTP_DHCP: DhcpHabits = DhcpHabits {
    is_ipxe: false,
    class: "HTTPClient:Arch:00016:UNDI:003001",
    arch: 16,
    ndi: [1, 3, 1],
    parameters: &[
        1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59, 60,
        66, 67, 97,
    ],
    size_max: 1472,
    order: &[code::SIZE_MAX, code::PARAMETERS, code::UUID, code::NDI, code::ARCH, code::CLASS],
    broadcast: true,
    wants_url: true,
    collects: true,
    needs_file: true,
    overloads: true,
    discover_ms: &[4000, 8000, 16_000, 32_000],
    request_ms: &[4000, 8000, 16_000, 32_000],
    jitter_ms: 0,
    proxy_ms: &[],
    proxy_port: 68,
};

/// The EEPROM's: `DHCP_REQ_TIMEOUT` 4 s, `DHCP_TIMEOUT` 45 s.
static PI_DHCP: DhcpHabits = DhcpHabits {
    is_ipxe: false,
    class: "PXEClient:Arch:00000:UNDI:002001",
    arch: 0,
    ndi: [1, 2, 1],
    parameters: &[1, 3, 43, 60, 66, 67, 128, 129, 130, 131, 132, 133, 134, 135],
    size_max: 1500,
    order: &[code::PARAMETERS, code::ARCH, code::NDI, code::CLASS, code::UUID],
    broadcast: false,
    wants_url: false,
    collects: false,
    needs_file: false,
    overloads: false,
    discover_ms: &[4000; 11],
    request_ms: &[4000; 11],
    jitter_ms: 0,
    proxy_ms: &[],
    proxy_port: 68,
};

/// A ROM asks for the size, breaks off and asks again.
static BIOS_TFTP: TftpHabits = TftpHabits {
    block_bytes: 1456,
    window: 1,
    probe: Some(error::OTHER),
    block_first: false,
    asks_size: false,
    needs_size: false,
    wait_ms: 2000,
    growth: Growth::Double,
    retries_max: 4,
    repeats_acks: true,
    limit_ms: 0,
};

/// `UefiPxeBcDxe/PxeBcMtftp.c` with `Mtftp4Dxe`.
static EDK2_TFTP: TftpHabits = TftpHabits {
    block_bytes: 1468,
    window: 4,
    probe: Some(error::OPTIONS),
    block_first: false,
    asks_size: false,
    needs_size: true,
    wait_ms: 4000,
    growth: Growth::None,
    retries_max: 6,
    repeats_acks: true,
    limit_ms: 0,
};

/// The EEPROM's: 30 s for a file.
static PI_TFTP: TftpHabits = TftpHabits {
    block_bytes: 1468,
    window: 1,
    probe: None,
    block_first: false,
    asks_size: true,
    needs_size: false,
    wait_ms: 2000,
    growth: Growth::None,
    retries_max: 14,
    repeats_acks: true,
    limit_ms: 30_000,
};

/// `HttpBootDxe`: five tries more, two seconds apart.
static EDK2_GET: HttpHabits = HttpHabits {
    agent: "UefiHttpBoot/1.0",
    port_in_host: false,
    keeps: true,
    head_first: true,
    stall_ms: 5000,
    retries_max: 5,
    retry_ms: 2000,
    obeys: false,
};
