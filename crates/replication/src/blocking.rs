//! Reads of the store: from a disk beside the runtime's threads, from memory at once.

use std::io;

/// Does a read where it may take its time.
///
/// # Errors
/// When the runtime ends meanwhile.
pub(crate) async fn read<T: Send + 'static>(
    is_in_memory: bool,
    read: impl FnOnce() -> T + Send + 'static,
) -> Result<T, io::Error> {
    if is_in_memory { Ok(read()) } else { tokio::task::spawn_blocking(read).await.map_err(io::Error::other) }
}
