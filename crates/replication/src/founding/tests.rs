//! Founders that hear each other's answers: when they agree, when they do not, and who is let in.

use storage::sim::{SimStore, SyncMode};

use super::*;

const NAMES: [&str; 3] = ["a", "b", "c"];

fn config(name: &str) -> Config {
    let founder = |name: &str| Founder { name: name.to_owned(), address: format!("{name}.example:5680") };
    Config {
        cluster_name: "test".to_owned(),
        name: name.to_owned(),
        founders: NAMES.map(founder).to_vec(),
        shards: 4,
        timers: crate::Timers::default(),
        checkpoints: crate::Checkpoints::default(),
        environment: crate::Environment::default(),
    }
}

fn disk() -> Arc<dyn LogStore> {
    Arc::new(SimStore::new(SyncMode::Immediate))
}

fn open(config: &Config) -> Founding {
    Founding::open(config, &disk()).unwrap()
}

fn three() -> [Founding; 3] {
    NAMES.map(|name| open(&config(name)))
}

/// One round of asking, where those of `there` answer.
fn ask(asking: &Founding, there: &[&Founding]) -> (Result<Option<FoundReply>, FoundingError>, Vec<String>) {
    let mut uuids = asking.own_uuid();
    let mut missing = Vec::new();
    for founder in asking.others() {
        let asked = there.iter().find(|founding| founding.config.name == founder.name);
        let reply = asked.map(|founding| founding.answer(&asking.request()));
        match asking.hear(founder, reply, &mut uuids, &mut missing) {
            Ok(None) => {}
            decided => return (decided, missing),
        }
    }
    (Ok(asking.agreed(&uuids)), missing)
}

fn found(asking: &Founding, there: &[&Founding]) -> FoundReply {
    ask(asking, there).0.unwrap().expect("all founders are there and agree")
}

#[test]
fn founders_of_one_mind_found_the_same_cluster_whoever_is_first() {
    let [a, b, c] = three();
    let records = [found(&a, &[&b, &c]), found(&b, &[&c, &a]), found(&c, &[&a, &b])];
    for (founding, record) in [&a, &b, &c].into_iter().zip(&records) {
        let identity = founding.identity(record).unwrap();
        assert_eq!(identity.cluster_id, records[0].cluster_id);
        assert_eq!(identity.shards, 4);
        let names: Vec<_> = identity.members.iter().map(|(id, member)| (id.0, member.name.as_str())).collect();
        assert_eq!(names, [(1, "a"), (2, "b"), (3, "c")]);
        assert_eq!(identity.members[&identity.node].name, founding.config.name);
    }
}

#[test]
fn nothing_is_founded_before_all_founders_answer() {
    let [a, b, _] = three();
    let (record, missing) = ask(&a, &[&b]);
    assert_eq!((record.unwrap(), missing), (None, vec!["c".to_owned()]));
}

#[test]
fn other_disks_make_another_cluster() {
    let ([a, b, c], [x, y, z]) = (three(), three());
    assert_ne!(found(&a, &[&b, &c]).cluster_id, found(&x, &[&y, &z]).cluster_id);
}

#[test]
fn founders_that_are_configured_otherwise_found_nothing_together() {
    let [a, b, _] = three();
    let others: [fn(&mut Config); 3] = [
        |config| config.shards = 5,
        |config| config.founders[0].address = "elsewhere:1".to_owned(),
        |config| drop(config.founders.remove(1)),
    ];
    for differ in others {
        let mut config = config("c");
        differ(&mut config);
        let c = open(&config);
        for (asking, there, who) in [(&a, [&b, &c], "c"), (&c, [&a, &b], "a")] {
            let (record, missing) = ask(asking, &there);
            assert_eq!(record.unwrap(), None);
            assert!(missing.contains(&format!("{who} (configured with other nodes)")), "{missing:?}");
        }
    }
}

#[test]
fn the_order_in_which_founders_are_configured_does_not_matter() {
    let [a, b, _] = three();
    let mut reversed = config("c");
    reversed.founders.reverse();
    let c = open(&reversed);
    assert_eq!(found(&a, &[&b, &c]).cluster_id, found(&c, &[&a, &b]).cluster_id);
}

#[test]
fn a_node_of_another_cluster_tells_nothing_of_itself() {
    let [a, b, _] = three();
    let c = open(&Config { cluster_name: "other".to_owned(), ..config("c") });
    assert_eq!(c.answer(&a.request()), FoundReply::default());
    let (record, missing) = ask(&a, &[&b, &c]);
    assert_eq!((record.unwrap(), missing), (None, vec!["c (another cluster)".to_owned()]));
}

#[test]
fn a_late_founder_takes_the_cluster_that_is_there() {
    let [a, b, c] = three();
    let record = found(&a, &[&b, &c]);
    *a.record.write() = Some(record.clone());
    let taken = found(&b, &[&a]);
    assert_eq!(b.identity(&taken).unwrap().cluster_id, record.cluster_id);
    assert_eq!(b.identity(&taken).unwrap().node, NodeId(2));
}

#[test]
fn a_founder_with_a_replaced_disk_is_not_let_in() {
    let [a, b, c] = three();
    *a.record.write() = Some(found(&a, &[&b, &c]));
    let wiped = open(&config("b"));
    let refused = ask(&wiped, &[&a, &c]).0.unwrap_err();
    assert!(matches!(&refused, FoundingError::Replaced(name) if name == "b"), "{refused}");
}

#[test]
fn a_node_that_is_not_configured_is_told_so() {
    let refused = Founding::open(&Config { name: "d".to_owned(), ..config("a") }, &disk()).unwrap_err();
    assert!(matches!(&refused, FoundingError::NotAFounder(name) if name == "d"), "{refused}");
}

#[tokio::test]
async fn a_node_with_data_knows_its_cluster_without_asking_and_follows_moved_addresses() {
    let store = disk();
    let [_, b, c] = three();
    let first = Founding::open(&config("a"), &store).unwrap();
    let record = found(&first, &[&b, &c]);
    store.write_node_value(CLUSTER, record.encode_to_vec().into()).unwrap();
    let mut moved = config("a");
    moved.founders[2].address = "new.example:1".to_owned();
    let again = Founding::open(&moved, &store).unwrap();
    assert_eq!(again.uuid, first.uuid, "the uuid is made once");
    assert_eq!(again.answer(&b.request()), record);
    let identity = again.complete(&store).await.unwrap();
    assert_eq!((identity.node, &identity.cluster_id), (NodeId(1), &record.cluster_id));
    assert_eq!(identity.members[&NodeId(3)].address, "new.example:1");
    assert_eq!(identity.members[&NodeId(2)].address, "b.example:5680");
}

#[tokio::test]
async fn data_of_another_node_or_damaged_data_is_refused() {
    let store = disk();
    let [_, b, c] = three();
    let first = Founding::open(&config("a"), &store).unwrap();
    store.write_node_value(CLUSTER, found(&first, &[&b, &c]).encode_to_vec().into()).unwrap();
    let renamed = Founding::open(&config("b"), &store).unwrap().complete(&store).await.unwrap_err();
    assert!(matches!(&renamed, FoundingError::OtherName(name) if name == "b"), "{renamed}");
    store.write_node_value(UUID, Bytes::from_static(b"another")).unwrap();
    let foreign = Founding::open(&config("a"), &store).unwrap().complete(&store).await.unwrap_err();
    assert!(matches!(&foreign, FoundingError::Replaced(name) if name == "a"), "{foreign}");
    store.write_node_value(CLUSTER, Bytes::from_static(&[0xff; 9])).unwrap();
    assert!(matches!(Founding::open(&config("a"), &store), Err(FoundingError::Damaged(_))));
}
