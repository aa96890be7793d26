//! Work with the store that may take its time: with a disk beside the runtime's threads, with memory at once.

use std::io;

/// Does a read, or waits for a write, where it may take its time.
///
/// # Errors
/// When the runtime ends meanwhile.
pub(crate) async fn read<T: Send + 'static>(
    is_in_memory: bool,
    read: impl FnOnce() -> T + Send + 'static,
) -> Result<T, io::Error> {
    if is_in_memory { Ok(read()) } else { tokio::task::spawn_blocking(read).await.map_err(io::Error::other) }
}
