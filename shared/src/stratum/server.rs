//! One connection from a miner.
//!
//! ```text
//!   new ── login ──▶ Login ── accept(template) ──▶ in ── submit ──▶ Claimed ── answer(verdict) ──▶ in
//!     │ 10 s, anything else    │ refuse             │ 600 s of silence
//!     ▼                        ▼                    ▼
//!   over                   closing ── text left ── over
//! ```
//!
//! A submit passes these checks in this order, and gets exactly one answer whatever happens:
//! session, form, job still kept, slot, target of *that* job, nonce not seen, algorithm; then the
//! caller verifies the hash. Every job has an id of its own, so no job is ever sent twice.

use core::fmt::{self, Write as _};

use heapless::{Deque, String, Vec};

use super::job;
use super::words::{AGENT_PREFIX, Refusal, id_of, write_line};
use crate::json::{Value, Writer};
use crate::limits::{
    KEPT_JOBS, LOGIN_MS, MAX_FAULTS, MAX_NAME, MAX_OWED, MAX_POOL_PASS, MAX_POOL_USER,
    MINER_IDLE_MS, SEEN_NONCES,
};
use crate::mining::{
    Blob, Difficulty, Hash, Job, JobId, SeedHash, Target, TargetWidth, Verdict, algo_from_name, hex,
};
use crate::text::{Label, PoolPass, PoolUser, Text};
use crate::time::Millis;
use crate::wire::Algo;

/// One connection from a miner, from accept to its end.
#[derive(Debug)]
pub struct Server {
    session: String<16>,
    state: State,
    made_at: Millis,
    heard_at: Millis,
    own_agent: bool,
    faults: u8,
    jobs: Deque<Issued, KEPT_JOBS>,
    job_number: u32,
    job_due: bool,
    claims: Vec<(Ticket, Option<u64>), MAX_OWED>,
    ticket: u32,
    replies: Deque<(Option<u64>, Reply), MAX_OWED>,
}

/// Work to hand out; the server makes a job of it with an id of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// What is hashed. Different each time, or a nonce could be claimed once per job.
    pub blob: Blob,
    /// Proof of work.
    pub algo: Algo,
    /// Height of the block.
    pub height: u64,
    /// Key of the RandomX memory.
    pub seed: SeedHash,
    /// The seed after this one, if it is known.
    pub next_seed: Option<SeedHash>,
    /// Whether the miner must keep the blob's last nonce byte.
    pub nicehash: bool,
}

/// Names a submit that waits for its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u32);

/// A login to decide on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginRequest {
    /// Wallet or label.
    pub user: PoolUser,
    /// Password; `None` if absent or longer than any of ours.
    pub pass: Option<PoolPass>,
    /// Program, as far as it is shown.
    pub agent: Label,
    /// Name of the rig, as far as it is shown, if given.
    pub rig: Option<Text<MAX_NAME>>,
}

/// A share that passed every check but the hash function's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// To answer it with.
    pub ticket: Ticket,
    /// The job's blob with the nonce in place.
    pub input: Blob,
    /// Key of the RandomX memory.
    pub seed: SeedHash,
    /// What the miner says the hash is.
    pub hash: Hash,
    /// The job's target, which the claimed hash meets.
    pub target: Target,
    /// Height of the job.
    pub height: u64,
}

/// What a line brought.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerEvent {
    /// Nothing for the caller.
    Idle,
    /// A miner wants in: answer with [`Server::accept`] or [`Server::refuse`].
    Login(LoginRequest),
    /// A share to verify: answer with [`Server::answer`].
    Claimed(Claim),
    /// A share that needed no verification; the miner has its answer.
    Refused(Verdict),
}

/// Why a connection is over: close it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerError {
    /// No login in 10 s.
    LoginTimeout,
    /// No valid line in 600 s.
    Idle,
    /// A line that is no JSON object.
    Unreadable,
    /// More lines than [`Server::wants_line`] allowed.
    Backlog,
}

/// A job as it was sent, with what was claimed for it.
#[derive(Debug)]
struct Issued {
    job: Job,
    height: u64,
    width: TargetWidth,
    seen: Deque<u32, SEEN_NONCES>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Only a login is heard.
    New,
    /// The login of this id waits for the caller.
    Asked(Option<u64>),
    In,
    /// What is owed still leaves; nothing more is heard.
    Closing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reply {
    Welcome,
    Accepted,
    KeptAlive,
    CurrentJob,
    Refused(Refusal),
}

impl Server {
    /// A server for a connection that was just accepted; `session` is random.
    pub fn new(now: Millis, session: [u8; 8]) -> Self {
        let mut digits = [0; 16];
        let session = hex::encode(&session, &mut digits).unwrap_or_default();
        Self {
            // Sixteen digits fit sixteen bytes.
            session: String::try_from(session).unwrap_or_default(),
            state: State::New,
            made_at: now,
            heard_at: now,
            own_agent: false,
            faults: 0,
            jobs: Deque::new(),
            job_number: 0,
            job_due: false,
            claims: Vec::new(),
            ticket: 0,
            replies: Deque::new(),
        }
    }

    /// Whether the miner was let in.
    pub fn is_logged_in(&self) -> bool {
        self.state == State::In
    }

    /// Whether the connection ends once [`Self::poll_transmit`] has nothing more to send.
    pub fn is_closing(&self) -> bool {
        self.state == State::Closing
    }

    /// Whether another line may be read; otherwise the miner waits.
    pub fn wants_line(&self) -> bool {
        self.claims.len() + self.replies.len() < MAX_OWED
    }

    /// Difficulty of the newest job, as the miner computes it.
    pub fn difficulty(&self) -> Option<Difficulty> {
        self.jobs
            .back()
            .map(|issued| issued.job.target.difficulty())
    }

    /// Handles one line from the miner, without its ending.
    pub fn handle_line(&mut self, now: Millis, line: &[u8]) -> Result<ServerEvent, ServerError> {
        if self.state == State::Closing || line.trim_ascii().is_empty() {
            return Ok(ServerEvent::Idle);
        }
        if !self.wants_line() {
            return Err(ServerError::Backlog);
        }
        let request = Value::parse(line).ok().filter(|value| value.is_object());
        let request = request.ok_or(ServerError::Unreadable)?;
        self.heard_at = now;
        let id = id_of(request);
        let params = request.get("params");
        let method = request.get("method").and_then(Value::as_str);
        let is = |name| method.is_some_and(|method| method.is(name));
        match self.state {
            State::New if is("login") => Ok(self.handle_login(id, params)),
            State::In if is("submit") => Ok(self.handle_submit(id, params)),
            State::In if is("keepalived") => Ok(self.reply(id, Reply::KeptAlive)),
            State::In if is("getjob") => Ok(self.reply(id, Reply::CurrentJob)),
            State::In if method.is_some() => Ok(self.fault(id, Refusal::InvalidMethod)),
            State::In => Ok(self.fault(id, Refusal::InvalidRequest)),
            _ => Ok(self.refuse_and_close(id, Refusal::Unauthenticated)),
        }
    }

    /// Lets the miner of [`ServerEvent::Login`] in, with its first job.
    pub fn accept(&mut self, template: Template, difficulty: Difficulty) {
        if let State::Asked(id) = self.state {
            self.state = State::In;
            self.issue(template, difficulty);
            self.reply(id, Reply::Welcome);
        }
    }

    /// Turns the miner of [`ServerEvent::Login`] away, and closes.
    pub fn refuse(&mut self, why: Refusal) {
        if let State::Asked(id) = self.state {
            self.refuse_and_close(id, why);
        }
    }

    /// Gives the miner another job. The last four stay valid, each with its own target.
    pub fn send_job(&mut self, template: Template, difficulty: Difficulty) {
        if self.state == State::In {
            self.issue(template, difficulty);
            self.job_due = true;
        }
    }

    /// Answers a claim; `false` if nothing with this ticket waits.
    pub fn answer(&mut self, ticket: Ticket, verdict: Verdict) -> bool {
        let Some(at) = self.claims.iter().position(|(claim, _)| *claim == ticket) else {
            return false;
        };
        let (_, id) = self.claims.remove(at);
        self.reply(
            id,
            match verdict {
                Verdict::Accepted => Reply::Accepted,
                Verdict::Stale => Reply::Refused(Refusal::StaleShare),
                Verdict::LowDifficulty => Reply::Refused(Refusal::LowDifficulty),
                Verdict::Duplicate => Reply::Refused(Refusal::DuplicateShare),
                Verdict::Invalid => Reply::Refused(Refusal::InvalidPow),
                Verdict::Refused => Reply::Refused(Refusal::BadGateway),
            },
        );
        true
    }

    /// Ends the connection: every claim still open is answered first.
    pub fn close(&mut self) {
        while let Some((ticket, _)) = self.claims.first().copied() {
            self.answer(ticket, Verdict::Refused);
        }
        self.state = State::Closing;
        self.job_due = false;
    }

    /// Writes the next line to send, ending included, and says its length. `out` has room for
    /// [`crate::limits::MAX_JOB_LINE`] bytes. Call until `None` after every other call.
    pub fn poll_transmit(&mut self, out: &mut [u8]) -> Option<usize> {
        if let Some((id, reply)) = self.replies.front().copied() {
            let length = write_line(out, |w| self.write_reply(w, id, reply))?;
            self.replies.pop_front();
            if reply == Reply::Welcome {
                self.job_due = false;
            }
            return Some(length);
        }
        if !self.job_due {
            return None;
        }
        let issued = self.jobs.back()?;
        let length = write_line(out, |w| {
            w.open_object();
            w.key("jsonrpc").string("2.0");
            w.key("method").string("job");
            w.key("params");
            job::write(w, &issued.job, issued.width);
            w.close_object();
        })?;
        self.job_due = false;
        Some(length)
    }

    /// When to call [`Self::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Millis {
        match self.state {
            State::New | State::Asked(_) => self.made_at + LOGIN_MS,
            State::In | State::Closing => self.heard_at + MINER_IDLE_MS,
        }
    }

    /// Handles the passing of time.
    pub fn handle_timeout(&mut self, now: Millis) -> Result<(), ServerError> {
        if now < self.poll_timeout() {
            return Ok(());
        }
        Err(match self.state {
            State::New | State::Asked(_) => ServerError::LoginTimeout,
            State::In | State::Closing => ServerError::Idle,
        })
    }

    fn handle_login(&mut self, id: Option<u64>, params: Option<Value<'_>>) -> ServerEvent {
        let text = |key| params.and_then(|params| params.get(key)?.as_str());
        let user = text("login")
            .and_then(|user| PoolUser::parse(user.lossy::<MAX_POOL_USER>().as_str()).ok());
        let Some(user) = user else {
            return self.refuse_and_close(id, Refusal::InvalidRequest);
        };
        let algos = params.and_then(|params| params.get("algo"));
        if algos.is_some_and(|list| list.is_array() && !list.items().any(is_ours)) {
            return self.refuse_and_close(id, Refusal::NoAlgorithm);
        }
        let pass = params.and_then(|params| params.get("pass")?.text::<MAX_POOL_PASS>());
        let agent = text("agent").map_or_else(Label::default, |agent| agent.lossy());
        self.own_agent = agent.as_str().starts_with(AGENT_PREFIX);
        self.state = State::Asked(id);
        ServerEvent::Login(LoginRequest {
            user,
            pass: pass.and_then(|pass| PoolPass::parse(pass.as_str()).ok()),
            agent,
            rig: text("rigid").map(|rig| rig.lossy()),
        })
    }

    fn handle_submit(&mut self, id: Option<u64>, params: Option<Value<'_>>) -> ServerEvent {
        match self.check_submit(params) {
            Ok((input, hash, issued)) => {
                self.ticket = self.ticket.wrapping_add(1);
                let claim = Claim {
                    ticket: Ticket(self.ticket),
                    input,
                    seed: issued.seed,
                    hash,
                    target: issued.target,
                    height: issued.height,
                };
                // There is room: the line was only read because something could still be owed.
                let _ = self.claims.push((claim.ticket, id));
                ServerEvent::Claimed(claim)
            }
            Err(Refusal::InvalidNonce) => {
                self.refuse_and_close(id, Refusal::InvalidNonce);
                ServerEvent::Refused(Verdict::Invalid)
            }
            Err(why) => {
                self.reply(id, Reply::Refused(why));
                ServerEvent::Refused(verdict_of(why))
            }
        }
    }

    fn check_submit(
        &mut self,
        params: Option<Value<'_>>,
    ) -> Result<(Blob, Hash, JobFacts), Refusal> {
        let text = |key| params.and_then(|params| params.get(key)?.as_str());
        if !text("id").is_some_and(|session| session.is(&self.session)) {
            return Err(Refusal::Unauthenticated);
        }
        let nonce = text("nonce").and_then(|nonce| hex::array(&nonce.unescape::<8>()?));
        let nonce = nonce
            .map(u32::from_le_bytes)
            .ok_or(Refusal::LowDifficulty)?;
        let hash = text("result").and_then(|hash| hex::array(&hash.unescape::<64>()?));
        let hash: Hash = hash.ok_or(Refusal::LowDifficulty)?;
        let job_id = text("job_id").ok_or(Refusal::StaleShare)?;
        let issued = self
            .jobs
            .iter_mut()
            .find(|issued| job_id.is(issued.job.id.as_str()))
            .ok_or(Refusal::StaleShare)?;
        if !issued.job.slot().contains(nonce) {
            return Err(Refusal::InvalidNonce);
        }
        if !issued.job.target.is_met_by(&hash) {
            return Err(Refusal::LowDifficulty);
        }
        if issued.seen.iter().any(|seen| *seen == nonce) {
            return Err(Refusal::DuplicateShare);
        }
        let algo = params.and_then(|params| params.get("algo"));
        if algo.is_some_and(|algo| !algo.is_null() && !is_ours(algo)) {
            return Err(Refusal::IncorrectAlgorithm);
        }
        if issued.seen.is_full() {
            issued.seen.pop_front();
        }
        let _ = issued.seen.push_back(nonce);
        let facts = JobFacts {
            seed: issued.job.seed,
            target: issued.job.target,
            height: issued.height,
        };
        Ok((issued.job.blob.with_nonce(nonce), hash, facts))
    }

    /// Makes a job of the template and keeps it; the oldest of four goes.
    fn issue(&mut self, template: Template, difficulty: Difficulty) {
        let asked = Target::from_difficulty(difficulty);
        let short = TargetWidth::choose(self.own_agent, difficulty);
        let (width, target) = match asked.on_wire(short) {
            Some(target) => (short, target),
            None => (TargetWidth::Eight, asked),
        };
        self.job_number = self.job_number.wrapping_add(1);
        let Some(id) = job_id(&self.session, self.job_number) else {
            return;
        };
        if self.jobs.is_full() {
            self.jobs.pop_front();
        }
        let issued = Issued {
            job: Job {
                id,
                blob: template.blob,
                target,
                algo: template.algo,
                height: Some(template.height),
                seed: template.seed,
                next_seed: template.next_seed,
                nicehash: template.nicehash,
            },
            height: template.height,
            width,
            seen: Deque::new(),
        };
        // There is room: one was taken out if it was full.
        let _ = self.jobs.push_back(issued);
    }

    fn fault(&mut self, id: Option<u64>, why: Refusal) -> ServerEvent {
        self.faults = self.faults.saturating_add(1);
        if self.faults < MAX_FAULTS {
            self.reply(id, Reply::Refused(why))
        } else {
            self.refuse_and_close(id, why)
        }
    }

    fn refuse_and_close(&mut self, id: Option<u64>, why: Refusal) -> ServerEvent {
        self.reply(id, Reply::Refused(why));
        self.close();
        ServerEvent::Idle
    }

    fn reply(&mut self, id: Option<u64>, reply: Reply) -> ServerEvent {
        // There is room: whatever is owed was counted when its line was read.
        let _ = self.replies.push_back((id, reply));
        ServerEvent::Idle
    }

    fn write_reply(&self, w: &mut Writer<'_>, id: Option<u64>, reply: Reply) {
        w.open_object();
        w.key("id").number_or_null(id);
        w.key("jsonrpc").string("2.0");
        if let Reply::Refused(why) = reply {
            // XMRig reads `message` unchecked, so it is always there.
            w.key("error").open_object();
            w.key("code").raw(format_args!("-1"));
            w.key("message").string(why.text());
            w.close_object().close_object();
            return;
        }
        w.key("error").null();
        // Always an object: anything else leaves a stock miner waiting.
        w.key("result");
        match reply {
            Reply::Welcome => self.write_welcome(w),
            Reply::CurrentJob => self.write_job(w),
            Reply::KeptAlive => write_status(w, "KEEPALIVED"),
            Reply::Accepted | Reply::Refused(_) => write_status(w, "OK"),
        }
        w.close_object();
    }

    fn write_welcome(&self, w: &mut Writer<'_>) {
        w.open_object();
        w.key("id").string(&self.session);
        w.key("job");
        self.write_job(w);
        w.key("extensions").open_array();
        w.string("algo").string("keepalive");
        if self.jobs.back().is_some_and(|issued| issued.job.nicehash) {
            w.string("nicehash");
        }
        w.close_array();
        w.key("status").string("OK").close_object();
    }

    fn write_job(&self, w: &mut Writer<'_>) {
        match self.jobs.back() {
            Some(issued) => job::write(w, &issued.job, issued.width),
            None => {
                w.null();
            }
        }
    }
}

/// What a claim needs to know of its job.
struct JobFacts {
    seed: SeedHash,
    target: Target,
    height: u64,
}

fn write_status(w: &mut Writer<'_>, status: &str) {
    w.open_object().key("status").string(status).close_object();
}

fn is_ours(name: Value<'_>) -> bool {
    name.text::<16>()
        .is_some_and(|name| algo_from_name(name.as_str()).is_ok())
}

fn verdict_of(refusal: Refusal) -> Verdict {
    match refusal {
        Refusal::StaleShare => Verdict::Stale,
        Refusal::DuplicateShare => Verdict::Duplicate,
        Refusal::LowDifficulty => Verdict::LowDifficulty,
        Refusal::IncorrectAlgorithm | Refusal::InvalidPow => Verdict::Invalid,
        _ => Verdict::Refused,
    }
}

/// An id that no other login gets: part of the random session, then the job's number.
fn job_id(session: &str, number: u32) -> Option<JobId> {
    let mut id = String::<16>::new();
    id.push_str(session.get(..8)?).ok()?;
    write!(id, "{number:x}").ok()?;
    JobId::parse(&id).ok()
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LoginTimeout => "no login in time",
            Self::Idle => "silent for too long",
            Self::Unreadable => "not a JSON object",
            Self::Backlog => "more lines than answers can be owed for",
        })
    }
}

impl core::error::Error for ServerError {}
