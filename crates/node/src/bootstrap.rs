//! What a new cluster starts with: a vhost, the predeclared exchanges, a user.

use std::time::Duration;

use metadata::{Bootstrap, Command, HashAlgorithm, PasswordHash, VhostDefaults};
use replication::{Metadata, Replication};
use telemetry::Shutdown;
use types::ShortStr;

use crate::config::DefaultsSection;

/// Pause after an attempt that found no majority.
const RETRY: Duration = Duration::from_millis(500);

/// Proposes the start of a cluster until it is committed; does nothing when it was before.
pub(crate) async fn run(
    replication: Replication,
    defaults: DefaultsSection,
    first_vhost: VhostDefaults,
    shutdown: Shutdown,
) {
    let vhost = ShortStr::truncated(&defaults.vhost);
    let user = ShortStr::truncated(&defaults.user);
    loop {
        if replication.read().is_bootstrapped() {
            return;
        }
        let salted = auth::hash_password(auth::Algorithm::Sha256, defaults.password.as_bytes());
        let password = PasswordHash { algorithm: HashAlgorithm::Sha256, salted };
        let (vhost, user, defaults) = (vhost.clone(), user.clone(), first_vhost.clone());
        let command = Command::Bootstrap(Bootstrap { vhost, user, password, defaults });
        tokio::select! {
            done = replication.propose(command) => if let Err(error) = done {
                tracing::info!(%error, "waiting to set up the new cluster");
            },
            () = shutdown.triggered() => return,
        }
        tokio::time::sleep(RETRY).await;
    }
}
