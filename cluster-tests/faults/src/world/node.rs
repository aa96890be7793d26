//! One node: its files, its process.

use std::{
    fs::{self, File},
    net::SocketAddr,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result, ensure};
use xtask::{process, shell};

use super::{
    disk::Disk,
    net,
    shim::{self, Shim},
};

/// Ports of nodes that share this machine's own network: these plus the node's number.
const LOOPBACK: [u16; 3] = [10_671, 20_671, 30_671];
/// Lines of a log that are shown.
const LOG_TAIL_LINES: usize = 20;

#[derive(Debug)]
pub(super) struct Node {
    number: usize,
    pub folder: PathBuf,
    pub binary: PathBuf,
    has_network: bool,
    pub amqp: SocketAddr,
    pub http: String,
    pub peer: String,
    pub disk: Option<Disk>,
    pub shim: Option<Shim>,
    /// Looked at by those who only ask, too, which reaps it.
    process: Mutex<Option<Child>>,
}

impl Node {
    pub(super) fn new(world: &Path, binary: &Path, number: usize, has_network: bool) -> Self {
        let [amqp, http, peer] = if has_network {
            [net::AMQP_PORT, 15672, net::PEER_PORT].map(|port| format!("{}:{port}", net::address(number)))
        } else {
            let last = u16::try_from(number).expect("there are few nodes");
            LOOPBACK.map(|port| format!("127.0.0.1:{}", port + last))
        };
        Node {
            number,
            folder: world.join(format!("node{number}")),
            binary: binary.to_owned(),
            has_network,
            amqp: amqp.parse().expect("it is an address and a port"),
            http,
            peer,
            disk: None,
            shim: None,
            process: Mutex::new(None),
        }
    }

    pub(super) fn name(&self) -> String {
        format!("node{}", self.number)
    }

    pub(super) fn data_dir(&self) -> PathBuf {
        self.disk.as_ref().map_or(&*self.folder, Disk::mount_point).join("data")
    }

    fn config_file(&self) -> PathBuf {
        self.folder.join("quorate.toml")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Small memory, so that files come into being; the rest is as it is for everybody.
    pub(super) fn write_config(&self, peers: &[(String, String)], more: &str) -> Result<()> {
        let peers = peers.iter().map(|(name, peer)| format!("  {{ name = {name:?}, peer = {peer:?} }},\n"));
        let text = format!(
            "[node]\nname = {:?}\ndata_dir = {:?}\n[listen]\namqp = \"{}\"\nhttp = {:?}\npeer = {:?}\n[cluster]\n\
             name = \"faults\"\nnodes = [\n{}]\n[defaults]\nloopback_users = []\n[storage]\nmemory_mb = 32\n{more}",
            self.name(),
            self.data_dir().to_string_lossy(),
            self.amqp,
            self.http,
            self.peer,
            peers.collect::<String>(),
        );
        fs::write(self.config_file(), text).context("cannot write a configuration")
    }

    pub(super) fn start(&mut self) -> Result<()> {
        ensure!(self.pid().is_none(), "node{} runs already", self.number);
        let log = File::options().create(true).append(true).open(self.log_file())?;
        let mut line = if self.has_network { net::enter(self.number) } else { Vec::new() };
        line.push(self.binary.to_str().context("the broker's path is not UTF-8")?.to_owned());
        let (program, args) = line.split_first().context("a program")?;
        let mut command = Command::new(program);
        command.args(args).args(["server", "--config"]).arg(self.config_file());
        if let Some(shim) = &self.shim {
            command.env("LD_PRELOAD", &shim.library).env(shim::VARIABLE, &shim.orders);
        }
        // A group of its own: Ctrl-C is for this program, which ends the nodes.
        command.stdin(Stdio::null()).stderr(log.try_clone()?).stdout(log).process_group(0);
        let child = command.spawn().with_context(|| format!("cannot start node{}", self.number))?;
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
        Ok(())
    }

    /// The process, while it is there.
    pub(super) fn pid(&self) -> Option<u32> {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let child = process.as_mut()?;
        matches!(child.try_wait(), Ok(None)).then(|| child.id())
    }

    pub(super) fn log_tail(&self) -> String {
        let log = fs::read(self.log_file()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines = log.lines().collect::<Vec<_>>();
        let tail = &lines[lines.len().saturating_sub(LOG_TAIL_LINES)..];
        format!("; the end of {}:\n{}", self.log_file().display(), tail.join("\n"))
    }
}

/// One signal to several processes, with nothing between.
pub(super) fn signal_all(name: &str, pids: &[u32]) -> Result<()> {
    let pids = pids.iter().map(u32::to_string);
    shell::quiet(Command::new("sh").args(["-c", "s=$1; shift; kill -s \"$s\" \"$@\"", "sh", name]).args(pids))
}

/// Ends processes of an earlier run whose configuration lies in the folder.
pub(super) fn sweep(folder: &Path) {
    let marker = folder.to_string_lossy();
    let Ok(processes) = fs::read_dir("/proc") else { return };
    for entry in processes.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(line) = fs::read(entry.path().join("cmdline")) else { continue };
        let line = String::from_utf8_lossy(&line).into_owned();
        if line.contains("--config\0") && line.contains(&*marker) {
            process::signal(pid, "KILL").ok();
        }
    }
}

/// Copies a folder with what is in it.
pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    shell::quiet(Command::new("cp").args(["-a", "--"]).arg(from).arg(to))
}

/// The largest file of a folder, or of those in it, whose name ends so.
pub(super) fn largest(folder: &Path, ending: &str) -> Result<Option<PathBuf>> {
    let mut found: Option<(u64, PathBuf)> = None;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let (metadata, path) = (entry.metadata()?, entry.path());
            if metadata.is_dir() {
                folders.push(path);
            } else if entry.file_name().to_string_lossy().contains(ending)
                && found.as_ref().is_none_or(|(size, _)| *size < metadata.len())
            {
                found = Some((metadata.len(), path));
            }
        }
    }
    Ok(found.map(|(_, path)| path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_file_is_found_however_deep() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("1.sst"), "1").unwrap();
        fs::write(folder.path().join("a/2.sst"), "22").unwrap();
        fs::write(folder.path().join("3.log"), "333").unwrap();
        assert_eq!(largest(folder.path(), ".sst").unwrap(), Some(folder.path().join("a/2.sst")));
        assert_eq!(largest(folder.path(), "MANIFEST").unwrap(), None);
    }
}
