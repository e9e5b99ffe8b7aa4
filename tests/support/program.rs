//! Other programs run by a test: clients, examples, the broker itself.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// How long a program may take to say something or to end: interpreters start slowly on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running program whose output is read line by line; killed when dropped.
pub(crate) struct Program {
    child: Child,
    /// Its processes are a group of their own, which ends with it.
    group: bool,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Program {
    /// Starts a program that starts others: they are killed with it.
    #[track_caller]
    pub(crate) fn start_group(command: &mut Command) -> Program {
        let mut program = Program::start(command.process_group(0));
        program.group = true;
        program
    }

    #[track_caller]
    pub(crate) fn start(command: &mut Command) -> Program {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (sender, lines) = channel();
        forward(child.stdout.take(), sender.clone());
        forward(child.stderr.take(), sender);
        Program {
            child,
            group: false,
            lines,
            seen: Vec::new(),
        }
    }

    /// The process's number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line it prints.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                self.seen.push(line.clone());
                line
            }
            Err(error) => panic!("no further line ({error}) after\n{}", self.seen.join("\n")),
        }
    }

    /// Waits for a line that begins like this and gives it.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, beginning: &str) -> String {
        loop {
            let line = self.line();
            if line.starts_with(beginning) {
                return line;
            }
        }
    }

    /// Waits for the program to end well and gives all it printed.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Vec<String> {
        let status = self.ended(PATIENCE);
        self.seen.extend(self.lines.iter());
        assert!(status.success(), "{status}:\n{}", self.seen.join("\n"));
        std::mem::take(&mut self.seen)
    }

    /// What is left of its output, when it has ended.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        self.lines.iter().collect()
    }

    /// Waits for the end of the program.
    #[track_caller]
    pub(crate) fn ended(&mut self, patience: Duration) -> ExitStatus {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "still running after {patience:?}:\n{}",
                self.seen.join("\n")
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends a signal, such as `INT`.
    #[track_caller]
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.id().to_string())
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -{name}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let running = matches!(self.child.try_wait(), Ok(None));
        if self.group && running {
            let group = Pid::from_raw(self.id().cast_signed());
            let _ = group.map(|group| kill_process_group(group, Signal::KILL));
        }
        if self.group && std::thread::panicking() {
            self.seen.extend(self.lines.try_iter());
            eprintln!("a program in the background said\n{}", self.seen.join("\n"));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn forward(output: Option<impl Read + Send + 'static>, lines: Sender<String>) {
    let output = output.expect("a pipe");
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                break;
            }
        }
    });
}
