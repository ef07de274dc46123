//! The way to the controller: how far each rig has come, after each step, and back whether it is linked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Method;
use http_body_util::Full;
use miner_agent::cli::{Failure, say};
use miner_agent::store::Dirs;
use miner_boot::files::FileName;
use miner_boot::progress::{Rig, Step};
use miner_boot::server::Handle;
use miner_shared::dhcp::Mac;
use serde_json::{Value, json};
use smol::Timer;
use smol::future::or;

use super::boots::Row;
use crate::access::ApiToken;
use crate::cli::instance::{Announced, ApiAt, announced};
use crate::cli::{answers, secrets, transport};
use crate::farm::MAX_REPORTED_BOOTS;

/// Between two looks at what there is to tell.
const PAUSE: Duration = Duration::from_secs(3);
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long after its last step a rig may take until its agent is there, in milliseconds.
const LINK_MS: u64 = 600_000;

/// Where the controller is.
#[derive(Debug)]
enum To {
    /// Where a controller announces itself that this user runs here.
    Here(PathBuf),
    There(Announced),
}

/// Tells it.
#[derive(Debug)]
pub(super) struct Teller {
    to: To,
    /// What was told, of whom.
    told: BTreeMap<Mac, Rig>,
    /// What stands in the way, if something does.
    trouble: Option<String>,
}

impl Teller {
    pub(super) fn new(
        api: Option<SocketAddr>,
        token_file: Option<&str>,
        pin: Option<&str>,
    ) -> Result<Self, Failure> {
        let to = match (api, token_file) {
            (None, None) if pin.is_none() => To::Here(Dirs::from_env()?.data().to_owned()),
            (Some(address), Some(file)) => {
                let token: ApiToken = secrets::read(file)?
                    .parse()
                    .map_err(|_| Failure::new(format!("{file}: no API token; copy it again")))?;
                let tls = pin.map(str::parse).transpose();
                let tls =
                    tls.map_err(|_| Failure::usage("--api-tls-pin: no pin; copy it again"))?;
                To::There(Announced {
                    at: ApiAt { address, tls },
                    token,
                })
            }
            _ => {
                return Err(Failure::usage(
                    "--api and --api-token-file belong together, and --api-tls-pin to them",
                ));
            }
        };
        Ok(Self {
            to,
            told: BTreeMap::new(),
            trouble: None,
        })
    }

    /// For ever.
    pub(super) async fn run(mut self, handle: &Handle) {
        loop {
            Timer::after(PAUSE).await;
            let outcome = self.tell(handle).await;
            let trouble = outcome.err();
            if let Some(trouble) = trouble.as_ref().filter(|_| trouble != self.trouble) {
                // Who does not know is told all, once they can be reached again.
                self.told.clear();
                say(format_args!("the controller is not told: {trouble}"));
            }
            self.trouble = trouble;
        }
    }

    async fn tell(&mut self, handle: &Handle) -> Result<(), String> {
        let rigs = handle.rigs();
        let news: Vec<_> = rigs
            .iter()
            .filter(|(mac, rig)| is_news(rig) && self.told.get(mac) != Some(rig))
            .collect();
        let awaited = |(_, rig): &&(Mac, Rig)| {
            let loaded = matches!(rig.step, Some(Step::Finished { .. }));
            loaded && handle.now().since(rig.last) < LINK_MS
        };
        let awaited: Vec<Mac> = rigs.iter().filter(awaited).map(|(mac, _)| *mac).collect();
        if news.is_empty() && awaited.is_empty() {
            return Ok(());
        }
        let to = self.to.find()?;
        for some in news.chunks(MAX_REPORTED_BOOTS) {
            let boots: Vec<_> = some
                .iter()
                .map(|(mac, rig)| report(handle, *mac, rig))
                .collect();
            ask(&to, Method::POST, "/boots", &json!({ "boots": boots })).await?;
            self.told.extend(some.iter().map(|(mac, rig)| (*mac, *rig)));
        }
        if !awaited.is_empty() {
            let rows = ask(&to, Method::GET, "/boots", &Value::Null).await?;
            let rows: Vec<Row> = answers::read(rows).map_err(|failure| failure.line)?;
            let linked = rows.iter().filter(|row| row.step == "linked");
            let linked = linked.filter_map(|row| row.mac.parse().ok());
            linked
                .filter(|mac| awaited.contains(mac))
                .for_each(|mac| handle.linked(mac));
        }
        Ok(())
    }
}

impl To {
    fn find(&self) -> Result<Announced, String> {
        match self {
            Self::There(api) => Ok(api.clone()),
            Self::Here(folder) => match announced(folder) {
                Ok(Some(api)) => Ok(api),
                Ok(None) => Err("this user runs none here; say --api ADDRESS:PORT".to_owned()),
                Err(failure) => Err(failure.line),
            },
        }
    }
}

/// Whether a rig did something that the controller does not know by itself.
const fn is_news(rig: &Rig) -> bool {
    !matches!(rig.step, None | Some(Step::Linked))
}

/// A boot as `POST /boots` takes it.
fn report(handle: &Handle, mac: Mac, rig: &Rig) -> Value {
    let file = rig.file.filter(|_| !matches!(rig.step, Some(Step::Asked)));
    let (step, reason) = match rig.step {
        Some(Step::Offered(_)) => ("offered", None),
        Some(Step::NotOffered(why)) => ("refused", Some(why.to_string())),
        Some(Step::Started(_)) => ("loading", None),
        Some(Step::Finished { .. }) => ("loaded", None),
        Some(Step::Failed { why, .. }) => ("failed", Some(why.to_string())),
        _ => ("seen", None),
    };
    let of_file = matches!(step, "loading" | "loaded" | "failed");
    json!({
        "mac": mac.to_string(),
        "step": step,
        "file": file.map(|file| file.name()),
        "bytes": of_file.then_some(rig.bytes),
        "size": file.and_then(|file| handle.length(FileName { mac, file })),
        "reason": reason,
        "ageMs": handle.now().since(rig.last),
    })
}

async fn ask(to: &Announced, method: Method, path: &str, body: &Value) -> Result<Value, String> {
    let body = match body {
        Value::Null => Bytes::new(),
        body => body.to_string().into(),
    };
    let asked = async {
        let request = transport::request(method, path, to.at.address, &to.token)?
            .body(Full::new(body))
            .map_err(|error| transport::unanswered(&error))?;
        transport::over_tcp(to.at, request).await
    };
    let late = async {
        Timer::after(PATIENCE).await;
        Err(transport::unanswered(&"no answer in time"))
    };
    let (status, bytes) = or(asked, late)
        .await
        .map_err(|problem| Failure::from(problem).line)?;
    if !status.is_success() {
        return Err(Failure::from(transport::problem(status, &bytes)).line);
    }
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_elsewhere_needs_its_token() {
        let api = Some("192.0.2.1:9090".parse().expect("valid"));
        for (api, token, pin) in [
            (api, None, None),
            (None, Some("x"), None),
            (None, None, Some("x")),
        ] {
            assert!(Teller::new(api, token, pin).is_err());
        }
    }
}
