//! Kernel modules: which ones an image takes, and in which order they are loaded.
//!
//! A module says in its section `.modinfo`, as `KEY=VALUE` with NULs between, what it needs:
//!
//! | key                | meaning                                                                  |
//! |--------------------|--------------------------------------------------------------------------|
//! | `depends=a,b`      | modules whose symbols it uses: must be loaded before                     |
//! | `softdep=pre: a b` | modules, or aliases of modules, that are better loaded before, if there  |
//! | `alias=x`          | another name of this module                                              |
//!
//! There is no modprobe in an image, so the closure is made here: depth first, each module after what it
//! needs. In names `-` and `_` are the same. What the kernel has built in (`modules.builtin`) needs no file.

use std::collections::{BTreeMap, BTreeSet};

use crate::deb::unpack;
use crate::elf::Elf;

mod sets;

pub use sets::{GROUPS, Group, Set, wanted};

/// Largest module, unpacked, in bytes; amdgpu has 25 MB.
const MAX_MODULE: u64 = 64 * 1024 * 1024;

/// Why modules cannot be put together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModulesError {
    /// A file that is no module.
    #[error("{0}: no kernel module; take the kernel and its modules from one package")]
    Broken(String),
    /// A module that is wanted and is not there.
    #[error("this kernel has no module {name}{}; take another kernel or another set", .by.as_ref().map(|by| format!(", which {by} needs")).unwrap_or_default())]
    Unknown {
        /// Its name.
        name: String,
        /// The module that depends on it.
        by: Option<String>,
    },
}

/// One module.
#[derive(Clone, Debug)]
pub struct Module {
    /// Its name, with `_` for `-`.
    pub name: String,
    /// The file's name without its folder, such as `usb-storage.ko`.
    pub file: String,
    /// The file, not compressed.
    pub bytes: Vec<u8>,
    depends: Vec<String>,
    before: Vec<String>,
}

/// All modules of one kernel.
#[derive(Clone, Debug, Default)]
pub struct Modules {
    by_name: BTreeMap<String, Module>,
    by_alias: BTreeMap<String, BTreeSet<String>>,
    builtin: BTreeSet<String>,
}

impl Modules {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a path is that of a module: `….ko`, or the same packed.
    pub fn is_module(path: &str) -> bool {
        [".ko", ".ko.xz", ".ko.zst", ".ko.gz"]
            .iter()
            .any(|end| path.ends_with(end))
    }

    /// Adds the module of this file, unpacking it if it is packed.
    ///
    /// # Errors
    /// It is no module.
    pub fn add(&mut self, path: &str, bytes: Vec<u8>) -> Result<(), ModulesError> {
        let broken = || ModulesError::Broken(path.to_owned());
        let (name, file) = names_of(path).ok_or_else(broken)?;
        let bytes = if path.ends_with(".ko") {
            bytes
        } else {
            unpacked(&bytes).ok_or_else(broken)?
        };
        let info = Elf::parse(&bytes)
            .and_then(|elf| elf.section(".modinfo"))
            .ok_or_else(broken)?;
        let (mut depends, mut before) = (Vec::new(), Vec::new());
        for entry in info.split(|byte| *byte == 0) {
            let entry = str::from_utf8(entry).unwrap_or_default();
            match entry.split_once('=') {
                Some(("depends", list)) => {
                    depends.extend(list.split(',').filter(|one| !one.is_empty()).map(plain));
                }
                Some(("softdep", list)) => before.extend(pre(list).map(plain)),
                Some(("alias", alias)) if !alias.contains(['*', '?', '[']) => {
                    let named = self.by_alias.entry(plain(alias)).or_default();
                    named.insert(name.clone());
                }
                _ => {}
            }
        }
        let module = Module {
            name: name.clone(),
            file,
            bytes,
            depends,
            before,
        };
        self.by_name.insert(name, module);
        Ok(())
    }

    /// Takes the list of what is built in: a path in each line.
    pub fn add_builtin(&mut self, list: &str) {
        let names = list.lines().filter_map(names_of).map(|(name, _)| name);
        self.builtin.extend(names);
    }

    /// The wanted modules and what they need, in the order of loading.
    ///
    /// # Errors
    /// One of them, or of what they depend on, is neither a module nor built in.
    pub fn closure(&self, wanted: &[&str]) -> Result<Vec<&Module>, ModulesError> {
        let mut closure = Closure {
            all: self,
            seen: BTreeSet::new(),
            order: Vec::new(),
        };
        for name in wanted {
            closure.visit(&plain(name), None)?;
        }
        Ok(closure.order)
    }

    /// Modules with this name or alias.
    fn known_as<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Module> {
        let aliased = self.by_alias.get(name).into_iter().flatten();
        self.by_name
            .get(name)
            .into_iter()
            .chain(aliased.filter_map(|name| self.by_name.get(name)))
    }
}

struct Closure<'a> {
    all: &'a Modules,
    seen: BTreeSet<&'a str>,
    order: Vec<&'a Module>,
}

impl<'a> Closure<'a> {
    fn visit(&mut self, name: &str, by: Option<&Module>) -> Result<(), ModulesError> {
        if self.all.builtin.contains(name) {
            return Ok(());
        }
        let module = self.all.by_name.get(name);
        let module = module.ok_or_else(|| ModulesError::Unknown {
            name: name.to_owned(),
            by: by.map(|module| module.name.clone()),
        })?;
        self.add(module)
    }

    fn add(&mut self, module: &'a Module) -> Result<(), ModulesError> {
        if !self.seen.insert(&module.name) {
            return Ok(());
        }
        for name in &module.before {
            for other in self.all.known_as(name) {
                self.add(other)?;
            }
        }
        for name in &module.depends {
            self.visit(name, Some(module))?;
        }
        self.order.push(module);
        Ok(())
    }
}

/// The one spelling of a module's name.
fn plain(name: &str) -> String {
    name.replace('-', "_")
}

/// Name and file name of a module's path.
fn names_of(path: &str) -> Option<(String, String)> {
    let file = path.rsplit('/').next()?;
    let stem = file.get(..file.find(".ko")?)?;
    (!stem.is_empty()).then(|| (plain(stem), format!("{stem}.ko")))
}

fn unpacked(packed: &[u8]) -> Option<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let reader = unpack(Box::new(packed)).ok()?;
    let len = reader.take(MAX_MODULE + 1).read_to_end(&mut bytes).ok()?;
    (len as u64 <= MAX_MODULE).then_some(bytes)
}

/// The names between `pre:` and `post:`.
fn pre(softdep: &str) -> impl Iterator<Item = &str> {
    let mut taken = false;
    softdep.split_whitespace().filter(move |word| {
        match *word {
            "pre:" => taken = true,
            "post:" => taken = false,
            _ => return taken,
        }
        false
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::elf::tests::with_section;

    /// A kernel with these modules: path, and what stands in `.modinfo`.
    pub(crate) fn kernel(modules: &[(&str, &str)]) -> Modules {
        let mut all = Modules::new();
        for (path, info) in modules {
            let elf = with_section(".modinfo", info.as_bytes());
            all.add(path, elf).unwrap();
        }
        all
    }

    fn order(all: &Modules, wanted: &[&str]) -> Vec<String> {
        let closure = all.closure(wanted).unwrap();
        closure.iter().map(|module| module.file.clone()).collect()
    }

    #[test]
    fn what_a_module_needs_is_loaded_before_it() {
        let all = kernel(&[
            (
                "net/r8169.ko",
                "depends=mii,libphy\0softdep=pre: realtek post: late\0",
            ),
            ("net/mii.ko", "depends=\0"),
            ("net/libphy.ko", ""),
            ("net/realtek.ko", "depends=libphy\0"),
            ("net/late.ko", ""),
        ]);
        assert_eq!(
            order(&all, &["r8169", "mii"]),
            ["libphy.ko", "realtek.ko", "mii.ko", "r8169.ko"]
        );
    }

    #[test]
    fn dash_and_underscore_are_the_same_in_names() {
        let all = kernel(&[
            ("usb/usb-storage.ko", "depends=usb_common\0"),
            ("usb/usb-common.ko", ""),
        ]);
        assert_eq!(
            order(&all, &["usb_storage", "usb-storage"]),
            ["usb-common.ko", "usb-storage.ko"]
        );
    }

    #[test]
    fn what_is_built_in_needs_no_file() {
        let mut all = kernel(&[("a.ko", "depends=usb_common\0")]);
        all.add_builtin("kernel/drivers/usb/common/usb-common.ko\n");
        assert_eq!(order(&all, &["a", "usb_common"]), ["a.ko"]);
    }

    #[test]
    fn an_unknown_name_is_an_error_that_names_it() {
        let all = kernel(&[("a.ko", "depends=b\0")]);
        let error = all.closure(&["frob"]).unwrap_err().to_string();
        assert_eq!(
            error,
            "this kernel has no module frob; take another kernel or another set"
        );
        let error = all.closure(&["a"]).unwrap_err().to_string();
        assert!(error.contains("no module b, which a needs"), "{error}");
    }

    #[test]
    fn a_soft_dependency_may_be_an_alias_or_missing() {
        let all = kernel(&[
            ("fs.ko", "softdep=pre: crypto-crc32c gone\0"),
            ("crc32c_generic.ko", "alias=crypto-crc32c\0alias=pci:*\0"),
        ]);
        assert_eq!(order(&all, &["fs"]), ["crc32c_generic.ko", "fs.ko"]);
    }

    #[test]
    fn modules_that_need_each_other_end() {
        let all = kernel(&[("a.ko", "depends=b\0"), ("b.ko", "depends=a\0")]);
        assert_eq!(order(&all, &["a"]), ["b.ko", "a.ko"]);
    }

    #[test]
    fn a_file_that_is_no_module_is_refused() {
        for (path, bytes) in [("a.ko", &b"text"[..]), ("a.ko.xz", b"text"), ("a.txt", b"")] {
            let refused = Modules::new().add(path, bytes.to_vec());
            assert_eq!(refused, Err(ModulesError::Broken(path.to_owned())));
        }
    }
}
