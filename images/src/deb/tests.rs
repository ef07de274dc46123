use std::io::Write as _;

use lzma_rust2::{XzOptions, XzWriter};
use proptest::prelude::*;

use super::*;

/// A tar header with the right sum.
fn header(name: &[u8], kind: u8, size: usize) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name);
    block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    block[156] = kind;
    block[257..263].copy_from_slice(b"ustar\0");
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block
}

fn entry(name: &[u8], kind: u8, contents: &[u8]) -> Vec<u8> {
    let mut entry = header(name, kind, contents.len());
    entry.extend(contents);
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry
}

fn tar(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut tar = entries.concat();
    tar.extend([0; 1024]);
    tar
}

fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut ar = b"!<arch>\n".to_vec();
    for (name, contents) in members {
        let len = contents.len();
        writeln!(
            ar,
            "{name:<16}{:<12}{:<6}{:<6}{:<8}{len:<10}`",
            0, 0, 0, 644
        )
        .unwrap();
        ar.extend(*contents);
        ar.resize(ar.len().next_multiple_of(2), b'\n');
    }
    ar
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut writer = XzWriter::new(Vec::new(), XzOptions::with_preset(1)).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut gz = vec![0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3];
    gz.extend(b"control.tar\0");
    gz.extend(miniz_oxide::deflate::compress_to_vec(bytes, 6));
    gz.extend([0; 8]);
    gz
}

/// A frame of one raw block (RFC 8878, sections 3.1.1.1 and 3.1.1.2): what a packer may always write.
fn zst(bytes: &[u8]) -> Vec<u8> {
    let len = u32::try_from(bytes.len()).unwrap();
    let mut zst = vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0];
    zst.extend(len.to_le_bytes());
    zst.extend(&((len << 3) | 1).to_le_bytes()[..3]);
    zst.extend(bytes);
    zst
}

fn write(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn package(data: &[u8]) -> tempfile::NamedTempFile {
    let control = tar(&[entry(
        b"./control",
        b'0',
        b"Package: demo\nVersion: 1:2-3\nArchitecture: amd64\nDescription: x\n",
    )]);
    write(&ar(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", &gz(&control)),
        ("data.tar.xz", &xz(data)),
    ]))
}

fn all(data: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, DebError> {
    files(package(data).path(), &|_| true)
}

#[test]
fn a_package_says_who_it_is() {
    let found = control(package(&tar(&[])).path()).unwrap();
    assert_eq!(found.name, "demo");
    assert_eq!(found.version, "1:2-3");
    assert_eq!(found.architecture, "amd64");
}

#[test]
fn only_wanted_regular_files_come_out() {
    let data = tar(&[
        entry(b"./boot/", b'5', b""),
        entry(b"./boot/vmlinuz", b'0', &[7; 600]),
        entry(b"./boot/link", b'2', b""),
        entry(b"./etc/passwd", b'0', b"no"),
    ]);
    let package = package(&data);
    let wanted = |path: &str| path.starts_with("boot/");
    let found = files(package.path(), &wanted).unwrap();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["boot/vmlinuz"]);
    assert_eq!(found["boot/vmlinuz"], [7; 600]);
    let folder = tempfile::tempdir().unwrap();
    extract(package.path(), folder.path(), &wanted).unwrap();
    assert_eq!(
        fs::read(folder.path().join("boot/vmlinuz")).unwrap(),
        [7; 600]
    );
    assert!(!folder.path().join("etc").exists());
}

#[test]
fn every_way_of_packing_gives_the_same_files() {
    let data = tar(&[entry(b"./a", b'0', b"same")]);
    for (name, packed) in [
        ("data.tar", data.clone()),
        ("data.tar.xz", xz(&data)),
        ("data.tar.zst", zst(&data)),
        ("data.tar.gz", gz(&data)),
    ] {
        let package = write(&ar(&[("debian-binary", b"2.0\n"), (name, &packed)]));
        let found = files(package.path(), &|_| true).unwrap();
        assert_eq!(found["a"], b"same", "{name}");
    }
}

#[test]
fn long_names_are_read_in_both_forms() {
    let long = format!("./lib/{}", "n".repeat(200));
    let record = format!("path={long}\n");
    let pax = format!("{} {record}", record.len() + 4);
    let data = tar(&[
        entry(b"././@LongLink", b'L', format!("{long}\0").as_bytes()),
        entry(b"./lib/n", b'0', b"gnu"),
    ]);
    assert_eq!(all(&data).unwrap()[&long[2..]], b"gnu");
    let data = tar(&[
        entry(b"./PaxHeaders/n", b'x', pax.as_bytes()),
        entry(b"./lib/n", b'0', b"pax"),
    ]);
    assert_eq!(all(&data).unwrap()[&long[2..]], b"pax");
}

#[test]
fn a_path_that_leaves_the_package_is_refused() {
    for name in ["../evil", "./a/../../evil", "/etc/passwd", "a//b", "./"] {
        let error = all(&tar(&[entry(name.as_bytes(), b'0', b"x")])).unwrap_err();
        assert!(error.to_string().contains("leaves the package"), "{name}");
    }
}

#[test]
fn damage_is_an_error_in_one_line() {
    let good = tar(&[entry(b"./a", b'0', &[1; 2000])]);
    assert!(all(&good[..1500]).is_err());
    let mut bad_sum = good.clone();
    bad_sum[0] ^= 1;
    assert!(
        all(&bad_sum)
            .unwrap_err()
            .to_string()
            .contains("tar header")
    );
    let no_package = write(b"PK\x03\x04 something else");
    let error = files(no_package.path(), &|_| true).unwrap_err().to_string();
    assert!(
        error.ends_with("no Debian package; download the package again"),
        "{error}"
    );
    assert!(!error.contains('\n'));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
        let mut ignore = |_: &str, _: &mut dyn Read| Ok(());
        let _ = tar::walk(&mut bytes.as_slice(), &mut ignore);
        let _ = ar::member(bytes.as_slice(), "data");
        for magic in [&b"\xfd7zXZ\0"[..], b"\x28\xb5\x2f\xfd", b"\x1f\x8b\x08"] {
            let packed = [magic, &bytes].concat();
            if let Ok(reader) = unpack(Box::new(packed.as_slice())) {
                let _ = io::copy(&mut reader.take(1 << 20), &mut io::sink());
            }
        }
    }
}
