//! Frames, methods and contents, in any number of reads.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| leveret_protocol_fuzz::frames(data));
