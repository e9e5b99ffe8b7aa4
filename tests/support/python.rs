//! A Python with pika in it, made when first needed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The release of pika that the programs are run with.
const PIKA: &str = "1.3.2";

/// Runs a Python program with pika at hand; its output comes line by line as it is printed.
pub(crate) fn python() -> Command {
    static INTERPRETER: OnceLock<PathBuf> = OnceLock::new();
    let mut command = Command::new(INTERPRETER.get_or_init(interpreter));
    command.arg("-u").env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// The interpreter of a virtual environment below `target`.
///
/// The environment is made under another name and moved into place when complete, so that test programs that
/// run side by side never see half of one.
fn interpreter() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let home = target.join(format!("pika-{PIKA}"));
    if !home.exists() {
        let draft = target.join(format!("pika-{PIKA}-{}", std::process::id()));
        succeed(Command::new("python3").args(["-m", "venv"]).arg(&draft));
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        succeed(
            Command::new(draft.join("bin/python"))
                .args(pip)
                .arg(format!("pika=={PIKA}")),
        );
        if std::fs::rename(&draft, &home).is_err() {
            assert!(home.exists(), "another test program was faster");
            std::fs::remove_dir_all(&draft).expect("the draft is ours");
        }
    }
    home.join("bin/python")
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
