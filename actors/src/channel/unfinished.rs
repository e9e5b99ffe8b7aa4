//! What a connection has begun and not finished: bodies of which frames are missing, transactions not committed. Pure.
//!
//! A permit covers bytes until the queues have taken them; these wait for the client itself, who may take for ever and
//! use every channel it has. So each connection may only have so many of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use leveret_protocol::{Exception, ReplyCode};

/// Bytes of unfinished work a connection may always have, however small the largest message is set.
const AT_LEAST: u64 = 64 * 1024 * 1024;

/// The unfinished work of one connection.
#[derive(Debug)]
pub(crate) struct Unfinished {
    bytes: AtomicU64,
    most: u64,
}

impl Unfinished {
    /// Room for two of the largest messages.
    pub(crate) fn new(max_message_size: u64) -> Self {
        Unfinished {
            bytes: AtomicU64::new(0),
            most: max_message_size.saturating_mul(2).max(AT_LEAST),
        }
    }
}

/// What one channel has of it; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    all: Arc<Unfinished>,
    bytes: u64,
}

impl Share {
    pub(crate) fn new(all: Arc<Unfinished>) -> Self {
        Share { all, bytes: 0 }
    }

    /// Notes how many bytes it is now.
    ///
    /// # Errors
    ///
    /// 506 when those of the whole connection become too many.
    pub(crate) fn set(&mut self, bytes: u64) -> Result<(), Exception> {
        if bytes == self.bytes {
            return Ok(());
        }
        let before = self.all.bytes.fetch_sub(self.bytes, Ordering::Relaxed) - self.bytes;
        self.all.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.bytes = bytes;
        if before + bytes <= self.all.most {
            return Ok(());
        }
        let text = format!(
            "{} bytes of unfinished messages and transactions are more than the {} a connection may have",
            before + bytes,
            self.all.most
        );
        Err(Exception::new(ReplyCode::ResourceError, text))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.all.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn what_all_channels_have_together_is_bounded() {
        let all = Arc::new(Unfinished::new(40 * MIB));
        let mut one = Share::new(Arc::clone(&all));
        let mut two = Share::new(Arc::clone(&all));
        assert_eq!((one.set(50 * MIB), two.set(30 * MIB)), (Ok(()), Ok(())));
        assert_eq!(two.set(31 * MIB).unwrap_err().code, ReplyCode::ResourceError);
    }

    #[test]
    fn what_is_finished_or_given_up_makes_room() {
        let all = Arc::new(Unfinished::new(0));
        let mut one = Share::new(Arc::clone(&all));
        let mut two = Share::new(Arc::clone(&all));
        one.set(AT_LEAST).unwrap();
        one.set(1).unwrap();
        assert!(two.set(AT_LEAST).is_err());
        drop(one);
        assert!(two.set(AT_LEAST).is_ok());
        drop(two);
        assert_eq!(all.bytes.load(Ordering::Relaxed), 0);
    }
}
