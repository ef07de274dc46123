//! One action on many rigs, with a result for each.
//!
//! ```text
//!   select, or names ─▶ keys ─▶ portions of 256, the lock free in between
//!                                │ outlook of each rig: there already, to do, cannot be done
//!                                ├─ dry run: that is the answer
//!                                ├─ wishes, labels, removals: one step of the registry for the portion
//!                                └─ exchanges, receipts: at most 1,024 at a time, until all are in or 35 s are over
//! ```
//! 10,000 wishes are 40 syncs of the registry. A rig that is off is not waited for: its wish is stored
//! and `pending`. What is stored goes on whatever becomes of the caller.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use miner_shared::identity::Fingerprint;
use serde::Serialize;
use smol::Executor;
use smol::lock::Semaphore;
use utoipa::ToSchema;

use super::action::{Acted, Action};
use super::fleet::PORTION;
use super::remote::Wanted;
use super::select::Selector;
use super::view::DesiredStatus;
use super::{Core, Farm, errors, show};
use crate::access::By;
use crate::error::{Code, FarmError};
use crate::hub::{Failure, Rig};
use crate::registry::{RegistryError, Relabel};

/// Rigs that one request may name; more are selected.
pub(super) const MAX_NAMED: usize = 1024;
/// Rigs that are asked, or whose receipts are waited for, at a time.
const AT_ONCE: usize = 1024;
/// Until when receipts are waited for: longer than one rig may take (30 s), shorter than the command
/// line waits for an answer (45 s).
const DEADLINE: Duration = Duration::from_secs(35);

/// One action on many rigs.
#[derive(Clone, Debug)]
pub struct Bulk {
    /// Which.
    pub rigs: Rigs,
    /// What.
    pub action: Action,
    /// Only say what it would do.
    pub dry_run: bool,
    /// How many rigs it has to be, if that is known.
    pub expect: Option<usize>,
}

/// Which rigs.
#[derive(Clone, Debug)]
pub enum Rigs {
    /// Those that this takes.
    Selected(Selector),
    /// These: node IDs, unique prefixes of one, or names; at most [`MAX_NAMED`].
    Named(Vec<String>),
}

/// What came of an action on many rigs, or would.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BulkView {
    /// Rigs that it is about.
    pub matched: usize,
    /// What was to be done.
    pub action: Action,
    /// Whether nothing was done.
    pub dry_run: bool,
    /// How many rigs have which status.
    #[schema(value_type = BTreeMap<String, usize>)]
    pub counts: BTreeMap<&'static str, usize>,
    /// One for each rig, by name; then those that were named and are none.
    pub results: Vec<RigResult>,
}

/// What came of it on one rig.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RigResult {
    /// Node ID; what was given, if that is no rig.
    pub id: String,
    /// Name.
    pub name: String,
    /// What came of it.
    pub status: BulkStatus,
    /// Code of the error, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// Why, or what is worth saying.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What came of an action on a rig.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum BulkStatus {
    /// It was so before.
    AlreadyThere,
    /// Done.
    Applied,
    /// Not done; see `code` and `message`.
    Failed,
    /// Stored here; the rig gets it as soon as it can be reached.
    Pending,
    /// The rig will not.
    Refused,
    /// It was sent, and what became of it will not be heard.
    Unknown,
    /// Of a dry run: it would be done.
    WouldChange,
}

impl BulkStatus {
    /// The status as programs see it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AlreadyThere => "alreadyThere",
            Self::Applied => "applied",
            Self::Failed => "failed",
            Self::Pending => "pending",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::WouldChange => "wouldChange",
        }
    }
}

/// How an action is done.
#[expect(clippy::large_enum_variant, reason = "there is one for each request")]
enum Work<'a> {
    /// A wish for each rig.
    Wish(Wanted),
    /// A wish for each rig, made of the one that it has: to rest, or to go on.
    Hold(bool),
    Label(&'a Relabel),
    Remove {
        keep_token: bool,
    },
    /// An exchange with each rig.
    Exchange,
    /// An order to each rig, which waits for a link if it has to.
    Order,
}

/// What an action would do to a rig.
enum Outlook {
    /// Nothing: it is so.
    There,
    /// The rig is told so already, by the wish of this generation, and has not answered yet.
    Told(u64),
    Change,
    Cannot(FarmError),
}

/// What is still to be heard of a rig.
enum Wait {
    /// The receipt of this wish.
    Receipt(u64),
    /// All.
    Exchange,
}

/// A rig that an action has begun on.
struct Begun {
    key: Fingerprint,
    result: RigResult,
    wait: Option<Wait>,
}

impl Farm {
    /// Does something to many rigs. Errors are about the request as a whole; what goes wrong with one
    /// rig is in its result.
    pub async fn bulk(&self, bulk: &Bulk, by: &By) -> Result<BulkView, FarmError> {
        let work = match &bulk.action {
            Action::Start { profile_id } => Work::Wish(self.mining(profile_id)?),
            Action::Stop => Work::Wish(Wanted::nothing()),
            Action::Pause => Work::Hold(true),
            Action::Resume => Work::Hold(false),
            Action::Label(change) if change.is_empty() => return Err(no_label()),
            Action::Label(change) => Work::Label(change),
            Action::Remove { keep_token } => Work::Remove {
                keep_token: *keep_token,
            },
            Action::Ping | Action::Handover { .. } | Action::Revoke { .. } | Action::RotateKey => {
                Work::Exchange
            }
            _ => Work::Order,
        };
        let (keys, strangers) = self.rigs(&bulk.rigs).await?;
        if let Some(expected) = bulk.expect.filter(|expected| *expected != keys.len()) {
            return Err(changed(keys.len(), expected));
        }
        let mut begun = Vec::with_capacity(keys.len());
        for portion in keys.chunks(PORTION) {
            begun.extend(self.begin(portion, &work, bulk.dry_run));
            smol::future::yield_now().await;
        }
        self.hear(&mut begun, &work, (&bulk.action, by)).await;
        let results: Vec<_> = begun.into_iter().map(|begun| begun.result).collect();
        let results = [results, strangers].concat();
        let mut counts = BTreeMap::new();
        for result in &results {
            *counts.entry(result.status.as_str()).or_default() += 1;
        }
        Ok(BulkView {
            matched: keys.len(),
            action: bulk.action.clone(),
            dry_run: bulk.dry_run,
            counts,
            results,
        })
    }

    /// The rigs that there are of those.
    pub(crate) async fn meant_by(&self, rigs: &Rigs) -> Result<Vec<Fingerprint>, FarmError> {
        Ok(self.rigs(rigs).await?.0)
    }

    /// The rigs, each once, and what was named and is none.
    async fn rigs(&self, rigs: &Rigs) -> Result<(Vec<Fingerprint>, Vec<RigResult>), FarmError> {
        let named = match rigs {
            Rigs::Selected(selector) => return Ok((self.select(selector), Vec::new())),
            Rigs::Named(named) if named.len() > MAX_NAMED => return Err(too_many_named()),
            Rigs::Named(named) => named,
        };
        let (mut keys, mut strangers) = (Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        for text in named {
            let found = self.lock().registry.resolve(text);
            match found.map_err(|error| errors::registry(error, text)) {
                Ok(key) if seen.insert(key) => keys.push(key),
                Ok(_) => {}
                Err(error) => strangers.push(RigResult::failed(text, text, &error)),
            }
            // A name is looked for among all rigs.
            smol::future::yield_now().await;
        }
        Ok((keys, strangers))
    }

    /// Does what can be done at once for these rigs, under one hold of the lock; one that was removed
    /// meanwhile is left out.
    fn begin(&self, keys: &[Fingerprint], work: &Work<'_>, dry_run: bool) -> Vec<Begun> {
        let mut core = self.lock();
        let mut begun = Vec::with_capacity(keys.len());
        let mut to_do = Vec::new();
        for key in keys {
            let Some(row) = core.registry.peer(key) else {
                continue;
            };
            let outlook = core.outlook(self, key, row.name.as_str(), work);
            let live = core.hub.is_live(key);
            if !dry_run && matches!(outlook, Outlook::Change) {
                to_do.push(*key);
            }
            let (id, name) = (key.node_id().to_string(), row.name.as_str());
            begun.push(Begun::from(*key, &id, name, outlook, work, live, dry_run));
        }
        let stored = core.store(self, &to_do, work);
        self.settle(&mut core);
        let gone: Vec<_> = match (work, &stored) {
            (Work::Remove { .. }, Ok(_)) => {
                let diallers = to_do.iter().map(|key| core.diallers.remove(key));
                diallers.collect()
            }
            _ => Vec::new(),
        };
        drop(core);
        drop(gone);
        match stored {
            Ok(numbers) => number(&mut begun, &to_do, &numbers),
            Err(error) => {
                let error = errors::registry(error, "rigs");
                for begun in begun.iter_mut().filter(|begun| to_do.contains(&begun.key)) {
                    begun.fail(&error);
                }
            }
        }
        begun
    }

    /// Waits for what is still to be heard.
    async fn hear(&self, begun: &mut [Begun], work: &Work<'_>, (action, by): (&Action, &By)) {
        let waiting: Vec<_> = begun
            .iter_mut()
            .enumerate()
            .filter_map(|(at, begun)| Some((at, begun.key, begun.name(), begun.wait.take()?)))
            .collect();
        if waiting.is_empty() {
            return;
        }
        let (heard, answers) = smol::channel::unbounded();
        let gate = Semaphore::new(AT_ONCE);
        let scope = Executor::new();
        let all = scope.run(async {
            let mut tasks = Vec::with_capacity(waiting.len());
            for (at, key, name, wait) in &waiting {
                let place = gate.acquire().await;
                let heard = heard.clone();
                tasks.push(scope.spawn(async move {
                    let acted = self.answer(*key, name, wait, work, (action, by)).await;
                    // Nobody listens after the deadline.
                    let _late = heard.try_send((*at, acted));
                    drop(place);
                }));
            }
            for task in tasks {
                task.await;
            }
        });
        let late = async {
            smol::Timer::after(DEADLINE).await;
        };
        smol::future::or(all, late).await;
        let mut open: BTreeSet<usize> = waiting.iter().map(|(at, ..)| *at).collect();
        while let Ok((at, acted)) = answers.try_recv() {
            open.remove(&at);
            if let Some(begun) = begun.get_mut(at) {
                begun.end(acted);
            }
        }
        let core = self.lock();
        for at in open {
            if let Some(begun) = begun.get_mut(at) {
                begun.end(core.unheard(&begun.key, work));
            }
        }
    }

    async fn answer(
        &self,
        key: Fingerprint,
        name: &str,
        wait: &Wait,
        work: &Work<'_>,
        (action, by): (&Action, &By),
    ) -> Result<Acted, FarmError> {
        let held;
        let (generation, wanted) = match (wait, work) {
            (Wait::Receipt(generation), Work::Wish(wanted)) => (generation, wanted),
            (Wait::Receipt(generation), Work::Hold(rest)) => {
                held = self.held(&self.lock(), &key, name, *rest)?;
                (generation, &held)
            }
            _ => return self.act_on(key, action, by).await,
        };
        let wish = self.receipt(key, name, *generation, wanted).await?;
        Ok(match wish.status {
            DesiredStatus::Applied => (BulkStatus::Applied, None),
            _ => (BulkStatus::Pending, None),
        })
    }
}

impl Core {
    fn outlook(&self, farm: &Farm, key: &Fingerprint, name: &str, work: &Work<'_>) -> Outlook {
        match work {
            Work::Wish(wanted) => self.outlook_of(key, wanted),
            Work::Hold(rest) => match farm.held(self, key, name, *rest) {
                Ok(wanted) => self.outlook_of(key, &wanted),
                Err(error) => Outlook::Cannot(error),
            },
            Work::Label(change) => {
                let before = self.registry.labels(key);
                match change.of(before) {
                    Ok(after) if after == *before => Outlook::There,
                    Ok(_) => Outlook::Change,
                    Err(error) => Outlook::Cannot(errors::registry(error, name)),
                }
            }
            Work::Exchange if !self.hub.is_live(key) => {
                Outlook::Cannot(errors::failure(Failure::Offline, name))
            }
            Work::Exchange | Work::Order | Work::Remove { .. } => Outlook::Change,
        }
    }

    fn outlook_of(&self, key: &Fingerprint, wanted: &Wanted) -> Outlook {
        let told = wanted.told(self.hub.protocol(key));
        let same = self.registry.desired(key).filter(|row| {
            row.state == told.state
                && row.profile == told.profile
                && row.version == told.version
                && row.held == told.held
        });
        let Some(row) = same else {
            return Outlook::Change;
        };
        let rig = self.hub.rig(key);
        // It was told this, and has something else in force.
        let differs = |(told, hash)| told == row.generation && hash != row.state.hash();
        let drifts = rig.and_then(Rig::applied_hash).is_some_and(differs);
        match show::desired_status(key, &self.registry, rig) {
            DesiredStatus::Applied if !drifts => Outlook::There,
            DesiredStatus::Pending => Outlook::Told(row.generation),
            _ => Outlook::Change,
        }
    }

    /// Stores it for these rigs in one step. Returns the generations of wishes.
    fn store(
        &mut self,
        farm: &Farm,
        keys: &[Fingerprint],
        work: &Work<'_>,
    ) -> Result<Vec<u64>, RegistryError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        if let Work::Hold(rest) = work {
            let mut wishes = Vec::with_capacity(keys.len());
            for key in keys {
                // Its outlook was that it can be, under the same hold of the lock.
                if let Ok(wanted) = farm.held(self, key, "", *rest) {
                    wishes.push((*key, wanted.wish(self.hub.protocol(key), &mut self.rng)));
                }
            }
            return self.call(farm, |hub, env| hub.wish_all(env, wishes));
        }
        self.call(farm, |hub, env| match work {
            Work::Wish(wanted) => {
                let wish = |key: &Fingerprint| (*key, wanted.wish(hub.protocol(key), env.rng));
                let wishes = keys.iter().map(wish).collect();
                hub.wish_all(env, wishes)
            }
            Work::Label(change) => hub.relabel(env, keys, change).map(|_| Vec::new()),
            Work::Remove { keep_token } => {
                hub.remove_all(env, keys, *keep_token).map(|()| Vec::new())
            }
            Work::Exchange | Work::Order | Work::Hold(_) => Ok(Vec::new()),
        })
    }

    /// What is known of a rig that was not heard in time.
    fn unheard(&self, key: &Fingerprint, work: &Work<'_>) -> Result<Acted, FarmError> {
        let secs = DEADLINE.as_secs();
        let failed = match work {
            Work::Wish(wanted) => Some(wanted.failed),
            Work::Hold(true) => Some(Code::PauseFailed),
            Work::Hold(false) => Some(Code::ResumeFailed),
            _ => None,
        };
        let Some(failed) = failed else {
            let message = format!("it was not asked, or did not answer, within {secs} s");
            return Err(FarmError::new(Code::Timeout, message));
        };
        let rig = self.hub.rig(key);
        match show::desired_status(key, &self.registry, rig) {
            DesiredStatus::Applied => Ok((BulkStatus::Applied, None)),
            DesiredStatus::Refused => {
                let generation = self.registry.desired(key).map_or(0, |row| row.generation);
                let why = show::refusal_of(generation, rig).unwrap_or("it says no");
                Err(FarmError::new(failed, why))
            }
            _ => {
                let why = format!("no receipt within {secs} s");
                Ok((BulkStatus::Pending, Some(why)))
            }
        }
    }
}

/// Notes the generations of wishes that were stored for these rigs.
fn number(begun: &mut [Begun], keys: &[Fingerprint], numbers: &[u64]) {
    let mut numbered = keys.iter().zip(numbers);
    let mut next = numbered.next();
    // Both are in the order of the portion.
    for begun in begun {
        if let Some((key, generation)) = next
            && *key == begun.key
        {
            if let Some(wait) = &mut begun.wait {
                *wait = Wait::Receipt(*generation);
            }
            next = numbered.next();
        }
    }
}

impl Begun {
    fn from(
        key: Fingerprint,
        id: &str,
        name: &str,
        outlook: Outlook,
        work: &Work<'_>,
        live: bool,
        dry_run: bool,
    ) -> Self {
        let is_wish = matches!(work, Work::Wish(_) | Work::Hold(_));
        let wait = match &outlook {
            Outlook::Change if !dry_run && matches!(work, Work::Order) => Some(Wait::Exchange),
            _ if dry_run || !live => None,
            Outlook::Told(generation) => Some(Wait::Receipt(*generation)),
            Outlook::Change if is_wish => Some(Wait::Receipt(0)),
            Outlook::Change if matches!(work, Work::Exchange) => Some(Wait::Exchange),
            _ => None,
        };
        let status = match &outlook {
            Outlook::There => BulkStatus::AlreadyThere,
            Outlook::Told(_) => BulkStatus::Pending,
            Outlook::Change if is_wish && !live => BulkStatus::Pending,
            Outlook::Change if dry_run => BulkStatus::WouldChange,
            Outlook::Change => BulkStatus::Applied,
            Outlook::Cannot(_) => BulkStatus::Failed,
        };
        let mut begun = Self {
            key,
            result: RigResult {
                id: id.to_owned(),
                name: name.to_owned(),
                status,
                code: None,
                message: None,
            },
            wait,
        };
        if let Outlook::Cannot(error) = &outlook {
            begun.fail(error);
        }
        begun
    }

    fn name(&self) -> String {
        self.result.name.clone()
    }

    fn fail(&mut self, error: &FarmError) {
        let RigResult { id, name, .. } = &self.result;
        self.result = RigResult::failed(id, name, error);
        self.wait = None;
    }

    fn end(&mut self, acted: Result<Acted, FarmError>) {
        match acted {
            Ok((status, message)) => {
                self.result.status = status;
                self.result.message = message;
            }
            Err(error) => self.fail(&error),
        }
    }
}

impl RigResult {
    fn failed(id: &str, name: &str, error: &FarmError) -> Self {
        let status = match error.code {
            Code::OrderRefused
            | Code::PauseFailed
            | Code::ResumeFailed
            | Code::StartFailed
            | Code::StopFailed => BulkStatus::Refused,
            _ => BulkStatus::Failed,
        };
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            status,
            code: Some(error.code.as_str()),
            message: Some(error.message.clone()),
        }
    }
}

fn no_label() -> FarmError {
    FarmError::new(Code::InvalidInput, "no label is to be changed").field("action")
}

fn too_many_named() -> FarmError {
    let message = format!("more than {MAX_NAMED} rigs are named");
    FarmError::new(Code::InvalidInput, message)
        .field("ids")
        .hint("give a selector, or ask several times")
}

fn changed(matched: usize, expected: usize) -> FarmError {
    let message = format!("{matched} selected where {expected} were expected; nothing was done");
    FarmError::new(Code::SelectionChanged, message)
        .field("expect")
        .hint("look at a dry run, then repeat")
}
