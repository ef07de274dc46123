//! A pool that lets everybody in and takes every share.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use smol::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use smol::net::{TcpListener, TcpStream};

/// A pool on a free port. Dropping `Pool::serve`'s future closes its connections.
pub(crate) struct Pool {
    listener: TcpListener,
    name: &'static str,
    target: &'static str,
    /// Logins so far.
    pub(crate) logins: Rc<Cell<u32>>,
    /// Shares so far.
    pub(crate) shares: Rc<Cell<u32>>,
}

impl Pool {
    /// A pool whose jobs carry `name`, two letters.
    pub(crate) async fn bind(name: &'static str) -> Self {
        // Difficulty 10,000.
        Self::bind_at(name, "b88d0600").await
    }

    /// The same with a target of its own, 8 hex digits.
    pub(crate) async fn bind_at(name: &'static str, target: &'static str) -> Self {
        Self {
            target,
            listener: TcpListener::bind("127.0.0.1:0").await.expect("a free port"),
            name,
            logins: Rc::default(),
            shares: Rc::default(),
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("bound")
    }

    /// Serves one connection after the other, for ever.
    pub(crate) async fn serve(&self) {
        loop {
            self.serve_one().await;
        }
    }

    /// Serves one connection to its end.
    pub(crate) async fn serve_one(&self) {
        let (stream, _) = self.listener.accept().await.expect("accepts");
        let mut writer = stream.clone();
        let mut lines = BufReader::new(stream);
        let mut line = String::new();
        while lines.read_line(&mut line).await.is_ok_and(|n| n > 0) {
            self.answer(&line, &mut writer).await;
            line.clear();
        }
    }

    async fn answer(&self, line: &str, writer: &mut TcpStream) {
        let id = line
            .split_once("\"id\":")
            .and_then(|(_, rest)| rest.split([',', '}']).next())
            .expect("every request has an id");
        let answer = if line.contains("\"login\"") {
            self.logins.set(self.logins.get() + 1);
            let job_id = format!("{}{}", self.name, self.logins.get());
            format!(
                r#"{{"id":{id},"jsonrpc":"2.0","error":null,"result":{{"id":"s","status":"OK","job":{{"blob":"{}","job_id":"{job_id}","target":"{}","algo":"rx/0","height":1,"seed_hash":"{}"}}}}}}"#,
                "07".repeat(39) + "00000000" + &"07".repeat(33),
                self.target,
                "11".repeat(32),
            )
        } else {
            self.shares.set(self.shares.get() + 1);
            format!(r#"{{"id":{id},"jsonrpc":"2.0","error":null,"result":{{"status":"OK"}}}}"#)
        };
        // The rig may be gone already.
        let _ = writer.write_all(format!("{answer}\n").as_bytes()).await;
    }
}
