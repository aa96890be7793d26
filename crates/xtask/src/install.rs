//! Installs what a bare machine lacks for the build: libclang for RocksDB's bindings, make and a C++ compiler.
//!
//! Only Debian and its relatives are changed, with `apt-get`; elsewhere the task says what to install.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::shell;

/// Where libclang lies on the systems that we know. A `*` in the last but one place stands for a version.
const LIBCLANG_FOLDERS: [&str; 9] = [
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/opt/homebrew/opt/llvm/lib",
    "/usr/local/opt/llvm/lib",
    "/Library/Developer/CommandLineTools/usr/lib",
    "/Applications/Xcode.app/Contents/Developer/Toolchains/XcodeDefault.xctoolchain/usr/lib",
];

/// Makes sure that everything that the build of RocksDB needs is there.
///
/// # Errors
/// When something is missing and cannot be installed here.
pub fn build_tools() -> Result<()> {
    let mut packages = Vec::new();
    if !libclang_is_there() {
        packages.push("libclang-dev");
    }
    if shell::which("make").is_none() {
        packages.push("make");
    }
    if env::var_os("CXX").is_none() && shell::which("c++").is_none() && shell::which("g++").is_none() {
        packages.push("g++");
    }
    install(&packages)
}

/// Installs Debian packages, or says what is missing where that is not possible. Nothing to install is fine.
///
/// # Errors
/// When the packages cannot be installed.
pub fn install(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let names = packages.join(" ");
    let debian = Path::new("/etc/debian_version").exists() && shell::which("apt-get").is_some();
    let root = shell::capture(Command::new("id").arg("-u"))?.trim() == "0";
    if !debian || !(root || shell::which("sudo").is_some()) {
        bail!("please install (names as in Debian): {names}");
    }
    println!("installing {names}");
    let apt = |args: &[&str]| {
        let mut command = if root { Command::new("apt-get") } else { Command::new("sudo") };
        if !root {
            command.arg("apt-get");
        }
        command.args(args).env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    let install = [&["install", "-y"], packages].concat();
    if shell::quiet(&mut apt(&install)).is_err() {
        // The package lists of a fresh machine or image are empty or old.
        shell::quiet(&mut apt(&["update"]))?;
        shell::quiet(&mut apt(&install)).with_context(|| format!("cannot install {names}"))?;
    }
    Ok(())
}

fn libclang_is_there() -> bool {
    if env::var_os("LIBCLANG_PATH").is_some() {
        return true;
    }
    let mut folders: Vec<PathBuf> = LIBCLANG_FOLDERS.iter().map(PathBuf::from).collect();
    for version in entries(Path::new("/usr/lib")).into_iter().filter(|path| name(path).starts_with("llvm")) {
        folders.push(version.join("lib"));
    }
    folders.iter().flat_map(|folder| entries(folder)).any(|file| is_libclang(&name(&file)))
}

/// Whether bindgen would load a file of that name. `libclang-cpp` is another library.
fn is_libclang(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("libclang") else { return false };
    let version = rest.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let plain = rest.starts_with(".so") || rest.starts_with(".dylib");
    plain || (version && rest.contains(".so"))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).map(|entries| entries.flatten().map(|entry| entry.path()).collect()).unwrap_or_default()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clang_library_is_told_from_its_relatives() {
        for name in ["libclang.so", "libclang.so.14", "libclang-14.so.1", "libclang.dylib"] {
            assert!(is_libclang(name), "{name}");
        }
        for name in ["libclang-cpp.so.14", "libclangAST.a", "libclang.a", "libclang_rt.so"] {
            assert!(!is_libclang(name), "{name}");
        }
    }

    #[test]
    fn nothing_to_install_changes_nothing() {
        install(&[]).unwrap();
    }
}
