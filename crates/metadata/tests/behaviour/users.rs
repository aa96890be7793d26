//! Users, tags, permissions, and the first start.

use bytes::Bytes;
use metadata::{
    Bootstrap, Change, ClearPermissions, Command, HashAlgorithm, Machine, PasswordHash, Permissions, PutUser, Refusal,
    Reply, SetPassword, SetPermissions, SetTags, VhostDefaults,
};
use types::Timestamp;

use crate::world::{VHOST, World, done, password, s};

fn put_user(name: &'static str) -> Command {
    Command::PutUser(PutUser { user: s(name), password: Some(password()), tags: vec![s("management")] })
}

fn set_permissions(user: &'static str, write: &str) -> Command {
    let permissions = Permissions { configure: String::new(), write: write.to_owned(), read: ".*".to_owned() };
    Command::SetPermissions(SetPermissions { user: s(user), vhost: VHOST, permissions })
}

#[test]
fn a_new_cluster_has_a_vhost_and_an_administrator() {
    let world = World::new();
    let guest = world.machine.user(b"guest").unwrap();
    assert!(guest.has_tag("administrator") && !guest.has_tag("monitoring"));
    assert_eq!(guest.password, Some(password()));
    assert_eq!(world.machine.permissions(b"guest", b"/"), Some(&Permissions::full()));
    assert_eq!(world.machine.vhosts().count(), 1);
    assert!(world.machine.is_bootstrapped());
}

#[test]
fn bootstrapping_again_does_not_bring_back_what_was_deleted_or_changed() {
    let mut world = World::new();
    world.apply(Command::DeleteUser { user: s("guest") });
    let again = Bootstrap { vhost: VHOST, user: s("guest"), password: password(), defaults: VhostDefaults::default() };
    assert_eq!(done(world.apply(Command::Bootstrap(again))), Change::Unchanged);
    assert_eq!(world.machine.user(b"guest"), None);
}

#[test]
fn a_machine_that_has_a_user_already_keeps_it_when_bootstrapped() {
    let mut machine = Machine::new();
    let tags = vec![s("mine")];
    machine.apply(&Command::PutUser(PutUser { user: s("guest"), password: None, tags: tags.clone() }), Timestamp(1));
    let bootstrap =
        Bootstrap { vhost: VHOST, user: s("guest"), password: password(), defaults: VhostDefaults::default() };
    let (reply, _) = machine.apply(&Command::Bootstrap(bootstrap), Timestamp(2));
    assert_eq!(reply, Reply::Done(Change::Created));
    assert_eq!(
        (machine.user(b"guest").unwrap().tags.clone(), machine.user(b"guest").unwrap().password.clone()),
        (tags, None)
    );
    machine.check().unwrap();
}

#[test]
fn users_come_change_and_go() {
    let mut world = World::new();
    assert_eq!(done(world.apply(put_user("u"))), Change::Created);
    assert_eq!(world.story(), ["~user u"]);
    assert_eq!(done(world.apply(put_user("u"))), Change::Unchanged);
    let tags = SetTags { user: s("u"), tags: vec![] };
    assert_eq!(done(world.apply(Command::SetTags(tags.clone()))), Change::Updated);
    assert_eq!(done(world.apply(Command::SetTags(tags))), Change::Unchanged);
    let other = PasswordHash { algorithm: HashAlgorithm::Sha512, salted: Bytes::from_static(b"other") };
    let set = SetPassword { user: s("u"), password: Some(other.clone()) };
    assert_eq!(done(world.apply(Command::SetPassword(set))), Change::Updated);
    assert_eq!(world.machine.user(b"u").unwrap().password, Some(other));
    assert_eq!(done(world.apply(put_user("u"))), Change::Updated);
    world.apply(set_permissions("u", "x"));
    assert_eq!(done(world.apply(Command::DeleteUser { user: s("u") })), Change::Deleted);
    assert_eq!(world.story(), ["~permissions u /", "-user u"]);
    assert_eq!(done(world.apply(Command::DeleteUser { user: s("u") })), Change::Unchanged);
}

#[test]
fn permissions_are_set_replaced_and_cleared() {
    let mut world = World::new();
    world.apply(put_user("u"));
    assert_eq!(world.machine.permissions(b"u", b"/"), None);
    assert_eq!(done(world.apply(set_permissions("u", "a"))), Change::Created);
    assert_eq!(world.story(), ["~permissions u /"]);
    assert_eq!(done(world.apply(set_permissions("u", "a"))), Change::Unchanged);
    assert_eq!(done(world.apply(set_permissions("u", "b"))), Change::Updated);
    assert_eq!(world.machine.permissions(b"u", b"/").unwrap().write, "b");
    let clear = || Command::ClearPermissions(ClearPermissions { user: s("u"), vhost: VHOST });
    assert_eq!(done(world.apply(clear())), Change::Deleted);
    assert_eq!(done(world.apply(clear())), Change::Unchanged);
}

#[test]
fn what_is_not_there_cannot_be_given_anything() {
    let mut world = World::new();
    let nobody = Refusal::NoSuchUser(s("nobody"));
    assert_eq!(world.refused(set_permissions("nobody", "")), nobody);
    assert_eq!(world.refused(Command::SetTags(SetTags { user: s("nobody"), tags: vec![] })), nobody);
    let nowhere = SetPermissions { user: s("guest"), vhost: s("nowhere"), permissions: Permissions::full() };
    assert_eq!(world.refused(Command::SetPermissions(nowhere)), Refusal::NoSuchVhost(s("nowhere")));
}

#[test]
fn a_password_hash_is_not_printed() {
    assert!(!format!("{:?}", password()).contains("digest"));
}
