use std::time::Instant;
use metadata::*;
use types::*;
use bytes::Bytes;
fn rss() -> u64 { let s = std::fs::read_to_string("/proc/self/statm").unwrap(); s.split(' ').nth(1).unwrap().parse::<u64>().unwrap()*4096 }
fn main() {
    let mut m = Machine::new();
    let v = ShortStr::from_static("/");
    m.apply(&Command::Bootstrap(Bootstrap{vhost:v.clone(),user:ShortStr::from_static("guest"),password:PasswordHash{algorithm:HashAlgorithm::Sha256,salted:Bytes::new()}}),Timestamp(1));
    let n = 100_000;
    let r0 = rss();
    let t = Instant::now();
    for i in 0..n {
        let name = ShortStr::copy_from(&format!("openstack.reply.queue.{i:010}")).unwrap();
        let mut arguments = FieldTable::default();
        arguments.push(ShortStr::from_static("x-expires"), FieldValue::I32(600000));
        let c = Command::DeclareQueue(DeclareQueue{vhost:v.clone(),name:name.clone(),server_named:false,durable:true,auto_delete:false,exclusive:false,arguments,connection:ConnectionId{node:NodeId(1),serial:i%1000},home:Home{node:NodeId(1),boot:1},group:GroupId(1+(i%12) as u32)});
        let (_r,_e) = m.apply(&c, Timestamp(2));
    }
    println!("declare {:?} each, rss/queue {}", t.elapsed()/n as u32, (rss()-r0)/n);
    let t = Instant::now();
    for i in 0..n {
        let name = ShortStr::copy_from(&format!("openstack.reply.queue.{i:010}")).unwrap();
        let c = Command::Bind(Bind{vhost:v.clone(),source:ShortStr::from_static("amq.direct"),destination:Target::Queue(name.clone()),routing_key:name,arguments:FieldTable::default(),connection:ConnectionId{node:NodeId(1),serial:1}});
        m.apply(&c, Timestamp(2));
    }
    println!("bind {:?} each, rss/queue {}", t.elapsed()/n as u32, (rss()-r0)/n);
    let t = Instant::now(); let d = m.digest(); println!("digest {:?} {d:x}", t.elapsed());
    let t = Instant::now(); m.check().unwrap(); println!("check {:?}", t.elapsed());
    let t = Instant::now(); let c = m.clone(); println!("clone {:?}", t.elapsed());
    let t = Instant::now(); let m2 = Machine::from_records(m.records()).unwrap(); println!("restore {:?} {}", t.elapsed(), m2==c);
    let t = Instant::now();
    let (_, e) = m.apply(&Command::DeleteVhost{vhost:v.clone()}, Timestamp(3));
    println!("delete vhost {:?} events {}", t.elapsed(), e.len());
}
