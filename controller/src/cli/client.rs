//! How a command reaches the farm: over HTTP to the controller that runs here, or by the same
//! request to the same router in this process. One code path; the answers cannot differ.
//!
//! ```text
//!   verb ── Request ──▶ Client ─┬─ Serving ──▶ TCP or TLS, loopback ──▶ api of the running controller
//!                               └─ Here ─────▶ router in process ──▶ Farm (dials peers itself)
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::Method;
use http_body_util::Full;
use miner_agent::cli::{Exit, Failure, terminal};
use miner_agent::store::{Dirs, NodeStore};
use serde_json::Value;
use smol::future::FutureExt;
use smol::{Executor, Timer};

use super::instance::{Announced, Instance, Lock};
use super::transport::{self, unanswered};
use crate::access::ApiToken;
use crate::api::{self, Api, Guard, Problem};
use crate::clock::Clock;
use crate::farm::{Farm, REPEATED};
use crate::registry::RedbStore;
use crate::units;
use crate::up::{local_node, remember};

/// Longest wait for an answer; the farm's own deadlines (30 s for a receipt) end before it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(45);
/// The field that repeats the end of a new wallet.
const CONFIRM_PAYOUT: &str = "confirmPayout";
/// How long a command without a running controller waits for links to rigs.
const LINK_TIMEOUT: Duration = Duration::from_secs(5);

/// The way to the farm.
#[derive(Debug)]
pub(super) enum Client {
    /// A controller serves this data directory.
    Serving(Announced),
    /// None does; this process is the controller for the length of the command, and asks itself as the
    /// owner.
    Here {
        router: Router,
        token: ApiToken,
        farm: Arc<Farm>,
        executor: Arc<Executor<'static>>,
        _lock: Lock,
    },
}

/// The port that stands in `Host` where no port exists.
const IN_PROCESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9090);

impl Client {
    /// Finds the way for the data directory that the environment names.
    pub(super) async fn open(executor: &Arc<Executor<'static>>) -> Result<Self, Failure> {
        let store = NodeStore::new(Dirs::from_env()?);
        let Some(node) = store.load()? else {
            return Err(Failure::new(
                "this machine is no node yet; run `miner-ctrl node init --name NAME`, or `miner-ctrl up`",
            ));
        };
        match Instance::find(store.dirs().data()).await? {
            Instance::Serving(api) => Ok(Self::Serving(api)),
            Instance::Ours(lock) => {
                let me = local_node(node)?;
                let registry = RedbStore::open(lock.folder()).map_err(Failure::new)?;
                let farm =
                    Farm::open(Box::new(registry), me, Clock::start()).map_err(Failure::new)?;
                // What a command does is an event; what it sees in its seconds is no history.
                remember(&farm, lock.folder());
                let api = Api::new(Arc::clone(&farm), Guard::loopback(IN_PROCESS.port(), false))
                    .of_node_in(store.dirs().clone());
                Ok(Self::Here {
                    token: api.access.own_token().clone(),
                    router: api::router(api),
                    farm,
                    executor: Arc::clone(executor),
                    _lock: lock,
                })
            }
        }
    }

    /// Whether a controller runs here, beside this process.
    pub(super) const fn is_served(&self) -> bool {
        matches!(self, Self::Serving(_))
    }

    /// Starts dialling, for a request that makes its own link. Once, and not with [`Self::reach`].
    pub(super) fn run(&self) {
        if let Self::Here { farm, executor, .. } = self {
            farm.run(executor);
        }
    }

    /// Makes rigs reachable before a request that needs one (`peer`) or all of them (`None`). A
    /// running controller has its links; here they are made now, and waited for.
    pub(super) async fn reach(&self, peer: Option<&str>) {
        let Self::Here { farm, .. } = self else {
            return;
        };
        let events = farm.subscribe();
        self.run();
        let linked = async {
            while !is_reached(farm, peer) {
                if events.recv().await.is_err() {
                    break;
                }
            }
        };
        let late = async {
            Timer::after(LINK_TIMEOUT).await;
        };
        linked.or(late).await;
    }

    /// Asks these rigs for fresh statistics where nobody else does; a running controller gets them
    /// by heartbeat.
    pub(super) async fn refresh(&self, rigs: impl Iterator<Item = &str>) {
        let Self::Here { farm, executor, .. } = self else {
            return;
        };
        let mut asked = Vec::new();
        for id in rigs.filter_map(|rig| farm.resolve(rig).ok()) {
            let farm = Arc::clone(farm);
            asked.push(executor.spawn(async move { farm.stats_of(id).await }));
        }
        for answer in asked {
            if let Err(error) = answer.await {
                log::debug!("rig not asked error={error}");
            }
        }
    }

    /// Sends a request; an answer that is no success is the failure it describes.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Problem> {
        let bytes = self.exchange(method, path, body).await?;
        serde_json::from_slice(&bytes).map_err(|error| unanswered(&error))
    }

    /// Sends a request whose answer is a file.
    pub(super) async fn download(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Bytes, Problem> {
        self.exchange(method, path, Some(body)).await
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Bytes, Problem> {
        let (address, token) = match self {
            Self::Serving(api) => (api.at.address, &api.token),
            Self::Here { token, .. } => (IN_PROCESS, token),
        };
        let body = body.map_or_else(Bytes::new, |json| json.to_string().into());
        let request = transport::request(method, path, address, token)?
            .body(Full::new(body))
            .map_err(|error| unanswered(&error))?;
        let answer = async {
            match self {
                Self::Serving(api) => transport::over_tcp(api.at, request).await,
                Self::Here { router, .. } => transport::in_process(router.clone(), request).await,
            }
        };
        let late = async {
            Timer::after(ANSWER_TIMEOUT).await;
            Err(unanswered(&"no answer in time"))
        };
        let (status, bytes) = answer.or(late).await?;
        if status.is_success() {
            return Ok(bytes);
        }
        Err(transport::problem(status, &bytes))
    }

    /// As [`Self::send`], and where that would have rigs mine for another wallet: repeats it with what a
    /// person typed, or `said` on the command line.
    pub(super) async fn send_confirmed(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        said: Option<&str>,
    ) -> Result<Value, Failure> {
        let with = |said: &str| {
            let mut body = body.clone();
            if let Some(members) = body.as_object_mut() {
                members.insert(CONFIRM_PAYOUT.to_owned(), Value::from(said));
            }
            body
        };
        let first = said.map_or_else(|| body.clone(), with);
        match self.send(method.clone(), path, Some(&first)).await {
            Err(problem) if problem.code == "PAYOUT_UNCONFIRMED" && said.is_none() => {
                let question = format!(
                    "{}. Look it up where you keep it, and type its last {REPEATED} characters: ",
                    units::printable(&problem.message)
                );
                let typed = terminal::ask(&question, || {
                    let said = Failure::from(problem.clone()).line;
                    format!("{said}; here --confirm-payout XXXXXX")
                })?;
                Ok(self.send(method, path, Some(&with(&typed))).await?)
            }
            answer => Ok(answer?),
        }
    }

    /// Closes the links that this command made.
    pub(super) async fn end(&self) {
        if let Self::Here { farm, .. } = self {
            farm.end().await;
        }
    }

    /// `GET`.
    pub(super) async fn get(&self, path: &str) -> Result<Value, Problem> {
        self.send(Method::GET, path, None).await
    }
}

fn is_reached(farm: &Farm, peer: Option<&str>) -> bool {
    let Some(peer) = peer else {
        // A peer without an address dials in, and there is nothing here that it could dial.
        return farm.peers().is_ok_and(|peers| {
            let mut dialled = peers.iter().filter(|peer| peer.address.is_some());
            dialled.all(|peer| peer.connected)
        });
    };
    match farm.resolve(peer).and_then(|id| farm.peer(id)) {
        Ok(peer) => peer.connected || peer.address.is_none(),
        // The request itself will say what is wrong with the name.
        Err(_) => true,
    }
}

/// The problem as a command's end: one line, and the code that scripts can match on.
impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let mut line = problem.message.into_string();
        if let Some(hint) = problem.hint {
            line += &format!("; {hint}");
        }
        let exit = match &*problem.code {
            "FINGERPRINT_UNCONFIRMED" | "PAYOUT_UNCONFIRMED" => Exit::NeedsConsent,
            "INVALID_INPUT" => Exit::Usage,
            _ => Exit::Failure,
        };
        Self {
            exit,
            line: units::printable(&format!("{line} ({})", problem.code)),
        }
    }
}

/// A path segment, percent-encoded: names may hold spaces.
pub(super) fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::super::instance::ApiAt;
    use super::*;

    #[test]
    fn names_with_spaces_and_slashes_stay_one_segment() {
        assert_eq!(segment("Control Center_2.0"), "Control%20Center_2.0");
        assert_eq!(segment("a/../b?c#d%é"), "a%2F..%2Fb%3Fc%23d%25%C3%A9");
    }

    #[test]
    fn a_problem_becomes_one_line_with_its_code() {
        let problem = Problem::new(
            StatusCode::NOT_FOUND,
            "PEER_NOT_FOUND",
            "no peer is called \u{1b}x",
        )
        .hint("see `peer list`");
        let failure = Failure::from(problem);
        assert_eq!(failure.exit, Exit::Failure);
        assert_eq!(
            failure.line,
            "no peer is called ?x; see `peer list` (PEER_NOT_FOUND)"
        );
    }

    #[test]
    fn what_a_person_has_to_confirm_is_exit_code_3() {
        for code in ["FINGERPRINT_UNCONFIRMED", "PAYOUT_UNCONFIRMED"] {
            let problem = Problem::new(StatusCode::CONFLICT, code, "x");
            assert_eq!(Failure::from(problem).exit, Exit::NeedsConsent);
        }
    }

    #[test]
    fn a_controller_that_is_gone_is_said_in_words() {
        // A port that was free a moment ago and that nobody listens on.
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = socket.local_addr().expect("bound");
        drop(socket);
        let api = Announced::of(ApiAt { address, tls: None });
        let problem = smol::block_on(Client::Serving(api).get("/peers")).expect_err("gone");
        assert_eq!(problem.code, "CONTROLLER_UNREACHABLE");
    }
}
