//! From a manager's message to the answer it gets: no I/O, no clock, one effect at most.
//!
//! ```text
//!   Command(op_id, c) ─▶ seen this op_id? ── same c ──▶ the receipt of then
//!                               │           └ other c ─▶ OpIdReused
//!                               ▼ no
//!                        too fast? ── yes ─▶ Busy, of which nothing is remembered
//!                               ▼ no
//!                        may its author? ─▶ is it so already, or can it not be, or does the owner of
//!                                           the machine forbid it? ─▶ store, then apply
//! ```
//! | command | whose | refused or told |
//! |---|---|---|
//! | SetState | the first manager's | behind: the generation is not above the one in force; owner forbids |
//! | PinRecovery | any manager's, for itself | bad proof: another key is pinned, and has not made room |
//! | Handover, Revoke | the first manager's; none revokes itself | no such manager |
//! | Rotate | the first manager's | |
//! | Restart | the first manager's | already there: it is told to mine nothing |
//! | Reboot, PowerOff | the first manager's | not our image |
//! | Locate, SetLogLevel | the first manager's | |
//! | Update | the first manager's | already there: it is being fetched; no slots; busy: another one is whole, or being installed |
//! | CancelUpdate | the first manager's | already there: it is not being fetched, or is whole |
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
    NodeInfo, Offer, OpId, Outcome, OwnerView, Profile, Query, Refusal, RigStats, State, Threads,
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
    /// Whether the owner of the machine forbids this profile; why is said where the owner looks.
    fn owner_forbids(&mut self, profile: &Profile) -> bool;
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
    /// Logs what is at least this serious, and never less than info, until the next start.
    fn set_log_level(&mut self, least: Level);
    /// Fetches this release, or says why not.
    fn update(&mut self, offer: &Offer) -> Outcome;
    /// Fetches no more of the release of this name.
    fn cancel_update(&mut self, release: &[u8; 32]) -> Outcome;
    /// What the owner of the machine lets it do.
    fn owner(&self) -> OwnerView;
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
        if let Outcome::Refused(Refusal::NotAllowed | Refusal::Busy) = outcome {
            // Not kept: when it is sent again its author may be the first, or another update over.
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
        Query::GetOwner => Answer::Owner(host.owner()),
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
        Command::Update(offer) => host.update(offer),
        Command::CancelUpdate(release) => host.cancel_update(release),
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
    let profile = desired.state.profile();
    if profile.is_some_and(|profile| host.owner_forbids(profile)) {
        return Outcome::Refused(Refusal::OwnerForbids);
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
mod tests;
