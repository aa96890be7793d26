//! Bindings that are costly to match.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{
    client::{Client, bind},
    field::Field,
};

/// A key of 255 bytes has at most so many words.
const KEY_WORDS: usize = 127;
const BINDINGS: u32 = 1000;
const PUBLISHES: u32 = 1000;
/// How many different keys they have.
const KEYS: u32 = 100;
/// How many are sent at once. The node needs seconds for them, in which it serves others too.
const WINDOW: u32 = 100;
/// How much longer publishes may take than those of a plain topic exchange. A matcher that goes back and tries again would need
/// more than the age of the universe.
const RATIO_MAX: f64 = 1000.0;
/// How long any of it may take.
const PATIENCE: Duration = Duration::from_secs(90);
/// The greatest weight of a binding to a consistent-hash exchange.
const WEIGHT_MAX: u32 = 65_535;

pub(super) fn wildcards(field: &Field<'_>) -> Result<String> {
    let mut client = field.client(3)?;
    let [plain, costly, queue] = ["plain", "costly", "wild"].map(|name| field.name(name));
    client.declare(&queue)?;
    for exchange in [&plain, &costly] {
        client.declare_exchange(exchange, "topic")?;
    }
    client.bind_all(&queue, &plain, &["w.#".to_owned()])?;
    let mut keys = (0..BINDINGS).map(binding_key).collect::<Vec<_>>();
    // These three match everything, in as many ways as there are.
    keys.extend([
        words(|_| "#"),
        words(|at| if at % 2 == 0 { "#" } else { "*" }),
        words(|at| if at == 0 { "#" } else { "*" }),
    ]);
    client.bind_all(&queue, &costly, &keys)?;
    client.select_confirms()?;
    let plain_took = publish_all(&mut client, &plain, 0)?;
    let costly_took = publish_all(&mut client, &costly, 1)?;
    let depth = client.depth(&queue)?;
    ensure!(depth == 2 * PUBLISHES, "{depth} messages of {} are there", 2 * PUBLISHES);
    let ratio = costly_took.as_secs_f64() / plain_took.as_secs_f64();
    ensure!(ratio < RATIO_MAX, "{costly_took:?} with costly bindings, {plain_took:?} with a plain one");
    client.delete_queue(&queue)?;
    for exchange in [&plain, &costly] {
        client.delete_exchange(exchange)?;
    }
    Ok(format!("{PUBLISHES} publishes: plain {plain_took:.2?}, costly {costly_took:.2?}, {ratio:.0} times as long"))
}

/// Publishes with keys of 127 words, some at a time.
fn publish_all(client: &mut Client, exchange: &str, round: u64) -> Result<Duration> {
    let begin = Instant::now();
    let first_tag = round * u64::from(PUBLISHES) + 1;
    for chunk in (0..PUBLISHES).step_by(usize::try_from(WINDOW)?) {
        let end = PUBLISHES.min(chunk + WINDOW);
        for number in (chunk..end).map(|number| number % KEYS) {
            // The first word is for the plain binding.
            client.publish(exchange, &words(|at| if at == 0 || bit(number, at) { "w" } else { "x" }), b"")?;
        }
        client.confirmed(first_tag + u64::from(chunk)..=first_tag + u64::from(end) - 1)?;
        ensure!(begin.elapsed() < PATIENCE, "{end} publishes took {:?}", begin.elapsed());
    }
    Ok(begin.elapsed())
}

/// One of many binding keys, all different: wildcards in every position, and a last word that no routing key has, so that only
/// the whole key can tell that it does not match.
fn binding_key(number: u32) -> String {
    words(|at| match (at % 3, bit(number, at)) {
        _ if at == KEY_WORDS - 1 => "y",
        (0, _) => "#",
        (1, true) => "*",
        (1, false) => "#",
        (_, true) => "w",
        (_, false) => "*",
    })
}

/// A key of 127 words.
fn words(word: impl Fn(usize) -> &'static str) -> String {
    (0..KEY_WORDS).map(word).collect::<Vec<_>>().join(".")
}

/// One of the number's low sixteen bits, over and over.
fn bit(number: u32, at: usize) -> bool {
    number >> (at % 16) & 1 == 1
}

pub(super) fn weights(field: &Field<'_>) -> Result<String> {
    let mut client = field.client(2)?;
    let [exchange, queue] = ["hash", "hashed"].map(|name| field.name(name));
    client.declare_exchange(&exchange, "x-consistent-hash")?;
    client.declare(&queue)?;
    let mut text = String::new();
    let (huge, too_great) = ("9".repeat(255), (WEIGHT_MAX + 1).to_string());
    for weight in ["100000000", &too_great, &huge, "0", "-1", "", "1.5", "1e3", "0x10", "\u{661}"] {
        client.peer.send_method(1, (50, 20), &bind(&queue, &exchange, weight))?;
        let refusal = client.channel_closed(406)?;
        if weight == "100000000" {
            text = refusal;
        }
    }
    client.bind_all(&queue, &exchange, &[WEIGHT_MAX.to_string()])?;
    client.select_confirms()?;
    for number in 0..PUBLISHES {
        client.publish(&exchange, &number.to_string(), b"")?;
    }
    client.confirmed(1..=PUBLISHES.into())?;
    let depth = client.depth(&queue)?;
    ensure!(depth == PUBLISHES, "{depth} messages of {PUBLISHES} are there");
    client.delete_queue(&queue)?;
    client.delete_exchange(&exchange)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binding_keys_are_all_different_and_no_longer_than_a_key_may_be() {
        let keys = (0..BINDINGS).map(binding_key).collect::<std::collections::BTreeSet<_>>();
        assert_eq!(keys.len(), usize::try_from(BINDINGS).unwrap());
        assert!(keys.iter().all(|key| key.len() <= 255));
    }
}
