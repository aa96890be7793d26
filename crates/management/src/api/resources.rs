//! `/api/resource-limits`: from where on the node that is asked blocks publishers. RabbitMQ sets these with its command line only.

use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    caller::Caller,
    outcome::{Failure, Outcome, found, no_content},
};
use crate::{Amount, ResourceLimits, routes::App};

/// What may be said, of memory, disk or both.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Body {
    memory_high_watermark: Option<f64>,
    memory_high_watermark_bytes: Option<u64>,
    disk_free_limit_of_memory: Option<f64>,
    disk_free_limit_bytes: Option<u64>,
}

pub(crate) async fn show(State(app): State<App>, caller: Caller) -> Outcome {
    caller.monitors()?;
    let process = app.view.process();
    found(
        &json!({"node": app.view.cluster().node, "mem_limit": process.memory_limit, "disk_free_limit": process.disk_free_limit}),
    )
}

pub(crate) async fn put(State(app): State<App>, caller: Caller, Json(body): Json<Value>) -> Outcome {
    caller.administrates()?;
    let body: Body = serde_json::from_value(body).map_err(|why| Failure::bad_request(why.to_string()))?;
    let limits = limits(&body).map_err(Failure::bad_request)?;
    app.view.set_resource_limits(limits);
    no_content()
}

fn limits(body: &Body) -> Result<ResourceLimits, &'static str> {
    let memory = match (body.memory_high_watermark, body.memory_high_watermark_bytes) {
        (Some(part), None) if (0.0..=1.0).contains(&part) => Some(Amount::OfMemory(part)),
        (Some(_), None) => return Err("memory_high_watermark is a part of the memory, from 0 to 1"),
        (None, bytes) => bytes.map(Amount::Bytes),
        (Some(_), Some(_)) => return Err("memory is limited by a part or by bytes, not both"),
    };
    let disk_free = match (body.disk_free_limit_of_memory, body.disk_free_limit_bytes) {
        (Some(times), None) if times >= 0.0 && times.is_finite() => Some(Amount::OfMemory(times)),
        (Some(_), None) => return Err("disk_free_limit_of_memory is not negative"),
        (None, bytes) => bytes.map(Amount::Bytes),
        (Some(_), Some(_)) => return Err("free disk is limited by memory or by bytes, not both"),
    };
    if memory.is_none() && disk_free.is_none() {
        return Err("neither memory nor disk is limited");
    }
    Ok(ResourceLimits { memory, disk_free })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ResourceLimits, String> {
        let body: Body = serde_json::from_str(text).map_err(|why| why.to_string())?;
        limits(&body).map_err(str::to_owned)
    }

    #[test]
    fn memory_and_disk_are_limited_by_parts_or_bytes() {
        let part = ResourceLimits { memory: Some(Amount::OfMemory(0.4)), disk_free: None };
        assert_eq!(read(r#"{"memory_high_watermark": 0.4}"#), Ok(part));
        let bytes = ResourceLimits { memory: Some(Amount::Bytes(7)), disk_free: Some(Amount::Bytes(8)) };
        assert_eq!(read(r#"{"memory_high_watermark_bytes": 7, "disk_free_limit_bytes": 8}"#), Ok(bytes));
        let times = ResourceLimits { memory: None, disk_free: Some(Amount::OfMemory(1.5)) };
        assert_eq!(read(r#"{"disk_free_limit_of_memory": 1.5}"#), Ok(times));
        for wrong in [
            "{}",
            r#"{"memory_high_watermark": 1.1}"#,
            r#"{"memory_high_watermark": -0.1}"#,
            r#"{"memory_high_watermark": 0.4, "memory_high_watermark_bytes": 7}"#,
            r#"{"disk_free_limit_of_memory": -1}"#,
            r#"{"disk_free_limit_bytes": -1}"#,
            r#"{"memory": 1}"#,
        ] {
            read(wrong).unwrap_err();
        }
    }
}
