//! One miner's socket, driven until it ends.
//!
//! ```text
//!   loop: send what is owed ── then whichever comes first:
//!         bytes │ a verdict │ a new block │ a timer │ the pool's end
//! ```
//!
//! Miners that send more than 50 lines per second (100 at once) are read slower, not dropped; one
//! that does not read what it is sent is dropped after [`WRITE_MS`].

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use miner_shared::limits::{LINE_MS, MAX_JOB_LINE, MAX_MINER_LINE, MAX_OWED};
use miner_shared::mining::Verdict;
use miner_shared::stratum::{LineSplitter, Ticket};
use miner_shared::text::Label;
use miner_shared::time::Millis;
use smol::Timer;
use smol::channel::{Receiver, Sender, bounded};
use smol::future::or;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::TcpStream;

use super::door::Guest;
use super::session::{Session, Step};
use super::verifier::Request;
use super::{PracticeEvent, Shared, lock};

/// A line must leave within this time, in milliseconds.
const WRITE_MS: u64 = 20_000;
/// Time that one line costs its sender, and how much of it may be saved up, in milliseconds.
const LINE_COST_MS: u64 = 20;
const MAX_CREDIT_MS: u64 = 100 * LINE_COST_MS;

/// One miner's connection.
pub(super) struct Connection {
    shared: Arc<Shared>,
    stream: TcpStream,
    peer: SocketAddr,
    number: u64,
    guest: Guest,
    session: Session,
    splitter: Box<LineSplitter<MAX_MINER_LINE>>,
    answers: Sender<(Ticket, Verdict)>,
    verdicts: Receiver<(Ticket, Verdict)>,
    miner: Option<Label>,
    pace: Pace,
    /// Whether the pool ends: nothing more is read, what was submitted is answered.
    ending: bool,
}

/// What a connection waits for.
enum Wake {
    Read(io::Result<usize>),
    Verdict(Ticket, Verdict),
    Block,
    End,
    Timer,
}

impl Connection {
    pub(super) fn new(
        shared: Arc<Shared>,
        (stream, peer): (TcpStream, SocketAddr),
        number: u64,
        guest: Guest,
    ) -> Self {
        let now = shared.clock.now();
        let session = Session::new(now, shared.start, &mut lock(&shared.work).rng);
        let (answers, verdicts) = bounded(MAX_OWED);
        Self {
            shared,
            stream,
            peer,
            number,
            guest,
            session,
            splitter: Box::default(),
            answers,
            verdicts,
            miner: None,
            pace: Pace::new(now),
            ending: false,
        }
    }

    /// Serves the miner until either side ends it.
    pub(super) async fn run(mut self, blocks: Receiver<()>) {
        if let Err(why) = self.serve(&blocks).await {
            log::debug!(
                "miner dropped: {why} connection={} peer={}",
                self.number,
                self.peer
            );
        }
        if let Some(miner) = self.miner.take() {
            let connection = self.number;
            self.shared
                .events
                .push(PracticeEvent::Left { connection, miner });
        }
    }

    async fn serve(&mut self, blocks: &Receiver<()>) -> io::Result<()> {
        loop {
            self.send().await?;
            if self.session.is_closing() || (self.ending && !self.session.owes()) {
                return Ok(());
            }
            match self.wait(blocks).await {
                Wake::Read(count) => match count? {
                    0 => return Ok(()),
                    count => {
                        self.splitter.filled(self.shared.clock.now(), count);
                        self.handle_lines().await?;
                    }
                },
                Wake::Verdict(ticket, verdict) => {
                    let now = self.shared.clock.now();
                    let step = self.session.handle_verdict(now, ticket, verdict);
                    self.handle_step(step).await?;
                    // Lines may have been left unread while too much was owed.
                    self.handle_lines().await?;
                }
                Wake::Block => {
                    let now = self.shared.clock.now();
                    self.session.send_job(now, &mut lock(&self.shared.work));
                }
                Wake::End => self.ending = true,
                Wake::Timer => self.handle_timer().await?,
            }
        }
    }

    async fn wait(&mut self, blocks: &Receiver<()>) -> Wake {
        let now = self.shared.clock.now();
        let ready = self.pace.ready_at(now);
        let reads = self.wants_line() && ready <= now;
        let mut deadline = self.session.poll_timeout();
        if ready > now {
            deadline = deadline.min(ready);
        }
        // A line that we do not want to read yet is not the miner's fault.
        if let Some(since) = self.splitter.waiting_since().filter(|_| reads) {
            deadline = deadline.min(since + LINE_MS);
        }
        let timer = async {
            Timer::after(Duration::from_millis(deadline.since(now))).await;
            Wake::Timer
        };
        let verdict = async {
            match self.verdicts.recv().await {
                Ok((ticket, verdict)) => Wake::Verdict(ticket, verdict),
                Err(_) => smol::future::pending().await,
            }
        };
        let block = async {
            match blocks.recv().await {
                Ok(()) => Wake::Block,
                Err(_) if self.ending => smol::future::pending().await,
                Err(_) => Wake::End,
            }
        };
        let read = async {
            if reads {
                Wake::Read(self.stream.read(self.splitter.spare()).await)
            } else {
                smol::future::pending().await
            }
        };
        or(or(verdict, block), or(read, timer)).await
    }

    fn wants_line(&self) -> bool {
        !self.ending && self.session.wants_line()
    }

    async fn handle_lines(&mut self) -> io::Result<()> {
        while self.wants_line() && !self.session.is_closing() {
            let now = self.shared.clock.now();
            if self.pace.ready_at(now) > now {
                return Ok(());
            }
            let Some(line) = self.splitter.next_line().map_err(io::Error::other)? else {
                return Ok(());
            };
            self.pace.spend(now);
            let step = self
                .session
                .handle_line(now, line, &mut lock(&self.shared.work));
            self.handle_step(step.map_err(io::Error::other)?).await?;
        }
        Ok(())
    }

    async fn handle_step(&mut self, step: Step) -> io::Result<()> {
        match step {
            Step::Idle => {}
            Step::LoggedIn { miner, agent } => {
                self.guest.logged_in();
                self.miner = Some(miner.clone());
                let seed = lock(&self.shared.work).chain.seed();
                self.ask(Request::Prepare(seed)).await?;
                self.shared.events.push(PracticeEvent::LoggedIn {
                    connection: self.number,
                    miner,
                    agent,
                    peer: self.peer,
                });
            }
            Step::Verify(claim) => {
                let answers = self.answers.clone();
                self.ask(Request::Verify(claim, answers)).await?;
            }
            Step::Share(report) => self.shared.events.push(PracticeEvent::Share {
                connection: self.number,
                miner: self.miner.clone().unwrap_or_default(),
                verdict: report.verdict,
                difficulty: report.difficulty,
                latency_ms: report.latency_ms,
            }),
        }
        Ok(())
    }

    /// Waits while the verifier's queue is full; the verifier never waits for us.
    async fn ask(&self, request: Request) -> io::Result<()> {
        self.shared
            .verifier
            .send(request)
            .await
            .map_err(io::Error::other)
    }

    async fn handle_timer(&mut self) -> io::Result<()> {
        let now = self.shared.clock.now();
        let waiting = self.splitter.waiting_since();
        if self.wants_line() && waiting.is_some_and(|t| now >= t + LINE_MS) {
            return Err(io::Error::other("a line that never ends"));
        }
        self.session
            .handle_timeout(now, &mut lock(&self.shared.work))
            .map_err(io::Error::other)?;
        self.handle_lines().await
    }

    async fn send(&mut self) -> io::Result<()> {
        let mut out = [0; MAX_JOB_LINE];
        while let Some(length) = self.session.poll_transmit(&mut out) {
            let line = out.get(..length).unwrap_or_default();
            let late = async {
                Timer::after(Duration::from_millis(WRITE_MS)).await;
                Err(io::ErrorKind::TimedOut.into())
            };
            or(self.stream.write_all(line), late).await?;
        }
        Ok(())
    }
}

/// How fast a miner may send lines: a bucket of saved-up time.
#[derive(Debug)]
struct Pace {
    /// When the bucket was, or will be, empty.
    empty_at: Millis,
}

impl Pace {
    fn new(now: Millis) -> Self {
        Self {
            empty_at: Millis(now.0.saturating_sub(MAX_CREDIT_MS)),
        }
    }

    /// When the next line may be taken.
    fn ready_at(&self, now: Millis) -> Millis {
        self.empty_at
            .max(Millis(now.0.saturating_sub(MAX_CREDIT_MS)))
    }

    fn spend(&mut self, now: Millis) {
        self.empty_at = self.ready_at(now) + LINE_COST_MS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_lines_at_once_pass_and_then_fifty_per_second() {
        let start = Millis(1_000_000);
        let mut pace = Pace::new(start);
        let mut take = |now: Millis| {
            let mut taken = 0;
            while pace.ready_at(now) <= now {
                pace.spend(now);
                taken += 1;
            }
            taken
        };
        assert_eq!(take(start), 101);
        assert_eq!(take(start + 1_000), 50);
        assert_eq!(
            take(start + 3_600_000),
            101,
            "not more than the bucket holds"
        );
    }
}
