//! One miner's connection without its socket: protocol, difficulty, and what is being verified.
//!
//! ```text
//!   line ──▶ stratum::Server ──▶ LoggedIn | Verify(claim) | Share(report)
//!                                             └──▶ Vardiff ──▶ a new job when it changed
//!   verdict ─▶ Server::answer ──▶ Share(report)
//! ```

use miner_shared::mining::{Difficulty, Verdict};
use miner_shared::stratum::{Claim, LoginRequest, Server, ServerError, ServerEvent, Ticket};
use miner_shared::text::Label;
use miner_shared::time::Millis;
use rand_core::CryptoRng;

use super::chain::Chain;
use super::vardiff::Vardiff;

/// Where jobs come from.
pub(super) struct Work {
    pub(super) chain: Chain,
    pub(super) rng: Box<dyn CryptoRng + Send>,
}

/// One miner.
#[derive(Debug)]
pub(super) struct Session {
    server: Server,
    start: Difficulty,
    vardiff: Option<Vardiff>,
    claims: Vec<(Ticket, Millis, Difficulty)>,
}

/// What the pool has to do, or tell.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    Idle,
    /// A miner came in.
    LoggedIn { miner: Label, agent: Label },
    /// Verify the hash and come back with [`Session::handle_verdict`].
    Verify(Box<Claim>),
    /// A share has its verdict.
    Share(Report),
}

/// What became of a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) verdict: Verdict,
    /// Of the share's job, if that was known.
    pub(super) difficulty: Option<Difficulty>,
    /// From line to answer.
    pub(super) latency_ms: u64,
}

impl Session {
    /// A connection that was just accepted.
    pub(super) fn new(now: Millis, start: Difficulty, rng: &mut dyn CryptoRng) -> Self {
        let mut id = [0; 8];
        rng.fill_bytes(&mut id);
        Self {
            server: Server::new(now, id),
            start,
            vardiff: None,
            claims: Vec::new(),
        }
    }

    /// Whether another line may be read.
    pub(super) fn wants_line(&self) -> bool {
        self.server.wants_line()
    }

    /// Whether a submitted share waits for its verdict.
    pub(super) fn owes(&self) -> bool {
        !self.claims.is_empty()
    }

    /// Whether it ends when all is sent.
    pub(super) fn is_closing(&self) -> bool {
        self.server.is_closing()
    }

    /// Handles a line from the miner.
    pub(super) fn handle_line(
        &mut self,
        now: Millis,
        line: &[u8],
        work: &mut Work,
    ) -> Result<Step, ServerError> {
        Ok(match self.server.handle_line(now, line)? {
            ServerEvent::Login(request) => self.handle_login(now, &request, work),
            ServerEvent::Claimed(claim) => {
                self.handle_claim(now, &claim, work);
                Step::Verify(Box::new(claim))
            }
            ServerEvent::Refused(verdict) => Step::Share(Report {
                verdict,
                difficulty: None,
                latency_ms: 0,
            }),
            _ => Step::Idle,
        })
    }

    /// Answers a claim as the verifier decided.
    pub(super) fn handle_verdict(&mut self, now: Millis, ticket: Ticket, verdict: Verdict) -> Step {
        let Some(at) = self.claims.iter().position(|(claim, ..)| *claim == ticket) else {
            return Step::Idle;
        };
        let (_, claimed_at, difficulty) = self.claims.swap_remove(at);
        self.server.answer(ticket, verdict);
        Step::Share(Report {
            verdict,
            difficulty: Some(difficulty),
            latency_ms: now.since(claimed_at),
        })
    }

    /// Gives a miner that is in a job of the chain's current block.
    pub(super) fn send_job(&mut self, now: Millis, work: &mut Work) {
        let template = work.chain.template(now, &mut work.rng);
        if let (Some(template), Some(vardiff)) = (template, &self.vardiff) {
            self.server.send_job(template, vardiff.difficulty());
        }
    }

    /// When to call [`Self::handle_timeout`] next.
    pub(super) fn poll_timeout(&self) -> Millis {
        let server = self.server.poll_timeout();
        let vardiff = self.vardiff.as_ref().map(Vardiff::poll_timeout);
        vardiff.map_or(server, |vardiff| vardiff.min(server))
    }

    /// Handles the passing of time.
    pub(super) fn handle_timeout(
        &mut self,
        now: Millis,
        work: &mut Work,
    ) -> Result<(), ServerError> {
        self.server.handle_timeout(now)?;
        if self
            .vardiff
            .as_mut()
            .is_some_and(|vardiff| vardiff.handle_timeout(now))
        {
            self.send_job(now, work);
        }
        Ok(())
    }

    /// Writes the next line to send.
    pub(super) fn poll_transmit(&mut self, out: &mut [u8]) -> Option<usize> {
        self.server.poll_transmit(out)
    }

    /// Counts the share before it is verified: a fast rig's first shares come in hundreds, and who
    /// lies only makes its own work harder.
    fn handle_claim(&mut self, now: Millis, claim: &Claim, work: &mut Work) {
        let difficulty = claim.target.difficulty();
        self.claims.push((claim.ticket, now, difficulty));
        let vardiff = self.vardiff.as_mut();
        if vardiff.is_some_and(|vardiff| vardiff.handle_share(now, difficulty)) {
            self.send_job(now, work);
        }
    }

    fn handle_login(&mut self, now: Millis, request: &LoginRequest, work: &mut Work) -> Step {
        let Some(template) = work.chain.template(now, &mut work.rng) else {
            self.server.close();
            return Step::Idle;
        };
        self.vardiff = Some(Vardiff::new(now, self.start));
        self.server.accept(template, self.start);
        Step::LoggedIn {
            miner: label(request),
            agent: request.agent.clone(),
        }
    }
}

/// What the miner is called in events: its rig name, or the beginning of its login, since a login
/// may be a wallet.
fn label(request: &LoginRequest) -> Label {
    match request.rig.as_ref().filter(|rig| !rig.is_empty()) {
        Some(rig) => Label::lossy(rig.as_str()),
        None => {
            let user = request.user.as_str();
            let shown: String = user.chars().take(12).collect();
            Label::lossy(&if shown.len() < user.len() {
                shown + "…"
            } else {
                shown
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::practice::PracticeConfig;
    use crate::practice::tests::Counter;

    fn work() -> Work {
        let mut rng = Counter(3);
        let chain = Chain::new(&PracticeConfig::default(), Millis(0), &mut rng);
        Work {
            chain,
            rng: Box::new(rng),
        }
    }

    fn lines(session: &mut Session) -> Vec<String> {
        let mut out = [0; miner_shared::limits::MAX_JOB_LINE];
        std::iter::from_fn(|| {
            let n = session.poll_transmit(&mut out)?;
            Some(String::from_utf8_lossy(&out[..n]).into_owned())
        })
        .collect()
    }

    fn login(user: &str, rig: &str) -> String {
        format!(r#"{{"id":1,"method":"login","params":{{"login":"{user}","rigid":"{rig}"}}}}"#)
    }

    fn member(line: &str, key: &str) -> String {
        let from = line.split_once(&format!("\"{key}\":\"")).expect(key).1;
        from.split('"').next().expect("closed").to_owned()
    }

    #[test]
    fn quick_shares_bring_a_harder_job_and_the_old_target_stays_valid_for_the_old_job() {
        let (mut work, mut rng) = (work(), Counter(9));
        let mut session = Session::new(Millis(0), Difficulty(100), &mut rng);
        let step = session.handle_line(Millis(0), login("w", "rig-1").as_bytes(), &mut work);
        assert!(matches!(step, Ok(Step::LoggedIn { miner, .. }) if miner.as_str() == "rig-1"));
        let welcome = lines(&mut session).concat();
        let (id, job) = (member(&welcome, "id"), member(&welcome, "job_id"));
        // Met by difficulty 100, not by 200: just below 2^64 / 100.
        let result = format!("{}{}", "00".repeat(24), "0000000000008f02");
        for nonce in 0..6 {
            let line = format!(
                r#"{{"id":2,"method":"submit","params":{{"id":"{id}","job_id":"{job}","nonce":"{nonce:08x}","result":"{result}"}}}}"#
            );
            let Ok(Step::Verify(claim)) =
                session.handle_line(Millis(10), line.as_bytes(), &mut work)
            else {
                panic!("share {nonce} is valid for its job");
            };
            let sent = lines(&mut session);
            let targets: Vec<String> = sent.iter().map(|l| member(l, "target")).collect();
            let harder: &[&str] = if nonce == 3 { &["14ae4701"] } else { &[] };
            assert_eq!(targets, harder, "with the fourth share, and no answer yet");
            let step = session.handle_verdict(Millis(35), claim.ticket, Verdict::Accepted);
            let Step::Share(report) = step else {
                panic!("a report")
            };
            assert_eq!(
                (report.latency_ms, report.difficulty),
                (25, Some(Difficulty(100)))
            );
            assert_eq!(lines(&mut session).len(), 1, "its answer");
        }
        assert_eq!(session.server.difficulty(), Some(Difficulty(200)));
    }

    #[test]
    fn a_verdict_that_nobody_waits_for_changes_nothing() {
        let (mut work, mut rng) = (work(), Counter(9));
        let mut session = Session::new(Millis(0), Difficulty(1), &mut rng);
        session
            .handle_line(Millis(0), login("w", "").as_bytes(), &mut work)
            .expect("valid");
        let welcome = lines(&mut session).concat();
        let line = format!(
            r#"{{"id":2,"method":"submit","params":{{"id":"{}","job_id":"{}","nonce":"00000000","result":"{}"}}}}"#,
            member(&welcome, "id"),
            member(&welcome, "job_id"),
            "00".repeat(32),
        );
        let Ok(Step::Verify(claim)) = session.handle_line(Millis(1), line.as_bytes(), &mut work)
        else {
            panic!("a claim");
        };
        let step = session.handle_verdict(Millis(2), claim.ticket, Verdict::Invalid);
        assert!(matches!(step, Step::Share(_)));
        let again = session.handle_verdict(Millis(2), claim.ticket, Verdict::Accepted);
        assert_eq!((again, lines(&mut session).len()), (Step::Idle, 1));
    }

    #[test]
    fn a_miner_without_shares_gets_easier_jobs_and_one_without_login_is_dropped() {
        let (mut work, mut rng) = (work(), Counter(9));
        let mut silent = Session::new(Millis(0), Difficulty(100), &mut rng);
        assert_eq!(silent.poll_timeout(), Millis(10_000));
        assert_eq!(
            silent.handle_timeout(Millis(10_000), &mut work),
            Err(ServerError::LoginTimeout)
        );
        let mut slow = Session::new(Millis(0), Difficulty(100), &mut rng);
        slow.handle_line(Millis(0), login("w", "").as_bytes(), &mut work)
            .expect("valid");
        lines(&mut slow);
        slow.handle_timeout(slow.poll_timeout(), &mut work)
            .expect("alive");
        assert_eq!(slow.server.difficulty(), Some(Difficulty(50)));
        assert_eq!(lines(&mut slow).len(), 1);
    }

    #[test]
    fn wallets_are_not_shown_whole() {
        let (mut work, mut rng) = (work(), Counter(9));
        let mut session = Session::new(Millis(0), Difficulty(1), &mut rng);
        let line = login(&"4".repeat(95), "");
        let step = session.handle_line(Millis(0), line.as_bytes(), &mut work);
        let Ok(Step::LoggedIn { miner, .. }) = step else {
            panic!("a login")
        };
        assert_eq!(miner.as_str(), "444444444444…");
    }
}
