//! A new cluster's first vhost and user.

use types::{ShortStr, Timestamp};

use super::put_vhost;
use crate::{Bootstrap, Change, Event, Machine, Permissions, PutVhost, Reply, User, UserLimits, compact};

pub(crate) fn apply(machine: &mut Machine, c: &Bootstrap, now: Timestamp, events: &mut Vec<Event>) -> Reply {
    if !machine.set_bootstrapped() {
        return Reply::Done(Change::Unchanged);
    }
    if machine.vhost(c.vhost.as_bytes()).is_none() {
        let vhost = c.vhost.clone();
        let description = Some("Default virtual host".to_owned());
        let defaults = c.defaults.clone();
        put_vhost::create(machine, &PutVhost { vhost, description, defaults, ..PutVhost::default() }, now, events);
    }
    if machine.user(c.user.as_bytes()).is_none() {
        let user = User {
            name: c.user.compact(),
            password: Some(compact::password(&c.password)),
            tags: vec![ShortStr::from_static("administrator")],
            limits: UserLimits::default(),
        };
        machine.put_user(user, events);
    }
    if machine.permissions(c.user.as_bytes(), c.vhost.as_bytes()).is_none() {
        machine.put_permissions(&c.user, &c.vhost, Permissions::full(), events);
    }
    Reply::Done(Change::Created)
}
