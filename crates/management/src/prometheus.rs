//! The recorder behind the `metrics` macros, and the buckets of its histograms.

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds for histograms whose name ends with `_seconds`. From a fsync on a fast disk (0.1 ms) to a fault's timeout
/// (10 s); about four per decade, since confirms are judged between 0.5 and 5 ms.
const BUCKETS_SECONDS: &[f64] =
    &[0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];

/// Upper bounds for histograms whose name ends with `_bytes`: powers of four from 256 B to 16 MiB, the largest message.
const BUCKETS_BYTES: &[f64] =
    &[256.0, 1024.0, 4096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0];

/// Upper bounds for all other histograms, which count things (commands of a batch, batches in flight).
const BUCKETS_COUNT: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// The metrics recorder could not be installed.
#[derive(Debug, thiserror::Error)]
#[error("metrics recorder cannot be installed")]
pub struct InstallError(#[from] BuildError);

/// Installs the process' metrics recorder; what it gathers is read through the handle. Starts no thread and no listener:
/// [`serve`](crate::serve) answers scrapes and keeps the handle's memory in bounds.
///
/// # Errors
/// When the process has a recorder already.
pub fn install_recorder() -> Result<PrometheusHandle, InstallError> {
    Ok(builder()?.install_recorder()?)
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new()
        .set_buckets(BUCKETS_COUNT)?
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), BUCKETS_SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_bytes".into()), BUCKETS_BYTES)
}

#[cfg(test)]
mod tests {
    use metrics::{histogram, with_local_recorder};

    use super::*;

    #[test]
    fn histograms_have_buckets_by_the_unit_in_their_name() {
        let recorder = builder().unwrap().build_recorder();
        with_local_recorder(&recorder, || {
            histogram!("a_seconds").record(0.0015);
            histogram!("a_bytes").record(300.0);
            histogram!("a_commands").record(3.0);
        });
        let text = recorder.handle().render();
        assert!(text.contains("a_seconds_bucket{le=\"0.001\"} 0"), "{text}");
        assert!(text.contains("a_seconds_bucket{le=\"0.002\"} 1"), "{text}");
        assert!(text.contains("a_bytes_bucket{le=\"1024\"} 1"), "{text}");
        assert!(text.contains("a_commands_bucket{le=\"4\"} 1"), "{text}");
    }
}
