//! A profile as the `config.json` of XMRig.

use serde_json::{Value, json};

use crate::api::ProfileBody;

/// The file, and what of the profile it cannot say. Passwords are not in a profile that was read, so
/// that a pool which has one comes without.
pub fn export(profile: &ProfileBody) -> (String, Vec<String>) {
    let mut lost = Vec::new();
    let pools = profile.pools.iter().map(|pool| {
        json!({
            "algo": "rx/0",
            "coin": profile.coin,
            "url": pool.url,
            "user": pool.user,
            "pass": pool.pass,
            "keepalive": true,
            "tls": pool.tls,
        })
    });
    let pools: Vec<Value> = pools.collect();
    let pages = profile.pages.as_deref().unwrap_or("auto");
    let mut cpu = json!({
        "enabled": true,
        "huge-pages": pages != "small",
        "priority": profile.nice.and_then(|nice| priority(nice, &mut lost)),
        "max-threads-hint": profile.threads_percent.unwrap_or(100),
    });
    if let (Some(threads), Some(cpu)) = (profile.threads, cpu.as_object_mut()) {
        // A thread each, on whatever processor.
        cpu.insert("rx".to_owned(), vec![-1; usize::from(threads)].into());
        cpu.remove("max-threads-hint");
    }
    if !profile.windows.is_empty() {
        lost.push(format!("hours of mining ({})", profile.windows.join(", ")));
    }
    let file = json!({
        "autosave": false,
        "cpu": cpu,
        "randomx": {
            "mode": profile.mode.as_deref().unwrap_or("auto"),
            "1gb-pages": pages == "huge1G",
        },
        "pools": pools,
    });
    let text = serde_json::to_string_pretty(&file).unwrap_or_default();
    (text + "\n", lost)
}

/// Niceness as XMRig's priority, the next one that gives way at least as much.
fn priority(nice: u8, lost: &mut Vec<String>) -> Option<u8> {
    let (priority, exact) = match nice {
        0 => return None,
        1..=5 => (1, 5),
        _ => (0, 19),
    };
    if nice != exact {
        lost.push(format!(
            "nice: {nice} became priority {priority}, which is nice {exact}"
        ));
    }
    Some(priority)
}
