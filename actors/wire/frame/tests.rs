//! Golden bytes, round trips, and decoding that never panics.

use super::*;
use crate::exclusion::Exclusion;
use crate::message::{Input, Lost, Meta};
use crate::named::{Extent, Named};
use crate::wire::MAX_LOST;
use proptest::prelude::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn encoded(frame: &Frame) -> BytesMut {
    let mut out = BytesMut::new();
    frame.encode(&mut out);
    out
}

/// Each line: a frame, and its bytes as they stand in the protocol's version 3.
#[test]
fn golden_bytes() {
    let position = Position { offset: 0x0102, ordinal: 3 };
    let progress = Progress {
        next: position,
        bytes_read: 9,
        excluded: vec![(Exclusion::WrongWarcType, 5)],
        lost: vec![Lost { at: Position { offset: 4, ordinal: 1 }, length: 6, reason: Exclusion::BadCrc }],
    };
    let progress_hex = concat!(
        "0201000000000000",
        "03000000",                 // next
        "0900000000000000",         // bytes read
        "01",                       // reasons
        "0105000000",               // 5 of the wrong type
        "01",                       // places
        "040000000000000001000000", // at
        "0600000000000000",         // length
        "11",                       // checksum
    );
    let meta = Meta { url: "u".into(), fetch_status: 200, warc_record_length: 7, ..Meta::default() };
    let record = RecordFrame {
        part: 1,
        epoch: 2,
        at: position,
        progress: progress.clone(),
        prepared: Prepared {
            meta,
            input: Input::Pixels { height: 1, width: 1, data: Bytes::from_static(&[1, 2, 3]) },
            keep: Bytes::from_static(b"k"),
        },
    };
    let record_hex = [
        "20",                       // type
        "01000000",                 // part
        "02000000",                 // epoch
        "020100000000000003000000", // at
        progress_hex,
        "0100000075",                             // url
        &"00000000".repeat(9),                    // the other strings, empty
        "c800",                                   // status
        "0700000000000000",                       // record length
        "0000000000000000",                       // image size
        "02",                                     // pixels
        "01000000010000000300000001020301000000", // height, width, bytes; length of keep
        "6b",                                     // keep
    ]
    .concat();
    let lease = Lease {
        part: 1,
        epoch: 2,
        start: position,
        from: 3,
        end: u64::MAX,
        careful: 4,
        pass_over: true,
        size: 5,
        name: "n".into(),
        etag: String::new(),
        named: Some(Named::new([Extent { offset: 0x0102, length: 300 }])),
    };
    let cases: Vec<(Frame, String)> = vec![
        (
            Frame::Hello { version: 1, schema: 1, nonce: [7; 16], name: "a".into() },
            format!("0101000100{}0100000061", "07".repeat(16)),
        ),
        (
            Frame::Challenge { version: 1, schema: 1, nonce: [7; 16], proof: [8; 32] },
            format!("0201000100{}{}", "07".repeat(16), "08".repeat(32)),
        ),
        (Frame::Proof { proof: [8; 32] }, format!("03{}", "08".repeat(32))),
        (
            Frame::Welcome { session: 1, granted: 2, max_record: 3, job: Bytes::from_static(b"j") },
            "04010000000000000002000000000000000300000001000000".to_owned() + "6a",
        ),
        (Frame::Refused { reason: "no".into() }, "05020000006e6f".into()),
        (Frame::Ready, "10".into()),
        (
            Frame::Lease(lease),
            [
                "11",
                "01000000",                 // part
                "02000000",                 // epoch
                "020100000000000003000000", // start
                "0300000000000000",         // from
                "ffffffffffffffff",         // end
                "04000000",                 // careful
                "01",                       // pass over
                "0500000000000000",         // size
                "010000006e",               // name
                "00000000",                 // etag
                "01",                       // indexed
                "04000000",                 // named: distance and length, in 7 bits a byte
                "8202ac02",
            ]
            .concat(),
        ),
        (Frame::Grant { granted: 0x0a0b }, "120b0a000000000000".into()),
        (Frame::Finish, "13".into()),
        (Frame::Go, "14".into()),
        (Frame::Fence { part: 1, epoch: 2 }, "150100000002000000".into()),
        (Frame::Record(Box::new(record)), record_hex),
        (
            Frame::Progress { part: 1, epoch: 2, progress: progress.clone() },
            format!("210100000002000000{progress_hex}"),
        ),
        (
            Frame::LeaseEnd(LeaseEnd {
                part: 1,
                epoch: 2,
                progress: progress.clone(),
                failure: Some("x".into()),
            }),
            format!("220100000002000000{progress_hex}010100000078"),
        ),
        (Frame::Attempt { part: 1, epoch: 2, progress }, format!("230100000002000000{progress_hex}")),
        (Frame::Stats(Stats(vec![1, 2])), "300201000000000000000200000000000000".into()),
        (Frame::Ping, "31".into()),
    ];
    let mut covered: Vec<u8> = Vec::new();
    for (frame, golden) in cases {
        covered.push(frame.frame_type() as u8);
        assert_eq!(hex(&encoded(&frame)), golden, "{frame:?}");
        assert_eq!(Frame::decode(encoded(&frame).freeze()).unwrap(), frame);
        assert_eq!(frame.encoded_len() * 2, golden.len());
    }
    assert_eq!(
        covered,
        FrameType::ALL.iter().map(|&t| t as u8).collect::<Vec<_>>(),
        "every type has golden bytes"
    );
}

#[test]
fn sizes_that_contradict_each_other_are_refused() {
    let frame = |input| {
        Frame::Record(Box::new(RecordFrame {
            part: 0,
            epoch: 0,
            at: Position::default(),
            progress: Progress::default(),
            prepared: Prepared { meta: Meta::default(), input, keep: Bytes::new() },
        }))
    };
    let three = Bytes::from_static(&[1, 2, 3]);
    for input in [
        Input::Tokens(three.clone()),
        Input::Pixels { height: 2, width: 1, data: three.clone() },
        Input::Pixels { height: u32::MAX, width: u32::MAX, data: three },
    ] {
        let error = Frame::decode(encoded(&frame(input)).freeze()).unwrap_err();
        assert!(matches!(error, WireError::BadValue { frame: "RECORD", .. }), "{error}");
    }
}

#[test]
fn more_places_than_a_frame_may_list_are_refused() {
    let frame = |places| {
        let lost = vec![Lost { at: Position::default(), length: 1, reason: Exclusion::Garbage }; places];
        let progress = Progress { lost, ..Progress::default() };
        Frame::Progress { part: 0, epoch: 0, progress }
    };
    assert!(Frame::decode(encoded(&frame(MAX_LOST)).freeze()).is_ok());
    let error = Frame::decode(encoded(&frame(MAX_LOST + 1)).freeze()).unwrap_err();
    assert!(matches!(error, WireError::BadValue { field: "lost", value: 33, .. }), "{error}");
}

fn any_progress() -> impl Strategy<Value = Progress> {
    (any::<(u64, u32, u64)>(), prop::collection::vec((0..Exclusion::ALL.len(), any::<u32>()), 0..20))
        .prop_map(|((offset, ordinal, bytes_read), tallies)| Progress {
            next: Position { offset, ordinal },
            bytes_read,
            excluded: tallies.iter().map(|&(i, n)| (Exclusion::ALL[i], n)).collect(),
            lost: tallies
                .into_iter()
                .map(|(i, n)| Lost {
                    at: Position { offset: n.into(), ordinal },
                    length: offset,
                    reason: Exclusion::ALL[i],
                })
                .collect(),
        })
}

fn any_input() -> impl Strategy<Value = Input> {
    prop_oneof![
        Just(Input::None),
        prop::collection::vec(any::<u32>(), 0..50)
            .prop_map(|ids| Input::Tokens(ids.iter().flat_map(|id| id.to_le_bytes()).collect())),
        (0u32..5, 0u32..5).prop_map(|(height, width)| Input::Pixels {
            height,
            width,
            data: vec![9; (height * width * 3) as usize].into()
        }),
    ]
}

fn any_record() -> impl Strategy<Value = Frame> {
    (
        any::<(u32, u32, u64, u32, u16)>(),
        any_progress(),
        any_input(),
        prop::collection::vec(".{0,20}", 10),
        ".{0,50}",
    )
        .prop_map(|((part, epoch, offset, ordinal, status), progress, input, strings, keep)| {
            let [
                url,
                fetch_time,
                content_digest,
                content_mime_type,
                content_charset,
                content_languages,
                id,
                title,
                author,
                published,
            ] = <[String; 10]>::try_from(strings).unwrap();
            let meta = Meta {
                url,
                fetch_time,
                fetch_status: status,
                content_digest,
                content_mime_type,
                content_charset,
                content_languages,
                warc_record_id: id,
                warc_record_length: offset / 2,
                image_size: (epoch, part),
                title,
                author,
                published,
            };
            Frame::Record(Box::new(RecordFrame {
                part,
                epoch,
                at: Position { offset, ordinal },
                progress,
                prepared: Prepared { meta, input, keep: keep.into() },
            }))
        })
}

fn any_frame() -> impl Strategy<Value = Frame> {
    prop_oneof![
        any_record(),
        (any::<(u32, u32)>(), any_progress()).prop_map(|((part, epoch), progress)| Frame::Progress {
            part,
            epoch,
            progress
        }),
        (any::<(u32, u32)>(), any_progress(), prop::option::of(".{0,30}")).prop_map(
            |((part, epoch), progress, failure)| Frame::LeaseEnd(LeaseEnd { part, epoch, progress, failure })
        ),
        prop::collection::vec(any::<u64>(), 0..255).prop_map(|values| Frame::Stats(Stats(values))),
        (any::<(u64, u64, u32)>(), prop::collection::vec(any::<u8>(), 0..99)).prop_map(
            |((session, granted, max_record), job)| Frame::Welcome {
                session,
                granted,
                max_record,
                job: job.into()
            }
        ),
    ]
}

proptest! {
    #[test]
    fn round_trip_and_encoded_len(frame in any_frame()) {
        let bytes = encoded(&frame);
        prop_assert_eq!(bytes.len(), frame.encoded_len());
        prop_assert_eq!(Frame::decode(bytes.freeze()).unwrap(), frame);
    }

    #[test]
    fn cut_or_flipped_frames_never_panic(frame in any_frame(), cut in any::<prop::sample::Index>(), flip in any::<u8>()) {
        let mut bytes = encoded(&frame);
        let at = cut.index(bytes.len());
        bytes[at] ^= flip;
        let _ = Frame::decode(bytes.clone().freeze());
        bytes.truncate(at);
        prop_assert!(Frame::decode(bytes.freeze()).is_err(), "a cut frame is never whole");
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Frame::decode(bytes.into());
    }
}
