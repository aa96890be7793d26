//! Transactions of a channel: its mode, and what the delivery tags settled in one come to. What is published and settled is
//! gathered by the broker, see [`Event::Method`].

use amqp_codec::{
    EncodeMethod,
    methods::{Method, tx},
};

use super::{Connection, session::Outcome};
use crate::{
    Event,
    channel::{Channel, Tx},
    fault::Fault,
};

impl Connection {
    /// Whether what the client publishes and settles on a channel waits for its commit. What was polled before says so itself.
    pub fn is_transactional(&self, channel: u16) -> bool {
        self.channels.get(&channel).and_then(Channel::session).is_some_and(|session| session.tx != Tx::Off)
    }

    /// `tx.select`. Again changes nothing.
    pub(super) fn select_transactions(&mut self, number: u16) -> Outcome {
        let Some(session) = self.session_mut(number) else { return Ok(()) };
        if session.confirms.is_some() {
            return Err(Fault::cannot_switch("confirm", "tx"));
        }
        if session.tx == Tx::Off {
            session.tx = Tx::Open;
            session.held.start_transactions();
        }
        self.write(number, &tx::SelectOk {});
        Ok(())
    }

    /// `tx.commit` or `tx.rollback`. The next transaction begins at once.
    pub(super) fn end_transaction(&mut self, number: u16, method: &Method) -> Outcome {
        let Some(session) = self.session_mut(number) else { return Ok(()) };
        if session.tx == Tx::Off {
            return Err(Fault::not_transactional());
        }
        if matches!(method, Method::TxCommit(_)) {
            session.held.commit();
            session.tx = Tx::Committing;
        } else {
            session.held.roll_back();
        }
        self.events.push(Event::Method { channel: number, method: method.clone() });
        Ok(())
    }

    /// The broker answers: a commit may be done.
    pub(super) fn transaction_answered(&mut self, number: u16, answer: &impl EncodeMethod) {
        let (info, commit_ok) = (answer.info(), &tx::CommitOk::INFO);
        if (info.class_id, info.method_id) != (commit_ok.class_id, commit_ok.method_id) {
            return;
        }
        if let Some(session) = self.session_mut(number)
            && session.tx == Tx::Committing
        {
            session.tx = Tx::Open;
        }
    }
}
