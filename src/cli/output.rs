//! Standard output, which whoever reads it may close at any time.

use std::fmt::Display;
use std::io::{self, Write};

/// Prints a line; a reader that is gone, such as `head`, misses nothing it wanted.
///
/// # Errors
/// When the output can't be written for another reason, such as a full disk.
pub(super) fn line(text: impl Display) -> Result<(), String> {
    write(&mut io::stdout().lock(), text)
}

fn write(out: &mut impl Write, text: impl Display) -> Result<(), String> {
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("cannot write to standard output: {error}"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn only_a_reader_that_is_gone_is_no_failure() {
        assert_eq!(write(&mut Failing(io::ErrorKind::BrokenPipe), "text"), Ok(()));
        assert!(write(&mut Failing(io::ErrorKind::StorageFull), "text").is_err());
    }
}
