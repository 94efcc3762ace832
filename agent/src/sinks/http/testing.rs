//! An HTTP server that can be killed, for tests of outputs.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A server that serves until it is killed.
pub(in crate::sinks) struct Server {
    runtime: Option<Runtime>,
    pub(in crate::sinks) address: SocketAddr,
}

impl Server {
    /// On a port of its own.
    pub(in crate::sinks) fn start(router: Router) -> Self {
        Self::at((Ipv4Addr::LOCALHOST, 0).into(), router, None)
    }

    /// With TLS.
    pub(in crate::sinks) fn with_tls(router: Router, acceptor: TlsAcceptor) -> Self {
        Self::at((Ipv4Addr::LOCALHOST, 0).into(), router, Some(acceptor))
    }

    /// At an address where one was killed.
    pub(in crate::sinks) fn again(address: SocketAddr, router: Router) -> Self {
        Self::at(address, router, None)
    }

    fn at(address: SocketAddr, router: Router, acceptor: Option<TlsAcceptor>) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = std::thread::scope(|scope| {
            let bind = || runtime.block_on(TcpListener::bind(address)).unwrap();
            scope.spawn(bind).join().unwrap()
        });
        let address = listener.local_addr().unwrap();
        match acceptor {
            None => runtime.spawn(async { axum::serve(listener, router).await }),
            Some(acceptor) => {
                let listener = TlsListener(listener, acceptor);
                runtime.spawn(async { axum::serve(listener, router).await })
            }
        };
        Self {
            runtime: Some(runtime),
            address,
        }
    }

    /// Ends it with all its connections, in the middle of whatever it does.
    pub(in crate::sinks) fn kill(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

struct TlsListener(TcpListener, TlsAcceptor);

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, peer) = self.0.accept().await.unwrap();
            // A client that does not trust the certificate goes away.
            if let Ok(stream) = self.1.accept(stream).await {
                return (stream, peer);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}
