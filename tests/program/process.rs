//! A run of the program with a bound on every wait; ended when dropped.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The longest anything here may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The program, running.
pub(crate) struct Process {
    child: Child,
    lines: mpsc::Receiver<String>,
    errors: Option<thread::JoinHandle<String>>,
    _data: TempDir,
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) out: Vec<String>,
    pub(crate) err: String,
}

impl Process {
    /// Starts the program with these arguments, a clean environment and a data directory of its own.
    pub(crate) fn start<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Self {
        Self::start_with(arguments, &[])
    }

    /// Starts the program with environment variables.
    pub(crate) fn start_with<'a>(
        arguments: impl IntoIterator<Item = &'a str>,
        variables: &[(&str, &str)],
    ) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_leveret"))
            .args(arguments)
            .env_clear()
            .env("LEVERET_DATA_DIR", data.path())
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (send, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        let errors = thread::spawn(move || {
            let mut text = String::new();
            let _ = err.read_to_string(&mut text);
            text
        });
        Self {
            child,
            lines,
            errors: Some(errors),
            _data: data,
        }
    }

    /// Runs the program to its end.
    pub(crate) fn run<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Outcome {
        Self::start(arguments).outcome()
    }

    /// The next line on standard output.
    pub(crate) fn line(&self) -> String {
        self.lines
            .recv_timeout(PATIENCE)
            .expect("a line on standard output")
    }

    /// The addresses in the next line, which says that the program is ready.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let line = self.line();
        assert!(line.contains(" ready "), "{line}");
        line.split(" amqp=").skip(1).map(str::to_owned).collect()
    }

    /// Its process number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Waits for the program to end.
    pub(crate) fn outcome(mut self) -> Outcome {
        let code = self.wait().code();
        let err = self.errors.take().unwrap().join().unwrap();
        Outcome {
            code,
            out: self.lines.iter().collect(),
            err,
        }
    }

    fn wait(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "the program goes on");
            // There is no event to wait for with a bound: a child's end can only be asked for.
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
