//! Load of one protocol each, in a closed loop, for benchmarks.
//!
//! Each part runs on the calling thread until it is done: who wants it on a certain core or in a
//! certain network namespace puts the thread there first.

pub mod dhcp;
pub mod http;
pub mod tftp;

use std::time::Duration;

use hdrhistogram::Histogram;

/// What a run cost the generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Processor time, of user and kernel.
    pub cpu: Duration,
    /// System calls that moved packets.
    pub enters: u64,
}

/// A histogram of nanoseconds from 1 µs to 10 minutes with three digits.
fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1000, 600_000_000_000, 3).expect("the bounds are in order")
}

/// The longest wait without a look at the clock and at signals.
const TICK: Duration = Duration::from_millis(50);

/// How long to wait for packets: until `deadline`, at most a tick.
fn wait(now: u64, deadline: Option<u64>) -> Duration {
    deadline.map_or(TICK, |at| Duration::from_nanos(at.saturating_sub(now)).min(TICK))
}

/// A UDP socket, bound, that takes what comes in a burst.
fn udp_socket(
    local: std::net::SocketAddrV4,
    receive_buffer_bytes: usize,
) -> std::io::Result<socket2::Socket> {
    use rustix::net::sockopt;
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None)?;
    // Beyond the system's limit if we may; a smaller buffer is worse, but no reason to stop.
    if sockopt::set_socket_recv_buffer_size_force(&socket, receive_buffer_bytes).is_err() {
        let _limited = sockopt::set_socket_recv_buffer_size(&socket, receive_buffer_bytes);
    }
    socket.bind(&local.into())?;
    Ok(socket)
}
