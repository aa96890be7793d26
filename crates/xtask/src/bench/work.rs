//! The standard works: three nodes, persistent messages, confirms with 1,000 unconfirmed, manual acks with prefetch 500 and an ack
//! for every 50 deliveries, which are the load generator's defaults.

/// One load.
#[derive(Debug)]
pub(super) struct Work {
    /// As tables show it.
    pub(super) name: &'static str,
    /// For `quorate perf run`.
    pub(super) arguments: &'static [&'static str],
}

/// All of them.
pub(super) const WORKS: [Work; 5] = [
    Work { name: "1 + 1, 1 KiB", arguments: &["--size", "1024"] },
    Work {
        name: "4 + 4 on 4 queues, 1 KiB",
        arguments: &["--publishers", "4", "--consumers", "4", "--queues", "4", "--size", "1024"],
    },
    Work { name: "1 + 1, 16 B", arguments: &["--size", "16"] },
    Work { name: "1 + 1, 16 KiB", arguments: &["--size", "16k"] },
    Work { name: "1 + 1, 1 KiB, 1,000/s", arguments: &["--size", "1024", "--rate", "1000"] },
];
