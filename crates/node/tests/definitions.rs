//! Nodes that import a file of definitions when they start: the real binary, asked with its own command line.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_quorate");
/// Longest start of a node, on a machine that is busy with other tests.
const DEADLINE: Duration = Duration::from_secs(60);
/// How often to look.
const LOOK: Duration = Duration::from_millis(50);

/// Where one node listens and lives.
struct Place {
    name: String,
    ports: [u16; 3],
    data: PathBuf,
}

/// Nodes of one cluster, which all have the same file.
struct Nodes {
    folder: TempDir,
    places: Vec<Place>,
    running: Vec<Child>,
}

impl Nodes {
    fn new(count: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // All are held until all are known, so that no two are the same.
        let held: Vec<TcpListener> = (0..count * 3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports: Vec<u16> = held.iter().map(|port| port.local_addr().unwrap().port()).collect();
        let place = |(at, ports): (usize, &[u16])| Place {
            name: format!("node{at}"),
            ports: ports.try_into().unwrap(),
            data: folder.path().join(format!("data{at}")),
        };
        let places = ports.chunks(3).enumerate().map(place).collect();
        Nodes { folder, places, running: Vec::new() }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("definitions.json")
    }

    fn write(&self, content: &str) {
        fs::write(self.file(), content).unwrap();
    }

    fn command(&self, at: usize) -> Command {
        let here = |port: u16| format!("127.0.0.1:{port}");
        let place = &self.places[at];
        let [amqp, http, peer] = place.ports;
        let nodes: Vec<String> =
            self.places.iter().map(|place| format!("{}={}", place.name, here(place.ports[2]))).collect();
        let mut command = Command::new(BINARY);
        command.arg("server").arg("--definitions-file").arg(self.file()).arg("--data-dir").arg(&place.data);
        command.args(["--name", &place.name, "--cluster-nodes", &nodes.join(",")]);
        command.args(["--amqp", &here(amqp), "--http", &here(http), "--peer", &here(peer)]);
        command.env("QUORATE_STORAGE_MEMORY_MB", "64");
        command
    }

    fn log(&self, at: usize) -> PathBuf {
        self.folder.path().join(format!("log{at}"))
    }

    /// Starts all, and waits until each takes clients.
    fn start(&mut self) {
        for at in 0..self.places.len() {
            let log = fs::File::create(self.log(at)).unwrap();
            self.running.push(self.command(at).stdout(Stdio::null()).stderr(log).spawn().unwrap());
        }
        for at in 0..self.places.len() {
            let since = Instant::now();
            while !self.logged(at).contains("node started") {
                assert!(since.elapsed() < DEADLINE, "node {at} has not started: {}", self.logged(at));
                thread::sleep(LOOK);
            }
        }
    }

    fn stop(&mut self) {
        for mut node in self.running.drain(..) {
            node.kill().unwrap();
            node.wait().unwrap();
        }
    }

    fn logged(&self, at: usize) -> String {
        fs::read_to_string(self.log(at)).unwrap()
    }

    fn ctl(&self, at: usize, words: &[&str]) -> String {
        let Place { ports: [_, http, _], data, .. } = &self.places[at];
        let node = format!("http://127.0.0.1:{http}");
        let mut command = Command::new(BINARY);
        command.args(["ctl", "--node", &node, "--format", "tabs", "--data-dir"]).arg(data).args(words);
        let Output { status, stdout, stderr } = command.output().unwrap();
        assert!(status.success(), "{words:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    }

    fn has_queue(&self, at: usize, name: &str) -> bool {
        self.ctl(at, &["queues", "list"]).lines().any(|line| line.split('\t').any(|field| field == name))
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        self.stop();
    }
}

fn queues(names: &[&str], max_length: u32) -> String {
    let queue = |name: &&str| {
        format!(r#"{{"name": "{name}", "vhost": "/", "durable": true, "arguments": {{"x-max-length": {max_length}}}}}"#)
    };
    format!(r#"{{"queues": [{}]}}"#, names.iter().map(queue).collect::<Vec<_>>().join(", "))
}

/// How the start of a single node ends that cannot be.
fn failed_start(nodes: &Nodes) -> String {
    let mut child = nodes.command(0).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let since = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if since.elapsed() > DEADLINE {
            child.kill().unwrap();
        }
        thread::sleep(LOOK);
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    said.lines().last().unwrap_or_default().to_owned()
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn a_file_is_imported_once_for_each_content() {
    let mut nodes = Nodes::new(1);
    nodes.write(&queues(&["one"], 10));
    nodes.start();
    assert!(nodes.has_queue(0, "one"));
    nodes.ctl(0, &["queues", "delete", "one"]);
    nodes.stop();
    nodes.start();
    assert!(!nodes.has_queue(0, "one"), "what operators change stays changed");
    assert!(nodes.logged(0).contains("definitions are unchanged"), "{}", nodes.logged(0));
    nodes.stop();
    nodes.write(&queues(&["one", "two"], 10));
    nodes.start();
    assert!(nodes.has_queue(0, "one") && nodes.has_queue(0, "two"));
    assert!(!nodes.ctl(0, &["definitions", "export"]).contains("imported_definition_hash_value"));
}

#[test]
fn of_three_nodes_with_the_same_file_one_imports_it() {
    let mut nodes = Nodes::new(3);
    nodes.write(&queues(&["one", "two", "three"], 10));
    nodes.start();
    for at in 0..3 {
        assert!(["one", "two", "three"].iter().all(|name| nodes.has_queue(at, name)), "node {at}");
    }
    let imports = |text: &str| (0..3).filter(|at| nodes.logged(*at).contains(text)).count();
    assert_eq!((imports("definitions imported"), imports("definitions are unchanged")), (1, 2));
}

#[test]
fn a_file_that_cannot_be_imported_ends_the_start_and_is_named_with_its_item() {
    let mut nodes = Nodes::new(1);
    nodes.write(r#"{"queues": [{"vhost": "/"}]}"#);
    let said = failed_start(&nodes);
    assert!(said.contains(&path(&nodes.file())) && said.contains("queues[0]: 'name' is missing"), "{said}");
    assert!(!nodes.places[0].data.exists(), "the node has not begun to be");
    nodes.write(&queues(&["one"], 10));
    nodes.start();
    nodes.stop();
    nodes.write(&queues(&["one", "two"], 20));
    let said = failed_start(&nodes);
    assert!(said.contains(&path(&nodes.file())), "{said}");
    assert!(said.contains("queue 'one' in vhost '/'") && said.contains("inequivalent arg 'x-max-length'"), "{said}");
}
