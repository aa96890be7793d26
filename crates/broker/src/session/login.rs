//! Who a client is and which virtual host it enters.

use amqp_codec::ReplyCode;
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

/// A client that has named its user, and was asked for the password.
#[derive(Debug)]
pub(crate) struct Challenged {
    user: ShortStr,
    client_properties: FieldTable,
}

impl Shared {
    /// `connection.start-ok`. That the mechanism is one that was offered has been checked.
    pub(crate) fn log_in(
        &mut self,
        conn: &mut Connection,
        mechanism: &ShortStr,
        response: &Bytes,
        client_properties: &FieldTable,
    ) {
        self.mechanism = mechanism.compact();
        let (claimed, verdict) = match Mechanism::parse(mechanism.as_bytes()) {
            Some(Mechanism::ChallengeResponse) => match auth::user_name(response) {
                Ok(user) => {
                    let client_properties = client_properties.clone();
                    self.challenged = Some(Box::new(Challenged { user, client_properties }));
                    conn.challenge(Bytes::from_static(auth::CHALLENGE));
                    return;
                }
                Err(error) => (ShortStr::EMPTY, Err(error.to_string())),
            },
            Some(Mechanism::Anonymous) => self.admit_anonymous(),
            Some(Mechanism::Plain) => self.check_login(auth::parse_plain(response).map_err(|error| error.to_string())),
            Some(Mechanism::AmqPlain) => self.check_login(amqplain(response)),
            None => (ShortStr::EMPTY, Err(format!("mechanism {mechanism} is not offered"))),
        };
        self.logged_in(conn, &claimed, verdict, client_properties);
    }

    /// `connection.secure-ok`
    pub(crate) fn answer_challenge(&mut self, conn: &mut Connection, response: &[u8]) {
        let Some(challenged) = self.challenged.take() else { return conn.login_refused() };
        let Challenged { user, client_properties } = *challenged;
        match auth::challenged_password(response) {
            Ok(password) => {
                let (user, verdict) = self.check_login(Ok(Credentials { user, password }));
                self.logged_in(conn, &user, verdict, &client_properties);
            }
            Err(error) => {
                let why = error.to_string();
                self.tell_login(&user, &self.mechanism, Some(&why));
                metrics::login_refused();
                info!(connection = self.id.serial, why, "login refused");
                let secure_ok = amqp_codec::methods::connection::SecureOk::INFO;
                conn.hard_error(ReplyCode::SyntaxError, &why, secure_ok.class_id, secure_ok.method_id);
            }
        }
    }

    fn logged_in(
        &mut self,
        conn: &mut Connection,
        claimed: &ShortStr,
        verdict: Result<User, String>,
        client_properties: &FieldTable,
    ) {
        let who = client_properties.get("connection_name").and_then(|name| name.as_str()).unwrap_or_default();
        self.tell_login(claimed, &self.mechanism, verdict.as_ref().err().map(String::as_str));
        match verdict {
            Ok(user) => {
                debug!(user = %user.name, connection = self.id.serial, connection_name = who, "login");
                self.user = Some(user);
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

    /// Whom the client claims to be, and whether that is so.
    fn check_login(&self, credentials: Result<Credentials, String>) -> (ShortStr, Result<User, String>) {
        match credentials {
            Ok(credentials) => (credentials.user.clone(), self.authenticate(&credentials)),
            Err(why) => (ShortStr::EMPTY, Err(why)),
        }
    }

    /// Lets a client in as the user that the configuration names.
    fn admit_anonymous(&self) -> (ShortStr, Result<User, String>) {
        let Some(name) = self.broker.config().anonymous_user.clone() else {
            return (ShortStr::EMPTY, Err("there is no user for anonymous clients".to_owned()));
        };
        let machine = self.broker.metadata().read();
        let verdict = match machine.user(name.as_bytes()) {
            Some(user) => self.check_loopback(&name).map(|()| User::of(user)),
            None => Err(format!("user '{name}' is not known")),
        };
        (name, verdict)
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
        self.check_loopback(name)?;
        Ok(User::of(user))
    }

    fn check_loopback(&self, name: &ShortStr) -> Result<(), String> {
        match self.broker.config().loopback_users.allows(name.as_bytes(), self.peer.ip()) {
            true => Ok(()),
            false => Err(format!("user '{name}' can only connect via localhost")),
        }
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

fn amqplain(response: &Bytes) -> Result<Credentials, String> {
    let fields = table_without_length(response).map_err(|error| error.to_string())?;
    auth::amqplain_credentials(&fields).map_err(|error| error.to_string())
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
