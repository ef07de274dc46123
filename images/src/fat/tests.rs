//! Volumes written and read back. What `fsck.vfat` and mtools make of them is in `tests/tools.rs`.

use super::*;

const MIB: u32 = 2048;

fn spec(sectors: u32, kind: Option<FatKind>) -> Volume<'static> {
    Volume {
        label: "FARMBOOT",
        serial: 0x1234_5678,
        sectors,
        hidden: 4096,
        kind,
    }
}

/// Files of awkward lengths and names, in folders.
fn files() -> Vec<(String, Vec<u8>)> {
    let lengths = [0, 1, 511, 512, 513, 4096, 100_000];
    let mut files: Vec<_> = lengths
        .iter()
        .map(|length| {
            let bytes = (0..=250).cycle().take(*length).collect();
            (
                format!("loader/entries/entry-of-{length}-bytes.conf"),
                bytes,
            )
        })
        .collect();
    files.push(("EFI/BOOT/BOOTX64.EFI".to_owned(), vec![1; 3000]));
    files.push(("EFI/Linux/miner-1.2.3+3.efi".to_owned(), vec![2; 70_000]));
    files.push(("vmlinuz".to_owned(), vec![3; 9]));
    files
}

fn tree(files: &[(String, Vec<u8>)]) -> Tree<'_> {
    let mut tree = Tree::default();
    for (path, bytes) in files {
        tree.add(path, &bytes[..]).unwrap();
    }
    tree
}

#[test]
fn what_is_written_reads_back_on_every_kind() {
    let files = files();
    for (sectors, kind) in [
        (2 * MIB, FatKind::Fat12),
        (8 * MIB, FatKind::Fat16),
        (40 * MIB, FatKind::Fat32),
    ] {
        let image = spec(sectors, Some(kind)).format(tree(&files)).unwrap();
        assert_eq!(image.len(), u64::from(sectors) * 512);
        let bytes = image.to_vec();
        let reader = Reader::open(&bytes).unwrap();
        assert_eq!(reader.kind(), kind);
        assert_eq!(reader.label(), "FARMBOOT");
        assert_eq!(reader.root_label().unwrap().as_deref(), Some("FARMBOOT"));
        for (path, content) in &files {
            assert_eq!(reader.read(path).as_ref(), Ok(content), "{path} on {kind}");
        }
        let listed = reader.list().unwrap();
        let folders: Vec<&str> = listed
            .iter()
            .filter(|entry| entry.is_folder)
            .map(|entry| &entry.path[..])
            .collect();
        let want = ["EFI", "EFI/BOOT", "EFI/Linux", "loader", "loader/entries"];
        assert_eq!(folders, want);
        assert_eq!(listed.len(), folders.len() + files.len());
    }
}

#[test]
fn the_boot_sector_says_where_the_volume_lies_and_which_it_is() {
    for (sectors, kind, serial_at) in [(8 * MIB, None, 39), (40 * MIB, Some(FatKind::Fat32), 67)] {
        let bytes = spec(sectors, kind)
            .format(Tree::default())
            .unwrap()
            .to_vec();
        assert_eq!(bytes[28..32], 4096_u32.to_le_bytes());
        assert_eq!(
            bytes[serial_at..serial_at + 4],
            0x1234_5678_u32.to_le_bytes()
        );
    }
}

#[test]
fn fat32_has_a_copy_of_its_head_and_knows_what_is_free() {
    let files = vec![("A".to_owned(), vec![1; 5 * 512])];
    let volume = spec(40 * MIB, Some(FatKind::Fat32));
    let bytes = volume.format(tree(&files)).unwrap().to_vec();
    assert_eq!(bytes[..1024], bytes[6 * 512..8 * 512]);
    let u32_at = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|n| bytes[at + n]));
    let clusters = geometry::Geometry::new(40 * MIB, volume.kind)
        .unwrap()
        .clusters;
    // The root folder has one cluster, the file five.
    assert_eq!(u32_at(512 + 488), clusters - 6);
    assert_eq!(u32_at(512 + 492), 2 + 6);
}

#[test]
fn a_folder_names_itself_and_its_parent() {
    let files = vec![("A/B/C".to_owned(), vec![1])];
    let bytes = spec(8 * MIB, None).format(tree(&files)).unwrap().to_vec();
    let geometry = geometry::Geometry::new(8 * MIB, None).unwrap();
    let dots = |cluster| {
        let at = usize::try_from(geometry.cluster_at(cluster)).unwrap();
        let (names, links) = ([at, at + 32], [at + 26, at + 32 + 26]);
        (
            names.map(|at| &bytes[at..at + 3]),
            links.map(|at| bytes[at]),
        )
    };
    // A is cluster 2 in the root folder, which counts as 0; B is cluster 3.
    assert_eq!(dots(2), ([&b".  "[..], b".. "], [2, 0]));
    assert_eq!(dots(3), ([&b".  "[..], b".. "], [3, 2]));
}

#[test]
fn the_same_files_make_the_same_bytes_in_whatever_order_they_came() {
    let files = files();
    let mut backwards = files.clone();
    backwards.reverse();
    let one = spec(40 * MIB, Some(FatKind::Fat32)).format(tree(&files));
    let two = spec(40 * MIB, Some(FatKind::Fat32)).format(tree(&backwards));
    assert!(one.unwrap().to_vec() == two.unwrap().to_vec());
}

#[test]
fn a_volume_is_as_sparse_as_its_files_are_few() {
    let image = spec(128 * MIB, Some(FatKind::Fat32)).format(Tree::default());
    assert!(image.unwrap().content() < 4096);
}

#[test]
fn a_volume_fills_to_its_last_cluster_and_no_further() {
    let empty = spec(8 * MIB, None).format(Tree::default()).unwrap();
    let bytes = empty.to_vec();
    let reader = Reader::open(&bytes).unwrap();
    assert_eq!(reader.kind(), FatKind::Fat16);
    let capacity = 8_143 * 1024;
    let file = |length| vec![("full.bin".to_owned(), vec![9_u8; length])];
    let fits = file(capacity);
    let image = spec(8 * MIB, None).format(tree(&fits)).unwrap();
    let bytes = image.to_vec();
    assert_eq!(bytes.len(), 8 << 20);
    let reader = Reader::open(&bytes).unwrap();
    assert_eq!(reader.read("full.bin").unwrap(), fits[0].1);
    let too_long = file(capacity + 1);
    let full = spec(8 * MIB, None).format(tree(&too_long)).map(|_| ());
    assert_eq!(full, Err(FatError::Full("FARMBOOT".to_owned())));
}

#[test]
fn a_root_folder_of_512_entries_is_full() {
    let names: Vec<_> = (0..512).map(|n| (format!("F{n}"), Vec::new())).collect();
    let volume = spec(8 * MIB, None);
    assert!(volume.format(tree(&names[..511])).is_ok());
    assert!(volume.format(tree(&names)).is_err());
    let fat32 = spec(40 * MIB, Some(FatKind::Fat32));
    assert!(fat32.format(tree(&names)).is_ok());
}

#[test]
fn labels_that_drivers_spell_differently_are_refused() {
    for label in ["", "farmboot", "FARM BOOT", "TWELVELETTER"] {
        let volume = Volume {
            label,
            ..spec(8 * MIB, None)
        };
        let refused = volume.format(Tree::default()).map(|_| ());
        assert_eq!(refused, Err(FatError::BadLabel(label.to_owned())));
    }
}

#[test]
fn damaged_volumes_are_errors() {
    let files = files();
    let good = spec(2 * MIB, None).format(tree(&files)).unwrap().to_vec();
    assert!(Reader::open(&[]).is_err());
    assert!(Reader::open(&[0; 512]).is_err());
    // Whatever a byte of the head, the tables or the first folder becomes, reading ends.
    for at in (0..64).chain(512..600).chain(6_600..7_400) {
        for value in [0, 0x55, 0xFF] {
            let mut bytes = good.clone();
            bytes[at] = value;
            if let Ok(reader) = Reader::open(&bytes) {
                let _ = reader.root_label();
                let _ = reader.list();
                let _ = reader.read("vmlinuz");
            }
        }
    }
    let reader = Reader::open(&good[..512]).unwrap();
    assert_eq!(reader.list(), Err(FatError::Damaged("it was cut short")));
}

#[test]
fn a_file_that_runs_in_a_circle_is_an_error() {
    let files = vec![("A".to_owned(), vec![1; 2048])];
    let mut bytes = spec(8 * MIB, None).format(tree(&files)).unwrap().to_vec();
    // The table begins in sector 1; cluster 3 of FAT16 points back to 2.
    bytes[512 + 6..512 + 8].copy_from_slice(&2_u16.to_le_bytes());
    let reader = Reader::open(&bytes).unwrap();
    assert_eq!(
        reader.read("A"),
        Err(FatError::Damaged("a file runs in a circle"))
    );
}
