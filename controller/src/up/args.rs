//! The words of `up`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use argh::{ArgsInfo, FromArgs};
use miner_agent::cli::Failure;
use miner_agent::node::ListenAddress;
use miner_agent::store::Dirs;
use miner_shared::limits::MAX_THREADS;
use miner_shared::text::{Address, PoolPass, PoolUser};

use super::{Plan, PoolPlan, WorkerPlan, serve};
use crate::api::ServedName;
use crate::cli::secrets;
use crate::tls::{Source, TlsPlan};

/// Start everything on this machine: controller, page, practice pool, and a worker that mines.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "up")]
pub struct Up {
    /// mine on this pool, HOST:PORT, instead of the practice pool; needs --user
    #[argh(option)]
    pool: Option<Address>,
    /// login at the pool: the wallet
    #[argh(option, short = 'u')]
    user: Option<String>,
    /// file with the login, or - for standard input
    #[argh(option)]
    user_file: Option<String>,
    /// file with the pool's password, or - for standard input
    #[argh(option)]
    pass_file: Option<String>,
    /// no worker on this machine
    #[argh(switch)]
    no_worker: bool,
    /// never use more than 256 MiB for RandomX: several times slower
    #[argh(switch)]
    light: bool,
    /// hash threads, 1 to 256; default: as many as suit the processor
    #[argh(option)]
    threads: Option<u16>,
    /// where rigs dial in, HOST:PORT or :PORT; default: :9091
    #[argh(option, short = 'l')]
    listen: Option<ListenAddress>,
    /// do not tell the local network where rigs dial in
    #[argh(switch)]
    no_announce: bool,
    /// where API and page are; beyond loopback with --tls; default: 127.0.0.1:9090
    #[argh(option)]
    http: Option<HttpAddress>,
    /// a name under which they are served, NAME or NAME:PORT; may be given more than once
    #[argh(option)]
    http_name: Vec<ServedName>,
    /// beyond loopback without TLS: anyone on the network can read the tokens
    #[argh(switch)]
    http_plain: bool,
    /// where the practice pool is, HOST:PORT; default: 127.0.0.1:3333
    #[argh(option)]
    pool_listen: Option<SocketAddr>,
    /// both ports speak TLS, with a certificate that is made once
    #[argh(switch)]
    tls: bool,
    /// the same with your own certificate: a PEM file, the chain after it
    #[argh(option)]
    tls_cert: Option<PathBuf>,
    /// private key of --tls-cert, a PEM file
    #[argh(option)]
    tls_key: Option<PathBuf>,
    /// refuse rigs that dial in without TLS
    #[argh(switch)]
    tls_only: bool,
    /// error, warn, info, debug or trace; default: warn
    #[argh(option, default = "log::LevelFilter::Warn")]
    log_level: log::LevelFilter,
    /// the same as --log-level debug
    #[argh(switch, short = 'v')]
    verbose: bool,
}

impl Up {
    /// Runs until it is told to end.
    pub fn run(self) -> Result<(), Failure> {
        serve(self.plan(Dirs::from_env()?)?)
    }

    fn plan(self, dirs: Dirs) -> Result<Plan, Failure> {
        let worker = WorkerPlan {
            light: self.light,
            threads: checked_threads(self.threads)?,
        };
        Ok(Plan {
            dirs,
            worker: (!self.no_worker).then_some(worker),
            log_level: log_level(self.log_level, self.verbose),
            pool: self.pool_plan()?,
            http: http_plan(
                self.http,
                self.http_name,
                self.http_plain,
                self.tls || self.tls_cert.is_some(),
            )?,
            tls: tls_plan(self.tls, self.tls_cert, self.tls_key, self.tls_only)?,
            listen: self.listen.unwrap_or_else(default_listen),
            announce: !self.no_announce,
        })
    }

    fn pool_plan(&self) -> Result<PoolPlan, Failure> {
        let Some(address) = self.pool.clone() else {
            if self.user.is_some() || self.user_file.is_some() || self.pass_file.is_some() {
                return Err(Failure::usage("--user and --pass-file belong to --pool"));
            }
            let default = || SocketAddr::from((Ipv4Addr::LOCALHOST, 3333));
            return Ok(PoolPlan::Practice(self.pool_listen.unwrap_or_else(default)));
        };
        if self.pool_listen.is_some() {
            return Err(Failure::usage(
                "--pool-listen is for the practice pool, which --pool replaces",
            ));
        }
        let user = match (&self.user, &self.user_file) {
            (Some(user), None) => user.clone(),
            (None, Some(file)) => secrets::read(file)?.to_string(),
            (None, None) => return Err(Failure::usage("--pool needs --user WALLET")),
            (Some(_), Some(_)) => {
                return Err(Failure::usage("give --user or --user-file, not both"));
            }
        };
        let pass = match &self.pass_file {
            Some(file) => secrets::read(file)?,
            None => Default::default(),
        };
        let bad = |flag, why| Failure::usage(format!("{flag} cannot be used: {why}"));
        Ok(PoolPlan::Real {
            address,
            user: PoolUser::parse(&user).map_err(|why| bad("--user", why))?,
            pass: PoolPass::parse(&pass).map_err(|why| bad("--pass-file", why))?,
        })
    }
}

/// Where rigs dial in unless told otherwise.
pub(crate) fn default_listen() -> ListenAddress {
    #[expect(clippy::expect_used, reason = "a constant that the tests parse")]
    LISTEN.parse().expect("the default is an address")
}

const LISTEN: &str = ":9091";

/// A number of hash threads that a rig accepts.
pub(crate) fn checked_threads(threads: Option<u16>) -> Result<Option<u16>, Failure> {
    match threads {
        Some(count) if !(1..=MAX_THREADS).contains(&usize::from(count)) => Err(Failure::usage(
            format!("--threads takes 1 to {MAX_THREADS}"),
        )),
        threads => Ok(threads),
    }
}

/// How the flags of TLS want it. `--tls` beside files of one's own says nothing more than they do.
pub(crate) fn tls_plan(
    tls: bool,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    only: bool,
) -> Result<Option<TlsPlan>, Failure> {
    let source = match (cert, key) {
        (Some(cert), Some(key)) => Source::Files { cert, key },
        (None, None) if tls => Source::SelfSigned,
        (None, None) if only => return Err(Failure::usage("--tls-only needs --tls")),
        (None, None) => return Ok(None),
        _ => return Err(Failure::usage("--tls-cert and --tls-key belong together")),
    };
    Ok(Some(TlsPlan { source, only }))
}

/// `-v` is at least debug.
pub(crate) fn log_level(level: log::LevelFilter, verbose: bool) -> log::LevelFilter {
    if verbose {
        level.max(log::LevelFilter::Debug)
    } else {
        level
    }
}

/// Where API and page are, and under which names beside loopback and the address itself.
#[derive(Clone, Debug)]
pub(crate) struct HttpPlan {
    pub(crate) address: HttpAddress,
    pub(crate) names: Arc<[ServedName]>,
}

/// How the flags want API and page served. Beyond loopback a network is listening, so that takes TLS, or
/// the word that it is known.
pub(crate) fn http_plan(
    address: Option<HttpAddress>,
    names: Vec<ServedName>,
    plain: bool,
    tls: bool,
) -> Result<HttpPlan, Failure> {
    let address = address.unwrap_or_default();
    let ip = address.0.ip();
    if !ip.is_loopback() && !tls && !plain {
        return Err(Failure::usage(format!(
            "--http {ip} opens the API to the network, where without TLS anyone can read the tokens: \
             add --tls, or --http-plain if that is meant; from elsewhere \
             `ssh -L 9090:127.0.0.1:9090 HOST` needs neither"
        )));
    }
    if ip.is_unspecified() && names.is_empty() {
        return Err(Failure::usage(format!(
            "--http {ip} is every address of this machine, and a request must name one that is ours: \
             add --http-name NAME, as a browser will call it"
        )));
    }
    Ok(HttpPlan {
        address,
        names: names.into(),
    })
}

/// Where API and page are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpAddress(pub(super) SocketAddr);

impl Default for HttpAddress {
    fn default() -> Self {
        Self(SocketAddr::from((Ipv4Addr::LOCALHOST, 9090)))
    }
}

impl FromStr for HttpAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, port) = text.rsplit_once(':').ok_or("it is not HOST:PORT")?;
        let port: u16 = port
            .parse()
            .map_err(|_| "the port is not a number to 65535")?;
        let ip = match host {
            "" | "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
            host => {
                let bare = host
                    .strip_prefix('[')
                    .and_then(|host| host.strip_suffix(']'));
                bare.unwrap_or(host)
                    .parse()
                    .map_err(|_| "the host is not an IP address or localhost")?
            }
        };
        Ok(Self(SocketAddr::new(ip, port)))
    }
}

#[cfg(test)]
mod tests {
    use argh::FromArgs as _;

    use super::*;

    fn plan(args: &[&str]) -> Result<Plan, Failure> {
        let up = Up::from_args(&["miner-ctrl", "up"], args).expect("parses");
        up.plan(Dirs::below(std::path::Path::new("/nowhere")))
    }

    #[test]
    fn the_defaults_are_the_ports_of_the_page() {
        let plan = plan(&[]).expect("complete");
        assert_eq!(plan.listen.to_string(), ":9091");
        assert_eq!(plan.http.address.0.to_string(), "127.0.0.1:9090");
        assert!(matches!(plan.pool, PoolPlan::Practice(at) if at.to_string() == "127.0.0.1:3333"));
        assert!(plan.worker.is_some());
    }

    #[test]
    fn every_flag_of_up_is_understood() {
        let plan = plan(&[
            "--pool",
            "pool.example:3333",
            "--user",
            "wallet",
            "--no-worker",
            "--light",
            "--threads",
            "2",
            "--listen",
            "127.0.0.1:0",
            "--http",
            ":0",
        ])
        .expect("complete");
        assert!(plan.worker.is_none());
        assert!(matches!(plan.pool, PoolPlan::Real { .. }));
        assert_eq!(plan.http.address.0.to_string(), "127.0.0.1:0");
    }

    #[test]
    fn combinations_without_sense_are_refused() {
        for args in [
            &["--pool", "pool.example:3333"][..],
            &["--user", "wallet"],
            &[
                "--pool",
                "p.example:1",
                "--user",
                "w",
                "--pool-listen",
                "127.0.0.1:1",
            ],
            &["--threads", "0"],
            &["--threads", "257"],
        ] {
            assert!(plan(args).is_err(), "{args:?}");
        }
    }

    #[test]
    fn tls_is_off_self_signed_or_with_the_owners_files() {
        let tls = |args: &[&str]| plan(args).expect("complete").tls;
        assert_eq!(tls(&[]), None);
        let made = TlsPlan {
            source: Source::SelfSigned,
            only: false,
        };
        assert_eq!(tls(&["--tls"]), Some(made));
        let files = ["--tls-cert", "a.crt", "--tls-key", "a.key", "--tls-only"];
        let own = TlsPlan {
            source: Source::Files {
                cert: "a.crt".into(),
                key: "a.key".into(),
            },
            only: true,
        };
        assert_eq!(tls(&files), Some(own));
        for args in [
            &["--tls-only"][..],
            &["--tls-cert", "a.crt"],
            &["--tls", "--tls-key", "a.key"],
        ] {
            assert!(plan(args).is_err(), "{args:?}");
        }
    }

    #[test]
    fn an_address_is_an_ip_or_localhost_with_a_port() {
        for good in [
            "127.0.0.1:9090",
            "localhost:1",
            "[::1]:9090",
            "::1:9090",
            ":9090",
            "127.0.0.2:1",
            "0.0.0.0:9090",
            "192.168.1.2:9090",
        ] {
            assert!(good.parse::<HttpAddress>().is_ok(), "{good}");
        }
        for bad in ["9090", "farm.example:9090", "127.0.0.1:70000"] {
            assert!(bad.parse::<HttpAddress>().is_err(), "{bad}");
        }
    }

    #[test]
    fn beyond_loopback_takes_tls_or_the_word_that_it_is_plain() {
        let beyond = ["--http", "192.168.1.2:9090"];
        let why = plan(&beyond).expect_err("refused").line;
        assert!(why.contains("anyone can read the tokens"), "{why}");
        for also in ["--tls", "--http-plain"] {
            let plan = plan(&[&beyond[..], &[also]].concat()).expect("complete");
            assert_eq!(plan.http.address.0.to_string(), "192.168.1.2:9090");
        }
        for any in ["0.0.0.0:9090", "[::]:9090"] {
            let any = ["--http", any, "--tls"];
            let why = plan(&any).expect_err("refused").line;
            assert!(why.contains("--http-name"), "{why}");
            let named = ["--http-name", "farm.example", "--http-name", "192.168.1.2"];
            let plan = plan(&[&any[..], &named].concat()).expect("complete");
            assert_eq!(plan.http.names.len(), 2);
        }
    }
}
