//! One file per command. Each looks before it changes anything: a refused command leaves no trace.

pub(crate) mod bind;
pub(crate) mod bootstrap;
pub(crate) mod clear_permissions;
pub(crate) mod declare_exchange;
pub(crate) mod declare_queue;
pub(crate) mod delete_exchange;
pub(crate) mod delete_exclusive;
pub(crate) mod delete_queue;
pub(crate) mod delete_user;
pub(crate) mod delete_vhost;
pub(crate) mod node_gone;
pub(crate) mod put_user;
pub(crate) mod put_vhost;
pub(crate) mod set_password;
pub(crate) mod set_permissions;
pub(crate) mod set_tags;
pub(crate) mod unbind;
