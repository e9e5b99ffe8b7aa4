//! Programs the laboratory runs: started with bounds, ended with everything below them.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::interrupt;
use crate::cli::perf::usage;

/// How often something is looked at.
pub(super) const LOOK: Duration = Duration::from_millis(20);

/// How long a program may take to end in order.
const ENDING: Duration = Duration::from_secs(30);

/// A running program. Dropped, it is ended, and so are the processes below it.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    what: String,
}

impl Process {
    /// Starts a program that reads nothing; its output goes where `command` says.
    pub(super) fn start(command: &mut Command) -> Result<Self, String> {
        let what = command.get_program().to_string_lossy().into_owned();
        let child = command
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| format!("cannot start {what}: {error}"))?;
        Ok(Self { child, what })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until it ends, `at_most` as long.
    pub(super) fn wait(&mut self, at_most: Duration) -> Result<ExitStatus, String> {
        self.wait_while(|| Ok(()), at_most)
    }

    /// Waits until it ends, `at_most` as long and while `may_go_on`.
    fn wait_while(
        &mut self,
        may_go_on: impl Fn() -> Result<(), String>,
        at_most: Duration,
    ) -> Result<ExitStatus, String> {
        let begun = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) if begun.elapsed() < at_most => may_go_on()?,
                Ok(None) => {
                    return Err(format!("{} took longer than {} s", self.what, at_most.as_secs()));
                }
                Err(error) => return Err(format!("cannot wait for {}: {error}", self.what)),
            }
            thread::sleep(LOOK);
        }
    }

    /// Asks it to end, and waits for that.
    pub(super) fn end(mut self) -> Result<(), String> {
        self.signal(Signal::TERM);
        self.wait(ENDING).map(drop)
    }

    /// Ends it at once, as a crash would.
    pub(super) fn kill(mut self) {
        self.signal(Signal::KILL);
        let _ = self.wait(ENDING);
    }

    fn signal(&self, signal: Signal) {
        signal_process(self.child.id(), signal);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.has_ended() {
            return;
        }
        // Taken down before the first is gone: those below it would be nobody's afterwards.
        let tree = usage::tree(self.child.id());
        self.signal(Signal::TERM);
        let _ = self.wait(ENDING);
        for pid in tree.into_iter().skip(1) {
            signal_process(pid, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal_process(pid: u32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
        let _ = kill_process(pid, signal);
    }
}

/// Runs a program to its end, at most so long; gives what it printed on standard output.
///
/// # Errors
/// What it printed on standard error when it failed without printing a result, or that it took too long.
pub(super) fn output(command: &mut Command, at_most: Duration) -> Result<String, String> {
    let mut process = Process::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let out = process.child.stdout.take().map(collect);
    let err = process.child.stderr.take().map(collect);
    process.wait_while(interrupt::check, at_most)?;
    let text = |reader: Option<thread::JoinHandle<String>>| {
        reader.and_then(|reader| reader.join().ok()).unwrap_or_default()
    };
    let (out, err) = (text(out), text(err));
    if out.trim().is_empty() {
        return Err(err.trim().to_owned());
    }
    Ok(out)
}

fn collect(mut from: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        let _ = from.read_to_string(&mut text);
        text
    })
}

/// Starts a program and waits for the line that begins with `sign`, which says that it is ready.
pub(super) fn start_until_ready(
    command: &mut Command,
    log: File,
    sign: &str,
    at_most: Duration,
) -> Result<(Process, String), String> {
    let mut process = Process::start(command.stdout(Stdio::piped()).stderr(log))?;
    let lines = process.child.stdout.take().map(lines);
    let deadline = Instant::now() + at_most;
    while let Some(lines) = &lines {
        interrupt::check()?;
        match lines.recv_timeout(LOOK) {
            Ok(line) if line.starts_with(sign) => return Ok((process, line)),
            Err(RecvTimeoutError::Disconnected) => break,
            _ if Instant::now() >= deadline => break,
            _ => {}
        }
    }
    Err(format!("{} did not become ready", process.what))
}

fn lines(from: ChildStdout) -> mpsc::Receiver<String> {
    let (send, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            // Read on when nobody listens any more: a full pipe would stop the program.
            let _ = send.send(line);
        }
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_takes_too_long_is_ended() {
        let begun = Instant::now();
        let error = output(Command::new("sleep").arg("60"), Duration::from_millis(50)).unwrap_err();
        assert!(error.contains("sleep"), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn what_a_program_prints_is_its_output_and_its_complaint_is_the_error() {
        let run = |script| output(Command::new("sh").args(["-c", script]), Duration::from_secs(20));
        assert_eq!(run("echo 5").unwrap(), "5\n");
        assert_eq!(run("echo no >&2; exit 1").unwrap_err(), "no");
    }
}
