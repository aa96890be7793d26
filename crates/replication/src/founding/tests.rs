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
        seeds: Vec::new(),
        address: None,
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
fn ask(asking: &Founding, there: &[&Founding]) -> (Heard, Vec<String>) {
    let mut uuids = asking.own_uuid();
    let mut missing = Vec::new();
    for founder in asking.others() {
        let asked = there.iter().find(|founding| founding.config.name == founder.name);
        let reply = asked.map(|founding| founding.answer(&asking.request()));
        match asking.hear(founder, reply, &mut uuids, &mut missing) {
            Heard::Nothing => {}
            decided => return (decided, missing),
        }
    }
    (asking.agreed(&uuids).map_or(Heard::Nothing, Heard::Record), missing)
}

fn found(asking: &Founding, there: &[&Founding]) -> FoundReply {
    match ask(asking, there).0 {
        Heard::Record(record) => record,
        other => panic!("all founders are there and agree: {other:?}"),
    }
}

fn found_nothing(asking: &Founding, there: &[&Founding]) -> Vec<String> {
    let (heard, missing) = ask(asking, there);
    assert!(matches!(heard, Heard::Nothing), "{heard:?}");
    missing
}

#[test]
fn founders_of_one_mind_found_the_same_cluster_whoever_is_first() {
    let [a, b, c] = three();
    let records = [found(&a, &[&b, &c]), found(&b, &[&c, &a]), found(&c, &[&a, &b])];
    for (founding, record) in [&a, &b, &c].into_iter().zip(&records) {
        let identity = founding.identity(record, &disk()).unwrap();
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
    assert_eq!(found_nothing(&a, &[&b]), ["c"]);
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
            let missing = found_nothing(asking, &there);
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
    assert_eq!(found_nothing(&a, &[&b, &c]), ["c (another cluster)"]);
}

#[test]
fn a_late_founder_takes_the_cluster_that_is_there() {
    let [a, b, c] = three();
    let record = found(&a, &[&b, &c]);
    *a.record.write() = Some(record.clone());
    let taken = found(&b, &[&a]);
    let identity = b.identity(&taken, &disk()).unwrap();
    assert_eq!((identity.cluster_id, identity.node), (record.cluster_id, NodeId(2)));
}

#[test]
fn a_founder_with_a_replaced_disk_has_to_ask_whether_it_may_join() {
    let [a, b, c] = three();
    let record = found(&a, &[&b, &c]);
    *a.record.write() = Some(record.clone());
    let wiped = open(&config("b"));
    let heard = ask(&wiped, &[&a, &c]).0;
    assert!(matches!(&heard, Heard::Cluster(id) if *id == record.cluster_id), "{heard:?}");
}

#[test]
fn a_node_that_is_no_founder_never_founds() {
    let newcomer = Config { name: "d".to_owned(), address: Some("d.example:5680".to_owned()), ..config("a") };
    let d = open(&newcomer);
    let [a, b, c] = three();
    let missing = found_nothing(&d, &[&a, &b, &c]);
    assert!(missing.is_empty(), "{missing:?}");
    *a.record.write() = Some(found(&a, &[&b, &c]));
    assert!(matches!(ask(&d, &[&a]).0, Heard::Cluster(_)));
}

#[tokio::test]
async fn a_seed_that_does_not_answer_keeps_a_node_from_founding() {
    let alone = Config { founders: config("a").founders[..1].to_vec(), ..config("a") };
    let seeded = Config { seeds: vec!["127.0.0.1:1".to_owned()], ..alone.clone() };
    let mut missing = Vec::new();
    assert_eq!(open(&seeded).round(&mut missing).await, None);
    assert_eq!(missing, ["127.0.0.1:1"]);
    assert!(open(&alone).round(&mut missing).await.is_some());
}

#[tokio::test]
async fn a_node_that_was_let_in_knows_its_place_after_a_restart_and_whom_it_knew_last() {
    let store = disk();
    let newcomer = Config { name: "d".to_owned(), address: Some("d.example:1".to_owned()), ..config("a") };
    let d = Founding::open(&newcomer, &store).unwrap();
    let member = |node, name: &str, uuid: &Bytes| Member {
        node,
        name: name.to_owned(),
        uuid: uuid.clone(),
        address: format!("{name}.example:1"),
    };
    let members = vec![member(1, "x", &Bytes::from_static(b"x")), member(7, "d", &d.uuid)];
    let reply = JoinReply { node: 7, members, shards: 4, refused: String::new() };
    let record = joined(Bytes::from_static(b"cluster"), reply);
    store.write_node_value(CLUSTER, record.encode_to_vec().into()).unwrap();
    let identity = Founding::open(&newcomer, &store).unwrap().complete(&store).await.unwrap();
    assert_eq!((identity.node, identity.members.len()), (NodeId(7), 2));
    assert!(identity.founded.placements.is_empty());
    let mut now = identity.founded.clone();
    now.members.remove(&NodeId(1));
    remember(&store, &now).unwrap();
    let identity = Founding::open(&newcomer, &store).unwrap().complete(&store).await.unwrap();
    assert_eq!(identity.members.keys().copied().collect::<Vec<_>>(), [NodeId(7)]);
}

#[test]
fn a_node_that_knows_nobody_or_cannot_be_found_is_told_so() {
    let refuse = |config: &Config| Founding::open(config, &disk()).unwrap_err();
    let stranger = Config { name: "d".to_owned(), ..config("a") };
    let refused = refuse(&stranger);
    assert!(matches!(&refused, FoundingError::NoAddress(name) if name == "d"), "{refused}");
    let refused = refuse(&Config { founders: Vec::new(), ..stranger });
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
    assert!(matches!(&foreign, FoundingError::OtherDisk(name) if name == "a"), "{foreign}");
    store.write_node_value(CLUSTER, Bytes::from_static(&[0xff; 9])).unwrap();
    assert!(matches!(Founding::open(&config("a"), &store), Err(FoundingError::Damaged(_))));
}
