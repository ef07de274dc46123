//! What rigs do, and what they are told.

use miner_shared::identity::{Fingerprint, NodeId};
use miner_shared::text::MinerName;
use miner_shared::wire::{Answer, LogPage, Outcome, Query, State};

use super::view::{AppliedView, DesiredStatus, LogsView, StatsView};
use super::{Farm, errors, hours, show};
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
        let known = core.registry.peer(&key).and_then(|row| {
            let stats = core.hub.rig(&key)?.last_stats(self.clock.now())?;
            let live = core.hub.is_live(&key);
            Some(show::stats(&key, row, stats, live))
        });
        match (known, asked) {
            (Some(view), _) => Ok(view),
            (None, Err(error)) => Err(error),
            (None, Ok(_)) => Err(errors::nonsense(&name)),
        }
    }

    /// Wishes that a rig mines with the newest version of this profile (id or name), and waits up to 30 s
    /// for its receipt.
    pub async fn start(&self, id: NodeId, profile: &str) -> Result<AppliedView, FarmError> {
        let (key, name) = self.named(id)?;
        let profile_id = ProfileId::of(profile);
        let told = {
            let core = self.lock();
            let row = core.registry.version(&profile_id, None);
            let row = row.map_err(|error| errors::registry(error, profile))?;
            self.told_now(&profile_id, row, core.hub.protocol(&key))
        };
        self.apply(key, &name, told, Code::StartFailed).await
    }

    /// What a rig is told at this moment so that it mines with this version: to rest, if its hours are
    /// over.
    fn told_now(&self, id: &ProfileId, row: &ProfileRecord, protocol: Option<u8>) -> Wish {
        let now = self.clock.now().wall;
        let opening = open_at(&row.settings.windows, &self.zone, now);
        Wish {
            op_id: [0; 16],
            profile: Some(id.clone()),
            version: row.version,
            held: false,
            state: hours::state(row, !opening.open, protocol),
        }
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
        let stopped = Wish {
            op_id: [0; 16],
            profile: None,
            version: 0,
            held: false,
            state: State::Stopped,
        };
        self.apply(key, &name, stopped, Code::StopFailed).await
    }

    /// Stores a wish and waits for what becomes of it. A rig that says it was told something newer
    /// gets the same wish once more under a number above that: the owner wants it now.
    async fn apply(
        &self,
        key: Fingerprint,
        name: &str,
        told: Wish,
        code: Code,
    ) -> Result<AppliedView, FarmError> {
        let mut repeated = false;
        loop {
            let generation = self.wish(key, name, told.clone())?;
            let status = match self.ask(key, Ask::Wish(generation), APPLY_MS).await {
                Ok(Reply::Outcome(Outcome::Applied | Outcome::AlreadyThere)) => {
                    DesiredStatus::Applied
                }
                Ok(Reply::Outcome(Outcome::Behind(_))) if !repeated => {
                    repeated = true;
                    continue;
                }
                Ok(Reply::Outcome(Outcome::Refused(refusal))) => {
                    return Err(errors::refusal(&refusal, code, name));
                }
                Ok(_) => return Err(errors::nonsense(name)),
                // It is stored: the rig gets it as soon as it can be reached.
                Err(Failure::Offline | Failure::TimedOut | Failure::Busy) => DesiredStatus::Pending,
                Err(error) => return Err(errors::failure(error, name)),
            };
            return Ok(AppliedView {
                node_id: key.node_id().to_string(),
                generation,
                version: told.profile.as_ref().map(|_| told.version),
                rests: told.rests(),
                profile: told.profile.map(|id| id.to_string()),
                status,
            });
        }
    }

    fn wish(&self, key: Fingerprint, name: &str, mut wish: Wish) -> Result<u64, FarmError> {
        self.with(|hub, env| {
            env.rng.fill_bytes(&mut wish.op_id);
            hub.wish(env, &key, wish)
        })
        .map_err(|error| errors::registry(error, name))
    }

    /// The last `lines` (at most 10,000) records of a miner's log, within 10 s. If the time runs out
    /// after the first page, what came until then.
    pub async fn logs(
        &self,
        id: NodeId,
        miner: &MinerName,
        lines: u16,
    ) -> Result<LogsView, FarmError> {
        let (key, name) = self.named(id)?;
        let wanted = lines.min(MAX_LINES);
        let deadline = self.clock.now().mono + LOGS_MS;
        let mut view = LogsView {
            node_id: id.to_string(),
            miner_name: miner.as_str().to_owned(),
            lines: Vec::new(),
            has_more: false,
            lost: 0,
        };
        let mut cursor = None;
        let mut left = usize::from(wanted);
        while left > 0 {
            let query = Query::GetLogs {
                miner: miner.clone(),
                cursor,
                lines: u16::try_from(left).unwrap_or(MAX_LINES),
            };
            let within = deadline.since(self.clock.now().mono);
            let page = match self.query(key, &name, query, within).await {
                Ok(Answer::Logs(page)) => page,
                Ok(_) => return Err(errors::nonsense(&name)),
                Err(_) if cursor.is_some() => {
                    view.has_more = true;
                    break;
                }
                Err(error) => return Err(error),
            };
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
