//! The control thread: the one owner of memory and crews.
//!
//! It sleeps until a wish changes or a filling ends, and then goes through the same steps, each of
//! which does nothing if things are as they should be:
//!
//! ```text
//!   restart? other pages? give all memory back ─▶ no job, paused? publish none
//!   collect the filled dataset ─▶ key the cache ─▶ fill the dataset ─▶ man the memory ─▶ publish the job
//!                                  └ only once the crew is gone and the filling cancelled
//! ```
//!
//! So the order in which wishes, seeds and fillings arrive does not matter, and the latest wins.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use miner_engine::{Cache, DATASET_MIB, Dataset, EngineError, Progress};
use miner_shared::mining::{Job, SeedHash};
use miner_shared::time::Millis;
use miner_shared::wire::{Memory, Mode, PageWish, Pages};

use super::crew::{Crew, Floor, Source, Style, settle};
use super::datasets::{self, PerNode};
use super::slot::Publisher;
use super::topology::{Node, Topology};
use super::{MinerConfig, Now, WhyLight, fast_mode_mib, tuned};

/// How much hash threads give way while the dataset is filled, on the system's scale of 0 to 19. At 5
/// they get a quarter of the processors that the filling is on (Linux weighs 335 against 1,024).
///
/// A second of filling saved is worth more hashes than light mode makes in it, so they give way at
/// all. But the first share is to come within a minute: at 10 they get a tenth, and beside other
/// work (load 8 on two cores) none came in 95 s.
const NICE_WHILE_FILLING: u8 = 5;

/// Where wishes are left and the state can be read.
#[derive(Debug)]
pub(super) struct Desk {
    wish: Mutex<Numbered>,
    bell: Condvar,
    status: Mutex<Status>,
}

#[derive(Debug)]
struct Numbered {
    wish: Wish,
    /// Goes up with each wish and each filling that ends.
    number: u64,
}

/// What is wanted.
#[derive(Clone, Debug, Default)]
pub(super) struct Wish {
    pub(super) config: MinerConfig,
    pub(super) job: Option<Job>,
    /// While there is no job, keep no memory either.
    pub(super) release: bool,
    /// How often to have begun from nothing.
    pub(super) restarts: u32,
    /// End the control thread.
    pub(super) end: bool,
}

/// What the control thread says of itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Status {
    pub(super) threads: u16,
    pub(super) memory: Option<Memory>,
    pub(super) pages: Option<Pages>,
    pub(super) datasets: usize,
    pub(super) nodes: usize,
    pub(super) why_light: Option<WhyLight>,
    pub(super) fill: Option<(Arc<Progress>, Millis)>,
    pub(super) failed: Option<EngineError>,
}

impl Desk {
    pub(super) fn new(config: MinerConfig) -> Self {
        let wish = Wish {
            config,
            ..Wish::default()
        };
        Self {
            wish: Mutex::new(Numbered { wish, number: 1 }),
            bell: Condvar::new(),
            status: Mutex::default(),
        }
    }

    /// Changes the wish.
    pub(super) fn wish(&self, change: impl FnOnce(&mut Wish)) {
        let mut numbered = locked(&self.wish);
        change(&mut numbered.wish);
        numbered.number += 1;
        drop(numbered);
        self.bell.notify_one();
    }

    pub(super) fn has_job(&self) -> bool {
        locked(&self.wish).wish.job.is_some()
    }

    pub(super) fn is_paused(&self) -> bool {
        locked(&self.wish).wish.config.paused
    }

    pub(super) fn status(&self) -> Status {
        locked(&self.status).clone()
    }

    /// Waits for something newer than `seen`.
    fn wait(&self, seen: u64) -> (Wish, u64) {
        let numbered = self
            .bell
            .wait_while(locked(&self.wish), |numbered| numbered.number == seen)
            .unwrap_or_else(PoisonError::into_inner);
        (numbered.wish.clone(), numbered.number)
    }
}

/// Nothing that holds these locks can panic half-way through a change.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The control thread's own.
pub(super) struct Control {
    desk: Arc<Desk>,
    floor: Arc<Floor>,
    now: Now,
    topology: Topology,
    publisher: Publisher,
    cache: Option<(Arc<Cache>, SeedHash)>,
    datasets: Store,
    /// Nodes that the datasets were got for, whether or not there was memory for one on each.
    nodes: Vec<Node>,
    crew: Option<(Crew, Manning)>,
    /// For which wish the memory was got: its restarts and pages.
    made_for: (u32, PageWish),
}

/// The memory of the datasets, and what is in it.
enum Store {
    None,
    Empty(PerNode<Dataset>),
    Filling(Filling),
    Filled(PerNode<Arc<Dataset>>),
}

struct Filling {
    thread: JoinHandle<PerNode<Dataset>>,
    progress: Arc<Progress>,
    /// Whether all datasets are filled; the thread ends at once then.
    is_over: Arc<AtomicBool>,
}

impl Filling {
    /// Ends it, over or not, and gives the datasets back.
    fn end(self) -> Option<PerNode<Dataset>> {
        self.progress.cancel();
        self.thread.join().ok()
    }
}

/// What a crew was started for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Manning {
    memory: Memory,
    niceness: u8,
    plan: Vec<Option<u16>>,
}

impl Control {
    pub(super) fn new(desk: Arc<Desk>, floor: Arc<Floor>, now: Now, topology: Topology) -> Self {
        Self {
            publisher: Publisher::new(Arc::clone(&floor.slot)),
            desk,
            floor,
            now,
            topology,
            cache: None,
            datasets: Store::None,
            nodes: Vec::new(),
            crew: None,
            made_for: (0, PageWish::Auto),
        }
    }

    /// Fulfils wishes until one is to end.
    pub(super) fn run(mut self) {
        let mut seen = 0;
        loop {
            let (wish, number) = self.desk.wait(seen);
            seen = number;
            if wish.end {
                self.release();
                self.floor.close();
                return;
            }
            let failed = self.fulfil(&wish).err();
            if failed.is_some() {
                self.dismiss_crew();
            }
            self.report(|status| status.failed = failed);
        }
    }

    fn fulfil(&mut self, wish: &Wish) -> Result<(), EngineError> {
        let made_for = (wish.restarts, wish.config.pages);
        if mem::replace(&mut self.made_for, made_for) != made_for {
            self.release();
        }
        self.collect_filled();
        let Some(job) = &wish.job else {
            if wish.release {
                self.release();
            }
            self.publish(None);
            return Ok(());
        };
        if wish.config.paused {
            self.publish(None);
            return Ok(());
        }
        let plan = self.topology.plan(wish.config.threads);
        // The larger memory first: reserved pages may not suffice for both.
        let nodes = self.topology.nodes(&plan);
        let why_light = self.allocate_datasets(wish.config, plan.len(), &nodes)?;
        self.key(&job.seed, &nodes)?;
        self.fill(wish.config.nice);
        self.man(plan, wish.config, why_light)?;
        self.publish(Some(job));
        Ok(())
    }

    /// Takes the datasets back from a filling that has ended.
    fn collect_filled(&mut self) {
        self.change_datasets(|store| match store {
            Store::Filling(filling) if filling.is_over.load(Ordering::Acquire) => {
                match filling.end() {
                    Some(datasets) => Store::Filled(datasets.share()),
                    None => Store::None,
                }
            }
            other => other,
        });
    }

    /// Frees the processors, so that a crew that gave way to the filling can leave at once.
    fn cancel_filling(&self) {
        if let Store::Filling(filling) = &self.datasets {
            filling.progress.cancel();
        }
    }

    /// Makes what is in the datasets void, and keeps their memory. No machine may be on them.
    fn empty_datasets(&mut self) {
        self.change_datasets(|store| match store {
            Store::Filling(filling) => filling.end().map_or(Store::None, Store::Empty),
            // Always the last owner: machines and their crew are gone.
            Store::Filled(datasets) => datasets.unshare().map_or(Store::None, Store::Empty),
            other => other,
        });
    }

    fn change_datasets(&mut self, change: impl FnOnce(Store) -> Store) {
        self.datasets = change(mem::replace(&mut self.datasets, Store::None));
        if !matches!(self.datasets, Store::Filling(_)) {
            self.report(|status| status.fill = None);
        }
    }

    /// Gets the memory of the datasets if they are wanted, and gives it back if not; says why there are none.
    fn allocate_datasets(
        &mut self,
        config: MinerConfig,
        threads: usize,
        nodes: &[Node],
    ) -> Result<Option<WhyLight>, EngineError> {
        if config.mode == Mode::Light {
            self.drop_datasets();
            return Ok(Some(WhyLight::Asked));
        }
        let is_there = !matches!(self.datasets, Store::None);
        if is_there && nodes.iter().all(|node| self.nodes.contains(node)) {
            return Ok(None);
        }
        let threads = u16::try_from(threads).unwrap_or(u16::MAX);
        let available_mib = self.available_mib(config);
        let each = datasets::is_affordable(nodes.len(), threads, available_mib);
        if is_there {
            // Those that one dataset has to serve may as well read the one that there is.
            if !each {
                return Ok(None);
            }
            self.drop_datasets();
        }
        self.nodes = nodes.to_vec();
        let needed_mib = fast_mode_mib(threads);
        let why_light = match available_mib {
            _ if !Dataset::FITS => WhyLight::TooFewBits,
            Some(available_mib) if available_mib < needed_mib => WhyLight::TooLittleMemory {
                needed_mib,
                available_mib,
            },
            _ => match PerNode::new(nodes, each, config.pages) {
                Ok(datasets) => {
                    self.datasets = Store::Empty(datasets);
                    return Ok(None);
                }
                Err(_) => WhyLight::NotAllocated,
            },
        };
        match config.mode {
            Mode::Fast if !Dataset::FITS => Err(EngineError::DatasetTooLarge),
            Mode::Fast => Err(EngineError::NoDatasetMemory),
            Mode::Auto | Mode::Light => Ok(Some(why_light)),
        }
    }

    /// Memory for fast mode, with what it has already: of datasets that are not filled nobody knows how much that is.
    fn available_mib(&self, config: MinerConfig) -> Option<u32> {
        let held = match &self.datasets {
            Store::Filled(datasets) => u32::try_from(datasets.count()).unwrap_or(u32::MAX),
            Store::None | Store::Empty(_) | Store::Filling(_) => 0,
        };
        let system = || {
            let available = datasets::available_mib(config.pages)?;
            Some(available.saturating_add(held.saturating_mul(DATASET_MIB)))
        };
        config.memory_available_mib.or_else(system)
    }

    /// Keys the cache, in place. What was made of the old key ends first.
    fn key(&mut self, seed: &SeedHash, nodes: &[Node]) -> Result<(), EngineError> {
        if matches!(&self.cache, Some((_, keyed)) if keyed == seed) {
            return Ok(());
        }
        self.cancel_filling();
        self.dismiss_crew();
        self.empty_datasets();
        let old = self
            .cache
            .take()
            .and_then(|(cache, _)| Arc::into_inner(cache));
        let mut cache = match old {
            Some(cache) => cache,
            None => {
                let mut cache = Cache::with_pages(self.made_for.1)?;
                cache.place(&datasets::numbers(nodes));
                cache
            }
        };
        cache.key(seed);
        self.cache = Some((Arc::new(cache), *seed));
        Ok(())
    }

    /// Starts to fill the datasets if they are empty.
    fn fill(&mut self, nice: u8) {
        let Some((cache, _)) = &self.cache else {
            return;
        };
        let mut datasets = match mem::replace(&mut self.datasets, Store::None) {
            Store::Empty(datasets) => datasets,
            other => return self.datasets = other,
        };
        let progress = Arc::new(Progress::new());
        let is_over = Arc::new(AtomicBool::new(false));
        let threads = u16::try_from(self.topology.cpus.len()).unwrap_or(u16::MAX);
        let body = {
            let (cache, progress) = (Arc::clone(cache), Arc::clone(&progress));
            let is_over = Arc::clone(&is_over);
            let desk = Arc::clone(&self.desk);
            move || {
                // Its helpers begin where it is.
                settle(None, nice);
                let filled = datasets.fill(&cache, threads, &progress);
                drop(cache);
                is_over.store(filled.is_ok(), Ordering::Release);
                desk.wish(|_| ());
                datasets
            }
        };
        // A system without threads to spare leaves us in light mode.
        let Ok(thread) = thread::Builder::new().name("rx-fill".into()).spawn(body) else {
            return;
        };
        let (started, shown) = ((self.now)(), Arc::clone(&progress));
        self.report(|status| status.fill = Some((shown, started)));
        self.datasets = Store::Filling(Filling {
            thread,
            progress,
            is_over,
        });
    }

    /// Has the right crew at the best memory there is.
    fn man(
        &mut self,
        plan: Vec<Option<u16>>,
        MinerConfig { nice, tuned, .. }: MinerConfig,
        why_light: Option<WhyLight>,
    ) -> Result<(), EngineError> {
        let Some((cache, _)) = &self.cache else {
            return Err(EngineError::NotKeyed);
        };
        let light = Source::Light(Arc::clone(cache));
        let (source, niceness, why_light) = match &self.datasets {
            Store::Filled(datasets) => (Source::Fast(datasets.clone()), nice, None),
            Store::Filling(_) => {
                let niceness = nice.max(NICE_WHILE_FILLING);
                (light, niceness, Some(WhyLight::Filling))
            }
            Store::Empty(_) | Store::None => {
                (light, nice, why_light.or(Some(WhyLight::NotAllocated)))
            }
        };
        let manning = Manning {
            memory: source.memory(),
            niceness,
            plan,
        };
        if !matches!(&self.crew, Some((_, running)) if *running == manning) {
            self.dismiss_crew();
            let style = Style {
                ways: tuned::ways(tuned, &self.topology, &manning.plan),
                prefetch: tuned::prefetch(tuned),
                niceness,
            };
            let crew = Crew::start(&self.floor, &source, &manning.plan, style)?;
            let threads = u16::try_from(crew.len()).unwrap_or(u16::MAX);
            let pages = source.backing().map(|backing| backing.pages);
            let datasets = source.datasets();
            let nodes = self.topology.nodes(&manning.plan).len();
            self.report(|status| {
                status.threads = threads;
                status.memory = Some(source.memory());
                status.pages = pages;
                status.datasets = datasets;
                status.nodes = nodes;
            });
            self.crew = Some((crew, manning));
        }
        self.report(|status| status.why_light = why_light);
        Ok(())
    }

    /// Puts the job before the crew, unless it has it already.
    fn publish(&mut self, job: Option<&Job>) {
        if self.publisher.current() != job {
            self.publisher.publish(job);
        }
        if let Some((crew, _)) = &self.crew {
            crew.wake();
        }
    }

    fn dismiss_crew(&mut self) {
        let Some((mut crew, _)) = self.crew.take() else {
            return;
        };
        crew.dismiss();
        self.publisher.publish(None);
        crew.join();
        self.report(|status| {
            status.threads = 0;
            status.memory = None;
            status.pages = None;
            (status.datasets, status.nodes) = (0, 0);
            status.why_light = None;
        });
    }

    /// Gives all memory back.
    fn release(&mut self) {
        // The filling first: a crew that gives way to it could not leave at once.
        self.cancel_filling();
        self.dismiss_crew();
        self.drop_datasets();
        self.cache = None;
    }

    /// Gives the memory of the datasets back; those who hash with it end first.
    fn drop_datasets(&mut self) {
        if matches!(self.datasets, Store::Filled(_)) {
            self.dismiss_crew();
        }
        self.empty_datasets();
        self.datasets = Store::None;
    }

    fn report(&self, change: impl FnOnce(&mut Status)) {
        change(&mut locked(&self.desk.status));
    }
}
