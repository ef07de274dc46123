//! From a manager's message to the answer it gets: no I/O, no clock, one effect at most.
//!
//! ```text
//!   Command(op_id, c) ─▶ seen this op_id? ── same c ──▶ the receipt of then
//!                               │           └ other c ─▶ OpIdReused
//!                               ▼ no
//!                        too fast? ── yes ─▶ Busy, of which nothing is remembered
//!                               ▼ no
//!                        first manager? ─▶ generation newer? ─▶ can this rig do it? ─▶ store, then apply
//! ```
//! What a rig can do and how it stores and applies is behind [`Host`], so that these rules are
//! tested without a rig. A receipt is kept for each of the last 16 commands of each manager. What was
//! answered with Busy had no effect and may be sent again under the same op_id.

use heapless::{Deque, Vec};
use miner_shared::gate::Bucket;
use miner_shared::identity::Fingerprint;
use miner_shared::limits::{MANAGER_RATE, MAX_MANAGERS, MAX_MESSAGE, RECEIPTS};
use miner_shared::text::MinerName;
use miner_shared::time::Millis;
use miner_shared::wire::{
    Algo, Answer, Backend, Command, Desired, LogPage, Mode, NodeInfo, OpId, Outcome, Profile,
    Query, Refusal, RigStats, State,
};
use sha2::{Digest, Sha256};

/// What commands and queries need of the rig.
pub(crate) trait Host {
    /// The state in force; `None` if the rig was never told one.
    fn desired(&self) -> Option<&Desired>;
    /// Whether memory for fast mode is there or in use already.
    fn fast_mode_fits(&self, profile: &Profile) -> bool;
    /// Keeps the state on disk; when this returns true it survives a power cut.
    fn store(&mut self, desired: &Desired) -> bool;
    /// Works by the state, which is stored.
    fn apply(&mut self, desired: &Desired);
    /// Who and what the rig is.
    fn info(&self) -> NodeInfo;
    /// Statistics now.
    fn stats(&self) -> RigStats;
    /// Part of the log.
    fn logs(&self, cursor: Option<u64>, lines: u16) -> LogPage;
    /// Names of the miners.
    fn miners(&self) -> Vec<MinerName, { miner_shared::limits::MAX_MINERS }>;
}

/// The receipts of the last commands, by manager. They live as long as the process: a restarted rig
/// compares generations, which are on disk.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    accounts: Vec<Account, MAX_MANAGERS>,
}

/// What is remembered of one manager.
#[derive(Debug)]
struct Account {
    key: Fingerprint,
    /// Questions and commands that it may still send at once.
    asked: Bucket,
    kept: Deque<Kept, RECEIPTS>,
}

#[derive(Debug)]
struct Kept {
    op_id: OpId,
    hash: [u8; 32],
    outcome: Outcome,
}

impl Commands {
    /// Obeys a command of a manager, or says why not.
    pub(crate) fn command(
        &mut self,
        from: Manager,
        op_id: OpId,
        command: &Command,
        host: &mut dyn Host,
    ) -> Outcome {
        let hash = hash(command);
        let account = self.account(from.key);
        let in_time = account.asked.take(MANAGER_RATE, from.now);
        if let Some(kept) = account.kept.iter().find(|kept| kept.op_id == op_id) {
            return if kept.hash == hash {
                kept.outcome.clone()
            } else {
                Outcome::Refused(Refusal::OpIdReused)
            };
        }
        if !in_time {
            return Outcome::Refused(Refusal::Busy);
        }
        let outcome = if from.decides {
            obey(command, host)
        } else {
            Outcome::Refused(Refusal::NotAllowed)
        };
        if account.kept.is_full() {
            account.kept.pop_front();
        }
        // There is room: the oldest has just made some.
        let _ = account.kept.push_back(Kept {
            op_id,
            hash,
            outcome: outcome.clone(),
        });
        outcome
    }

    /// Answers a query; every manager may ask.
    pub(crate) fn query(
        &mut self,
        from: Fingerprint,
        now: Millis,
        query: &Query,
        host: &dyn Host,
    ) -> Answer {
        if self.account(from).asked.take(MANAGER_RATE, now) {
            answer(query, host)
        } else {
            Answer::Refused(Refusal::Busy)
        }
    }

    fn account(&mut self, key: Fingerprint) -> &mut Account {
        let known = self.accounts.iter().position(|account| account.key == key);
        let index = known.unwrap_or_else(|| {
            if self.accounts.is_full() {
                // A pin was taken back on disk while this process ran; the oldest is the likeliest.
                self.accounts.remove(0);
            }
            let _ = self.accounts.push(Account {
                key,
                asked: Bucket::default(),
                kept: Deque::new(),
            });
            self.accounts.len() - 1
        });
        // `index` was found, or is that of the entry just pushed.
        &mut self.accounts[index]
    }
}

/// Whose message it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manager {
    /// Its key.
    pub(crate) key: Fingerprint,
    /// Whether it is the first manager, the one that holds desired state.
    pub(crate) decides: bool,
    /// When it came.
    pub(crate) now: Millis,
}

fn answer(query: &Query, host: &dyn Host) -> Answer {
    match query {
        Query::GetInfo => Answer::Info(host.info()),
        Query::GetStats => Answer::Stats(host.stats()),
        Query::GetLogs {
            miner,
            cursor,
            lines,
        } => {
            let miners = host.miners();
            if miners.contains(miner) {
                Answer::Logs(host.logs(*cursor, *lines))
            } else {
                Answer::Refused(Refusal::NoSuchMiner(miners))
            }
        }
        _ => Answer::Refused(Refusal::Unsupported),
    }
}

fn obey(command: &Command, host: &mut dyn Host) -> Outcome {
    match command {
        Command::SetState(desired) => set_state(desired, host),
        _ => Outcome::Refused(Refusal::Unsupported),
    }
}

fn set_state(desired: &Desired, host: &mut dyn Host) -> Outcome {
    if let Some(now) = host.desired() {
        if now == desired {
            return Outcome::AlreadyThere;
        }
        // Another wish under the same number: a registry was restored from a backup.
        if desired.generation <= now.generation {
            return Outcome::Behind(now.generation);
        }
    }
    if let State::Mine(profile) = &desired.state
        && let Some(reason) = refusal(profile, host)
    {
        return Outcome::Refused(reason);
    }
    if !host.store(desired) {
        return Outcome::Refused(Refusal::NotStored);
    }
    host.apply(desired);
    Outcome::Applied
}

/// Why this rig cannot mine by the profile, if it cannot.
fn refusal(profile: &Profile, host: &dyn Host) -> Option<Refusal> {
    if profile.backend != Backend::Cpu || profile.algo != Algo::Rx0 || profile.pools.is_empty() {
        return Some(Refusal::Unsupported);
    }
    if profile.pools.iter().any(|pool| pool.tls) {
        return Some(Refusal::NoTls);
    }
    let too_little = profile.mode == Mode::Fast && !host.fast_mode_fits(profile);
    too_little.then_some(Refusal::TooLittleMemory)
}

/// Names a command by its content.
fn hash(command: &Command) -> [u8; 32] {
    let mut buffer = [0; MAX_MESSAGE];
    // It came out of a message, so it fits one.
    let bytes = postcard::to_slice(command, &mut buffer).map_or(&[][..], |bytes| bytes);
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use miner_shared::text::{Address, Label, Name, PoolPass, PoolUser};
    use miner_shared::wire::{Activity, NodeCard, Pool, Threads};

    use super::*;

    const FIRST: Manager = Manager {
        key: Fingerprint([1; 32]),
        decides: true,
        now: Millis(0),
    };
    const SECOND: Manager = Manager {
        key: Fingerprint([2; 32]),
        decides: false,
        now: Millis(0),
    };

    /// A rig that only counts.
    #[derive(Default)]
    struct Rig {
        desired: Option<Desired>,
        stored: Option<Desired>,
        effects: u32,
        disk_full: bool,
        small: bool,
    }

    impl Host for Rig {
        fn desired(&self) -> Option<&Desired> {
            self.desired.as_ref()
        }
        fn fast_mode_fits(&self, _: &Profile) -> bool {
            !self.small
        }
        fn store(&mut self, desired: &Desired) -> bool {
            self.stored = (!self.disk_full).then(|| desired.clone());
            !self.disk_full
        }
        fn apply(&mut self, desired: &Desired) {
            assert_eq!(self.stored.as_ref(), Some(desired), "stored before applied");
            self.desired = Some(desired.clone());
            self.effects += 1;
        }
        fn info(&self) -> NodeInfo {
            NodeInfo {
                card: NodeCard {
                    name: Name::parse("rig").expect("valid"),
                    software: Label::lossy("test"),
                    host: Label::lossy("test"),
                },
                cpus: 1,
                cpu_model: Label::lossy(""),
                memory_mib: Some(1),
                uptime_ms: 1,
            }
        }
        fn stats(&self) -> RigStats {
            RigStats {
                uptime_ms: 1,
                generation: 0,
                profile: None,
                activity: Activity::Stopped,
                miners: Vec::new(),
                logs_lost: 0,
            }
        }
        fn logs(&self, cursor: Option<u64>, _: u16) -> LogPage {
            LogPage {
                first: cursor.unwrap_or(7),
                ..LogPage::default()
            }
        }
        fn miners(&self) -> Vec<MinerName, 4> {
            Vec::from_iter(MinerName::parse("miner-rx0"))
        }
    }

    fn profile() -> Profile {
        Profile {
            name: Name::parse("p").expect("valid"),
            backend: Backend::Cpu,
            algo: Algo::Rx0,
            mode: Mode::Auto,
            threads: Threads::Auto,
            pools: Vec::from_array([Pool {
                address: Address::parse("pool:3333").expect("valid"),
                tls: false,
                user: PoolUser::parse("w").expect("valid"),
                pass: PoolPass::parse("x").expect("valid"),
            }]),
        }
    }

    fn mine(generation: u64, change: impl FnOnce(&mut Profile)) -> Command {
        let mut profile = profile();
        change(&mut profile);
        Command::SetState(Desired {
            generation,
            state: State::Mine(profile),
        })
    }

    fn stop(generation: u64) -> Command {
        Command::SetState(Desired {
            generation,
            state: State::Stopped,
        })
    }

    /// Sends each command under a new op_id as the first manager.
    fn tell(rig: &mut Rig, command: &Command) -> Outcome {
        Commands::default().command(FIRST, [9; 16], command, rig)
    }

    #[test]
    fn a_newer_generation_is_applied_and_an_older_one_is_told_where_we_are() {
        let mut rig = Rig::default();
        assert_eq!(tell(&mut rig, &mine(5, |_| ())), Outcome::Applied);
        assert_eq!(tell(&mut rig, &mine(5, |_| ())), Outcome::AlreadyThere);
        assert_eq!(
            tell(&mut rig, &stop(5)),
            Outcome::Behind(5),
            "other wish, same number"
        );
        assert_eq!(tell(&mut rig, &stop(4)), Outcome::Behind(5));
        assert_eq!(rig.effects, 1);
        assert_eq!(tell(&mut rig, &stop(6)), Outcome::Applied);
        assert_eq!(rig.effects, 2);
    }

    #[test]
    fn a_resent_command_has_no_second_effect() {
        let (mut rig, mut commands) = (Rig::default(), Commands::default());
        let mut tell = |op_id: u8, command: &Command, rig: &mut Rig| {
            commands.command(FIRST, [op_id; 16], command, rig)
        };
        assert_eq!(tell(1, &mine(1, |_| ()), &mut rig), Outcome::Applied);
        assert_eq!(tell(2, &stop(2), &mut rig), Outcome::Applied);
        assert_eq!(
            tell(1, &mine(1, |_| ()), &mut rig),
            Outcome::Applied,
            "the receipt of then"
        );
        assert_eq!(rig.effects, 2);
        let reused = tell(1, &stop(3), &mut rig);
        assert_eq!(reused, Outcome::Refused(Refusal::OpIdReused));
        assert_eq!(rig.effects, 2);
    }

    #[test]
    fn sixteen_receipts_are_kept_for_each_manager() {
        let (mut rig, mut commands) = (Rig::default(), Commands::default());
        for op_id in 0..17 {
            let command = stop(u64::from(op_id) + 1);
            let outcome = commands.command(FIRST, [op_id; 16], &command, &mut rig);
            assert_eq!(outcome, Outcome::Applied);
            commands.command(SECOND, [op_id; 16], &command, &mut rig);
        }
        let mut again =
            |op_id: u8| commands.command(FIRST, [op_id; 16], &stop(u64::from(op_id) + 1), &mut rig);
        assert_eq!(again(1), Outcome::Applied, "still known");
        assert_eq!(again(0), Outcome::Behind(17), "forgotten, so judged anew");
    }

    #[test]
    fn who_asks_too_fast_hears_busy_and_loses_nothing_by_it() {
        let (mut rig, mut commands) = (Rig::default(), Commands::default());
        assert_eq!(
            commands.command(FIRST, [1; 16], &stop(1), &mut rig),
            Outcome::Applied
        );
        let busy = Answer::Refused(Refusal::Busy);
        let answers =
            (0..1_000).map(|_| commands.query(FIRST.key, Millis(0), &Query::GetStats, &rig));
        let answered = answers.filter(|answer| *answer != busy).count() as u64;
        assert_eq!(answered, MANAGER_RATE.burst - 1);

        // Not applied, and nothing remembered: as many as there are receipts push none of them out.
        for op_id in 2..40 {
            let outcome = commands.command(FIRST, [op_id; 16], &stop(2), &mut rig);
            assert_eq!(outcome, Outcome::Refused(Refusal::Busy));
        }
        assert_eq!(rig.effects, 1);
        let again = commands.command(FIRST, [1; 16], &stop(1), &mut rig);
        assert_eq!(again, Outcome::Applied, "the receipt of then, however busy");
        let other = commands.query(SECOND.key, Millis(0), &Query::GetStats, &rig);
        assert_ne!(other, busy, "another manager has a rate of its own");

        let later = Manager {
            now: Millis(MANAGER_RATE.every_ms * 2 * MANAGER_RATE.burst),
            ..FIRST
        };
        let resent = commands.command(later, [2; 16], &stop(2), &mut rig);
        assert_eq!(resent, Outcome::Applied, "the same op_id takes effect");
        assert_eq!(rig.effects, 2);
    }

    #[test]
    fn only_the_first_manager_decides() {
        let (mut rig, mut commands) = (Rig::default(), Commands::default());
        let outcome = commands.command(SECOND, [1; 16], &stop(1), &mut rig);
        assert_eq!(outcome, Outcome::Refused(Refusal::NotAllowed));
        assert_eq!(rig.effects, 0);
    }

    #[test]
    fn what_the_rig_cannot_do_is_refused_and_changes_nothing() {
        let mut rig = Rig {
            small: true,
            ..Rig::default()
        };
        for (change, refusal) in [
            (
                (|p| p.backend = Backend::Cuda) as fn(&mut Profile),
                Refusal::Unsupported,
            ),
            (|p| p.pools.clear(), Refusal::Unsupported),
            (|p| p.pools[0].tls = true, Refusal::NoTls),
            (|p| p.mode = Mode::Fast, Refusal::TooLittleMemory),
        ] {
            let outcome = tell(&mut rig, &mine(1, change));
            assert_eq!(outcome, Outcome::Refused(refusal));
        }
        assert_eq!((rig.effects, rig.stored), (0, None));
    }

    #[test]
    fn a_state_that_cannot_be_stored_is_not_applied() {
        let mut rig = Rig {
            disk_full: true,
            ..Rig::default()
        };
        let outcome = tell(&mut rig, &stop(1));
        assert_eq!(outcome, Outcome::Refused(Refusal::NotStored));
        assert_eq!(rig.effects, 0);
    }

    #[test]
    fn logs_of_an_unknown_miner_are_refused_with_the_names_there_are() {
        let ask = |name| {
            let query = Query::GetLogs {
                miner: MinerName::parse(name).expect("valid"),
                cursor: Some(3),
                lines: 10,
            };
            Commands::default().query(SECOND.key, Millis(0), &query, &Rig::default())
        };
        assert!(matches!(ask("miner-rx0"), Answer::Logs(page) if page.first == 3));
        let Answer::Refused(Refusal::NoSuchMiner(names)) = ask("xmrig-123") else {
            panic!("refused with names");
        };
        assert_eq!(names[0].as_str(), "miner-rx0");
    }
}
