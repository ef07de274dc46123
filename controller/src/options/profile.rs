//! Options of a profile: the fields of the body that makes one. Of a change alone are `comment` and
//! `version`, which are no options.

use miner_shared::limits::{MAX_NICE, MAX_THREADS};
use miner_shared::text::{Name, PoolPass, PoolUser};

use super::kind::Form;
use super::{Default, Definition, Flag, Kind, Of};
use crate::api::pool_url;
use crate::schedule::{MAX_WINDOWS, Window};
use crate::wallet::Coin;

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
        key: "coin",
        kind: Kind::Text(Form::of::<Coin>("")),
        help: "coin that the wallets are addresses of; they are checked then",
        example: "monero",
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
        key: "threadsPercent",
        flag: Flag::Named("--threads"),
        kind: Kind::Whole { min: 1, max: 100 },
        help: "hash threads as a part of those that suit the rig, in percent, instead of threads; the flag has a % behind it",
        example: "75",
        ..PLAIN
    },
    &Definition {
        key: "pages",
        kind: Kind::OneOf(&["auto", "small", "huge2M", "huge1G"]),
        default: Default::Is("auto"),
        help: "pages wanted behind the memory for RandomX",
        ..PLAIN
    },
    &Definition {
        key: "nice",
        kind: Kind::Whole {
            min: 0,
            max: MAX_NICE as u64,
        },
        default: Default::Is("0"),
        help: "how much hash threads give way to other programs",
        ..PLAIN
    },
    &Definition {
        key: "windows",
        flag: Flag::Named("--hours"),
        kind: Kind::List {
            form: Form::of::<Window>("DAYS HH:MM-HH:MM"),
            max: MAX_WINDOWS,
        },
        default: Default::Words("always"),
        help: "when to mine, weekly, in the controller's local time",
        example: "mon-fri 22:00-06:00",
        ..PLAIN
    },
    &Definition {
        key: "pools[].url",
        flag: Flag::Named("--pool"),
        kind: Kind::Text(Form {
            shown: "HOST:PORT or stratum+ssl://HOST:PORT",
            check: |text| pool_url(text).map(|_| ()),
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
        help: "speak TLS with the pool, as stratum+ssl:// says too",
        ..PLAIN
    },
];
