//! A controller in a process of its own: made, started, ended, and started again where it was.

use core::time::Duration;
use std::net::SocketAddr;

use miner_shared::identity::Fingerprint;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::gauge::Gauge;
use crate::home::{Home, MINER_CTRL};
use crate::http::Api;
use crate::service::Service;

/// A program says that it serves.
pub(crate) const START: Duration = Duration::from_secs(60);

/// A controller that serves on loopback; dropped means killed.
#[derive(Debug)]
pub(crate) struct Controller {
    service: Service,
    pub(super) gauge: Gauge,
    /// API and page.
    pub(crate) http: Api,
    /// Where rigs dial in.
    pub(crate) smsg: SocketAddr,
    pub(crate) key: Fingerprint,
}

impl Controller {
    /// An identity for a controller on this machine of the test.
    pub(crate) fn init(home: &Home) -> Result<(), String> {
        let init = [
            "node",
            "init",
            "--name",
            "controller",
            "--role",
            "controller",
        ];
        home.run(MINER_CTRL, &init)?.ok().map(drop)
    }

    /// Starts it; port 0 is any free one.
    pub(crate) fn start(home: &Home, http: SocketAddr, smsg: SocketAddr) -> Result<Self, String> {
        let mut controller = Self::serve(home, http, smsg)?;
        controller.http.token = home.api_token()?;
        Ok(controller)
    }

    /// The same without an API token.
    pub(crate) fn serve(home: &Home, http: SocketAddr, smsg: SocketAddr) -> Result<Self, String> {
        let _before = raise_descriptors();
        let (http, smsg) = (http.to_string(), smsg.to_string());
        let serve = ["node", "serve", "--http", &http, "--listen", &smsg];
        let mut service = home.serve(MINER_CTRL, &serve)?;
        let page = service.expect("http://", START)?;
        let page = page.rsplit("http://").next().unwrap_or_default();
        let http = Api {
            at: address(page.split('/').next().unwrap_or_default())?,
            token: String::new(),
        };
        let key = service.expect("fingerprint", START)?;
        let key: String = key.split_whitespace().skip(1).collect();
        let smsg = service.expect("rigs dial in", START)?;
        let smsg = address(smsg.split_whitespace().next_back().unwrap_or_default())?;
        Ok(Self {
            gauge: Gauge::of(service.id()),
            service,
            http,
            smsg,
            key: key.parse().map_err(|error| format!("{key}: {error}"))?,
        })
    }

    /// Its process.
    pub(super) fn id(&self) -> u32 {
        self.service.id()
    }

    /// Ends it as Ctrl-C does, and waits for it.
    pub(crate) fn end(mut self) -> Result<(), String> {
        self.service.interrupt(START).map(drop)
    }

    /// Ends it as a power cut does, and waits for it.
    pub(crate) fn kill(mut self) -> Result<(), String> {
        self.service.kill()
    }
}

/// A free port on loopback.
pub(crate) fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|error| format!("{text}: {error}"))
}

/// As many descriptors as may be, for this process and those that it starts.
fn raise_descriptors() -> Option<u64> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let limit = Rlimit {
        current: maximum,
        maximum,
    };
    // Fewer sockets are reported as such.
    setrlimit(Resource::Nofile, limit).ok()?;
    maximum
}
