//! Names of the option codes that the server reads or writes (IANA "BOOTP Vendor Extensions and
//! DHCP Options").

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        $($(#[$doc])* pub const $name: u8 = $code;)*
    };
}

codes! {
    /// Subnet mask. edk2 declines an ACK without it.
    SUBNET_MASK = 1;
    /// Routers, preferred first.
    ROUTER = 3;
    /// Name servers.
    DOMAIN_NAME_SERVER = 6;
    /// Log servers.
    LOG_SERVER = 7;
    /// Host name.
    HOST_NAME = 12;
    /// Size of the boot file in 512-byte blocks.
    BOOT_FILE_SIZE = 13;
    /// Domain name.
    DOMAIN_NAME = 15;
    /// Root path.
    ROOT_PATH = 17;
    /// Interface MTU.
    INTERFACE_MTU = 26;
    /// Broadcast address.
    BROADCAST_ADDRESS = 28;
    /// NTP servers.
    NTP_SERVER = 42;
    /// Vendor-specific information; PXE sub-options for PXE clients.
    VENDOR_SPECIFIC = 43;
    /// Requested IP address.
    REQUESTED_ADDRESS = 50;
    /// Lease time in seconds.
    LEASE_TIME = 51;
    /// Which of `file` and `sname` hold options.
    OPTION_OVERLOAD = 52;
    /// DHCP message type.
    MESSAGE_TYPE = 53;
    /// Server identifier.
    SERVER_ID = 54;
    /// Parameter request list.
    PARAMETER_LIST = 55;
    /// A text for the person at the client.
    MESSAGE = 56;
    /// Largest message the client accepts.
    MAX_MESSAGE_SIZE = 57;
    /// T1 in seconds.
    RENEWAL_TIME = 58;
    /// T2 in seconds.
    REBINDING_TIME = 59;
    /// Vendor class identifier.
    VENDOR_CLASS = 60;
    /// Client identifier.
    CLIENT_ID = 61;
    /// TFTP server name.
    TFTP_SERVER_NAME = 66;
    /// Boot file name.
    BOOT_FILE_NAME = 67;
    /// User class.
    USER_CLASS = 77;
    /// Rapid commit (RFC 4039).
    RAPID_COMMIT = 80;
    /// Client FQDN (RFC 4702).
    CLIENT_FQDN = 81;
    /// Relay agent information (RFC 3046).
    RELAY_AGENT = 82;
    /// Client system architectures (RFC 4578 §2.1).
    CLIENT_ARCH = 93;
    /// Client network interface (RFC 4578 §2.2).
    CLIENT_NDI = 94;
    /// Client machine identifier (RFC 4578 §2.3).
    CLIENT_MACHINE_ID = 97;
    /// Whether the client may configure itself (RFC 2563).
    AUTO_CONFIGURE = 116;
    /// Subnet selection (RFC 3011).
    SUBNET_SELECTION = 118;
    /// Domain search list (RFC 3397).
    DOMAIN_SEARCH = 119;
    /// Classless routes (RFC 3442).
    CLASSLESS_ROUTE = 121;
    /// Vendor-identifying vendor class (RFC 3925 §3).
    VENDOR_IDENTIFYING_CLASS = 124;
    /// Vendor-identifying vendor-specific information (RFC 3925 §4).
    VENDOR_IDENTIFYING = 125;
    /// TFTP server addresses (RFC 5859).
    TFTP_SERVER_ADDRESS = 150;
    /// Encapsulated iPXE options.
    IPXE = 175;
    /// pxelinux magic (RFC 5071 §2).
    PXELINUX_MAGIC = 208;
    /// pxelinux configuration file (RFC 5071 §3).
    CONFIG_FILE = 209;
    /// pxelinux path prefix (RFC 5071 §4).
    PATH_PREFIX = 210;
    /// pxelinux reboot time in seconds (RFC 5071 §5).
    REBOOT_TIME = 211;
}
