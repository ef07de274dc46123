//! What a selector can ask about: every key, what it means, and how its values are written.

/// What a term is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Key {
    /// Where it is dialled.
    Address,
    /// Model name of its processor, as it said last; kept while it is off.
    Cpu,
    /// Logical processors, likewise.
    Cpus,
    /// Number of the wish for it.
    Generation,
    /// The group that it is in.
    Group,
    /// 10 s hash rate of a rig with a link, in thousandths of a hash per second.
    Hashrate,
    /// Operating system and architecture.
    Host,
    /// Node ID.
    Id,
    /// Version of the image that it was booted from.
    Image,
    /// RandomX memory that its miners use.
    Mode,
    /// Name.
    Name,
    /// Pages behind that memory.
    Pages,
    /// Pool that one of its miners is logged in to, as it said last.
    Pool,
    /// Id of the profile that it should mine with.
    Profile,
    /// Role.
    Role,
    /// Round trip of the last ping on its link, in milliseconds.
    Rtt,
    /// Reliability, 0 to 100.
    Score,
    /// Since it was last heard of, in milliseconds.
    Seen,
    /// Where it stands.
    Site,
    /// Program and version.
    Software,
    /// What it does and how far its wish has come: several words hold at once.
    State,
    /// A tag that it has.
    Tag,
    /// How its key was confirmed.
    Trust,
    /// How far the update of its image is that it was told of last.
    Update,
    /// Since its agent's start, of a rig with a link, in milliseconds.
    Uptime,
    /// Version of its program.
    Version,
}

/// How the values of a key are written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Any text.
    Text,
    /// One of these words.
    Words(&'static [&'static str]),
    /// A number with one of these units, by what it is multiplied, and what to say if none fits.
    Number(&'static [(&'static str, u64)], &'static str),
}

/// Hash rate in thousandths.
const RATE: Kind = Kind::Number(
    &[
        ("", 1_000),
        ("h", 1_000),
        ("kh", 1_000_000),
        ("mh", 1_000_000_000),
        ("gh", 1_000_000_000_000),
        ("h/s", 1_000),
        ("kh/s", 1_000_000),
        ("mh/s", 1_000_000_000),
        ("gh/s", 1_000_000_000_000),
    ],
    "write it as 500, 12.5kH or 1MH",
);
/// A short time.
const PAUSE: Kind = Kind::Number(
    &[("", 1), ("ms", 1), ("s", 1_000)],
    "write it as 100, 100ms or 1.5s",
);
/// A long time; without a unit nobody could say which was meant.
const SPAN: Kind = Kind::Number(
    &[
        ("s", 1_000),
        ("m", 60_000),
        ("min", 60_000),
        ("h", 3_600_000),
        ("d", 86_400_000),
    ],
    "write it with its unit: 30s, 10m, 2h or 7d",
);
const COUNT: Kind = Kind::Number(&[("", 1)], "write it as a number");

const STATES: &[&str] = &[
    "behind", "degraded", "drift", "failed", "filling", "mining", "noPool", "offline", "online",
    "paused", "pending", "refused", "starting", "stopped", "unknown",
];

const UPDATES: &[&str] = &[
    "confirmed",
    "failed",
    "fellBack",
    "fetching",
    "installing",
    "restarting",
    "trying",
];

/// Every key by name, in the order of the alphabet.
pub(super) const KEYS: &[(&str, Key, Kind)] = &[
    ("address", Key::Address, Kind::Text),
    ("cpu", Key::Cpu, Kind::Text),
    ("cpus", Key::Cpus, COUNT),
    ("generation", Key::Generation, COUNT),
    ("group", Key::Group, Kind::Text),
    ("hashrate", Key::Hashrate, RATE),
    ("host", Key::Host, Kind::Text),
    ("id", Key::Id, Kind::Text),
    ("image", Key::Image, Kind::Text),
    ("mode", Key::Mode, Kind::Words(&["fast", "light"])),
    ("name", Key::Name, Kind::Text),
    (
        "pages",
        Key::Pages,
        Kind::Words(&["huge1G", "huge2M", "small", "transparent"]),
    ),
    ("pool", Key::Pool, Kind::Text),
    ("profile", Key::Profile, Kind::Text),
    (
        "role",
        Key::Role,
        Kind::Words(&["controller", "dual", "worker"]),
    ),
    ("rtt", Key::Rtt, PAUSE),
    ("score", Key::Score, COUNT),
    ("seen", Key::Seen, SPAN),
    ("site", Key::Site, Kind::Text),
    ("software", Key::Software, Kind::Text),
    ("state", Key::State, Kind::Words(STATES)),
    ("tag", Key::Tag, Kind::Text),
    (
        "trust",
        Key::Trust,
        Kind::Words(&["fingerprint", "pairing", "tofu", "token"]),
    ),
    ("update", Key::Update, Kind::Words(UPDATES)),
    ("uptime", Key::Uptime, SPAN),
    ("version", Key::Version, Kind::Text),
];

impl Key {
    /// Whether a rig that has nothing under this key is known to have nothing: the owner says it, not
    /// the rig.
    pub(super) const fn absence_is_known(self) -> bool {
        matches!(
            self,
            Self::Address | Self::Group | Self::Profile | Self::Site | Self::Tag
        )
    }
}
