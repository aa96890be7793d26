//! Users, virtual hosts, permissions.

use super::{
    Action::{Delete, List, Put, Run},
    Command, Extra,
    Field::{Given, Text},
    Key, Listing, Opt, Scope, all, at, command, key, of_vhost,
};
use crate::compat::{
    act::access,
    failure::{DATA, NO_USER, UNAVAILABLE},
};

const NO_SUCH_USER: &str = "User \"{0}\" does not exist";
const PASSWORD: Extra = Extra::Optional("password");

const USERS: Listing =
    Listing { path: "users", keys: &[at("user", "name"), key("tags")], defaults: &[], is_wanted: all };

const VHOSTS: Listing = Listing {
    path: "vhosts",
    keys: &[
        key("name"),
        key("description"),
        key("tags"),
        key("default_queue_type"),
        key("protected_from_deletion"),
        key("tracing"),
        key("cluster_state"),
        key("metadata"),
    ],
    defaults: &["name"],
    is_wanted: all,
};

const PATTERNS: [Key; 3] = [key("configure"), key("write"), key("read")];

const PERMISSIONS: Listing = Listing {
    path: "vhosts/{vhost}/permissions",
    keys: &[key("user"), PATTERNS[0], PATTERNS[1], PATTERNS[2]],
    defaults: &[],
    is_wanted: all,
};

const USER_PERMISSIONS: Listing = Listing {
    path: "users/{0}/permissions",
    keys: &[key("vhost"), PATTERNS[0], PATTERNS[1], PATTERNS[2]],
    defaults: &[],
    is_wanted: all,
};

const TOPIC_PERMISSIONS: Listing = Listing {
    path: "topic-permissions",
    keys: &[key("user"), key("exchange"), PATTERNS[1], PATTERNS[2]],
    defaults: &[],
    is_wanted: of_vhost,
};

const USER_TOPIC_PERMISSIONS: Listing = Listing {
    path: "users/{0}/topic-permissions",
    keys: &[key("vhost"), key("exchange"), PATTERNS[1], PATTERNS[2]],
    defaults: &[],
    is_wanted: all,
};

pub(super) const COMMANDS: &[Command] = &[
    command("add_user", &["username"], "Adding user \"{0}\" ...", Run(access::add_user))
        .extra(PASSWORD)
        .options(&[Opt::flag("pre-hashed-password")]),
    command("delete_user", &["username"], "Deleting user \"{0}\" ...", Delete("users/{0}"))
        .missing(NO_USER, NO_SUCH_USER),
    command("change_password", &["username"], "Changing password for user \"{0}\" ...", Run(access::change_password))
        .extra(PASSWORD)
        .missing(NO_USER, NO_SUCH_USER),
    command("clear_password", &["username"], "Clearing password for user \"{0}\" ...", Run(access::clear_password))
        .missing(NO_USER, NO_SUCH_USER),
    command("set_user_tags", &["username"], "Setting tags for user \"{0}\" to [{1..}] ...", Run(access::set_user_tags))
        .extra(Extra::Many("tag"))
        .missing(NO_USER, NO_SUCH_USER),
    command("list_users", &[], "Listing users ...", List(&USERS)).scope(Scope::Both),
    command("authenticate_user", &["username"], "Authenticating user \"{0}\" ...", Run(access::authenticate_user))
        .extra(PASSWORD),
    command("hash_password", &[], "Hashing password ...", Run(access::hash_password)).extra(PASSWORD),
    command(
        "add_vhost",
        &["vhost"],
        "Adding vhost \"{0}\" ...",
        Put(
            "vhosts/{0}",
            &[
                ("description", Given("description")),
                ("tags", Given("tags")),
                ("default_queue_type", Given("default-queue-type")),
            ],
        ),
    )
    .options(&[Opt::value("description"), Opt::value("tags"), Opt::value("default-queue-type")]),
    command("update_vhost_metadata", &["vhost"], "Updating metadata of vhost \"{0}\" ...", Run(access::update_vhost))
        .options(&[Opt::value("description"), Opt::value("tags"), Opt::value("default-queue-type")])
        .missing(DATA, "Virtual host '{0}' does not exist"),
    command("delete_vhost", &["vhost"], "Deleting vhost \"{0}\" ...", Delete("vhosts/{0}"))
        .missing(DATA, "Virtual host '{0}' does not exist"),
    command("list_vhosts", &[], "Listing vhosts ...", List(&VHOSTS)).extra(Extra::Many("column")).scope(Scope::Both),
    command(
        "set_permissions",
        &["username", "conf", "write", "read"],
        "Setting permissions for user \"{0}\" in vhost \"{vhost}\" ...",
        Put("permissions/{vhost}/{0}", &[("configure", Text("{1}")), ("write", Text("{2}")), ("read", Text("{3}"))]),
    )
    .missing(NO_USER, NO_SUCH_USER),
    command(
        "clear_permissions",
        &["username"],
        "Clearing permissions for user \"{0}\" in vhost \"{vhost}\" ...",
        Delete("permissions/{vhost}/{0}"),
    )
    .missing(UNAVAILABLE, "User \"{0}\" has no permissions in vhost \"{vhost}\""),
    command("list_permissions", &[], "Listing permissions for vhost \"{vhost}\" ...", List(&PERMISSIONS))
        .scope(Scope::Both),
    command(
        "list_user_permissions",
        &["username"],
        "Listing permissions for user \"{0}\" ...",
        List(&USER_PERMISSIONS),
    )
    .scope(Scope::Both)
    .missing(NO_USER, NO_SUCH_USER),
    command(
        "set_topic_permissions",
        &["username", "exchange", "write", "read"],
        "Setting topic permissions on \"{1}\" for user \"{0}\" in vhost \"{vhost}\" ...",
        Put(
            "topic-permissions/{vhost}/{0}",
            &[("exchange", Text("{1}")), ("write", Text("{2}")), ("read", Text("{3}"))],
        ),
    )
    .missing(NO_USER, NO_SUCH_USER),
    command(
        "clear_topic_permissions",
        &["username"],
        "Clearing topic permissions for user \"{0}\" in vhost \"{vhost}\" ...",
        Delete("topic-permissions/{vhost}/{0}"),
    )
    .missing(UNAVAILABLE, "User \"{0}\" has no topic permissions in vhost \"{vhost}\""),
    command(
        "list_topic_permissions",
        &[],
        "Listing topic permissions for vhost \"{vhost}\" ...",
        List(&TOPIC_PERMISSIONS),
    )
    .scope(Scope::Both),
    command(
        "list_user_topic_permissions",
        &["username"],
        "Listing topic permissions for user \"{0}\" ...",
        List(&USER_TOPIC_PERMISSIONS),
    )
    .scope(Scope::Both)
    .missing(NO_USER, NO_SUCH_USER),
];
