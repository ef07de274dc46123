//! Rollouts across kills: what was acknowledged of them, what they say of each rig, and what rigs heard.
//!
//! ```text
//!   none, or ended ─ version n + 1, start ─▶ running ─ its stage has it ─▶ abort ─▶ aborted
//!                                               │                     └─▶ roll back ─▶ rollingBack ─▶ rolledBack
//!                                               └─ a minute ─▶ the second stage
//! ```
//! Each version says its number in the password of the pool, so that a rig knows what it was told. A quarter
//! of the rigs is the first stage. It is watched for a minute, the shortest time that there is, so only a
//! life that waits for it sees the second begin; most are killed in the first, where no other rig may have
//! heard of the version.

use std::collections::BTreeMap;

use miner_shared::wire::{Desired, OpId, State};
use serde_json::{Value, json};

use super::{read, said};
use crate::clock::eventually;
use crate::http::Api;
use crate::load::Figures;
use crate::load::controller::START;
use crate::load::rig::Running;
use crate::seeded::Seeded;

/// Profile of all rigs.
pub(super) const PROFILE: &str = "kept";

/// How long the rigs of a stage are watched, in seconds: the shortest that there is.
pub(super) const OBSERVE_SECS: u64 = 60;

/// What was asked for in the last life that asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// To start one with this version.
    Start(u64),
    /// To end it so.
    End(u64, Verb),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Abort,
    RollBack,
}

/// What is known of rollouts.
#[derive(Debug)]
pub(super) struct Rollouts {
    /// Newest version of the profile.
    version: u64,
    /// The newest rollout: number, version, status.
    newest: Option<(u64, u64, String)>,
    /// The stage that it was seen in last, from 1.
    stage: u64,
    asked: Option<(Asked, bool)>,
    /// Whether the life that was killed last waited for the second stage.
    waited: bool,
    started: u32,
    ended: u32,
    unanswered: u32,
    went_on: u32,
    /// Kills about the beginning of a second stage, and those after which it had begun.
    second: (u32, u32),
}

impl Rollouts {
    /// With the first version of the profile.
    pub(super) fn start(api: &Api) -> Result<Self, String> {
        said(api, "POST", "/profiles", &profile(1))?;
        Ok(Self {
            version: 1,
            newest: None,
            stage: 1,
            asked: None,
            waited: false,
            started: 0,
            ended: 0,
            unanswered: 0,
            went_on: 0,
            second: (0, 0),
        })
    }

    /// What to ask for in this life, once what was asked for before has come to its end.
    pub(super) fn next(
        &mut self,
        api: &Api,
        seeded: &mut Seeded,
    ) -> Result<(String, Value), String> {
        if let Some(id) = self.running() {
            self.await_stage(api, id)?;
            self.went_on += 1;
            let (verb, path) = match seeded.below(2) {
                0 => (Verb::Abort, "abort"),
                _ => (Verb::RollBack, "rollback"),
            };
            self.asked = Some((Asked::End(id, verb), false));
            return Ok((format!("/rollouts/{id}/{path}"), Value::Null));
        }
        self.next_version(api)
    }

    /// Brings one to where its first stage is watched, for the life that waits for the second.
    pub(super) fn watch_first(&mut self, api: &Api) -> Result<(), String> {
        if let Some(id) = self.running() {
            if self.stage == 1 {
                self.waited = true;
                return self.await_stage(api, id).map(drop);
            }
            said(api, "POST", &format!("/rollouts/{id}/abort"), &Value::Null)?;
            self.asked = Some((Asked::End(id, Verb::Abort), true));
            self.ended += 1;
        }
        let (path, body) = self.next_version(api)?;
        let answer = said(api, "POST", &path, &body)?;
        self.answered(Some(&answer));
        self.waited = true;
        let id = self.running().ok_or("it was started")?;
        self.await_stage(api, id)
    }

    /// The newest, if it is under way.
    fn running(&self) -> Option<u64> {
        let newest = self.newest.as_ref();
        let running = newest.filter(|(.., status)| status == "running");
        running.map(|(id, ..)| *id)
    }

    /// Waits until all rigs of the stages that have begun have the version, and are watched.
    fn await_stage(&self, api: &Api, id: u64) -> Result<(), String> {
        await_rollout(api, id, "every rig of the stage has the version", |view| {
            view["phase"] == "observe" && view["applied"].as_u64() == bound(view)
        })
    }

    /// The next version, and what starts it.
    fn next_version(&mut self, api: &Api) -> Result<(String, Value), String> {
        if let Some((id, _, status)) = &mut self.newest
            && status == "rollingBack"
        {
            await_rollout(api, *id, "it is rolled back", |view| {
                view["status"] == "rolledBack"
            })?;
            "rolledBack".clone_into(status);
            self.went_on += 1;
        }
        self.version += 1;
        said(
            api,
            "PUT",
            &format!("/profiles/{PROFILE}"),
            &profile(self.version),
        )?;
        self.asked = Some((Asked::Start(self.version), false));
        let body = json!({"profileId": PROFILE, "version": self.version, "stages": ["25%", "100%"],
            "observeSecs": OBSERVE_SECS, "minHashratePercent": 0});
        Ok(("/rollouts".to_owned(), body))
    }

    /// What became of the request.
    pub(super) fn answered(&mut self, answer: Option<&Value>) {
        self.unanswered += u32::from(answer.is_none());
        let Some((asked, acknowledged)) = &mut self.asked else {
            return;
        };
        *acknowledged = answer.is_some();
        match (asked, answer) {
            (Asked::Start(version), Some(answer)) => {
                self.started += 1;
                let id = answer["rollout"]["id"].as_u64().unwrap_or_default();
                self.newest = Some((id, *version, "running".to_owned()));
                self.stage = 1;
            }
            (Asked::End(..), Some(_)) => self.ended += 1,
            _ => {}
        }
    }

    /// The newest rollout is what was acknowledged, and no rig heard anything else than it says.
    pub(super) fn compare(&mut self, api: &Api, rigs: &[Running]) -> Result<(), String> {
        let kept = read(api, "/rollouts")?;
        let found = kept.get(0).map(|view| {
            let number = |field: &str| view[field].as_u64().unwrap_or_default();
            let status = view["status"].as_str().unwrap_or_default().to_owned();
            (number("id"), number("version"), status)
        });
        self.compare_newest(found.as_ref(), kept.get(0))?;
        let stage = kept[0]["stage"].as_u64().unwrap_or(1);
        self.compare_stage(found.as_ref(), stage)?;
        self.newest = found;
        let peers = read(api, "/peers")?;
        let peers: BTreeMap<&str, &Value> = peers
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|peer| Some((peer["name"].as_str()?, &peer["desired"])))
            .collect();
        let members = match &self.newest {
            Some((id, ..)) => read(api, &format!("/rollouts/{id}"))?["members"].take(),
            None => Value::Null,
        };
        for rig in rigs {
            let wish = peers.get(rig.name.as_str()).copied();
            let wish = wish.ok_or_else(|| format!("{} is not there", rig.name))?;
            let heard = rig.deeds.heard();
            let newest = self
                .heard(&heard, wish)
                .map_err(|why| format!("{}: {why}", rig.name))?;
            let member = members.as_array().into_iter().flatten();
            let member = member
                .clone()
                .find(|member| member["name"] == rig.name.as_str());
            self.compare_member(member, stage, wish, newest)
                .map_err(|why| format!("{}: {why}", rig.name))?;
        }
        Ok(())
    }

    fn compare_newest(
        &self,
        found: Option<&(u64, u64, String)>,
        view: Option<&Value>,
    ) -> Result<(), String> {
        let before = self.newest.as_ref();
        let (found_id, status) = match found {
            Some((id, _, status)) => (Some(*id), status.as_str()),
            None => (None, ""),
        };
        let came = found_id != before.map(|(id, ..)| *id);
        match (self.asked, before) {
            // Asked for and not answered: it is there, or it is not.
            (Some((Asked::Start(version), false)), _) if came => match found {
                Some((_, found, _)) if *found == version => {}
                _ => return Err(format!("nobody started the rollout {view:?}")),
            },
            _ if came => {
                return Err(format!(
                    "instead of the rollout {before:?} there is {view:?}"
                ));
            }
            _ => {}
        }
        let allowed: &[&str] = match (self.asked, before.map(|(.., status)| status.as_str())) {
            (Some((Asked::End(id, verb), answered)), _) if Some(id) == found_id => {
                match (verb, answered) {
                    (Verb::Abort, true) => &["aborted"],
                    (Verb::Abort, false) => &["running", "aborted"],
                    (Verb::RollBack, true) => &["rollingBack", "rolledBack"],
                    (Verb::RollBack, false) => &["running", "rollingBack", "rolledBack"],
                }
            }
            (None, None) => &[""],
            _ if found_id.is_none() => &[""],
            _ => &["running"],
        };
        let is_over = before.is_some_and(|(.., was)| {
            matches!(was.as_str(), "aborted" | "rolledBack") && was == status && !came
        });
        if allowed.contains(&status) || is_over {
            return Ok(());
        }
        Err(format!(
            "a rollout is {status:?}, not one of {allowed:?}: {view:?}"
        ))
    }

    /// It is in the stage that it was seen in last. A life that waited for the next may have seen it begin.
    fn compare_stage(
        &mut self,
        found: Option<&(u64, u64, String)>,
        stage: u64,
    ) -> Result<(), String> {
        let same = found.map(|(id, ..)| id) == self.newest.as_ref().map(|(id, ..)| id);
        let before = if same { self.stage } else { 1 };
        let waited = std::mem::take(&mut self.waited);
        if stage != before && !(waited && stage == before + 1) {
            return Err(format!("it was in stage {before} and is in {stage}"));
        }
        self.second.0 += u32::from(waited);
        self.second.1 += u32::from(waited && stage == 2);
        self.stage = stage;
        Ok(())
    }

    /// Each generation is one wish, no version comes twice in a row, and the last that was heard is the
    /// last in the registry or an older one. Returns the newest version that was heard.
    fn heard(&self, heard: &[(OpId, Desired)], wish: &Value) -> Result<Option<u64>, String> {
        let mut by_generation: BTreeMap<u64, &(OpId, Desired)> = BTreeMap::new();
        for told in heard {
            let first = *by_generation.entry(told.1.generation).or_insert(told);
            if first != told {
                return Err(format!(
                    "generation {} is {first:?} and {told:?}",
                    told.1.generation
                ));
            }
        }
        let mut before: Option<(u64, Option<u64>)> = None;
        for (generation, (_, desired)) in &by_generation {
            let version = version_of(&desired.state);
            if before == Some((generation - 1, version)) {
                return Err(format!(
                    "version {version:?} was told twice, with generation {generation}"
                ));
            }
            before = Some((*generation, version));
        }
        let Some((generation, version)) = before else {
            return Ok(None);
        };
        let wished = wish["generation"].as_u64();
        let same = wished == Some(generation);
        if wished < Some(generation) || (same && wish["version"].as_u64() != version) {
            return Err(format!(
                "it heard {version:?} as generation {generation}, but the record says {wish}"
            ));
        }
        Ok(by_generation
            .values()
            .filter_map(|(_, desired)| version_of(&desired.state))
            .max())
    }

    /// What the newest rollout says of a rig, against what that heard and is to do.
    fn compare_member(
        &self,
        member: Option<&Value>,
        stage: u64,
        wish: &Value,
        heard: Option<u64>,
    ) -> Result<(), String> {
        let (Some((_, version, _)), Some(member)) = (&self.newest, member) else {
            return Ok(());
        };
        let outcome = member["outcome"].as_str().unwrap_or_default();
        let has_heard = heard == Some(*version);
        let wished = wish["version"].as_u64() == Some(*version);
        let its_turn = member["stage"].as_u64() <= Some(stage);
        let fits = match outcome {
            _ if !its_turn => outcome == "waiting" && !has_heard && !wished,
            "waiting" => !has_heard && !wished,
            "told" => true,
            "applied" => has_heard,
            "toldBack" => !wished,
            _ => false,
        };
        if fits {
            return Ok(());
        }
        Err(format!(
            "the rollout of version {version} in stage {stage} says {outcome:?}, the wish is {wish}, the newest that it heard {heard:?}"
        ))
    }

    /// What was done in all lives.
    pub(super) fn figures(&self, figures: &mut Figures) {
        figures.add("rollouts started, acknowledged", self.started.into(), "");
        figures.add(
            "of these aborted or rolled back, acknowledged",
            self.ended.into(),
            "",
        );
        figures.add("rollouts asked for, unanswered", self.unanswered.into(), "");
        figures.add(
            "rollouts that went on after a kill",
            self.went_on.into(),
            "",
        );
        let (about, begun) = self.second;
        figures.add(
            "kills about the beginning of a second stage",
            about.into(),
            "",
        );
        figures.add("of these after which it had begun", begun.into(), "");
    }
}

/// Rigs that have the version when the stage that it is in is over.
fn bound(view: &Value) -> Option<u64> {
    let stage = usize::try_from(view["stage"].as_u64()?).ok()?;
    view["stages"][stage.checked_sub(1)?]["upTo"].as_u64()
}

fn await_rollout(
    api: &Api,
    id: u64,
    what: &str,
    is_so: impl Fn(&Value) -> bool,
) -> Result<(), String> {
    let path = format!("/rollouts/{id}");
    let found = eventually(what, START, || {
        read(api, &path).ok().filter(&is_so).map(drop)
    });
    found.map_err(|error| format!("{error}: {:?}", read(api, &path)))
}

/// The version of this number.
fn profile(version: u64) -> Value {
    json!({"name": PROFILE, "pools": [
        {"url": "127.0.0.1:1", "user": "farm", "pass": format!("v{version}")}]})
}

/// The number in a wish.
fn version_of(state: &State) -> Option<u64> {
    let profile = match state {
        State::Stopped => return None,
        State::Mine(profile) => profile,
        State::Plan(plan) => &plan.profile,
    };
    profile
        .pools
        .first()?
        .pass
        .as_str()
        .strip_prefix('v')?
        .parse()
        .ok()
}
