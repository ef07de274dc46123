//! Kernel modules: all of `/lib/modules.order`, in that order, as an image's builder wrote it.
//!
//! Each line is a path below `/lib/modules`, dependencies first. There is no modprobe in an image, so what
//! the kernel would ask it for has to be in the list. A module whose hardware is not there does nothing.
//! Afterwards the files are removed, which gives their memory back, and no more modules can be loaded: not
//! even by who took over a process with root's rights.

use std::fs::{self, File};
use std::path::{Component, Path};

use log::{debug, info, warn};
use rustix::io::Errno;
use rustix::system::finit_module;

use super::Root;

/// `MODULE_INIT_COMPRESSED_FILE`, linux/module.h: the kernel unpacks it.
const COMPRESSED: i32 = 4;
/// Longest list of modules, in lines.
const MAX_MODULES: usize = 1_024;

/// Loads all modules.
pub(super) fn load_all(root: &Root) {
    let list = root.text("lib/modules.order").unwrap_or_default();
    let (mut loaded, mut failed) = (0_u32, 0_u32);
    for name in names(&list) {
        let path = root.at("lib/modules").join(name);
        match load(&path) {
            Ok(()) | Err(Errno::EXIST) => loaded += 1,
            // Its hardware is not there.
            Err(Errno::NODEV) => debug!("module {name}: no such device"),
            Err(error) => {
                failed += 1;
                warn!("module {name}: {error}");
            }
        }
        let _ = fs::remove_file(&path);
    }
    if loaded + failed > 0 {
        info!("modules loaded={loaded} failed={failed}");
        let lock = root.at("proc/sys/kernel/modules_disabled");
        if let Err(error) = fs::write(lock, "1") {
            warn!("modules can be loaded still: {error}");
        }
    }
}

/// The paths of a list that stay below its folder.
fn names(list: &str) -> impl Iterator<Item = &str> {
    let inside = |name: &&str| {
        let mut parts = Path::new(name).components();
        !name.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
    };
    list.lines().map(str::trim).filter(inside).take(MAX_MODULES)
}

fn load(path: &Path) -> Result<(), Errno> {
    let file = File::open(path).map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))?;
    let packed = path.extension().is_some_and(|ending| ending != "ko");
    finit_module(&file, c"", if packed { COMPRESSED } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_lead_out_of_the_folder_are_no_modules() {
        let list = "a.ko\n\n  net/b.ko.zst \n../c.ko\n/d.ko\nnet/../../e.ko\n";
        assert_eq!(names(list).collect::<Vec<_>>(), ["a.ko", "net/b.ko.zst"]);
    }

    #[test]
    fn without_modules_the_kernel_is_left_as_it_is() {
        let (_folder, root) = Root::with(&[("proc/sys/kernel/modules_disabled", "0")]);
        load_all(&root);
        assert_eq!(
            root.text("proc/sys/kernel/modules_disabled"),
            Some("0".into())
        );
    }
}
