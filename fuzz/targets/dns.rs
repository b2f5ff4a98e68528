#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dissect::fuzz::dns(bytes));
