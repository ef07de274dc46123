//! Options of the controller's service: of `up`, and of `node serve` on a controller.
//!
//! Options that only a worker's `node serve` has are the agent's, and not here.

use std::net::SocketAddr;

use miner_agent::node::ListenAddress;
use miner_shared::limits::MAX_THREADS;
use miner_shared::text::{Address, PoolUser};

use super::kind::Form;
use super::{Default, Definition, Flag, Kind, Of};
use crate::api::ServedName;
use crate::up::HttpAddress;

/// Levels of the log.
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// Names of API and page: each request's `Host` is compared with all.
const MAX_NAMES: usize = 16;

/// What most options are: a flag of the same name, no default, no secret, read at the start.
const PLAIN: Definition = Definition {
    key: "",
    flag: Flag::Same,
    kind: Kind::Switch,
    default: Default::None,
    help: "",
    since: "0.1.0",
    example: "",
    of: Of::Both,
    secret: false,
    restart: true,
};

/// The pool.
pub static POOL: Definition = Definition {
    key: "pool",
    kind: Kind::Text(Form {
        shown: "HOST:PORT",
        check: |text| {
            Address::parse(text)
                .map(|_| ())
                .map_err(|why| why.to_string())
        },
    }),
    help: "pool to mine on with --user, instead of the practice pool",
    example: "pool.example:3333",
    of: Of::Up,
    ..PLAIN
};

/// Who is paid.
pub static USER: Definition = Definition {
    key: "user",
    kind: Kind::Text(Form {
        shown: "",
        check: |text| {
            PoolUser::parse(text)
                .map(|_| ())
                .map_err(|why| why.to_string())
        },
    }),
    help: "login at the pool: the wallet",
    example: "WALLET",
    of: Of::Up,
    ..PLAIN
};

/// Who is paid, by file.
pub static USER_FILE: Definition = Definition {
    key: "user-file",
    kind: Kind::Path,
    help: "file with the login, or - for standard input",
    example: "wallet.txt",
    of: Of::Up,
    secret: true,
    ..PLAIN
};

/// The pool's password, by file.
pub static PASS_FILE: Definition = Definition {
    key: "pass-file",
    kind: Kind::Path,
    help: "file with the pool's password, or - for standard input",
    example: "pool-pass.txt",
    of: Of::Up,
    secret: true,
    ..PLAIN
};

/// The practice pool.
pub static POOL_LISTEN: Definition = Definition {
    key: "pool-listen",
    kind: Kind::Text(Form::of::<SocketAddr>("HOST:PORT")),
    default: Default::Is("127.0.0.1:3333"),
    help: "where the practice pool is",
    of: Of::Up,
    ..PLAIN
};

/// The local worker.
pub static WORKER: Definition = Definition {
    key: "worker",
    flag: Flag::No("no worker on this machine"),
    help: "a worker on this machine",
    of: Of::BothBut("dual"),
    ..PLAIN
};

/// Light mode.
pub static LIGHT: Definition = Definition {
    key: "light",
    help: "never use more than 256 MiB for RandomX: several times slower",
    of: Of::BothBut("worker, dual"),
    ..PLAIN
};

/// Hash threads.
pub static THREADS: Definition = Definition {
    key: "threads",
    kind: Kind::Whole {
        min: 1,
        max: MAX_THREADS as u64,
    },
    default: Default::Words("as many as suit the processor"),
    help: "hash threads",
    example: "4",
    of: Of::BothBut("worker, dual"),
    ..PLAIN
};

/// Where rigs dial in.
pub static LISTEN: Definition = Definition {
    key: "listen",
    kind: Kind::Text(Form::of::<ListenAddress>("HOST:PORT or :PORT")),
    default: Default::Is(":9091"),
    help: "where rigs dial in",
    of: Of::BothBut("a worker: where controllers do"),
    ..PLAIN
};

/// Discovery.
pub static ANNOUNCE: Definition = Definition {
    key: "announce",
    flag: Flag::No("do not tell the local network where rigs dial in"),
    help: "tell the local network where rigs dial in",
    ..PLAIN
};

/// API and page.
pub static HTTP: Definition = Definition {
    key: "http",
    kind: Kind::Text(Form::of::<HttpAddress>("HOST:PORT")),
    default: Default::Is("127.0.0.1:9090"),
    help: "where API and page are, beyond loopback with --tls",
    of: Of::BothBut(SERVING),
    ..PLAIN
};

/// Their names beyond loopback.
pub static HTTP_NAME: Definition = Definition {
    key: "http-name",
    kind: Kind::List {
        form: Form::of::<ServedName>("NAME or NAME:PORT"),
        max: MAX_NAMES,
    },
    help: "further name of API and page, may be repeated",
    example: "farm.example",
    of: Of::BothBut(SERVING),
    ..PLAIN
};

/// Their tokens in plain sight.
pub static HTTP_PLAIN: Definition = Definition {
    key: "http-plain",
    help: "beyond loopback without TLS: anyone on the network can read the tokens",
    of: Of::BothBut(SERVING),
    ..PLAIN
};

/// TLS.
pub static TLS: Definition = Definition {
    key: "tls",
    help: "both ports speak TLS, with a certificate that is made once",
    of: Of::BothBut(SERVING),
    ..PLAIN
};

/// The owner's certificate.
pub static TLS_CERT: Definition = Definition {
    key: "tls-cert",
    kind: Kind::Path,
    help: "the same with your own certificate: a PEM file, the chain after it",
    example: "tls.crt",
    of: Of::BothBut(SERVING),
    ..PLAIN
};

/// Its key.
pub static TLS_KEY: Definition = Definition {
    key: "tls-key",
    kind: Kind::Path,
    help: "private key of --tls-cert, a PEM file",
    example: "tls.key",
    of: Of::BothBut(SERVING),
    secret: true,
    ..PLAIN
};

/// No rigs without TLS.
pub static TLS_ONLY: Definition = Definition {
    key: "tls-only",
    help: "refuse rigs that dial in without TLS",
    of: Of::BothBut(SERVING),
    ..PLAIN
};

/// The log.
pub static LOG_LEVEL: Definition = Definition {
    key: "log-level",
    kind: Kind::OneOf(&LEVELS),
    default: Default::Is("warn"),
    help: "least serious records that are logged",
    of: Of::BothBut("a worker: info"),
    ..PLAIN
};

const SERVING: &str = "controller, dual";

/// All of them, as documents list them.
pub static ALL: &[&Definition] = &[
    &POOL,
    &USER,
    &USER_FILE,
    &PASS_FILE,
    &POOL_LISTEN,
    &WORKER,
    &LIGHT,
    &THREADS,
    &LISTEN,
    &ANNOUNCE,
    &HTTP,
    &HTTP_NAME,
    &HTTP_PLAIN,
    &TLS,
    &TLS_CERT,
    &TLS_KEY,
    &TLS_ONLY,
    &LOG_LEVEL,
];

/// Options of which one is said instead of another: a flag for one hides what the file says of all.
pub static ALTERNATIVES: [&[&Definition]; 2] = [&[&USER, &USER_FILE], &[&POOL, &POOL_LISTEN]];
