#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| reveille_core::fuzzing::dhcp4(bytes));
