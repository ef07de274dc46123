//! What is wrong with this rig and its machine, as far as it can tell: from facts to findings.
//!
//! ```text
//!   /proc, /sys, engine, miner, pool side ──▶ Facts ──▶ findings: check, severity, what, what to do
//! ```
//! A fact that the system does not tell is `None`, and its finding says so; nothing is guessed.

use std::fmt::Display;

use miner_engine::{Features, Jit};
use miner_shared::text::Text;
use miner_shared::wire::{Finding, Findings, Memory, Mode, PageWish, Pages, Severity};

use crate::mining::WhyLight;
use crate::{clock, platform};

/// Reserved 2 MiB pages that a dataset takes, and those that the cache does.
const DATASET_PAGES: u64 = 2_080 / 2;
const CACHE_PAGES: u64 = 256 / 2;

/// What was found out.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// What the miner does: memory and pages in use, threads running, why it is light.
    pub(super) memory: Option<Memory>,
    pub(super) pages: Option<Pages>,
    /// Datasets in use, and the NUMA nodes that its threads are on.
    pub(super) datasets: usize,
    pub(super) nodes: usize,
    pub(super) why_light: Option<WhyLight>,
    pub(super) threads: u16,
    /// What it is told.
    pub(super) mode: Mode,
    pub(super) wished: PageWish,
    pub(super) mines: bool,
    pub(super) paused: bool,
    /// Threads that suit the processor, processors, and how many of these the system grants.
    pub(super) suited: usize,
    pub(super) cpus: usize,
    /// Where it is logged in; since when it is not, in milliseconds.
    pub(super) pool: Option<String>,
    pub(super) offline_ms: Option<u64>,
    /// How its controllers and it find each other.
    pub(super) link: &'static str,
    /// The owner's word, shortened, and what it forbade last.
    pub(super) owner: Option<String>,
    pub(super) forbidden: Option<String>,
    pub(super) available_mib: Option<u64>,
    pub(super) needed_mib: u32,
    pub(super) machine: Machine,
}

/// The part that is read from the system.
#[derive(Clone, Debug, Default)]
pub(super) struct Machine {
    hard_aes: bool,
    jit: Jit,
    /// All and free, of 2 MiB and of 1 GiB.
    huge_2m: Option<(u64, u64)>,
    huge_1g: Option<(u64, u64)>,
    governor: Option<String>,
    wall_clock: bool,
    cpu_limit_percent: Option<u64>,
    memory_limit_mib: Option<u64>,
}

impl Machine {
    pub(super) fn read() -> Self {
        let features = Features::detect();
        Self {
            hard_aes: features.hard_aes,
            jit: features.jit,
            huge_2m: platform::reserved_pages(platform::HUGE_2M_KIB),
            huge_1g: platform::reserved_pages(platform::HUGE_1G_KIB),
            governor: platform::governor(),
            wall_clock: clock::wall_secs().is_some(),
            cpu_limit_percent: platform::cpu_limit_percent(),
            memory_limit_mib: platform::memory_limit_mib(),
        }
    }
}

/// All findings, in the order in which an owner would look.
pub(super) fn findings(facts: &Facts) -> Findings {
    let checks: [(&str, Verdict); 14] = [
        ("pool", pool(facts)),
        ("link", good(facts.link)),
        ("owner", owner(facts)),
        ("threads", threads(facts)),
        ("memory", memory(facts)),
        ("huge-pages", huge_pages(facts)),
        ("giant-pages", giant_pages(facts)),
        ("numa", numa(facts)),
        ("aes", aes(&facts.machine)),
        ("governor", governor(&facts.machine)),
        ("cpu-limit", cpu_limit(facts)),
        ("memory-limit", memory_limit(facts)),
        ("clock", wall_clock(&facts.machine)),
        ("msr", msr()),
    ];
    let finding = |(check, verdict): (&str, Verdict)| Finding {
        check: Text::lossy(check),
        severity: verdict.severity,
        detail: Text::lossy(&verdict.detail),
        fix: Text::lossy(verdict.fix),
    };
    checks.into_iter().map(finding).collect()
}

struct Verdict {
    severity: Severity,
    detail: String,
    fix: &'static str,
}

fn good(detail: impl Display) -> Verdict {
    Verdict {
        severity: Severity::Good,
        detail: detail.to_string(),
        fix: "",
    }
}

fn unknown(detail: impl Display) -> Verdict {
    Verdict {
        severity: Severity::Unknown,
        ..good(detail)
    }
}

fn warning(detail: impl Display, fix: &'static str) -> Verdict {
    Verdict {
        severity: Severity::Warning,
        detail: detail.to_string(),
        fix,
    }
}

fn bad(detail: impl Display, fix: &'static str) -> Verdict {
    Verdict {
        severity: Severity::Bad,
        ..warning(detail, fix)
    }
}

fn pool(facts: &Facts) -> Verdict {
    match (&facts.pool, facts.offline_ms) {
        _ if !facts.mines => good("told to mine nothing"),
        (Some(pool), _) => good(format_args!("logged in at {pool}")),
        (None, Some(ms)) => bad(
            format_args!("no login for {} s", ms / 1_000),
            "check the profile's pools, the network, and `remote logs`",
        ),
        (None, None) => unknown("about to log in"),
    }
}

fn owner(facts: &Facts) -> Verdict {
    const FIX: &str = "another profile, or another owner.toml there and a restart of its agent";
    match (&facts.owner, &facts.forbidden) {
        (_, Some(forbidden)) if facts.mines => warning(format_args!("refused: {forbidden}"), FIX),
        (_, Some(forbidden)) => bad(format_args!("refused: {forbidden}"), FIX),
        (Some(owner), None) => good(owner),
        (None, None) => good("no owner.toml: any pool, any wallet, any controller that was let in"),
    }
}

fn threads(facts: &Facts) -> Verdict {
    let Facts {
        threads,
        suited,
        cpus,
        ..
    } = facts;
    let said = format!("{threads} running, {suited} suit, {cpus} processors");
    match usize::from(*threads) {
        _ if !facts.mines || facts.paused => good(said),
        0 => unknown(said),
        running if running > *cpus => {
            warning(said, "give the profile no more threads than processors")
        }
        running if running < *suited => warning(said, "the profile or --threads asks for fewer"),
        _ => good(said),
    }
}

fn memory(facts: &Facts) -> Verdict {
    let needed = facts.needed_mib;
    let available = facts.available_mib;
    let free = available.map_or_else(|| "unknown".to_owned(), |mib| format!("{mib} MiB"));
    match (facts.memory, facts.why_light) {
        (Some(Memory::Fast), _) => good("fast mode is in use"),
        (_, Some(WhyLight::Asked)) => warning(
            "light mode is asked for",
            "mode auto in the profile, and no --light, if there is memory",
        ),
        (_, Some(WhyLight::TooFewBits)) => warning(
            "light mode: a 32-bit program has no room for fast mode",
            "run the agent of 64 bits if the processor is one; light mode makes a tenth",
        ),
        (_, Some(WhyLight::NotAllocated)) => bad(
            format_args!("the system refused the dataset's memory; free {free}"),
            "end other programs, or raise the limit of locked memory",
        ),
        _ if available.is_some_and(|mib| mib < needed.into()) => warning(
            format_args!("fast mode takes {needed} MiB, free are {free}"),
            "add memory or end other programs; light mode makes a tenth",
        ),
        _ if available.is_none() => unknown("the system does not say what is free"),
        _ => good(format_args!(
            "fast mode takes {needed} MiB, free are {free}"
        )),
    }
}

fn huge_pages(facts: &Facts) -> Verdict {
    let datasets = match facts.mode {
        Mode::Light => 0,
        Mode::Auto | Mode::Fast => facts.nodes.max(1),
    };
    let wanted = datasets as u64 * DATASET_PAGES + CACHE_PAGES + 2 * facts.suited as u64;
    let reserved = match facts.machine.huge_2m {
        Some((all, free)) => format!("{all} of 2 MiB reserved, {free} free, {wanted} wanted"),
        None => "none can be reserved".to_owned(),
    };
    const FIX: &str = "reserve as many as are wanted (vm.nr_hugepages) before the agent starts";
    match facts.pages {
        _ if facts.wished == PageWish::Small => good("small pages are wished for"),
        Some(Pages::Huge2M | Pages::Huge1G) => good(format_args!("in use; {reserved}")),
        Some(Pages::Transparent) => {
            warning(format_args!("transparent ones in use; {reserved}"), FIX)
        }
        Some(Pages::Small) => bad(format_args!("not in use; {reserved}"), FIX),
        _ => match facts.machine.huge_2m {
            Some((_, free)) if free >= wanted => good(reserved),
            _ => warning(reserved, FIX),
        },
    }
}

fn giant_pages(facts: &Facts) -> Verdict {
    let wished = facts.wished == PageWish::Huge1G;
    match (facts.pages, facts.machine.huge_1g) {
        (Some(Pages::Huge1G), _) => good("in use"),
        (_, Some((all, free))) if wished => warning(
            format_args!("wished for and not in use; {all} reserved, {free} free"),
            "reserve 3 for each NUMA node, best on the kernel's command line: hugepagesz=1G hugepages=N",
        ),
        (_, None) if wished => {
            warning("wished for; the processor has none", "wish for 2 MiB pages")
        }
        (_, Some((all, _))) => good(format_args!("not wished for; {all} reserved")),
        (_, None) => good("not wished for; the system has none"),
    }
}

fn numa(facts: &Facts) -> Verdict {
    match (facts.datasets, facts.nodes) {
        (0, _) => good("no dataset in use"),
        (_, 0) => good("threads are on no node of their own"),
        (_, 1) => good("threads are on one node"),
        (datasets, nodes) if datasets < nodes => warning(
            format_args!(
                "threads of {nodes} nodes share a dataset, of which a part is far from each"
            ),
            "have 2080 MiB free for each node, in reserved pages as well, before the agent starts",
        ),
        (_, nodes) => good(format_args!("a dataset for each of {nodes} nodes")),
    }
}

fn aes(machine: &Machine) -> Verdict {
    match (machine.hard_aes, machine.jit) {
        (_, Jit::Wrong) => bad(
            "programs are interpreted: compiled ones gave a wrong hash on this processor",
            "report it with the processor's name; check memory and clocks",
        ),
        (_, Jit::None) => warning(
            "programs are interpreted: there is no compiler for this processor",
            "run the agent of 64 bits if the processor is one",
        ),
        (_, Jit::Off) => bad(
            "programs are interpreted: the system lets no data become code",
            "allow executable memory for the agent",
        ),
        (true, Jit::On) => good("by the processor; programs are compiled"),
        (false, Jit::On) => warning(
            "the processor has no AES, or a virtual machine hides it",
            "pass the host's processor through to the virtual machine",
        ),
    }
}

fn governor(machine: &Machine) -> Verdict {
    match machine.governor.as_deref() {
        None => unknown("the system does not say"),
        Some(name @ ("performance" | "schedutil" | "ondemand")) => good(name),
        Some(name) => warning(name, "set the governor to performance"),
    }
}

fn cpu_limit(facts: &Facts) -> Verdict {
    match facts.machine.cpu_limit_percent {
        None => good("none"),
        Some(percent) if percent < 100 * facts.suited as u64 => warning(
            format_args!(
                "{percent} % of one processor, {} threads suit",
                facts.suited
            ),
            "raise cpu.max of the control group",
        ),
        Some(percent) => good(format_args!("{percent} % of one processor")),
    }
}

fn memory_limit(facts: &Facts) -> Verdict {
    match facts.machine.memory_limit_mib {
        None => good("none"),
        Some(mib) if mib < facts.needed_mib.into() => warning(
            format_args!("{mib} MiB, fast mode takes {}", facts.needed_mib),
            "raise memory.max of the control group",
        ),
        Some(mib) => good(format_args!("{mib} MiB")),
    }
}

fn wall_clock(machine: &Machine) -> Verdict {
    if machine.wall_clock {
        good("set")
    } else {
        warning("it is before 2020", "run a time service; logs have no date")
    }
}

/// The registers that switch the processor's prefetchers are worth up to a tenth; this agent does not
/// write them.
fn msr() -> Verdict {
    unknown("prefetcher settings are not attempted by this agent")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            memory: Some(Memory::Fast),
            pages: Some(Pages::Huge2M),
            datasets: 2,
            nodes: 2,
            why_light: None,
            threads: 8,
            mode: Mode::Auto,
            wished: PageWish::Auto,
            mines: true,
            paused: false,
            suited: 8,
            cpus: 16,
            pool: Some("pool:3333".to_owned()),
            offline_ms: None,
            link: "dials its controller",
            owner: Some("Alice; controllers: 1, wallets: 1, pools: any".to_owned()),
            forbidden: None,
            available_mib: Some(8_000),
            needed_mib: 2_424,
            machine: Machine {
                hard_aes: true,
                jit: Jit::On,
                huge_2m: Some((1_280, 80)),
                huge_1g: None,
                governor: Some("performance".to_owned()),
                wall_clock: true,
                cpu_limit_percent: None,
                memory_limit_mib: None,
            },
        }
    }

    /// What a check comes to once something has changed.
    fn of(check: &str, change: impl FnOnce(&mut Facts)) -> Finding {
        let mut facts = facts();
        change(&mut facts);
        let mut all = findings(&facts).into_iter();
        all.find(|finding| finding.check.as_str() == check)
            .expect("a check")
    }

    #[test]
    fn nothing_is_said_against_a_good_rig() {
        for finding in findings(&facts()) {
            let expected = match finding.check.as_str() {
                "msr" => Severity::Unknown,
                _ => Severity::Good,
            };
            assert_eq!(finding.severity, expected, "{finding:?}");
            assert!(finding.fix.is_empty());
        }
    }

    #[test]
    fn what_costs_hash_rate_is_named_with_what_to_do() {
        type Case = (&'static str, Severity, &'static str, fn(&mut Facts));
        let cases: [Case; 21] = [
            ("pool", Severity::Bad, "for 42 s", |f| {
                (f.pool, f.offline_ms) = (None, Some(42_000));
            }),
            ("owner", Severity::Bad, "pool 1 is not in pools", |f| {
                f.forbidden = Some("pool 1 is not in pools".to_owned());
                f.mines = false;
            }),
            ("owner", Severity::Warning, "mine = false", |f| {
                f.forbidden = Some("mine = false".to_owned());
            }),
            ("threads", Severity::Warning, "20 running", |f| {
                f.threads = 20
            }),
            ("threads", Severity::Warning, "4 running", |f| f.threads = 4),
            ("memory", Severity::Warning, "2000 MiB", |f| {
                (f.memory, f.available_mib) = (Some(Memory::Light), Some(2_000));
            }),
            ("memory", Severity::Warning, "asked for", |f| {
                (f.memory, f.why_light) = (Some(Memory::Light), Some(WhyLight::Asked));
            }),
            ("memory", Severity::Bad, "refused", |f| {
                (f.memory, f.why_light) = (Some(Memory::Light), Some(WhyLight::NotAllocated));
            }),
            ("memory", Severity::Warning, "32-bit", |f| {
                (f.memory, f.why_light) = (Some(Memory::Light), Some(WhyLight::TooFewBits));
            }),
            ("huge-pages", Severity::Bad, "not in use", |f| {
                f.pages = Some(Pages::Small);
            }),
            ("huge-pages", Severity::Warning, "2224 wanted", |f| {
                (f.pages, f.machine.huge_2m) = (None, Some((0, 0)));
            }),
            ("giant-pages", Severity::Warning, "not in use", |f| {
                (f.wished, f.machine.huge_1g) = (PageWish::Huge1G, Some((3, 3)));
            }),
            ("numa", Severity::Warning, "2 nodes share a dataset", |f| {
                f.datasets = 1
            }),
            ("aes", Severity::Warning, "no AES", |f| {
                f.machine.hard_aes = false
            }),
            ("aes", Severity::Bad, "interpreted", |f| {
                f.machine.jit = Jit::Off
            }),
            ("aes", Severity::Warning, "no compiler", |f| {
                f.machine.jit = Jit::None
            }),
            ("aes", Severity::Bad, "wrong hash", |f| {
                f.machine.jit = Jit::Wrong
            }),
            ("governor", Severity::Warning, "powersave", |f| {
                f.machine.governor = Some("powersave".to_owned());
            }),
            ("cpu-limit", Severity::Warning, "150 %", |f| {
                f.machine.cpu_limit_percent = Some(150);
            }),
            ("memory-limit", Severity::Warning, "512 MiB", |f| {
                f.machine.memory_limit_mib = Some(512);
            }),
            ("clock", Severity::Warning, "2020", |f| {
                f.machine.wall_clock = false
            }),
        ];
        for (check, severity, words, change) in cases {
            let finding = of(check, change);
            assert_eq!(finding.severity, severity, "{finding:?}");
            assert!(finding.detail.as_str().contains(words), "{finding:?}");
            assert!(!finding.fix.is_empty(), "{finding:?}");
        }
    }

    #[test]
    fn what_is_unknown_is_not_called_good() {
        let governor = of("governor", |f| f.machine.governor = None);
        assert_eq!(governor.severity, Severity::Unknown);
        let memory = of("memory", |f| (f.memory, f.available_mib) = (None, None));
        assert_eq!(memory.severity, Severity::Unknown);
    }

    #[test]
    fn a_rig_that_rests_has_no_finding_about_its_threads() {
        let rests = of("threads", |f| (f.paused, f.threads) = (true, 0));
        assert_eq!(rests.severity, Severity::Good);
        assert!(Machine::read().wall_clock, "of this machine");
    }
}
