//! Verdicts on peers.

use super::*;

const PEER: NodeId = NodeId(2);
const LONG: Duration = Duration::from_secs(3600);

#[test]
fn nothing_is_said_of_a_peer_that_was_never_heard_of() {
    let liveness = Liveness::default();
    assert_eq!(liveness.verdict(PEER, Duration::ZERO), Verdict::Unknown);
    assert!(!liveness.is_up(PEER));
    liveness.seen(PEER, 7, Features::OWN);
    assert!(!liveness.is_up(PEER), "it dialled in, but the way to it is not up");
    assert_eq!(liveness.verdict(PEER, LONG), Verdict::Unknown);
}

#[test]
fn a_peer_that_is_up_is_here_in_its_latest_incarnation() {
    let liveness = Liveness::default();
    liveness.up(PEER, 7, Features::OWN);
    assert_eq!(liveness.verdict(PEER, LONG), Verdict::Here { boot: 7 });
    liveness.seen(PEER, 9, Features::OWN);
    liveness.up(PEER, 8, Features::OWN);
    assert_eq!(liveness.verdict(PEER, LONG), Verdict::Here { boot: 9 }, "incarnations do not go back");
}

#[test]
fn a_peer_that_refuses_is_gone_at_once_and_is_here_again_when_it_is_up() {
    let liveness = Liveness::default();
    liveness.up(PEER, 7, Features::OWN);
    assert!(liveness.down(PEER, Down::Refused));
    assert_eq!(liveness.verdict(PEER, LONG), Verdict::Gone);
    liveness.up(PEER, 8, Features::OWN);
    assert_eq!(liveness.verdict(PEER, LONG), Verdict::Here { boot: 8 });
}

#[test]
fn a_peer_out_of_reach_is_gone_after_the_grace() {
    let liveness = Liveness::default();
    liveness.up(PEER, 7, Features::OWN);
    liveness.down(PEER, Down::Unreachable);
    assert_eq!(liveness.verdict(PEER, LONG), Verdict::Unknown);
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(1) {
        std::hint::spin_loop();
    }
    assert_eq!(liveness.verdict(PEER, Duration::ZERO), Verdict::Gone);
}

#[test]
fn only_a_change_is_news() {
    let liveness = Liveness::default();
    assert!(!liveness.down(PEER, Down::Unreachable), "it was not up");
    liveness.up(PEER, 7, Features::OWN);
    assert!(liveness.down(PEER, Down::Unreachable));
    assert!(!liveness.down(PEER, Down::Unreachable));
    assert!(liveness.down(PEER, Down::Refused), "now it is known to be gone");
    assert!(!liveness.down(PEER, Down::Refused));
    assert!(liveness.up(PEER, 8, Features::OWN), "it was");
    assert!(!liveness.up(PEER, 8, Features::OWN));
}

#[tokio::test]
async fn whoever_waits_is_woken_by_a_change() {
    let liveness = Liveness::default();
    let changes: [fn(&Liveness); 3] = [
        |liveness| assert!(!liveness.up(PEER, 1, Features::OWN)),
        |liveness| assert!(liveness.down(PEER, Down::Refused)),
        |liveness| liveness.seen(PEER, 2, Features::OWN),
    ];
    for change in changes {
        let woken = tokio::time::timeout(Duration::from_secs(30), async {
            tokio::join!(liveness.changed(), async { change(&liveness) })
        });
        woken.await.unwrap();
    }
}

#[test]
fn a_peer_is_silent_since_it_was_heard_from_last_and_one_that_was_never_heard_since_the_start() {
    let liveness = Liveness::default();
    let never = liveness.silent_for(PEER);
    liveness.up(PEER, 7, Features::OWN);
    assert_eq!(liveness.silent_for(PEER), Duration::ZERO);
    liveness.down(PEER, Down::Unreachable);
    assert!(liveness.silent_for(PEER) < LONG);
    assert!(liveness.silent_for(NodeId(3)) >= never, "since the start");
    // It cannot be reached, and yet it is there.
    let before = Instant::now();
    liveness.seen(PEER, 7, Features::OWN);
    assert!(liveness.silent_for(PEER) <= before.elapsed());
}

#[test]
fn a_peer_of_an_older_version_is_older_until_it_is_upgraded() {
    let liveness = Liveness::default();
    let (old, new) = (Features(0), Features(1));
    assert!(!liveness.is_older(PEER, new, LONG), "nobody has heard of it");
    liveness.up(PEER, 7, old);
    assert!(liveness.is_older(PEER, new, LONG) && !liveness.is_older(PEER, old, LONG));
    liveness.down(PEER, Down::Refused);
    assert!(liveness.is_older(PEER, new, LONG), "it may come back as it was");
    assert!(!liveness.is_older(PEER, new, Duration::ZERO), "it has been silent for too long");
    liveness.seen(PEER, 8, new);
    liveness.seen(PEER, 7, old);
    assert!(!liveness.is_older(PEER, new, LONG), "an earlier incarnation says nothing any more");
}
