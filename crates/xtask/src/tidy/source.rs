//! The text files of the checkout.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// Endings of the files that are read.
const ENDINGS: [&str; 13] = ["rs", "toml", "md", "py", "js", "json", "go", "java", "xml", "sh", "yaml", "yml", "proto"];
/// Folders that hold nothing of ours.
const SKIPPED: [&str; 4] = ["target", ".git", "node_modules", "data"];

/// One file.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// Relative to the checkout's top, with `/`.
    pub(super) path: String,
    /// What it holds.
    pub(super) text: String,
}

impl Source {
    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    pub(super) fn lines_before_tests(&self) -> usize {
        self.text.lines().take_while(|line| *line != "#[cfg(test)]").count()
    }
}

/// Reads every text file, in the order of the paths.
pub(super) fn read_all(root: &Path) -> Result<Vec<Source>> {
    let mut files = Vec::new();
    collect(root, &mut files)?;
    files.sort();
    let read = |file: PathBuf| {
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let path = file.strip_prefix(root).expect("it was found below the root");
        Ok(Source { path: path.to_string_lossy().replace('\\', "/"), text })
    };
    files.into_iter().map(read).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_symlink() {
            continue; // what it points to is read where it lies
        }
        if path.is_dir() {
            if !SKIPPED.contains(&&*name) {
                collect(&path, files)?;
            }
        } else if path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known)) || name == "run" {
            files.push(path);
        }
    }
    Ok(())
}
