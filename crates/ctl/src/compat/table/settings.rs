//! Policies, parameters, limits.

use super::{
    Action::{Delete, List, Put, Run},
    Command, Field,
    Field::{Json, Number, Text},
    Key, Listing, Opt, Scope, all, command, encoded, key, of_vhost,
};
use crate::compat::{
    act::limits,
    failure::{NO_USER, UNAVAILABLE},
};

const NO_PARAMETER: &str = "Parameter does not exist";
const POLICY: &[Opt] = &[Opt::value("priority").default("0"), Opt::value("apply-to").default("all")];
const POLICY_BODY: &[(&str, Field)] = &[
    ("pattern", Text("{1}")),
    ("definition", Json("{2}")),
    ("priority", Number("{priority}")),
    ("apply-to", Text("{apply-to}")),
];

const POLICY_KEYS: &[Key] =
    &[key("vhost"), key("name"), key("pattern"), key("apply-to"), encoded("definition"), key("priority")];

const POLICIES: Listing = Listing { path: "policies/{vhost}", keys: POLICY_KEYS, defaults: &[], is_wanted: all };

const OPERATOR_POLICIES: Listing =
    Listing { path: "operator-policies/{vhost}", keys: POLICY_KEYS, defaults: &[], is_wanted: all };

const PARAMETERS: Listing = Listing {
    path: "parameters",
    keys: &[key("component"), key("name"), encoded("value")],
    defaults: &[],
    is_wanted: of_vhost,
};

const GLOBAL_PARAMETERS: Listing =
    Listing { path: "global-parameters", keys: &[key("name"), encoded("value")], defaults: &[], is_wanted: all };

pub(super) const COMMANDS: &[Command] = &[
    command(
        "set_policy",
        &["name", "pattern", "definition"],
        "Setting policy \"{0}\" for pattern \"{1}\" to \"{2}\" with priority \"{priority}\" for vhost \"{vhost}\" ...",
        Put("policies/{vhost}/{0}", POLICY_BODY),
    )
    .options(POLICY),
    command("clear_policy", &["name"], "Clearing policy \"{0}\" on vhost \"{vhost}\" ...", Delete("policies/{vhost}/{0}"))
        .missing(UNAVAILABLE, NO_PARAMETER),
    command("list_policies", &[], "Listing policies for vhost \"{vhost}\" ...", List(&POLICIES)).scope(Scope::Both),
    command(
        "set_operator_policy",
        &["name", "pattern", "definition"],
        "Setting operator policy override \"{0}\" for pattern \"{1}\" to \"{2}\" with priority \"{priority}\" for vhost \"{vhost}\" ...",
        Put("operator-policies/{vhost}/{0}", POLICY_BODY),
    )
    .options(POLICY),
    command(
        "clear_operator_policy",
        &["name"],
        "Clearing operator policy \"{0}\" on vhost \"{vhost}\" ...",
        Delete("operator-policies/{vhost}/{0}"),
    )
    .missing(UNAVAILABLE, NO_PARAMETER),
    command(
        "list_operator_policies",
        &[],
        "Listing operator policy overrides for vhost \"{vhost}\" ...",
        List(&OPERATOR_POLICIES),
    )
    .scope(Scope::Both),
    command(
        "set_parameter",
        &["component", "name", "value"],
        "Setting runtime parameter \"{1}\" for component \"{0}\" to \"{2}\" in vhost \"{vhost}\" ...",
        Put("parameters/{0}/{vhost}/{1}", &[("value", Json("{2}"))]),
    ),
    command(
        "clear_parameter",
        &["component", "name"],
        "Clearing runtime parameter \"{1}\" for component \"{0}\" on vhost \"{vhost}\" ...",
        Delete("parameters/{0}/{vhost}/{1}"),
    )
    .missing(UNAVAILABLE, NO_PARAMETER),
    command("list_parameters", &[], "Listing runtime parameters for vhost \"{vhost}\" ...", List(&PARAMETERS))
        .scope(Scope::Both),
    command(
        "set_global_parameter",
        &["name", "value"],
        "Setting global runtime parameter \"{0}\" to \"{1}\" ...",
        Put("global-parameters/{0}", &[("value", Json("{1}"))]),
    ),
    command(
        "clear_global_parameter",
        &["name"],
        "Clearing global runtime parameter \"{0}\" ...",
        Delete("global-parameters/{0}"),
    )
    .missing(UNAVAILABLE, NO_PARAMETER),
    command("list_global_parameters", &[], "Listing global runtime parameters ...", List(&GLOBAL_PARAMETERS))
        .scope(Scope::Both),
    command(
        "set_vhost_limits",
        &["definition"],
        "Setting vhost limits to \"{0}\" for vhost \"{vhost}\" ...",
        Run(limits::set_vhost),
    ),
    command("clear_vhost_limits", &[], "Clearing vhost \"{vhost}\" limits ...", Run(limits::clear_vhost)),
    command("list_vhost_limits", &[], "Listing limits for vhost \"{vhost}\" ...", Run(limits::list_vhost))
        .banner_with("global", "Listing limits for all vhosts ...")
        .options(&[Opt::flag("global")])
        .scope(Scope::Both),
    command(
        "set_user_limits",
        &["username", "definition"],
        "Setting user limits to \"{1}\" for user \"{0}\" ...",
        Run(limits::set_user),
    )
    .missing(NO_USER, "User \"{0}\" does not exist"),
    command("clear_user_limits", &["username", "limit"], "Clearing \"{1}\" limit for user \"{0}\" ...", Run(limits::clear_user))
        .missing(NO_USER, "User \"{0}\" does not exist"),
    command("list_user_limits", &[], "Listing limits for all users ...", Run(limits::list_user))
        .banner_with("user", "Listing limits for user \"{user}\" ...")
        .options(&[Opt::flag("global"), Opt::value("user")])
        .scope(Scope::Both),
];
