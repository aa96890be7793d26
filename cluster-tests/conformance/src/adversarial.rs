//! Clients that stay within the protocol's rules, or just outside, and ask for more than their share: huge topologies, deep
//! tables, floods, silence. Each is served or refused with the right code, in bounded time and memory, and another client goes
//! on as if nothing had happened.

mod client;
mod connections;
mod counts;
mod field;
mod flow;
mod memory;
mod sizes;
mod tables;
mod topology;

use std::time::Instant;

use anyhow::Result;
use xtask::cluster::Cluster;

use self::field::Field;
use crate::{bystander::Bystander, report::Report};

/// One case; what it returns is worth knowing, and shown.
type Case = fn(&Field<'_>) -> Result<String>;

const CASES: [(&str, Case); 26] = [
    ("topic bindings of 127 wildcards are matched in bounded time", topology::wildcards),
    ("weights of a consistent-hash exchange are bounded", topology::weights),
    ("headers nested 10,000 deep are refused with 502", tables::deep_headers),
    ("arrays nested 10,000 deep in headers are refused with 502", tables::deep_header_arrays),
    ("arguments nested 10,000 deep are refused with 501", tables::deep_arguments),
    ("arrays nested 10,000 deep in arguments are refused with 501", tables::deep_argument_arrays),
    ("client properties nested 10,000 deep close the socket", tables::deep_client_properties),
    ("client properties nested as deep as a first frame can hold close the socket", tables::client_properties),
    ("headers nested 50 deep are delivered as they were", tables::shallow_headers),
    ("headers that announce four gibibytes are refused with 502", tables::headers_of_four_gibibytes),
    ("arguments that announce four gibibytes are refused with 501", tables::arguments_of_four_gibibytes),
    ("client properties that announce four gibibytes close the socket", tables::properties_of_four_gibibytes),
    ("a name that stands twice in the headers is delivered twice", tables::name_twice_in_headers),
    ("a name that stands twice in arguments does no harm", tables::name_twice_in_arguments),
    ("a body of 2^63 bytes is refused with 406 before it comes", sizes::body_of_eight_exbibytes),
    ("a body one byte above the maximum is refused with 406 before it comes", sizes::body_above_maximum),
    ("bodies that are announced and do not come cost no memory", sizes::bodies_that_do_not_come),
    ("empty bodies come as empty bodies through every node", sizes::empty_bodies),
    ("the largest body comes whole through every node", sizes::largest_body),
    ("2047 channels are served, one more is refused with 530", connections::channels),
    ("a thousand clients that say nothing are sent away, and others get in meanwhile", connections::silent),
    ("a client with very many exclusive queues is served in bounded memory", counts::queues),
    ("a queue with very many bindings is bound and deleted in bounded time", counts::bindings),
    ("a consumer that does not read costs bounded memory, and gets everything in the end", flow::deaf_consumer),
    ("a publisher that floods without confirms costs bounded memory", flow::flood),
    ("a client that asks and never reads the answers is held back", flow::deaf_asker),
];

/// Runs all cases, or those whose line contains the text of the variable `CONFORMANCE_CASE`. The nodes' memory is looked at when they belong to a `cluster` of this machine.
///
/// # Errors
/// When a node has no address.
pub fn run(uris: &[String], cluster: Option<&Cluster>, report: &mut Report) -> Result<()> {
    report.heading("adversarial clients");
    let field = Field::new(uris, cluster)?;
    let only = std::env::var("CONFORMANCE_CASE").unwrap_or_default();
    for (behaviour, case) in CASES.into_iter().filter(|(behaviour, _)| behaviour.contains(&only)) {
        let begin = Instant::now();
        let result = beside_another(uris, &field, case);
        let note = result.as_ref().map(|note| format!("     {:.1} s {note}", begin.elapsed().as_secs_f64())).ok();
        report.record(behaviour, result.map(drop));
        if let Some(note) = note {
            report.line(&note);
        }
    }
    Ok(())
}

/// Runs a case while another client uses the cluster and must not notice.
fn beside_another(uris: &[String], field: &Field<'_>, case: Case) -> Result<String> {
    let bystander = Bystander::start(uris)?;
    let result = case(field);
    match (result, bystander.finish()) {
        (result, Ok(())) => result,
        (Ok(note), Err(error)) => Err(error.context(format!("another client suffered ({note})"))),
        (Err(error), Err(other)) => Err(error.context(format!("another client suffered too: {other:#}"))),
    }
}
