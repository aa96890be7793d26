//! One run of a scenario: a world, its clients, the faults in it, and the verdict.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use crate::{
    check::{
        self, Counts, Finding,
        gaps::{self, Gap, Mark},
        linear, replicas,
    },
    history::{Clock, Merged},
    plan::Plan,
    scenario::Scenario,
    witness::Witness,
    workload::{DECLARED, Load},
    world::{Shape, World},
};

/// How long clients work before the first fault.
const WARM_UP: Duration = Duration::from_millis(1500);
/// How long clients work after the last fault.
const COOL_DOWN: Duration = Duration::from_millis(1500);
/// After faults are over, every queue takes messages again within this.
pub const RECOVERY_MAX: Duration = Duration::from_secs(10);
/// How long publishers may wait for their last confirms, and for new connections before they see that they are to end.
const PUBLISHED_TIME_MAX: Duration = Duration::from_secs(60);
/// How long draining all queues may take, as long as there is progress.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(60);
/// How long replicas may take to come level when all is quiet.
const LEVEL_TIME_MAX: Duration = Duration::from_secs(20);
/// What measuring takes: a fault begins a shell's start after its mark, and a confirm is seen when the next message is due.
const MEASURING: Duration = Duration::from_millis(50);
/// Between two looks at what is waited for.
const POLL: Duration = Duration::from_millis(50);

/// What a run is given.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The broker.
    pub binary: PathBuf,
    /// What can stand between nodes and their kernels.
    pub shim: PathBuf,
    /// An earlier version of the broker.
    pub old_binary: Option<PathBuf>,
    /// Histories and reports go below.
    pub folder: PathBuf,
    /// Disks of nodes go below.
    pub world: PathBuf,
    /// What is by chance comes from this.
    pub seed: u64,
    /// How long faults are made.
    pub faults_for: Duration,
    /// Whether times without confirms are held against their bounds.
    pub is_timed: bool,
}

/// What a scenario acts on.
#[derive(Debug)]
pub struct Stage {
    /// The nodes.
    pub world: World,
    /// The clients.
    pub load: Load,
    /// Chance.
    pub rng: StdRng,
    /// What clients do.
    pub plan: Arc<Plan>,
    /// Found by the scenario itself.
    pub findings: Vec<Finding>,
    clock: Clock,
    marks: Vec<Mark>,
    until: Instant,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Which.
    pub scenario: &'static str,
    /// In words.
    pub title: &'static str,
    /// Its chance.
    pub seed: u64,
    /// The faults, each with the longest time without confirms and how long the machine itself stood still in that time.
    pub faults: Vec<(Mark, Gap, Duration)>,
    /// Counts of messages.
    pub counts: Counts,
    /// What must not be.
    pub findings: Vec<Finding>,
    /// When publishers stopped, by the run's clock.
    pub over: u64,
    /// Where the history is.
    pub history: PathBuf,
}

impl Stage {
    /// Whether there is time for another fault.
    pub fn goes_on(&self) -> bool {
        Instant::now() < self.until
    }

    /// Lets the clients work.
    pub fn work_for(&self, time: Duration) {
        thread::sleep(time);
    }

    /// A time between two.
    pub fn random_ms(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.rng.random_range(from..=to))
    }

    /// A node by chance.
    pub fn any_node(&mut self) -> usize {
        let all = self.world.all();
        *all.choose(&mut self.rng).expect("there are nodes")
    }

    /// The node that leads a queue by chance, and the queue.
    ///
    /// # Errors
    /// When no node knows a leader within the time that recovery may take.
    pub fn leader(&mut self) -> Result<usize> {
        self.whole()?;
        let queue = self.plan.queues.choose(&mut self.rng).context("the plan has no queue")?.name.clone();
        self.leader_of(&queue)
    }

    /// The node that leads a queue.
    ///
    /// # Errors
    /// When no node knows a leader within the time that recovery may take.
    pub fn leader_of(&self, queue: &str) -> Result<usize> {
        let deadline = Instant::now() + RECOVERY_MAX;
        loop {
            // A leader knows best that it is one.
            let knows = |node: &usize| {
                self.world.is_running(*node)
                    && self.world.api(*node).leader(queue).is_ok_and(|leader| leader == Some(*node))
            };
            if let Some(leader) = self.world.all().into_iter().find(knows) {
                return Ok(leader);
            }
            ensure!(Instant::now() < deadline, "queue {queue} has no leader");
            thread::sleep(POLL);
        }
    }

    /// Waits until something is so; whether it became so in time.
    pub fn wait(&mut self, limit: Duration, is_so: impl Fn(&Stage) -> bool) -> bool {
        let deadline = Instant::now() + limit;
        while !is_so(self) {
            if Instant::now() > deadline {
                return false;
            }
            thread::sleep(POLL);
        }
        true
    }

    /// Kills all nodes and starts them again, when nobody publishes any more.
    ///
    /// # Errors
    /// When they do not come back.
    pub fn restart_all(&mut self, name: String) -> Result<()> {
        let begin = self.clock.now();
        let all = self.world.all();
        self.world.kill(&all)?;
        self.world.restart(&all)?;
        self.marks.push(Mark { name, begin, end: self.clock.now(), bound: None });
        Ok(())
    }

    /// Does something that is a fault, with clients at home at all nodes before. What ends it belongs to it.
    ///
    /// # Errors
    /// When it cannot be done.
    pub fn fault(
        &mut self,
        name: impl Into<String>,
        bound: impl Into<Option<Duration>>,
        act: impl FnOnce(&mut Stage) -> Result<()>,
    ) -> Result<()> {
        self.whole()?;
        self.work_for(Duration::from_millis(700));
        let begin = self.clock.now();
        let name = name.into();
        self.marks.push(Mark { name: name.clone(), begin, end: u64::MAX, bound: bound.into() });
        let place = self.marks.len() - 1;
        let done = act(self);
        self.marks[place].end = self.clock.now();
        done.with_context(|| name)
    }

    /// Waits until nothing is left of the last fault: what is promised, is for one at a time.
    ///
    /// # Errors
    /// When nodes that run do not find each other, or a queue has no confirms, within the time that recovery may take.
    fn whole(&mut self) -> Result<()> {
        self.load.go_home();
        let running: Vec<usize> = self.world.all().into_iter().filter(|node| self.world.is_running(*node)).collect();
        let sees_all = |stage: &Stage, node: &usize| {
            stage.world.api(*node).linked().is_ok_and(|linked| running.iter().all(|other| linked.contains(other)))
        };
        if !self.wait(RECOVERY_MAX, |stage| running.iter().all(|node| sees_all(stage, node))) {
            let text = format!("nodes do not find each other for {RECOVERY_MAX:?} though all is well");
            self.findings.push(Finding { invariant: "I12", count: 1, text });
            return Err(anyhow!("nodes do not find each other"));
        }
        self.flowing()
    }

    /// Waits until every queue has had confirms since now.
    ///
    /// # Errors
    /// When one has none within the time that recovery may take: then it is a finding, too.
    pub fn flowing(&mut self) -> Result<()> {
        let since = self.clock.now();
        let deadline = Instant::now() + RECOVERY_MAX;
        while self.load.oldest_confirm() < since {
            if Instant::now() > deadline {
                let text = format!("a queue takes no messages for {RECOVERY_MAX:?} though all is well");
                self.findings.push(Finding { invariant: "I12", count: 1, text });
                return Err(anyhow!("confirms do not flow"));
            }
            thread::sleep(POLL);
        }
        Ok(())
    }
}

/// Runs a scenario from the founding of its cluster to the verdict.
///
/// # Errors
/// When the run itself fails. What the broker does wrong is in the outcome.
pub fn run(scenario: &'static Scenario, setting: &Setting) -> Result<Outcome> {
    let history = setting.folder.join(format!("{}-{}", scenario.id, setting.seed));
    if history.exists() {
        fs::remove_dir_all(&history)?;
    }
    fs::create_dir_all(&history).with_context(|| format!("cannot make {}", history.display()))?;
    let shape = Shape {
        nodes: scenario.nodes,
        need: scenario.need,
        detours: scenario.detours,
        shim: scenario.shimmed.then(|| setting.shim.clone()),
        settings: scenario.settings,
        old_binary: setting.old_binary.clone().filter(|_| scenario.upgrades),
    };
    let world = World::build(&setting.world, &setting.binary, shape, setting.seed)?;
    let clock = Clock::new();
    let plan = Arc::new((scenario.plan)());
    let witness = Witness::start(&setting.world, clock)?;
    let nodes = world.all().into_iter().map(|node| world.amqp(node)).collect();
    let load = Load::start(&plan, nodes, &history, clock, setting.seed)?;
    let mut stage = Stage {
        world,
        load,
        rng: StdRng::seed_from_u64(setting.seed),
        plan: Arc::clone(&plan),
        findings: Vec::new(),
        clock,
        marks: Vec::new(),
        until: Instant::now() + setting.faults_for,
    };
    stage.work_for(WARM_UP);
    let done = (scenario.run)(&mut stage);
    let ended = end(&mut stage);
    let (findings, marks, over) =
        (stage.findings, stage.marks, ended.as_ref().map_or_else(|_| clock.now(), |over| *over));
    let finished = stage.load.finish();
    let stalls = witness.finish()?;
    let mut outcome = judge(scenario, setting, &plan, &history, (marks, over))?;
    for (_, gap, stall) in &mut outcome.faults {
        *stall = stalls.between(gap.begin, gap.end);
    }
    outcome.findings.extend(findings);
    if setting.is_timed {
        outcome.findings.extend(late(&outcome.faults));
    }
    for result in [done, ended.map(drop), finished] {
        if let Err(error) = result {
            let text = format!("the run did not come to its end: {error:#}");
            outcome.findings.push(Finding { invariant: "run", count: 1, text });
        }
    }
    Ok(outcome)
}

/// All is well again: clients go on for a while, publishers stop, consumers drain the queues, replicas come level. Returns when
/// publishers stopped.
fn end(stage: &mut Stage) -> Result<u64> {
    stage.world.thaw().ok();
    stage.world.heal()?;
    let running = stage.world.all().into_iter().filter(|node| stage.world.is_running(*node)).collect::<Vec<_>>();
    stage.world.resume(&running)?;
    let dead = stage.world.others(&running);
    stage.world.restart(&dead)?;
    stage.world.wait_ready(&stage.world.all(), Duration::from_secs(30))?;
    let mut flowing = Ok(());
    if stage.load.is_publishing() {
        stage.load.go_home();
        flowing = stage.flowing();
        stage.work_for(COOL_DOWN);
    }
    let over = stage.clock.now();
    stage.load.stop_publishing();
    // A queue that is empty before has not been drained: consumers would end before the last message is there.
    let all_published = stage.wait(PUBLISHED_TIME_MAX, |stage| stage.load.is_all_published());
    flowing?;
    ensure!(all_published, "publishers do not end");
    let drained = drain(stage)?;
    stage.findings.extend(drained);
    let level = level(stage)?;
    stage.findings.extend(level);
    Ok(over)
}

/// Waits until consumers have emptied their queues, on every node.
fn drain(stage: &Stage) -> Result<Vec<Finding>> {
    let deadline = Instant::now() + DRAIN_TIME_MAX;
    loop {
        let mut depths = Vec::new();
        for queue in stage.plan.queues.iter().filter(|queue| queue.is_drained()) {
            for node in stage.world.all() {
                depths.push((node, queue.name.clone(), stage.world.api(node).depth(&queue.name)?));
            }
        }
        let findings = replicas::drained(&depths);
        if findings.is_empty() || Instant::now() > deadline {
            return Ok(findings);
        }
        thread::sleep(POLL);
    }
}

/// Waits until replicas have applied the same, and are the same.
fn level(stage: &Stage) -> Result<Vec<Finding>> {
    let deadline = Instant::now() + LEVEL_TIME_MAX;
    loop {
        let replicas = |node| Ok((node, stage.world.api(node).replicas()?));
        let nodes = stage.world.all().into_iter().map(replicas).collect::<Result<Vec<_>>>()?;
        let (level, mut findings) = (replicas::are_level(&nodes), replicas::compare(&nodes));
        // While entries are applied, a digest may be that of the next index: it has to differ for good.
        if level && findings.is_empty() {
            return Ok(findings);
        }
        if Instant::now() > deadline {
            if !level {
                let text = format!("replicas do not come level: {nodes:?}");
                findings.push(Finding { invariant: "I11", count: 1, text });
            }
            return Ok(findings);
        }
        thread::sleep(POLL);
    }
}

fn judge(
    scenario: &'static Scenario,
    setting: &Setting,
    plan: &Plan,
    history: &Path,
    (marks, over): (Vec<Mark>, u64),
) -> Result<Outcome> {
    let verdict = check::all(plan, Merged::open(history)?)?;
    let gaps = gaps::find(&marks, plan.queues.len(), Duration::from_secs(2), over, Merged::open(history)?)?;
    let mut findings = verdict.findings;
    findings.extend(linear::check(DECLARED, Merged::open(history)?)?);
    let faults = marks.into_iter().zip(gaps).map(|(mark, gap)| (mark, gap, Duration::ZERO)).collect();
    Ok(Outcome {
        scenario: scenario.id,
        title: scenario.title,
        seed: setting.seed,
        faults,
        counts: verdict.counts,
        findings,
        over,
        history: history.to_owned(),
    })
}

/// I12: the machine's own stalls are allowed for.
fn late(faults: &[(Mark, Gap, Duration)]) -> Vec<Finding> {
    let late = faults.iter().filter_map(|(mark, gap, stall)| {
        let (bound, gap) = (mark.bound?, gap.length());
        (gap > bound + MEASURING + *stall).then(|| Finding {
            invariant: "I12",
            count: 1,
            text: format!(
                "no confirms for {gap:.0?} after \"{}\": more than {bound:?} (stalls of {stall:.0?})",
                mark.name
            ),
        })
    });
    late.collect()
}
