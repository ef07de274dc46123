//! The fields of a file, one by one.

use miner_shared::limits::{MAX_POOLS, MAX_THREADS};

use super::jsonc::{Object, Value};
use super::threads::{self, Threads};
use super::{Import, Program, Verdict, left_out};
use crate::api::PoolBody;

/// Names of the algorithm that rigs mine.
const RX: [&str; 4] = ["rx/0", "rx", "randomx", "randomx/0"];
/// Coins of that algorithm as XMRig names them, and as profiles do.
const COINS: [(&str, &str); 6] = [
    ("monero", "monero"),
    ("xmr", "monero"),
    ("zephyr", "zephyr"),
    ("zeph", "zephyr"),
    ("salvium", "salvium"),
    ("sal", "salvium"),
];
/// Lists of threads below `cpu` that may be about that algorithm, the most exact first.
const LISTS: [&str; 3] = ["rx/0", "rx", "*"];
/// Port of a pool whose URL has none.
const POOL_PORT: u16 = 3333;

/// Reads the whole file.
pub(super) fn read(import: &mut Import, program: Program, root: &Object) {
    for (field, value) in &root.0 {
        match (field.as_str(), value) {
            ("pools", Value::List(pools)) => read_pools(import, pools),
            ("cpu", Value::Object(cpu)) if program == Program::Xmrig => read_cpu(import, cpu),
            ("randomx", Value::Object(randomx)) if program == Program::Xmrig => {
                read_randomx(import, randomx, !is_without_huge_pages(root));
            }
            ("pools" | "cpu" | "randomx", _) if program == Program::Xmrig || field == "pools" => {
                import.refused(field, "it has another form than XMRig's documentation says");
            }
            // Names of versions before 3, which a file may still have.
            ("threads", _) if program == Program::Xmrig => old_threads(import, value, root),
            ("max-cpu-usage", _) if program == Program::Xmrig => {
                percent(import, "max-cpu-usage", value);
            }
            ("coin" | "algo", _) => algorithm(import, field, value),
            (_, Value::Null) => {}
            _ => match left_out::top(program, field) {
                Some(why) => import.refused(field, why),
                None => import.unknown(field),
            },
        }
    }
}

fn read_pools(import: &mut Import, pools: &[Value]) {
    for (at, pool) in pools.iter().enumerate() {
        let place = format!("pools[{at}]");
        let Value::Object(pool) = pool else {
            import.refused(&place, "it is no object");
            continue;
        };
        if pool.get("enabled") == Some(&Value::Bool(false)) {
            import.refused(&place, "it is not enabled in the file");
            continue;
        }
        if import.profile.pools.len() == MAX_POOLS {
            import.refused(&place, format!("a profile has at most {MAX_POOLS} pools"));
            continue;
        }
        let before = import.report.len();
        if let Some(pool) = read_pool(import, &place, pool) {
            import.profile.pools.push(pool);
            continue;
        }
        // Of a pool that is not taken, one line says why; its other fields were for nothing.
        let lines = import.report.split_off(before);
        let why = lines
            .into_iter()
            .rfind(|line| line.verdict == Verdict::Refused);
        import.report.extend(why);
    }
}

/// The pool; `None`, with the reason as the last line, if rigs cannot mine on it.
fn read_pool(import: &mut Import, place: &str, pool: &Object) -> Option<PoolBody> {
    let mut out = PoolBody::default();
    for (field, value) in &pool.0 {
        let here = format!("{place}.{field}");
        match (field.as_str(), value) {
            ("url", Value::Text(text)) => out.url = Some(url(import, &here, text, &mut out.tls)?),
            ("user", Value::Text(user)) => {
                out.user = Some(user.clone());
                import.taken(&here);
            }
            ("pass", Value::Text(pass)) => {
                out.pass = (!pass.is_empty()).then(|| pass.clone());
                import.say(&here, Verdict::Taken, "it is a secret and not shown");
            }
            ("tls", Value::Bool(tls)) => {
                out.tls |= tls;
                let note = "a rig that cannot speak TLS with a pool refuses the profile";
                import.say(&here, Verdict::Taken, if *tls { note } else { "" });
            }
            ("coin" | "algo", value) => {
                let lines = import.report.len();
                algorithm(import, &here, value);
                let said = import.report.get(lines);
                if said.is_some_and(|line| line.verdict == Verdict::Refused) {
                    return None;
                }
            }
            ("daemon", Value::Bool(true)) => {
                import.refused(&here, "rigs talk to pools, and a node is none");
                return None;
            }
            ("self-select" | "socks5", Value::Text(_)) => {
                import.refused(&here, "rigs go to the pool itself");
                return None;
            }
            ("tls-fingerprint", Value::Text(_)) => {
                import.refused(&here, "a profile cannot pin the pool's certificate");
            }
            ("rig-id", Value::Text(_)) => {
                import.changed(&here, "each rig tells the pool its own name");
            }
            ("nicehash", Value::Bool(true)) => {
                import.changed(&here, "rigs see it by the pool's jobs");
            }
            ("keepalive", Value::Bool(_) | Value::Number(_)) => {
                import.changed(&here, "rigs keep links alive where the pool takes that");
            }
            ("enabled", Value::Bool(true)) => import.taken(&here),
            (_, Value::Null | Value::Bool(false)) => {}
            ("url" | "user" | "pass" | "tls", _) => {
                import.refused(&here, "it has another form than XMRig's documentation says");
            }
            (field, _) => match left_out::pool(field) {
                Some(why) => import.refused(&here, why),
                None => import.unknown(&here),
            },
        }
    }
    if out.url.is_none() {
        import.refused(place, "it has no url");
        return None;
    }
    Some(out)
}

/// The pool's `HOST:PORT`, and TLS if the scheme says it.
fn url(import: &mut Import, here: &str, text: &str, tls: &mut bool) -> Option<String> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("stratum+tcp", text));
    match scheme {
        "stratum+tcp" => {}
        "stratum+ssl" | "stratum+tls" => *tls = true,
        _ => {
            // Not repeated: what is before the colon may be anything.
            import.refused(
                here,
                "only stratum+tcp:// and stratum+ssl:// lead to a pool",
            );
            return None;
        }
    }
    if rest.contains('@') {
        import.refused(here, "a login belongs into user and pass");
        return None;
    }
    let has_port = match rest.rsplit_once(':') {
        // The colons of `[::1]` are not before a port.
        Some((_, port)) => !port.contains(']'),
        None => false,
    };
    let address = if has_port {
        rest.to_owned()
    } else {
        format!("{rest}:{POOL_PORT}")
    };
    if let Err(why) = miner_shared::text::Address::parse(&address) {
        import.refused(here, why.to_string());
        return None;
    }
    match (has_port, address == text) {
        (true, true) => import.taken(here),
        (true, false) => import.changed(here, address.clone()),
        (false, _) => import.changed(here, format!("{address}, XMRig's port where none is given")),
    }
    Some(address)
}

/// `algo` or `coin`, of the file or of a pool.
fn algorithm(import: &mut Import, here: &str, value: &Value) {
    let name = match value {
        Value::Null => return,
        Value::Text(name) => name.to_ascii_lowercase(),
        _ => return import.refused(here, "it is no name"),
    };
    if !here.ends_with("coin") {
        if RX.contains(&name.as_str()) {
            return import.taken(here);
        }
        return import.refused(here, "only RandomX is mined (rx/0)");
    }
    let Some((_, coin)) = COINS.iter().find(|(known, _)| *known == name) else {
        return import.refused(
            here,
            "it is no coin of the algorithm rx/0 that this program knows",
        );
    };
    match import.profile.coin.as_deref() {
        Some(other) if other != *coin => {
            import.refused(here, format!("the profile's other pools pay {other}"));
        }
        _ => {
            import.profile.coin = Some((*coin).to_owned());
            if *coin == name {
                import.taken(here);
            } else {
                import.changed(here, *coin);
            }
        }
    }
}

fn read_cpu(import: &mut Import, cpu: &Object) {
    let list = LISTS.into_iter().find(|list| cpu.get(list).is_some());
    for (field, value) in &cpu.0 {
        let here = format!("cpu.{field}");
        match (field.as_str(), value) {
            ("enabled", Value::Bool(true)) => import.taken(&here),
            ("enabled", Value::Bool(false)) => {
                import.refused(&here, "the processor is what rigs mine with");
            }
            ("huge-pages", _) => huge_pages(import, &here, value),
            ("priority", _) => priority(import, &here, value),
            // XMRig looks at the hint only where no list is.
            ("max-threads-hint", _) if list.is_some() => {
                import.refused(&here, "the file lists its threads");
            }
            ("max-threads-hint", _) => percent(import, &here, value),
            (name, _) if Some(name) == list => {
                count(import, &here, &threads::read(value, cpu));
            }
            (_, Value::Null) => {}
            (name, _) => match left_out::cpu(name) {
                Some(why) => import.refused(&here, why),
                None if is_list(name) => {
                    import.refused(&here, "it is about another algorithm than the rigs'");
                }
                None => import.unknown(&here),
            },
        }
    }
}

/// Whether a field of `cpu` is a list of threads: the name of an algorithm, or of a family of them.
fn is_list(name: &str) -> bool {
    const FAMILIES: [&str; 11] = [
        "*",
        "argon2",
        "astrobwt",
        "cn",
        "cn-heavy",
        "cn-lite",
        "cn-pico",
        "ghostrider",
        "kawpow",
        "panthera",
        "rx",
    ];
    let family = name.split('/').next().unwrap_or_default();
    FAMILIES.contains(&family)
}

fn huge_pages(import: &mut Import, here: &str, value: &Value) {
    match value {
        Value::Bool(true) => import.taken(here),
        Value::Bool(false) => {
            import.profile.pages = Some("small".to_owned());
            import.changed(here, "pages: small");
        }
        Value::Number(_) => import.changed(here, "rigs take the largest pages that they have"),
        Value::Null => {}
        _ => import.refused(here, "it is neither true, false nor a number"),
    }
}

/// XMRig's 0 to 5 as niceness: 0 is idle, 2 is normal.
fn priority(import: &mut Import, here: &str, value: &Value) {
    let nice = match (value, value.as_whole()) {
        (Value::Null, _) => return,
        (_, Some(0)) => 19,
        (_, Some(1)) => 5,
        (_, Some(2)) => 0,
        (_, Some(3..=5)) => {
            return import.refused(here, "hash threads are never put before other programs");
        }
        _ => return import.refused(here, "it is no number from 0 to 5"),
    };
    import.profile.nice = Some(nice);
    import.changed(here, format!("nice: {nice}"));
}

fn percent(import: &mut Import, here: &str, value: &Value) {
    match (value, value.as_whole().map(u8::try_from)) {
        (Value::Null, _) => {}
        (_, Some(Ok(100))) => import.taken(here),
        (_, Some(Ok(hint @ 1..100))) => {
            import.profile.threads_percent = Some(hint);
            import.changed(here, format!("threadsPercent: {hint}"));
        }
        _ => import.refused(here, "it is no number from 1 to 100"),
    }
}

fn count(import: &mut Import, here: &str, threads: &Threads) {
    let (count, tied) = match threads {
        Threads::Count(count, tied) => (*count, *tied),
        Threads::Off => {
            return import.refused(here, "it has no threads, and a profile is for mining");
        }
        Threads::Odd => {
            return import.refused(
                here,
                "it is no list of threads as XMRig's documentation has them",
            );
        }
    };
    let fits = usize::try_from(count).is_ok_and(|count| count <= MAX_THREADS);
    let Some(threads) = u16::try_from(count).ok().filter(|_| fits) else {
        return import.refused(here, format!("a profile has at most {MAX_THREADS} threads"));
    };
    import.profile.threads = Some(threads);
    if tied {
        import.changed(
            here,
            format!("threads: {threads}; rigs choose the processors"),
        );
    } else {
        import.changed(here, format!("threads: {threads}"));
    }
}

/// `threads` at the top: a number, or a list of objects.
fn old_threads(import: &mut Import, value: &Value, root: &Object) {
    let threads = match value {
        Value::Null => return,
        Value::List(list) if list.iter().all(|entry| matches!(entry, Value::Object(_))) => {
            Threads::Count(u32::try_from(list.len()).unwrap_or(u32::MAX), true)
        }
        value => threads::read(value, root),
    };
    count(import, "threads", &threads);
}

fn is_without_huge_pages(root: &Object) -> bool {
    let cpu = root.get("cpu");
    matches!(cpu, Some(Value::Object(cpu)) if cpu.get("huge-pages") == Some(&Value::Bool(false)))
}

fn read_randomx(import: &mut Import, randomx: &Object, huge: bool) {
    for (field, value) in &randomx.0 {
        let here = format!("randomx.{field}");
        match (field.as_str(), value) {
            ("mode", Value::Text(mode)) if ["auto", "fast", "light"].contains(&mode.as_str()) => {
                import.profile.mode = Some(mode.clone());
                import.taken(&here);
            }
            ("mode", value) if *value != Value::Null => {
                import.refused(&here, "it is auto, fast or light");
            }
            ("1gb-pages", Value::Bool(true)) if huge => {
                import.profile.pages = Some("huge1G".to_owned());
                import.changed(&here, "pages: huge1G");
            }
            ("1gb-pages", Value::Bool(true)) => {
                import.refused(&here, "the file wants no huge pages for the processor");
            }
            (_, Value::Null) | ("1gb-pages", Value::Bool(false)) => {}
            (field, _) => match left_out::randomx(field) {
                Some(why) => import.refused(&here, why),
                None => import.unknown(&here),
            },
        }
    }
}
