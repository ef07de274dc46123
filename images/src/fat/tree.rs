//! The files of a volume, before they are one.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

use super::{FatError, name};

/// Folders within folders, the volume's root not counted.
const MAX_DEPTH: usize = 8;

/// Files by their path. Folders are made as needed, and the order in which files were added does not
/// show in the volume.
#[derive(Clone, Debug, Default)]
pub struct Tree<'a> {
    pub(super) root: Folder<'a>,
}

/// Children by their names in capitals, for FAT does not tell those from small letters.
#[derive(Clone, Debug, Default)]
pub(super) struct Folder<'a>(pub(super) BTreeMap<String, Child<'a>>);

#[derive(Clone, Debug)]
pub(super) struct Child<'a> {
    pub(super) name: String,
    pub(super) node: Node<'a>,
}

#[derive(Clone, Debug)]
pub(super) enum Node<'a> {
    File(Cow<'a, [u8]>),
    Folder(Folder<'a>),
}

impl<'a> Tree<'a> {
    /// Adds a file. The path's parts are joined by `/`; it may begin with one.
    pub fn add(&mut self, path: &str, bytes: impl Into<Cow<'a, [u8]>>) -> Result<(), FatError> {
        let bytes = bytes.into();
        let bad = || FatError::BadPath(path.to_owned());
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let too_long = u32::try_from(bytes.len()).is_err();
        let Some((file, folders)) = parts.split_last() else {
            return Err(bad());
        };
        if too_long || folders.len() > MAX_DEPTH || !parts.iter().all(|part| name::is_valid(part)) {
            return Err(bad());
        }
        let mut folder = &mut self.root;
        for part in folders {
            let child = folder.0.entry(part.to_ascii_uppercase());
            let child = child.or_insert_with(|| Child {
                name: (*part).to_owned(),
                node: Node::Folder(Folder::default()),
            });
            let Node::Folder(inner) = &mut child.node else {
                return Err(FatError::Twice(path.to_owned()));
            };
            folder = inner;
        }
        let child = Child {
            name: (*file).to_owned(),
            node: Node::File(bytes),
        };
        match folder.0.entry(file.to_ascii_uppercase()) {
            Slot::Vacant(slot) => slot.insert(child),
            Slot::Occupied(_) => return Err(FatError::Twice(path.to_owned())),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_once_whatever_its_case() {
        let mut tree = Tree::default();
        tree.add("EFI/Linux/a.efi", &b""[..]).unwrap();
        tree.add("/efi/BOOT/BOOTX64.EFI", &b""[..]).unwrap();
        let twice = |path: &str| Err(FatError::Twice(path.to_owned()));
        assert_eq!(
            tree.add("EFI/linux/A.EFI", &b""[..]),
            twice("EFI/linux/A.EFI")
        );
        assert_eq!(tree.add("EFI/Linux", &b""[..]), twice("EFI/Linux"));
        let mut tree = Tree::default();
        tree.add("a", &b""[..]).unwrap();
        assert_eq!(tree.add("A/b", &b""[..]), twice("A/b"));
    }

    #[test]
    fn paths_that_leave_the_volume_or_have_empty_parts_are_refused() {
        for path in [
            "",
            "/",
            "a//b",
            "a/",
            "../a",
            "a/./b",
            "1/2/3/4/5/6/7/8/9/a",
        ] {
            let added = Tree::default().add(path, &b""[..]);
            assert_eq!(added, Err(FatError::BadPath(path.to_owned())));
        }
    }
}
