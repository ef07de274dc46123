//! Names, recipes and the bytes behind them.

use std::io::Write as _;

use super::*;

const RIG: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
const OTHER: Mac = Mac([0x52, 0x54, 0, 0, 0, 1]);

fn name(mac: Mac, file: BootFile) -> FileName {
    FileName { mac, file }
}

fn recipe(patcher: Option<Patcher>) -> Recipe {
    Recipe::new(Arc::new(|mac| format!("quiet miner.label={mac}")), patcher)
        .with(BootFile::Kernel, Content::memory(*b"kernel"))
        .with(BootFile::Initramfs, Content::memory(*b"initramfs"))
        .with(BootFile::UkiX64, Content::memory(*b"head ........ tail"))
}

fn bytes(content: &Content) -> Vec<u8> {
    let mut out = vec![0; usize::try_from(content.len()).unwrap()];
    assert_eq!(content.read_at(0, &mut out).unwrap(), out.len());
    out
}

#[test]
fn a_name_says_the_rig_and_the_file_and_nothing_else_is_a_name() {
    let uki = name(RIG, BootFile::UkiX64);
    assert_eq!(uki.to_string(), "52-54-00-12-34-56/x64.efi");
    for text in ["52-54-00-12-34-56/x64.efi", "/52:54:00:12:34:56/x64.efi"] {
        assert_eq!(FileName::parse(text), Some(uki), "{text}");
    }
    for text in [
        "",
        "/",
        "x64.efi",
        "52-54-00-12-34-56",
        "52-54-00-12-34-56/",
        "52-54-00-12-34-56/x64.efi/",
        "52-54-00-12-34-56/../x64.efi",
        "52-54-00-12-34-56//etc/passwd",
        "../x64.efi",
    ] {
        assert_eq!(FileName::parse(text), None, "{text}");
    }
    for file in BootFile::ALL {
        assert_eq!(BootFile::named(file.name()), Some(file));
    }
}

#[test]
fn a_rig_gets_its_own_recipe_the_rest_or_nothing() {
    let mut table = Table::default();
    let kernel = |mac| name(mac, BootFile::Kernel);
    assert!(
        table.open(kernel(RIG)).unwrap().is_none(),
        "nobody is answered"
    );
    table.set_rest(Some(Arc::new(recipe(None))));
    assert_eq!(bytes(&table.open(kernel(RIG)).unwrap().unwrap()), b"kernel");
    let own = recipe(None).with(BootFile::Kernel, Content::memory(*b"newer"));
    table.set(RIG, Some(Arc::new(own))).unwrap();
    assert_eq!(bytes(&table.open(kernel(RIG)).unwrap().unwrap()), b"newer");
    assert_eq!(
        bytes(&table.open(kernel(OTHER)).unwrap().unwrap()),
        b"kernel"
    );
    table.set(OTHER, None).unwrap();
    assert!(table.open(kernel(OTHER)).unwrap().is_none());
    table.unset(OTHER);
    assert!(table.open(kernel(OTHER)).unwrap().is_some());
}

#[test]
fn the_table_of_rigs_has_an_end() {
    let mut table = Table::default();
    for number in 0..u16::try_from(MAX_RIG_RECIPES).unwrap() {
        let [high, low] = number.to_be_bytes();
        table.set(Mac([2, 0, 0, 0, high, low]), None).unwrap();
    }
    assert_eq!(table.set(RIG, None), Err(TableFull));
    assert_eq!(table.set(Mac([2, 0, 0, 0, 0, 0]), None), Ok(()));
}

#[test]
fn the_script_is_made_for_the_rig_and_only_if_it_can_run() {
    let mut table = Table::default();
    table.set_rest(Some(Arc::new(recipe(None))));
    let script = table.open(name(RIG, BootFile::Script)).unwrap().unwrap();
    let text = String::from_utf8(bytes(&script)).unwrap();
    assert!(
        text.contains("quiet miner.label=52:54:00:12:34:56"),
        "{text}"
    );

    let uki_only = Recipe::new(Arc::new(|_| String::new()), None)
        .with(BootFile::UkiX64, Content::memory(*b"uki"))
        .with(BootFile::Undionly, Content::memory(*b"ipxe"));
    let offered = BootFile::ALL.map(|file| uki_only.has(file));
    assert_eq!(offered, [false, false, false, false, true, false]);
}

#[test]
fn a_uki_is_patched_for_each_rig_and_the_others_stay() {
    let patcher: Patcher = Arc::new(|uki, line| {
        assert_eq!(uki.len(), 18);
        let last = line.as_bytes()[line.len() - 2..].to_vec();
        Ok(vec![Patch { at: 5, bytes: last }])
    });
    let mut table = Table::default();
    table.set_rest(Some(Arc::new(recipe(Some(patcher)))));
    for (mac, expected) in [(RIG, b"head 56...... tail"), (OTHER, b"head 01...... tail")] {
        let uki = table.open(name(mac, BootFile::UkiX64)).unwrap().unwrap();
        assert_eq!(bytes(&uki), expected);
    }
}

#[test]
fn patches_show_in_every_piece_that_is_read() {
    let plain = Content::memory(*b"0123456789");
    let patches = vec![
        Patch {
            at: 2,
            bytes: b"abcd".to_vec(),
        },
        Patch {
            at: 9,
            bytes: b"z".to_vec(),
        },
    ];
    let content = plain.patched(patches).unwrap();
    let whole = b"01abcd678z";
    for from in 0..=10 {
        for length in 0..=11 {
            let mut out = vec![0; length];
            let read = content.read_at(from as u64, &mut out).unwrap();
            assert_eq!(
                out[..read],
                whole[from..(from + length).min(10)],
                "{length} from {from}"
            );
        }
    }
    assert_eq!(bytes(&plain), b"0123456789");
    let beyond = Patch {
        at: 9,
        bytes: b"zz".to_vec(),
    };
    assert!(plain.patched(vec![beyond]).is_err());
    let far = Patch {
        at: u64::MAX,
        bytes: b"z".to_vec(),
    };
    assert!(plain.patched(vec![far]).is_err());
}

#[test]
fn what_a_change_does_is_known_by_its_patches() {
    let plain = Content::memory(*b"0123456789");
    let patches = plain.changes(|bytes| {
        bytes[2..4].copy_from_slice(b"ab");
        bytes[9] = b'z';
        Ok(())
    });
    let patches = patches.unwrap();
    assert_eq!(patches.len(), 2);
    assert_eq!(bytes(&plain.patched(patches).unwrap()), b"01ab45678z");
    assert!(plain.changes(|_| Err(io::Error::other("no"))).is_err());
}

#[test]
fn a_file_on_disk_is_hashed_and_read_in_pieces() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let long: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    file.write_all(&long).unwrap();
    let content = Content::disk(file.path()).unwrap();
    assert_eq!(content.len(), 200_000);
    assert_eq!(content.sha256(), Content::memory(long.clone()).sha256());
    assert_eq!(bytes(&content), long);
    file.as_file().set_len(10).unwrap();
    assert!(
        content.read_at(0, &mut [0; 20]).is_err(),
        "it became shorter"
    );
    assert!(
        Content::disk(std::path::Path::new("/")).is_err(),
        "a folder"
    );
}

#[test]
fn a_command_line_that_no_kernel_keeps_is_refused() {
    let long = Recipe::new(Arc::new(|_| "x".repeat(MAX_COMMAND_LINE + 1)), None)
        .with(BootFile::Kernel, Content::memory(*b"kernel"))
        .with(BootFile::Initramfs, Content::memory(*b"initramfs"));
    let mut table = Table::default();
    table.set_rest(Some(Arc::new(long)));
    assert!(table.open(name(RIG, BootFile::Script)).is_err());
}
