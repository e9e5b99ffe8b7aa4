//! Pythons with the packages that a test's programs need, made when first needed.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// pika alone, for most programs.
pub(crate) static PIKA: Python = Python::with(&["pika==1.3.2"]);

/// A virtual environment below `target` with exactly these packages, the one that names it first.
///
/// Packages that the listed ones ask for are listed too, so that a test fails for what we changed, not for what
/// has been released since.
pub(crate) struct Python {
    packages: &'static [&'static str],
    interpreter: OnceLock<PathBuf>,
}

/// Runs a Python program with pika at hand; its output comes line by line as it is printed.
pub(crate) fn python() -> Command {
    PIKA.command()
}

impl Python {
    pub(crate) const fn with(packages: &'static [&'static str]) -> Python {
        Python {
            packages,
            interpreter: OnceLock::new(),
        }
    }

    /// Runs a program; its output comes line by line as it is printed.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(self.interpreter.get_or_init(|| self.make()));
        command.arg("-u").env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    /// Runs tests: all of a module, or a class of them.
    pub(crate) fn unittest(&self, tests: &str) -> Command {
        let mut command = self.command();
        command.args(["-W", "ignore::ResourceWarning", "-m", "unittest", tests]);
        command
    }

    /// Makes the environment, unless it is there.
    ///
    /// It is made under another name and moved into place when complete, so that test programs that run side by
    /// side never see half of one.
    fn make(&self) -> PathBuf {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let home = target.join(self.name());
        if !home.exists() {
            let draft = target.join(format!("{}-{}", self.name(), std::process::id()));
            succeed(Command::new("python3").args(["-m", "venv"]).arg(&draft));
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
            succeed(
                Command::new(draft.join("bin/python"))
                    .args(pip)
                    .args(self.packages),
            );
            if std::fs::rename(&draft, &home).is_err() {
                assert!(home.exists(), "another test program was faster");
                std::fs::remove_dir_all(&draft).expect("the draft is ours");
            }
        }
        home.join("bin/python")
    }

    /// The name of its folder: the first package, and a digest of the whole list.
    fn name(&self) -> String {
        let mut digest = DefaultHasher::new();
        self.packages.hash(&mut digest);
        let first = self.packages[0].replace("==", "-");
        format!("{first}-{:08x}", digest.finish() >> 32)
    }
}

fn succeed(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
