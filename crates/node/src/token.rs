//! The file by which whoever owns the node's data directory administers it without a password.

use std::{fs, io::Write, path::Path};

use anyhow::Context;

/// The file's name in the data directory.
pub(crate) const FILE: &str = "admin.token";
/// Unit: bytes, before they are written as hexadecimal digits.
const TOKEN_BYTES: usize = 32;

/// The token: that of the file, or a new one that is written there, for the owner's eyes only.
///
/// # Errors
/// When the file can be neither read nor written.
pub(crate) fn read_or_make(data_dir: &Path) -> anyhow::Result<String> {
    let file = data_dir.join(FILE);
    if let Ok(text) = fs::read_to_string(&file)
        && text.trim().len() == TOKEN_BYTES * 2
    {
        return Ok(text.trim().to_owned());
    }
    let token: String = rand::random::<[u8; TOKEN_BYTES]>().iter().map(|byte| format!("{byte:02x}")).collect();
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&file).and_then(|mut file| writeln!(file, "{token}"));
    written.with_context(|| format!("cannot write {}", file.display()))?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let token = read_or_make(folder.path()).unwrap();
        assert_eq!(token.len(), 64);
        assert_eq!(read_or_make(folder.path()).unwrap(), token);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
