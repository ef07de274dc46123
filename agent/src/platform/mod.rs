//! What the agent asks of the machine: memory, processor, names, read-only from `/proc` and `/sys`; that
//! it may start no program ([`no_exec`]); that it shows itself ([`beacon`]), and ends ([`machine`]). For the
//! first process of an image: network interfaces ([`netif`]) and the watchdog ([`watchdog`]).
//!
//! Unknown is `None` or an empty text, never a guess.

pub mod beacon;
pub mod machine;
pub mod netif;
pub mod no_exec;
pub mod watchdog;

use std::fs;

use miner_engine::{CACHE_BYTES, DATASET_MIB, MAX_WAYS, SCRATCHPAD_BYTES};
use miner_shared::text::{Label, Name};
use miner_shared::wire::PageWish;

/// Sizes of huge pages, in KiB.
pub const HUGE_2M_KIB: u32 = 2 << 10;
/// See [`HUGE_2M_KIB`].
pub const HUGE_1G_KIB: u32 = 1 << 20;

/// Memory that RandomX can still take without swapping, in MiB: `MemAvailable`, or less where the control
/// group of this process allows less, and reserved pages, which are in neither.
pub fn available_mib(wish: PageWish) -> Option<u64> {
    let machine = meminfo_kib("MemAvailable:")? / 1024;
    let left = cgroup_left_mib().map_or(machine, |left| machine.min(left));
    let free = |kib| reserved_pages(kib).map_or(0, |(_, free)| free);
    let reserved = reserved_mib(wish, free(HUGE_2M_KIB), free(HUGE_1G_KIB), cpus().into());
    Some(left.saturating_add(reserved))
}

/// What RandomX gets of free reserved pages: whole datasets, since each lies in pages of one size; and if there
/// is one, of the other pages what a cache and as many scratchpads as processors can have take. No other memory
/// lies in the rest.
fn reserved_mib(wish: PageWish, huge: u64, giant: u64, cpus: u64) -> u64 {
    const DATASET: u64 = DATASET_MIB as u64;
    const GIANTS: u64 = DATASET.div_ceil(1 << 10);
    const CACHE: u64 = (CACHE_BYTES >> 20) as u64;
    const SCRATCHPADS: u64 = (MAX_WAYS * (SCRATCHPAD_BYTES >> 20)) as u64;
    let in_giant = match wish {
        PageWish::Small => return 0,
        PageWish::Auto | PageWish::Huge1G => giant / GIANTS,
        _ => 0,
    };
    let huge_mib = huge.saturating_mul(2);
    let in_huge = huge_mib / DATASET;
    if in_giant + in_huge == 0 {
        return 0;
    }
    let others = (huge_mib % DATASET).min(CACHE + cpus.saturating_mul(SCRATCHPADS));
    (in_giant + in_huge)
        .saturating_mul(DATASET)
        .saturating_add(others)
}

/// Memory of the machine, in MiB.
pub fn total_mib() -> Option<u64> {
    Some(meminfo_kib("MemTotal:")? / 1024)
}

/// Logical processors that this process may use.
pub fn cpus() -> u16 {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    u16::try_from(count).unwrap_or(u16::MAX)
}

/// Model name of the processor; empty where the system does not say.
pub fn cpu_model() -> Label {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = field(&info, "model name").or_else(|| field(&info, "Model"));
    Label::lossy(model.unwrap_or_default())
}

/// Operating system and architecture, such as `linux x86_64`.
pub fn host() -> Label {
    Label::lossy(&format!(
        "{} {}",
        std::env::consts::OS,
        std::env::consts::ARCH
    ))
}

/// The machine's host name as a node name; `rig` where it has none that would do.
pub fn host_name() -> Name {
    let uname = rustix::system::uname();
    let text = uname.nodename().to_str().unwrap_or_default();
    match Name::parse(text) {
        Ok(name) => name,
        Err(_) => fallback_name(),
    }
}

/// Milliseconds since the kernel booted, the same for every process of the machine.
pub fn uptime_ms() -> Option<u64> {
    let text = fs::read_to_string("/proc/uptime").ok()?;
    let (secs, hundredths) = text.split_whitespace().next()?.split_once('.')?;
    Some(secs.parse::<u64>().ok()? * 1_000 + hundredths.parse::<u64>().ok()? * 10)
}

/// The random name that the kernel gave itself at boot.
pub fn kernel_boot_id() -> Option<[u8; 16]> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let hex: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let number = u128::from_str_radix(&hex, 16).ok()?;
    (hex.len() == 32).then(|| number.to_be_bytes())
}

#[expect(
    clippy::expect_used,
    reason = "a literal that keeps the rule, as a test shows"
)]
fn fallback_name() -> Name {
    Name::parse("rig").expect("three letters")
}

fn meminfo_kib(key: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What control group v2 leaves of its limit, in MiB; `None` without a limit. Page cache counts as
/// used here, so this is on the careful side.
fn cgroup_left_mib() -> Option<u64> {
    let number = |name| cgroup(name)?.trim().parse::<u64>().ok();
    let (max, used) = (number("memory.max")?, number("memory.current")?);
    Some(max.saturating_sub(used) >> 20)
}

/// A file of this process's control group, of version 2.
fn cgroup(name: &str) -> Option<String> {
    let text = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    fs::read_to_string(format!("/sys/fs/cgroup/{path}/{name}")).ok()
}

/// NUMA nodes from which this process may take memory; `None` where the system does not say.
pub fn memory_nodes() -> Option<Vec<u16>> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    field(&status, "Mems_allowed_list").map(numbers)
}

/// Limit that the control group sets, in MiB of memory; `None` without one.
pub fn memory_limit_mib() -> Option<u64> {
    Some(cgroup("memory.max")?.trim().parse::<u64>().ok()? >> 20)
}

/// Limit that the control group sets, in hundredths of a processor; `None` without one.
pub fn cpu_limit_percent() -> Option<u64> {
    let text = cgroup("cpu.max")?;
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period) = (quota.parse::<u64>().ok()?, period.parse::<u64>().ok()?);
    (quota * 100).checked_div(period)
}

/// How the first processor chooses its clock rate, such as `performance`; `None` where it does not.
pub fn governor() -> Option<String> {
    let file = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";
    Some(fs::read_to_string(file).ok()?.trim().to_owned())
}

/// Reserved huge pages of this size: all, and those not in use. `None` where the kernel has no such.
pub fn reserved_pages(kib: u32) -> Option<(u64, u64)> {
    let number = |name| {
        let file = format!("/sys/kernel/mm/hugepages/hugepages-{kib}kB/{name}_hugepages");
        fs::read_to_string(file).ok()?.trim().parse::<u64>().ok()
    };
    Some((number("nr")?, number("free")?))
}

/// The numbers of a list such as `0-3,8`, as sysfs and procfs write sets of processors and nodes; nothing of
/// what is not one.
pub fn numbers(list: &str) -> Vec<u16> {
    let parts = list.trim().split(',').filter_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse().ok()?)
    });
    parts.flatten().collect()
}

fn field<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_described() {
        let available = available_mib(PageWish::Auto).expect("linux");
        let total = total_mib().expect("linux");
        assert!(0 < available && available <= total);
        assert!(cpus() >= 1);
        assert!(uptime_ms().expect("linux") > 0);
        assert_eq!(kernel_boot_id(), kernel_boot_id());
        assert_eq!(fallback_name().as_str(), "rig");
        assert!(host().as_str().starts_with("linux"));
    }

    /// An image reserves the dataset's pages at boot, and on a machine of 4 GiB little else is free then.
    #[test]
    fn reserved_pages_are_memory_for_datasets_that_fit_and_what_little_there_is_beside_them() {
        use PageWish::{Auto, Huge1G, Huge2M, Small};
        // The cache and scratchpads of 8 threads.
        let most = 256 + 8 * 2 * MAX_WAYS as u64;
        for (wish, huge, giant, mib) in [
            (Auto, 0, 0, 0),
            (Auto, 1_039, 2, 0),
            (Auto, 1_040, 0, 2_080),
            (Auto, 1_172, 0, 2_344),
            (Auto, 2_000, 0, 2_080 + most),
            (Auto, 2_084, 0, 4_168),
            (Auto, 4, 3, 2_088),
            (Auto, 1_000, 3, 2_080 + most),
            (Auto, 1_044, 7, 6_248),
            (Huge1G, 1_040, 2, 2_080),
            (Huge2M, 0, 3, 0),
            (Huge2M, 1_040, 3, 2_080),
            (Small, 2_000, 9, 0),
        ] {
            assert_eq!(
                reserved_mib(wish, huge, giant, 8),
                mib,
                "{wish:?} {huge} {giant}"
            );
        }
    }

    #[test]
    fn lists_of_numbers_are_read() {
        assert_eq!(numbers("0-2,8\n"), [0, 1, 2, 8]);
        assert_eq!(numbers("7"), [7]);
        assert!(numbers("\n").is_empty());
        assert!(numbers("3-1,x,70000").is_empty());
    }

    #[test]
    fn a_field_of_cpuinfo_is_found_by_its_whole_name() {
        let text = "model\t\t: 25\nmodel name\t: AMD EPYC 7B13\n";
        assert_eq!(field(text, "model name"), Some("AMD EPYC 7B13"));
        assert_eq!(field(text, "Model"), None);
    }
}
