//! The supervised spawn: the only place where tasks and threads of the node are started.
//!
//! A panic is logged as an error and counted, with the task's name; what else follows depends on the [`TaskKind`].

use std::{
    any::Any,
    borrow::Cow,
    future::{Future, poll_fn},
    io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    task::Poll,
    thread,
};

use tokio::task::JoinHandle;
use tracing::error;

use crate::{Shutdown, metrics};

/// What a task's end means.
#[derive(Clone, Debug)]
pub enum TaskKind {
    /// The node cannot do without it. When it panics or returns before the shutdown, the whole tree of this shutdown fails.
    Critical(Shutdown),
    /// Serves one client or one peer; its end concerns nobody else.
    Connection,
    /// Work that ends by itself or is repeated by somebody else.
    Background,
}

impl TaskKind {
    fn name(&self) -> &'static str {
        match self {
            TaskKind::Critical(_) => "critical",
            TaskKind::Connection => "connection",
            TaskKind::Background => "background",
        }
    }
}

/// Starts a task on the current tokio runtime.
///
/// A panic is logged and counted, then passed on to whoever awaits the handle. Aborting the handle is silent, also for a critical task.
///
/// # Panics
/// Outside a tokio runtime.
#[expect(clippy::disallowed_methods, reason = "the one place where tasks are started")]
pub fn spawn<F>(kind: TaskKind, name: impl Into<Cow<'static, str>>, future: F) -> JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(supervise(kind, name.into(), future))
}

/// Starts a named thread. A panic is logged and counted, then passed on to whoever joins it.
///
/// The kernel shows the first 15 bytes of the name.
///
/// # Errors
/// When the system refuses the thread.
pub fn spawn_thread<F>(name: impl Into<String>, body: F) -> io::Result<thread::JoinHandle<()>>
where
    F: FnOnce() + Send + 'static,
{
    let name = name.into();
    thread::Builder::new().name(name.clone()).spawn(move || {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(body)) {
            report_panic(&name, "thread", &*payload);
            resume_unwind(payload);
        }
    })
}

async fn supervise<F: Future<Output = ()>>(kind: TaskKind, name: Cow<'static, str>, future: F) {
    let mut future = pin!(future);
    // After a panic the future is never polled again: the closure returns Ready and poll_fn is done.
    let ended = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(())) => Poll::Ready(None),
        Err(payload) => Poll::Ready(Some(payload)),
    })
    .await;
    if let Some(payload) = &ended {
        report_panic(&name, kind.name(), &**payload);
    }
    if let TaskKind::Critical(shutdown) = &kind
        && !shutdown.is_triggered()
    {
        metrics::count_critical_end();
        let how = if ended.is_some() { "panicked" } else { "ended unexpectedly" };
        error!(task = %name, "critical task {how}");
        shutdown.fail(format!("task {name} {how}"));
    }
    if let Some(payload) = ended {
        resume_unwind(payload);
    }
}

fn report_panic(name: &str, kind: &'static str, payload: &(dyn Any + Send)) {
    metrics::count_panic(kind);
    error!(task = %name, kind, panic = panic_text(payload), "task panicked");
}

/// The text of a panic's payload, as far as it has one.
pub fn panic_text(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "no text"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cause;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().build().unwrap()
    }

    #[test]
    fn a_panic_of_a_critical_task_fails_the_shutdown_tree() {
        let root = Shutdown::new();
        let kind = TaskKind::Critical(root.child());
        let joined = runtime().block_on(async { spawn(kind, "raft", async { panic!("broken") }).await });
        assert!(joined.unwrap_err().is_panic());
        assert_eq!(root.cause(), Some(Cause::Failed("task raft panicked".into())));
    }

    #[test]
    fn a_critical_task_that_returns_early_fails_the_shutdown_tree() {
        let root = Shutdown::new();
        let kind = TaskKind::Critical(root.clone());
        runtime().block_on(async { spawn(kind, "raft", async {}).await }).unwrap();
        assert_eq!(root.cause(), Some(Cause::Failed("task raft ended unexpectedly".into())));
    }

    #[test]
    fn a_critical_task_that_returns_after_the_shutdown_is_in_order() {
        let root = Shutdown::new();
        let waiting = root.clone();
        runtime().block_on(async {
            let task = spawn(TaskKind::Critical(root.clone()), "raft", async move { waiting.triggered().await });
            root.request("signal");
            task.await.unwrap();
        });
        assert_eq!(root.cause(), Some(Cause::Requested("signal".into())));
    }

    #[test]
    fn a_panic_of_a_connection_ends_only_its_task() {
        let runtime = runtime();
        let broken = async { panic!("broken") };
        let joined = runtime.block_on(async { spawn(TaskKind::Connection, String::from("c1"), broken).await });
        assert!(joined.unwrap_err().is_panic());
        runtime.block_on(async { spawn(TaskKind::Background, "after", async {}).await }).unwrap();
    }

    #[test]
    fn a_threads_panic_reaches_its_joiner_with_the_text() {
        let thread = spawn_thread("t", || panic!("why {}", 7)).unwrap();
        let payload = thread.join().unwrap_err();
        assert_eq!(panic_text(&*payload), "why 7");
    }
}
