//! The command line of `quorate perf`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use crate::{
    units::{parse_amount, parse_rate, parse_seconds, parse_size},
    uri::UriList,
};

const URI_DEFAULT: &str = "amqp://guest:guest@127.0.0.1:5672";

/// What to measure.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Publish and consume; report rates, latencies, and whether every message arrived.
    Run(Box<RunArgs>),
    /// Declare many queues and report how fast that goes.
    Declare(DeclareArgs),
    /// Open connections: as fast as possible, or to hold them.
    Connect(ConnectArgs),
}

/// `quorate perf run`.
#[derive(Clone, Debug, Args, Serialize)]
pub struct RunArgs {
    /// Brokers, separated by commas; connections go round the list.
    #[arg(long, default_value = URI_DEFAULT, value_name = "URI[,URI...]")]
    pub uri: UriList,
    /// Brokers for consumers, when they are to connect elsewhere than publishers.
    #[arg(long, value_name = "URI[,URI...]")]
    pub consumer_uri: Option<UriList>,
    /// Publishers, each with a connection of its own. Publisher i publishes to queue i modulo the number of queues.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub publishers: u16,
    /// Consumers, each with a connection of its own, spread over the queues.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub consumers: u16,
    /// Queues.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub queues: u32,
    /// Names of the queues; %d is replaced by a number from 0.
    #[arg(long, default_value = "perf-%d", value_name = "NAME")]
    pub queue_pattern: String,
    /// Type of the queues, which are durable.
    #[arg(long, value_enum, default_value_t = QueueType::Quorum)]
    pub queue_type: QueueType,
    /// Body size in bytes; suffixes k and M are binary. From 16 bytes on, every message is followed to its delivery.
    #[arg(long, default_value = "1024", value_parser = parse_size, value_name = "BYTES")]
    pub size: usize,
    /// Publish transient instead of persistent messages.
    #[arg(long)]
    pub transient: bool,
    /// Unconfirmed publishes per publisher; 0 publishes without confirms, 1 waits for each.
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub confirm_window: u32,
    /// Unacknowledged deliveries per consumer and queue; 0 is no limit.
    #[arg(long, default_value_t = 500, value_name = "N")]
    pub prefetch: u16,
    /// Acknowledge every N deliveries with one multiple ack; 0 consumes without acks.
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub ack_every: u32,
    /// How long to publish, with the warm-up. Without this and --messages: 10.
    #[arg(long, value_parser = parse_seconds, value_name = "S")]
    pub seconds: Option<f64>,
    /// Stop after so many messages, over all publishers; suffixes k and M are decimal.
    #[arg(long, value_parser = parse_amount, value_name = "N")]
    pub messages: Option<u64>,
    /// Messages per second and publisher, on a fixed schedule: latency counts from when a message was due. 0 is as fast as
    /// possible.
    #[arg(long, default_value = "0", value_parser = parse_rate, value_name = "R")]
    pub rate: f64,
    /// Seconds at the start that do not count. Without this: 2, or 0 with --messages, --fill or --drain.
    #[arg(long, value_parser = parse_seconds, value_name = "S")]
    pub warmup: Option<f64>,
    /// Only publish, and leave the messages in the queues. With --drain: consume afterwards.
    #[arg(long)]
    pub fill: bool,
    /// Only consume what is in the queues, until they are empty.
    #[arg(long)]
    pub drain: bool,
    /// Do not delete the queues at the end.
    #[arg(long)]
    pub keep: bool,
    /// How long to wait, without any progress, for the last confirms and deliveries.
    #[arg(long, default_value = "30", value_parser = parse_seconds, value_name = "S")]
    pub drain_timeout: f64,
    /// Connect again when a connection is lost, to the next broker of the list, and publish again what was not confirmed.
    #[arg(long)]
    pub reconnect: bool,
    /// Heartbeat interval; a connection silent for two is lost. 0 has none.
    #[arg(long, default_value_t = 0, value_name = "S")]
    pub heartbeat: u16,
    /// Also open so many connections that do nothing.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub connections_idle: u32,
    /// Threads that generate load. One is enough for several hundred thousand messages a second.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: u16,
    /// Processes on this host whose CPU time per message is reported.
    #[arg(long, value_delimiter = ',', value_name = "PID[,PID...]")]
    pub broker_pids: Vec<u32>,
    /// Also write the report to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// `quorate perf declare`.
#[derive(Clone, Debug, Args, Serialize)]
pub struct DeclareArgs {
    /// Brokers, separated by commas; connections go round the list.
    #[arg(long, default_value = URI_DEFAULT, value_name = "URI[,URI...]")]
    pub uri: UriList,
    /// Queues to declare; suffixes k and M are decimal.
    #[arg(long, default_value = "1000", value_parser = parse_amount, value_name = "N")]
    pub count: u64,
    /// Connections that declare at the same time.
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub connections: u16,
    /// Names of the queues; %d is replaced by a number from 0.
    #[arg(long, default_value = "perf-declare-%d", value_name = "NAME")]
    pub queue_pattern: String,
    /// Declares of a connection that are sent before the first of them is answered. By default each waits for the one before.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub window: u16,
    /// Type of the queues, which are durable.
    #[arg(long, value_enum, default_value_t = QueueType::Quorum)]
    pub queue_type: QueueType,
    /// Declare queues that go with their connections instead, and are neither durable nor of a type.
    #[arg(long)]
    pub exclusive: bool,
    /// Keep the connections open for so long after the last declare, to look at what the queues cost.
    #[arg(long, value_parser = parse_seconds, value_name = "S")]
    pub hold: Option<f64>,
    /// Keep the queues; without this they are deleted, which is timed as well.
    #[arg(long)]
    pub keep: bool,
    /// Also write the report to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// `quorate perf connect`.
#[derive(Clone, Debug, Args, Serialize)]
pub struct ConnectArgs {
    /// Brokers, separated by commas; connections go round the list.
    #[arg(long, default_value = URI_DEFAULT, value_name = "URI[,URI...]")]
    pub uri: UriList,
    /// Connections to open; suffixes k and M are decimal.
    #[arg(long, default_value = "1000", value_parser = parse_amount, value_name = "N")]
    pub count: u64,
    /// How many to open at the same time.
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,
    /// Keep all connections open for so long after the last one. Without this each is closed before the next is opened.
    #[arg(long, value_parser = parse_seconds, value_name = "S")]
    pub hold: Option<f64>,
    /// Open a channel on each connection, too.
    #[arg(long)]
    pub channel: bool,
    /// Heartbeat interval while connections are held; 0 has none.
    #[arg(long, default_value_t = 0, value_name = "S")]
    pub heartbeat: u16,
    /// Also write the report to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// The argument `x-queue-type` of a declare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum QueueType {
    /// Replicated.
    Quorum,
    /// What the broker makes of `classic`.
    Classic,
    /// Without the argument: the broker's default.
    None,
}

impl QueueType {
    /// The argument's value.
    pub(crate) fn argument(self) -> Option<&'static str> {
        match self {
            QueueType::Quorum => Some("quorum"),
            QueueType::Classic => Some("classic"),
            QueueType::None => None,
        }
    }
}

impl RunArgs {
    /// Refuses combinations that would hang or measure nothing.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.queue_pattern.contains("%d") || self.queues == 1, "--queue-pattern must contain %d");
        anyhow::ensure!(self.publishes() || self.consumes(), "there is neither a publisher nor a consumer");
        anyhow::ensure!(
            self.prefetch == 0 || self.ack_every <= u32::from(self.prefetch),
            "--ack-every must not exceed --prefetch: deliveries would stop before the first ack"
        );
        anyhow::ensure!(!self.fill || self.publishers > 0, "--fill needs a publisher");
        anyhow::ensure!(!self.drain || self.consumers > 0, "--drain needs a consumer");
        Ok(())
    }

    /// Whether this run has publishers.
    pub(crate) fn publishes(&self) -> bool {
        self.publishers > 0 && (self.fill || !self.drain)
    }

    /// Whether this run has consumers.
    pub(crate) fn consumes(&self) -> bool {
        self.consumers > 0 && (self.drain || !self.fill)
    }

    /// Whether publishing and consuming are separate stages.
    pub(crate) fn is_staged(&self) -> bool {
        self.fill || self.drain
    }

    /// How long to publish.
    pub(crate) fn publish_seconds(&self) -> Option<f64> {
        match (self.seconds, self.messages) {
            (None, None) => Some(10.0),
            (seconds, _) => seconds,
        }
    }

    /// Seconds that do not count.
    pub(crate) fn warmup_seconds(&self) -> f64 {
        let default = if self.messages.is_some() || self.is_staged() { 0.0 } else { 2.0 };
        let warmup = self.warmup.unwrap_or(default);
        // A run shorter than its warm-up still measures something: its second half.
        self.publish_seconds().map_or(warmup, |seconds| warmup.min(seconds / 2.0))
    }

    /// How many messages a publisher may send: its share of --messages.
    pub(crate) fn quota(&self, publisher: u16) -> u64 {
        let Some(messages) = self.messages else {
            return u64::MAX;
        };
        let publishers = u64::from(self.publishers);
        messages / publishers + u64::from(u64::from(publisher) < messages % publishers)
    }

    /// The queue of a publisher.
    pub(crate) fn queue_of(&self, publisher: u16) -> u32 {
        u32::from(publisher) % self.queues
    }

    /// The queues of a consumer. Every queue has one when there is a consumer at all.
    pub(crate) fn queues_of(&self, consumer: u16) -> Vec<u32> {
        let consumers = u32::from(self.consumers);
        if consumers >= self.queues {
            return vec![u32::from(consumer) % self.queues];
        }
        (0..self.queues).filter(|queue| queue % consumers == u32::from(consumer)).collect()
    }

    /// Where consumers connect.
    pub(crate) fn consumer_uris(&self) -> &UriList {
        self.consumer_uri.as_ref().unwrap_or(&self.uri)
    }

    /// Whether bodies have room for a time.
    pub(crate) fn carries_time(&self) -> bool {
        self.size >= crate::identity::TIME_BYTES
    }

    /// Whether bodies have room for an identity, so that every message can be followed.
    pub(crate) fn follows_messages(&self) -> bool {
        self.size >= crate::identity::STAMP_BYTES
    }
}

/// The name of a queue by its number.
pub(crate) fn queue_name(pattern: &str, number: u64) -> String {
    pattern.replace("%d", &number.to_string())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        run: RunArgs,
    }

    fn parse(line: &str) -> RunArgs {
        Cli::try_parse_from(std::iter::once("run").chain(line.split_whitespace())).unwrap().run
    }

    #[test]
    fn messages_are_shared_out_without_rest() {
        let args = parse("--messages 10 --publishers 4");
        assert_eq!((0..4).map(|publisher| args.quota(publisher)).collect::<Vec<_>>(), [3, 3, 2, 2]);
        assert_eq!(parse("--publishers 4").quota(0), u64::MAX);
    }

    #[test]
    fn every_queue_has_a_consumer() {
        let args = parse("--queues 5 --consumers 2");
        assert_eq!(args.queues_of(0), [0, 2, 4]);
        assert_eq!(args.queues_of(1), [1, 3]);
        let args = parse("--queues 2 --consumers 5");
        assert_eq!((0..5).flat_map(|consumer| args.queues_of(consumer)).collect::<Vec<_>>(), [0, 1, 0, 1, 0]);
    }

    #[test]
    fn the_warm_up_fits_the_kind_of_run() {
        assert_eq!(parse("").warmup_seconds(), 2.0);
        assert_eq!(parse("--messages 1000").warmup_seconds(), 0.0);
        assert_eq!(parse("--seconds 2").warmup_seconds(), 1.0);
        assert_eq!(parse("--fill --seconds 20").warmup_seconds(), 0.0);
        assert_eq!(parse("--messages 1000 --warmup 1").warmup_seconds(), 1.0);
    }

    #[test]
    fn a_run_that_would_hang_is_refused() {
        assert!(parse("").check().is_ok());
        assert!(parse("--ack-every 600").check().is_err());
        assert!(parse("--ack-every 600 --prefetch 0").check().is_ok());
        assert!(parse("--publishers 0 --consumers 0").check().is_err());
        assert!(parse("--queues 2 --queue-pattern q").check().is_err());
        assert!(parse("--drain --consumers 0").check().is_err());
    }

    #[test]
    fn stages_are_chosen_by_fill_and_drain() {
        let sides = |line: &str| (parse(line).publishes(), parse(line).consumes());
        assert_eq!(sides(""), (true, true));
        assert_eq!(sides("--fill"), (true, false));
        assert_eq!(sides("--drain"), (false, true));
        assert_eq!(sides("--fill --drain"), (true, true));
        assert_eq!(sides("--publishers 0"), (false, true));
    }
}
