//! The source of the ring, for what only its text can show.

use std::fs;
use std::path::{Path, PathBuf};

/// One source file.
pub(crate) struct Source {
    /// Its path below `src`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    /// The folder below `src`, which is an actor's or a shared thing's; the file itself at the top.
    pub(crate) fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// What runs: without comments and without the tests at the end.
    pub(crate) fn code(&self) -> String {
        let code = self.text.split("#[cfg(test)]\nmod tests").next();
        let lines = code.unwrap_or_default().lines();
        lines
            .filter(|line| !line.trim_start().starts_with("//"))
            .flat_map(|line| [line, "\n"])
            .collect()
    }

    /// The modules of this crate that it names.
    pub(crate) fn names(&self) -> Vec<String> {
        let code = self.code();
        let ends = |c: char| !(c.is_ascii_lowercase() || c == '_');
        code.split("crate::")
            .skip(1)
            .filter_map(|rest| rest.split(ends).next())
            .map(str::to_owned)
            .collect()
    }
}

/// Every source file of this crate.
pub(crate) fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push(Source {
                    path: path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned(),
                    text: fs::read_to_string(&path).unwrap(),
                });
            }
        }
    }
    assert!(sources.len() > 50, "the sources are where they were");
    sources
}
