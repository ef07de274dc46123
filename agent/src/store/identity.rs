//! Key file and public identity: made once, loaded with care.
//!
//! | `private.key` | `node.json` | `load` |
//! |---|---|---|
//! | none | none | not a node yet |
//! | good | good, same key | the node |
//! | good | none | the node under the machine's host name, role dual; written anew by `load_or_create` |
//! | good | of a key that it replaced, as `succession` shows | the node; written anew by `load_or_create` |
//! | good | damaged or of another key | refused: remove `node.json` |
//! | none | there | refused: the key is lost |
//! | damaged or readable by others | any | refused |

use std::path::Path;

use data_encoding::BASE64;
use heapless::Vec;
use miner_shared::identity::{Fingerprint, NodeKeys, Pin, Role, Statement, key_file};
use miner_shared::json::Value;
use miner_shared::limits::MAX_STATEMENTS;
use miner_shared::text::{Label, Name};
use rand_core::CryptoRng;

use super::file::{self, Access};
use super::{NodeStore, StoreError, lead};
use crate::{clock, platform};

/// An initialised node.
#[derive(Debug)]
pub struct Node {
    /// Its keys.
    pub keys: NodeKeys,
    /// Its name.
    pub name: Name,
    /// What it may be.
    pub role: Role,
    /// When it was made, RFC 3339; `None` if the clock was unset then.
    pub created_at: Option<Label>,
    /// How its key took the place of earlier ones, oldest first; the last statement names this key.
    pub chain: Vec<Statement, MAX_STATEMENTS>,
}

impl NodeStore {
    /// The node, or `None` if this is none yet.
    pub fn load(&self) -> Result<Option<Node>, StoreError> {
        Ok(self.load_with_public()?.map(|(node, _)| node))
    }

    /// The node, and the fingerprint in its public identity, which a cut may have left behind.
    fn load_with_public(&self) -> Result<Option<(Node, Option<Fingerprint>)>, StoreError> {
        let key = self.dirs().private_key();
        let json = self.dirs().node_json();
        let public = file::read(&json, Access::Public, MAX_JSON)?;
        let Some(bytes) = file::read(&key, Access::Private, MAX_KEY)?.map(zeroize::Zeroizing::new)
        else {
            return match public {
                Some(_) => Err(StoreError::KeyMissing { key, json }),
                None => Ok(None),
            };
        };
        let seed = key_file::decode(&bytes).map_err(|_| StoreError::Damaged(key))?;
        let keys = NodeKeys::from_seed(&seed);
        let chain = self.chain_to(keys.public())?;
        let node = Node {
            keys,
            name: platform::host_name(),
            role: Role::Dual,
            created_at: None,
            chain,
        };
        let Some(public) = public else {
            return Ok(Some((node, None)));
        };
        let (node, shown) = parse_json(&json, &public, node)?;
        if shown == node.fingerprint() || node.replaced(shown) {
            return Ok(Some((node, Some(shown))));
        }
        Err(StoreError::KeyMismatch(json))
    }

    /// Makes a new node. Refused if there is one.
    pub fn init(
        &self,
        name: Name,
        role: Role,
        rng: &mut dyn CryptoRng,
    ) -> Result<Node, StoreError> {
        if self.load()?.is_some() {
            return Err(StoreError::Exists(self.dirs().private_key()));
        }
        let keys = NodeKeys::generate(rng);
        let bytes = key_file::encode(keys.seed());
        // Key first: a cut in between leaves a node that the next start completes.
        file::create(&self.dirs().private_key(), &*bytes, Access::Private)?;
        let created_at = clock::wall_secs().map(|secs| Label::lossy(&clock::rfc3339(secs)));
        let node = Node {
            keys,
            name,
            role,
            created_at,
            chain: Vec::new(),
        };
        self.write_json(&node)?;
        Ok(node)
    }

    /// The node, made now under this name and role if there is none. What a serving verb calls.
    pub fn load_or_create(
        &self,
        name: Name,
        role: Role,
        rng: &mut dyn CryptoRng,
    ) -> Result<Node, StoreError> {
        let Some((node, shown)) = self.load_with_public()? else {
            return self.init(name, role, rng);
        };
        if shown != Some(node.fingerprint()) {
            self.write_json(&node)?;
        }
        Ok(node)
    }

    pub(super) fn write_json(&self, node: &Node) -> Result<(), StoreError> {
        let text = node.to_json();
        file::write(&self.dirs().node_json(), text.as_bytes(), Access::Public)
    }
}

impl Node {
    /// The node's identity.
    pub fn fingerprint(&self) -> Fingerprint {
        self.keys.fingerprint()
    }

    /// Whether this node's key took the place of the one with this fingerprint.
    pub fn replaced(&self, fingerprint: Fingerprint) -> bool {
        lead(
            Pin::new(fingerprint),
            &self.fingerprint(),
            self.chain.iter(),
        )
        .is_some()
    }

    /// The content of `node.json`.
    pub fn to_json(&self) -> String {
        self.json("")
    }

    /// What `node info --json` prints: the same, and the number of statements that the node shows.
    pub fn info_json(&self) -> String {
        self.json(&format!(",\n  \"statements\": {}", self.chain.len()))
    }

    /// Nothing in it needs escaping: names hold letters, digits, `-_.` and spaces.
    fn json(&self, more: &str) -> String {
        let (fingerprint, public) = (self.fingerprint(), self.keys.public());
        let created = match &self.created_at {
            Some(at) => format!("\"{at}\""),
            None => String::from("null"),
        };
        format!(
            "{{\n  \"id\": \"{}\",\n  \"name\": \"{}\",\n  \"role\": \"{}\",\n  \
             \"publicKey\": \"{}\",\n  \"signingKey\": \"{}\",\n  \
             \"fingerprint\": \"{fingerprint}\",\n  \"createdAt\": {created}{more}\n}}\n",
            fingerprint.node_id(),
            self.name,
            self.role,
            BASE64.encode(&public.x25519),
            BASE64.encode(&public.ed25519),
        )
    }
}

/// The node under the name and role of its public identity, and the fingerprint that stands there.
fn parse_json(path: &Path, bytes: &[u8], node: Node) -> Result<(Node, Fingerprint), StoreError> {
    let damaged = || StoreError::Damaged(path.to_owned());
    let value = Value::parse(bytes).map_err(|_| damaged())?;
    let text = |key| value.get(key)?.text::<MAX_TEXT>();
    let fingerprint = text("fingerprint").ok_or_else(damaged)?;
    let fingerprint = fingerprint.as_str().parse();
    let name = text("name").and_then(|name| Name::parse(name.as_str()).ok());
    let role = text("role").and_then(|role| role.as_str().parse().ok());
    let node = Node {
        name: name.ok_or_else(damaged)?,
        role: role.ok_or_else(damaged)?,
        created_at: text("createdAt").map(|at| Label::lossy(at.as_str())),
        ..node
    };
    let fingerprint = fingerprint.map_err(|_| StoreError::KeyMismatch(path.to_owned()))?;
    Ok((node, fingerprint))
}

/// Far above what is ever written.
const MAX_JSON: u64 = 4_096;
/// One byte more would be refused anyhow; the format's own error is the better one.
const MAX_KEY: u64 = 1_024;
const MAX_TEXT: usize = 128;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::super::{Dirs, system_rng};
    use super::*;

    fn store() -> (tempfile::TempDir, NodeStore) {
        let root = tempfile::tempdir().expect("temporary folder");
        let store = NodeStore::new(Dirs::below(root.path()));
        (root, store)
    }

    fn init(store: &NodeStore) -> Node {
        let name = Name::parse("rig-alpha").expect("valid");
        store
            .init(name, Role::Worker, &mut system_rng())
            .expect("new")
    }

    #[test]
    fn a_node_is_made_once_and_found_again() {
        let (_root, store) = store();
        assert!(store.load().expect("readable").is_none());
        let made = init(&store);
        let found = store.load().expect("readable").expect("there");
        assert_eq!(found.fingerprint(), made.fingerprint());
        assert_eq!(
            (found.name.as_str(), found.role),
            ("rig-alpha", Role::Worker)
        );
        assert_eq!(found.created_at, made.created_at);
        let again = store.init(made.name, Role::Dual, &mut system_rng());
        assert!(matches!(again, Err(StoreError::Exists(_))));
    }

    #[test]
    fn the_key_file_is_private_and_node_json_is_not() {
        let (_root, store) = store();
        init(&store);
        let mode = |path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(store.dirs().private_key()), 0o600);
        assert_eq!(mode(store.dirs().node_json()), 0o644);
        assert_eq!(
            fs::read(store.dirs().private_key()).expect("there").len(),
            48
        );
        let json = fs::read_to_string(store.dirs().node_json()).expect("there");
        let key = fs::read(store.dirs().private_key()).expect("there");
        let seed = &key[8..40];
        assert!(
            !json.contains(&BASE64.encode(seed)),
            "the seed stays private"
        );
    }

    #[test]
    fn a_damaged_key_is_refused_and_not_replaced() {
        let (_root, store) = store();
        init(&store);
        let path = store.dirs().private_key();
        let mut key = fs::read(&path).expect("there");
        key[20] ^= 1;
        fs::write(&path, &key).expect("ours");
        let name = Name::parse("x").expect("valid");
        for outcome in [
            store.load().map(|_| ()),
            store
                .init(name.clone(), Role::Dual, &mut system_rng())
                .map(|_| ()),
            store
                .load_or_create(name, Role::Dual, &mut system_rng())
                .map(|_| ()),
        ] {
            assert!(matches!(outcome, Err(StoreError::Damaged(_))));
        }
        assert_eq!(fs::read(&path).expect("there"), key);
    }

    #[test]
    fn a_key_that_others_may_read_is_refused_with_the_command_that_helps() {
        let (_root, store) = store();
        init(&store);
        let path = store.dirs().private_key();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("ours");
        let error = store.load().expect_err("too open").to_string();
        assert!(
            error.contains(&format!("chmod 600 {}", path.display())),
            "{error}"
        );
    }

    #[test]
    fn a_lost_key_does_not_become_a_new_identity() {
        let (_root, store) = store();
        let node = init(&store);
        fs::remove_file(store.dirs().private_key()).expect("ours");
        let outcome = store.load_or_create(node.name, Role::Dual, &mut system_rng());
        assert!(matches!(outcome, Err(StoreError::KeyMissing { .. })));
    }

    #[test]
    fn a_lost_node_json_is_written_anew_and_a_foreign_one_is_refused() {
        let (_root, store) = store();
        let node = init(&store);
        let (_other_root, other) = self::store();
        init(&other);
        fs::copy(other.dirs().node_json(), store.dirs().node_json()).expect("ours");
        assert!(matches!(store.load(), Err(StoreError::KeyMismatch(_))));
        fs::write(store.dirs().node_json(), "{").expect("ours");
        assert!(matches!(store.load(), Err(StoreError::Damaged(_))));
        fs::remove_file(store.dirs().node_json()).expect("ours");
        let name = Name::parse("ignored").expect("valid");
        let found = store
            .load_or_create(name, Role::Worker, &mut system_rng())
            .expect("there");
        assert_eq!(found.fingerprint(), node.fingerprint());
        assert!(store.dirs().node_json().exists());
    }
}
