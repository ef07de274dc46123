//! R2: `kill -9` of a real controller, again and again, and what is there after each start.
//!
//! ```text
//!   life n:  serve ─▶ compare with the record ─▶ work, from several sides at once ─▶ kill -9
//!                       ▲                                        │ what was acknowledged
//!                       └──────────────── the record ◀───────────┘
//! ```
//! | work | what goes on when the process is killed |
//! |---|---|
//! | enrol | rigs come by a token that is too small for them, others are added by the API |
//! | remove | rigs are removed, and others added |
//! | rollout | a version is on its way to the rigs of a stage, or back ([`rollouts`]) |
//! | stage | the next stage of a rollout begins: its rigs are noted, told, and say that they have it |
//! | history | a step of the history is written ([`steps`]) |
//!
//! An acknowledgement is a status 2xx of the API, or the Welcome that a rig was sent. What was asked for
//! and not acknowledged may be so or not, but it stays as the next start has it. Registered rigs with real
//! links live through all of it and note every wish that they are sent.
//!
//! The moments of the kills follow from the seed; a failure names it and the life.

mod record;
mod rollouts;
mod steps;
mod work;

use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use miner_shared::identity::{EnrolToken, Fingerprint};
use serde_json::{Value, json};

use self::record::Record;
use self::rollouts::Rollouts;
use self::steps::Steps;
use self::work::{Crew, Deeds};
use crate::clock::{Deadline, eventually};
use crate::home::Home;
use crate::http::{self, Api};
use crate::load::Figures;
use crate::load::connect::node;
use crate::load::controller::{Controller, START, any_port};
use crate::load::rig::{Running, Site};
use crate::seeded::Seeded;

/// Registered rigs with a link, which are told versions.
const LINKED: u64 = 12;
/// Uses of a life's token: fewer than the rigs that come by it.
const USES: u32 = 6;
/// Peers at which a life that would enrol removes.
const MANY: usize = 400;
/// Longest time of work before a kill that waits for nothing, in microseconds.
const WORK_US: u64 = 250_000;
/// Longest time from a request about a rollout to a kill that is to cut it off, in microseconds.
const ASKED_US: u64 = 12_000;
/// Rollouts look at their rigs every two seconds of a process.
const TICK_US: u64 = 2_000_000;
/// Around a tick, or the end of a step, in microseconds.
const AROUND_US: u64 = 400_000;

/// How often, and from which seed.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Kills.
    pub kills: u32,
    /// The moments follow from it.
    pub seed: u64,
}

/// What goes on in a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Enrol,
    Remove,
    Rollout,
    Stage,
    History,
}

impl Work {
    /// Of the life of this number: mostly the short ones.
    const fn of(life: u32) -> Self {
        match life % 48 {
            // It takes more than a minute.
            23 => Self::Stage,
            other if matches!(other % 24, 3 | 7 | 15 | 19) => Self::Rollout,
            11 | 35 => Self::History,
            even if even % 2 == 0 => Self::Enrol,
            _ => Self::Remove,
        }
    }
}

impl Plan {
    /// Kills a controller made for it, and compares what is there after each start.
    ///
    /// # Errors
    /// The programs cannot be built or started, or a promise is broken; the text names the life.
    pub fn run(&self, progress: impl Fn(&str)) -> Result<Figures, String> {
        let mut trial = Trial::start(self.seed)?;
        let mut short = 0;
        for life in 0..self.kills {
            let work = Work::of(life);
            let lived = trial.live(life, work);
            let interrupted =
                lived.map_err(|why| format!("seed {}, life {life}, {work:?}: {why}", self.seed))?;
            short += u32::from(interrupted);
            progress(&format!("{} of {} kills", life + 1, self.kills));
        }
        let last = Controller::serve(&trial.home, any_port(), any_port())?;
        trial
            .compare(&last)
            .map_err(|why| format!("seed {}, at the end: {why}", self.seed))?;
        let mut figures = Figures::default();
        figures.add("kills", self.kills.into(), "");
        figures.add("of these with a request under way", short.into(), "");
        trial.record.figures(&mut figures);
        trial.rollouts.figures(&mut figures);
        trial.steps.figures(&mut figures);
        Ok(figures)
    }
}

/// The farm under test, and what was acknowledged.
struct Trial {
    home: Home,
    token: String,
    controller: Fingerprint,
    site: Arc<Site>,
    linked: Vec<Running>,
    seed: u64,
    /// Number of the next rig that comes.
    next: u64,
    record: Record,
    rollouts: Rollouts,
    steps: Steps,
}

impl Trial {
    /// A controller with linked rigs that are told to mine with a profile; it is killed already.
    fn start(seed: u64) -> Result<Self, String> {
        let home = Home::new("controller").map_err(|error| error.to_string())?;
        Controller::init(&home)?;
        let controller = Controller::start(&home, any_port(), any_port())?;
        let site = Site::at(controller.smsg);
        let api = controller.http.clone();
        let mut record = Record::default();
        let mut linked = Vec::new();
        for number in 0..LINKED {
            let node = node(number, &work::name(number));
            said(&api, "POST", "/peers", &work::peer(&node))?;
            record.add(number, true);
            linked.push(Running::start(node, Arc::clone(&site), controller.key));
        }
        let rollouts = Rollouts::start(&api)?;
        let all =
            json!({"select": "all", "action": {"type": "start", "profileId": rollouts::PROFILE}});
        said(&api, "POST", "/bulk", &all)?;
        let obeyed = |rig: &Running| rig.deeds.effects.load(Ordering::Relaxed) > 0;
        eventually("every rig was told", START, || {
            linked.iter().all(obeyed).then_some(())
        })?;
        let (key, token) = (controller.key, controller.http.token.clone());
        site.set(None);
        controller.kill()?;
        Ok(Self {
            home,
            token,
            controller: key,
            site,
            linked,
            seed,
            next: LINKED,
            record,
            rollouts,
            steps: Steps::default(),
        })
    }

    /// One life, from a start to a kill; whether the kill cut off a request.
    fn live(&mut self, life: u32, work: Work) -> Result<bool, String> {
        let mut seeded = Seeded::new(self.seed, life);
        let controller = Controller::serve(&self.home, any_port(), any_port())?;
        let served = Deadline::after(Duration::MAX);
        self.steps.begin();
        self.site.set(Some(controller.smsg));
        let api = self.compare(&controller)?;
        let work = match work {
            Work::Enrol if self.record.present().len() > MANY => Work::Remove,
            work => work,
        };
        let mut crew = Crew {
            api: &api,
            smsg: controller.smsg,
            controller: self.controller,
            first: self.next,
            token: None,
            remove: Vec::new(),
            steer: None,
        };
        let mut moment = Duration::from_micros(seeded.below(WORK_US));
        match work {
            Work::Enrol => crew.token = Some(self.token(&api)?),
            Work::Remove => {
                let mut there = self.record.present();
                there.retain(|number| *number >= LINKED);
                seeded.shuffle(&mut there);
                crew.remove = there;
            }
            Work::Rollout => {
                crew.steer = Some(self.rollouts.next(&api, &mut seeded)?);
                // Half of the kills while it is asked for, half about the tick that carries it out.
                if seeded.below(2) == 0 {
                    let ticks = served.elapsed().as_micros() / u128::from(TICK_US) + 1;
                    let at = u64::try_from(ticks).unwrap_or(1) * TICK_US;
                    let at = at - AROUND_US / 2 + seeded.below(AROUND_US);
                    moment = Duration::from_micros(at).saturating_sub(served.elapsed());
                } else {
                    moment = Duration::from_micros(seeded.below(ASKED_US));
                }
            }
            Work::Stage => {
                self.rollouts.watch_first(&api)?;
                // About one of the three ticks that end the watch, tell the rigs, and hear of them.
                let around = seeded.below(3) * TICK_US + seeded.below(AROUND_US);
                let watched = Duration::from_secs(rollouts::OBSERVE_SECS);
                moment = watched + Duration::from_micros(around);
                moment = moment.saturating_sub(Duration::from_micros(AROUND_US / 2));
            }
            Work::History => {
                let at = Steps::until_next() + Duration::from_micros(seeded.below(AROUND_US));
                moment = at.saturating_sub(Duration::from_micros(AROUND_US / 4));
            }
        }
        let deeds = crew.work_until(moment, || {
            self.site.set(None);
            self.steps.end();
            controller.kill()
        });
        let deeds = deeds.map_err(|why| format!("{why}, killed after {moment:?}"))?;
        Ok(self.note(&deeds))
    }

    /// Notes what was done and what was acknowledged of it; whether something was not.
    fn note(&mut self, deeds: &Deeds) -> bool {
        self.next = deeds.next;
        for (number, acknowledged) in &deeds.added {
            self.record.add(*number, *acknowledged);
        }
        for (number, acknowledged) in &deeds.removed {
            self.record.remove(*number, *acknowledged);
        }
        self.record.enrolled(deeds.enrolled);
        if let Some(answer) = &deeds.steered {
            self.rollouts.answered(answer.as_ref());
        }
        let all = deeds.added.iter().chain(&deeds.removed);
        all.clone().any(|(_, acknowledged)| !acknowledged)
            || deeds.steered.as_ref().is_some_and(Option::is_none)
    }

    /// A token for this life.
    fn token(&mut self, api: &Api) -> Result<EnrolToken, String> {
        let made = said(api, "POST", "/tokens", &json!({ "uses": USES }))?;
        self.record
            .token(made["id"].as_str().unwrap_or_default(), USES);
        let text = made["token"].as_str().unwrap_or_default();
        text.parse()
            .map_err(|error| format!("the token cannot be read: {error}"))
    }

    /// Everything that is there now against everything that was acknowledged.
    fn compare(&mut self, controller: &Controller) -> Result<Api, String> {
        let api = Api {
            at: controller.http.at,
            token: self.token.clone(),
        };
        self.record.compare(&api)?;
        self.record.dial(controller.smsg, self.controller)?;
        self.rollouts.compare(&api, &self.linked)?;
        self.steps.compare(&api)?;
        Ok(api)
    }
}

/// The answer to a request that must be done.
fn said(api: &Api, method: &str, path: &str, body: &Value) -> Result<Value, String> {
    let answer = http::ask(
        api,
        method,
        &format!("/api/v1/mining{path}"),
        &body.to_string(),
    )?;
    if !(200..300).contains(&answer.status) {
        return Err(format!(
            "{method} {path}: {} {}",
            answer.status, answer.body
        ));
    }
    serde_json::from_str(&answer.body).map_err(|error| format!("{method} {path}: {error}"))
}

/// What is read there.
fn read(api: &Api, path: &str) -> Result<Value, String> {
    said(api, "GET", path, &Value::Null)
}
