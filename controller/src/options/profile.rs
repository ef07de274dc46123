//! Options of a profile: the fields of the body that makes one.

use miner_shared::limits::MAX_THREADS;
use miner_shared::text::{Address, Name, PoolPass, PoolUser};

use super::kind::Form;
use super::{Default, Definition, Flag, Kind, Of};

/// What most of them are: no default, no secret; rigs take a change at the next `start`.
const PLAIN: Definition = Definition {
    key: "",
    flag: Flag::Same,
    kind: Kind::Switch,
    default: Default::None,
    help: "",
    since: "0.1.0",
    example: "",
    of: Of::Profile,
    secret: false,
    restart: false,
};

/// All of them, as documents list them.
pub static ALL: &[&Definition] = &[
    &Definition {
        key: "name",
        kind: Kind::Text(Form {
            shown: "",
            check: |text| Name::parse(text).map(|_| ()).map_err(|why| why.to_string()),
        }),
        help: "name; the id is the name in lower case with dashes",
        example: "night shift",
        ..PLAIN
    },
    &Definition {
        key: "mode",
        kind: Kind::OneOf(&["auto", "fast", "light"]),
        default: Default::Is("auto"),
        help: "memory for RandomX: 2.3 GiB if there is room, always, or 256 MiB",
        ..PLAIN
    },
    &Definition {
        key: "threads",
        kind: Kind::Whole {
            min: 1,
            max: MAX_THREADS as u64,
        },
        default: Default::Words("as many as suit the rig"),
        help: "hash threads",
        example: "4",
        ..PLAIN
    },
    &Definition {
        key: "pools[].url",
        flag: Flag::Named("--pool"),
        kind: Kind::Text(Form {
            shown: "HOST:PORT",
            check: |text| {
                Address::parse(text)
                    .map(|_| ())
                    .map_err(|why| why.to_string())
            },
        }),
        help: "pool; up to three, first choice first",
        example: "pool.example:3333",
        ..PLAIN
    },
    &Definition {
        key: "pools[].user",
        flag: Flag::Named("--user"),
        kind: Kind::Text(Form {
            shown: "",
            check: |text| {
                PoolUser::parse(text)
                    .map(|_| ())
                    .map_err(|why| why.to_string())
            },
        }),
        help: "login at the pool: the wallet, with what the pool lets one append",
        example: "WALLET",
        ..PLAIN
    },
    &Definition {
        key: "pools[].pass",
        flag: Flag::Named("--pass-file"),
        kind: Kind::Text(Form {
            shown: "",
            check: |text| {
                PoolPass::parse(text)
                    .map(|_| ())
                    .map_err(|why| why.to_string())
            },
        }),
        help: "password at the pool; no route gives it back, and the flag names a file that holds it",
        example: "x",
        secret: true,
        ..PLAIN
    },
    &Definition {
        key: "pools[].tls",
        flag: Flag::None,
        help: "speak TLS with the pool",
        ..PLAIN
    },
];
