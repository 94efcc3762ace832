//! Whether a caller may: asked when a call begins, and again when rights change.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream as _;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_stream::wrappers::WatchStream;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use super::audit::{Audit, Reason, Refusal};
use super::clients::{Clients, Right};
use super::connection::{Call, Caller};
use super::peer::Peer;
use super::places::{NoRoom, Place, Places};
use super::rights::{self, Answer};
use super::tls::Access;

/// Most bytes of an answer that the transport gets at once: one frame of HTTP/2.
const MAX_SLICE_BYTES: usize = 16 << 10;

/// Puts the question before every service.
#[derive(Clone, Debug)]
pub(super) struct Authorize {
    access: watch::Receiver<Arc<Access>>,
    audit: Audit,
    /// Of calls with one answer.
    answers: Arc<Places>,
    /// Longest time to the begin of an answer.
    answer: Duration,
}

impl Authorize {
    /// Asks by the rights that hold at the moment.
    pub(super) fn new(
        access: watch::Receiver<Arc<Access>>,
        audit: Audit,
        answers: Arc<Places>,
        answer: Duration,
    ) -> Self {
        Self {
            access,
            audit,
            answers,
            answer,
        }
    }

    /// Begins a call, or says why not.
    fn begin<B>(&self, request: &Request<B>) -> Result<Granted, Status> {
        let path = request.uri().path();
        let Some(method) = rights::method(path) else {
            return Err(Status::unimplemented("the agent has no such method"));
        };
        let caller = request.extensions().get::<Caller>();
        let caller = caller.ok_or_else(|| Status::internal("the connection is not known"))?;
        let terms = Terms {
            peer: caller.peer.clone(),
            right: method.right,
            method: path.trim_start_matches('/').to_owned(),
            audit: self.audit.clone(),
        };
        terms.judge(&self.access.borrow().clients)?;
        let place = match method.answer {
            Answer::One => Some(self.answers.take(caller.peer.client()).map_err(no_room)?),
            Answer::Stream => None,
        };
        Ok(Granted {
            terms,
            changes: Some(WatchStream::from_changes(self.access.clone())),
            _call: caller.calls.begin(method.answer),
            _place: place,
        })
    }
}

fn no_room(why: NoRoom) -> Status {
    Status::resource_exhausted(match why {
        NoRoom::Total(most) | NoRoom::Network(most) => {
            format!("{most} calls are open already, or their answers are not taken: try again")
        }
        NoRoom::Client(most) => format!(
            "this client has {most} calls open already: take their answers, then make others"
        ),
    })
}

/// What a call needs, and who made it.
struct Terms {
    peer: Peer,
    right: Right,
    method: String,
    audit: Audit,
}

impl Terms {
    fn judge(&self, clients: &Clients) -> Result<(), Status> {
        let Self {
            peer,
            right,
            method,
            audit,
        } = self;
        if clients.allow(peer, *right) {
            return Ok(());
        }
        let (reason, remedy) = if !clients.knows(peer) {
            (
                Reason::NotListed,
                "no [[client]] of the agent's file stream.tcp.clients has one of these names: \
                 add one",
            )
        } else if matches!(peer, Peer::Loopback(_)) {
            (
                Reason::MissingRight,
                "a client without TLS may only watch: use the unix socket or mutual TLS",
            )
        } else {
            (
                Reason::MissingRight,
                "add it to the client's rights in the agent's file stream.tcp.clients",
            )
        };
        audit.refuse(&Refusal {
            reason,
            origin: peer.origin(),
            who: peer.to_string(),
            detail: format!("{method} needs the right `{right}`"),
        });
        Err(Status::permission_denied(format!(
            "{peer} lacks the right `{right}` that {method} needs; {remedy}"
        )))
    }
}

/// A call that was allowed.
struct Granted {
    terms: Terms,
    changes: Option<WatchStream<Arc<Access>>>,
    _call: Call,
    _place: Option<Place>,
}

impl Granted {
    /// Fails when the right was taken away.
    fn check(&mut self, context: &mut Context<'_>) -> Result<(), Status> {
        while let Some(changes) = &mut self.changes {
            match Pin::new(changes).poll_next(context) {
                Poll::Ready(Some(access)) => self.terms.judge(&access.clients)?,
                Poll::Ready(None) => self.changes = None,
                Poll::Pending => break,
            }
        }
        Ok(())
    }
}

impl<S> Layer<S> for Authorize {
    type Service = Authorized<S>;

    fn layer(&self, inner: S) -> Authorized<S> {
        Authorized {
            authorize: self.clone(),
            inner,
        }
    }
}

/// Services behind the question.
#[derive(Clone, Debug)]
pub(super) struct Authorized<S> {
    authorize: Authorize,
    inner: S,
}

impl<S, B> Service<Request<B>> for Authorized<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let granted = match self.authorize.begin(&request) {
            Ok(granted) => granted,
            Err(status) => return Box::pin(async move { Ok(status.into_http()) }),
        };
        let limit = self.authorize.answer;
        let answer = timeout(limit, self.inner.call(request));
        Box::pin(async move {
            let Ok(answer) = answer.await else {
                let why = format!("the request did not come in whole within {limit:?}");
                return Ok(Status::deadline_exceeded(why).into_http());
            };
            Ok(answer?.map(|body| {
                Body::new(GrantedBody {
                    body,
                    rest: Bytes::new(),
                    granted: Some(granted),
                })
            }))
        })
    }
}

/// The answer to a call; it ends with a refusal when the right to it ends.
///
/// It is handed over in slices: the transport takes the next one when the client has taken what it
/// has, but lets go of the call when it has the last, though the client has not taken that.
struct GrantedBody {
    body: Body,
    /// Of a frame that is larger than a slice.
    rest: Bytes,
    /// `None` when it has ended with a refusal.
    granted: Option<Granted>,
}

impl HttpBody for GrantedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let Some(granted) = &mut this.granted else {
            return Poll::Ready(None);
        };
        if let Err(status) = granted.check(context) {
            this.granted = None;
            this.rest = Bytes::new();
            this.body = Body::empty();
            let mut trailers = HeaderMap::new();
            return Poll::Ready(Some(
                status
                    .add_header(&mut trailers)
                    .map(|()| Frame::trailers(trailers)),
            ));
        }
        if this.rest.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.rest = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                end => return Poll::Ready(end),
            }
        }
        let slice = this.rest.split_to(this.rest.len().min(MAX_SLICE_BYTES));
        Poll::Ready(Some(Ok(Frame::data(slice))))
    }

    fn is_end_stream(&self) -> bool {
        self.granted.is_none() || (self.rest.is_empty() && self.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let body = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower() + rest);
        if let Some(upper) = body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}
