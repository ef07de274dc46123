//! Fields that are known and not taken, and why. One row is a field with all below it.

use super::Program;

const PRINTS: &str = "how a program prints is no matter of a profile";
const FEE: &str = "no fee is taken here";
const API: &str = "rigs open no port for it; the controller has the API";
const SERVICE: &str = "how the agent is started is the rig's own matter";
const MSR: &str = "the agent does not touch the processor's registers";
const PAUSES: &str =
    "pools are tried in order, with pauses that grow, and the first is gone back to";
const PROXY: &str = "rigs go to the pools themselves, and no proxy stands between";
const OTHER: &str = "rigs mine with the processor alone";
const BENCH: &str = "there is one algorithm, and nothing to compare";
const RESOLVER: &str = "names are looked up by the rig's system";

/// By XMRig and xmrig-proxy.
const BOTH: [(&str, &str); 22] = [
    ("api", API),
    ("http", API),
    ("autosave", "the controller keeps the profile"),
    ("background", SERVICE),
    ("colors", PRINTS),
    ("title", PRINTS),
    ("log-file", PRINTS),
    ("syslog", PRINTS),
    ("verbose", PRINTS),
    ("print-time", PRINTS),
    ("health-print-time", PRINTS),
    ("version", PRINTS),
    ("donate-level", FEE),
    ("donate-over-proxy", FEE),
    ("retries", PAUSES),
    ("retry-pause", PAUSES),
    (
        "tls",
        "it is about a port for miners, or one's own certificate; pools have a field of their own",
    ),
    ("dns", RESOLVER),
    ("user-agent", "the agent says its own name"),
    ("watch", "a changed profile reaches rigs by the controller"),
    ("dmi", SERVICE),
    ("dry-run", SERVICE),
];

/// By XMRig alone.
const XMRIG: [(&str, &str); 10] = [
    ("opencl", OTHER),
    ("cuda", OTHER),
    ("rebench-algo", BENCH),
    ("bench-algo-time", BENCH),
    ("algo-perf", BENCH),
    ("algo-min-time", BENCH),
    (
        "pause-on-battery",
        "there are weekly hours instead, see `windows`",
    ),
    (
        "pause-on-active",
        "there are weekly hours instead, see `windows`",
    ),
    ("av", "the agent chooses the code that suits the processor"),
    (
        "safe",
        "the agent chooses the code that suits the processor",
    ),
];

/// By xmrig-proxy alone.
const XMRIG_PROXY: [(&str, &str); 11] = [
    ("access-log-file", PROXY),
    ("access-password", PROXY),
    ("algo-ext", PROXY),
    ("bind", PROXY),
    ("custom-diff", PROXY),
    ("custom-diff-stats", PROXY),
    ("mode", PROXY),
    ("reuse-timeout", PROXY),
    ("workers", PROXY),
    ("debug", PRINTS),
    ("daemon", PROXY),
];

/// Below `cpu`.
const CPU: [(&str, &str); 9] = [
    (
        "huge-pages-jit",
        "the program that RandomX makes has ordinary pages",
    ),
    ("hw-aes", "found out by the agent"),
    ("memory-pool", "memory is kept as long as the rig mines"),
    ("yield", "the agent never spins for work"),
    ("asm", "found out by the agent"),
    ("argon2-impl", "found out by the agent"),
    ("argon2", "it is no algorithm of a profile"),
    ("cn", "only RandomX is mined (rx/0)"),
    ("msr", MSR),
];

/// Below `randomx`.
const RANDOMX: [(&str, &str); 7] = [
    ("init", "the dataset is filled by all hash threads"),
    ("init-avx2", "found out by the agent"),
    ("rdmsr", MSR),
    ("wrmsr", MSR),
    ("cache_qos", MSR),
    ("numa", "found out by the agent"),
    ("scratchpad_prefetch_mode", "found out by the agent"),
];

/// Below an entry of `pools`, where it is no matter whether it is on.
const POOL: [(&str, &str); 6] = [
    ("sni", "the name of the pool is always told"),
    ("submit-to-origin", "a profile has no self-select"),
    ("daemon-poll-interval", "a node is no pool"),
    ("daemon-job-timeout", "a node is no pool"),
    ("daemon-zmq-port", "a node is no pool"),
    ("spend-secret-key", "it is a key that no rig shall have"),
];

/// Why a field at the top is not taken, if it is one of those.
pub(super) fn top(program: Program, field: &str) -> Option<&'static str> {
    let own: &[(&str, &str)] = match program {
        Program::Xmrig => &XMRIG,
        Program::XmrigProxy => &XMRIG_PROXY,
    };
    find(&BOTH, field).or_else(|| find(own, field))
}

/// The same below `cpu`.
pub(super) fn cpu(field: &str) -> Option<&'static str> {
    find(&CPU, field)
}

/// The same below `randomx`.
pub(super) fn randomx(field: &str) -> Option<&'static str> {
    find(&RANDOMX, field)
}

/// The same below an entry of `pools`.
pub(super) fn pool(field: &str) -> Option<&'static str> {
    find(&POOL, field)
}

fn find(rows: &[(&str, &'static str)], field: &str) -> Option<&'static str> {
    let row = rows.iter().find(|(name, _)| *name == field);
    row.map(|(_, why)| *why)
}
