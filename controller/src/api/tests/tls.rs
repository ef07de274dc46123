//! The API behind TLS, over real sockets.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use miner_agent::tls::{self, Duplex, SpkiPin, TlsError};
use smol::io::{AsyncReadExt as _, AsyncWriteExt as _};
use smol::net::TcpStream;
use smol::{Async, Executor};

use super::Server;
use crate::api::{Guard, serve};
use crate::tls::tests::made;

/// Where an API with TLS is served for a test, and the key that it proves.
struct At {
    address: SocketAddr,
    pin: SpkiPin,
    bearer: String,
}

fn with_api<F: Future<Output = ()>>(test: impl FnOnce(At) -> F) {
    let executor = Arc::new(Executor::new());
    let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0)).expect("a port");
    let address = listener.get_ref().local_addr().expect("bound");
    let (tls, port) = (made(), address.port());
    let server = Server::that(Guard::loopback(port, true));
    let at = At {
        address,
        pin: tls.pin(),
        bearer: server.bearer.clone(),
    };
    let serving = serve(listener, Some(tls), server.router, Arc::clone(&executor));
    let _serving = executor.spawn(serving);
    smol::block_on(executor.run(test(at)));
}

impl At {
    async fn plain(&self) -> Box<dyn Duplex> {
        Box::new(TcpStream::connect(self.address).await.expect("connects"))
    }

    async fn secured(&self, pin: SpkiPin) -> Result<Box<dyn Duplex>, TlsError> {
        let stream = self.plain().await;
        Ok(Box::new(
            tls::connect(stream, "localhost", Some(pin)).await?,
        ))
    }

    /// The answer to a request with these further header lines.
    async fn asked(&self, mut stream: Box<dyn Duplex>, lines: &str) -> String {
        let (host, bearer) = (self.address, &self.bearer);
        let request = format!(
            "GET /api/v1/mining/peers HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
             Authorization: {bearer}\r\n{lines}\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("sent");
        stream.flush().await.expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).await.expect("answered");
        text
    }
}

#[test]
fn the_api_is_served_inside_tls_with_https_origins() {
    with_api(|at| async move {
        let stream = at.secured(at.pin).await.expect("TLS comes up");
        let text = at.asked(stream, "").await;
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        assert!(text.ends_with("[]"), "{text}");
        for (origin, status) in [("https", "200"), ("http", "403")] {
            let stream = at.secured(at.pin).await.expect("TLS comes up");
            let origin = format!("Origin: {origin}://{}\r\n", at.address);
            let text = at.asked(stream, &origin).await;
            assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
        }
    });
}

#[test]
fn a_plain_request_is_told_to_come_with_https_and_nothing_else() {
    with_api(|at| async move {
        let text = at.asked(at.plain().await, "").await;
        assert!(text.starts_with("HTTP/1.1 400 "), "{text}");
        assert!(text.contains("TLS_REQUIRED"), "{text}");
        assert!(text.contains("nosniff"), "hardened as every answer: {text}");
    });
}

#[test]
fn another_key_than_the_pinned_one_is_no_api() {
    with_api(|at| async move {
        let why = at.secured(made().pin()).await.expect_err("refused");
        assert!(matches!(why, TlsError::OtherKey(found) if found == at.pin));
    });
}
