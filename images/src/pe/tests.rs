use super::*;

/// A program with one section of code and room for `room` bytes of headers.
pub(crate) fn program(machine: u16, section_alignment: u32, room: u32) -> Vec<u8> {
    let mut pe = vec![0; 0x40];
    pe[..2].copy_from_slice(b"MZ");
    pe[0x3c] = 0x40;
    pe.extend(b"PE\0\0");
    pe.extend(machine.to_le_bytes());
    pe.extend(1_u16.to_le_bytes());
    pe.extend([0x11; 12]);
    pe.extend(240_u16.to_le_bytes());
    pe.extend(0x20e_u16.to_le_bytes());
    let mut optional = vec![0; 240];
    optional[..2].copy_from_slice(&PE32_PLUS.to_le_bytes());
    for (at, number) in [
        (at::SECTION_ALIGNMENT, section_alignment),
        (at::FILE_ALIGNMENT, 512),
        (at::IMAGE_SIZE, 0x5000),
        (at::HEADERS_SIZE, room),
        (at::CHECKSUM, 0x1234),
        (at::DIRECTORIES, 16),
        (at::CERTIFICATES, 0x4400),
    ] {
        optional[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }
    pe.extend(optional);
    let mut header = [0; SECTION];
    header[..5].copy_from_slice(b".text");
    for (at, number) in [
        (8, 0x123),
        (12, 0x4000),
        (16, 0x200),
        (20, room),
        (36, 0x6000_0020),
    ] {
        header[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }
    pe.extend(header);
    pe.resize(room.try_into().unwrap(), 0);
    pe.extend([0xcc; 0x200]);
    pe
}

#[test]
fn appended_sections_follow_one_another_in_memory_and_in_the_file() {
    for alignment in [0x200, 0x1000, 0x10000] {
        let stub = program(0xaa64, alignment, 0x400);
        let big = vec![7; 40_000];
        let out = append(
            &stub,
            &[
                NewSection::whole(".linux", &big),
                NewSection::whole(".initrd", b"tail"),
            ],
        )
        .unwrap();
        let pe = Pe::parse(&out).unwrap();
        assert_eq!(pe.sections.len(), 3);
        assert_eq!(pe.section(".linux").unwrap().contents(&out), Some(&big[..]));
        assert_eq!(
            pe.section(".initrd").unwrap().contents(&out),
            Some(&b"tail"[..])
        );
        for pair in pe.sections.windows(2) {
            assert!(pair[0].end().unwrap() <= pair[1].address);
            assert!(pair[0].raw_at + pair[0].raw_size <= pair[1].raw_at);
            assert_eq!(pair[1].address % alignment.max(PAGE), 0);
            assert_eq!((pair[1].raw_at % 512, pair[1].raw_size % 512), (0, 0));
        }
        let image = u32_at(&out, pe.optional + at::IMAGE_SIZE).unwrap();
        let last = pe.sections.last().unwrap();
        assert!(image >= last.end().unwrap() && image.is_multiple_of(alignment));
        let data = u32_at(&out, pe.optional + at::INITIALIZED_DATA).unwrap();
        assert_eq!(data, 40_448 + 512);
        assert_eq!(out.len() as u64, u64::from(last.raw_at + last.raw_size));
    }
}

#[test]
fn time_check_sum_symbols_and_signature_are_gone() {
    let out = append(
        &program(0x8664, 0x200, 0x400),
        &[NewSection::whole(".x", b"1")],
    )
    .unwrap();
    let pe = Pe::parse(&out).unwrap();
    assert_eq!(out[pe.coff + 4..pe.coff + 16], [0; 12]);
    for at in [at::CHECKSUM, at::CERTIFICATES, at::CERTIFICATES + 4] {
        assert_eq!(u32_at(&out, pe.optional + at), Some(0));
    }
}

#[test]
fn headers_without_room_are_an_error_that_names_the_section() {
    // 0x40 + 24 + 240 + 40 bytes of headers: one more fits below 0x190, two do not.
    let stub = program(0x8664, 0x200, 0x198);
    append(&stub, &[NewSection::whole(".a", b"1")]).unwrap();
    let refused = append(
        &stub,
        &[NewSection::whole(".a", b"1"), NewSection::whole(".b", b"2")],
    );
    assert_eq!(refused, Err(PeError::NoRoom(".b".to_owned())));
    let refused = append(&stub, &[NewSection::whole(".far-too-long", b"1")]);
    assert_eq!(refused, Err(PeError::NoRoom(".far-too-long".to_owned())));
}

#[test]
fn a_cut_file_is_refused_without_a_panic() {
    let stub = program(0x8664, 0x200, 0x400);
    for len in 0..stub.len() {
        assert_eq!(
            append(&stub[..len], &[NewSection::whole(".a", b"1")]),
            Err(PeError::NotPe)
        );
    }
}
