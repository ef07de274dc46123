//! The local worker as a rig of the farm: an identity of its own, pinned on both sides.
//!
//! Its files are below `local-worker/` in the controller's data directory. Its key is registered
//! by fingerprint, the controller's key is pinned as its manager; it dials in over loopback like any
//! rig. Removing it with `peer remove` works too: it is asked for again at the next start.

use std::sync::Arc;

use miner_agent::cli::Failure;
use miner_agent::platform;
use miner_agent::store::{Dirs, NodeStore, file, system_rng};
use miner_agent::tls::SpkiPin;
use miner_agent::url::ControllerUrl;
use miner_shared::identity::{Fingerprint, NodeId, Role, Statement};
use miner_shared::text::Name;
use smol::channel::Sender;
use smol::{Executor, Task};

use super::WorkerPlan;
use super::report::Report;
use super::worker::{self, WorkerProcess};
use crate::error::{Code, FarmError};
use crate::farm::{AddPeer, Farm, Proof};

/// The controller, as its local worker has to know it.
#[derive(Clone, Debug)]
pub(super) struct Controller {
    /// Its key.
    pub(super) fingerprint: Fingerprint,
    /// Where it listens.
    pub(super) url: ControllerUrl,
    /// The key that its TLS proves, if it speaks that.
    pub(super) tls_pin: Option<SpkiPin>,
}

/// The local worker, running.
#[derive(Debug)]
pub(super) struct LocalRig {
    id: NodeId,
    /// Dropping it tells the process's keeper to end.
    stop: Sender<()>,
    keeper: Task<()>,
}

impl LocalRig {
    /// Makes what is missing, registers it, and starts the process.
    pub(super) async fn start(
        dirs: &Dirs,
        (controller, chain): (Controller, &[Statement]),
        plan: WorkerPlan,
        farm: &Arc<Farm>,
        report: &Arc<Report>,
        executor: &Arc<Executor<'static>>,
    ) -> Result<Self, Failure> {
        let root = dirs.data().join("local-worker");
        let store = NodeStore::new(Dirs::below(&root));
        let rig = identity(&store, controller.fingerprint, chain)?;
        register(farm, rig).await.map_err(Failure::new)?;
        report.watch(rig.node_id());
        let process = WorkerProcess {
            root,
            owner: dirs.owner(),
            controller,
            plan,
        };
        let (stop, stopped) = smol::channel::bounded(1);
        let keeper = worker::keep(process, stopped, Arc::clone(report), Arc::clone(executor));
        Ok(Self {
            id: rig.node_id(),
            stop,
            keeper: executor.spawn(keeper),
        })
    }

    /// Its node ID.
    pub(super) const fn id(&self) -> NodeId {
        self.id
    }

    /// Ends the process; within 2 s.
    pub(super) async fn end(self) {
        drop(self.stop);
        self.keeper.await;
    }
}

/// The rig's key, with the controller as its only manager, also if that one has changed its key as
/// `chain` says.
fn identity(
    store: &NodeStore,
    controller: Fingerprint,
    chain: &[Statement],
) -> Result<Fingerprint, Failure> {
    let rig = store.load_or_create(platform::host_name(), Role::Worker, &mut system_rng())?;
    store.follow_manager(None, &controller, chain)?;
    let managers = store.managers()?;
    if managers.first().is_some_and(|first| first != controller) {
        // The controller has a new identity; what the old one said is not to be obeyed any more.
        file::remove(&store.dirs().managers())?;
        file::remove(&store.dirs().state())?;
    }
    store.pin_manager(rig.fingerprint(), controller)?;
    Ok(rig.fingerprint())
}

/// Puts the rig into the registry, under the host's name or, where that is taken, another.
async fn register(farm: &Arc<Farm>, rig: Fingerprint) -> Result<(), FarmError> {
    if farm.peer(rig.node_id()).is_ok() {
        return Ok(());
    }
    let host = platform::host_name();
    let second = Name::parse(&format!("{host}-local")).ok();
    for name in [Some(host), second].into_iter().flatten() {
        match add(farm, rig, Some(name)).await {
            Err(error) if error.code == Code::PeerNameTaken => {}
            done => return done,
        }
    }
    // Its node ID serves.
    add(farm, rig, None).await
}

async fn add(farm: &Arc<Farm>, rig: Fingerprint, name: Option<Name>) -> Result<(), FarmError> {
    let peer = AddPeer {
        address: None,
        name,
        proof: Proof::Fingerprint(rig),
    };
    farm.add_peer(peer).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use miner_shared::identity::NodeKeys;

    use super::*;

    #[test]
    fn the_local_worker_obeys_its_controller_alone() {
        let root = tempfile::tempdir().expect("temporary folder");
        let store = NodeStore::new(Dirs::below(root.path()));
        let (old, new) = (Fingerprint([1; 32]), Fingerprint([2; 32]));
        let rig = identity(&store, old, &[]).expect("made");
        assert_eq!(identity(&store, old, &[]).expect("kept"), rig);
        assert_eq!(identity(&store, new, &[]).expect("kept"), rig);
        let managers: Vec<Fingerprint> = store
            .managers()
            .expect("readable")
            .iter()
            .copied()
            .collect();
        assert_eq!(managers, [new]);
    }

    #[test]
    fn the_local_worker_keeps_its_state_when_its_controller_changes_keys() {
        let root = tempfile::tempdir().expect("temporary folder");
        let store = NodeStore::new(Dirs::below(root.path()));
        let [old, new] = [1, 2].map(|seed| NodeKeys::from_seed(&[seed; 32]));
        identity(&store, old.fingerprint(), &[]).expect("made");
        let state = store.dirs().state();
        std::fs::write(&state, "kept").expect("ours");
        let chain = [Statement::by_old(&old, &new)];
        identity(&store, new.fingerprint(), &chain).expect("followed");
        let managers = store.managers().expect("readable");
        let managers: Vec<_> = managers.iter().copied().collect();
        assert_eq!(managers, [new.fingerprint()]);
        assert!(state.exists());
    }

    #[test]
    fn the_local_worker_is_a_worker_only() {
        let root = tempfile::tempdir().expect("temporary folder");
        let store = NodeStore::new(Dirs::below(root.path()));
        identity(&store, Fingerprint([1; 32]), &[]).expect("made");
        let node = store.load().expect("readable").expect("there");
        assert_eq!(node.role, Role::Worker);
    }
}
