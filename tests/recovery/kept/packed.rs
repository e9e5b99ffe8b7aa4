//! Files with the long stretches of equal bytes taken out, as databases and segments have them.
//!
//! A number of literal bytes, these, a number of repetitions, the byte that is repeated; and again up to the end. Numbers have
//! four bytes, the lowest first.

/// How packed files' names end.
pub(super) const EXTENSION: &str = "packed";

/// The shortest stretch that is taken out.
const SHORTEST: usize = 16;

/// The file without its stretches.
pub(super) fn pack(mut bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    while !bytes.is_empty() {
        let (literal, repeated) = next_stretch(bytes);
        packed.extend((literal as u32).to_le_bytes());
        packed.extend(&bytes[..literal]);
        packed.extend((repeated as u32).to_le_bytes());
        packed.push(bytes.get(literal).copied().unwrap_or(0));
        bytes = &bytes[literal + repeated..];
    }
    packed
}

/// The file as it was.
pub(super) fn unpack(mut packed: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !packed.is_empty() {
        let literal = number(&mut packed);
        let (part, rest) = packed.split_at(literal);
        bytes.extend(part);
        packed = rest;
        let repeated = number(&mut packed);
        bytes.resize(bytes.len() + repeated, packed[0]);
        packed = &packed[1..];
    }
    bytes
}

/// Where the next stretch begins, and how long it is.
fn next_stretch(bytes: &[u8]) -> (usize, usize) {
    let mut at = 0;
    while at < bytes.len() {
        let equal = bytes[at..].iter().take_while(|byte| **byte == bytes[at]).count();
        if equal >= SHORTEST {
            return (at, equal);
        }
        at += equal;
    }
    (at, 0)
}

fn number(packed: &mut &[u8]) -> usize {
    let (number, rest) = packed.split_at(4);
    *packed = rest;
    u32::from_le_bytes(number.try_into().unwrap()) as usize
}

#[test]
fn what_was_packed_comes_out_as_it_was() {
    let files = [
        vec![],
        vec![7],
        vec![0; 5000],
        [&[1, 2, 3][..], &[9; 40], &[4; 15], &[5; 16]].concat(),
        [vec![0; 100], (0..=255).collect()].concat(),
    ];
    for file in files {
        let packed = pack(&file);
        assert_eq!(unpack(&packed), file);
        assert!(packed.len() <= file.len() + 9);
    }
}
