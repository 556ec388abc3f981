//! Threads: one for each shard, on a core of its own.

/// Which shard: 0 is the one that has the DHCP sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardIndex(pub usize);

/// The engines of one shard.
#[derive(Clone, Debug)]
pub struct Engines<D, T, S> {
    /// DHCP; only the first shard's is fed.
    pub dhcp: Option<D>,
    /// TFTP.
    pub tftp: T,
    /// HTTP.
    pub http: S,
}
