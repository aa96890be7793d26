//! The administration under `/api`, in the shape of RabbitMQ's: the part that the command line needs.
//!
//! Every request is authenticated first. What changes something goes through the broker, as a client's request would.

mod caller;
mod clients;
mod cluster;
mod documents;
mod exchanges;
mod limits;
mod outcome;
mod overview;
mod parameters;
mod permissions;
mod policies;
mod queues;
mod resources;
mod users;
mod vhosts;

pub use documents::{ImportError, check_definitions, import};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{delete, get, post, put},
};

use crate::routes::App;

/// Largest document of definitions. Unit: bytes.
pub(crate) const DEFINITIONS_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The paths of the administration.
pub(crate) fn router() -> Router<App> {
    let document = get(documents::export_all).post(documents::import_all);
    let of_vhost = get(documents::export_vhost).post(documents::import_vhost);
    let document = document.layer(DefaultBodyLimit::max(DEFINITIONS_BYTES_MAX));
    let of_vhost = of_vhost.layer(DefaultBodyLimit::max(DEFINITIONS_BYTES_MAX));
    Router::new()
        .route("/overview", get(overview::overview))
        .route("/whoami", get(overview::whoami))
        .route("/nodes", get(overview::nodes))
        .route("/quorate/replicas", get(overview::replicas))
        .route("/cluster-name", get(overview::cluster_name).put(overview::set_cluster_name))
        .route("/health/checks/alarms", get(overview::alarms))
        .route("/health/checks/local-alarms", get(overview::alarms))
        .route("/resource-limits", get(resources::show).put(resources::put))
        .route("/definitions", document)
        .route("/definitions/{vhost}", of_vhost)
        .route("/cluster", get(cluster::status))
        .route("/cluster/nodes/{node}/{order}", post(cluster::order))
        .route("/cluster/rebalance", post(cluster::rebalance))
        .route("/cluster/groups/{group}/leader", put(cluster::transfer_leader))
        .merge(names())
        .merge(settings())
        .merge(things())
}

/// Vhosts, users, permissions.
fn names() -> Router<App> {
    Router::new()
        .route("/vhosts", get(vhosts::list))
        .route("/vhosts/{vhost}", get(vhosts::one).put(vhosts::put).delete(vhosts::delete))
        .route("/vhosts/{vhost}/permissions", get(permissions::of_vhost))
        .route("/vhosts/{vhost}/topic-permissions", get(permissions::topic_of_vhost))
        .route("/users", get(users::list))
        .route("/users/{user}", get(users::one).put(users::put).delete(users::delete))
        .route("/users/{user}/permissions", get(permissions::of_user))
        .route("/users/{user}/topic-permissions", get(permissions::topic_of_user))
        .route("/permissions", get(permissions::list))
        .route("/permissions/{vhost}/{user}", get(permissions::one).put(permissions::put).delete(permissions::clear))
        .route("/topic-permissions", get(permissions::topic_list))
        .route("/topic-permissions/{vhost}/{user}", {
            get(permissions::topic_one).put(permissions::topic_put).delete(permissions::topic_clear)
        })
}

/// Policies, parameters, limits.
fn settings() -> Router<App> {
    Router::new()
        .route("/policies", get(policies::list))
        .route("/policies/{vhost}", get(policies::of_vhost))
        .route("/policies/{vhost}/{name}", get(policies::one).put(policies::put).delete(policies::delete))
        .route("/operator-policies", get(policies::operator_list))
        .route("/operator-policies/{vhost}", get(policies::operator_of_vhost))
        .route("/operator-policies/{vhost}/{name}", {
            get(policies::operator_one).put(policies::operator_put).delete(policies::operator_delete)
        })
        .route("/parameters", get(parameters::list))
        .route("/parameters/{component}/{vhost}/{name}", {
            get(parameters::one).put(parameters::put).delete(parameters::delete)
        })
        .route("/global-parameters", get(parameters::global_list))
        .route("/global-parameters/{name}", {
            get(parameters::global_one).put(parameters::global_put).delete(parameters::global_delete)
        })
        .route("/vhost-limits", get(limits::vhost_list))
        .route("/vhost-limits/{vhost}", get(limits::of_vhost))
        .route("/vhost-limits/{vhost}/{name}", put(limits::put_vhost).delete(limits::clear_vhost))
        .route("/user-limits", get(limits::user_list))
        .route("/user-limits/{user}", get(limits::of_user))
        .route("/user-limits/{user}/{name}", put(limits::put_user).delete(limits::clear_user))
}

/// Exchanges, queues, bindings, clients.
fn things() -> Router<App> {
    Router::new()
        .route("/exchanges", get(exchanges::list))
        .route("/exchanges/{vhost}", get(exchanges::of_vhost))
        .route("/exchanges/{vhost}/{name}", get(exchanges::one).put(exchanges::put).delete(exchanges::delete))
        .route("/bindings", get(exchanges::bindings))
        .route("/bindings/{vhost}", get(exchanges::bindings_of_vhost))
        .route("/queues", get(queues::list))
        .route("/queues/{vhost}", get(queues::of_vhost))
        .route("/queues/{vhost}/{name}", get(queues::one).put(queues::put).delete(queues::delete))
        .route("/queues/{vhost}/{name}/contents", delete(queues::purge))
        .route("/connections", get(clients::connections))
        .route("/connections/{name}", delete(clients::close))
        .route("/channels", get(clients::channels))
        .route("/consumers", get(clients::consumers))
}
