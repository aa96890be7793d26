//! Which node, and as whom.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};

/// The file with the token in a node's data directory.
const TOKEN_FILE: &str = "admin.token";

/// Which node, and as whom.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Target {
    /// The node's HTTP address
    #[arg(long, global = true, value_name = "URL", env = "QUORATE_CTL_NODE", default_value = "http://127.0.0.1:15672")]
    pub node: String,
    /// User; without one, the token in the data directory is used
    #[arg(long, global = true, env = "QUORATE_CTL_USER")]
    pub user: Option<String>,
    /// The user's password
    #[arg(long, global = true, env = "QUORATE_CTL_PASSWORD", hide_env_values = true, default_value = "")]
    pub password: String,
    /// Data directory of a node on this machine
    #[arg(long, global = true, value_name = "DIR", env = "QUORATE_NODE_DATA_DIR", default_value = "data")]
    pub data_dir: PathBuf,
}

impl Target {
    /// What the variables say; `node` goes before theirs.
    pub(crate) fn from_env(node: Option<&str>) -> Self {
        let read = |name: &str, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
        Target {
            node: node.map_or_else(|| read("QUORATE_CTL_NODE", "http://127.0.0.1:15672"), str::to_owned),
            user: env::var("QUORATE_CTL_USER").ok(),
            password: read("QUORATE_CTL_PASSWORD", ""),
            data_dir: PathBuf::from(read("QUORATE_NODE_DATA_DIR", "data")),
        }
    }

    /// The value of the header `Authorization`; `None` without a user and without a token.
    pub(crate) fn authorization(&self) -> Option<String> {
        match &self.user {
            Some(user) => Some(format!("Basic {}", STANDARD.encode(format!("{user}:{}", self.password)))),
            None => Some(format!("Bearer {}", token(&self.data_dir)?)),
        }
    }
}

fn token(data_dir: &Path) -> Option<String> {
    Some(fs::read_to_string(data_dir.join(TOKEN_FILE)).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_goes_before_the_token() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(TOKEN_FILE), "abc\n").unwrap();
        let mut target =
            Target { node: String::new(), user: None, password: "p".to_owned(), data_dir: folder.path().to_owned() };
        assert_eq!(target.authorization().unwrap(), "Bearer abc");
        target.user = Some("u".to_owned());
        assert_eq!(target.authorization().unwrap(), format!("Basic {}", STANDARD.encode("u:p")));
        target.user = None;
        target.data_dir = folder.path().join("elsewhere");
        assert_eq!(target.authorization(), None);
    }
}
