//! Properties and the tables in them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| leveret_protocol_fuzz::properties(data));
