//! Boot programs that were fetched, and the started system.

use super::{DhcpHabits, Growth, HttpHabits, TftpHabits};
use crate::wire::dhcp4::code;

/// What iPXE does on a BIOS. `net/udp/dhcp.c` with the timers of `config/dhcp.h` and `net/retry.c`.
const IPXE: DhcpHabits = DhcpHabits {
    is_ipxe: true,
    class: "PXEClient:Arch:00000:UNDI:002001",
    arch: 0,
    ndi: [1, 2, 1],
    parameters: IPXE_PARAMETERS,
    size_max: 1472,
    order: IPXE_ORDER,
    broadcast: false,
    wants_url: false,
    collects: false,
    needs_file: true,
    overloads: false,
    discover_ms: &[1000, 2000, 4000, 8000],
    request_ms: &[250, 500, 1000, 2000, 4000, 8000],
    jitter_ms: 0,
    proxy_ms: &[250, 500, 1000, 2000],
    proxy_port: 68,
};

/// iPXE on a BIOS.
pub(super) static IPXE_BIOS: DhcpHabits = IPXE;

/// iPXE on UEFI: it says so, and does the same.
pub(super) static IPXE_EFI: DhcpHabits =
    DhcpHabits { class: "PXEClient:Arch:00007:UNDI:003010", arch: 7, ndi: [1, 3, 10], ..IPXE };

const IPXE_PARAMETERS: &[u8] = &[
    1, 3, 6, 7, 12, 15, 17, 26, 42, 43, 60, 66, 67, 119, 121, 128, 129, 130, 131, 132, 133, 134,
    135, 175, 203,
];

const IPXE_ORDER: &[u8] = &[
    code::SIZE_MAX,
    code::ARCH,
    code::NDI,
    code::CLASS,
    code::USER_CLASS,
    code::PARAMETERS,
    code::IPXE,
    code::CLIENT,
    code::UUID,
];

/// Option 175 of iPXE: bus and device of its network card, version, and that it knows PXE, HTTP,
/// DNS, TFTP, iSCSI, menus and so on.
pub(crate) const IPXE_FEATURES: &[u8] = &[
    177, 5, 1, 0x1a, 0xf4, 0x10, 0, 235, 3, 1, 21, 1, 0x17, 1, 1, 0x22, 1, 1, 0x13, 1, 1, 0x14, 1,
    1, 0x11, 1, 1, 0x27, 1, 1, 0x19, 1, 1, 0x29, 1, 1, 0x10, 1, 2, 0x21, 1, 1, 0x15, 1, 1, 0x18, 1,
    1, 0x1b, 1, 1, 0x12, 1, 1,
];

/// `net/udp/tftp.c`, `net/retry.c`: from a quarter of a second, doubling, until ten are passed.
pub(crate) static IPXE_TFTP: TftpHabits = IPXE_TRANSFER;

/// iPXE that looks for `autoexec.ipxe` (`interface/efi/efi_autoexec.c`): 30 s at most.
pub(crate) static AUTOEXEC_TFTP: TftpHabits = TftpHabits { limit_ms: 30_000, ..IPXE_TRANSFER };

const IPXE_TRANSFER: TftpHabits = TftpHabits {
    block_bytes: 1432,
    window: 1,
    probe: None,
    block_first: true,
    asks_size: true,
    needs_size: false,
    wait_ms: 250,
    growth: Growth::Adaptive,
    retries_max: 5,
    repeats_acks: true,
    limit_ms: 0,
};

/// `net/tcp/httpcore.c`: waits for two minutes, and comes back as often as it is told to.
pub(crate) static IPXE_HTTP: HttpHabits = HttpHabits {
    agent: "iPXE/1.21.1",
    port_in_host: true,
    keeps: true,
    head_first: false,
    stall_ms: 120_000,
    retries_max: 0,
    retry_ms: 0,
    obeys: true,
};

/// shim asks through the firmware, with the firmware's patience, but in small blocks.
pub(crate) static SHIM_TFTP: TftpHabits = TftpHabits {
    block_bytes: 512,
    window: 4,
    probe: None,
    block_first: true,
    asks_size: false,
    needs_size: false,
    wait_ms: 4000,
    growth: Growth::None,
    retries_max: 6,
    repeats_acks: true,
    limit_ms: 0,
};

/// `grub-core/net/tftp.c`, `net/net.c`: a request every 0.4 s and a little more each time; once
/// data flows, repeating is the server's business.
pub(crate) static GRUB_TFTP: TftpHabits = TftpHabits {
    block_bytes: 1024,
    window: 1,
    probe: None,
    block_first: true,
    asks_size: true,
    needs_size: true,
    wait_ms: 400,
    growth: Growth::Add(20),
    retries_max: 39,
    repeats_acks: false,
    limit_ms: 0,
};

/// `grub-core/net/http.c`.
pub(crate) static GRUB_HTTP: HttpHabits = HttpHabits {
    agent: "GRUB 2.06",
    port_in_host: false,
    keeps: false,
    head_first: false,
    stall_ms: 31_600,
    retries_max: 0,
    retry_ms: 0,
    obeys: false,
};

/// The started system's tool.
pub(crate) static SYSTEM_HTTP: HttpHabits = HttpHabits {
    agent: "Wget",
    port_in_host: true,
    keeps: false,
    head_first: false,
    stall_ms: 60_000,
    retries_max: 9,
    retry_ms: 1000,
    obeys: true,
};

/// What a GRUB image looks for before its configuration; servers seldom have it.
pub(crate) const GRUB_PROBES: [&str; 4] = ["command.lst", "fs.lst", "crypto.lst", "terminal.lst"];

/// What shim looks for besides its second stage.
pub(crate) const SHIM_PROBES: [&str; 3] =
    ["revocations_sku.efi", "revocations_sbat.efi", "shim_certificate_0.efi"];
