//! Names in a client's methods must be UTF-8, as RabbitMQ asks: they end up in the management API. Only the routing key and
//! the exchange of a publish may hold any bytes.

use amqp_codec::methods::Method;
use types::ShortStr;

/// Whether the short strings of a method that a client may send are UTF-8.
pub(crate) fn is_utf8(method: &Method) -> bool {
    let all = |texts: &[&ShortStr]| texts.iter().all(|text| text.as_str().is_some());
    match method {
        Method::ConnectionStartOk(m) => all(&[&m.mechanism, &m.locale]),
        Method::ConnectionOpen(m) => all(&[&m.virtual_host]),
        Method::ConnectionUpdateSecret(m) => all(&[&m.reason]),
        Method::AccessRequest(m) => all(&[&m.realm]),
        Method::ExchangeDeclare(m) => all(&[&m.exchange, &m.type_]),
        Method::ExchangeDelete(m) => all(&[&m.exchange]),
        Method::ExchangeBind(m) => all(&[&m.destination, &m.source, &m.routing_key]),
        Method::ExchangeUnbind(m) => all(&[&m.destination, &m.source, &m.routing_key]),
        Method::QueueDeclare(m) => all(&[&m.queue]),
        Method::QueueBind(m) => all(&[&m.queue, &m.exchange, &m.routing_key]),
        Method::QueueUnbind(m) => all(&[&m.queue, &m.exchange, &m.routing_key]),
        Method::QueuePurge(m) => all(&[&m.queue]),
        Method::QueueDelete(m) => all(&[&m.queue]),
        Method::BasicConsume(m) => all(&[&m.queue, &m.consumer_tag]),
        Method::BasicCancel(m) => all(&[&m.consumer_tag]),
        Method::BasicGet(m) => all(&[&m.queue]),
        // Methods without names, reply texts (nobody reads them), the publish, and what only a server sends (refused anyway).
        _ => true,
    }
}
