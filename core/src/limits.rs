//! Every bound of the core, with its reason and who pays the memory.

use core::time::Duration;

/// Bytes that an engine may write before the image span of one transmit.
///
/// A DHCP message of 1472 bytes with its IP and UDP headers, and a response head with a whole
/// generated document behind it. Paid once per send slot by the runtime.
pub const HEAD_BYTES: usize = 6144;

/// Bytes of one generated document (an iPXE script, a pxelinux or GRUB configuration).
///
/// Two kernel command lines of the longest that x86 takes (2,048 bytes) fit in.
pub const DOCUMENT_BYTES: usize = 4096;

/// Documents that one engine holds for running transfers. A script lives for milliseconds.
pub const DOCUMENTS_MAX: u32 = 512;

/// Documents that were asked for by TFTP and wait until their transfer begins, per shard. 300 bytes
/// each, touched as far as a storm needs.
pub const TFTP_DOCUMENTS_ASKED_MAX: u32 = 16_384;

/// Datagrams of one split send. The kernel takes 64 KiB in one `UDP_SEGMENT` send: 44 × 1472.
pub const SPLIT_SEGMENTS_MAX: u16 = 44;

/// Bytes of all datagrams of one split send, headers included (65,535 less IP and UDP headers).
pub const SPLIT_BYTES_MAX: u32 = 65_507;

/// Bytes of image behind one stream transmit: three of the largest packets that Linux hands to a
/// network card that segments them (45 segments of 1448 bytes, what 1,500 bytes of Ethernet hold
/// with TCP timestamps), so that no transmit ends in a small one. A few hundred KiB still lie in
/// a processor's second cache while connections that read the same file take turns.
pub const STREAM_CHUNK_BYTES: u32 = 3 * 45 * 1448;

/// Images that can be mapped at one time. Each costs a mapping, of which Linux allows 65,530
/// (`vm.max_map_count`).
pub const IMAGES_MAX: u32 = 32_768;

/// Largest DHCP message: edk2 drops more (`protocols`: its packet buffer has 1472 bytes).
pub const DHCP_MESSAGE_BYTES_MAX: usize = 1472;

/// DHCP messages that wait for an answer at one time, per engine. Ten thousand machines that are
/// switched on in the same instant fit in; what waits behind so many is answered within a fraction
/// of a second all the same.
pub const DHCP_PENDING_MAX: u32 = 16_384;

/// Changes of bindings, beside those that messages wait for, that wait to be stored at one time:
/// addresses given back, found in use by others, or taken back. While there are more, nothing is
/// lent: each message that waits for the store becomes one more when the store fails. 24 bytes
/// each.
pub const DHCP_CHANGES_MAX: u32 = 4096;

/// Changes of bindings that are under way to the store at one time. The runtime pays 200 bytes for
/// each where there is a store.
pub const DHCP_PERSISTS_MAX: u32 = DHCP_PENDING_MAX + DHCP_CHANGES_MAX;

/// How much longer a lease is kept than its client is told, where it is stored first: an ACK that
/// waits no longer for the store tells the whole time.
pub const DHCP_STORE_GRACE: Duration = Duration::from_secs(2);

/// A lease that never ends (RFC 2131 §3.3).
pub const LEASE_INFINITE: Duration = Duration::from_secs(u32::MAX as u64);

/// How long an offered address is held. edk2 takes at least 4 s from DISCOVER to REQUEST, a
/// Raspberry Pi 3 never sends one and fetches its files with the offered address.
pub const OFFER_HOLD: Duration = Duration::from_secs(120);

/// Bytes of a DHCP message that waits. Firmware sends 300 to 600, a relay agent adds 257 at most;
/// a longer one is not taken. 15 MiB for [`DHCP_PENDING_MAX`], touched as far as a storm needs.
pub const DHCP_REQUEST_BYTES_MAX: usize = 960;

/// How long an address rests that a client found in use by somebody else.
pub const DECLINE_HOLD: Duration = Duration::from_secs(600);

/// Stations that answer for everybody (proxy ARP) and are remembered for it.
pub const CONFLICT_PROXIES_MAX: u32 = 64;

/// Addresses remembered as asked for on the link or by an echo. 48 bytes each.
pub const CONFLICT_PROBES_KNOWN: u32 = 16_384;

/// Probes that wait to be sent. More are left out: a probe must delay nothing.
pub const CONFLICT_PROBES_WAITING: usize = 64;

/// Probes in one second. A broadcast interrupts every host of a link.
pub const CONFLICT_PROBES_PER_SECOND: u32 = 256;

/// DHCP messages that wait, above which no address is probed: what is left of a turn belongs to
/// them.
pub const CONFLICT_PENDING_MAX: u32 = 256;

/// How long an answer to a probe counts. A router of a network behind a relay agent asks for the
/// address by ARP before it hands on an echo, and repeats that once a second.
pub const CONFLICT_WAIT: Duration = Duration::from_secs(3);

/// How long an address that nobody answered for counts as free.
pub const CONFLICT_FRESH: Duration = Duration::from_secs(300);

/// DHCP servers of others that are remembered. More within [`FOREIGN_SERVER_PAUSE`] are not told:
/// whoever names them by the thousand made them up.
pub const FOREIGN_SERVERS_MAX: usize = 64;

/// How often one DHCP server of others is told.
pub const FOREIGN_SERVER_PAUSE: Duration = Duration::from_secs(600);

/// Open offers whose port is known (option 82) that are counted by it. 48 bytes each.
pub const PORT_OFFERS_MAX: u32 = 16_384;

/// The part of a network's pools that open offers to one port may take, unless it is configured.
pub const PORT_OFFERS_SHARE: u64 = 4;

/// Open offers to one port that are always possible: a switch behind it with a few machines.
pub const PORT_OFFERS_MIN: u64 = 4;

/// When no address is left, an offer so old may be promised to a second client as well; who asks
/// first gets the address. edk2 asks within 4 s of its first DISCOVER.
pub const OFFER_ALONE: Duration = Duration::from_secs(5);

/// The same for a Raspberry Pi, whose firmware uses what it was offered and never asks.
pub const OFFER_ALONE_SILENT: Duration = Duration::from_secs(60);

/// Offered addresses that are looked at for one to promise again.
pub const OFFER_CANDIDATES: u32 = 16;

/// Clients for which no address was left that are told one by one, in a second.
pub const REFUSALS_TOLD_PER_SECOND: u32 = 10;

/// How often the use of a network's pools is told to whoever counts it.
pub const POOL_GAUGE_INTERVAL: Duration = Duration::from_secs(5);

/// Networks whose use is remembered.
pub const POOL_LEVELS_MAX: u32 = 1024;

/// Networks with leases: more than one host serves. A pool of a class counts as one more. 150
/// bytes each, taken when there are so many.
pub const DHCP_GROUNDS_MAX: usize = u16::MAX as usize;

/// Networks with leases that there is room for from the start.
pub const DHCP_GROUNDS_FIRST: usize = 1024;

/// Machines remembered as booting: their firmware, for requests that do not repeat it. 64 bytes
/// each.
pub const DHCP_BOOTING_MAX: u32 = 16_384;

/// How long a machine counts as booting after its last DHCP message: an initrd of a gigabyte over
/// a slow link takes minutes.
pub const BOOTING_FOR: Duration = Duration::from_secs(300);

/// Router solicitations that wait for the DHCP message that tells who sent them.
pub const SOLICITATIONS_MAX: u32 = 4096;

/// How long such a solicitation waits. iPXE sends DISCOVER within a second of it, and repeats both.
pub const SOLICITATION_WAIT: Duration = Duration::from_secs(5);

/// Router advertisements that wait to be sent.
pub const ADVERTISEMENTS_MAX: usize = 1024;

/// Router advertisements in one second, so that nobody can use us to flood a link.
pub const ADVERTISEMENTS_PER_SECOND: u32 = 2000;

/// Interfaces on which routers are watched for.
pub const INTERFACES_MAX: usize = 256;

/// How long a router is believed to be there after its advertisement, at least: the longest
/// interval at which one may advertise (RFC 4861 §6.2.1).
pub const ROUTER_HOLD: Duration = Duration::from_secs(1800);

/// TFTP transfers of one shard at one time, those that wait for their turn included. 380 bytes
/// each, touched as far as a storm needs.
pub const TFTP_TRANSFERS_MAX: u32 = 65_536;

/// Transfers from one source address that are answered before it has acknowledged them: a forged
/// request makes us send to its victim, so this bounds what a flood of them does. Whoever comes
/// beyond that, as from a machine room behind one address translator, waits until others are
/// acknowledged.
pub const TFTP_UNCONFIRMED_PER_SOURCE_MAX: u16 = 1024;

/// Bytes of TFTP that may be under way before anything is known about the network: the windows of
/// 45,000 edk2 clients, and of 180,000 in lockstep. That much is by choice of the simulator:
/// firmware is more patient between packets than before the first, so a storm is best shared by
/// all who are in it until the network cannot serve them within seconds.
pub const TFTP_FLIGHT_BYTES_MIN: u64 = 256 * 1024 * 1024;

/// Bytes of TFTP that may be under way on the fastest network: all transfers of a shard with a
/// window of 64.
pub const TFTP_FLIGHT_BYTES_MAX: u64 = TFTP_TRANSFERS_MAX as u64 * 64 * 1468;

/// Clients that wait so long for their next packet do repeat theirs, some of them, but get on.
/// Below this more transfers may begin.
pub const TFTP_CYCLE_GOOD: Duration = Duration::from_secs(1);

/// Above this no transfer begins beside those that run, however long it has waited: edk2 gives a
/// packet 4 s, and more packets would only make everybody repeat theirs.
pub const TFTP_CYCLE_MAX: Duration = Duration::from_secs(4);

/// How long a request waits for its turn, if the network is not [too full](TFTP_CYCLE_MAX): edk2
/// repeats after 4 s.
pub const TFTP_WAIT_MAX: Duration = Duration::from_secs(3);

/// How long a request waits that is not repeated: the longest pause of any firmware is 8 s.
pub const TFTP_WAIT_SILENT_MAX: Duration = Duration::from_secs(10);

/// Waits shorter than this are not worth an event.
pub const WAIT_TOLD: Duration = Duration::from_millis(100);

/// How long a transfer that nobody has acknowledged keeps its place when all are taken: longer
/// than any round trip, shorter than a flood of forged requests needs to take all places.
pub const TFTP_UNCONFIRMED_MIN: Duration = Duration::from_secs(1);

/// ERROR packets of one shard that wait to be sent. Clients that get none ask again.
pub const TFTP_REFUSALS_MAX: usize = 256;

/// ERROR packets a second to peers that have no transfer here (RFC 1350 §4).
pub const TFTP_STRAY_ERRORS_PER_SECOND: u32 = 100;

/// Transfers that ended a moment ago, remembered by digest so that late packets of theirs are
/// known; a power of two.
pub const TFTP_FAREWELLS_MAX: usize = 4096;

/// HTTP connections of one shard at one time.
pub const HTTP_CONNECTIONS_MAX: u32 = 16_384;

/// Request heads of which only a part has arrived, per shard; a whole one needs no buffer.
pub const HTTP_PARTIAL_HEADS_MAX: u32 = 1024;

/// Largest request head.
pub const HTTP_HEAD_BYTES_MAX: usize = 8192;

/// One in this many HTTP connections of a shard is kept back: it serves clients that cannot wait,
/// and tells those that can (iPXE obeys `Retry-After`) to come back.
pub const HTTP_RESERVE_SHARE: u32 = 16;

/// One in this many HTTP connections of a shard is kept for what is small: however many download
/// images, scripts and reports of others pass.
pub const HTTP_SMALL_SHARE: u32 = 4;

/// How long a download waits for its turn: edk2 gives up after 5 s without a byte.
pub const HTTP_TURN_MAX: Duration = Duration::from_secs(4);

/// A download that takes less than [`STREAM_CHUNK_BYTES`] in this time loses its place to one that
/// waits: 10 kB/s.
pub const HTTP_SLOW: Duration = Duration::from_secs(10);

/// Shortest and longest `Retry-After`: iPXE retries without limit, so the spread is what keeps a
/// thousand machines from coming back in one instant.
pub const HTTP_RETRY_AFTER_S: (u32, u32) = (5, 30);

/// How long an HTTP connection may be idle. Firmware reuses connections up to 30 s later, and
/// some of it fails when the server closes first.
pub const HTTP_IDLE: Duration = Duration::from_secs(75);

/// How long an HTTP connection may be idle when there are too many: then the one that has been
/// idle for longest makes room for a new one.
pub const HTTP_IDLE_MIN: Duration = Duration::from_secs(5);

/// How long a request head, or the body behind it, may take to arrive. A lost packet is sent again
/// within 3 s by any TCP; whoever takes longer holds a buffer for nothing.
pub const HTTP_REQUEST: Duration = Duration::from_secs(15);

/// How long a client may take nothing of a response. iPXE's own patience is as long.
pub const HTTP_STALL: Duration = Duration::from_secs(120);

/// Bytes of a request body that are read and thrown away; a client with more is refused.
pub const HTTP_BODY_BYTES_MAX: u64 = 64 * 1024;

/// Bytes of an entity tag, quotes included; a longer one is not sent. A hash of 256 bits in
/// hexadecimal has 66.
pub const ETAG_BYTES_MAX: usize = 80;

/// Timers of sessions that expire in one call: each may end a session, and tell of it. The rest is
/// due in the next.
pub const EXPIRIES_MAX: u32 = 512;

/// Events that an engine holds until its driver takes them.
pub const EVENTS_MAX: usize = 16_384;

/// Bytes of a file name in an event; a longer one is cut.
pub const EVENT_NAME_BYTES: usize = 80;

/// Bytes of a file name or path that a client may ask for (after decoding).
pub const NAME_BYTES_MAX: usize = 255;

const _: () = {
    // A document travels behind the response head in one buffer.
    assert!(HEAD_BYTES >= DOCUMENT_BYTES + 1024);
    assert!(HEAD_BYTES >= DHCP_MESSAGE_BYTES_MAX + 28);
    // Every datagram of a split has its own TFTP header in the head buffer.
    assert!(HEAD_BYTES >= SPLIT_SEGMENTS_MAX as usize * 4);
    assert!(EVENT_NAME_BYTES < 256);
    assert!((EXPIRIES_MAX as usize) < EVENTS_MAX / 4);
    assert!(TFTP_FAREWELLS_MAX.is_power_of_two());
};
