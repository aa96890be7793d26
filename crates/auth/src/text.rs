//! What a client is told when it may not: RabbitMQ's texts, without the name of the reply code that AMQP puts before them.

use types::ShortStr;

use crate::permission::{Access, Kind, permission_name};

/// 403 to clients that announce `authentication_failure_close`.
pub fn login_refused(mechanism: &str) -> String {
    format!("Login was refused using authentication mechanism {mechanism}. For details see the broker logfile.")
}

/// 530 when a user has no permissions in the vhost.
pub fn vhost_refused(vhost: &ShortStr, user: &ShortStr) -> String {
    format!("access to vhost '{vhost}' refused for user '{user}'")
}

/// 403 when a pattern does not match.
pub fn access_refused(access: Access, kind: Kind, name: &[u8], vhost: &ShortStr, user: &ShortStr) -> String {
    format!(
        "{} access to {} '{}' in vhost '{vhost}' refused for user '{user}'",
        access.as_str(),
        kind.as_str(),
        String::from_utf8_lossy(permission_name(kind, name)),
    )
}

/// 403 when a topic permission does not match.
pub fn topic_refused(
    access: Access,
    routing_key: &[u8],
    exchange: &ShortStr,
    vhost: &ShortStr,
    user: &ShortStr,
) -> String {
    format!(
        "{} access to topic '{}' in exchange '{exchange}' in vhost '{vhost}' refused for user '{user}'",
        access.as_str(),
        String::from_utf8_lossy(routing_key),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_rabbitmqs() {
        let (vhost, user) = (ShortStr::from_static("/"), ShortStr::from_static("u"));
        assert_eq!(
            access_refused(Access::Configure, Kind::Queue, b"q", &vhost, &user),
            "configure access to queue 'q' in vhost '/' refused for user 'u'"
        );
        assert_eq!(
            access_refused(Access::Write, Kind::Exchange, b"", &vhost, &user),
            "write access to exchange 'amq.default' in vhost '/' refused for user 'u'"
        );
        assert_eq!(
            topic_refused(Access::Write, b"a.b", &ShortStr::from_static("x"), &vhost, &user),
            "write access to topic 'a.b' in exchange 'x' in vhost '/' refused for user 'u'"
        );
        assert_eq!(vhost_refused(&vhost, &user), "access to vhost '/' refused for user 'u'");
        assert_eq!(
            login_refused("PLAIN"),
            "Login was refused using authentication mechanism PLAIN. For details see the broker logfile."
        );
    }
}
