//! From a manager's message to the answer it gets: no I/O, no clock, one effect at most.
//!
//! ```text
//!   Command(op_id, c) ─▶ seen this op_id? ── same c ──▶ the receipt of then
//!                               │           └ other c ─▶ OpIdReused
//!                               ▼ no
//!                        too fast? ── yes ─▶ Busy, of which nothing is remembered
//!                               ▼ no
//!                        may its author? ─▶ is it so already, or can it not be? ─▶ store, then apply
//! ```
//! | command | whose | refused or told |
//! |---|---|---|
//! | SetState | the first manager's | behind: the generation is not above the one in force |
//! | PinRecovery | any manager's, for itself | bad proof: another key is pinned, and has not made room |
//! | Handover, Revoke | the first manager's; none revokes itself | no such manager |
//! | Rotate | the first manager's | |
//! | Restart | the first manager's | already there: it is told to mine nothing |
//! | Reboot, PowerOff | the first manager's | not our image |
//! | Locate, SetLogLevel | the first manager's | |
//!
//! Who is first is asked at each command. A generation belongs to the rig, not to its manager: one that
//! decides from now on, and whose wishes have lower numbers, is told `Behind` with the number in force,
//! and its next wish is numbered above that. The work goes on meanwhile.
//!
//! What a rig can do and how it stores and applies is behind [`Host`], so that these rules are
//! tested without a rig, and the controller's hub is tested against them. A receipt is kept for each
//! of the last 16 commands of each manager that it was allowed to give. What was answered with Busy had
//! no effect and may be sent again under the same op_id.

use heapless::{Deque, Vec};
use miner_shared::gate::Bucket;
use miner_shared::identity::{Fingerprint, Pin};
use miner_shared::limits::{
    MANAGER_RATE, MAX_LOCATE_SECS, MAX_MANAGERS, MAX_MESSAGE, MAX_NICE, RECEIPTS, SIGNATURE,
};
use miner_shared::text::MinerName;
use miner_shared::time::Millis;
use miner_shared::wire::{
    Algo, Answer, Backend, Command, Desired, Findings, Interfaces, Level, LogPage, Manager, Mode,
    NodeInfo, OpId, Outcome, Profile, Query, Refusal, RigStats, State, Threads,
};
use sha2::{Digest, Sha256};

use crate::platform::machine::MachineEnd;
use crate::store::Managers;

/// What commands and queries need of the rig.
pub trait Host {
    /// The state in force; `None` if the rig was never told one.
    fn desired(&self) -> Option<&Desired>;
    /// Whether memory for fast mode is there or in use already.
    fn fast_mode_fits(&self, profile: &Profile) -> bool;
    /// Keeps the state on disk; when this returns true it survives a power cut.
    fn store(&mut self, desired: &Desired) -> bool;
    /// Works by the state, which is stored.
    fn apply(&mut self, desired: &Desired);
    /// Whom the rig obeys.
    fn managers(&self) -> Managers;
    /// Pins the recovery key of a manager; this and the next three as `store`.
    fn pin_recovery(
        &mut self,
        manager: Fingerprint,
        key: &[u8; 32],
        proof: Option<&[u8; SIGNATURE]>,
    ) -> bool;
    /// Makes this manager the first.
    fn put_first(&mut self, manager: Fingerprint) -> bool;
    /// Obeys this manager no more.
    fn unpin(&mut self, manager: Fingerprint) -> bool;
    /// Lets a new key take the place of the rig's own.
    fn rotate(&mut self) -> bool;
    /// Ends the miner with its memory, and starts it anew from the state in force.
    fn restart(&mut self);
    /// Whether the machine is the rig's own.
    fn may_end_machine(&self) -> bool;
    /// Restarts the machine or switches it off, as soon as the receipt is away.
    fn end_machine(&mut self, how: MachineEnd);
    /// Shows for so many seconds which machine it is.
    fn locate(&mut self, seconds: u16);
    /// Logs what is at least this serious, until the next start.
    fn set_log_level(&mut self, least: Level);
    /// What the rig finds wrong with itself.
    fn doctor(&self) -> Findings;
    /// Its network interfaces.
    fn network(&self) -> Interfaces;
    /// Who and what the rig is.
    fn info(&self) -> NodeInfo;
    /// Statistics now.
    fn stats(&self) -> RigStats;
    /// Part of the log; of records that are at least this serious if a level is given.
    fn logs(&self, cursor: Option<u64>, lines: u16, least: Option<Level>) -> LogPage;
    /// Names of the miners.
    fn miners(&self) -> Vec<MinerName, { miner_shared::limits::MAX_MINERS }>;
}

/// The receipts of the last commands, by manager. They live as long as the process: a restarted rig
/// compares generations, which are on disk.
#[derive(Debug, Default)]
pub struct Commands {
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
    /// Obeys a command of the manager `from` that came now, or says why not.
    pub fn command(
        &mut self,
        from: Fingerprint,
        now: Millis,
        op_id: OpId,
        command: &Command,
        host: &mut dyn Host,
    ) -> Outcome {
        let hash = hash(command);
        let account = self.account(from);
        let in_time = account.asked.take(MANAGER_RATE, now);
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
        let outcome = obey(from, command, host);
        if outcome == Outcome::Refused(Refusal::NotAllowed) {
            // Not kept: when it is sent again its author may be the first.
            return outcome;
        }
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

    /// Answers a query that came now; every manager may ask.
    pub fn query(
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

    /// A manager has another key now, and what it was told under the old one.
    pub(crate) fn rename(&mut self, was: &Fingerprint, is: Fingerprint) {
        if self.accounts.iter().any(|account| account.key == *was) {
            self.accounts.retain(|account| account.key != is);
        }
        for account in &mut self.accounts {
            if account.key == *was {
                account.key = is;
            }
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

fn answer(query: &Query, host: &dyn Host) -> Answer {
    match query {
        Query::GetInfo => Answer::Info(host.info()),
        Query::GetStats => Answer::Stats(host.stats()),
        Query::GetLogs {
            miner,
            cursor,
            lines,
        } => logs(host, miner, (*cursor, *lines), None),
        Query::GetLogsFrom {
            miner,
            cursor,
            lines,
            level,
        } => logs(host, miner, (*cursor, *lines), Some(*level)),
        Query::GetDoctor => Answer::Doctor(host.doctor()),
        Query::GetNetwork => Answer::Network(host.network()),
        Query::GetManagers => {
            let managers = host.managers();
            let manager = |pin: &Pin| Manager {
                fingerprint: pin.fingerprint,
                recovery: pin.recovery,
            };
            Answer::Managers(managers.pins().iter().map(manager).collect())
        }
        _ => Answer::Refused(Refusal::Unsupported),
    }
}

fn logs(
    host: &dyn Host,
    miner: &MinerName,
    (cursor, lines): (Option<u64>, u16),
    least: Option<Level>,
) -> Answer {
    let miners = host.miners();
    if miners.contains(miner) {
        Answer::Logs(host.logs(cursor, lines, least))
    } else {
        Answer::Refused(Refusal::NoSuchMiner(miners))
    }
}

fn obey(from: Fingerprint, command: &Command, host: &mut dyn Host) -> Outcome {
    use Outcome::{AlreadyThere, Refused};
    let managers = host.managers();
    if let Command::PinRecovery { key, proof } = command {
        let proof = proof.as_ref().map(|proof| &proof.0);
        return match managers.pin(&from) {
            None => Refused(Refusal::NotAllowed),
            Some(pin) if pin.recovery == Some(*key) => AlreadyThere,
            Some(pin) if !pin.may_pin_recovery(key, proof) => Refused(Refusal::BadProof),
            Some(_) => kept(host.pin_recovery(from, key, proof)),
        };
    }
    if managers.first() != Some(from) {
        return Refused(Refusal::NotAllowed);
    }
    match command {
        Command::SetState(desired) => set_state(desired, host),
        Command::Handover { to } if *to == from => AlreadyThere,
        Command::Revoke { manager } if *manager == from => Refused(Refusal::NotAllowed),
        Command::Handover { to: other } | Command::Revoke { manager: other }
            if !managers.contains(other) =>
        {
            Refused(Refusal::NoSuchManager)
        }
        Command::Handover { to } => kept(host.put_first(*to)),
        Command::Revoke { manager } => kept(host.unpin(*manager)),
        Command::Rotate => kept(host.rotate()),
        Command::Restart
            if host
                .desired()
                .is_none_or(|now| now.state.profile().is_none()) =>
        {
            AlreadyThere
        }
        Command::Reboot | Command::PowerOff if !host.may_end_machine() => {
            Refused(Refusal::NotOurImage)
        }
        Command::Restart
        | Command::Reboot
        | Command::PowerOff
        | Command::Locate { .. }
        | Command::SetLogLevel(_) => {
            carry_out(command, host);
            Outcome::Applied
        }
        _ => Refused(Refusal::Unsupported),
    }
}

const fn kept(on_disk: bool) -> Outcome {
    if on_disk {
        Outcome::Applied
    } else {
        Outcome::Refused(Refusal::NotStored)
    }
}

/// What leaves no trace on disk, and cannot fail.
fn carry_out(order: &Command, host: &mut dyn Host) {
    match order {
        Command::Restart => host.restart(),
        Command::Reboot => host.end_machine(MachineEnd::Reboot),
        Command::PowerOff => host.end_machine(MachineEnd::PowerOff),
        Command::Locate { seconds } => host.locate((*seconds).clamp(1, MAX_LOCATE_SECS)),
        Command::SetLogLevel(least) => host.set_log_level(*least),
        _ => {}
    }
}

fn set_state(desired: &Desired, host: &mut dyn Host) -> Outcome {
    if let Some(now) = host.desired() {
        if now == desired {
            return Outcome::AlreadyThere;
        }
        // Another wish under the same number: a registry was restored from a backup, or another
        // manager decides now.
        if desired.generation <= now.generation {
            return Outcome::Behind(now.generation);
        }
    }
    if let Some(reason) = refusal(&desired.state, host) {
        return Outcome::Refused(reason);
    }
    if !host.store(desired) {
        return Outcome::Refused(Refusal::NotStored);
    }
    host.apply(desired);
    Outcome::Applied
}

/// Why this rig cannot be in this state, if it cannot.
fn refusal(state: &State, host: &dyn Host) -> Option<Refusal> {
    let profile = state.profile()?;
    let percent = match profile.threads {
        Threads::Percent(percent) => percent,
        Threads::Auto | Threads::Count(_) => 100,
    };
    let nice = match state {
        State::Plan(plan) => plan.nice,
        State::Mine(_) | State::Stopped => 0,
    };
    if !(1..=100).contains(&percent) || nice > MAX_NICE {
        return Some(Refusal::Unsupported);
    }
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
    use miner_shared::bytes::Bytes;
    use miner_shared::identity::RecoveryKey;
    use miner_shared::text::{Address, Label, Name, PoolPass, PoolUser};
    use miner_shared::wire::{Activity, NodeCard, PageWish, Plan, Pool};

    use super::*;

    const FIRST: Fingerprint = Fingerprint([1; 32]);
    const SECOND: Fingerprint = Fingerprint([2; 32]);
    const STRANGER: Fingerprint = Fingerprint([3; 32]);
    const NOW: Millis = Millis(0);

    /// A rig that only counts, and obeys FIRST and SECOND.
    struct Rig {
        desired: Option<Desired>,
        stored: Option<Desired>,
        managers: std::vec::Vec<Pin>,
        effects: u32,
        disk_full: bool,
        small: bool,
        /// The machine is its own.
        owns: bool,
        /// Orders without a trace on disk.
        done: std::vec::Vec<String>,
    }

    impl Default for Rig {
        fn default() -> Self {
            Self {
                desired: None,
                stored: None,
                managers: [FIRST, SECOND].map(Pin::new).into(),
                effects: 0,
                disk_full: false,
                small: false,
                owns: false,
                done: std::vec::Vec::new(),
            }
        }
    }

    impl Rig {
        fn change(&mut self, change: impl FnOnce(&mut std::vec::Vec<Pin>)) -> bool {
            if !self.disk_full {
                change(&mut self.managers);
                self.effects += 1;
            }
            !self.disk_full
        }
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
        fn managers(&self) -> Managers {
            self.managers.iter().copied().collect()
        }
        fn pin_recovery(
            &mut self,
            manager: Fingerprint,
            key: &[u8; 32],
            _: Option<&[u8; SIGNATURE]>,
        ) -> bool {
            self.change(|pins| {
                let pin = pins.iter_mut().find(|pin| pin.fingerprint == manager);
                pin.expect("pinned").recovery = Some(*key);
            })
        }
        fn put_first(&mut self, manager: Fingerprint) -> bool {
            self.change(|pins| pins.sort_by_key(|pin| pin.fingerprint != manager))
        }
        fn unpin(&mut self, manager: Fingerprint) -> bool {
            self.change(|pins| pins.retain(|pin| pin.fingerprint != manager))
        }
        fn rotate(&mut self) -> bool {
            self.change(|_| ())
        }
        fn restart(&mut self) {
            self.done.push("restart".to_owned());
        }
        fn may_end_machine(&self) -> bool {
            self.owns
        }
        fn end_machine(&mut self, how: MachineEnd) {
            self.done.push(format!("{how:?}"));
        }
        fn locate(&mut self, seconds: u16) {
            self.done.push(format!("locate {seconds}"));
        }
        fn set_log_level(&mut self, least: Level) {
            self.done.push(format!("log {least:?}"));
        }
        fn doctor(&self) -> Findings {
            Findings::new()
        }
        fn network(&self) -> Interfaces {
            Interfaces::new()
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
        fn logs(&self, cursor: Option<u64>, _: u16, least: Option<Level>) -> LogPage {
            LogPage {
                first: cursor.unwrap_or(7),
                next: least.map_or(0, |level| level as u64),
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

    /// Sends each command under a new op_id.
    fn tell_as(from: Fingerprint, rig: &mut Rig, command: &Command) -> Outcome {
        Commands::default().command(from, NOW, [9; 16], command, rig)
    }

    /// The same as the first manager.
    fn tell(rig: &mut Rig, command: &Command) -> Outcome {
        tell_as(FIRST, rig, command)
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
            commands.command(FIRST, NOW, [op_id; 16], command, rig)
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
            let outcome = commands.command(FIRST, NOW, [op_id; 16], &command, &mut rig);
            assert_eq!(outcome, Outcome::Applied);
            commands.command(SECOND, NOW, [op_id; 16], &command, &mut rig);
        }
        let mut again = |op_id: u8| {
            let command = stop(u64::from(op_id) + 1);
            commands.command(FIRST, NOW, [op_id; 16], &command, &mut rig)
        };
        assert_eq!(again(1), Outcome::Applied, "still known");
        assert_eq!(again(0), Outcome::Behind(17), "forgotten, so judged anew");
    }

    #[test]
    fn who_asks_too_fast_hears_busy_and_loses_nothing_by_it() {
        let (mut rig, mut commands) = (Rig::default(), Commands::default());
        assert_eq!(
            commands.command(FIRST, NOW, [1; 16], &stop(1), &mut rig),
            Outcome::Applied
        );
        let busy = Answer::Refused(Refusal::Busy);
        let answers = (0..1_000).map(|_| commands.query(FIRST, NOW, &Query::GetStats, &rig));
        let answered = answers.filter(|answer| *answer != busy).count() as u64;
        assert_eq!(answered, MANAGER_RATE.burst - 1);

        // Not applied, and nothing remembered: as many as there are receipts push none of them out.
        for op_id in 2..40 {
            let outcome = commands.command(FIRST, NOW, [op_id; 16], &stop(2), &mut rig);
            assert_eq!(outcome, Outcome::Refused(Refusal::Busy));
        }
        assert_eq!(rig.effects, 1);
        let again = commands.command(FIRST, NOW, [1; 16], &stop(1), &mut rig);
        assert_eq!(again, Outcome::Applied, "the receipt of then, however busy");
        let other = commands.query(SECOND, NOW, &Query::GetStats, &rig);
        assert_ne!(other, busy, "another manager has a rate of its own");

        let later = Millis(MANAGER_RATE.every_ms * 2 * MANAGER_RATE.burst);
        let resent = commands.command(FIRST, later, [2; 16], &stop(2), &mut rig);
        assert_eq!(resent, Outcome::Applied, "the same op_id takes effect");
        assert_eq!(rig.effects, 2);
    }

    fn pause(generation: u64, change: impl FnOnce(&mut Plan)) -> Command {
        let mut plan = Plan {
            paused: true,
            ..Plan::new(profile())
        };
        change(&mut plan);
        Command::SetState(Desired {
            generation,
            state: State::Plan(plan),
        })
    }

    #[test]
    fn a_pause_is_a_wish_like_any_other() {
        let mut rig = Rig::default();
        assert_eq!(tell(&mut rig, &mine(1, |_| ())), Outcome::Applied);
        assert_eq!(tell(&mut rig, &pause(2, |_| ())), Outcome::Applied);
        assert_eq!(tell(&mut rig, &pause(2, |_| ())), Outcome::AlreadyThere);
        assert_eq!(tell(&mut rig, &pause(1, |_| ())), Outcome::Behind(2));
        assert!(
            rig.stored
                .as_ref()
                .is_some_and(|kept| kept.state.is_paused())
        );
        let resume = pause(3, |plan| plan.paused = false);
        assert_eq!(tell(&mut rig, &resume), Outcome::Applied);
        assert_eq!(rig.effects, 3);
    }

    #[test]
    fn what_is_no_percentage_and_no_niceness_is_refused() {
        let threads = |percent| {
            pause(1, |plan| {
                plan.profile.threads = Threads::Percent(percent);
                plan.pages = PageWish::Huge1G;
            })
        };
        for (command, outcome) in [
            (threads(0), Outcome::Refused(Refusal::Unsupported)),
            (threads(101), Outcome::Refused(Refusal::Unsupported)),
            (threads(100), Outcome::Applied),
            (
                pause(1, |plan| plan.nice = 20),
                Outcome::Refused(Refusal::Unsupported),
            ),
            (pause(1, |plan| plan.nice = 19), Outcome::Applied),
            (
                pause(1, |plan| plan.profile.pools[0].tls = true),
                Outcome::Refused(Refusal::NoTls),
            ),
        ] {
            assert_eq!(tell(&mut Rig::default(), &command), outcome, "{command:?}");
        }
    }

    #[test]
    fn one_off_orders_are_done_once_and_only_what_the_machine_allows() {
        let (mut rig, mut commands) = (Rig::default(), Commands::default());
        let mut tell = |op_id: u8, command: Command, rig: &mut Rig| {
            commands.command(FIRST, NOW, [op_id; 16], &command, rig)
        };
        let there = tell(1, Command::Restart, &mut rig);
        assert_eq!(there, Outcome::AlreadyThere, "nothing is mined");
        tell(2, mine(1, |_| ()), &mut rig);
        for _ in 0..2 {
            assert_eq!(tell(3, Command::Restart, &mut rig), Outcome::Applied);
        }
        for (op_id, command) in [(4, Command::Reboot), (5, Command::PowerOff)] {
            let refused = tell(op_id, command.clone(), &mut rig);
            assert_eq!(refused, Outcome::Refused(Refusal::NotOurImage));
            rig.owns = true;
            assert_eq!(tell(op_id + 10, command, &mut rig), Outcome::Applied);
            rig.owns = false;
        }
        for (op_id, seconds) in [(6, 0), (7, 30), (8, u16::MAX)] {
            let outcome = tell(op_id, Command::Locate { seconds }, &mut rig);
            assert_eq!(outcome, Outcome::Applied);
        }
        tell(9, Command::SetLogLevel(Level::Debug), &mut rig);
        assert_eq!(
            rig.done,
            [
                "restart",
                "Reboot",
                "PowerOff",
                "locate 1",
                "locate 30",
                "locate 600",
                "log Debug"
            ]
        );
    }

    #[test]
    fn only_the_first_manager_decides() {
        let mut rig = Rig::default();
        for command in [
            stop(1),
            Command::Handover { to: SECOND },
            Command::Revoke { manager: FIRST },
            Command::Rotate,
            Command::Restart,
            Command::Reboot,
            Command::Locate { seconds: 9 },
            Command::SetLogLevel(Level::Trace),
        ] {
            for from in [SECOND, STRANGER] {
                let outcome = tell_as(from, &mut rig, &command);
                assert_eq!(outcome, Outcome::Refused(Refusal::NotAllowed));
            }
        }
        assert_eq!(rig.effects, 0);
    }

    #[test]
    fn after_a_handover_the_new_first_goes_on_above_the_generation_in_force() {
        let mut rig = Rig::default();
        assert_eq!(tell(&mut rig, &stop(7)), Outcome::Applied);
        let mut commands = Commands::default();
        let mut wish = |rig: &mut Rig| commands.command(SECOND, NOW, [5; 16], &stop(9), rig);
        assert_eq!(wish(&mut rig), Outcome::Refused(Refusal::NotAllowed));
        let handover = |to| Command::Handover { to };
        assert_eq!(tell(&mut rig, &handover(FIRST)), Outcome::AlreadyThere);
        let nobody = tell(&mut rig, &handover(STRANGER));
        assert_eq!(nobody, Outcome::Refused(Refusal::NoSuchManager));
        assert_eq!(tell(&mut rig, &handover(SECOND)), Outcome::Applied);
        let outcome = tell(&mut rig, &stop(8));
        assert_eq!(outcome, Outcome::Refused(Refusal::NotAllowed), "no more");
        for (generation, outcome) in [
            (2, Outcome::Behind(7)),
            (7, Outcome::AlreadyThere),
            (8, Outcome::Applied),
        ] {
            let told = tell_as(SECOND, &mut rig, &stop(generation));
            assert_eq!(told, outcome, "{generation}");
        }
        assert_eq!(wish(&mut rig), Outcome::Applied, "the same op_id as before");
    }

    #[test]
    fn the_first_manager_revokes_another_and_not_itself() {
        let mut rig = Rig::default();
        let revoke = |manager| Command::Revoke { manager };
        let outcome = tell(&mut rig, &revoke(FIRST));
        assert_eq!(outcome, Outcome::Refused(Refusal::NotAllowed));
        assert_eq!(tell(&mut rig, &revoke(SECOND)), Outcome::Applied);
        let outcome = tell(&mut rig, &revoke(SECOND));
        assert_eq!(outcome, Outcome::Refused(Refusal::NoSuchManager));
        assert_eq!(rig.managers, [Pin::new(FIRST)]);
    }

    #[test]
    fn any_manager_pins_its_own_recovery_key_and_a_thief_does_not_change_it() {
        let mut rig = Rig::default();
        let [owner, thief] =
            [(); 2].map(|()| RecoveryKey::generate(&mut crate::store::system_rng()));
        let pin = |key: &RecoveryKey, by: Option<&RecoveryKey>| Command::PinRecovery {
            key: key.public(),
            proof: by.map(|by| Bytes(by.hand_over(key))),
        };
        for from in [SECOND, FIRST] {
            let told = tell_as(from, &mut rig, &pin(&owner, None));
            assert_eq!(told, Outcome::Applied);
        }
        assert_eq!(tell(&mut rig, &pin(&owner, None)), Outcome::AlreadyThere);
        for by in [None, Some(&thief)] {
            let told = tell(&mut rig, &pin(&thief, by));
            assert_eq!(told, Outcome::Refused(Refusal::BadProof));
        }
        let told = tell_as(STRANGER, &mut rig, &pin(&thief, None));
        assert_eq!(told, Outcome::Refused(Refusal::NotAllowed));
        assert_eq!(tell(&mut rig, &pin(&thief, Some(&owner))), Outcome::Applied);
        let Answer::Managers(managers) = answer(&Query::GetManagers, &rig) else {
            panic!("every manager may ask");
        };
        let seen = [(FIRST, thief.public()), (SECOND, owner.public())];
        let seen = seen.map(|(fingerprint, key)| Manager {
            fingerprint,
            recovery: Some(key),
        });
        assert_eq!(managers, seen);
    }

    #[test]
    fn what_cannot_be_stored_is_refused_and_a_resent_command_changes_nothing_twice() {
        let (mut rig, mut commands) = (Rig::default(), Commands::default());
        rig.disk_full = true;
        for command in [
            Command::Handover { to: SECOND },
            Command::Revoke { manager: SECOND },
            Command::Rotate,
        ] {
            let outcome = tell(&mut rig, &command);
            assert_eq!(outcome, Outcome::Refused(Refusal::NotStored));
        }
        rig.disk_full = false;
        for _ in 0..2 {
            let outcome = commands.command(FIRST, NOW, [1; 16], &Command::Rotate, &mut rig);
            assert_eq!(outcome, Outcome::Applied);
        }
        assert_eq!(rig.effects, 1);
        // Its receipts are those of the manager, whichever key it has.
        rig.managers = [Pin::new(STRANGER)].into();
        commands.rename(&FIRST, STRANGER);
        let outcome = commands.command(STRANGER, NOW, [1; 16], &Command::Rotate, &mut rig);
        assert_eq!((outcome, rig.effects), (Outcome::Applied, 1));
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
            Commands::default().query(SECOND, NOW, &query, &Rig::default())
        };
        assert!(matches!(ask("miner-rx0"), Answer::Logs(page) if page.first == 3));
        let serious = Query::GetLogsFrom {
            miner: MinerName::parse("miner-rx0").expect("valid"),
            cursor: Some(3),
            lines: 10,
            level: Level::Warn,
        };
        let answer = Commands::default().query(SECOND, NOW, &serious, &Rig::default());
        assert!(matches!(answer, Answer::Logs(page) if (page.first, page.next) == (3, 1)));
        let Answer::Refused(Refusal::NoSuchMiner(names)) = ask("xmrig-123") else {
            panic!("refused with names");
        };
        assert_eq!(names[0].as_str(), "miner-rx0");
    }
}
