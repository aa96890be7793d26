use std::time::Instant;
use routing::*; use types::*;
fn time(what:&str, n:u32, mut f: impl FnMut(u32)) { for i in 0..n/10 {f(i)}; let t=Instant::now(); for i in 0..n {f(i)}; println!("{what}: {:?}", t.elapsed()/n); }
fn main(){
    let v=ShortStr::from_static("/"); let s=|t:&str| ShortStr::copy_from(t).unwrap();
    let mut t=Table::new(); t.declare_vhost(&v);
    for (x,k) in [("d",ExchangeKind::Direct),("f",ExchangeKind::Fanout),("t",ExchangeKind::Topic),("big",ExchangeKind::Topic),("h",ExchangeKind::Headers),("adv",ExchangeKind::Topic)] { t.declare_exchange(&v,&s(x),k,None,false); }
    let e=FieldTable::default();
    let b=Instant::now();
    for i in 0..100_000u64 { let n=s(&format!("openstack.queue.{i:08}")); t.declare_queue(&v,&n,QueueId(i+1),GroupId((i%12) as u32+1));
        t.bind(&v,&Binding{source:&s("d"),destination:Destination::Queue(QueueId(i+1)),routing_key:&n,arguments:&e});
        t.bind(&v,&Binding{source:&s("big"),destination:Destination::Queue(QueueId(i+1)),routing_key:&s(&format!("{i:08}.#")),arguments:&e});
        if i<10 {t.bind(&v,&Binding{source:&s("f"),destination:Destination::Queue(QueueId(i+1)),routing_key:&n,arguments:&e});}
    }
    println!("build 100k {:?}", b.elapsed());
    for (p,i) in [("notifications.*",1),("notifications.info",2),("#",3),("*.*.error",4),("compute.#",5),("*.info",6)] { t.bind(&v,&Binding{source:&s("t"),destination:Destination::Queue(QueueId(i)),routing_key:&s(p),arguments:&e}); }
    for i in 0..1000u64 { let p=format!("{}x{i}", "#.a.".repeat(60)); t.bind(&v,&Binding{source:&s("adv"),destination:Destination::Queue(QueueId(i+1)),routing_key:&s(&p[..p.len().min(255)]),arguments:&e}); }
    let mut r=Routes::new();
    let keys: Vec<String>=(0..1000).map(|i| format!("openstack.queue.{:08}", i*97%100_000)).collect();
    let bigs: Vec<String>=(0..1000).map(|i| format!("{:08}.info", i*97%100_000)).collect();
    time("default", 1_000_000, |i| {let _=t.route(b"/",b"",keys[i as usize%1000].as_bytes(),||None,&mut r); assert_eq!(r.queues().len(),1)});
    time("direct", 1_000_000, |i| {let _=t.route(b"/",b"d",keys[i as usize%1000].as_bytes(),||None,&mut r);assert_eq!(r.queues().len(),1)});
    time("fanout10", 1_000_000, |_| {let _=t.route(b"/",b"f",b"x",||None,&mut r);assert_eq!(r.queues().len(),10)});
    time("topic small", 1_000_000, |_| {let _=t.route(b"/",b"t",b"notifications.info",||None,&mut r);assert_eq!(r.queues().len(),4)});
    time("topic 100k", 1_000_000, |i| {let _=t.route(b"/",b"big",bigs[i as usize%1000].as_bytes(),||None,&mut r);assert_eq!(r.queues().len(),1)});
    let k="a.".repeat(127);
    time("adversarial", 1000, |_| {let _=t.route(b"/",b"adv",k.as_bytes(),||None,&mut r);});
}
