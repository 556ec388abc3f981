//! What packet sockets let through, as programs of the kernel's (BPF). A packet that they drop
//! costs no wakeup and no copy.
//!
//! They see packets from their network header on. Those of VLANs belong to other interfaces.

use socket2::SockFilter;

/// Passes untagged IPv6 packets whose first header is ICMPv6 of type 133 or 134 (RFC 4861 §4.1,
/// §4.2).
pub(super) const fn router_discovery() -> [SockFilter; 11] {
    [
        load_half(ANCILLARY_PROTOCOL),
        unless(libc::ETH_P_IPV6 as u32, 7),
        load_byte(ANCILLARY_VLAN_TAG_PRESENT),
        unless(0, 5),
        load_byte(6),
        unless(58, 3),
        load_byte(40),
        when(133, 2),
        when(134, 1),
        DROP,
        PASS,
    ]
}

/// Passes untagged ARP replies and announcements (RFC 5227 §1.1, §3: requests for the sender's own
/// address). Requests of those who look for others are most of a link's ARP, and claim nothing.
pub(super) const fn arp_claims() -> [SockFilter; 11] {
    [
        load_byte(ANCILLARY_VLAN_TAG_PRESENT),
        unless(0, 7),
        load_half(6),
        when(2, 6),
        unless(1, 4),
        // Sender's address, then target's.
        load_word(14),
        SockFilter::new(COPY_TO_INDEX, 0, 0, 0),
        load_word(24),
        SockFilter::new(JUMP_IF_EQUAL_INDEX, 1, 0, 0),
        DROP,
        PASS,
    ]
}

/// Passes untagged UDP datagrams from port 67 to port 68 that are whole.
pub(super) const fn dhcp_replies() -> [SockFilter; 13] {
    [
        load_byte(ANCILLARY_VLAN_TAG_PRESENT),
        unless(0, 9),
        load_byte(9),
        unless(17, 7),
        // Fragments: more of them, or not the first.
        load_half(6),
        SockFilter::new(JUMP_IF_ANY_BIT, 5, 0, 0x3fff),
        // Where the UDP header begins.
        SockFilter::new(LOAD_INDEX_HEADER_LENGTH, 0, 0, 0),
        SockFilter::new(LOAD_HALF_AT_INDEX, 0, 0, 0),
        unless(67, 2),
        SockFilter::new(LOAD_HALF_AT_INDEX, 0, 0, 2),
        when(68, 1),
        DROP,
        PASS,
    ]
}

const fn load_byte(at: u32) -> SockFilter {
    SockFilter::new(LOAD_BYTE, 0, 0, at)
}

const fn load_half(at: u32) -> SockFilter {
    SockFilter::new(LOAD_HALF, 0, 0, at)
}

const fn load_word(at: u32) -> SockFilter {
    SockFilter::new(LOAD_WORD, 0, 0, at)
}

/// Goes on if what was loaded is `value`, else skips so many instructions.
const fn unless(value: u32, skip: u8) -> SockFilter {
    SockFilter::new(JUMP_IF_EQUAL, 0, skip, value)
}

/// Skips so many instructions if what was loaded is `value`.
const fn when(value: u32, skip: u8) -> SockFilter {
    SockFilter::new(JUMP_IF_EQUAL, skip, 0, value)
}

const DROP: SockFilter = SockFilter::new(RETURN, 0, 0, 0);
const PASS: SockFilter = SockFilter::new(RETURN, 0, 0, u16::MAX as u32);

/// `BPF_LD | BPF_B | BPF_ABS`.
const LOAD_BYTE: u16 = 0x30;
/// `BPF_LD | BPF_H | BPF_ABS`.
const LOAD_HALF: u16 = 0x28;
/// `BPF_LD | BPF_W | BPF_ABS`.
const LOAD_WORD: u16 = 0x20;
/// `BPF_LD | BPF_H | BPF_IND`.
const LOAD_HALF_AT_INDEX: u16 = 0x48;
/// `BPF_LDX | BPF_B | BPF_MSH`: four times the low half of a byte.
const LOAD_INDEX_HEADER_LENGTH: u16 = 0xb1;
/// `BPF_MISC | BPF_TAX`.
const COPY_TO_INDEX: u16 = 0x07;
/// `BPF_JMP | BPF_JEQ | BPF_K`.
const JUMP_IF_EQUAL: u16 = 0x15;
/// `BPF_JMP | BPF_JEQ | BPF_X`.
const JUMP_IF_EQUAL_INDEX: u16 = 0x1d;
/// `BPF_JMP | BPF_JSET | BPF_K`.
const JUMP_IF_ANY_BIT: u16 = 0x45;
/// `BPF_RET | BPF_K`.
const RETURN: u16 = 0x06;
/// `SKF_AD_OFF + SKF_AD_PROTOCOL`: the packet's link-layer protocol.
const ANCILLARY_PROTOCOL: u32 = 0xffff_f000;
/// `SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT`: whether it belongs to a VLAN of this interface.
const ANCILLARY_VLAN_TAG_PRESENT: u32 = 0xffff_f000 + 48;
