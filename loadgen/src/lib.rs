//! Simulated PXE clients, ten thousand at a time, against any boot server.
