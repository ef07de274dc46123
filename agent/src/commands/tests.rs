//! The rules of commands, against a rig that only counts.

use miner_shared::bytes::Bytes;
use miner_shared::identity::RecoveryKey;
use miner_shared::owner::OwnerWord;
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
    /// Its owner lets it mine nothing.
    forbidden: bool,
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
            forbidden: false,
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
    fn owner_forbids(&mut self, _: &Profile) -> bool {
        self.forbidden
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
    fn update(&mut self, offer: &Offer) -> Outcome {
        if !self.owns {
            return Outcome::Refused(Refusal::NoSlots);
        }
        self.done.push(format!("update {}", offer.version));
        Outcome::Applied
    }
    fn cancel_update(&mut self, _: &[u8; 32]) -> Outcome {
        Outcome::AlreadyThere
    }
    fn owner(&self) -> OwnerView {
        OwnerWord::default().view()
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
    let [owner, thief] = [(); 2].map(|()| RecoveryKey::generate(&mut crate::store::system_rng()));
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
fn what_the_owner_forbids_is_refused_and_the_rig_stays_as_it_was() {
    let mut rig = Rig::default();
    assert_eq!(tell(&mut rig, &mine(1, |_| ())), Outcome::Applied);
    let (before, effects) = (rig.desired.clone(), rig.effects);
    rig.forbidden = true;
    let refused = Outcome::Refused(Refusal::OwnerForbids);
    assert_eq!(tell(&mut rig, &mine(2, |_| ())), refused);
    assert_eq!(tell(&mut rig, &pause(2, |_| ())), refused, "paused too");
    assert_eq!((&rig.desired, rig.effects), (&before, effects));
    assert_eq!(
        tell(&mut rig, &stop(2)),
        Outcome::Applied,
        "nothing is mined"
    );
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
