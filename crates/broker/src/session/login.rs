//! Who a client is and which virtual host it enters.

use amqp_connection::Connection;
use auth::{Credentials, Mechanism};
use bytes::{BufMut, Bytes, BytesMut};
use metadata::HashAlgorithm;
use tracing::{debug, info};
use types::{FieldTable, ShortStr};

use super::{
    describe::encoded,
    shared::{Shared, User},
};
use crate::{failure::Failure, metrics};

impl Shared {
    /// `connection.start-ok`
    pub(crate) fn log_in(
        &mut self,
        conn: &mut Connection,
        mechanism: &ShortStr,
        response: &Bytes,
        client_properties: &FieldTable,
    ) {
        let who = client_properties.get("connection_name").and_then(|name| name.as_str()).unwrap_or_default();
        let credentials = credentials(mechanism, response);
        let claimed = credentials.as_ref().map(|credentials| credentials.user.clone()).unwrap_or_default();
        let verdict = credentials.and_then(|credentials| self.authenticate(&credentials));
        self.tell_login(&claimed, mechanism, verdict.as_ref().err().map(String::as_str));
        match verdict {
            Ok(user) => {
                debug!(user = %user.name, connection = self.id.serial, connection_name = who, "login");
                self.user = Some(user);
                self.mechanism = mechanism.compact();
                self.client_properties = encoded(client_properties);
                conn.login_ok();
            }
            Err(why) => {
                metrics::login_refused();
                info!(connection = self.id.serial, connection_name = who, why, "login refused");
                conn.login_refused();
            }
        }
    }

    fn authenticate(&self, credentials: &Credentials) -> Result<User, String> {
        let name = &credentials.user;
        let machine = self.broker.metadata().read();
        let user = machine.user(name.as_bytes());
        let stored = user.and_then(|user| user.password.as_ref());
        let stored = stored.map(|hash| (algorithm(hash.algorithm), &hash.salted[..]));
        let is_right = auth::check_password(stored, &credentials.password);
        let Some(user) = user.filter(|_| is_right) else {
            return Err(format!("user '{name}' is not known, or the password is wrong"));
        };
        if !self.broker.config().loopback_users.allows(name.as_bytes(), self.peer.ip()) {
            return Err(format!("user '{name}' can only connect via localhost"));
        }
        Ok(User::of(user))
    }

    /// `connection.open`
    pub(crate) fn open(&mut self, conn: &mut Connection, vhost: &ShortStr) {
        match self.check_vhost(vhost) {
            Ok(()) => {
                self.vhost = vhost.compact();
                self.is_open = true;
                self.broker.opened(self.id, &self.user_name(), &self.vhost);
                conn.open_ok();
                self.tell_connection_created();
            }
            Err(failure) => {
                metrics::client_error();
                let open = amqp_codec::methods::connection::Open::INFO;
                conn.hard_error(failure.code, &failure.text, open.class_id, open.method_id);
            }
        }
    }

    /// `connection.update-secret`: what the user may do is looked up anew. As with RabbitMQ's own users the secret itself is
    /// not: it was only needed to log in. Whether the connection goes on.
    pub(crate) fn update_secret(&mut self, conn: &mut Connection, reason: &ShortStr) -> bool {
        let name = self.user_name();
        let user = {
            let machine = self.broker.metadata().read();
            machine.user(name.as_bytes()).map(User::of)
        };
        let Some(user) = user else {
            info!(user = %name, connection = self.id.serial, "new secret refused: the user is gone");
            metrics::client_error();
            conn.update_secret_refused();
            return false;
        };
        self.user = Some(user);
        self.forget_grants();
        let vhost = self.vhost.clone();
        if let Err(failure) = self.check_vhost_access(&vhost) {
            metrics::client_error();
            let update = amqp_codec::methods::connection::UpdateSecret::INFO;
            conn.hard_error(failure.code, &failure.text, update.class_id, update.method_id);
            return false;
        }
        info!(user = %name, connection = self.id.serial, %reason, "secret updated");
        true
    }

    fn check_vhost(&self, vhost: &ShortStr) -> Result<(), Failure> {
        self.check_node_limit()?;
        {
            let machine = self.broker.metadata().read();
            let Some(found) = machine.vhost(vhost.as_bytes()) else {
                return Err(Failure::not_allowed(format!("vhost {vhost} not found")));
            };
            self.check_vhost_limit(found)?;
            self.check_user_limit(&machine)?;
        }
        self.check_vhost_access(vhost)
    }

    fn check_vhost_access(&self, vhost: &ShortStr) -> Result<(), Failure> {
        let machine = self.broker.metadata().read();
        let user = self.user_name();
        match machine.permissions(user.as_bytes(), vhost.as_bytes()) {
            Some(_) => Ok(()),
            None => Err(Failure::not_allowed(auth::text::vhost_refused(vhost, &user))),
        }
    }
}

fn credentials(mechanism: &ShortStr, response: &Bytes) -> Result<Credentials, String> {
    match Mechanism::parse(mechanism.as_bytes(), false) {
        Some(Mechanism::Plain) => auth::parse_plain(response).map_err(|error| error.to_string()),
        Some(Mechanism::AmqPlain) => {
            let fields = table_without_length(response).map_err(|error| error.to_string())?;
            auth::amqplain_credentials(&fields).map_err(|error| error.to_string())
        }
        Some(Mechanism::Anonymous) | None => Err(format!("mechanism {mechanism} is not offered")),
    }
}

/// AMQPLAIN's response is a field table without the length in front.
fn table_without_length(fields: &Bytes) -> Result<FieldTable, amqp_codec::DecodeError> {
    let mut table = BytesMut::with_capacity(4 + fields.len());
    // A frame holds it, so it is far below 4 GiB.
    table.put_u32(u32::try_from(fields.len()).unwrap_or(u32::MAX));
    table.put_slice(fields);
    amqp_codec::table::decode(&mut table.freeze())
}

fn algorithm(algorithm: HashAlgorithm) -> auth::Algorithm {
    match algorithm {
        HashAlgorithm::Sha256 => auth::Algorithm::Sha256,
        HashAlgorithm::Sha512 => auth::Algorithm::Sha512,
        HashAlgorithm::Md5 => auth::Algorithm::Md5,
    }
}
