//! A file system of its own for a node, in a file: it can lose power, freeze, fill up, and come back.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use xtask::{process, shell};

/// Ends a file system at once, without its journal: what was not synced is gone, and every later write fails with EIO.
/// (FS_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH. All are opened first, so that they lose power as nearly at once as can be.)
const SHUTDOWN: &str = "
import fcntl, os, struct, sys
for folder in [os.open(path, os.O_RDONLY) for path in sys.argv[1:]]:
    fcntl.ioctl(folder, 0x8004587D, struct.pack('I', 2))
";

/// What a filler leaves for the file system's own needs before it writes to the end. Unit: MiB.
const FILL_SLACK_MIB: u64 = 8;

/// How long the last user of a file system may take to let go of it.
const UNMOUNT_TIME_MAX: Duration = Duration::from_secs(10);

/// A file system.
#[derive(Debug)]
pub struct Disk {
    image: PathBuf,
    mount_point: PathBuf,
}

/// A file system that stands still. A process that waits for it ignores SIGKILL until it thaws, so a watchdog outside thaws it
/// whatever becomes of this program.
#[derive(Debug)]
pub struct Freeze {
    mount_point: PathBuf,
    watchdog: u32,
}

impl Disk {
    /// Makes and mounts a file system of so many MiB below the folder; the image takes what is written to it, no more.
    ///
    /// # Errors
    /// When the machine does not let us.
    pub fn create(folder: &Path, mib: u64) -> Result<Self> {
        let disk = Disk { image: folder.join("disk.img"), mount_point: folder.join("disk") };
        fs::create_dir_all(&disk.mount_point)?;
        File::create(&disk.image)?.set_len(mib * 1024 * 1024)?;
        shell::quiet(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(&disk.image))?;
        disk.mount()?;
        Ok(disk)
    }

    /// Where it is mounted.
    pub fn mount_point(&self) -> &Path {
        &self.mount_point
    }

    fn mount(&self) -> Result<()> {
        shell::quiet(Command::new("mount").args(["-o", "loop"]).arg(&self.image).arg(&self.mount_point))
    }

    /// Takes up the file system after [`power_off`], as a machine does that boots: journal, check, mount. Whoever used it must
    /// be gone.
    ///
    /// # Errors
    /// When it is in use or damaged.
    pub fn power_on(&self) -> Result<()> {
        self.unmount()?;
        // Exit code 1: it was repaired, which the journal's replay is.
        let check = Command::new("e2fsck").arg("-p").arg(&self.image).output()?;
        let code = check.status.code();
        ensure!(matches!(code, Some(0 | 1)), "e2fsck: {}", String::from_utf8_lossy(&check.stdout));
        self.mount()
    }

    fn unmount(&self) -> Result<()> {
        let deadline = Instant::now() + UNMOUNT_TIME_MAX;
        loop {
            match shell::quiet(Command::new("umount").arg(&self.mount_point)) {
                Err(_) if Instant::now() < deadline => thread::sleep(Duration::from_millis(50)),
                result => return result,
            }
        }
    }

    /// Stops all writes until [`Freeze::thaw`], or until `limit` is over.
    ///
    /// # Errors
    /// When the machine does not let us.
    pub fn freeze(&self, limit: Duration) -> Result<Freeze> {
        let script = "sleep \"$1\"; exec fsfreeze -u \"$2\"";
        let path = self.mount_point.to_str().context("the path is not UTF-8")?;
        let seconds = limit.as_secs_f64().to_string();
        let args = ["-c", script, "watchdog", &seconds, path];
        let watchdog = process::spawn_detached(Path::new("/bin/sh"), &args, Path::new("/dev/null"))?;
        let freeze = Freeze { mount_point: self.mount_point.clone(), watchdog };
        shell::quiet(Command::new("fsfreeze").arg("-f").arg(&self.mount_point))?;
        Ok(freeze)
    }

    /// Takes space until only so many MiB are left; with zero, until nothing can be written any more.
    ///
    /// # Errors
    /// When the space cannot be taken.
    pub fn fill(&self, left_mib: u64) -> Result<()> {
        let filler = self.filler();
        fs::remove_file(&filler).ok();
        // A file needs a little more than its bytes; and others write meanwhile.
        let left = left_mib.max(FILL_SLACK_MIB) * 1024 * 1024;
        let take = self.available_bytes()?.saturating_sub(left);
        shell::quiet(Command::new("fallocate").args(["-l", &take.to_string()]).arg(&filler))?;
        if left_mib == 0 {
            let mut file = File::options().append(true).open(&filler)?;
            for size in [1024 * 1024, 4096, 1] {
                while file.write_all(&vec![0; size]).is_ok() {}
            }
        }
        Ok(())
    }

    /// Gives the space back.
    ///
    /// # Errors
    /// When it was not taken.
    pub fn free(&self) -> Result<()> {
        fs::remove_file(self.filler()).context("nothing was filled")
    }

    fn filler(&self) -> PathBuf {
        self.mount_point.join("filler")
    }

    fn df(&self, column: &str) -> Result<u64> {
        let text = shell::capture(Command::new("df").args(["-B1", column]).arg(&self.mount_point))?;
        text.lines().nth(1).and_then(|line| line.trim().parse().ok()).context("df says something else")
    }

    fn available_bytes(&self) -> Result<u64> {
        self.df("--output=avail")
    }

    /// What is used.
    ///
    /// # Errors
    /// When it cannot be asked for.
    pub fn used_bytes(&self) -> Result<u64> {
        self.df("--output=used")
    }

    /// Unmounts and removes it.
    ///
    /// # Errors
    /// When somebody still uses it.
    pub fn remove(&self) -> Result<()> {
        self.unmount()?;
        fs::remove_file(&self.image).context("cannot remove an image")
    }
}

impl Freeze {
    /// Lets writes go on.
    ///
    /// # Errors
    /// When the watchdog was faster.
    pub fn thaw(self) -> Result<()> {
        process::signal(self.watchdog, "KILL").ok();
        shell::quiet(Command::new("fsfreeze").arg("-u").arg(&self.mount_point))
    }
}

/// The power of these file systems fails, of all at once.
///
/// # Errors
/// When the machine does not let us.
pub fn power_off(disks: &[&Disk]) -> Result<()> {
    let paths = disks.iter().map(|disk| &disk.mount_point);
    shell::quiet(Command::new("python3").args(["-c", SHUTDOWN]).args(paths))
}

/// Thaws and unmounts whatever an earlier run has left mounted below the folder.
pub(super) fn sweep(folder: &Path) {
    let Ok(mounts) = fs::read_to_string("/proc/self/mountinfo") else { return };
    for line in mounts.lines() {
        let Some(point) = line.split(' ').nth(4) else { continue };
        if Path::new(point).starts_with(folder) {
            shell::quiet(Command::new("fsfreeze").args(["-u", point])).ok();
            shell::quiet(Command::new("umount").arg(point))
                .or_else(|_| shell::quiet(Command::new("umount").args(["-l", point])))
                .ok();
        }
    }
}
