//! What is set for virtual hosts, as bytes.

use bytes::{BufMut, BytesMut};

use super::{Input, Unreadable, VERSION};
use crate::queue::options::QueueKind;
use crate::vhost::limits::VhostLimits;
use crate::vhost::settings::VhostSettings;

/// The version of what has limits.
const WITH_LIMITS: u8 = 2;
/// Stands for no limit.
const UNLIMITED: u64 = u64::MAX;

/// What is set for a virtual host: its default type of queue, empty for the broker's, and its limits. Without limits it is what
/// versions write and read that know none.
pub(in super::super) fn encode_vhost(settings: &VhostSettings) -> BytesMut {
    let mut out = BytesMut::new();
    let VhostLimits {
        max_connections,
        max_queues,
    } = settings.limits;
    let is_limited = max_connections.is_some() || max_queues.is_some();
    out.put_u8(if is_limited { WITH_LIMITS } else { VERSION });
    let name = settings.default_queue_type.map_or("", QueueKind::name);
    out.put_u8(u8::try_from(name.len()).unwrap_or_default());
    out.put_slice(name.as_bytes());
    if is_limited {
        for limit in [max_connections, max_queues] {
            out.put_u64(limit.map_or(UNLIMITED, u64::from));
        }
    }
    out
}

pub(in super::super) fn decode_vhost(raw: &[u8]) -> Result<VhostSettings, Unreadable> {
    let (mut input, version) = Input::begin_upto(raw, WITH_LIMITS)?;
    let default_queue_type = match input.text()? {
        "" => None,
        name => Some(QueueKind::parse(name).ok_or(Unreadable::Malformed)?),
    };
    let mut limit = || -> Result<_, Unreadable> {
        match version {
            WITH_LIMITS => Ok(u32::try_from(input.number()?).ok()),
            _ => Ok(None),
        }
    };
    let limits = VhostLimits {
        max_connections: limit()?,
        max_queues: limit()?,
    };
    Ok(VhostSettings {
        default_queue_type,
        limits,
    })
}
