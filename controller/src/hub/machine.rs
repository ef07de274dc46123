//! What a rig's machine is: asked once on every link, and kept in the registry, so that rigs can be
//! chosen by their processor, and woken, while they are off.
//!
//! Nobody waits for the answer, so it is no request with a deadline: a link that breaks before it has
//! a successor on which the rig is asked again.

use miner_shared::identity::Fingerprint;
use miner_shared::wire::{Interface, NodeInfo, Query};

use super::conn::Outgoing;
use super::{ConnId, Env, Hub};
use crate::registry::MachineRecord;

impl Hub {
    /// A link is up: asks what is at its other end.
    pub(super) fn ask_machine(&mut self, env: &mut Env<'_>, conn: ConnId) {
        self.next_query = self.next_query.wrapping_add(1);
        self.send(env, conn, Outgoing::Query(self.next_query, Query::GetInfo));
        let version = self.conns.get(&conn).and_then(|conn| conn.link.peer());
        if version.is_some_and(|peer| Query::GetNetwork.since() <= peer.version) {
            self.next_query = self.next_query.wrapping_add(1);
            self.send(
                env,
                conn,
                Outgoing::Query(self.next_query, Query::GetNetwork),
            );
        }
    }

    /// A rig has said it.
    pub(super) fn on_machine(&mut self, env: &mut Env<'_>, key: &Fingerprint, info: &NodeInfo) {
        env.registry.note_machine(key, MachineRecord::from(info));
    }

    /// A rig has said by which interfaces it is woken.
    pub(super) fn on_network(
        &mut self,
        env: &mut Env<'_>,
        key: &Fingerprint,
        interfaces: &[Interface],
    ) {
        env.registry.note_interfaces(key, interfaces);
    }
}
