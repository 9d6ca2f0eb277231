//! What is asked of a libvirt, and who waits for the answer.

use tokio::sync::oneshot;
use uuid::Uuid;
use virt::connect::Connect;
use virt::error::Error;

use crate::error::LookupError;
use crate::lookup::Connection;

/// Something to ask over an open connection. It may be asked twice: again over a new connection, when the first one turns out to be dead.
pub(crate) trait Question: Send + 'static {
    type Answer: Send + 'static;

    /// Asks, and blocks until libvirt has answered. It must return an error when the connection dies meanwhile.
    fn ask(&self, connection: &Connect) -> Result<Self::Answer, Error>;

    /// Which domain is asked about, for the error that there is none.
    fn domain(&self) -> Option<Uuid> {
        None
    }
}

/// What came of a question.
pub(crate) type Answer<Q> = Result<<Q as Question>::Answer, LookupError>;

/// A question in the queue, whatever it asks.
pub(crate) trait Request: Send {
    /// Whether nobody waits for the answer any more.
    fn is_withdrawn(&self) -> bool;

    /// Asks, and keeps the answer back until it is told to send it.
    fn ask(self: Box<Self>, connection: &mut Connection) -> Box<dyn Answered>;

    /// Answers with this error, without asking.
    fn fail(self: Box<Self>, error: LookupError);
}

/// A question that has its answer.
pub(crate) trait Answered {
    fn failure(&self) -> Option<&LookupError>;
    fn send(self: Box<Self>);
}

/// A question and who waits for its answer.
struct Asked<Q: Question> {
    question: Q,
    waiting: oneshot::Sender<Answer<Q>>,
}

/// The question as a request, and where its answer arrives. Dropping that withdraws the request.
pub(crate) fn request<Q: Question>(
    question: Q,
) -> (Box<dyn Request>, oneshot::Receiver<Answer<Q>>) {
    let (waiting, answer) = oneshot::channel();
    (Box::new(Asked { question, waiting }), answer)
}

impl<Q: Question> Request for Asked<Q> {
    fn is_withdrawn(&self) -> bool {
        self.waiting.is_closed()
    }

    fn ask(self: Box<Self>, connection: &mut Connection) -> Box<dyn Answered> {
        let answer = connection.ask(&self.question);
        Box::new(Held::<Q> { answer, waiting: self.waiting })
    }

    fn fail(self: Box<Self>, error: LookupError) {
        // Who no longer waits needs no answer.
        let _ = self.waiting.send(Err(error));
    }
}

/// An answer that is still to be sent.
struct Held<Q: Question> {
    answer: Answer<Q>,
    waiting: oneshot::Sender<Answer<Q>>,
}

impl<Q: Question> Answered for Held<Q> {
    fn failure(&self) -> Option<&LookupError> {
        self.answer.as_ref().err()
    }

    fn send(self: Box<Self>) {
        let _ = self.waiting.send(self.answer);
    }
}
