//! What rigs do, and what they are told.

use miner_shared::identity::{Fingerprint, NodeId};
use miner_shared::text::MinerName;
use miner_shared::wire::{Answer, Level, LogPage, Outcome, Query, State};
use rand_core::CryptoRng;

use super::view::{AppliedView, DesiredStatus, LogsView, StatsView};
use super::{Core, Farm, errors, hours, show};
use crate::error::{Code, FarmError};
use crate::hub::{Ask, Failure, Reply};
use crate::registry::{ProfileId, ProfileRecord, Wish};
use crate::schedule::open_at;

/// How long statistics may take, the making of a link included, in milliseconds.
const STATS_MS: u64 = 10_000;
/// How long the receipt of a start or stop may take, in milliseconds.
const APPLY_MS: u64 = 30_000;
/// How long all pages of a log may take, in milliseconds.
const LOGS_MS: u64 = 10_000;
/// Most log lines that one call gives (the original's bound).
const MAX_LINES: u16 = 10_000;

/// What a rig should be doing, before it is said in words that its agent knows.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// The version of a profile to mine with, and whether to rest for now; `None` is to mine nothing.
    profile: Option<(ProfileId, ProfileRecord, bool)>,
    /// Whether a person has paused the rig.
    held: bool,
    /// What it is called if a rig refuses it.
    pub(super) failed: Code,
}

impl Wanted {
    /// To mine nothing.
    pub(super) const fn nothing() -> Self {
        Self {
            profile: None,
            held: false,
            failed: Code::StopFailed,
        }
    }

    /// What a rig is told whose agent speaks this version of the protocol.
    pub(super) fn told(&self, protocol: Option<u8>) -> Wish {
        let op_id = [0; 16];
        let Some((id, row, rests)) = &self.profile else {
            return Wish {
                op_id,
                profile: None,
                version: 0,
                held: false,
                state: State::Stopped,
            };
        };
        Wish {
            op_id,
            profile: Some(id.clone()),
            version: row.version,
            held: self.held,
            state: hours::state(row, *rests, protocol),
        }
    }

    /// The same, as a command of its own.
    pub(super) fn wish(&self, protocol: Option<u8>, rng: &mut dyn CryptoRng) -> Wish {
        let mut wish = self.told(protocol);
        rng.fill_bytes(&mut wish.op_id);
        wish
    }
}

impl Farm {
    /// Last known statistics of every peer that ever sent some, by name.
    pub fn stats(&self) -> Result<Vec<StatsView>, FarmError> {
        let core = self.lock();
        let now = self.clock.now();
        let mut views: Vec<_> = core
            .registry
            .peers()
            .filter_map(|(key, row)| {
                let stats = core.hub.rig(key)?.last_stats(now)?;
                Some(show::stats(key, row, stats, core.hub.is_live(key)))
            })
            .collect();
        views.sort_by(|a, b| (&a.node_name, &a.node_id).cmp(&(&b.node_name, &b.node_id)));
        Ok(views)
    }

    /// Statistics of one peer, asked of it now if it can be reached within 10 s, else the last
    /// known.
    pub async fn stats_of(&self, id: NodeId) -> Result<StatsView, FarmError> {
        let (key, name) = self.named(id)?;
        let asked = self.query(key, &name, Query::GetStats, STATS_MS).await;
        let core = self.lock();
        // What was asked of a key is answered by its successor too, which has another ID.
        let row = core.registry.peer(&key);
        let row = row.ok_or_else(|| errors::failure(Failure::Removed, &name))?;
        let rig = core.hub.rig(&key);
        match (rig.and_then(|rig| rig.last_stats(self.clock.now())), asked) {
            (Some(stats), _) => Ok(show::stats(&key, row, stats, core.hub.is_live(&key))),
            (None, Err(error)) => Err(error),
            // Said on a link whose end has taken them along.
            (None, Ok(Answer::Stats(_))) => Err(errors::failure(Failure::Offline, &name)),
            (None, Ok(_)) => Err(errors::nonsense(&name)),
        }
    }

    /// Wishes that a rig mines with the newest version of this profile (id or name), and waits up to 30 s
    /// for its receipt.
    pub async fn start(&self, id: NodeId, profile: &str) -> Result<AppliedView, FarmError> {
        let (key, name) = self.named(id)?;
        self.apply(key, &name, &self.mining(profile)?).await
    }

    /// What it is to mine with the newest version of this profile (id or name), and to rest now if its
    /// hours are over.
    pub(super) fn mining(&self, profile: &str) -> Result<Wanted, FarmError> {
        let id = ProfileId::of(profile);
        let row = {
            let core = self.lock();
            let row = core.registry.version(&id, None);
            row.map_err(|error| errors::registry(error, profile))?
                .clone()
        };
        let now = self.clock.now().wall;
        let opening = open_at(&row.settings.windows, &self.zone, now);
        Ok(Wanted {
            profile: Some((id, row, !opening.open)),
            held: false,
            failed: Code::StartFailed,
        })
    }

    /// Wishes that a rig rests until it is resumed, whatever its profile's hours say: it stays logged in
    /// and keeps its memory. A wish like start and stop.
    pub async fn pause(&self, id: NodeId) -> Result<AppliedView, FarmError> {
        self.hold(id, true).await
    }

    /// Wishes that a rig which was paused goes on, as the hours of its profile allow.
    pub async fn resume(&self, id: NodeId) -> Result<AppliedView, FarmError> {
        self.hold(id, false).await
    }

    async fn hold(&self, id: NodeId, held: bool) -> Result<AppliedView, FarmError> {
        let (key, name) = self.named(id)?;
        let (wanted, same) = {
            let core = self.lock();
            let wanted = self.held(&core, &key, &name, held)?;
            let told = wanted.told(core.hub.protocol(&key));
            // Whoever says it twice waits for the same wish.
            let row = core.registry.desired(&key);
            let same = row.filter(|row| row.held == held && row.state == told.state);
            let same = same.map(|row| row.generation);
            (wanted, same)
        };
        let generation = match same {
            Some(generation) => generation,
            None => self.wish(key, &name, &wanted)?,
        };
        self.receipt(key, &name, generation, &wanted).await
    }

    /// What a rig is to do with the profile that it has: to rest until it is resumed, or to go on.
    pub(super) fn held(
        &self,
        core: &Core,
        key: &Fingerprint,
        name: &str,
        held: bool,
    ) -> Result<Wanted, FarmError> {
        let row = core.registry.desired(key);
        let (row, id) = row
            .and_then(|row| Some((row, row.profile.clone()?)))
            .ok_or_else(|| errors::nothing_mined(name))?;
        let version = core.registry.version(&id, Some(row.version));
        let version = version
            .map_err(|error| errors::registry(error, id.as_str()))?
            .clone();
        let now = self.clock.now().wall;
        let opening = open_at(&version.settings.windows, &self.zone, now);
        Ok(Wanted {
            profile: Some((id, version, held || !opening.open)),
            held,
            failed: if held {
                Code::PauseFailed
            } else {
                Code::ResumeFailed
            },
        })
    }

    /// Wishes that a rig mines nothing, and waits up to 30 s for its receipt. A miner that is named
    /// must be one that the rig reports.
    pub async fn stop(
        &self,
        id: NodeId,
        miner: Option<&MinerName>,
    ) -> Result<AppliedView, FarmError> {
        let (key, name) = self.named(id)?;
        if let Some(miner) = miner {
            let stats = self.stats_of(id).await?;
            let present = || stats.miners.iter().map(|miner| miner.name.as_str());
            if !present().any(|name| name == miner.as_str()) {
                return Err(errors::no_such_miner(&name, present()));
            }
        }
        self.apply(key, &name, &Wanted::nothing()).await
    }

    /// Stores a wish and waits for what becomes of it.
    async fn apply(
        &self,
        key: Fingerprint,
        name: &str,
        wanted: &Wanted,
    ) -> Result<AppliedView, FarmError> {
        let generation = self.wish(key, name, wanted)?;
        self.receipt(key, name, generation, wanted).await
    }

    /// Waits for what becomes of the wish of this generation, which is stored. A rig that says it was
    /// told something newer gets the same once more under a number above that: the owner wants it
    /// now.
    pub(super) async fn receipt(
        &self,
        key: Fingerprint,
        name: &str,
        mut generation: u64,
        wanted: &Wanted,
    ) -> Result<AppliedView, FarmError> {
        let mut repeated = false;
        loop {
            let status = match self.ask(key, Ask::Wish(generation), APPLY_MS).await {
                Ok(Reply::Outcome(Outcome::Applied | Outcome::AlreadyThere)) => {
                    DesiredStatus::Applied
                }
                Ok(Reply::Outcome(Outcome::Behind(_))) if !repeated => {
                    repeated = true;
                    generation = self.wish(key, name, wanted)?;
                    continue;
                }
                Ok(Reply::Outcome(Outcome::Refused(refusal))) => {
                    return Err(errors::refusal(&refusal, wanted.failed, name));
                }
                Ok(_) => return Err(errors::nonsense(name)),
                // It is stored: the rig gets it as soon as it can be reached.
                Err(Failure::Offline | Failure::TimedOut | Failure::Busy) => DesiredStatus::Pending,
                Err(error) => return Err(errors::failure(error, name)),
            };
            return Ok(AppliedView {
                node_id: key.node_id().to_string(),
                generation,
                version: wanted.profile.as_ref().map(|(_, row, _)| row.version),
                rests: wanted.profile.as_ref().is_some_and(|(_, _, rests)| *rests),
                profile: wanted.profile.as_ref().map(|(id, ..)| id.to_string()),
                status,
            });
        }
    }

    fn wish(&self, key: Fingerprint, name: &str, wanted: &Wanted) -> Result<u64, FarmError> {
        self.with(|hub, env| {
            let wish = wanted.wish(hub.protocol(&key), env.rng);
            hub.wish(env, &key, wish)
        })
        .map_err(|error| errors::registry(error, name))
    }

    /// At most `lines` (10,000) records of a miner's log, within 10 s: the last ones, or those from
    /// `cursor` on. If the time runs out after the first page, what came until then.
    pub async fn logs(
        &self,
        id: NodeId,
        miner: &MinerName,
        wanted: &LogsWanted,
    ) -> Result<LogsView, FarmError> {
        let (key, name) = self.named(id)?;
        let deadline = self.clock.now().mono + LOGS_MS;
        let mut view = LogsView {
            node_id: id.to_string(),
            miner_name: miner.as_str().to_owned(),
            lines: Vec::new(),
            has_more: false,
            lost: 0,
            next: 0,
        };
        let mut cursor = wanted.cursor;
        let mut left = usize::from(wanted.lines.min(MAX_LINES));
        let mut first = true;
        while left > 0 {
            let query = wanted.query(miner, cursor, u16::try_from(left).unwrap_or(MAX_LINES));
            let within = deadline.since(self.clock.now().mono);
            let page = match self.query(key, &name, query, within).await {
                Ok(Answer::Logs(page)) => page,
                Ok(_) => return Err(errors::nonsense(&name)),
                Err(_) if !first => {
                    view.has_more = true;
                    break;
                }
                Err(error) => return Err(error),
            };
            if first && wanted.cursor.is_some_and(|cursor| cursor > page.end) {
                // The agent has started anew since, and counts from 0.
                first = false;
                cursor = Some(0);
                continue;
            }
            first = false;
            left = left.saturating_sub(page.lines.len().max(1));
            self.add_page(&mut view, &page);
            if page.next >= page.end || page.lines.is_empty() {
                break;
            }
            cursor = Some(page.next);
        }
        Ok(view)
    }

    fn add_page(&self, view: &mut LogsView, page: &LogPage) {
        let now = self.clock.now();
        let records = page.lines.iter();
        view.lines
            .extend(records.map(|line| show::log_record(line, page.now_ms, now)));
        view.lost += page.lost;
        view.next = page.next;
        view.has_more = page.next < page.end;
    }

    /// Asks a question; a refusal is an error.
    pub(super) async fn query(
        &self,
        key: Fingerprint,
        name: &str,
        query: Query,
        within_ms: u64,
    ) -> Result<Answer, FarmError> {
        match self.ask(key, Ask::Query(query), within_ms).await {
            Ok(Reply::Answer(answer)) => match *answer {
                Answer::Refused(refusal) => {
                    Err(errors::refusal(&refusal, Code::InvalidInput, name))
                }
                answer => Ok(answer),
            },
            Ok(_) => Err(errors::nonsense(name)),
            Err(error) => Err(errors::failure(error, name)),
        }
    }
}

/// Which records of a log are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogsWanted {
    /// How many at most.
    pub lines: u16,
    /// Number of the first one looked at; `None` for the last ones.
    pub cursor: Option<u64>,
    /// Least serious level; `None` for all, which rigs of protocol version 1 know too.
    pub level: Option<Level>,
}

impl LogsWanted {
    fn query(&self, miner: &MinerName, cursor: Option<u64>, lines: u16) -> Query {
        let miner = miner.clone();
        match self.level {
            None => Query::GetLogs {
                miner,
                cursor,
                lines,
            },
            Some(level) => Query::GetLogsFrom {
                miner,
                cursor,
                lines,
                level,
            },
        }
    }
}
