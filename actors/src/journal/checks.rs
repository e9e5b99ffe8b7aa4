//! The checks of records. Pure.

use crc32fast::Hasher;

use super::fields::Fields;
use super::record::RECORD_HEADER;

/// The check of a record's head: the first `head` bytes of the record at an offset of the segment with this salt.
pub(super) fn head_check(salt: u64, offset: u64, head: &[u8; 8]) -> u32 {
    let number = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    let mut bytes = [0; 24];
    for (to, from) in bytes.chunks_exact_mut(8).zip([salt, offset, number(head)]) {
        to.copy_from_slice(&from.to_le_bytes());
    }
    crc32fast::hash(&bytes)
}

/// The check of a record's payload and the large body that follows it.
pub(super) fn payload_check(head_check: u32, payload: &[u8], large: &[u8]) -> u32 {
    let mut hasher = Hasher::new_with_initial(head_check);
    hasher.update(payload);
    hasher.update(large);
    hasher.finalize()
}

/// The length of the record that these bytes, which are at `at` of the segment, begin with, as its head says. `None` when they
/// don't begin with a good head.
pub(super) fn len_at(bytes: &[u8], salt: u64, at: usize) -> Option<usize> {
    let head = bytes.first_chunk::<RECORD_HEADER>()?;
    let mut fields = Fields(head);
    let (len, kind, zero) = (fields.u32()? as usize, fields.take(1)?, fields.take(3)?);
    // Mostly told apart by this alone while looking for the next good record.
    let is_head = zero == [0; 3] && kind != [0];
    let is_good = is_head && fields.u32()? == head_check(salt, at as u64, head.first_chunk()?);
    is_good.then_some(RECORD_HEADER.checked_add(len)?)
}

/// Whether the payload of a record is as its head says, which is good.
pub(super) fn is_whole(record: &[u8]) -> bool {
    let Some((head, payload)) = record.split_at_checked(RECORD_HEADER) else {
        return false;
    };
    let mut checks = Fields(head.get(8..).unwrap_or_default());
    let head_check = checks.u32().unwrap_or_default();
    checks.u32() == Some(payload_check(head_check, payload, &[]))
}
