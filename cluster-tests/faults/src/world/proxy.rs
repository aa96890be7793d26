//! A proxy for one directed link between nodes: what goes through arrives later, in order, by a time that varies.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Pieces that are under way in one direction of a connection. A full link holds up its sender, as a real one does.
const PIECES_MAX: usize = 4096;
/// Size of a piece. Unit: bytes.
const PIECE_BYTES: usize = 16 * 1024;

/// How long what goes through takes, each way. It can be changed while the proxy runs.
#[derive(Clone, Debug, Default)]
pub struct Delay(Arc<(AtomicU64, AtomicU64)>);

impl Delay {
    /// From now on: so long, and up to so much more or less.
    pub fn set(&self, mean: Duration, jitter: Duration) {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.0.0.store(micros(mean), Ordering::Relaxed);
        self.0.1.store(micros(jitter), Ordering::Relaxed);
    }

    fn sample(&self, rng: &mut StdRng) -> Duration {
        let (mean, jitter) = (self.0.0.load(Ordering::Relaxed), self.0.1.load(Ordering::Relaxed));
        Duration::from_micros(rng.random_range(mean.saturating_sub(jitter)..=mean.saturating_add(jitter)))
    }
}

/// Listens at a free port of the address and passes on to the target; returns the port. It runs until the process ends.
///
/// # Errors
/// When nothing can be listened to there.
pub(super) fn start(listen: &str, target: String, delay: Delay, seed: u64) -> Result<u16> {
    let listener = TcpListener::bind((listen, 0)).with_context(|| format!("cannot listen at {listen}"))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for (number, stream) in (0..).zip(listener.incoming()) {
            let Ok(stream) = stream else { continue };
            let (target, delay) = (target.clone(), delay.clone());
            thread::spawn(move || pass_on(&stream, &target, &delay, seed ^ number));
        }
    });
    Ok(port)
}

/// A connection that cannot be passed on ends, as one whose peer refuses it.
fn pass_on(near: &TcpStream, target: &str, delay: &Delay, seed: u64) {
    let Ok(far) = TcpStream::connect(target) else { return };
    let pairs = [(near, &far, seed), (&far, near, !seed)];
    near.set_nodelay(true).and_then(|()| far.set_nodelay(true)).ok();
    thread::scope(|scope| {
        for (from, to, seed) in pairs {
            let (sender, pieces) = sync_channel(PIECES_MAX);
            scope.spawn(move || read(from, &sender, delay, seed));
            scope.spawn(move || write(to, from, &pieces));
        }
    });
}

fn read(mut from: &TcpStream, pieces: &SyncSender<(Instant, Vec<u8>)>, delay: &Delay, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut buffer = vec![0; PIECE_BYTES];
    let mut due = Instant::now();
    while let Ok(size @ 1..) = from.read(&mut buffer) {
        // A stream stays in order: nothing arrives before what was sent earlier.
        due = due.max(Instant::now() + delay.sample(&mut rng));
        if pieces.send((due, buffer[..size].to_vec())).is_err() {
            return;
        }
    }
}

fn write(mut to: &TcpStream, from: &TcpStream, pieces: &Receiver<(Instant, Vec<u8>)>) {
    while let Ok((due, piece)) = pieces.recv() {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if to.write_all(&piece).is_err() {
            break;
        }
    }
    to.shutdown(Shutdown::Write).ok();
    from.shutdown(Shutdown::Read).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_through_arrives_later_and_complete() {
        let echo = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = echo.local_addr().unwrap().to_string();
        thread::spawn(move || {
            let (mut stream, _) = echo.accept().unwrap();
            let mut bytes = [0; 4];
            stream.read_exact(&mut bytes).unwrap();
            stream.write_all(&bytes).unwrap();
        });
        let delay = Delay::default();
        delay.set(Duration::from_millis(30), Duration::from_millis(10));
        let port = start("127.0.0.1", target, delay, 7).unwrap();
        let begin = Instant::now();
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(b"ping").unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"ping");
        assert!(begin.elapsed() >= Duration::from_millis(40), "{:?}", begin.elapsed());
    }
}
