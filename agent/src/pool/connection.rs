//! One TCP connection to a pool: drives [`Client`] with bytes and time.

use std::fmt;
use std::io;

use miner_shared::limits::{MAX_POOL_LINE, MAX_SENT_LINE};
use miner_shared::mining::{Job, Share, Submitted};
use miner_shared::stratum::{
    Client, ClientError, ClientEvent, LineSplitter, LineTooLong, Login, SubmitError,
};
use miner_shared::text::Address;
use miner_shared::time::Millis;
use smol::future;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::TcpStream;

use crate::clock::Clock;

/// To connect, or to get rid of one line, in milliseconds.
const IO_MS: u64 = 10_000;
/// An unfinished line may grow for this long, in milliseconds.
const LINE_MS: u64 = 10_000;

/// A connection that is logged in, or about to be.
pub(super) struct Connection {
    stream: TcpStream,
    client: Client,
    lines: LineSplitter<MAX_POOL_LINE>,
    clock: Clock,
}

/// Why there is no connection, or no longer.
#[derive(Debug)]
pub(super) enum PoolError {
    Client(ClientError),
    Closed,
    Io(io::Error),
    LineTooLong,
    TooSlow,
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(error) => error.fmt(f),
            Self::Closed => f.write_str("the pool closed the connection"),
            Self::Io(error) => error.fmt(f),
            Self::LineTooLong => f.write_str("the pool sent a line that is too long"),
            Self::TooSlow => f.write_str("the pool is too slow"),
        }
    }
}

impl From<ClientError> for PoolError {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

impl From<io::Error> for PoolError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<LineTooLong> for PoolError {
    fn from(_: LineTooLong) -> Self {
        Self::LineTooLong
    }
}

impl Connection {
    /// Connects, logs in, and waits for the first job.
    pub(super) async fn log_in(
        address: &Address,
        login: Login,
        clock: Clock,
    ) -> Result<Box<Self>, PoolError> {
        let stream = within(clock, IO_MS, TcpStream::connect(address.host_port())).await?;
        // Shares and jobs are single small lines: each leaves at once.
        stream.set_nodelay(true)?;
        let mut connection = Box::new(Self {
            stream,
            client: Client::new(clock.now(), login),
            lines: LineSplitter::new(),
            clock,
        });
        loop {
            connection.flush().await?;
            if let ClientEvent::LoggedIn(_) = connection.next_event().await? {
                return Ok(connection);
            }
        }
    }

    /// Sends what the client owes. Not to be dropped halfway: a line would be cut.
    pub(super) async fn flush(&mut self) -> Result<(), PoolError> {
        let mut out = [0; MAX_SENT_LINE];
        while let Some(len) = self.client.poll_transmit(self.clock.now(), &mut out) {
            let line = out.get(..len).unwrap_or_default();
            within(self.clock, IO_MS, self.stream.write_all(line)).await?;
        }
        Ok(())
    }

    /// The next event that is one; may be dropped at any point.
    pub(super) async fn next_event(&mut self) -> Result<ClientEvent, PoolError> {
        loop {
            let now = self.clock.now();
            while let Some(line) = self.lines.next_line()? {
                match self.client.handle_line(now, line)? {
                    ClientEvent::Idle => {}
                    event => return Ok(event),
                }
            }
            match self.client.handle_timeout(now)? {
                ClientEvent::Idle => {}
                event => return Ok(event),
            }
            if !self.read_or_timeout().await? {
                // Something may be owed by time alone: let the caller flush.
                return Ok(ClientEvent::Idle);
            }
        }
    }

    /// Reads what there is; false if time was up first.
    async fn read_or_timeout(&mut self) -> Result<bool, PoolError> {
        let line_ends = self.lines.waiting_since().map(|since| since + LINE_MS);
        let now = self.clock.now();
        if line_ends.is_some_and(|end| now >= end) {
            return Err(PoolError::TooSlow);
        }
        let wake = [line_ends, self.client.poll_timeout()]
            .into_iter()
            .flatten()
            .min();
        let read = async { self.stream.read(self.lines.spare()).await.map(Some) };
        let timer = async {
            timer(self.clock, wake).await;
            Ok(None)
        };
        match future::or(read, timer).await? {
            Some(0) => Err(PoolError::Closed),
            Some(count) => {
                self.lines.filled(self.clock.now(), count);
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// The job in hand.
    pub(super) fn job(&self) -> Option<&Job> {
        self.client.job()
    }

    /// Takes a share to send with the next flush.
    pub(super) fn submit(&mut self, share: Share) -> Result<(), SubmitError> {
        self.client.submit(share)
    }

    /// The same, one by one.
    pub(super) fn outstanding_shares(&self) -> impl Iterator<Item = Submitted> {
        self.client.outstanding_shares()
    }

    /// Shares that are lost if the connection ends now.
    pub(super) fn outstanding(&self) -> u32 {
        self.client.outstanding()
    }
}

async fn timer(clock: Clock, at: Option<Millis>) {
    match at {
        Some(at) => {
            clock.timer_at(at).await;
        }
        None => future::pending().await,
    }
}

async fn within<T>(
    clock: Clock,
    ms: u64,
    work: impl Future<Output = io::Result<T>>,
) -> Result<T, PoolError> {
    let late = async {
        clock.timer_at(clock.now() + ms).await;
        Err(PoolError::TooSlow)
    };
    future::or(async { Ok(work.await?) }, late).await
}
