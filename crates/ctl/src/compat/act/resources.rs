//! From where on the node that is asked blocks publishers.

use serde_json::json;

use super::{Context, Failure, Output, Result};
use crate::{
    bytes,
    compat::failure::{DATA, USAGE},
};

const PATH: &str = "resource-limits";

/// `set_vm_memory_high_watermark <fraction>`, or `absolute <bytes>`
pub(crate) fn set_memory(context: &Context<'_>) -> Result<Output> {
    let call = context.call;
    let (first, second) = (call.argument(0), call.arguments.get(1));
    let body = match (first, second) {
        ("absolute", Some(amount)) => json!({"memory_high_watermark_bytes": bytes_of(amount)?}),
        ("absolute", None) => return Err(Failure::new(USAGE, "not enough arguments: an amount follows 'absolute'")),
        (fraction, None) => json!({"memory_high_watermark": fraction_of(fraction)?}),
        (_, Some(_)) => return Err(Failure::new(USAGE, "too many arguments.")),
    };
    context.client.put(PATH, &body)?;
    Ok(Output::Nothing)
}

/// `set_disk_free_limit <bytes>`, or `mem_relative <factor>`
pub(crate) fn set_disk(context: &Context<'_>) -> Result<Output> {
    let call = context.call;
    let (first, second) = (call.argument(0), call.arguments.get(1));
    let body = match (first, second) {
        ("mem_relative", Some(factor)) => json!({"disk_free_limit_of_memory": factor_of(factor)?}),
        ("mem_relative", None) => {
            return Err(Failure::new(USAGE, "not enough arguments: a factor follows 'mem_relative'"));
        }
        (amount, None) => json!({"disk_free_limit_bytes": bytes_of(amount)?}),
        (_, Some(_)) => return Err(Failure::new(USAGE, "too many arguments.")),
    };
    context.client.put(PATH, &body)?;
    Ok(Output::Nothing)
}

fn bytes_of(text: &str) -> Result<u64> {
    bytes::parse(text).ok_or_else(|| wrong(&format!("'{text}' is no amount of bytes such as 2147483648, 2GiB or 2GB")))
}

fn fraction_of(text: &str) -> Result<f64> {
    let fraction = text.parse().ok().filter(|fraction| (0.0..=1.0).contains(fraction));
    fraction.ok_or_else(|| wrong("The threshold should be a fraction between 0.0 and 1.0"))
}

fn factor_of(text: &str) -> Result<f64> {
    let factor = text.parse().ok().filter(|factor: &f64| *factor >= 0.0 && factor.is_finite());
    factor.ok_or_else(|| wrong(&format!("'{text}' is no factor of the memory")))
}

fn wrong(why: &str) -> Failure {
    Failure::new(DATA, why)
}
