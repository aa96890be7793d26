//! What this machine offers for faults, found by trying it; and the programs that are installed for that.

use std::{
    fmt,
    fs::{self, File},
    path::Path,
    process::Command,
};

use anyhow::{Context, Result, bail};
use xtask::{install, shell};

use crate::world::{
    disk::{self, Disk},
    net,
};

/// A program and the Debian package that has it.
const PROGRAMS: [(&str, &str); 7] = [
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("nsenter", "util-linux"),
    ("fsfreeze", "util-linux"),
    ("mkfs.ext4", "e2fsprogs"),
    ("e2fsck", "e2fsprogs"),
    ("python3", "python3"),
];

/// What a scenario needs of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Processes that can be killed and stopped: every machine has that.
    Processes,
    /// A network namespace for each node.
    Network,
    /// A file system for each node, and a network namespace.
    Disks,
}

/// What this machine offers, and why not more.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// Why nodes cannot have networks of their own.
    pub no_network: Option<String>,
    /// Why nodes cannot have file systems of their own.
    pub no_disks: Option<String>,
}

impl Host {
    /// Installs what is missing, and tries everything once. `folder` is where file systems will be.
    pub fn probe(folder: &Path) -> Self {
        match programs() {
            Ok(()) => Host { no_network: why(net::probe()), no_disks: why(try_disk(folder)) },
            Err(error) => {
                let reason = Some(format!("{error:#}"));
                Host { no_network: reason.clone(), no_disks: reason }
            }
        }
    }

    /// Why a scenario with that need cannot run here.
    pub fn lacks(&self, need: Need) -> Option<&str> {
        match need {
            Need::Processes => None,
            Need::Network => self.no_network.as_deref(),
            Need::Disks => self.no_disks.as_deref().or(self.no_network.as_deref()),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, missing) in [("networks", &self.no_network), ("file systems", &self.no_disks)] {
            match missing {
                None => writeln!(f, "nodes have {what} of their own")?,
                Some(why) => writeln!(f, "nodes have no {what} of their own: {why}")?,
            }
        }
        Ok(())
    }
}

fn why(result: Result<()>) -> Option<String> {
    result.err().map(|error| format!("{error:#}"))
}

fn programs() -> Result<()> {
    if shell::capture(Command::new("id").arg("-u"))?.trim() != "0" {
        bail!("this needs root");
    }
    let mut missing = PROGRAMS.iter().filter(|(name, _)| shell::which(name).is_none()).map(|(_, package)| *package);
    let mut packages = missing.by_ref().collect::<Vec<_>>();
    packages.dedup();
    install::install(&packages)
}

/// A file that was synced is there after a power loss, one that was not is gone or empty, and a frozen file system thaws.
fn try_disk(folder: &Path) -> Result<()> {
    let folder = folder.join("probe");
    fs::create_dir_all(&folder)?;
    let disk = Disk::create(&folder, 64)?;
    let result = (|| {
        let (kept, lost) = (disk.mount_point().join("kept"), disk.mount_point().join("lost"));
        fs::write(&kept, "kept")?;
        File::open(&kept)?.sync_all()?;
        File::open(disk.mount_point())?.sync_all()?;
        fs::write(&lost, "lost")?;
        disk::power_off(&[&disk])?;
        disk.power_on().context("the file system did not come back")?;
        if fs::read(&kept).unwrap_or_default() != b"kept" || fs::read(&lost).is_ok_and(|text| text == b"lost") {
            bail!("a power loss does not lose what was not synced");
        }
        let freeze = disk.freeze(std::time::Duration::from_secs(5))?;
        freeze.thaw()
    })();
    disk.remove()?;
    fs::remove_dir_all(&folder)?;
    result
}
