//! The words of `up`.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use argh::{ArgsInfo, FromArgs};
use miner_agent::cli::Failure;
use miner_agent::store::Dirs;
use miner_shared::text::{Address, PoolPass, PoolUser};

use super::{Plan, PoolPlan, WorkerPlan, serve};
use crate::api::ServedName;
use crate::cli::secrets;
use crate::options::service::{
    ANNOUNCE, HTTP, HTTP_NAME, HTTP_PLAIN, LIGHT, LISTEN, LOG_LEVEL, PASS_FILE, POOL, POOL_LISTEN,
    THREADS, TLS, TLS_CERT, TLS_KEY, TLS_ONLY, USER, USER_FILE, WORKER,
};
use crate::options::{ConfigFile, Definition, Layer, Settings};
use crate::tls::{Source, TlsPlan};

/// Start everything on this machine: controller, page, practice pool, and a worker that mines.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "up")]
pub struct Up {
    /// configuration file; default: controller.toml beside node.json, if it is there
    #[argh(option)]
    config: Option<PathBuf>,
    /// pool to mine on with --user, instead of the practice pool, HOST:PORT
    #[argh(option)]
    pool: Option<String>,
    /// login at the pool: the wallet
    #[argh(option, short = 'u')]
    user: Option<String>,
    /// file with the login, or - for standard input
    #[argh(option)]
    user_file: Option<String>,
    /// file with the pool's password, or - for standard input
    #[argh(option)]
    pass_file: Option<String>,
    /// where the practice pool is, HOST:PORT; default: 127.0.0.1:3333
    #[argh(option)]
    pool_listen: Option<String>,
    /// no worker on this machine
    #[argh(switch)]
    no_worker: bool,
    /// never use more than 256 MiB for RandomX: several times slower
    #[argh(switch)]
    light: bool,
    /// hash threads, 1 to 256; default: as many as suit the processor
    #[argh(option)]
    threads: Option<String>,
    /// where rigs dial in, HOST:PORT or :PORT; default: :9091
    #[argh(option, short = 'l')]
    listen: Option<String>,
    /// do not tell the local network where rigs dial in
    #[argh(switch)]
    no_announce: bool,
    /// where API and page are, beyond loopback with --tls, HOST:PORT; default: 127.0.0.1:9090
    #[argh(option)]
    http: Option<String>,
    /// further name of API and page, may be repeated, NAME or NAME:PORT
    #[argh(option)]
    http_name: Vec<String>,
    /// beyond loopback without TLS: anyone on the network can read the tokens
    #[argh(switch)]
    http_plain: bool,
    /// both ports speak TLS, with a certificate that is made once
    #[argh(switch)]
    tls: bool,
    /// the same with your own certificate: a PEM file, the chain after it
    #[argh(option)]
    tls_cert: Option<String>,
    /// private key of --tls-cert, a PEM file
    #[argh(option)]
    tls_key: Option<String>,
    /// refuse rigs that dial in without TLS
    #[argh(switch)]
    tls_only: bool,
    /// least serious records that are logged, error, warn, info, debug or trace; default: warn
    #[argh(option)]
    log_level: Option<String>,
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
        let file = ConfigFile::open(self.config.as_deref(), &dirs)?;
        let settings = Settings::of(self.flags(), file.layer()?)?;
        let pool = pool_plan(&settings)?;
        Plan::of(&settings, dirs, pool)
    }

    fn flags(self) -> Layer {
        Layer::default()
            .texts([
                (&POOL, self.pool),
                (&USER, self.user),
                (&USER_FILE, self.user_file),
                (&PASS_FILE, self.pass_file),
                (&POOL_LISTEN, self.pool_listen),
                (&THREADS, self.threads),
                (&LISTEN, self.listen),
                (&HTTP, self.http),
                (&TLS_CERT, self.tls_cert),
                (&TLS_KEY, self.tls_key),
                (&LOG_LEVEL, log_level(self.log_level, self.verbose)),
            ])
            .switches([
                (&WORKER, self.no_worker),
                (&LIGHT, self.light),
                (&ANNOUNCE, self.no_announce),
                (&TLS, self.tls),
                (&TLS_ONLY, self.tls_only),
                (&HTTP_PLAIN, self.http_plain),
            ])
            .list(&HTTP_NAME, self.http_name)
    }
}

impl Plan {
    /// What the settings want, with what the local worker mines on.
    pub(crate) fn of(settings: &Settings, dirs: Dirs, pool: PoolPlan) -> Result<Self, Failure> {
        let worker = WorkerPlan {
            light: settings.is_on(&LIGHT),
            threads: settings.get(&THREADS)?,
        };
        Ok(Self {
            dirs,
            pool,
            worker: settings.is_on(&WORKER).then_some(worker),
            listen: required(settings, &LISTEN)?,
            announce: settings.is_on(&ANNOUNCE),
            http: http_plan(settings)?,
            tls: tls_plan(settings)?,
            log_level: required(settings, &LOG_LEVEL)?,
        })
    }
}

/// The value of an option that has a default.
fn required<T: FromStr<Err: Display>>(settings: &Settings, of: &Definition) -> Result<T, Failure> {
    let value = settings.get(of)?;
    value.ok_or_else(|| Failure::usage(format!("{} is missing", of.key)))
}

fn pool_plan(settings: &Settings) -> Result<PoolPlan, Failure> {
    let said = |of| settings.is_said(of);
    let Some(address) = settings.text(&POOL) else {
        if said(&USER) || said(&USER_FILE) || said(&PASS_FILE) {
            return Err(Failure::usage("user and pass-file belong to --pool"));
        }
        return Ok(PoolPlan::Practice(required(settings, &POOL_LISTEN)?));
    };
    if said(&POOL_LISTEN) {
        return Err(Failure::usage(
            "pool-listen is for the practice pool, which --pool replaces",
        ));
    }
    let user = match (settings.text(&USER), settings.text(&USER_FILE)) {
        (Some(user), None) => user.to_owned(),
        (None, Some(file)) => secrets::read(file)?.to_string(),
        (None, None) => return Err(Failure::usage("--pool needs --user WALLET")),
        (Some(_), Some(_)) => {
            return Err(Failure::usage("give user or user-file, not both"));
        }
    };
    let pass = match settings.text(&PASS_FILE) {
        Some(file) => secrets::read(file)?,
        None => Default::default(),
    };
    let bad = |key, why| Failure::usage(format!("{key} cannot be used: {why}"));
    Ok(PoolPlan::Real {
        address: Address::parse(address)?,
        user: PoolUser::parse(&user).map_err(|why| bad("user", why))?,
        pass: PoolPass::parse(&pass).map_err(|why| bad("pass-file", why))?,
    })
}

/// How the settings want TLS. `tls` beside files of one's own says nothing more than they do.
fn tls_plan(settings: &Settings) -> Result<Option<TlsPlan>, Failure> {
    let only = settings.is_on(&TLS_ONLY);
    let source = match (settings.path(&TLS_CERT), settings.path(&TLS_KEY)) {
        (Some(cert), Some(key)) => Source::Files { cert, key },
        (None, None) if settings.is_on(&TLS) => Source::SelfSigned,
        (None, None) if only => return Err(Failure::usage("--tls-only needs --tls")),
        (None, None) => return Ok(None),
        _ => return Err(Failure::usage("--tls-cert and --tls-key belong together")),
    };
    Ok(Some(TlsPlan { source, only }))
}

/// `-v` is at least debug.
pub(crate) fn log_level(level: Option<String>, verbose: bool) -> Option<String> {
    if verbose && level.as_deref() != Some("trace") {
        return Some("debug".to_owned());
    }
    level
}

/// Where API and page are, and under which names beside loopback and the address itself.
#[derive(Clone, Debug)]
pub(crate) struct HttpPlan {
    pub(crate) address: HttpAddress,
    pub(crate) names: Arc<[ServedName]>,
}

/// How the settings want API and page served. Beyond loopback a network is listening, so that takes TLS,
/// or the word that it is known.
fn http_plan(settings: &Settings) -> Result<HttpPlan, Failure> {
    let address: HttpAddress = required(settings, &HTTP)?;
    let names: Vec<ServedName> = settings.list(&HTTP_NAME)?;
    let tls = settings.is_on(&TLS) || settings.is_said(&TLS_CERT);
    let ip = address.0.ip();
    if !ip.is_loopback() && !tls && !settings.is_on(&HTTP_PLAIN) {
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
    use super::*;
    use crate::options::{Kind, Of, service, tests::compare};

    #[test]
    fn flags_and_their_help_are_those_of_the_table() {
        let own = ["--help", "--config", "--verbose"];
        compare(&Up::get_args_info(), &own, false);
    }

    #[test]
    fn every_flag_of_up_reaches_its_option() {
        for of in service::ALL.iter().filter(|of| of.of != Of::Profile) {
            let flag = of.flag().expect("has one");
            let value = of.default_value().unwrap_or(of.example);
            let args = match of.kind {
                Kind::Switch => vec![flag.as_str()],
                _ => vec![flag.as_str(), value],
            };
            let up = Up::from_args(&["miner-ctrl", "up"], &args).expect("parses");
            let settings = Settings::of(up.flags(), Layer::default()).expect("good");
            assert!(settings.is_said(of), "{flag}");
        }
    }

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
