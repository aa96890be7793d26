//! The operations of one channel, in the order of the client's methods. They end in any order, and are answered in that one.

use std::collections::VecDeque;

use amqp_codec::methods::Method;
use types::ShortStr;

use super::{
    ahead::{Ahead, Plan},
    channel::Caller,
    operation::Step,
};

/// Operations that a channel has at a time. With some milliseconds for each, that is more than a node can do.
pub(crate) const OPERATIONS_MAX: usize = 128;

/// What a channel has under way.
#[derive(Debug, Default)]
pub(crate) struct Operations {
    /// By ascending ids.
    operations: VecDeque<Operation>,
    last_id: u64,
}

#[derive(Debug)]
struct Operation {
    /// Errors name it.
    caller: Caller,
    /// Where it stands.
    step: Step,
    /// What came of it that other nodes have yet to hear of.
    spreads_due: u32,
    /// Whether others may be under way at the same time.
    declaration: Option<Declaration>,
    /// What it was begun with while others were under way.
    ahead: Option<Ahead>,
    /// What it came to does not count: it is done anew in its turn.
    is_void: bool,
    /// What it names was looked for [again](super::look_again).
    has_looked_again: bool,
}

/// What a declaration, a binding or its end has to do with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Declaration {
    /// It takes something away.
    pub(crate) is_unbind: bool,
    /// What it declares goes with the connection.
    pub(crate) is_exclusive: bool,
    /// What it declares.
    pub(crate) declared: Declared,
}

/// What is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Declared {
    /// Nothing, it is a binding.
    Nothing,
    /// The queue of that name.
    Queue(ShortStr),
    /// The exchange of that name.
    Exchange(ShortStr),
}

/// What is to be done about the first operation.
#[derive(Debug)]
pub(crate) enum Turn {
    /// It was done: that is the answer, if the client wants one.
    Answer(Option<Method>),
    /// It is to be done anew.
    Again(Caller, Box<Plan>),
}

impl Operations {
    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        self.operations.clear();
    }

    /// The id of the next operation.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Where the first one stands.
    pub(crate) fn first(&self) -> Option<&Step> {
        self.operations.front().map(|operation| &operation.step)
    }

    /// The caller's operation stands there now; it is added if it is new.
    pub(crate) fn set(&mut self, caller: Caller, step: Step) {
        if let Some(operation) = self.get_mut(caller.operation) {
            operation.step = step;
            return;
        }
        let is_last = self.operations.back().is_none_or(|last| last.caller.operation < caller.operation);
        assert!(is_last, "operations begin in the order of their methods");
        self.operations.push_back(Operation {
            caller,
            step,
            spreads_due: 0,
            declaration: None,
            ahead: None,
            is_void: false,
            has_looked_again: false,
        });
    }

    /// Notes that what the caller's operation names was looked for again. Whether that is the first time.
    pub(crate) fn looks_again(&mut self, caller: Caller) -> bool {
        self.get_mut(caller.operation)
            .is_some_and(|operation| !std::mem::replace(&mut operation.has_looked_again, true))
    }

    /// Notes what kind of operation that is, if it is still under way.
    pub(crate) fn classify(&mut self, id: u64, declaration: Declaration, ahead: Option<Ahead>) {
        if let Some(operation) = self.get_mut(id) {
            operation.declaration = Some(declaration);
            operation.ahead = ahead;
        }
    }

    /// Takes out where an operation stands: who does so says where it stands then, or it is done, without an answer.
    pub(crate) fn take(&mut self, id: u64) -> Option<(Caller, Step)> {
        let operation = self.get_mut(id)?;
        Some((operation.caller, std::mem::replace(&mut operation.step, Step::Done(None))))
    }

    /// Ends the commit of a transaction, when that is what the channel waits for.
    pub(crate) fn take_commit(&mut self) -> Option<Caller> {
        let is_commit = self.first().is_some_and(Step::is_commit);
        let commit = if is_commit { self.operations.pop_front() } else { None };
        commit.map(|operation| operation.caller)
    }

    /// Other nodes have yet to hear of what came of it.
    pub(crate) fn await_spread(&mut self, id: u64) {
        if let Some(operation) = self.get_mut(id) {
            operation.spreads_due += 1;
        }
    }

    /// They have.
    pub(crate) fn spread(&mut self, id: u64) {
        if let Some(operation) = self.get_mut(id) {
            operation.spreads_due = operation.spreads_due.saturating_sub(1);
        }
    }

    /// An operation that was begun ahead of its turn came to nothing. Whether it was one: then it is done anew in its turn.
    pub(crate) fn void(&mut self, id: u64) -> bool {
        let operation = self.get_mut(id).filter(|operation| operation.ahead.is_some());
        operation.is_some_and(|operation| {
            operation.step = Step::Done(None);
            operation.is_void = true;
            true
        })
    }

    /// What those after it came to does not count.
    pub(crate) fn void_after(&mut self, id: u64) {
        for operation in self.operations.iter_mut().rev().take_while(|operation| operation.caller.operation > id) {
            operation.is_void = true;
        }
    }

    /// Whether queues are being declared that go with the connection.
    pub(crate) fn declares_exclusive(&self) -> bool {
        let mut declarations = self.operations.iter().filter_map(|operation| operation.declaration.as_ref());
        declarations.any(|declaration| declaration.is_exclusive)
    }

    /// What is to be done about the first one; `None`: nothing yet.
    pub(crate) fn next_turn(&mut self) -> Option<Turn> {
        let first = self.operations.front_mut()?;
        if first.spreads_due > 0 || !matches!(first.step, Step::Done(_)) {
            return None;
        }
        if first.is_void
            && let Some(Ahead { mut plan, .. }) = first.ahead.take()
        {
            first.is_void = false;
            plan.forget_what_was_known();
            return Some(Turn::Again(first.caller, plan));
        }
        let first = self.operations.pop_front()?;
        match first.step {
            Step::Done(answer) => Some(Turn::Answer(answer)),
            _ => unreachable!("it was just looked at"),
        }
    }

    /// Whether all that is under way is declarations, and there may be more.
    pub(crate) fn may_be_joined(&self) -> bool {
        self.operations.len() < OPERATIONS_MAX
            && self.operations.iter().all(|operation| operation.declaration.is_some() && !operation.is_void)
    }

    /// Whether a declaration comes to the same, whatever the order in which it and those under way are done (unless one of them
    /// is refused).
    pub(crate) fn is_independent(&self, new: &Declaration) -> bool {
        let mut declarations = self.operations.iter().filter_map(|operation| operation.declaration.as_ref());
        declarations.all(|old| {
            old.is_unbind == new.is_unbind && (new.declared == Declared::Nothing || old.declared != new.declared)
        })
    }

    /// How many of them declare a queue, and how many an exchange.
    pub(crate) fn declared(&self) -> (usize, usize) {
        let declarations = self.operations.iter().filter_map(|operation| operation.declaration.as_ref());
        declarations.fold((0, 0), |(queues, exchanges), declaration| match declaration.declared {
            Declared::Nothing => (queues, exchanges),
            Declared::Queue(_) => (queues + 1, exchanges),
            Declared::Exchange(_) => (queues, exchanges + 1),
        })
    }

    /// Whether that queue is being declared.
    pub(crate) fn declares_queue(&self, name: &ShortStr) -> bool {
        let mut declarations = self.operations.iter().filter_map(|operation| operation.declaration.as_ref());
        declarations.any(|declaration| matches!(&declaration.declared, Declared::Queue(queue) if queue == name))
    }

    fn get_mut(&mut self, id: u64) -> Option<&mut Operation> {
        let at = self.operations.binary_search_by_key(&id, |operation| operation.caller.operation).ok()?;
        self.operations.get_mut(at)
    }
}
