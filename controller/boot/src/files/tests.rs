//! Names, recipes and the bytes behind them.

use std::io::Write as _;

use super::*;

const RIG: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
const OTHER: Mac = Mac([0x52, 0x54, 0, 0, 0, 1]);

fn name(mac: Mac, file: BootFile) -> FileName {
    FileName { mac, file }
}

fn recipe() -> Recipe {
    Recipe::default()
        .with_command_line("quiet miner.name=seven")
        .unwrap()
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
fn the_longest_beginning_of_an_address_decides_what_a_rig_boots() {
    let mut table = Table::default();
    let kernel = |mac| name(mac, BootFile::Kernel);
    let has = |table: &Table, mac| table.open(kernel(mac)).map(|content| bytes(&content));
    assert_eq!(has(&table, RIG), None, "nobody is answered");
    table = Table::from(recipe());
    assert_eq!(has(&table, RIG).unwrap(), b"kernel");
    let own = |text: &[u8]| {
        let content = Content::memory(text.to_vec());
        Some(Arc::new(recipe().with(BootFile::Kernel, content)))
    };
    table.set(RIG.into(), own(b"newer")).unwrap();
    table
        .set("52-54-00".parse().unwrap(), own(b"maker"))
        .unwrap();
    assert_eq!(has(&table, RIG).unwrap(), b"newer");
    assert_eq!(has(&table, OTHER).unwrap(), b"maker");
    assert_eq!(has(&table, Mac([2; 6])).unwrap(), b"kernel");
    table.set(OTHER.into(), None).unwrap();
    assert_eq!(has(&table, OTHER), None, "it is not answered");
}

#[test]
fn the_table_of_rigs_has_an_end() {
    let mut table = Table::default();
    for number in 0..u16::try_from(MAX_RIG_RECIPES).unwrap() {
        let [high, low] = number.to_be_bytes();
        table
            .set(Mac([2, 0, 0, 0, high, low]).into(), None)
            .unwrap();
    }
    assert_eq!(table.set(RIG.into(), None), Err(TableFull));
    assert_eq!(table.set(Mac([2, 0, 0, 0, 0, 0]).into(), None), Ok(()));
}

#[test]
fn the_script_has_the_command_line_and_is_there_only_if_it_can_run() {
    let table = Table::from(recipe());
    let script = table.open(name(RIG, BootFile::Script)).unwrap();
    let text = String::from_utf8(bytes(&script)).unwrap();
    assert!(text.contains("quiet miner.name=seven"), "{text}");

    let uki_only = Recipe::default()
        .with_command_line("quiet")
        .unwrap()
        .with(BootFile::UkiX64, Content::memory(*b"uki"))
        .with(BootFile::Undionly, Content::memory(*b"ipxe"));
    let offered = BootFile::ALL.map(|file| uki_only.has(file));
    assert_eq!(offered, [false, false, false, false, true, false]);
    assert!(uki_only.file(BootFile::Script).is_none());
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
